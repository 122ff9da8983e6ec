//! Hardware on the raw face to test frameworks with: a platform device, its
//! driver, and what the driver's probe made.
//!
//! The frameworks' own tests and the built-in suites share it. Depends on the
//! frameworks, each by a feature. A [`Rig`] is the same for all of them; a
//! module each has the driver, and the calls a program makes.
#![forbid(unsafe_code)]

#[cfg(feature = "cec")]
pub mod cec;
#[cfg(feature = "drm")]
pub mod drm;
#[cfg(feature = "iio")]
pub mod iio;
#[cfg(feature = "v4l2")]
pub mod v4l2;

use lastfd_model::raw::{
    Action, Device, Driver, PlatformId, device_is_registered, devm_add_action_or_reset,
    driver_register, driver_unregister, platform_device_register, platform_device_unregister,
    platform_driver,
};
use lastfd_model::resource::{RegisterBlock, Regs, Resource};
use lastfd_model::{Event, EventKind, Recording, Result, System};
use lastfd_sync::{Arc, Clock, Mutex};

/// A platform device, bound to a driver whose probe made an `M`.
pub struct Rig<M> {
    /// The System it is in.
    pub system: System,
    /// The System's clock.
    pub clock: Clock,
    /// The platform device.
    pub hardware: Device,
    /// Everything that happened since it was plugged in.
    pub record: Recording,
    /// The driver of the platform device.
    pub driver: Driver,
    made: Arc<Mutex<Vec<(u64, M)>>>,
}

impl<M> core::fmt::Debug for Rig<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Rig")
            .field("hardware", &self.hardware)
            .finish_non_exhaustive()
    }
}

/// Registers of a device's own, mapped while it is bound (`devm_ioremap`).
///
/// # Errors
/// `ENOMEM` if told to fail.
#[track_caller]
pub fn devm_ioremap(device: &Device, name: &str) -> Result<Regs> {
    let regs = RegisterBlock::memory(16).map(&device.system(), Some(device), name);
    let mapped = regs.clone();
    devm_add_action_or_reset(device, Action::new(move || mapped.free()).named("iounmap"))?;
    Ok(regs)
}

/// What a driver's probe does: it makes an `M`.
pub type ProbeFn<M> = dyn Fn(&Device) -> Result<M> + Send + Sync;
/// What a driver's remove does.
pub type RemoveFn = dyn Fn(&Device) + Send + Sync;

/// A driver: what its probe and its remove do.
pub struct DriverSpec<M> {
    /// The name of the driver, and of its devices.
    pub name: &'static str,
    /// How the device is numbered.
    pub id: PlatformId,
    /// What the probe makes.
    pub probe: Box<ProbeFn<M>>,
    /// What the remove does, beyond what the device manages.
    pub remove: Option<Box<RemoveFn>>,
}

impl<M> core::fmt::Debug for DriverSpec<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("DriverSpec").field(&self.name).finish()
    }
}

/// A System with simulated time and a ledger.
pub fn new_system() -> System {
    System::builder()
        .clock(Clock::simulated())
        .ledger(true)
        .build()
}

impl<M: Clone + Send + 'static> Rig<M> {
    /// Registers the driver and plugs a device in. Of what failed nothing is
    /// left; a probe that fails is no failure, as in a kernel.
    ///
    /// # Errors
    /// What the registrations give.
    pub fn plug(system: &System, spec: DriverSpec<M>) -> Result<Rig<M>> {
        let record = system.record();
        let driver = platform_driver(system, spec.name);
        let made = Arc::new(Mutex::new(Vec::new()));
        let in_probe = Arc::clone(&made);
        let probe = spec.probe;
        driver.set_probe(move |device| {
            let probed = probe(device);
            // Of a probe that failed after one of the same device that did not, there is
            // nothing.
            let old = match &probed {
                Ok(_) => Vec::new(),
                Err(_) => {
                    let mut made = in_probe.lock();
                    made.extract_if(.., |(of, _)| *of == device.id()).collect()
                }
            };
            drop(old);
            in_probe.lock().push((device.id(), probed?));
            Ok(())
        });
        if let Some(remove) = spec.remove {
            driver.set_remove(remove);
        }
        driver_register(&driver)?;
        let hardware = platform_device_register(system, spec.name, spec.id)
            .inspect_err(|_| driver_unregister(&driver))?;
        Ok(Rig {
            system: system.clone(),
            clock: system.clock().clone(),
            hardware,
            record,
            driver,
            made,
        })
    }

    /// What the latest probe made, if one succeeded.
    pub fn made(&self) -> Option<M> {
        self.made.lock().last().map(|(_, made)| made.clone())
    }

    /// Plugs in another device of the driver.
    ///
    /// # Errors
    /// What the registration gives.
    pub fn plug_another(&self, id: u32) -> Result<Device> {
        platform_device_register(&self.system, &self.driver.name(), PlatformId::Id(id))
    }

    /// Takes the hardware away: the driver's remove runs.
    pub fn unplug(&self) {
        platform_device_unregister(&self.hardware);
    }

    /// What a kernel would have printed a stack trace for.
    pub fn splats(&self) -> Vec<String> {
        self.select(|event| match &event.kind {
            EventKind::Splat { text, .. } => Some(text.to_string()),
            _ => None,
        })
    }

    /// The frameworks' own events, in words.
    pub fn story(&self) -> Vec<String> {
        self.select(|event| match &event.kind {
            EventKind::Framework(event) => Some(event.to_string()),
            _ => None,
        })
    }

    /// The uevents, in words.
    pub fn uevents(&self) -> Vec<String> {
        self.select(|event| match &event.kind {
            EventKind::Uevent { .. } => Some(event.kind.to_string()),
            _ => None,
        })
    }

    fn select(&self, what: impl Fn(&Event) -> Option<String>) -> Vec<String> {
        self.record.events().iter().filter_map(what).collect()
    }

    /// Takes away whatever is still there, and forgets what the probes made.
    pub fn end(&self) {
        if device_is_registered(&self.hardware) {
            platform_device_unregister(&self.hardware);
        }
        if self.driver.is_registered() {
            driver_unregister(&self.driver);
        }
        let made = core::mem::take(&mut *self.made.lock());
        drop(made);
    }

    /// Ends it, and gives what the System, if nobody else holds it, had left
    /// at its end.
    pub fn finish(self) -> Vec<String> {
        self.end();
        let leaked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&leaked);
        let subscription = self.system.subscribe(Arc::new(move |event: &Event| {
            if let EventKind::Leak { text, .. } = &event.kind {
                seen.lock().push(text.to_string());
            }
        }));
        drop(self);
        drop(subscription);
        let leaked = leaked.lock();
        leaked.clone()
    }
}
