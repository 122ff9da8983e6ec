//! Compares a trace with a golden one, as far as behaviour goes.

use std::fmt;

use crate::trace::Trace;

/// How a trace differs from its golden lines.
///
/// It prints the lines around each difference, the golden's with `-` and the
/// trace's with `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    edits: Vec<Edit>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Edit {
    Same(String),
    /// In the golden only.
    Missing(String),
    /// In the trace only.
    Extra(String),
}

/// Whether `trace` is what `golden` says.
///
/// Not compared are `note:` and `kernel:` lines, the text of the call after `>`,
/// and spaces at the end of a line.
///
/// # Errors
///
/// [`Mismatch`], which shows where they differ.
pub fn compare(golden: &str, trace: &Trace) -> Result<(), Mismatch> {
    compare_texts(golden, &trace.to_string())
}

/// The same for the text of a trace.
///
/// # Errors
///
/// [`Mismatch`], which shows where they differ.
pub fn compare_texts(golden: &str, trace: &str) -> Result<(), Mismatch> {
    let golden = compared(golden);
    let trace = compared(trace);
    if golden == trace {
        return Ok(());
    }
    Err(Mismatch {
        edits: edits(&golden, &trace),
    })
}

/// The lines that count, as they are compared.
fn compared(text: &str) -> Vec<String> {
    text.lines().filter_map(compared_line).collect()
}

fn compared_line(line: &str) -> Option<String> {
    let line = line.trim_end();
    if line.is_empty() || line.starts_with("kernel:") {
        return None;
    }
    let (step, rest) = line.split_once(' ').unwrap_or((line, ""));
    if rest.trim_start().starts_with("note:") {
        return None;
    }
    if rest.starts_with('>') {
        return Some(format!("{step} >"));
    }
    Some(line.to_owned())
}

/// The shortest way from one to the other, by their longest common subsequence.
fn edits(golden: &[String], trace: &[String]) -> Vec<Edit> {
    // What both have at either end need not be searched.
    let head = golden.iter().zip(trace).take_while(|(g, t)| g == t).count();
    let tail = golden[head..]
        .iter()
        .rev()
        .zip(trace[head..].iter().rev())
        .take_while(|(g, t)| g == t)
        .count();
    let inner_golden = &golden[head..golden.len() - tail];
    let inner_trace = &trace[head..trace.len() - tail];
    let mut edits: Vec<Edit> = golden[..head].iter().cloned().map(Edit::Same).collect();
    edits.extend(inner_edits(inner_golden, inner_trace));
    edits.extend(
        golden[golden.len() - tail..]
            .iter()
            .cloned()
            .map(Edit::Same),
    );
    edits
}

/// Differences larger than this are shown as a whole, not searched for what both have.
const LARGEST_SEARCH: usize = 4_000_000;

fn inner_edits(golden: &[String], trace: &[String]) -> Vec<Edit> {
    if golden.len().saturating_mul(trace.len()) > LARGEST_SEARCH {
        let missing = golden.iter().cloned().map(Edit::Missing);
        return missing
            .chain(trace.iter().cloned().map(Edit::Extra))
            .collect();
    }
    // common[i][j]: how much golden[i..] and trace[j..] have in common.
    let mut common = vec![vec![0u32; trace.len() + 1]; golden.len() + 1];
    for i in (0..golden.len()).rev() {
        for j in (0..trace.len()).rev() {
            common[i][j] = if golden[i] == trace[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let mut edits = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < golden.len() || j < trace.len() {
        if i < golden.len() && j < trace.len() && golden[i] == trace[j] {
            edits.push(Edit::Same(golden[i].clone()));
            i += 1;
            j += 1;
        } else if j == trace.len() || (i < golden.len() && common[i + 1][j] >= common[i][j + 1]) {
            edits.push(Edit::Missing(golden[i].clone()));
            i += 1;
        } else {
            edits.push(Edit::Extra(trace[j].clone()));
            j += 1;
        }
    }
    edits
}

impl Mismatch {
    /// The first golden line that the trace lacks, if there is one.
    pub fn missing(&self) -> Option<&str> {
        self.edits.iter().find_map(|e| match e {
            Edit::Missing(line) => Some(line.as_str()),
            _ => None,
        })
    }

    /// The first line of the trace that the golden lacks, if there is one.
    pub fn extra(&self) -> Option<&str> {
        self.edits.iter().find_map(|e| match e {
            Edit::Extra(line) => Some(line.as_str()),
            _ => None,
        })
    }
}

/// How many lines that agree are shown around one that does not.
const CONTEXT: usize = 3;

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = self
            .edits
            .iter()
            .filter(|e| matches!(e, Edit::Missing(_)))
            .count();
        let extra = self
            .edits
            .iter()
            .filter(|e| matches!(e, Edit::Extra(_)))
            .count();
        write!(
            f,
            "the trace differs from its golden lines: {missing} missing (-), {extra} too many (+)"
        )?;
        let differs = |i: usize| !matches!(self.edits[i], Edit::Same(_));
        let mut skipped = false;
        for (i, edit) in self.edits.iter().enumerate() {
            let near =
                (i.saturating_sub(CONTEXT)..=(i + CONTEXT).min(self.edits.len() - 1)).any(differs);
            if !near {
                skipped = true;
                continue;
            }
            if skipped {
                write!(f, "\n    …")?;
                skipped = false;
            }
            match edit {
                Edit::Same(line) => write!(f, "\n    {line}")?,
                Edit::Missing(line) => write!(f, "\n  - {line}")?,
                Edit::Extra(line) => write!(f, "\n  + {line}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mismatch {}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(text: &str) -> Trace {
        let mut trace = Trace::default();
        for line in text.lines() {
            match line.split_once(' ').map(|(n, rest)| (n.parse().ok(), rest)) {
                Some((Some(step), rest)) => trace.push(Some(step), rest.to_owned()),
                _ => trace.push(None, line.to_owned()),
            }
        }
        trace
    }

    #[test]
    fn notes_log_lines_and_the_text_of_calls_are_not_compared() {
        let golden = "00 BEGIN\n00     note: a\n01 > f(x)\nkernel: WARNING\n01 < rc=0\n01 END\n";
        let ours = "00 BEGIN\n01 > g(y)\n01     note: b\n01 < rc=0 \n01 END\n";
        assert_eq!(compare(golden, &trace(ours)), Ok(()));
    }

    #[test]
    fn a_lost_and_a_changed_line_are_both_shown() {
        let golden = "00 BEGIN\n01 > f\n01     a\n01     b\n01 < done\n01 END\n";
        let ours = "00 BEGIN\n01 > f\n01     b\n01 < rc=0\n01 END\n";
        let mismatch = compare(golden, &trace(ours)).unwrap_err();
        assert_eq!(mismatch.missing(), Some("01     a"));
        assert_eq!(mismatch.extra(), Some("01 < rc=0"));
        assert_eq!(
            mismatch.to_string(),
            "the trace differs from its golden lines: 2 missing (-), 1 too many (+)\n    \
             00 BEGIN\n    01 >\n  - 01     a\n    01     b\n  - 01 < done\n  + 01 < rc=0\n    \
             01 END"
        );
    }

    #[test]
    fn order_counts() {
        let golden = "01     a\n01     b\n";
        assert!(compare(golden, &trace("01     b\n01     a\n")).is_err());
    }
}
