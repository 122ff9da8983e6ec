//! An open file reaches what was freed at unbind.

use super::stage::*;

/// The state is managed memory; whoever has the node open outlives it.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let state = devm_kzalloc(device, 8)?;
            let fops = reading(move || Ok(state.read(0..8)));
            let (misc, system) = (sensor_node(device, fops), device.system());
            misc_register(&system, &misc)?;
            let deregister = move || misc_deregister(&system, &misc);
            devm_add_action_or_reset(device, Action::new(deregister).named("misc_deregister"))
        });
        driver
    }
}

/// The state is counted, and says when the device is gone.
pub(crate) mod right {
    use super::*;

    /// Freed with the last reference.
    struct State {
        lock: KernelMutex,
        gone: Mutex<bool>,
        data: Memory,
    }

    impl Drop for State {
        fn drop(&mut self) {
            self.data.free();
        }
    }

    impl State {
        fn read(&self, system: &System) -> Result<Vec<u8>> {
            let _lock = self.lock.lock(system, || None, "the sensor's lock");
            if *self.gone.lock() {
                return Err(Errno::ENODEV);
            }
            Ok(self.data.read(0..8))
        }
    }

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let system = device.system();
            let state = Arc::new(State {
                lock: KernelMutex::new(),
                gone: Mutex::new(false),
                data: Memory::new(&system, "kzalloc", None, [0; 8]),
            });
            let of_file = (Arc::clone(&state), system.clone());
            let misc = sensor_node(device, reading(move || of_file.0.read(&of_file.1)));
            misc_register(&system, &misc)?;
            let end = move || {
                misc_deregister(&system, &misc);
                let _lock = state.lock.lock(&system, || None, "the sensor's lock");
                *state.gone.lock() = true;
            };
            devm_add_action_or_reset(device, Action::new(end).named("sensor_gone"))
        });
        driver
    }
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {
        let file = open_sensor(system);
        file.read(&mut [0; 8]).unwrap();
    });
}

super::twins!(11);

#[test]
fn a_file_that_stays_open_is_part_of_the_proof() {
    let found = play_with_a_file(wrong::driver);
    assert_eq!(found.len(), 1);
    let report = found[0].to_string();
    assert!(report.contains("use after free"), "{report}");
    assert!(play_with_a_file(right::driver).is_empty());
}

fn play_with_a_file(driver: fn(&System) -> Driver) -> Vec<lastfd_sanitizer::Finding> {
    let system = System::builder()
        .clock(Clock::simulated())
        .ledger(true)
        .build();
    let sanitizer = lastfd_sanitizer::Sanitizer::watch(&system);
    let driver = driver(&system);
    let kept = OnceLock::new();
    life(&system, &driver, |_| {
        let file = kept.get_or_init(|| open_sensor(&system));
        file.read(&mut [0; 8]).unwrap();
    });
    // Whether it works or not is not for this call to tell.
    let _ = kept.get().map(|file| file.read(&mut [0; 8]));
    drop((kept, driver, system));
    sanitizer.findings()
}
