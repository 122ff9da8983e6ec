//! The queue: buffers, streaming, reading, and a driver's mistakes.

use core::sync::atomic::Ordering;
use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{Attempt, MapRequest, OpenFile, OpenFlags, PollMask, Process, Whence};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;
use lastfd_v4l2::raw::*;
use zerocopy::{FromBytes, IntoBytes};

use lastfd_rigs::v4l2::{Camera, FRAME, SIDE};
use lastfd_rigs::v4l2::{
    Removal, Rig, buffer, dqbuf, ioctl, map, qbuf, querybuf, reqbufs, start, stream,
};

fn nonblock(rig: &Rig) -> OpenFile {
    rig.open(OpenFlags::RDWR | OpenFlags::NONBLOCK).unwrap()
}

/// Flags of a buffer but those of its times.
fn flags(file: &OpenFile, index: u32) -> u32 {
    let arg = querybuf(file, index).unwrap();
    assert_eq!(
        arg.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK,
        V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC
    );
    arg.flags & !V4L2_BUF_FLAG_TIMESTAMP_MASK
}

#[test]
fn a_frame_goes_from_the_driver_through_the_queue_to_the_program() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    assert_eq!(reqbufs(&file, 1), Ok(2), "the driver wants two");
    let mapping = map(&file, 1).unwrap();
    assert_eq!(flags(&file, 0), 0);
    assert_eq!(flags(&file, 1), V4L2_BUF_FLAG_MAPPED);
    assert_eq!(querybuf(&file, 1).unwrap().offset, 0x8000);
    assert_eq!(querybuf(&file, 2).err(), Some(Errno::EINVAL));
    assert_eq!(dqbuf(&file).err(), Some(Errno::EINVAL), "no stream");
    let queued = qbuf(&file, 1).unwrap();
    assert_ne!(queued.flags & V4L2_BUF_FLAG_QUEUED, 0);
    assert_eq!(qbuf(&file, 1).err(), Some(Errno::EINVAL), "twice");
    stream(&file, true).unwrap();
    assert_eq!(stream(&file, true), Ok(0), "a second time");
    assert_eq!(dqbuf(&file).err(), Some(Errno::EAGAIN));
    rig.clock.advance(Duration::from_micros(1_500_002));
    rig.camera().frames.produce();
    assert_eq!(flags(&file, 1), V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_DONE);
    let frame = dqbuf(&file).unwrap();
    assert_eq!((frame.index, frame.bytesused), (1, SIDE * SIDE));
    assert_eq!((frame.tv_sec, frame.tv_usec), (1, 500_002));
    assert_eq!(frame.flags & (V4L2_BUF_FLAG_DONE | V4L2_BUF_FLAG_QUEUED), 0);
    let mut number = [0xff; 4];
    mapping.read(0, &mut number).unwrap();
    assert_eq!(number, [0; 4]);
    drop(mapping);
    assert_eq!(flags(&file, 1), 0);
    drop(file);
    assert_eq!(rig.splats(), [""; 0]);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn poll_says_what_dqbuf_would() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    let asked = PollMask::IN | PollMask::RDNORM;
    let poll = || file.poll(asked, Some(Duration::ZERO));
    reqbufs(&file, 2).unwrap();
    assert_eq!(poll(), PollMask::ERR, "no stream");
    stream(&file, true).unwrap();
    assert_eq!(poll(), PollMask::ERR, "nothing was queued yet");
    qbuf(&file, 0).unwrap();
    assert_eq!(poll(), PollMask::NONE);
    rig.camera().frames.produce();
    assert_eq!(poll(), asked);
    dqbuf(&file).unwrap();
    assert_eq!(poll(), PollMask::NONE, "nothing is queued any more");
    vb2_queue_error(&rig.camera().queue);
    assert_eq!(poll(), PollMask::ERR);
    assert_eq!(qbuf(&file, 0).err(), Some(Errno::EIO));
    assert_eq!(dqbuf(&file).err(), Some(Errno::EIO));
    stream(&file, false).unwrap();
    qbuf(&file, 0).unwrap();
}

