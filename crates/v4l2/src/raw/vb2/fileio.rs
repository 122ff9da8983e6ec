//! read() on top of the queue: the driver fills buffers, read copies out of
//! them.
//!
//! Follows the file I/O emulator of
//! `drivers/media/common/videobuf2/videobuf2-core.c`.

use lastfd_abi::v4l2::V4L2_MEMORY_MMAP;
use lastfd_chrdev::{Read, Try};
use lastfd_model::{Errno, Result};

use super::buffer::Vb2Buffer;
use super::dequeue::{Dequeuing, Step, take};
use super::queue::Vb2Queue;
use super::request::core_reqbufs;
use super::stream::{core_qbuf, core_streamoff, core_streamon};
use crate::raw::lock::{VideoLock, lock_if};

/// `struct vb2_fileio_data`.
pub(super) struct FileIo {
    /// Which start of it this is.
    generation: u64,
    /// The buffer that is being read.
    current: Option<Current>,
    /// The call whose bytes are on their way.
    reading: Option<u64>,
    /// What became of a buffer that should have been queued again.
    failed: Option<Errno>,
}

/// `struct vb2_fileio_buf` of the buffer that is being read.
#[derive(Clone)]
struct Current {
    buffer: Vb2Buffer,
    pos: usize,
    size: usize,
}

// videobuf2-core.c: __vb2_init_fileio
pub(super) fn init_fileio(queue: &Vb2Queue) -> Result {
    {
        let state = queue.state();
        if state.streaming || !state.bufs.is_empty() {
            return Err(Errno::EBUSY);
        }
    }
    queue.system().allocation()?;
    let generation = queue.system().unique();
    queue.state().fileio = Some(FileIo {
        generation,
        current: None,
        reading: None,
        failed: None,
    });
    let started = start(queue);
    if started.is_err() {
        // As in the kernel, whatever comes of it.
        let _ = core_reqbufs(queue, V4L2_MEMORY_MMAP, &mut 0);
        let gone = queue.state().fileio.take();
        drop(gone);
    }
    started
}

fn start(queue: &Vb2Queue) -> Result {
    let mut count = queue.spec().min_reqbufs_allocation;
    core_reqbufs(queue, V4L2_MEMORY_MMAP, &mut count)?;
    for buffer in queue.buffers() {
        core_qbuf(queue, &buffer)?;
    }
    core_streamon(queue, queue.spec().type_)
}

// videobuf2-core.c: __vb2_cleanup_fileio
pub(super) fn cleanup_fileio(queue: &Vb2Queue) {
    if !queue.fileio_is_active() {
        return;
    }
    // Of its own kind: it cannot fail.
    let _ = core_streamoff(queue, queue.spec().type_);
    let gone = queue.state().fileio.take();
    drop(gone);
    let _ = core_reqbufs(queue, V4L2_MEMORY_MMAP, &mut 0);
}

/// One attempt of a read.
// videobuf2-core.c: __vb2_perform_fileio
pub(super) fn perform(
    queue: &Vb2Queue,
    lock: &Option<VideoLock>,
    call: &mut Read<'_>,
) -> Try<usize> {
    let kept = call.stash(|| None::<Dequeuing>).take();
    let dequeuing = kept.unwrap_or_else(|| Dequeuing::new(queue));
    if dequeuing.another_waits() {
        return Try::err(Errno::EBUSY);
    }
    if !queue.fileio_is_active() {
        if !call.is_first() {
            // It was stopped while the call slept: dqbuf finds no stream.
            return Try::err(Errno::EINVAL);
        }
        if let Err(errno) = init_fileio(queue) {
            return Try::err(errno);
        }
    }
    let (generation, current, failed, busy) = {
        let mut state = queue.state();
        let Some(fileio) = &mut state.fileio else {
            return Try::err(Errno::EINVAL);
        };
        (
            fileio.generation,
            fileio.current.clone(),
            fileio.failed.take(),
            fileio.reading.is_some(),
        )
    };
    if let Some(errno) = failed {
        return Try::err(errno);
    }
    if busy {
        *call.stash(|| None) = Some(dequeuing);
        return Try::wait(queue.done_wq());
    }
    let current = match current {
        Some(current) => current,
        None => match take(&dequeuing, call.nonblock()) {
            Step::Over(errno) => return Try::err(errno),
            Step::Wait => {
                *call.stash(|| None) = Some(dequeuing);
                return Try::wait(queue.done_wq());
            }
            Step::Taken(taken) => {
                // It is read()'s own now; what is rolled back is the reading.
                let current = Current {
                    buffer: taken.buffer().clone(),
                    pos: 0,
                    size: taken.buffer().payload() as usize,
                };
                taken.commit();
                set_current(queue, Some(current.clone()));
                current
            }
        },
    };
    let count = call.count().min(current.size - current.pos);
    let mut bytes = vec![0; count];
    let copied = current
        .buffer
        .read(current.pos, &mut bytes)
        .and_then(|()| call.write(0, &bytes));
    if copied.is_err() {
        return Try::err(Errno::EFAULT);
    }
    let pos = current.pos + count;
    if pos == current.size && queue.state().error {
        set_current(queue, Some(Current { pos, ..current }));
        return Try::err(Errno::EIO);
    }
    if let Some(fileio) = &mut queue.state().fileio {
        fileio.reading = Some(dequeuing.call());
    }
    let reading = Reading {
        queue: queue.clone(),
        lock: lock.clone(),
        generation,
        call: dequeuing.call(),
    };
    Try::ready(count, move || reading.commit(Current { pos, ..current }))
}

fn set_current(queue: &Vb2Queue, current: Option<Current>) {
    let mut state = queue.state();
    if let Some(fileio) = &mut state.fileio {
        let old = core::mem::replace(&mut fileio.current, current);
        drop(state);
        drop(old);
    }
}

/// Bytes on their way to a program. Dropping it leaves them unread.
struct Reading {
    queue: Vb2Queue,
    lock: Option<VideoLock>,
    generation: u64,
    call: u64,
}

impl Reading {
    /// The program has the bytes: a buffer read to its end goes back to the
    /// driver.
    fn commit(self, current: Current) {
        let _serialized = lock_if(&self.lock, self.queue.system());
        let ours = {
            let state = self.queue.state();
            let fileio = state.fileio.as_ref();
            fileio.is_some_and(|fileio| fileio.generation == self.generation)
        };
        if !ours {
            return;
        }
        if current.pos < current.size {
            set_current(&self.queue, Some(current));
            return;
        }
        current.buffer.set_payload(current.pos as u32);
        match core_qbuf(&self.queue, &current.buffer) {
            Ok(()) => set_current(&self.queue, None),
            // The kernel gives this read the error, and its bytes are lost;
            // here the bytes were taken, and the next read gets it.
            Err(errno) => {
                set_current(&self.queue, Some(current));
                if let Some(fileio) = &mut self.queue.state().fileio {
                    fileio.failed = Some(errno);
                }
            }
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(fileio) = &mut self.queue.state().fileio
            && fileio.reading == Some(self.call)
        {
            fileio.reading = None;
        }
        self.queue.done_wq().wake_all();
    }
}
