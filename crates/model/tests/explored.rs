//! Races of the driver core under many schedules: whoever comes first, nothing
//! is lost, nothing runs twice, nothing hangs.

use lastfd_model::raw::*;
use lastfd_model::resource::{IrqLine, IrqReturn, Kthread, Resource, request_irq};
use lastfd_model::typed::{Bound, Devres, PlatformDevice, PlatformDriver};
use lastfd_model::{Errno, EventKind, Recording, Result, System};
use lastfd_sync::atomic::{AtomicI32, AtomicU32, Ordering};
use lastfd_sync::{Arc, Mutex, explore, thread};

const SCHEDULES: usize = 300;

fn explored(body: impl Fn() + Clone + Send + Sync + 'static) {
    explore::check_random(SCHEDULES, 1, body.clone()).unwrap();
    explore::check_pct(SCHEDULES, 3, 2, body).unwrap();
}

fn splats(events: &Recording) -> Vec<String> {
    let splat = |kind: &EventKind| matches!(kind, EventKind::Splat { .. });
    let events = events.events();
    let found = events.iter().filter(|event| splat(&event.kind));
    found.map(|event| event.kind.to_string()).collect()
}

/// A driver that counts how often it is bound.
fn counting_driver(system: &System, bound: &Arc<AtomicI32>) -> Driver {
    let driver = platform_driver(system, "sensor");
    let (probed, removed) = (Arc::clone(bound), Arc::clone(bound));
    driver.set_probe(move |_| {
        assert_eq!(probed.fetch_add(1, Ordering::SeqCst), 0, "bound twice");
        Ok(())
    });
    driver.set_remove(move |_| {
        assert_eq!(removed.fetch_sub(1, Ordering::SeqCst), 1, "unbound twice");
    });
    driver
}

#[test]
fn a_bind_against_an_unbind_leaves_the_device_bound_or_not_but_never_both() {
    explored(|| {
        let system = System::new();
        let bound = Arc::new(AtomicI32::new(0));
        let driver = counting_driver(&system, &bound);
        driver_register(&driver).unwrap();
        let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
        let other = device.clone();
        let binder = thread::spawn("binder", move || device_attach(&other)).unwrap();
        device_release_driver(&device);
        assert_eq!(binder.join().unwrap(), Ok(1));
        assert_eq!(bound.load(Ordering::SeqCst) == 1, device.driver().is_some());
        platform_device_unregister(&device);
        assert_eq!(bound.load(Ordering::SeqCst), 0);
        driver_unregister(&driver);
    });
}

#[test]
fn a_driver_that_arrives_while_its_device_leaves_is_unbound_again() {
    explored(|| {
        let system = System::new();
        let events = system.record();
        let bound = Arc::new(AtomicI32::new(0));
        let driver = counting_driver(&system, &bound);
        let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
        let arriving = driver.clone();
        let arrival = thread::spawn("arrival", move || driver_register(&arriving)).unwrap();
        platform_device_unregister(&device);
        assert_eq!(arrival.join().unwrap(), Ok(()));
        assert_eq!(bound.load(Ordering::SeqCst), 0);
        assert!(device.is_released());
        driver_unregister(&driver);
        assert_eq!(splats(&events), [""; 0]);
    });
}

#[test]
fn a_driver_and_a_device_that_leave_at_once_unbind_once() {
    explored(|| {
        let system = System::new();
        let events = system.record();
        let bound = Arc::new(AtomicI32::new(0));
        let driver = counting_driver(&system, &bound);
        driver_register(&driver).unwrap();
        let device = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
        let leaving = driver.clone();
        let exit = thread::spawn("exit", move || driver_unregister(&leaving)).unwrap();
        platform_device_unregister(&device);
        exit.join().unwrap();
        assert_eq!(bound.load(Ordering::SeqCst), 0);
        assert!(device.is_released());
        assert_eq!(splats(&events), [""; 0]);
    });
}

#[test]
fn a_show_against_the_removal_gives_its_value_or_enodev_and_never_runs_late() {
    explored(|| {
        let system = System::new();
        let root = root_device_register(&system, "board").unwrap();
        let alive = Arc::new(AtomicU32::new(1));
        let seen = Arc::clone(&alive);
        let value = Attribute::new("value", 0o444).show(move |_| {
            assert_eq!(seen.load(Ordering::SeqCst), 1, "shown after the removal");
            Ok("7\n".into())
        });
        device_create_file(&root, &value).unwrap();
        let file = attr_open(&root, "value").unwrap();
        let reader = thread::spawn("reader", move || file.read()).unwrap();
        root_device_unregister(&root);
        alive.store(0, Ordering::SeqCst);
        let read = reader.join().unwrap();
        assert!(read == Ok(b"7\n".to_vec()) || read == Err(Errno::ENODEV));
    });
}

struct Guarded {
    value: Devres<Mutex<u32>>,
}

impl lastfd_model::typed::Driver for Guarded {
    type Info = ();

    fn probe(device: &lastfd_model::typed::Device<Bound>, _info: &()) -> Result<Guarded> {
        let value = Devres::new(device, Mutex::new(7))?;
        Ok(Guarded { value })
    }
}

