//! The ioctls of a queue: the functions a driver puts into its `ioctl_ops`.
//!
//! Follows `drivers/media/common/videobuf2/videobuf2-v4l2.c`.

use lastfd_abi::v4l2::*;
use lastfd_chrdev::Try;
use lastfd_model::{Errno, Result};

use super::buffer::{Vb2Buffer, Vb2State};
use super::dequeue::{Dequeuing, Step, take};
use super::export::core_expbuf;
use super::queue::Vb2Queue;
use super::request::{core_create_bufs, core_remove_bufs, core_reqbufs, verify_memory_type};
use super::stream::{buf_prepare, core_qbuf, core_streamoff, core_streamon};
use crate::raw::ioctl::IoctlCall;

/// `EBADR`.
const EBADR: i32 = 53;

/// Flags that are ours to set (`V4L2_BUFFER_MASK_FLAGS`).
const OUR_FLAGS: u32 = V4L2_BUF_FLAG_MAPPED
    | V4L2_BUF_FLAG_QUEUED
    | V4L2_BUF_FLAG_DONE
    | V4L2_BUF_FLAG_ERROR
    | V4L2_BUF_FLAG_PREPARED
    | V4L2_BUF_FLAG_IN_REQUEST
    | V4L2_BUF_FLAG_REQUEST_FD
    | V4L2_BUF_FLAG_TIMESTAMP_MASK;
/// Flags that only say something of output (`V4L2_BUFFER_OUT_FLAGS`).
const OUT_FLAGS: u32 = V4L2_BUF_FLAG_KEYFRAME
    | V4L2_BUF_FLAG_PFRAME
    | V4L2_BUF_FLAG_BFRAME
    | V4L2_BUF_FLAG_TIMECODE
    // V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF.
    | 0x200;

/// The device's queue; a driver without one has no such functions in a kernel.
fn queue_of(call: &IoctlCall<'_, '_>) -> Result<Vb2Queue> {
    call.vdev().queue().ok_or(Errno::ENOTTY)
}

/// The device's queue, if no other file owns it.
fn own_queue_of(call: &IoctlCall<'_, '_>) -> Result<Vb2Queue> {
    let queue = queue_of(call)?;
    match queue.is_owned_by_other(call.fh()) {
        true => Err(Errno::EBUSY),
        false => Ok(queue),
    }
}

// videobuf2-v4l2.c: vb2_set_flags_and_caps
fn caps() -> u32 {
    V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS | V4L2_BUF_CAP_SUPPORTS_MMAP
}

/// `vb2_ioctl_reqbufs`.
///
/// # Errors
/// `EINVAL` for another kind or another memory; `EBUSY` while another file owns
/// the queue, it streams, or read() is using it; `ENOMEM`; and what the driver
/// answers.
pub fn vb2_ioctl_reqbufs(call: &mut IoctlCall<'_, '_>, request: &mut V4l2Requestbuffers) -> Result {
    let queue = queue_of(call)?;
    let verified = verify_memory_type(&queue, request.memory, request.type_);
    request.capabilities |= caps();
    request.flags = 0;
    verified?;
    let queue = own_queue_of(call)?;
    core_reqbufs(&queue, request.memory, &mut request.count)?;
    let owner = match request.count {
        0 => None,
        _ => call.fh().cloned(),
    };
    queue.set_owner(owner);
    Ok(())
}

/// `vb2_ioctl_create_bufs`.
///
/// # Errors
/// As [`vb2_ioctl_reqbufs`]; `ENOBUFS` if there are as many as there can be.
pub fn vb2_ioctl_create_bufs(
    call: &mut IoctlCall<'_, '_>,
    create: &mut V4l2CreateBuffers,
) -> Result {
    let queue = queue_of(call)?;
    let verified = verify_memory_type(&queue, create.memory, create.format.type_);
    create.index = queue.info().buffers as u32;
    create.capabilities |= caps() | V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS;
    create.flags = 0;
    create.max_num_buffers = queue.spec().max_num_buffers;
    if create.count == 0 {
        return match verified {
            Err(Errno::EBUSY) => Ok(()),
            other => other,
        };
    }
    verified?;
    let queue = own_queue_of(call)?;
    let size = create.format.pix().sizeimage;
    if size == 0 {
        return Err(Errno::EINVAL);
    }
    create.index = core_create_bufs(&queue, create.memory, &mut create.count, size)?;
    queue.set_owner(call.fh().cloned());
    Ok(())
}

