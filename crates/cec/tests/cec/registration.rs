//! Allocating, registering, failing, and using what is gone.

use lastfd_cec::abi::*;
use lastfd_cec::raw::*;
use lastfd_chrdev::{OpenFlags, open};
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{Driver, *};
use lastfd_model::{Errno, EventKind, Recording, Result, System};
use lastfd_sync::{Arc, Clock, Mutex};

fn system() -> (System, Recording) {
    let system = System::builder()
        .clock(Clock::simulated())
        .ledger(true)
        .build();
    let record = system.record();
    (system, record)
}

/// An adapter that tells when it is freed.
fn allocate(system: &System) -> (CecAdapter, Arc<Mutex<bool>>) {
    let freed: Arc<Mutex<bool>> = Arc::default();
    let ops = CecAdapOps {
        adap_free: Some({
            let freed = Arc::clone(&freed);
            Arc::new(move |_| *freed.lock() = true)
        }),
        ..CecAdapOps::default()
    };
    let adap = cec_allocate_adapter(system, ops, None, "x", CEC_CAP_TRANSMIT, 1).unwrap();
    (adap, freed)
}

/// A platform device bound to a driver that does nothing.
fn parent(system: &System) -> (Driver, Device) {
    let driver = Driver::new("hdmi", &platform_bus(system));
    driver_register(&driver).unwrap();
    let device = platform_device_alloc(system, "hdmi", PlatformId::None).unwrap();
    platform_device_add(&device).unwrap();
    (driver, device)
}

fn splats(record: &Recording) -> Vec<(SplatKind, String)> {
    let events = record.events();
    let splats = events.iter().filter_map(|event| match &event.kind {
        EventKind::Splat { kind, text, .. } => Some((*kind, text.to_string())),
        _ => None,
    });
    splats.collect()
}

fn threads(system: &System) -> usize {
    let ledger = system.ledger();
    ledger
        .iter()
        .filter(|line| line.what.contains("cec-"))
        .count()
}

#[test]
fn allocate_refuses_what_makes_no_sense() {
    let (system, record) = system();
    let allocate = |caps, las| -> Result<()> {
        cec_allocate_adapter(&system, CecAdapOps::default(), None, "x", caps, las).map(|adap| {
            cec_delete_adapter(&adap);
        })
    };
    for (caps, las) in [
        (0, 1),
        (CEC_CAP_RC, 1),
        (CEC_CAP_TRANSMIT, 0),
        (CEC_CAP_TRANSMIT, 5),
    ] {
        assert_eq!(allocate(caps, las), Err(Errno::EINVAL), "{caps:#x} {las}");
    }
    assert_eq!(splats(&record).len(), 4);
    assert_eq!(allocate(CEC_CAP_TRANSMIT, 4), Ok(()));
}

#[test]
fn the_thread_runs_from_allocate_to_delete() {
    let (system, record) = system();
    let (adap, freed) = allocate(&system);
    assert_eq!(threads(&system), 1, "{:?}", system.ledger());
    assert!(adap.device().is_none());
    cec_delete_adapter(&adap);
    assert_eq!(threads(&system), 0);
    assert!(*freed.lock());
    assert_eq!(splats(&record), []);
}

#[test]
fn the_capabilities_are_without_remote_control_and_with_vendor_replies() {
    let (system, _record) = system();
    let caps = CEC_CAP_TRANSMIT | CEC_CAP_RC;
    let adap = cec_allocate_adapter(&system, CecAdapOps::default(), None, "x", caps, 1).unwrap();
    assert_eq!(
        adap.capabilities(),
        CEC_CAP_TRANSMIT | CEC_CAP_REPLY_VENDOR_ID
    );
    cec_delete_adapter(&adap);
}

#[test]
fn allocate_fails_without_memory_and_leaves_nothing() {
    let (system, _record) = system();
    for nth in 1..=2 {
        system.fail_nth(nth);
        let refused = cec_allocate_adapter(
            &system,
            CecAdapOps::default(),
            None,
            "x",
            CEC_CAP_TRANSMIT,
            1,
        );
        assert_eq!(refused.err(), Some(Errno::ENOMEM), "allocation {nth}");
        assert_eq!(threads(&system), 0);
    }
}

