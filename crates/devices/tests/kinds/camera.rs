//! `camera`: numbered frames at a steady rate.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, open};
use lastfd_devices::Camera;
use lastfd_model::{Errno, Result};

use crate::{
    every_allocation_that_fails_is_unwound, ioctl, leaks, nothing_is_left_however_it_ends,
    open_node, plug, refused, world,
};

const PATH: &str = "/dev/video0";

fn buffer(index: u32) -> V4l2Buffer {
    V4l2Buffer {
        index,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2Buffer::default()
    }
}

fn stream(file: &OpenFile) {
    let mut wanted = V4l2Requestbuffers {
        count: 2,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2Requestbuffers::default()
    };
    ioctl(file, VIDIOC_REQBUFS, &mut wanted).unwrap();
    for index in 0..wanted.count {
        ioctl(file, VIDIOC_QBUF, &mut buffer(index)).unwrap();
    }
    let mut type_ = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    ioctl(file, VIDIOC_STREAMON, &mut type_).unwrap();
}

fn dqbuf(file: &OpenFile) -> Result<V4l2Buffer> {
    let mut taken = buffer(0);
    ioctl(file, VIDIOC_DQBUF, &mut taken).map(|_| taken)
}

/// A picture of a camera of 64 by 48, and its number.
fn picture(file: &OpenFile) -> Result<(Vec<u8>, u32)> {
    let mut picture = vec![0; 64 * 48 * 2];
    let bytes = file.read(&mut picture)?;
    assert_eq!(bytes, picture.len());
    let number = Camera::number_in(&picture, 64).unwrap();
    Ok((picture, number))
}

