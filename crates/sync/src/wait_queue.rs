//! Wait queues.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// Called when the queue is woken.
pub trait Wake: Send + Sync {
    /// Runs on the waking task, outside the queue's lock. It must not block.
    fn wake(&self);
}

#[derive(Default)]
struct Entries {
    next: u64,
    list: VecDeque<(u64, Arc<dyn Wake>)>,
}

/// Those who wait for something to change. Cheap to clone: clones are one queue.
#[derive(Clone, Default)]
pub struct WaitQueue {
    entries: Arc<Mutex<Entries>>,
}

impl std::fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitQueue")
            .field("len", &self.len())
            .finish()
    }
}

impl WaitQueue {
    /// An empty queue.
    pub fn new() -> Self {
        Self::default()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Adds a waker, which stays until the entry is dropped.
    pub fn add(&self, waker: Arc<dyn Wake>) -> WaitEntry {
        let mut entries = self.entries();
        let id = entries.next;
        entries.next += 1;
        entries.list.push_back((id, waker));
        WaitEntry {
            queue: self.clone(),
            id,
        }
    }

    /// Calls every waker.
    pub fn wake_all(&self) {
        let wakers: Vec<_> = self.entries().list.iter().map(|(_, w)| w.clone()).collect();
        for waker in wakers {
            waker.wake();
        }
    }

    /// Calls the waker that was added first and was not called since.
    pub fn wake_one(&self) {
        let waker = {
            let mut entries = self.entries();
            let first = entries.list.pop_front();
            first.map(|(id, waker)| {
                entries.list.push_back((id, waker.clone()));
                waker
            })
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How many wakers there are.
    pub fn len(&self) -> usize {
        self.entries().list.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A place in a queue, given up by dropping it.
#[must_use = "dropping it leaves the queue"]
pub struct WaitEntry {
    queue: WaitQueue,
    id: u64,
}

impl std::fmt::Debug for WaitEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WaitEntry").finish_non_exhaustive()
    }
}

impl Drop for WaitEntry {
    fn drop(&mut self) {
        let id = self.id;
        let mut entries = self.queue.entries();
        let at = entries.list.iter().position(|(i, _)| *i == id);
        let removed = at.and_then(|at| entries.list.remove(at));
        drop(entries);
        drop(removed);
    }
}
