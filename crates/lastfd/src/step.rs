//! One operation of a program on a device, whatever comes of it.

use core::fmt;

use lastfd_model::EventKind;

use crate::when::{CALLS, is_the_ioctl};

/// An operation of a program on a device, whatever comes of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A node is opened.
    Open,
    /// An open file is closed for the last time. The kernel does it alone, so that it has
    /// no beginning that could be seen.
    Close,
    /// A call by its name: `read`, `write`, `pread`, `pwrite`, `poll`, `select`, `mmap`.
    Call(&'static str),
    /// An ioctl by its name or number; or any.
    Ioctl(Option<String>),
}

impl Step {
    /// The operation that this event begins.
    pub fn begun_by(event: &EventKind) -> Option<Step> {
        match event {
            EventKind::OpenBegin { .. } => Some(Step::Open),
            EventKind::OperationBegin { op, .. } => Step::called(op),
            _ => None,
        }
    }

    /// The operation that this event ends.
    pub fn ended_by(event: &EventKind) -> Option<Step> {
        match event {
            EventKind::FileOpened { .. } => Some(Step::Open),
            EventKind::FileClosed { .. } => Some(Step::Close),
            EventKind::OperationEnd { op, .. } => Step::called(op),
            _ => None,
        }
    }

    /// By its name in events: `read`, `ioctl VIDIOC_DQBUF`.
    pub(crate) fn called(op: &str) -> Option<Step> {
        if let Some(ioctl) = op.strip_prefix("ioctl ") {
            return Some(Step::Ioctl(Some(ioctl.to_owned())));
        }
        CALLS.into_iter().find(|call| *call == op).map(Step::Call)
    }

    /// Whether `other`, an operation that was made, is this one.
    pub fn covers(&self, other: &Step) -> bool {
        match (self, other) {
            (Step::Ioctl(None), Step::Ioctl(_)) => true,
            (Step::Ioctl(Some(wanted)), Step::Ioctl(Some(made))) => {
                is_the_ioctl(&format!("ioctl {made}"), wanted)
            }
            _ => self == other,
        }
    }

    /// As `blocked:` names it.
    pub fn name(&self) -> &str {
        match self {
            Step::Open => "open",
            Step::Close => "close",
            Step::Call(call) => call,
            Step::Ioctl(Some(ioctl)) => ioctl,
            Step::Ioctl(None) => "ioctl",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Ioctl(Some(ioctl)) => write!(f, "ioctl:{ioctl}"),
            _ => f.write_str(self.name()),
        }
    }
}
