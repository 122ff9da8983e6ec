//! Stages, each with its budget; the order they run in; the table at the end.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::checkout::Checkout;
use crate::counts::{Counts, Runner};
use crate::step::{self, Deadline, End, Interrupted, Interrupts, Step, Stopwatch};

/// How many lines of a stage's output its evidence keeps.
const TAIL: usize = 300;

/// How many of a failed stage's last lines the report repeats. Where only the end of
/// a run's output is kept, this is what tells which test failed.
const REPEATED: usize = 80;

/// One check.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// What it does, for `--list`.
    pub(crate) does: &'static str,
    /// Seconds it may take; one that takes longer is ended and has failed.
    pub(crate) budget: fn(&Checkout) -> u64,
    /// The stage that runs these tests too: they count once.
    pub(crate) part_of: Option<&'static str>,
    pub(crate) body: fn(&mut Job<'_>) -> Result<Done>,
}

/// How a stage that did not fail ended.
pub(crate) enum Done {
    Passed,
    /// It could not run here, for this reason.
    Skipped(String),
}

/// A stage under way.
pub(crate) struct Job<'a> {
    pub(crate) checkout: &'a Checkout,
    interrupts: &'a Interrupts,
    deadline: Deadline,
    /// Tests the runners have reported so far.
    pub(crate) counts: Counts,
    /// The commands run so far, as one would type them.
    pub(crate) commands: Vec<String>,
    /// The last lines the commands printed.
    pub(crate) tail: VecDeque<String>,
    /// Lines that give a figure, see [`crate::bench`].
    pub(crate) figures: Vec<String>,
    /// Tests that passed only when they were tried again.
    again: Vec<String>,
}

impl Job<'_> {
    /// Prints a line that its evidence keeps.
    pub(crate) fn say(&mut self, line: String) {
        println!("{line}");
        self.tail.push_back(line);
    }

    /// Runs a command; errors when it fails, or when it should have run tests
    /// and ran none.
    pub(crate) fn run(&mut self, step: Step<'_>) -> Result<()> {
        println!("$ {step}");
        self.commands.push(step.to_string());
        let (runner, command) = (step.runner, step.command());
        let mut seen = Counts::default();
        let (tail, figures, again) = (&mut self.tail, &mut self.figures, &mut self.again);
        let end = step::run(step, self.deadline, self.interrupts, |line| {
            if let Some(counts) = Counts::of_line(runner, line) {
                seen += counts;
            }
            if let Some(figure) = line.trim_start().strip_prefix("figure: ") {
                figures.push(figure.to_owned());
            }
            if let Some(name) = tried_again(runner, line)
                && !again.iter().any(|named| named == name)
            {
                again.push(name.to_owned());
            }
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
        })?;
        self.counts += seen;
        match end {
            End::Interrupted => bail!(Interrupted),
            End::OverTime => bail!("over its budget; ended `{command}`"),
            End::Exited(status) if !status.success() => bail!("`{command}` failed ({status})"),
            End::Exited(_) => {}
        }
        ensure!(
            runner == Runner::Silent || seen.any(),
            "`{command}` ran no test"
        );
        Ok(())
    }
}

/// The test that this line says had failed before it passed.
fn tried_again(runner: Runner, line: &str) -> Option<&str> {
    // FLAKY 2/3 [   0.123s] (  7/100) lastfd::programs signals::a_signal
    let rest = line.trim_start().strip_prefix("FLAKY ")?;
    let (_, name) = rest.rsplit_once(['}', ')', ']'])?;
    (runner == Runner::Nextest).then(|| name.trim())
}

/// How a stage ended.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Skipped(String),
    Failed(String),
}

struct Row {
    name: &'static str,
    took: Duration,
    budget: u64,
    /// What the stage adds to the sum.
    counts: Counts,
    outcome: Outcome,
    /// The last lines of a stage that failed.
    last_lines: Vec<String>,
    again: Vec<String>,
}

