//! Tasks: threads, or tasks of an exploration.

use crate::task::Task;
use std::any::Any;
use std::fmt;
use std::io;

/// A task, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The task that calls.
pub fn current() -> TaskId {
    Task::current().id()
}

/// Lets others run.
pub fn yield_now() {
    std::thread::yield_now();
}

/// A spawned task.
#[derive(Debug)]
pub struct JoinHandle<T>(std::thread::JoinHandle<T>);

impl<T> JoinHandle<T> {
    /// Waits for the end of the task; the error is what it panicked with.
    pub fn join(self) -> Result<T, Box<dyn Any + Send>> {
        self.0.join()
    }

    /// Whether the task's function has returned.
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

/// Starts a task. `name` is the thread's name as far as the system allows.
///
/// # Errors
/// The system has no more threads to give.
pub fn spawn<T: Send + 'static>(
    name: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Ok(JoinHandle(
        std::thread::Builder::new().name(name.to_owned()).spawn(f)?,
    ))
}