#[test]
fn poll_for_input_starts_reading_if_there_are_no_buffers() {
    let rig = Rig::running();
    let file = rig.file();
    assert_eq!(
        file.poll(PollMask::PRI, Some(Duration::ZERO)),
        PollMask::NONE
    );
    assert!(!rig.camera().queue.info().fileio);
    let found = file.poll(PollMask::IN, None);
    assert_eq!(found, PollMask::IN);
    let info = rig.camera().queue.info();
    assert!(info.fileio && info.owned);
    assert_eq!(file.read(&mut [0; FRAME]), Ok(FRAME));
}

#[test]
fn after_the_last_buffer_there_is_epipe() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    start(&file, 3);
    let frames = rig.camera().frames;
    if let Some(first) = frames.active.lock().front() {
        first.add_flags(V4L2_BUF_FLAG_LAST);
    }
    frames.produce();
    let last = dqbuf(&file).unwrap();
    assert_ne!(last.flags & V4L2_BUF_FLAG_LAST, 0);
    assert_eq!(dqbuf(&file).err(), Some(Errno::EPIPE));
    let asked = PollMask::IN;
    assert_eq!(file.poll(asked, Some(Duration::ZERO)), asked);
    stream(&file, false).unwrap();
    stream(&file, true).unwrap();
    assert_eq!(dqbuf(&file).err(), Some(Errno::EAGAIN));
}

#[test]
fn the_queue_belongs_to_the_file_that_asked_for_buffers() {
    let rig = Rig::silent();
    let (owner, other) = (nonblock(&rig), nonblock(&rig));
    reqbufs(&owner, 2).unwrap();
    let busy = Err(Errno::EBUSY);
    assert_eq!(reqbufs(&other, 2), busy);
    assert_eq!(reqbufs(&other, 0), busy);
    assert_eq!(qbuf(&other, 0).map(drop), busy.map(drop));
    assert_eq!(dqbuf(&other).map(drop), busy.map(drop));
    assert_eq!(stream(&other, true).map(drop), busy.map(drop));
    assert_eq!(other.read(&mut [0; 9]).map(drop), busy.map(drop));
    assert!(querybuf(&other, 0).is_ok(), "anyone may ask");
    assert!(map(&other, 0).is_ok(), "and map");
    assert_eq!(
        owner.read(&mut [0; 9]),
        Err(Errno::EBUSY),
        "buffers were asked for"
    );
    // The kernel forgets the owner then.
    assert_eq!(reqbufs(&other, 0), Ok(0));
    reqbufs(&owner, 2).unwrap();
    drop(owner);
    assert_eq!(rig.camera().queue.info(), QueueInfo::default());
    assert_eq!(reqbufs(&other, 2), Ok(2));
    assert_eq!(reqbufs(&other, 0), Ok(0));
}

#[test]
fn requests_that_cannot_be_are_refused() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    for (type_, memory) in [
        (V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_USERPTR),
        (V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_DMABUF),
        (V4L2_BUF_TYPE_VIDEO_CAPTURE, 0),
        (V4L2_BUF_TYPE_VIDEO_OUTPUT, V4L2_MEMORY_MMAP),
    ] {
        let mut request = V4l2Requestbuffers {
            count: 2,
            type_,
            memory,
            ..V4l2Requestbuffers::default()
        };
        assert_eq!(
            ioctl(&file, VIDIOC_REQBUFS, &mut request),
            Err(Errno::EINVAL)
        );
    }
    assert_eq!(reqbufs(&file, u32::MAX), Ok(32));
    assert_eq!(stream(&file, true), Ok(0), "without a queued buffer");
    assert_eq!(reqbufs(&file, 2), Err(Errno::EBUSY), "it streams");
    stream(&file, false).unwrap();
    let mut of_request = buffer(0);
    of_request.flags = V4L2_BUF_FLAG_REQUEST_FD;
    let refused = ioctl(&file, VIDIOC_QBUF, &mut of_request);
    assert_eq!(refused, Err(Errno::from_code(53)));
    let mut pointer = buffer(0);
    pointer.memory = V4L2_MEMORY_USERPTR;
    assert_eq!(ioctl(&file, VIDIOC_QBUF, &mut pointer), Err(Errno::EINVAL));
    reqbufs(&file, 0).unwrap();
    assert_eq!(stream(&file, true), Err(Errno::EINVAL), "no buffers");
    assert_eq!(qbuf(&file, 0).err(), Some(Errno::EINVAL));
}

