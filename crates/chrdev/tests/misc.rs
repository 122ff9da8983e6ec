//! A driver with no framework: nothing stands between an open file and the
//! driver when the device is gone.

use lastfd_chrdev::{
    File, FileOps, Ioctl, MISC_DYNAMIC_MINOR, Miscdevice, OpenFlags, Read, Try, misc_deregister,
    misc_register, open, open_devt,
};
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{
    Action, DevMem, DevT, Driver, PlatformId, devm_add_action, devm_kzalloc, driver_register,
    driver_unregister, kref_read, platform_bus, platform_device_add, platform_device_alloc,
    platform_device_unregister,
};
use lastfd_model::{Errno, EventKind, Recording, Result, System};
use lastfd_sync::{Arc, Clock, Mutex, OnceLock, thread};

/// Counts what reaches it.
#[derive(Default)]
struct Calls(Mutex<Vec<&'static str>>);

impl FileOps for Calls {
    fn open(&self, _: &File) -> Result {
        self.0.lock().push("open");
        Ok(())
    }

    fn release(&self, _: &File) {
        self.0.lock().push("release");
    }

    fn read(&self, _: &File, _: &mut Read<'_>) -> Try<usize> {
        self.0.lock().push("read");
        Try::ok(0)
    }

    fn ioctl(&self, _: &File, _: &mut Ioctl<'_>) -> Try<i32> {
        self.0.lock().push("ioctl");
        Try::ok(7)
    }
}

fn system() -> (System, Recording) {
    let system = System::builder().clock(Clock::simulated()).build();
    let record = system.record();
    (system, record)
}

fn splats(record: &Recording) -> Vec<SplatKind> {
    let events = record.events();
    let splats = events.iter().filter_map(|event| match &event.kind {
        EventKind::Splat { kind, .. } => Some(*kind),
        _ => None,
    });
    splats.collect()
}

#[test]
fn calls_reach_the_driver_after_deregister() {
    let (system, record) = system();
    let calls = Arc::new(Calls::default());
    let fops = Arc::clone(&calls) as Arc<dyn FileOps>;
    let misc = Miscdevice::new("sensor", MISC_DYNAMIC_MINOR, fops, None);
    misc_register(&system, &misc).unwrap();
    let device = misc.this_device().unwrap();
    let devt = device.devt().unwrap();
    assert_eq!(
        devt,
        DevT {
            major: 10,
            minor: 127
        }
    );
    let file = open(&system, "/dev/sensor", OpenFlags::RDWR).unwrap();
    assert!(file.file().private::<Miscdevice>().unwrap().same(&misc));
    misc_deregister(&system, &misc);
    assert!(device.is_released(), "nobody holds it");
    assert_eq!(file.read(&mut [0; 4]), Ok(0));
    assert_eq!(file.ioctl_bytes(0x1234, &mut []), Ok(7));
    assert_eq!(file.stat().nlink, 0);
    // The major number is still there, so it is ENODEV and not ENXIO.
    let again = file.reopen(OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENODEV));
    let by_number = open_devt(&system, devt, OpenFlags::RDWR);
    assert_eq!(by_number.err(), Some(Errno::ENODEV));
    let by_path = open(&system, "/dev/sensor", OpenFlags::RDWR);
    assert_eq!(by_path.err(), Some(Errno::ENOENT));
    drop(file);
    assert_eq!(*calls.0.lock(), ["open", "read", "ioctl", "release"]);
    assert_eq!(splats(&record), []);
}

/// Reads from managed memory, as a driver that keeps all it has there.
struct InManagedMemory(DevMem);

impl FileOps for InManagedMemory {
    fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
        call.write(0, &self.0.read(0..1)).map(|()| 1).into()
    }
}

#[test]
fn a_driver_that_keeps_its_data_in_managed_memory_reads_it_after_it_was_freed() {
    let (system, record) = system();
    let misc: Arc<OnceLock<Miscdevice>> = Arc::default();
    let driver = Driver::new("sensor", &platform_bus(&system));
    driver.set_probe({
        let misc = Arc::clone(&misc);
        move |device| {
            let memory = devm_kzalloc(device, 16)?;
            let fops = Arc::new(InManagedMemory(memory));
            let made = Miscdevice::new("sensor", MISC_DYNAMIC_MINOR, fops, Some(device));
            misc_register(&device.system(), &made)?;
            let (system, gone) = (device.system(), made.clone());
            let _ = misc.set(made);
            devm_add_action(
                device,
                Action::new(move || misc_deregister(&system, &gone)).named("misc_deregister"),
            )
        }
    });
    driver_register(&driver).unwrap();
    let device = platform_device_alloc(&system, "sensor", PlatformId::None).unwrap();
    platform_device_add(&device).unwrap();
    let before = kref_read(&device);
    let file = open(&system, "/dev/sensor", OpenFlags::RDWR).unwrap();
    assert_eq!(kref_read(&device), before, "the file holds nothing of it");
    assert_eq!(file.read(&mut [0; 4]), Ok(1));
    assert_eq!(splats(&record), []);
    platform_device_unregister(&device);
    assert!(device.is_released(), "nobody waits for the file");
    let _ = file.read(&mut [0; 4]);
    assert_eq!(splats(&record), [SplatKind::UseAfterFree]);
    drop(file);
    driver_unregister(&driver);
}

