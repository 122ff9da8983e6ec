//! One phase of a case, on a thread of its own: its init and body, or the
//! suite's exit and the cleanup.
//!
//! Follows `lib/kunit/try-catch.c`.

use core::any::Any;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lastfd_model::{Errno, System};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::thread::{self, JoinHandle, TaskId};
use lastfd_sync::{Arc, Clock, Mutex, TimerHandle, WaitQueue, wait_event};

use crate::test::{Abort, Test};

/// The kernel's name for the threads of a case.
const THREAD_NAME: &str = "kunit_try_catch_thread";

/// How long a phase may go on once its waits were cancelled.
const GRACE: Duration = Duration::from_secs(1);

/// How a phase ended (`try_result`).
pub(crate) enum Ended {
    /// It returned.
    Done,
    /// An assertion failed, or it skipped (-EFAULT).
    Aborted,
    /// It panicked, with this message (-EINTR).
    Panicked(String),
    /// It took too long (-ETIMEDOUT).
    TimedOut(Stuck),
    /// There was no thread to be had.
    NotStarted(io::Error),
}

/// A phase that took too long.
pub(crate) struct Stuck {
    pub(crate) limit: Duration,
    /// Its thread.
    pub(crate) task: Option<TaskId>,
    /// Whether it ended when its waits were cancelled.
    pub(crate) ended: bool,
}

impl Ended {
    /// kunit_try_catch_run: what it says of a phase that did not return.
    pub(crate) fn say(&self, test: &Test) {
        match self {
            Ended::Done | Ended::Aborted => {}
            Ended::Panicked(message) => {
                test.log(match test.last_seen() {
                    Some(place) => format!(
                        "try faulted: last line seen {}:{}",
                        place.file(),
                        place.line()
                    ),
                    None => "try faulted".to_owned(),
                });
                test.log(format!("panicked: {message}"));
            }
            Ended::TimedOut(stuck) => {
                test.log("try timed out");
                test.log(stuck.explanation());
            }
            Ended::NotStarted(error) => test.log(format!("failed to start a thread: {error}")),
        }
    }

    /// try_result.
    pub(crate) fn code(&self) -> i32 {
        -match self {
            Ended::Done => return 0,
            Ended::Aborted => Errno::EFAULT,
            Ended::Panicked(_) => Errno::EINTR,
            Ended::TimedOut(_) => Errno::ETIMEDOUT,
            Ended::NotStarted(_) => Errno::EAGAIN,
        }
        .code()
    }

    /// What there is to be said beyond the number.
    pub(crate) fn explanation(&self) -> String {
        match self {
            Ended::Done | Ended::Aborted => String::new(),
            Ended::Panicked(message) => format!("\npanicked: {message}"),
            Ended::TimedOut(stuck) => format!("\n{}", stuck.explanation()),
            Ended::NotStarted(error) => format!("\nfailed to start a thread: {error}"),
        }
    }
}

impl Stuck {
    fn explanation(&self) -> String {
        let name = THREAD_NAME;
        let thread = match self.task {
            Some(task) => format!("thread {name} (task {task})"),
            None => format!("thread {name}"),
        };
        let limit = self.limit;
        match self.ended {
            true => format!(
                "{thread} was in a wait after {limit:?}; it ended when its waits were cancelled"
            ),
            false => format!(
                "{thread} does not end after {limit:?}, with its waits cancelled; it is left behind with its System"
            ),
        }
    }
}

/// Which of a case's two threads a phase runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// Init and body; a suite's own init and exit, too.
    Body,
    /// Exit and cleanup.
    Cleanup,
}

/// The two threads of a System's cases. A kernel makes two for each case; here
/// they are kept from case to case, which costs a tenth.
pub(crate) struct Threads {
    system: System,
    host: Clock,
    workers: Mutex<[Option<Worker>; 2]>,
}

impl Threads {
    pub(crate) fn new(system: &System, host: &Clock) -> Threads {
        Threads {
            system: system.clone(),
            host: host.clone(),
            workers: Mutex::new([None, None]),
        }
    }

