//! Cases that go wrong: each is told clearly and fails, and the run goes on in a
//! System in which nothing is left of it.
//!
//! How cases end that panic or never end, `lastfd-kunit` has tests for.

use core::time::Duration;

use lastfd_cec::raw as cec;
use lastfd_chrdev::{FileOps, MISC_DYNAMIC_MINOR, Miscdevice, misc_deregister, misc_register};
use lastfd_drm::raw as drm;
use lastfd_iio::raw as iio;
use lastfd_kunit::{Case, Ktap, Runner, Suite, Test, raw::*};
use lastfd_model::raw::*;
use lastfd_model::{Errno, Result};
use lastfd_rigs::v4l2::{Camera, Rig};
use lastfd_suites::on_top::{OnTop, Top};
use lastfd_sync::{Arc, Mutex};
use lastfd_v4l2::raw as v4l2;

/// What there is in a case's System: what its ledger has, and whether the roots of
/// `/sys/devices` are whole.
fn inventory(test: &Test) -> Vec<String> {
    let system = test.system();
    let lines = system.ledger();
    let mut all: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let bus = platform_bus(system);
    all.extend(
        bus.devices()
            .iter()
            .map(|device| format!("device {}", dev_name(device))),
    );
    all.extend(
        bus.drivers()
            .iter()
            .map(|driver| format!("driver {}", driver.name())),
    );
    // A device can be made on it, and goes again.
    let device = platform_device_register(system, "probe", PlatformId::None);
    match device {
        Ok(device) => {
            platform_device_unregister(&device);
            all.push(format!(
                "a platform device: released {}",
                device.is_released()
            ));
        }
        Err(errno) => all.push(format!("no platform device: {errno}")),
    }
    all
}

/// Runs the case between two that look at their System, and gives what was printed.
/// The case fails, and the other two find the same.
#[track_caller]
fn goes_wrong(bad: impl Fn(&Test) -> Result + Send + Sync + 'static) -> String {
    let seen: Arc<Mutex<Vec<Vec<String>>>> = Arc::default();
    let look = |name: &str| {
        let seen = Arc::clone(&seen);
        Case::new(name, move |test| {
            let found = inventory(test);
            seen.lock().push(found);
        })
    };
    let suite = Suite::new("s")
        .case(look("before"))
        .case(Case::new("bad", bad))
        .case(look("after"));
    let mut out = Vec::new();
    let stats = Runner::new()
        .run(&[suite], &mut Ktap::new(&mut out))
        .unwrap();
    let output = String::from_utf8(out).unwrap();
    assert!(output.contains("    not ok 2 bad\n"), "{output}");
    assert!(output.contains("    ok 3 after\n"), "{output}");
    assert_eq!((stats.passed, stats.failed), (2, 1), "{output}");
    let seen = seen.lock();
    assert_eq!(seen[0], seen[1], "{output}");
    output
}

/// After what is told with the place of the case's own call.
const AT: &str = " AT";

/// As [`goes_wrong`], with each of these told of the case.
#[track_caller]
fn is_told(what: &[&str], bad: impl Fn(&Test) -> Result + Send + Sync + 'static) {
    let output = goes_wrong(bad);
    for what in what {
        // One that a case leads to has its place, or that of the object it made.
        let (what, placed) = match what.strip_suffix(AT) {
            Some(what) => (what, true),
            None => (*what, false),
        };
        let own = |line: &str| {
            ["bad_input.rs:", "on_top.rs:"]
                .iter()
                .any(|f| line.contains(f))
        };
        let told =
            |line: &str| line.contains("# bad: ") && line.contains(what) && (!placed || own(line));
        assert!(output.lines().any(told), "no {what:?} in\n{output}");
    }
}

struct Nothing;

impl FileOps for Nothing {}

fn on_top(test: &Test, top: Top) -> Result<(Device, OnTop)> {
    let parent = kunit_device_register(test, "parent")?;
    let on_top = OnTop::set_up(top, &parent)?.ok_or(Errno::EINVAL)?;
    Ok((parent, on_top))
}

