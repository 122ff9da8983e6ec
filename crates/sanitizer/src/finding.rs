//! What was found, whose it is, and the proof.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_model::{DeviceRef, Event, Place};
use lastfd_sync::Arc;

use crate::rule::Rule;

/// Who has to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The driver broke the rule.
    Driver,
    /// The program did something that no program should.
    Program,
    /// Linux itself breaks the rule there: named, and nobody's fault here.
    KernelGap {
        /// The framework, such as `"drm"`.
        framework: Arc<str>,
        /// The kernel's function.
        function: Arc<str>,
    },
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Driver => f.write_str("driver"),
            Owner::Program => f.write_str("program"),
            Owner::KernelGap {
                framework,
                function,
            } => write!(f, "kernel gap in {framework}, {function}"),
        }
    }
}

/// What was done at a place in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It was taken: allocated, requested, mapped, got, added.
    Taken,
    /// The way in was registered.
    Registered,
    /// It was used.
    Used,
    /// It was freed, put or taken away.
    Freed,
    /// Somebody slept there.
    Slept,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Taken => "taken at",
            Role::Registered => "entered by",
            Role::Used => "used at",
            Role::Freed => "freed at",
            Role::Slept => "slept at",
        })
    }
}

/// A place in the code with what was done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// What was done.
    pub role: Role,
    /// Where.
    pub place: Place,
}

/// A rule that was broken, with its proof.
///
/// It prints as a report that says what to do. Two findings of one run are about two
/// mistakes; the events of one are in the order they happened.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// Who has to mend it.
    pub owner: Owner,
    /// The device concerned, if there is one.
    pub device: Option<DeviceRef>,
    /// What happened, in one sentence.
    pub text: Arc<str>,
    /// The places in the code, where the ledger was on.
    pub spots: Vec<Spot>,
    /// The events that prove it.
    pub evidence: Vec<Event>,
    /// The numbers of the splats and leaks that it explains.
    pub explains: Vec<u64>,
}

impl Finding {
    pub(crate) fn new(rule: &'static Rule, device: Option<&DeviceRef>, text: String) -> Finding {
        Finding {
            rule,
            owner: Owner::Driver,
            device: device.cloned(),
            text: text.into(),
            spots: Vec::new(),
            evidence: Vec::new(),
            explains: Vec::new(),
        }
    }

    /// Adds an event to the proof, and its place.
    #[must_use]
    pub(crate) fn shows(mut self, role: Option<Role>, event: &Event) -> Finding {
        self.add(role, event);
        self
    }

    pub(crate) fn add(&mut self, role: Option<Role>, event: &Event) {
        if self.evidence.iter().any(|known| known.seq == event.seq) {
            return;
        }
        let at = self.evidence.partition_point(|e| e.seq < event.seq);
        self.evidence.insert(at, event.clone());
        if let (Some(role), Some(place)) = (role, event.place) {
            let spot = Spot { role, place };
            if !self.spots.contains(&spot) {
                self.spots.push(spot);
                self.spots.sort_by_key(|spot| spot.role);
            }
        }
    }

    /// The first place of this role.
    pub fn place(&self, role: Role) -> Option<Place> {
        let spot = self.spots.iter().find(|spot| spot.role == role)?;
        Some(spot.place)
    }

    /// The report's first line: the rule, the device, who has to mend it.
    pub fn title(&self) -> String {
        match &self.device {
            Some(device) => format!("{}: {device}, {}", self.rule, self.owner),
            None => format!("{}: {}", self.rule, self.owner),
        }
    }

    /// Whether a driver is to blame.
    pub fn blames_a_driver(&self) -> bool {
        self.owner == Owner::Driver
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title())?;
        wrapped(f, "", &self.text)?;
        for spot in &self.spots {
            writeln!(f, "  {:<11} {}", spot.role.to_string(), spot.place)?;
        }
        let mut tasks = BTreeMap::new();
        for event in &self.evidence {
            let next = tasks.len() + 1;
            tasks.entry(event.task).or_insert(next);
        }
        let mut label = "proof";
        for event in &self.evidence {
            let (ms, us) = (event.time.0 / 1_000_000, event.time.0 / 1000 % 1000);
            write!(f, "  {label:<11} #{} {ms}.{us:03} ms", event.seq)?;
            if tasks.len() > 1 {
                write!(f, ", task {}", tasks[&event.task])?;
            }
            writeln!(f, "  {}", event.kind)?;
            label = "";
        }
        wrapped(f, "in a kernel", self.rule.kernel)?;
        if self.owner == Owner::Driver {
            wrapped(f, "to fix it", self.rule.fix)?;
        }
        write!(f, "  {:<11} docs/gremlins/g{}.md", "more", self.rule.number)
    }
}

/// Columns of the text beside a label.
const WIDTH: usize = 72;

/// A paragraph beside its label.
fn wrapped(f: &mut fmt::Formatter<'_>, label: &str, text: &str) -> fmt::Result {
    let (mut label, mut line) = (label, String::new());
    let indent = if label.is_empty() {
        "  "
    } else {
        "              "
    };
    let print = |f: &mut fmt::Formatter<'_>, label: &str, line: &str| match label {
        "" => writeln!(f, "{indent}{line}"),
        label => writeln!(f, "  {label:<11} {line}"),
    };
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + word.chars().count() >= WIDTH {
            print(f, label, &line)?;
            (label, line) = ("", String::new());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    print(f, label, &line)
}
