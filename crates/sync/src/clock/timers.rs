//! What a clock has scheduled, and the task that runs it.

use super::Ktime;
use super::simulated::Count;
use crate::explore;
use crate::task::Token;
use crate::thread::{self, JoinHandle, TaskId};
use crate::wait;
use crate::wait_queue::WaitQueue;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// When, and in which order at that time.
pub(super) type Key = (Ktime, u64);

type Callback = Box<dyn FnOnce() + Send>;

pub(super) enum Due {
    /// Ends a wait.
    Wake(Arc<Token>),
    /// Runs on the timer task.
    Call(Callback),
}

pub(crate) struct Core {
    /// `None`: simulated.
    start: Option<Instant>,
    /// Nanoseconds from 1970 to the clock's start.
    wall: u64,
    pub(super) state: Mutex<State>,
    /// Woken when a callback has ended.
    done: WaitQueue,
    /// The timer task, once there was something for it.
    join: crate::lock::Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
pub(super) struct State {
    next: u64,
    pub(super) timers: BTreeMap<Key, Due>,
    /// Simulated: the callback that the timer task is to run now.
    pub(super) due: Option<Key>,
    /// The callback that runs now, by the second half of its key.
    pub(super) running: Option<u64>,
    /// What there is to know of the timer task, once it runs.
    pub(super) timer_task: Option<TimerTask>,
    /// No handle is left.
    pub(super) shut: bool,
    pub(super) count: Count,
}

impl State {
    /// Counts what was scheduled.
    pub(super) fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

pub(super) struct TimerTask {
    pub(super) token: Arc<Token>,
    id: TaskId,
}

/// [`TimerHandle::cancel_sync`] was called from the timer's own callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InsideCallback;

impl fmt::Display for InsideCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a timer's callback cannot wait for its own end")
    }
}

impl std::error::Error for InsideCallback {}

/// 2024-01-01 00:00:00 UTC, where simulated time starts.
const SIMULATED_START: u64 = 1_704_067_200 * 1_000_000_000;

impl Core {
    pub(super) fn real() -> Arc<Core> {
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let wall = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        Core::new(Some(Instant::now()), wall)
    }

    pub(super) fn simulated() -> Arc<Core> {
        Core::new(None, SIMULATED_START)
    }

    fn new(start: Option<Instant>, wall: u64) -> Arc<Core> {
        Arc::new(Core {
            start,
            wall,
            state: Mutex::default(),
            done: WaitQueue::new(),
            join: crate::lock::Mutex::new(None),
        })
    }

