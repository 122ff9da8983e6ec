//! Calls that sleep, and what ends them.

use lastfd_chrdev::*;
use lastfd_model::{Errno, Event, EventKind, System};
use lastfd_sync::{Arc, Cancel, Clock, Ktime, WaitQueue, thread};

use crate::board::{Board, TIMED, splats};

/// Does something, once, when an operation goes to sleep.
fn when_blocked(system: &System, act: impl Fn() + Send + Sync + 'static) -> impl Sized {
    system.subscribe(Arc::new(move |event: &Event| {
        if matches!(event.kind, EventKind::Blocked { .. }) {
            act();
        }
    }))
}

/// Names of the events of open files, in order.
fn story(events: &[Event]) -> Vec<String> {
    let of_files = events.iter().filter_map(|event| match &event.kind {
        EventKind::OperationBegin { op, .. } => Some(format!("begin {op}")),
        EventKind::OperationEnd { op, result, .. } => Some(format!("end {op} {result:?}")),
        EventKind::Blocked { op, .. } => Some(format!("blocked {op}")),
        EventKind::Woken { op, .. } => Some(format!("woken {op}")),
        _ => None,
    });
    of_files.collect()
}

#[test]
fn a_blocked_read_is_woken_by_data() {
    let board = Board::new();
    let file = board.open();
    let record = board.system.record();
    let sensor = Arc::clone(&board.sensor);
    let _pusher = when_blocked(&board.system, move || sensor.push(&[7, 8]));
    let mut buffer = [0; 4];
    assert_eq!(file.read(&mut buffer), Ok(2));
    assert_eq!(buffer, [7, 8, 0, 0]);
    assert!(board.sensor.data.is_empty());
    assert_eq!(
        story(&record.events()),
        ["begin read", "blocked read", "woken read", "end read Ok(2)"]
    );
}

#[test]
fn ending_all_waits_of_the_system_ends_reads_and_polls_with_eintr() {
    let board = Board::new();
    let file = board.open();
    board.system.waits().cancel();
    assert_eq!(file.read(&mut [0; 4]), Err(Errno::EINTR));
    let polled = file.poll_with(PollMask::IN, None, &Cancel::new());
    assert_eq!(polled, Err(Errno::EINTR));
}

#[test]
fn a_blocked_read_is_ended_by_cancel_with_eintr() {
    let board = Board::new();
    let file = board.open();
    let cancel = Cancel::new();
    let _signal = when_blocked(&board.system, {
        let cancel = cancel.clone();
        move || cancel.cancel()
    });
    assert_eq!(file.read_with(&mut [0; 4], &cancel), Err(Errno::EINTR));
    board.sensor.push(&[1]);
    assert_eq!(
        file.read_with(&mut [0; 4], &cancel),
        Ok(1),
        "data comes before the signal"
    );
}

#[test]
fn a_blocked_read_is_ended_by_removal_as_the_driver_says() {
    let board = Board::new();
    let file = board.open();
    let sensor = Arc::clone(&board.sensor);
    let _remover = when_blocked(&board.system, move || sensor.remove());
    assert_eq!(file.read(&mut [0; 4]), Err(Errno::ENODEV));
}

#[test]
fn a_driver_that_wakes_nobody_leaves_the_call_asleep_until_a_signal() {
    let board = Board::new();
    let file = board.open();
    let cancel = Cancel::new();
    let _remover = when_blocked(&board.system, {
        let (sensor, cancel) = (Arc::clone(&board.sensor), cancel.clone());
        move || {
            sensor
                .gone
                .store(true, core::sync::atomic::Ordering::SeqCst);
            // Only the signal wakes; the driver is asked once more all the same.
            cancel.cancel();
        }
    });
    assert_eq!(file.read_with(&mut [0; 4], &cancel), Err(Errno::ENODEV));
}

#[test]
fn two_blocked_readers_share_what_comes_without_loss() {
    let board = Board::new();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let file = board.open();
            thread::spawn("reader", move || {
                let mut got = Vec::new();
                let mut buffer = [0; 3];
                while let Ok(n) = file.read(&mut buffer) {
                    got.extend_from_slice(&buffer[..n]);
                }
                got
            })
            .unwrap()
        })
        .collect();
    for byte in 0..200 {
        board.sensor.push(&[byte]);
    }
    let clock = Clock::real();
    lastfd_sync::wait_event(&[board.sensor.data.queue()], &clock, None, None, || {
        board.sensor.data.is_empty().then_some(())
    })
    .unwrap();
    board.sensor.remove();
    let mut all: Vec<u8> = Vec::new();
    for reader in readers {
        let got = reader.join().unwrap();
        assert!(got.is_sorted(), "each reader sees the order of the data");
        all.extend(got);
    }
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<u8>>());
}

