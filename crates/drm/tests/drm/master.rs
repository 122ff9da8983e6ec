//! Who is master: the first, then who asks; and who is authenticated.

use lastfd_abi::drm::*;
use lastfd_chrdev::{OpenFile, Process};
use lastfd_drm::raw::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use lastfd_rigs::drm::{Card, Log, Removal, display_driver, ioctl};
use lastfd_rigs::new_system;

fn bare(file: &OpenFile, cmd: u32) -> Result<i32> {
    file.ioctl(cmd, 0, &mut Process::new())
}

/// Whether each is master, by an ioctl that only a master may call.
fn masters<const N: usize>(files: [&OpenFile; N]) -> [bool; N] {
    files.map(|file| {
        file.ioctl_bytes(DRM_IOCTL_MODE_ATTACHMODE, &mut [0; 72])
            .is_ok()
    })
}

fn logging(log: &Log) -> DrmDriver {
    let (set, drop) = (log.clone(), log.clone());
    DrmDriver {
        master_set: Some(Arc::new(move |_, _, new| set.add(format!("set {new}")))),
        master_drop: Some(Arc::new(move |_, _| drop.add("drop"))),
        ..display_driver()
    }
}

#[test]
fn the_first_opener_is_master_until_it_drops_or_closes() {
    let log = Log::default();
    let card = Card::of(new_system(), logging(&log), Removal::Unplug);
    let (first, second) = (card.open(), card.open());
    assert_eq!(masters([&first, &second]), [true, false]);
    assert_eq!(bare(&second, DRM_IOCTL_SET_MASTER), Err(Errno::EBUSY));
    assert_eq!(bare(&second, DRM_IOCTL_DROP_MASTER), Err(Errno::EINVAL));
    assert_eq!(bare(&first, DRM_IOCTL_SET_MASTER), Ok(0));
    assert_eq!(bare(&first, DRM_IOCTL_DROP_MASTER), Ok(0));
    assert_eq!(masters([&first, &second]), [false, false]);
    assert_eq!(bare(&second, DRM_IOCTL_SET_MASTER), Ok(0));
    assert_eq!(masters([&first, &second]), [false, true]);
    drop(second);
    // Nobody becomes master by being there; the next opener does.
    assert_eq!(masters([&first]), [false]);
    let third = card.open();
    assert_eq!(masters([&first, &third]), [false, true]);
    assert_eq!(
        log.take(),
        ["set true", "drop", "set true", "drop", "set true"]
    );
    drop((first, third));
    assert_eq!(log.take(), ["drop"]);
    card.remove();
    card.finish();
}

#[test]
fn without_privilege_only_who_was_master_may_be_it_again() {
    let system = new_system();
    let card = Card::of(system.clone(), display_driver(), Removal::Unplug);
    drm_set_privileged(&system, false);
    let (first, second) = (card.open(), card.open());
    assert_eq!(bare(&first, DRM_IOCTL_DROP_MASTER), Ok(0));
    assert_eq!(bare(&second, DRM_IOCTL_SET_MASTER), Err(Errno::EACCES));
    assert_eq!(bare(&first, DRM_IOCTL_SET_MASTER), Ok(0));
    drop((first, second));
    drop(system);
    card.remove();
    card.finish();
}

#[test]
fn a_magic_number_authenticates_once_and_only_in_its_group() {
    let system = new_system();
    let card = Card::of(system.clone(), display_driver(), Removal::Unplug);
    drm_set_privileged(&system, false);
    let (master, other) = (card.open(), card.open());
    let magic = |file: &OpenFile| {
        let mut auth = DrmAuth::default();
        ioctl(file, DRM_IOCTL_GET_MAGIC, &mut auth).map(|_| auth.magic)
    };
    let authenticate = |magic| {
        let mut auth = DrmAuth { magic };
        ioctl(&master, DRM_IOCTL_AUTH_MAGIC, &mut auth)
    };
    assert_eq!(magic(&other), Ok(1));
    assert_eq!(magic(&other), Ok(1));
    assert_eq!(magic(&master), Ok(2));
    let drm_file = |at: usize| card.dev().files()[at].clone();
    assert!(!drm_file(0).is_authenticated());
    assert_eq!(authenticate(9), Err(Errno::EINVAL));
    assert_eq!(authenticate(1), Ok(0));
    assert!(drm_file(0).is_authenticated());
    assert_eq!(authenticate(1), Err(Errno::EINVAL));
    let mut auth = DrmAuth { magic: 2 };
    let by_other = ioctl(&other, DRM_IOCTL_AUTH_MAGIC, &mut auth);
    assert_eq!(by_other, Err(Errno::EACCES));
    drop(other);
    // Its number is free again.
    let third = card.open();
    assert_eq!(magic(&third), Ok(1));
    drop((master, third));
    drop(system);
    card.remove();
    card.finish();
}

#[test]
fn a_master_of_a_gone_device_gives_it_up_at_its_close() {
    let log = Log::default();
    let card = Card::of(new_system(), logging(&log), Removal::Unplug);
    let file = card.open();
    card.remove();
    assert_eq!(log.take(), ["set true"]);
    drop(file);
    assert_eq!(log.take(), ["drop"]);
    card.finish();
}
