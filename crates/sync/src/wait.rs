//! Waiting for events.

use crate::clock::{Clock, Ktime};
use crate::task::Token;
use crate::wait_queue::{WaitQueue, Wake};
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
        self.cancelled.store(true, Ordering::SeqCst);
        self.queue.wake_all();
    }

    /// Whether [`Cancel::cancel`] was called.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Woken by [`Cancel::cancel`].
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }
}

/// Blocks until `attempt` gives `Some`; it is tested again after each wake.
///
/// # Errors
/// `cancel` was cancelled or the deadline passed; the event is tested before either.
pub fn wait_event<R>(
    queues: &[&WaitQueue],
    clock: &Clock,
    deadline: Option<Ktime>,
    cancel: Option<&Cancel>,
    mut attempt: impl FnMut() -> Option<R>,
) -> Result<R, WaitError> {
    if let Some(result) = attempt() {
        return Ok(result);
    }
    let token = Token::new();
    let _entries: Vec<_> = queues
        .iter()
        .copied()
        .chain(cancel.map(Cancel::queue))
        .map(|queue| queue.add(token.clone()))
        .collect();
    loop {
        token.rearm();
        if let Some(result) = attempt() {
            return Ok(result);
        }
        if cancel.is_some_and(Cancel::is_cancelled) {
            return Err(WaitError::Cancelled);
        }
        if deadline.is_some_and(|deadline| clock.now() >= deadline) {
            return Err(WaitError::TimedOut);
        }
        clock.wait(&token, deadline);
    }
}
