//! Open against removal against last close, over the schedules.

use lastfd_chrdev::*;
use lastfd_model::raw::*;
use lastfd_model::{Errno, System};
use lastfd_sync::{Arc, Cancel, Clock, explore, thread};

use crate::board::{Board, splats};

/// How long the others let a call get before they act, in switches between
/// tasks: it is met before it waits, on its way there, and asleep.
const PATIENCE: [usize; 3] = [0, 40, 120];

fn explored(body: impl Fn(usize) + Send + Sync + Clone + 'static) {
    for patience in PATIENCE {
        let body = body.clone();
        let run = explore::check_random(200, 7, move || body(patience));
        run.unwrap_or_else(|failure| panic!("after {patience} switches: {failure}"));
    }
}

fn be_patient(patience: usize) {
    for _ in 0..patience {
        thread::yield_now();
    }
}

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
fn blocked_readers_against_data_and_removal(patience: usize) {
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
    for byte in 1..4 {
        be_patient(patience);
        sensor.push(&[byte]);
    }
    be_patient(patience);
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
    explored(blocked_readers_against_data_and_removal);
}

/// Waits for one queue, then for another: no wake is lost on the way.
fn a_call_that_waits_for_one_thing_and_then_for_another(patience: usize) {
    struct Twice([Fifo<()>; 2]);
    impl FileOps for Twice {
        fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
            let passed = *call.stash(|| 0_usize);
            for (i, fifo) in self.0.iter().enumerate().skip(passed) {
                if fifo.is_empty() {
                    return Try::wait(fifo.queue());
                }
                *call.stash(|| 0) = i + 1;
            }
            Try::ok(2)
        }
    }
    let system = System::builder().clock(Clock::simulated()).build();
    let fifos = [Fifo::new(1), Fifo::new(1)];
    let ops = Arc::new(Twice(fifos.clone()));
    let file = anon_inode_getfile(&system, "twice", ops, None, OpenFlags::RDONLY, None).unwrap();
    let task = thread::spawn("reader", move || file.read(&mut [0])).unwrap();
    for fifo in fifos {
        be_patient(patience);
        fifo.push(()).unwrap();
    }
    assert_eq!(task.join().unwrap(), Ok(2));
}

#[test]
fn a_call_may_wait_for_one_thing_and_then_for_another() {
    explored(a_call_that_waits_for_one_thing_and_then_for_another);
}

/// A signal against data: the byte is read or still there, never both or neither.
fn a_signal_against_data(patience: usize) {
    let board = board();
    let file = board.open();
    let cancel = Cancel::new();
    let reader = {
        let cancel = cancel.clone();
        thread::spawn("reader", move || file.read_with(&mut [0], &cancel)).unwrap()
    };
    let signal = thread::spawn("signal", move || {
        be_patient(patience);
        cancel.cancel();
    })
    .unwrap();
    be_patient(patience);
    board.sensor.push(&[1]);
    signal.join().unwrap();
    match reader.join().unwrap() {
        Ok(n) => assert_eq!((n, board.sensor.data.len()), (1, 0)),
        Err(errno) => assert_eq!((errno, board.sensor.data.len()), (Errno::EINTR, 1)),
    }
}

#[test]
fn a_read_that_a_signal_ends_takes_nothing_in_any_order() {
    explored(a_signal_against_data);
}

/// A poller against data: no wake is lost.
fn a_poller_against_data(patience: usize) {
    let board = board();
    let file = board.open();
    let poller = thread::spawn("poller", move || file.poll(PollMask::IN, None)).unwrap();
    be_patient(patience);
    board.sensor.push(&[1]);
    assert_eq!(poller.join().unwrap(), PollMask::IN);
}

#[test]
fn a_poller_misses_no_wake_in_any_order() {
    explored(a_poller_against_data);
}

/// A byte for each of two readers: the one that waits for the other's commit is
/// woken by it.
fn a_byte_for_each_of_two_readers() {
    let board = board();
    board.sensor.push(&[1, 2]);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let file = board.open();
            thread::spawn("reader", move || {
                let mut byte = [0];
                file.read(&mut byte).map(|_| byte[0])
            })
            .unwrap()
        })
        .collect();
    let mut got: Vec<_> = readers.into_iter().map(|r| r.join().unwrap()).collect();
    got.sort_unstable();
    assert_eq!(got, [Ok(1), Ok(2)]);
}

#[test]
fn a_reader_that_meets_anothers_uncommitted_reply_gets_the_next_byte() {
    // One reader must stop between its attempt and its commit for as long as the
    // other needs to fall asleep: few changes of task, at the right places.
    let pct = explore::check_pct(1000, 2, 7, a_byte_for_each_of_two_readers);
    pct.unwrap_or_else(|failure| panic!("{failure}"));
}
