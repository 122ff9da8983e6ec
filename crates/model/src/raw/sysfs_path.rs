//! Files of sysfs by their path.

use super::device::Device;
use super::sysfs_file::{AttrFile, HasAttributes, attr_open};
use crate::errno::{Errno, Result};
use crate::system::System;

/// Opens an attribute by its path below `/sys`, such as
/// `/sys/bus/platform/drivers/lamp/bind`: of a bus, of one of its drivers, or of a
/// device, found below `bus`, `class` or `devices`.
///
/// ```
/// use lastfd_model::{System, raw::*};
///
/// let system = System::new();
/// let driver = platform_driver(&system, "lamp");
/// driver_register(&driver).unwrap();
/// let lamp = platform_device_register(&system, "lamp", PlatformId::Id(1)).unwrap();
/// let unbind = sysfs_open(&system, "/sys/bus/platform/drivers/lamp/unbind").unwrap();
/// assert_eq!(unbind.write(b"lamp.1\n"), Ok(7));
/// assert!(lamp.driver().is_none());
/// platform_device_unregister(&lamp);
/// driver_unregister(&driver);
/// ```
///
/// # Errors
/// `ENOENT` where there is nothing, `EISDIR` where there is a directory.
pub fn sysfs_open(system: &System, path: &str) -> Result<AttrFile> {
    let below = path.strip_prefix("/sys/").ok_or(Errno::ENOENT)?;
    let mut parts = below.split('/');
    match (parts.next(), parts.next()) {
        (Some("bus"), Some(name)) => {
            let bus = system.find_bus(name).ok_or(Errno::ENOENT)?;
            match (parts.next(), parts.next()) {
                (None, _) | (Some("drivers" | "devices"), None) => Err(Errno::EISDIR),
                (Some("drivers"), Some(name)) => {
                    let drivers = bus.drivers();
                    let driver = drivers.iter().find(|driver| &*driver.name() == name);
                    in_directory(driver.ok_or(Errno::ENOENT)?, parts)
                }
                (Some("devices"), Some(name)) => in_device(bus.find_device(name).as_ref(), parts),
                (Some(name), None) => attr_open(&bus, name),
                (Some(_), Some(_)) => Err(Errno::ENOENT),
            }
        }
        (Some("class"), Some(name)) => {
            let class = system.find_class(name).ok_or(Errno::ENOENT)?;
            let Some(name) = parts.next() else {
                return Err(Errno::EISDIR);
            };
            let devices = class.devices();
            in_device(devices.iter().find(|d| &*d.name() == name), parts)
        }
        (Some("devices"), Some(_)) => in_tree(system, below),
        (Some("bus" | "class" | "devices"), None) => Err(Errno::EISDIR),
        _ => Err(Errno::ENOENT),
    }
}

fn in_device<'a>(
    device: Option<&Device>,
    parts: impl Iterator<Item = &'a str>,
) -> Result<AttrFile> {
    let device = device.filter(|device| device.has_directory());
    in_directory(device.ok_or(Errno::ENOENT)?, parts)
}

fn in_directory<'a, T: HasAttributes>(
    owner: &T,
    parts: impl Iterator<Item = &'a str>,
) -> Result<AttrFile> {
    let path: Vec<&str> = parts.collect();
    if path.is_empty() {
        return Err(Errno::EISDIR);
    }
    attr_open(owner, &path.join("/"))
}

/// The device whose directory is the deepest on the way.
fn in_tree(system: &System, path: &str) -> Result<AttrFile> {
    let mut device: Option<(Device, usize)> = None;
    for candidate in system.devices() {
        let directory = candidate.path();
        let inside = path
            .strip_prefix(directory.trim_start_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let deeper = device
            .as_ref()
            .is_none_or(|(_, depth)| directory.len() > *depth);
        if inside && deeper {
            device = Some((candidate, directory.len()));
        }
    }
    let (device, length) = device.ok_or(Errno::ENOENT)?;
    match path.get(length..) {
        None | Some("") => Err(Errno::EISDIR),
        Some(attribute) => attr_open(&device, attribute),
    }
}
