//! Registration and its failures, numbers, references, wrong uses.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{OpenFlags, open};
use lastfd_model::raw::*;
use lastfd_model::{Errno, System};
use lastfd_sync::atomic::AtomicU32;
use lastfd_sync::{Arc, Mutex};
use lastfd_v4l2::raw::*;

use lastfd_rigs::v4l2::Camera;
use lastfd_rigs::v4l2::{Removal, Rig};

/// A video device with all that is mandatory.
fn complete(v4l2: &V4l2Device) -> VideoDevice {
    let vdev = video_device_alloc(v4l2.system()).unwrap();
    vdev.set_v4l2_dev(v4l2);
    vdev.set_release(video_device_release);
    vdev.set_device_caps(V4L2_CAP_VIDEO_CAPTURE);
    vdev
}

/// A V4L2 device on a root device.
fn on_root(system: &System) -> (Device, V4l2Device) {
    let root = root_device_register(system, "board").unwrap();
    let v4l2 = V4l2Device::new(system);
    v4l2.set_name("test");
    v4l2_device_register(Some(&root), &v4l2).unwrap();
    (root, v4l2)
}

fn splats(record: &lastfd_model::Recording) -> Vec<String> {
    let events = record.take();
    let splats = events.iter().filter_map(|event| match &event.kind {
        lastfd_model::EventKind::Splat { text, .. } => Some(text.to_string()),
        _ => None,
    });
    splats.collect()
}

#[test]
fn what_is_mandatory_is_asked_for() {
    let system = System::new();
    let record = system.record();
    let (root, v4l2) = on_root(&system);
    let full = || complete(&v4l2);
    let without_release = video_device_alloc(&system).unwrap();
    without_release.set_v4l2_dev(&v4l2);
    without_release.set_device_caps(V4L2_CAP_VIDEO_CAPTURE);
    let without_caps = full();
    without_caps.set_device_caps(0);
    let without_v4l2 = video_device_alloc(&system).unwrap();
    without_v4l2.set_release(video_device_release);
    without_v4l2.set_device_caps(V4L2_CAP_VIDEO_CAPTURE);
    for (vdev, missing) in [
        (without_release, "a release callback"),
        (without_v4l2, "its v4l2_device"),
        (without_caps, "device_caps"),
    ] {
        let result = video_register_device(&vdev, VflType::Video, None);
        assert_eq!(result, Err(Errno::EINVAL));
        let expected = format!("video_register_device without {missing}");
        assert_eq!(splats(&record), [expected]);
        video_device_release(&vdev);
    }
    assert_eq!(system.dev_nodes().len(), 0);
    v4l2_device_unregister(&v4l2);
    root_device_unregister(&root);
}

#[test]
fn numbers_are_the_wanted_ones_or_the_next_and_run_by_kind() {
    let system = System::new();
    let (root, v4l2) = on_root(&system);
    let register = |type_, nr| {
        let vdev = complete(&v4l2);
        video_register_device(&vdev, type_, nr).unwrap();
        let name = vdev.dev().unwrap().name();
        (
            vdev.clone(),
            name.to_string(),
            vdev.minor().unwrap(),
            vdev.index(),
        )
    };
    let mut made = Vec::new();
    for (type_, wanted, name, minor, index) in [
        (VflType::Video, None, "video0", 0, 0),
        (VflType::Video, Some(5), "video5", 1, 1),
        (VflType::Video, Some(5), "video6", 2, 2),
        (VflType::Vbi, None, "vbi0", 3, 3),
        (VflType::Radio, None, "radio0", 4, 4),
        (VflType::Sdr, None, "swradio0", 5, 5),
        (VflType::Touch, None, "v4l-touch0", 6, 6),
        (VflType::Video, Some(255), "video255", 7, 7),
        (VflType::Video, Some(255), "video1", 8, 8),
    ] {
        let (vdev, found, found_minor, found_index) = register(type_, wanted);
        assert_eq!((&*found, found_minor, found_index), (name, minor, index));
        made.push(vdev);
    }
    let radio = &made[4].dev().unwrap();
    assert_eq!(attr_read(radio, "index").unwrap(), b"4\n");
    assert_eq!(attr_read(radio, "name").unwrap(), b"\n");
    assert_eq!(attr_read(radio, "dev_debug").unwrap(), b"0\n");
    assert_eq!(attr_write(radio, "dev_debug", b"0x1f\n"), Ok(5));
    assert_eq!(attr_read(radio, "dev_debug").unwrap(), b"31\n");
    assert_eq!(attr_write(radio, "dev_debug", b"65536"), Err(Errno::ERANGE));
    assert_eq!(attr_write(radio, "dev_debug", b"-1"), Err(Errno::EINVAL));
    for vdev in &made {
        video_unregister_device(vdev);
        // A second time nothing happens.
        video_unregister_device(vdev);
    }
    v4l2_device_unregister(&v4l2);
    root_device_unregister(&root);
}

