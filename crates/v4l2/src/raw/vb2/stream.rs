//! Queueing, starting, stopping, and what a driver gives back.

use lastfd_model::{Errno, Result};

use super::buffer::{Vb2Buffer, Vb2State};
use super::fileio::cleanup_fileio;
use super::queue::Vb2Queue;
use super::request::queue_free;
use crate::event::V4l2EventKind;

// videobuf2-core.c: __enqueue_in_driver
fn enqueue_in_driver(queue: &Vb2Queue, buffer: &Vb2Buffer) {
    buffer.fields().state = Vb2State::Active;
    queue.state().owned_by_drv += 1;
    let index = buffer.index();
    queue.emit(|| V4l2EventKind::BufferToDriver { index });
    queue.driver("buf_queue", (), |ops| ops.buf_queue(buffer));
}

// videobuf2-core.c: __buf_prepare
pub(super) fn buf_prepare(queue: &Vb2Queue, buffer: &Vb2Buffer) -> Result {
    if queue.state().error {
        return Err(Errno::EIO);
    }
    let before = {
        let mut fields = buffer.fields();
        if fields.prepared {
            return Ok(());
        }
        // __fill_vb2_buffer.
        fields.timestamp = 0;
        fields.bytesused = 0;
        core::mem::replace(&mut fields.state, Vb2State::Preparing)
    };
    // __prepare_mmap.
    let prepared = queue.driver("buf_prepare", Err(Errno::EIO), |ops| {
        ops.buf_prepare(buffer)
    });
    let mut fields = buffer.fields();
    fields.state = before;
    fields.prepared |= prepared.is_ok();
    prepared
}

// videobuf2-core.c: vb2_core_qbuf
pub(super) fn core_qbuf(queue: &Vb2Queue, buffer: &Vb2Buffer) -> Result {
    if queue.state().error {
        return Err(Errno::EIO);
    }
    if buffer.state() != Vb2State::Dequeued {
        return Err(Errno::EINVAL);
    }
    buf_prepare(queue, buffer)?;
    let started = {
        let mut state = queue.state();
        state.queued.push(buffer.clone());
        state.queued_count += 1;
        state.waiting_for_buffers = false;
        buffer.fields().state = Vb2State::Queued;
        state.start_streaming_called
    };
    if started {
        enqueue_in_driver(queue, buffer);
    }
    let start = {
        let state = queue.state();
        state.streaming
            && !state.start_streaming_called
            && state.queued_count >= queue.spec().min_queued_buffers
    };
    if start && let Err(errno) = start_streaming(queue) {
        // It was not queued, the error says.
        let mut state = queue.state();
        state.queued.retain(|queued| queued != buffer);
        state.queued_count = state.queued_count.saturating_sub(1);
        buffer.fields().state = Vb2State::Dequeued;
        return Err(errno);
    }
    Ok(())
}

// videobuf2-core.c: vb2_start_streaming
fn start_streaming(queue: &Vb2Queue) -> Result {
    let queued = queue.state().queued.clone();
    for buffer in &queued {
        enqueue_in_driver(queue, buffer);
    }
    let buffers = {
        let mut state = queue.state();
        state.start_streaming_called = true;
        state.owned_by_drv
    };
    queue.emit(|| V4l2EventKind::StreamStarted { buffers });
    let started = queue.driver("start_streaming", Err(Errno::EIO), |ops| {
        ops.start_streaming(queue, buffers)
    });
    if started.is_ok() {
        return Ok(());
    }
    queue.state().start_streaming_called = false;
    let left = queue.state().owned_by_drv;
    if left != 0 {
        queue.warn(format!(
            "start_streaming failed and kept {left} buffers: they must be given back as QUEUED"
        ));
        for buffer in queue.buffers() {
            if buffer.state() == Vb2State::Active {
                vb2_buffer_done(&buffer, Vb2State::Queued);
            }
        }
    }
    if !queue.state().done.is_empty() {
        queue.warn("start_streaming failed and gave buffers back as DONE or ERROR, not QUEUED");
    }
    started
}

// videobuf2-core.c: vb2_core_streamon
pub(super) fn core_streamon(queue: &Vb2Queue, type_: u32) -> Result {
    if type_ != queue.spec().type_ {
        return Err(Errno::EINVAL);
    }
    let start = {
        let state = queue.state();
        if state.streaming {
            return Ok(());
        }
        let least = queue.spec().min_queued_buffers;
        if state.bufs.is_empty() || (state.bufs.len() as u32) < least {
            return Err(Errno::EINVAL);
        }
        state.queued_count >= least
    };
    if start {
        start_streaming(queue)?;
    }
    queue.state().streaming = true;
    Ok(())
}

