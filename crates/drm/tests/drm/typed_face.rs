//! The typed face: a driver that can not get the order wrong.

use core::time::Duration;

use lastfd_abi::drm::{_DRM_VBLANK_RELATIVE, DRM_IOCTL_WAIT_VBLANK};
use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_drm::raw::{Features, IoctlFlags, drm_dev_kref_read};
use lastfd_drm::typed::{ARef, Device, Driver, Info, Ioctl, UnregisteredDevice};
use lastfd_model::typed::{Bound, PlatformDevice, PlatformDriver};
use lastfd_model::{Errno, Result, System, typed};
use lastfd_sync::Arc;
use lastfd_sync::atomic::{AtomicU32, Ordering};

use lastfd_rigs::drm::{FRAME, Log, ioctl, path_of, splats, wait_request};
use lastfd_rigs::new_system;

struct Screen {
    log: Log,
}

/// The registers, which tell when they go.
struct Registers {
    value: AtomicU32,
    log: Log,
}

impl Drop for Registers {
    fn drop(&mut self) {
        self.log.add("hardware gone");
    }
}

struct Client {
    calls: AtomicU32,
    log: Log,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.log.add("client gone");
    }
}

impl Driver for Screen {
    type Hardware = Registers;
    type File = Client;
    const INFO: Info = Info {
        name: "screen",
        desc: "A screen",
        version: (1, 2, 3),
    };
    const FEATURES: Features = Features(Features::GEM.0 | Features::MODESET.0);

    fn open(device: &Device<Screen>) -> Result<Client> {
        device.enter().ok_or(Errno::ENODEV)?;
        Ok(Client {
            calls: AtomicU32::new(0),
            log: device.data().log.clone(),
        })
    }

    fn postclose(device: &Device<Screen>, client: &Client) {
        let calls = client.calls.load(Ordering::SeqCst);
        device.data().log.add(format!("closed after {calls} calls"));
    }

    fn ioctls() -> Vec<Ioctl<Screen>> {
        vec![write()]
    }

    fn release(&self) {
        self.log.add("release");
    }
}

/// Writes the register, and gives what was there.
fn write() -> Ioctl<Screen> {
    Ioctl::new(
        "WRITE",
        3,
        IoctlFlags::AUTH,
        |device: &Device<Screen>, value: &mut u32, file: &Client| {
            let registers = device.enter().ok_or(Errno::ENODEV)?;
            file.calls.fetch_add(1, Ordering::SeqCst);
            *value = registers.value.swap(*value, Ordering::SeqCst);
            Ok(())
        },
    )
}

/// The platform driver that makes it.
struct Board {
    screen: ARef<Screen>,
}

impl typed::Driver for Board {
    type Info = Log;

    fn probe(device: &typed::Device<Bound>, log: &Log) -> Result<Board> {
        let registers = Registers {
            value: AtomicU32::new(5),
            log: log.clone(),
        };
        let screen = UnregisteredDevice::new(device, Screen { log: log.clone() }, registers)?;
        screen.add_crtcs(1, FRAME)?;
        let released = log.clone();
        screen.on_release("memory", move || released.add("on_release"))?;
        Ok(Board {
            screen: screen.register(device)?,
        })
    }
}

struct Bench {
    log: Log,
    device: PlatformDevice,
    driver: PlatformDriver<Board>,
}

fn bench(system: &System) -> Bench {
    let log = Log::default();
    let driver = PlatformDriver::register(system, "screen").unwrap();
    let device = PlatformDevice::register(system, "screen", log.clone()).unwrap();
    Bench {
        log,
        device,
        driver,
    }
}

impl Bench {
    fn screen(&self) -> ARef<Screen> {
        let board = |bound: &typed::Device<Bound>| bound.drvdata::<Board>();
        let board: Arc<Board> = self.device.with_bound(board).flatten().unwrap();
        board.screen.clone()
    }

    fn open(&self, system: &System) -> OpenFile {
        let kdev = self.screen().raw().primary().unwrap().kdev().clone();
        let path = path_of(system, &kdev).unwrap();
        open(system, &path, OpenFlags::RDWR).unwrap()
    }
}

fn call(file: &OpenFile, value: u32) -> Result<u32> {
    let mut value = value;
    ioctl(file, write().cmd(), &mut value).map(|_| value)
}

#[test]
fn at_unbind_the_device_is_unplugged_before_its_hardware_goes() {
    let system = new_system();
    let events = system.record();
    let bench = bench(&system);
    let file = bench.open(&system);
    assert_eq!(call(&file, 6), Ok(5));
    assert_eq!(call(&file, 7), Ok(6));
    let screen = bench.screen();
    // The devres', the board's, the file's, ours.
    assert_eq!(drm_dev_kref_read(screen.raw()), 4);
    drop(screen);
    let waiting = {
        let file = file.clone();
        let wait = move || {
            let mut wait = wait_request(_DRM_VBLANK_RELATIVE, 100);
            ioctl(&file, DRM_IOCTL_WAIT_VBLANK, &mut wait)
        };
        system.clock().spawn("program", wait).unwrap()
    };
    system.clock().advance(Duration::from_millis(1));
    let Bench {
        log,
        device,
        driver,
    } = bench;
    device.unregister();
    // The CRTC was switched off, which ended the wait.
    assert_eq!(waiting.join().unwrap(), Ok(0));
    assert_eq!(log.take(), ["hardware gone"]);
    assert_eq!(call(&file, 8), Err(Errno::ENODEV));
    drop(file);
    assert_eq!(
        log.take(),
        [
            "closed after 2 calls",
            "client gone",
            "release",
            "on_release"
        ]
    );
    driver.unregister();
    assert_eq!(splats(&events.events()), []);
    assert!(system.ledger().is_empty(), "{:?}", system.ledger());
}

#[test]
fn a_reference_keeps_the_data_and_not_the_hardware() {
    let system = new_system();
    let bench = bench(&system);
    let screen = bench.screen();
    assert!(screen.enter().is_some());
    let Bench {
        log,
        device,
        driver,
    } = bench;
    device.unregister();
    assert!(screen.enter().is_none());
    assert_eq!(log.take(), ["hardware gone"]);
    let again = screen.clone();
    drop(screen);
    assert!(!again.raw().is_released());
    drop(again);
    assert_eq!(log.take(), ["release", "on_release"]);
    driver.unregister();
}

#[test]
fn a_probe_that_fails_anywhere_leaves_nothing() {
    for n in 1..200 {
        let system = new_system();
        let events = system.record();
        let driver = PlatformDriver::<Board>::register(&system, "screen").unwrap();
        let log = Log::default();
        system.fail_nth(n);
        let device = PlatformDevice::register(&system, "screen", log.clone());
        let failed = system.fail_nth_left() == 0;
        system.fail_nth(0);
        drop(device);
        driver.unregister();
        assert_eq!(splats(&events.events()), []);
        assert!(system.ledger().is_empty(), "{n}: {:?}", system.ledger());
        if !failed {
            assert!(n > 20, "{n} allocations");
            return;
        }
    }
    panic!("it never came to an end");
}
