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
use lastfd_sync::thread::{self, TaskId};
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

type Outcome = Result<(), Box<dyn Any + Send>>;

#[derive(Default)]
struct Phase {
    task: Mutex<Option<TaskId>>,
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

/// Runs the phase and waits for its end, `limit` in the System's time. A phase
/// that never waits stops simulated time, so the host's time limits it too.
pub(crate) fn run(
    system: &System,
    host: &Clock,
    limit: Duration,
    f: impl FnOnce() + Send + 'static,
) -> Ended {
    let phase = Arc::new(Phase::default());
    let inner = Arc::clone(&phase);
    let spawned = system.clock().spawn(THREAD_NAME, move || {
        *inner.task.lock() = Some(thread::current());
        let outcome = catch_unwind(AssertUnwindSafe(f));
        *inner.outcome.lock() = Some(outcome);
        inner.queue.wake_all();
    });
    let handle = match spawned {
        Ok(handle) => handle,
        Err(error) => return Ended::NotStarted(error),
    };
    match phase.wait(system, host, limit) {
        Some(outcome) => {
            // Only the thread's last steps are left.
            let _ = handle.join();
            ended(outcome)
        }
        None => {
            system.waits().cancel();
            let ended = phase.wait(system, host, GRACE.min(limit)).is_some();
            if ended {
                let _ = handle.join();
            }
            let task = *phase.task.lock();
            Ended::TimedOut(Stuck { limit, task, ended })
        }
    }
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
