//! Active references: who is inside, and waiting until nobody is.

use lastfd_sync::thread::{self, TaskId};
use lastfd_sync::{Clock, Mutex, WaitQueue, wait_event};
use smallvec::SmallVec;

/// Counts the tasks inside something that can be shut
/// (fs/kernfs/dir.c: kernfs_get_active, kernfs_drain).
///
/// Unlike a gate, each has its own count, so a task that sleeps inside one
/// holds up the shutting of that one only.
#[derive(Default)]
pub(crate) struct Active {
    state: Mutex<State>,
    left: WaitQueue,
}

#[derive(Default)]
struct State {
    shut: bool,
    inside: SmallVec<[TaskId; 2]>,
}

/// The task that shuts is inside itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FromInside;

/// Being inside; leaving on drop.
pub(crate) struct Inside<'a> {
    active: &'a Active,
    task: TaskId,
}

impl Active {
    /// Goes inside, unless it is shut.
    pub(crate) fn enter(&self) -> Option<Inside<'_>> {
        let task = thread::current();
        let mut state = self.state.lock();
        if state.shut {
            return None;
        }
        state.inside.push(task);
        Some(Inside { active: self, task })
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.state.lock().shut
    }

    /// Whether the calling task is inside.
    pub(crate) fn holds_me(&self) -> bool {
        self.state.lock().inside.contains(&thread::current())
    }

    /// Lets nobody in any more, without waiting.
    pub(crate) fn shut(&self) {
        self.state.lock().shut = true;
    }

    /// Lets nobody in any more and waits until those inside have left. From
    /// inside it says so instead of waiting for itself.
    pub(crate) fn shut_and_drain(&self, clock: &Clock) -> Result<(), FromInside> {
        let me = thread::current();
        {
            let mut state = self.state.lock();
            state.shut = true;
            if state.inside.is_empty() {
                return Ok(());
            }
            if state.inside.contains(&me) {
                return Err(FromInside);
            }
        }
        let empty = || self.state.lock().inside.is_empty().then_some(());
        wait_event(&[&self.left], clock, None, None, empty)
            .expect("a wait with neither deadline nor cancel ends only by its condition");
        Ok(())
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let shut = {
            let mut state = self.active.state.lock();
            if let Some(at) = state.inside.iter().position(|task| *task == self.task) {
                state.inside.swap_remove(at);
            }
            state.shut && state.inside.is_empty()
        };
        if shut {
            self.active.left.wake_all();
        }
    }
}
