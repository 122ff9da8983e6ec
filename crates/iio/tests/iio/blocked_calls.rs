//! Calls that sleep: what wakes them, and what becomes of a reply that nobody
//! took. What a removal does to them is shown by the suite `unplug-iio`.

use core::time::Duration;

use lastfd_chrdev::{Attempt, OpenFile, OpenFlags, PollMask, Process};
use lastfd_iio::raw::*;

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
