//! What makes a schedule one to tell of.

use core::fmt;

use lastfd_model::{Event, EventKind};

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The driver's, or the test body's.
    Driver,
    /// Linux itself goes wrong there.
    Kernel,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Blame::Driver => "driver",
            Blame::Kernel => "kernel gap",
        })
    }
}

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose it is.
    pub blame: Blame,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Fault {
    /// The fault that this event is, if it is one.
    pub(crate) fn of(event: &Event) -> Option<Fault> {
        let blame = match &event.kind {
            EventKind::Splat { .. } | EventKind::Leak { .. } => Blame::Driver,
            EventKind::Framework(told) if told.kernel_gap().is_some() => Blame::Kernel,
            _ => return None,
        };
        Some(Fault {
            blame,
            what: event.kind.to_string(),
        })
    }
}