fn create_bufs(file: &OpenFile, count: u32, sizeimage: u32) -> Result<V4l2CreateBuffers> {
    let mut create = V4l2CreateBuffers {
        count,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2CreateBuffers::default()
    };
    create.format.type_ = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    create.format.set_pix(&V4l2PixFormat {
        sizeimage,
        ..V4l2PixFormat::default()
    });
    ioctl(file, VIDIOC_CREATE_BUFS, &mut create).map(|_| create)
}

fn remove_bufs(file: &OpenFile, index: u32, count: u32) -> Result<i32> {
    let mut remove = V4l2RemoveBuffers {
        index,
        count,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        ..V4l2RemoveBuffers::default()
    };
    ioctl(file, VIDIOC_REMOVE_BUFS, &mut remove)
}

#[test]
fn single_buffers_are_made_and_taken_away() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    let asked = create_bufs(&file, 0, 0).unwrap();
    assert_eq!((asked.index, asked.max_num_buffers), (0, 32));
    assert_ne!(asked.capabilities & V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS, 0);
    assert_eq!(create_bufs(&file, 1, 0).err(), Some(Errno::EINVAL));
    assert_eq!(
        create_bufs(&file, 1, 1).err(),
        Some(Errno::EINVAL),
        "too small"
    );
    let made = create_bufs(&file, 3, FRAME as u32).unwrap();
    assert_eq!((made.index, made.count), (0, 3));
    let large = create_bufs(&file, 1, 2 * FRAME as u32).unwrap();
    assert_eq!(large.index, 3);
    assert_eq!(querybuf(&file, 3).unwrap().length, 2 * FRAME as u32);
    qbuf(&file, 2).unwrap();
    assert_eq!(remove_bufs(&file, 1, 2), Err(Errno::EBUSY), "one is queued");
    assert_eq!(
        remove_bufs(&file, 3, 2),
        Err(Errno::EINVAL),
        "one is not there"
    );
    assert_eq!(remove_bufs(&file, 0, 2), Ok(0));
    assert_eq!(querybuf(&file, 0).err(), Some(Errno::EINVAL));
    assert_eq!(querybuf(&file, 1).err(), Some(Errno::EINVAL));
    // The hole is filled before the end.
    assert_eq!(create_bufs(&file, 2, FRAME as u32).unwrap().index, 0);
    assert_eq!(create_bufs(&file, 99, FRAME as u32).unwrap().count, 28);
    let full = create_bufs(&file, 1, FRAME as u32);
    assert_eq!(full.err(), Some(Errno::from_code(105)));
}

#[test]
fn a_buffer_can_be_prepared_first() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    reqbufs(&file, 2).unwrap();
    let mut arg = buffer(0);
    ioctl(&file, VIDIOC_PREPARE_BUF, &mut arg).unwrap();
    assert_ne!(arg.flags & V4L2_BUF_FLAG_PREPARED, 0);
    assert_eq!(
        ioctl(&file, VIDIOC_PREPARE_BUF, &mut arg),
        Err(Errno::EINVAL)
    );
    qbuf(&file, 0).unwrap();
    let frames = rig.camera().frames;
    assert_eq!(frames.prepared.load(Ordering::Relaxed), 1);
    stream(&file, false).unwrap();
    assert_eq!(frames.finished.load(Ordering::Relaxed), 1);
    frames.fail_prepare.store(true, Ordering::Relaxed);
    assert_eq!(qbuf(&file, 0).err(), Some(Errno::EIO));
    assert_eq!(flags(&file, 0), 0);
    qbuf(&file, 0).unwrap();
}

