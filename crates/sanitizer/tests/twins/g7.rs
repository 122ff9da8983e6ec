//! A reference that is taken and never put.

use super::stage::*;

/// The error path of a lookup forgets its reference.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let found = get_device(device);
            if dev_name(&found) != "the other one" {
                return Ok(());
            }
            put_device(&found);
            Ok(())
        });
        driver
    }
}

/// Each way out puts it.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let found = get_device(device);
            let _is_it = dev_name(&found) == "the other one";
            put_device(&found);
            Ok(())
        });
        driver
    }
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {});
}

super::twins!(7);
