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

/// A thread of a driver's (`kthread_run`, `kthread_create`). Clones are one thread.
#[derive(Clone)]
pub struct Kthread(Arc<Inner>);

struct Inner {
    tracker: Tracker,
    stop: Cancel,
    run: Mutex<Run>,
    /// Its task number; 0 before it runs.
    task: AtomicU64,
}

type Body = Box<dyn FnOnce(&KthreadControl) + Send>;

/// How far it has come.
enum Run {
    /// It was made and not woken yet.
    New(Body),
    Started(JoinHandle<()>),
    Over,
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
        let kthread = Kthread::create(system, device, name, body)?;
        match kthread.wake_up() {
            Ok(()) => Ok(kthread),
            Err(errno) => {
                *kthread.0.run.lock() = Run::Over;
                kthread.0.tracker.free();
                Err(errno)
            }
        }
    }

    /// Makes a thread that sleeps until it is woken (`kthread_create`). One that is
    /// stopped before never runs, and until then costs nobody a thread.
    ///
    /// # Errors
    /// `ENOMEM`.
    #[track_caller]
    pub fn create(
        system: &System,
        device: Option<&Device>,
        name: &str,
        body: impl FnOnce(&KthreadControl) + Send + 'static,
    ) -> Result<Kthread> {
        system.allocation()?;
        Ok(Kthread(Arc::new(Inner {
            tracker: Tracker::new(system, device, ResourceKind::Kthread, name),
            stop: Cancel::new(),
            run: Mutex::new(Run::New(Box::new(body))),
            task: AtomicU64::new(0),
        })))
    }

    /// Lets it run, unless it does (`wake_up_process` after `kthread_create`).
    ///
    /// # Errors
    /// `EAGAIN` if there is no thread to be had; it can be woken again.
    pub fn wake_up(&self) -> Result {
        // Under the lock, so that a stop meets either what never ran or what it can wait for.
        let mut run = self.0.run.lock();
        let body = match core::mem::replace(&mut *run, Run::Over) {
            Run::New(body) => body,
            other => {
                *run = other;
                return Ok(());
            }
        };
        let body = Arc::new(Mutex::new(Some(body)));
        let (own, kept) = (self.clone(), Arc::clone(&body));
        let control = KthreadControl {
            system: self.0.tracker.system(),
            stop: self.0.stop.clone(),
        };
        let clock = control.system.clock().clone();
        let spawned = clock.spawn(&self.0.tracker.name, move || {
            own.0.task.store(thread::current().0, Ordering::Relaxed);
            own.0.tracker.used(ResourceStep::Fired);
            if let Some(body) = kept.lock().take() {
                own.0.tracker.guard(|| body(&control));
            }
            own.0.tracker.tell(ResourceStep::Returned);
        });
        match spawned {
            Ok(handle) => {
                *run = Run::Started(handle);
                Ok(())
            }
            Err(_) => {
                *run = body.lock().take().map_or(Run::Over, Run::New);
                Err(Errno::EAGAIN)
            }
        }
    }

    /// Tells it to stop and waits until it has (`kthread_stop`). One that was never
    /// woken does not run any more. From the thread itself a kernel would hang; here it
    /// is a splat.
    #[track_caller]
    pub fn stop(&self) {
        self.0.stop.cancel();
        if self.0.task.load(Ordering::Relaxed) == thread::current().0 {
            self.0
                .tracker
                .splat(SplatKind::Deadlock, "stopped from the thread itself");
            return;
        }
        let run = core::mem::replace(&mut *self.0.run.lock(), Run::Over);
        match run {
            Run::Over => return,
            Run::New(body) => drop(body),
            Run::Started(handle) => drop(handle.join()),
        }
        self.0.tracker.tell(ResourceStep::Cancelled);
    }
}

impl Resource for Kthread {
    fn stop(&self) {
        Kthread::stop(self);
    }

    fn free(&self) {
        let runs = matches!(*self.0.run.lock(), Run::Started(_));
        if runs {
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
