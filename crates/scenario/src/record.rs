//! Prints the trace: what the scenario prints, and what the model tells, as far as
//! a kernel module could have seen it.

use core::fmt::{self, Write as _};
use std::collections::{BTreeMap, BTreeSet};

use lastfd_model::raw::{Device, kref_read};
use lastfd_model::{Detail, Errno, Event, EventKind, Listener};
use lastfd_sync::thread::{self, TaskId};
use lastfd_sync::{Arc, Mutex};

use crate::trace::{Trace, TraceLine};

/// A device that the scenario gave a tag.
struct Tracked {
    device: Device,
    tag: Arc<str>,
    /// The name of the bus it will be on.
    bus: Option<Arc<str>>,
    /// Its type is the scenario's own, which prints uevents.
    own_type: bool,
    released: bool,
}

#[derive(Default)]
struct State {
    trace: Trace,
    step: u32,
    /// Lines of the scenario's threads, until the main one waits.
    held: Vec<String>,
    threads: BTreeSet<TaskId>,
    tracked: Vec<Tracked>,
    /// For each device, where it is in `tracked`, latest last.
    by_id: BTreeMap<u64, Vec<usize>>,
    /// Buses whose notifications are printed.
    watched: BTreeSet<Arc<str>>,
}

impl State {
    /// What the module knows about a device: only one that is alive.
    fn tracked(&self, id: u64) -> Option<&Tracked> {
        let places = self.by_id.get(&id)?;
        places
            .iter()
            .rev()
            .map(|i| &self.tracked[*i])
            .find(|t| !t.released)
    }

    fn print(&mut self, text: String) {
        let step = self.step;
        if self.threads.contains(&thread::current()) {
            self.held.push(text);
        } else {
            self.trace.push(Some(step), text);
        }
    }
}

/// What an event becomes in the trace.
enum Shown {
    /// A line of the current step.
    Line(String),
    /// A line of the kernel's log, which is never compared.
    Log(String),
}

fn shown(text: fmt::Arguments<'_>) -> Shown {
    Shown::Line(written("    ", text))
}

/// A line, which need not grow if it is no longer than most.
fn written(before: &str, text: impl fmt::Display) -> String {
    let mut line = String::with_capacity(64);
    line.push_str(before);
    // A String takes all.
    let _ = write!(line, "{text}");
    line
}

/// The one place that decides what of the model a trace shows: what the kernel
/// module's hooks would have seen.
fn project(state: &State, event: &EventKind) -> Option<Shown> {
    match event {
        // Its notifier block, on the buses it is registered with.
        EventKind::Notify { device, what } => {
            let tracked = state.tracked(device.id)?;
            let seen = tracked
                .bus
                .as_ref()
                .is_some_and(|b| state.watched.contains(b));
            seen.then(|| shown(format_args!("notify {what} {}", tracked.tag)))
        }
        // Its device type's uevent callback.
        EventKind::Uevent { device, action, .. } => {
            let tracked = state.tracked(device.id)?;
            let tag = &tracked.tag;
            let line = || shown(format_args!("uevent {tag} ACTION={}", action.name()));
            tracked.own_type.then(line)
        }
        // The release callback it put before the device's own.
        EventKind::Released { device } => {
            let tracked = state.tracked(device.id)?;
            Some(shown(format_args!("RELEASE {}", tracked.tag)))
        }
        EventKind::Splat { kind, device, text } => Some(Shown::Log(match device {
            Some(device) => format!("kernel: {kind}: {device}: {text}"),
            None => format!("kernel: {kind}: {text}"),
        })),
        EventKind::Message { device, text } => Some(Shown::Log(match device {
            Some(device) => format!("kernel: {device}: {text}"),
            None => format!("kernel: {text}"),
        })),
        _ => None,
    }
}

/// Writes the trace of one run.
#[derive(Default)]
pub(crate) struct Recorder(Mutex<State>);

impl Listener for Recorder {
    fn detail(&self) -> Detail {
        Detail::Outline
    }

    fn event(&self, event: &Event) {
        let mut state = self.0.lock();
        match project(&state, &event.kind) {
            Some(Shown::Line(line)) => state.print(line),
            Some(Shown::Log(line)) => state.trace.push(None, line),
            None => {}
        }
        if let EventKind::Released { device } = &event.kind
            && let Some(places) = state.by_id.remove(&device.id)
        {
            for place in places {
                state.tracked[place].released = true;
            }
        }
    }
}

impl Recorder {
    /// A line as it stands, in the current step.
    pub(crate) fn raw(&self, text: impl Into<String>) {
        self.0.lock().print(text.into());
    }

