//! Buses.
//!
//! Follows `drivers/base/bus.c`.

use core::fmt;
use core::ops::Bound;
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;

use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{Arc, Mutex};

use super::bus_files::{add_files, remove_files};
use super::dd;
use super::device::Device;
use super::driver::{Driver, Probe, Remove};
use super::klist::Klist;
use super::sysfs_file::SysfsDirectory;
use super::sysfs_group::{AttributeDirectory, AttributeGroup};
use super::uevent::{UeventAction, UeventHook, kobject_event};
use crate::errno::{Errno, Result};
use crate::event::{EventKind, SplatKind};
use crate::ledger::Holder;
use crate::system::{Core, System};

/// Tells whether a driver fits a device. `EPROBE_DEFER` means "not yet".
pub type BusMatch = Arc<dyn Fn(&Device, &Driver) -> Result<bool> + Send + Sync>;

/// `struct bus_type`: what a bus does with its devices and drivers.
#[derive(Clone, Default)]
pub struct BusType {
    /// Its name.
    pub name: String,
    /// Whether a driver fits a device; without it every driver fits every
    /// device.
    pub match_: Option<BusMatch>,
    /// Called in place of the driver's probe.
    pub probe: Option<Probe>,
    /// Called in place of the driver's remove.
    pub remove: Option<Remove>,
    /// Adds to the environment of uevents.
    pub uevent: Option<UeventHook>,
    /// Attributes of each device on the bus.
    pub dev_groups: Vec<AttributeGroup>,
    /// Its devices have the attribute `driver_override`; the match callback asks
    /// [`device_match_driver_override`](super::device_match_driver_override).
    pub driver_override: bool,
}

impl fmt::Debug for BusType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BusType")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What a bus notifier is told (include/linux/device/bus.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BusNotify {
    /// The device was added.
    AddDevice,
    /// The device is about to be removed.
    DelDevice,
    /// The device was removed; the last moment of it.
    RemovedDevice,
    /// A driver is about to be bound.
    BindDriver,
    /// A driver was bound.
    BoundDriver,
    /// A driver is about to be unbound.
    UnbindDriver,
    /// A driver was unbound.
    UnboundDriver,
    /// A probe failed.
    DriverNotBound,
}

impl fmt::Display for BusNotify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BusNotify::AddDevice => "ADD_DEVICE",
            BusNotify::DelDevice => "DEL_DEVICE",
            BusNotify::RemovedDevice => "REMOVED_DEVICE",
            BusNotify::BindDriver => "BIND_DRIVER",
            BusNotify::BoundDriver => "BOUND_DRIVER",
            BusNotify::UnbindDriver => "UNBIND_DRIVER",
            BusNotify::UnboundDriver => "UNBOUND_DRIVER",
            BusNotify::DriverNotBound => "DRIVER_NOT_BOUND",
        })
    }
}

/// What a bus notifier calls.
pub type Notifier = Arc<dyn Fn(BusNotify, &Device) + Send + Sync>;
type Notifiers = Arc<[(NotifierId, Notifier)]>;

/// Names a registered notifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotifierId(u64);

/// A handle on a bus. Handles compare by identity.
#[derive(Clone)]
pub struct Bus(Arc<BusInner>);

struct BusInner {
    core: Arc<Core>,
    name: Arc<str>,
    type_: BusType,
    registered: AtomicBool,
    autoprobe: AtomicBool,
    /// klist_devices and klist_drivers.
    devices: Klist,
    drivers: Mutex<BTreeMap<u64, Driver>>,
    notifiers: Mutex<Notifiers>,
    attributes: Mutex<AttributeDirectory<Bus>>,
}

impl PartialEq for Bus {
    fn eq(&self, other: &Bus) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Bus {}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bus").field(&self.0.name).finish()
    }
}

impl Bus {
    /// A bus that is not registered yet. Adding a device to it or registering
    /// a driver on it fails with `EINVAL` until it is.
    pub fn new(system: &System, type_: BusType) -> Bus {
        Bus(Arc::new(BusInner {
            core: Arc::clone(&system.core),
            name: Arc::from(type_.name.as_str()),
            type_,
            registered: AtomicBool::new(false),
            autoprobe: AtomicBool::new(true),
            devices: Klist::new(Holder::BusList),
            drivers: Mutex::new(BTreeMap::new()),
            notifiers: Mutex::new(Arc::from([])),
            attributes: Mutex::default(),
        }))
    }

    /// Registers it (`bus_register`). `EEXIST` if there is one of its name.
    pub fn register(&self) -> Result {
        self.0.core.allocation()?;
        let mut buses = self.0.core.registry.buses.lock();
        if buses.contains_key(&self.0.name) {
            return Err(Errno::EEXIST);
        }
        buses.insert(Arc::clone(&self.0.name), self.clone());
        drop(buses);
        self.0.registered.store(true, Ordering::Release);
        kobject_event(&self.0.core, &self.sysfs_path(), "bus", UeventAction::Add);
        add_files(self);
        Ok(())
    }

