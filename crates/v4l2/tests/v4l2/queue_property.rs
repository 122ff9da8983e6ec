//! No buffer is lost or doubled, whatever is done to a queue in whatever order.

use core::sync::atomic::Ordering;
use std::collections::BTreeSet;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{Attempt, OpenFile, OpenFlags, PollTable, Process};
use lastfd_model::Errno;
use lastfd_v4l2::raw::*;
use proptest::prelude::*;
use zerocopy::IntoBytes;

use lastfd_rigs::v4l2::Camera;
use lastfd_rigs::v4l2::{Removal, Rig, buffer, dqbuf, ioctl, qbuf, reqbufs, stream};

fn nonblock(rig: &Rig) -> OpenFile {
    rig.open(OpenFlags::RDWR | OpenFlags::NONBLOCK).unwrap()
}

/// One thing that can be done to a queue.
#[derive(Clone, Debug)]
enum Op {
    Reqbufs(u32),
    Qbuf(u32),
    Prepare(u32),
    Dqbuf,
    /// An attempt that is rolled back, or overtaken by what comes next.
    DqbufNotTaken,
    DqbufInFlight,
    Stream(bool),
    Frame,
    Read(usize),
    Poll,
    Error,
    Close,
    Unplug,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        2 => (0..5_u32).prop_map(Op::Reqbufs),
        8 => (0..5_u32).prop_map(Op::Qbuf),
        1 => (0..5_u32).prop_map(Op::Prepare),
        6 => Just(Op::Dqbuf),
        3 => Just(Op::DqbufNotTaken),
        2 => Just(Op::DqbufInFlight),
        4 => any::<bool>().prop_map(Op::Stream),
        8 => Just(Op::Frame),
        1 => (0..5000_usize).prop_map(Op::Read),
        1 => Just(Op::Poll),
        1 => Just(Op::Error),
        1 => Just(Op::Close),
        1 => Just(Op::Unplug),
    ]
}

/// Every buffer is in one place: the program's, the queue's, the driver's, or
/// done.
fn each_buffer_is_in_one_place(camera: &Camera, context: &str) {
    let info = camera.queue.info();
    let buffers = camera.queue.buffers();
    let count = |state: Vb2State| buffers.iter().filter(|b| b.state() == state).count();
    assert_eq!(info.buffers, buffers.len(), "{context}");
    assert_eq!(
        count(Vb2State::Active),
        info.owned_by_driver as usize,
        "{context}"
    );
    let done = count(Vb2State::Done) + count(Vb2State::Error);
    assert_eq!(done, info.done, "{context}");
    let queued = count(Vb2State::Queued) + count(Vb2State::Active) + done;
    assert_eq!(queued, info.queued as usize, "{context}");
    assert_eq!(count(Vb2State::Preparing), 0, "{context}");
    let held: Vec<u32> = camera
        .frames
        .active
        .lock()
        .iter()
        .map(|b| b.index())
        .collect();
    let unique: BTreeSet<u32> = held.iter().copied().collect();
    assert_eq!(
        unique.len(),
        held.len(),
        "{context}: the driver has one twice"
    );
    assert_eq!(held.len(), info.owned_by_driver as usize, "{context}");
    for buffer in &buffers {
        let active = buffer.state() == Vb2State::Active;
        assert_eq!(active, unique.contains(&buffer.index()), "{context}");
    }
}

