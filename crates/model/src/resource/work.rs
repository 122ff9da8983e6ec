//! Delayed work, and the workqueue it runs on.
//!
//! Follows `kernel/workqueue.c`.

use core::fmt;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::collections::VecDeque;

use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::thread::{self, JoinHandle, TaskId};
use lastfd_sync::{Arc, Mutex, TimerHandle, WaitQueue, wait_event};

use super::{Resource, Tracker};
use crate::event::{ResourceKind, ResourceStep, SplatKind};
use crate::raw::Device;
use crate::system::System;

/// `system_wq`: one worker for the System, started with the first work and
/// ended with the System.
#[derive(Default)]
pub(crate) struct Workqueue {
    shared: Arc<Shared>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: WaitQueue,
    /// The worker's task number; 0 before it runs.
    task: AtomicU64,
}

#[derive(Default)]
struct Queue {
    works: VecDeque<(DelayedWork, u64)>,
    ended: bool,
}

impl Workqueue {
    fn push(&self, system: &System, work: DelayedWork, generation: u64) {
        self.shared.queue.lock().works.push_back((work, generation));
        {
            let mut worker = self.worker.lock();
            if worker.is_none() {
                let shared = Arc::clone(&self.shared);
                let clock = system.clock().clone();
                let work_on = {
                    let clock = clock.clone();
                    move || {
                        shared.task.store(thread::current().0, Ordering::Relaxed);
                        while let Some((work, generation)) = shared.next(&clock) {
                            work.run(generation);
                        }
                    }
                };
                match clock.spawn("kworker", work_on) {
                    Ok(handle) => *worker = Some(handle),
                    Err(error) => system
                        .core
                        .message(None, format!("no thread for the workqueue: {error}")),
                }
            }
        }
        self.shared.changed.wake_all();
    }
}

impl Shared {
    fn next(&self, clock: &lastfd_sync::Clock) -> Option<(DelayedWork, u64)> {
        let take = || {
            let mut queue = self.queue.lock();
            match queue.works.pop_front() {
                Some(work) => Some(Some(work)),
                None => queue.ended.then_some(None),
            }
        };
        wait_event(&[&self.changed], clock, None, None, take)
            .expect("a wait with neither deadline nor cancel ends only by its condition")
    }
}

impl Drop for Workqueue {
    fn drop(&mut self) {
        let left = {
            let mut queue = self.shared.queue.lock();
            queue.ended = true;
            core::mem::take(&mut queue.works)
        };
        drop(left);
        self.shared.changed.wake_all();
        if let Some(worker) = self.worker.lock().take() {
            // The last handle of the System may go inside a work; then the
            // worker ends by itself right after.
            if self.shared.task.load(Ordering::Relaxed) != thread::current().0 {
                let _ = worker.join();
            }
        }
    }
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
                return true;
            }
            generation
        };
        self.queue(generation);
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
        let workqueue = system.extension::<Workqueue>();
        workqueue.push(&system, self.clone(), generation);
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
        if was_pending {
            self.0.tracker.tell(ResourceStep::Cancelled);
        }
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