/// `vb2_ioctl_remove_bufs`.
///
/// # Errors
/// `EINVAL` for another kind or buffers that there are not, `EBUSY` for buffers
/// that are queued or while the queue is not the caller's.
pub fn vb2_ioctl_remove_bufs(
    call: &mut IoctlCall<'_, '_>,
    remove: &mut V4l2RemoveBuffers,
) -> Result {
    let queue = queue_of(call)?;
    if queue.spec().type_ != remove.type_ {
        return Err(Errno::EINVAL);
    }
    if remove.count == 0 {
        return Ok(());
    }
    let queue = own_queue_of(call)?;
    if queue.fileio_is_active() {
        return Err(Errno::EBUSY);
    }
    core_remove_bufs(&queue, remove.index, remove.count)
}

/// `vb2_ioctl_querybuf`: whoever owns the queue, anyone may ask.
///
/// # Errors
/// `EINVAL` for a buffer that there is not.
pub fn vb2_ioctl_querybuf(call: &mut IoctlCall<'_, '_>, arg: &mut V4l2Buffer) -> Result {
    let queue = queue_of(call)?;
    if arg.type_ != queue.spec().type_ {
        return Err(Errno::EINVAL);
    }
    let buffer = queue.buffer(arg.index).ok_or(Errno::EINVAL)?;
    fill(&queue, &buffer, arg);
    Ok(())
}

/// `vb2_ioctl_prepare_buf`.
///
/// # Errors
/// As [`vb2_ioctl_qbuf`].
pub fn vb2_ioctl_prepare_buf(call: &mut IoctlCall<'_, '_>, arg: &mut V4l2Buffer) -> Result {
    let queue = own_queue_of(call)?;
    let buffer = accepted(&queue, arg, true)?;
    // vb2_core_prepare_buf.
    {
        let fields = buffer.fields();
        if fields.state != Vb2State::Dequeued || fields.prepared {
            return Err(Errno::EINVAL);
        }
    }
    buf_prepare(&queue, &buffer)?;
    fill(&queue, &buffer, arg);
    Ok(())
}

/// `vb2_ioctl_qbuf`.
///
/// # Errors
/// `EBUSY` while another file owns the queue or read() is using it; `EINVAL`
/// for a buffer that there is not, that is queued already, or of another kind
/// or memory; `EIO` after [`vb2_queue_error`](super::vb2_queue_error); and what
/// the driver answers.
pub fn vb2_ioctl_qbuf(call: &mut IoctlCall<'_, '_>, arg: &mut V4l2Buffer) -> Result {
    let queue = own_queue_of(call)?;
    let buffer = accepted(&queue, arg, false)?;
    core_qbuf(&queue, &buffer)?;
    fill(&queue, &buffer, arg);
    Ok(())
}

// videobuf2-v4l2.c: vb2_qbuf, vb2_prepare_buf and vb2_queue_or_prepare_buf
fn accepted(queue: &Vb2Queue, arg: &mut V4l2Buffer, is_prepare: bool) -> Result<Vb2Buffer> {
    if queue.fileio_is_active() {
        return Err(Errno::EBUSY);
    }
    let of_request = arg.flags & V4L2_BUF_FLAG_REQUEST_FD != 0;
    if is_prepare && of_request {
        return Err(Errno::EINVAL);
    }
    let buffer = queue.buffer(arg.index).ok_or(Errno::EINVAL)?;
    if arg.type_ != queue.spec().type_ || arg.memory != queue.state().memory {
        return Err(Errno::EINVAL);
    }
    if of_request && buffer.state() != Vb2State::Dequeued {
        return Err(Errno::EINVAL);
    }
    let mut fields = buffer.fields();
    // A buffer whose dequeueing was rolled back is finished and still done: in
    // a kernel it would still be prepared.
    if !fields.prepared && fields.state == Vb2State::Dequeued {
        arg.flags &= !(V4L2_BUF_FLAG_NO_CACHE_INVALIDATE | V4L2_BUF_FLAG_NO_CACHE_CLEAN);
        fields.sequence = 0;
        fields.flags = arg.flags
            & !(OUR_FLAGS | OUT_FLAGS | V4L2_BUF_FLAG_LAST | V4L2_BUF_FLAG_TSTAMP_SRC_MASK);
    }
    drop(fields);
    match of_request {
        true => Err(Errno::from_code(EBADR)),
        false => Ok(buffer),
    }
}

