//! Whoever sleeps in a read is not woken when the device goes.

use super::stage::*;
use lastfd_sync::Cancel;
use lastfd_sync::atomic::{AtomicBool, Ordering};

/// remove() deregisters the node, and leaves the reader asleep.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let (misc, system) = (
                sensor_node(device, Arc::new(Samples::default())),
                device.system(),
            );
            misc_register(&system, &misc)?;
            let deregister = move || misc_deregister(&system, &misc);
            devm_add_action_or_reset(device, Action::new(deregister).named("misc_deregister"))
        });
        driver
    }
}

/// It says that the device is gone, and wakes; the wait tests it.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let samples = Arc::new(Samples::default());
            let (misc, system) = (sensor_node(device, samples.clone()), device.system());
            misc_register(&system, &misc)?;
            let end = move || {
                misc_deregister(&system, &misc);
                samples.gone.store(true, Ordering::SeqCst);
                samples.arrived.wake_all();
            };
            devm_add_action_or_reset(device, Action::new(end).named("misc_deregister"))
        });
        driver
    }
}

/// What is read; here none ever comes.
#[derive(Default)]
struct Samples {
    arrived: Arc<WaitQueue>,
    gone: AtomicBool,
}

impl FileOps for Samples {
    fn read(&self, _: &File, _: &mut Read<'_>) -> Try<usize> {
        if self.gone.load(Ordering::SeqCst) {
            return Try::err(Errno::ENODEV);
        }
        Try::wait(&self.arrived)
    }
}

fn play(system: &System, driver: &Driver) {
    let signal = Cancel::new();
    let reader = OnceLock::new();
    life(system, driver, |_| {
        let events = system.record();
        let (file, signal) = (open_sensor(system), signal.clone());
        let read = move || {
            let _ = file.read_with(&mut [0; 4], &signal);
        };
        let _ = reader.set(Mutex::new(Some(
            system.clock().spawn("reader", read).unwrap(),
        )));
        let asleep = || {
            let mut events = events.events().into_iter();
            events.any(|event| matches!(event.kind, lastfd_model::EventKind::Blocked { .. }))
        };
        while !asleep() {
            lastfd_sync::thread::yield_now();
        }
    });
    signal.cancel();
    let reader = reader.get().and_then(|reader| reader.lock().take());
    let _ = reader.map(|reader| reader.join());
}

super::twins!(12);