#[test]
fn a_wait_with_a_deadline_is_tried_again_when_it_is_over() {
    let board = Board::on(System::builder().clock(Clock::simulated()).build());
    let file = board.open();
    assert_eq!(file.ioctl_bytes(TIMED, &mut []), Err(Errno::ETIMEDOUT));
    assert_eq!(board.system.clock().now(), Ktime(1_000_000));
}

#[test]
fn a_driver_that_waits_for_a_time_that_is_over_is_reported_and_does_not_spin() {
    struct Late(Arc<WaitQueue>);
    impl FileOps for Late {
        fn read(&self, _: &File, _: &mut Read<'_>) -> Try<usize> {
            Try::Wait(Wait::on(&self.0).until(Ktime(5)))
        }
    }
    let system = System::builder().clock(Clock::simulated()).build();
    let late = Arc::new(Late(Arc::default()));
    let file = anon_inode_getfile(&system, "late", late, None, OpenFlags::RDONLY, None).unwrap();
    let record = system.record();
    assert_eq!(file.read(&mut [0]), Err(Errno::ETIMEDOUT));
    assert_eq!(splats(&record.events()).len(), 1);
}

#[test]
fn an_interrupted_call_may_still_say_something_of_its_own() {
    struct Partial(Arc<WaitQueue>);
    impl FileOps for Partial {
        fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
            match call.interrupted() {
                true => Try::ok(3),
                false => Try::wait(&self.0),
            }
        }
    }
    let system = System::new();
    let ops = Arc::new(Partial(Arc::default()));
    let file = anon_inode_getfile(&system, "part", ops, None, OpenFlags::RDONLY, None).unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    assert_eq!(file.read_with(&mut [0; 9], &cancel), Ok(3));
}

#[test]
fn a_nonblocking_call_waits_for_no_data_but_for_another_calls_commit() {
    let board = Board::new();
    let file = board.open_for(OpenFlags::RDWR | OpenFlags::NONBLOCK);
    let mut program = Process::new();
    let buffer = program.map(vec![0; 1]);
    board.sensor.push(&[1, 2]);
    let mut first = file.begin_read(buffer, 1);
    let Attempt::Ready(reply) = first.attempt(&mut program) else {
        panic!("not ready");
    };
    let mut other_program = Process::new();
    let other_buffer = other_program.map(vec![0; 1]);
    let mut second = file.begin_read(other_buffer, 1);
    assert!(matches!(
        second.attempt(&mut other_program),
        Attempt::Wait(_)
    ));
    reply.commit();
    let Attempt::Ready(reply) = second.attempt(&mut other_program) else {
        panic!("not ready");
    };
    reply.commit();
    assert_eq!(other_program.bytes(other_buffer), [2]);
    let mut third = file.begin_read(buffer, 1);
    assert!(matches!(
        third.attempt(&mut program),
        Attempt::Done(Err(Errno::EAGAIN))
    ));
}

#[test]
fn a_call_that_is_given_up_has_no_effect_and_ends_as_interrupted() {
    let board = Board::new();
    let file = board.open();
    board.sensor.push(&[1]);
    let record = board.system.record();
    let mut program = Process::new();
    let buffer = program.map(vec![0; 1]);
    let mut call = file.begin_read(buffer, 1);
    match call.attempt(&mut program) {
        Attempt::Ready(reply) => reply.roll_back(),
        other => panic!("{other:?}"),
    }
    drop(call);
    assert_eq!(board.sensor.data.len(), 1);
    assert_eq!(
        story(&record.events()),
        ["begin read", "end read Err(EINTR)"]
    );
}

#[test]
fn sleeping_is_told_once_however_often_the_call_is_woken_in_vain() {
    let board = Board::new();
    let file = board.open();
    let record = board.system.record();
    let asleep = Fifo::new(1);
    let _teller = when_blocked(&board.system, {
        let asleep = asleep.clone();
        move || asleep.push(()).unwrap()
    });
    let sensor = Arc::clone(&board.sensor);
    let task = thread::spawn("pusher", move || {
        let clock = Clock::real();
        let told = || (!asleep.is_empty()).then_some(());
        lastfd_sync::wait_event(&[asleep.queue()], &clock, None, None, told).unwrap();
        for _ in 0..10 {
            sensor.data.wake();
            thread::yield_now();
        }
        sensor.push(&[1]);
    });
    assert_eq!(file.read(&mut [0; 4]), Ok(1));
    task.unwrap().join().unwrap();
    let told = story(&record.events());
    assert_eq!(
        told.iter().filter(|line| *line == "blocked read").count(),
        1
    );
    assert_eq!(told.iter().filter(|line| *line == "woken read").count(), 1);
}
