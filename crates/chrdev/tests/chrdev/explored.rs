//! Open against removal against last close, over the schedules.

use lastfd_chrdev::*;
use lastfd_model::raw::*;
use lastfd_model::{Errno, System};
use lastfd_sync::{Arc, Clock, explore, thread};

use crate::board::{Board, splats};

fn board() -> Board {
    Board::on(System::builder().clock(Clock::simulated()).build())
}

/// One task opens and closes, one deletes the cdev and its device, one holds a
/// file over all of it: whoever wins, release runs once for each open, and the
/// device goes with the last of all.
fn open_against_removal_against_last_close() {
    let board = board();
    let record = board.system.record();
    let held = board.open();
    let opener = {
        let (system, devt) = (board.system.clone(), board.devt);
        thread::spawn("opener", move || {
            let by_path = open(&system, "/dev/lfq0", OpenFlags::RDWR);
            let by_number = open_devt(&system, devt, OpenFlags::RDWR);
            let opened = [&by_path, &by_number].iter().filter(|r| r.is_ok()).count();
            if let Err(errno) = &by_path {
                assert!([Errno::ENOENT, Errno::ENXIO].contains(errno), "{errno}");
            }
            if let Err(errno) = &by_number {
                assert_eq!(*errno, Errno::ENXIO);
            }
            opened
        })
        .unwrap()
    };
    let closer = thread::spawn("closer", move || drop(held)).unwrap();
    cdev_device_del(&board.cdev, &board.device);
    put_device(&board.device);
    let opened = opener.join().unwrap();
    closer.join().unwrap();
    assert_eq!(board.sensor.releases() as usize, 1 + opened);
    assert_eq!(board.cdev.kref(), 0);
    assert!(board.device.is_released());
    assert_eq!(splats(&record.events()), []);
    platform_device_unregister(&board.parent);
}

#[test]
fn open_removal_and_last_close_agree_in_every_order() {
    let random = explore::check_random(300, 7, open_against_removal_against_last_close);
    random.unwrap_or_else(|failure| panic!("{failure}"));
    let pct = explore::check_pct(200, 3, 7, open_against_removal_against_last_close);
    pct.unwrap_or_else(|failure| panic!("{failure}"));
}

/// A blocked reader against data, removal and another reader: no wake is lost.
fn blocked_readers_against_data_and_removal() {
    let board = board();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let file = board.open();
            thread::spawn("reader", move || {
                let mut got = Vec::new();
                let mut buffer = [0; 2];
                loop {
                    match file.read(&mut buffer) {
                        Ok(n) => got.extend_from_slice(&buffer[..n]),
                        Err(errno) => {
                            assert_eq!(errno, Errno::ENODEV);
                            return got;
                        }
                    }
                }
            })
            .unwrap()
        })
        .collect();
    let sensor = Arc::clone(&board.sensor);
    sensor.push(&[1, 2, 3]);
    sensor.remove();
    let mut all: Vec<u8> = readers
        .into_iter()
        .flat_map(|r| r.join().unwrap())
        .collect();
    all.extend(match sensor.data.take(9) {
        Take::Some(left) => left.items().to_vec(),
        _ => Vec::new(),
    });
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3]);
}

#[test]
fn blocked_readers_miss_no_wake_and_no_byte_in_any_order() {
    let random = explore::check_random(300, 11, blocked_readers_against_data_and_removal);
    random.unwrap_or_else(|failure| panic!("{failure}"));
}
