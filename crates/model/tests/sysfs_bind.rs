//! Binding and unbinding through the attributes of buses and drivers.

use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, System};

fn paths(infos: Vec<AttrInfo>) -> Vec<String> {
    let shown = |info: &AttrInfo| format!("{} {:o}", info.path, info.mode);
    infos.iter().map(shown).collect()
}

fn sensor(system: &System) -> (Driver, Device) {
    let driver = platform_driver(system, "sensor");
    driver_register(&driver).unwrap();
    let device = platform_device_register(system, "sensor", PlatformId::Id(1)).unwrap();
    (driver, device)
}

#[test]
fn a_bus_and_a_driver_have_the_kernels_attributes_with_its_modes() {
    let system = System::new();
    let (driver, device) = sensor(&system);
    assert_eq!(
        paths(attributes(&platform_bus(&system))),
        ["drivers_autoprobe 644", "drivers_probe 200", "uevent 200"]
    );
    assert_eq!(
        paths(attributes(&driver)),
        ["bind 200", "uevent 200", "unbind 200"]
    );
    assert_eq!(
        paths(attributes(&device)),
        ["driver_override 644", "modalias 444", "uevent 644"]
    );
    platform_device_unregister(&device);
    driver_unregister(&driver);
    assert_eq!(attributes(&driver), []);
    assert_eq!(attributes(&device), []);
}

