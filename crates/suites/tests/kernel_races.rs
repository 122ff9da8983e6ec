//! Checks that hold nothing, reached: a call is past its look at the device when
//! the device goes. Each is the kernel's own gap, which its framework's page of
//! `docs/` names.
#![forbid(unsafe_code)]

use lastfd_abi::cec::{CEC_ADAP_G_CAPS, CEC_CAP_LOG_ADDRS, CEC_CAP_TRANSMIT};
use lastfd_abi::v4l2::V4L2_CAP_READWRITE;
use lastfd_cec::raw::{
    CecAdapOps, cec_allocate_adapter, cec_register_adapter, cec_unregister_adapter,
};
use lastfd_chrdev::{OpenFile, OpenFlags, Try, open};
use lastfd_model::event::SplatKind;
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, System};
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, explore, thread};
use lastfd_v4l2::raw::{
    V4l2Device, V4l2FileOperations, VflType, v4l2_device_register, v4l2_device_unregister,
    video_device_alloc, video_device_release, video_register_device, video_unregister_device,
};

const REACHED: &str = "the gap is reached";

/// Looks for a schedule that reaches the gap, and replays it.
fn is_reached(body: fn()) {
    let found = explore::check_pct(10_000, 2, 16, body).expect_err("some schedule reaches the gap");
    assert!(found.message.contains(REACHED), "{found}");
    assert!(explore::replay(&found.schedule, body).is_err());
}

/// Hardware whose driver makes something at probe, which is ended at unbind.
fn hardware(
    system: &System,
    probe: impl Fn(&Device) -> Box<dyn Fn() + Send + Sync> + Send + Sync + 'static,
) -> (Device, Driver) {
    let driver = Driver::new("hardware", &platform_bus(system));
    driver.set_probe(move |device| {
        let end: Arc<dyn Fn() + Send + Sync> = probe(device).into();
        devm_add_action(device, Action::new(move || end()))
    });
    driver_register(&driver).unwrap();
    let device = platform_device_alloc(system, "hardware", PlatformId::None).unwrap();
    platform_device_add(&device).unwrap();
    (device, driver)
}

fn opened(system: &System, path: &str) -> OpenFile {
    open(system, path, OpenFlags::RDWR).unwrap()
}

/// The ioctl looks at `registered`, and then at the driver of the parent, which
/// may be unbound by then (`cec-api.c: cec_ioctl`, `cec_adap_g_caps`).
fn caps_against_unbind() {
    let system = System::new();
    let record = system.record();
    let (device, driver) = hardware(&system, |device| {
        let caps = CEC_CAP_LOG_ADDRS | CEC_CAP_TRANSMIT;
        let ops = CecAdapOps::default();
        let adap = cec_allocate_adapter(&device.system(), ops, None, "hdmi", caps, 1).unwrap();
        cec_register_adapter(&adap, device).unwrap();
        Box::new(move || cec_unregister_adapter(&adap))
    });
    let file = opened(&system, "/dev/cec0");
    let program = thread::spawn("program", move || {
        file.ioctl_bytes(CEC_ADAP_G_CAPS, &mut [0; 128])
    })
    .unwrap();
    platform_device_unregister(&device);
    let caps = program.join().unwrap();
    driver_unregister(&driver);
    let null = record.events().into_iter().any(|event| {
        matches!(
            event.kind,
            EventKind::Splat {
                kind: SplatKind::Bug,
                ..
            }
        )
    });
    assert!(!null, "{REACHED}: {caps:?}");
    assert!(matches!(caps, Ok(0) | Err(Errno::ENODEV)), "{caps:?}");
}

#[test]
fn a_cec_program_can_ask_for_the_name_of_a_driver_that_is_unbound() {
    is_reached(caps_against_unbind);
}

/// Read looks at the flag *registered* and calls the driver afterwards
/// (`v4l2-dev.c: v4l2_read`).
fn read_against_unbind() {
    let system = System::new();
    let gone = Arc::new(AtomicBool::new(false));
    let late = Arc::new(AtomicBool::new(false));
    let (seen, told) = (Arc::clone(&gone), Arc::clone(&late));
    let (device, driver) = hardware(&system, move |device| {
        let system = device.system();
        let v4l2_dev = V4l2Device::new(&system);
        v4l2_device_register(Some(device), &v4l2_dev).unwrap();
        let vdev = video_device_alloc(&system).unwrap();
        let (gone, late) = (Arc::clone(&seen), Arc::clone(&told));
        vdev.set_v4l2_dev(&v4l2_dev);
        vdev.set_device_caps(V4L2_CAP_READWRITE);
        vdev.set_release(video_device_release);
        vdev.set_fops(V4l2FileOperations {
            read: Some(Arc::new(move |_, _| {
                late.fetch_or(gone.load(Ordering::SeqCst), Ordering::SeqCst);
                Try::ok(0)
            })),
            ..V4l2FileOperations::default()
        });
        video_register_device(&vdev, VflType::Video, None).unwrap();
        Box::new(move || {
            video_unregister_device(&vdev);
            v4l2_device_unregister(&v4l2_dev);
        })
    });
    let file = opened(&system, "/dev/video0");
    let program = thread::spawn("program", move || file.read(&mut [0; 16])).unwrap();
    platform_device_unregister(&device);
    gone.store(true, Ordering::SeqCst);
    let read = program.join().unwrap();
    driver_unregister(&driver);
    assert!(matches!(read, Ok(0) | Err(Errno::ENODEV)), "{read:?}");
    assert!(!late.load(Ordering::SeqCst), "{REACHED}");
}

#[test]
fn a_v4l2_read_can_call_the_driver_after_unregister_returned() {
    is_reached(read_against_unbind);
}
