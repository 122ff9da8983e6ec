//! A display made of two devices: a card, and a bridge with a driver of its own
//! that may be unbound first. Who pins whom, and what an open file sees.

use lastfd_abi::drm::DRM_COMMAND_BASE;
use lastfd_abi::{io, iowr};
use lastfd_chrdev::{OpenFile, Process, Try};
use lastfd_drm::raw::*;
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{
    Device, Driver, PlatformId, dev_get_drvdata, dev_set_drvdata, device_release_driver,
    driver_register, driver_unregister, kref_read, platform_device_add, platform_device_alloc,
    platform_device_unregister, platform_driver,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex};

use lastfd_rigs::drm::{Card, Log, Removal, display_driver};
use lastfd_rigs::new_system;

/// The card's own ioctl that switches the picture on.
const PICTURE: u32 = iowr::<u32>(b'd', DRM_COMMAND_BASE);

/// And one that asks the bridge what is connected.
const DETECT: u32 = io(b'd', DRM_COMMAND_BASE + 1);

/// Where the bridge's memory is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// Static, so that who comes too late can be seen, as in the recorded
    /// module.
    Static,
    /// In its driver's devres: Linux up to 6.15.
    Devres,
    /// Counted: since 6.16.
    Counted,
}

struct Display {
    card: Card,
    log: Log,
    bridge_device: Device,
    bridge_driver: Driver,
    encoder: DrmEncoder,
    bridge: DrmBridge,
}

fn funcs(log: &Log) -> DrmBridgeFuncs {
    let on = |what: &'static str| -> Option<OnBridge> {
        let log = log.clone();
        Some(Arc::new(move |bridge: &DrmBridge| {
            let there = match dev_get_drvdata(bridge.parent()) {
                Some(_) => "",
                None => ", hardware gone",
            };
            log.add(format!("{what}{there}"));
        }))
    };
    DrmBridgeFuncs {
        attach: None,
        detach: on("detach"),
        detect: {
            let detect = on("detect");
            Some(Arc::new(move |bridge: &DrmBridge| {
                detect.iter().for_each(|log| log(bridge));
                ConnectorStatus::Connected
            }))
        },
        enable: on("enable"),
        disable: on("disable"),
        destroy: on("destroy"),
    }
}

impl Display {
    fn new(memory: Memory) -> Display {
        let system = new_system();
        let log = Log::default();
        let bridge_driver = platform_driver(&system, "bridge");
        let probe_log = log.clone();
        bridge_driver.set_probe(move |device| {
            let bridge = match memory {
                Memory::Static => static_bridge(device, funcs(&probe_log)),
                Memory::Devres => devm_kzalloc_bridge(device, funcs(&probe_log))?,
                Memory::Counted => devm_drm_bridge_alloc(device, funcs(&probe_log))?,
            };
            dev_set_drvdata(device, Some(Arc::new("hardware")));
            devm_drm_bridge_add(device, &bridge)
        });
        driver_register(&bridge_driver).unwrap();
        let bridge_device = platform_device_alloc(&system, "bridge", PlatformId::None).unwrap();
        platform_device_add(&bridge_device).unwrap();

        let encoder_of_card: Arc<Mutex<Option<DrmEncoder>>> = Arc::default();
        let encoder = encoder_of_card.clone();
        let picture = DrmIoctlDesc::new("PICTURE", PICTURE, IoctlFlags::NONE, move |_, _, _| {
            let encoder = encoder.lock().clone().ok_or(Errno::ENODEV)?;
            drm_bridge_chain_enable(&encoder);
            Ok(())
        });
        let bridge = drm_find_bridge(&bridge_device).unwrap();
        let asked = bridge.clone();
        let detect = DrmIoctlDesc {
            name: "DETECT",
            cmd: DETECT,
            flags: IoctlFlags::NONE,
            func: Arc::new(move |_, _, _| Try::ok(drm_bridge_detect(&asked) as i32)),
        };
        let driver = DrmDriver {
            ioctls: vec![picture, detect],
            ..display_driver()
        };
        let card = Card::of(system, driver, Removal::Unplug);
        let encoder = drmm_encoder_init(&card.dev()).unwrap();
        drm_bridge_attach(&encoder, &bridge, None).unwrap();
        *encoder_of_card.lock() = Some(encoder.clone());
        Display {
            card,
            log,
            bridge_device,
            bridge_driver,
            encoder,
            bridge,
        }
    }

