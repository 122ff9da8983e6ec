//! Queues of work, and who does it.
//!
//! Follows `kernel/workqueue.c` as far as order goes: first come, first served.

use core::sync::atomic::Ordering;
use std::collections::VecDeque;

use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::thread::{self, JoinHandle, TaskId};
use lastfd_sync::{Arc, Cancel, Clock, Mutex, WaitQueue, wait_event};

use crate::system::System;

pub(crate) type Work = Box<dyn FnOnce() + Send>;

/// A queue with one worker: a thread that starts with the first work and ends
/// with the queue, or whoever waits for the work.
#[derive(Default)]
pub(crate) struct Workqueue {
    shared: Arc<Shared>,
    worker: Mutex<Option<JoinHandle<()>>>,
    /// Nobody works but who waits: as on a machine with one processor.
    on_wait: bool,
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
    works: VecDeque<Work>,
    /// Who is at work now.
    runner: Option<TaskId>,
    ended: bool,
}

impl Workqueue {
    /// A queue whose work is done by the tasks that wait for it.
    pub(crate) fn on_wait(on_wait: bool) -> Workqueue {
        Workqueue {
            shared: Arc::default(),
            worker: Mutex::new(None),
            on_wait,
        }
    }

    pub(crate) fn push(&self, system: &System, work: Work) {
        self.shared.queue.lock().works.push_back(work);
        if self.on_wait {
            return;
        }
        {
            let mut worker = self.worker.lock();
            if worker.is_none() {
                let shared = Arc::clone(&self.shared);
                let clock = system.clock().clone();
                let work_on = {
                    let clock = clock.clone();
                    move || {
                        let me = thread::current();
                        shared.task.store(me.0, Ordering::Relaxed);
                        while let Some(work) = shared.next(&clock, me) {
                            work();
                            shared.rest();
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

    /// Waits until there is no work left, or until `cancel` is cancelled. The
    /// task that is at work does what is left instead of waiting for itself.
    pub(crate) fn flush(&self, clock: &Clock, cancel: &Cancel) {
        let me = thread::current();
        let runner = self.shared.queue.lock().runner;
        if runner == Some(me) {
            while let Some(work) = self.shared.take() {
                work();
            }
        } else if self.on_wait {
            // Somebody else may be at it; then both take turns.
            while let Some(work) = self.shared.begin(me) {
                work();
                self.shared.rest();
            }
        } else {
            let idle = || {
                let queue = self.shared.queue.lock();
                (queue.works.is_empty() && queue.runner.is_none()).then_some(())
            };
            // Cancelled waits of a System end; the work goes on.
            let _ = wait_event(&[&self.shared.changed], clock, None, Some(cancel), idle);
        }
    }
}

impl Shared {
    fn take(&self) -> Option<Work> {
        self.queue.lock().works.pop_front()
    }

    fn begin(&self, me: TaskId) -> Option<Work> {
        let mut queue = self.queue.lock();
        let work = queue.works.pop_front()?;
        queue.runner = Some(me);
        Some(work)
    }

    fn rest(&self) {
        self.queue.lock().runner = None;
        self.changed.wake_all();
    }

    fn next(&self, clock: &Clock, me: TaskId) -> Option<Work> {
        let take = || match self.begin(me) {
            Some(work) => Some(Some(work)),
            None => self.queue.lock().ended.then_some(None),
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
