//! The platform bus.
//!
//! Follows `drivers/base/platform.c`.

use std::collections::BTreeSet;

use lastfd_sync::{Arc, Mutex};

use super::bus::{Bus, BusType, bus_register};
use super::core::{device_add, device_del};
use super::device::{Device, DeviceSpec, device_initialize, no_release, put_device};
use super::driver::Driver;
use super::driver_override::device_match_driver_override;
use super::registry::mark_infrastructure;
use super::root::root_device_register;
use crate::errno::{Errno, Result};
use crate::ledger::Holder;
use crate::system::System;

/// How a platform device's name is made from its driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformId {
    /// `name.N`.
    Id(u32),
    /// `name` (PLATFORM_DEVID_NONE).
    None,
    /// `name.N.auto`, with the lowest number free (PLATFORM_DEVID_AUTO).
    Auto,
}

/// The platform bus of one System.
pub(crate) struct Platform {
    bus: Bus,
    root: Device,
    auto_ids: Mutex<BTreeSet<u32>>,
}

/// `struct platform_device`, as far as it is more than a device.
pub(crate) struct PlatformData {
    /// What platform drivers match.
    name: Arc<str>,
    id: PlatformId,
    auto: Option<u32>,
}

/// platform_bus_init, when the System is made.
pub(crate) fn platform_bus_init(system: &System) {
    // platform_match: of its rules, the override and the name apply here.
    let same_name = |device: &Device, driver: &Driver| {
        if let Some(overrides) = device_match_driver_override(device, driver) {
            return Ok(overrides);
        }
        let state = device.state();
        let name = state.platform.as_ref().map(|data| &*data.name);
        Ok(name == Some(&*driver.name()))
    };
    let root = root_device_register(system, "platform")
        .expect("a new System has nothing at the top of sysfs");
    mark_infrastructure(&root);
    let type_ = BusType {
        name: "platform".to_owned(),
        match_: Some(Arc::new(same_name)),
        driver_override: true,
        ..BusType::default()
    };
    let bus = bus_register(system, type_).expect("a new System has no bus");
    let platform = Platform {
        bus,
        root,
        auto_ids: Mutex::new(BTreeSet::new()),
    };
    *system.core.registry.platform.lock() = Some(Arc::new(platform));
}

/// None once the System has ended, which a device may outlive.
fn platform(system: &System) -> Option<Arc<Platform>> {
    system.core.registry.platform.lock().clone()
}

/// platform_uevent and modalias_show: what udev loads a module for.
pub(crate) fn platform_modalias(device: &Device) -> Option<String> {
    let state = device.state();
    let data = state.platform.as_ref()?;
    Some(format!("platform:{}", data.name))
}

/// The platform bus.
pub fn platform_bus(system: &System) -> Bus {
    let platform = platform(system).expect("a System that has not ended has its platform bus");
    platform.bus.clone()
}

/// A driver on the platform bus: it fits the devices of its name. Register it
/// with [`driver_register`](super::driver_register)
/// (`platform_driver_register`).
pub fn platform_driver(system: &System, name: &str) -> Driver {
    Driver::new(name, &platform_bus(system))
}

/// Makes a platform device with one reference (`platform_device_alloc`). It
/// gets its parent and its full name in [`platform_device_add`].
#[track_caller]
pub fn platform_device_alloc(system: &System, name: &str, id: PlatformId) -> Result<Device> {
    system.allocation()?;
    let spec = DeviceSpec {
        name: Some(name.to_owned()),
        release: Some(no_release()),
        ..DeviceSpec::default()
    };
    let device = device_initialize(system, spec);
    device.state().platform = Some(PlatformData {
        name: Arc::from(name),
        id,
        auto: None,
    });
    Ok(device)
}

/// Adds a platform device (`platform_device_add`). Without a parent it goes
/// below the platform bus's root.
///
/// `EINVAL` for a device that [`platform_device_alloc`] did not make, `ENODEV` once the
/// System has ended; else as [`device_add`].
#[track_caller]
pub fn platform_device_add(device: &Device) -> Result {
    let platform = platform(&device.system()).ok_or(Errno::ENODEV)?;
    {
        let mut state = device.state();
        let Some(data) = &mut state.platform else {
            return Err(Errno::EINVAL);
        };
        let name = match data.id {
            PlatformId::Id(id) => format!("{}.{id}", data.name),
            PlatformId::None => data.name.to_string(),
            PlatformId::Auto => {
                let mut taken = platform.auto_ids.lock();
                let free = (0..).find(|id| !taken.contains(id));
                let free = free.expect("there are more numbers than devices");
                taken.insert(free);
                data.auto = Some(free);
                format!("{}.{free}.auto", data.name)
            }
        };
        state.name = Some(Arc::from(name));
        if state.parent.is_none() {
            state.parent = Some(platform.root.clone());
        }
        state.bus = Some(platform.bus.clone());
    }
    let added = device_add(device);
    if added.is_err() {
        free_auto_id(device, &platform);
    }
    added
}

fn free_auto_id(device: &Device, platform: &Platform) {
    let auto = device
        .state()
        .platform
        .as_mut()
        .and_then(|data| data.auto.take());
    if let Some(auto) = auto {
        platform.auto_ids.lock().remove(&auto);
    }
}

/// Takes a platform device out (`platform_device_del`).
#[track_caller]
pub fn platform_device_del(device: &Device) {
    device_del(device);
    if let Some(platform) = platform(&device.system()) {
        free_auto_id(device, &platform);
    }
}

/// Drops the creator's reference (`platform_device_put`).
#[track_caller]
pub fn platform_device_put(device: &Device) {
    device.put_for(Holder::Creator);
}

/// Takes a platform device out and drops the creator's reference
/// (`platform_device_unregister`).
#[track_caller]
pub fn platform_device_unregister(device: &Device) {
    platform_device_del(device);
    platform_device_put(device);
}

/// Makes and adds a platform device (`platform_device_register_simple`).
#[track_caller]
pub fn platform_device_register(system: &System, name: &str, id: PlatformId) -> Result<Device> {
    let device = platform_device_alloc(system, name, id)?;
    if let Err(errno) = platform_device_add(&device) {
        put_device(&device);
        return Err(errno);
    }
    Ok(device)
}
