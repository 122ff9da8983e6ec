//! A schedule as the events of the model, with a column for each task.

use core::fmt;

use lastfd_model::event::{MemoryStep, ResourceStep};
use lastfd_model::{Event, EventKind};
use lastfd_sync::explore::{Failure, FailureKind};
use lastfd_sync::thread::TaskId;

use crate::fault::Fault;
use crate::world::Record;

/// Characters of a line.
const WIDTH: usize = 110;
const GAP: usize = 3;
const MARGIN: usize = 2;
/// Of many columns the page is wider.
const NARROWEST: usize = 26;

/// What happened while the tasks ran.
#[derive(Clone, Debug)]
pub struct Interleaving {
    /// What the tasks are called, in the order they were made.
    pub columns: Vec<String>,
    /// What happened, in order.
    pub cells: Vec<Cell>,
}

/// One thing that a task did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Which column it is in; none after the tasks have ended.
    pub column: Option<usize>,
    /// What happened.
    pub text: String,
    /// Whether it must not happen.
    pub is_fault: bool,
}

impl Interleaving {
    pub(crate) fn new(record: &Record, failure: &Failure, fault: &Fault) -> Interleaving {
        let mut tasks = record.columns.with(|columns| columns.clone());
        tasks.sort_by_key(|(task, _)| *task);
        let mut columns: Vec<String> = tasks.iter().map(|(_, name)| name.clone()).collect();
        let events = record.events.with(|events| events.clone());
        let span = record.span.with(|span| span.clone());
        let begin = span.first().copied().unwrap_or_default();
        let end = span.get(1).copied().unwrap_or(events.len());
        let mut column_of = |task: TaskId, columns: &mut Vec<String>| {
            let known = tasks.iter().position(|(known, _)| *known == task);
            known.unwrap_or_else(|| {
                // One that nobody made with `World::task`: a kernel thread, a timer.
                let named = failure.tasks.iter().find(|(known, _)| *known == task);
                let name = named.map_or("another", |(_, name)| name);
                tasks.push((task, name.to_owned()));
                columns.push(name.to_owned());
                columns.len() - 1
            })
        };
        let mut cells = Vec::new();
        for (index, event) in events.iter().enumerate().skip(begin) {
            let is_fault = Fault::of(event).is_some();
            if !is_fault && (index >= end || is_noise(&event.kind)) {
                continue;
            }
            let column = (index < end).then(|| column_of(event.task, &mut columns));
            cells.push(Cell {
                column,
                text: text(event),
                is_fault,
            });
        }
        let said = record.faults.with(|faults| faults.clone());
        for (task, fault) in said {
            let column = tasks.iter().position(|(known, _)| *known == task);
            cells.push(Cell {
                column,
                text: fault.what,
                is_fault: true,
            });
        }
        if failure.kind == FailureKind::Panic {
            cells.push(Cell {
                column: None,
                text: fault.what.clone(),
                is_fault: true,
            });
        }
        for task in &failure.blocked {
            if let Some(column) = tasks.iter().position(|(known, _)| known == task) {
                cells.push(Cell {
                    column: Some(column),
                    text: "waits, and nothing is left to end that".to_owned(),
                    is_fault: true,
                });
            }
        }
        Interleaving { columns, cells }
    }
}

/// What says nothing of who was where.
fn is_noise(kind: &EventKind) -> bool {
    use EventKind::*;
    match kind {
        DeviceInitialized { .. }
        | Notify { .. }
        | Uevent { .. }
        | Match { .. }
        | DevresAdded { .. }
        | DevresRemoved { .. }
        | RefTaken { .. }
        | RefDropped { .. } => true,
        Memory { step, .. } => !matches!(step, MemoryStep::Freed),
        // Every call of the core takes them.
        SectionBegin { section } | SectionEnd { section } => {
            matches!(section.name, "the device lock" | "device_links_lock")
        }
        Resource { step, .. } => matches!(step, ResourceStep::Created | ResourceStep::Accessed),
        _ => false,
    }
}

fn text(event: &Event) -> String {
    let line = event.kind.to_string();
    // An open file is named by its path; its number is kept.
    match line.split_once(" (file ") {
        Some((path, rest)) if path.starts_with('/') => match rest.split_once(')') {
            Some((number, rest)) => format!("{path} #{number}{rest}"),
            None => line,
        },
        _ => line,
    }
}

/// The text in lines of at most so many characters, broken between words where it can be.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let line = lines.last_mut().expect("there is one at least");
            let used = line.chars().count();
            let needed = word.len() + usize::from(used > 0);
            if used + needed <= width {
                if used > 0 {
                    line.push(' ');
                }
                line.extend(&word);
                break;
            }
            if used > 0 {
                lines.push(String::new());
                continue;
            }
            // A word longer than a line.
            line.extend(word.drain(..width));
            lines.push(String::new());
        }
    }
    lines
}

impl fmt::Display for Interleaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.columns.len().max(1);
        let room = WIDTH - MARGIN - GAP * (count - 1);
        let width = (room / count).max(NARROWEST);
        let line = |f: &mut fmt::Formatter<'_>, column: usize, text: &str| {
            let indent = MARGIN + column * (width + GAP);
            writeln!(f, "{:indent$}{text}", "")
        };
        let header: Vec<String> = self
            .columns
            .iter()
            .map(|name| format!("{name:width$}"))
            .collect();
        writeln!(f, "  {}", header.join("   ").trim_end())?;
        let rule: Vec<String> = self.columns.iter().map(|_| "─".repeat(width)).collect();
        writeln!(f, "  {}", rule.join("   "))?;
        for cell in &self.cells {
            let mark = if cell.is_fault { "!! " } else { "" };
            let (column, width) = match cell.column {
                Some(column) => (column, width),
                None => (0, WIDTH - MARGIN),
            };
            let text = format!("{mark}{}", cell.text);
            for (index, part) in wrapped(&text, width - 2).iter().enumerate() {
                let hang = if index == 0 { "" } else { "  " };
                line(f, column, &format!("{hang}{part}"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_between_words_and_long_words_anywhere() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "efgh", "ij k"]);
        assert_eq!(wrapped("", 4), [""]);
    }

    #[test]
    fn each_task_has_a_column() {
        let cell = |column, text: &str, is_fault| Cell {
            column,
            text: text.to_owned(),
            is_fault,
        };
        let told = Interleaving {
            columns: vec!["reader".to_owned(), "unplug".to_owned()],
            cells: vec![
                cell(Some(0), "reads", false),
                cell(
                    Some(1),
                    "takes it away, which is told in more words than there is room for",
                    false,
                ),
                cell(Some(0), "BUG: reads what is gone", true),
                cell(None, "leak: something", true),
            ],
        };
        insta::assert_snapshot!(told, @r"
        reader                                                 unplug
        ────────────────────────────────────────────────────   ────────────────────────────────────────────────────
        reads
                                                               takes it away, which is told in more words than
                                                                 there is room for
        !! BUG: reads what is gone
        !! leak: something
        ");
    }
}
