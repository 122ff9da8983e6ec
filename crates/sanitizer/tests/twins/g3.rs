//! The interrupt is requested before what its handler uses.

use super::stage::*;

/// The sample's memory is allocated after the interrupt was requested.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let sample: Arc<OnceLock<DevMem>> = Arc::default();
            let of_handler = Arc::clone(&sample);
            request(device, move || {
                if let Some(sample) = of_handler.get() {
                    sample.write(0, &[1]);
                }
            })?;
            let _ = sample.set(devm_kzalloc(device, 8)?);
            Ok(())
        });
        driver
    }
}

/// It is there before the first interrupt can come, and after the last.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let sample = devm_kzalloc(device, 8)?;
            request(device, move || sample.write(0, &[1]))
        });
        driver
    }
}

/// `devm_request_irq`.
fn request(device: &Device, handler: impl Fn() + Send + Sync + 'static) -> Result {
    let line = &board(device).line;
    let irq = request_irq(line, Some(device), "sensor", false, move || {
        handler();
        IrqReturn::Handled
    })?;
    devm_add_action_or_reset(
        device,
        Action::new(move || free_irq(&irq)).named("free_irq"),
    )
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |device| {
        board(device).line.raise();
    });
}

super::twins!(3);
