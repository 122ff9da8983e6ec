//! Managed resources of a device that has no driver, before 6.6.

use super::stage::*;

/// The module that makes the device adds to it by itself.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let helper = root_device_register(&device.system(), "helper")?;
            devm_kzalloc(&helper, 16)?;
            dev_set_drvdata(device, Some(Arc::new(helper)));
            Ok(())
        });
        driver.set_remove(unregister_helper);
        driver
    }
}

/// It is managed by the device that has a driver.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let helper = root_device_register(&device.system(), "helper")?;
            devm_kzalloc(device, 16)?;
            dev_set_drvdata(device, Some(Arc::new(helper)));
            Ok(())
        });
        driver.set_remove(unregister_helper);
        driver
    }
}

fn unregister_helper(device: &Device) {
    let helper = dev_get_drvdata(device).and_then(|data| data.downcast::<Device>().ok());
    if let Some(helper) = helper {
        root_device_unregister(&helper);
    }
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {});
}

super::twins!(16 under LinuxPre6_6);
