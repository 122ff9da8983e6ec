//! The recorded lifetimes: counts and order of traces m1, m2, m4 and m6.

use lastfd_abi::drm::DRM_IOCTL_DROP_MASTER;
use lastfd_chrdev::{OpenFlags, PollMask, Process, open};
use lastfd_drm::raw::*;
use lastfd_model::raw::kref_read;
use lastfd_model::{Errno, EventKind};

use lastfd_rigs::drm::{Card, Removal};

const GONE: [Option<u32>; 3] = [None, None, None];

/// Names of the devices released so far, in order, as in the traces.
fn released(card: &Card) -> Vec<&'static str> {
    let (pdev, kdev) = (card.hardware.id(), card.kdev().id());
    let name = |id| match id {
        id if id == pdev => Some("pdev"),
        id if id == kdev => Some("kdev"),
        _ => None,
    };
    card.record
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Released { device } => name(device.id),
            _ => None,
        })
        .collect()
}

#[test]
fn m1_with_nobody_holding_it_all_goes_in_the_unbind() {
    let card = Card::recorded(Removal::Unplug);
    assert_eq!(card.refs(), [Some(1), Some(6), Some(3)]);
    assert!(drm_dev_enter(&card.dev()).is_some());
    card.log.take();
    card.remove();
    assert_eq!(card.refs(), GONE);
    assert_eq!(released(&card), ["kdev", "pdev"]);
    assert_eq!(
        card.log.take(),
        [
            "remove enter",
            "drm_driver.unload",
            "remove leave",
            "devm-action A4",
            "devm-action A3",
            "drm_driver.release",
            "drmm-action DM2",
            "drmm-action DM1",
            "devm-action A2",
            "devm-action A1",
        ]
    );
    card.finish();
}

#[test]
fn m2_an_extra_reference_keeps_the_device_and_what_is_managed_past_the_unbind() {
    let card = Card::recorded(Removal::Unplug);
    let dev = drm_dev_get(&card.dev());
    assert_eq!(drm_dev_kref_read(&dev), 2);
    card.remove();
    assert_eq!(card.refs(), [Some(1), Some(1), Some(1)]);
    assert!(drm_dev_enter(&dev).is_none());
    card.log.take();
    let log = card.log.clone();
    let late = DrmmAction::new("DM3", move |_: &DrmDevice| log.add("drmm-action DM3"));
    drmm_add_action(&dev, late).unwrap();
    drm_dev_put(&dev);
    assert_eq!(
        card.log.take(),
        [
            "drm_driver.release",
            "drmm-action DM3",
            "drmm-action DM2",
            "drmm-action DM1"
        ]
    );
    assert_eq!(card.refs(), GONE);
    assert_eq!(released(&card), ["kdev", "pdev"]);
    drop(dev);
    card.finish();
}

#[test]
fn m4_an_open_file_keeps_the_device_until_its_last_close() {
    let card = Card::recorded(Removal::Unplug);
    let path = card.path();
    card.log.take();
    let file = card.open();
    assert_eq!(card.log.take(), ["drm_driver.open"]);
    // An open file counts on the DRM device alone.
    assert_eq!(card.refs(), [Some(2), Some(6), Some(3)]);
    let drop_master = || file.ioctl(DRM_IOCTL_DROP_MASTER, 0, &mut Process::new());
    let poll = || {
        let all = PollMask::IN | PollMask::PRI | PollMask::OUT;
        file.poll(all, Some(core::time::Duration::ZERO))
    };
    assert_eq!(drop_master(), Ok(0));
    assert_eq!(poll(), PollMask::NONE);
    card.remove();
    assert_eq!(card.refs(), [Some(1), Some(1), Some(1)]);
    assert_eq!(drop_master(), Err(Errno::ENODEV));
    assert_eq!(poll(), PollMask::NONE);
    let again = open(&card.system, &path, OpenFlags::RDWR);
    assert_eq!(again.err(), Some(Errno::ENOENT));
    card.log.take();
    drop(file);
    assert_eq!(
        card.log.take(),
        [
            "drm_driver.postclose",
            "drm_driver.release",
            "drmm-action DM2",
            "drmm-action DM1"
        ]
    );
    assert_eq!(card.refs(), GONE);
    assert_eq!(released(&card), ["kdev", "pdev"]);
    card.finish();
}

#[test]
fn m6_a_driver_that_neither_unplugs_nor_unregisters_leaves_a_card_that_can_be_entered() {
    let card = Card::recorded(Removal::Nothing);
    let dev = drm_dev_get(&card.dev());
    card.remove();
    assert_eq!(drm_dev_kref_read(&dev), 1);
    assert_eq!(kref_read(&card.hardware), 3);
    assert!(drm_dev_enter(&dev).is_some());
    card.log.take();
    drm_dev_unplug(&dev);
    assert_eq!(card.log.take(), ["drm_driver.unload"]);
    assert!(drm_dev_enter(&dev).is_none());
    drm_dev_put(&dev);
    assert_eq!(
        card.log.take(),
        ["drm_driver.release", "drmm-action DM2", "drmm-action DM1"]
    );
    assert_eq!(card.refs(), GONE);
    assert_eq!(released(&card), ["kdev", "pdev"]);
    drop(dev);
    card.finish();
}
