//! The one word that every primitive looks at first.
//!
//! It is zero in a normal run. The lowest bit says that an observer is set, the
//! rest counts the running explorations of the process. A primitive pays one
//! relaxed load of a word that is never written in a normal run.

use std::sync::atomic::{AtomicUsize, Ordering};

static ACTIVE: AtomicUsize = AtomicUsize::new(0);

const OBSERVED: usize = 1;
const EXPLORATION: usize = 2;

/// Nobody observes and nothing is explored, anywhere in the process.
#[inline(always)]
pub(crate) fn idle() -> bool {
    ACTIVE.load(Ordering::Relaxed) == 0
}

#[inline(always)]
pub(crate) fn observed() -> bool {
    ACTIVE.load(Ordering::Relaxed) & OBSERVED != 0
}

/// Whether some task of the process may be explored; which one, shuttle knows.
#[inline(always)]
pub(crate) fn exploring() -> bool {
    ACTIVE.load(Ordering::Relaxed) >= EXPLORATION
}

pub(crate) fn set_observed(on: bool) {
    if on {
        ACTIVE.fetch_or(OBSERVED, Ordering::SeqCst);
    } else {
        ACTIVE.fetch_and(!OBSERVED, Ordering::SeqCst);
    }
}

/// Counts an exploration for as long as it lives.
pub(crate) struct Exploring(());

impl Exploring {
    pub(crate) fn begin() -> Self {
        ACTIVE.fetch_add(EXPLORATION, Ordering::SeqCst);
        Exploring(())
    }
}

impl Drop for Exploring {
    fn drop(&mut self) {
        ACTIVE.fetch_sub(EXPLORATION, Ordering::SeqCst);
    }
}
