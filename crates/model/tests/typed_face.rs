//! The typed face at work: what a driver written against it can count on.

use lastfd_model::resource::{RegisterBlock, Regs};
use lastfd_model::typed::{Bound, Device, Devres, Driver, PlatformDevice, PlatformDriver};
use lastfd_model::{Errno, EventKind, Result, System};
use lastfd_sync::{Arc, Mutex};

type Log = Arc<Mutex<Vec<&'static str>>>;

struct Info {
    block: RegisterBlock,
    log: Log,
    fail: bool,
}

struct Lamp {
    regs: Devres<Regs>,
    log: Log,
}

struct Told(Log, &'static str);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.lock().push(self.1);
    }
}

impl Driver for Lamp {
    type Info = Info;

    fn probe(device: &Device<Bound>, info: &Info) -> Result<Lamp> {
        let told = Told(info.log.clone(), "first value dropped");
        // The value outlives this handle's scope only through the driver data,
        // so it is given to the device as an action here.
        device.on_unbind(move || drop(told))?;
        let log = info.log.clone();
        device.on_unbind(move || log.lock().push("action ran"))?;
        let regs = device.own(info.block.map(&device.system(), Some(device.raw()), "lamp"))?;
        let lamp = Lamp {
            regs: Devres::new(device, regs)?,
            log: info.log.clone(),
        };
        if info.fail {
            return Err(Errno::EIO);
        }
        Ok(lamp)
    }

    fn remove(&self, _device: &Device<Bound>) {
        self.log.lock().push("remove");
    }
}

impl Drop for Lamp {
    fn drop(&mut self) {
        self.log.lock().push("driver data dropped");
    }
}

fn info(log: &Log, fail: bool) -> Info {
    Info {
        block: RegisterBlock::memory(4),
        log: log.clone(),
        fail,
    }
}

fn splats(system_events: &lastfd_model::Recording) -> usize {
    let splat = |kind: &EventKind| matches!(kind, EventKind::Splat { .. });
    system_events
        .events()
        .iter()
        .filter(|e| splat(&e.kind))
        .count()
}

#[test]
fn an_unbind_runs_remove_then_releases_then_drops_the_driver_data() {
    let system = System::new();
    let events = system.record();
    let log = Log::default();
    let _driver = PlatformDriver::<Lamp>::register(&system, "lamp").unwrap();
    let device = PlatformDevice::register(&system, "lamp", info(&log, false)).unwrap();
    device.unregister();
    assert_eq!(
        *log.lock(),
        [
            "remove",
            "action ran",
            "first value dropped",
            "driver data dropped"
        ]
    );
    assert_eq!(splats(&events), 0);
}

#[test]
fn a_failed_probe_releases_what_it_added() {
    let system = System::new();
    let events = system.record();
    let log = Log::default();
    let _driver = PlatformDriver::<Lamp>::register(&system, "lamp").unwrap();
    let device = PlatformDevice::register(&system, "lamp", info(&log, true)).unwrap();
    assert!(device.with_bound(|_| ()).is_none());
    assert_eq!(
        *log.lock(),
        ["driver data dropped", "action ran", "first value dropped"]
    );
    drop(device);
    assert_eq!(splats(&events), 0);
}

#[test]
fn a_managed_value_is_none_after_the_unbind_and_reachable_by_proof_before() {
    let system = System::new();
    let log = Log::default();
    let _driver = PlatformDriver::<Lamp>::register(&system, "lamp").unwrap();
    let device = PlatformDevice::register(&system, "lamp", info(&log, false)).unwrap();
    let lamp: Arc<Lamp> = device
        .with_bound(|bound| {
            let lamp = bound.drvdata::<Lamp>().unwrap();
            lamp.regs.access(bound).unwrap().write(0, 5);
            lamp
        })
        .unwrap();
    assert_eq!(lamp.regs.try_access().unwrap().read(0), 5);
    device.unregister();
    assert!(lamp.regs.try_access().is_none());
}

#[test]
fn a_reference_keeps_the_device_until_it_is_dropped() {
    let system = System::new();
    let log = Log::default();
    let device = PlatformDevice::register(&system, "lamp", info(&log, false)).unwrap();
    let held = device.get();
    let again = held.clone();
    device.unregister();
    drop(held);
    assert!(!again.raw().is_released());
    let raw = again.raw().clone();
    drop(again);
    assert!(raw.is_released());
}

#[test]
fn unbinding_inside_with_bound_is_told_and_does_not_hang() {
    let system = System::new();
    let events = system.record();
    let log = Log::default();
    let _driver = PlatformDriver::<Lamp>::register(&system, "lamp").unwrap();
    let device = PlatformDevice::register(&system, "lamp", info(&log, false)).unwrap();
    device.with_bound(|bound| lastfd_model::raw::device_release_driver(bound.raw()));
    assert_eq!(splats(&events), 1);
    device.unregister();
}

#[test]
fn a_driver_finds_no_device_whose_information_is_of_another_type() {
    let system = System::new();
    let _driver = PlatformDriver::<Lamp>::register(&system, "lamp").unwrap();
    let device = PlatformDevice::register(&system, "lamp", 7_u32).unwrap();
    assert!(device.with_bound(|_| ()).is_none());
}