#[test]
fn there_are_no_more_than_256_devices() {
    let system = System::new();
    let (root, v4l2) = on_root(&system);
    let mut made = Vec::new();
    for _ in 0..VIDEO_NUM_DEVICES {
        let vdev = complete(&v4l2);
        video_register_device(&vdev, VflType::Video, None).unwrap();
        made.push(vdev);
    }
    let one_more = complete(&v4l2);
    for type_ in [VflType::Video, VflType::Radio] {
        let result = video_register_device(&one_more, type_, None);
        assert_eq!(result, Err(Errno::ENFILE), "{type_:?}");
    }
    made.iter().for_each(video_unregister_device);
    v4l2_device_unregister(&v4l2);
    root_device_unregister(&root);
}

#[test]
fn a_registration_that_runs_out_of_memory_leaves_nothing_and_the_driver_frees() {
    // What a probe allocates, one after the other.
    let mut failures = 0;
    for n in 1.. {
        let rig = Rig::new(move |device| {
            let system = device.system();
            system.fail_nth(n);
            let camera = Camera::probe(device, None);
            let unused = system.fail_nth_left();
            system.fail_nth(0);
            match unused {
                0 => camera,
                // Nothing failed any more: enough is tried.
                _ => {
                    assert!(camera.is_ok());
                    camera
                }
            }
        });
        let made = rig.has_camera();
        if !made {
            failures += 1;
            assert!(rig.system.dev_node("video0").is_none());
            assert_eq!(rig.splats(), [""; 0]);
            assert!(kref_read(&rig.hardware) > 0);
        }
        // The next probe gets number 0 all the same.
        if made {
            assert_eq!(&*rig.camera().vdev.dev().unwrap().name(), "video0");
        }
        assert_eq!(rig.finish(), [""; 0], "allocation {n}");
        if made {
            break;
        }
    }
    assert!(failures > 5, "{failures} allocations failed");
}

#[test]
fn a_name_that_exists_fails_the_registration_and_gives_the_number_back() {
    let system = System::new();
    let (root, v4l2) = on_root(&system);
    let class = {
        let first = complete(&v4l2);
        video_register_device(&first, VflType::Video, None).unwrap();
        let class = first.dev().unwrap().class();
        video_unregister_device(&first);
        class
    };
    let squatter = device_initialize(
        &system,
        DeviceSpec {
            name: Some("video0".into()),
            parent: Some(root.clone()),
            class,
            release: Some(no_release()),
            ..DeviceSpec::default()
        },
    );
    device_add(&squatter).unwrap();
    let vdev = complete(&v4l2);
    let before = v4l2.kref();
    let failed = video_register_device(&vdev, VflType::Video, None);
    assert_eq!(failed, Err(Errno::EEXIST));
    assert_eq!((vdev.minor(), v4l2.kref()), (None, before));
    device_del(&squatter);
    put_device(&squatter);
    video_register_device(&vdev, VflType::Video, None).unwrap();
    assert_eq!(vdev.minor(), Some(0));
    video_unregister_device(&vdev);
    v4l2_device_unregister(&v4l2);
    root_device_unregister(&root);
}

#[test]
fn a_v4l2_device_needs_a_name_or_a_driver_to_take_one_of() {
    let system = System::new();
    let record = system.record();
    let nameless = V4l2Device::new(&system);
    assert_eq!(v4l2_device_register(None, &nameless), Err(Errno::EINVAL));
    assert_eq!(splats(&record).len(), 1);
    let named = V4l2Device::new(&system);
    let instance = AtomicU32::new(0);
    for (base, name) in [("vivid", "vivid0"), ("cx18", "cx18-1")] {
        v4l2_device_set_name(&named, base, &instance);
        assert_eq!(named.name(), name);
    }
    v4l2_device_register(None, &named).unwrap();
    assert_eq!(splats(&record), [""; 0]);
    // A root device has no driver whose name could be taken.
    let root = root_device_register(&system, "board").unwrap();
    let of_root = V4l2Device::new(&system);
    assert_eq!(
        v4l2_device_register(Some(&root), &of_root),
        Err(Errno::EFAULT)
    );
    assert_eq!(splats(&record).len(), 1);
    v4l2_device_disconnect(&of_root);
    root_device_unregister(&root);
    assert!(root.is_released());
}

