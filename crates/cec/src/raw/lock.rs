//! The adapter's mutex, which knows who holds it, and what is put off until it
//! is released.
//!
//! Wakes are put off so that a sleeper sees what the whole section did, as it
//! does where the waking task is not preempted: the recorded event of an
//! unregister is the second of the two that are posted.

use core::cell::RefCell;

use lastfd_model::raw::KernelGuard;
use lastfd_model::resource::{DelayedWork, Resource};
use lastfd_sync::{Arc, MutexGuard, WaitQueue};

use super::adapter::{CecAdapter, State};
use super::thread;

/// What happens once no lock is held.
#[derive(Default)]
pub(crate) struct Later {
    queues: RefCell<Vec<Arc<WaitQueue>>>,
    works: RefCell<Vec<DelayedWork>>,
    threads: RefCell<Vec<CecAdapter>>,
}

impl Later {
    /// Wakes the queue then.
    pub(crate) fn wake(&self, queue: &Arc<WaitQueue>) {
        self.queues.borrow_mut().push(Arc::clone(queue));
    }

    /// Wakes the adapter's thread then.
    pub(crate) fn wake_thread(&self, adap: &CecAdapter) {
        self.threads.borrow_mut().push(adap.clone());
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
        for adap in self.threads.take() {
            thread::wake(&adap);
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
    // The fields are dropped in this order: the lock is released first.
    _held: KernelGuard<'a>,
    pub(crate) later: Later,
}

impl CecAdapter {
    #[track_caller]
    pub(crate) fn lock(&self) -> Locked<'_> {
        let device = || self.device().map(|device| device.device_ref());
        Locked {
            adap: self,
            _held: self.raw_lock().lock(self.system(), device, "adap->lock"),
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