    /// Its name.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    /// The System it is in.
    pub fn system(&self) -> System {
        System::from_core(&self.0.core)
    }

    /// Whether it is registered.
    pub fn is_registered(&self) -> bool {
        self.0.registered.load(Ordering::Acquire)
    }

    /// Its devices, in the order they were added.
    pub fn devices(&self) -> Vec<Device> {
        self.0.devices.devices()
    }

    /// Its drivers, in the order they were registered.
    pub fn drivers(&self) -> Vec<Driver> {
        self.0.drivers.lock().values().cloned().collect()
    }

    /// The device of this name (`bus_find_device_by_name`), without a
    /// reference.
    pub fn find_device(&self, name: &str) -> Option<Device> {
        self.first_device(|device| &*device.name() == name)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    pub(crate) fn probe_callback(&self) -> Option<&Probe> {
        self.0.type_.probe.as_ref()
    }

    pub(crate) fn remove_callback(&self) -> Option<&Remove> {
        self.0.type_.remove.as_ref()
    }

    pub(crate) fn uevent(&self) -> Option<UeventHook> {
        self.0.type_.uevent.clone()
    }

    pub(crate) fn dev_groups(&self) -> &[AttributeGroup] {
        &self.0.type_.dev_groups
    }

    pub(crate) fn driver_list(&self) -> &Mutex<BTreeMap<u64, Driver>> {
        &self.0.drivers
    }

    /// Whether a driver is looked for by itself when a device or a driver is added
    /// (its attribute `drivers_autoprobe`).
    pub fn autoprobe(&self) -> bool {
        self.0.autoprobe.load(Ordering::Relaxed)
    }

    pub(crate) fn set_autoprobe(&self, on: bool) {
        self.0.autoprobe.store(on, Ordering::Relaxed);
    }

    pub(crate) fn has_driver_override(&self) -> bool {
        self.0.type_.driver_override
    }

    pub(crate) fn attribute_directory(&self) -> &Mutex<AttributeDirectory<Bus>> {
        &self.0.attributes
    }

    /// drivers/base/base.h: driver_match_device.
    pub(crate) fn matches(&self, device: &Device, driver: &Driver) -> Result<bool> {
        let Some(match_) = &self.0.type_.match_ else {
            return Ok(true);
        };
        let result = self
            .0
            .core
            .guard(
                || Some(device.device_ref()),
                "the bus's match",
                || match_(device, driver),
            )
            .unwrap_or(Err(Errno::EIO));
        self.0.core.emit(|| EventKind::Match {
            device: device.device_ref(),
            driver: driver.name(),
            result,
        });
        result
    }

    /// Calls for each device in the order they were added; the first `Some`
    /// ends it.
    pub(crate) fn each_device<R>(&self, f: impl FnMut(&Device) -> Option<R>) -> Option<R> {
        self.0.devices.each(f)
    }

    fn first_device(&self, wanted: impl Fn(&Device) -> bool) -> Option<Device> {
        self.each_device(|device| wanted(device).then(|| device.clone()))
    }

    /// As [`each_device`](Bus::each_device), for drivers, which are not counted.
    pub(crate) fn each_driver<R>(&self, mut f: impl FnMut(&Driver) -> Option<R>) -> Option<R> {
        let mut from = Bound::Unbounded;
        loop {
            let (key, driver) = {
                let drivers = self.0.drivers.lock();
                let (key, driver) = drivers.range((from, Bound::Unbounded)).next()?;
                (*key, driver.clone())
            };
            if let Some(found) = f(&driver) {
                return Some(found);
            }
            from = Bound::Excluded(key);
        }
    }

    /// bus_notify: tells the notifiers, first registered first.
    #[track_caller]
    pub(crate) fn notify(&self, what: BusNotify, device: &Device) {
        self.0.core.emit(|| EventKind::Notify {
            device: device.device_ref(),
            what,
        });
        let notifiers = Notifiers::clone(&self.0.notifiers.lock());
        for (_, notifier) in notifiers.iter() {
            self.0.core.guard(
                || Some(device.device_ref()),
                "a bus notifier",
                || notifier(what, device),
            );
        }
    }

    pub(crate) fn dissolve(&self) {
        self.0.devices.dissolve();
        let drivers = core::mem::take(&mut *self.0.drivers.lock());
        for driver in drivers.values() {
            // Its devices were dissolved: nobody else would take them off.
            let devices = core::mem::take(&mut *driver.list().lock());
            drop(devices);
            let files = core::mem::take(&mut *driver.attribute_directory().lock());
            drop(files);
        }
        drop(drivers);
        let files = core::mem::take(&mut *self.0.attributes.lock());
        drop(files);
        let notifiers = core::mem::replace(&mut *self.0.notifiers.lock(), Arc::from([]));
        drop(notifiers);
    }
}

/// Makes and registers a bus (`bus_register`).
///
/// ```
/// use lastfd_model::{System, raw::*};
/// let system = System::new();
/// let bus = bus_register(&system, BusType { name: "demo".into(), ..Default::default() }).unwrap();
/// assert!(bus.is_registered());
/// bus_unregister(&bus);
/// ```
pub fn bus_register(system: &System, type_: BusType) -> Result<Bus> {
    let bus = Bus::new(system, type_);
    bus.register()?;
    Ok(bus)
}

/// Unregisters a bus (`bus_unregister`). Devices and drivers must be gone; if
/// they are not, a splat says so.
pub fn bus_unregister(bus: &Bus) {
    let core = &bus.0.core;
    if !bus.0.registered.swap(false, Ordering::AcqRel) {
        core.splat(
            SplatKind::Warn,
            None,
            format!("bus {} is unregistered but was not registered", bus.0.name),
        );
        return;
    }
    if !bus.0.devices.is_empty() || !bus.0.drivers.lock().is_empty() {
        core.splat(
            SplatKind::Warn,
            None,
            format!(
                "bus {} is unregistered with devices or drivers on it",
                bus.0.name
            ),
        );
    }
    remove_files(bus);
    let gone = core.registry.buses.lock().remove(&bus.0.name);
    drop(gone);
    kobject_event(core, &bus.sysfs_path(), "bus", UeventAction::Remove);
}

/// Registers a notifier (`bus_register_notifier`). It is called on the task
/// that causes the event and may call the model.
pub fn bus_register_notifier(bus: &Bus, notifier: Notifier) -> NotifierId {
    let id = NotifierId(bus.0.core.unique());
    let mut notifiers = bus.0.notifiers.lock();
    *notifiers = notifiers.iter().cloned().chain([(id, notifier)]).collect();
    id
}

/// Unregisters a notifier (`bus_unregister_notifier`). `ENOENT` if it was not
/// registered.
pub fn bus_unregister_notifier(bus: &Bus, id: NotifierId) -> Result {
    let mut notifiers = bus.0.notifiers.lock();
    let before = notifiers.len();
    *notifiers = notifiers
        .iter()
        .filter(|(i, _)| *i != id)
        .cloned()
        .collect();
    if notifiers.len() == before {
        return Err(Errno::ENOENT);
    }
    Ok(())
}

/// Calls for each device until one gives something other than 0, and returns
/// that (`bus_for_each_dev`).
pub fn bus_for_each_dev(bus: &Bus, mut f: impl FnMut(&Device) -> i32) -> i32 {
    bus.each_device(|device| match f(device) {
        0 => None,
        stop => Some(stop),
    })
    .unwrap_or(0)
}

/// Tries every driver on every device that has none (`bus_rescan_devices`).
pub fn bus_rescan_devices(bus: &Bus) -> Result {
    bus.each_device(|device| rescan(device).err())
        .map_or(Ok(()), Err)
}

/// bus_rescan_devices_helper.
pub(crate) fn rescan(device: &Device) -> Result {
    if device.driver().is_some() {
        return Ok(());
    }
    dd::device_attach(device).map(|_| ())
}

/// bus_add_device: the bus's attributes, then its list.
pub(crate) fn bus_add_device(device: &Device) -> Result {
    let Some(bus) = device.bus() else {
        return Ok(());
    };
    if !bus.is_registered() {
        bus.0.core.message(
            Some(device.device_ref()),
            format!("cannot be added to unregistered bus '{}'", bus.0.name),
        );
        return Err(Errno::EINVAL);
    }
    super::sysfs::create_groups(device, bus.dev_groups())?;
    let key = bus.0.devices.add_tail(device);
    device.state().on_bus = Some(key);
    Ok(())
}

/// bus_probe_device.
pub(crate) fn bus_probe_device(device: &Device) {
    let Some(bus) = device.bus() else {
        return;
    };
    if bus.autoprobe() {
        // device_initial_probe; what it returns is of no interest to anyone.
        let _ = dd::device_attach(device);
    }
}

/// bus_remove_device: off the list first, then off its driver.
#[track_caller]
pub(crate) fn bus_remove_device(device: &Device) {
    let Some(bus) = device.bus() else {
        return;
    };
    super::sysfs::remove_groups(device, bus.dev_groups());
    let key = device.state().on_bus.take();
    if let Some(key) = key {
        bus.0.devices.del(key);
    }
    dd::device_release_driver(device);
}

/// For a device whose last reference went while it was on the list.
pub(crate) fn forget_device(device: &Device, bus: &Bus) {
    let key = device.state().on_bus.take();
    if let Some(key) = key {
        bus.0.devices.forget(key);
    }
}
