//! Links between devices: who is bound before whom, and who goes first.

use lastfd_model::raw::*;
use lastfd_model::{EventKind, Recording, System};
use lastfd_sync::{Arc, Mutex};

fn splats(events: &Recording) -> Vec<String> {
    let splat = |kind: &EventKind| matches!(kind, EventKind::Splat { .. });
    let events = events.events();
    let found = events.iter().filter(|event| splat(&event.kind));
    found.map(|event| event.kind.to_string()).collect()
}

/// What is left over at the end of the System.
fn leaks(events: &Recording) -> Vec<String> {
    let leak = |kind: &EventKind| matches!(kind, EventKind::Leak { .. });
    let events = events.events();
    let found = events.iter().filter(|event| leak(&event.kind));
    found.map(|event| event.kind.to_string()).collect()
}

fn bound(system: &System, name: &str) -> Device {
    driver_register(&platform_driver(system, name)).unwrap();
    platform_device_register(system, name, PlatformId::None).unwrap()
}

fn unbound(system: &System, name: &str) -> Device {
    platform_device_register(system, name, PlatformId::None).unwrap()
}

#[test]
fn flags_that_do_not_go_together_make_no_link() {
    let system = System::new();
    let (supplier, consumer) = (unbound(&system, "supplier"), unbound(&system, "consumer"));
    use LinkFlags as F;
    let refused = [
        F(1 << 10),
        F::MANAGED,
        F::STATELESS | F::AUTOREMOVE_CONSUMER,
        F::STATELESS | F::SYNC_STATE_ONLY,
        F::AUTOPROBE_CONSUMER | F::AUTOREMOVE_CONSUMER,
        F::AUTOPROBE_CONSUMER | F::AUTOREMOVE_SUPPLIER,
        F::SYNC_STATE_ONLY | F::AUTOREMOVE_SUPPLIER,
        F::SYNC_STATE_ONLY | F::PM_RUNTIME,
    ];
    for flags in refused {
        assert_eq!(
            device_link_add(&consumer, &supplier, flags),
            None,
            "{flags:?}"
        );
    }
    assert_eq!(device_link_add(&consumer, &consumer, F::default()), None);
    assert_eq!(links_to_suppliers(&consumer), []);
    platform_device_unregister(&consumer);
    platform_device_unregister(&supplier);
}

#[test]
fn nothing_is_linked_to_a_supplier_that_is_not_registered_or_depends_on_it() {
    let system = System::new();
    let parent = unbound(&system, "parent");
    let child = platform_device_alloc(&system, "child", PlatformId::None).unwrap();
    dev_set_parent(&child, Some(parent.clone()));
    let flags = LinkFlags::STATELESS;
    assert_eq!(device_link_add(&parent, &child, flags), None, "not added");
    platform_device_add(&child).unwrap();
    assert_eq!(device_link_add(&parent, &child, flags), None, "its child");

    let third = unbound(&system, "third");
    let link = device_link_add(&third, &child, flags).unwrap();
    assert_eq!(
        device_link_add(&parent, &third, flags),
        None,
        "through the child"
    );
    device_link_del(&link);
    for device in [&third, &child, &parent] {
        platform_device_unregister(device);
    }
}

#[test]
fn a_links_device_is_named_for_both_ends_and_shows_how_far_it_is() {
    let system = System::new();
    let (supplier, consumer) = (bound(&system, "supplier"), unbound(&system, "consumer"));
    let flags = LinkFlags::AUTOREMOVE_CONSUMER | LinkFlags::PM_RUNTIME;
    let link = device_link_add(&consumer, &supplier, flags).unwrap();
    let device = link.device().unwrap();
    assert_eq!(
        device.path(),
        "/devices/virtual/devlink/platform:supplier--platform:consumer"
    );
    let shown = |name: &str| {
        let path = format!("/sys/class/devlink/{}/{name}", device.name());
        let read = sysfs_open(&system, &path).and_then(|file| file.read());
        String::from_utf8(read.unwrap()).unwrap()
    };
    assert_eq!(shown("status"), "available\n");
    assert_eq!(shown("auto_remove_on"), "consumer unbind\n");
    assert_eq!(shown("runtime_pm"), "1\n");
    assert_eq!(shown("sync_state_only"), "0\n");
    driver_register(&platform_driver(&system, "consumer")).unwrap();
    assert_eq!(shown("status"), "active\n");

    // The consumer's driver goes, and the link with it.
    device_release_driver(&consumer);
    assert!(link.is_deleted());
    device_link_wait_removal(&system);
    assert!(device.is_released());
    assert_eq!(link.device(), None);
    platform_device_unregister(&consumer);
    platform_device_unregister(&supplier);
}

