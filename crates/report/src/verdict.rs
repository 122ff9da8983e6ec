//! The verdict: what the events of a run amount to.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_model::{Event, Holding, LedgerLine};
use lastfd_sync::Arc;

use crate::finding::{Finding, Owner};
use crate::run_event::{Ending, RunEvent};
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
    /// Where Linux itself would have gone wrong: nobody's fault here.
    pub gaps: Vec<lastfd_sanitizer::Finding>,
}

/// What was to be done to a device and never was.
#[derive(Clone, Debug)]
pub struct Missed {
    /// The name on the bench.
    pub name: Arc<str>,
    /// What should have been done.
    pub what: Arc<str>,
    /// When.
    pub when: Arc<str>,
    /// How often the event was seen.
    pub seen: u32,
    /// Why it was not done though its time or event came.
    pub refused: Option<Arc<str>>,
}

impl Verdict {
    /// Judges these events, which are in order, and what the sanitizer found in them. A
    /// splat or a leak that it explains is not told twice.
    pub fn of(events: &[Event], found: &[lastfd_sanitizer::Finding]) -> Verdict {
        let explained = |event: &&Event| found.iter().any(|f| f.explains.contains(&event.seq));
        let told = events.iter().filter(|event| !explained(event));
        let mut findings: Vec<Finding> = told.filter_map(Finding::in_event).collect();
        findings.extend(found.iter().filter_map(Finding::of_lifetime));
        findings.sort_by_key(|finding| finding.seq);
        let is_gap = |f: &&lastfd_sanitizer::Finding| {
            matches!(f.owner, lastfd_sanitizer::Owner::KernelGap { .. })
        };
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
                what,
                when,
                seen,
            } => Some(Missed {
                name: Arc::clone(name),
                what: Arc::clone(what),
                when: Arc::clone(when),
                seen: *seen,
                refused: None,
            }),
            RunEvent::Faulted {
                name,
                fault,
                cause,
                refused: Some(why),
                ..
            } => Some(Missed {
                name: Arc::clone(name),
                what: Arc::clone(fault),
                when: Arc::clone(cause),
                seen: 0,
                refused: Some(Arc::clone(why)),
            }),
            _ => None,
        });
        Verdict {
            programs: programs.collect(),
            removals: Removal::all(events),
            missed: missed.collect(),
            findings,
            gaps: found.iter().filter(is_gap).cloned().collect(),
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
            let Missed {
                what,
                name,
                when,
                refused,
                ..
            } = missed;
            parts.push(match refused {
                None => format!("no {what} of {name}: {when} never came"),
                Some(why) => format!("no {what} of {name}: {why}"),
            });
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
            let Missed {
                what,
                name,
                when,
                seen,
                refused,
            } = missed;
            match refused {
                None => writeln!(
                    f,
                    "missed    {what} of {name} at {when}: the event was seen {seen} times"
                )?,
                Some(why) => writeln!(f, "missed    {what} of {name}, {when}: {why}")?,
            }
        }
        for finding in &self.findings {
            writeln!(f, "finding   {finding}")?;
        }
        for gap in &self.gaps {
            writeln!(f, "gap       {}", gap.title())?;
            writeln!(f, "          {}", gap.text)?;
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
            for part in wrapped(&line) {
                writeln!(f, "{label:<9} {part}")?;
                label = "";
            }
        }
        let mut label = "released";
        for release in &self.released {
            let since = Millis(release.time.0.saturating_sub(self.began.0));
            let since = format!("+{since} ms");
            writeln!(f, "{label:<9} {since:>12}  {release}")?;
            label = "";
        }
        Ok(())
    }
}

/// Lines longer than this are broken at a comma.
const WIDTH: usize = 88;

fn wrapped(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for piece in line.split_inclusive(", ") {
        let last = parts.last().map_or(0, |part| part.chars().count());
        if last > 0 && last + piece.trim_end().chars().count() > WIDTH {
            parts.push("    ".to_owned());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(piece);
        }
    }
    parts
        .iter()
        .map(|part| part.trim_end().to_owned())
        .collect()
}

/// Nanoseconds as milliseconds.
struct Millis(u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000_000, self.0 / 1000 % 1000)
    }
}

/// Who held what: open files and waiters one by one, the rest counted for each device.
fn holders(held: &[LedgerLine]) -> Vec<String> {
    let mut lines: Vec<String> = held
        .iter()
        .filter(|line| is_someones(line.holding))
        .map(|line| format!("{} {}", line.holding, line.what))
        .collect();
    let mut devices: Vec<(&str, BTreeMap<Holding, Counts<'_>>)> = Vec::new();
    for line in held.iter().filter(|line| !is_someones(line.holding)) {
        let device = line.device.as_ref().map_or("", |device| &*device.name);
        let known = devices.iter().position(|(name, _)| *name == device);
        let index = known.unwrap_or_else(|| {
            devices.push((device, BTreeMap::new()));
            devices.len() - 1
        });
        let counts = devices[index].1.entry(line.holding).or_default();
        // One managed action is as good as another: its number says nothing.
        counts.add(match line.holding {
            Holding::Devres => line.what.split(" #").next().unwrap_or_default(),
            _ => &line.what,
        });
    }
    for (device, holdings) in devices {
        for (holding, counts) in holdings {
            lines.push(format!("{device}: {}", counts.of(holding)));
        }
    }
    lines
}

/// Things of one sort, in the order they were first seen.
#[derive(Default)]
struct Counts<'a>(Vec<(&'a str, usize)>);

impl<'a> Counts<'a> {
    fn add(&mut self, what: &'a str) {
        match self.0.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += 1,
            None => self.0.push((what, 1)),
        }
    }

    /// `3 references: its creator, get_device (x2)`.
    fn of(&self, holding: Holding) -> String {
        let total: usize = self.0.iter().map(|(_, count)| count).sum();
        let plural = if total == 1 { "" } else { "s" };
        let each = self.0.iter().map(|(what, count)| match count {
            1 => (*what).to_owned(),
            _ => format!("{what} (x{count})"),
        });
        let each: Vec<String> = each.collect();
        format!("{total} {holding}{plural}: {}", each.join(", "))
    }
}

/// Whether it is a program's, rather than the device's own.
fn is_someones(holding: Holding) -> bool {
    matches!(
        holding,
        Holding::OpenFile | Holding::Waiter | Holding::Mapping
    )
}
