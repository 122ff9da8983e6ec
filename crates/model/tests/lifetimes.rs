//! The rules of lifetimes, each by its smallest case. The recorded traces of a
//! kernel, replayed by the scenario crate, are the fuller account.

use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Rules, System};
use lastfd_sync::{Arc, Mutex};

type Log = Arc<Mutex<Vec<&'static str>>>;

fn logged(log: &Log, name: &'static str) -> Action {
    let log = log.clone();
    Action::new(move || log.lock().push(name))
}

fn splats(events: &lastfd_model::Recording) -> Vec<String> {
    let events = events.events();
    let splat = |kind: &EventKind| matches!(kind, EventKind::Splat { .. });
    let found = events.iter().filter(|event| splat(&event.kind));
    found.map(|event| event.kind.to_string()).collect()
}

#[test]
fn since_6_6_device_del_releases_what_an_unbound_device_has() {
    for (rules, released_early) in [(Rules::Linux6_12, true), (Rules::LinuxPre6_6, false)] {
        let system = System::builder().rules(rules).build();
        let log = Log::default();
        let root = root_device_register(&system, "board").unwrap();
        devm_add_action(&root, logged(&log, "action")).unwrap();
        get_device(&root);
        root_device_unregister(&root);
        assert_eq!(!log.lock().is_empty(), released_early, "{rules}");
        put_device(&root);
        assert_eq!(*log.lock(), ["action"], "{rules}");
        assert!(root.is_released());
    }
}

