//! The file operations of a device with a queue, and its end.
//!
//! Follows the `vb2_fop_*` functions of
//! `drivers/media/common/videobuf2/videobuf2-v4l2.c`, and `vb2_core_poll` and
//! `vb2_mmap` of `videobuf2-core.c`.

use lastfd_abi::v4l2::V4L2_MEMORY_MMAP;
use lastfd_chrdev::{File, MapRequest, Mapped, PollMask, PollTable, Read, Try};
use lastfd_model::raw::{get_device_for, put_device_for};
use lastfd_model::{Errno, Result};

use super::buffer::Vb2State;
use super::export::add_user;
use super::fileio::{init_fileio, perform};
use super::queue::{IoModes, OFFSET_END, Vb2Queue};
use super::stream::vb2_queue_release;
use crate::raw::events::v4l2_event_pending;
use crate::raw::fh::{v4l2_fh_of, v4l2_fh_release};
use crate::raw::lock::lock_if;
use crate::raw::register::{video_is_registered, video_unregister_device};
use crate::raw::video_device::{VideoDevice, video_devdata};
use crate::raw::warn::warn;

/// For whom the device is held while its queue is released.
const HOLDER: &str = "vb2_video_unregister_device";

/// read() for a device with a queue (`vb2_fop_read`). An attempt: bytes that
/// are not committed are read again.
///
/// # Errors
/// `EINVAL` if the queue is not for reading; `EBUSY` while another file owns it,
/// buffers were asked for, or another call waits; otherwise as DQBUF.
pub fn vb2_fop_read(file: &File, call: &mut Read<'_>) -> Try<usize> {
    let found = video_devdata(file).and_then(|vdev| vdev.queue().map(|queue| (vdev, queue)));
    let Some((vdev, queue)) = found else {
        return Try::err(Errno::EINVAL);
    };
    if !queue.spec().io_modes.contains(IoModes::READ) {
        return Try::err(Errno::EINVAL);
    }
    let lock = queue.lock_with(&vdev);
    let _serialized = lock_if(&lock, queue.system());
    if call.is_first() {
        let fh = v4l2_fh_of(file);
        if queue.is_owned_by_other(fh.as_ref()) {
            return Try::err(Errno::EBUSY);
        }
        queue.set_owner(fh);
    }
    let outcome = perform(&queue, &lock, call);
    if !matches!(outcome, Try::Wait(_)) && !queue.fileio_is_active() {
        queue.set_owner(None);
    }
    outcome
}

/// poll() for a device with a queue (`vb2_fop_poll`): `IN` for a filled buffer,
/// `ERR` where there is nothing to wait for, `PRI` for an event. Asked for
/// `IN`, it starts read() if no buffers were asked for yet.
pub fn vb2_fop_poll(file: &File, table: &mut PollTable) -> PollMask {
    let found = video_devdata(file).and_then(|vdev| vdev.queue().map(|queue| (vdev, queue)));
    let Some((vdev, queue)) = found else {
        return PollMask::ERR;
    };
    let lock = queue.lock_with(&vdev);
    if lock.is_none() {
        let text = "vb2_fop_poll without a lock";
        warn(queue.system(), vdev.device_ref(), text);
    }
    let _serialized = lock_if(&lock, queue.system());
    let fh = v4l2_fh_of(file);
    let read_before = queue.fileio_is_active();
    let mut mask = core_poll(&queue, table);
    // vb2_poll.
    if let Some(fh) = &fh {
        table.wait(fh.wait());
        if v4l2_event_pending(fh) != 0 {
            mask |= PollMask::PRI;
        }
    }
    if !read_before && queue.fileio_is_active() {
        queue.set_owner(fh);
    }
    mask
}

// videobuf2-core.c: vb2_core_poll
fn core_poll(queue: &Vb2Queue, table: &mut PollTable) -> PollMask {
    let readable = PollMask::IN | PollMask::RDNORM;
    table.wait(queue.done_wq());
    if !table.requested().intersects(readable) {
        return PollMask::NONE;
    }
    let unused = !queue.is_busy() && !queue.fileio_is_active();
    if unused && queue.spec().io_modes.contains(IoModes::READ) && init_fileio(queue).is_err() {
        return PollMask::ERR;
    }
    let state = queue.state();
    if !state.streaming || state.error || state.waiting_for_buffers {
        return PollMask::ERR;
    }
    match state.done.front().map(|buffer| buffer.state()) {
        Some(Vb2State::Done | Vb2State::Error) => readable,
        Some(_) => PollMask::NONE,
        None if state.last_buffer_dequeued => readable,
        None => PollMask::NONE,
    }
}

/// mmap() for a device with a queue (`vb2_fop_mmap`).
///
/// # Errors
/// `EINVAL` for a private mapping, one that cannot be read, an offset that is no
/// buffer's, or more than the buffer; `EBUSY` while read() is using the queue.
// videobuf2-core.c: vb2_mmap, __find_plane_by_offset
pub fn vb2_fop_mmap(file: &File, request: &MapRequest) -> Result<Mapped> {
    let vdev = video_devdata(file).ok_or(Errno::ENODEV)?;
    let queue = vdev.queue().ok_or(Errno::ENODEV)?;
    if !request.shared || !request.read {
        return Err(Errno::EINVAL);
    }
    if queue.state().memory != V4L2_MEMORY_MMAP {
        return Err(Errno::EINVAL);
    }
    if queue.fileio_is_active() {
        return Err(Errno::EBUSY);
    }
    // Higher bits are cut off before a buffer is looked for.
    let offset = request.offset & (OFFSET_END - 1);
    let buffer = {
        let state = queue.state();
        let mut buffers = state.bufs.values();
        buffers.find(|b| b.offset() == offset).cloned()
    };
    let buffer = buffer.ok_or(Errno::EINVAL)?;
    if (buffer.region().len() as u64) < request.len {
        return Err(Errno::EINVAL);
    }
    Ok(Mapped::new(buffer.region(), 0).on_close(add_user(&buffer)))
}

/// The last close of a file of a device with a queue (`vb2_fop_release`): if the
/// file owned the queue, or nobody did, everything stops and the buffers go.
pub fn vb2_fop_release(file: &File) {
    if let Some(vdev) = video_devdata(file)
        && let Some(queue) = vdev.queue()
    {
        let lock = queue.lock_with(&vdev);
        let _serialized = lock_if(&lock, queue.system());
        if !queue.is_owned_by_other(v4l2_fh_of(file).as_ref()) {
            vb2_queue_release(&queue);
            queue.set_owner(None);
        }
    }
    v4l2_fh_release(file);
}

/// Takes a device with a queue out (`vb2_video_unregister_device`): as
/// [`video_unregister_device`], then everything stops and the buffers go, so
/// that the driver's callbacks are not needed any more. A call that slept for a
/// buffer is woken and finds no stream: `EINVAL`.
#[track_caller]
pub fn vb2_video_unregister_device(vdev: &VideoDevice) {
    if !video_is_registered(vdev) {
        return;
    }
    let queue = vdev.queue();
    if queue.is_none() {
        let text = "vb2_video_unregister_device without a queue";
        warn(vdev.system(), vdev.device_ref(), text);
    }
    let dev = vdev.dev();
    if let Some(dev) = &dev {
        get_device_for(dev, HOLDER);
    }
    video_unregister_device(vdev);
    if let Some(queue) = &queue {
        let lock = queue.lock_with(vdev);
        let _serialized = lock_if(&lock, queue.system());
        vb2_queue_release(queue);
        queue.set_owner(None);
    }
    if let Some(dev) = &dev {
        put_device_for(dev, HOLDER);
    }
}
