//! What a run adds to the stream of events: what was done to the devices from outside,
//! and the programs that used them.

use core::any::Any;
use core::fmt;

use lastfd_model::{DeviceRef, Event, EventKind, FrameworkEvent, LedgerLine};
use lastfd_sync::Arc;

/// How a device is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// The hardware goes: its device is unregistered.
    Unplug,
    /// Its driver is unbound, and the hardware stays.
    Unbind,
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Manner::Unplug => "unplug",
            Manner::Unbind => "unbind",
        })
    }
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this exit status.
    Exited(u8),
    /// By this signal.
    Killed(i32),
    /// The built-in client met something that it should not have.
    Failed(Arc<str>),
}

impl Ending {
    /// Whether it was exit status 0.
    pub fn is_success(&self) -> bool {
        *self == Ending::Exited(0)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Exited(status) => write!(f, "exit status {status}"),
            Ending::Killed(signal) => write!(f, "killed by signal {signal}"),
            Ending::Failed(why) => f.write_str(why),
        }
    }
}

/// Something that whoever runs a System does or sees.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// Hardware was plugged in.
    Plugged {
        /// Its name on the bench, such as `iio-adc`.
        name: Arc<str>,
        /// The hardware's device.
        device: DeviceRef,
    },
    /// A device is being taken away.
    RemovalBegin {
        /// Its name on the bench.
        name: Arc<str>,
        /// The hardware's device.
        device: DeviceRef,
        /// How it goes.
        manner: Manner,
        /// Why now: `after read:1`.
        cause: Arc<str>,
        /// The device and all below it.
        family: Arc<[DeviceRef]>,
        /// The ledger just before.
        held: Arc<[LedgerLine]>,
    },
    /// The call that took it away returned.
    RemovalEnd {
        /// Its name on the bench.
        name: Arc<str>,
        /// The hardware's device.
        device: DeviceRef,
        /// How it went.
        manner: Manner,
    },
    /// Something was done to hardware that is no removal, or was to be done.
    Faulted {
        /// Its name on the bench.
        name: Arc<str>,
        /// The hardware's device.
        device: DeviceRef,
        /// What: `drop:3`.
        fault: Arc<str>,
        /// Why now.
        cause: Arc<str>,
        /// Why it could not be done.
        refused: Option<Arc<str>>,
    },
    /// What was to be done to a device never was: its time or event never came.
    RemovalMissed {
        /// The name on the bench.
        name: Arc<str>,
        /// What should have been done: a [`Manner`], or another fault.
        what: Arc<str>,
        /// When: `read:5`.
        when: Arc<str>,
        /// How often the event was seen.
        seen: u32,
    },
    /// A program started.
    ProgramStarted {
        /// Its name.
        program: Arc<str>,
    },
    /// A program was refused something that cannot be served.
    Refused {
        /// The program that was started.
        program: Arc<str>,
        /// What and why, as a sentence that begins with the program.
        text: Arc<str>,
    },
    /// A program ended.
    ProgramEnded {
        /// Its name.
        program: Arc<str>,
        /// How.
        ending: Ending,
    },
}

impl RunEvent {
    /// The event of this kind that `event` is, if it is one.
    pub fn of(event: &Event) -> Option<&RunEvent> {
        match &event.kind {
            EventKind::Framework(event) => event.as_any().downcast_ref(),
            _ => None,
        }
    }
}

impl From<RunEvent> for EventKind {
    fn from(event: RunEvent) -> EventKind {
        EventKind::Framework(Arc::new(event))
    }
}

impl fmt::Display for RunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunEvent::Plugged { name, device } => write!(f, "{name}: plugged in as {device}"),
            RunEvent::RemovalBegin {
                name,
                manner,
                cause,
                ..
            } => write!(f, "{name}: {manner}, {cause}"),
            RunEvent::RemovalEnd { name, manner, .. } => write!(f, "{name}: {manner} done"),
            RunEvent::Faulted {
                name,
                fault,
                cause,
                refused,
                ..
            } => match refused {
                None => write!(f, "{name}: {fault}, {cause}"),
                Some(why) => write!(f, "{name}: no {fault}, {cause}: {why}"),
            },
            RunEvent::RemovalMissed {
                name,
                what,
                when,
                seen,
            } => write!(f, "{name}: no {what}, {when} never came (seen {seen})"),
            RunEvent::ProgramStarted { program } => write!(f, "{program}: started"),
            RunEvent::Refused { text, .. } => f.write_str(text),
            RunEvent::ProgramEnded { program, ending } => write!(f, "{program}: {ending}"),
        }
    }
}

impl FrameworkEvent for RunEvent {
    fn framework(&self) -> &'static str {
        "run"
    }

    fn device(&self) -> Option<&DeviceRef> {
        match self {
            RunEvent::Plugged { device, .. }
            | RunEvent::Faulted { device, .. }
            | RunEvent::RemovalBegin { device, .. }
            | RunEvent::RemovalEnd { device, .. } => Some(device),
            RunEvent::RemovalMissed { .. }
            | RunEvent::ProgramStarted { .. }
            | RunEvent::Refused { .. }
            | RunEvent::ProgramEnded { .. } => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
