//! Root devices: no bus, no driver, no class.
//!
//! Follows `root_device_register` of `drivers/base/core.c`.

use super::core::{device_register, device_unregister};
use super::device::{Device, DeviceSpec, device_initialize, no_release, put_device};
use crate::errno::Result;
use crate::system::System;

/// Makes and registers a root device (`root_device_register`). `EEXIST` if
/// there is one of that name.
#[track_caller]
pub fn root_device_register(system: &System, name: &str) -> Result<Device> {
    system.allocation()?;
    let root = device_initialize(
        system,
        DeviceSpec {
            name: Some(name.to_owned()),
            release: Some(no_release()),
            ..DeviceSpec::default()
        },
    );
    if let Err(errno) = device_register(&root) {
        put_device(&root);
        return Err(errno);
    }
    Ok(root)
}

/// Takes a root device out and drops its creator's reference
/// (`root_device_unregister`).
#[track_caller]
pub fn root_device_unregister(root: &Device) {
    device_unregister(root);
}
