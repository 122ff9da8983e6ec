//! Devices for tests: the kunit bus.
//!
//! Follows `lib/kunit/device.c`.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{
    Bus, BusType, Device, DeviceSpec, Driver, bus_register, device_initialize, device_register,
    device_unregister, driver_register, driver_unregister, mark_infrastructure, no_release,
    put_device, root_device_register,
};
use lastfd_model::{EventKind, Result, System};
use lastfd_sync::{Arc, Mutex, OnceLock};

use super::action::{TestAction, kunit_add_action_or_reset, release};
use super::memory::{kunit_kfree, kunit_kzalloc};
use super::resource::Kind;
use crate::test::Test;

/// What a System has once KUnit devices were asked for.
#[derive(Default)]
struct KunitBus {
    made: OnceLock<Made>,
    /// The driver that `kunit_device_register` made for a device, by the
    /// device's number (`kunit_device.driver`).
    drivers: Arc<Mutex<BTreeMap<u64, OwnDriver>>>,
}

struct Made {
    root: Device,
    bus: Bus,
}

/// A driver with the number its unregistering goes by.
#[derive(Clone)]
struct OwnDriver {
    id: u64,
}

impl fmt::Debug for KunitBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KunitBus").finish_non_exhaustive()
    }
}

/// kunit_bus_init: the root device and the bus, once per System.
fn made(system: &System) -> (Device, Bus) {
    let kunit = system.extension::<KunitBus>();
    let init = || {
        let root = root_device_register(system, "kunit")
            .expect("nothing else at the top of /sys/devices is called kunit");
        mark_infrastructure(&root);
        let type_ = BusType {
            name: "kunit".to_owned(),
            ..BusType::default()
        };
        let bus = bus_register(system, type_).expect("no other bus is called kunit");
        Made { root, bus }
    };
    let made = kunit.made.get_or_init(|| system.at_boot(init));
    (made.root.clone(), made.bus.clone())
}

/// The bus of KUnit's devices: it has no match, so every driver fits every
/// device. Made on first use, with its root device `kunit` (`kunit_bus_init`).
pub fn kunit_bus(system: &System) -> Bus {
    made(system).1
}

/// Makes and registers a driver on the kunit bus, with neither probe nor
/// remove, which the test unregisters (`kunit_driver_create`).
///
/// `EBUSY` if the bus has a driver of that name, `ENOMEM` if told to fail.
#[track_caller]
pub fn kunit_driver_create(test: &Test, name: &str) -> Result<Driver> {
    create(test, name).map(|(driver, _)| driver)
}

#[track_caller]
fn create(test: &Test, name: &str) -> Result<(Driver, OwnDriver)> {
    let (_, bus) = made(test.system());
    // Two of its allocations; the name is taken for a literal, which
    // kunit_kstrdup_const does not copy.
    let memory = kunit_kzalloc(test, 1)?;
    let driver = Driver::new(name, &bus);
    if let Err(errno) = driver_register(&driver) {
        kunit_kfree(test, &memory);
        return Err(errno);
    }
    let own = OwnDriver {
        id: test.system().unique(),
    };
    let unregistered = driver.clone();
    let action = TestAction::of(Kind::UnregisterDriver(own.id), move || {
        driver_unregister(&unregistered);
    });
    // A kernel does not look at what it returns, and leaks the driver.
    if let Err(errno) = kunit_add_action_or_reset(test, action) {
        kunit_kfree(test, &memory);
        return Err(errno);
    }
    Ok((driver, own))
}

/// Makes and registers a device `<test>.<name>` on the kunit bus, with a driver
/// of its own called `name` (`kunit_device_register`).
///
/// The device is bound, though not always to that driver: the bus matches
/// everything, so the driver that was registered first takes it. The test
/// unregisters the device, then the driver.
///
/// As [`kunit_driver_create`], and `EEXIST` if the test has a device of that
/// name.
#[track_caller]
pub fn kunit_device_register(test: &Test, name: &str) -> Result<Device> {
    let (_, own) = create(test, name)?;
    let device = match register_internal(test, name) {
        Ok(device) => device,
        Err(errno) => {
            release(test, Kind::UnregisterDriver(own.id));
            return Err(errno);
        }
    };
    let kunit = test.system().extension::<KunitBus>();
    kunit.drivers.lock().insert(device.id(), own);
    Ok(device)
}

/// Makes and registers a device `<test>.<name>` on the kunit bus
/// (`kunit_device_register_with_driver`).
///
/// The driver is not looked at, as in Linux 6.12: which driver takes the device
/// is for the bus to say, and there the one that was registered first wins.
///
/// `EEXIST` if the test has a device of that name, `ENOMEM` if told to fail.
///
/// ```
/// use lastfd_kunit::{Test, raw::*};
/// use lastfd_model::System;
///
/// let test = Test::new(&System::new(), "my_case");
/// let first = kunit_driver_create(&test, "first").unwrap();
/// let second = kunit_driver_create(&test, "second").unwrap();
/// let device = kunit_device_register_with_driver(&test, "dev", &second).unwrap();
/// assert_eq!(device.driver(), Some(first));
/// kunit_cleanup(&test);
/// ```
#[track_caller]
pub fn kunit_device_register_with_driver(
    test: &Test,
    name: &str,
    driver: &Driver,
) -> Result<Device> {
    let _ = driver;
    register_internal(test, name)
}

/// kunit_device_register_internal.
#[track_caller]
fn register_internal(test: &Test, name: &str) -> Result<Device> {
    let system = test.system();
    let (root, bus) = made(system);
    system.allocation()?;
    let kunit = system.extension::<KunitBus>();
    let drivers = Arc::downgrade(&kunit.drivers);
    let release: lastfd_model::raw::Release = Arc::new(move |device: &Device| {
        if let Some(drivers) = drivers.upgrade() {
            drivers.lock().remove(&device.id());
        }
        no_release()(device);
    });
    let full_name = format!("{}.{name}", test.name());
    // dev_set_name before device_initialize; it cannot leave anything behind.
    system.allocation()?;
    let device = device_initialize(
        system,
        DeviceSpec {
            name: Some(full_name),
            parent: Some(root),
            bus: Some(bus),
            release: Some(release),
            ..DeviceSpec::default()
        },
    );
    if let Err(errno) = device_register(&device) {
        put_device(&device);
        return Err(errno);
    }
    let unregistered = device.clone();
    let action = TestAction::of(Kind::UnregisterDevice(device.id()), move || {
        device_unregister(&unregistered);
    });
    // Nor here.
    kunit_add_action_or_reset(test, action)?;
    Ok(device)
}

/// Unregisters a device before the test ends, and the driver that was made for
/// it (`kunit_device_unregister`). On a device that is released already, a
/// splat.
#[track_caller]
pub fn kunit_device_unregister(test: &Test, device: &Device) {
    if device.is_released() {
        test.system().emit(|| EventKind::Splat {
            kind: SplatKind::UseAfterFree,
            device: Some(device.device_ref()),
            text: "kunit_device_unregister of a device that is released".into(),
        });
        return;
    }
    let kunit = test.system().extension::<KunitBus>();
    let own = kunit.drivers.lock().remove(&device.id());
    release(test, Kind::UnregisterDevice(device.id()));
    if let Some(own) = own {
        release(test, Kind::UnregisterDriver(own.id));
    }
}
