//! Mutexes that driver code runs under.
//!
//! Follows `kernel/locking/mutex.c`. A task that takes one twice hangs in a
//! kernel, which lockdep reports; here it gets a splat and goes on.

use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::{Arc, Mutex, MutexGuard, thread};

use crate::event::{DeviceRef, EventKind, Section, SplatKind};
use crate::system::{Core, System};

/// A mutex of the kernel's (`struct mutex`), which knows who holds it. For
/// frameworks, where theirs calls drivers with one held.
#[derive(Default)]
pub struct KernelMutex {
    mutex: Mutex<()>,
    /// The holder's task number; 0 is nobody.
    owner: AtomicU64,
}

/// A held [`KernelMutex`].
#[must_use = "dropping the guard unlocks the mutex"]
pub struct KernelGuard<'a> {
    /// None when the calling task had it already.
    held: Option<(MutexGuard<'a, ()>, &'a AtomicU64)>,
    /// What was told of taking it, where somebody listened.
    told: Option<Box<(Arc<Core>, Section)>>,
}

impl KernelMutex {
    /// A mutex nobody holds.
    pub const fn new() -> KernelMutex {
        KernelMutex {
            mutex: Mutex::new(()),
            owner: AtomicU64::new(0),
        }
    }

    /// Takes it (`mutex_lock`). A task that has it already gets a splat that
    /// names the mutex and the device, and a guard that does nothing.
    #[track_caller]
    pub fn lock(
        &self,
        system: &System,
        device: impl FnOnce() -> Option<DeviceRef>,
        name: &'static str,
    ) -> KernelGuard<'_> {
        let me = thread::current().0;
        if self.owner.load(Ordering::Relaxed) == me {
            system.core.splat(
                SplatKind::Deadlock,
                device(),
                format!("{name} is taken by the task that holds it"),
            );
            return KernelGuard {
                held: None,
                told: None,
            };
        }
        let guard = self.mutex.lock();
        self.owner.store(me, Ordering::Relaxed);
        let told = system.details_are_on().then(|| {
            let section = Section {
                device: device(),
                name,
                id: 0,
            };
            system.emit(|| EventKind::SectionBegin {
                section: section.clone(),
            });
            Box::new((Arc::clone(&system.core), section))
        });
        KernelGuard {
            held: Some((guard, &self.owner)),
            told,
        }
    }

    /// Whether the calling task holds it (`lockdep_is_held`).
    pub fn is_mine(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == thread::current().0
    }
}

impl KernelGuard<'_> {
    /// Whether the mutex was really taken; false when the task had it already.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }
}

impl Drop for KernelGuard<'_> {
    fn drop(&mut self) {
        if let Some((core, section)) = self.told.take().map(|told| *told) {
            core.emit(|| EventKind::SectionEnd { section });
        }
        if let Some((_guard, owner)) = &self.held {
            owner.store(0, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for KernelMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelMutex")
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KernelGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelGuard")
            .field("held", &self.is_held())
            .finish()
    }
}
