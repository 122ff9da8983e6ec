//! The mutex that a driver lends to the core.

use core::fmt;

use lastfd_model::System;
use lastfd_model::raw::{KernelGuard, KernelMutex};
use lastfd_sync::Arc;

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
        VideoGuard(self.0.lock(system, || None, "the driver's ioctl lock"))
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
