//! Attributes run driver code that may sleep: a few threads of their own run it, so that
//! a sensor that measures holds up nobody else.

use std::collections::VecDeque;

use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, Clock, Mutex, WaitQueue, thread, wait_event};

/// Threads at most: calls beyond them wait their turn.
const THREADS: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// The threads, started as they are needed.
#[derive(Clone, Default)]
pub(crate) struct Workers(Arc<Inner>);

#[derive(Default)]
struct Inner {
    jobs: Mutex<Jobs>,
    changed: WaitQueue,
    stop: AtomicBool,
}

#[derive(Default)]
struct Jobs {
    queue: VecDeque<Job>,
    idle: usize,
    threads: Vec<thread::JoinHandle<()>>,
}

impl core::fmt::Debug for Workers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let jobs = self.0.jobs.lock();
        write!(f, "Workers({} of {})", jobs.idle, jobs.threads.len())
    }
}

impl Workers {
    /// Runs it on one of the threads; here, if the system has none to give.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut jobs = self.0.jobs.lock();
        if jobs.idle <= jobs.queue.len() && jobs.threads.len() < THREADS {
            let inner = Arc::clone(&self.0);
            match thread::spawn("attributes", move || inner.work()) {
                Ok(thread) => jobs.threads.push(thread),
                Err(_) if jobs.threads.is_empty() => {
                    drop(jobs);
                    return job();
                }
                Err(_) => {}
            }
        }
        jobs.queue.push_back(Box::new(job));
        drop(jobs);
        self.0.changed.wake_all();
    }

    /// Ends the threads, once their jobs are done.
    pub(crate) fn stop(&self) {
        self.0.stop.store(true, Ordering::SeqCst);
        self.0.changed.wake_all();
        let threads = core::mem::take(&mut self.0.jobs.lock().threads);
        for thread in threads {
            // What they run is guarded.
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn work(&self) {
        let clock = Clock::real();
        self.jobs.lock().idle += 1;
        loop {
            let next = wait_event(&[&self.changed], &clock, None, None, || {
                let mut jobs = self.jobs.lock();
                match jobs.queue.pop_front() {
                    Some(job) => {
                        jobs.idle -= 1;
                        Some(Some(job))
                    }
                    None => self.stop.load(Ordering::SeqCst).then_some(None),
                }
            });
            let Ok(Some(job)) = next else { return };
            job();
            self.jobs.lock().idle += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastfd_sync::atomic::AtomicU32;

    #[test]
    fn every_job_is_run_and_a_sleeping_one_holds_up_no_other() {
        let workers = Workers::default();
        let (done, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(WaitQueue::new()));
        let open = Arc::new(AtomicBool::new(false));
        let (held, opened) = (Arc::clone(&gate), Arc::clone(&open));
        workers.run(move || {
            let clock = Clock::real();
            let open = || opened.load(Ordering::SeqCst).then_some(());
            wait_event(&[&held], &clock, None, None, open).unwrap();
        });
        let changed = Arc::new(WaitQueue::new());
        for _ in 0..50 {
            let (done, changed) = (Arc::clone(&done), Arc::clone(&changed));
            workers.run(move || {
                done.fetch_add(1, Ordering::SeqCst);
                changed.wake_all();
            });
        }
        let clock = Clock::real();
        let all = || (done.load(Ordering::SeqCst) == 50).then_some(());
        wait_event(&[&changed], &clock, None, None, all).unwrap();
        open.store(true, Ordering::SeqCst);
        gate.wake_all();
        workers.stop();
    }
}
