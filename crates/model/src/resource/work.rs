//! Delayed work.
//!
//! Follows `kernel/workqueue.c`.

use core::fmt;
use core::time::Duration;

use lastfd_sync::thread::{self, TaskId};
use lastfd_sync::{Arc, Mutex, TimerHandle, WaitQueue, wait_event};

use super::{Resource, Tracker};
use crate::event::{ResourceKind, ResourceStep, SplatKind};
use crate::raw::Device;
use crate::system::System;
use crate::workqueue::Workqueue;

/// `system_wq`: what the System's drivers queue.
#[derive(Default)]
pub(crate) struct SystemWorkqueue(Workqueue);

/// Has a device released by the workqueue.
pub(crate) fn queue_release(device: &Device) {
    let system = device.system();
    let workqueue = system.extension::<SystemWorkqueue>();
    let device = device.clone();
    let run = move || device.core().delayed_releases.run(&device);
    workqueue.0.push(&system, Box::new(run));
}

/// Work that runs later, on a thread, and may sleep (`struct delayed_work`).
/// Clones are one work.
#[derive(Clone)]
pub struct DelayedWork(Arc<Inner>);

struct Inner {
    tracker: Tracker,
    run: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
    idle: WaitQueue,
}

#[derive(Default)]
struct State {
    /// Changes with every queueing and cancel.
    generation: u64,
    pending: bool,
    timer: Option<TimerHandle>,
    running: Option<TaskId>,
    /// cancel_sync is under way: queueing does nothing.
    cancelling: u32,
    disabled: bool,
}

impl fmt::Debug for DelayedWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DelayedWork").field(&self.0.tracker).finish()
    }
}

impl DelayedWork {
    /// Work that is not queued (`INIT_DELAYED_WORK`), said to belong to the
    /// device.
    #[track_caller]
    pub fn new(
        system: &System,
        device: Option<&Device>,
        name: &str,
        run: impl Fn() + Send + Sync + 'static,
    ) -> DelayedWork {
        DelayedWork(Arc::new(Inner {
            tracker: Tracker::new(system, device, ResourceKind::Work, name),
            run: Box::new(run),
            state: Mutex::new(State::default()),
            idle: WaitQueue::new(),
        }))
    }

    /// Queues it after a delay (`schedule_delayed_work`). False if it is
    /// pending already, disabled, or being cancelled.
    #[track_caller]
    pub fn schedule(&self, delay: Duration) -> bool {
        if self.0.tracker.is_freed() {
            self.0
                .tracker
                .splat(SplatKind::UseAfterFree, "queued after it was freed");
        }
        let generation = {
            let mut state = self.0.state.lock();
            if state.pending || state.disabled || state.cancelling > 0 {
                return false;
            }
            state.pending = true;
            state.generation += 1;
            let generation = state.generation;
            if !delay.is_zero() {
                let clock = &self.0.tracker.core.clock;
                let work = self.clone();
                let due = clock.now().after(delay);
                state.timer = Some(clock.schedule(due, move || work.queue(generation)));
            }
            generation
        };
        self.0.tracker.tell(ResourceStep::Started);
        if delay.is_zero() {
            self.queue(generation);
        }
        true
    }

    fn queue(&self, generation: u64) {
        {
            let mut state = self.0.state.lock();
            if state.generation != generation || !state.pending {
                return;
            }
            state.timer = None;
        }
        let system = self.0.tracker.system();
        let workqueue = system.extension::<SystemWorkqueue>();
        let work = self.clone();
        workqueue
            .0
            .push(&system, Box::new(move || work.run(generation)));
    }

    fn run(&self, generation: u64) {
        {
            let mut state = self.0.state.lock();
            if state.generation != generation || !state.pending {
                return;
            }
            state.pending = false;
            state.running = Some(thread::current());
        }
        self.0.tracker.used(ResourceStep::Fired);
        self.0.tracker.guard(|| (self.0.run)());
        self.0.tracker.tell(ResourceStep::Returned);
        self.0.state.lock().running = None;
        self.0.idle.wake_all();
    }

    /// Whether it waits to run (`delayed_work_pending`).
    pub fn is_pending(&self) -> bool {
        self.0.state.lock().pending
    }

    fn take_off(&self, state: &mut State) -> bool {
        let was_pending = core::mem::take(&mut state.pending);
        state.generation += 1;
        if let Some(timer) = state.timer.take() {
            timer.cancel();
        }
        was_pending
    }

    /// Takes it off if it is pending, without waiting for a run under way
    /// (`cancel_delayed_work`). Gives whether it was pending.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        let was_pending = {
            let mut state = self.0.state.lock();
            self.take_off(&mut state)
        };
        self.0.tracker.tell(ResourceStep::Dequeued);
        was_pending
    }

    /// Takes it off and waits for a run under way; meanwhile it cannot queue
    /// itself again (`cancel_delayed_work_sync`). From inside itself a kernel
    /// would hang; here it is a splat.
    #[track_caller]
    pub fn cancel_sync(&self) -> bool {
        let (was_pending, running) = {
            let mut state = self.0.state.lock();
            state.cancelling += 1;
            (self.take_off(&mut state), state.running)
        };
        if running == Some(thread::current()) {
            self.0
                .tracker
                .splat(SplatKind::Deadlock, "cancelled from inside itself");
        } else {
            let idle = || self.0.state.lock().running.is_none().then_some(());
            let clock = &self.0.tracker.core.clock;
            wait_event(&[&self.0.idle], clock, None, None, idle)
                .expect("a wait with neither deadline nor cancel ends only by its condition");
        }
        self.0.state.lock().cancelling -= 1;
        self.0.tracker.tell(ResourceStep::Cancelled);
        was_pending
    }

    /// As [`cancel_sync`](DelayedWork::cancel_sync), and it can never be queued
    /// again (`disable_delayed_work_sync`).
    #[track_caller]
    pub fn disable_sync(&self) -> bool {
        self.0.state.lock().disabled = true;
        self.cancel_sync()
    }
}

impl Resource for DelayedWork {
    fn stop(&self) {
        self.disable_sync();
    }

    fn free(&self) {
        self.0.tracker.free();
    }

    fn release_name(&self) -> &'static str {
        "disable_delayed_work_sync"
    }
}
