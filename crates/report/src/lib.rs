//! What a run leaves to be read: a verdict, JSON, a picture of its timeline.
//!
//! Depends on the event types of `lastfd-model` and the findings of `lastfd-sanitizer`.
//! It promises that everything it says is read off the one stream of events; what the
//! stream does not have, such as the unplugging itself or a program's end, is added to
//! it as a [`RunEvent`].
//!
//! ```
//! use lastfd_model::{System, raw::*};
//! use lastfd_report::Report;
//!
//! let system = System::new();
//! let recording = system.record();
//! let board = root_device_register(&system, "board").unwrap();
//! root_device_unregister(&board);
//! let report = Report::new(system.rules(), recording.take());
//! assert!(report.verdict().is_clean());
//! assert!(report.to_svg().starts_with("<svg"));
//! ```
#![forbid(unsafe_code)]

mod file;
mod finding;
mod json;
mod layout;
mod run_event;
mod story;
mod svg;
mod swimlanes;
mod verdict;

use std::path::Path;

use lastfd_model::{Event, EventKind, Rules};

pub use file::{Format, SaveError, UnknownFormat};
pub use finding::{Finding, Owner};
pub use run_event::{Ending, Manner, RunEvent};
pub use story::{Release, Removal};
pub use swimlanes::{Lane, Swimlanes};
pub use verdict::{Missed, Verdict};

/// Everything that happened in a run, and what to make of it.
#[derive(Clone, Debug)]
pub struct Report {
    rules: Rules,
    events: Vec<Event>,
    verdict: Verdict,
}

impl Report {
    /// Judges the events of a run that followed these rules. They are put in order.
    pub fn new(rules: Rules, events: Vec<Event>) -> Report {
        Report::with(rules, events, &[])
    }

    /// As [`new`](Report::new), with what the sanitizer found in the run.
    pub fn with(
        rules: Rules,
        mut events: Vec<Event>,
        found: &[lastfd_sanitizer::Finding],
    ) -> Report {
        events.sort_by_key(|event| event.seq);
        Report {
            rules,
            verdict: Verdict::of(&events, found),
            events,
        }
    }

    /// Whether the verdict is made of events of this kind. A report of these alone has the
    /// same verdict.
    pub fn needs(kind: &EventKind) -> bool {
        use EventKind::*;
        match kind {
            NodeRemoved { .. }
            | DevresRun { .. }
            | DeviceRemoved { .. }
            | FileClosed { .. }
            | Released { .. }
            | Splat { .. }
            | Leak { .. } => true,
            Framework(event) => event.framework() == "run" || event.freed().is_some(),
            _ => false,
        }
    }

    /// The rules the run followed.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// The events, in the order they happened.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What to make of them.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// For tests: panics with the verdict unless it is clean.
    ///
    /// # Panics
    /// There are findings, or an unplugging that was asked for never came.
    #[track_caller]
    pub fn assert_clean(&self) {
        assert!(self.verdict.is_clean(), "{}", self.verdict);
    }

    /// The whole report as JSON.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", json::report(self))
    }

    /// The report as a JSON value: all of it, or all but the events.
    ///
    /// ```
    /// use lastfd_report::Report;
    ///
    /// let system = lastfd_model::System::new();
    /// let report = Report::new(system.rules(), Vec::new());
    /// assert_eq!(report.to_value(false)["verdict"]["clean"], true);
    /// assert!(report.to_value(false)["events"].is_null());
    /// ```
    pub fn to_value(&self, events: bool) -> serde_json::Value {
        match events {
            true => json::report(self),
            false => json::verdict(self),
        }
    }

    /// The timeline as an SVG picture: a lane for each device and open file, the
    /// unpluggings and releases marked.
    pub fn to_svg(&self) -> String {
        svg::timeline(self)
    }

    /// Writes the report to a file, in the format its ending names.
    ///
    /// # Errors
    /// The ending names no format, or the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), SaveError> {
        file::save(self, path)
    }
}
