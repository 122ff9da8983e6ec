//! Scenarios that are made up, run on both sides.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use lastfd_scenario::language::{Op, Statement};
use lastfd_scenario::{Scenario, Trace, parse};
use rayon::prelude::*;

use crate::generate::generate;
use crate::judge::{Judge, Verdict, verdict};
use crate::kernel::BootError;
use crate::shrink::shrink;

/// What the kernel would not survive, or could only answer with other memory: lastfd
/// says so, and no kernel is asked (`docs/oracle.md`).
const WOULD_CRASH: &[&str] = &[
    "kernel: BUG: ",
    "kernel: refcount: ",
    "kernel: use after free: ",
    "kernel: deadlock: ",
    "kernel: driver panicked: ",
];

/// Whether a run told of something that a kernel would crash on.
pub fn would_crash(trace: &Trace) -> bool {
    let lines = trace.lines().iter().filter(|l| l.step.is_none());
    lines
        .into_iter()
        .any(|line| WOULD_CRASH.iter().any(|sign| line.text.starts_with(sign)))
}

/// A scenario as both sides take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Case {
    /// Both run it.
    Judged(Verdict),
    /// No kernel was asked: it would crash.
    WouldCrash,
}

/// What came of a scenario, and the statements that it reached.
pub type Told = (Case, BTreeSet<Op>);

/// Runs a scenario on both sides, unless it would crash a kernel.
///
/// # Errors
///
/// [`BootError`] if no kernel can be booted.
pub fn case(judge: &mut Judge, scenario: &Scenario) -> Result<Told, BootError> {
    let mut cases = cases(judge, std::slice::from_ref(scenario))?;
    // One was asked for.
    Ok(cases.swap_remove(0))
}

/// The same for many. Ours run on all processors: each has a System of its own.
///
/// # Errors
///
/// [`BootError`] if no kernel can be booted.
pub fn cases(judge: &mut Judge, scenarios: &[Scenario]) -> Result<Vec<Told>, BootError> {
    let rules = judge.rules();
    let ours: Vec<(Trace, BTreeSet<Op>)> = scenarios
        .par_iter()
        .map(|s| s.run_like_a_kernel(rules))
        .collect();
    let asked: Vec<&Scenario> = scenarios
        .iter()
        .zip(&ours)
        .filter(|(_, (trace, _))| !would_crash(trace))
        .map(|(scenario, _)| scenario)
        .collect();
    let mut answers = judge.ask_all(&asked)?.into_iter();
    let told = ours.into_iter().map(|(trace, ran)| {
        if would_crash(&trace) {
            return (Case::WouldCrash, ran);
        }
        let case = match answers.next() {
            Some(Ok(answer)) => Case::Judged(verdict(&answer, &trace)),
            Some(Err(lost)) => Case::Judged(Verdict::Lost(lost)),
            // There is an answer to each that was asked.
            None => Case::WouldCrash,
        };
        (case, ran)
    });
    Ok(told.collect())
}

/// What came of many scenarios.
#[derive(Debug, Default)]
pub struct Tally {
    /// Both sides printed the same.
    pub same: u64,
    /// They did not.
    pub differ: u64,
    /// The module cannot run it.
    pub refused: u64,
    /// See [`Case::WouldCrash`].
    pub would_crash: u64,
    /// How many of those that both sides ran reached each statement.
    pub reached: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// How many both sides ran.
    pub fn judged(&self) -> u64 {
        self.same + self.differ
    }

    /// Counts a scenario.
    pub fn count(&mut self, case: &Case, ran: &BTreeSet<Op>) {
        match case {
            Case::WouldCrash => self.would_crash += 1,
            Case::Judged(Verdict::Refused(_)) => self.refused += 1,
            Case::Judged(verdict) => {
                if verdict.is_difference() {
                    self.differ += 1;
                } else {
                    self.same += 1;
                }
                for op in ran {
                    *self.reached.entry(Statement::of(*op).word).or_default() += 1;
                }
            }
        }
    }
}

/// Scenarios that were made up, of these numbers.
///
/// # Errors
///
/// What is wrong with the first that cannot be read: a mistake of the generator's.
pub fn all_made_up(seed: u64, numbers: Range<u64>) -> Result<Vec<Scenario>, String> {
    numbers
        .into_par_iter()
        .map(|number| made_up(seed, number).1)
        .collect()
}

/// A scenario that was made up.
pub fn made_up(seed: u64, number: u64) -> (String, Result<Scenario, String>) {
    let name = format!("fuzz_{seed}_{number}");
    let text = generate(&name, seed, number);
    let scenario = parse(&format!("{name}.scenario"), &text).map_err(|e| e.to_string());
    (text, scenario)
}

/// The shortest text found on which the two sides still disagree.
///
/// # Errors
///
/// [`BootError`] if no kernel can be booted.
pub fn shortest(judge: &mut Judge, text: &str) -> Result<String, BootError> {
    let mut failure = None;
    let short = shrink(text, |text| {
        if failure.is_some() {
            return false;
        }
        let Ok(scenario) = parse("short.scenario", text) else {
            return false;
        };
        match case(judge, &scenario) {
            Ok((Case::Judged(verdict), _)) => verdict.is_difference(),
            Ok(_) => false,
            Err(error) => {
                failure = Some(error);
                false
            }
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(short),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastfd_model::Rules;

    #[test]
    fn what_would_crash_a_kernel_is_known_before_it_is_asked() {
        let run = |text: &str| {
            let scenario = parse("a.scenario", text).unwrap();
            scenario.run(Rules::Linux6_12)
        };
        let fine = "scenario a\nr = root_device_register \"r\"\ntrack r\n\
            devm_remove_action r act A1\nroot_device_unregister r\n";
        assert!(!would_crash(&run(fine)), "a warning is no crash");
        let late = "scenario a\nr = root_device_register \"r\"\ntrack r\n\
            root_device_unregister r\nput_device r\n";
        assert!(would_crash(&run(late)));
    }

    #[test]
    fn the_same_seed_makes_the_same_scenarios_and_all_can_be_read() {
        for number in 0..400 {
            let (text, scenario) = made_up(7, number);
            if let Err(fault) = scenario {
                panic!("{fault}\n{text}");
            }
            assert_eq!(made_up(7, number).0, text);
        }
        assert_ne!(made_up(7, 0).0, made_up(8, 0).0);
        assert_ne!(made_up(7, 0).0, made_up(7, 1).0);
    }

    #[test]
    fn most_of_what_is_made_up_may_be_asked_of_a_kernel() {
        let crash = (0..400)
            .filter(|number| {
                let scenario = made_up(3, *number).1.unwrap();
                would_crash(&scenario.run_like_a_kernel(Rules::Linux6_12).0)
            })
            .count();
        assert!(crash < 60, "{crash} of 400 would crash a kernel");
    }
}