    /// Held for a few lines at a time, never while a token is fired or a lock of the
    /// crate's own is taken.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_simulated(&self) -> bool {
        self.start.is_none()
    }

    pub(super) fn now(&self) -> Ktime {
        match self.start {
            Some(start) => Ktime(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)),
            None => self.state().count.now,
        }
    }

    pub(super) fn realtime(&self) -> u64 {
        self.wall.saturating_add(self.now().0)
    }

    /// The machine's time for a time of a real clock, if it has one.
    pub(super) fn instant(&self, at: Ktime) -> Option<Instant> {
        self.start?.checked_add(Duration::from_nanos(at.0))
    }

    pub(super) fn insert(&self, at: Ktime, due: Due) -> Key {
        let mut state = self.state();
        let key = (at, state.next_number());
        state.timers.insert(key, due);
        key
    }

    pub(super) fn schedule(self: &Arc<Self>, at: Ktime, f: Callback) -> TimerHandle {
        let key = self.insert(at, Due::Call(f));
        self.start_timer_task();
        if self.is_simulated() {
            // If nobody can run but the caller, which is no participant, it is due now.
            self.move_on();
        } else {
            // If the task is only starting it looks for itself.
            self.wake_timer_task();
        }
        TimerHandle {
            core: self.clone(),
            key,
        }
    }

    fn wake_timer_task(&self) {
        let token = self
            .state()
            .timer_task
            .as_ref()
            .map(|task| task.token.clone());
        if let Some(token) = token {
            token.fire();
        }
    }

    fn start_timer_task(self: &Arc<Self>) {
        let mut join = self.join.lock();
        if join.is_some() {
            return;
        }
        let counted = self.is_simulated().then_some((self, false));
        let core = self.clone();
        // If the system has no thread to give, the next callback asks again.
        *join = thread::spawn_counted("timers", counted, move || core.run_timers()).ok();
    }

    fn run_timers(&self) {
        let token = Token::new();
        self.state().timer_task = Some(TimerTask {
            token: token.clone(),
            id: thread::current(),
        });
        loop {
            token.rearm();
            match self.next_step() {
                Step::Run(key, callback) => self.run_callback(key, callback),
                Step::WaitUntil(at) => match self.instant(at) {
                    Some(at) => token.wait_until(at),
                    None => token.wait(),
                },
                Step::Wait => token.wait(),
                Step::End => return,
            }
        }
    }

    fn next_step(&self) -> Step {
        let mut state = self.state();
        if state.shut {
            return Step::End;
        }
        let key = if self.is_simulated() {
            state.due.take()
        } else {
            match state.timers.first_key_value() {
                Some((&(at, _), _))
                    if self.start.is_some_and(|s| s.elapsed() < at.since_start()) =>
                {
                    return Step::WaitUntil(at);
                }
                first => first.map(|(key, _)| *key),
            }
        };
        // Gone if it was cancelled in the meantime.
        match key.and_then(|key| state.timers.remove_entry(&key)) {
            Some((key, Due::Call(callback))) => {
                state.running = Some(key.1);
                Step::Run(key, callback)
            }
            _ => Step::Wait,
        }
    }

    fn run_callback(&self, key: Key, callback: Callback) {
        // The panic was reported by the hook; the other timers have no part in it. In
        // an exploration it ends the run.
        if explore::explored() {
            callback();
        } else {
            drop(catch_unwind(AssertUnwindSafe(callback)));
        }
        debug_assert_eq!(
            self.state().running,
            Some(key.1),
            "callbacks run one at a time"
        );
        self.state().running = None;
        self.done.wake_all();
    }

    /// The last handle is gone. Ends the timer task, and waits for its end, unless a
    /// callback runs: that may need what the caller holds, or be the caller.
    pub(super) fn shut(&self) {
        let (timers, idle) = {
            let mut state = self.state();
            state.shut = true;
            (std::mem::take(&mut state.timers), state.running.is_none())
        };
        drop(timers);
        self.wake_timer_task();
        let join = self.join.lock().take();
        if let Some(join) = join.filter(|_| idle && !std::thread::panicking()) {
            drop(join.join());
        }
    }
}

enum Step {
    Run(Key, Callback),
    WaitUntil(Ktime),
    Wait,
    End,
}

/// A scheduled callback. Dropping the handle leaves it scheduled.
#[derive(Clone)]
pub struct TimerHandle {
    core: Arc<Core>,
    key: Key,
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("at", &self.key.0)
            .finish_non_exhaustive()
    }
}

impl TimerHandle {
    /// When it is due.
    pub fn at(&self) -> Ktime {
        self.key.0
    }

    /// Whether it neither ran, nor runs, nor was cancelled.
    pub fn is_pending(&self) -> bool {
        explore::switch_point();
        self.core.state().timers.contains_key(&self.key)
    }

    /// Takes the callback off the schedule; false if it runs, ran, or was cancelled
    /// before. As `timer_delete` (`kernel/time/timer.c`).
    pub fn cancel(&self) -> bool {
        explore::switch_point();
        let removed = self.core.state().timers.remove(&self.key);
        removed.is_some()
    }

    /// As [`TimerHandle::cancel`], and waits for the end of the callback if it runs. As
    /// `timer_delete_sync` (`kernel/time/timer.c`).
    ///
    /// # Errors
    /// The callback itself called, and would wait for ever.
    pub fn cancel_sync(&self) -> Result<bool, InsideCallback> {
        if self.cancel() {
            return Ok(true);
        }
        let running = || self.core.state().running == Some(self.key.1);
        let timer_task = self.core.state().timer_task.as_ref().map(|task| task.id);
        if running() && timer_task == Some(thread::current()) {
            return Err(InsideCallback);
        }
        wait::until(&[&self.core.done], || (!running()).then_some(()));
        Ok(false)
    }
}
