//! What a case leaves to KUnit ends in the kernel's order.
//!
//! The expected lines are those of the recorded traces n1, n2, n3, n5 and n7.

use lastfd_kunit::{Test, raw::*};
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Rules, System};
use lastfd_sync::{Arc, Mutex, Weak};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn line(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    fn action(&self, name: &'static str) -> TestAction {
        let log = self.clone();
        TestAction::keyed(key(name), move || log.line(format!("kunit-action {name}")))
    }

    fn devm(&self, name: &'static str) -> Action {
        let log = self.clone();
        Action::new(move || log.line(format!("devm-action {name}")))
    }

    fn resource(&self, name: &'static str) -> Option<ResourceFree> {
        let log = self.clone();
        Some(Box::new(move |_| log.line(format!("free {name}"))))
    }

    fn watch(&self, system: &System) {
        let log = self.clone();
        let notifier = move |what: BusNotify, device: &Device| {
            log.line(format!("notify {what} {}", dev_name(device)));
        };
        bus_register_notifier(&kunit_bus(system), Arc::new(notifier));
    }

    fn take(&self) -> Vec<String> {
        core::mem::take(&mut *self.0.lock())
    }
}

fn key(name: &str) -> ActionKey {
    ActionKey(1, name.bytes().fold(0, |sum, b| sum * 256 + u64::from(b)))
}

fn nothing() -> Arc<()> {
    Arc::new(())
}

#[test]
fn resources_are_freed_latest_first_and_a_named_one_when_it_is_destroyed() {
    let test = Test::new(&System::new(), "n1_resources");
    let log = Log::default();
    kunit_add_resource(&test, None, log.resource("R1"), nothing()).unwrap();
    kunit_add_resource(&test, None, log.resource("R2"), nothing()).unwrap();
    kunit_add_named_resource(&test, None, log.resource("R3"), "r3", nothing()).unwrap();
    let twice = kunit_add_named_resource(&test, None, log.resource("R3"), "r3", nothing());
    assert_eq!(twice, Err(Errno::EEXIST));
    kunit_destroy_named_resource(&test, "r3").unwrap();
    assert_eq!(log.take(), ["free R3"]);
    assert_eq!(
        kunit_destroy_named_resource(&test, "r3"),
        Err(Errno::ENOENT)
    );
    kunit_add_resource(&test, None, log.resource("R3b"), nothing()).unwrap();
    kunit_cleanup(&test);
    assert_eq!(log.take(), ["free R3b", "free R2", "free R1"]);
}

#[test]
fn actions_run_at_cleanup_unless_they_were_released_or_removed() {
    let test = Test::new(&System::new(), "n2_actions");
    let log = Log::default();
    kunit_add_action(&test, log.action("K1")).unwrap();
    let memory = kunit_kzalloc(&test, 8).unwrap();
    kunit_add_action(&test, log.action("K2")).unwrap();
    kunit_add_resource(&test, None, log.resource("R1"), nothing()).unwrap();
    kunit_add_action_or_reset(&test, log.action("K3")).unwrap();
    kunit_add_action(&test, log.action("K4")).unwrap();
    kunit_add_action(&test, log.action("K1")).unwrap();
    kunit_release_action(&test, key("K3"));
    kunit_remove_action(&test, key("K4"));
    kunit_release_action(&test, key("K1"));
    kunit_release_action(&test, key("K4"));
    assert_eq!(log.take(), ["kunit-action K3", "kunit-action K1"]);
    assert!(!memory.is_freed());
    kunit_cleanup(&test);
    assert!(memory.is_freed());
    assert_eq!(
        log.take(),
        ["free R1", "kunit-action K2", "kunit-action K1"]
    );
}

#[test]
fn a_kunit_device_is_unbound_and_released_between_the_actions_around_it() {
    let system = System::new();
    let test = Test::new(&system, "n3_device");
    let log = Log::default();
    kunit_add_action(&test, log.action("K1")).unwrap();
    let device = kunit_device_register(&test, "kd").unwrap();
    log.watch(&system);
    assert_eq!(kref_read(&device), 3);
    assert_eq!(device.driver().unwrap().name().as_ref(), "kd");
    assert_eq!(dev_name(&device), "n3_device.kd");
    assert_eq!(dev_name(&device.parent().unwrap()), "kunit");
    devm_add_action(&device, log.devm("A1")).unwrap();
    devm_add_action(&device, log.devm("A2")).unwrap();
    kunit_add_action(&test, log.action("K2")).unwrap();
    kunit_cleanup(&test);
    assert!(device.is_released());
    let expected = [
        "kunit-action K2",
        "notify DEL_DEVICE n3_device.kd",
        "notify UNBIND_DRIVER n3_device.kd",
        "devm-action A2",
        "devm-action A1",
        "notify UNBOUND_DRIVER n3_device.kd",
        "notify REMOVED_DEVICE n3_device.kd",
        "kunit-action K1",
    ];
    assert_eq!(log.take(), expected);
    assert!(kunit_bus(&system).drivers().is_empty());
}

