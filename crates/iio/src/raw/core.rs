//! What the IIO core keeps for one System: its bus, its numbers, its triggers.
//!
//! Follows the file-level state of `drivers/iio/industrialio-core.c` and
//! `-trigger.c`.

use std::collections::BTreeSet;

use lastfd_model::raw::{Bus, BusType, DevT, alloc_chrdev_region, bus_register};
use lastfd_model::{Result, System};
use lastfd_sync::{Arc, Mutex};

use super::inkern::MapList;
use super::trigger::IioTrigger;

/// Numbers given out, smallest free one first (`struct ida`).
#[derive(Debug, Default)]
pub(crate) struct Ida(Mutex<BTreeSet<u32>>);

impl Ida {
    pub(crate) fn alloc(&self) -> u32 {
        let mut taken = self.0.lock();
        let free = (0..).find(|id| !taken.contains(id)).unwrap_or(u32::MAX);
        taken.insert(free);
        free
    }

    pub(crate) fn free(&self, id: u32) {
        self.0.lock().remove(&id);
    }
}

/// The core of one System.
#[derive(Default)]
pub(crate) struct IioCore {
    /// Made when the first device or trigger is: `iio_init`.
    started: Mutex<Option<(Bus, DevT)>>,
    pub(crate) device_ids: Ida,
    pub(crate) trigger_ids: Ida,
    /// `iio_trigger_list`, in order of registration.
    pub(crate) triggers: Mutex<Vec<IioTrigger>>,
    pub(crate) maps: MapList,
}

impl IioCore {
    pub(crate) fn of(system: &System) -> Arc<IioCore> {
        system.extension()
    }

    /// The bus and the first device number (`iio_init`).
    pub(crate) fn start(&self, system: &System) -> Result<(Bus, DevT)> {
        let mut started = self.started.lock();
        if let Some(state) = &*started {
            return Ok(state.clone());
        }
        let type_ = BusType {
            name: "iio".into(),
            // A bus without drivers: no match, no probe.
            ..BusType::default()
        };
        let made = system.at_boot(|| -> Result<_> {
            let bus = bus_register(system, type_)?;
            Ok((bus, alloc_chrdev_region(system, "iio")?))
        });
        let (bus, devt) = made?;
        *started = Some((bus.clone(), devt));
        Ok((bus, devt))
    }
}
