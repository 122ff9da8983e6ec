//! A case that leaves something behind fails, and its log says what and where
//! from.

use core::time::Duration;

use lastfd_chrdev::{
    Cdev, File, FileOps, OpenFlags, Read, Try, cdev_device_add, cdev_device_del, cdev_init,
};
use lastfd_kunit::{Case, Suite, Test, raw::*};
use lastfd_model::event::SplatKind;
use lastfd_model::raw::*;
use lastfd_model::resource::{Kthread, KthreadControl};
use lastfd_model::{Holding, System};
use lastfd_sync::{Arc, Mutex, OnceLock, WaitQueue};

use super::{ktap, lines_with};

fn one(body: impl Fn(&Test) + Send + Sync + 'static) -> String {
    let after = Case::new("after", |test| {
        assert!(
            root_device_register(test.system(), "left").is_ok_and(|device| {
                root_device_unregister(&device);
                true
            })
        );
    });
    let suite = Suite::new("s").case(Case::new("c", body)).case(after);
    let output = ktap(&[suite]);
    assert!(output.contains("    ok 2 after\n"), "{output}");
    output
}

#[test]
fn a_device_is_named_with_the_place_that_made_it() {
    let line = line!() + 2;
    let output = one(|test| {
        root_device_register(test.system(), "left").unwrap();
    });
    let told = lines_with(&output, "left behind: ");
    let expected = format!(
        "# c: left behind: left: reference its creator (taken at {}:{line}:",
        file!()
    );
    assert!(told[0].starts_with(&expected), "{told:?}");
    assert_eq!(told.len(), 1);
    assert!(output.contains("    not ok 1 c\n"), "{output}");
}

#[test]
fn a_reference_is_named_with_the_place_that_took_it() {
    let line = line!() + 3;
    let output = one(|test| {
        let device = kunit_device_register(test, "kd").unwrap();
        get_device(&device);
    });
    let told = lines_with(&output, "left behind: ");
    let expected = format!(
        "# c: left behind: c.kd: reference get_device (taken at {}:{line}:",
        file!()
    );
    assert!(told[0].starts_with(&expected), "{told:?}");
    assert_eq!(told.len(), 1);
}

#[test]
fn a_thread_is_named_with_the_place_that_started_it() {
    let release = Arc::new(lastfd_sync::WaitQueue::new());
    let open = Arc::new(Mutex::new(false));
    let (queue, gate) = (release.clone(), open.clone());
    let output = one(move |test| {
        let (queue, gate) = (queue.clone(), gate.clone());
        let clock = test.system().clock().clone();
        let waits = move || {
            let _ = lastfd_sync::wait_event(&[&queue], &clock, None, None, || {
                gate.lock().then_some(())
            });
        };
        test.spawn("lingerer", waits).unwrap();
    });
    *open.lock() = true;
    release.wake_all();
    let told = lines_with(&output, "left behind: ");
    assert!(told[0].contains("thread lingerer (taken at "), "{told:?}");
    assert!(told[0].contains("leftovers.rs"), "{told:?}");
}

#[test]
fn a_thread_that_is_joined_is_not_left_behind() {
    let output = one(|test| test.spawn("worker", || {}).unwrap().join().unwrap());
    assert!(output.contains("    ok 1 c\n"), "{output}");
}

/// A node whose reads never have anything to give.
fn node(test: &Test, made: &Arc<Mutex<Vec<(Cdev, Device)>>>) -> Device {
    struct Empty(Arc<WaitQueue>);
    impl FileOps for Empty {
        fn read(&self, _: &File, _: &mut Read<'_>) -> Try<usize> {
            Try::wait(&self.0)
        }
    }
    let system = test.system();
    let spec = DeviceSpec {
        name: Some("empty".to_owned()),
        release: Some(no_release()),
        devt: Some(alloc_chrdev_region(system, "empty").unwrap()),
        ..DeviceSpec::default()
    };
    let device = device_initialize(system, spec);
    let cdev = cdev_init(system, Arc::new(Empty(Arc::new(WaitQueue::new()))));
    cdev_device_add(&cdev, &device).unwrap();
    made.lock().push((cdev.clone(), device.clone()));
    let gone = device.clone();
    let unregister = TestAction::new(move || {
        cdev_device_del(&cdev, &gone);
        put_device(&gone);
    });
    kunit_add_action(test, unregister).unwrap();
    device
}

#[test]
fn an_open_file_is_named_with_the_place_that_opened_it() {
    let open = Arc::new(Mutex::new(Vec::new()));
    let (made, kept) = (Arc::default(), open.clone());
    let line = line!() + 3;
    let output = one(move |test| {
        node(test, &made);
        let file = lastfd_chrdev::open(test.system(), "/dev/empty", OpenFlags::RDONLY).unwrap();
        kept.lock().push(file);
    });
    let told = lines_with(&output, "left behind: ");
    let place = format!("{}:{line}:", file!());
    let of_file = told.iter().find(|line| line.contains("open file"));
    assert!(
        of_file.is_some_and(|told| told.contains(&place)),
        "{told:?}"
    );
    open.lock().clear();
}