#[test]
fn mappings_that_cannot_be_are_refused() {
    let rig = Rig::silent();
    let file = rig.file();
    let shared = MapRequest::shared;
    let offset = |index: u64| index << 15;
    assert_eq!(
        file.mmap(shared(0, 4096)).err(),
        Some(Errno::EINVAL),
        "no buffers"
    );
    reqbufs(&file, 2).unwrap();
    let private = MapRequest {
        shared: false,
        ..shared(0, 4096)
    };
    let write_only = MapRequest {
        read: false,
        ..shared(0, 4096)
    };
    for request in [
        private,
        write_only,
        shared(0, 8192),
        shared(4096, 4096),
        shared(offset(2), 4096),
    ] {
        assert_eq!(file.mmap(request).err(), Some(Errno::EINVAL), "{request:?}");
    }
    assert!(file.mmap(shared(offset(1), 100)).is_ok());
    // Offsets wrap where the kernel's mask ends.
    assert!(file.mmap(shared(offset(1 << 20), 4096)).is_ok());
}

#[test]
fn an_exported_buffer_lives_longer_than_the_queue() {
    let rig = Rig::silent();
    let file = rig.file();
    start(&file, 2);
    let mut program = Process::new();
    let export = V4l2Exportbuffer {
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        index: 1,
        flags: OpenFlags::RDWR.0 | OpenFlags::CLOEXEC.0,
        ..V4l2Exportbuffer::default()
    };
    let arg = program.map(export.as_bytes().to_vec());
    file.ioctl(VIDIOC_EXPBUF, arg, &mut program).unwrap();
    let fd = V4l2Exportbuffer::read_from_bytes(program.bytes(arg))
        .unwrap()
        .fd;
    let exported = program.file(fd).unwrap();
    assert_eq!(flags(&file, 1), V4L2_BUF_FLAG_MAPPED | V4L2_BUF_FLAG_QUEUED);
    let own = map(&file, 1).unwrap();
    own.write(5, &[42]).unwrap();
    drop(own);
    program.close(fd).unwrap();
    rig.remove(Removal::Unbind);
    drop(file);
    assert!(rig.camera().vdev.dev().unwrap().is_released());
    assert_eq!(exported.lseek(0, Whence::End), Ok(4096));
    let mapping = exported.mmap(MapRequest::shared(0, 4096)).unwrap();
    let mut byte = [0];
    mapping.read(5, &mut byte).unwrap();
    assert_eq!(byte, [42]);
    let too_long = exported.mmap(MapRequest::shared(4096, 4096));
    assert_eq!(too_long.err(), Some(Errno::EINVAL));
    drop((mapping, exported, program));
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn a_start_that_fails_gives_the_buffers_back_or_is_told() {
    for polite in [true, false] {
        let rig = Rig::silent();
        let file = nonblock(&rig);
        reqbufs(&file, 2).unwrap();
        qbuf(&file, 0).unwrap();
        let frames = rig.camera().frames;
        *frames.fail_start.lock() = Some(polite);
        assert_eq!(stream(&file, true), Err(Errno::EIO));
        assert_eq!(flags(&file, 0), V4L2_BUF_FLAG_QUEUED, "it is still queued");
        assert_eq!(rig.splats().len(), usize::from(!polite));
        frames.active.lock().clear();
        stream(&file, true).unwrap();
        frames.produce();
        assert_eq!(dqbuf(&file).unwrap().index, 0);
    }
}

#[test]
fn a_start_that_needs_buffers_happens_when_they_are_there() {
    let rig = Rig::new(|device| {
        Camera::probe_with(device, None, |vdev| {
            let frames = vdev.queue().unwrap();
            let least = Vb2QueueSpec {
                min_queued_buffers: 2,
                ops: Some(Arc::new(Counting)),
                lock: vdev.lock(),
                ..Vb2QueueSpec::default()
            };
            let queue = vb2_queue_init(&device.system(), least).unwrap();
            vdev.set_queue(&queue);
            drop(frames);
        })
    });
    let file = nonblock(&rig);
    assert_eq!(reqbufs(&file, 1), Ok(3), "one more than it needs");
    let queue = rig.camera().vdev.queue().unwrap();
    stream(&file, true).unwrap();
    qbuf(&file, 0).unwrap();
    assert!(!queue.info().start_streaming_called);
    qbuf(&file, 1).unwrap();
    assert!(queue.info().start_streaming_called);
    assert_eq!(queue.info().owned_by_driver, 2);
}

/// A driver that keeps what it gets.
struct Counting;

impl Vb2Ops for Counting {
    fn queue_setup(&self, _: &Vb2Queue, _: &mut u32, size: &mut u32) -> Result {
        *size = 4096;
        Ok(())
    }

    fn buf_queue(&self, _: &Vb2Buffer) {}

    fn stop_streaming(&self, queue: &Vb2Queue) {
        for buffer in queue.buffers() {
            if buffer.state() == Vb2State::Active {
                vb2_buffer_done(&buffer, Vb2State::Error);
            }
        }
    }
}

#[test]
fn a_stop_that_keeps_buffers_is_told_and_they_are_taken() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    start(&file, 2);
    let frames = rig.camera().frames;
    frames.keep_at_stop.store(true, Ordering::Relaxed);
    stream(&file, false).unwrap();
    let splats = rig.splats();
    assert_eq!(splats[0], "stop_streaming left 2 buffers with the driver");
    assert_eq!(splats.len(), 3);
    assert_eq!(rig.camera().queue.info().owned_by_driver, 0);
    // The driver gives one back late: it is not its own any more.
    let late = frames.active.lock().pop_front().unwrap();
    vb2_buffer_done(&late, Vb2State::Done);
    assert_eq!(
        rig.splats()[3],
        "vb2_buffer_done: buffer 0 is DEQUEUED, not the driver's"
    );
    reqbufs(&file, 0).unwrap();
    late.write(0, &[1]).unwrap();
    assert_eq!(rig.splats()[4], "buffer 0 is written to after it was freed");
    vb2_buffer_done(&late, Vb2State::Preparing);
    assert_eq!(rig.splats().len(), 6);
}