#[test]
fn what_is_registered_twice_is_told() {
    is_told(
        &[
            "x: device_add on a device that is added already AT",
            "EINVAL",
        ],
        |test| {
            let device = kunit_unbound_platform_device_register(test, "x")?;
            device_add(&device)
        },
    );
    is_told(
        &["driver 'x' is already registered, aborting", "EBUSY"],
        |test| {
            let driver = kunit_driver_create(test, "x")?;
            driver_register(&driver)
        },
    );
    is_told(
        &["iio:device0: device_add on a device that is added already AT"],
        |test| {
            let (_, on_top) = on_top(test, Top::Iio)?;
            let OnTop::Iio(dev) = on_top else {
                return Ok(());
            };
            iio::iio_device_register(&dev)
        },
    );
    is_told(
        &["card0: device_add on a device that is added already AT"],
        |test| {
            let (_, on_top) = on_top(test, Top::Drm)?;
            let OnTop::Drm(dev) = on_top else {
                return Ok(());
            };
            drm::drm_dev_register(&dev, 0)
        },
    );
    is_told(&["cec0: cec-lfcec: registered twice AT"], |test| {
        let (parent, on_top) = on_top(test, Top::Cec)?;
        let OnTop::Cec { adapter, .. } = on_top else {
            return Ok(());
        };
        let again = cec::cec_register_adapter(&adapter, &parent);
        cec::cec_unregister_adapter(&adapter);
        again
    });
    is_told(&["video0: "], |test| {
        let rig = Rig::on(test.system(), |device| Camera::probe(device, None))?;
        let vdev = rig.camera().vdev.clone();
        let again = v4l2::video_register_device(&vdev, v4l2::VflType::Video, None);
        rig.end();
        again
    });
    is_told(
        &["misc_register of x, which is registered already AT"],
        |test| {
            let misc = Miscdevice::new("x", MISC_DYNAMIC_MINOR, Arc::new(Nothing), None);
            misc_register(test.system(), &misc)?;
            let again = misc_register(test.system(), &misc);
            misc_deregister(test.system(), &misc);
            again
        },
    );
}

#[test]
fn what_is_unregistered_twice_is_told() {
    is_told(&["G34 unregistered twice: x"], |test| {
        let device = platform_device_register(test.system(), "x", PlatformId::None)?;
        platform_device_unregister(&device);
        platform_device_unregister(&device);
        Ok(())
    });
    is_told(
        &["driver_unregister of 'x', which is unregistered already AT"],
        |test| {
            let driver = platform_driver(test.system(), "x");
            driver_register(&driver)?;
            driver_unregister(&driver);
            driver_unregister(&driver);
            Ok(())
        },
    );
    is_told(
        &["cec-lfcec: cec_unregister_adapter after it was freed"],
        |test| {
            let (_, on_top) = on_top(test, Top::Cec)?;
            on_top.end_by_hand();
            on_top.end_by_hand();
            Ok(())
        },
    );
    is_told(
        &["v4l2_device: underflow; a reference was put that nobody held"],
        |test| {
            let (_, on_top) = on_top(test, Top::V4l2)?;
            on_top.end_by_hand();
            on_top.end_by_hand();
            Ok(())
        },
    );
}

#[test]
fn a_name_that_exists_is_told() {
    is_told(
        &["x: cannot create duplicate filename in sysfs", "EEXIST"],
        |test| {
            kunit_root_device_register(test, "x")?;
            kunit_root_device_register(test, "x").map(|_| ())
        },
    );
    is_told(
        &["x: cannot create duplicate filename in sysfs", "EEXIST"],
        |test| {
            kunit_unbound_platform_device_register(test, "x")?;
            kunit_unbound_platform_device_register(test, "x").map(|_| ())
        },
    );
    is_told(
        &["driver 'x' is already registered, aborting", "EBUSY"],
        |test| {
            kunit_device_register(test, "x")?;
            kunit_device_register(test, "x").map(|_| ())
        },
    );
    is_told(&["EEXIST"], |test| {
        kunit_add_named_resource(test, None, None, "x", Arc::new(()))?;
        kunit_add_named_resource(test, None, None, "x", Arc::new(())).map(|_| ())
    });
    is_told(
        &["x: cannot create duplicate filename in sysfs", "EEXIST"],
        |test| {
            let new = || Miscdevice::new("x", MISC_DYNAMIC_MINOR, Arc::new(Nothing), None);
            let (first, second) = (new(), new());
            misc_register(test.system(), &first)?;
            let again = misc_register(test.system(), &second);
            misc_deregister(test.system(), &first);
            again
        },
    );
}

