//! Teardown added after the registration.

use super::stage::*;
use lastfd_iio::raw::{IioInfo, devm_iio_device_alloc, devm_iio_device_register};

/// The registers are mapped when programs can read the channel already.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let iio = devm_iio_device_alloc(device)?;
            iio.set_info(IioInfo::default());
            devm_iio_device_register(device, &iio)?;
            let regs = board(device)
                .regs
                .map(&device.system(), Some(device), "sensor");
            devm_add_action_or_reset(device, Action::new(move || regs.free()).named("iounmap"))
        });
        driver
    }
}

/// Whatever can be called is there before it can be called.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let iio = devm_iio_device_alloc(device)?;
            iio.set_info(IioInfo::default());
            let regs = board(device)
                .regs
                .map(&device.system(), Some(device), "sensor");
            devm_add_action_or_reset(device, Action::new(move || regs.free()).named("iounmap"))?;
            devm_iio_device_register(device, &iio)
        });
        driver
    }
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {});
}

super::twins!(5);
