//! Drivers' mistakes: told, never fatal.

use lastfd_drm::raw::*;
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{Device, root_device_register, root_device_unregister};
use lastfd_model::{Errno, Recording, System};
use lastfd_sync::Arc;

use lastfd_rigs::drm::{Card, Removal, display_driver, logging_driver, splats};
use lastfd_rigs::new_system;

fn board() -> (System, Recording, Device) {
    let system = new_system();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    (system, events, root)
}

fn kinds(events: &Recording) -> Vec<SplatKind> {
    splats(&events.events())
        .into_iter()
        .map(|(kind, _)| kind)
        .collect()
}

#[test]
fn a_put_too_many_and_a_get_too_late_are_told() {
    let (_system, events, root) = board();
    let dev = drm_dev_alloc(&Arc::new(display_driver()), &root).unwrap();
    drm_dev_put(&dev);
    assert_eq!(kinds(&events), []);
    drm_dev_put(&dev);
    drm_dev_get(&dev);
    assert_eq!(kinds(&events), [SplatKind::Refcount, SplatKind::Refcount]);
    assert_eq!(drm_dev_register(&dev, 0), Err(Errno::EINVAL));
    drm_dev_unregister(&dev);
    assert_eq!(kinds(&events)[2..], [SplatKind::UseAfterFree; 2]);
    root_device_unregister(&root);
    assert!(root.is_released());
}

#[test]
fn a_put_too_many_while_a_file_is_open_frees_under_it() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    drm_dev_put(&card.dev());
    card.remove();
    // The devres put was the last one: the file's reference is gone.
    assert!(card.dev().is_released());
    drop(file);
    assert!(
        card.splat_kinds()
            .iter()
            .any(|(kind, _)| *kind == SplatKind::Refcount)
    );
}

#[test]
fn registering_twice_kills_the_device() {
    let (system, events, root) = board();
    let dev = drm_dev_alloc(&Arc::new(display_driver()), &root).unwrap();
    drm_dev_register(&dev, 0).unwrap();
    assert_eq!(drm_dev_register(&dev, 0), Err(Errno::EINVAL));
    assert!(dev.is_unplugged());
    assert!(system.dev_nodes().is_empty());
    assert_eq!(kinds(&events), [SplatKind::Bug]);
    drm_dev_put(&dev);
    root_device_unregister(&root);
    assert!(root.is_released());
}

#[test]
fn unplugging_twice_is_harmless() {
    let card = Card::display(Removal::Unplug);
    drm_dev_unplug(&card.dev());
    drm_dev_unplug(&card.dev());
    card.remove();
    card.finish();
}

#[test]
fn unplugging_from_inside_a_section_would_wait_for_ever() {
    let (_system, events, root) = board();
    let dev = drm_dev_alloc(&Arc::new(display_driver()), &root).unwrap();
    drm_dev_register(&dev, 0).unwrap();
    let section = drm_dev_enter(&dev).unwrap();
    drm_dev_unplug(&dev);
    drm_dev_exit(section);
    assert_eq!(kinds(&events), [SplatKind::Deadlock]);
    drm_dev_unplug(&dev);
    drm_dev_put(&dev);
    root_device_unregister(&root);
    assert!(root.is_released());
}

#[test]
fn a_device_that_nobody_frees_is_told_of_when_registered() {
    let (_system, events, root) = board();
    let dev = drm_dev_init(&Arc::new(display_driver()), &root).unwrap();
    drm_dev_register(&dev, 0).unwrap();
    assert_eq!(kinds(&events), [SplatKind::Warn]);
    drmm_add_final_kfree(&dev);
    drmm_add_final_kfree(&dev);
    assert_eq!(kinds(&events), [SplatKind::Warn, SplatKind::Warn]);
    drm_dev_unregister(&dev);
    drm_dev_put(&dev);
    root_device_unregister(&root);
}

#[test]
fn a_device_that_is_put_while_it_is_registered_leaves_a_registered_node() {
    // The last put puts the minor's device, which is still in sysfs.
    let (_system, events, root) = board();
    let dev = drm_dev_alloc(&Arc::new(display_driver()), &root).unwrap();
    drm_dev_register(&dev, 0).unwrap();
    let kdev = dev.primary().unwrap().kdev().clone();
    drm_dev_put(&dev);
    assert!(dev.is_released());
    assert!(!kdev.is_released());
    assert_eq!(kinds(&events), []);
    lastfd_model::raw::device_del(&kdev);
    assert!(kdev.is_released());
    root_device_unregister(&root);
    assert!(root.is_released());
}

#[test]
fn opening_its_own_node_from_open_would_hang_under_the_global_mutex() {
    let system = new_system();
    let log = lastfd_rigs::drm::Log::default();
    let inner = system.clone();
    let path = std::sync::Arc::new(lastfd_sync::Mutex::new(None::<String>));
    let in_open = path.clone();
    let driver = DrmDriver {
        open: Some(Arc::new(move |_: &DrmDevice, _: &DrmFile| {
            let path = in_open.lock().take();
            if let Some(path) = path {
                let again = lastfd_chrdev::open(&inner, &path, lastfd_chrdev::OpenFlags::RDWR);
                drop(again.unwrap());
            }
            Ok(())
        })),
        // With `unload` the driver is one of those that need the mutex.
        ..logging_driver(&log)
    };
    let card = Card::of(system, driver, Removal::Unplug);
    *path.lock() = Some(card.path());
    let file = card.open();
    let splats = card.splat_kinds();
    assert!(
        splats
            .iter()
            .all(|(kind, text)| *kind == SplatKind::Deadlock && text.contains("drm_global_mutex"))
    );
    assert_eq!(splats.len(), 2, "once to open, once to close");
    drop(file);
    card.remove();
    assert!(card.dev().is_released());
}

#[test]
fn callbacks_that_panic_end_their_call_and_nothing_else() {
    let driver = DrmDriver {
        open: Some(Arc::new(|_: &DrmDevice, _: &DrmFile| panic!("open"))),
        unload: Some(Arc::new(|_: &DrmDevice| panic!("unload"))),
        release: Some(Arc::new(|_: &DrmDevice| panic!("release"))),
        ..display_driver()
    };
    let card = Card::of(new_system(), driver, Removal::Unplug);
    let opened = card.open_with(lastfd_chrdev::OpenFlags::RDWR);
    assert_eq!(opened.err(), Some(Errno::EIO));
    card.remove();
    assert!(card.dev().is_released());
    assert!(card.hardware.is_released());
    let kinds: Vec<SplatKind> = card
        .splat_kinds()
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kinds, [SplatKind::Panic; 3]);
}
