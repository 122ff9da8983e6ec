//! What belongs to hardware: its device, all below it, and the files that are open of them.

use std::collections::{BTreeMap, BTreeSet};

use lastfd_model::EventKind;

use crate::plugged::Plugged;

/// The devices of hardware and their open files, kept up with the events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Belongings {
    devices: BTreeSet<u64>,
    files: BTreeSet<u64>,
}

impl Belongings {
    /// What hardware has now; `open` are the open files, with the device of each.
    pub(crate) fn now(hardware: &Plugged, open: &BTreeMap<u64, u64>) -> Belongings {
        let family = hardware.family();
        let devices: BTreeSet<u64> = family.iter().map(|device| device.id).collect();
        let ours = open.iter().filter(|(_, device)| devices.contains(device));
        Belongings {
            files: ours.map(|(file, _)| *file).collect(),
            devices,
        }
    }

    /// What hardware had before its first event.
    pub(crate) fn at_first(hardware: &Plugged) -> Belongings {
        Belongings {
            devices: BTreeSet::from([hardware.device().id()]),
            files: BTreeSet::new(),
        }
    }

    /// Whether the event, which comes after those that were shown before, is about them.
    pub(crate) fn concerns(&mut self, event: &EventKind) -> bool {
        use EventKind::*;
        match event {
            FileOpened { file, device } => {
                let ours = device
                    .as_ref()
                    .is_some_and(|d| self.devices.contains(&d.id));
                if ours {
                    self.files.insert(file.id);
                }
                ours
            }
            FileClosed { file, .. } => self.files.remove(&file.id),
            // A driver that is bound again makes others.
            DeviceAdded { device, parent, .. } => {
                let below = parent
                    .as_ref()
                    .is_some_and(|p| self.devices.contains(&p.id));
                if below {
                    self.devices.insert(device.id);
                }
                below || self.devices.contains(&device.id)
            }
            OpenBegin { device, .. } => self.devices.contains(&device.id),
            OperationBegin { file, .. }
            | OperationEnd { file, .. }
            | Blocked { file, .. }
            | Woken { file, .. } => self.files.contains(&file.id),
            other => other.device().is_some_and(|d| self.devices.contains(&d.id)),
        }
    }
}
