//! References of a cdev and its parent: `fs/char_dev.c`, trace q1.

use lastfd_chrdev::*;
use lastfd_model::Errno;
use lastfd_model::raw::*;
use lastfd_sync::{Arc, Mutex};

use crate::board::{Board, Sensor, splats};

/// The counts and callbacks of reference trace q1, step by step.
#[test]
fn an_open_file_keeps_the_callbacks_and_the_parent_past_cdev_device_del() {
    let board = Board::new();
    let q = &board.device;
    assert_eq!(kref_read(q), 4);
    assert_eq!(kref_read(&board.parent), 5);

    let file = board.open_for(OpenFlags::RDWR | OpenFlags::NONBLOCK);
    assert_eq!(
        kref_read(q),
        4,
        "an open counts on the cdev, not on the device"
    );
    assert_eq!(board.cdev.kref(), 2);
    assert_eq!(file.read(&mut [0; 16]), Err(Errno::EAGAIN));

    cdev_device_del(&board.cdev, q);
    assert_eq!(kref_read(q), 2);
    put_device(q);
    assert_eq!(kref_read(q), 1);
    platform_device_unregister(&board.parent);
    assert!(board.parent.is_released());

    board.sensor.push(&[1, 2]);
    assert_eq!(
        file.read(&mut [0; 16]),
        Ok(2),
        "the callbacks stay callable"
    );
    let again = open(&board.system, "/dev/lfq0", OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));

    let seen = Arc::new(Mutex::new(None));
    *board.sensor.at_release.lock() = Some(Box::new({
        let (seen, q) = (Arc::clone(&seen), q.clone());
        move || *seen.lock() = Some((kref_read(&q), q.is_released()))
    }));
    drop(file);
    assert_eq!(*seen.lock(), Some((1, false)), "fops.release comes first");
    assert!(q.is_released());
    assert_eq!(
        *board.sensor.log.lock(),
        ["open", "read", "read", "release"]
    );
}

#[test]
fn without_open_files_cdev_device_del_drops_the_parents_reference_at_once() {
    let board = Board::new();
    cdev_device_del(&board.cdev, &board.device);
    assert_eq!(kref_read(&board.device), 1);
    assert_eq!(board.cdev.kref(), 0);
}

#[test]
fn a_number_is_enxio_after_removal_and_an_open_file_still_leads_to_the_driver() {
    let board = Board::new();
    let held = board.open();
    drop(open_devt(&board.system, board.devt, OpenFlags::RDWR).unwrap());
    board.unplug();

    let by_number = open_devt(&board.system, board.devt, OpenFlags::RDWR);
    assert_eq!(by_number.err(), Some(Errno::ENXIO));
    // /proc/self/fd/N: the inode remembers its cdev, the driver decides.
    drop(held.reopen(OpenFlags::RDWR).unwrap());
    *board.sensor.open_result.lock() = Err(Errno::EBUSY);
    assert_eq!(held.reopen(OpenFlags::RDWR).err(), Some(Errno::EBUSY));
    assert_eq!(board.cdev.kref(), 1);
}

#[test]
fn a_node_whose_cdev_was_deleted_first_is_enxio_while_it_is_there() {
    let board = Board::new();
    cdev_del(&board.cdev);
    let opened = open(&board.system, "/dev/lfq0", OpenFlags::RDWR);
    assert_eq!(opened.err(), Some(Errno::ENXIO));
    device_del(&board.device);
    let opened = open(&board.system, "/dev/lfq0", OpenFlags::RDWR);
    assert_eq!(opened.err(), Some(Errno::ENOENT));
}

#[test]
fn an_inode_held_open_reaches_a_deleted_cdev_until_the_last_close() {
    let board = Board::new();
    let first = board.open();
    cdev_del(&board.cdev);
    let second = board.open();
    drop(first);
    let third = board.open();
    drop((second, third));
    let opened = open(&board.system, "/dev/lfq0", OpenFlags::RDWR);
    assert_eq!(opened.err(), Some(Errno::ENXIO));
}