#[test]
fn the_driver_data_is_the_v4l2_device_only_if_there_was_none() {
    let rig = Rig::new(|device| {
        dev_set_drvdata(device, Some(Arc::new(7_u32)));
        let v4l2 = V4l2Device::new(&device.system());
        v4l2_device_register(Some(device), &v4l2)?;
        assert_eq!(v4l2.name(), "camera camera.0");
        v4l2_device_unregister(&v4l2);
        assert!(dev_get_drvdata(device).unwrap().is::<u32>());
        dev_set_drvdata(device, None);
        v4l2_device_register(Some(device), &v4l2)?;
        assert!(dev_get_drvdata(device).unwrap().is::<V4l2Device>());
        v4l2_device_disconnect(&v4l2);
        assert!(dev_get_drvdata(device).is_none());
        Err(Errno::ENODEV)
    });
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn without_a_release_callback_the_v4l2_device_is_not_put_by_its_nodes() {
    let system = System::new();
    let (root, v4l2) = on_root(&system);
    let vdev = complete(&v4l2);
    video_register_device(&vdev, VflType::Video, None).unwrap();
    assert_eq!(v4l2.kref(), 2);
    video_unregister_device(&vdev);
    assert_eq!(v4l2.kref(), 2, "v4l2_dev->release is NULL");
    v4l2_device_unregister(&v4l2);
    root_device_unregister(&root);
}

#[test]
fn extra_puts_are_splats() {
    let rig = Rig::silent();
    let camera = rig.camera();
    rig.remove(Removal::Unbind);
    assert_eq!(camera.v4l2.kref(), 0);
    assert_eq!(rig.splats(), [""; 0]);
    assert!(!v4l2_device_put(&camera.v4l2));
    v4l2_device_get(&camera.v4l2);
    assert_eq!(rig.splats().len(), 2);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn an_open_file_under_a_device_put_too_often_is_a_splat_not_a_crash() {
    let rig = Rig::silent();
    let file = rig.file();
    let dev = rig.camera().vdev.dev().unwrap();
    rig.remove(Removal::Unbind);
    put_device(&dev);
    assert!(dev.is_released());
    assert_eq!(file.read(&mut [0; 4]), Err(Errno::ENODEV));
    assert!(
        rig.splats()[0].ends_with("is used after its video_device was released"),
        "{:?}",
        rig.splats()
    );
    drop(file);
}

#[test]
fn a_driver_that_fails_to_open_leaves_no_reference() {
    let rig = Rig::new(|device| {
        Camera::probe_with(device, None, |vdev| {
            vdev.set_fops(V4l2FileOperations {
                open: Some(Arc::new(|_| Err(Errno::EBUSY))),
                ..V4l2FileOperations::vb2()
            });
        })
    });
    let before = kref_read(&rig.camera().vdev.dev().unwrap());
    assert_eq!(rig.open(OpenFlags::RDWR).err(), Some(Errno::EBUSY));
    assert_eq!(kref_read(&rig.camera().vdev.dev().unwrap()), before);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn a_driver_that_panics_in_open_or_release_leaves_the_system_usable() {
    let rig = Rig::new(|device| {
        Camera::probe_with(device, None, |vdev| {
            let first = Mutex::new(true);
            vdev.set_fops(V4l2FileOperations {
                open: Some(Arc::new(move |file| {
                    let was_first = core::mem::replace(&mut *first.lock(), false);
                    assert!(!was_first, "open");
                    v4l2_fh_open(file)
                })),
                release: Some(Arc::new(|file| {
                    vb2_fop_release(file);
                    panic!("release");
                })),
                ..V4l2FileOperations::vb2()
            });
        })
    });
    assert_eq!(rig.open(OpenFlags::RDWR).err(), Some(Errno::EIO));
    drop(rig.file());
    assert_eq!(rig.splats().len(), 2);
    let dev = rig.camera().vdev.dev().unwrap();
    rig.remove(Removal::Unbind);
    assert!(dev.is_released());
    drop(dev);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn files_without_functions_answer_as_the_core_does() {
    let system = System::new();
    let (root, v4l2) = on_root(&system);
    let vdev = complete(&v4l2);
    video_register_device(&vdev, VflType::Radio, None).unwrap();
    let file = open(&system, "/dev/radio0", OpenFlags::RDWR).unwrap();
    let answers = |file: &lastfd_chrdev::OpenFile| {
        let map = lastfd_chrdev::MapRequest::shared(0, 4096);
        (
            file.read(&mut [0; 4]).err(),
            file.write(&[0; 4]).err(),
            file.ioctl_bytes(VIDIOC_QUERYCAP, &mut [0; 104]).err(),
            file.mmap(map).err(),
            file.poll(!lastfd_chrdev::PollMask::NONE, Some(Duration::ZERO))
                .to_string(),
        )
    };
    let live = (
        Some(Errno::EINVAL),
        Some(Errno::EINVAL),
        Some(Errno::ENOTTY),
        Some(Errno::ENODEV),
    );
    let (read, write, ioctl, mmap, poll) = answers(&file);
    assert_eq!((read, write, ioctl, mmap), live);
    assert_eq!(poll, "IN|OUT|RDNORM|WRNORM");
    video_unregister_device(&vdev);
    let (read, write, ioctl, mmap, poll) = answers(&file);
    assert_eq!((read, write, ioctl, mmap), live, "the same: not ENODEV");
    assert_eq!(poll, "PRI|ERR|HUP");
    drop(file);
    v4l2_device_unregister(&v4l2);
    root_device_unregister(&root);
}

#[test]
fn a_device_is_bound_and_unbound_a_thousand_times_without_a_leak() {
    let rig = Rig::silent();
    for _ in 0..1000 {
        device_release_driver(&rig.hardware);
        assert_eq!(device_attach(&rig.hardware), Ok(1));
    }
    assert_eq!(&*rig.camera().vdev.dev().unwrap().name(), "video0");
    assert_eq!(rig.system.dev_nodes().len(), 1);
    assert_eq!(rig.finish(), [""; 0]);
}
