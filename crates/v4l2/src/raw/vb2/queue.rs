//! `struct vb2_queue`: what it is made of.

use core::fmt;
use core::ops::{BitOr, BitOrAssign};
use std::collections::{BTreeMap, VecDeque};

use lastfd_abi::v4l2::*;
use lastfd_model::{DeviceRef, Errno, Result, System};
use lastfd_sync::{Arc, Mutex, MutexGuard, WaitQueue, Weak};

use super::buffer::Vb2Buffer;
use super::fileio::FileIo;
use crate::event::{V4l2EventKind, emit};
use crate::raw::fh::V4l2Fh;
use crate::raw::lock::VideoLock;
use crate::raw::video_device::VideoDevice;
use crate::raw::warn::warn;

/// Buffers that a queue has at most unless told (`VB2_MAX_FRAME`).
pub(super) const VB2_MAX_FRAME: u32 = 32;
/// As many as the offsets for mmap can tell apart (`MAX_BUFFER_INDEX`).
const MAX_BUFFER_INDEX: u32 = 1 << 15;
/// How far the offsets for mmap of two buffers are apart at least
/// (`1 << PLANE_INDEX_SHIFT`).
const OFFSET_STEP: u64 = 1 << (12 + 3);
/// Where the offsets of output queues begin (`DST_QUEUE_OFF_BASE`).
pub(super) const OFFSET_END: u64 = 1 << 30;

/// How programs may use a queue (`enum vb2_io_modes`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IoModes(u8);

impl IoModes {
    /// Buffers that are mapped.
    pub const MMAP: IoModes = IoModes(1);
    /// read().
    pub const READ: IoModes = IoModes(4);

    /// Whether all of `other` are there.
    pub fn contains(self, other: IoModes) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for IoModes {
    type Output = IoModes;
    fn bitor(self, other: IoModes) -> IoModes {
        IoModes(self.0 | other.0)
    }
}

impl BitOrAssign for IoModes {
    fn bitor_assign(&mut self, other: IoModes) {
        self.0 |= other.0;
    }
}

/// What a driver does with its buffers (`struct vb2_ops`). Called with the
/// queue's lock held, if it has one.
pub trait Vb2Ops: Send + Sync {
    /// Says how many buffers of which size: `buffers` is what is asked for and
    /// may be changed; `size` is 0, or what the program wants, and must not be
    /// 0 then.
    ///
    /// # Errors
    /// No buffers are made then.
    fn queue_setup(&self, queue: &Vb2Queue, buffers: &mut u32, size: &mut u32) -> Result;

    /// A buffer was made.
    ///
    /// # Errors
    /// It is not made then.
    fn buf_init(&self, buffer: &Vb2Buffer) -> Result {
        let _ = buffer;
        Ok(())
    }

    /// A buffer is about to be queued.
    ///
    /// # Errors
    /// It is not queued then.
    fn buf_prepare(&self, buffer: &Vb2Buffer) -> Result {
        let _ = buffer;
        Ok(())
    }

    /// A buffer comes back from the queue, filled or not.
    fn buf_finish(&self, buffer: &Vb2Buffer) {
        let _ = buffer;
    }

    /// A buffer goes.
    fn buf_cleanup(&self, buffer: &Vb2Buffer) {
        let _ = buffer;
    }

    /// The buffer is the driver's, until it calls
    /// [`vb2_buffer_done`](super::vb2_buffer_done).
    fn buf_queue(&self, buffer: &Vb2Buffer);

    /// Frames are wanted; `count` buffers were given.
    ///
    /// # Errors
    /// The driver must have given all buffers back in the state `Queued`.
    fn start_streaming(&self, queue: &Vb2Queue, count: u32) -> Result {
        let _ = (queue, count);
        Ok(())
    }

    /// No frames are wanted any more; the driver must give all buffers back.
    fn stop_streaming(&self, queue: &Vb2Queue) {
        let _ = queue;
    }
}

/// What a driver fills in before [`vb2_queue_init`].
#[derive(Clone)]
pub struct Vb2QueueSpec {
    /// `V4L2_BUF_TYPE_VIDEO_CAPTURE`: no other is supported here.
    pub type_: u32,
    /// How programs may use it.
    pub io_modes: IoModes,
    /// What the driver does.
    pub ops: Option<Arc<dyn Vb2Ops>>,
    /// Buffers the driver needs before it can start.
    pub min_queued_buffers: u32,
    /// Buffers that are made at least.
    pub min_reqbufs_allocation: u32,
    /// Buffers there can be; 0 is 32.
    pub max_num_buffers: u32,
    /// Which clock the times are of, `V4L2_BUF_FLAG_TIMESTAMP_*`.
    pub timestamp_flags: u32,
    /// The lock of its ioctls; that of the video device if none.
    pub lock: Option<VideoLock>,
}

impl Default for Vb2QueueSpec {
    /// A capture queue with monotonic times, to be mapped or read.
    fn default() -> Vb2QueueSpec {
        Vb2QueueSpec {
            type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
            io_modes: IoModes::MMAP | IoModes::READ,
            ops: None,
            min_queued_buffers: 0,
            min_reqbufs_allocation: 0,
            max_num_buffers: 0,
            timestamp_flags: V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
            lock: None,
        }
    }
}

impl fmt::Debug for Vb2QueueSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vb2QueueSpec")
            .field("type_", &self.type_)
            .field("io_modes", &self.io_modes)
            .finish_non_exhaustive()
    }
}