#[test]
fn minor_numbers_are_given_out_from_127_down_then_from_256_up() {
    let (system, record) = system();
    let new = |name: &str, minor| Miscdevice::new(name, minor, Arc::new(Calls::default()), None);
    let fixed = new("fixed", 130);
    misc_register(&system, &fixed).unwrap();
    let taken = new("taken", 130);
    assert_eq!(misc_register(&system, &taken), Err(Errno::EBUSY));
    let many: Vec<Miscdevice> = (0..130)
        .map(|i| new(&format!("misc{i}"), MISC_DYNAMIC_MINOR))
        .collect();
    for misc in &many {
        misc_register(&system, misc).unwrap();
    }
    let minors: Vec<u32> = many.iter().map(Miscdevice::minor).collect();
    let expected: Vec<u32> = (0..128).rev().chain([256, 257]).collect();
    assert_eq!(minors, expected);
    let same_name = new("misc0", MISC_DYNAMIC_MINOR);
    assert_eq!(misc_register(&system, &same_name), Err(Errno::EEXIST));
    assert_eq!(same_name.minor(), MISC_DYNAMIC_MINOR);
    for misc in &many {
        misc_deregister(&system, misc);
    }
    // A low number is kept for the next time, a high one is not.
    assert_eq!((many[0].minor(), many[129].minor()), (127, 255));
    misc_deregister(&system, &fixed);
    assert_eq!(splats(&record), []);
}

#[test]
fn registering_and_deregistering_twice_are_splats() {
    let (system, record) = system();
    let misc = Miscdevice::new("x", MISC_DYNAMIC_MINOR, Arc::new(Calls::default()), None);
    misc_register(&system, &misc).unwrap();
    assert_eq!(misc_register(&system, &misc), Err(Errno::EBUSY));
    misc_deregister(&system, &misc);
    misc_deregister(&system, &misc);
    assert_eq!(splats(&record), [SplatKind::Bug, SplatKind::Warn]);
}

/// Deregisters itself, or another one, from inside its open.
struct Selfish(System, Arc<Mutex<Option<Miscdevice>>>);

impl FileOps for Selfish {
    fn open(&self, _: &File) -> Result {
        let own = self.1.lock().take().unwrap();
        misc_deregister(&self.0, &own);
        Ok(())
    }
}

#[test]
fn open_runs_with_the_mutex_that_deregister_takes() {
    let (system, record) = system();
    // Taken by the open, so that the device does not keep itself.
    let own: Arc<Mutex<Option<Miscdevice>>> = Arc::default();
    let fops = Arc::new(Selfish(system.unowned(), Arc::clone(&own)));
    let misc = Miscdevice::new("x", MISC_DYNAMIC_MINOR, fops, None);
    *own.lock() = Some(misc.clone());
    misc_register(&system, &misc).unwrap();
    let _file = open(&system, "/dev/x", OpenFlags::RDWR).unwrap();
    assert_eq!(splats(&record), [SplatKind::Deadlock]);
}

/// Keeps whoever opens it waiting.
struct Slow(Mutex<()>);

impl FileOps for Slow {
    fn open(&self, _: &File) -> Result {
        drop(self.0.lock());
        Ok(())
    }
}

#[test]
fn a_slow_open_of_one_holds_up_all_others() {
    let (system, _record) = system();
    let slow = Arc::new(Slow(Mutex::new(())));
    let fops = Arc::clone(&slow) as Arc<dyn FileOps>;
    let one = Miscdevice::new("slow", MISC_DYNAMIC_MINOR, fops, None);
    let other = Miscdevice::new(
        "other",
        MISC_DYNAMIC_MINOR,
        Arc::new(Calls::default()),
        None,
    );
    misc_register(&system, &one).unwrap();
    misc_register(&system, &other).unwrap();
    let held = slow.0.lock();
    let clock = system.clock().clone();
    let open_it = |path: &'static str| {
        let system = system.clone();
        let opened = move || open(&system, path, OpenFlags::RDWR).map(drop);
        clock.spawn("opener", opened).unwrap()
    };
    let first = open_it("/dev/slow");
    clock.advance(core::time::Duration::from_millis(1));
    let second = open_it("/dev/other");
    clock.advance(core::time::Duration::from_millis(1));
    assert!(!first.is_finished() && !second.is_finished());
    drop(held);
    thread::yield_now();
    assert_eq!(first.join().unwrap(), Ok(()));
    assert_eq!(second.join().unwrap(), Ok(()));
}

#[test]
fn whichever_allocation_of_the_first_registration_fails_the_next_one_succeeds() {
    for nth in 1.. {
        let (system, record) = system();
        let fops = Arc::new(Calls::default());
        let misc = Miscdevice::new("lamp", MISC_DYNAMIC_MINOR, fops, None);
        system.fail_nth(nth);
        let registered = misc_register(&system, &misc);
        // What the module makes once is made as a kernel starts, and cannot fail.
        assert!(system.find_class("misc").is_some(), "allocation {nth}");
        let is_over = system.fail_nth_left() > 0;
        system.fail_nth(0);
        match registered {
            Ok(()) => assert!(is_over),
            Err(errno) => {
                assert_eq!(errno, Errno::ENOMEM);
                assert_eq!(misc.minor(), MISC_DYNAMIC_MINOR);
                misc_register(&system, &misc).unwrap();
            }
        }
        drop(open(&system, "/dev/lamp", OpenFlags::RDWR).unwrap());
        misc_deregister(&system, &misc);
        drop(system);
        let events = record.events();
        let mut leaks = events.iter();
        assert!(!leaks.any(|e| matches!(e.kind, EventKind::Leak { .. })));
        assert_eq!(splats(&record), []);
        if is_over {
            assert!(nth > 2);
            break;
        }
    }
}