    /// An event that a callback of the scenario prints.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        self.raw(written("    ", text));
    }

    /// A step is over.
    pub(crate) fn returned(&self, outcome: impl fmt::Display) {
        self.raw(written("< ", outcome));
    }

    /// A line of the kernel's log.
    pub(crate) fn log(&self, text: impl AsRef<str>) {
        self.0
            .lock()
            .trace
            .push(None, format!("kernel: {}", text.as_ref()));
    }

    /// A step begins.
    pub(crate) fn step(&self, call: &str) {
        let mut state = self.0.lock();
        state.step += 1;
        state.print(["> ", call].concat());
    }

    pub(crate) fn track(&self, device: &Device, tag: &str, bus: Option<Arc<str>>, own_type: bool) {
        let mut state = self.0.lock();
        let place = state.tracked.len();
        state.tracked.push(Tracked {
            device: device.clone(),
            tag: Arc::from(tag),
            bus,
            own_type,
            released: false,
        });
        state.by_id.entry(device.id()).or_default().push(place);
    }

    /// Prints the notifications of this bus from here on, or no longer.
    pub(crate) fn watch(&self, bus: &str, on: bool) {
        let mut state = self.0.lock();
        if on {
            state.watched.insert(Arc::from(bus));
        } else {
            state.watched.remove(bus);
        }
    }

    /// How the trace calls a device.
    pub(crate) fn tag_of(&self, device: &Device) -> Arc<str> {
        let tag = self
            .0
            .lock()
            .tracked(device.id())
            .map(|t| Arc::clone(&t.tag));
        tag.unwrap_or_else(|| device.name())
    }

    /// The latest device of this tag, and whether it is released.
    pub(crate) fn tagged(&self, tag: &str) -> Option<(Device, bool)> {
        let state = self.0.lock();
        let tracked = state.tracked.iter().rev().find(|t| &*t.tag == tag)?;
        Some((tracked.device.clone(), tracked.released))
    }

    /// From here on, lines of this task appear only when the scenario waits: as on
    /// a machine with one processor, where the task that is woken runs once the one
    /// that woke it sleeps.
    pub(crate) fn hold_lines_of(&self, task: TaskId) {
        self.0.lock().threads.insert(task);
    }

    /// The scenario waits: what its threads printed appears.
    pub(crate) fn flush_threads(&self) {
        let mut state = self.0.lock();
        let step = Some(state.step);
        let mut held: Vec<TraceLine> = state
            .held
            .drain(..)
            .map(|text| TraceLine { step, text })
            .collect();
        state.trace.append(&mut held);
    }

    /// What was tracked and never released.
    pub(crate) fn leftovers(&self) {
        let left: Vec<(Arc<str>, Device)> = {
            let state = self.0.lock();
            let left = state.tracked.iter().filter(|t| !t.released);
            left.map(|t| (Arc::clone(&t.tag), t.device.clone()))
                .collect()
        };
        for (tag, device) in left {
            self.line(format_args!("LEFTOVER {tag} ref={}", kref_read(&device)));
        }
    }

    /// The trace, which is over.
    pub(crate) fn finish(&self) -> Trace {
        let mut state = self.0.lock();
        // Handles are let go of, so that the System can be.
        state.tracked.clear();
        state.by_id.clear();
        std::mem::take(&mut state.trace)
    }

    /// `ref TAG`.
    pub(crate) fn print_ref(&self, tag: &str) {
        let count = match self.tagged(tag) {
            None => "untracked".to_owned(),
            Some((_, true)) => "released".to_owned(),
            Some((device, false)) => kref_read(&device).to_string(),
        };
        self.line(format_args!("ref {tag} = {count}"));
    }

    /// `bound TAG`.
    pub(crate) fn print_bound(&self, tag: &str) {
        match self.tagged(tag) {
            Some((device, false)) => self.line(format_args!(
                "bound {tag} = {} drvdata={} registered={}",
                driver_name(&device).unwrap_or_else(|| "none".to_owned()),
                drvdata(&device),
                u8::from(device.is_registered()),
            )),
            _ => self.line(format_args!("bound {tag} = (released)")),
        }
    }
}

pub(crate) fn driver_name(device: &Device) -> Option<String> {
    device.driver().map(|driver| driver.name().to_string())
}

pub(crate) fn set_or_null(set: bool) -> &'static str {
    if set { "set" } else { "NULL" }
}

pub(crate) fn drvdata(device: &Device) -> &'static str {
    set_or_null(device.has_drvdata())
}

/// A number as the module prints it: with the error's name after it, if it is one.
pub(crate) struct Rc(pub(crate) i64);

impl fmt::Display for Rc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let errno = match i32::try_from(self.0) {
            Ok(code) if code < 0 => Errno::from_code(code),
            _ => return Ok(()),
        };
        match errno.name() {
            // Not an error of user space: the module spells it out in brackets.
            Some("EPROBE_DEFER") => f.write_str("  (-EPROBE_DEFER)"),
            Some(name) => write!(f, " -{name}"),
            None => Ok(()),
        }
    }
}
