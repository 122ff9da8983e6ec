//! A managed action holds a reference on the device it is of, before 6.6.

use super::stage::*;

/// The action that puts the device runs when the device has been put.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let helper = root_device_register(&device.system(), "helper")?;
            get_device(&helper);
            devm_add_action_or_reset(&helper, Action::put_device(&helper))?;
            dev_set_drvdata(device, Some(Arc::new(helper)));
            Ok(())
        });
        driver.set_remove(unregister_helper);
        driver
    }
}

/// The device that is bound keeps it, and puts it at unbind.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let helper = root_device_register(&device.system(), "helper")?;
            get_device(&helper);
            devm_add_action_or_reset(device, Action::put_device(&helper))?;
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

super::twins!(17 under LinuxPre6_6);
