//! A reference is put that nobody got.

use super::stage::*;

/// remove() puts the device it was lent.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_remove(|device| {
            dev_set_drvdata(device, None);
            put_device(device);
        });
        driver
    }
}

/// It puts what probe() got.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            get_device(device);
            Ok(())
        });
        driver.set_remove(|device| {
            dev_set_drvdata(device, None);
            put_device(device);
        });
        driver
    }
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {});
}

super::twins!(8);