    /// Runs a phase and waits for its end, `limit` in the System's time. A
    /// phase that never waits stops simulated time, so the host's time limits
    /// it too.
    pub(crate) fn run(
        &self,
        which: Which,
        limit: Duration,
        f: impl FnOnce() + Send + 'static,
    ) -> Ended {
        let kept = self.workers.lock()[which as usize].take();
        let worker = match kept.map_or_else(|| Worker::start(self.system.clock()), Ok) {
            Ok(worker) => worker,
            Err(error) => return Ended::NotStarted(error),
        };
        let phase = Arc::new(Phase::default());
        let inner = Arc::clone(&phase);
        worker.give(Box::new(move || {
            let outcome = catch_unwind(AssertUnwindSafe(f));
            *inner.outcome.lock() = Some(outcome);
            inner.queue.wake_all();
        }));
        let (ended, free) = match phase.wait(&self.system, &self.host, limit) {
            Some(outcome) => (ended(outcome), true),
            None => {
                self.system.waits().cancel();
                let grace = GRACE.min(limit);
                let ended = phase.wait(&self.system, &self.host, grace).is_some();
                let task = worker.task();
                (Ended::TimedOut(Stuck { limit, task, ended }), ended)
            }
        };
        match free {
            true => self.workers.lock()[which as usize] = Some(worker),
            false => worker.abandon(),
        }
        ended
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one thing after the other.
struct Worker {
    shared: Arc<Shared>,
    handle: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    next: Mutex<Next>,
    /// Woken when there is something next.
    queue: WaitQueue,
    task: Mutex<Option<TaskId>>,
}

#[derive(Default)]
enum Next {
    #[default]
    Nothing,
    Job(Job),
    End,
}

impl Worker {
    fn start(clock: &Clock) -> io::Result<Worker> {
        let shared = Arc::new(Shared::default());
        let (own, time) = (Arc::clone(&shared), clock.clone());
        let handle = clock.spawn(THREAD_NAME, move || {
            *own.task.lock() = Some(thread::current());
            loop {
                let next = wait_event(&[&own.queue], &time, None, None, || {
                    let next = core::mem::take(&mut *own.next.lock());
                    (!matches!(next, Next::Nothing)).then_some(next)
                });
                match next {
                    Ok(Next::Job(job)) => job(),
                    _ => return,
                }
            }
        })?;
        Ok(Worker {
            shared,
            handle: Some(handle),
        })
    }

    fn give(&self, job: Job) {
        *self.shared.next.lock() = Next::Job(job);
        self.shared.queue.wake_all();
    }

    fn task(&self) -> Option<TaskId> {
        *self.shared.task.lock()
    }

    /// Leaves it running; should its job ever end, so does it.
    fn abandon(mut self) {
        self.handle = None;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        *self.shared.next.lock() = Next::End;
        self.shared.queue.wake_all();
        if let Some(handle) = self.handle.take() {
            // It catches what its jobs panic with.
            let _ = handle.join();
        }
    }
}

type Outcome = Result<(), Box<dyn Any + Send>>;

#[derive(Default)]
struct Phase {
    outcome: Mutex<Option<Outcome>>,
    /// Woken by the end of the phase and by the watchdog.
    queue: WaitQueue,
    overdue: AtomicBool,
}

/// What a wait for a phase saw.
enum Seen {
    Outcome(Outcome),
    Overdue,
}

fn ended(outcome: Outcome) -> Ended {
    match outcome {
        Ok(()) => Ended::Done,
        Err(payload) if payload.is::<Abort>() => Ended::Aborted,
        Err(payload) => {
            let said = payload.downcast_ref::<&str>().map(|s| (*s).to_owned());
            let said = said.or_else(|| payload.downcast_ref::<String>().cloned());
            Ended::Panicked(said.unwrap_or_else(|| "(no message)".to_owned()))
        }
    }
}

impl Phase {
    /// None if it took too long.
    fn wait(self: &Arc<Self>, system: &System, host: &Clock, limit: Duration) -> Option<Outcome> {
        self.overdue.store(false, Ordering::Release);
        let clock = system.clock();
        let watchdog = clock.is_simulated().then(|| self.watchdog(host, limit));
        let deadline = clock.now().after(limit);
        let seen = wait_event(&[&self.queue], clock, Some(deadline), None, || {
            if let Some(outcome) = self.outcome.lock().take() {
                return Some(Seen::Outcome(outcome));
            }
            let overdue = self.overdue.load(Ordering::Acquire);
            overdue.then_some(Seen::Overdue)
        });
        if let Some(timer) = watchdog.flatten() {
            timer.cancel();
        }
        match seen {
            Ok(Seen::Outcome(outcome)) => Some(outcome),
            Ok(Seen::Overdue) | Err(_) => None,
        }
    }

    /// Calls the wait off when the host's time is over. A simulated host, as
    /// explorations and tests have it, has no time of its own.
    fn watchdog(self: &Arc<Self>, host: &Clock, limit: Duration) -> Option<TimerHandle> {
        if host.is_simulated() {
            return None;
        }
        let phase = Arc::downgrade(self);
        let timer = host.schedule(host.now().after(limit), move || {
            if let Some(phase) = phase.upgrade() {
                phase.overdue.store(true, Ordering::Release);
                phase.queue.wake_all();
            }
        });
        Some(timer)
    }
}