#[test]
fn resources_present_before_probing_refuse_every_driver() {
    let system = System::new();
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    devm_add_action(&device, Action::keyed(ActionKey(1, 1), || ())).unwrap();
    let driver = platform_driver(&system, "sensor");
    driver_register(&driver).unwrap();
    assert_eq!(device.driver(), None);
    assert_eq!(device_attach(&device), Err(Errno::EBUSY));
    assert_eq!(device_driver_attach(&driver, &device), Err(Errno::EBUSY));
    devm_remove_action(&device, ActionKey(1, 1));
    assert_eq!(device_attach(&device), Ok(1));
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn a_failed_probe_lets_the_next_driver_try() {
    let system = System::new();
    let bus = bus_register(
        &system,
        BusType {
            name: "demo".into(),
            ..BusType::default()
        },
    )
    .unwrap();
    let log = Log::default();
    let first = Driver::new("first", &bus);
    let added = log.clone();
    first.set_probe(move |device| {
        devm_add_action(device, logged(&added, "unwound"))?;
        Err(Errno::EINVAL)
    });
    let second = Driver::new("second", &bus);
    driver_register(&first).unwrap();
    driver_register(&second).unwrap();
    let spec = DeviceSpec {
        name: Some("thing".into()),
        bus: Some(bus.clone()),
        release: Some(no_release()),
        ..DeviceSpec::default()
    };
    let device = device_initialize(&system, spec);
    device_add(&device).unwrap();
    assert_eq!(*log.lock(), ["unwound"]);
    assert_eq!(device.driver(), Some(second.clone()));
    device_unregister(&device);
    driver_unregister(&second);
    driver_unregister(&first);
    bus_unregister(&bus);
}

#[test]
fn a_second_removal_is_a_splat_and_does_nothing() {
    let system = System::new();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    get_device(&root);
    root_device_unregister(&root);
    device_del(&root);
    assert_eq!(splats(&events).len(), 1);
    assert_eq!(kref_read(&root), 1);
    put_device(&root);
}

#[test]
fn one_put_too_many_is_a_splat() {
    let system = System::new();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    root_device_unregister(&root);
    put_device(&root);
    get_device(&root);
    let splats = splats(&events);
    assert!(splats[0].contains("underflow"), "{splats:?}");
    assert!(splats[1].contains("addition on 0"), "{splats:?}");
}

#[test]
fn a_driver_that_panics_is_unwound_and_the_system_stays_usable() {
    let system = System::new();
    let events = system.record();
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    let log = Log::default();
    let driver = platform_driver(&system, "sensor");
    let added = log.clone();
    driver.set_probe(move |device| {
        devm_add_action(device, logged(&added, "released"))?;
        panic!("in probe");
    });
    driver_register(&driver).unwrap();
    assert_eq!(device.driver(), None);
    assert_eq!(*log.lock(), ["released"]);
    assert!(splats(&events)[0].contains("probe panicked: in probe"));
    driver.set_probe(|_| Ok(()));
    assert_eq!(device_attach(&device), Ok(1));
    platform_device_unregister(&device);
    driver_unregister(&driver);
    assert!(device.is_released());
}

#[test]
fn unbinding_from_the_own_remove_is_told_and_does_not_hang() {
    let system = System::new();
    let events = system.record();
    let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
    let driver = platform_driver(&system, "sensor");
    driver.set_remove(device_release_driver);
    driver_register(&driver).unwrap();
    device_release_driver(&device);
    assert!(splats(&events)[0].contains("deadlock"));
    assert_eq!(device.driver(), None);
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn a_held_attribute_gives_enodev_once_its_device_is_gone() {
    let system = System::new();
    let root = root_device_register(&system, "board").unwrap();
    let attribute = Attribute::new("value", 0o644)
        .show(|_| Ok("1\n".into()))
        .store(|_, data| Ok(data.len()));
    device_create_file(&root, &attribute).unwrap();
    let file = attr_open(&root, "value").unwrap();
    assert_eq!(file.read().unwrap(), b"1\n");
    assert_eq!(file.write(b"2"), Ok(1));
    assert_eq!(attr_read(&root, "missing"), Err(Errno::ENOENT));
    root_device_unregister(&root);
    assert_eq!(file.read(), Err(Errno::ENODEV));
    assert_eq!(file.write(b"2"), Err(Errno::ENODEV));
    assert_eq!(attr_read(&root, "value"), Err(Errno::ENOENT));
}

#[test]
fn an_attribute_that_removes_its_own_device_is_told_and_does_not_hang() {
    let system = System::new();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    let store = Attribute::new("remove", 0o200).store(|device, data| {
        root_device_unregister(device);
        Ok(data.len())
    });
    device_create_file(&root, &store).unwrap();
    assert_eq!(attr_write(&root, "remove", b"1"), Ok(1));
    assert!(
        splats(&events)[0].contains("deadlock"),
        "{:?}",
        splats(&events)
    );
    assert!(root.is_released());
}

#[test]
fn what_outlives_its_system_is_reported() {
    let system = System::builder().ledger(true).build();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let to = told.clone();
    let subscription = system.subscribe(Arc::new(move |event: &lastfd_model::Event| {
        if let EventKind::Leak { .. } = event.kind {
            to.lock().push(event.kind.to_string());
        }
    }));
    let root = root_device_register(&system, "board").unwrap();
    get_device(&root);
    drop(system);
    drop(subscription);
    let told = told.lock();
    assert!(
        told[0].contains("device board was never released, 2 references"),
        "{told:?}"
    );
    assert!(
        told.iter().any(|line| line.contains("lifetimes.rs")),
        "{told:?}"
    );
}

#[test]
fn the_nth_allocation_fails_once() {
    let system = System::new();
    let root = root_device_register(&system, "board").unwrap();
    system.fail_nth(2);
    assert!(devm_kzalloc(&root, 8).is_ok());
    assert_eq!(devm_kzalloc(&root, 8).unwrap_err(), Errno::ENOMEM);
    assert_eq!(system.fail_nth_left(), 0);
    assert!(devm_kzalloc(&root, 8).is_ok());
    root_device_unregister(&root);
}

#[test]
fn managed_memory_read_after_its_device_is_a_splat() {
    let system = System::new();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    let text = devm_kstrdup(&root, "hello").unwrap();
    assert_eq!(text.read(0..5), b"hello");
    root_device_unregister(&root);
    assert_eq!(text.read(0..5), [0; 5]);
    assert!(splats(&events)[0].contains("use after free"));
}

#[test]
fn every_step_of_device_add_that_fails_is_unwound() {
    for nth in 1.. {
        let system = System::new();
        let parent = root_device_register(&system, "board").unwrap();
        let spec = DeviceSpec {
            name: Some("child".into()),
            parent: Some(parent.clone()),
            bus: Some(platform_bus(&system)),
            release: Some(no_release()),
            groups: vec![AttributeGroup::new(vec![Attribute::new("a", 0o444)])],
            ..DeviceSpec::default()
        };
        let device = device_initialize(&system, spec);
        system.fail_nth(nth);
        let added = device_add(&device);
        let failed = system.fail_nth_left() == 0;
        system.fail_nth(0);
        if added.is_ok() {
            assert!(!failed);
            device_unregister(&device);
        } else {
            assert_eq!(added, Err(Errno::ENOMEM));
            assert_eq!(kref_read(&device), 1);
            put_device(&device);
        }
        assert!(device.is_released());
        assert_eq!(kref_read(&parent), 1);
        root_device_unregister(&parent);
        if added.is_ok() {
            assert!(nth > 3, "device_add makes at least three allocations");
            break;
        }
    }
}

#[test]
fn a_uevent_carries_the_kernels_keys_in_the_kernels_order() {
    let system = System::new();
    let events = system.record();
    let class = class_create(&system, "demo").unwrap();
    let devt = alloc_chrdev_region(&system, "demo").unwrap();
    let spec = DeviceSpec {
        name: Some("demo0".into()),
        class: Some(class.clone()),
        devt: Some(devt),
        release: Some(no_release()),
        ..DeviceSpec::default()
    };
    let device = device_initialize(&system, spec);
    device_add(&device).unwrap();
    assert_eq!(system.dev_node("demo0").unwrap().devt, devt);
    device_unregister(&device);
    assert!(system.dev_node("demo0").is_none());
    class_destroy(&system, &class);
    let envs: Vec<String> = events
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Uevent { env, .. } => Some(env),
            _ => None,
        })
        .map(|env| {
            let pairs = env.iter().map(|(key, value)| format!("{key}={value}"));
            pairs.collect::<Vec<_>>().join(" ")
        })
        .collect();
    let place = "DEVPATH=/devices/virtual/demo/demo0 SUBSYSTEM=demo";
    let number = "MAJOR=254 MINOR=0 DEVNAME=demo0";
    assert_eq!(
        envs,
        [
            format!("ACTION=add {place} {number} SEQNUM=1"),
            format!("ACTION=remove {place} {number} SEQNUM=2"),
        ]
    );
}