fn run(ops: Vec<Op>) {
    let rig = Rig::silent();
    let mut file = Some(nonblock(&rig));
    let camera = rig.camera();
    // What the program holds in its hands: taken, and not given back.
    let mut last_sequence = None;
    for (step, op) in ops.iter().enumerate() {
        let context = format!("step {step}: {op:?} of {ops:?}");
        let Some(open) = &file else {
            break;
        };
        let dequeue = |program: &mut Process| {
            let arg = program.map(buffer(0).as_bytes().to_vec());
            (open.begin_ioctl(VIDIOC_DQBUF, arg), arg)
        };
        match op {
            Op::Reqbufs(count) => drop(reqbufs(open, *count)),
            Op::Qbuf(index) => drop(qbuf(open, *index)),
            Op::Prepare(index) => drop(ioctl(open, VIDIOC_PREPARE_BUF, &mut buffer(*index))),
            Op::Dqbuf => {
                let before = camera.queue.info().done;
                match dqbuf(open) {
                    Ok(frame) => {
                        assert_eq!(camera.queue.info().done, before - 1, "{context}");
                        let bad = frame.flags & V4L2_BUF_FLAG_ERROR != 0;
                        if !bad {
                            assert!(
                                last_sequence.is_none_or(|last| last < frame.sequence),
                                "{context}: a frame was given twice"
                            );
                            last_sequence = Some(frame.sequence);
                        }
                    }
                    Err(errno) => {
                        let reading = camera.queue.info().fileio;
                        assert_eq!(errno == Errno::EBUSY, reading, "{context}: {errno}");
                    }
                }
            }
            Op::DqbufNotTaken => {
                let mut program = Process::new();
                let before = camera.queue.info();
                let (mut call, _) = dequeue(&mut program);
                if let Attempt::Ready(reply) = call.attempt(&mut program) {
                    reply.roll_back();
                }
                drop(call);
                assert_eq!(camera.queue.info(), before, "{context}");
            }
            Op::DqbufInFlight => {
                let mut program = Process::new();
                let (mut call, _) = dequeue(&mut program);
                if let Attempt::Ready(reply) = call.attempt(&mut program) {
                    let _ = stream(open, false);
                    each_buffer_is_in_one_place(&camera, &context);
                    reply.commit();
                }
                last_sequence = None;
            }
            Op::Stream(on) => {
                let _ = stream(open, *on);
                last_sequence = None;
            }
            Op::Frame => camera.frames.produce(),
            Op::Read(count) => drop(open.read(&mut vec![0; *count])),
            Op::Poll => drop(open.try_poll(&mut PollTable::now())),
            Op::Error => vb2_queue_error(&camera.queue),
            Op::Close => {
                file = Some(nonblock(&rig)).filter(|_| video_is_registered(&camera.vdev));
                last_sequence = None;
            }
            Op::Unplug => {
                rig.remove(Removal::Unbind);
                assert_eq!(camera.queue.info(), QueueInfo::default(), "{context}");
                assert_eq!(dqbuf(open).err(), Some(Errno::ENODEV), "{context}");
                file = None;
            }
        }
        each_buffer_is_in_one_place(&camera, &context);
        let prepared = camera.frames.prepared.load(Ordering::Relaxed);
        let finished = camera.frames.finished.load(Ordering::Relaxed);
        assert!(finished <= prepared, "{context}");
    }
    drop(file);
    let prepared = camera.frames.prepared.load(Ordering::Relaxed);
    assert_eq!(
        camera.frames.finished.load(Ordering::Relaxed),
        prepared,
        "{ops:?}"
    );
    assert_eq!(camera.queue.info(), QueueInfo::default());
    drop(camera);
    assert_eq!(rig.splats(), [""; 0], "{ops:?}");
    assert_eq!(rig.finish(), [""; 0], "{ops:?}");
}

#[test]
fn a_buffer_that_is_still_done_is_not_changed_by_a_qbuf_that_is_refused() {
    run(vec![
        Op::Reqbufs(4),
        Op::Qbuf(0),
        Op::Stream(true),
        Op::Frame,
        Op::Qbuf(3),
        Op::Frame,
        Op::Dqbuf,
        Op::DqbufNotTaken,
        Op::Qbuf(3),
        Op::Dqbuf,
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_buffer_is_lost_or_doubled(ops in prop::collection::vec(op(), 1..60)) {
        run(ops);
    }
}
