//! A managed resource on the framework's own device.

use super::stage::*;
use lastfd_iio::raw::{IioInfo, devm_iio_device_alloc, devm_iio_device_register};

/// The table is managed by the IIO device.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let iio = devm_iio_device_alloc(device)?;
            let table = devm_kzalloc(iio.dev(), 32)?;
            table.write(0, &[1, 2, 3]);
            iio.set_info(IioInfo::default());
            devm_iio_device_register(device, &iio)
        });
        driver
    }
}

/// It is managed by the hardware's device.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let iio = devm_iio_device_alloc(device)?;
            let table = devm_kzalloc(device, 32)?;
            table.write(0, &[1, 2, 3]);
            iio.set_info(IioInfo::default());
            devm_iio_device_register(device, &iio)
        });
        driver
    }
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {});
}

super::twins!(2);
