//! Calls that sleep while the device is removed, as recorded from Linux 6.12
//! with vivid.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{OpenFile, PollMask, PollTable};
use lastfd_model::raw::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::atomic::{AtomicU32, Ordering};
use lastfd_sync::{Arc, Cancel, Ktime, Wake};
use zerocopy::IntoBytes;

use lastfd_rigs::v4l2::{
    Removal, Rig, buffer, ctrl, dqbuf, qbuf, reqbufs, set_ctrl, start, stream, subscribe,
};

const REMOVAL: Duration = Duration::from_millis(100);
const LATER: Duration = Duration::from_secs(3);

/// A stream with buffers and nothing queued, without frames.
fn dry() -> (Rig, OpenFile) {
    let rig = Rig::silent();
    let file = rig.file();
    reqbufs(&file, 2).unwrap();
    stream(&file, true).unwrap();
    (rig, file)
}

/// A blocking call, ended by a signal.
fn ended_by(
    rig: &Rig,
    file: &OpenFile,
    cmd: u32,
    bytes: Vec<u8>,
) -> (lastfd_sync::thread::JoinHandle<Result<i32>>, Cancel) {
    let signal = Cancel::new();
    let (cancel, file) = (signal.clone(), file.clone());
    let task = rig
        .clock
        .spawn("sleeper", move || {
            let mut program = lastfd_chrdev::Process::new();
            let arg = program.map(bytes);
            file.ioctl_with(cmd, arg, &mut program, &cancel)
        })
        .unwrap();
    (task, signal)
}

#[test]
fn a_blocked_dqbuf_gets_einval_at_unbind_and_enodev_after() {
    let (rig, file) = dry();
    let of_task = file.clone();
    let task = rig.clock.spawn("dqbuf", move || dqbuf(&of_task)).unwrap();
    rig.clock.advance(REMOVAL);
    assert!(rig.camera().queue.info().waiting);
    let before = rig.clock.now();
    rig.remove(Removal::Unbind);
    assert_eq!(task.join().unwrap().err(), Some(Errno::EINVAL));
    assert_eq!(rig.clock.now(), before, "woken by the removal");
    assert_eq!(dqbuf(&file).err(), Some(Errno::ENODEV));
}

#[test]
fn a_blocked_dqbuf_stays_blocked_at_disconnect() {
    let (rig, file) = dry();
    let (task, signal) = ended_by(&rig, &file, VIDIOC_DQBUF, buffer(0).as_bytes().to_vec());
    rig.clock.advance(REMOVAL);
    rig.remove(Removal::Disconnect);
    rig.clock.advance(LATER);
    assert!(!task.is_finished(), "removal woke it");
    signal.cancel();
    assert_eq!(task.join().unwrap(), Err(Errno::EINTR));
    assert!(!rig.camera().queue.info().waiting);
}

#[test]
fn a_blocked_dqevent_is_not_woken() {
    for how in [Removal::Unbind, Removal::Disconnect] {
        let rig = Rig::silent();
        let file = rig.file();
        subscribe(&file, V4L2_CID_BRIGHTNESS, 0).unwrap();
        let event = V4l2Event::default().as_bytes().to_vec();
        let (task, signal) = ended_by(&rig, &file, VIDIOC_DQEVENT, event);
        rig.clock.advance(REMOVAL);
        rig.remove(how);
        rig.clock.advance(LATER);
        assert!(!task.is_finished(), "{how:?} woke it");
        assert!(rig.story().contains(&"video0: 1 woken".to_owned()));
        signal.cancel();
        assert_eq!(task.join().unwrap(), Err(Errno::EINTR), "{how:?}");
    }
}

/// Takes and gives frames until something fails: which call, and how, and how
/// many frames there were.
fn capture(file: &OpenFile) -> (&'static str, Errno, u32) {
    let mut frames = 0;
    loop {
        let frame = match dqbuf(file) {
            Ok(frame) => frame,
            Err(errno) => return ("DQBUF", errno, frames),
        };
        frames += 1;
        if let Err(errno) = qbuf(file, frame.index) {
            return ("QBUF", errno, frames);
        }
    }
}

#[test]
fn a_loop_of_dqbuf_and_qbuf_ends_in_dqbuf_at_unbind() {
    let rig = Rig::running();
    let file = rig.file();
    start(&file, 3);
    let task = rig.clock.spawn("loop", move || capture(&file)).unwrap();
    rig.clock.advance(Duration::from_millis(1100));
    rig.remove(Removal::Unbind);
    assert_eq!(task.join().unwrap(), ("DQBUF", Errno::EINVAL, 5));
}

#[test]
fn a_loop_of_dqbuf_and_qbuf_gets_one_more_frame_at_disconnect() {
    let rig = Rig::running();
    let file = rig.file();
    start(&file, 3);
    let task = rig.clock.spawn("loop", move || capture(&file)).unwrap();
    rig.clock.advance(Duration::from_millis(1100));
    rig.remove(Removal::Disconnect);
    assert!(!task.is_finished(), "it is not woken");
    rig.clock.advance(Duration::from_millis(200));
    assert_eq!(task.join().unwrap(), ("QBUF", Errno::ENODEV, 6));
}

