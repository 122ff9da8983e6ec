//! The auxiliary bus: parts of a device that drivers of other subsystems drive.
//!
//! Follows `drivers/base/auxiliary.c`.

use lastfd_sync::Arc;

use super::bus::{Bus, BusType, bus_register};
use super::core::{device_add, device_del};
use super::device::{Device, DeviceSpec, Release, device_initialize, put_device};
use super::driver::{Driver, driver_register, driver_unregister};
use super::uevent::UeventEnv;
use crate::errno::{Errno, Result};
use crate::event::SplatKind;
use crate::system::System;

const BUS: &str = "auxiliary";

/// The auxiliary bus, registered when it is first asked for (`auxiliary_bus_init`).
pub fn auxiliary_bus(system: &System) -> Bus {
    let there = || system.find_bus(BUS);
    there().unwrap_or_else(|| {
        let type_ = BusType {
            name: BUS.to_owned(),
            match_: Some(Arc::new(|device, driver| Ok(matches(device, driver)))),
            uevent: Some(Arc::new(uevent)),
            ..BusType::default()
        };
        // Another task may have been faster.
        bus_register(system, type_)
            .ok()
            .or_else(there)
            .expect("a bus that cannot be registered is there already")
    })
}

/// A device's name without the number behind its last dot.
fn id_of(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(id, _)| id)
}

/// auxiliary_match.
fn matches(device: &Device, driver: &Driver) -> bool {
    let name = device.name();
    let id = id_of(&name);
    driver.id_table().iter().any(|entry| **entry == *id)
}

/// auxiliary_uevent.
fn uevent(device: &Device, env: &mut UeventEnv) {
    let name = device.name();
    let modalias = format!("auxiliary:{}", id_of(&name));
    env.push(("MODALIAS".to_owned(), modalias));
}

/// What a caller fills into a `struct auxiliary_device`.
#[derive(Clone, Default)]
pub struct AuxiliarySpec {
    /// What the part is called.
    pub name: Option<String>,
    /// Which of several it is.
    pub id: u32,
    /// The device it is a part of.
    pub parent: Option<Device>,
    /// Releases it.
    pub release: Option<Release>,
}

impl core::fmt::Debug for AuxiliarySpec {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AuxiliarySpec")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}

/// A `struct auxiliary_device`.
#[derive(Clone, Debug)]
pub struct AuxiliaryDevice {
    device: Device,
    name: Arc<str>,
    id: u32,
}

impl AuxiliaryDevice {
    /// Its device.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

/// Initializes it (`auxiliary_device_init`). From here on only
/// [`auxiliary_device_uninit`] may end it. `EINVAL` without a parent or a name: then
/// nothing was initialized.
#[track_caller]
pub fn auxiliary_device_init(system: &System, spec: AuxiliarySpec) -> Result<AuxiliaryDevice> {
    let missing = |what: &str| {
        system
            .core
            .message(None, format!("auxiliary_device has a NULL {what}"));
        Errno::EINVAL
    };
    let parent = spec.parent.ok_or_else(|| missing("dev->parent"))?;
    let name = spec.name.ok_or_else(|| missing("name"))?;
    let device = device_initialize(
        system,
        DeviceSpec {
            parent: Some(parent),
            bus: Some(auxiliary_bus(system)),
            release: spec.release,
            ..DeviceSpec::default()
        },
    );
    Ok(AuxiliaryDevice {
        device,
        name: Arc::from(name),
        id: spec.id,
    })
}

/// Names it `MODNAME.NAME.ID` and adds it (`auxiliary_device_add`). On any error the
/// caller must call [`auxiliary_device_uninit`]. Errors as
/// [`device_add`](super::device_add).
#[track_caller]
pub fn auxiliary_device_add(auxdev: &AuxiliaryDevice, modname: &str) -> Result {
    let name = format!("{modname}.{}.{}", auxdev.name, auxdev.id);
    super::device_fields::dev_set_name(&auxdev.device, name)?;
    device_add(&auxdev.device)
}

/// Takes it out (`auxiliary_device_delete`).
#[track_caller]
pub fn auxiliary_device_delete(auxdev: &AuxiliaryDevice) {
    device_del(&auxdev.device);
}

/// Drops the reference of the one who initialized it (`auxiliary_device_uninit`).
#[track_caller]
pub fn auxiliary_device_uninit(auxdev: &AuxiliaryDevice) {
    put_device(&auxdev.device);
}

/// A driver `MODNAME.NAME`, or `MODNAME`, for the devices whose names without their
/// number are in the table. Register it with [`auxiliary_driver_register`].
///
/// ```
/// use lastfd_model::{System, raw::*};
///
/// let system = System::new();
/// let driver = auxiliary_driver(&system, "net", Some("rdma"), &["net.rdma"]);
/// driver.set_probe(|_| Ok(()));
/// auxiliary_driver_register(&driver).unwrap();
/// let card = root_device_register(&system, "card").unwrap();
/// let spec = AuxiliarySpec {
///     name: Some("rdma".into()),
///     parent: Some(card.clone()),
///     release: Some(no_release()),
///     ..AuxiliarySpec::default()
/// };
/// let rdma = auxiliary_device_init(&system, spec).unwrap();
/// auxiliary_device_add(&rdma, "net").unwrap();
/// assert_eq!(dev_name(rdma.device()), "net.rdma.0");
/// assert_eq!(rdma.device().driver(), Some(driver.clone()));
/// auxiliary_device_delete(&rdma);
/// auxiliary_device_uninit(&rdma);
/// auxiliary_driver_unregister(&driver);
/// root_device_unregister(&card);
/// ```
pub fn auxiliary_driver(
    system: &System,
    modname: &str,
    name: Option<&str>,
    id_table: &[&str],
) -> Driver {
    let name = match name {
        Some(name) => format!("{modname}.{name}"),
        None => modname.to_owned(),
    };
    let driver = Driver::new(&name, &auxiliary_bus(system));
    driver.set_id_table(id_table);
    driver
}

/// Registers it (`auxiliary_driver_register`). One without a probe or a table is a
/// splat and `EINVAL`; else as [`driver_register`](super::driver_register).
#[track_caller]
pub fn auxiliary_driver_register(driver: &Driver) -> Result {
    let core = driver.bus().core();
    if driver.probe().is_none() || driver.id_table().is_empty() {
        let text = format!(
            "auxiliary driver {} has no probe or no table",
            driver.name()
        );
        core.splat(SplatKind::Warn, None, text);
        return Err(Errno::EINVAL);
    }
    core.allocation()?;
    driver_register(driver)
}

/// Unregisters it (`auxiliary_driver_unregister`).
#[track_caller]
pub fn auxiliary_driver_unregister(driver: &Driver) {
    driver_unregister(driver);
}
