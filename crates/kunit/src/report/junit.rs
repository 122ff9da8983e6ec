//! JUnit XML, as CI servers read it.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::{Outcome, Reporter, Stats};
use crate::suite::{Case, Suite};
use crate::test::Status;

/// Writes JUnit XML at the end of the run. A parameter is a test case
/// `case/description`.
#[derive(Debug)]
pub struct Junit<W> {
    out: W,
    report: Report,
    suite: Option<TestSuite>,
    /// Diagnostics since the last result.
    log: String,
    /// Diagnostics of the suite itself.
    suite_log: String,
    in_case: bool,
    /// The case that runs is there already, by its parameters.
    by_params: bool,
}

impl<W: Write> Junit<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Junit<W> {
        Junit {
            out,
            report: Report::new("kunit"),
            suite: None,
            log: String::new(),
            suite_log: String::new(),
            in_case: false,
            by_params: false,
        }
    }

    fn test_case(&mut self, class: &str, name: String, outcome: &Outcome) {
        let log = core::mem::take(&mut self.log);
        let status = match outcome.status {
            Status::Success => TestCaseStatus::success(),
            Status::Skipped => {
                let mut status = TestCaseStatus::skipped();
                if !outcome.comment.is_empty() {
                    status.set_message(outcome.comment.as_str());
                }
                status
            }
            Status::Failure => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                let check = log.lines().find(|line| line.contains(" FAILED at "));
                let first = check.or_else(|| log.lines().next());
                status.set_message(first.unwrap_or("failed"));
                status.set_description(log.as_str());
                status
            }
        };
        let mut case = TestCase::new(name, status);
        case.set_classname(class).set_time(outcome.took);
        if outcome.status != Status::Failure && !log.is_empty() {
            case.set_system_out(XmlString::new(&log));
        }
        if let Some(suite) = &mut self.suite {
            suite.add_test_case(case);
        }
    }
}

impl<W: Write> Reporter for Junit<W> {
    fn run_begins(&mut self, _suites: usize) -> io::Result<()> {
        Ok(())
    }

    fn suite_begins(&mut self, suite: &Suite) -> io::Result<()> {
        self.suite = Some(TestSuite::new(suite.name.as_str()));
        Ok(())
    }

    fn log(&mut self, _of: &str, text: &str) -> io::Result<()> {
        let log = match self.in_case {
            true => &mut self.log,
            false => &mut self.suite_log,
        };
        log.push_str(text);
        log.push('\n');
        Ok(())
    }

    fn case_begins(&mut self, _case: &Case, _params: bool) -> io::Result<()> {
        self.in_case = true;
        self.by_params = false;
        Ok(())
    }

    fn param_ends(&mut self, case: &Case, outcome: &Outcome) -> io::Result<()> {
        self.by_params = true;
        let name = format!("{}/{}", case.name, outcome.name);
        let class = self.suite.as_ref().map(|suite| suite.name.to_string());
        self.test_case(&class.unwrap_or_default(), name, outcome);
        Ok(())
    }

    fn case_ends(&mut self, _case: &Case, outcome: &Outcome) -> io::Result<()> {
        self.in_case = false;
        if !self.by_params {
            let class = self.suite.as_ref().map(|suite| suite.name.to_string());
            self.test_case(&class.unwrap_or_default(), outcome.name.clone(), outcome);
        }
        Ok(())
    }

    fn suite_ends(&mut self, suite: &Suite, outcome: &Outcome, total: Stats) -> io::Result<()> {
        let log = core::mem::take(&mut self.suite_log);
        let mut ended = match self.suite.take() {
            Some(ended) => ended,
            None => TestSuite::new(suite.name.as_str()),
        };
        // What went wrong around the cases has to be somewhere.
        if outcome.status == Status::Failure && total.is_success() {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(log.lines().next().unwrap_or("the suite failed"));
            status.set_description(log.as_str());
            ended.add_test_case(TestCase::new(suite.name.as_str(), status));
        } else if !log.is_empty() {
            ended.set_system_out(XmlString::new(&log));
        }
        ended.set_time(outcome.took);
        self.report.add_test_suite(ended);
        Ok(())
    }

    fn run_ends(&mut self, _total: Stats) -> io::Result<()> {
        let text = self.report.to_string().map_err(io::Error::other)?;
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