/// What failed stages printed last, every stage with its seconds, then the sum of the
/// tests on a line of its own.
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Whether no stage failed.
    pub(crate) fn passed(&self) -> bool {
        !self
            .rows
            .iter()
            .any(|row| matches!(row.outcome, Outcome::Failed(_)))
    }
}

/// The stages named in `only`, in their own order; all of them if it is empty.
pub(crate) fn select<'a>(stages: &'a [Stage], only: &[String]) -> Result<Vec<&'a Stage>> {
    for name in only {
        if !stages.iter().any(|stage| stage.name == name) {
            let names: Vec<&str> = stages.iter().map(|stage| stage.name).collect();
            bail!(
                "there is no stage `{name}`; there are: {}",
                names.join(", ")
            );
        }
    }
    let wanted = |stage: &&Stage| only.is_empty() || only.iter().any(|name| name == stage.name);
    Ok(stages.iter().filter(wanted).collect())
}

/// The text of `--list`.
pub(crate) fn list(stages: &[Stage]) -> String {
    let width = stages
        .iter()
        .map(|stage| stage.name.len())
        .max()
        .unwrap_or(0);
    stages
        .iter()
        .map(|stage| format!("{:width$}  {}\n", stage.name, stage.does))
        .collect()
}

/// Runs the stages one after the other, the failed ones too, so that one run
/// tells all that is wrong. Together they may take `whole` seconds.
pub(crate) fn run(checkout: &Checkout, stages: &[&Stage], whole: u64) -> Result<Report> {
    let interrupts = Interrupts::catch()?;
    let whole = Deadline::after(Duration::from_secs(whole));
    let mut rows = Vec::new();
    for stage in stages {
        let budget = (stage.budget)(checkout).min(whole.left().as_secs());
        println!("\n== {}: {} (at most {budget} s)", stage.name, stage.does);
        let watch = Stopwatch::start();
        let mut job = Job {
            checkout,
            interrupts: &interrupts,
            deadline: Deadline::after(Duration::from_secs(budget)),
            counts: Counts::default(),
            commands: Vec::new(),
            tail: VecDeque::new(),
            figures: Vec::new(),
            again: Vec::new(),
        };
        let outcome = match (stage.body)(&mut job) {
            Ok(Done::Passed) => Outcome::Passed,
            Ok(Done::Skipped(reason)) => Outcome::Skipped(reason),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        let counted_elsewhere = stage
            .part_of
            .is_some_and(|whole| stages.iter().any(|other| other.name == whole));
        let counts = if counted_elsewhere {
            Counts::default()
        } else {
            job.counts
        };
        let last_lines = match outcome {
            Outcome::Failed(_) => {
                let before = job.tail.len().saturating_sub(REPEATED);
                job.tail.drain(before..).collect()
            }
            Outcome::Passed | Outcome::Skipped(_) => Vec::new(),
        };
        let row = Row {
            name: stage.name,
            took: watch.elapsed(),
            budget,
            counts,
            outcome,
            last_lines,
            again: job.again,
        };
        println!(
            "== {}: {} after {:.1} s",
            row.name,
            row.outcome,
            row.took.as_secs_f64()
        );
        rows.push(row);
    }
    Ok(Report { rows })
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Passed => f.write_str("ok"),
            Outcome::Skipped(reason) => write!(f, "skipped: {reason}"),
            Outcome::Failed(reason) => write!(f, "FAILED: {reason}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self
            .rows
            .iter()
            .map(|row| row.name.len())
            .max()
            .unwrap_or(0)
            .max(5);
        for row in self.rows.iter().filter(|row| !row.last_lines.is_empty()) {
            writeln!(f, "the last lines of {}:\n", row.name)?;
            for line in &row.last_lines {
                writeln!(f, "    {line}")?;
            }
            writeln!(f)?;
        }
        for name in self.rows.iter().flat_map(|row| &row.again) {
            writeln!(f, "passed only when it was tried again: {name}")?;
        }
        writeln!(f, "{:width$}  seconds  at most", "stage")?;
        let mut total = Duration::ZERO;
        let mut counts = Counts::default();
        for row in &self.rows {
            let seconds = row.took.as_secs_f64();
            writeln!(
                f,
                "{:width$}  {seconds:7.1}  {:7}  {}",
                row.name, row.budget, row.outcome
            )?;
            total += row.took;
            counts += row.counts;
        }
        writeln!(f, "{:width$}  {:7.1}\n", "all", total.as_secs_f64())?;
        writeln!(f, "{counts}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &'static str) -> Stage {
        let does = "passes";
        Stage {
            name,
            does,
            budget: |_| 1,
            part_of: None,
            body: |_| Ok(Done::Passed),
        }
    }

    fn names(stages: &[Stage], only: &[&str]) -> Result<Vec<&'static str>> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        Ok(select(stages, &only)?
            .iter()
            .map(|stage| stage.name)
            .collect())
    }

    #[test]
    fn without_a_wish_every_stage_runs() {
        assert_eq!(
            names(&[stage("format"), stage("lints")], &[]).unwrap(),
            ["format", "lints"]
        );
    }

    #[test]
    fn wished_stages_run_in_their_own_order() {
        let stages = [stage("format"), stage("lints"), stage("tests")];
        assert_eq!(
            names(&stages, &["tests", "format"]).unwrap(),
            ["format", "tests"]
        );
    }

    #[test]
    fn an_unknown_stage_is_named_with_those_there_are() {
        let error = names(&[stage("format"), stage("lints")], &["lint"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no stage `lint`; there are: format, lints"
        );
    }

    fn row(name: &'static str, passed: u64, outcome: Outcome) -> Row {
        let counts = Counts {
            passed,
            ..Counts::default()
        };
        Row {
            name,
            took: Duration::from_millis(1500),
            budget: 60,
            counts,
            outcome,
            last_lines: Vec::new(),
            again: Vec::new(),
        }
    }

    #[test]
    fn a_test_that_was_tried_again_is_named() {
        let line = "   FLAKY 2/3 [   0.012s] (1/2) lastfd::programs signals::a_signal";
        let named = tried_again(Runner::Nextest, line);
        assert_eq!(named, Some("lastfd::programs signals::a_signal"));
        assert_eq!(tried_again(Runner::Libtest, line), None);
        let mut tests = row("tests", 2, Outcome::Passed);
        tests.again = vec!["lastfd::programs signals::a_signal".to_owned()];
        let report = Report { rows: vec![tests] }.to_string();
        let first = report.lines().next();
        let expected = "passed only when it was tried again: lastfd::programs signals::a_signal";
        assert_eq!(first, Some(expected));
    }

    #[test]
    fn what_a_failed_stage_printed_last_is_repeated_first() {
        let mut failed = row("loom", 2, Outcome::Failed("exit status: 100".to_owned()));
        failed.last_lines = vec!["FAIL gate::closes".to_owned()];
        let report = Report { rows: vec![failed] };
        let expected = "\
the last lines of loom:

    FAIL gate::closes

stage  seconds  at most
loom       1.5       60  FAILED: exit status: 100
all        1.5

2 passed, 0 failed, 0 skipped
";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn the_report_ends_with_the_sum_alone_on_a_line() {
        let rows = vec![
            row("tests", 7, Outcome::Passed),
            row("packages", 0, Outcome::Skipped("not root".to_owned())),
            row("loom", 2, Outcome::Failed("over its budget".to_owned())),
        ];
        let report = Report { rows };
        assert!(!report.passed());
        let expected = "\
stage     seconds  at most
tests         1.5       60  ok
packages      1.5       60  skipped: not root
loom          1.5       60  FAILED: over its budget
all           4.5

9 passed, 0 failed, 0 skipped
";
        assert_eq!(report.to_string(), expected);
    }
}
