//! What came of a sweep, for machines.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::{Value, json};

use super::Swept;
use crate::judge::Outcome;

impl Swept {
    /// As JUnit XML: a suite, and a case for each run.
    ///
    /// # Errors
    /// None of these texts is one that XML cannot say; the writer's own.
    pub fn to_junit(&self) -> Result<String, quick_junit::SerializeError> {
        let mut suite = TestSuite::new(format!("lastfd sweep {}", self.program));
        suite.set_time(self.took);
        for run in &self.runs {
            let mut status = TestCaseStatus::success();
            if !run.outcome.is_good() {
                status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_type(run.outcome.word());
                status.set_message(run.outcome.to_string());
                status.set_description(&run.command);
            } else if let Outcome::NotReached { .. } = run.outcome {
                status = TestCaseStatus::skipped();
                status.set_message(run.outcome.to_string());
            }
            let mut case = TestCase::new(run.point.to_string(), status);
            case.set_classname(&self.program);
            case.set_time(run.took);
            case.set_system_out(format!("{}\n{}", run.outcome, run.command));
            suite.add_test_case(case);
        }
        let mut report = Report::new("lastfd sweep");
        report.set_time(self.took);
        report.add_test_suite(suite);
        report.to_string()
    }

    /// As JSON.
    pub fn to_json(&self) -> String {
        let run = |run: &super::Run| {
            json!({
                "device": &*run.point.device,
                "side": run.point.side.to_string(),
                "operation": run.point.step.to_string(),
                "count": run.point.count,
                "unplug": run.point.to_string(),
                "outcome": run.outcome.word(),
                "good": run.outcome.is_good(),
                "text": run.outcome.to_string(),
                "woken": match &run.outcome {
                    Outcome::Hung(asleep) => Value::Bool(!asleep.was_not_woken()),
                    _ => Value::Null,
                },
                "seconds": run.took.as_secs_f64(),
                "command": run.command,
            })
        };
        let entry = |entry: &super::Entry| {
            json!({
                "device": &*entry.device,
                "operation": entry.step.to_string(),
                "begun": entry.begun,
                "blocked": entry.blocked,
                "ended": entry.ended,
            })
        };
        let report = json!({
            "program": self.program,
            "good": self.is_good(),
            "summary": self.summary(),
            "notes": self.notes(),
            "left_out": self.left_out,
            "seconds": self.took.as_secs_f64(),
            "operations": self.learnt.roll.iter().map(entry).collect::<Vec<_>>(),
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
        });
        format!("{report:#}")
    }
}
