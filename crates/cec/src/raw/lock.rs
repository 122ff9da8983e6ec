//! The adapter's mutex, which knows who holds it, and what is put off until it
//! is released.
//!
//! Wakes are put off so that a sleeper sees what the whole section did, as it
//! does where the waking task is not preempted: the recorded event of an
//! unregister is the second of the two that are posted.

use core::cell::RefCell;
use core::sync::atomic::Ordering;

use lastfd_model::event::SplatKind;
use lastfd_model::resource::{DelayedWork, Resource};
use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::{Arc, Mutex, MutexGuard, WaitQueue, thread};

use super::adapter::{CecAdapter, State};

/// `adap->lock`. A task that takes it twice would hang in a kernel; here it
/// gets a splat, and a guard that does nothing.
#[derive(Debug, Default)]
pub(crate) struct AdapterLock {
    mutex: Mutex<()>,
    /// The holder's task number; 0 is nobody.
    owner: AtomicU64,
}

/// What happens once no lock is held.
#[derive(Default)]
pub(crate) struct Later {
    queues: RefCell<Vec<Arc<WaitQueue>>>,
    works: RefCell<Vec<DelayedWork>>,
}

impl Later {
    /// Wakes the queue then.
    pub(crate) fn wake(&self, queue: &Arc<WaitQueue>) {
        self.queues.borrow_mut().push(Arc::clone(queue));
    }

    /// Frees the work then, when it does not run any more.
    pub(crate) fn retire(&self, work: DelayedWork) {
        self.works.borrow_mut().push(work);
    }
}

impl Drop for Later {
    fn drop(&mut self) {
        for queue in self.queues.take() {
            queue.wake_all();
        }
        for work in self.works.take() {
            if !work.cancel() {
                work.cancel_sync();
            }
            work.free();
        }
    }
}

/// The adapter with its lock held; the functions that the kernel calls with
/// `adap->lock` held are methods of it.
#[must_use]
pub(crate) struct Locked<'a> {
    pub(crate) adap: &'a CecAdapter,
    held: Option<MutexGuard<'a, ()>>,
    pub(crate) later: Later,
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            self.adap.raw_lock().owner.store(0, Ordering::Relaxed);
            drop(held);
        }
        // `later` is dropped after this, with the lock released.
    }
}

impl CecAdapter {
    #[track_caller]
    pub(crate) fn lock(&self) -> Locked<'_> {
        let me = thread::current().0;
        let lock = self.raw_lock();
        if lock.owner.load(Ordering::Relaxed) == me {
            self.splat(
                SplatKind::Deadlock,
                "adap->lock is taken by the task that holds it",
            );
            return Locked {
                adap: self,
                held: None,
                later: Later::default(),
            };
        }
        let held = lock.mutex.lock();
        lock.owner.store(me, Ordering::Relaxed);
        Locked {
            adap: self,
            held: Some(held),
            later: Later::default(),
        }
    }
}

impl<'a> Locked<'a> {
    /// The fields. The guard is a leaf: nothing is called while it is held.
    pub(crate) fn state(&self) -> MutexGuard<'a, State> {
        self.adap.state()
    }
}