/// `vb2_ioctl_dqbuf`. An attempt: what is not committed stays queued.
///
/// # Errors
/// `EBUSY` while another file owns the queue, read() is using it, or another
/// call waits; `EINVAL` if it does not stream, which is also what a call gets
/// that slept when the queue was released; `EIO` in the error state; `EPIPE`
/// after the last buffer; `EAGAIN` if the call must not sleep.
pub fn vb2_ioctl_dqbuf(call: &mut IoctlCall<'_, '_>, arg: &mut V4l2Buffer) -> Try<()> {
    let queue = if call.is_first() {
        own_queue_of(call).and_then(|queue| {
            if queue.fileio_is_active() {
                return Err(Errno::EBUSY);
            }
            match arg.type_ == queue.spec().type_ {
                true => Ok(queue),
                false => Err(Errno::EINVAL),
            }
        })
    } else {
        queue_of(call)
    };
    let queue = match queue {
        Ok(queue) => queue,
        Err(errno) => return Try::err(errno),
    };
    let kept = call.left.take().and_then(|left| left.downcast().ok());
    let dequeuing = match kept {
        Some(kept) => *kept,
        None => Dequeuing::new(&queue),
    };
    match take(&dequeuing, call.nonblock()) {
        Step::Over(errno) => Try::err(errno),
        Step::Wait => {
            *call.left = Some(Box::new(dequeuing));
            Try::wait(queue.done_wq())
        }
        Step::Taken(taken) => {
            fill(&queue, taken.buffer(), arg);
            arg.flags &= !V4L2_BUF_FLAG_DONE;
            Try::ready((), move || taken.commit())
        }
    }
}

/// `vb2_ioctl_streamon`.
///
/// # Errors
/// `EBUSY` while another file owns the queue or read() is using it; `EINVAL` for
/// another kind, without buffers, or with too few; and what the driver answers.
pub fn vb2_ioctl_streamon(call: &mut IoctlCall<'_, '_>, type_: &mut u32) -> Result {
    let queue = own_queue_of(call)?;
    match queue.fileio_is_active() {
        true => Err(Errno::EBUSY),
        false => core_streamon(&queue, *type_),
    }
}

/// `vb2_ioctl_streamoff`.
///
/// # Errors
/// `EBUSY` while another file owns the queue or read() is using it; `EINVAL` for
/// another kind.
pub fn vb2_ioctl_streamoff(call: &mut IoctlCall<'_, '_>, type_: &mut u32) -> Result {
    let queue = own_queue_of(call)?;
    match queue.fileio_is_active() {
        true => Err(Errno::EBUSY),
        false => core_streamoff(&queue, *type_),
    }
}

/// `vb2_ioctl_expbuf`.
///
/// # Errors
/// `EBUSY` while another file owns the queue or read() is using it; `EINVAL` for
/// a buffer that there is not or flags that cannot be; `EMFILE`.
pub fn vb2_ioctl_expbuf(call: &mut IoctlCall<'_, '_>, export: &mut V4l2Exportbuffer) -> Result {
    let queue = own_queue_of(call)?;
    let buffer = queue.buffer(export.index).ok_or(Errno::EINVAL)?;
    core_expbuf(&queue, call, &buffer, export)
}

/// What a program is told of a buffer.
// videobuf2-v4l2.c: __fill_v4l2_buffer
fn fill(queue: &Vb2Queue, buffer: &Vb2Buffer, arg: &mut V4l2Buffer) {
    let memory = queue.state().memory;
    let times = queue.spec().timestamp_flags;
    let fields = *buffer.fields();
    arg.index = buffer.index();
    arg.type_ = queue.spec().type_;
    arg.memory = memory;
    arg.bytesused = fields.bytesused;
    arg.field = fields.field;
    arg.tv_sec = (fields.timestamp / 1_000_000_000) as i64;
    arg.tv_usec = (fields.timestamp % 1_000_000_000 / 1_000) as i64;
    arg.timecode = fields.timecode;
    arg.sequence = fields.sequence;
    arg.reserved2 = 0;
    arg.request_fd = 0;
    arg.length = buffer.size();
    // The union's other half stays as it was.
    arg.offset = arg.offset & !u64::from(u32::MAX) | buffer.offset();
    arg.flags = fields.flags & !(OUR_FLAGS | V4L2_BUF_FLAG_TSTAMP_SRC_MASK);
    arg.flags |= times & (V4L2_BUF_FLAG_TIMESTAMP_MASK | V4L2_BUF_FLAG_TSTAMP_SRC_MASK);
    arg.flags |= match fields.state {
        Vb2State::Queued | Vb2State::Active => V4L2_BUF_FLAG_QUEUED,
        Vb2State::Error => V4L2_BUF_FLAG_ERROR | V4L2_BUF_FLAG_DONE,
        Vb2State::Done => V4L2_BUF_FLAG_DONE,
        Vb2State::Dequeued if fields.prepared => V4L2_BUF_FLAG_PREPARED,
        Vb2State::Dequeued | Vb2State::Preparing => 0,
    };
    if buffer.in_use() {
        arg.flags |= V4L2_BUF_FLAG_MAPPED;
    }
}