#[test]
fn a_link_that_is_added_again_stays_as_long_as_the_longer_lived_of_the_two() {
    let system = System::new();
    let (supplier, consumer) = (bound(&system, "supplier"), bound(&system, "consumer"));
    let add = |flags| device_link_add(&consumer, &supplier, flags).unwrap();
    let link = add(LinkFlags::AUTOREMOVE_CONSUMER);
    assert_eq!(add(LinkFlags::AUTOREMOVE_SUPPLIER), link);
    assert_eq!(
        link.flags(),
        LinkFlags::AUTOREMOVE_SUPPLIER | LinkFlags::MANAGED
    );
    assert_eq!(add(LinkFlags::AUTOREMOVE_CONSUMER), link);
    assert!(link.flags().has(LinkFlags::AUTOREMOVE_SUPPLIER));
    assert_eq!(add(LinkFlags::default()), link);
    assert_eq!(link.flags(), LinkFlags::MANAGED);
    assert_eq!(link.kref(), 1, "a managed link is counted once");
    add(LinkFlags::STATELESS);
    assert_eq!(link.kref(), 2);
    device_link_del(&link);
    assert!(!link.is_deleted());
    platform_device_unregister(&consumer);
    assert!(link.is_deleted());
    platform_device_unregister(&supplier);
}

#[test]
fn consumers_are_unbound_before_their_supplier_however_long_the_chain() {
    let system = System::new();
    let names = ["a", "b", "c"];
    let order: Arc<Mutex<Vec<Arc<str>>>> = Arc::default();
    let devices = names.map(|name| {
        let driver = platform_driver(&system, name);
        let order = Arc::clone(&order);
        driver.set_remove(move |device| order.lock().push(device.name()));
        driver_register(&driver).unwrap();
        unbound(&system, name)
    });
    let [a, b, c] = &devices;
    device_link_add(b, a, LinkFlags::default()).unwrap();
    device_link_add(c, b, LinkFlags::default()).unwrap();
    platform_device_unregister(a);
    assert_eq!(*order.lock(), ["c", "b", "a"].map(Arc::from));
    platform_device_unregister(b);
    platform_device_unregister(c);
}

#[test]
fn a_link_that_only_tells_of_sync_state_gates_nothing_and_goes_with_the_first_probe() {
    let system = System::new();
    let (supplier, consumer) = (unbound(&system, "supplier"), unbound(&system, "consumer"));
    let link = device_link_add(&consumer, &supplier, LinkFlags::SYNC_STATE_ONLY).unwrap();
    driver_register(&platform_driver(&system, "consumer")).unwrap();
    assert!(consumer.driver().is_some());
    assert!(link.is_deleted());
    let again = device_link_add(&consumer, &supplier, LinkFlags::SYNC_STATE_ONLY);
    assert_eq!(again, None, "of no use once the consumer is bound");
    platform_device_unregister(&consumer);
    platform_device_unregister(&supplier);
}

#[test]
fn a_link_keeps_both_ends_until_it_is_let_go_of() {
    let system = System::new();
    let events = system.record();
    let (supplier, consumer) = (unbound(&system, "supplier"), unbound(&system, "consumer"));
    device_link_add(&consumer, &supplier, LinkFlags::default()).unwrap();
    platform_device_unregister(&supplier);
    device_link_wait_removal(&system);
    assert!(supplier.is_released());
    platform_device_unregister(&consumer);
    assert!(consumer.is_released());
    drop(system);
    assert_eq!((splats(&events), leaks(&events)), (vec![], vec![]));
}

#[test]
fn a_link_that_went_right_before_the_system_did_leaks_nothing() {
    for on_wait in [false, true] {
        let system = System::builder().ledger(true).work_on_wait(on_wait).build();
        let events = system.record();
        let (supplier, consumer) = (bound(&system, "supplier"), bound(&system, "consumer"));
        device_link_add(&consumer, &supplier, LinkFlags::AUTOREMOVE_SUPPLIER).unwrap();
        platform_device_unregister(&supplier);
        platform_device_unregister(&consumer);
        drop(system);
        assert_eq!((splats(&events), leaks(&events)), (vec![], vec![]));
    }
}

