//! Calls that sleep while the device is removed, as recorded from Linux 6.12:
//! readers are told, pollers are not woken.

use core::time::Duration;

use lastfd_chrdev::{Attempt, OpenFile, OpenFlags, PollMask, PollTable, Process};
use lastfd_iio::raw::*;
use lastfd_model::Errno;
use lastfd_sync::{Arc, Cancel, Ktime, Wake};

use lastfd_rigs::iio::Rig;

const REMOVAL: Duration = Duration::from_millis(100);

type Get = fn(&OpenFile) -> OpenFile;

/// The three descriptors a program can sleep on.
const DESCRIPTORS: &[(&str, Get)] = &[
    ("chrdev", |chrdev| chrdev.clone()),
    ("buffer fd", |chrdev| {
        chrdev.ioctl_file(IIO_BUFFER_GET_FD_IOCTL, 0).unwrap()
    }),
    ("event fd", |chrdev| {
        chrdev.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).unwrap()
    }),
];

fn held(get: Get) -> (Rig, OpenFile, OpenFile) {
    let rig = Rig::buffering();
    let chrdev = rig.open(OpenFlags::RDWR).unwrap();
    let file = get(&chrdev);
    (rig, chrdev, file)
}

#[test]
fn a_blocked_read_gets_enodev_at_once() {
    for (name, get) in DESCRIPTORS {
        let (rig, _chrdev, file) = held(*get);
        let task = rig
            .clock
            .spawn("reader", move || file.read(&mut [0; 64]))
            .unwrap();
        rig.clock.advance(REMOVAL);
        let before = rig.clock.now();
        rig.unplug();
        assert_eq!(task.join().unwrap(), Err(Errno::ENODEV), "{name}");
        assert_eq!(rig.clock.now(), before, "{name}: woken by the removal");
    }
}

#[test]
fn a_blocked_poll_is_not_woken() {
    for (name, get) in DESCRIPTORS {
        let (rig, _chrdev, file) = held(*get);
        let timeout = Duration::from_secs(3);
        let clock = rig.clock.clone();
        let task = rig
            .clock
            .spawn("poller", move || {
                let found = file.poll(PollMask::IN | PollMask::PRI, Some(timeout));
                (found, clock.now())
            })
            .unwrap();
        rig.clock.advance(REMOVAL);
        rig.unplug();
        let (found, ended) = task.join().unwrap();
        assert_eq!(found, PollMask::NONE, "{name}: no error, no hang-up");
        assert_eq!(ended, Ktime(0).after(timeout), "{name}: it slept its time");
    }
}

#[test]
fn only_a_signal_ends_a_poll_without_timeout() {
    let (rig, _chrdev, file) = held(DESCRIPTORS[0].1);
    let signal = Cancel::new();
    let cancel = signal.clone();
    let task = rig
        .clock
        .spawn("poller", move || {
            file.poll_with(PollMask::IN, None, &cancel)
        })
        .unwrap();
    rig.clock.advance(REMOVAL);
    rig.unplug();
    rig.clock.advance(Duration::from_secs(3));
    assert!(!task.is_finished(), "removal woke it");
    signal.cancel();
    assert_eq!(task.join().unwrap(), Err(Errno::EINTR));
}

struct Nobody;

impl Wake for Nobody {
    fn wake(&self) {}
}

#[test]
fn epoll_finds_nothing_to_report_when_the_queue_is_woken() {
    // The kernel wakes the queue; epoll then asks the file, which has nothing.
    let (rig, _chrdev, file) = held(DESCRIPTORS[0].1);
    let mut table = PollTable::new(PollMask::IN);
    assert!(file.try_poll(&mut table).is_empty());
    let queue = Arc::clone(&table.queues()[0]);
    let _entry = queue.add(Arc::new(Nobody));
    rig.unplug();
    assert!(rig.story().contains(&"iio:device0: 1 woken".to_owned()));
    assert!(file.try_poll(&mut PollTable::now()).is_empty());
}

#[test]
fn removal_does_not_wait_for_who_holds_a_file() {
    let (rig, chrdev, file) = held(DESCRIPTORS[1].1);
    let before = rig.clock.now();
    rig.unplug();
    assert_eq!(rig.clock.now(), before);
    assert!(rig.hardware.is_released());
    drop((chrdev, file));
    assert!(rig.iio().dev().is_released());
}

#[test]
fn a_reader_is_woken_by_samples_and_by_disabling() {
    let (rig, _chrdev, file) = held(DESCRIPTORS[0].1);
    let reader = file.clone();
    let task = rig
        .clock
        .spawn("reader", move || reader.read(&mut [0; 2]))
        .unwrap();
    rig.clock.advance(REMOVAL);
    rig.fire();
    assert_eq!(task.join().unwrap(), Ok(2));

    // With a watermark of 2 a reader waits for two samples, but of a disabled
    // buffer it gets what there is.
    rig.write("buffer/enable", "0").unwrap();
    rig.write("buffer/watermark", "2").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    rig.fire();
    let task = rig
        .clock
        .spawn("reader", move || file.read(&mut [0; 64]))
        .unwrap();
    rig.clock.advance(REMOVAL);
    assert!(!task.is_finished());
    rig.write("buffer/enable", "0").unwrap();
    assert_eq!(task.join().unwrap(), Ok(2));
}

/// An attempt's outcome: bytes of a reply not yet taken, an error, or a wait.
fn outcome(attempt: &Attempt<'_>) -> String {
    match attempt {
        Attempt::Done(result) => format!("{result:?}"),
        Attempt::Ready(_) => "reply".into(),
        Attempt::Wait(_) => "wait".into(),
    }
}

#[test]
fn a_reply_that_nobody_took_leaves_everything_where_it_was() {
    for (name, get) in DESCRIPTORS {
        let (rig, _chrdev, file) = held(*get);
        rig.fire();
        iio_push_event(&rig.iio(), 1, 2).unwrap();
        let mut program = Process::new();
        let arg = program.map(vec![0; 16]);
        let mut first = file.begin_read(arg, 16);
        let mut second = file.begin_read(arg, 16);
        let reply = first.attempt(&mut program);
        assert_eq!(outcome(&reply), "reply", "{name}");
        // Meanwhile another reader waits, and is woken when the first is over.
        let mut other = Process::new();
        other.map(vec![0; 16]);
        assert_eq!(outcome(&second.attempt(&mut other)), "wait", "{name}");
        drop(reply);
        drop(first);
        match second.attempt(&mut other) {
            Attempt::Ready(reply) => assert!(reply.commit() > 0, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
        let now = file.poll(PollMask::IN, Some(Duration::ZERO));
        assert_eq!(now, PollMask::NONE, "{name}: taken once");
    }
}

#[test]
fn a_reply_begun_before_the_buffer_was_enabled_anew_takes_nothing() {
    let (rig, _chrdev, file) = held(DESCRIPTORS[0].1);
    rig.fire();
    let mut program = Process::new();
    let arg = program.map(vec![0; 16]);
    let mut call = file.begin_read(arg, 16);
    let Attempt::Ready(reply) = call.attempt(&mut program) else {
        panic!("there is a sample");
    };
    rig.write("buffer/enable", "0").unwrap();
    rig.write("buffer/enable", "1").unwrap();
    rig.fire();
    reply.commit();
    assert_eq!(rig.read("buffer/data_available").unwrap(), "1");
}