// videobuf2-core.c: vb2_core_streamoff
pub(super) fn core_streamoff(queue: &Vb2Queue, type_: u32) -> Result {
    if type_ != queue.spec().type_ {
        return Err(Errno::EINVAL);
    }
    // Also if it is not streaming: buffers that are queued come back.
    queue_cancel(queue);
    let mut state = queue.state();
    state.waiting_for_buffers = true;
    state.last_buffer_dequeued = false;
    Ok(())
}

/// Stops streaming; every buffer is the program's again, and who waits is
/// woken.
// videobuf2-core.c: __vb2_queue_cancel
pub(super) fn queue_cancel(queue: &Vb2Queue) {
    if queue.state().start_streaming_called {
        queue.emit(|| V4l2EventKind::StreamStopped);
        queue.driver("stop_streaming", (), |ops| ops.stop_streaming(queue));
    }
    let left = queue.state().owned_by_drv;
    if left != 0 {
        queue.warn(format!(
            "stop_streaming left {left} buffers with the driver"
        ));
        for buffer in queue.buffers() {
            if buffer.state() == Vb2State::Active {
                queue.warn(format!(
                    "driver bug: stop_streaming operation is leaving buffer {} in active state",
                    buffer.index()
                ));
                vb2_buffer_done(&buffer, Vb2State::Error);
            }
        }
    }
    let (buffers, gone, was_in_use) = {
        let mut state = queue.state();
        let was_in_use = state.streaming || state.queued_count != 0;
        state.era += 1;
        state.streaming = false;
        state.start_streaming_called = false;
        state.queued_count = 0;
        state.error = false;
        state.owned_by_drv = 0;
        let queued = core::mem::take(&mut state.queued);
        let done = core::mem::take(&mut state.done);
        let buffers: Vec<Vb2Buffer> = state.bufs.values().cloned().collect();
        (buffers, (queued, done), was_in_use)
    };
    drop(gone);
    if was_in_use {
        queue.emit(|| V4l2EventKind::QueueCancelled);
    }
    queue.done_wq().wake_all();
    for buffer in &buffers {
        finish(queue, buffer);
        buffer.fields().state = Vb2State::Dequeued;
    }
}

/// Calls buf_finish, once for each preparation.
pub(super) fn finish(queue: &Vb2Queue, buffer: &Vb2Buffer) {
    let prepared = buffer.fields().prepared;
    if prepared {
        queue.driver("buf_finish", (), |ops| ops.buf_finish(buffer));
        buffer.fields().prepared = false;
    }
}

/// The driver gives a buffer back (`vb2_buffer_done`): `Done`, `Error`, or
/// `Queued` from a start that fails. A buffer that is not the driver's is a
/// splat.
#[track_caller]
pub fn vb2_buffer_done(buffer: &Vb2Buffer, state: Vb2State) {
    let Some(queue) = buffer.queue() else {
        return;
    };
    let index = buffer.index();
    let is = buffer.state();
    if is != Vb2State::Active {
        queue.warn(format!(
            "vb2_buffer_done: buffer {index} is {}, not the driver's",
            is.name()
        ));
        return;
    }
    let state = match state {
        Vb2State::Done | Vb2State::Error | Vb2State::Queued => state,
        other => {
            queue.warn(format!("vb2_buffer_done: to {}", other.name()));
            Vb2State::Error
        }
    };
    {
        let mut queue_state = queue.state();
        buffer.fields().state = state;
        if state != Vb2State::Queued {
            queue_state.done.push_back(buffer.clone());
        }
        queue_state.owned_by_drv = queue_state.owned_by_drv.saturating_sub(1);
    }
    queue.emit(|| V4l2EventKind::BufferDone {
        index,
        state: state.name(),
    });
    if state != Vb2State::Queued {
        queue.done_wq().wake_all();
    }
}

/// The device cannot go on (`vb2_queue_error`): until the queue is cancelled,
/// who waits or queues gets `EIO`.
#[track_caller]
pub fn vb2_queue_error(queue: &Vb2Queue) {
    queue.state().error = true;
    queue.emit(|| V4l2EventKind::QueueError);
    queue.done_wq().wake_all();
}

/// Stops everything and frees the buffers (`vb2_core_queue_release`).
#[track_caller]
pub fn vb2_core_queue_release(queue: &Vb2Queue) {
    cleanup_fileio(queue);
    queue_cancel(queue);
    queue_free(queue, |_| true);
}

/// As [`vb2_core_queue_release`], under the name drivers use.
#[track_caller]
pub fn vb2_queue_release(queue: &Vb2Queue) {
    vb2_core_queue_release(queue);
}
