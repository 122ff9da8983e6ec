//! Devices and what one may do with them, by context.

use core::any::Any;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use lastfd_sync::Arc;

use crate::errno::Result;
use crate::raw::{self, Action};
use crate::resource::{Owned, Resource};
use crate::system::System;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Normal {}
    impl Sealed for super::Bound {}
    impl Sealed for super::Framework {}
}

/// In what context a device is seen.
pub trait Context: sealed::Sealed {}

/// A device of which nothing is known: it may be bound or not, there or gone.
#[derive(Debug)]
pub enum Normal {}

/// A device that has a driver, and keeps it while the reference lives.
#[derive(Debug)]
pub enum Bound {}

/// A framework's own device, such as `iio:device0`: it never has a driver.
#[derive(Debug)]
pub enum Framework {}

impl Context for Normal {}
impl Context for Bound {}
impl Context for Framework {}

/// A device in a context.
///
/// A `&Device<Bound>` is lent to a driver's callbacks and to
/// [`with_bound`](Device::with_bound), and cannot be kept.
pub struct Device<Ctx: Context = Normal> {
    raw: raw::Device,
    context: PhantomData<fn() -> Ctx>,
}

impl<Ctx: Context> fmt::Debug for Device<Ctx> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw.fmt(f)
    }
}

impl<Ctx: Context> Device<Ctx> {
    pub(super) fn new(raw: &raw::Device) -> Device<Ctx> {
        Device {
            raw: raw.clone(),
            context: PhantomData,
        }
    }

    /// Its name.
    pub fn name(&self) -> Arc<str> {
        self.raw.name()
    }

    /// The System it is in.
    pub fn system(&self) -> System {
        self.raw.system()
    }

    /// Takes a reference that is dropped with the returned value.
    #[track_caller]
    pub fn get(&self) -> ARef {
        raw::get_device(&self.raw);
        ARef(Device::new(&self.raw))
    }

    /// The driver's data, if it is of this type; only a bound device has any.
    /// During probe there is none yet.
    pub fn drvdata<D: Any + Send + Sync>(&self) -> Option<Arc<D>>
    where
        Device<Ctx>: HasDriver,
    {
        raw::dev_get_drvdata(&self.raw)?.downcast().ok()
    }

    /// The raw face's handle, on which everything can be done, wrong things
    /// included.
    pub fn raw(&self) -> &raw::Device {
        &self.raw
    }
}

impl Device<Normal> {
    /// A device of the raw face, of which nothing is known.
    pub fn from_raw(raw: &raw::Device) -> Device<Normal> {
        Device::new(raw)
    }

    /// Calls with the bound device while its driver is held off from being
    /// unbound (by the device lock); None if it has no driver.
    ///
    /// Unbinding it from inside is a splat: it would wait for itself.
    pub fn with_bound<R>(&self, f: impl FnOnce(&Device<Bound>) -> R) -> Option<R> {
        let lock = raw::device_lock(&self.raw);
        if !lock.is_held() || self.raw.driver().is_none() {
            return None;
        }
        Some(f(&Device::new(&self.raw)))
    }
}

impl Device<Framework> {
    /// A framework's own device. For frameworks.
    pub fn of_framework(raw: &raw::Device) -> Device<Framework> {
        Device::new(raw)
    }
}

impl Device<Bound> {
    /// For the crate's own callbacks, which run while the driver is bound.
    pub(super) fn assume_bound(raw: &raw::Device) -> Device<Bound> {
        Device::new(raw)
    }

    /// Runs the action when the driver is unbound, after what was added later
    /// and before what was added earlier. If it cannot be added it runs at
    /// once (`devm_add_action_or_reset`).
    #[track_caller]
    pub fn on_unbind(&self, action: impl FnOnce() + Send + 'static) -> Result {
        raw::devm_add_action_or_reset(&self.raw, Action::new(action))
    }

    /// Stops and frees the resource when the driver is unbound, and lets go of
    /// it then.
    #[track_caller]
    pub fn own<R: Resource + Clone + Send + 'static>(&self, resource: R) -> Result<R> {
        let owned = Owned::new(resource.clone());
        let action = Action::new(move || drop(owned)).named(resource.release_name());
        raw::devm_add_action_or_reset(&self.raw, action)?;
        Ok(resource)
    }
}

/// A device that managed resources can be added to: a bound one.
#[diagnostic::on_unimplemented(
    message = "managed resources (devres) can only be added to a device while a driver is bound to it; this is a `{Self}`",
    label = "not a `Device<Bound>`",
    note = "before a driver is bound they would keep every driver from binding, and after it is unbound nobody would release them in time",
    note = "use the `&Device<Bound>` that `probe` is given, or `Device::with_bound` in a test",
    note = "a framework's own device (`Device<Framework>`) never has a driver: add the resource to its parent"
)]
pub trait Manages {
    /// The device they are added to.
    fn manager(&self) -> &Device<Bound>;
}

impl Manages for Device<Bound> {
    fn manager(&self) -> &Device<Bound> {
        self
    }
}

/// A device that has a driver, and so may have driver data: a bound one.
#[diagnostic::on_unimplemented(
    message = "only a device with a driver bound to it has driver data; this is a `{Self}`",
    label = "not a `Device<Bound>`",
    note = "driver data is gone once the driver is unbound: ask for it in the driver's own callbacks, or inside `Device::with_bound`"
)]
pub trait HasDriver {}

impl HasDriver for Device<Bound> {}

/// A counted reference on a device: cloning takes one, dropping drops one.
pub struct ARef(Device<Normal>);

impl ARef {
    /// Takes a reference on a raw device.
    #[track_caller]
    pub fn new(device: &raw::Device) -> ARef {
        raw::get_device(device);
        ARef(Device::new(device))
    }
}

impl Clone for ARef {
    #[track_caller]
    fn clone(&self) -> ARef {
        ARef::new(&self.0.raw)
    }
}

impl Deref for ARef {
    type Target = Device<Normal>;

    fn deref(&self) -> &Device<Normal> {
        &self.0
    }
}

impl Drop for ARef {
    fn drop(&mut self) {
        raw::put_device(&self.0.raw);
    }
}

impl fmt::Debug for ARef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ARef").field(&self.0).finish()
    }
}
