//! Making buffers and taking them away.

use lastfd_abi::v4l2::V4L2_MEMORY_MMAP;
use lastfd_model::{Errno, Result};

use super::buffer::{Vb2Buffer, Vb2State};
use super::queue::{IoModes, Vb2Queue};
use super::stream::queue_cancel;

/// `ENOBUFS`.
const ENOBUFS: i32 = 105;

// videobuf2-core.c: vb2_verify_memory_type
pub(super) fn verify_memory_type(queue: &Vb2Queue, memory: u32, type_: u32) -> Result {
    // User pointers and imported buffers are refused as by a driver without
    // those modes.
    if type_ != queue.spec().type_
        || memory != V4L2_MEMORY_MMAP
        || !queue.spec().io_modes.contains(IoModes::MMAP)
    {
        return Err(Errno::EINVAL);
    }
    match queue.fileio_is_active() {
        true => Err(Errno::EBUSY),
        false => Ok(()),
    }
}

// videobuf2-core.c: __vb2_queue_alloc. Gives how many were made, and the first.
fn queue_alloc(queue: &Vb2Queue, wanted: u32, size: u32) -> (u32, u32) {
    let max = queue.spec().max_num_buffers;
    let (mut count, mut first) = {
        let state = queue.state();
        let free = max - (state.bufs.len() as u32).min(max);
        let mut count = wanted.min(free);
        // bitmap_find_next_zero_area, for fewer if there is no such area.
        let mut first = 0;
        while count > 0 {
            let area = (0..=max - count)
                .find(|from| (*from..from + count).all(|index| !state.bufs.contains_key(&index)));
            if let Some(from) = area {
                first = from;
                break;
            }
            count -= 1;
        }
        (count, first)
    };
    for index in first..first + count {
        let made = queue
            .system()
            .allocation()
            .and_then(|()| Vb2Buffer::new(queue, index, size));
        let Ok(buffer) = made else {
            count = index - first;
            break;
        };
        queue.state().bufs.insert(index, buffer.clone());
        let ready = queue.driver("buf_init", Err(Errno::EIO), |ops| ops.buf_init(&buffer));
        if ready.is_err() {
            free_one(queue, &buffer);
            count = index - first;
            break;
        }
    }
    if count == 0 {
        first = 0;
    }
    (count, first)
}

fn free_one(queue: &Vb2Queue, buffer: &Vb2Buffer) {
    buffer.fields().freed = true;
    let gone = queue.state().bufs.remove(&buffer.index());
    drop(gone);
}

/// Frees buffers; mapped memory stays until it is unmapped.
// videobuf2-core.c: __vb2_queue_free
pub(super) fn queue_free(queue: &Vb2Queue, wanted: impl Fn(u32) -> bool) {
    let buffers: Vec<Vb2Buffer> = queue
        .buffers()
        .into_iter()
        .filter(|buffer| wanted(buffer.index()))
        .collect();
    for buffer in &buffers {
        queue.driver("buf_cleanup", (), |ops| ops.buf_cleanup(buffer));
    }
    for buffer in &buffers {
        free_one(queue, buffer);
    }
    let mut state = queue.state();
    if state.bufs.is_empty() {
        state.memory = 0;
        let gone = core::mem::take(&mut state.queued);
        drop(state);
        drop(gone);
    }
}

/// Asks the driver how many and how large.
fn queue_setup(queue: &Vb2Queue, count: &mut u32, size: &mut u32) -> Result {
    queue.driver("queue_setup", Err(Errno::EIO), |ops| {
        ops.queue_setup(queue, count, size)
    })
}

