//! Events: rings, what is merged, what a program that does not take its reply
//! loses (nothing).

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{Attempt, OpenFile, OpenFlags, PollMask, Process};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;
use lastfd_v4l2::raw::*;
use zerocopy::FromBytes;

use lastfd_rigs::v4l2::Camera;
use lastfd_rigs::v4l2::{Rig, dqevent, ioctl, set_ctrl, subscribe};

const B: u32 = V4L2_CID_BRIGHTNESS;

fn nonblock(rig: &Rig) -> OpenFile {
    rig.open(OpenFlags::RDWR | OpenFlags::NONBLOCK).unwrap()
}

#[test]
fn a_file_that_subscribed_is_told_of_what_others_set() {
    let rig = Rig::silent();
    let (a, b) = (nonblock(&rig), nonblock(&rig));
    assert_eq!(dqevent(&a).err(), Some(Errno::ENOENT));
    subscribe(&a, B, 0).unwrap();
    subscribe(&b, B, V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK).unwrap();
    // A second subscription changes nothing.
    subscribe(&b, B, 0).unwrap();
    rig.clock.advance(Duration::from_millis(2500));
    set_ctrl(&b, B, 5).unwrap();
    for file in [&a, &b] {
        assert_eq!(
            file.poll(PollMask::PRI, Some(Duration::ZERO)),
            PollMask::PRI
        );
        let event = dqevent(file).unwrap();
        assert_eq!((event.type_, event.id), (V4L2_EVENT_CTRL, B));
        assert_eq!((event.pending, event.sequence), (0, 0));
        assert_eq!((event.tv_sec, event.tv_nsec), (2, 500_000_000));
        let ctrl = event.ctrl();
        assert_eq!((ctrl.changes, ctrl.value64), (V4L2_EVENT_CTRL_CH_VALUE, 5));
        assert_eq!((ctrl.minimum, ctrl.maximum), (0, 255));
        assert_eq!(dqevent(file).err(), Some(Errno::ENOENT));
    }
    // Who made the change is not told unless it asked for that; nor is anybody
    // of a value that stays.
    set_ctrl(&a, B, 6).unwrap();
    assert_eq!(dqevent(&a).err(), Some(Errno::ENOENT));
    assert!(dqevent(&b).is_ok());
    set_ctrl(&a, B, 6).unwrap();
    assert_eq!(dqevent(&b).err(), Some(Errno::ENOENT));
}

#[test]
fn a_ring_of_one_keeps_the_latest_value_and_all_changes() {
    let rig = Rig::silent();
    let (a, b) = (nonblock(&rig), nonblock(&rig));
    subscribe(&a, B, V4L2_EVENT_SUB_FL_SEND_INITIAL).unwrap();
    for value in 1..=3 {
        set_ctrl(&b, B, value).unwrap();
    }
    let event = dqevent(&a).unwrap();
    let both = V4L2_EVENT_CTRL_CH_VALUE | V4L2_EVENT_CTRL_CH_FLAGS;
    assert_eq!((event.ctrl().value64, event.ctrl().changes), (3, both));
    assert_eq!(event.sequence, 3, "all are counted");
    assert_eq!(dqevent(&a).err(), Some(Errno::ENOENT));
}

#[test]
fn subscriptions_that_cannot_be_are_refused_and_end_with_their_events() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    assert_eq!(subscribe(&file, V4L2_CID_GAIN, 0), Err(Errno::EINVAL));
    let mut sub = V4l2EventSubscription {
        type_: V4L2_EVENT_EOS,
        ..V4l2EventSubscription::default()
    };
    let refused = ioctl(&file, VIDIOC_SUBSCRIBE_EVENT, &mut sub);
    assert_eq!(refused, Err(Errno::EINVAL));
    subscribe(&file, B, V4L2_EVENT_SUB_FL_SEND_INITIAL).unwrap();
    assert_eq!(
        file.poll(PollMask::PRI, Some(Duration::ZERO)),
        PollMask::PRI
    );
    // Ending what there is not is no error.
    assert_eq!(ioctl(&file, VIDIOC_UNSUBSCRIBE_EVENT, &mut sub), Ok(0));
    sub.type_ = V4L2_EVENT_ALL;
    assert_eq!(ioctl(&file, VIDIOC_UNSUBSCRIBE_EVENT, &mut sub), Ok(0));
    assert_eq!(dqevent(&file).err(), Some(Errno::ENOENT));
    assert_eq!(
        file.poll(PollMask::PRI, Some(Duration::ZERO)),
        PollMask::NONE
    );
}

fn vsync(id: u32) -> V4l2Event {
    V4l2Event {
        type_: V4L2_EVENT_VSYNC,
        id,
        ..V4l2Event::default()
    }
}

/// A camera whose files may subscribe to vsync events, three of them, and to
/// changes of the source.
fn with_vsync(device: &lastfd_model::raw::Device) -> Result<Camera> {
    Camera::probe_with(device, None, |vdev| {
        vdev.set_ioctl_ops(V4l2IoctlOps {
            vidioc_subscribe_event: Some(Arc::new(|fh, sub| match sub.type_ {
                V4L2_EVENT_VSYNC => v4l2_event_subscribe(fh, sub, 3, None),
                _ => v4l2_src_change_event_subscribe(fh, sub),
            })),
            vidioc_unsubscribe_event: Some(Arc::new(v4l2_event_unsubscribe)),
            ..V4l2IoctlOps::default()
        });
    })
}

