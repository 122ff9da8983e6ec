//! One hook that sees every lock, wait and wake of the process.
//!
//! For tools that judge a run from outside: lock order, who sleeps on what. With
//! no observer set a primitive pays the relaxed load that it pays anyway to learn
//! whether it is explored.

use crate::hooks;
use crate::thread::{self, TaskId};
use std::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock};

/// The object an event is about: the address of a lock, valid while it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub usize);

/// What a primitive did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A lock was found taken; [`Event::Acquired`] follows when the task has it.
    Contended(ObjectId),
    /// The task has the lock (or one of its read locks).
    Acquired(ObjectId),
    /// The task gave the lock up.
    Released(ObjectId),
    /// The task stops running until it is woken.
    WaitBegin,
    /// The task runs again.
    WaitEnd,
    /// The task ended a wait of this task.
    Wake(TaskId),
}

/// Sees the events of all tasks.
pub trait Observer: Send + Sync {
    /// Called on the task that acts, with no lock of this crate's own held (the
    /// task's locks are). What it does with the primitives of this crate is not
    /// observed; it must not wait.
    fn observe(&self, task: TaskId, event: Event);
}

static OBSERVER: RwLock<Option<Arc<dyn Observer>>> = RwLock::new(None);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Sets the process's observer and gives back the one it replaces.
///
/// ```
/// use lastfd_sync::{Arc, Mutex, observer, thread::TaskId};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// #[derive(Default)]
/// struct Count(AtomicUsize);
/// impl observer::Observer for Count {
///     fn observe(&self, _task: TaskId, event: observer::Event) {
///         if let observer::Event::Acquired(_) = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let count = Arc::new(Count::default());
/// observer::set(count.clone());
/// drop(Mutex::new(()).lock());
/// observer::clear();
/// assert_eq!(count.0.load(Ordering::Relaxed), 1);
/// ```
pub fn set(observer: Arc<dyn Observer>) -> Option<Arc<dyn Observer>> {
    let old = OBSERVER
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .replace(observer);
    hooks::set_observed(true);
    old
}

/// Removes the observer and gives it back. A call under way may still end after.
pub fn clear() -> Option<Arc<dyn Observer>> {
    hooks::set_observed(false);
    OBSERVER
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
}

#[inline]
pub(crate) fn emit(event: Event) {
    if hooks::observed() {
        emit_observed(event);
    }
}

#[cold]
fn emit_observed(event: Event) {
    // In the thread's last breath there is nothing left to observe.
    if INSIDE.try_with(|inside| inside.replace(true)) != Ok(false) {
        return;
    }
    let observer = OBSERVER
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    if let Some(observer) = observer {
        observer.observe(thread::current(), event);
    }
    INSIDE.set(false);
}
