//! Both sides run a scenario, and the traces are compared.

use std::fmt;

use lastfd_model::Rules;
use lastfd_scenario::{Mismatch, Scenario, Trace, compare_texts};

use crate::kernel::{Answer, Boot, BootError, Kernel, Lost, State};

/// A kernel under one set of rules, booted when it is needed.
pub struct Judge {
    boot: Boot,
    kernel: Option<Kernel>,
    boots: u32,
}

/// So many scenarios are at hand for a kernel.
const AT_HAND: usize = 32;

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Both print the same.
    Same,
    /// They do not.
    Differs(Mismatch),
    /// This kernel or its module cannot run it.
    Refused(String),
    /// The kernel died or hung.
    Lost(Lost),
}

impl Verdict {
    /// Whether lastfd and the kernel disagree.
    pub fn is_difference(&self) -> bool {
        matches!(self, Verdict::Differs(_) | Verdict::Lost(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Same => f.write_str("same"),
            Verdict::Differs(mismatch) => write!(f, "{mismatch}"),
            Verdict::Refused(why) => write!(f, "not run: {why}"),
            Verdict::Lost(lost) => write!(f, "{lost}"),
        }
    }
}

impl Judge {
    /// A kernel that is booted with the first scenario.
    pub fn new(boot: Boot) -> Judge {
        Judge {
            boot,
            kernel: None,
            boots: 0,
        }
    }

    /// The rules that both sides follow.
    pub fn rules(&self) -> Rules {
        self.boot.rules
    }

    /// How often the kernel was booted.
    pub fn boots(&self) -> u32 {
        self.boots
    }

    /// What the kernel makes of a scenario.
    ///
    /// # Errors
    ///
    /// [`BootError`] if no kernel can be booted.
    pub fn ask(&mut self, scenario: &Scenario) -> Result<Result<Answer, Lost>, BootError> {
        let mut answers = self.ask_all(&[scenario])?;
        // One was asked for.
        Ok(answers.swap_remove(0))
    }

    /// What the kernel makes of each scenario.
    ///
    /// It has the next ones at hand while it runs one, so that neither side waits for
    /// the other; those it has not run when it must not go on are for the next kernel.
    ///
    /// # Errors
    ///
    /// [`BootError`] if no kernel can be booted.
    pub fn ask_all(
        &mut self,
        scenarios: &[&Scenario],
    ) -> Result<Vec<Result<Answer, Lost>>, BootError> {
        let mut answers = Vec::new();
        let mut sent = 0;
        while answers.len() < scenarios.len() {
            let kernel = match &mut self.kernel {
                Some(kernel) => kernel,
                none => {
                    self.boots += 1;
                    sent = answers.len();
                    none.insert(Kernel::boot(&self.boot)?)
                }
            };
            while sent < scenarios.len() && sent - answers.len() < AT_HAND {
                kernel.send(&scenarios[sent].compiled());
                sent += 1;
            }
            let answer = kernel.receive(self.boot.patience);
            match &answer {
                Ok(answer) if matches!(answer.state, State::Clean | State::Refused(_)) => {}
                _ => self.kernel = None,
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Runs scenarios on both sides.
    ///
    /// # Errors
    ///
    /// [`BootError`] if no kernel can be booted.
    pub fn judge_all(&mut self, scenarios: &[Scenario]) -> Result<Vec<Verdict>, BootError> {
        let answers = self.ask_all(&scenarios.iter().collect::<Vec<_>>())?;
        let both = scenarios.iter().zip(answers);
        let verdicts = both.map(|(scenario, answer)| match answer {
            Ok(answer) => verdict(&answer, &scenario.run_like_a_kernel(self.boot.rules).0),
            Err(lost) => Verdict::Lost(lost),
        });
        Ok(verdicts.collect())
    }

    /// Runs a scenario on both sides.
    ///
    /// # Errors
    ///
    /// [`BootError`] if no kernel can be booted.
    pub fn judge(&mut self, scenario: &Scenario) -> Result<Verdict, BootError> {
        let mut verdicts = self.judge_all(std::slice::from_ref(scenario))?;
        // One was asked for.
        Ok(verdicts.swap_remove(0))
    }
}

pub(crate) fn verdict(answer: &Answer, ours: &Trace) -> Verdict {
    match &answer.state {
        State::Refused(_) | State::TooLong => Verdict::Refused(answer.state.to_string()),
        State::Clean | State::Left(_) => {
            let (kernels, ours) = (with_skipped(&answer.trace), with_skipped(&ours.to_string()));
            match compare_texts(&kernels, &ours) {
                Ok(()) => Verdict::Same,
                Err(mismatch) => Verdict::Differs(mismatch),
            }
        }
    }
}

/// A trace in which it counts which statements were skipped: which objects are there is
/// behaviour, too. In goldens it is a note.
fn with_skipped(trace: &str) -> String {
    trace.replace("note: skipped, ", "skipped, ")
}
