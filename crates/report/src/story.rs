//! One removal: who held the device, and what was released when.

use core::fmt;
use std::collections::BTreeSet;

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
    /// All removals of a run, in order.
    pub(crate) fn all(events: &[Event]) -> Vec<Removal> {
        let mut removals = Vec::new();
        for (index, event) in events.iter().enumerate() {
            if let Some(RunEvent::RemovalBegin {
                name,
                device,
                manner,
                cause,
                family,
                held,
            }) = RunEvent::of(event)
            {
                let family: BTreeSet<u64> = family.iter().map(|device| device.id).collect();
                let ours = |line: &&LedgerLine| {
                    let device = line.device.as_ref();
                    device.is_some_and(|device| family.contains(&device.id))
                };
                let rest = &events[index..];
                let end = |event: &&Event| {
                    matches!(RunEvent::of(event), Some(RunEvent::RemovalEnd { device: ended, .. })
                        if ended.id == device.id)
                };
                removals.push(Removal {
                    name: Arc::clone(name),
                    device: device.clone(),
                    manner: *manner,
                    cause: Arc::clone(cause),
                    began: event.time,
                    ended: rest.iter().find(end).map(|event| event.time),
                    held: held.iter().filter(ours).cloned().collect(),
                    released: released(rest, device.id, &family),
                });
            }
        }
        removals
    }
}

/// What of this family went, until it is taken away again.
fn released(events: &[Event], device: u64, family: &BTreeSet<u64>) -> Vec<Release> {
    let mut released: Vec<Release> = Vec::new();
    for event in events {
        if let Some(RunEvent::RemovalBegin { device: again, .. }) = RunEvent::of(event)
            && again.id == device
            && !std::ptr::eq(event, &events[0])
        {
            break;
        }
        let Some((of, text, is_landmark)) = release(&event.kind) else {
            continue;
        };
        if !family.contains(&of.id) {
            continue;
        }
        match released.last_mut() {
            Some(last) if *last.text == *text => {
                last.count += 1;
                last.seq = event.seq;
            }
            _ => released.push(Release {
                time: event.time,
                text: text.into(),
                count: 1,
                is_landmark,
                seq: event.seq,
            }),
        }
    }
    released
}

/// What an event says went, of which device.
fn release(kind: &EventKind) -> Option<(&DeviceRef, String, bool)> {
    Some(match kind {
        EventKind::NodeRemoved { device, node } => (device, format!("node /dev/{node}"), false),
        EventKind::DevresRun { device, res, .. } => {
            (device, format!("devres {res} of {device}"), false)
        }
        EventKind::DeviceRemoved { device } => (device, format!("{device} out of sysfs"), false),
        EventKind::FileClosed {
            file,
            device: Some(device),
        } => (device, format!("last close of {file}"), true),
        EventKind::Released { device } => (device, format!("release of {device}"), true),
        EventKind::Framework(event) => {
            let (device, what) = (event.device()?, event.freed()?);
            (device, format!("release of the {what} of {device}"), true)
        }
        _ => return None,
    })
}
