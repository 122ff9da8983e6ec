//! Removal against calls and closes, over the schedules.

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{OpenFile, OpenFlags, open, open_devt};
use lastfd_model::raw::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::{Cancel, explore, thread};
use lastfd_v4l2::raw::QueueInfo;
use zerocopy::IntoBytes;

use lastfd_rigs::v4l2::{Removal, Rig, buffer, dqbuf, qbuf, reqbufs, start, stream};

/// How long the others let a call get before they act, in switches between
/// tasks.
const PATIENCE: [usize; 3] = [0, 40, 160];

fn explored(body: fn(usize)) {
    for patience in PATIENCE {
        let random = explore::check_random(150, 7, move || body(patience));
        random.unwrap_or_else(|failure| panic!("after {patience} switches: {failure}"));
        let pct = explore::check_pct(60, 3, 7, move || body(patience));
        pct.unwrap_or_else(|failure| panic!("after {patience} switches: {failure}"));
    }
}

fn be_patient(patience: usize) {
    for _ in 0..patience {
        thread::yield_now();
    }
}

/// Everything is gone, and nothing was said.
fn all_is_gone(rig: Rig) {
    let camera = rig.camera();
    assert!(camera.vdev.dev().unwrap().is_released());
    assert_eq!(camera.v4l2.kref(), 0);
    assert_eq!(camera.queue.info(), QueueInfo::default());
    assert_eq!(rig.splats(), [""; 0]);
    drop(camera);
    assert_eq!(rig.finish(), [""; 0]);
}

fn open_against_removal_against_last_close(_: usize) {
    let rig = Rig::silent();
    let held = rig.file();
    let (system, devt) = (rig.system.clone(), held.stat().rdev.unwrap());
    let opener = thread::spawn("opener", move || {
        let by_path = open(&system, "/dev/video0", OpenFlags::RDWR).err();
        let by_number = open_devt(&system, devt, OpenFlags::RDWR).err();
        (by_path, by_number)
    })
    .unwrap();
    let closer = thread::spawn("closer", move || drop(held)).unwrap();
    rig.remove(Removal::Unbind);
    let (by_path, by_number) = opener.join().unwrap();
    closer.join().unwrap();
    // Between the removal and the last close the number still leads to V4L2,
    // which says ENODEV; after it, to nobody.
    let gone = [Errno::ENOENT, Errno::ENODEV, Errno::ENXIO];
    assert!(
        by_path.is_none_or(|errno| gone.contains(&errno)),
        "{by_path:?}"
    );
    assert!(
        by_number.is_none_or(|errno| gone[1..].contains(&errno)),
        "{by_number:?}"
    );
    all_is_gone(rig);
}

#[test]
fn open_removal_and_last_close_agree_in_every_order() {
    explored(open_against_removal_against_last_close);
}

fn dqbuf_against_a_frame_against_removal(patience: usize) {
    let rig = Rig::silent();
    let file = rig.file();
    start(&file, 2);
    let frames = rig.camera().frames;
    let of_task = file.clone();
    let waiter = thread::spawn("dqbuf", move || dqbuf(&of_task)).unwrap();
    let device = thread::spawn("frames", move || frames.produce()).unwrap();
    be_patient(patience);
    rig.remove(Removal::Unbind);
    match waiter.join().unwrap() {
        Ok(frame) => assert_eq!(frame.sequence, 0),
        // It slept, or it came too late.
        Err(errno) => assert!([Errno::EINVAL, Errno::ENODEV].contains(&errno), "{errno}"),
    }
    device.join().unwrap();
    drop(file);
    all_is_gone(rig);
}

#[test]
fn a_blocked_dqbuf_always_ends_at_unbind() {
    explored(dqbuf_against_a_frame_against_removal);
}

/// Takes and gives frames until something fails.
fn capture(file: &OpenFile) -> Errno {
    loop {
        let given = dqbuf(file).and_then(|frame| qbuf(file, frame.index));
        if let Err(errno) = given {
            return errno;
        }
    }
}

fn a_loop_against_streamoff_against_removal(patience: usize) {
    let rig = Rig::silent();
    let file = rig.file();
    start(&file, 2);
    let frames = rig.camera().frames;
    let of_task = file.clone();
    let loops = thread::spawn("loop", move || capture(&of_task)).unwrap();
    let of_task = file.clone();
    let stops = thread::spawn("stop", move || {
        frames.produce();
        stream(&of_task, false)
    })
    .unwrap();
    be_patient(patience);
    rig.remove(Removal::Unbind);
    let ended = loops.join().unwrap();
    assert!([Errno::EINVAL, Errno::ENODEV].contains(&ended), "{ended}");
    let stopped = stops.join().unwrap();
    assert!(
        [Ok(0), Err(Errno::ENODEV)].contains(&stopped),
        "{stopped:?}"
    );
    drop(file);
    all_is_gone(rig);
}

#[test]
fn a_capturing_loop_always_ends_at_streamoff_or_unbind() {
    explored(a_loop_against_streamoff_against_removal);
}

fn reads_against_removal(patience: usize) {
    let rig = Rig::silent();
    let file = rig.file();
    let signal = Cancel::new();
    let (cancel, of_task) = (signal.clone(), file.clone());
    let reader = thread::spawn("reader", move || -> Result<usize> {
        of_task.read_with(&mut [0; 4096], &cancel)
    })
    .unwrap();
    be_patient(patience);
    rig.camera().frames.produce();
    rig.remove(Removal::Unbind);
    signal.cancel();
    match reader.join().unwrap() {
        Ok(count) => assert_eq!(count, 4096),
        // With a signal: the removal came between its test and its lock.
        Err(errno) => {
            let known = [Errno::EINVAL, Errno::ENODEV, Errno::EINTR];
            assert!(known.contains(&errno), "{errno}");
        }
    }
    drop(file);
    all_is_gone(rig);
}

#[test]
fn a_read_ends_at_unbind_or_with_a_signal() {
    explored(reads_against_removal);
}

fn a_signal_against_disconnect(patience: usize) {
    let rig = Rig::silent();
    let file = rig.file();
    reqbufs(&file, 2).unwrap();
    stream(&file, true).unwrap();
    let signal = Cancel::new();
    let (cancel, of_task) = (signal.clone(), file.clone());
    let waiter = thread::spawn("dqbuf", move || {
        let mut program = lastfd_chrdev::Process::new();
        let arg = program.map(buffer(0).as_bytes().to_vec());
        of_task.ioctl_with(VIDIOC_DQBUF, arg, &mut program, &cancel)
    })
    .unwrap();
    be_patient(patience);
    rig.remove(Removal::Disconnect);
    signal.cancel();
    let ended = waiter.join().unwrap();
    assert!(
        [Err(Errno::EINTR), Err(Errno::ENODEV)].contains(&ended),
        "{ended:?}"
    );
    rig.remove(Removal::Unbind);
    drop(file);
    assert!(!device_is_registered(&rig.camera().vdev.dev().unwrap()));
    all_is_gone(rig);
}

#[test]
fn only_a_signal_ends_a_dqbuf_that_slept_at_disconnect() {
    explored(a_signal_against_disconnect);
}