#[test]
fn a_device_added_without_autoprobe_is_bound_by_drivers_probe() {
    let system = System::new();
    let bus = platform_bus(&system);
    assert_eq!(attr_write(&bus, "drivers_autoprobe", b"0\n"), Ok(2));
    assert_eq!(attr_read(&bus, "drivers_autoprobe").unwrap(), b"0\n");
    let (driver, device) = sensor(&system);
    assert_eq!(device.driver(), None);
    assert_eq!(
        attr_write(&bus, "drivers_probe", b"nobody"),
        Err(Errno::ENODEV)
    );
    assert_eq!(attr_write(&bus, "drivers_probe", b"sensor.1\n"), Ok(9));
    assert_eq!(device.driver(), Some(driver.clone()));
    assert_eq!(attr_write(&bus, "drivers_probe", b"sensor.1"), Ok(8));

    device_release_driver(&device);
    devm_add_action(&device, Action::new(|| ())).unwrap();
    assert_eq!(
        attr_write(&bus, "drivers_probe", b"sensor.1"),
        Err(Errno::EINVAL),
        "any error becomes this one"
    );
    assert_eq!(attr_write(&bus, "drivers_autoprobe", b"yes"), Ok(3));
    assert!(bus.autoprobe());
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn a_driver_unbinds_its_own_devices_only() {
    let system = System::new();
    let (driver, device) = sensor(&system);
    let other = platform_driver(&system, "other");
    driver_register(&other).unwrap();
    assert_eq!(
        attr_write(&other, "unbind", b"sensor.1"),
        Err(Errno::ENODEV)
    );
    assert_eq!(attr_write(&driver, "unbind", b"sensor.1\0"), Ok(9));
    assert_eq!(device.driver(), None);
    assert_eq!(attr_read(&driver, "unbind"), Err(Errno::EACCES));
    platform_device_unregister(&device);
    driver_unregister(&other);
    driver_unregister(&driver);
}

#[test]
fn a_file_that_is_open_when_its_driver_goes_gives_enodev() {
    let system = System::new();
    let (driver, device) = sensor(&system);
    let bind = attr_open(&driver, "bind").unwrap();
    driver_unregister(&driver);
    assert_eq!(bind.write(b"sensor.1"), Err(Errno::ENODEV));
    assert_eq!(attr_open(&driver, "bind").err(), Some(Errno::ENOENT));
    platform_device_unregister(&device);
}

#[test]
fn an_override_of_a_page_or_more_is_refused_and_an_empty_one_clears() {
    let system = System::new();
    let (driver, device) = sensor(&system);
    let shown = || attr_read(&device, "driver_override").unwrap();
    let longest = vec![b'x'; 4094];
    assert_eq!(attr_write(&device, "driver_override", &longest), Ok(4094));
    assert_eq!(shown(), [longest.as_slice(), b"\n"].concat());
    let longer = vec![b'x'; 4095];
    assert_eq!(
        attr_write(&device, "driver_override", &longer),
        Err(Errno::EINVAL)
    );
    assert_eq!(device_set_driver_override(&device, b""), Ok(()));
    assert_eq!(shown(), b"(null)\n");
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn uevents_asked_for_by_writing_carry_what_was_asked_for_and_no_nonsense() {
    let system = System::new();
    let (driver, device) = sensor(&system);
    let events = system.record();
    let uuid = "6d4a1b1e-4e1c-4c4e-9c3a-1f6f0c2d7a55";
    let write = |text: &str| attr_write(&device, "uevent", text.as_bytes());
    let with_arguments = format!("change {uuid} A=1 B=x\n");
    assert_eq!(write("online"), Ok(6));
    assert_eq!(write(&with_arguments), Ok(with_arguments.len()));
    for wrong in [
        "onlin",
        "onlines",
        "change ",
        "change 6d4a",
        &format!("change {uuid}A=1"),
        &format!("change {uuid} A"),
        &format!("change {uuid} A="),
        &format!("change {uuid} A=1  B=2"),
        &format!("change {uuid} A=1 B=-"),
    ] {
        assert_eq!(write(wrong), Err(Errno::EINVAL), "{wrong}");
    }
    assert_eq!(attr_write(&driver, "uevent", b"change"), Ok(6));
    assert_eq!(attr_write(&platform_bus(&system), "uevent", b"add"), Ok(3));
    let told: Vec<String> = events
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Uevent { env, .. } | EventKind::KobjectUevent { env, .. } => Some(
                env.iter()
                    .map(|(key, value)| format!("{key}={value} "))
                    .collect(),
            ),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        [
            "ACTION=online DEVPATH=/devices/platform/sensor.1 SUBSYSTEM=platform SYNTH_UUID=0 DRIVER=sensor MODALIAS=platform:sensor SEQNUM=1 ",
            "ACTION=change DEVPATH=/devices/platform/sensor.1 SUBSYSTEM=platform SYNTH_UUID=6d4a1b1e-4e1c-4c4e-9c3a-1f6f0c2d7a55 SYNTH_ARG_A=1 SYNTH_ARG_B=x DRIVER=sensor MODALIAS=platform:sensor SEQNUM=2 ",
            "ACTION=change DEVPATH=/bus/platform/drivers/sensor SUBSYSTEM=drivers SYNTH_UUID=0 SEQNUM=3 ",
            "ACTION=add DEVPATH=/bus/platform SUBSYSTEM=bus SYNTH_UUID=0 SEQNUM=4 ",
        ]
    );
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn files_are_found_by_their_path() {
    let system = System::new();
    let (driver, device) = sensor(&system);
    let opens = |path: &str| sysfs_open(&system, path).map(|_| ());
    for path in [
        "/sys/bus/platform/uevent",
        "/sys/bus/platform/drivers/sensor/bind",
        "/sys/bus/platform/devices/sensor.1/uevent",
        "/sys/devices/platform/sensor.1/driver_override",
        "/sys/devices/platform/uevent",
    ] {
        assert_eq!(opens(path), Ok(()), "{path}");
    }
    for path in [
        "/sys/bus",
        "/sys/bus/platform",
        "/sys/bus/platform/drivers",
        "/sys/bus/platform/drivers/sensor",
        "/sys/class/devlink",
        "/sys/devices/platform/sensor.1",
    ] {
        assert_eq!(opens(path), Err(Errno::EISDIR), "{path}");
    }
    for path in [
        "/dev/null",
        "/sys/firmware",
        "/sys/bus/none/uevent",
        "/sys/bus/platform/none/uevent",
        "/sys/bus/platform/drivers/none/bind",
        "/sys/class/none",
        "/sys/devices/sensor.1/uevent",
        "/sys/devices/platform/sensor.1/none",
        "/sys/devices/platform/sensor.10/uevent",
    ] {
        assert_eq!(opens(path), Err(Errno::ENOENT), "{path}");
    }
    platform_device_unregister(&device);
    driver_unregister(&driver);
}

#[test]
fn buses_and_drivers_are_given_files_and_lose_them() {
    let system = System::new();
    let (driver, device) = sensor(&system);
    let bus = platform_bus(&system);
    let of_bus = BusAttribute::new("load", 0o444).show(|bus| Ok(format!("{}\n", bus.name())));
    let of_driver =
        DriverAttribute::new("load", 0o444).show(|driver| Ok(driver.name().to_string()));
    assert_eq!(bus_create_file(&bus, &of_bus), Ok(()));
    assert_eq!(driver_create_file(&driver, &of_driver), Ok(()));
    assert_eq!(attr_read(&bus, "load").unwrap(), b"platform\n");
    assert_eq!(attr_read(&driver, "load").unwrap(), b"sensor");
    assert_eq!(bus_create_file(&bus, &of_bus), Err(Errno::EEXIST));
    let taken = DriverAttribute::new("unbind", 0o200);
    assert_eq!(driver_create_file(&driver, &taken), Err(Errno::EEXIST));
    bus_remove_file(&bus, "load");
    driver_remove_file(&driver, "load");
    assert_eq!(attr_read(&bus, "load"), Err(Errno::ENOENT));
    assert_eq!(attr_read(&driver, "load"), Err(Errno::ENOENT));

    platform_device_del(&device);
    platform_device_put(&device);
    driver_unregister(&driver);
    assert_eq!(driver_create_file(&driver, &of_driver), Err(Errno::EINVAL));
    let unregistered = Bus::new(&system, BusType::default());
    assert_eq!(bus_create_file(&unregistered, &of_bus), Err(Errno::EINVAL));
}

#[test]
fn an_attribute_removes_itself_by_the_call_made_for_that_alone() {
    let system = System::new();
    let root = root_device_register(&system, "root").unwrap();
    let once = |name: &'static str, remove: fn(&Device, &str)| {
        Attribute::new(name, 0o200).store(move |device, data| {
            remove(device, name);
            Ok(data.len())
        })
    };
    let splats = || {
        let events = system.record();
        move || {
            let splat = |kind: &EventKind| matches!(kind, EventKind::Splat { .. });
            let events = events.events();
            events.iter().filter(|event| splat(&event.kind)).count()
        }
    };
    let right = once("right", |device, name| {
        assert!(device_remove_file_self(device, name));
    });
    let wrong = once("wrong", device_remove_file);
    let told = splats();
    for (attribute, splats) in [(right, 0), (wrong, 1)] {
        device_create_file(&root, &attribute).unwrap();
        assert_eq!(attr_write(&root, attribute.name(), b"1"), Ok(1));
        assert_eq!(
            attr_open(&root, attribute.name()).err(),
            Some(Errno::ENOENT)
        );
        assert_eq!(told(), splats, "a kernel would hang");
    }
    root_device_unregister(&root);
}
