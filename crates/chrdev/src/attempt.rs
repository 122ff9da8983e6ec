//! One attempt at an operation: done, ready to commit, or to be waited for.

use core::fmt;

use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Ktime, WaitEntry, WaitQueue, Wake};

/// What one attempt at an operation gives.
///
/// An attempt changes nothing that another caller can see. What the operation
/// does to the device (a sample leaves the buffer, an event is consumed)
/// happens in the commit, which runs once the reply was taken; a reply that
/// nobody took is dropped, and with it the commit: rolled back.
///
/// The usual shape is a guard that has set the data aside, moved into the
/// commit: running the closure consumes it, dropping the closure puts it back.
/// [`Fifo`](crate::Fifo) gives such a guard.
#[must_use = "an attempt's outcome is the operation's answer"]
pub enum Try<R> {
    /// Over, with nothing to commit.
    Done(Result<R>),
    /// A reply, and an effect that happens when the reply was taken.
    Ready(Pending<R>),
    /// Not now: try again when one of these queues is woken.
    Wait(Wait),
}

impl<R> Try<R> {
    /// Over and well, with nothing to commit.
    pub fn ok(value: R) -> Try<R> {
        Try::Done(Ok(value))
    }

    /// Over with an error.
    pub fn err(errno: Errno) -> Try<R> {
        Try::Done(Err(errno))
    }

    /// A reply with an effect.
    pub fn ready(value: R, commit: impl FnOnce() + Send + 'static) -> Try<R> {
        Try::Ready(Pending::new(value, commit))
    }

    /// To be tried again when the queue is woken.
    pub fn wait(queue: &Arc<WaitQueue>) -> Try<R> {
        Try::Wait(Wait::on(queue))
    }

    /// The same outcome with another reply.
    pub fn map<S>(self, f: impl FnOnce(R) -> S) -> Try<S> {
        match self {
            Try::Done(result) => Try::Done(result.map(f)),
            Try::Ready(pending) => Try::Ready(Pending {
                value: f(pending.value),
                commit: pending.commit,
            }),
            Try::Wait(wait) => Try::Wait(wait),
        }
    }
}

impl<R> From<Result<R>> for Try<R> {
    fn from(result: Result<R>) -> Try<R> {
        Try::Done(result)
    }
}

impl<R: fmt::Debug> fmt::Debug for Try<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Try::Done(result) => f.debug_tuple("Done").field(result).finish(),
            Try::Ready(pending) => f.debug_tuple("Ready").field(&pending.value).finish(),
            Try::Wait(wait) => f.debug_tuple("Wait").field(wait).finish(),
        }
    }
}

/// A reply whose effect has not happened yet. Dropping it rolls back.
#[must_use = "dropping a reply rolls it back"]
pub struct Pending<R> {
    pub(crate) value: R,
    pub(crate) commit: Box<dyn FnOnce() + Send>,
}

impl<R> Pending<R> {
    /// A reply, and what happens when it was taken. `commit` must not fail and
    /// must not block.
    pub fn new(value: R, commit: impl FnOnce() + Send + 'static) -> Pending<R> {
        Pending {
            value,
            commit: Box::new(commit),
        }
    }

    /// The reply.
    pub fn value(&self) -> &R {
        &self.value
    }

    /// The reply was taken: the effect happens now.
    pub fn commit(self) -> R {
        (self.commit)();
        self.value
    }
}

impl<R: fmt::Debug> fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.value).finish()
    }
}

/// Where an operation waits, and until when.
///
/// A queue is known by its `Arc`: name the same one in every attempt that
/// waits for the same thing.
#[derive(Clone)]
pub struct Wait {
    queues: Vec<Arc<WaitQueue>>,
    deadline: Option<Ktime>,
}

impl Wait {
    /// Until the queue is woken.
    pub fn on(queue: &Arc<WaitQueue>) -> Wait {
        Wait {
            queues: vec![Arc::clone(queue)],
            deadline: None,
        }
    }

    /// Until any of the queues is woken.
    pub fn on_any(queues: impl IntoIterator<Item = Arc<WaitQueue>>) -> Wait {
        Wait {
            queues: queues.into_iter().collect(),
            deadline: None,
        }
    }

    /// Also until `deadline` on the System's clock: the operation is tried once
    /// more then, and must see for itself that its time is over.
    #[must_use]
    pub fn until(mut self, deadline: Ktime) -> Wait {
        self.deadline = Some(deadline);
        self
    }

    /// The queues.
    pub fn queues(&self) -> &[Arc<WaitQueue>] {
        &self.queues
    }

    /// The deadline, if there is one.
    pub fn deadline(&self) -> Option<Ktime> {
        self.deadline
    }

    /// Whether both wait on the same queues until the same time.
    pub fn same(&self, other: &Wait) -> bool {
        self.deadline == other.deadline
            && self.queues.len() == other.queues.len()
            && self
                .queues
                .iter()
                .zip(&other.queues)
                .all(|(a, b)| Arc::ptr_eq(a, b))
    }

    /// Adds a waker to every queue; it stays until the entries are dropped.
    ///
    /// Try again after this and before going to sleep: a wake between the
    /// attempt and this call is not seen otherwise.
    pub fn arm(&self, waker: &Arc<dyn Wake>) -> Vec<WaitEntry> {
        self.queues
            .iter()
            .map(|queue| queue.add(Arc::clone(waker)))
            .collect()
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("queues", &self.queues.len())
            .field("deadline", &self.deadline)
            .finish()
    }
}