/// A handle on a `struct vb2_queue`. Clones are one queue.
///
/// It keeps the driver's callbacks as long as a handle is left: callbacks that
/// need what holds the queue keep a weak way back to it.
#[derive(Clone)]
pub struct Vb2Queue(Arc<Inner>);

pub(super) struct Inner {
    system: System,
    spec: Vb2QueueSpec,
    done_wq: Arc<WaitQueue>,
    state: Mutex<QueueState>,
}

/// The `struct vb2_queue` fields that change.
#[derive(Default)]
pub(super) struct QueueState {
    pub(super) device: Option<DeviceRef>,
    /// V4L2_MEMORY_*, 0 while there are no buffers.
    pub(super) memory: u32,
    pub(super) bufs: BTreeMap<u32, Vb2Buffer>,
    pub(super) queued: Vec<Vb2Buffer>,
    pub(super) done: VecDeque<Vb2Buffer>,
    pub(super) queued_count: u32,
    pub(super) owned_by_drv: u32,
    pub(super) streaming: bool,
    pub(super) start_streaming_called: bool,
    pub(super) error: bool,
    pub(super) waiting_for_buffers: bool,
    pub(super) last_buffer_dequeued: bool,
    /// The call that sleeps in DQBUF or read.
    pub(super) waiting_in_dqbuf: Option<u64>,
    /// The call that has the first done buffer set aside.
    pub(super) taking: Option<u64>,
    /// Counts the cancels, so that a commit does not take what came later.
    pub(super) era: u64,
    pub(super) owner: Option<V4l2Fh>,
    pub(super) fileio: Option<FileIo>,
    /// The next buffer's offset for mmap.
    next_offset: u64,
}

impl QueueState {
    /// An offset for mmap, for a buffer of so many bytes. As the kernel's
    /// (`__setup_offsets`) for small buffers that are made once; but no two of
    /// them overlap, nor do they come again soon: the memory of a program's
    /// open file can then lie at the very offsets.
    pub(super) fn take_offset(&mut self, len: u64) -> u64 {
        let step = len.next_multiple_of(OFFSET_STEP);
        let used = |from: u64| {
            let overlaps = |buffer: &Vb2Buffer| {
                let end = buffer.offset() + u64::from(buffer.size());
                buffer.offset() < from + step && from < end
            };
            self.bufs.values().any(overlaps)
        };
        let mut from = self.next_offset;
        let mut wrapped = 0;
        while from + step > OFFSET_END || used(from) {
            from += OFFSET_STEP;
            if from + step > OFFSET_END {
                from = 0;
                wrapped += 1;
                // No room for it among its like: it cannot be told apart by mmap.
                if wrapped > 1 {
                    break;
                }
            }
        }
        self.next_offset = from + step;
        from
    }
}

impl PartialEq for Vb2Queue {
    fn eq(&self, other: &Vb2Queue) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Vb2Queue {}

impl fmt::Debug for Vb2Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.info(), f)
    }
}

/// What can be seen of a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueInfo {
    /// Buffers there are.
    pub buffers: usize,
    /// Buffers that a program gave and has not taken back.
    pub queued: u32,
    /// Of these, those that the driver has.
    pub owned_by_driver: u32,
    /// Of these, those that can be taken.
    pub done: usize,
    /// STREAMON was called.
    pub streaming: bool,
    /// The driver was told to start.
    pub start_streaming_called: bool,
    /// The queue is in its error state.
    pub error: bool,
    /// A call sleeps for a buffer.
    pub waiting: bool,
    /// read() is using it.
    pub fileio: bool,
    /// A file owns it.
    pub owned: bool,
}

