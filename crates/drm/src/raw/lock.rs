//! Mutexes of the kernel's that driver code runs under.

use core::sync::atomic::Ordering;

use lastfd_model::event::SplatKind;
use lastfd_model::{DeviceRef, EventKind, System};
use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::{Mutex, MutexGuard, thread};

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
    pub(crate) fn lock(&self, system: &System, device: &DeviceRef, name: &str) -> KernelGuard<'_> {
        let me = thread::current().0;
        if self.owner.load(Ordering::Relaxed) == me {
            system.emit(|| EventKind::Splat {
                kind: SplatKind::Deadlock,
                device: Some(device.clone()),
                text: format!("{name} is taken by the task that holds it").into(),
            });
            return KernelGuard { held: None };
        }
        let guard = self.mutex.lock();
        self.owner.store(me, Ordering::Relaxed);
        KernelGuard {
            held: Some((guard, &self.owner)),
        }
    }
}
