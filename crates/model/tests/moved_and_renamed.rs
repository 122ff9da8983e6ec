//! Devices that get another parent or another name (oracle trace g9, and
//! `drivers/base/core.c` beyond it).

use lastfd_model::event::SplatKind;
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Recording, System};

fn device(system: &System, name: &str, parent: Option<&Device>, class: Option<&Class>) -> Device {
    let spec = DeviceSpec {
        name: Some(name.to_owned()),
        parent: parent.cloned(),
        class: class.cloned(),
        release: Some(no_release()),
        ..DeviceSpec::default()
    };
    let device = device_initialize(system, spec);
    device_add(&device).unwrap();
    device
}

/// What each uevent of this action told about the path: the new one and the old.
fn moves(record: &Recording) -> Vec<(String, String)> {
    let events = record.events();
    let told = events.iter().filter_map(|event| match &event.kind {
        EventKind::Uevent { action, env, .. } if *action == UeventAction::Move => {
            let value = |wanted: &str| {
                let found = env.iter().find(|(key, _)| key == wanted);
                found.map(|(_, value)| value.clone()).unwrap_or_default()
            };
            Some((value("DEVPATH"), value("DEVPATH_OLD")))
        }
        _ => None,
    });
    told.collect()
}

fn splats(record: &Recording) -> Vec<SplatKind> {
    let events = record.events();
    let splats = events.iter().filter_map(|event| match &event.kind {
        EventKind::Splat { kind, .. } => Some(*kind),
        _ => None,
    });
    splats.collect()
}

fn leaks(system: System, record: &Recording) -> usize {
    drop(system);
    let events = record.events();
    let leak = |kind: &EventKind| matches!(kind, EventKind::Leak { .. });
    events.iter().filter(|event| leak(&event.kind)).count()
}

#[test]
fn g9_a_child_moves_to_another_parent_and_changes_its_name() {
    let system = System::builder().ledger(true).build();
    let record = system.record();
    let (p, n) = (
        device(&system, "P", None, None),
        device(&system, "N", None, None),
    );
    let c = device(&system, "C", Some(&p), None);
    assert_eq!((kref_read(&p), kref_read(&n)), (3, 1));
    device_move(&c, Some(&n)).unwrap();
    assert_eq!((kref_read(&p), kref_read(&n)), (1, 3));
    device_rename(&c, "renamed").unwrap();
    assert_eq!(c.path(), "/devices/N/renamed");
    let found = device_find_child_by_name(&n, "renamed").unwrap();
    assert!(found == c);
    assert_eq!(kref_read(&c), 3);
    put_device(&found);
    device_unregister(&p);
    assert!(p.is_released());
    device_unregister(&c);
    assert_eq!(kref_read(&n), 1);
    device_unregister(&n);
    drop((p, n, c, found));
    assert_eq!(splats(&record), []);
    assert_eq!(moves(&record), [], "neither bus nor class: not told");
    assert_eq!(leaks(system, &record), 0, "the ledger knows the new names");
}

#[test]
fn user_space_is_told_the_old_path() {
    let system = System::new();
    let record = system.record();
    let one = platform_device_register(&system, "one", PlatformId::None).unwrap();
    let two = platform_device_register(&system, "two", PlatformId::None).unwrap();
    device_move(&two, Some(&one)).unwrap();
    device_rename(&two, "three").unwrap();
    device_move(&two, None).unwrap();
    let told = [
        ("/devices/platform/one/two", "/devices/platform/two"),
        ("/devices/platform/one/three", "/devices/platform/one/two"),
        ("/devices/three", "/devices/platform/one/three"),
    ];
    let told = told.map(|(new, old)| (new.to_owned(), old.to_owned()));
    assert_eq!(moves(&record), told);
}

#[test]
fn a_name_that_is_taken_is_refused_and_nothing_changes() {
    let system = System::new();
    let (p, n) = (
        device(&system, "P", None, None),
        device(&system, "N", None, None),
    );
    let c = device(&system, "C", Some(&p), None);
    let other = device(&system, "C", Some(&n), None);
    let beside = device(&system, "D", Some(&n), None);
    assert_eq!(device_move(&c, Some(&n)), Err(Errno::EEXIST));
    assert_eq!(device_rename(&beside, "C"), Err(Errno::EEXIST));
    assert_eq!(device_rename(&beside, "D"), Ok(()), "to what it is");
    assert_eq!((kref_read(&p), kref_read(&n)), (3, 5));
    assert_eq!(c.path(), "/devices/P/C");
    for device in [&c, &other, &beside, &p, &n] {
        device_unregister(device);
        assert!(device.is_released());
    }
}

