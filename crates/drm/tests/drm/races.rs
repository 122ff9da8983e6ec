//! Opens, ioctls, waits and events against the removal, in many orders.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_abi::iowr;
use lastfd_chrdev::{OpenFlags, open};
use lastfd_drm::raw::*;
use lastfd_model::raw::{Device, root_device_register, root_device_unregister};
use lastfd_model::{Errno, Recording, System};
use lastfd_sync::Arc;
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::explore::{Search, check_pct, check_random, search};
use lastfd_sync::thread::JoinHandle;
use zerocopy::IntoBytes;

use lastfd_rigs::drm::{FRAME, Removal, display_driver, end, ioctl, path_of, splats, wait_request};
use lastfd_rigs::new_system;

const SEED: u64 = 0xd7a;
const TOUCH: u32 = iowr::<u32>(b'd', DRM_COMMAND_BASE);

/// Runs the body in many orders.
fn in_many_orders(body: fn()) {
    for explored in [check_random(80, SEED, body), check_pct(80, 3, SEED, body)] {
        if let Err(failure) = explored {
            panic!("{failure}");
        }
    }
}

/// A task that holds up the simulated time.
fn spawn<T: Send + 'static>(
    system: &System,
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    system.clock().spawn("task", f).unwrap()
}

struct Board {
    system: System,
    events: Recording,
    root: Device,
    dev: DrmDevice,
    path: String,
}

impl Board {
    fn new(driver: DrmDriver) -> Board {
        let system = new_system();
        let events = system.record();
        let root = root_device_register(&system, "board").unwrap();
        let dev = drm_dev_alloc(&Arc::new(driver), &root).unwrap();
        drm_vblank_init(&dev, 1).unwrap();
        let crtc = drm_crtc_init_simulated(&dev, FRAME).unwrap();
        drm_crtc_vblank_on(&crtc);
        drm_dev_register(&dev, 0).unwrap();
        let path = path_of(&system, dev.primary().unwrap().kdev()).unwrap();
        Board {
            system,
            events,
            root,
            dev,
            path,
        }
    }

    /// Takes the card away, on a task of its own.
    fn remover(&self) -> JoinHandle<()> {
        let dev = self.dev.clone();
        spawn(&self.system, move || {
            end(&dev, Removal::Unplug);
            drm_dev_put(&dev);
        })
    }

    fn finish(self) {
        root_device_unregister(&self.root);
        assert!(self.dev.is_released() && self.root.is_released());
        assert_eq!(splats(&self.events.events()), []);
    }
}

fn open_against_unplug() {
    let board = Board::new(display_driver());
    let (system, path) = (board.system.clone(), board.path.clone());
    let opener = spawn(&board.system, move || {
        match open(&system, &path, OpenFlags::RDWR) {
            Ok(file) => {
                let known = ioctl(&file, DRM_IOCTL_VERSION, &mut DrmVersion::default());
                assert!(matches!(known, Ok(0) | Err(Errno::ENODEV)), "{known:?}");
            }
            Err(errno) => assert!(matches!(errno, Errno::ENOENT | Errno::ENODEV), "{errno}"),
        }
    });
    board.remover().join().unwrap();
    opener.join().unwrap();
    board.finish();
}

#[test]
fn an_open_beside_an_unplug_works_or_fails_and_leaves_nothing() {
    in_many_orders(open_against_unplug);
}

/// A driver whose ioctl touches its hardware, inside a section or not.
fn touching(guarded: bool) {
    let there = Arc::new(AtomicBool::new(true));
    let hardware = there.clone();
    let touch = DrmIoctlDesc::new("TOUCH", TOUCH, IoctlFlags::NONE, move |dev, _, _| {
        let section = match guarded {
            true => Some(drm_dev_enter(dev).ok_or(Errno::ENODEV)?),
            false => None,
        };
        assert!(hardware.load(Ordering::SeqCst), "touched when it was gone");
        drop(section);
        Ok(())
    });
    let board = Board::new(DrmDriver {
        ioctls: vec![touch],
        ..display_driver()
    });
    let file = open(&board.system, &board.path, OpenFlags::RDWR).unwrap();
    let dev = board.dev.clone();
    let remover = spawn(&board.system, move || {
        end(&dev, Removal::Unplug);
        there.store(false, Ordering::SeqCst);
        drm_dev_put(&dev);
    });
    let touched = file.ioctl_bytes(TOUCH, &mut [0; 4]);
    assert!(matches!(touched, Ok(0) | Err(Errno::ENODEV)), "{touched:?}");
    remover.join().unwrap();
    drop(file);
    board.finish();
}

#[test]
fn hardware_inside_a_section_is_never_touched_when_it_is_gone() {
    in_many_orders(|| touching(true));
}

#[test]
fn hardware_outside_of_a_section_is_found_to_be_touched_when_it_is_gone() {
    // The window is two steps of hundreds: every schedule of few preemptions finds it,
    // chance may not.
    let failure = search(&Search::default(), || touching(false))
        .failure
        .unwrap();
    // The driver's panic was unwound: the program saw EIO.
    assert!(failure.message.contains("EIO"), "{failure}");
}

fn wait_against_unplug() {
    let board = Board::new(display_driver());
    let file = open(&board.system, &board.path, OpenFlags::RDWR).unwrap();
    let waiter = {
        let file = file.clone();
        spawn(&board.system, move || {
            let mut wait = wait_request(_DRM_VBLANK_RELATIVE, 100_000);
            ioctl(&file, DRM_IOCTL_WAIT_VBLANK, &mut wait)
        })
    };
    board.remover().join().unwrap();
    let waited = waiter.join().unwrap();
    // Off before it began, or gone; no other end, and not after three seconds.
    assert!(
        matches!(waited, Ok(0) | Err(Errno::ENODEV | Errno::EINVAL)),
        "{waited:?}"
    );
    let now = board.system.clock().now().since_start();
    assert!(now < Duration::from_secs(3), "{now:?}");
    drop(file);
    board.finish();
}

#[test]
fn a_wait_beside_an_unplug_always_ends() {
    in_many_orders(wait_against_unplug);
}

fn event_against_close() {
    let board = Board::new(display_driver());
    let file = open(&board.system, &board.path, OpenFlags::RDWR).unwrap();
    let event = DrmEventVblank {
        base: DrmEventHeader {
            type_: DRM_EVENT_VBLANK,
            length: 32,
        },
        ..DrmEventVblank::default()
    };
    let drm_file = board.dev.files().pop().unwrap();
    let pending = drm_event_reserve_init(&board.dev, &drm_file, event.as_bytes()).unwrap();
    drop(drm_file);
    let dev = board.dev.clone();
    let sender = spawn(&board.system, move || drm_send_event(&dev, pending));
    let remover = board.remover();
    drop(file);
    sender.join().unwrap();
    remover.join().unwrap();
    board.finish();
}

#[test]
fn an_event_beside_the_last_close_goes_somewhere_or_nowhere() {
    in_many_orders(event_against_close);
}