#[test]
fn a_refused_open_is_not_released_and_leaves_no_reference() {
    let board = Board::new();
    *board.sensor.open_result.lock() = Err(Errno::EBUSY);
    let opened = open(&board.system, "/dev/lfq0", OpenFlags::RDWR);
    assert_eq!(opened.err(), Some(Errno::EBUSY));
    assert_eq!(board.sensor.releases(), 0);
    assert_eq!(board.cdev.kref(), 1);
}

#[test]
fn a_device_that_can_not_be_added_leaves_no_cdev() {
    let board = Board::new();
    let devt = alloc_chrdev_region(&board.system, "twin").unwrap();
    let spec = DeviceSpec {
        name: Some("lfq0".to_owned()),
        parent: Some(board.parent.clone()),
        class: board.device.class(),
        release: Some(no_release()),
        devt: Some(devt),
        ..DeviceSpec::default()
    };
    let twin = device_initialize(&board.system, spec);
    let cdev = Cdev::new(&board.system, Sensor::new());
    assert_eq!(cdev_device_add(&cdev, &twin), Err(Errno::EEXIST));
    assert_eq!(kref_read(&twin), 1);
    let opened = open_devt(&board.system, devt, OpenFlags::RDWR);
    assert_eq!(opened.err(), Some(Errno::ENXIO));
}

#[test]
fn the_map_of_numbers_is_an_allocation_that_can_fail() {
    let board = Board::new();
    let devt = alloc_chrdev_region(&board.system, "more").unwrap();
    let cdev = Cdev::new(&board.system, Sensor::new());
    cdev_set_parent(&cdev, &board.device);
    board.system.fail_nth(1);
    assert_eq!(cdev_add(&cdev, devt, 1), Err(Errno::ENOMEM));
    assert_eq!(kref_read(&board.device), 4);
    cdev_add(&cdev, devt, 1).unwrap();
    assert_eq!(kref_read(&board.device), 5);
    cdev_del(&cdev);
    assert_eq!(kref_read(&board.device), 4);
}

#[test]
fn the_narrowest_range_serves_a_number_and_then_the_latest() {
    let board = Board::new();
    let base = alloc_chrdev_region(&board.system, "many").unwrap();
    let at = |minor| DevT { minor, ..base };
    let wide = Sensor::new();
    let narrow = Sensor::new();
    let wide_cdev = Cdev::new(&board.system, Arc::clone(&wide) as Arc<dyn FileOps>);
    let narrow_cdev = Cdev::new(&board.system, Arc::clone(&narrow) as Arc<dyn FileOps>);
    cdev_add(&narrow_cdev, at(1), 1).unwrap();
    cdev_add(&wide_cdev, at(0), 4).unwrap();
    let opens = |minor| open_devt(&board.system, at(minor), OpenFlags::RDWR).map(drop);
    opens(1).unwrap();
    opens(3).unwrap();
    assert_eq!(opens(4), Err(Errno::ENXIO));
    assert_eq!(narrow.releases(), 1);
    assert_eq!(wide.releases(), 1);
    cdev_del(&narrow_cdev);
    opens(1).unwrap();
    assert_eq!(wide.releases(), 2);
    assert_eq!(
        cdev_add(&wide_cdev, DevT { major: 0, minor: 0 }, 1),
        Err(Errno::EBUSY)
    );
}

#[test]
fn deleting_a_cdev_twice_is_a_splat() {
    let board = Board::new();
    let record = board.system.record();
    cdev_del(&board.cdev);
    cdev_del(&board.cdev);
    assert_eq!(splats(&record.events()).len(), 1);
}

#[test]
fn fstat_tells_that_the_node_is_gone() {
    let board = Board::new();
    let file = board.open();
    let there = file.stat();
    assert_eq!((there.mode, there.nlink), (0o020600, 1));
    assert_eq!(there.rdev, Some(board.devt));
    board.unplug();
    let gone = file.stat();
    assert_eq!((gone.mode, gone.nlink), (0o020000, 0));
    assert_eq!(gone.rdev, Some(board.devt));
}
