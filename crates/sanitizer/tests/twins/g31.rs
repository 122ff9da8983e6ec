//! Driver data is looked up after the driver was unbound.

use super::stage::*;

/// The file finds the state through the device.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            dev_set_drvdata(device, Some(Arc::new([1_u8, 2, 3, 4])));
            let of_file = device.clone();
            let fops = reading(move || {
                let state =
                    dev_get_drvdata(&of_file).and_then(|data| data.downcast::<[u8; 4]>().ok());
                // A kernel does not test.
                Ok(state.map_or(Vec::new(), |state| state.to_vec()))
            });
            register(device, fops)
        });
        driver
    }
}

/// The file has the state itself, counted.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let state = Arc::new([1_u8, 2, 3, 4]);
            let fops = reading(move || Ok(state.to_vec()));
            register(device, fops)
        });
        driver
    }
}

fn register(device: &Device, fops: Arc<dyn FileOps>) -> Result {
    let (misc, system) = (sensor_node(device, fops), device.system());
    misc_register(&system, &misc)?;
    let deregister = move || misc_deregister(&system, &misc);
    devm_add_action_or_reset(device, Action::new(deregister).named("misc_deregister"))
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {
        open_sensor(system).read(&mut [0; 4]).unwrap();
    });
}

super::twins!(31);