fn subscribe_to(file: &OpenFile, type_: u32, id: u32) -> Result<i32> {
    let mut sub = V4l2EventSubscription {
        type_,
        id,
        ..V4l2EventSubscription::default()
    };
    ioctl(file, VIDIOC_SUBSCRIBE_EVENT, &mut sub)
}

#[test]
fn a_full_ring_drops_its_oldest_event_and_no_other_ring_s() {
    let rig = Rig::new(with_vsync);
    let file = nonblock(&rig);
    subscribe_to(&file, V4L2_EVENT_VSYNC, 0).unwrap();
    subscribe_to(&file, V4L2_EVENT_VSYNC, 1).unwrap();
    let vdev = rig.camera().vdev;
    v4l2_event_queue(&vdev, &vsync(1));
    for _ in 0..5 {
        v4l2_event_queue(&vdev, &vsync(0));
    }
    // Nobody subscribed to this one.
    v4l2_event_queue(&vdev, &vsync(2));
    let got: Vec<(u32, u32, u32)> = core::iter::from_fn(|| dqevent(&file).ok())
        .map(|event| (event.id, event.sequence, event.pending))
        .collect();
    assert_eq!(got, [(1, 0, 3), (0, 3, 2), (0, 4, 1), (0, 5, 0)]);
}

#[test]
fn changes_of_the_source_are_never_lost() {
    let rig = Rig::new(with_vsync);
    let file = nonblock(&rig);
    subscribe_to(&file, V4L2_EVENT_SOURCE_CHANGE, 0).unwrap();
    for changes in [1, 2] {
        let mut event = V4l2Event {
            type_: V4L2_EVENT_SOURCE_CHANGE,
            ..V4l2Event::default()
        };
        event.set_src_changes(changes);
        v4l2_event_queue(&rig.camera().vdev, &event);
    }
    assert_eq!(dqevent(&file).unwrap().src_changes(), 3);
}

/// An attempt at DQEVENT whose reply is not taken; what happens meanwhile is
/// done by `then`. Gives the event that the next attempt gives.
fn not_taken(file: &OpenFile, then: impl FnOnce()) -> V4l2Event {
    let mut program = Process::new();
    let arg = program.map(vec![0; size_of::<V4l2Event>()]);
    let mut call = file.begin_ioctl(VIDIOC_DQEVENT, arg);
    match call.attempt(&mut program) {
        Attempt::Ready(reply) => {
            then();
            reply.roll_back();
        }
        other => panic!("{other:?}"),
    }
    match call.attempt(&mut program) {
        Attempt::Ready(reply) => assert_eq!(reply.commit(), 0),
        other => panic!("{other:?}"),
    }
    V4l2Event::read_from_bytes(program.bytes(arg)).unwrap()
}

#[test]
fn an_event_that_was_not_taken_is_told_again() {
    let rig = Rig::new(with_vsync);
    let file = nonblock(&rig);
    subscribe_to(&file, V4L2_EVENT_VSYNC, 0).unwrap();
    let vdev = rig.camera().vdev;
    for _ in 0..2 {
        v4l2_event_queue(&vdev, &vsync(0));
    }
    let event = not_taken(&file, || {
        // It counts as there while the reply is on its way.
        assert_eq!(
            file.poll(PollMask::PRI, Some(Duration::ZERO)),
            PollMask::PRI
        );
        v4l2_event_queue(&vdev, &vsync(0));
    });
    assert_eq!((event.sequence, event.pending), (0, 2));
    // Had the ring been full meanwhile, it would have gone.
    let event = not_taken(&file, || {
        for _ in 0..2 {
            v4l2_event_queue(&vdev, &vsync(0));
        }
    });
    assert_eq!((event.sequence, event.pending), (2, 2));
}

#[test]
fn a_ring_of_one_that_filled_up_meanwhile_keeps_all_changes() {
    let rig = Rig::silent();
    let (a, b) = (nonblock(&rig), nonblock(&rig));
    subscribe(&a, B, V4L2_EVENT_SUB_FL_SEND_INITIAL).unwrap();
    let event = not_taken(&a, || {
        set_ctrl(&b, B, 9).unwrap();
    });
    let both = V4L2_EVENT_CTRL_CH_VALUE | V4L2_EVENT_CTRL_CH_FLAGS;
    assert_eq!((event.ctrl().value64, event.ctrl().changes), (9, both));
    assert_eq!(dqevent(&a).err(), Some(Errno::ENOENT));
}

#[test]
fn a_fault_when_the_event_is_told_loses_it_as_in_the_kernel() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    subscribe(&file, B, V4L2_EVENT_SUB_FL_SEND_INITIAL).unwrap();
    let fault = file.ioctl(VIDIOC_DQEVENT, 8, &mut Process::new());
    assert_eq!(fault, Err(Errno::EFAULT));
    assert_eq!(dqevent(&file).err(), Some(Errno::ENOENT));
}

#[test]
fn a_blocking_call_is_woken_by_its_event() {
    let rig = Rig::silent();
    let file = rig.file();
    subscribe(&file, B, 0).unwrap();
    let of_task = file.clone();
    let task = rig
        .clock
        .spawn("dqevent", move || dqevent(&of_task))
        .unwrap();
    rig.clock.advance(Duration::from_secs(1));
    assert!(!task.is_finished());
    set_ctrl(&rig.file(), B, 1).unwrap();
    assert_eq!(task.join().unwrap().unwrap().ctrl().value64, 1);
}
