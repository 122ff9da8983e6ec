//! One removal: who held the device, and what was released when.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use lastfd_model::{DeviceRef, Event, EventKind, LedgerLine};
use lastfd_sync::{Arc, Ktime};

use crate::run_event::{Manner, RunEvent};

/// A device that was taken away, as the events tell it.
#[derive(Clone, Debug)]
pub struct Removal {
    /// Its name on the bench.
    pub name: Arc<str>,
    /// The hardware's device.
    pub device: DeviceRef,
    /// How it went.
    pub manner: Manner,
    /// Why then.
    pub cause: Arc<str>,
    /// When it began.
    pub began: Ktime,
    /// When the call returned; `None` if it did not.
    pub ended: Option<Ktime>,
    /// What the ledger said of the device and all below it, just before.
    pub held: Vec<LedgerLine>,
    /// What went, in order, from then on.
    pub released: Vec<Release>,
}

/// Something that went.
#[derive(Clone, Debug)]
pub struct Release {
    /// When.
    pub time: Ktime,
    /// What, in a few words.
    pub text: Arc<str>,
    /// How many of the same went one after the other.
    pub count: u32,
    /// Whether it is the release of a device, or of what a framework made of it, or an open
    /// file's last close.
    pub is_landmark: bool,
    /// The event's number in the stream; of the last, if there are several.
    pub seq: u64,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.count > 1 {
            write!(f, " (x{})", self.count)?;
        }
        Ok(())
    }
}

impl Removal {
    /// All removals of a run, in order. One pass: a run may have many thousands.
    pub(crate) fn all(events: &[Event]) -> Vec<Removal> {
        let mut story = Story::default();
        for event in events {
            story.goes_on(event);
        }
        story.removals
    }
}

/// As far as it was told.
#[derive(Default)]
struct Story {
    removals: Vec<Removal>,
    /// The last removal of each device that was taken away.
    last: BTreeMap<u64, usize>,
    /// In whose removals a device's end is told.
    told_in: BTreeMap<u64, Vec<usize>>,
}

impl Story {
    fn goes_on(&mut self, event: &Event) {
        match RunEvent::of(event) {
            Some(RunEvent::RemovalBegin { .. }) => self.begins(event),
            Some(RunEvent::RemovalEnd { device, .. }) => {
                let last = self.last.get(&device.id);
                if let Some(removal) = last.map(|last| &mut self.removals[*last]) {
                    removal.ended.get_or_insert(event.time);
                }
            }
            _ => self.went(event),
        }
    }

    fn begins(&mut self, event: &Event) {
        let Some(RunEvent::RemovalBegin {
            name,
            device,
            manner,
            cause,
            family,
            held,
        }) = RunEvent::of(event)
        else {
            return;
        };
        let this = self.removals.len();
        // It is taken away again: the earlier removal is over.
        if let Some(earlier) = self.last.insert(device.id, this) {
            for told_in in self.told_in.values_mut() {
                told_in.retain(|index| *index != earlier);
            }
        }
        let family: BTreeSet<u64> = family.iter().map(|device| device.id).collect();
        let ours = |line: &&LedgerLine| {
            let device = line.device.as_ref();
            device.is_some_and(|device| family.contains(&device.id))
        };
        self.removals.push(Removal {
            name: Arc::clone(name),
            device: device.clone(),
            manner: *manner,
            cause: Arc::clone(cause),
            began: event.time,
            ended: None,
            held: held.iter().filter(ours).cloned().collect(),
            released: Vec::new(),
        });
        for id in family {
            self.told_in.entry(id).or_default().push(this);
        }
    }

    /// Something went, perhaps.
    fn went(&mut self, event: &Event) {
        let told_in = |device: &DeviceRef| self.told_in.get(&device.id);
        let Some((told_in, text, is_landmark)) = release(&event.kind, told_in) else {
            return;
        };
        let text: Arc<str> = text.into();
        for index in told_in {
            let released = &mut self.removals[*index].released;
            match released.last_mut() {
                Some(last) if last.text == text => {
                    last.count += 1;
                    last.seq = event.seq;
                }
                _ => released.push(Release {
                    time: event.time,
                    text: Arc::clone(&text),
                    count: 1,
                    is_landmark,
                    seq: event.seq,
                }),
            }
        }
    }
}

/// What an event says went, if it is of a device that is asked for.
fn release<T>(
    kind: &EventKind,
    asked: impl FnOnce(&DeviceRef) -> Option<T>,
) -> Option<(T, String, bool)> {
    Some(match kind {
        EventKind::NodeRemoved { device, node } => {
            (asked(device)?, format!("node /dev/{node}"), false)
        }
        EventKind::DevresRun { device, res, .. } => {
            (asked(device)?, format!("devres {res} of {device}"), false)
        }
        EventKind::DeviceRemoved { device } => {
            (asked(device)?, format!("{device} out of sysfs"), false)
        }
        EventKind::FileClosed {
            file,
            device: Some(device),
        } => (asked(device)?, format!("last close of {file}"), true),
        EventKind::Released { device } => (asked(device)?, format!("release of {device}"), true),
        EventKind::Framework(event) => {
            let (device, what) = (event.device()?, event.freed()?);
            let text = || format!("release of the {what} of {device}");
            (asked(device)?, text(), true)
        }
        _ => return None,
    })
}
