//! Timers.
//!
//! Follows `kernel/time/hrtimer.c`.

use core::fmt;
use core::time::Duration;

use lastfd_sync::thread::{self, TaskId};
use lastfd_sync::{Arc, Ktime, Mutex, TimerHandle, WaitQueue, wait_event};

use super::{Resource, Tracker};
use crate::event::{ResourceKind, ResourceStep, SplatKind};
use crate::raw::Device;
use crate::system::System;

/// What a timer does after its callback (`enum hrtimer_restart`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Stop,
    /// It expires again this long after the last expiry was due.
    After(Duration),
}

type Callback = dyn Fn() -> Next + Send + Sync;

/// A timer on the System's clock (`struct hrtimer`). Clones are one timer.
///
/// The callback runs on the clock's task, in what stands for interrupt
/// context: it must not sleep.
#[derive(Clone)]
pub struct Timer(Arc<Inner>);

struct Inner {
    tracker: Tracker,
    callback: Box<Callback>,
    state: Mutex<State>,
    idle: WaitQueue,
}

#[derive(Default)]
struct State {
    /// Changes with every start and cancel; an expiry of another is void.
    generation: u64,
    due: Ktime,
    armed: Option<TimerHandle>,
    running: Option<TaskId>,
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timer").field(&self.0.tracker).finish()
    }
}

impl Timer {
    /// A timer that is not started (`hrtimer_init`), said to belong to the
    /// device.
    #[track_caller]
    pub fn new(
        system: &System,
        device: Option<&Device>,
        name: &str,
        callback: impl Fn() -> Next + Send + Sync + 'static,
    ) -> Timer {
        Timer(Arc::new(Inner {
            tracker: Tracker::new(system, device, ResourceKind::Timer, name),
            callback: Box::new(callback),
            state: Mutex::new(State::default()),
            idle: WaitQueue::new(),
        }))
    }

    /// Starts it, or starts it anew (`hrtimer_start`).
    #[track_caller]
    pub fn start(&self, after: Duration) {
        if self.0.tracker.is_freed() {
            self.0
                .tracker
                .splat(SplatKind::UseAfterFree, "started after it was freed");
        }
        let due = self.0.tracker.core.clock.now().after(after);
        let old = {
            let mut state = self.0.state.lock();
            state.generation += 1;
            let old = state.armed.take();
            self.arm(&mut state, due);
            old
        };
        if let Some(old) = old {
            old.cancel();
        }
        self.0.tracker.tell(ResourceStep::Started);
    }

    fn arm(&self, state: &mut State, due: Ktime) {
        let timer = self.clone();
        let generation = state.generation;
        state.due = due;
        let clock = &self.0.tracker.core.clock;
        state.armed = Some(clock.schedule(due, move || timer.expire(generation)));
    }

    fn expire(&self, generation: u64) {
        {
            let mut state = self.0.state.lock();
            if state.generation != generation {
                return;
            }
            state.armed = None;
            state.running = Some(thread::current());
        }
        self.0.tracker.used(ResourceStep::Fired);
        let next = self.0.tracker.guard(|| (self.0.callback)());
        self.0.tracker.tell(ResourceStep::Returned);
        if matches!(next, Some(Next::After(_))) && self.0.state.lock().generation == generation {
            self.0.tracker.tell(ResourceStep::Started);
        }
        {
            let mut state = self.0.state.lock();
            state.running = None;
            if let (Some(Next::After(by)), true) = (next, state.generation == generation) {
                let due = state.due.after(by);
                self.arm(&mut state, due);
            }
        }
        self.0.idle.wake_all();
    }

    /// Whether it is started or its callback runs (`hrtimer_active`).
    pub fn is_active(&self) -> bool {
        let state = self.0.state.lock();
        state.armed.is_some() || state.running.is_some()
    }

    /// Stops it and waits for a running callback (`hrtimer_cancel`). Gives
    /// whether it was active. From its own callback a kernel would spin for
    /// ever; here it is a splat, and the timer does not start again.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        let (armed, running) = {
            let mut state = self.0.state.lock();
            state.generation += 1;
            (state.armed.take(), state.running)
        };
        let was_active = armed.is_some() || running.is_some();
        if let Some(armed) = armed {
            armed.cancel();
        }
        if running == Some(thread::current()) {
            self.0.tracker.splat(
                SplatKind::Deadlock,
                "cancelled from inside its own callback",
            );
        } else if running.is_some() {
            let idle = || self.0.state.lock().running.is_none().then_some(());
            let clock = &self.0.tracker.core.clock;
            wait_event(&[&self.0.idle], clock, None, None, idle)
                .expect("a wait with neither deadline nor cancel ends only by its condition");
        }
        if was_active {
            self.0.tracker.tell(ResourceStep::Cancelled);
        }
        was_active
    }
}

impl Resource for Timer {
    fn stop(&self) {
        self.cancel();
    }

    fn free(&self) {
        self.0.tracker.free();
    }

    fn release_name(&self) -> &'static str {
        "hrtimer_cancel"
    }
}
