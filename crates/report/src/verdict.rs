//! The verdict: what the events of a run amount to.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_model::{Event, Holding, LedgerLine};
use lastfd_sync::Arc;

use crate::finding::{Finding, Owner};
use crate::run_event::{Ending, Manner, RunEvent};
use crate::story::Removal;

/// What the events of a run amount to. It prints as the end of `lastfd run` does.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The programs that ended, and how.
    pub programs: Vec<(Arc<str>, Ending)>,
    /// The devices that were taken away.
    pub removals: Vec<Removal>,
    /// Removals that were asked for and never came.
    pub missed: Vec<Missed>,
    /// What went wrong.
    pub findings: Vec<Finding>,
}

/// A removal that was asked for and never came.
#[derive(Clone, Debug)]
pub struct Missed {
    /// The name on the bench.
    pub name: Arc<str>,
    /// What should have been done.
    pub manner: Manner,
    /// When.
    pub when: Arc<str>,
    /// How often the event was seen.
    pub seen: u32,
}

impl Verdict {
    /// Judges these events, which are in order.
    pub fn of(events: &[Event]) -> Verdict {
        let run_events = || events.iter().filter_map(RunEvent::of);
        let programs = run_events().filter_map(|event| match event {
            RunEvent::ProgramEnded { program, ending } => {
                Some((Arc::clone(program), ending.clone()))
            }
            _ => None,
        });
        let missed = run_events().filter_map(|event| match event {
            RunEvent::RemovalMissed {
                name,
                manner,
                when,
                seen,
            } => Some(Missed {
                name: Arc::clone(name),
                manner: *manner,
                when: Arc::clone(when),
                seen: *seen,
            }),
            _ => None,
        });
        Verdict {
            programs: programs.collect(),
            removals: Removal::all(events),
            missed: missed.collect(),
            findings: events.iter().filter_map(Finding::in_event).collect(),
        }
    }

    /// Nothing went wrong, and all that was asked for was done.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.missed.is_empty()
    }

    /// Whether a driver broke a lifetime rule.
    pub fn blames_a_driver(&self) -> bool {
        self.findings.iter().any(|f| f.owner == Owner::Driver)
    }

    /// The last line: `clean`, or what is the matter.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        match self.findings.len() {
            0 => {}
            1 => parts.push("1 finding".to_owned()),
            n => parts.push(format!("{n} findings")),
        }
        for missed in &self.missed {
            parts.push(format!(
                "no {} of {}: {} never came",
                missed.manner, missed.name, missed.when
            ));
        }
        if parts.is_empty() {
            "clean".to_owned()
        } else {
            parts.join("; ")
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (program, ending) in &self.programs {
            writeln!(f, "program   {program}: {ending}")?;
        }
        for removal in &self.removals {
            fmt::Display::fmt(removal, f)?;
        }
        for missed in &self.missed {
            writeln!(
                f,
                "missed    {} of {} at {}: the event was seen {} times",
                missed.manner, missed.name, missed.when, missed.seen
            )?;
        }
        for finding in &self.findings {
            writeln!(f, "finding   {finding}")?;
        }
        write!(f, "verdict: {}", self.summary())
    }
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<9} {} at {} ms, {}",
            self.manner,
            self.name,
            Millis(self.began.0),
            self.cause
        )?;
        match self.ended {
            Some(ended) => {
                let took = Millis(ended.0.saturating_sub(self.began.0));
                writeln!(f, ", took {took} ms")?;
            }
            None => writeln!(f, ", not over yet")?,
        }
        let mut label = "held then";
        for line in holders(&self.held) {
            writeln!(f, "{label:<9} {line}")?;
            label = "";
        }
        let mut label = "released";
        for release in &self.released {
            let since = Millis(release.time.0.saturating_sub(self.began.0));
            writeln!(f, "{label:<9} +{since} ms  {release}")?;
            label = "";
        }
        Ok(())
    }
}

/// Nanoseconds as milliseconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000_000, self.0 / 1000 % 1000)
    }
}

/// Who held what: open files and waiters one by one, the rest counted per device.
fn holders(held: &[LedgerLine]) -> Vec<String> {
    let mut lines: Vec<String> = held
        .iter()
        .filter(|line| is_someones(line.holding))
        .map(|line| format!("{} {}", line.holding, line.what))
        .collect();
    let mut counted: BTreeMap<(&str, Holding), Vec<&str>> = BTreeMap::new();
    for line in held.iter().filter(|line| !is_someones(line.holding)) {
        let device = line.device.as_ref().map_or("", |device| &*device.name);
        let whats = counted.entry((device, line.holding)).or_default();
        whats.push(&line.what);
    }
    for ((device, holding), whats) in counted {
        let plural = if whats.len() == 1 { "" } else { "s" };
        let mut kinds: Vec<(&str, usize)> = Vec::new();
        for what in &whats {
            match kinds.iter_mut().find(|(known, _)| known == what) {
                Some((_, count)) => *count += 1,
                None => kinds.push((what, 1)),
            }
        }
        let kinds: Vec<String> = kinds
            .into_iter()
            .map(|(what, count)| match count {
                1 => what.to_owned(),
                _ => format!("{what} (x{count})"),
            })
            .collect();
        lines.push(format!(
            "{} {holding}{plural} of {device}: {}",
            whats.len(),
            kinds.join(", ")
        ));
    }
    lines
}

/// Whether it is a program's, rather than the device's own.
fn is_someones(holding: Holding) -> bool {
    matches!(
        holding,
        Holding::OpenFile | Holding::Waiter | Holding::Mapping
    )
}
