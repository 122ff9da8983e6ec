//! Waiting for events, as the kernel's `wait_event` family does: test, and if it has
//! not come, sleep until a queue is woken, and test again.

use crate::clock::{Clock, Ktime};
use crate::explore;
use crate::task::Token;
use crate::wait_queue::{WaitEntry, WaitQueue, Wake};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a wait ended without its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// The deadline passed.
    TimedOut,
    /// The wait was cancelled.
    Cancelled,
}

impl std::fmt::Display for WaitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            WaitError::TimedOut => "the deadline passed before the event",
            WaitError::Cancelled => "the wait was cancelled",
        })
    }
}

impl std::error::Error for WaitError {}

impl Wake for Token {
    fn wake(&self) {
        self.fire();
    }
}

/// Ends waits, as a signal does. Clones are one token.
#[derive(Clone, Debug, Default)]
pub struct Cancel {
    cancelled: Arc<AtomicBool>,
    queue: WaitQueue,
}

impl Cancel {
    /// Not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the waits that use it, now and later.
    pub fn cancel(&self) {
        explore::switch_point();
        self.cancelled.store(true, Ordering::SeqCst);
        self.queue.wake_all();
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        explore::switch_point();
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Woken by [`Cancel::cancel`].
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }
}

/// Blocks until `attempt` gives `Some`. It is tested at once, and again after each wake
/// of one of the queues; who makes it succeed changes the state first and wakes then.
/// `deadline` is a time of `clock`.
///
/// ```
/// use lastfd_sync::{Clock, Ktime, Mutex, WaitError, WaitQueue, wait_event};
///
/// let clock = Clock::simulated();
/// let (queue, ready) = (WaitQueue::new(), Mutex::new(false));
/// let never = wait_event(&[&queue], &clock, Some(Ktime(1000)), None, || {
///     ready.lock().then_some(())
/// });
/// assert_eq!(never, Err(WaitError::TimedOut));
/// assert_eq!(clock.now(), Ktime(1000));
/// ```
///
/// # Errors
/// `cancel` was cancelled, or the deadline passed. An event that has come counts first,
/// a cancellation second.
pub fn wait_event<R>(
    queues: &[&WaitQueue],
    clock: &Clock,
    deadline: Option<Ktime>,
    cancel: Option<&Cancel>,
    attempt: impl FnMut() -> Option<R>,
) -> Result<R, WaitError> {
    wait_event_unless(queues, clock, deadline, cancel.as_slice(), attempt)
}

/// As [`wait_event`], ended by any of several tokens.
///
/// # Errors
/// As [`wait_event`].
pub fn wait_event_unless<R>(
    queues: &[&WaitQueue],
    clock: &Clock,
    deadline: Option<Ktime>,
    cancels: &[&Cancel],
    mut attempt: impl FnMut() -> Option<R>,
) -> Result<R, WaitError> {
    if let Some(result) = attempt() {
        return Ok(result);
    }
    let token = Token::new();
    let cancelling = cancels.iter().map(|cancel| cancel.queue());
    let queues = queues.iter().copied().chain(cancelling);
    let _entries: Vec<WaitEntry> = queues.map(|queue| queue.add(token.clone())).collect();
    loop {
        // We are in the queues, and what is tested from here on is followed by a look at
        // the token. A change before the test is seen by it; a change after it is
        // followed by a wake that fires the token.
        token.rearm();
        if let Some(result) = attempt() {
            return Ok(result);
        }
        if cancels.iter().any(|cancel| cancel.is_cancelled()) {
            return Err(WaitError::Cancelled);
        }
        if deadline.is_some_and(|deadline| clock.now() >= deadline) {
            return Err(WaitError::TimedOut);
        }
        clock.wait(&token, deadline);
    }
}

/// As [`wait_event`], for as long as it takes.
pub(crate) fn until<R>(queues: &[&WaitQueue], mut attempt: impl FnMut() -> Option<R>) -> R {
    if let Some(result) = attempt() {
        return result;
    }
    let token = Token::new();
    let _entries: Vec<WaitEntry> = queues
        .iter()
        .map(|queue| queue.add(token.clone()))
        .collect();
    loop {
        token.rearm();
        if let Some(result) = attempt() {
            return result;
        }
        token.wait();
    }
}
