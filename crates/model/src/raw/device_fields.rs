//! The fields of `struct device` that drivers and buses set and read.
//!
//! Follows `include/linux/device.h` and `drivers/base/core.c`.

use lastfd_sync::Arc;

use super::device::{DevT, Device, DeviceType, DriverData, Release};
use super::sysfs_group::AttributeGroup;
use crate::errno::Result;
use crate::event::EventKind;

/// Names the device (`dev_set_name`). Fails with `ENOMEM` if told to.
pub fn dev_set_name(device: &Device, name: impl Into<String>) -> Result {
    device.core().allocation()?;
    device.state().name = Some(Arc::from(name.into()));
    Ok(())
}

/// Sets the parent, as assigning `dev->parent` does: before `device_add`,
/// which is where the reference is taken.
pub fn dev_set_parent(device: &Device, parent: Option<Device>) {
    let old = core::mem::replace(&mut device.state().parent, parent);
    drop(old);
}

/// Sets the type, as assigning `dev->type` does: before `device_add`.
pub fn dev_set_type(device: &Device, type_: DeviceType) {
    let old = device.state().type_.replace(Arc::new(type_));
    drop(old);
}

/// Sets the device number, as assigning `dev->devt` does: before `device_add`.
pub fn dev_set_devt(device: &Device, devt: DevT) {
    device.state().devt = Some(devt);
}

/// Sets the device's own attributes, as assigning `dev->groups` does: before
/// `device_add`, which makes them.
pub fn dev_set_groups(device: &Device, groups: Vec<AttributeGroup>) {
    let old = core::mem::replace(&mut device.state().groups, groups);
    drop(old);
}

/// Sets the release callback, as assigning `dev->release` does.
pub fn dev_set_release(device: &Device, release: Release) {
    let old = device.state().release.replace(release);
    drop(old);
}

/// The device's name (`dev_name`).
pub fn dev_name(device: &Device) -> String {
    device.name().to_string()
}

/// Whether the device is in sysfs (`device_is_registered`). The answer may be
/// stale when it comes: what hangs on it has to hold off the removal.
#[track_caller]
pub fn device_is_registered(device: &Device) -> bool {
    let alive = device.is_registered();
    device.core().emit(|| EventKind::LivenessTested {
        device: device.device_ref(),
        alive,
    });
    alive
}

/// Sets or clears the driver data (`dev_set_drvdata`).
pub fn dev_set_drvdata(device: &Device, data: Option<DriverData>) {
    let old = core::mem::replace(&mut device.state().drvdata, data);
    drop(old);
}

/// The driver data (`dev_get_drvdata`); None once the driver is unbound.
#[track_caller]
pub fn dev_get_drvdata(device: &Device) -> Option<DriverData> {
    let data = device.state().drvdata.clone();
    device.core().emit(|| EventKind::DriverDataRead {
        device: device.device_ref(),
        there: data.is_some(),
    });
    data
}

/// Sets what whoever made the device knows of the hardware, as assigning
/// `dev->platform_data` does.
pub fn dev_set_platdata(device: &Device, data: Option<DriverData>) {
    let old = core::mem::replace(&mut device.state().platdata, data);
    drop(old);
}

/// What whoever made the device knows of the hardware (`dev_get_platdata`).
pub fn dev_get_platdata(device: &Device) -> Option<DriverData> {
    device.state().platdata.clone()
}
