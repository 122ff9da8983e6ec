//! A card to test with: a platform device, its driver, a DRM device on it.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_drm::raw::*;
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{
    Action, Device, Driver, PlatformId, devm_add_action, driver_register, driver_unregister,
    kref_read, platform_device_add, platform_device_alloc, platform_device_unregister,
    platform_driver,
};
use lastfd_model::{Event, EventKind, Recording, Result, System};
use lastfd_sync::{Arc, Clock, Mutex, Weak};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// One frame of the simulated CRTC.
pub(crate) const FRAME: Duration = Duration::from_millis(20);

/// How the driver's remove ends its DRM device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// As a driver for hardware that can go.
    Unplug,
    /// As vkms.
    Unregister,
    /// Not at all: a driver's mistake.
    Nothing,
}

/// A log that callbacks write and tests read.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        core::mem::take(&mut *self.0.lock())
    }
}

/// What the probe made.
type Made = Arc<Mutex<Option<DrmDevice>>>;

pub(crate) struct Card {
    pub(crate) system: System,
    pub(crate) events: Recording,
    pub(crate) log: Log,
    pub(crate) pdev: Device,
    driver: Driver,
    made: Made,
    /// Held by each device in memory.
    drm_driver: Weak<DrmDriver>,
}

/// The callbacks of the recorded module's driver.
pub(crate) fn logging_driver(log: &Log) -> DrmDriver {
    let on_device = |what: &'static str| -> OnDevice {
        let log = log.clone();
        Arc::new(move |_: &DrmDevice| log.add(what))
    };
    let on_file = |what: &'static str| -> OnFile {
        let log = log.clone();
        Arc::new(move |_: &DrmDevice, _: &DrmFile| log.add(what))
    };
    let open: TryOnFile = {
        let log = log.clone();
        Arc::new(move |_: &DrmDevice, _: &DrmFile| {
            log.add("drm_driver.open");
            Ok(())
        })
    };
    DrmDriver {
        name: "lfdrm".to_owned(),
        desc: "lf".to_owned(),
        features: Features::GEM,
        open: Some(open),
        postclose: Some(on_file("drm_driver.postclose")),
        unload: Some(on_device("drm_driver.unload")),
        release: Some(on_device("drm_driver.release")),
        ..DrmDriver::default()
    }
}

/// A driver with dumb buffers and a CRTC, as vkms has them.
pub(crate) fn display_driver() -> DrmDriver {
    DrmDriver {
        name: "vkms".to_owned(),
        desc: "Virtual Kernel Mode Setting".to_owned(),
        features: Features::GEM | Features::MODESET | Features::ATOMIC,
        dumb_create: Some(Arc::new(drm_gem_shmem_dumb_create)),
        ..DrmDriver::default()
    }
}

pub(crate) fn new_system() -> System {
    System::builder()
        .clock(Clock::simulated())
        .ledger(true)
        .build()
}

