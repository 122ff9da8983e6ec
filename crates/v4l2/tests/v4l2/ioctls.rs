//! Identity, formats, inputs, priorities, and what is refused before a driver
//! is asked.

use lastfd_abi::ioc;
use lastfd_abi::v4l2::*;
use lastfd_chrdev::{OpenFlags, Process};
use lastfd_model::Errno;
use lastfd_sync::Arc;
use lastfd_v4l2::raw::*;

use lastfd_rigs::v4l2::{Camera, FRAME};
use lastfd_rigs::v4l2::{Rig, ioctl, reqbufs, set_ctrl};

#[test]
fn a_camera_says_who_it_is() {
    let rig = Rig::silent();
    let mut cap = V4l2Capability::default();
    ioctl(&rig.file(), VIDIOC_QUERYCAP, &mut cap).unwrap();
    assert_eq!(text(&cap.driver), "camera");
    assert_eq!(text(&cap.card), "A camera");
    assert_eq!(text(&cap.bus_info), "platform:camera.0");
    assert_eq!(cap.version, 0x6_0c75);
    let caps =
        V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_READWRITE | V4L2_CAP_EXT_PIX_FORMAT;
    assert_eq!(cap.device_caps, caps);
    assert_eq!(cap.capabilities, caps | V4L2_CAP_DEVICE_CAPS);
}

#[test]
fn a_driver_that_changes_its_capabilities_is_told() {
    let rig = Rig::new(|device| {
        Camera::probe_with(device, None, |vdev| {
            vdev.set_ioctl_ops(V4l2IoctlOps {
                vidioc_querycap: Some(Arc::new(|_, cap| {
                    cap.device_caps = V4L2_CAP_STREAMING;
                    cap.capabilities = 0;
                    Ok(())
                })),
                ..V4l2IoctlOps::default()
            });
        })
    });
    ioctl(&rig.file(), VIDIOC_QUERYCAP, &mut V4l2Capability::default()).unwrap();
    assert_eq!(rig.splats().len(), 2);
}

#[test]
fn there_is_one_format() {
    let rig = Rig::silent();
    let file = rig.file();
    let mut desc = V4l2Fmtdesc {
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        flags: 99,
        ..V4l2Fmtdesc::default()
    };
    ioctl(&file, VIDIOC_ENUM_FMT, &mut desc).unwrap();
    assert_eq!(desc.pixelformat, V4L2_PIX_FMT_GREY);
    assert_eq!(text(&desc.description), "8-bit Greyscale");
    assert_eq!(desc.flags, 0, "what the program left there is cleared");
    desc.index = 1;
    assert_eq!(ioctl(&file, VIDIOC_ENUM_FMT, &mut desc), Err(Errno::EINVAL));
    for cmd in [VIDIOC_G_FMT, VIDIOC_TRY_FMT, VIDIOC_S_FMT] {
        let mut format = V4l2Format {
            type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
            raw_data: [0xee; 200],
            ..V4l2Format::default()
        };
        ioctl(&file, cmd, &mut format).unwrap();
        assert_eq!(format.pix().sizeimage, FRAME as u32);
        assert_eq!(format.pix().priv_, V4L2_PIX_FMT_PRIV_MAGIC);
        assert_eq!(format.raw_data[48..], [0; 152], "behind the picture");
        for type_ in [
            0,
            V4L2_BUF_TYPE_VIDEO_OUTPUT,
            V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
            V4L2_BUF_TYPE_META_CAPTURE,
            u32::MAX,
        ] {
            format.type_ = type_;
            assert_eq!(
                ioctl(&file, cmd, &mut format),
                Err(Errno::EINVAL),
                "{type_}"
            );
        }
    }
    reqbufs(&file, 2).unwrap();
    let mut format = V4l2Format {
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        ..V4l2Format::default()
    };
    assert_eq!(ioctl(&file, VIDIOC_S_FMT, &mut format), Err(Errno::EBUSY));
}

#[test]
fn there_is_one_input() {
    let rig = Rig::silent();
    let file = rig.file();
    let mut input = V4l2Input {
        status: 7,
        ..V4l2Input::default()
    };
    ioctl(&file, VIDIOC_ENUMINPUT, &mut input).unwrap();
    assert_eq!((text(&input.name).as_str(), input.status), ("Camera 0", 0));
    input.index = 1;
    assert_eq!(
        ioctl(&file, VIDIOC_ENUMINPUT, &mut input),
        Err(Errno::EINVAL)
    );
    let mut index = 9_u32;
    ioctl(&file, VIDIOC_G_INPUT, &mut index).unwrap();
    assert_eq!(index, 0);
    assert_eq!(ioctl(&file, VIDIOC_S_INPUT, &mut index), Ok(0));
    index = 1;
    assert_eq!(ioctl(&file, VIDIOC_S_INPUT, &mut index), Err(Errno::EINVAL));
}

