//! Kernel threads.
//!
//! Follows `kernel/kthread.c`.

use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;

use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::thread::{self, JoinHandle};
use lastfd_sync::{Arc, Cancel, Mutex, WaitError, WaitQueue, wait_event_unless};

use super::{Resource, Tracker};
use crate::errno::{Errno, Result};
use crate::event::{ResourceKind, ResourceStep, SplatKind};
use crate::raw::Device;
use crate::system::System;

/// A thread of a driver's (`kthread_run`). Clones are one thread.
#[derive(Clone)]
pub struct Kthread(Arc<Inner>);

struct Inner {
    tracker: Tracker,
    stop: Cancel,
    handle: Mutex<Option<JoinHandle<()>>>,
    /// Its task number; 0 before it runs.
    task: AtomicU64,
}

/// The thread's own end: whether it should stop, and ways to sleep that end
/// when it should.
#[derive(Clone, Debug)]
pub struct KthreadControl {
    system: System,
    stop: Cancel,
}

impl KthreadControl {
    /// Whether somebody waits for it to end (`kthread_should_stop`).
    pub fn should_stop(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Sleeps; false if it should stop, or if all waits of the System end.
    pub fn sleep(&self, time: Duration) -> bool {
        let clock = self.system.clock();
        let deadline = clock.now().after(time);
        let cancels = [&self.stop, self.system.waits()];
        let slept = wait_event_unless(&[], clock, Some(deadline), &cancels, || None::<()>);
        slept == Err(WaitError::TimedOut) && !self.should_stop()
    }

    /// Waits on the queue until the attempt gives something; None if it should
    /// stop.
    pub fn wait<R>(&self, queue: &WaitQueue, attempt: impl FnMut() -> Option<R>) -> Option<R> {
        let clock = self.system.clock();
        let cancels = [&self.stop, self.system.waits()];
        wait_event_unless(&[queue], clock, None, &cancels, attempt).ok()
    }
}

impl fmt::Debug for Kthread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kthread").field(&self.0.tracker).finish()
    }
}

impl Kthread {
    /// Starts a thread. `EAGAIN` if there is none to be had.
    #[track_caller]
    pub fn run(
        system: &System,
        device: Option<&Device>,
        name: &str,
        body: impl FnOnce(&KthreadControl) + Send + 'static,
    ) -> Result<Kthread> {
        system.allocation()?;
        let stop = Cancel::new();
        let control = KthreadControl {
            system: System::from_core(&system.core),
            stop: stop.clone(),
        };
        let kthread = Kthread(Arc::new(Inner {
            tracker: Tracker::new(system, device, ResourceKind::Kthread, name),
            stop,
            handle: Mutex::new(None),
            task: AtomicU64::new(0),
        }));
        let own = kthread.clone();
        let spawned = system.clock().spawn(name, move || {
            own.0.task.store(thread::current().0, Ordering::Relaxed);
            own.0.tracker.used(ResourceStep::Fired);
            own.0.tracker.guard(|| body(&control));
            own.0.tracker.tell(ResourceStep::Returned);
        });
        match spawned {
            Ok(handle) => {
                *kthread.0.handle.lock() = Some(handle);
                Ok(kthread)
            }
            Err(_) => {
                kthread.0.tracker.free();
                Err(Errno::EAGAIN)
            }
        }
    }

    /// Tells it to stop and waits until it has (`kthread_stop`). From the
    /// thread itself a kernel would hang; here it is a splat.
    #[track_caller]
    pub fn stop(&self) {
        self.0.stop.cancel();
        if self.0.task.load(Ordering::Relaxed) == thread::current().0 {
            self.0
                .tracker
                .splat(SplatKind::Deadlock, "stopped from the thread itself");
            return;
        }
        let handle = self.0.handle.lock().take();
        let Some(handle) = handle else {
            return;
        };
        let _ = handle.join();
        self.0.tracker.tell(ResourceStep::Cancelled);
    }
}

impl Resource for Kthread {
    fn stop(&self) {
        Kthread::stop(self);
    }

    fn free(&self) {
        if self.0.handle.lock().is_some() {
            self.0
                .tracker
                .splat(SplatKind::UseAfterFree, "freed while it runs");
        }
        self.0.tracker.free();
    }

    fn release_name(&self) -> &'static str {
        "kthread_stop"
    }
}
