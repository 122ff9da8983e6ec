//! What is the same for every framework: who runs against whom.

use core::time::Duration;

use lastfd_model::raw::{
    Device, Driver, PlatformId, attr_read, device_attach, device_release_driver, driver_register,
    driver_unregister, platform_device_register, platform_device_unregister, platform_driver,
};
use lastfd_model::{Errno, Result};
use lastfd_rigs::Rig;
use lastfd_sync::Cancel;

use super::Ready;
use crate::world::World;

/// A call, and its body.
pub(super) type Call = (&'static str, fn(&World));

pub(super) fn summary(call: &str) -> &'static str {
    match call {
        "open" => "unplug against open",
        "read" => "unplug against read",
        "ioctl" => "unplug against ioctl",
        "poll" => "unplug against poll",
        "dqbuf" => "unplug against VIDIOC_DQBUF",
        "receive" => "unplug against CEC_RECEIVE",
        "dqevent" => "unplug against CEC_DQEVENT",
        "mmap" => "unplug against mmap",
        "close" => "unplug against the last close",
        "attribute" => "unplug against reading an attribute",
        "bind" => "bind against unbind",
        "twice" => "unbind against unplug",
        _ => "unplug against a call",
    }
}

/// How long a program waits in poll: some frameworks wake nobody.
pub(super) const PATIENCE: Option<Duration> = Some(Duration::from_secs(1));

/// A task `program` whose call succeeds, or gives one of these.
pub(super) fn call<T>(
    world: &World,
    errnos: &'static [Errno],
    run: impl FnOnce() -> Result<T> + Send + 'static,
) {
    let reporter = world.reporter();
    world.task("program", move || {
        if let Err(errno) = run() {
            reporter.check(errnos.contains(&errno), format!("the call gave {errno}"));
        }
    });
}

/// Unplugs the hardware under the tasks there are, and ends it all.
pub(super) fn against_unplug<M: Clone + Send + 'static>(world: &World, rig: &Rig<M>) {
    world.unplug(&rig.hardware);
    all_ends(world, rig);
}

/// As [`against_unplug`], and a signal comes then: for calls that Linux wakes nobody from
/// who slips between the look at the device and the driver's lock.
pub(super) fn against_unplug_and_a_signal<M: Clone + Send + 'static>(
    world: &World,
    rig: &Rig<M>,
    signal: Cancel,
) {
    let hardware = rig.hardware.clone();
    world.task("unplug", move || {
        platform_device_unregister(&hardware);
        signal.cancel();
    });
    all_ends(world, rig);
}

fn all_ends<M: Clone + Send + 'static>(world: &World, rig: &Rig<M>) {
    world.join();
    rig.end();
    world.check(rig.hardware.is_released(), "the hardware is still held");
}

/// Binds and unbinds the driver at once, and ends it all.
pub(super) fn bind_against_unbind<M: Clone + Send + 'static>(world: &World, rig: &Rig<M>) {
    let (bound, unbound) = (rig.hardware.clone(), rig.hardware.clone());
    let reporter = world.reporter();
    world.task("bind", move || {
        let attached = device_attach(&bound);
        reporter.check(
            attached == Ok(1),
            format!("device_attach gave {attached:?}"),
        );
    });
    world.task("unbind", move || device_release_driver(&unbound));
    world.join();
    rig.end();
}

/// Takes the driver off and the hardware away at once, and ends it all.
pub(super) fn unbind_against_unplug<M: Clone + Send + 'static>(world: &World, rig: &Rig<M>) {
    let unbound = rig.hardware.clone();
    world.task("unbind", move || device_release_driver(&unbound));
    against_unplug(world, rig);
}

/// The driver core alone.
pub(super) fn of_the_model() -> Vec<Ready> {
    let new = |name: &str, summary, body| Ready::new(format!("model-{name}"), summary, body);
    vec![
        new("attribute", summary("attribute"), attribute),
        new("bind", summary("bind"), |world| {
            let (driver, device) = hardware(world);
            let (bound, unbound) = (device.clone(), device.clone());
            world.task("bind", move || {
                let _ = device_attach(&bound);
            });
            world.task("unbind", move || device_release_driver(&unbound));
            world.join();
            platform_device_unregister(&device);
            ended(world, driver, device);
        }),
        new("twice", summary("twice"), |world| {
            let (driver, device) = hardware(world);
            let unbound = device.clone();
            world.task("unbind", move || device_release_driver(&unbound));
            world.unplug(&device);
            world.join();
            ended(world, driver, device);
        }),
        new(
            "rmmod",
            "a driver that goes against its device that goes",
            |world| {
                let (driver, device) = hardware(world);
                world.task("rmmod", move || driver_unregister(&driver));
                world.unplug(&device);
                world.join();
                world.check(device.is_released(), "the device is still held");
            },
        ),
    ]
}

fn hardware(world: &World) -> (Driver, Device) {
    let driver = platform_driver(world.system(), "sensor");
    driver.set_probe(|_| Ok(()));
    driver_register(&driver).expect("a new System has room for a driver");
    let device = platform_device_register(world.system(), "sensor", PlatformId::None);
    (driver, device.expect("a new System has room for a device"))
}

fn ended(world: &World, driver: Driver, device: Device) {
    world.check(device.is_released(), "the device is still held");
    driver_unregister(&driver);
}

fn attribute(world: &World) {
    let (driver, device) = hardware(world);
    let read = device.clone();
    call(world, &[Errno::ENOENT, Errno::ENODEV], move || {
        attr_read(&read, "uevent")
    });
    world.unplug(&device);
    world.join();
    ended(world, driver, device);
}
