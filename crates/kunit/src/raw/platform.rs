//! Platform and root devices for tests.
//!
//! Follows `lib/kunit/platform.c`, and the helpers of the series "drivers:
//! kunit: Generic helpers for test device creation", which made a platform
//! device bound to a driver that does nothing, as DRM's tests did before the
//! kunit bus.

use lastfd_model::raw::{
    Device, Driver, PlatformId, driver_register, driver_unregister, platform_bus,
    platform_device_add, platform_device_alloc, platform_device_put, platform_device_unregister,
    platform_driver, root_device_register, root_device_unregister,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::action::{TestAction, kunit_add_action_or_reset};
use super::resource::{Kind, Resource, add, kunit_find_resource, kunit_put_resource};
use crate::test::Test;

/// The name of the device and of the driver of
/// [`test_kunit_helper_alloc_device`].
const HELPER_NAME: &str = "test-kunit-helper-device";

/// Makes a platform device that the test puts (`kunit_platform_device_alloc`).
#[track_caller]
pub fn kunit_platform_device_alloc(test: &Test, name: &str, id: PlatformId) -> Result<Device> {
    let system = test.system();
    system.allocation()?;
    let device = platform_device_alloc(system, name, id)?;
    let kind = Kind::PutPlatform(device.id());
    let put = device.clone();
    let free = Box::new(move |_: &Resource| platform_device_put(&put));
    let resource = Resource::new(system, kind, None, Arc::new(device.clone()), Some(free));
    add(test, None, resource)?;
    Ok(device)
}

/// Adds a platform device, which the test unregisters
/// (`kunit_platform_device_add`). If [`kunit_platform_device_alloc`] made it,
/// the test's duty to put it becomes the duty to unregister it, in its place in
/// the order.
///
/// As [`platform_device_add`].
#[track_caller]
pub fn kunit_platform_device_add(test: &Test, device: &Device) -> Result {
    platform_device_add(device)?;
    let unregistered = device.clone();
    let wanted = Kind::PutPlatform(device.id());
    if let Some(resource) = kunit_find_resource(test, &|_, r| r.kind() == wanted) {
        let free = Box::new(move |_: &Resource| platform_device_unregister(&unregistered));
        drop(resource.set_free(Some(free)));
        kunit_put_resource(&resource);
        return Ok(());
    }
    let action = TestAction::of(Kind::UnregisterDevice(device.id()), move || {
        platform_device_unregister(&unregistered);
    });
    kunit_add_action_or_reset(test, action)
}

/// Registers a driver, which the test unregisters
/// (`kunit_platform_driver_register`). `EINVAL` if it is not on the platform
/// bus; else as [`driver_register`].
pub fn kunit_platform_driver_register(test: &Test, driver: &Driver) -> Result {
    let system = test.system();
    if *driver.bus() != platform_bus(system) {
        return Err(Errno::EINVAL);
    }
    driver_register(driver)?;
    let unregistered = driver.clone();
    let action = TestAction::of(Kind::UnregisterDriver(system.unique()), move || {
        driver_unregister(&unregistered);
    });
    kunit_add_action_or_reset(test, action)
}

/// Makes a root device, which the test unregisters: neither bus nor driver.
#[track_caller]
pub fn kunit_root_device_register(test: &Test, name: &str) -> Result<Device> {
    let device = root_device_register(test.system(), name)?;
    let unregistered = device.clone();
    let action = TestAction::of(Kind::UnregisterDevice(device.id()), move || {
        root_device_unregister(&unregistered);
    });
    kunit_add_action_or_reset(test, action)?;
    Ok(device)
}

/// Makes a platform device, which the test unregisters: a bus, but no driver
/// unless the test registers one of its name.
#[track_caller]
pub fn kunit_unbound_platform_device_register(test: &Test, name: &str) -> Result<Device> {
    let device = kunit_platform_device_alloc(test, name, PlatformId::None)?;
    kunit_platform_device_add(test, &device)?;
    Ok(device)
}

/// Makes a platform device that is bound to a driver which does nothing
/// (`test_kunit_helper_alloc_device`). It is not managed: the test ends it with
/// [`test_kunit_helper_free_device`].
///
/// There is one such driver and one name for it, so a second call before the
/// first device is freed fails with `EBUSY`.
///
/// ```
/// use lastfd_kunit::{Test, raw::*};
/// use lastfd_model::System;
///
/// let test = Test::new(&System::new(), "my_case");
/// let device = test_kunit_helper_alloc_device(&test).unwrap();
/// assert!(device.driver().is_some());
/// test_kunit_helper_free_device(&test, &device);
/// assert!(device.is_released());
/// ```
#[track_caller]
pub fn test_kunit_helper_alloc_device(test: &Test) -> Result<Device> {
    let system = test.system();
    let driver = platform_driver(system, HELPER_NAME);
    driver.set_probe(|_| Ok(()));
    driver_register(&driver)?;
    let made = platform_device_alloc(system, HELPER_NAME, PlatformId::None);
    let added = made.and_then(|device| match platform_device_add(&device) {
        Ok(()) => Ok(device),
        Err(errno) => {
            platform_device_put(&device);
            Err(errno)
        }
    });
    if added.is_err() {
        driver_unregister(&driver);
    }
    added
}

/// Unregisters a device of [`test_kunit_helper_alloc_device`], then its driver
/// (`test_kunit_helper_free_device`).
#[track_caller]
pub fn test_kunit_helper_free_device(test: &Test, device: &Device) {
    platform_device_unregister(device);
    let drivers = platform_bus(test.system()).drivers();
    if let Some(driver) = drivers.iter().find(|d| &*d.name() == HELPER_NAME) {
        driver_unregister(driver);
    }
}
