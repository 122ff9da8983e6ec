//! `struct vb2_buffer`: one buffer and its memory.

use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::Region;
use lastfd_model::Result;
use lastfd_model::event::SplatKind;
use lastfd_sync::atomic::AtomicU32;
use lastfd_sync::{Arc, Mutex, MutexGuard, Weak};

use super::queue::{Inner as QueueInner, Vb2Queue};
use crate::raw::warn::splat;

/// Whose a buffer is (`enum vb2_buffer_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vb2State {
    /// The program's.
    Dequeued,
    /// The driver is looking at it on its way in.
    Preparing,
    /// The queue's.
    Queued,
    /// The driver's.
    Active,
    /// Filled; a program may take it.
    Done,
    /// Come back without a frame; a program may take it.
    Error,
}

impl Vb2State {
    /// The kernel's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Vb2State::Dequeued => "DEQUEUED",
            Vb2State::Preparing => "PREPARING",
            Vb2State::Queued => "QUEUED",
            Vb2State::Active => "ACTIVE",
            Vb2State::Done => "DONE",
            Vb2State::Error => "ERROR",
        }
    }
}

/// A handle on a buffer. Its memory stays while a handle, a mapping or an
/// exported descriptor is left.
#[derive(Clone)]
pub struct Vb2Buffer(Arc<Inner>);

struct Inner {
    queue: Weak<QueueInner>,
    index: u32,
    length: u32,
    /// What to give mmap.
    offset: u64,
    region: Region,
    /// The queue's own, mappings and exported descriptors (`num_users`).
    users: Arc<AtomicU32>,
    state: Mutex<BufferState>,
}

/// The fields of `struct vb2_buffer` and `struct vb2_v4l2_buffer` that change.
#[derive(Clone, Copy, Debug)]
pub(super) struct BufferState {
    pub(super) state: Vb2State,
    pub(super) prepared: bool,
    pub(super) freed: bool,
    pub(super) bytesused: u32,
    /// Nanoseconds.
    pub(super) timestamp: u64,
    pub(super) sequence: u32,
    pub(super) field: u32,
    pub(super) flags: u32,
    pub(super) timecode: V4l2Timecode,
}

impl PartialEq for Vb2Buffer {
    fn eq(&self, other: &Vb2Buffer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Vb2Buffer {}

impl fmt::Debug for Vb2Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vb2Buffer({}, {})", self.0.index, self.state().name())
    }
}

impl Vb2Buffer {
    pub(super) fn new(queue: &Vb2Queue, index: u32, length: u32) -> Result<Vb2Buffer> {
        let region = Region::new("vb2", length as usize)?;
        let offset = queue.state().take_offset(region.len() as u64);
        Ok(Vb2Buffer(Arc::new(Inner {
            queue: queue.downgrade(),
            index,
            length,
            offset,
            region,
            users: Arc::new(AtomicU32::new(1)),
            state: Mutex::new(BufferState {
                state: Vb2State::Dequeued,
                prepared: false,
                freed: false,
                bytesused: 0,
                timestamp: 0,
                sequence: 0,
                field: 0,
                flags: 0,
                timecode: V4l2Timecode::default(),
            }),
        })))
    }

    /// Its number.
    pub fn index(&self) -> u32 {
        self.0.index
    }

    /// Bytes of its plane (`vb2_plane_size`).
    pub fn size(&self) -> u32 {
        self.0.length
    }

    /// Whose it is.
    pub fn state(&self) -> Vb2State {
        self.fields().state
    }

    /// The queue, if a handle of it is left.
    pub fn queue(&self) -> Option<Vb2Queue> {
        Vb2Queue::upgrade(&self.0.queue)
    }

    /// Bytes in use (`vb2_get_plane_payload`).
    pub fn payload(&self) -> u32 {
        self.fields().bytesused
    }

    /// Sets the bytes in use (`vb2_set_plane_payload`), at most its size.
    pub fn set_payload(&self, bytes: u32) {
        self.fields().bytesused = bytes.min(self.0.length);
    }

    /// Sets the time of the frame, in nanoseconds of the System's clock.
    pub fn set_timestamp(&self, nanos: u64) {
        self.fields().timestamp = nanos;
    }

    /// Sets the number of the frame.
    pub fn set_sequence(&self, sequence: u32) {
        self.fields().sequence = sequence;
    }

    /// The number of the frame.
    pub fn sequence(&self) -> u32 {
        self.fields().sequence
    }

    /// Sets `V4L2_FIELD_*`.
    pub fn set_field(&self, field: u32) {
        self.fields().field = field;
    }

    /// Adds flags of the driver's, such as `V4L2_BUF_FLAG_LAST`.
    pub fn add_flags(&self, flags: u32) {
        self.fields().flags |= flags;
    }

    /// Sets the time code.
    pub fn set_timecode(&self, timecode: V4l2Timecode) {
        self.fields().timecode = timecode;
    }

    /// Writes into its memory (through `vb2_plane_vaddr`). A buffer that was
    /// freed is a splat; its memory is still there.
    ///
    /// # Errors
    /// `EFAULT` outside the buffer.
    #[track_caller]
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result {
        if self.fields().freed
            && let Some(queue) = self.queue()
        {
            let text = format!("buffer {} is written to after it was freed", self.0.index);
            let device = queue.device_ref();
            splat(queue.system(), SplatKind::UseAfterFree, device, text);
        }
        self.0.region.write(offset, bytes)
    }

    /// Reads its memory.
    ///
    /// # Errors
    /// `EFAULT` outside the buffer.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result {
        self.0.region.read(offset, into)
    }

    pub(super) fn fields(&self) -> MutexGuard<'_, BufferState> {
        self.0.state.lock()
    }

    pub(super) fn region(&self) -> &Region {
        &self.0.region
    }

    pub(super) fn users(&self) -> &Arc<AtomicU32> {
        &self.0.users
    }

    /// vb2_buffer_in_use: somebody else uses the memory.
    pub(super) fn in_use(&self) -> bool {
        self.0.users.load(Ordering::Relaxed) > 1
    }

    /// What to give mmap (`__setup_offsets`).
    pub(super) fn offset(&self) -> u64 {
        self.0.offset
    }
}