#[test]
fn a_queue_is_made_only_of_what_can_be() {
    let rig = Rig::silent();
    let good = || Vb2QueueSpec {
        ops: Some(Arc::new(Counting)),
        ..Vb2QueueSpec::default()
    };
    assert!(vb2_queue_init(&rig.system, good()).is_ok());
    for (spec, splats) in [
        (Vb2QueueSpec::default(), 1),
        (Vb2QueueSpec { type_: 0, ..good() }, 1),
        (
            Vb2QueueSpec {
                io_modes: IoModes::default(),
                ..good()
            },
            1,
        ),
        (
            Vb2QueueSpec {
                timestamp_flags: 1,
                ..good()
            },
            1,
        ),
        (
            Vb2QueueSpec {
                max_num_buffers: 4,
                ..good()
            },
            1,
        ),
        (
            Vb2QueueSpec {
                min_queued_buffers: 33,
                ..good()
            },
            1,
        ),
        (
            Vb2QueueSpec {
                min_reqbufs_allocation: 33,
                ..good()
            },
            1,
        ),
        (
            Vb2QueueSpec {
                type_: V4L2_BUF_TYPE_VIDEO_OUTPUT,
                ..good()
            },
            0,
        ),
    ] {
        let before = rig.splats().len();
        let made = vb2_queue_init(&rig.system, spec.clone());
        assert_eq!(made.err(), Some(Errno::EINVAL), "{spec:?}");
        assert_eq!(rig.splats().len() - before, splats, "{spec:?}");
    }
}

