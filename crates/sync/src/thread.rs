//! Tasks: threads or, when the spawning task is explored, tasks of the exploration.

use crate::clock::Core;
use crate::explore;
use crate::lock::Mutex;
use crate::task::{Membership, Task};
use crate::wait;
use crate::wait_queue::WaitQueue;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// A task: unique among the threads of the process, or among the tasks of one run of
/// an exploration, where it depends on the schedule alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The task that calls.
pub fn current() -> TaskId {
    Task::current_id()
}

/// Lets others run.
pub fn yield_now() {
    if explore::explored() {
        shuttle::thread::yield_now();
    } else {
        std::thread::yield_now();
    }
}

/// Runs `f`, which waits in a way that this crate cannot see: for a process, a socket,
/// a thread of somebody else's. Meanwhile the task counts as waiting in the simulated
/// clocks it participates in.
pub fn wait_outside<R>(f: impl FnOnce() -> R) -> R {
    Task::current().outside(f)
}

/// For what a task must not do inside itself, such as telling a listener of what the
/// listener causes: none while the task holds what an earlier call gave.
pub fn not_again() -> Option<Once> {
    let task = current();
    let before = ONCE.try_with(|once| once.replace(Some(task))).ok()?;
    if before == Some(task) {
        return None;
    }
    Some(Once {
        before,
        here: PhantomData,
    })
}

thread_local! {
    static ONCE: Cell<Option<TaskId>> = const { Cell::new(None) };
}

/// See [`not_again`].
#[derive(Debug)]
#[must_use = "dropping it allows it again"]
pub struct Once {
    before: Option<TaskId>,
    here: PhantomData<*const ()>,
}

impl Drop for Once {
    fn drop(&mut self) {
        // Without the thread's locals there is nothing to give back.
        let _ = ONCE.try_with(|once| once.set(self.before));
    }
}

struct Outcome<T> {
    result: Mutex<Option<Result<T, Box<dyn Any + Send>>>>,
    finished: AtomicBool,
    joiners: WaitQueue,
}

enum Handle {
    Thread(std::thread::JoinHandle<()>),
    Explored(shuttle::thread::JoinHandle<()>),
}

/// A spawned task. Dropping the handle leaves the task running.
pub struct JoinHandle<T> {
    outcome: Arc<Outcome<T>>,
    handle: Handle,
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish()
    }
}

impl<T> JoinHandle<T> {
    /// Waits for the end of the task.
    ///
    /// # Errors
    /// What it panicked with. (In an exploration a task's panic ends the run.)
    pub fn join(self) -> Result<T, Box<dyn Any + Send>> {
        let outcome = &self.outcome;
        wait::until(&[&outcome.joiners], || {
            outcome.finished.load(Ordering::Acquire).then_some(())
        });
        // Only the task's last steps are left: its locals, and its leaving the clocks.
        match self.handle {
            Handle::Thread(thread) => thread.join()?,
            Handle::Explored(task) => task.join()?,
        }
        let result = outcome.result.lock().take();
        result.unwrap_or_else(|| Err(Box::new("the task ended without a result")))
    }

    /// Whether the task's function has returned.
    pub fn is_finished(&self) -> bool {
        explore::switch_point();
        self.outcome.finished.load(Ordering::Acquire)
    }
}

/// Starts a task. `name` names the thread, as far as the system has room for it.
///
/// # Errors
/// The system has no more threads to give.
pub fn spawn<T: Send + 'static>(
    name: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    spawn_counted(name, None, f)
}

/// As [`spawn`]; the task counts in `clock`, from now on.
pub(crate) fn spawn_counted<T: Send + 'static>(
    name: &str,
    clock: Option<(&Arc<Core>, bool)>,
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let counted = clock.map(|(core, participant)| {
        core.join(participant);
        Counted {
            core: Arc::downgrade(core),
            participant,
        }
    });
    let outcome = Arc::new(Outcome {
        result: Mutex::new(None),
        finished: AtomicBool::new(false),
        joiners: WaitQueue::new(),
    });
    let inner = outcome.clone();
    let run = move || {
        if let Some(counted) = counted {
            Task::current().add_membership(counted.handed_over());
        }
        let result = if explore::explored() {
            Ok(f())
        } else {
            catch_unwind(AssertUnwindSafe(f))
        };
        *inner.result.lock() = Some(result);
        inner.finished.store(true, Ordering::Release);
        // The joiner runs again before we stop to: time stands still in between.
        inner.joiners.wake_all();
        drop(inner);
        if explore::explored() {
            explore::end_task();
        } else {
            Task::current().leave_all();
        }
    };
    let name = name.replace('\0', "?");
    let handle = if explore::explored() {
        Handle::Explored(explore::spawn(name, run)?)
    } else {
        Handle::Thread(std::thread::Builder::new().name(name).spawn(run)?)
    };
    Ok(JoinHandle { outcome, handle })
}

/// A place in a clock for a task that has not started. Given back if it never does.
struct Counted {
    core: Weak<Core>,
    participant: bool,
}

impl Counted {
    fn handed_over(mut self) -> Membership {
        Membership {
            core: std::mem::take(&mut self.core),
            participant: self.participant,
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.leave(self.participant);
        }
    }
}
