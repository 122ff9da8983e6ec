//! Who holds simulated time up, and how it moves.

use super::Ktime;
use super::timers::{Core, Due, Key, State};
use crate::task::Token;
use std::sync::{Arc, MutexGuard};

/// The sum over the tasks of a clock.
#[derive(Default)]
pub(super) struct Count {
    pub(super) now: Ktime,
    /// Without any, time stands still.
    participants: usize,
    /// Tasks that can run: participants, the timer task, and whoever moves time on
    /// while it wakes somebody.
    runnable: usize,
    /// Those who wait for everything else to have happened.
    idlers: Vec<Arc<Token>>,
}

/// Set in the second half of a key that comes after all others of its time.
const LAST: u64 = 1 << 63;

impl Core {
    /// Counts one task more, which runs.
    pub(crate) fn join(&self, participant: bool) {
        let mut state = self.state();
        state.count.participants += usize::from(participant);
        state.count.runnable += 1;
    }

    /// The task, which runs, counts no more.
    pub(crate) fn leave(&self, participant: bool) {
        let mut state = self.state();
        state.count.participants -= usize::from(participant);
        state.count.runnable -= 1;
        self.move_on_from(state);
    }

    /// A task of the clock waits.
    pub(crate) fn pause(&self) {
        let mut state = self.state();
        state.count.runnable -= 1;
        self.move_on_from(state);
    }

    /// A task of the clock can run again.
    pub(crate) fn resume(&self) {
        self.state().count.runnable += 1;
    }

    pub(super) fn move_on(&self) {
        self.move_on_from(self.state());
    }

    /// Moves time on for as long as nobody can run.
    fn move_on_from<'a>(&'a self, mut state: MutexGuard<'a, State>) {
        while state.count.runnable == 0 && state.count.participants > 0 && !state.shut {
            let Some(token) = state.next_to_wake() else {
                return;
            };
            // We count as running until the token's task does.
            state.count.runnable += 1;
            drop(state);
            token.fire();
            state = self.state();
            state.count.runnable -= 1;
        }
    }

    /// Waits until the token is fired, by whoever, or by time at `at`.
    pub(super) fn wait_simulated(&self, token: &Arc<Token>, at: Ktime) {
        let key = self.insert(at, Due::Wake(token.clone()));
        token.wait();
        self.state().timers.remove(&key);
    }

    /// Waits for everything until `at`.
    pub(super) fn pass_to(&self, at: Ktime) {
        let token = Token::new();
        {
            let mut state = self.state();
            let key = (at, state.next_number() | LAST);
            state.timers.insert(key, Due::Wake(token.clone()));
        }
        token.wait();
    }

    /// Waits for everything.
    pub(super) fn pass_to_idle(&self) {
        let token = Token::new();
        self.state().count.idlers.push(token.clone());
        token.wait();
    }
}

impl State {
    /// The wait that ends now that nobody can run. For a callback, the timer task's.
    fn next_to_wake(&mut self) -> Option<Arc<Token>> {
        // The timer task runs one callback after the other. While one blocks the next
        // are late, and time goes on without them.
        let busy = self.running.is_some() || self.due.is_some();
        let in_time = |key: &Key| key.0 < Ktime(u64::MAX);
        let next = self
            .timers
            .iter()
            .take_while(|(key, _)| in_time(key))
            .find(|(_, due)| !busy || matches!(due, Due::Wake(_)))
            .map(|(key, due)| match due {
                Due::Wake(token) => (*key, Some(token.clone())),
                Due::Call(_) => (*key, None),
            });
        let Some((key, wake)) = next else {
            return self.count.idlers.pop();
        };
        self.count.now = self.count.now.max(key.0);
        match wake {
            Some(token) => {
                self.timers.remove(&key);
                Some(token)
            }
            None => {
                self.due = Some(key);
                self.timer_task.as_ref().map(|task| task.token.clone())
            }
        }
    }
}
