//! Attributes: files in a device's directory.
//!
//! Follows `drivers/base/core.c` (`device_add_attrs`, `dev_attr_show`),
//! `fs/sysfs` and `fs/kernfs` (active references, draining at removal).

use core::fmt;

use lastfd_sync::{Arc, Mutex};

use super::bus::Bus;
use super::device::Device;
use super::driver::Driver;
use super::driver_override::driver_override_attribute;
use super::platform::platform_modalias;
use super::sysfs_file::{Owned, SysfsDirectory, drain, remove_file};
use super::sysfs_group::{AttributeDirectory, AttributeGroup};
use super::uevent::{dev_uevent, kobject_synth_uevent};
use crate::errno::{Errno, Result};
use crate::event::DeviceRef;
use crate::system::System;

/// The most a show may give and a store is given (`PAGE_SIZE`).
const PAGE_SIZE: usize = 4096;

type Show<T> = Arc<dyn Fn(&T) -> Result<String> + Send + Sync>;
type Store<T> = Arc<dyn Fn(&T, &[u8]) -> Result<usize> + Send + Sync>;

/// One file, readable if it has a show callback, writable if it has a store
/// callback and the mode says so.
pub struct FileAttribute<T> {
    name: Arc<str>,
    mode: u16,
    show: Option<Show<T>>,
    store: Option<Store<T>>,
}

impl<T> Clone for FileAttribute<T> {
    fn clone(&self) -> Self {
        FileAttribute {
            name: Arc::clone(&self.name),
            mode: self.mode,
            show: self.show.clone(),
            store: self.store.clone(),
        }
    }
}

/// An attribute of a device (`struct device_attribute`).
pub type Attribute = FileAttribute<Device>;
/// An attribute of a bus (`struct bus_attribute`).
pub type BusAttribute = FileAttribute<Bus>;
/// An attribute of a driver (`struct driver_attribute`).
pub type DriverAttribute = FileAttribute<Driver>;

impl<T> FileAttribute<T> {
    /// An attribute with a name and permission bits, such as `0o644`.
    pub fn new(name: impl Into<Arc<str>>, mode: u16) -> FileAttribute<T> {
        FileAttribute {
            name: name.into(),
            mode,
            show: None,
            store: None,
        }
    }

    /// Sets what a read gives, usually with a newline at its end.
    #[must_use]
    pub fn show(mut self, show: impl Fn(&T) -> Result<String> + Send + Sync + 'static) -> Self {
        self.show = Some(Arc::new(show));
        self
    }

    /// Sets what a write does. It returns how many bytes it took, usually all.
    #[must_use]
    pub fn store(
        mut self,
        store: impl Fn(&T, &[u8]) -> Result<usize> + Send + Sync + 'static,
    ) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its permission bits.
    pub fn mode(&self) -> u16 {
        self.mode
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }
}

impl<T: SysfsDirectory> FileAttribute<T> {
    pub(crate) fn may_read(&self) -> bool {
        self.mode & 0o444 != 0
    }

    pub(crate) fn may_write(&self) -> bool {
        self.mode & 0o222 != 0
    }

    /// sysfs_kf_seq_show: no callback is EIO; a panic is unwound.
    pub(crate) fn run_show(&self, owner: &T) -> Result<Vec<u8>> {
        let show = self.show.as_ref().ok_or(Errno::EIO)?;
        let shown = owner
            .system()
            .core
            .guard(|| owner.device_ref(), "show", || show(owner))
            .unwrap_or(Err(Errno::EIO))?;
        let mut bytes = shown.into_bytes();
        bytes.truncate(PAGE_SIZE - 1);
        Ok(bytes)
    }

    /// sysfs_kf_write: no callback is EIO; a panic is unwound.
    pub(crate) fn run_store(&self, owner: &T, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        let store = self.store.as_ref().ok_or(Errno::EIO)?;
        let data = &data[..data.len().min(PAGE_SIZE)];
        owner
            .system()
            .core
            .guard(|| owner.device_ref(), "store", || store(owner, data))
            .unwrap_or(Err(Errno::EIO))
    }
}

impl<T> fmt::Debug for FileAttribute<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attribute({} {:o})", self.name, self.mode)
    }
}

/// device_add_attrs as far as every device has them: "uevent", and "dev" for
/// those with a number. They are made when somebody opens them.
pub(crate) fn create_default_attributes(device: &Device) {
    device.inner().attributes.lock().defaults = true;
}

fn uevent_attribute() -> Attribute {
    Attribute::new("uevent", 0o644)
        .show(|device| {
            let mut text = String::new();
            for (key, value) in dev_uevent(device) {
                text.push_str(&format!("{key}={value}\n"));
            }
            Ok(text)
        })
        .store(|device, data| {
            kobject_synth_uevent(device, data)?;
            Ok(data.len())
        })
}