#[test]
fn what_is_freed_in_the_wrong_order_is_told() {
    is_told(&["G8 more puts than gets: x"], |test| {
        let device = platform_device_register(test.system(), "x", PlatformId::None)?;
        put_device(&device);
        platform_device_unregister(&device);
        Ok(())
    });
    is_told(&["G20 child outlives its parent: x"], |test| {
        let parent = root_device_register(test.system(), "x")?;
        let spec = DeviceSpec {
            name: Some("child".to_owned()),
            parent: Some(parent.clone()),
            release: Some(no_release()),
            ..DeviceSpec::default()
        };
        let child = device_initialize(test.system(), spec);
        device_add(&child)?;
        root_device_unregister(&parent);
        device_unregister(&child);
        Ok(())
    });
    is_told(&["use after free: x: write of managed memory AT"], |test| {
        let device = root_device_register(test.system(), "x")?;
        let memory = devm_kzalloc(&device, 8)?;
        kunit_add_action(test, TestAction::new(move || memory.write(0, b"late")))?;
        root_device_unregister(&device);
        Ok(())
    });
    is_told(&["G8 more puts than gets: iio:device0"], |test| {
        let (_, on_top) = on_top(test, Top::Iio)?;
        let OnTop::Iio(dev) = on_top else {
            return Ok(());
        };
        iio::iio_device_free(&dev);
        Ok(())
    });
    is_told(
        &["G8 more puts than gets: card0", "left behind: card0 AT"],
        |test| {
            let (_, on_top) = on_top(test, Top::Drm)?;
            let OnTop::Drm(dev) = on_top else {
                return Ok(());
            };
            drm::drm_dev_put(&dev);
            Ok(())
        },
    );
    is_told(
        &["freed by cec_delete_adapter while its device has references"],
        |test| {
            let (_, on_top) = on_top(test, Top::Cec)?;
            let OnTop::Cec { adapter, .. } = on_top else {
                return Ok(());
            };
            cec::cec_delete_adapter(&adapter);
            Ok(())
        },
    );
    is_told(
        &[
            "G20 child outlives its parent: bad.parent",
            "left behind: video0 AT",
        ],
        |test| {
            // The driver goes, and its node stays.
            on_top(test, Top::V4l2)?;
            Ok(())
        },
    );
}

/// A driver whose probe registers that and fails then.
fn fails_half_way(test: &Test, top: Top) -> Result {
    let driver = platform_driver(test.system(), "half");
    driver.set_probe(move |device| {
        OnTop::set_up(top, device)?;
        Err(Errno::EIO)
    });
    kunit_platform_driver_register(test, &driver)?;
    let device = kunit_unbound_platform_device_register(test, "half")?;
    device.driver().map(|_| ()).ok_or(Errno::ENODEV)
}

#[test]
fn a_driver_that_fails_after_half_of_its_registrations_is_told() {
    let failed = "half: probe with driver half failed with error -EIO";
    // What is managed went with the failed probe.
    let output = goes_wrong(|test| fails_half_way(test, Top::Iio));
    assert!(output.contains(failed), "{output}");
    assert!(!output.contains("left behind"), "{output}");
    for (top, left) in [
        (Top::Drm, "left behind: card0 AT"),
        (Top::V4l2, "left behind: video0 AT"),
        (Top::Cec, "left behind: cec0 AT"),
    ] {
        let told = ["G20 child outlives its parent: half", left, failed];
        is_told(&told, move |test| fails_half_way(test, top));
    }
}

#[test]
fn a_reference_that_is_forgotten_is_named_with_the_place_that_took_it() {
    is_told(&["left behind: x: reference get_device AT"], |test| {
        get_device(&kunit_root_device_register(test, "x")?);
        Ok(())
    });
    is_told(
        &["left behind: iio:device0: reference iio_device_get AT"],
        |test| {
            let (_, on_top) = on_top(test, Top::Iio)?;
            let OnTop::Iio(dev) = on_top else {
                return Ok(());
            };
            iio::iio_device_get(&dev);
            Ok(())
        },
    );
    is_told(&["reference drm_dev_get (on the DRM device) AT"], |test| {
        let (_, on_top) = on_top(test, Top::Drm)?;
        let OnTop::Drm(dev) = &on_top else {
            return Ok(());
        };
        drm::drm_dev_get(dev);
        on_top.end_by_hand();
        Ok(())
    });
    is_told(
        &["reference v4l2_device_get (on the v4l2_device) AT"],
        |test| {
            let rig = Rig::on(test.system(), |device| Camera::probe(device, None))?;
            v4l2::v4l2_device_get(&rig.camera().v4l2);
            rig.end();
            Ok(())
        },
    );
}

#[test]
fn a_panic_in_cleanup_leaves_what_was_still_managed_and_names_it() {
    is_told(
        &[
            "panicked: in cleanup",
            "left behind: kept: reference its creator AT",
        ],
        |test| {
            kunit_root_device_register(test, "kept")?;
            let panics = || std::panic::resume_unwind(Box::new("in cleanup"));
            kunit_add_action(test, TestAction::new(panics))
        },
    );
}

#[test]
fn a_removal_that_waits_for_one_who_never_leaves_is_ended() {
    let told = ["try timed out", "it ended when its waits were cancelled"];
    is_told(&told, |test| {
        let (_, on_top) = on_top(test, Top::Drm)?;
        let OnTop::Drm(dev) = on_top else {
            return Ok(());
        };
        let (inside, system) = (dev.clone(), test.system().clone());
        let stays = move || {
            let section = drm::drm_dev_enter(&inside);
            let forever = Duration::from_secs(1_000_000);
            let _ = system.clock().sleep(forever, Some(system.waits()));
            drop(section);
        };
        drop(test.spawn("inside", stays).map_err(|_| Errno::EAGAIN)?);
        test.system().clock().advance(Duration::from_secs(1));
        drm::drm_dev_unplug(&dev);
        Ok(())
    });
}
