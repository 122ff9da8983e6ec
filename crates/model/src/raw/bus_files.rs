//! The attributes of a bus and of its drivers, by which user space binds and
//! unbinds.
//!
//! Follows `drivers/base/bus.c` and `drivers/base/driver.c`.

use lastfd_sync::{Arc, Mutex};

use super::bus::{Bus, rescan};
use super::dd::{device_driver_attach, device_release_driver};
use super::device::Device;
use super::driver::Driver;
use super::sysfs::{BusAttribute, DriverAttribute, FileAttribute};
use super::sysfs_file::{Owned, SysfsDirectory, drain, remove_file};
use super::sysfs_group::{AttributeDirectory, FileGroup};
use super::uevent::synth_kobject_uevent;
use crate::errno::{Errno, Result};
use crate::event::DeviceRef;
use crate::ledger::Holder;
use crate::system::System;

impl SysfsDirectory for Bus {
    fn directory(&self) -> &Mutex<AttributeDirectory<Bus>> {
        self.attribute_directory()
    }

    fn system(&self) -> System {
        Bus::system(self)
    }

    fn device_ref(&self) -> Option<DeviceRef> {
        None
    }

    fn sysfs_path(&self) -> Arc<str> {
        Arc::from(format!("/bus/{}", self.name()))
    }

    fn defaults(&self) -> Vec<BusAttribute> {
        let autoprobe = BusAttribute::new("drivers_autoprobe", 0o644)
            .show(|bus| Ok(format!("{}\n", u8::from(bus.autoprobe()))))
            .store(|bus, data| {
                bus.set_autoprobe(data.first() != Some(&b'0'));
                Ok(data.len())
            });
        let uevent = BusAttribute::new("uevent", 0o200).store(|bus, data| {
            synth_kobject_uevent(bus.core(), &bus.sysfs_path(), "bus", data)?;
            Ok(data.len())
        });
        vec![
            autoprobe,
            BusAttribute::new("drivers_probe", 0o200).store(drivers_probe),
            uevent,
        ]
    }

    fn owned(&self, attribute: BusAttribute) -> Owned {
        Owned::Bus(attribute, self.clone())
    }
}

impl SysfsDirectory for Driver {
    fn directory(&self) -> &Mutex<AttributeDirectory<Driver>> {
        self.attribute_directory()
    }

    fn system(&self) -> System {
        self.bus().system()
    }

    fn device_ref(&self) -> Option<DeviceRef> {
        None
    }

    fn sysfs_path(&self) -> Arc<str> {
        Arc::from(format!(
            "/bus/{}/drivers/{}",
            self.bus().name(),
            self.name()
        ))
    }

    fn defaults(&self) -> Vec<DriverAttribute> {
        let uevent = DriverAttribute::new("uevent", 0o200).store(|driver, data| {
            let core = driver.bus().core();
            synth_kobject_uevent(core, &driver.sysfs_path(), "drivers", data)?;
            Ok(data.len())
        });
        let mut attributes = vec![uevent];
        if !self.suppresses_bind_attrs() {
            attributes.push(DriverAttribute::new("bind", 0o200).store(bind));
            attributes.push(DriverAttribute::new("unbind", 0o200).store(unbind));
        }
        attributes
    }

    fn owned(&self, attribute: DriverAttribute) -> Owned {
        Owned::Driver(attribute, self.clone())
    }
}

/// bus_find_device_by_name, as sysfs_streq compares: a newline at the end does not
/// count. The device is held while the call goes on.
fn with_device<T>(bus: &Bus, name: &[u8], call: impl FnOnce(&Device) -> Result<T>) -> Result<T> {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = name.strip_suffix(b"\n").unwrap_or(name);
    let found = bus.each_device(|device| {
        (device.name().as_bytes() == name).then(|| {
            device.get_for(Holder::Call);
            device.clone()
        })
    });
    let device = found.ok_or(Errno::ENODEV)?;
    let result = call(&device);
    device.put_for(Holder::Call);
    result
}

/// unbind_store: `ENODEV` unless the device is bound to this driver.
fn unbind(driver: &Driver, data: &[u8]) -> Result<usize> {
    with_device(driver.bus(), data, |device| {
        if device.driver().as_ref() != Some(driver) {
            return Err(Errno::ENODEV);
        }
        device_release_driver(device);
        Ok(data.len())
    })
}

/// bind_store. A bus that cannot tell yet whether the two fit is taken to say yes.
fn bind(driver: &Driver, data: &[u8]) -> Result<usize> {
    let bus = driver.bus();
    with_device(bus, data, |device| {
        if bus.matches(device, driver) == Ok(false) {
            return Err(Errno::ENODEV);
        }
        device_driver_attach(driver, device)?;
        Ok(data.len())
    })
}

/// drivers_probe_store.
fn drivers_probe(bus: &Bus, data: &[u8]) -> Result<usize> {
    with_device(bus, data, |device| {
        rescan(device).map_err(|_| Errno::EINVAL)?;
        Ok(data.len())
    })
}

/// The files that a directory has from the start are there from here on.
pub(crate) fn add_files<T: SysfsDirectory>(owner: &T) {
    owner.directory().lock().defaults = true;
}

/// The directory goes with all its files, after whoever is inside one has left.
pub(crate) fn remove_files<T: SysfsDirectory>(owner: &T) {
    let all = owner.directory().lock().clear();
    drain(owner, all);
}

fn create_file<T: SysfsDirectory>(owner: &T, attribute: &FileAttribute<T>) -> Result {
    owner.system().allocation()?;
    let taken = owner.directory().lock().defaults
        && owner
            .defaults()
            .iter()
            .any(|own| own.name() == attribute.name());
    if taken {
        return Err(Errno::EEXIST);
    }
    let group = FileGroup::new(vec![attribute.clone()]);
    owner.directory().lock().add(&group)
}

/// Adds an attribute to a registered bus (`bus_create_file`). `EINVAL` on one that
/// is not, `EEXIST` if the name is taken.
pub fn bus_create_file(bus: &Bus, attribute: &BusAttribute) -> Result {
    if !bus.is_registered() {
        return Err(Errno::EINVAL);
    }
    create_file(bus, attribute)
}

/// Removes it (`bus_remove_file`), after whoever is inside it has left.
pub fn bus_remove_file(bus: &Bus, name: &str) {
    remove_file(bus, name);
}

/// Adds an attribute to a registered driver (`driver_create_file`). `EINVAL` on one
/// that is not, `EEXIST` if the name is taken.
pub fn driver_create_file(driver: &Driver, attribute: &DriverAttribute) -> Result {
    if !driver.is_registered() {
        return Err(Errno::EINVAL);
    }
    create_file(driver, attribute)
}

/// Removes it (`driver_remove_file`), after whoever is inside it has left.
pub fn driver_remove_file(driver: &Driver, name: &str) {
    remove_file(driver, name);
}
