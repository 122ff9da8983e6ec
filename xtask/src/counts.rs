//! How many tests a runner says it ran.

use std::fmt;
use std::ops::AddAssign;

/// Who prints the result lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Runner {
    /// A command that runs no tests.
    Silent,
    /// `cargo test`: one `test result:` line per test program.
    Libtest,
    /// `cargo nextest run`: one `Summary` line. It repeats the output of failed
    /// tests, libtest's own result lines among it, which must not count twice.
    Nextest,
    /// `pytest -q`: one last line. What its tests show of another pytest, which is not
    /// quiet, begins with `=`.
    Pytest,
}

/// Tests by how they ended.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Counts {
    /// What one line of a runner's output, free of colour, adds.
    pub(crate) fn of_line(runner: Runner, line: &str) -> Option<Counts> {
        let figures = match runner {
            Runner::Silent => return None,
            // test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; ...
            Runner::Libtest => line
                .strip_prefix("test result: ")?
                .split_once(". ")?
                .1
                .split(';'),
            // Summary [   0.1s] 9 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 2 skipped
            Runner::Nextest => {
                let run = line.trim_start().strip_prefix("Summary [")?;
                run.split_once("run: ")
                    .map_or("", |(_, figures)| figures)
                    .split(',')
            }
            // 2 failed, 14 passed, 1 error in 2.96s
            Runner::Pytest => {
                let (figures, took) = line.rsplit_once(" in ")?;
                let is_it = line.starts_with(|c: char| c.is_ascii_digit()) && took.contains('s');
                is_it.then_some(figures)?.split(',')
            }
        };
        let mut counts = Counts::default();
        for figure in figures {
            let Some((number, what)) = figure.trim().split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            // nextest puts "(1 slow, 1 flaky)" behind a figure; the comma inside
            // cuts it, and neither half names one of these.
            match what.split(" (").next().unwrap_or(what) {
                "passed" => counts.passed += number,
                "failed" | "timed out" | "exec failed" | "error" | "errors" => {
                    counts.failed += number
                }
                "ignored" | "skipped" => counts.skipped += number,
                _ => {}
            }
        }
        Some(counts)
    }

    /// Whether any test was seen.
    pub(crate) fn any(&self) -> bool {
        *self != Counts::default()
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn a_libtest_line_counts_ignored_tests_as_skipped() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.00s";
        assert_eq!(Counts::of_line(Runner::Libtest, line), counts(5, 2, 1));
    }

    #[test]
    fn a_nextest_summary_counts_every_kind_of_failure() {
        let line = "     Summary [  12.345s] 9/12 tests run: 5 passed (2 slow, 1 flaky), 2 failed, 1 timed out, 1 exec failed, 3 skipped";
        assert_eq!(Counts::of_line(Runner::Nextest, line), counts(5, 4, 3));
    }

    #[test]
    fn a_nextest_summary_of_nothing_counts_nothing() {
        let line = "     Summary [   0.000s] 0 tests run: 0 passed, 0 skipped";
        assert_eq!(Counts::of_line(Runner::Nextest, line), counts(0, 0, 0));
    }

    #[test]
    fn a_result_line_that_nextest_repeats_is_not_counted() {
        let line = "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 8 filtered out";
        assert_eq!(Counts::of_line(Runner::Nextest, line), None);
    }

    #[test]
    fn the_last_line_of_a_quiet_pytest_counts_and_that_of_another_does_not() {
        let counted = |line| Counts::of_line(Runner::Pytest, line);
        assert_eq!(
            counted("2 failed, 14 passed, 1 error in 2.96s"),
            counts(14, 3, 0)
        );
        assert_eq!(
            counted("16 passed, 1 skipped in 63.01s (0:01:03)"),
            counts(16, 0, 1)
        );
        assert_eq!(counted("==== 1 failed, 2 passed in 0.35s ===="), None);
    }

    #[test]
    fn ordinary_lines_count_nothing() {
        for runner in [
            Runner::Silent,
            Runner::Libtest,
            Runner::Nextest,
            Runner::Pytest,
        ] {
            assert_eq!(Counts::of_line(runner, "test locks_are_fair ... ok"), None);
        }
    }

    #[test]
    fn counts_read_as_one_plain_line() {
        let counts = Counts {
            passed: 12,
            failed: 0,
            skipped: 3,
        };
        assert_eq!(counts.to_string(), "12 passed, 0 failed, 3 skipped");
    }
}
