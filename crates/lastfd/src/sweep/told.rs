//! What came of a sweep, for people.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_sync::Arc;

use super::points::Side;
use super::{Run, Swept};
use crate::step::Step;

/// Outcomes in the order they are counted up.
const WORDS: [&str; 7] = [
    "ended",
    "let go",
    "crashed",
    "hung",
    "spun",
    "kept",
    "not reached",
];

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = self.point.to_string();
        write!(f, "{point:<44} {}  # {}", self.outcome, self.command)
    }
}

impl Swept {
    /// How many runs came to this.
    fn count(&self, word: &str) -> usize {
        let came = self.runs.iter().filter(|run| run.outcome.word() == word);
        came.count()
    }

    /// The last line: whether it survives.
    pub fn summary(&self) -> String {
        let bad = self.runs.iter().filter(|run| !run.outcome.is_good());
        let (bad, all) = (bad.count(), self.runs.len());
        let mut summary = match (bad, all) {
            (0, _) => format!("{} survives all {all} points", self.program),
            (bad, _) => format!("{} fails at {bad} of {all} points", self.program),
        };
        let counted = WORDS.iter().map(|word| (word, self.count(word)));
        let counted: Vec<String> = counted
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        if !counted.is_empty() {
            summary += &format!(" ({})", counted.join(", "));
        }
        if self.left_out > 0 {
            summary += &format!("; {} were not tried", self.left_out);
        }
        summary
    }

    /// What was odd about the first run, a line each.
    pub fn notes(&self) -> Vec<String> {
        let learnt = &self.learnt;
        let mut notes = Vec::new();
        match &learnt.ending {
            Some(ending) if !ending.is_success() => {
                notes.push(format!("with its device there it comes to: {ending}"));
            }
            _ => {}
        }
        if learnt.left_others {
            notes.push(
                "it leaves others running when it ends; they are judged, too, and ended".to_owned(),
            );
        }
        notes.extend(learnt.refused.iter().map(|text| format!("refused: {text}")));
        notes
    }
}

/// What came of the runs at one kind of operation.
#[derive(Default)]
struct Row {
    cells: BTreeMap<Side, BTreeMap<&'static str, usize>>,
}

fn cell(row: &Row, side: Side) -> String {
    let Some(cell) = row.cells.get(&side) else {
        return "-".to_owned();
    };
    let counted = WORDS
        .iter()
        .filter_map(|word| Some((word, cell.get(word)?)));
    let counted: Vec<String> = counted
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
    counted.join(", ")
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for run in &self.runs {
            writeln!(f, "{run}")?;
        }
        // One row for each operation, in the order they were first seen.
        let mut rows: Vec<((Arc<str>, Step), Row)> = Vec::new();
        for run in &self.runs {
            let key = (Arc::clone(&run.point.device), run.point.step.clone());
            let at = rows.iter().position(|(known, _)| *known == key);
            let at = at.unwrap_or_else(|| {
                rows.push((key, Row::default()));
                rows.len() - 1
            });
            let cell = rows[at].1.cells.entry(run.point.side).or_default();
            *cell.entry(run.outcome.word()).or_default() += 1;
        }
        let table: Vec<[String; 4]> =
            core::iter::once(["", "before", "blocked", "after"].map(str::to_owned))
                .chain(rows.iter().map(|((device, step), row)| {
                    [
                        format!("{device} {step}"),
                        cell(row, Side::Before),
                        cell(row, Side::Blocked),
                        cell(row, Side::After),
                    ]
                }))
                .collect();
        let width = |column: usize| table.iter().map(|row| row[column].len()).max();
        let widths = [0, 1, 2].map(|column| width(column).unwrap_or(0));
        writeln!(f)?;
        for [name, before, blocked, after] in &table {
            let [first, second, third] = widths;
            writeln!(
                f,
                "{name:first$}  {before:second$}  {blocked:third$}  {after}"
            )?;
        }
        writeln!(f)?;
        for note in self.notes() {
            writeln!(f, "note: {note}")?;
        }
        write!(f, "verdict: {}", self.summary())
    }
}
