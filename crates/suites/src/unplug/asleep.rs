//! A call that sleeps while the device is removed.

use core::time::Duration;

use lastfd_kunit::{Test, kunit_expect_eq, kunit_expect_false};
use lastfd_model::{Errno, Result};
use lastfd_sync::thread::JoinHandle;
use lastfd_sync::{Cancel, Clock, Ktime};

/// How long a call sleeps before the removal.
pub(super) const REMOVAL: Duration = Duration::from_millis(100);
/// How long it is watched after it.
pub(super) const WATCHED: Duration = Duration::from_secs(3);

/// A program in a call, and the signal that ends the call.
pub(super) struct Asleep<T> {
    task: Option<JoinHandle<(T, Ktime)>>,
    signal: Cancel,
    clock: Clock,
}

impl<T: Send + 'static> Asleep<T> {
    /// Begins the call; when this returns, it sleeps.
    pub(super) fn new(
        test: &Test,
        call: impl FnOnce(&Cancel) -> T + Send + 'static,
    ) -> Result<Asleep<T>> {
        let clock = test.system().clock().clone();
        let signal = Cancel::new();
        let (of_task, until) = (clock.clone(), signal.clone());
        let task = test.spawn("program", move || (call(&until), of_task.now()));
        let task = task.map_err(|_| Errno::EAGAIN)?;
        clock.advance(REMOVAL);
        kunit_expect_false!(test, task.is_finished());
        Ok(Asleep {
            task: Some(task),
            signal,
            clock,
        })
    }

    fn join(mut self) -> Result<(T, Ktime)> {
        let task = self.task.take().ok_or(Errno::EINVAL)?;
        task.join().map_err(|_| Errno::EIO)
    }

    /// What it gave, and when.
    pub(super) fn ended(self) -> Result<(T, Ktime)> {
        self.join()
    }

    /// What it gave: the removal, which is just over, woke it.
    pub(super) fn woken(self, test: &Test) -> Result<T> {
        let removed = self.clock.now();
        let (value, ended) = self.join()?;
        kunit_expect_eq!(test, ended, removed, "woken by the removal");
        Ok(value)
    }

    /// What it gave: nothing but a signal ended it.
    pub(super) fn not_woken(self, test: &Test) -> Result<T> {
        self.clock.advance(WATCHED);
        let finished = self.task.as_ref().is_some_and(JoinHandle::is_finished);
        kunit_expect_false!(test, finished, "the removal woke it");
        self.signal.cancel();
        Ok(self.join()?.0)
    }

    /// Whether it is still in its call.
    pub(super) fn sleeps(&self) -> bool {
        !self.task.as_ref().is_some_and(JoinHandle::is_finished)
    }
}

impl<T> Drop for Asleep<T> {
    /// A case that ends early takes its program with it.
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            self.signal.cancel();
            // What the call panicked with has been told.
            let _ = task.join();
        }
    }
}
