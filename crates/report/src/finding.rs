//! What went wrong, and whose fault it is.

use core::fmt;

use lastfd_model::{DeviceRef, Event, EventKind, Place};
use lastfd_sync::{Arc, Ktime};

use crate::run_event::{Ending, RunEvent};

/// Who has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The driver broke a lifetime rule.
    Driver,
    /// The program did something that no program should.
    Program,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Owner::Driver => "driver",
            Owner::Program => "program",
        })
    }
}

/// One thing that went wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Whose fault it is.
    pub owner: Owner,
    /// What happened, in one line.
    pub text: Arc<str>,
    /// The device concerned, if there is one.
    pub device: Option<DeviceRef>,
    /// When.
    pub time: Ktime,
    /// The place in the code, where it is known.
    pub place: Option<Place>,
    /// The event's number in the stream.
    pub seq: u64,
    /// The lifetime rule that was broken, with its proof.
    pub lifetime: Option<Arc<lastfd_sanitizer::Finding>>,
}

impl Finding {
    /// What there is to find in an event.
    pub(crate) fn in_event(event: &Event) -> Option<Finding> {
        let (owner, text) = match &event.kind {
            EventKind::Splat { .. } => (Owner::Driver, event.kind.to_string()),
            // What a program leaves open is closed for it, so a file or a reference that
            // outlives everything was kept by a driver, or by the test itself.
            EventKind::Leak { .. } => (Owner::Driver, event.kind.to_string()),
            EventKind::Framework(_) => match RunEvent::of(event)? {
                RunEvent::ProgramEnded {
                    program,
                    ending: Ending::Failed(why),
                } => (Owner::Program, format!("{program}: {why}")),
                RunEvent::ProgramEnded {
                    program,
                    ending: Ending::Killed(signal),
                } if is_crash(*signal) => {
                    let text = format!("{program} crashed: signal {signal} ({})", name(*signal));
                    (Owner::Program, text)
                }
                _ => return None,
            },
            _ => return None,
        };
        Some(Finding {
            owner,
            text: text.into(),
            device: event.kind.device().cloned(),
            time: event.time,
            // Where the run tells of a program says nothing about the program.
            place: event.place.filter(|_| owner == Owner::Driver),
            seq: event.seq,
            lifetime: None,
        })
    }

    /// What the sanitizer found, if somebody here has to mend it.
    pub(crate) fn of_lifetime(found: &lastfd_sanitizer::Finding) -> Option<Finding> {
        let owner = match found.owner {
            lastfd_sanitizer::Owner::Driver => Owner::Driver,
            lastfd_sanitizer::Owner::Program => Owner::Program,
            lastfd_sanitizer::Owner::KernelGap { .. } => return None,
        };
        let last = found.evidence.last();
        Some(Finding {
            owner,
            text: format!("{}: {}", found.rule, found.text).into(),
            device: found.device.clone(),
            time: last.map_or(Ktime(0), |event| event.time),
            place: None,
            seq: last.map_or(0, |event| event.seq),
            lifetime: Some(Arc::new(found.clone())),
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lifetime {
            Some(found) => write!(f, "{}", found.title())?,
            None => write!(f, "{}: {}", self.owner, self.text)?,
        }
        if let Some(place) = self.place {
            write!(f, " (at {place})")?;
        }
        // Its own report begins with what was just said.
        let report = self.lifetime.as_ref().map(ToString::to_string);
        for line in report.iter().flat_map(|report| report.lines().skip(1)) {
            write!(f, "\n{line}")?;
        }
        Ok(())
    }
}

/// The signals that a program is killed by for its own doing (signal(7)).
const CRASHES: [(i32, &str); 6] = [
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (11, "SIGSEGV"),
    (31, "SIGSYS"),
];

fn is_crash(signal: i32) -> bool {
    CRASHES.iter().any(|(number, _)| *number == signal)
}

fn name(signal: i32) -> &'static str {
    let known = CRASHES.iter().find(|(number, _)| *number == signal);
    known.map_or("unknown", |(_, name)| name)
}
