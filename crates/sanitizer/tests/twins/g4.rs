//! remove() tears down by hand what a managed interface still leads to.

use super::stage::*;
use lastfd_iio::raw::{IioInfo, devm_iio_device_alloc, devm_iio_device_register};
use lastfd_model::resource::Regs;

/// remove() unmaps the registers; the IIO device is unregistered after it.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        let mapped: Arc<Mutex<Option<Regs>>> = Arc::default();
        let of_remove = Arc::clone(&mapped);
        driver.set_probe(move |device| {
            let regs = board(device)
                .regs
                .map(&device.system(), Some(device), "sensor");
            *mapped.lock() = Some(regs);
            let iio = devm_iio_device_alloc(device)?;
            iio.set_info(IioInfo::default());
            devm_iio_device_register(device, &iio)
        });
        driver.set_remove(move |_| {
            if let Some(regs) = of_remove.lock().take() {
                regs.free();
            }
        });
        driver
    }
}

/// Everything is managed, and goes in the order opposite to probe().
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let regs = board(device)
                .regs
                .map(&device.system(), Some(device), "sensor");
            devm_add_action_or_reset(device, Action::new(move || regs.free()).named("iounmap"))?;
            let iio = devm_iio_device_alloc(device)?;
            iio.set_info(IioInfo::default());
            devm_iio_device_register(device, &iio)
        });
        driver
    }
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {});
}

super::twins!(4);