#[test]
fn a_name_taken_in_the_class_is_refused_wherever_it_is() {
    let system = System::new();
    let class = class_create(&system, "leds").unwrap();
    let (p, n) = (
        device(&system, "P", None, None),
        device(&system, "N", None, None),
    );
    let one = device(&system, "one", Some(&p), Some(&class));
    let two = device(&system, "two", Some(&n), Some(&class));
    assert_eq!(device_rename(&two, "one"), Err(Errno::EEXIST));
    device_rename(&two, "three").unwrap();
    assert_eq!(two.path(), "/devices/N/leds/three");
    device_unregister(&one);
    device_unregister(&two);
    assert_eq!((kref_read(&p), kref_read(&n)), (1, 1));
}

#[test]
fn the_class_directory_a_device_moved_out_of_pins_its_parent_for_ever() {
    let system = System::new();
    let class = class_create(&system, "leds").unwrap();
    let (p, n) = (
        device(&system, "P", None, None),
        device(&system, "N", None, None),
    );
    let led = device(&system, "led", Some(&p), Some(&class));
    device_move(&led, Some(&n)).unwrap();
    assert_eq!(led.path(), "/devices/N/leds/led");
    device_unregister(&led);
    assert_eq!(kref_read(&n), 1);
    assert_eq!(kref_read(&p), 2, "the forgotten directory's");
    device_unregister(&p);
    assert!(!p.is_released());
}

#[test]
fn what_is_not_added_can_neither_be_moved_nor_renamed() {
    let system = System::new();
    let record = system.record();
    let p = device(&system, "P", None, None);
    let spec = DeviceSpec {
        name: Some("C".to_owned()),
        release: Some(no_release()),
        ..DeviceSpec::default()
    };
    let c = device_initialize(&system, spec);
    assert_eq!(device_rename(&c, "D"), Err(Errno::EINVAL));
    assert_eq!(device_move(&c, Some(&p)), Err(Errno::EINVAL));
    assert_eq!(splats(&record), [SplatKind::Bug]);
    device_add(&c).unwrap();
    device_del(&c);
    assert_eq!(device_rename(&c, "D"), Err(Errno::EINVAL));
    assert_eq!(kref_read(&c), 1);
}

#[test]
fn below_itself_a_device_does_not_go() {
    let system = System::new();
    let record = system.record();
    let p = device(&system, "P", None, None);
    let c = device(&system, "C", Some(&p), None);
    assert_eq!(device_move(&p, Some(&c)), Err(Errno::EINVAL));
    assert_eq!(device_move(&p, Some(&p)), Err(Errno::EINVAL));
    assert_eq!(splats(&record), [SplatKind::Bug, SplatKind::Bug]);
}

#[test]
fn a_device_whose_directory_went_with_its_parents_stays_where_it_was() {
    let system = System::new();
    let (p, n) = (
        device(&system, "P", None, None),
        device(&system, "N", None, None),
    );
    let c = device(&system, "C", Some(&p), None);
    device_del(&p);
    assert_eq!(device_move(&c, Some(&n)), Err(Errno::ENOENT));
    assert_eq!(device_rename(&c, "D"), Err(Errno::ENOENT));
    assert_eq!(kref_read(&n), 1);
    device_unregister(&c);
    put_device(&p);
    assert!(p.is_released());
}

#[test]
fn no_memory_leaves_everything_as_it_was() {
    let system = System::new();
    let (p, n) = (
        device(&system, "P", None, None),
        device(&system, "N", None, None),
    );
    let c = device(&system, "C", Some(&p), None);
    system.fail_nth(1);
    assert_eq!(device_move(&c, Some(&n)), Err(Errno::ENOMEM));
    for nth in 1..=2 {
        system.fail_nth(nth);
        assert_eq!(device_rename(&c, "D"), Err(Errno::ENOMEM));
    }
    assert_eq!(c.path(), "/devices/P/C");
    assert_eq!((kref_read(&p), kref_read(&n), kref_read(&c)), (3, 1, 2));
}
