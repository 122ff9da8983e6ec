//! Work that queues itself again is cancelled without waiting for it.

use super::stage::*;
use core::time::Duration;

/// cancel_delayed_work() takes it off its queue; a run under way puts it back.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let polling = poll_every(device, Duration::from_millis(10));
            let stop = move || {
                polling.cancel();
                polling.free();
            };
            devm_add_action_or_reset(device, Action::new(stop).named("cancel_delayed_work"))
        });
        driver
    }
}

/// disable_delayed_work_sync() waits for the run, and nothing queues it any more.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let polling = poll_every(device, Duration::from_millis(10));
            let stop = move || {
                polling.disable_sync();
                polling.free();
            };
            let stop = Action::new(stop).named("disable_delayed_work_sync");
            devm_add_action_or_reset(device, stop)
        });
        driver
    }
}

fn poll_every(device: &Device, period: Duration) -> DelayedWork {
    let itself: Arc<OnceLock<DelayedWork>> = Arc::default();
    let again = Arc::downgrade(&itself);
    let work = DelayedWork::new(&device.system(), Some(device), "polling", move || {
        if let Some(work) = again.upgrade().as_ref().and_then(|work| work.get()) {
            work.schedule(period);
        }
    });
    let _ = itself.set(work.clone());
    dev_set_drvdata(device, Some(itself));
    work.schedule(period);
    work
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {
        system.clock().advance(Duration::from_millis(35));
    });
}

super::twins!(22);