#[test]
fn a_waiter_is_named_with_its_thread_and_the_places_of_both() {
    let made = Arc::default();
    let output = one(move |test| {
        node(test, &made);
        let system = test.system().clone();
        let reads = move || {
            let file = lastfd_chrdev::open(&system, "/dev/empty", OpenFlags::RDONLY).unwrap();
            let cancel = system.waits().clone();
            file.read_with(&mut [0], &cancel)
        };
        let reader = test.spawn("reader", reads).unwrap();
        let told = || {
            test.system()
                .ledger()
                .iter()
                .any(|line| line.holding == Holding::Waiter)
        };
        while !told() {
            lastfd_sync::thread::yield_now();
        }
        drop(reader);
    });
    let told = lines_with(&output, "left behind: ");
    for what in ["thread reader", "open file", "waiter"] {
        let named = |line: &String| line.contains(what) && line.contains("leftovers.rs:");
        assert!(told.iter().any(named), "no {what} in {told:?}");
    }
}

#[test]
fn a_kernel_thread_that_nobody_stopped_is_named() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let kept = left.clone();
    let output = one(move |test| {
        let forever = |control: &KthreadControl| while control.sleep(Duration::from_secs(1)) {};
        let kthread = Kthread::run(test.system(), None, "poller", forever).unwrap();
        kept.lock().push(kthread);
    });
    for kthread in left.lock().drain(..) {
        kthread.stop();
    }
    let told = lines_with(&output, "left behind: ");
    assert!(told[0].contains("poller"), "{told:?}");
    assert!(told[0].contains("leftovers.rs"), "{told:?}");
}

#[test]
fn a_driver_is_named_with_its_bus() {
    let output = one(|test| {
        let driver = platform_driver(test.system(), "nobody");
        driver_register(&driver).unwrap();
    });
    lines_with(&output, "# c: left behind: driver nobody on bus platform");
}

#[test]
fn what_the_suite_made_may_stay_until_the_suites_exit() {
    let device: Arc<OnceLock<Device>> = Arc::new(OnceLock::new());
    let (made, used, ended) = (device.clone(), device.clone(), device);
    let suite = Suite::new("s")
        .suite_init(move |system| {
            let root = root_device_register(system, "board")?;
            let _ = made.set(root);
            Ok(())
        })
        .suite_exit(move |_| root_device_unregister(ended.get().unwrap()))
        .case(Case::new("c", move |_| {
            let device = used.get().unwrap();
            get_device(device);
            put_device(device);
        }));
    let output = ktap(&[suite]);
    assert!(output.ends_with("    ok 1 c\nok 1 s\n"), "{output}");
}

#[test]
fn what_the_suite_leaves_fails_the_suite() {
    let suite = Suite::new("s")
        .suite_init(|system| root_device_register(system, "board").map(|_| ()))
        .case(Case::new("c", |_| {}));
    let output = ktap(&[suite]);
    lines_with(
        &output,
        "# s: left behind by the suite: board: reference its creator",
    );
    assert!(output.contains("    ok 1 c\n"), "{output}");
    assert!(output.ends_with("not ok 1 s\n"), "{output}");
}

#[test]
fn a_kernels_warning_fails_the_case_unless_it_is_taken() {
    let over_put = |test: &Test| {
        let root = root_device_register(test.system(), "board").unwrap();
        root_device_unregister(&root);
        put_device(&root);
    };
    let output = one(over_put);
    let told = lines_with(&output, "# c: refcount: board: underflow");
    assert!(told[0].contains("leftovers.rs"), "{told:?}");
    assert!(output.contains("    not ok 1 c\n"), "{output}");

    let output = one(move |test| {
        over_put(test);
        let splats = test.take_splats();
        assert_eq!(splats[0].kind, SplatKind::Refcount);
    });
    assert!(output.contains("    ok 1 c\n"), "{output}");
}

#[test]
fn a_driver_that_panics_fails_the_case_that_bound_it() {
    let output = one(|test| {
        let driver = kunit_driver_create(test, "drv").unwrap();
        driver.set_probe(|_| std::panic::resume_unwind(Box::new("at probe")));
        let device = kunit_device_register_with_driver(test, "kd", &driver).unwrap();
        assert_eq!(device.driver(), None);
    });
    lines_with(&output, "panicked: at probe");
    assert!(output.contains("    not ok 1 c\n"), "{output}");
}

