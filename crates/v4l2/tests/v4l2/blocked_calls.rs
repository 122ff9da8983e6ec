//! Calls that sleep, and what others may do meanwhile. What a removal does to
//! them is shown by the suite `unplug-v4l2`.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::OpenFile;
use lastfd_model::{Errno, Result};

use lastfd_rigs::v4l2::{Rig, ctrl, dqbuf, qbuf, reqbufs, set_ctrl, stream};

/// A stream with buffers and nothing queued, without frames, and a program that
/// sleeps in DQBUF.
fn dry() -> (Rig, OpenFile, lastfd_sync::thread::JoinHandle<Result<u32>>) {
    let rig = Rig::silent();
    let file = rig.file();
    reqbufs(&file, 2).unwrap();
    stream(&file, true).unwrap();
    let of_task = file.clone();
    let dequeue = move || dqbuf(&of_task).map(|buffer| buffer.index);
    let task = rig.clock.spawn("dqbuf", dequeue).unwrap();
    rig.clock.advance(Duration::from_millis(100));
    assert!(!task.is_finished());
    (rig, file, task)
}

#[test]
fn a_second_call_that_would_wait_for_a_buffer_is_refused() {
    let (rig, file, task) = dry();
    assert_eq!(dqbuf(&file).err(), Some(Errno::EBUSY));
    assert_eq!(reqbufs(&file, 4).err(), Some(Errno::EBUSY));
    // The lock is free while it sleeps: a buffer can be queued, and controls
    // be set.
    qbuf(&file, 1).unwrap();
    set_ctrl(&file, V4L2_CID_BRIGHTNESS, 3).unwrap();
    assert_eq!(ctrl(&file, V4L2_CID_BRIGHTNESS), Ok(3));
    rig.camera().frames.produce();
    assert_eq!(task.join().unwrap(), Ok(1));
}

#[test]
fn streamoff_ends_a_wait_with_einval() {
    let (_rig, file, task) = dry();
    stream(&file, false).unwrap();
    assert_eq!(task.join().unwrap(), Err(Errno::EINVAL));
}
