//! A child that is not unregistered with its parent.

use super::stage::*;

/// probe() registers the child, nobody unregisters it.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let child = platform_device_alloc(&device.system(), "sensor-part", PlatformId::None)?;
            dev_set_parent(&child, Some(device.clone()));
            platform_device_add(&child)
        });
        driver
    }
}

/// It goes with the parent's managed resources.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let child = platform_device_alloc(&device.system(), "sensor-part", PlatformId::None)?;
            dev_set_parent(&child, Some(device.clone()));
            platform_device_add(&child)?;
            let unregister = move || platform_device_unregister(&child);
            devm_add_action_or_reset(
                device,
                Action::new(unregister).named("platform_device_unregister"),
            )
        });
        driver
    }
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {});
}

super::twins!(20);
