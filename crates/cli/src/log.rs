//! The live log: one line for each event, as it happens.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use lastfd::model::event::{Listener, ResourceStep};
use lastfd::report::RunEvent;
use lastfd::sync::Mutex;
use lastfd::{Event, EventKind};

/// Calls that succeed alike are shown this often, then counted.
const ALIKE: u64 = 3;

/// Sleeping is no call of its own, and is not counted.
const BLOCKED: &str = " blocked";

const SUBJECT_WIDTH: usize = 20;

pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const HEAD: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
const CUT: Style = AnsiColor::Yellow.on_default().bold();
const CALL: Style = AnsiColor::Cyan.on_default();
const PLAIN: Style = Style::new();

/// Where lines go: colour is taken out where it is not wanted.
pub(crate) type Out = Box<dyn Write + Send>;

/// Prints events.
pub(crate) struct LiveLog {
    verbose: bool,
    inner: Mutex<Inner>,
}

struct Inner {
    out: Out,
    /// Calls that succeeded, by what they were on and what they were.
    alike: BTreeMap<(String, String), u64>,
    /// Those of them that were not shown.
    folded: BTreeMap<(String, String), u64>,
}

impl LiveLog {
    pub(crate) fn new(out: Out, verbose: bool) -> LiveLog {
        LiveLog {
            verbose,
            inner: Mutex::new(Inner {
                out,
                alike: BTreeMap::new(),
                folded: BTreeMap::new(),
            }),
        }
    }
}

impl Listener for LiveLog {
    fn event(&self, event: &Event) {
        if !self.verbose && is_noise(&event.kind) {
            return;
        }
        let row = Row::of(&event.kind);
        let mut inner = self.inner.lock();
        if !self.verbose
            && let Some(what) = &row.alike
        {
            let key = (row.subject.clone(), what.clone());
            let count = inner.alike.entry(key.clone()).or_default();
            *count += 1;
            if *count > ALIKE {
                *inner.folded.entry(key).or_default() += 1;
                return;
            }
        }
        // A log that nobody reads any more stops nothing.
        let _ = inner.print(event.time.0, &row);
    }
}

impl Inner {
    fn print(&mut self, time: u64, row: &Row) -> io::Result<()> {
        for ((subject, what), count) in core::mem::take(&mut self.folded) {
            if what.ends_with(BLOCKED) {
                continue;
            }
            let text = format!("… {what}, {count} more");
            writeln!(
                self.out,
                "{DIM}{:11}  {subject:SUBJECT_WIDTH$}  {text}{DIM:#}",
                ""
            )?;
        }
        let (ms, us) = (time / 1_000_000, time / 1000 % 1000);
        let Row {
            subject,
            text,
            style,
            ..
        } = row;
        writeln!(
            self.out,
            "{DIM}{ms:7}.{us:03}{DIM:#}  {style}{subject:SUBJECT_WIDTH$}  {text}{style:#}"
        )?;
        self.out.flush()
    }
}

/// What is shown only on demand.
fn is_noise(kind: &EventKind) -> bool {
    use EventKind::*;
    match kind {
        DeviceInitialized { .. }
        | Notify { .. }
        | Uevent { .. }
        | KobjectUevent { .. }
        | Match { .. }
        | RemoveEnd { .. }
        | DevresAdded { .. }
        | DevresRemoved { .. }
        | RefTaken { .. }
        | RefDropped { .. }
        | OpenBegin { .. }
        | OperationBegin { .. }
        | Memory { .. }
        | Embedded { .. }
        | SectionBegin { .. }
        | SectionEnd { .. }
        | LivenessTested { .. }
        | DriverDataRead { .. }
        | Woken { .. } => true,
        ProbeBegin { .. } => true,
        ProbeEnd { .. } => false,
        Resource { step, .. } => matches!(
            step,
            ResourceStep::Started
                | ResourceStep::Fired
                | ResourceStep::Returned
                | ResourceStep::Accessed
                | ResourceStep::Dequeued
        ),
        Framework(event) => event
            .as_any()
            .downcast_ref::<lastfd::iio::IioEvent>()
            .is_some_and(|event| {
                use lastfd::iio::IioEventKind::*;
                matches!(
                    event.kind,
                    TriggerFired { .. } | WaitersWoken { waiters: 0 }
                )
            }),
        _ => false,
    }
}

/// A line of the log.
struct Row {
    subject: String,
    text: String,
    style: Style,
    /// What many alike are counted as.
    alike: Option<String>,
}

impl Row {
    fn of(kind: &EventKind) -> Row {
        use EventKind::*;
        let style = match kind {
            Splat { .. } | Leak { .. } => BAD,
            Message { .. } => CUT,
            Released { .. } | FileClosed { .. } => GOOD,
            OperationEnd { result, .. } if result.is_err() => CUT,
            OperationEnd { .. } | Blocked { .. } | FileOpened { .. } => CALL,
            AttributeShown { .. } | AttributeStored { .. } => CALL,
            Framework(event) => match event.as_any().downcast_ref() {
                Some(
                    RunEvent::RemovalBegin { .. }
                    | RunEvent::Faulted { .. }
                    | RunEvent::RemovalMissed { .. },
                ) => CUT,
                _ => PLAIN,
            },
            _ => PLAIN,
        };
        let alike = match kind {
            OperationEnd {
                op, result: Ok(_), ..
            } => Some(op.to_string()),
            Blocked { op, .. } => Some(format!("{op}{BLOCKED}")),
            AttributeShown {
                attribute,
                result: Ok(_),
                ..
            } => Some(format!("show {attribute}")),
            AttributeStored {
                attribute,
                result: Ok(_),
                ..
            } => Some(format!("store {attribute}")),
            Framework(event) => match event.as_any().downcast_ref::<RunEvent>() {
                Some(_) => None,
                None => Some(event.to_string()),
            },
            _ => None,
        };
        // A line is `SUBJECT: what`, except where the subject is a path below /dev.
        let line = kind.to_string();
        let split = line.split_once(": ").or_else(|| match kind {
            NodeCreated { .. } | NodeRemoved { .. } => line.split_once(' '),
            _ => None,
        });
        let (subject, text) = split.unwrap_or(("", &line));
        let text = match kind {
            ProbeEnd { driver, result, .. } => match result {
                Ok(()) => format!("bound to {driver}"),
                Err(errno) => format!("not bound to {driver}: its probe returned -{errno}"),
            },
            Framework(event) => match event.as_any().downcast_ref() {
                Some(RunEvent::RemovalBegin { manner, cause, .. }) => {
                    format!("── {manner}, {cause} ──")
                }
                _ => text.to_owned(),
            },
            _ => text.to_owned(),
        };
        Row {
            subject: shortened(subject),
            text,
            style,
            alike,
        }
    }
}

/// An open file is named by its path; its number is kept.
fn shortened(subject: &str) -> String {
    match subject.split_once(" (file ") {
        Some((path, number)) => format!("{path} #{}", number.trim_end_matches(')')),
        None => subject.to_owned(),
    }
}
