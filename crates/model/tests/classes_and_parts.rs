//! Classes with interfaces, and the auxiliary bus.

use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, System};
use lastfd_sync::{Arc, Mutex};

type Told = Arc<Mutex<Vec<String>>>;

fn interface(told: &Told, name: &'static str) -> ClassInterface {
    let (adds, removes) = (Arc::clone(told), Arc::clone(told));
    ClassInterface {
        add_dev: Some(Arc::new(move |device| {
            adds.lock().push(format!("{name} add {}", device.name()));
        })),
        remove_dev: Some(Arc::new(move |device| {
            removes
                .lock()
                .push(format!("{name} remove {}", device.name()));
        })),
    }
}

fn of_class(system: &System, class: &Class, name: &str) -> Device {
    let device = device_initialize(
        system,
        DeviceSpec {
            name: Some(name.into()),
            class: Some(class.clone()),
            release: Some(no_release()),
            ..DeviceSpec::default()
        },
    );
    device_add(&device).unwrap();
    device
}

#[test]
fn an_interface_is_told_of_each_device_of_its_class_before_and_after() {
    let system = System::new();
    let class = class_create(&system, "led").unwrap();
    let told = Told::default();
    let first = of_class(&system, &class, "first");
    let one = class_interface_register(&system, &class, interface(&told, "one")).unwrap();
    let two = class_interface_register(&system, &class, interface(&told, "two")).unwrap();
    let second = of_class(&system, &class, "second");
    device_unregister(&first);
    class_interface_unregister(&system, &class, one);
    class_interface_unregister(&system, &class, one);
    device_unregister(&second);
    class_interface_unregister(&system, &class, two);
    assert_eq!(
        *told.lock(),
        [
            "one add first",
            "two add first",
            "one add second",
            "two add second",
            "one remove first",
            "two remove first",
            "one remove second",
            "two remove second",
        ]
    );
    class_destroy(&system, &class);
    let late = class_interface_register(&system, &class, interface(&told, "late"));
    assert_eq!(late, Err(Errno::EINVAL));
}

#[test]
fn an_interface_that_adds_a_device_of_its_class_is_told_and_does_not_hang() {
    let system = System::new();
    let class = class_create(&system, "led").unwrap();
    let events = system.record();
    let made: Arc<Mutex<Option<Device>>> = Arc::default();
    let (making, of) = (Arc::clone(&made), class.clone());
    let adds = ClassInterface {
        add_dev: Some(Arc::new(move |device| {
            if &*device.name() == "first" {
                let second = of_class(&device.system(), &of, "second");
                *making.lock() = Some(second);
            }
        })),
        remove_dev: None,
    };
    let id = class_interface_register(&system, &class, adds).unwrap();
    let first = of_class(&system, &class, "first");
    let splats: Vec<String> = events
        .events()
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Splat { .. }))
        .map(|event| event.kind.to_string())
        .collect();
    assert_eq!(
        splats,
        ["second: deadlock: the class's mutex is taken by the task that holds it"]
    );
    let second = made.lock().take().unwrap();
    device_unregister(&second);
    device_unregister(&first);
    class_interface_unregister(&system, &class, id);
    class_destroy(&system, &class);
}

fn part(system: &System, parent: &Device, name: &str, id: u32) -> AuxiliaryDevice {
    let spec = AuxiliarySpec {
        name: Some(name.into()),
        id,
        parent: Some(parent.clone()),
        release: Some(no_release()),
    };
    auxiliary_device_init(system, spec).unwrap()
}

#[test]
fn a_part_is_bound_by_its_name_without_the_number() {
    let system = System::new();
    let events = system.record();
    let card = root_device_register(&system, "card").unwrap();
    let driver = auxiliary_driver(&system, "rdma", None, &["net.rdma", "net.eth"]);
    driver.set_probe(|_| Ok(()));
    auxiliary_driver_register(&driver).unwrap();
    let parts = [("rdma", 0), ("eth", 7), ("rdm", 0)].map(|(name, id)| {
        let part = part(&system, &card, name, id);
        auxiliary_device_add(&part, "net").unwrap();
        part
    });
    let bound = parts
        .each_ref()
        .map(|part| part.device().driver().is_some());
    assert_eq!(bound, [true, true, false]);
    let modalias: Vec<String> = events
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Uevent {
                device,
                action,
                env,
            } if &*device.name == "net.eth.7" => {
                let found = env.iter().find(|(key, _)| key == "MODALIAS");
                Some(format!("{action} {:?}", found.map(|(_, value)| value)))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        modalias,
        [
            "add Some(\"auxiliary:net.eth\")",
            "bind Some(\"auxiliary:net.eth\")"
        ]
    );
    auxiliary_driver_unregister(&driver);
    for part in &parts {
        auxiliary_device_delete(part);
        auxiliary_device_uninit(part);
        assert!(part.device().is_released());
    }
    root_device_unregister(&card);
}

#[test]
fn a_part_without_parent_or_name_and_a_driver_without_probe_or_table_are_refused() {
    let system = System::new();
    let card = root_device_register(&system, "card").unwrap();
    let init = |name: Option<&str>, parent: Option<&Device>| {
        let spec = AuxiliarySpec {
            name: name.map(str::to_owned),
            parent: parent.cloned(),
            ..AuxiliarySpec::default()
        };
        auxiliary_device_init(&system, spec).err()
    };
    assert_eq!(init(Some("part"), None), Some(Errno::EINVAL));
    assert_eq!(init(None, Some(&card)), Some(Errno::EINVAL));

    let driver = auxiliary_driver(&system, "net", None, &["net.rdma"]);
    assert_eq!(auxiliary_driver_register(&driver), Err(Errno::EINVAL));
    driver.set_probe(|_| Ok(())).set_id_table(&[]);
    assert_eq!(auxiliary_driver_register(&driver), Err(Errno::EINVAL));

    let [one, same] = [0, 0].map(|id| part(&system, &card, "part", id));
    auxiliary_device_add(&one, "net").unwrap();
    assert_eq!(auxiliary_device_add(&same, "net"), Err(Errno::EEXIST));
    auxiliary_device_uninit(&same);
    assert!(same.device().is_released());
    auxiliary_device_delete(&one);
    auxiliary_device_uninit(&one);
    root_device_unregister(&card);
}