impl Card {
    /// As the recorded scenarios: managed resources before, between and after.
    pub(crate) fn recorded(removal: Removal) -> Card {
        let log = Log::default();
        let driver = logging_driver(&log);
        let probe_log = log.clone();
        Card::probed(new_system(), driver, log, removal, move |dev, parent| {
            let action = |name: &'static str| {
                let log = probe_log.clone();
                Action::new(move || log.add(format!("devm-action {name}")))
            };
            let drmm = |name: &'static str| {
                let log = probe_log.clone();
                DrmmAction::new(name, move |_: &DrmDevice| {
                    log.add(format!("drmm-action {name}"));
                })
            };
            match dev {
                None => {
                    devm_add_action(parent, action("A1"))?;
                    devm_add_action(parent, action("A2"))?;
                }
                Some(dev) => {
                    drmm_add_action(dev, drmm("DM1"))?;
                    devm_add_action(parent, action("A3"))?;
                    drmm_add_action(dev, drmm("DM2"))?;
                    drmm_kzalloc(dev, 8)?;
                    drm_dev_register(dev, 0)?;
                    devm_add_action(parent, action("A4"))?;
                }
            }
            Ok(())
        })
    }

    /// A display with a CRTC that is on.
    pub(crate) fn display(removal: Removal) -> Card {
        Card::of(new_system(), display_driver(), removal)
    }

    /// A display of this driver, in this System.
    pub(crate) fn of(system: System, driver: DrmDriver, removal: Removal) -> Card {
        Card::probed(system, driver, Log::default(), removal, |dev, _| {
            let Some(dev) = dev else { return Ok(()) };
            if dev.has(Features::MODESET) {
                drm_vblank_init(dev, 1)?;
                let crtc = drm_crtc_init_simulated(dev, FRAME)?;
                drm_crtc_vblank_on(&crtc);
            }
            drm_dev_register(dev, 0)
        })
    }

    /// `more` runs in probe, before and after the DRM device is made.
    fn probed(
        system: System,
        driver: DrmDriver,
        log: Log,
        removal: Removal,
        more: impl Fn(Option<&DrmDevice>, &Device) -> Result + Send + Sync + 'static,
    ) -> Card {
        let events = system.record();
        let made = Made::default();
        let bus_driver = platform_driver(&system, "lf-m");
        let drm_driver = Arc::new(driver);
        let weak_driver = Arc::downgrade(&drm_driver);
        let (in_probe, in_remove) = (made.clone(), made.clone());
        bus_driver.set_probe(move |device| {
            more(None, device)?;
            let dev = devm_drm_dev_alloc(device, &drm_driver)?;
            *in_probe.lock() = Some(dev.clone());
            more(Some(&dev), device)
        });
        let remove_log = log.clone();
        bus_driver.set_remove(move |_| {
            let dev = in_remove.lock().clone().expect("the probe made a device");
            remove_log.add("remove enter");
            end(&dev, removal);
            remove_log.add("remove leave");
        });
        driver_register(&bus_driver).unwrap();
        let pdev = platform_device_alloc(&system, "lf-m", PlatformId::Auto).unwrap();
        platform_device_add(&pdev).unwrap();
        Card {
            system,
            events,
            log,
            pdev,
            driver: bus_driver,
            made,
            drm_driver: weak_driver,
        }
    }

    pub(crate) fn dev(&self) -> DrmDevice {
        self.made.lock().clone().expect("the probe made a device")
    }

    pub(crate) fn kdev(&self) -> Device {
        self.dev().primary().unwrap().kdev().clone()
    }

    /// The path of the card's node.
    pub(crate) fn path(&self) -> String {
        path_of(&self.system, &self.kdev()).expect("the card has a node")
    }

    pub(crate) fn open(&self) -> OpenFile {
        self.open_with(OpenFlags::RDWR).unwrap()
    }

    pub(crate) fn open_with(&self, flags: OpenFlags) -> Result<OpenFile> {
        open(&self.system, &self.path(), flags)
    }

    /// Removes the hardware: the driver's remove runs.
    pub(crate) fn remove(&self) {
        platform_device_unregister(&self.pdev);
    }

    /// drm, pdev and kdev, as the traces print them; `None` is released.
    pub(crate) fn refs(&self) -> [Option<u32>; 3] {
        let count = |device: &Device| (!device.is_released()).then(|| kref_read(device));
        let dev = self.dev();
        [
            (!dev.is_released()).then(|| drm_dev_kref_read(&dev)),
            count(&self.pdev),
            count(&self.kdev()),
        ]
    }

    pub(crate) fn splats(&self) -> Vec<(SplatKind, String)> {
        splats(&self.events.events())
    }

    /// Ends everything, and tells what was not clean.
    pub(crate) fn finish(self) {
        driver_unregister(&self.driver);
        assert_eq!(self.splats(), []);
        let left: Vec<String> = self
            .system
            .ledger()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(left, [] as [String; 0]);
        let Card {
            system,
            events,
            log,
            pdev,
            driver,
            made,
            drm_driver,
        } = self;
        drop((driver, made, pdev, log));
        drop(system);
        assert_eq!(drm_driver.strong_count(), 0, "a device is left in memory");
        let leaks: Vec<String> = events
            .events()
            .iter()
            .filter(|event| matches!(event.kind, EventKind::Leak { .. }))
            .map(|event| event.kind.to_string())
            .collect();
        assert_eq!(leaks, [] as [String; 0]);
    }
}

/// What a driver's remove does.
pub(crate) fn end(dev: &DrmDevice, removal: Removal) {
    match removal {
        Removal::Unplug => drm_dev_unplug(dev),
        Removal::Unregister => drm_dev_unregister(dev),
        Removal::Nothing => return,
    }
    drm_atomic_helper_shutdown(dev);
}

pub(crate) fn path_of(system: &System, kdev: &Device) -> Option<String> {
    let nodes = system.dev_nodes();
    let node = nodes.iter().find(|node| node.device == *kdev)?;
    Some(format!("/dev/{}", node.name))
}

pub(crate) fn splats(events: &[Event]) -> Vec<(SplatKind, String)> {
    events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Splat { kind, text, .. } => Some((*kind, text.to_string())),
            _ => None,
        })
        .collect()
}

/// An ioctl on a struct, which it may change.
pub(crate) fn ioctl<T: FromBytes + IntoBytes + Immutable>(
    file: &OpenFile,
    cmd: u32,
    arg: &mut T,
) -> Result<i32> {
    file.ioctl_bytes(cmd, arg.as_mut_bytes())
}

/// A dumb buffer of 64 by 64 pixels: its handle and its offset for mmap.
pub(crate) fn dumb(file: &OpenFile) -> Result<(u32, u64, u64)> {
    let mut create = DrmModeCreateDumb {
        width: 64,
        height: 64,
        bpp: 32,
        ..DrmModeCreateDumb::default()
    };
    ioctl(file, DRM_IOCTL_MODE_CREATE_DUMB, &mut create)?;
    let mut map = DrmModeMapDumb {
        handle: create.handle,
        ..DrmModeMapDumb::default()
    };
    ioctl(file, DRM_IOCTL_MODE_MAP_DUMB, &mut map)?;
    Ok((create.handle, map.offset, create.size))
}

/// A request to wait for, or get an event of, a vblank.
pub(crate) fn wait_request(type_: u32, sequence: u32) -> DrmWaitVblankReply {
    DrmWaitVblankReply {
        type_,
        sequence,
        ..DrmWaitVblankReply::default()
    }
}
