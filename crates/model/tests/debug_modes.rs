//! The debug modes of a System.

use core::time::Duration;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::*;
use lastfd_model::{DebugOptions, Errno, EventKind, Recording, System};
use lastfd_sync::{Arc, Clock, Mutex};

fn system(debug: DebugOptions) -> System {
    System::builder()
        .clock(Clock::simulated())
        .ledger(true)
        .debug(debug)
        .build()
}

fn delayed() -> System {
    system(DebugOptions {
        kobject_release: true,
        ..DebugOptions::default()
    })
}

fn probing_twice() -> System {
    system(DebugOptions {
        test_driver_remove: true,
        ..DebugOptions::default()
    })
}

/// What happened, without the events of references.
fn story(events: &Recording) -> Vec<String> {
    let events = events.take();
    let told = events.iter().filter(|event| {
        !matches!(
            event.kind,
            EventKind::RefTaken { .. } | EventKind::RefDropped { .. }
        )
    });
    told.map(|event| event.kind.to_string()).collect()
}

fn leaks_of(end: impl FnOnce(), system: &System) -> Vec<String> {
    let events = system.record();
    end();
    let events = events.events();
    let leaks = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Leak { .. }));
    leaks.map(|event| event.kind.to_string()).collect()
}

#[test]
fn a_release_comes_one_to_four_seconds_after_the_last_put() {
    let system = delayed();
    let mut delays = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let root = root_device_register(&system, name).unwrap();
        let put = system.clock().now();
        root_device_unregister(&root);
        assert_eq!(kref_read(&root), 0);
        assert!(!root.is_released());
        system.wait_for_releases();
        assert!(root.is_released());
        delays.push((system.clock().now().0 - put.0) / 1_000_000_000);
    }
    assert!(delays.iter().all(|delay| (1..=4).contains(delay)));
    delays.sort_unstable();
    delays.dedup();
    assert!(delays.len() > 1, "always {delays:?}");
}

#[test]
fn what_a_release_puts_is_waited_for_too() {
    let system = delayed();
    let held = root_device_register(&system, "held").unwrap();
    let of_release = get_device(&held);
    root_device_unregister(&held);
    let spec = DeviceSpec {
        name: Some("holder".into()),
        release: Some(Arc::new(move |_| put_device(&of_release))),
        ..DeviceSpec::default()
    };
    let holder = device_initialize(&system, spec);
    put_device(&holder);
    assert_eq!(kref_read(&held), 1);
    system.wait_for_releases();
    assert!(holder.is_released() && held.is_released());
}

#[test]
fn using_a_device_between_its_last_put_and_its_release_is_told() {
    let system = delayed();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    root_device_unregister(&root);
    get_device(&root);
    let events = events.events();
    let splats = events.iter().filter_map(|event| match &event.kind {
        EventKind::Splat { kind, .. } => Some(*kind),
        _ => None,
    });
    assert_eq!(splats.collect::<Vec<_>>(), [SplatKind::Refcount]);
    system.wait_for_releases();
    assert!(root.is_released());
}

#[test]
fn a_system_that_ends_releases_what_is_pending_at_once() {
    let system = System::builder()
        .ledger(true)
        .debug(DebugOptions {
            kobject_release: true,
            ..DebugOptions::default()
        })
        .build();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    root_device_unregister(&root);
    assert!(!root.is_released());
    let clock = system.clock().clone();
    let before = clock.now();
    drop(system);
    assert!(root.is_released());
    let took = Duration::from_nanos(clock.now().0 - before.0);
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    let events = events.events();
    let leaked = |event: &&lastfd_model::Event| matches!(event.kind, EventKind::Leak { .. });
    assert!(!events.iter().any(|event| leaked(&event)));
}

#[test]
fn a_driver_that_binds_is_unbound_and_bound_again() {
    let system = probing_twice();
    let calls: Arc<Mutex<Vec<&str>>> = Arc::default();
    let driver = platform_driver(&system, "lamp");
    let (probed, removed) = (Arc::clone(&calls), Arc::clone(&calls));
    driver.set_probe(move |device| {
        probed.lock().push("probe");
        let released = Arc::clone(&probed);
        devm_add_action(device, Action::new(move || released.lock().push("devres")))?;
        assert!(dev_get_drvdata(device).is_none());
        dev_set_drvdata(device, Some(Arc::new(())));
        Ok(())
    });
    driver.set_remove(move |_| removed.lock().push("remove"));
    driver_register(&driver).unwrap();
    let device = platform_device_register(&system, "lamp", PlatformId::None).unwrap();
    assert_eq!(*calls.lock(), ["probe", "remove", "devres", "probe"]);
    assert_eq!(device.driver().as_ref(), Some(&driver));
    assert_eq!(driver.devices().len(), 1);
    platform_device_unregister(&device);
    assert_eq!(calls.lock()[4..], ["remove", "devres"]);
    driver_unregister(&driver);
    assert_eq!(leaks_of(|| drop((driver, device)), &system), [""; 0]);
}

#[test]
fn a_second_probe_that_fails_leaves_the_device_unbound() {
    let system = probing_twice();
    let driver = platform_driver(&system, "lamp");
    let probes = Arc::new(Mutex::new(0));
    driver.set_probe(move |_| {
        *probes.lock() += 1;
        match *probes.lock() {
            1 => Ok(()),
            _ => Err(Errno::EIO),
        }
    });
    driver_register(&driver).unwrap();
    let device = platform_device_register(&system, "lamp", PlatformId::None).unwrap();
    assert_eq!(device.driver(), None);
    assert_eq!(driver.devices(), []);
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn only_a_driver_that_can_be_unbound_by_hand_is_probed_twice() {
    let system = probing_twice();
    let events = system.record();
    let driver = platform_driver(&system, "lamp");
    driver.set_suppress_bind_attrs(true);
    driver_register(&driver).unwrap();
    let device = platform_device_register(&system, "lamp", PlatformId::None).unwrap();
    let story = story(&events);
    let probes = story.iter().filter(|line| line.contains("probe by"));
    assert_eq!(probes.count(), 1, "{story:?}");
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn the_allocation_named_when_a_system_is_made_fails() {
    let system = system(DebugOptions {
        fail_nth: 1,
        ..DebugOptions::default()
    });
    let failed = root_device_register(&system, "board");
    assert_eq!(failed.err(), Some(Errno::ENOMEM));
    let board = root_device_register(&system, "board").unwrap();
    root_device_unregister(&board);
}
