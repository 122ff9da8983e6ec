//! Drivers.
//!
//! Follows `drivers/base/driver.c` and the driver half of `drivers/base/bus.c`.

use core::fmt;
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;

use lastfd_sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use lastfd_sync::{Arc, Mutex};

use super::bus::Bus;
use super::bus_files::{add_files, remove_files};
use super::dd;
use super::device::Device;
use super::sysfs_file::SysfsDirectory;
use super::sysfs_group::{AttributeDirectory, AttributeGroup};
use super::uevent::{UeventAction, kobject_event};
use crate::errno::{Errno, Result};
use crate::event::SplatKind;

/// Binds a driver to a device.
pub type Probe = Arc<dyn Fn(&Device) -> Result + Send + Sync>;

/// Unbinds it again.
pub type Remove = Arc<dyn Fn(&Device) + Send + Sync>;

/// A handle on a `struct device_driver`. Handles compare by identity.
#[derive(Clone)]
pub struct Driver(Arc<DriverInner>);

struct DriverInner {
    name: Arc<str>,
    bus: Bus,
    callbacks: Mutex<Callbacks>,
    /// p->klist_devices: it holds no references.
    devices: Mutex<BTreeMap<u64, Device>>,
    /// The key on the bus's list; 0 while it is not registered.
    on_bus: AtomicU64,
    /// p, as a [`Private`].
    private: AtomicU8,
    suppress_bind_attrs: AtomicBool,
    attributes: Mutex<AttributeDirectory<Driver>>,
}

#[derive(Default)]
struct Callbacks {
    probe: Option<Probe>,
    remove: Option<Remove>,
    dev_groups: Vec<AttributeGroup>,
    id_table: Vec<Arc<str>>,
}

impl PartialEq for Driver {
    fn eq(&self, other: &Driver) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Driver {}

/// A driver's `drv->p`: `driver_register` makes it, `driver_unregister` frees it, and
/// nothing clears it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Private {
    Null,
    There,
    Freed,
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Driver").field(&self.0.name).finish()
    }
}

impl Driver {
    /// A driver with neither probe nor remove, not registered yet.
    pub fn new(name: &str, bus: &Bus) -> Driver {
        Driver(Arc::new(DriverInner {
            name: Arc::from(name),
            bus: bus.clone(),
            callbacks: Mutex::new(Callbacks::default()),
            devices: Mutex::new(BTreeMap::new()),
            on_bus: AtomicU64::new(0),
            private: AtomicU8::new(Private::Null as u8),
            suppress_bind_attrs: AtomicBool::new(false),
            attributes: Mutex::default(),
        }))
    }

    /// Sets what binds a device. Without it every bind succeeds.
    pub fn set_probe(&self, probe: impl Fn(&Device) -> Result + Send + Sync + 'static) -> &Self {
        self.0.callbacks.lock().probe = Some(Arc::new(probe));
        self
    }

    /// Sets what unbinds a device.
    pub fn set_remove(&self, remove: impl Fn(&Device) + Send + Sync + 'static) -> &Self {
        self.0.callbacks.lock().remove = Some(Arc::new(remove));
        self
    }

    /// Sets the attributes that devices have while they are bound to it
    /// (`dev_groups`).
    pub fn set_dev_groups(&self, groups: Vec<AttributeGroup>) -> &Self {
        self.0.callbacks.lock().dev_groups = groups;
        self
    }

    /// Sets the names of the devices it is for, where its bus goes by that
    /// (`id_table`).
    pub fn set_id_table(&self, names: &[&str]) -> &Self {
        self.0.callbacks.lock().id_table = names.iter().map(|name| Arc::from(*name)).collect();
        self
    }

    /// Gives it no `bind` and `unbind` attributes, or gives it them again: before it
    /// is registered. A debug mode does not unbind it either.
    pub fn set_suppress_bind_attrs(&self, on: bool) -> &Self {
        self.0.suppress_bind_attrs.store(on, Ordering::Relaxed);
        self
    }

    /// Its name.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    /// Its bus.
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Whether it is registered.
    pub fn is_registered(&self) -> bool {
        self.0.on_bus.load(Ordering::Acquire) != 0
    }

