//! Wait queues: who wants to know when something changed. As the kernel's
//! `wait_queue_head_t` (`kernel/sched/wait.c`), the queue knows callbacks, not tasks:
//! a blocked call, a poll and an epoll wait on it in the same way.
//!
//! **No wakeup is lost.** Who waits adds its entry, and tests the state after. Who
//! changes the state changes it first, and wakes after. Both go through the queue's
//! lock, so one of them is first there. If the entry was, the wake finds it. If the
//! wake was, the change happened before the wake's unlock, so before the entry's lock,
//! so before the test, which sees it, whatever the ordering of the state itself.
//! `tests/loom_wait_queue.rs` shows it with a relaxed flag.

use crate::prim::Mutex;
use std::fmt;
use std::sync::Arc;

/// Called when the queue is woken.
pub trait Wake: Send + Sync {
    /// Runs on the waking task, outside the queue's lock; it may use the queue. It must
    /// not block.
    fn wake(&self);
}

#[derive(Default)]
struct Entries {
    /// The next entry's id.
    next: u64,
    /// The last one that `wake_one` chose.
    last: u64,
    /// Sorted by id, which is the order they were added in.
    list: Vec<(u64, Arc<dyn Wake>)>,
}

impl Entries {
    /// The first entry after `id`.
    fn after(&self, id: u64) -> Option<(u64, Arc<dyn Wake>)> {
        let at = self.list.partition_point(|(other, _)| *other <= id);
        self.list.get(at).cloned()
    }
}

/// Those who wait for something to change. Clones are one queue.
///
/// ```
/// use lastfd_sync::{Arc, WaitQueue, Wake, atomic::{AtomicU32, Ordering}};
///
/// struct Count(AtomicU32);
/// impl Wake for Count {
///     fn wake(&self) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let (queue, count) = (WaitQueue::new(), Arc::new(Count(AtomicU32::new(0))));
/// let entry = queue.add(count.clone());
/// queue.wake_all();
/// drop(entry);
/// queue.wake_all();
/// assert_eq!(count.0.load(Ordering::Relaxed), 1);
/// ```
#[derive(Clone)]
pub struct WaitQueue {
    entries: Arc<Mutex<Entries>>,
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue")
            .field("len", &self.len())
            .finish()
    }
}

impl WaitQueue {
    /// An empty queue.
    pub fn new() -> Self {
        let entries = Entries {
            next: 1,
            last: 0,
            list: Vec::new(),
        };
        WaitQueue {
            entries: Arc::new(Mutex::new(entries)),
        }
    }

    /// Adds a waker, which stays until the entry is dropped.
    pub fn add(&self, waker: Arc<dyn Wake>) -> WaitEntry {
        let mut entries = self.entries.lock();
        let id = entries.next;
        entries.next += 1;
        entries.list.push((id, waker));
        drop(entries);
        WaitEntry {
            queue: self.clone(),
            id,
        }
    }

    /// Calls every waker that is there now, in the order they were added.
    pub fn wake_all(&self) {
        let mut entries = self.entries.lock();
        let end = entries.next;
        let mut last = 0;
        while let Some((id, waker)) = entries.after(last).filter(|(id, _)| *id < end) {
            drop(entries);
            last = id;
            waker.wake();
            drop(waker);
            entries = self.entries.lock();
        }
    }

    /// Calls one waker: each in turn.
    pub fn wake_one(&self) {
        let mut entries = self.entries.lock();
        let next = entries
            .after(entries.last)
            .or_else(|| entries.list.first().cloned());
        if let Some((id, waker)) = next {
            entries.last = id;
            drop(entries);
            waker.wake();
        }
    }

    /// How many wakers there are.
    pub fn len(&self) -> usize {
        self.entries.lock().list.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A place in a queue, given up by dropping it. A call of its waker that is under way
/// then may still end after.
#[must_use = "dropping it leaves the queue"]
pub struct WaitEntry {
    queue: WaitQueue,
    id: u64,
}

impl fmt::Debug for WaitEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitEntry")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Drop for WaitEntry {
    fn drop(&mut self) {
        let removed = {
            let mut entries = self.queue.entries.lock();
            let at = entries.list.binary_search_by_key(&self.id, |(id, _)| *id);
            at.ok().map(|at| entries.list.remove(at))
        };
        // The waker may own anything: dropped outside the lock.
        drop(removed);
    }
}
