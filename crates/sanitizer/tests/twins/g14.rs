//! A call tests that the device is there, and goes on without holding it.

use super::stage::*;
use lastfd_model::resource::Regs;

/// Between the test and the access the device may go.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let regs = map(device)?;
            let of_file = device.clone();
            let fops = reading(move || {
                if !device_is_registered(&of_file) {
                    return Err(Errno::ENODEV);
                }
                Ok(regs.read(0).to_le_bytes().to_vec())
            });
            let (misc, system) = (sensor_node(device, fops), device.system());
            misc_register(&system, &misc)?;
            let deregister = move || misc_deregister(&system, &misc);
            devm_add_action_or_reset(device, Action::new(deregister).named("misc_deregister"))
        });
        driver
    }
}

/// The lock is held from the test to the end of the access, and to say that it is gone.
pub(crate) mod right {
    use super::*;

    #[derive(Default)]
    struct State {
        lock: KernelMutex,
        gone: Mutex<bool>,
    }

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let regs = map(device)?;
            let (state, system) = (Arc::new(State::default()), device.system());
            let of_file = (Arc::clone(&state), system.clone());
            let fops = reading(move || {
                let (state, system) = &of_file;
                let _lock = state.lock.lock(system, || None, "the sensor's lock");
                if *state.gone.lock() {
                    return Err(Errno::ENODEV);
                }
                Ok(regs.read(0).to_le_bytes().to_vec())
            });
            let misc = sensor_node(device, fops);
            misc_register(&system, &misc)?;
            let end = move || {
                misc_deregister(&system, &misc);
                let _lock = state.lock.lock(&system, || None, "the sensor's lock");
                *state.gone.lock() = true;
            };
            devm_add_action_or_reset(device, Action::new(end).named("misc_deregister"))
        });
        driver
    }
}

/// `devm_ioremap`.
fn map(device: &Device) -> Result<Regs> {
    let regs = board(device)
        .regs
        .map(&device.system(), Some(device), "sensor");
    let unmapped = regs.clone();
    devm_add_action_or_reset(
        device,
        Action::new(move || unmapped.free()).named("iounmap"),
    )?;
    Ok(regs)
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {
        open_sensor(system).read(&mut [0; 4]).unwrap();
    });
}

super::twins!(14);
