//! A managed resource is added after the device was removed.

use super::stage::*;

/// A call on an open file allocates managed memory.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let of_file = device.clone();
            let fops = reading(move || {
                let scratch = devm_kzalloc(&of_file, 4)?;
                Ok(scratch.read(0..4))
            });
            register(device, fops)
        });
        driver
    }
}

/// What a call allocates, the call frees.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let system = device.system();
            let fops = reading(move || {
                let scratch = Memory::new(&system, "kzalloc", None, [0; 4]);
                let given = scratch.read(0..4);
                scratch.free();
                Ok(given)
            });
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
    let kept = OnceLock::new();
    life(system, driver, |device| {
        // A child, say, keeps the device.
        get_device(device);
        let _ = kept.set((device.clone(), open_sensor(system)));
    });
    let (device, file) = kept.get().unwrap();
    file.read(&mut [0; 4]).unwrap();
    put_device(device);
}

super::twins!(18);
