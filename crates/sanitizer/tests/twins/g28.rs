//! A probe registers a child, and then finds that it has to come again.

use super::stage::*;
use lastfd_sync::atomic::{AtomicBool, Ordering};

/// The supply is asked for when the child is there already.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        let supply = Supply::default();
        driver.set_probe(move |device| {
            register_part(device)?;
            supply.find()
        });
        driver
    }
}

/// What may be missing is asked for first.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        let supply = Supply::default();
        driver.set_probe(move |device| {
            supply.find()?;
            register_part(device)
        });
        driver
    }
}

/// A regulator whose own driver comes later.
#[derive(Default)]
struct Supply(AtomicBool);

impl Supply {
    fn find(&self) -> Result {
        match self.0.swap(true, Ordering::SeqCst) {
            true => Ok(()),
            false => Err(Errno::EPROBE_DEFER),
        }
    }
}

fn register_part(device: &Device) -> Result {
    let child = platform_device_alloc(&device.system(), "sensor-part", PlatformId::None)?;
    dev_set_parent(&child, Some(device.clone()));
    platform_device_add(&child)?;
    let unregister = move || platform_device_unregister(&child);
    devm_add_action_or_reset(
        device,
        Action::new(unregister).named("platform_device_unregister"),
    )
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |device| {
        device_attach(device).unwrap();
    });
}

super::twins!(28);