#[test]
fn a_parent_without_a_driver_is_refused() {
    let (system, record) = system();
    let root = root_device_register(&system, "root").unwrap();
    let unbound = platform_device_alloc(&system, "nobody", PlatformId::None).unwrap();
    platform_device_add(&unbound).unwrap();
    for parent in [&root, &unbound] {
        let (adap, freed) = allocate(&system);
        assert_eq!(cec_register_adapter(&adap, parent), Err(Errno::EINVAL));
        assert!(!*freed.lock());
        cec_delete_adapter(&adap);
        assert!(*freed.lock());
    }
    let kinds: Vec<SplatKind> = splats(&record).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [SplatKind::Bug, SplatKind::Bug]);
    platform_device_unregister(&unbound);
    root_device_unregister(&root);
}

#[test]
fn where_registering_fails_the_caller_has_to_delete() {
    let (system, record) = system();
    let (driver, device) = parent(&system);
    // However many allocations there are, each may be the one that fails.
    let mut failures = 0;
    for nth in 1.. {
        let (adap, freed) = allocate(&system);
        let before = kref_read(&device);
        system.fail_nth(nth);
        let registered = cec_register_adapter(&adap, &device);
        let used = system.fail_nth_left() == 0;
        system.fail_nth(0);
        if !used {
            assert_eq!(registered, Ok(()));
            cec_unregister_adapter(&adap);
            assert!(*freed.lock());
            break;
        }
        if registered.is_err() {
            failures += 1;
            assert!(!*freed.lock(), "release is not called");
            assert!(!adap.is_registered());
            cec_delete_adapter(&adap);
            assert!(*freed.lock());
        } else {
            cec_unregister_adapter(&adap);
        }
        assert_eq!(kref_read(&device), before, "allocation {nth}");
    }
    assert!(failures > 0);
    assert_eq!(splats(&record), []);
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn unregistering_what_was_never_registered_does_nothing() {
    let (system, record) = system();
    let (adap, freed) = allocate(&system);
    cec_unregister_adapter(&adap);
    assert!(!*freed.lock());
    cec_delete_adapter(&adap);
    assert_eq!(splats(&record), []);
}

#[test]
fn a_use_after_the_last_put_is_a_splat() {
    let (system, record) = system();
    let (driver, device) = parent(&system);
    let (adap, _) = allocate(&system);
    cec_register_adapter(&adap, &device).unwrap();
    cec_unregister_adapter(&adap);
    type Use = fn(&CecAdapter);
    let uses: [(&str, Use); 6] = [
        ("cec_unregister_adapter", |adap| {
            cec_unregister_adapter(adap)
        }),
        ("cec_delete_adapter", |adap| cec_delete_adapter(adap)),
        ("cec_s_phys_addr", |adap| cec_s_phys_addr(adap, 0, false)),
        ("cec_received_msg", |adap| {
            cec_received_msg(adap, &CecMsg::new(&[0]));
        }),
        ("cec_transmit_done", |adap| {
            cec_transmit_attempt_done(adap, CEC_TX_STATUS_OK);
        }),
        ("cec_transmit_msg", |adap| {
            let _ = cec_transmit_msg(adap, &mut CecMsg::new(&[0]), false);
        }),
    ];
    for (name, use_it) in uses {
        record.take();
        use_it(&adap);
        let splats = splats(&record);
        assert_eq!(splats.len(), 1, "{name}");
        assert_eq!(splats[0].0, SplatKind::UseAfterFree);
        assert!(splats[0].1.contains(name), "{}", splats[0].1);
    }
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn deleting_a_registered_adapter_is_a_splat() {
    let (system, record) = system();
    let (driver, device) = parent(&system);
    let (adap, freed) = allocate(&system);
    cec_register_adapter(&adap, &device).unwrap();
    cec_delete_adapter(&adap);
    assert!(*freed.lock());
    assert_eq!(splats(&record)[0].0, SplatKind::UseAfterFree);
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn registering_twice_is_refused() {
    let (system, record) = system();
    let (driver, device) = parent(&system);
    let (adap, _) = allocate(&system);
    cec_register_adapter(&adap, &device).unwrap();
    assert_eq!(cec_register_adapter(&adap, &device), Err(Errno::EINVAL));
    assert_eq!(splats(&record)[0].0, SplatKind::Warn);
    cec_unregister_adapter(&adap);
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn an_adapter_that_its_driver_forgot_keeps_its_parent_and_is_told() {
    let (system, _record) = system();
    let (driver, device) = parent(&system);
    let (adap, _) = allocate(&system);
    cec_register_adapter(&adap, &device).unwrap();
    let file = open(&system, "/dev/cec0", OpenFlags::RDWR).unwrap();
    device_release_driver(&device);
    // The kernel reads through a null pointer here.
    let record = system.record();
    let caps = file.ioctl_bytes(CEC_ADAP_G_CAPS, &mut [0; 76]);
    assert_eq!(caps, Err(Errno::EIO));
    assert_eq!(splats(&record)[0].0, SplatKind::Bug);
    drop(file);
    cec_unregister_adapter(&adap);
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn there_are_256_adapters() {
    let (system, _record) = system();
    let (driver, device) = parent(&system);
    let mut all = Vec::new();
    for _ in 0..256 {
        let (adap, _) = allocate(&system);
        cec_register_adapter(&adap, &device).unwrap();
        all.push(adap);
    }
    let (one_more, _) = allocate(&system);
    assert_eq!(cec_register_adapter(&one_more, &device), Err(Errno::ENFILE));
    cec_delete_adapter(&one_more);
    for adap in &all {
        cec_unregister_adapter(adap);
    }
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn a_driver_that_calls_back_from_inside_a_callback_is_told_of_the_deadlock() {
    let (system, record) = system();
    let (driver, device) = parent(&system);
    let ops = CecAdapOps {
        adap_enable: Some(Arc::new(|adap, on| {
            if on {
                cec_s_phys_addr(adap, CEC_PHYS_ADDR_INVALID, false);
            }
            Ok(())
        })),
        ..CecAdapOps::default()
    };
    let adap = cec_allocate_adapter(&system, ops, None, "x", CEC_CAP_LOG_ADDRS, 1).unwrap();
    cec_register_adapter(&adap, &device).unwrap();
    cec_s_log_addrs(&adap, Some(&lastfd_rigs::cec::player()), true).unwrap();
    assert_eq!(splats(&record)[0].0, SplatKind::Deadlock);
    cec_unregister_adapter(&adap);
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn the_status_is_there_while_the_adapter_is_registered() {
    let rig = lastfd_rigs::cec::Rig::configured();
    let system = &rig.system;
    let status = String::from_utf8(debugfs_read(system, "cec/cec1/status").unwrap()).unwrap();
    assert_eq!(
        status,
        "enabled: 1\nconfigured: 1\nconfiguring: 0\nphys_addr: 1.0.0.0\n\
         number of LAs: 1\nLA mask: 0x0010\npending transmits: 0\n"
    );
    let file = rig.open(lastfd_rigs::cec::PLAYER);
    rig.get_stuck();
    let task = {
        let file = file.clone();
        let msg = lastfd_rigs::cec::ask(CEC_MSG_STANDBY, 0);
        let send = move || lastfd_rigs::cec::send(&file, msg);
        rig.clock.spawn("program", send).unwrap()
    };
    rig.clock.advance(core::time::Duration::from_millis(1));
    let status = String::from_utf8(debugfs_read(system, "cec/cec1/status").unwrap()).unwrap();
    assert!(
        status.contains("transmitting message: 40 36 (reply: 00, timeout: 0ms)"),
        "{status}"
    );
    rig.unplug();
    assert!(task.join().unwrap().is_ok());
    assert_eq!(debugfs_read(system, "cec/cec1/status"), Err(Errno::ENOENT));
}

#[test]
fn what_the_driver_gave_goes_with_the_adapter_even_if_it_holds_it() {
    let (system, _record) = system();
    let (driver, device) = parent(&system);
    let own: Arc<Mutex<Option<CecAdapter>>> = Arc::default();
    let held = Arc::new(());
    let ops = CecAdapOps {
        adap_free: Some({
            let (own, held) = (Arc::clone(&own), Arc::clone(&held));
            Arc::new(move |_| {
                let _ = (&own, &held);
            })
        }),
        ..CecAdapOps::default()
    };
    let private = Some(Arc::clone(&held) as Arc<_>);
    let adap = cec_allocate_adapter(&system, ops, private, "x", CEC_CAP_TRANSMIT, 1).unwrap();
    *own.lock() = Some(adap.clone());
    drop(own);
    assert!(adap.private::<()>().is_some());
    cec_register_adapter(&adap, &device).unwrap();
    cec_unregister_adapter(&adap);
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(adap.private::<()>().is_none());
    platform_device_unregister(&device);
    driver_unregister(&driver);
}