fn dev_attribute() -> Attribute {
    Attribute::new("dev", 0o444).show(|device| {
        let devt = device.devt().ok_or(Errno::ENODEV)?;
        Ok(format!("{devt}\n"))
    })
}

impl SysfsDirectory for Device {
    fn directory(&self) -> &Mutex<AttributeDirectory<Device>> {
        &self.inner().attributes
    }

    fn system(&self) -> System {
        Device::system(self)
    }

    fn device_ref(&self) -> Option<DeviceRef> {
        Some(Device::device_ref(self))
    }

    fn sysfs_path(&self) -> Arc<str> {
        Arc::from(self.path())
    }

    /// The attributes every device has while it is added.
    fn defaults(&self) -> Vec<Attribute> {
        let numbered = self.devt().is_some_and(|devt| devt.major != 0);
        let dev = numbered.then(dev_attribute);
        let overridden = self.bus().is_some_and(|bus| bus.has_driver_override());
        let driver_override = overridden.then(driver_override_attribute);
        let modalias = platform_modalias(self).map(|modalias| {
            Attribute::new("modalias", 0o444).show(move |_| Ok(format!("{modalias}\n")))
        });
        [uevent_attribute()]
            .into_iter()
            .chain(dev)
            .chain(driver_override)
            .chain(modalias)
            .collect()
    }

    fn owned(&self, attribute: Attribute) -> Owned {
        Owned::Device(attribute, self.clone())
    }
}

/// device_add_groups. On an error what was made is removed again.
pub(crate) fn create_groups(device: &Device, groups: &[AttributeGroup]) -> Result {
    for (at, group) in groups.iter().enumerate() {
        if let Err(errno) = create_group(device, group) {
            remove_groups(device, &groups[..at]);
            return Err(errno);
        }
    }
    Ok(())
}

fn create_group(device: &Device, group: &AttributeGroup) -> Result {
    device.core().allocation()?;
    device.inner().attributes.lock().add(group)
}

/// device_remove_groups: waits for whoever is inside one of them.
pub(crate) fn remove_groups(device: &Device, groups: &[AttributeGroup]) {
    for group in groups {
        let gone = device.inner().attributes.lock().remove_group(group);
        drain(device, gone);
    }
}

/// device_remove_attrs: the default attributes, and those of the device itself,
/// its type and its class.
pub(crate) fn remove_own_attributes(device: &Device) {
    let defaults = device.inner().attributes.lock().remove_defaults();
    drain(device, defaults);
    let (own, type_, class) = {
        let state = device.state();
        (
            state.groups.clone(),
            state.type_.clone(),
            state.class.clone(),
        )
    };
    remove_groups(device, &own);
    if let Some(type_) = type_ {
        remove_groups(device, &type_.groups);
    }
    if let Some(class) = class {
        remove_groups(device, class.dev_groups());
    }
}

/// The directory goes with all that is in it.
pub(crate) fn remove_all_attributes(device: &Device) {
    let all = device.inner().attributes.lock().clear();
    drain(device, all);
}

/// Adds a group to a device that has a directory (`sysfs_create_group`).
/// `ENOENT` without one, `EEXIST` if a name is taken.
pub fn sysfs_create_group(device: &Device, group: &AttributeGroup) -> Result {
    if !device.has_directory() {
        return Err(Errno::ENOENT);
    }
    create_group(device, group)
}

/// Removes a group (`sysfs_remove_group`), after whoever is inside one of its
/// attributes has left.
pub fn sysfs_remove_group(device: &Device, group: &AttributeGroup) {
    remove_groups(device, core::slice::from_ref(group));
}

/// Adds one attribute (`device_create_file`).
pub fn device_create_file(device: &Device, attribute: &Attribute) -> Result {
    sysfs_create_group(device, &AttributeGroup::new(vec![attribute.clone()]))
}

/// Removes one attribute (`device_remove_file`), after whoever is inside it
/// has left.
pub fn device_remove_file(device: &Device, name: &str) {
    remove_file(device, name);
}

/// Removes an attribute from inside its own callback
/// (`device_remove_file_self`): gives up the own active reference first. False
/// if somebody else removed it.
pub fn device_remove_file_self(device: &Device, name: &str) -> bool {
    let removed = device.inner().attributes.lock().remove(name);
    if let Some(Some(node)) = &removed
        && !node.shut_from_inside()
    {
        drain(device, vec![Arc::clone(node)]);
    }
    removed.is_some()
}
