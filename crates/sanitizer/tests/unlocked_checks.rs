//! Where a framework of Linux tests that a device is there and then goes on without
//! holding it: some schedule meets the removal in between. It is told as a gap of the
//! kernel, with its function, and under no schedule is the driver to blame.

use lastfd_abi::cec::{CEC_ADAP_G_CAPS, CEC_ADAP_G_PHYS_ADDR, CEC_CAP_TRANSMIT};
use lastfd_abi::v4l2::V4L2_CAP_READWRITE;
use lastfd_cec::raw::{
    CecAdapOps, cec_allocate_adapter, cec_register_adapter, cec_unregister_adapter,
};
use lastfd_chrdev::{MapRequest, OpenFile, OpenFlags, PollMask, Try, open};
use lastfd_model::raw::*;
use lastfd_model::resource::Regs;
use lastfd_model::{Errno, Event, EventKind, Result, System};
use lastfd_rigs::devm_ioremap;
use lastfd_rigs::iio::with_fifo;
use lastfd_sanitizer::{Finding, Owner, Sanitizer};
use lastfd_sync::explore::{self, Search, Strategy, search};
use lastfd_sync::{Arc, Clock, Mutex, thread};
use lastfd_v4l2::raw::{
    V4l2Device, V4l2FileOperations, VflType, v4l2_device_register, v4l2_device_unregister,
    video_device_alloc, video_device_release, video_register_device, video_unregister_device,
};

/// A driver's probe.
type Probe = fn(&Device) -> Result;
/// What a program does with its open file.
type Use = fn(&OpenFile);

/// Whether this finding is the gap that a test looks for.
fn is_gap(finding: &Finding, of: (&str, &str)) -> bool {
    let Owner::KernelGap {
        framework,
        function,
    } = &finding.owner
    else {
        return false;
    };
    finding.rule.number == 14 && (&**framework, &**function) == of
}

/// A device is used and unplugged at once. Gives what was found, and the splats that
/// no finding explains.
fn played(path: &str, probe: Probe, used: Use) -> (Vec<Finding>, Vec<Event>) {
    let system = System::builder()
        .clock(Clock::simulated())
        .ledger(true)
        .build();
    let (sanitizer, record) = (Sanitizer::watch(&system), system.record());
    let driver = platform_driver(&system, "sensor");
    driver.set_probe(probe);
    driver_register(&driver).unwrap();
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    if path.starts_with("/dev/iio") {
        let iio = system.find_bus("iio").unwrap().find_device("iio:device0");
        let iio = iio.unwrap();
        attr_write(&iio, "scan_elements/in_voltage0_en", b"1").unwrap();
        attr_write(&iio, "buffer/enable", b"1").unwrap();
    }
    let file = open(&system, path, OpenFlags::RDWR | OpenFlags::NONBLOCK).unwrap();
    let program = thread::spawn("program", move || used(&file)).unwrap();
    platform_device_unregister(&device);
    program.join().unwrap();
    driver_unregister(&driver);
    drop((device, driver, system));
    let found = sanitizer.findings();
    let mut left = record.events();
    left.retain(|event| {
        let is_splat = matches!(event.kind, EventKind::Splat { .. });
        is_splat && !found.iter().any(|f| f.explains.contains(&event.seq))
    });
    (found, left)
}

/// Some schedule meets the gap of this function, and up to there no
/// driver is blamed for anything.
fn is_met(of: (&'static str, &'static str), path: &'static str, probe: Probe, used: Use) {
    // Tasks with priorities meet it sooner than all schedules in their order, where an
    // adapter's own threads take part.
    let plan = Search {
        strategy: Strategy::Pct { depth: 3 },
        ..Search::default()
    };
    let searched = search(&plan, move || {
        let (found, left) = played(path, probe, used);
        let blamed = found.iter().find(|finding| finding.blames_a_driver());
        if let Some(blamed) = blamed {
            panic!("{blamed}");
        }
        assert!(left.is_empty(), "{}", left[0].kind);
        if found.iter().any(|finding| is_gap(finding, of)) {
            explore::fail("met");
        }
    });
    let failure = searched.failure.expect("some schedule meets the gap");
    assert_eq!(failure.message, "met", "{failure}");
    assert!(searched.schedules <= 10_000);
}

