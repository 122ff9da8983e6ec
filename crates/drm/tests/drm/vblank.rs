//! Vblanks: counting, waiting, and when their source runs.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_drm::DrmEventKind;
use lastfd_drm::raw::*;
use lastfd_model::raw::{root_device_register, root_device_unregister};
use lastfd_model::{Errno, EventKind};
use lastfd_sync::{Arc, Cancel, Ktime};
use zerocopy::IntoBytes;

use lastfd_rigs::drm::{Card, FRAME, Removal, display_driver, ioctl, wait_request};
use lastfd_rigs::new_system;

fn kinds(card: &Card) -> Vec<DrmEventKind> {
    let drm = |kind: &EventKind| match kind {
        EventKind::Framework(event) => {
            let event = event.as_any().downcast_ref::<lastfd_drm::DrmEvent>()?;
            Some(event.kind.clone())
        }
        _ => None,
    };
    card.record
        .events()
        .iter()
        .filter_map(|event| drm(&event.kind))
        .collect()
}

fn wait(file: &lastfd_chrdev::OpenFile, type_: u32, sequence: u32) -> Result<u32, Errno> {
    let mut wait = wait_request(type_, sequence);
    ioctl(file, DRM_IOCTL_WAIT_VBLANK, &mut wait).map(|_| wait.sequence)
}

#[test]
fn a_wait_returns_at_its_vblank_with_its_time() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let mut request = wait_request(_DRM_VBLANK_RELATIVE, 3);
    ioctl(&file, DRM_IOCTL_WAIT_VBLANK, &mut request).unwrap();
    assert_eq!(request.sequence, 4);
    assert_eq!(request.type_, 0, "the request became an absolute one");
    let time = FRAME * 3;
    assert_eq!(request.tval_usec, i64::from(time.subsec_micros()));
    assert_eq!(card.system.clock().now(), Ktime::default().after(time));
    // Absolute, over already; next on miss.
    assert_eq!(wait(&file, _DRM_VBLANK_ABSOLUTE, 2), Ok(4));
    assert_eq!(
        wait(&file, _DRM_VBLANK_ABSOLUTE | _DRM_VBLANK_NEXTONMISS, 2),
        Ok(5)
    );
    drop(file);
    card.remove();
    card.finish();
}

#[test]
fn a_wait_that_is_too_long_gives_up_after_three_seconds() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    assert_eq!(
        wait(&file, _DRM_VBLANK_RELATIVE, 100_000),
        Err(Errno::EBUSY)
    );
    assert_eq!(
        card.system.clock().now(),
        Ktime::default().after(Duration::from_secs(3))
    );
    drop(file);
    card.remove();
    card.finish();
}

#[test]
fn wrong_requests_are_refused() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    for type_ in [_DRM_VBLANK_SIGNAL, 0x80, _DRM_VBLANK_SECONDARY, 1 << 1] {
        assert_eq!(wait(&file, type_, 0), Err(Errno::EINVAL), "{type_:#x}");
    }
    drop(file);
    card.remove();
    card.finish();
}

#[test]
fn without_vblanks_or_mode_setting_there_is_nothing_to_wait_for() {
    let driver = DrmDriver {
        features: Features::GEM,
        ..display_driver()
    };
    let card = Card::of(new_system(), driver, Removal::Unplug);
    let file = card.open();
    assert_eq!(wait(&file, _DRM_VBLANK_RELATIVE, 0), Err(Errno::EOPNOTSUPP));
    // Vblanks, but nobody who could switch their interrupt on.
    drm_vblank_init(&card.dev(), 1).unwrap();
    assert_eq!(wait(&file, _DRM_VBLANK_RELATIVE, 0), Err(Errno::EINVAL));
    drop(file);
    card.remove();
    card.finish();
}

#[test]
fn interrupts_run_while_somebody_waits_and_five_seconds_more() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    assert!(!kinds(&card).contains(&DrmEventKind::VblankEnabled { pipe: 0 }));
    assert_eq!(wait(&file, _DRM_VBLANK_RELATIVE, 1), Ok(2));
    assert!(!kinds(&card).contains(&DrmEventKind::VblankDisabled { pipe: 0 }));
    card.system.clock().run_until_idle();
    assert_eq!(
        card.system.clock().now(),
        Ktime::default().after(FRAME + Duration::from_secs(5))
    );
    assert!(kinds(&card).contains(&DrmEventKind::VblankDisabled { pipe: 0 }));
    // What passed meanwhile is counted by its time.
    card.system.clock().advance(FRAME * 100);
    let frames = 1 + 1 + 250 + 100;
    assert_eq!(wait(&file, _DRM_VBLANK_RELATIVE, 0), Ok(frames));
    drop(file);
    card.remove();
    card.finish();
}

#[test]
fn a_driver_that_leaves_its_vblanks_on_is_warned_about_at_the_last_put() {
    let system = new_system();
    let events = system.record();
    let root = root_device_register(&system, "board").unwrap();
    let dev = drm_dev_alloc(&Arc::new(display_driver()), &root).unwrap();
    drm_vblank_init(&dev, 1).unwrap();
    let crtc = drm_crtc_init_simulated(&dev, FRAME).unwrap();
    drm_crtc_vblank_on(&crtc);
    drm_crtc_vblank_get(&crtc).unwrap();
    system.clock().advance(FRAME * 2);
    assert_eq!(drm_crtc_vblank_count(&crtc), 3);
    drm_dev_put(&dev);
    let splats = lastfd_rigs::drm::splats(&events.events());
    assert_eq!(splats.len(), 1, "{splats:?}");
    assert!(splats[0].1.contains("are on while the device is released"));
    root_device_unregister(&root);
}

#[test]
fn a_crtc_that_is_off_refuses_until_it_is_on_again() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let crtc = drm_crtcs(&card.dev()).pop().unwrap();
    drm_crtc_vblank_off(&crtc);
    assert_eq!(wait(&file, _DRM_VBLANK_RELATIVE, 1), Err(Errno::EINVAL));
    // Off twice is as good as once.
    drm_crtc_vblank_off(&crtc);
    drm_crtc_vblank_on(&crtc);
    assert!(wait(&file, _DRM_VBLANK_RELATIVE, 1).is_ok());
    drop(file);
    card.remove();
    card.finish();
}

#[test]
fn a_signal_ends_a_wait_for_a_vblank() {
    let card = Card::display(Removal::Unplug);
    let file = card.open();
    let signal = Cancel::new();
    let (of_task, until) = (file.clone(), signal.clone());
    let task = card.clock.spawn("program", move || {
        let mut program = lastfd_chrdev::Process::new();
        let wait = wait_request(_DRM_VBLANK_RELATIVE, 100);
        let arg = program.map(wait.as_bytes().to_vec());
        of_task.ioctl_with(DRM_IOCTL_WAIT_VBLANK, arg, &mut program, &until)
    });
    let task = task.unwrap();
    card.clock.advance(FRAME);
    assert!(!task.is_finished());
    signal.cancel();
    assert_eq!(task.join().unwrap(), Err(Errno::EINTR));
    // Nobody uses vblanks any more: they stop after a while.
    card.clock.run_until_idle();
    assert!(card.clock.now() < Ktime::default().after(Duration::from_secs(6)));
    drop(file);
    card.remove();
    card.finish();
}
