//! What a run tells as it goes, and to whom.

mod junit;
mod ktap;
mod pretty;

use core::time::Duration;
use std::io;

pub use junit::Junit;
pub use ktap::{Ktap, list};
pub use pretty::Pretty;

use crate::suite::{Case, Suite};
use crate::test::Status;

/// How many tests came out how (`struct kunit_result_stats`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that were skipped.
    pub skipped: usize,
}

impl Stats {
    /// All of them.
    pub fn total(&self) -> usize {
        self.passed + self.failed + self.skipped
    }

    /// Whether none failed.
    pub fn is_success(&self) -> bool {
        self.failed == 0
    }

    /// kunit_update_stats.
    pub(crate) fn count(&mut self, status: Status) {
        match status {
            Status::Success => self.passed += 1,
            Status::Failure => self.failed += 1,
            Status::Skipped => self.skipped += 1,
        }
    }

    /// kunit_accumulate_stats.
    pub(crate) fn add(&mut self, other: Stats) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// What came of a suite, of a case or of one parameter of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its number among its siblings, from 1.
    pub number: usize,
    /// Its name, or the parameter's description.
    pub name: String,
    /// What came of it.
    pub status: Status,
    /// Why it was skipped, or empty.
    pub comment: String,
    /// Of a case: how its parameters came out. Of a suite: its cases.
    pub stats: Stats,
    /// How long it took, by the host's clock.
    pub took: Duration,
}

/// Is told of a run, step by step. Where writing fails, the run ends.
pub trait Reporter {
    /// The run begins.
    fn run_begins(&mut self, suites: usize) -> io::Result<()>;
    /// A suite begins; its `suite_init` did not fail.
    fn suite_begins(&mut self, suite: &Suite) -> io::Result<()>;
    /// A diagnostic of the suite, or of one of its cases. It may have several
    /// lines.
    fn log(&mut self, name: &str, text: &str) -> io::Result<()>;
    /// A case begins. `params`: it runs once for each of some parameters.
    fn case_begins(&mut self, case: &Case, params: bool) -> io::Result<()>;
    /// A case ran with one of its parameters.
    fn param_ends(&mut self, case: &Case, outcome: &Outcome) -> io::Result<()>;
    /// A case is over.
    fn case_ends(&mut self, case: &Case, outcome: &Outcome) -> io::Result<()>;
    /// A suite is over. `total` counts each parameter.
    fn suite_ends(&mut self, suite: &Suite, outcome: &Outcome, total: Stats) -> io::Result<()>;
    /// The run is over. `total` counts each parameter.
    fn run_ends(&mut self, total: Stats) -> io::Result<()>;
}