#[test]
fn deleting_a_managed_link_or_one_that_is_gone_is_told() {
    let system = System::new();
    let (supplier, consumer) = (unbound(&system, "supplier"), unbound(&system, "consumer"));
    let events = system.record();
    let link = device_link_add(&consumer, &supplier, LinkFlags::default()).unwrap();
    device_link_del(&link);
    device_link_remove(&consumer, &consumer);
    let stateless = device_link_add(&supplier, &supplier, LinkFlags::STATELESS);
    assert_eq!(stateless, None);
    platform_device_unregister(&consumer);
    device_link_del(&link);
    assert_eq!(
        splats(&events),
        [
            "consumer: WARNING: Unable to drop a managed device link reference",
            "consumer: WARNING: device_link_remove of a device from itself",
            "consumer: use after free: device_link_del of a link that is gone",
        ]
    );
    platform_device_unregister(&supplier);
}

#[test]
fn unbinding_the_supplier_from_the_consumers_probe_is_told_and_does_not_hang() {
    let system = System::new();
    let events = system.record();
    let supplier = bound(&system, "supplier");
    let consumer = unbound(&system, "consumer");
    let link = device_link_add(&consumer, &supplier, LinkFlags::default()).unwrap();
    let driver = platform_driver(&system, "consumer");
    let unbinds = supplier.clone();
    driver.set_probe(move |_| {
        device_release_driver(&unbinds);
        Ok(())
    });
    driver_register(&driver).unwrap();
    assert_eq!(
        splats(&events),
        [
            "supplier: deadlock: its unbinding waits for the probe it is unbound from: consumer consumer keeps the link"
        ]
    );
    assert!(supplier.driver().is_some());
    assert_eq!(link.state(), LinkState::Active);
    platform_device_unregister(&consumer);
    platform_device_unregister(&supplier);
}

#[test]
fn a_probe_refused_for_managed_resources_leaves_its_link_marked_for_ever() {
    // really_probe checks the links before the resources and does not take the mark
    // back; a kernel that then unbinds the supplier goes round in circles.
    let system = System::new();
    let events = system.record();
    let supplier = bound(&system, "supplier");
    let consumer = unbound(&system, "consumer");
    let link = device_link_add(&consumer, &supplier, LinkFlags::default()).unwrap();
    devm_add_action(&consumer, Action::new(|| ())).unwrap();
    driver_register(&platform_driver(&system, "consumer")).unwrap();
    assert_eq!(consumer.driver(), None);
    assert_eq!(link.state(), LinkState::ConsumerProbe);
    device_release_driver(&supplier);
    assert_eq!(
        splats(&events),
        [
            "supplier: deadlock: its unbinding waits for a probe that is over: consumer consumer keeps the link"
        ]
    );
    platform_device_unregister(&consumer);
    platform_device_unregister(&supplier);
}

#[test]
fn a_driver_whose_device_was_released_unbound_in_part_still_unregisters() {
    let system = System::new();
    let events = system.record();
    let driver = platform_driver(&system, "supplier");
    driver_register(&driver).unwrap();
    let supplier = platform_device_register(&system, "supplier", PlatformId::None).unwrap();
    let consumer = unbound(&system, "consumer");
    device_link_add(&consumer, &supplier, LinkFlags::default()).unwrap();
    devm_add_action(&consumer, Action::new(|| ())).unwrap();
    driver_register(&platform_driver(&system, "consumer")).unwrap();
    // Its unbinding waits for the link, and is given up; then the last reference goes.
    platform_device_unregister(&supplier);
    while kref_read(&supplier) > 0 {
        put_device(&supplier);
    }
    driver_unregister(&driver);
    let told = splats(&events);
    let never = "driver_detach never ends";
    assert!(told.iter().any(|splat| splat.ends_with(never)), "{told:#?}");
}

#[test]
fn a_supplier_that_was_moved_below_its_consumer_is_told_by_the_next_link() {
    let system = System::new();
    let events = system.record();
    let [root, consumer] = ["root", "consumer"].map(|n| root_device_register(&system, n).unwrap());
    let supplier = platform_device_register(&system, "supplier", PlatformId::None).unwrap();
    device_link_add(&consumer, &supplier, LinkFlags::AUTOREMOVE_SUPPLIER).unwrap();
    device_move(&supplier, Some(&consumer)).unwrap();
    assert_eq!(splats(&events), [""; 0]);
    // The consumer is found below itself before the root is.
    assert_eq!(
        device_link_add(&consumer, &root, LinkFlags::default()),
        None
    );
    // The target is the first that is looked at.
    assert_eq!(
        device_link_add(&supplier, &consumer, LinkFlags::default()),
        None
    );
    assert_eq!(
        splats(&events),
        [
            "consumer: BUG: what depends on it is looked for in a circle of parents and links, \
             for ever"
        ]
    );
    platform_device_unregister(&supplier);
    root_device_unregister(&consumer);
    root_device_unregister(&root);
}