#[test]
fn a_driver_of_the_tests_own_probes_and_removes() {
    let system = System::builder().rules(Rules::LinuxPre6_6).build();
    let test = Test::new(&system, "n5_with_driver");
    let log = Log::default();
    log.watch(&system);
    let driver = kunit_driver_create(&test, "kdrv").unwrap();
    let (probed, removed) = (log.clone(), log.clone());
    driver.set_probe(move |device| {
        probed.line("probe");
        devm_add_action(device, probed.devm("A3"))
    });
    driver.set_remove(move |_| removed.line("remove"));
    let device = kunit_device_register_with_driver(&test, "kd5", &driver).unwrap();
    assert_eq!(device.driver(), Some(driver));
    log.take();
    kunit_add_action(&test, log.action("K1")).unwrap();
    devm_add_action(&device, log.devm("A1")).unwrap();
    kunit_cleanup(&test);
    let expected = [
        "kunit-action K1",
        "notify DEL_DEVICE n5_with_driver.kd5",
        "notify UNBIND_DRIVER n5_with_driver.kd5",
        "remove",
        "devm-action A1",
        "devm-action A3",
        "notify UNBOUND_DRIVER n5_with_driver.kd5",
        "notify REMOVED_DEVICE n5_with_driver.kd5",
    ];
    assert_eq!(log.take(), expected);
}

#[test]
fn the_driver_registered_first_takes_every_kunit_device() {
    let test = Test::new(&System::new(), "n7_two_devices");
    let one = kunit_device_register(&test, "one").unwrap();
    let two = kunit_device_register(&test, "two").unwrap();
    assert_eq!(one.driver(), two.driver());
    assert_eq!(two.driver().unwrap().name().as_ref(), "one");
    kunit_device_unregister(&test, &one);
    assert!(one.is_released());
    // Its driver went with it, and nobody asks for another.
    assert_eq!(two.driver(), None);
    kunit_cleanup(&test);
    assert!(two.is_released());
}

#[test]
fn a_name_that_exists_fails_and_leaves_nothing() {
    let system = System::new();
    let test = Test::new(&system, "twice");
    let events = system.record();
    let driver = kunit_driver_create(&test, "drv").unwrap();
    assert_eq!(kunit_driver_create(&test, "drv"), Err(Errno::EBUSY));
    kunit_device_register_with_driver(&test, "dev", &driver).unwrap();
    assert_eq!(
        kunit_device_register_with_driver(&test, "dev", &driver),
        Err(Errno::EEXIST)
    );
    kunit_cleanup(&test);
    drop(test);
    drop(driver);
    drop(system);
    let leaks = events.events();
    assert!(
        !leaks
            .iter()
            .any(|e| matches!(e.kind, EventKind::Leak { .. }))
    );
}

#[test]
fn what_a_release_adds_or_removes_is_honoured() {
    let test = Test::new(&System::new(), "n_adds");
    let log = Log::default();
    kunit_add_action(&test, log.action("K1")).unwrap();
    kunit_add_action(&test, log.action("K2")).unwrap();
    let (inner, add) = (test.clone(), log.clone());
    let adds = TestAction::new(move || {
        add.line("enter");
        kunit_add_action(&inner, add.action("K4")).unwrap();
        kunit_remove_action(&inner, key("K2"));
        add.line("leave");
    });
    kunit_add_action(&test, adds).unwrap();
    kunit_cleanup(&test);
    let expected = ["enter", "leave", "kunit-action K4", "kunit-action K1"];
    assert_eq!(log.take(), expected);
}

