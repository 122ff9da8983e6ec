//! What the CEC core keeps for one System: its bus, its numbers, who may what.
//!
//! Follows the file-level state of `drivers/media/cec/core/cec-core.c`.

use core::sync::atomic::Ordering;
use std::collections::BTreeSet;

use lastfd_model::raw::{Bus, BusType, DevT, alloc_chrdev_region, bus_register};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{Arc, Mutex};

/// Adapters that there can be (`CEC_NUM_DEVICES`).
const NUM_DEVICES: u32 = 256;

/// What only privileged programs may do (`include/uapi/linux/capability.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// `CAP_NET_ADMIN`: monitor.
    NetAdmin,
    /// `CAP_SYS_RAWIO`: transmit raw messages.
    SysRawio,
}

/// The core of one System.
#[derive(Default)]
pub(crate) struct CecCore {
    /// Made when the first adapter is: `cec_devnode_init`.
    started: Mutex<Option<(Bus, DevT)>>,
    minors: Mutex<BTreeSet<u32>>,
    net_admin: AtomicBool,
    sys_rawio: AtomicBool,
}

impl CecCore {
    pub(crate) fn of(system: &System) -> Arc<CecCore> {
        system.extension()
    }

    /// The bus and the first device number (`cec_devnode_init`).
    pub(crate) fn start(&self, system: &System) -> Result<(Bus, DevT)> {
        let mut started = self.started.lock();
        if let Some(state) = &*started {
            return Ok(state.clone());
        }
        let type_ = BusType {
            name: "cec".into(),
            // A bus without drivers: no match, no probe.
            ..BusType::default()
        };
        let made = system.at_boot(|| -> Result<_> {
            let devt = alloc_chrdev_region(system, "cec")?;
            Ok((bus_register(system, type_)?, devt))
        });
        let (bus, devt) = made?;
        *started = Some((bus.clone(), devt));
        Ok((bus, devt))
    }

    /// The first free number, `ENFILE` if there is none.
    pub(crate) fn take_minor(&self) -> Result<u32> {
        let mut minors = self.minors.lock();
        let free = (0..NUM_DEVICES).find(|minor| !minors.contains(minor));
        let minor = free.ok_or(Errno::ENFILE)?;
        minors.insert(minor);
        Ok(minor)
    }

    pub(crate) fn free_minor(&self, minor: u32) {
        self.minors.lock().remove(&minor);
    }

    fn flag(&self, capability: Capability) -> &AtomicBool {
        match capability {
            Capability::NetAdmin => &self.net_admin,
            Capability::SysRawio => &self.sys_rawio,
        }
    }
}

/// Says whether the System's programs have a capability; at first they have
/// none.
pub fn set_capable(system: &System, capability: Capability, on: bool) {
    let core = CecCore::of(system);
    core.flag(capability).store(on, Ordering::Relaxed);
}

/// Whether the System's programs have a capability (`capable`).
pub fn capable(system: &System, capability: Capability) -> bool {
    let core = CecCore::of(system);
    core.flag(capability).load(Ordering::Relaxed)
}
