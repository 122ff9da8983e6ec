//! Mutexes of the kernel's that driver code runs under.

use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_model::System;
use lastfd_model::event::SplatKind;
use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::{Arc, Mutex, MutexGuard, thread};

use super::warn::splat;

/// A kernel mutex. A task that takes it twice would hang in a kernel; here it
/// gets a splat, and a guard that does nothing.
#[derive(Debug, Default)]
pub(crate) struct KernelMutex {
    mutex: Mutex<()>,
    /// The holder's task number; 0 is nobody.
    owner: AtomicU64,
}

/// The held mutex.
#[must_use]
pub(crate) struct KernelGuard<'a> {
    held: Option<(MutexGuard<'a, ()>, &'a AtomicU64)>,
}

impl Drop for KernelGuard<'_> {
    fn drop(&mut self) {
        if let Some((_guard, owner)) = &self.held {
            owner.store(0, Ordering::Relaxed);
        }
    }
}

impl KernelMutex {
    #[track_caller]
    pub(crate) fn lock(&self, system: &System, name: &str) -> KernelGuard<'_> {
        let me = thread::current().0;
        if self.owner.load(Ordering::Relaxed) == me {
            let text = format!("{name} is taken by the task that holds it");
            splat(system, SplatKind::Deadlock, None, text);
            return KernelGuard { held: None };
        }
        let guard = self.mutex.lock();
        self.owner.store(me, Ordering::Relaxed);
        KernelGuard {
            held: Some((guard, &self.owner)),
        }
    }
}

/// The mutex a driver gives to a video device or to a queue (`vdev->lock`,
/// `queue->lock`): ioctls, reads, polls and the release run under it, and so do
/// the queue's callbacks. Clones are one mutex.
#[derive(Clone, Default)]
pub struct VideoLock(Arc<KernelMutex>);

impl VideoLock {
    /// A new one.
    pub fn new() -> VideoLock {
        VideoLock::default()
    }

    /// Takes it. A task that has it already gets a splat, and no second hold.
    #[track_caller]
    pub fn lock(&self, system: &System) -> VideoGuard<'_> {
        VideoGuard(self.0.lock(system, "the driver's ioctl lock"))
    }

    /// Whether both are one mutex.
    pub fn same(&self, other: &VideoLock) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for VideoLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VideoLock")
    }
}

/// The held [`VideoLock`].
#[must_use = "dropping the guard unlocks"]
pub struct VideoGuard<'a>(#[expect(dead_code, reason = "held, not looked at")] KernelGuard<'a>);

impl fmt::Debug for VideoGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VideoGuard")
    }
}

/// Takes a lock that a driver may have left out.
#[track_caller]
pub(crate) fn lock_if<'a>(lock: &'a Option<VideoLock>, system: &System) -> Option<VideoGuard<'a>> {
    lock.as_ref().map(|lock| lock.lock(system))
}