impl Vb2Queue {
    pub(super) fn state(&self) -> MutexGuard<'_, QueueState> {
        self.0.state.lock()
    }

    pub(super) fn spec(&self) -> &Vb2QueueSpec {
        &self.0.spec
    }

    /// Calls the driver. If it panics, the panic ends here and `otherwise` is
    /// the answer, so that the queue goes on with its own part.
    #[track_caller]
    pub(super) fn driver<T>(
        &self,
        what: &str,
        otherwise: T,
        run: impl FnOnce(&dyn Vb2Ops) -> T,
    ) -> T {
        let Some(ops) = &self.0.spec.ops else {
            return otherwise;
        };
        let device = self.device_ref();
        self.system()
            .guard(device.as_ref(), what, || run(&**ops))
            .unwrap_or(otherwise)
    }

    pub(super) fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    pub(super) fn upgrade(weak: &Weak<Inner>) -> Option<Vb2Queue> {
        weak.upgrade().map(Vb2Queue)
    }

    /// The System it lives in.
    pub fn system(&self) -> &System {
        &self.0.system
    }

    /// The queue that waiters for buffers and pollers are on.
    pub fn done_wq(&self) -> &Arc<WaitQueue> {
        &self.0.done_wq
    }

    /// Its own lock, if the driver gave it one.
    pub(crate) fn own_lock(&self) -> Option<VideoLock> {
        self.0.spec.lock.clone()
    }

    /// The lock it is used under: its own, or that of the video device.
    pub(super) fn lock_with(&self, vdev: &VideoDevice) -> Option<VideoLock> {
        self.own_lock().or_else(|| vdev.lock())
    }

    /// Which node it is told of as.
    pub(crate) fn belongs_to(&self, device: DeviceRef) {
        self.state().device = Some(device);
    }

    pub(super) fn device_ref(&self) -> Option<DeviceRef> {
        self.state().device.clone()
    }

    #[track_caller]
    pub(super) fn emit(&self, kind: impl FnOnce() -> V4l2EventKind) {
        emit(self.system(), || self.device_ref(), kind);
    }

    #[track_caller]
    pub(super) fn warn(&self, text: impl Into<String>) {
        warn(self.system(), self.device_ref(), text);
    }

    /// What can be seen of it.
    pub fn info(&self) -> QueueInfo {
        let state = self.state();
        QueueInfo {
            buffers: state.bufs.len(),
            queued: state.queued_count,
            owned_by_driver: state.owned_by_drv,
            done: state.done.len(),
            streaming: state.streaming,
            start_streaming_called: state.start_streaming_called,
            error: state.error,
            waiting: state.waiting_in_dqbuf.is_some(),
            fileio: state.fileio.is_some(),
            owned: state.owner.is_some(),
        }
    }

    /// Whether it is streaming (`vb2_is_streaming`).
    pub fn is_streaming(&self) -> bool {
        self.state().streaming
    }

    /// Whether it has buffers, so that their size must not change
    /// (`vb2_is_busy`).
    pub fn is_busy(&self) -> bool {
        !self.state().bufs.is_empty()
    }

    /// The buffer with this number.
    pub fn buffer(&self, index: u32) -> Option<Vb2Buffer> {
        self.state().bufs.get(&index).cloned()
    }

    /// All buffers, by number.
    pub fn buffers(&self) -> Vec<Vb2Buffer> {
        self.state().bufs.values().cloned().collect()
    }

    /// Whether another file owns it (`vb2_queue_is_busy`).
    pub(super) fn is_owned_by_other(&self, fh: Option<&V4l2Fh>) -> bool {
        let state = self.state();
        state.owner.as_ref().is_some_and(|owner| Some(owner) != fh)
    }

    pub(super) fn set_owner(&self, owner: Option<V4l2Fh>) {
        let old = core::mem::replace(&mut self.state().owner, owner);
        drop(old);
    }

    /// Whether read() is using it.
    pub(super) fn fileio_is_active(&self) -> bool {
        self.state().fileio.is_some()
    }
}

/// Makes a queue (`vb2_queue_init`).
///
/// # Errors
/// `EINVAL` and a splat without callbacks, kind or modes, or for minima over
/// the maximum; `EINVAL` for a kind that is not supported here.
// videobuf2-v4l2.c: vb2_queue_init_name, videobuf2-core.c: vb2_core_queue_init
#[track_caller]
pub fn vb2_queue_init(system: &System, mut spec: Vb2QueueSpec) -> Result<Vb2Queue> {
    let wrong = |what: &str| {
        warn(system, None, format!("vb2_queue_init: {what}"));
        Err(Errno::EINVAL)
    };
    let times = V4L2_BUF_FLAG_TIMESTAMP_MASK | V4L2_BUF_FLAG_TSTAMP_SRC_MASK;
    if spec.timestamp_flags & !times != 0 {
        return wrong("flags that are none of times");
    }
    if spec.timestamp_flags & V4L2_BUF_FLAG_TIMESTAMP_MASK == V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN {
        warn(system, None, "vb2_queue_init: the kind of time is unknown");
    }
    if spec.max_num_buffers == 0 {
        spec.max_num_buffers = VB2_MAX_FRAME;
    }
    spec.max_num_buffers = spec.max_num_buffers.min(MAX_BUFFER_INDEX);
    if spec.ops.is_none() || spec.type_ == 0 || spec.io_modes == IoModes::default() {
        return wrong("callbacks, kind or modes are missing");
    }
    if spec.max_num_buffers < VB2_MAX_FRAME || spec.min_queued_buffers > spec.max_num_buffers {
        return wrong("the number of buffers");
    }
    let least = spec.min_queued_buffers + 1;
    spec.min_reqbufs_allocation = spec.min_reqbufs_allocation.max(least);
    if spec.min_reqbufs_allocation > spec.max_num_buffers {
        return wrong("more buffers are needed than there can be");
    }
    if spec.type_ != V4L2_BUF_TYPE_VIDEO_CAPTURE {
        return Err(Errno::EINVAL);
    }
    Ok(Vb2Queue(Arc::new(Inner {
        system: system.unowned(),
        spec,
        done_wq: Arc::new(WaitQueue::new()),
        state: Mutex::new(QueueState::default()),
    })))
}
