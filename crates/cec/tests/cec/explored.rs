//! Unregister against a transmit and a close, over the schedules.

use lastfd_cec::abi::*;
use lastfd_cec::raw::*;
use lastfd_chrdev::{OpenFlags, open};
use lastfd_model::event::ResourceStep;
use lastfd_model::raw::{Driver, *};
use lastfd_model::{Errno, EventKind, System};
use lastfd_sync::{Arc, Clock, Mutex, explore, thread};

use lastfd_rigs::cec::ioctl;

/// One task sends and is told, or refused; one opens and closes; one
/// unregisters. Whoever wins, the adapter is freed once, with the last of them.
fn unregister_against_transmit_against_close() {
    let clock = Clock::simulated();
    let system = System::builder().clock(clock.clone()).build();
    let record = system.record();
    let driver = Driver::new("hdmi", &platform_bus(&system));
    driver_register(&driver).unwrap();
    let device = platform_device_alloc(&system, "hdmi", PlatformId::None).unwrap();
    platform_device_add(&device).unwrap();
    let freed: Arc<Mutex<u32>> = Arc::default();
    let ops = CecAdapOps {
        // It never ends a message.
        adap_transmit: Some(Arc::new(|_, _, _, _| Ok(()))),
        adap_free: Some({
            let freed = Arc::clone(&freed);
            Arc::new(move |_| *freed.lock() += 1)
        }),
        ..CecAdapOps::default()
    };
    let caps = CEC_CAP_TRANSMIT | CEC_CAP_LOG_ADDRS;
    let adap = cec_allocate_adapter(&system, ops, None, "x", caps, 1).unwrap();
    cec_register_adapter(&adap, &device).unwrap();
    cec_s_phys_addr(&adap, 0x1000, false);
    let mut las = lastfd_rigs::cec::player();
    las.log_addr_type[0] = CEC_LOG_ADDR_TYPE_UNREGISTERED;
    cec_s_log_addrs(&adap, Some(&las), true).unwrap();

    let file = open(&system, "/dev/cec0", OpenFlags::RDWR).unwrap();
    let sender = clock
        .spawn("sender", move || {
            ioctl(&file, CEC_TRANSMIT, CecMsg::new(&[0xf0, CEC_MSG_STANDBY]))
        })
        .unwrap();
    let opener = {
        let system = system.clone();
        clock
            .spawn("opener", move || {
                open(&system, "/dev/cec0", OpenFlags::RDWR).map(drop)
            })
            .unwrap()
    };
    cec_unregister_adapter(&adap);
    match sender.join().unwrap() {
        Ok(msg) => assert!(msg.tx_status & (CEC_TX_STATUS_ABORTED | CEC_TX_STATUS_TIMEOUT) != 0),
        Err(errno) => assert_eq!(errno, Errno::ENODEV),
    }
    if let Err(errno) = opener.join().unwrap() {
        assert!(
            [Errno::ENODEV, Errno::ENXIO, Errno::ENOENT].contains(&errno),
            "{errno}"
        );
    }
    assert_eq!(*freed.lock(), 1);
    let splats: Vec<String> = record
        .events()
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Splat { .. }))
        .map(|event| event.kind.to_string())
        .collect();
    assert_eq!(splats, [""; 0]);
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn unregister_transmit_and_close_agree_in_every_order() {
    let random = explore::check_random(100, 7, unregister_against_transmit_against_close);
    random.unwrap_or_else(|failure| panic!("{failure}"));
}

/// An adapter's thread ends when all waits of its System do, and does not go round.
fn the_end_of_all_waits() {
    let system = System::builder().clock(Clock::simulated()).build();
    let record = system.record();
    let driver = platform_driver(&system, "hdmi");
    driver_register(&driver).unwrap();
    let device = platform_device_register(&system, "hdmi", PlatformId::None).unwrap();
    let (ops, caps) = (CecAdapOps::default(), CEC_CAP_TRANSMIT | CEC_CAP_LOG_ADDRS);
    let adap = cec_allocate_adapter(&system, ops, None, "x", caps, 1).unwrap();
    cec_register_adapter(&adap, &device).unwrap();
    cec_s_phys_addr(&adap, 0x1000, false);
    let mut las = lastfd_rigs::cec::player();
    las.log_addr_type[0] = CEC_LOG_ADDR_TYPE_UNREGISTERED;
    cec_s_log_addrs(&adap, Some(&las), true).unwrap();
    let did = |wanted: ResourceStep| {
        let events = record.events();
        let mut kinds = events.iter().map(|event| &event.kind);
        kinds.any(|kind| match kind {
            EventKind::Resource { name, step, .. } => **name == *"cec-x" && *step == wanted,
            _ => false,
        })
    };
    let awaited = |step: ResourceStep| {
        for _ in 0..500 {
            if did(step) {
                return;
            }
            thread::yield_now();
        }
        panic!("the adapter's thread did not come to this: {step:?}");
    };
    // It waits for the end of the one that claimed addresses.
    awaited(ResourceStep::Fired);
    system.waits().cancel();
    awaited(ResourceStep::Returned);
    cec_unregister_adapter(&adap);
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn an_adapters_thread_ends_with_all_waits_of_its_system() {
    let random = explore::check_random(20, 7, the_end_of_all_waits);
    random.unwrap_or_else(|failure| panic!("{failure}"));
}
