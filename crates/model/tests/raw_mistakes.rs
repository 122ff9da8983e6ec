//! The mistakes that the typed face forbids are possible on the raw face, and
//! memory-safe there: they give what a kernel gives, or a splat.

use lastfd_model::event::SplatKind;
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Recording, System};
use lastfd_sync::Arc;

fn splats(events: &Recording) -> Vec<SplatKind> {
    let splat = |kind: &EventKind| match kind {
        EventKind::Splat { kind, .. } => Some(*kind),
        _ => None,
    };
    events
        .events()
        .iter()
        .filter_map(|e| splat(&e.kind))
        .collect()
}

#[test]
fn g18_devres_after_the_removal_wait_for_the_last_reference() {
    let system = System::new();
    let events = system.record();
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    get_device(&device);
    platform_device_unregister(&device);
    let memory = devm_kzalloc(&device, 8).unwrap();
    assert!(!memory.is_freed());
    put_device(&device);
    assert!(memory.is_freed());
    assert_eq!(splats(&events), []);
    // Past the release nobody will ever free it; that is a splat.
    devm_kzalloc(&device, 8).unwrap();
    assert_eq!(splats(&events), [SplatKind::UseAfterFree]);
}

#[test]
fn g19_devres_before_probe_refuse_the_driver() {
    let system = System::new();
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    devm_kzalloc(&device, 8).unwrap();
    let driver = platform_driver(&system, "sensor");
    driver_register(&driver).unwrap();
    assert_eq!(device_attach(&device), Err(Errno::EBUSY));
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn g27_memory_freed_by_hand_and_by_its_device_is_told() {
    let system = System::new();
    let events = system.record();
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    let memory = devm_kzalloc(&device, 8).unwrap();
    devm_kfree(&device, &memory);
    devm_kfree(&device, &memory);
    assert_eq!(splats(&events), [SplatKind::Warn]);
    assert_eq!(memory.read(0..1), [0]);
    assert_eq!(splats(&events), [SplatKind::Warn, SplatKind::UseAfterFree]);
    platform_device_unregister(&device);
}

#[test]
fn g31_driver_data_is_none_after_the_unbind() {
    let system = System::new();
    let driver = platform_driver(&system, "sensor");
    driver.set_probe(|device| {
        dev_set_drvdata(device, Some(Arc::new(7_u32)));
        Ok(())
    });
    driver_register(&driver).unwrap();
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    assert!(dev_get_drvdata(&device).is_some());
    device_release_driver(&device);
    assert!(dev_get_drvdata(&device).is_none());
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn g34_a_second_unregister_is_told_and_underflows_no_count() {
    let system = System::new();
    let events = system.record();
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    platform_device_unregister(&device);
    platform_device_unregister(&device);
    assert_eq!(splats(&events), [SplatKind::Warn, SplatKind::Refcount]);
    assert_eq!(kref_read(&device), 0);
}

#[test]
fn a_driver_is_unregistered_once_even_if_it_was_refused_a_second_time() {
    let system = System::new();
    let events = system.record();
    let (driver, other) = (
        platform_driver(&system, "sensor"),
        platform_driver(&system, "sensor"),
    );
    // There is no drv->p yet.
    driver_unregister(&driver);
    assert_eq!(splats(&events), [SplatKind::Warn]);
    driver_register(&driver).unwrap();
    driver_unregister(&driver);
    driver_register(&other).unwrap();
    assert_eq!(driver_register(&driver), Err(Errno::EBUSY));
    assert_eq!(splats(&events), [SplatKind::Warn]);
    // drv->p is the first registration's, which was freed.
    driver_unregister(&driver);
    assert_eq!(splats(&events), [SplatKind::Warn, SplatKind::UseAfterFree]);
    driver_unregister(&other);
    driver_register(&driver).unwrap();
    driver_unregister(&driver);
    assert_eq!(splats(&events).len(), 2);
}

#[test]
fn a_driver_for_a_device_that_was_never_added_is_told() {
    let system = System::new();
    let events = system.record();
    let driver = platform_driver(&system, "sensor");
    driver_register(&driver).unwrap();
    let device = platform_device_alloc(&system, "sensor", PlatformId::None).unwrap();
    assert_eq!(device_driver_attach(&driver, &device), Err(Errno::ENODEV));
    assert_eq!(device_attach(&device), Err(Errno::ENODEV));
    assert_eq!(device_reprobe(&device), Err(Errno::ENODEV));
    assert_eq!(splats(&events), [SplatKind::Bug; 3]);
    // Once it was added and removed again, it is refused and no more.
    platform_device_add(&device).unwrap();
    get_device(&device);
    platform_device_unregister(&device);
    assert_eq!(device_driver_attach(&driver, &device), Err(Errno::ENODEV));
    assert_eq!(device_attach(&device), Ok(0));
    assert_eq!(splats(&events), [SplatKind::Bug; 3]);
    put_device(&device);
    driver_unregister(&driver);
}

#[test]
fn a_driver_that_is_not_registered_binds_nothing_and_is_told() {
    let system = System::new();
    let events = system.record();
    let driver = platform_driver(&system, "sensor");
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    assert_eq!(device_driver_attach(&driver, &device), Err(Errno::ENODEV));
    assert_eq!(splats(&events), [SplatKind::Bug]);
    driver_register(&driver).unwrap();
    assert_eq!(device.driver().as_ref(), Some(&driver));
    driver_unregister(&driver);
    assert_eq!(device_driver_attach(&driver, &device), Err(Errno::ENODEV));
    assert_eq!(splats(&events), [SplatKind::Bug, SplatKind::UseAfterFree]);
    assert!(device.driver().is_none());
    platform_device_unregister(&device);
}

#[test]
fn a_driver_unregistered_after_its_system_ended_has_no_devices_left() {
    let system = System::new();
    let driver = platform_driver(&system, "sensor");
    driver_register(&driver).unwrap();
    platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    assert_eq!(driver.devices().len(), 1);
    drop(system);
    driver_unregister(&driver);
    assert!(driver.devices().is_empty());
}

#[test]
fn more_memory_than_an_allocation_has_is_refused_with_a_splat() {
    let system = System::new();
    let events = system.record();
    let device = root_device_register(&system, "board").unwrap();
    let most = devm_kzalloc(&device, KMALLOC_MAX_SIZE).unwrap();
    assert_eq!(splats(&events), []);
    for size in [KMALLOC_MAX_SIZE + 1, usize::MAX] {
        assert_eq!(devm_kzalloc(&device, size).err(), Some(Errno::ENOMEM));
        let grown = devm_krealloc(&device, &most, size);
        assert_eq!(grown.err(), Some(Errno::ENOMEM));
    }
    assert_eq!(splats(&events), [SplatKind::Warn; 4]);
    // What could not grow is as it was.
    assert_eq!(most.len(), Some(KMALLOC_MAX_SIZE));
    root_device_unregister(&device);
    assert!(most.is_freed());
}
