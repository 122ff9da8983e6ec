//! Probes that say "not yet", and when they are tried again.

use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Recording, Result, System};
use lastfd_sync::Arc;
use lastfd_sync::atomic::{AtomicU32, Ordering};

fn splats(events: &Recording) -> Vec<String> {
    let splat = |kind: &EventKind| matches!(kind, EventKind::Splat { .. });
    let events = events.events();
    let found = events.iter().filter(|event| splat(&event.kind));
    found.map(|event| event.kind.to_string()).collect()
}

/// A driver whose probe counts and gives what the count makes of it.
fn counting(
    system: &System,
    name: &str,
    result: impl Fn(u32) -> Result + Send + Sync + 'static,
) -> (Driver, Arc<AtomicU32>) {
    let driver = platform_driver(system, name);
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    driver.set_probe(move |_| result(counted.fetch_add(1, Ordering::SeqCst) + 1));
    (driver, count)
}

fn device(system: &System, name: &str) -> Device {
    platform_device_register(system, name, PlatformId::None).unwrap()
}

#[test]
fn a_device_that_was_deferred_is_probed_again_when_another_is_bound() {
    let system = System::new();
    let (driver, count) = counting(&system, "late", |n| match n {
        1 | 2 => Err(Errno::EPROBE_DEFER),
        _ => Ok(()),
    });
    driver_register(&driver).unwrap();
    driver_register(&platform_driver(&system, "other")).unwrap();
    let late = device(&system, "late");
    assert_eq!(devices_deferred(&system), std::slice::from_ref(&late));
    let others = [0, 1].map(|id| {
        let other = platform_device_register(&system, "other", PlatformId::Id(id)).unwrap();
        wait_for_device_probe(&system);
        other
    });
    assert_eq!(count.load(Ordering::SeqCst), 3);
    assert!(late.driver().is_some());
    assert_eq!(devices_deferred(&system), []);
    for device in others.iter().chain([&late]) {
        platform_device_unregister(device);
    }
}

#[test]
fn a_deferred_device_that_goes_is_not_probed_again() {
    let system = System::new();
    let (driver, count) = counting(&system, "late", |_| Err(Errno::EPROBE_DEFER));
    driver_register(&driver).unwrap();
    driver_register(&platform_driver(&system, "other")).unwrap();
    let late = device(&system, "late");
    platform_device_unregister(&late);
    assert!(late.is_released());
    let other = device(&system, "other");
    wait_for_device_probe(&system);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    platform_device_unregister(&other);
}

#[test]
fn a_driver_that_defers_lets_the_next_one_try() {
    let system = System::new();
    let bus = bus_register(
        &system,
        BusType {
            name: "any".into(),
            ..BusType::default()
        },
    )
    .unwrap();
    let first = Driver::new("first", &bus);
    first.set_probe(|_| Err(Errno::EPROBE_DEFER));
    let second = Driver::new("second", &bus);
    driver_register(&first).unwrap();
    driver_register(&second).unwrap();
    let device = device_initialize(
        &system,
        DeviceSpec {
            name: Some("d".into()),
            bus: Some(bus.clone()),
            release: Some(no_release()),
            ..DeviceSpec::default()
        },
    );
    device_add(&device).unwrap();
    assert_eq!(device.driver(), Some(second.clone()));
    assert_eq!(devices_deferred(&system), []);
    device_unregister(&device);
    driver_unregister(&second);
    driver_unregister(&first);
    bus_unregister(&bus);
}

#[test]
fn a_probe_that_binds_another_device_and_then_defers_is_tried_again_at_once() {
    // What the kernel's documentation warns of: the trigger came during the probe.
    let system = System::new();
    driver_register(&platform_driver(&system, "child")).unwrap();
    let driver = platform_driver(&system, "parent");
    let count = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&count);
    driver.set_probe(move |parent| {
        let child = platform_device_register(&parent.system(), "child", PlatformId::Auto)?;
        platform_device_unregister(&child);
        match counted.fetch_add(1, Ordering::SeqCst) {
            0..5 => Err(Errno::EPROBE_DEFER),
            _ => Ok(()),
        }
    });
    driver_register(&driver).unwrap();
    let parent = device(&system, "parent");
    wait_for_device_probe(&system);
    assert_eq!(count.load(Ordering::SeqCst), 6);
    assert!(parent.driver().is_some());
    platform_device_unregister(&parent);
}

#[test]
fn blocked_probes_are_deferred_until_they_are_unblocked() {
    let system = System::new();
    driver_register(&platform_driver(&system, "sensor")).unwrap();
    device_block_probing(&system);
    let sensor = device(&system, "sensor");
    assert_eq!(sensor.driver(), None);
    device_unblock_probing(&system);
    wait_for_device_probe(&system);
    assert!(sensor.driver().is_some());
    platform_device_unregister(&sensor);
}

#[test]
fn waiting_for_probes_from_inside_one_is_told_and_does_not_hang() {
    let system = System::new();
    let events = system.record();
    let driver = platform_driver(&system, "sensor");
    driver.set_probe(|device| {
        wait_for_device_probe(&device.system());
        Ok(())
    });
    driver_register(&driver).unwrap();
    let sensor = device(&system, "sensor");
    assert!(sensor.driver().is_some());
    assert_eq!(
        splats(&events),
        ["deadlock: wait_for_device_probe waits for the probe it is called from"]
    );
    platform_device_unregister(&sensor);
}

#[test]
fn work_that_waits_for_a_waiter_is_done_by_the_waiter_in_order() {
    let system = System::builder().work_on_wait(true).build();
    let (driver, count) = counting(&system, "late", |n| match n {
        1 => Err(Errno::EPROBE_DEFER),
        _ => Ok(()),
    });
    driver_register(&driver).unwrap();
    driver_register(&platform_driver(&system, "other")).unwrap();
    let late = device(&system, "late");
    let other = device(&system, "other");
    assert_eq!(count.load(Ordering::SeqCst), 1, "nobody waited yet");
    system.settle();
    assert!(late.driver().is_some());
    platform_device_unregister(&other);
    platform_device_unregister(&late);
}

#[test]
fn a_system_that_ends_with_devices_still_deferred_ends() {
    for on_wait in [false, true] {
        let system = System::builder().work_on_wait(on_wait).build();
        let (driver, _) = counting(&system, "late", |_| Err(Errno::EPROBE_DEFER));
        driver_register(&driver).unwrap();
        driver_register(&platform_driver(&system, "other")).unwrap();
        let late = device(&system, "late");
        let other = device(&system, "other");
        platform_device_unregister(&other);
        platform_device_unregister(&late);
        drop(system);
        assert!(late.is_released());
    }
}