/// A video device whose calls read a register.
fn video(device: &Device) -> Result {
    let (system, regs) = (device.system(), devm_ioremap(device, "sensor")?);
    let v4l2_dev = V4l2Device::new(&system);
    v4l2_device_register(Some(device), &v4l2_dev)?;
    let vdev = video_device_alloc(&system)?;
    vdev.set_v4l2_dev(&v4l2_dev);
    vdev.set_device_caps(V4L2_CAP_READWRITE);
    vdev.set_release(video_device_release);
    let [read, write, poll, mmap, ioctl] = core::array::from_fn(|_| regs.clone());
    let touch = |regs: &Regs| {
        let _ = regs.read(0);
    };
    vdev.set_fops(V4l2FileOperations {
        read: Some(Arc::new(move |_, _| {
            touch(&read);
            Try::ok(0)
        })),
        write: Some(Arc::new(move |_, _| {
            touch(&write);
            Try::ok(0)
        })),
        poll: Some(Arc::new(move |_, _| {
            touch(&poll);
            PollMask::IN
        })),
        mmap: Some(Arc::new(move |_, _| {
            touch(&mmap);
            Err(Errno::EINVAL)
        })),
        unlocked_ioctl: Some(Arc::new(move |_, _| {
            touch(&ioctl);
            Try::ok(0)
        })),
        ..V4l2FileOperations::default()
    });
    video_register_device(&vdev, VflType::Video, None)?;
    let end = move || {
        video_unregister_device(&vdev);
        v4l2_device_unregister(&v4l2_dev);
    };
    devm_add_action_or_reset(device, Action::new(end).named("video_unregister_device"))
}

/// An adapter without hardware to speak of.
fn adapter(device: &Device) -> Result {
    let ops = CecAdapOps::default();
    let adap = cec_allocate_adapter(&device.system(), ops, None, "hdmi", CEC_CAP_TRANSMIT, 1)?;
    cec_register_adapter(&adap, device)?;
    let end = Mutex::new(Some(adap));
    let end = move || {
        if let Some(adap) = end.lock().take() {
            cec_unregister_adapter(&adap);
        }
    };
    devm_add_action_or_reset(device, Action::new(end).named("cec_unregister_adapter"))
}

/// An IIO device with a FIFO in its hardware, which its driver reads a register for.
fn converter(device: &Device) -> Result {
    with_fifo(device, devm_ioremap(device, "sensor")?)?;
    Ok(())
}

#[test]
fn v4l2_read_calls_the_driver_of_a_device_that_went() {
    is_met(("v4l2", "v4l2_read"), "/dev/video0", video, |file| {
        let _ = file.read(&mut [0; 4]);
    });
}

#[test]
fn v4l2_write_calls_the_driver_of_a_device_that_went() {
    is_met(("v4l2", "v4l2_write"), "/dev/video0", video, |file| {
        let _ = file.write(&[0; 4]);
    });
}

#[test]
fn v4l2_poll_calls_the_driver_of_a_device_that_went() {
    is_met(("v4l2", "v4l2_poll"), "/dev/video0", video, |file| {
        file.poll(PollMask::IN, Some(core::time::Duration::ZERO));
    });
}

#[test]
fn v4l2_mmap_calls_the_driver_of_a_device_that_went() {
    is_met(("v4l2", "v4l2_mmap"), "/dev/video0", video, |file| {
        let _ = file.mmap(MapRequest::shared(0, 4096));
    });
}

#[test]
fn v4l2_ioctl_calls_the_driver_of_a_device_that_went() {
    is_met(("v4l2", "v4l2_ioctl"), "/dev/video0", video, |file| {
        let _ = file.ioctl_bytes(0, &mut []);
    });
}

#[test]
fn cec_ioctl_goes_on_with_an_adapter_that_went() {
    is_met(("cec", "cec_ioctl"), "/dev/cec0", adapter, |file| {
        let _ = file.ioctl_bytes(CEC_ADAP_G_PHYS_ADDR, &mut [0; 2]);
    });
}

#[test]
fn cec_adap_g_caps_reads_the_driver_of_a_parent_that_has_none() {
    is_met(("cec", "cec_adap_g_caps"), "/dev/cec0", adapter, |file| {
        let _ = file.ioctl_bytes(CEC_ADAP_G_CAPS, &mut [0; 128]);
    });
}

#[test]
fn iio_buffer_read_calls_the_driver_of_a_device_that_went() {
    is_met(
        ("iio", "iio_buffer_read"),
        "/dev/iio:device0",
        converter,
        |file| {
            let _ = file.read(&mut [0; 2]);
        },
    );
}

#[test]
fn iio_buffer_flush_hwfifo_follows_callbacks_that_were_taken_away() {
    let of = ("iio", "iio_buffer_flush_hwfifo");
    is_met(of, "/dev/iio:device0", converter, |file| {
        let _ = file.read(&mut [0; 2]);
    });
}
