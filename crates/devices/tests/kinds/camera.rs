//! `camera`: numbered frames at a steady rate.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, open};
use lastfd_model::{Errno, Result};

use crate::{
    every_allocation_that_fails_is_unwound, ioctl, leaks, nothing_is_left_however_it_ends,
    open_node, plug, refused, world,
};

const PATH: &str = "/dev/video0";

fn buffer(index: u32) -> V4l2Buffer {
    V4l2Buffer {
        index,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2Buffer::default()
    }
}

fn stream(file: &OpenFile) {
    let mut wanted = V4l2Requestbuffers {
        count: 2,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2Requestbuffers::default()
    };
    ioctl(file, VIDIOC_REQBUFS, &mut wanted).unwrap();
    for index in 0..wanted.count {
        ioctl(file, VIDIOC_QBUF, &mut buffer(index)).unwrap();
    }
    let mut type_ = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    ioctl(file, VIDIOC_STREAMON, &mut type_).unwrap();
}

fn dqbuf(file: &OpenFile) -> Result<V4l2Buffer> {
    let mut taken = buffer(0);
    ioctl(file, VIDIOC_DQBUF, &mut taken).map(|_| taken)
}

#[test]
fn frames_begin_with_their_number_and_come_at_the_rate() {
    let (system, clock) = world();
    let camera = plug(&system, "camera:rate=50");
    let file = open_node(&system, PATH);
    let mut picture = vec![0; 64 * 48];
    for number in 0..5_u64 {
        assert_eq!(file.read(&mut picture), Ok(picture.len()));
        assert_eq!(picture[..8], number.to_le_bytes());
        let frames = u32::try_from(number + 1).unwrap();
        let due = Duration::from_millis(20) * frames;
        assert_eq!(clock.now().since_start(), due);
    }
    drop((camera, file));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn an_unplugged_camera_ends_the_wait_and_hangs_up() {
    let (system, clock) = world();
    let camera = plug(&system, "camera:rate=1");
    let file = open_node(&system, PATH);
    let mut cap = V4l2Capability::default();
    ioctl(&file, VIDIOC_QUERYCAP, &mut cap).unwrap();
    assert!(cap.card.starts_with(b"lastfd-camera\0"));
    stream(&file);
    assert_eq!(dqbuf(&file).unwrap().sequence, 0);
    let device = system.dev_node("video0").unwrap().device;
    let waiting = file.clone();
    let waits = clock.spawn("waits", move || dqbuf(&waiting).err()).unwrap();
    clock.advance(Duration::from_millis(500));

    camera.unplug();
    assert_eq!(waits.join().unwrap(), Some(Errno::EINVAL));
    assert_eq!(dqbuf(&file), Err(Errno::ENODEV));
    let events = PollMask::IN | PollMask::PRI | PollMask::OUT;
    assert_eq!(
        file.poll(events, Some(Duration::ZERO)),
        PollMask::PRI | PollMask::ERR | PollMask::HUP
    );
    let again = open(&system, PATH, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));
    assert!(!device.is_released());
    drop(file);
    assert!(device.is_released());
    drop((camera, device));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn a_camera_leaves_nothing_behind() {
    nothing_is_left_however_it_ends("camera", PATH, |file, _| {
        stream(file);
        dqbuf(file).unwrap();
    });
    every_allocation_that_fails_is_unwound("camera", 5);
}

#[test]
fn its_keys_are_checked() {
    for rate in ["0", "1001", "fast", "-1"] {
        assert_eq!(
            refused(&format!("camera:rate={rate}")),
            format!("camera: `rate={rate}` will not do; rate is 1 to 1000")
        );
    }
    let (system, _clock) = world();
    let camera = plug(&system, "camera:name=door");
    let file = open_node(&system, PATH);
    let mut cap = V4l2Capability::default();
    ioctl(&file, VIDIOC_QUERYCAP, &mut cap).unwrap();
    assert!(cap.card.starts_with(b"door\0"));
    drop((camera, file));
}
