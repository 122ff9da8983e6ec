//! Where something was made, so that it is used nowhere else.

use super::execution;
use super::search::FailureKind;
use super::shared::Shared;
use crate::hooks;
use std::sync::Weak;

/// Whether something was made inside an exploration, and in which.
#[derive(Clone, Debug)]
pub struct Home {
    /// None outside of every exploration.
    within: Option<(u64, Weak<Shared>)>,
}

impl Home {
    /// Here.
    pub fn here() -> Home {
        Home {
            within: hooks::exploring().then(execution::identity).flatten(),
        }
    }

    /// Ends the exploration if what was made inside is used outside, or the other way
    /// round. `what` names the use.
    #[inline]
    pub fn check(&self, what: impl FnOnce() -> String) {
        if hooks::exploring() {
            self.check_explored(what);
        }
    }

    #[cold]
    fn check_explored(&self, what: impl FnOnce() -> String) {
        let here = execution::identity();
        let made = self.within.as_ref();
        if here.as_ref().map(|(id, _)| id) == made.map(|(id, _)| id) {
            return;
        }
        if here.is_some() {
            let what = what();
            super::refuse(&format!(
                "'{}' used what was made outside of this schedule: {what}. A body makes its \
                 System, its clocks and its devices itself, each time anew",
                execution::current_name()
            ));
        } else if let Some(shared) = made.and_then(|(_, shared)| shared.upgrade()) {
            let what = what();
            shared.fail(
                FailureKind::Misuse,
                format!(
                    "a task outside the exploration touched what is explored: {what}. A body has \
                     no tasks but those it starts with lastfd_sync::thread::spawn, Clock::spawn or \
                     World::task"
                ),
            );
        }
    }
}

impl Default for Home {
    fn default() -> Self {
        Home::here()
    }
}