#[test]
fn with_the_ledger_on_an_event_carries_its_callers_place() {
    let system = System::builder().ledger(true).build();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    devm_kzalloc(&root, 8).unwrap();
    let added = |kind: &EventKind| matches!(kind, EventKind::DevresAdded { .. });
    let all = events.events();
    let place = all.iter().find(|e| added(&e.kind)).unwrap().place.unwrap();
    assert!(place.file().ends_with("lifetimes.rs"), "{place}");
    root_device_unregister(&root);
}

#[test]
fn a_class_may_put_its_nodes_into_a_directory_with_permissions_of_their_own() {
    let system = System::new();
    let spec = ClassSpec {
        name: "demo".into(),
        devnode: Some(Arc::new(|device, mode| {
            *mode = 0o666;
            Some(format!("demos/{}", device.name()))
        })),
        ..ClassSpec::default()
    };
    let class = class_register(&system, spec).unwrap();
    let events = system.record();
    let device = device_initialize(
        &system,
        DeviceSpec {
            name: Some("demo0".into()),
            class: Some(class.clone()),
            devt: Some(alloc_chrdev_region(&system, "demo").unwrap()),
            release: Some(no_release()),
            ..DeviceSpec::default()
        },
    );
    device_add(&device).unwrap();
    assert_eq!(system.dev_node("demos/demo0").unwrap().mode, 0o666);
    device_unregister(&device);
    assert!(system.dev_nodes().is_empty());
    class_destroy(&system, &class);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let wanted = [pair("DEVNAME", "demos/demo0"), pair("DEVMODE", "0666")];
    let told = |kind: &EventKind| match kind {
        EventKind::Uevent { env, .. } => wanted.iter().all(|pair| env.contains(pair)),
        _ => false,
    };
    assert_eq!(events.events().iter().filter(|e| told(&e.kind)).count(), 2);
}

#[test]
fn a_platform_device_that_outlives_its_system_is_unregistered_all_the_same() {
    let system = System::new();
    let device = platform_device_register(&system, "board", PlatformId::Auto).unwrap();
    drop(system);
    platform_device_unregister(&device);
    assert_eq!(
        platform_device_add(&device),
        Err(lastfd_model::Errno::ENODEV)
    );
}
