//! Drivers, and registrations that end when they are dropped.

use core::any::Any;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use lastfd_sync::Arc;

use super::device::{Bound, Device, Normal};
use crate::errno::{Errno, Result};
use crate::raw::{self, Bus, PlatformId};
use crate::system::System;

/// A driver. The value is its data for one device, from a probe that succeeded
/// to the end of the unbind.
pub trait Driver: Send + Sync + Sized + 'static {
    /// What whoever made the device knows of the hardware
    /// (`dev->platform_data`): its registers, its bus, its interrupt.
    type Info: Any + Send + Sync;

    /// Binds to a device. What it added to the device is released if it fails.
    fn probe(device: &Device<Bound>, info: &Self::Info) -> Result<Self>;

    /// Unbinds, before the managed resources are released.
    fn remove(&self, device: &Device<Bound>) {
        let _ = device;
    }
}

/// A registered driver. Dropping it unbinds its devices and unregisters it.
#[must_use = "dropping the registration unregisters the driver"]
pub struct Registration<D: Driver> {
    driver: raw::Driver,
    kind: PhantomData<fn() -> D>,
}

/// A driver on the platform bus.
pub type PlatformDriver<D> = Registration<D>;

impl<D: Driver> Registration<D> {
    /// Registers the driver on the platform bus: it fits the devices of its
    /// name.
    pub fn register(system: &System, name: &str) -> Result<Registration<D>> {
        Registration::register_on(&raw::platform_bus(system), name)
    }

    /// Registers the driver on a bus.
    pub fn register_on(bus: &Bus, name: &str) -> Result<Registration<D>> {
        let driver = raw::Driver::new(name, bus);
        driver.set_probe(|device| {
            let info = raw::dev_get_platdata(device).ok_or(Errno::ENODEV)?;
            let info = info.downcast_ref::<D::Info>().ok_or(Errno::ENODEV)?;
            let data = D::probe(&Device::<Bound>::assume_bound(device), info)?;
            raw::dev_set_drvdata(device, Some(Arc::new(data)));
            Ok(())
        });
        driver.set_remove(|device| {
            let bound = Device::<Bound>::assume_bound(device);
            if let Some(data) = bound.drvdata::<D>() {
                data.remove(&bound);
            }
        });
        raw::driver_register(&driver)?;
        Ok(Registration {
            driver,
            kind: PhantomData,
        })
    }

    /// The raw face's driver.
    pub fn raw(&self) -> &raw::Driver {
        &self.driver
    }

    /// Unbinds its devices, last bound first, and unregisters it.
    pub fn unregister(self) {
        drop(self);
    }
}

impl<D: Driver> Drop for Registration<D> {
    fn drop(&mut self) {
        raw::driver_unregister(&self.driver);
    }
}

impl<D: Driver> fmt::Debug for Registration<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registration").field(&self.driver).finish()
    }
}

/// A registered platform device. Dropping it unregisters it.
#[must_use = "dropping the device unregisters it"]
pub struct PlatformDevice(Device<Normal>);

impl PlatformDevice {
    /// Makes and adds a device named `name.N.auto`, with what its driver must
    /// know of the hardware.
    #[track_caller]
    pub fn register<I: Any + Send + Sync>(
        system: &System,
        name: &str,
        info: I,
    ) -> Result<PlatformDevice> {
        PlatformDevice::register_as(system, name, PlatformId::Auto, info)
    }

    /// As [`register`](PlatformDevice::register), with the number given.
    #[track_caller]
    pub fn register_as<I: Any + Send + Sync>(
        system: &System,
        name: &str,
        id: PlatformId,
        info: I,
    ) -> Result<PlatformDevice> {
        let device = raw::platform_device_alloc(system, name, id)?;
        raw::dev_set_platdata(&device, Some(Arc::new(info)));
        if let Err(errno) = raw::platform_device_add(&device) {
            raw::platform_device_put(&device);
            return Err(errno);
        }
        Ok(PlatformDevice(Device::from_raw(&device)))
    }

    /// Unregisters it: its driver is unbound, its managed resources are
    /// released, and it is released itself if nobody else holds it.
    pub fn unregister(self) {
        drop(self);
    }
}

impl Deref for PlatformDevice {
    type Target = Device<Normal>;

    fn deref(&self) -> &Device<Normal> {
        &self.0
    }
}

impl Drop for PlatformDevice {
    fn drop(&mut self) {
        raw::platform_device_unregister(self.0.raw());
    }
}

impl fmt::Debug for PlatformDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PlatformDevice").field(&self.0).finish()
    }
}
