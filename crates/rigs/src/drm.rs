//! A card to test with: a platform device, its driver, a DRM device on it.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_drm::raw::*;
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{Action, Device, PlatformId, devm_add_action, kref_read};
use lastfd_model::{Event, EventKind, Result, System};
use lastfd_sync::{Arc, Mutex, Weak};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::{DriverSpec, Rig, new_system};

/// One frame of the simulated CRTC.
pub const FRAME: Duration = Duration::from_millis(20);

/// How the driver's remove ends its DRM device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// As a driver for hardware that can go.
    Unplug,
    /// As vkms.
    Unregister,
    /// Not at all: a driver's mistake.
    Nothing,
}

/// A log that callbacks write and tests read.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// Writes a line.
    pub fn add(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    /// The lines so far, which are then forgotten.
    pub fn take(&self) -> Vec<String> {
        core::mem::take(&mut *self.0.lock())
    }
}

/// A [`Rig`] with a DRM device.
pub struct Card {
    rig: Rig<DrmDevice>,
    /// What the callbacks wrote.
    pub log: Log,
    /// Held by each device in memory.
    drm_driver: Weak<DrmDriver>,
}

impl core::ops::Deref for Card {
    type Target = Rig<DrmDevice>;

    fn deref(&self) -> &Self::Target {
        &self.rig
    }
}

impl core::fmt::Debug for Card {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.rig.fmt(f)
    }
}

/// The callbacks of the recorded module's driver.
pub fn logging_driver(log: &Log) -> DrmDriver {
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
pub fn display_driver() -> DrmDriver {
    DrmDriver {
        name: "vkms".to_owned(),
        desc: "Virtual Kernel Mode Setting".to_owned(),
        features: Features::GEM | Features::MODESET | Features::ATOMIC,
        dumb_create: Some(Arc::new(drm_gem_shmem_dumb_create)),
        ..DrmDriver::default()
    }
}

impl Card {
    /// As the recorded scenarios: managed resources before, between and after.
    pub fn recorded(removal: Removal) -> Card {
        let log = Log::default();
        let driver = logging_driver(&log);
        let probe_log = log.clone();
        let card = Card::probed(&new_system(), driver, log, removal, move |dev, parent| {
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
        });
        card.expect("a new System has room for it")
    }

    /// A display with a CRTC that is on.
    pub fn display(removal: Removal) -> Card {
        Card::of(new_system(), display_driver(), removal)
    }

    /// A display of this driver, in this System.
    pub fn of(system: System, driver: DrmDriver, removal: Removal) -> Card {
        Card::on(&system, driver, removal).expect("the System has room for it")
    }

    /// As [`of`](Card::of).
    ///
    /// # Errors
    /// What [`plug`](Rig::plug) gives.
    pub fn on(system: &System, driver: DrmDriver, removal: Removal) -> Result<Card> {
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
        system: &System,
        driver: DrmDriver,
        log: Log,
        removal: Removal,
        more: impl Fn(Option<&DrmDevice>, &Device) -> Result + Send + Sync + 'static,
    ) -> Result<Card> {
        let drm_driver = Arc::new(driver);
        let weak_driver = Arc::downgrade(&drm_driver);
        let made: Arc<Mutex<Option<DrmDevice>>> = Arc::default();
        let (in_remove, remove_log) = (Arc::clone(&made), log.clone());
        let spec = DriverSpec {
            name: "lf-m",
            id: PlatformId::Auto,
            probe: Box::new(move |device: &Device| {
                more(None, device)?;
                let dev = devm_drm_dev_alloc(device, &drm_driver)?;
                more(Some(&dev), device)?;
                *made.lock() = Some(dev.clone());
                Ok(dev)
            }),
            remove: Some(Box::new(move |_: &Device| {
                let dev = in_remove.lock().take().expect("the probe made a device");
                remove_log.add("remove enter");
                end(&dev, removal);
                remove_log.add("remove leave");
            })),
        };
        let rig = Rig::plug(system, spec)?;
        Ok(Card {
            rig,
            log,
            drm_driver: weak_driver,
        })
    }

    /// The DRM device its latest probe made.
    pub fn dev(&self) -> DrmDevice {
        self.made().expect("the probe made a device")
    }

    /// The device of the card's node.
    pub fn kdev(&self) -> Device {
        let dev = self.dev();
        let primary = dev.primary().expect("every DRM device has one");
        primary.kdev().clone()
    }

    /// The path of the card's node.
    pub fn path(&self) -> String {
        path_of(&self.system, &self.kdev()).expect("the card has a node")
    }

    /// Opens the card's node.
    pub fn open(&self) -> OpenFile {
        self.open_with(OpenFlags::RDWR)
            .expect("a card that is there can be opened")
    }

    /// Opens the card's node.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn open_with(&self, flags: OpenFlags) -> Result<OpenFile> {
        open(&self.system, &self.path(), flags)
    }

    /// Removes the hardware: the driver's remove runs.
    pub fn remove(&self) {
        self.unplug();
    }

    /// References of the DRM device, the hardware and the node, as the traces
    /// print them; `None` is released.
    pub fn refs(&self) -> [Option<u32>; 3] {
        let count = |device: &Device| (!device.is_released()).then(|| kref_read(device));
        let dev = self.dev();
        [
            (!dev.is_released()).then(|| drm_dev_kref_read(&dev)),
            count(&self.hardware),
            count(&self.kdev()),
        ]
    }

    /// What a kernel would have printed a stack trace for, with its kind.
    pub fn splat_kinds(&self) -> Vec<(SplatKind, String)> {
        splats(&self.record.events())
    }

    /// Ends everything, and tells what was not clean.
    pub fn finish(self) {
        assert_eq!(self.splats(), [] as [String; 0]);
        let Card {
            rig,
            log,
            drm_driver,
        } = self;
        drop(log);
        assert_eq!(rig.finish(), [] as [String; 0]);
        assert_eq!(drm_driver.strong_count(), 0, "a device is left in memory");
    }
}

/// What a driver's remove does.
pub fn end(dev: &DrmDevice, removal: Removal) {
    match removal {
        Removal::Unplug => drm_dev_unplug(dev),
        Removal::Unregister => drm_dev_unregister(dev),
        Removal::Nothing => return,
    }
    drm_atomic_helper_shutdown(dev);
}

/// The path of the node of a device, while it has one.
pub fn path_of(system: &System, kdev: &Device) -> Option<String> {
    let nodes = system.dev_nodes();
    let node = nodes.iter().find(|node| node.device == *kdev)?;
    Some(format!("/dev/{}", node.name))
}

/// What a kernel would have printed a stack trace for.
pub fn splats(events: &[Event]) -> Vec<(SplatKind, String)> {
    events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Splat { kind, text, .. } => Some((*kind, text.to_string())),
            _ => None,
        })
        .collect()
}

/// An ioctl on a struct, which it may change.
pub fn ioctl<T: FromBytes + IntoBytes + Immutable>(
    file: &OpenFile,
    cmd: u32,
    arg: &mut T,
) -> Result<i32> {
    file.ioctl_bytes(cmd, arg.as_mut_bytes())
}

/// A dumb buffer of 64 by 64 pixels: its handle and its offset for mmap.
pub fn dumb(file: &OpenFile) -> Result<(u32, u64, u64)> {
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
pub fn wait_request(type_: u32, sequence: u32) -> DrmWaitVblankReply {
    DrmWaitVblankReply {
        type_,
        sequence,
        ..DrmWaitVblankReply::default()
    }
}