/// Reads frames until it fails: how, and how many there were.
fn read_all(file: &OpenFile) -> (Errno, u32) {
    let mut frames = 0;
    loop {
        match file.read(&mut [0; 4096]) {
            Ok(4096) => frames += 1,
            Ok(other) => panic!("{other} bytes"),
            Err(errno) => return (errno, frames),
        }
    }
}

#[test]
fn a_loop_of_reads_gets_einval_at_unbind() {
    let rig = Rig::running();
    let file = rig.file();
    let reader = file.clone();
    let task = rig.clock.spawn("reads", move || read_all(&reader)).unwrap();
    rig.clock.advance(Duration::from_millis(1100));
    rig.remove(Removal::Unbind);
    assert_eq!(task.join().unwrap(), (Errno::EINVAL, 5));
    assert_eq!(file.read(&mut [0; 8]), Err(Errno::ENODEV));
}

#[test]
fn a_loop_of_reads_gets_enodev_after_the_next_frame_at_disconnect() {
    let rig = Rig::running();
    let file = rig.file();
    let task = rig.clock.spawn("reads", move || read_all(&file)).unwrap();
    rig.clock.advance(Duration::from_millis(1100));
    rig.remove(Removal::Disconnect);
    assert!(!task.is_finished(), "it is not woken");
    rig.clock.advance(Duration::from_millis(200));
    assert_eq!(task.join().unwrap(), (Errno::ENODEV, 6));
}

#[test]
fn a_blocked_poll_is_woken_at_once() {
    for how in [Removal::Unbind, Removal::Disconnect] {
        let rig = Rig::silent();
        let file = rig.file();
        start(&file, 2);
        let clock = rig.clock.clone();
        let task = rig
            .clock
            .spawn("poller", move || {
                let asked = PollMask::IN | PollMask::PRI;
                (file.poll(asked, None), clock.now())
            })
            .unwrap();
        rig.clock.advance(REMOVAL);
        rig.remove(how);
        let (found, ended) = task.join().unwrap();
        let gone = PollMask::PRI | PollMask::ERR | PollMask::HUP;
        assert_eq!(found, gone, "{how:?}");
        assert_eq!(ended, Ktime(0).after(REMOVAL), "{how:?}: at once");
        assert!(found.intersects(PollMask::SELECT_READ), "select: readable");
        assert!(found.intersects(PollMask::SELECT_EXCEPT), "and exceptional");
    }
}

#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_edge_triggered_epoll_is_woken_and_finds_the_hang_up() {
    for how in [Removal::Unbind, Removal::Disconnect] {
        let rig = Rig::silent();
        let file = rig.file();
        start(&file, 2);
        let mut table = PollTable::new(PollMask::IN | PollMask::PRI);
        assert!(file.try_poll(&mut table).is_empty());
        let edge = Arc::new(Count::default());
        let entries: Vec<_> = table
            .queues()
            .iter()
            .map(|queue| queue.add(edge.clone()))
            .collect();
        rig.remove(how);
        assert_ne!(edge.0.load(Ordering::SeqCst), 0, "{how:?}");
        drop(entries);
        let found = file.try_poll(&mut PollTable::now());
        assert_eq!(found, PollMask::PRI | PollMask::ERR | PollMask::HUP);
    }
}

#[test]
fn removal_waits_for_nobody() {
    for how in [Removal::Unbind, Removal::Disconnect] {
        let (rig, file) = dry();
        let (task, signal) = ended_by(&rig, &file, VIDIOC_DQBUF, buffer(0).as_bytes().to_vec());
        rig.clock.advance(REMOVAL);
        let before = rig.clock.now();
        rig.remove(how);
        assert_eq!(rig.clock.now(), before);
        signal.cancel();
        assert!(task.join().unwrap().is_err());
        drop(file);
        platform_device_unregister(&rig.hardware);
        assert!(rig.hardware.is_released());
    }
}

#[test]
fn a_second_call_that_would_wait_for_a_buffer_is_refused() {
    let (rig, file) = dry();
    let (task, signal) = ended_by(&rig, &file, VIDIOC_DQBUF, buffer(0).as_bytes().to_vec());
    rig.clock.advance(REMOVAL);
    assert_eq!(dqbuf(&file).err(), Some(Errno::EBUSY));
    assert_eq!(reqbufs(&file, 4).err(), Some(Errno::EBUSY));
    // The lock is free while it sleeps: a buffer can be queued, and controls
    // be set.
    qbuf(&file, 1).unwrap();
    set_ctrl(&file, V4L2_CID_BRIGHTNESS, 3).unwrap();
    assert_eq!(ctrl(&file, V4L2_CID_BRIGHTNESS), Ok(3));
    rig.camera().frames.produce();
    assert_eq!(task.join().unwrap(), Ok(0));
    drop(signal);
}

#[test]
fn streamoff_ends_a_wait_with_einval() {
    let (rig, file) = dry();
    let (task, signal) = ended_by(&rig, &file, VIDIOC_DQBUF, buffer(0).as_bytes().to_vec());
    rig.clock.advance(REMOVAL);
    stream(&file, false).unwrap();
    assert_eq!(task.join().unwrap(), Err(Errno::EINVAL));
    drop(signal);
}