#[test]
fn a_driver_that_fails_after_half_of_its_work_leaves_nothing() {
    let output = one(|test| {
        let driver = kunit_driver_create(test, "drv").unwrap();
        driver.set_probe(|device| {
            devm_kzalloc(device, 16)?;
            devm_add_action(device, Action::new(|| {}))?;
            Err(lastfd_model::Errno::EIO)
        });
        let device = kunit_device_register_with_driver(test, "kd", &driver).unwrap();
        assert_eq!(device.driver(), None);
    });
    assert!(output.contains("    ok 1 c\n"), "{output}");
}

#[test]
fn a_class_that_is_left_behind_is_named_and_a_frameworks_own_is_not() {
    let output = one(|test| {
        class_create(test.system(), "lamps").unwrap();
    });
    lines_with(&output, "# c: left behind: class lamps");
    assert!(output.contains("    not ok 1 c\n"), "{output}");
    let output = one(|test| {
        let class = class_create(test.system(), "lamps").unwrap();
        class_destroy(test.system(), &class);
        let of_framework = || class_create(test.system(), "lights");
        test.system().at_boot(of_framework).unwrap();
    });
    assert!(output.contains("    ok 1 c\n"), "{output}");
}

#[test]
fn a_case_that_broke_something_is_the_last_in_its_system() {
    let inits = Arc::new(Mutex::new(0));
    let counted = inits.clone();
    let breaks = |test: &Test| {
        let device = platform_device_register(test.system(), "x", PlatformId::None).unwrap();
        put_device(&device);
        platform_device_unregister(&device);
    };
    let whole = |test: &Test| {
        let device = kunit_unbound_platform_device_register(test, "y").unwrap();
        assert!(!device.parent().unwrap().is_released());
    };
    let suite = Suite::new("s")
        .suite_init(move |_| {
            *counted.lock() += 1;
            Ok(())
        })
        .case(Case::new("breaks", breaks))
        .case(Case::new("whole", whole))
        .case(Case::new("as_well", whole));
    let output = ktap(&[suite]);
    let ends = "    not ok 1 breaks\n    ok 2 whole\n    ok 3 as_well\n";
    assert!(output.contains(ends), "{output}");
    assert_eq!(*inits.lock(), 2);
}

#[test]
fn what_the_kernels_log_would_say_is_told_of_a_case_that_failed_alone() {
    let twice = |test: &Test| {
        kunit_root_device_register(test, "x").unwrap();
        kunit_root_device_register(test, "x").map(|_| ())
    };
    let failing = Case::new("fails", twice);
    let passing = Case::new("passes", move |test| {
        assert!(twice(test).is_err());
    });
    let output = ktap(&[Suite::new("s").case(failing).case(passing)]);
    lines_with(&output, "# fails: the case returned EEXIST");
    let told = lines_with(&output, "cannot create duplicate filename");
    assert_eq!(
        told,
        ["# fails: kernel: x: cannot create duplicate filename in sysfs"]
    );
}

/// Makes a lamp that is linked to its supply, and takes both away. The core lets go
/// of the link's ends later, and is at the lamp's for a while.
fn a_linked_lamp_comes_and_goes(system: &System) {
    let supply = root_device_register(system, "supply").unwrap();
    let spec = DeviceSpec {
        name: Some("lamp".to_owned()),
        release: Some(Arc::new(|device: &Device| {
            let second = Duration::from_secs(1);
            let _ = device.system().clock().sleep(second, None);
            no_release()(device);
        })),
        ..DeviceSpec::default()
    };
    let lamp = device_initialize(system, spec);
    device_add(&lamp).unwrap();
    device_link_add(&lamp, &supply, LinkFlags::STATELESS).unwrap();
    device_unregister(&lamp);
    root_device_unregister(&supply);
}

#[test]
fn the_ends_of_a_link_that_the_core_lets_go_of_later_are_not_left_behind() {
    let output = one(|test| a_linked_lamp_comes_and_goes(test.system()));
    assert!(output.contains("    ok 1 c\n"), "{output}");
    let suite = Suite::new("s")
        .suite_exit(a_linked_lamp_comes_and_goes)
        .case(Case::new("c", |_| {}));
    let output = ktap(&[suite]);
    assert!(output.ends_with("    ok 1 c\nok 1 s\n"), "{output}");
}

#[test]
fn a_resource_that_somebody_holds_is_named_with_the_place_that_took_it() {
    let add = |test: &Test, name: &str| {
        kunit_add_named_resource(test, None, None, name, Arc::new(())).unwrap()
    };
    let line = line!() + 5;
    let output = one(move |test| {
        let given_back = add(test, "given_back");
        kunit_get_resource(&given_back);
        add(test, "kept");
        kunit_find_named_resource(test, "kept").unwrap();
        kunit_put_resource(&given_back);
    });
    let told = lines_with(&output, "left behind: ");
    let expected = format!(
        "# c: left behind: kunit resource kept: reference kunit_get_resource (taken at {}:{line}:",
        file!()
    );
    assert!(told[0].starts_with(&expected), "{told:?}");
    assert_eq!(told.len(), 1);
}