    /// The devices bound to it, in the order they were bound.
    pub fn devices(&self) -> Vec<Device> {
        self.0.devices.lock().values().cloned().collect()
    }

    pub(crate) fn probe(&self) -> Option<Probe> {
        self.0.callbacks.lock().probe.clone()
    }

    pub(crate) fn remove(&self) -> Option<Remove> {
        self.0.callbacks.lock().remove.clone()
    }

    pub(crate) fn id_table(&self) -> Vec<Arc<str>> {
        self.0.callbacks.lock().id_table.clone()
    }

    pub(crate) fn dev_groups(&self) -> Vec<AttributeGroup> {
        self.0.callbacks.lock().dev_groups.clone()
    }

    pub(crate) fn suppresses_bind_attrs(&self) -> bool {
        self.0.suppress_bind_attrs.load(Ordering::Relaxed)
    }

    pub(crate) fn attribute_directory(&self) -> &Mutex<AttributeDirectory<Driver>> {
        &self.0.attributes
    }

    pub(crate) fn private(&self) -> Private {
        match self.0.private.load(Ordering::Acquire) {
            n if n == Private::There as u8 => Private::There,
            n if n == Private::Freed as u8 => Private::Freed,
            _ => Private::Null,
        }
    }

    fn set_private(&self, private: Private) {
        self.0.private.store(private as u8, Ordering::Release);
    }

    pub(crate) fn list(&self) -> &Mutex<BTreeMap<u64, Device>> {
        &self.0.devices
    }
}

/// Registers a driver and tries it on every device of its bus
/// (`driver_register`). A probe that fails does not fail it.
///
/// `EINVAL` if the bus is not registered, `EBUSY` if the bus has a driver of
/// that name.
#[track_caller]
pub fn driver_register(driver: &Driver) -> Result {
    let bus = &driver.0.bus;
    let core = bus.core();
    if !bus.is_registered() {
        core.message(
            None,
            format!(
                "driver '{}' was unable to register with bus '{}' because the bus was not initialized",
                driver.0.name,
                bus.name()
            ),
        );
        return Err(Errno::EINVAL);
    }
    let same_name = |other: &Driver| (other.name() == driver.name()).then_some(());
    if bus.each_driver(same_name).is_some() {
        core.message(
            None,
            format!("driver '{}' is already registered, aborting", driver.0.name),
        );
        return Err(Errno::EBUSY);
    }
    core.allocation()?;
    let key = core.unique();
    bus.driver_list().lock().insert(key, driver.clone());
    driver.0.on_bus.store(key, Ordering::Release);
    driver.set_private(Private::There);
    if bus.autoprobe() {
        dd::driver_attach(driver)?;
    }
    add_files(driver);
    kobject_event(core, &driver.sysfs_path(), "drivers", UeventAction::Add);
    Ok(())
}

/// Unregisters a driver and unbinds its devices, last bound first
/// (`driver_unregister`, `driver_detach`).
///
/// Of a driver that is not registered it is a splat and nothing is done: a warning
/// where the kernel finds no `drv->p`, and worse where it finds the one it freed when
/// the driver was unregistered before, which nothing clears.
#[track_caller]
pub fn driver_unregister(driver: &Driver) {
    let bus = &driver.0.bus;
    let key = driver.0.on_bus.swap(0, Ordering::AcqRel);
    if key == 0 {
        let name = &driver.0.name;
        let (kind, text) = match driver.private() {
            Private::Null => (
                SplatKind::Warn,
                format!("unexpected driver unregister: '{name}' is not registered"),
            ),
            Private::There | Private::Freed => (
                SplatKind::UseAfterFree,
                format!("driver_unregister of '{name}', which is unregistered already"),
            ),
        };
        bus.core().splat(kind, None, text);
        return;
    }
    remove_files(driver);
    let gone = bus.driver_list().lock().remove(&key);
    drop(gone);
    dd::driver_detach(driver);
    let (core, path) = (bus.core(), driver.sysfs_path());
    kobject_event(core, &path, "drivers", UeventAction::Remove);
    driver.set_private(Private::Freed);
}
