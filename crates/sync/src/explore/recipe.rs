//! A schedule as text.

use std::fmt;
use std::str::FromStr;

/// A schedule: who went on, wherever more than one task could. As text the tasks'
/// numbers, each with `xN` if repeated, with dots between; `-` where nobody had a choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    pub(super) steps: Vec<u32>,
}

impl Recipe {
    /// How many choices it has.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// Whether there was never a choice.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str("-");
        }
        for (i, run) in self.steps.chunk_by(|a, b| a == b).enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            write!(f, "{}", run[0])?;
            if run.len() > 1 {
                write!(f, "x{}", run.len())?;
            }
        }
        Ok(())
    }
}

/// The text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecipe(String);

impl fmt::Display for BadRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "failed to read a schedule at '{}': expected TASK[xN].TASK[xN]..., such as 2x40.3.2x7",
            self.0
        )
    }
}

impl std::error::Error for BadRecipe {}

impl FromStr for Recipe {
    type Err = BadRecipe;

    fn from_str(text: &str) -> Result<Self, BadRecipe> {
        /// More choices than one execution may have.
        const LONGEST: usize = 10_000_000;
        let bad = |part: &str| BadRecipe(part.to_owned());
        let mut steps = Vec::new();
        if text == "-" {
            return Ok(Recipe { steps });
        }
        for part in text.split('.') {
            let (task, times) = match part.split_once('x') {
                Some((task, times)) => (task, times.parse().map_err(|_| bad(part))?),
                None => (part, 1),
            };
            let task: u32 = task.parse().map_err(|_| bad(part))?;
            if times > LONGEST - steps.len() {
                return Err(bad(part));
            }
            steps.extend(std::iter::repeat_n(task, times));
        }
        Ok(Recipe { steps })
    }
}