    fn picture(&self, file: &OpenFile) -> (Result<i32>, Vec<String>) {
        let result = file.ioctl_bytes(PICTURE, &mut [0; 4]);
        (result, self.log.take())
    }

    fn detect(&self, file: &OpenFile) -> (Result<i32>, Vec<String>) {
        let result = file.ioctl(DETECT, 0, &mut Process::new());
        (result, self.log.take())
    }

    fn splats(&self) -> Vec<SplatKind> {
        let splats = self.card.splat_kinds();
        splats.into_iter().map(|(kind, _)| kind).collect()
    }

    fn end_bridge(&self) {
        platform_device_unregister(&self.bridge_device);
        driver_unregister(&self.bridge_driver);
        assert!(self.bridge_device.is_released());
    }
}

/// The bridge's device, the card's, the DRM device, as recorded.
fn refs(display: &Display) -> [Option<u32>; 3] {
    let bridge = &display.bridge_device;
    let [drm, card, _] = display.card.refs();
    [
        (!bridge.is_released()).then(|| kref_read(bridge)),
        card,
        drm,
    ]
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn the_bridge_goes_first_as_recorded() {
    let display = Display::new(Memory::Static);
    assert_eq!(refs(&display), [Some(3), Some(6), Some(1)]);
    let file = display.card.open();
    assert_eq!(refs(&display), [Some(3), Some(6), Some(2)]);
    assert_eq!(display.detect(&file), (Ok(1), lines(&["detect"])));
    device_release_driver(&display.bridge_device);
    assert_eq!(refs(&display), [Some(3), Some(6), Some(2)]);
    let late = lines(&["detect, hardware gone"]);
    assert_eq!(display.detect(&file), (Ok(1), late.clone()));
    // The card is still bound, and can be opened.
    drop(display.card.open());
    platform_device_unregister(&display.bridge_device);
    assert_eq!(refs(&display), [None, Some(6), Some(2)]);
    assert_eq!(display.detect(&file), (Ok(1), late));
    display.card.remove();
    assert_eq!(refs(&display), [None, Some(1), Some(1)]);
    assert_eq!(display.detect(&file), (Err(Errno::ENODEV), vec![]));
    drop(file);
    assert_eq!(display.log.take(), ["detach, hardware gone"]);
    assert_eq!(refs(&display), [None, None, None]);
    driver_unregister(&display.bridge_driver);
    assert_eq!(display.splats(), []);
}

#[test]
fn the_card_goes_first_as_recorded() {
    let display = Display::new(Memory::Static);
    let file = display.card.open();
    display.card.remove();
    assert_eq!(refs(&display), [Some(3), Some(1), Some(1)]);
    assert_eq!(display.detect(&file), (Err(Errno::ENODEV), vec![]));
    device_release_driver(&display.bridge_device);
    platform_device_unregister(&display.bridge_device);
    assert_eq!(refs(&display), [None, Some(1), Some(1)]);
    drop(file);
    // The chain is taken apart by the last close, long after the bridge went.
    assert_eq!(display.log.take(), ["detach, hardware gone"]);
    assert_eq!(refs(&display), [None, None, None]);
    driver_unregister(&display.bridge_driver);
    assert_eq!(display.splats(), []);
}

#[test]
fn nobody_pins_anybody() {
    let display = Display::new(Memory::Counted);
    let before = kref_read(&display.bridge_device);
    let file = display.card.open();
    assert_eq!(display.picture(&file), (Ok(0), vec!["enable".to_owned()]));
    // Neither attaching nor an open file counts on the bridge's device.
    assert_eq!(kref_read(&display.bridge_device), before);
    assert_eq!(display.bridge.dev(), Some(display.card.dev()));
    let again = drm_bridge_attach(&display.encoder, &display.bridge, None);
    assert_eq!(again, Err(Errno::EBUSY));
    drop(file);
    display.card.remove();
    display.end_bridge();
    assert_eq!(display.splats(), []);
}

#[test]
fn a_bridge_in_devres_that_is_unbound_first_leaves_the_card_with_freed_memory() {
    let display = Display::new(Memory::Devres);
    let file = display.card.open();
    device_release_driver(&display.bridge_device);
    assert!(display.bridge.is_freed());
    assert_eq!(drm_find_bridge(&display.bridge_device), None);
    assert_eq!(display.log.take(), ["destroy"]);
    // The card is still there for its file, and reaches for the bridge.
    assert!(display.encoder.chain().contains(&display.bridge));
    assert_eq!(display.picture(&file), (Ok(0), vec![]));
    assert_eq!(display.splats(), [SplatKind::UseAfterFree]);
    display.card.remove();
    assert_eq!(display.picture(&file).0, Err(Errno::ENODEV));
    // The last close takes the chain apart, and reaches for it once more.
    drop(file);
    assert!(display.card.dev().is_released());
    assert_eq!(display.splats(), [SplatKind::UseAfterFree; 2]);
    display.end_bridge();
}

#[test]
fn a_counted_bridge_that_is_unbound_first_stays_but_its_hardware_does_not() {
    let display = Display::new(Memory::Counted);
    // Its driver, the list, the chain.
    assert_eq!(display.bridge.kref(), 3);
    let file = display.card.open();
    device_release_driver(&display.bridge_device);
    assert_eq!(display.bridge.kref(), 1);
    assert_eq!(
        display.picture(&file),
        (Ok(0), vec!["enable, hardware gone".to_owned()])
    );
    display.card.remove();
    assert_eq!(display.picture(&file), (Err(Errno::ENODEV), vec![]));
    assert!(!display.bridge.is_freed());
    // The bridge's own device may be gone altogether by now.
    display.end_bridge();
    drop(file);
    assert_eq!(
        display.log.take(),
        ["detach, hardware gone", "destroy, hardware gone"]
    );
    assert!(display.bridge.is_freed());
    assert_eq!(display.splats(), []);
}

#[test]
fn a_card_that_goes_first_lets_its_bridge_go_at_its_last_close() {
    let display = Display::new(Memory::Counted);
    let file = display.card.open();
    display.card.remove();
    assert!(display.encoder.chain().contains(&display.bridge));
    assert_eq!(display.bridge.kref(), 3);
    drop(file);
    assert_eq!(display.log.take(), ["detach"]);
    assert_eq!(display.encoder.chain(), []);
    assert_eq!(display.bridge.kref(), 2);
    // Free for the next card.
    assert_eq!(display.bridge.dev(), None);
    display.end_bridge();
    assert_eq!(display.log.take(), ["destroy"]);
    assert_eq!(display.splats(), []);
}

#[test]
fn bridges_of_a_chain_are_called_near_to_far_and_back() {
    let display = Display::new(Memory::Counted);
    let second_log = display.log.clone();
    let on = |what: &'static str| -> Option<OnBridge> {
        let log = second_log.clone();
        Some(Arc::new(move |_: &DrmBridge| log.add(what)))
    };
    let second = DrmBridgeFuncs {
        enable: on("second enable"),
        disable: on("second disable"),
        ..DrmBridgeFuncs::default()
    };
    let second = devm_drm_bridge_alloc(&display.bridge_device, second).unwrap();
    drm_bridge_attach(&display.encoder, &second, Some(&display.bridge)).unwrap();
    drm_bridge_chain_enable(&display.encoder);
    drm_bridge_chain_disable(&display.encoder);
    assert_eq!(
        display.log.take(),
        ["enable", "second enable", "second disable", "disable"]
    );
    let refusing = DrmBridgeFuncs {
        attach: Some(Arc::new(|_: &DrmBridge| Err(Errno::EPROBE_DEFER))),
        ..DrmBridgeFuncs::default()
    };
    let refusing = devm_drm_bridge_alloc(&display.bridge_device, refusing).unwrap();
    let refused = drm_bridge_attach(&display.encoder, &refusing, Some(&second));
    assert_eq!(refused, Err(Errno::EPROBE_DEFER));
    assert_eq!(display.encoder.chain().len(), 2);
    assert_eq!(refusing.kref(), 1);
    let stranger = drm_bridge_attach(&display.encoder, &second, Some(&refusing));
    assert_eq!(stranger, Err(Errno::EINVAL));
    display.card.remove();
    display.end_bridge();
    assert_eq!(display.splats(), []);
}
