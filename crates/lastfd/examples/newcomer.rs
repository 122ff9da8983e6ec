//! A driver as somebody new to the API writes it. It probes, it is read, it is unplugged,
//! and nothing goes wrong; yet three things in it would. The sanitizer says which.
//!
//! Run it with `cargo run -p lastfd --example newcomer`.

use std::time::Duration;

use lastfd::System;
use lastfd::chrdev::{
    File, FileOps, MISC_DYNAMIC_MINOR, Miscdevice, OpenFlags, Read, Try, misc_deregister,
    misc_register, open,
};
use lastfd::model::raw::*;
use lastfd::model::resource::{DelayedWork, IrqLine, IrqReturn, free_irq, request_irq};
use lastfd::sanitizer::{Finding, Sanitizer};
use lastfd::sync::{Arc, OnceLock};

/// The calls of `/dev/sensor`.
struct Sensor {
    shown: DevMem,
}

impl FileOps for Sensor {
    fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
        let value = self.shown.read(0..4);
        call.write(0, &value).map(|()| value.len()).into()
    }
}

/// A sensor with a node to read it by, an interrupt, and a work that polls it.
fn driver(system: &System, line: IrqLine) -> Driver {
    let driver = platform_driver(system, "sensor");
    driver.set_probe(move |device| {
        let system = device.system();

        // The interrupt first, "so that none is missed".
        let latest: Arc<OnceLock<DevMem>> = Arc::default();
        let of_handler = Arc::clone(&latest);
        let irq = request_irq(&line, Some(device), "sensor", false, move || {
            if let Some(latest) = of_handler.get() {
                latest.write(0, &[1]);
            }
            IrqReturn::Handled
        })?;
        devm_add_action_or_reset(
            device,
            Action::new(move || free_irq(&irq)).named("free_irq"),
        )?;
        let _ = latest.set(devm_kzalloc(device, 8)?);

        // "devm cleans up, so the file can read it any time."
        let shown = devm_kzalloc(device, 4)?;
        let fops = Arc::new(Sensor { shown });
        let misc = Miscdevice::new("sensor", MISC_DYNAMIC_MINOR, fops, Some(device));
        misc_register(&system, &misc)?;
        let deregister = {
            let system = system.clone();
            move || misc_deregister(&system, &misc)
        };
        devm_add_action_or_reset(device, Action::new(deregister).named("misc_deregister"))?;

        // "The work stops by itself when there is no device."
        let polling = DelayedWork::new(&system, Some(device), "polling", || {});
        polling.schedule(Duration::from_secs(1));
        Ok(())
    });
    driver
}

/// Plugs the sensor in, reads it once, pulls it out; gives what the sanitizer found.
pub(crate) fn found() -> lastfd::model::Result<Vec<Finding>> {
    let system = System::builder().ledger(true).build();
    let sanitizer = Sanitizer::watch(&system);
    let line = IrqLine::new(&system, "sensor");
    let driver = driver(&system, line.clone());
    driver_register(&driver)?;
    let device = platform_device_register(&system, "sensor", PlatformId::None)?;
    line.raise();
    open(&system, "/dev/sensor", OpenFlags::RDONLY)?.read(&mut [0; 4])?;
    platform_device_unregister(&device);
    driver_unregister(&driver);
    Ok(sanitizer.findings())
}

#[expect(clippy::print_stdout, reason = "an example tells what it found")]
fn main() -> lastfd::model::Result {
    for finding in found()? {
        println!("{finding}\n");
    }
    Ok(())
}
