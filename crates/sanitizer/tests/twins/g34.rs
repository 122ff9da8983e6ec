//! What was unregistered is unregistered again.

use super::stage::*;

/// remove() unregisters the child, and so does the managed action.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let child = add_child(device)?;
            dev_set_drvdata(device, Some(Arc::new(child.clone())));
            let unregister = move || platform_device_unregister(&child);
            devm_add_action_or_reset(
                device,
                Action::new(unregister).named("platform_device_unregister"),
            )
        });
        driver.set_remove(|device| {
            let child = dev_get_drvdata(device).and_then(|data| data.downcast::<Device>().ok());
            if let Some(child) = child {
                platform_device_unregister(&child);
            }
        });
        driver
    }
}

/// The managed action does.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let child = add_child(device)?;
            let unregister = move || platform_device_unregister(&child);
            devm_add_action_or_reset(
                device,
                Action::new(unregister).named("platform_device_unregister"),
            )
        });
        driver
    }
}

fn add_child(device: &Device) -> Result<Device> {
    let child = platform_device_alloc(&device.system(), "sensor-part", PlatformId::None)?;
    dev_set_parent(&child, Some(device.clone()));
    platform_device_add(&child)?;
    Ok(child)
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {});
}

super::twins!(34);