#[test]
fn frames_show_their_number_and_come_at_the_rate() {
    let (system, clock) = world();
    let camera = plug(&system, "camera:fps=50,size=64x48");
    let file = open_node(&system, PATH);
    for number in 0..5_u32 {
        assert_eq!(picture(&file).unwrap().1, number);
        let due = Duration::from_millis(20) * (number + 1);
        assert_eq!(clock.now().since_start(), due);
    }
    drop((camera, file));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn unpaced_frames_take_no_time() {
    let (system, clock) = world();
    let camera = plug(&system, "camera:fps=max,size=64x48");
    let file = open_node(&system, PATH);
    for number in 0..100 {
        assert_eq!(picture(&file).unwrap().1, number);
    }
    assert_eq!(clock.now().since_start(), Duration::ZERO);
    // Nor can a time between frames be chosen.
    let mut parm = V4l2Streamparm {
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        ..V4l2Streamparm::default()
    };
    assert_eq!(ioctl(&file, VIDIOC_G_PARM, &mut parm), Err(Errno::ENOTTY));
    drop((camera, file));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn a_frame_that_finds_no_buffer_is_missing_from_the_numbers() {
    let (system, clock) = world();
    let camera = plug(&system, "camera:fps=10,size=64x48");
    let file = open_node(&system, PATH);
    stream(&file);
    clock.advance(Duration::from_millis(550));
    // Two buffers were filled, and three frames found none.
    assert_eq!(dqbuf(&file).unwrap().sequence, 0);
    let second = dqbuf(&file).unwrap();
    assert_eq!(second.sequence, 1);
    ioctl(&file, VIDIOC_QBUF, &mut buffer(second.index)).unwrap();
    assert_eq!(dqbuf(&file).unwrap().sequence, 5);
    drop((camera, file));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn formats_sizes_and_intervals_are_told_and_chosen() {
    let (system, clock) = world();
    let camera = plug(&system, "camera:fps=25,size=320x240");
    let file = open_node(&system, PATH);
    let mut format = V4l2Fmtdesc {
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        ..V4l2Fmtdesc::default()
    };
    ioctl(&file, VIDIOC_ENUM_FMT, &mut format).unwrap();
    assert_eq!(format.pixelformat, V4L2_PIX_FMT_YUYV);
    assert_eq!(text(&format.description), "YUYV 4:2:2");
    format.index = 1;
    let more = ioctl(&file, VIDIOC_ENUM_FMT, &mut format);
    assert_eq!(more, Err(Errno::EINVAL));

    let sizes = (0..).map_while(|index| {
        let mut size = V4l2Frmsizeenum {
            index,
            pixel_format: V4L2_PIX_FMT_YUYV,
            ..V4l2Frmsizeenum::default()
        };
        ioctl(&file, VIDIOC_ENUM_FRAMESIZES, &mut size).ok()?;
        assert_eq!(size.type_, V4L2_FRMSIZE_TYPE_DISCRETE);
        Some((size.width, size.height))
    });
    assert_eq!(
        sizes.collect::<Vec<_>>(),
        [(320, 240), (640, 480), (1920, 1080)]
    );
    let rates = |width| {
        let rate = |index| {
            let mut time = V4l2Frmivalenum {
                index,
                pixel_format: V4L2_PIX_FMT_YUYV,
                width,
                height: 480,
                ..V4l2Frmivalenum::default()
            };
            ioctl(&file, VIDIOC_ENUM_FRAMEINTERVALS, &mut time).ok()?;
            assert_eq!(time.discrete.numerator, 1);
            Some(time.discrete.denominator)
        };
        (0..).map_while(rate).collect::<Vec<_>>()
    };
    assert_eq!(rates(640), [25, 15, 30, 60]);
    assert_eq!(rates(641), [0; 0], "of a size that there is not");

    // What there is not becomes the nearest that there is.
    let mut wanted = V4l2Format {
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        ..V4l2Format::default()
    };
    wanted.set_pix(&V4l2PixFormat {
        width: 700,
        height: 500,
        pixelformat: V4L2_PIX_FMT_GREY,
        ..V4l2PixFormat::default()
    });
    ioctl(&file, VIDIOC_S_FMT, &mut wanted).unwrap();
    let pix = wanted.pix();
    assert_eq!((pix.width, pix.height), (640, 480));
    assert_eq!(pix.pixelformat, V4L2_PIX_FMT_YUYV);
    assert_eq!((pix.bytesperline, pix.sizeimage), (1280, 614_400));
    let mut parm = V4l2Streamparm {
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        timeperframe: V4l2Fract {
            numerator: 100,
            denominator: 5500,
        },
        ..V4l2Streamparm::default()
    };
    ioctl(&file, VIDIOC_S_PARM, &mut parm).unwrap();
    assert_eq!(parm.timeperframe.denominator, 60);
    assert_eq!(parm.capability, V4L2_CAP_TIMEPERFRAME);
    let mut picture = vec![0; 614_400];
    assert_eq!(file.read(&mut picture), Ok(picture.len()));
    let due = Duration::from_secs(1) / 60;
    assert_eq!(clock.now().since_start(), due);
    // Its size is not changed under it.
    let changed = ioctl(&file, VIDIOC_S_FMT, &mut wanted);
    assert_eq!(changed, Err(Errno::EBUSY));
    drop((camera, file));
    assert_eq!(leaks(system), [""; 0]);
}

fn set(file: &OpenFile, id: u32, value: i32) -> Result<i32> {
    let mut control = V4l2Control { id, value };
    ioctl(file, VIDIOC_S_CTRL, &mut control)
}

#[test]
fn controls_change_the_picture_and_who_listens_is_told() {
    let (system, _clock) = world();
    let camera = plug(&system, "camera:fps=max,size=64x48");
    let (file, listens) = (open_node(&system, PATH), open_node(&system, PATH));
    let mut wanted = V4l2EventSubscription {
        type_: V4L2_EVENT_CTRL,
        id: V4L2_CID_BRIGHTNESS,
        ..V4l2EventSubscription::default()
    };
    ioctl(&listens, VIDIOC_SUBSCRIBE_EVENT, &mut wanted).unwrap();
    // The last line, in the first bar.
    let light = |file: &OpenFile| picture(file).unwrap().0[64 * 47 * 2];
    let before = light(&file);
    set(&file, V4L2_CID_BRIGHTNESS, 138).unwrap();
    // The frames that were there already are as they were.
    let after: Vec<u8> = (0..3).map(|_| light(&file)).collect();
    assert_eq!(after[2], before + 10);
    let mut event = V4l2Event::default();
    ioctl(&listens, VIDIOC_DQEVENT, &mut event).unwrap();
    assert_eq!(event.id, V4L2_CID_BRIGHTNESS);
    assert_eq!(event.ctrl().value64, 138);

    let mut menu = V4l2QueryExtCtrl {
        id: V4L2_CID_POWER_LINE_FREQUENCY,
        ..V4l2QueryExtCtrl::default()
    };
    ioctl(&file, VIDIOC_QUERY_EXT_CTRL, &mut menu).unwrap();
    assert_eq!(menu.type_, V4L2_CTRL_TYPE_MENU);
    assert_eq!((menu.minimum, menu.maximum, menu.step), (0, 3, 1));
    let items = (0..).map_while(|index| {
        let mut item = V4l2Querymenu {
            id: menu.id,
            index,
            ..V4l2Querymenu::default()
        };
        ioctl(&file, VIDIOC_QUERYMENU, &mut item).ok()?;
        Some(text(&item.name))
    });
    let items: Vec<String> = items.collect();
    assert_eq!(items, ["Disabled", "50 Hz", "60 Hz", "Auto"]);
    set(&file, menu.id, 2).unwrap();
    assert_eq!(set(&file, menu.id, 4), Err(Errno::ERANGE));

    set(&file, V4L2_CID_DO_WHITE_BALANCE, 7).unwrap();
    let mut button = V4l2Control {
        id: V4L2_CID_DO_WHITE_BALANCE,
        value: 0,
    };
    let read = ioctl(&file, VIDIOC_G_CTRL, &mut button);
    assert_eq!(read, Err(Errno::EACCES));
    drop((camera, file, listens));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn a_disconnected_camera_keeps_its_node_and_comes_back_after_the_last_close() {
    let (system, clock) = world();
    let camera = plug(&system, "camera:fps=10,size=64x48");
    let (file, second) = (open_node(&system, PATH), open_node(&system, PATH));
    stream(&file);
    camera.disconnect().unwrap();
    // The frame that was waited for still comes; nothing after it.
    let waiting = file.clone();
    let waits = clock.spawn("waits", move || dqbuf(&waiting).err()).unwrap();
    assert_eq!(waits.join().unwrap(), Some(Errno::ENODEV));
    assert_eq!(
        file.poll(PollMask::IN, Some(Duration::ZERO)),
        PollMask::ERR | PollMask::HUP
    );
    let again = open(&system, PATH, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENODEV));
    drop(file);
    let again = open(&system, PATH, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENODEV), "one is still open");
    drop(second);
    let file = open_node(&system, PATH);
    assert_eq!(picture(&file).unwrap().1, 0);

    // Also one that is gone for its files can be pulled out.
    camera.disconnect().unwrap();
    camera.unplug();
    assert_eq!(camera.disconnect(), Err(Errno::ENODEV));
    let again = open(&system, PATH, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));
    drop((camera, file));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn an_unplugged_camera_ends_the_wait_and_hangs_up() {
    let (system, clock) = world();
    let camera = plug(&system, "camera:fps=1");
    let file = open_node(&system, PATH);
    let mut cap = V4l2Capability::default();
    ioctl(&file, VIDIOC_QUERYCAP, &mut cap).unwrap();
    assert!(cap.card.starts_with(b"lastfd-camera\0"));
    stream(&file);
    assert_eq!(dqbuf(&file).unwrap().sequence, 0);
    let device = system.dev_node("video0").unwrap().device;
    let waiting = file.clone();
    let waits = clock.spawn("waits", move || dqbuf(&waiting).err()).unwrap();
    clock.advance(Duration::from_millis(500));

    camera.unplug();
    assert_eq!(waits.join().unwrap(), Some(Errno::EINVAL));
    assert_eq!(dqbuf(&file), Err(Errno::ENODEV));
    let events = PollMask::IN | PollMask::PRI | PollMask::OUT;
    assert_eq!(
        file.poll(events, Some(Duration::ZERO)),
        PollMask::PRI | PollMask::ERR | PollMask::HUP
    );
    let again = open(&system, PATH, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));
    assert!(!device.is_released());
    drop(file);
    assert!(device.is_released());
    drop((camera, device));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn a_camera_leaves_nothing_behind() {
    nothing_is_left_however_it_ends("camera", PATH, |file, _| {
        stream(file);
        dqbuf(file).unwrap();
    });
    every_allocation_that_fails_is_unwound("camera", 5);
}

#[test]
fn its_keys_are_checked() {
    for fps in ["0", "1001", "fast", "-1"] {
        assert_eq!(
            refused(&format!("camera:fps={fps}")),
            format!("camera: `fps={fps}` will not do; fps is 1 to 1000, or max")
        );
    }
    for size in ["640", "641x480", "16x16", "640x8", "640x480x2", "8192x480"] {
        assert_eq!(
            refused(&format!("camera:size={size}")),
            format!(
                "camera: `size={size}` will not do; size is 32x16 to 4096x4096 with an even width"
            )
        );
    }
    let (system, _clock) = world();
    let camera = plug(&system, "camera:name=door");
    let file = open_node(&system, PATH);
    let mut cap = V4l2Capability::default();
    ioctl(&file, VIDIOC_QUERYCAP, &mut cap).unwrap();
    assert!(cap.card.starts_with(b"door\0"));
    drop((camera, file));
}

#[test]
fn the_beginning_of_each_frame_is_told_with_its_number() {
    let (system, _clock) = world();
    let camera = plug(&system, "camera:fps=25,size=64x48");
    let file = open_node(&system, PATH);
    let mut wanted = V4l2EventSubscription {
        type_: V4L2_EVENT_FRAME_SYNC,
        ..V4l2EventSubscription::default()
    };
    ioctl(&file, VIDIOC_SUBSCRIBE_EVENT, &mut wanted).unwrap();
    stream(&file);
    for number in 0..3 {
        let mut event = V4l2Event::default();
        ioctl(&file, VIDIOC_DQEVENT, &mut event).unwrap();
        assert_eq!(event.type_, V4L2_EVENT_FRAME_SYNC);
        assert_eq!(event.frame_sequence(), number);
        let mut filled = dqbuf(&file).unwrap();
        assert_eq!(filled.sequence, number);
        ioctl(&file, VIDIOC_QBUF, &mut filled).unwrap();
    }
    drop((file, camera));
    assert_eq!(leaks(system), [""; 0]);
}

/// As vivid's and other cameras: the end of a stream is a thing of codecs.
#[test]
fn there_are_events_of_controls_and_of_frames_and_no_others() {
    let (system, _clock) = world();
    let camera = plug(&system, "camera");
    let file = open_node(&system, PATH);
    for type_ in [
        V4L2_EVENT_EOS,
        V4L2_EVENT_VSYNC,
        V4L2_EVENT_SOURCE_CHANGE,
        V4L2_EVENT_ALL,
    ] {
        let mut wanted = V4l2EventSubscription {
            type_,
            ..V4l2EventSubscription::default()
        };
        let refused = ioctl(&file, VIDIOC_SUBSCRIBE_EVENT, &mut wanted);
        assert_eq!(refused, Err(Errno::EINVAL), "{type_}");
    }
    drop((file, camera));
    assert_eq!(leaks(system), [""; 0]);
}