#[test]
fn a_file_with_a_higher_priority_keeps_others_from_changing_things() {
    let rig = Rig::silent();
    let (a, b) = (rig.file(), rig.file());
    let priority = |file| {
        let mut prio = 0_u32;
        ioctl(file, VIDIOC_G_PRIORITY, &mut prio).unwrap();
        prio
    };
    assert_eq!(priority(&a), V4L2_PRIORITY_INTERACTIVE);
    assert_eq!(ioctl(&b, VIDIOC_S_PRIORITY, &mut 9_u32), Err(Errno::EINVAL));
    ioctl(&b, VIDIOC_S_PRIORITY, &mut V4L2_PRIORITY_RECORD.clone()).unwrap();
    assert_eq!(priority(&a), V4L2_PRIORITY_RECORD);
    assert_eq!(set_ctrl(&a, V4L2_CID_BRIGHTNESS, 1), Err(Errno::EBUSY));
    assert_eq!(reqbufs(&a, 2), Err(Errno::EBUSY));
    assert_eq!(
        ioctl(&a, VIDIOC_S_PRIORITY, &mut V4L2_PRIORITY_RECORD.clone()),
        Err(Errno::EBUSY)
    );
    // What changes nothing is open to all.
    ioctl(&a, VIDIOC_QUERYCAP, &mut V4l2Capability::default()).unwrap();
    drop(b);
    assert_eq!(priority(&a), V4L2_PRIORITY_INTERACTIVE);
    assert_eq!(set_ctrl(&a, V4L2_CID_BRIGHTNESS, 1), Ok(1));
}

#[test]
fn every_number_that_nobody_has_is_enotty_and_a_bad_pointer_efault() {
    let rig = Rig::silent();
    let file = rig.file();
    for nr in 0..=255_u8 {
        for direction in 0..4_u32 {
            let mut program = Process::new();
            let cmd = ioc(direction << 30, b'V', nr, 24);
            if V4L2_IOCTLS.iter().any(|known| known.cmd == cmd) {
                continue;
            }
            let arg = program.map(vec![0; 24]);
            assert_eq!(
                file.ioctl(cmd, arg, &mut program),
                Err(Errno::ENOTTY),
                "{cmd:#x}"
            );
            let reads = direction & 1 != 0;
            let expected = if reads { Errno::EFAULT } else { Errno::ENOTTY };
            assert_eq!(file.ioctl(cmd, 8, &mut program), Err(expected), "{cmd:#x}");
        }
    }
    assert_eq!(rig.splats(), [""; 0]);
}

#[test]
fn every_known_number_with_zeroes_gives_an_answer_and_no_splat() {
    let rig = Rig::silent();
    let file = rig.open(OpenFlags::RDWR | OpenFlags::NONBLOCK).unwrap();
    for known in V4L2_IOCTLS {
        let mut program = Process::new();
        for fill in [0, 0xff] {
            let arg = program.map(vec![fill; lastfd_abi::ioc_size(known.cmd).max(1)]);
            let _ = file.ioctl(known.cmd, arg, &mut program);
        }
    }
    assert_eq!(rig.splats(), [""; 0]);
    drop(file);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn an_ioctl_that_the_driver_disabled_is_not_there() {
    let rig = Rig::new(|device| {
        Camera::probe_with(device, None, |vdev| vdev.disable_ioctl(VIDIOC_S_INPUT))
    });
    let file = rig.file();
    assert_eq!(ioctl(&file, VIDIOC_S_INPUT, &mut 0_u32), Err(Errno::ENOTTY));
    assert_eq!(ioctl(&file, VIDIOC_G_INPUT, &mut 0_u32), Ok(0));
}

#[test]
fn log_status_writes_the_controls_to_the_log() {
    let rig = Rig::silent();
    let mut program = Process::new();
    assert_eq!(rig.file().ioctl(VIDIOC_LOG_STATUS, 0, &mut program), Ok(0));
    let events = rig.record.events();
    let lines: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.kind {
            lastfd_model::EventKind::Message { text, .. } => Some(text.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(lines, ["camera camera.0: Brightness: 128"]);
}

#[test]
fn a_driver_that_unregisters_under_its_own_lock_is_told_and_does_not_hang() {
    let rig = Rig::new(|device| {
        Camera::probe_with(device, None, |vdev| {
            vdev.set_ioctl_ops(V4l2IoctlOps {
                vidioc_querycap: Some(Arc::new(|call, _| {
                    vb2_video_unregister_device(call.vdev());
                    Ok(())
                })),
                ..V4l2IoctlOps::default()
            });
        })
    });
    let file = rig.file();
    let _ = ioctl(&file, VIDIOC_QUERYCAP, &mut V4l2Capability::default());
    assert_eq!(
        rig.splats(),
        ["the driver's ioctl lock is taken by the task that holds it"]
    );
    drop(file);
    assert_eq!(rig.finish(), [""; 0]);
}