// videobuf2-core.c: vb2_core_reqbufs
pub(super) fn core_reqbufs(queue: &Vb2Queue, memory: u32, count: &mut u32) -> Result {
    let had_buffers = {
        let state = queue.state();
        if state.streaming || state.waiting_in_dqbuf.is_some() && *count != 0 {
            return Err(Errno::EBUSY);
        }
        !state.bufs.is_empty() || state.memory != 0 && state.memory != memory
    };
    if *count == 0 || had_buffers {
        queue_cancel(queue);
        queue_free(queue, |_| true);
        if *count == 0 {
            return Ok(());
        }
    }
    let spec = queue.spec();
    let mut wanted = (*count)
        .max(spec.min_reqbufs_allocation)
        .min(spec.max_num_buffers);
    queue.state().memory = memory;
    let made = make(queue, &mut wanted);
    match made {
        Ok(made) => {
            *count = made;
            queue.state().waiting_for_buffers = true;
            Ok(())
        }
        Err(errno) => {
            queue.state().memory = 0;
            Err(errno)
        }
    }
}

fn make(queue: &Vb2Queue, wanted: &mut u32) -> Result<u32> {
    let mut size = 0;
    queue_setup(queue, wanted, &mut size)?;
    if size == 0 {
        queue.warn("queue_setup gave buffers without a size");
        return Err(Errno::EINVAL);
    }
    let (made, first) = queue_alloc(queue, *wanted, size);
    if made == 0 {
        return Err(Errno::ENOMEM);
    }
    let mut enough = match made < queue.spec().min_reqbufs_allocation {
        true => Err(Errno::ENOMEM),
        false => Ok(()),
    };
    if enough.is_ok() && made < *wanted {
        *wanted = made;
        enough = queue_setup(queue, wanted, &mut size);
        if enough.is_ok() && made < *wanted {
            enough = Err(Errno::ENOMEM);
        }
    }
    if let Err(errno) = enough {
        queue_free(queue, |index| (first..first + made).contains(&index));
        return Err(errno);
    }
    Ok(made)
}

// videobuf2-core.c: vb2_core_create_bufs. Gives the number of the first.
pub(super) fn core_create_bufs(
    queue: &Vb2Queue,
    memory: u32,
    count: &mut u32,
    size: u32,
) -> Result<u32> {
    let max = queue.spec().max_num_buffers;
    let (had, known_memory) = {
        let state = queue.state();
        let had = state.bufs.len() as u32;
        if had == max {
            return Err(Errno::from_code(ENOBUFS));
        }
        if had == 0 && state.waiting_in_dqbuf.is_some() && *count != 0 {
            return Err(Errno::EBUSY);
        }
        (had, state.memory)
    };
    if had == 0 {
        let mut state = queue.state();
        state.memory = memory;
        state.waiting_for_buffers = true;
    } else if known_memory != memory {
        return Err(Errno::EINVAL);
    }
    let mut wanted = (*count).min(max - had);
    let mut size = size;
    let made = queue_setup(queue, &mut wanted, &mut size).and_then(|()| {
        match queue_alloc(queue, wanted, size) {
            (0, _) => Err(Errno::ENOMEM),
            made => Ok(made),
        }
    });
    let (made, first) = made.inspect_err(|_| {
        if had == 0 {
            queue.state().memory = 0;
        }
    })?;
    if made < wanted {
        wanted = made;
        let accepted = queue_setup(queue, &mut wanted, &mut size);
        if accepted.is_err() || made < wanted {
            queue_free(queue, |index| (first..first + made).contains(&index));
            return Err(Errno::ENOMEM);
        }
    }
    *count = made;
    Ok(first)
}

// videobuf2-core.c: vb2_core_remove_bufs
pub(super) fn core_remove_bufs(queue: &Vb2Queue, start: u32, count: u32) -> Result {
    if count == 0 {
        return Ok(());
    }
    let there = queue.buffers();
    let max = queue.spec().max_num_buffers;
    if count as usize > there.len() || start > max - count.min(max) {
        return Err(Errno::EINVAL);
    }
    let range = start..start + count;
    for index in range.clone() {
        match there.iter().find(|buffer| buffer.index() == index) {
            None => return Err(Errno::EINVAL),
            Some(buffer) if buffer.state() != Vb2State::Dequeued => return Err(Errno::EBUSY),
            Some(_) => {}
        }
    }
    queue_free(queue, |index| range.contains(&index));
    Ok(())
}
