//! A counted object lies in managed memory.

use super::stage::*;

/// The driver's structure, with the miscdevice in it, goes at unbind.
pub(crate) mod wrong {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let state = devm_kzalloc(device, 64)?;
            state.embeds("struct miscdevice", "sensor");
            register(device, || {})
        });
        driver
    }
}

/// It is freed when nobody has it any more.
pub(crate) mod right {
    use super::*;

    pub(crate) fn driver(system: &System) -> Driver {
        let driver = platform_driver(system, "sensor");
        driver.set_probe(|device| {
            let state = Memory::new(&device.system(), "kzalloc", None, [0; 64]);
            state.embeds("struct miscdevice", "sensor");
            register(device, move || state.free())
        });
        driver
    }
}

/// Registers the node; the end runs with the last handle on its calls.
fn register(device: &Device, end: impl FnOnce() + Send + 'static) -> Result {
    struct AtTheEnd<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for AtTheEnd<F> {
        fn drop(&mut self) {
            if let Some(end) = self.0.take() {
                end();
            }
        }
    }
    let counted = Mutex::new(AtTheEnd(Some(end)));
    let fops = reading(move || {
        let _counted = &counted;
        Ok(vec![0; 4])
    });
    let (misc, system) = (sensor_node(device, fops), device.system());
    misc_register(&system, &misc)?;
    let deregister = move || misc_deregister(&system, &misc);
    devm_add_action_or_reset(device, Action::new(deregister).named("misc_deregister"))
}

fn play(system: &System, driver: &Driver) {
    life(system, driver, |_| {});
}

super::twins!(1);