#[test]
fn a_resource_is_freed_at_its_last_put() {
    let test = Test::new(&System::new(), "refs");
    let log = Log::default();
    let resource = kunit_add_resource(&test, None, log.resource("R"), nothing()).unwrap();
    let found = kunit_find_resource(&test, &|_, r| *r == resource).unwrap();
    assert_eq!(found.refcount(), 2);
    kunit_cleanup(&test);
    assert_eq!(log.take(), [""; 0]);
    kunit_put_resource(&found);
    assert_eq!(log.take(), ["free R"]);
    let events = test.system().record();
    kunit_put_resource(&found);
    assert!(matches!(events.events()[0].kind, EventKind::Splat { .. }));
}

#[test]
fn an_init_that_fails_keeps_its_resource_from_being_added() {
    let test = Test::new(&System::new(), "init");
    let log = Log::default();
    let init: ResourceInit<'_> = &|_| Err(Errno::EIO);
    let added = kunit_add_resource(&test, Some(init), log.resource("R"), nothing());
    assert_eq!(added, Err(Errno::EIO));
    kunit_cleanup(&test);
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn each_allocation_that_fails_is_unwound() {
    for nth in 1.. {
        let system = System::new();
        kunit_bus(&system);
        let test = Test::new(&system, "nth");
        system.fail_nth(nth);
        let result = kunit_device_register(&test, "kd");
        let done = system.fail_nth_left() != 0;
        system.fail_nth(0);
        kunit_cleanup(&test);
        if done {
            assert!(nth > 5, "only {} allocations", nth - 1);
            break;
        }
        assert_eq!(result.err(), Some(Errno::ENOMEM));
        assert_eq!(kunit_bus(&system).devices(), []);
        assert_eq!(kunit_bus(&system).drivers(), []);
    }
}

#[test]
fn cleaning_up_lets_go_of_the_system() {
    let system = System::new();
    let test = Test::new(&system, "drops");
    let token = Arc::new(());
    let weak: Weak<()> = Arc::downgrade(&token);
    kunit_add_action(&test, TestAction::new(move || drop(token))).unwrap();
    kunit_cleanup(&test);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_handle_kept_past_its_test_does_not_keep_the_system() {
    let system = System::new();
    let events = system.record();
    let test = Test::new(&system, "kept");
    let memory = kunit_kzalloc(&test, 4).unwrap();
    let resource = kunit_add_resource(&test, None, None, nothing()).unwrap();
    root_device_register(&system, "left").unwrap();
    drop(test);
    drop(system);
    let leaks = |e: &lastfd_model::Event| matches!(e.kind, EventKind::Leak { .. });
    assert!(events.events().iter().any(leaks));
    drop((memory, resource));
}

#[test]
fn the_platform_helpers_end_in_their_place_in_the_order() {
    let system = System::new();
    let test = Test::new(&system, "platform");
    let log = Log::default();
    let device = kunit_platform_device_alloc(&test, "pd", PlatformId::None).unwrap();
    kunit_add_action(&test, log.action("K1")).unwrap();
    kunit_platform_device_add(&test, &device).unwrap();
    let driver = platform_driver(&system, "pd");
    let removed = log.clone();
    driver.set_remove(move |_| removed.line("remove"));
    kunit_platform_driver_register(&test, &driver).unwrap();
    assert_eq!(device.driver(), Some(driver));
    kunit_cleanup(&test);
    assert_eq!(log.take(), ["remove", "kunit-action K1"]);
    assert!(device.is_released());

    let root = kunit_root_device_register(&test, "board").unwrap();
    let unbound = kunit_unbound_platform_device_register(&test, "nobody").unwrap();
    assert_eq!(root.bus(), None);
    assert_eq!(unbound.driver(), None);
    let never_added = kunit_platform_device_alloc(&test, "put", PlatformId::None).unwrap();
    kunit_cleanup(&test);
    for device in [root, unbound, never_added] {
        assert!(device.is_released());
    }
}

#[test]
fn the_series_helper_gives_a_bound_device_one_at_a_time() {
    let test = Test::new(&System::new(), "helper");
    let device = test_kunit_helper_alloc_device(&test).unwrap();
    assert!(device.driver().is_some());
    assert_eq!(test_kunit_helper_alloc_device(&test), Err(Errno::EBUSY));
    test_kunit_helper_free_device(&test, &device);
    assert!(device.is_released());
    let again = test_kunit_helper_alloc_device(&test).unwrap();
    test_kunit_helper_free_device(&test, &again);
}
