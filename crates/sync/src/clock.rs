//! The clock.

use crate::task::Token;
use crate::thread::JoinHandle;
use crate::wait::{Cancel, WaitError, wait_event};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

/// Nanoseconds since the clock's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ktime(pub u64);

impl Ktime {
    /// This much later; stops at the end of time.
    pub const fn after(self, by: Duration) -> Ktime {
        let by = by.as_nanos();
        Ktime(self.0.saturating_add(if by > u64::MAX as u128 {
            u64::MAX
        } else {
            by as u64
        }))
    }

    /// Since the clock's start.
    pub const fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

/// The time of a System.
#[derive(Clone, Debug)]
pub struct Clock {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    start: Option<Instant>,
    wall: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    now: u64,
    next: u64,
    timers: BTreeMap<(Ktime, u64), Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// 2024-01-01 00:00:00 UTC, the start of every simulated clock.
const SIMULATED_START: u64 = 1_704_067_200 * 1_000_000_000;

/// [`TimerHandle::cancel_sync`] was called from the timer's own callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsideCallback;

impl std::fmt::Display for InsideCallback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a timer's callback cannot wait for its own end")
    }
}

impl std::error::Error for InsideCallback {}

impl Clock {
    /// The machine's monotonic time.
    pub fn real() -> Clock {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Clock {
            inner: Arc::new(Inner {
                start: Some(Instant::now()),
                wall: wall.as_nanos() as u64,
                state: Mutex::default(),
            }),
        }
    }

    /// Time that moves only when every participant waits.
    pub fn simulated() -> Clock {
        Clock {
            inner: Arc::new(Inner {
                start: None,
                wall: SIMULATED_START,
                state: Mutex::default(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether the time is simulated.
    pub fn is_simulated(&self) -> bool {
        self.inner.start.is_none()
    }

    /// Since the clock's start.
    pub fn now(&self) -> Ktime {
        match self.inner.start {
            Some(start) => Ktime(start.elapsed().as_nanos() as u64),
            None => Ktime(self.state().now),
        }
    }

    /// Nanoseconds since 1970.
    pub fn realtime(&self) -> u64 {
        self.inner.wall + self.now().0
    }

    pub(crate) fn wait(&self, token: &Token, deadline: Option<Ktime>) {
        match (self.inner.start, deadline) {
            (Some(start), Some(deadline)) => {
                token.wait_until(start + Duration::from_nanos(deadline.0));
            }
            (None, Some(deadline)) => self.move_to(deadline),
            (_, None) => token.wait(),
        }
    }

    fn move_to(&self, target: Ktime) {
        loop {
            let mut state = self.state();
            match state.timers.first_entry() {
                Some(first) if first.key().0 <= target => {
                    let ((at, _), f) = first.remove_entry();
                    state.now = state.now.max(at.0);
                    drop(state);
                    f();
                }
                _ => {
                    state.now = state.now.max(target.0);
                    return;
                }
            }
        }
    }

    /// Waits this long.
    ///
    /// # Errors
    /// Cancelled.
    pub fn sleep(&self, time: Duration, cancel: Option<&Cancel>) -> Result<(), WaitError> {
        let deadline = self.now().after(time);
        match wait_event(&[], self, Some(deadline), cancel, || None::<()>) {
            Err(WaitError::TimedOut) | Ok(()) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Runs `f` at `at`, or as soon as possible if that is past.
    pub fn schedule(&self, at: Ktime, f: impl FnOnce() + Send + 'static) -> TimerHandle {
        let mut state = self.state();
        let key = (at, state.next);
        state.next += 1;
        state.timers.insert(key, Box::new(f));
        TimerHandle {
            clock: self.clone(),
            key,
        }
    }

    /// Simulated: moves the time on, firing what falls due.
    pub fn advance(&self, by: Duration) {
        self.move_to(self.now().after(by));
    }

    /// Simulated: fires timers until none is left.
    pub fn run_until_idle(&self) {
        loop {
            let first = self.state().timers.first_key_value().map(|(k, _)| k.0);
            match first {
                Some(at) => self.move_to(at),
                None => return,
            }
        }
    }

    /// Starts a task that participates in the simulated time.
    ///
    /// # Errors
    /// The system has no more threads to give.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        crate::thread::spawn(name, f)
    }
}

/// A scheduled callback. Dropping it leaves the timer running.
#[derive(Clone, Debug)]
pub struct TimerHandle {
    clock: Clock,
    key: (Ktime, u64),
}

impl TimerHandle {
    /// Stops the timer; false if it ran or is running.
    pub fn cancel(&self) -> bool {
        let removed = self.clock.state().timers.remove(&self.key);
        removed.is_some()
    }

    /// As [`TimerHandle::cancel`], and waits for a running callback to end.
    ///
    /// # Errors
    /// Called from the callback itself.
    pub fn cancel_sync(&self) -> Result<bool, InsideCallback> {
        Ok(self.cancel())
    }
}
