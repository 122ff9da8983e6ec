//! Real time, for kernels that may hang and for figures.

use std::time::{Duration, Instant};

/// When something began.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to count.
    #[expect(clippy::disallowed_methods, reason = "a kernel takes real time")]
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// The time since the start.
    #[expect(clippy::disallowed_methods, reason = "a kernel takes real time")]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A stopwatch with an end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    since: Stopwatch,
    after: Duration,
}

impl Deadline {
    /// Ends `after` from now.
    pub(crate) fn after(after: Duration) -> Deadline {
        Deadline {
            since: Stopwatch::start(),
            after,
        }
    }

    /// What is left; zero once over.
    pub(crate) fn left(&self) -> Duration {
        self.after.saturating_sub(self.since.elapsed())
    }
}
