//! The roll of a program's operations on the devices, kept while it runs undisturbed.

use std::collections::BTreeMap;

use lastfd_model::event::Listener;
use lastfd_model::{Event, EventKind};
use lastfd_report::RunEvent;
use lastfd_sync::{Arc, Ktime, Mutex, WaitQueue};

use crate::plugged::Plugged;
use crate::step::Step;

/// How often one operation on one device was seen to begin, to sleep and to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The device's name on the bench.
    pub device: Arc<str>,
    /// The operation.
    pub step: Step,
    /// How often it began.
    pub begun: u32,
    /// How often it went to sleep.
    pub blocked: u32,
    /// How often it ended.
    pub ended: u32,
}

/// Past so many of one kind there is nothing new.
pub(super) const REPEATS: u32 = 3;

/// Keeps the roll.
#[derive(Default)]
pub(super) struct Roll {
    seen: Mutex<Seen>,
    changed: WaitQueue,
}

#[derive(Default)]
struct Seen {
    /// Names of devices by number.
    names: BTreeMap<u64, Arc<str>>,
    files: BTreeMap<u64, Arc<str>>,
    entries: Vec<Entry>,
    /// When something was seen that was new.
    news: Option<Ktime>,
    refused: Vec<Arc<str>>,
    closed: bool,
}

impl Roll {
    /// From now on it is about these.
    pub(super) fn of(&self, plugged: &[Plugged]) {
        let mut seen = self.seen.lock();
        for hardware in plugged {
            let name: Arc<str> = hardware.name().into();
            for device in hardware.family() {
                seen.names.insert(device.id, Arc::clone(&name));
            }
        }
    }

    /// Woken when something new was seen.
    pub(super) fn changed(&self) -> &WaitQueue {
        &self.changed
    }

    /// When something was seen last that was new.
    pub(super) fn news(&self) -> Option<Ktime> {
        self.seen.lock().news
    }

    /// What the program was refused, once each.
    pub(super) fn refused(&self) -> Vec<Arc<str>> {
        self.seen.lock().refused.clone()
    }

    /// Ends it: what comes now does not count. Operations in the order they were first
    /// seen.
    pub(super) fn close(&self) -> Vec<Entry> {
        let mut seen = self.seen.lock();
        seen.closed = true;
        core::mem::take(&mut seen.entries)
    }
}

impl Listener for Roll {
    fn event(&self, event: &Event) {
        let mut seen = self.seen.lock();
        if !seen.closed && seen.see(event) {
            drop(seen);
            self.changed.wake_all();
        }
    }
}

impl Seen {
    fn see(&mut self, event: &Event) -> bool {
        if let Some(RunEvent::Refused { text, .. }) = RunEvent::of(event) {
            if !self.refused.contains(text) {
                self.refused.push(Arc::clone(text));
            }
            return false;
        }
        let (device, step, count): (_, _, fn(&mut Entry) -> &mut u32) = match &event.kind {
            EventKind::OpenBegin { device, .. } => {
                (self.names.get(&device.id), Some(Step::Open), |e| {
                    &mut e.begun
                })
            }
            EventKind::FileOpened { file, device } => {
                let name = device.as_ref().and_then(|d| self.names.get(&d.id));
                if let Some(name) = name {
                    self.files.insert(file.id, Arc::clone(name));
                }
                (name, Some(Step::Open), |e| &mut e.ended)
            }
            EventKind::FileClosed { file, .. } => {
                (self.files.get(&file.id), Some(Step::Close), |e| {
                    &mut e.ended
                })
            }
            EventKind::OperationBegin { file, op } => {
                (self.files.get(&file.id), Step::called(op), |e| &mut e.begun)
            }
            EventKind::Blocked { file, op } => (self.files.get(&file.id), Step::called(op), |e| {
                &mut e.blocked
            }),
            EventKind::OperationEnd { file, op, .. } => {
                (self.files.get(&file.id), Step::called(op), |e| &mut e.ended)
            }
            _ => return false,
        };
        let (Some(device), Some(step)) = (device.cloned(), step) else {
            return false;
        };
        let same = |entry: &Entry| entry.device == device && entry.step == step;
        let at = self.entries.iter().position(same).unwrap_or_else(|| {
            self.entries.push(Entry {
                device,
                step,
                begun: 0,
                blocked: 0,
                ended: 0,
            });
            self.entries.len() - 1
        });
        let count = count(&mut self.entries[at]);
        *count = count.saturating_add(1);
        let new = *count <= REPEATS;
        if new {
            self.news = Some(event.time);
        }
        new
    }
}