#[test]
fn a_managed_value_is_reached_whole_or_not_at_all() {
    explored(|| {
        let system = System::new();
        let events = system.record();
        let _driver = PlatformDriver::<Guarded>::register(&system, "sensor").unwrap();
        let device = PlatformDevice::register(&system, "sensor", ()).unwrap();
        let data: Arc<Guarded> = device.with_bound(|bound| bound.drvdata().unwrap()).unwrap();
        let user = thread::spawn("user", move || data.value.try_access().map(|v| *v.lock()));
        device.unregister();
        let seen = user.unwrap().join().unwrap();
        assert!(seen.is_none_or(|value| value == 7));
        assert_eq!(splats(&events), [""; 0]);
    });
}

#[test]
fn an_interrupt_against_its_free_is_handled_before_or_never() {
    explored(|| {
        let system = System::new();
        let events = system.record();
        let line = IrqLine::new(&system, "gpio4");
        let handler = || IrqReturn::Handled;
        let irq = request_irq(&line, None, "sensor", false, handler).unwrap();
        let raiser = thread::spawn("raiser", move || line.raise()).unwrap();
        irq.stop();
        irq.free();
        raiser.join().unwrap();
        assert_eq!(splats(&events), [""; 0]);
    });
}

#[test]
fn a_kernel_thread_ends_however_early_it_is_stopped() {
    explored(|| {
        let system = System::new();
        let thread = Kthread::run(&system, None, "sampler", |control| {
            while control.sleep(core::time::Duration::from_millis(1)) {}
        })
        .unwrap();
        thread.stop();
        thread.free();
    });
}

#[test]
fn two_children_that_come_and_go_leave_their_parent_as_it_was() {
    explored(|| {
        let system = System::new();
        let parent = root_device_register(&system, "board").unwrap();
        let child = |name: &str| {
            let spec = DeviceSpec {
                name: Some(name.to_owned()),
                parent: Some(parent.clone()),
                release: Some(no_release()),
                ..DeviceSpec::default()
            };
            device_initialize(&system, spec)
        };
        let (first, second) = (child("a"), child("b"));
        let come_and_go = |device: Device| {
            move || {
                device_add(&device).unwrap();
                device_unregister(&device);
            }
        };
        let other = thread::spawn("other", come_and_go(first.clone())).unwrap();
        come_and_go(second.clone())();
        other.join().unwrap();
        assert!(first.is_released() && second.is_released());
        assert_eq!(kref_read(&parent), 1);
        root_device_unregister(&parent);
    });
}

#[test]
fn a_supplier_that_comes_while_its_consumer_defers_is_not_missed() {
    explored(|| {
        let system = System::new();
        let there = Arc::new(AtomicU32::new(0));
        let late = platform_driver(&system, "late");
        let looks = Arc::clone(&there);
        late.set_probe(move |_| match looks.load(Ordering::SeqCst) {
            0 => Err(Errno::EPROBE_DEFER),
            _ => Ok(()),
        });
        let supplier = platform_driver(&system, "supplier");
        let comes = Arc::clone(&there);
        supplier.set_probe(move |_| {
            comes.store(1, Ordering::SeqCst);
            Ok(())
        });
        driver_register(&late).unwrap();
        driver_register(&supplier).unwrap();
        let arriving = system.clone();
        let arrival = thread::spawn("arrival", move || {
            platform_device_register(&arriving, "supplier", PlatformId::None).unwrap()
        })
        .unwrap();
        let consumer = platform_device_register(&system, "late", PlatformId::None).unwrap();
        let supplier = arrival.join().unwrap();
        wait_for_device_probe(&system);
        assert!(consumer.driver().is_some(), "nobody tries again");
        platform_device_unregister(&consumer);
        platform_device_unregister(&supplier);
    });
}

#[test]
fn a_supplier_that_is_unbound_while_its_consumer_is_probed_goes_after_it() {
    explored(|| {
        let system = System::new();
        let events = system.record();
        let bound = Arc::new(AtomicI32::new(0));
        let supplier_bound = Arc::new(AtomicI32::new(0));
        let driver = platform_driver(&system, "supplier");
        let (consumers, mine) = (Arc::clone(&bound), Arc::clone(&supplier_bound));
        driver.set_probe({
            let mine = Arc::clone(&mine);
            move |_| {
                mine.store(1, Ordering::SeqCst);
                Ok(())
            }
        });
        driver.set_remove(move |_| {
            assert_eq!(consumers.load(Ordering::SeqCst), 0, "a consumer is bound");
            mine.store(0, Ordering::SeqCst);
        });
        driver_register(&driver).unwrap();
        let consumers = counting_driver(&system, &bound);
        let supplier = platform_device_register(&system, "supplier", PlatformId::None).unwrap();
        let consumer = platform_device_register(&system, "sensor", PlatformId::None).unwrap();
        device_link_add(&consumer, &supplier, LinkFlags::default()).unwrap();
        let arriving = consumers.clone();
        let arrival = thread::spawn("arrival", move || driver_register(&arriving)).unwrap();
        device_release_driver(&supplier);
        assert_eq!(arrival.join().unwrap(), Ok(()));
        assert_eq!(bound.load(Ordering::SeqCst), 0);
        platform_device_unregister(&supplier);
        platform_device_unregister(&consumer);
        device_link_wait_removal(&system);
        assert!(supplier.is_released() && consumer.is_released());
        assert_eq!(splats(&events), [""; 0]);
    });
}