#[test]
fn frames_are_read_in_pieces_and_a_piece_that_was_not_taken_is_read_again() {
    let rig = Rig::running();
    let file = rig.file();
    assert_eq!(file.read(&mut [0; 3000]), Ok(3000));
    let mut program = Process::new();
    let at = program.map(vec![0; 3000]);
    for last in [false, true] {
        let mut call = file.begin_read(at, 3000);
        match call.attempt(&mut program) {
            Attempt::Ready(reply) if last => assert_eq!(reply.commit(), 1096),
            Attempt::Ready(reply) => {
                assert_eq!(reply.value(), 1096);
                reply.roll_back();
            }
            other => panic!("{other:?}"),
        }
    }
    let mut number = [0; 4];
    assert_eq!(file.read(&mut number), Ok(4));
    assert_eq!(u32::from_le_bytes(number), 1, "the next frame");
    for busy in [
        qbuf(&file, 0).map(drop),
        dqbuf(&file).map(drop),
        reqbufs(&file, 2).map(drop),
    ] {
        assert_eq!(busy, Err(Errno::EBUSY), "read() is using it");
    }
    assert_eq!(
        file.mmap(MapRequest::shared(0, 4096)).err(),
        Some(Errno::EBUSY)
    );
    // A fault keeps the bytes.
    let mut call = file.begin_read(8, 100);
    match call.attempt(&mut program) {
        Attempt::Done(result) => assert_eq!(result, Err(Errno::EFAULT)),
        other => panic!("{other:?}"),
    }
    assert_eq!(file.read(&mut [0; 5000]), Ok(FRAME - 4));
    drop((call, file));
    assert_eq!(rig.camera().queue.info(), QueueInfo::default());
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn a_second_reader_waits_for_the_first_ones_reply() {
    let rig = Rig::running();
    let file = rig.file();
    let mut program = Process::new();
    let at = program.map(vec![0; 8192]);
    let mut first = file.begin_read(at, 1000);
    let mut second = file.begin_read(at, 1000);
    assert!(matches!(first.attempt(&mut program), Attempt::Wait(_)));
    assert!(matches!(
        second.attempt(&mut program),
        Attempt::Done(Err(Errno::EBUSY))
    ));
    rig.clock.advance(Duration::from_millis(200));
    let Attempt::Ready(reply) = first.attempt(&mut program) else {
        panic!("there is a frame");
    };
    let mut third = file.begin_read(at, 9000);
    assert!(matches!(third.attempt(&mut program), Attempt::Wait(_)));
    assert_eq!(reply.commit(), 1000);
    match third.attempt(&mut program) {
        Attempt::Ready(reply) => assert_eq!(reply.commit(), 3096),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frame_that_was_not_taken_is_given_again() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    start(&file, 3);
    let frames = rig.camera().frames;
    frames.produce();
    frames.produce();
    let mut program = Process::new();
    let arg = program.map(buffer(0).as_bytes().to_vec());
    let mut call = file.begin_ioctl(VIDIOC_DQBUF, arg);
    for taken in [false, false, true] {
        match call.attempt(&mut program) {
            Attempt::Ready(reply) if taken => drop(reply.commit()),
            Attempt::Ready(reply) => {
                // Nobody sees that it is on its way.
                let queued = PollMask::IN;
                assert_eq!(file.poll(queued, Some(Duration::ZERO)), queued);
                assert_eq!(rig.camera().queue.info().done, 2);
                reply.roll_back();
            }
            other => panic!("{other:?}"),
        }
        let found = V4l2Buffer::read_from_bytes(program.bytes(arg)).unwrap();
        assert_eq!((found.index, found.sequence), (0, 0));
    }
    assert_eq!(dqbuf(&file).unwrap().index, 1);
    assert_eq!(frames.finished.load(Ordering::Relaxed), 2, "once for each");
}

#[test]
fn a_reply_that_a_streamoff_overtakes_leaves_the_buffer_with_the_program() {
    let rig = Rig::silent();
    let file = nonblock(&rig);
    start(&file, 2);
    rig.camera().frames.produce();
    let mut program = Process::new();
    let arg = program.map(buffer(0).as_bytes().to_vec());
    let mut call = file.begin_ioctl(VIDIOC_DQBUF, arg);
    let Attempt::Ready(reply) = call.attempt(&mut program) else {
        panic!("there is a frame");
    };
    stream(&file, false).unwrap();
    qbuf(&file, 0).unwrap();
    qbuf(&file, 1).unwrap();
    reply.commit();
    let info = rig.camera().queue.info();
    assert_eq!((info.queued, info.done), (2, 0), "the commit took nothing");
    assert_eq!(qbuf(&file, 0).err(), Some(Errno::EINVAL));
}

/// A driver that panics in one callback.
struct Panics(&'static str);

impl Vb2Ops for Panics {
    fn queue_setup(&self, _: &Vb2Queue, _: &mut u32, size: &mut u32) -> Result {
        assert_ne!(self.0, "queue_setup");
        *size = 4096;
        Ok(())
    }

    fn buf_init(&self, _: &Vb2Buffer) -> Result {
        assert_ne!(self.0, "buf_init");
        Ok(())
    }

    fn buf_prepare(&self, _: &Vb2Buffer) -> Result {
        assert_ne!(self.0, "buf_prepare");
        Ok(())
    }

    fn buf_finish(&self, _: &Vb2Buffer) {
        assert_ne!(self.0, "buf_finish");
    }

    fn buf_cleanup(&self, _: &Vb2Buffer) {
        assert_ne!(self.0, "buf_cleanup");
    }

    fn buf_queue(&self, _: &Vb2Buffer) {
        assert_ne!(self.0, "buf_queue");
    }

    fn start_streaming(&self, _: &Vb2Queue, _: u32) -> Result {
        assert_ne!(self.0, "start_streaming");
        Ok(())
    }

    fn stop_streaming(&self, queue: &Vb2Queue) {
        assert_ne!(self.0, "stop_streaming");
        Counting.stop_streaming(queue);
    }
}

#[test]
fn a_driver_that_panics_in_any_callback_is_told_and_the_device_still_goes() {
    for callback in [
        "queue_setup",
        "buf_init",
        "buf_prepare",
        "buf_finish",
        "buf_cleanup",
        "buf_queue",
        "start_streaming",
        "stop_streaming",
    ] {
        let rig = Rig::new(move |device| {
            Camera::probe_with(device, None, |vdev| {
                let spec = Vb2QueueSpec {
                    ops: Some(Arc::new(Panics(callback))),
                    lock: vdev.lock(),
                    ..Vb2QueueSpec::default()
                };
                vdev.set_queue(&vb2_queue_init(&device.system(), spec).unwrap());
            })
        });
        let file = nonblock(&rig);
        let _ = reqbufs(&file, 2);
        let _ = qbuf(&file, 0);
        let _ = stream(&file, true);
        rig.remove(Removal::Unbind);
        drop(file);
        let panicked = format!("{callback} panicked");
        assert!(
            rig.splats()
                .iter()
                .any(|splat| splat.starts_with(&panicked)),
            "{callback}: {:?}",
            rig.splats()
        );
        assert!(rig.camera().vdev.dev().unwrap().is_released(), "{callback}");
        assert_eq!(rig.finish(), [""; 0], "{callback}");
    }
}

#[test]
fn offsets_for_mmap_never_overlap_and_are_not_given_again_soon() {
    let rig = Rig::silent();
    let file = rig.file();
    let mut seen = Vec::new();
    for _ in 0..20 {
        for index in 0..reqbufs(&file, 4).unwrap() as u32 {
            let buffer = querybuf(&file, index).unwrap();
            let range = buffer.offset..buffer.offset + u64::from(buffer.length);
            assert!(
                seen.iter().all(|other: &core::ops::Range<u64>| {
                    range.end <= other.start || other.end <= range.start
                }),
                "{range:?} in {seen:?}"
            );
            seen.push(range);
        }
    }
}
