//! A trace: what a run of a scenario printed.

use std::fmt;

/// What a run of a scenario printed, in the notation of the recorded kernels: one
/// line per event, each with the number of the step it belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    lines: Vec<TraceLine>,
}

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// The step it belongs to, from 0; none for what the kernel's log says.
    pub step: Option<u32>,
    /// The line after the step.
    pub text: String,
}

impl fmt::Display for TraceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "{step:02} {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl Trace {
    /// The lines, in the order they were printed.
    pub fn lines(&self) -> &[TraceLine] {
        &self.lines
    }

    pub(crate) fn push(&mut self, step: Option<u32>, text: String) {
        self.lines.push(TraceLine { step, text });
    }

    pub(crate) fn append(&mut self, lines: &mut Vec<TraceLine>) {
        self.lines.append(lines);
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
