//! Making and registering a device: what fails leaves nothing behind.

use lastfd_chrdev::{OpenFlags, open};
use lastfd_drm::raw::*;
use lastfd_model::raw::{kref_read, root_device_register, root_device_unregister};
use lastfd_model::{Errno, EventKind};
use lastfd_sync::Arc;

use lastfd_rigs::drm::{Card, Log, Removal, display_driver, logging_driver, path_of, splats};
use lastfd_rigs::new_system;

fn everything() -> DrmDriver {
    DrmDriver {
        features: Features::GEM | Features::RENDER,
        ..display_driver()
    }
}

#[test]
fn each_allocation_that_fails_on_the_way_leaves_nothing() {
    let driver = Arc::new(everything());
    for n in 1..100 {
        let system = new_system();
        let events = system.record();
        let root = root_device_register(&system, "board").unwrap();
        system.fail_nth(n);
        let registered = drm_dev_alloc(&driver, &root).and_then(|dev| {
            let registered = drm_dev_register(&dev, 0);
            if registered.is_ok() {
                drm_dev_unregister(&dev);
            } else {
                // The node that was there already can not be opened any more.
                let kdev = dev.render().unwrap().kdev();
                assert_eq!(path_of(&system, kdev), None);
                assert!(dev.is_unplugged());
            }
            drm_dev_put(&dev);
            registered
        });
        let failed = system.fail_nth_left() == 0;
        system.fail_nth(0);
        assert_eq!(registered, if failed { Err(Errno::ENOMEM) } else { Ok(()) });
        assert_eq!(kref_read(&root), 1, "allocation {n}");
        root_device_unregister(&root);
        assert_eq!(splats(&events.events()), []);
        assert!(
            system.ledger().is_empty(),
            "allocation {n}: {:?}",
            system.ledger()
        );
        if !failed {
            assert!(n > 10, "{n} allocations");
            return;
        }
    }
    panic!("it never came to an end");
}

#[test]
fn a_card_and_its_render_node_have_numbers_of_their_own() {
    let card = Card::of(new_system(), everything(), Removal::Unplug);
    let dev = card.dev();
    let names = [dev.primary(), dev.render()].map(|minor| minor.unwrap().kdev().name());
    assert_eq!(names.map(|name| name.to_string()), ["card0", "renderD128"]);
    let nodes = card.system.dev_nodes();
    let nodes: Vec<&str> = nodes.iter().map(|node| &*node.name).collect();
    assert_eq!(nodes, ["dri/card0", "dri/renderD128"]);
    assert_eq!(card.kdev().parent(), Some(card.hardware.clone()));
    assert_eq!(&*card.kdev().class().unwrap().name(), "drm");
    let devt = card.kdev().devt().unwrap();
    assert_eq!((devt.major, devt.minor), (DRM_MAJOR, 0));
    drop(dev);
    card.remove();
    card.finish();
}

#[test]
fn a_load_that_fails_takes_the_nodes_back() {
    let system = new_system();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    let log = Log::default();
    let in_load = log.clone();
    let driver = DrmDriver {
        load: Some(Arc::new(move |dev: &DrmDevice| {
            in_load.add(format!("registered: {}", dev.is_registered()));
            Err(Errno::EIO)
        })),
        ..logging_driver(&log)
    };
    let dev = drm_dev_alloc(&Arc::new(driver), &root).unwrap();
    assert_eq!(drm_dev_register(&dev, 0), Err(Errno::EIO));
    assert_eq!(log.take(), ["registered: true"]);
    assert!(system.dev_nodes().is_empty());
    // As in the kernel, the flag stays; only the nodes and the gate are shut.
    assert!(dev.is_registered() && dev.is_unplugged());
    assert!(drm_dev_enter(&dev).is_none());
    drm_dev_put(&dev);
    assert_eq!(log.take(), ["drm_driver.release"]);
    root_device_unregister(&root);
    assert!(root.is_released());
    assert_eq!(splats(&events.events()), []);
}

#[test]
fn an_open_that_the_driver_refuses_leaves_no_file() {
    let driver = DrmDriver {
        open: Some(Arc::new(|_: &DrmDevice, _: &DrmFile| Err(Errno::EAGAIN))),
        ..display_driver()
    };
    let card = Card::of(new_system(), driver, Removal::Unplug);
    assert_eq!(card.open_with(OpenFlags::RDWR).err(), Some(Errno::EAGAIN));
    assert_eq!(card.dev().open_count(), 0);
    assert_eq!(drm_dev_kref_read(&card.dev()), 1);
    card.remove();
    card.finish();
}

#[test]
fn exclusive_opens_are_refused() {
    let card = Card::display(Removal::Unplug);
    let exclusive = card.open_with(OpenFlags::RDWR | OpenFlags::EXCL);
    assert_eq!(exclusive.err(), Some(Errno::EBUSY));
    card.remove();
    card.finish();
}

#[test]
fn a_driver_without_file_operations_cannot_be_opened() {
    let driver = DrmDriver {
        fops: None,
        ..display_driver()
    };
    let card = Card::of(new_system(), driver, Removal::Unplug);
    assert_eq!(card.open_with(OpenFlags::RDWR).err(), Some(Errno::ENODEV));
    card.remove();
    card.finish();
}

#[test]
fn the_last_close_of_all_is_told_once_and_after_postclose() {
    let log = Log::default();
    let last = log.clone();
    let driver = DrmDriver {
        lastclose: Some(Arc::new(move |_| last.add("lastclose"))),
        ..logging_driver(&log)
    };
    let card = Card::of(new_system(), driver, Removal::Unplug);
    let (first, second) = (card.open(), card.open());
    let dup = second.clone();
    log.take();
    drop(first);
    drop(second);
    assert_eq!(log.take(), ["drm_driver.postclose"]);
    drop(dup);
    assert_eq!(log.take(), ["drm_driver.postclose", "lastclose"]);
    card.remove();
    card.finish();
}

#[test]
fn a_device_may_be_unregistered_and_its_file_closed_from_different_ends() {
    let card = Card::of(new_system(), everything(), Removal::Unregister);
    let path = card.path();
    let file = card.open();
    card.remove();
    assert!(!card.dev().is_unplugged());
    assert!(drm_dev_enter(&card.dev()).is_some());
    let again = open(&card.system, &path, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));
    let gates = card.record.events();
    let closed = gates
        .iter()
        .filter(|event| matches!(event.kind, EventKind::GateClosed { .. }));
    assert_eq!(closed.count(), 0);
    drop(file);
    assert!(card.dev().is_released());
    card.finish();
}

#[test]
fn an_open_file_is_told_as_its_nodes_though_all_nodes_have_one_number() {
    let card = Card::of(new_system(), everything(), Removal::Unplug);
    let dev = card.dev();
    for minor in [dev.primary(), dev.render()] {
        let kdev = minor.unwrap().kdev();
        let path = path_of(&card.system, kdev).unwrap();
        let file = open(&card.system, &path, OpenFlags::RDWR).unwrap();
        assert_eq!(file.file().device(), Some(&kdev.device_ref()));
        let ledger = card.system.ledger();
        let mut held = ledger.iter().map(ToString::to_string);
        assert!(held.any(|line| line.contains(&path)), "{path}");
        drop(file);
        let closed = card.record.events();
        let mut closed = closed.iter().filter_map(|event| match &event.kind {
            EventKind::FileClosed { device, .. } => device.as_ref(),
            _ => None,
        });
        assert_eq!(closed.next_back(), Some(&kdev.device_ref()));
    }
    drop(dev);
    card.remove();
    card.finish();
}
