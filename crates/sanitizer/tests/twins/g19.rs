//! A managed resource on a device that no driver is bound to yet.

use super::stage::*;

/// Whoever adds the child gives it its memory, managed.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let child = platform_device_alloc(&device.system(), "sensor-part", PlatformId::None)?;
            dev_set_parent(&child, Some(device.clone()));
            devm_kzalloc(&child, 16)?;
            add(device, child)
        });
        driver
    }
}

/// It is the parent's.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let child = platform_device_alloc(&device.system(), "sensor-part", PlatformId::None)?;
            dev_set_parent(&child, Some(device.clone()));
            devm_kzalloc(device, 16)?;
            add(device, child)
        });
        driver
    }
}

fn add(device: &Device, child: Device) -> Result {
    platform_device_add(&child)?;
    let unregister = move || platform_device_unregister(&child);
    devm_add_action_or_reset(
        device,
        Action::new(unregister).named("platform_device_unregister"),
    )
}

fn play(system: &System, driver: &Driver) {
    let part = platform_driver(system, "sensor-part");
    driver_register(&part).unwrap();
    life(system, driver, |_| {});
    driver_unregister(&part);
}

super::twins!(19);
