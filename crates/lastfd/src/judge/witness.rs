//! What programs do with devices, and go on doing with those that went: read off the
//! events.

use std::collections::{BTreeMap, BTreeSet};

use lastfd_model::{Event, EventKind, FileRef};
use lastfd_report::RunEvent;
use lastfd_sync::{Arc, Ktime, Mutex, WaitQueue};

/// Counts what open files are asked, and remembers what each was asked last.
#[derive(Default)]
pub(crate) struct Witness {
    seen: Mutex<Seen>,
    changed: WaitQueue,
}

#[derive(Default)]
struct Seen {
    files: BTreeMap<u64, Asked>,
    removals: Vec<Removal>,
    /// The devices that went.
    gone: BTreeSet<u64>,
    /// Calls that sleep, by their file.
    asleep: Vec<(u64, Arc<str>)>,
    /// Those that slept on a file of a device when it began to go.
    caught: Vec<Arc<str>>,
    /// Calls that ended on files of devices that went.
    late_calls: u64,
    /// When the last of them ended, or such a file was closed.
    last_late: Option<Ktime>,
}

/// An open file, and what it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) file: FileRef,
    device: Option<u64>,
    /// The last call, and when it began.
    pub(crate) last: Option<(Arc<str>, Ktime)>,
}

/// A device was taken away.
#[derive(Clone, Copy, Debug)]
struct Removal {
    device: u64,
    ended: Option<Ktime>,
}

impl Witness {
    /// Looks at an event; says whether somebody may wait for what it changed.
    pub(crate) fn event(&self, event: &Event) {
        let mut seen = self.seen.lock();
        if seen.see(event) {
            drop(seen);
            self.changed.wake_all();
        }
    }

    /// Woken when a device went and when a file of one that went was closed.
    #[cfg(feature = "iiod")]
    pub(crate) fn changed(&self) -> &WaitQueue {
        &self.changed
    }

    /// When the last removal that was begun ended; none while there is none or it goes on.
    #[cfg(feature = "iiod")]
    pub(crate) fn gone_since(&self) -> Option<Ktime> {
        self.seen.lock().removals.last()?.ended
    }

    /// How many calls have come to files of devices that went.
    #[cfg(feature = "iiod")]
    pub(crate) fn late_calls(&self) -> u64 {
        self.seen.lock().late_calls
    }

    /// When a call on such a file ended last, or one was closed.
    #[cfg(feature = "iiod")]
    pub(crate) fn last_late(&self) -> Option<Ktime> {
        self.seen.lock().last_late
    }

    /// The calls that slept on a file of a device when it began to go.
    #[cfg(all(feature = "iiod", feature = "devices"))]
    pub(crate) fn caught(&self) -> Vec<Arc<str>> {
        self.seen.lock().caught.clone()
    }

    /// The files that are open of devices that went.
    #[cfg(feature = "iiod")]
    pub(crate) fn dead_files(&self) -> BTreeMap<u64, Asked> {
        let seen = self.seen.lock();
        let dead = |(_, asked): &(&u64, &Asked)| seen.is_gone(asked);
        let dead = seen.files.iter().filter(dead);
        dead.map(|(id, asked)| (*id, asked.clone())).collect()
    }

    /// The open files, with the device of each.
    pub(crate) fn open_files(&self) -> BTreeMap<u64, u64> {
        let seen = self.seen.lock();
        let with_device = |(id, asked): (&u64, &Asked)| Some((*id, asked.device?));
        seen.files.iter().filter_map(with_device).collect()
    }
}

impl Seen {
    fn is_gone(&self, asked: &Asked) -> bool {
        asked
            .device
            .is_some_and(|device| self.gone.contains(&device))
    }

    /// Whether what is waited for changed.
    fn see(&mut self, event: &Event) -> bool {
        match &event.kind {
            EventKind::FileOpened { file, device } => {
                let asked = Asked {
                    file: file.clone(),
                    device: device.as_ref().map(|device| device.id),
                    last: None,
                };
                self.files.insert(file.id, asked);
                false
            }
            EventKind::FileClosed { file, .. } => {
                let closed = self.files.remove(&file.id);
                let late = closed.is_some_and(|asked| self.is_gone(&asked));
                if late {
                    self.last_late = Some(event.time);
                }
                late
            }
            EventKind::Blocked { file, op } => {
                self.asleep.push((file.id, Arc::clone(op)));
                false
            }
            EventKind::Woken { file, op } => {
                let is_it = |(id, slept): &(u64, Arc<str>)| *id == file.id && slept == op;
                if let Some(at) = self.asleep.iter().position(is_it) {
                    self.asleep.swap_remove(at);
                }
                false
            }
            EventKind::OperationBegin { file, op } => {
                if let Some(asked) = self.files.get_mut(&file.id) {
                    asked.last = Some((Arc::clone(op), event.time));
                }
                false
            }
            EventKind::OperationEnd { file, .. } => {
                let asked = self.files.get(&file.id);
                if asked.is_some_and(|asked| self.is_gone(asked)) {
                    self.late_calls += 1;
                    self.last_late = Some(event.time);
                }
                false
            }
            EventKind::Framework(_) => match RunEvent::of(event) {
                Some(RunEvent::RemovalBegin { device, family, .. }) => {
                    self.gone.extend(family.iter().map(|device| device.id));
                    let dying = |file: &u64| {
                        let asked = self.files.get(file);
                        asked.is_some_and(|asked| self.is_gone(asked))
                    };
                    let asleep = self.asleep.iter().filter(|(file, _)| dying(file));
                    self.caught = asleep.map(|(_, op)| Arc::clone(op)).collect();
                    self.removals.push(Removal {
                        device: device.id,
                        ended: None,
                    });
                    false
                }
                Some(RunEvent::RemovalEnd { device, .. }) => {
                    let begun = |removal: &&mut Removal| removal.device == device.id;
                    if let Some(removal) = self.removals.iter_mut().rev().find(begun) {
                        removal.ended = Some(event.time);
                    }
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }
}
