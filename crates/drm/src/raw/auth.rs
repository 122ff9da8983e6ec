//! Who is master, and who is authenticated.
//!
//! Follows `drivers/gpu/drm/drm_auth.c`. Leases are mode setting's.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex};

use super::device::DrmDevice;
use super::file::{DrmFile, WeakDrmFile};
use crate::event::DrmEventKind;
use lastfd_model::raw::KernelGuard;

/// A group of clients around one that is, or was, master (`struct drm_master`).
#[derive(Default)]
pub(crate) struct Master {
    /// The name that SET_VERSION set.
    pub(crate) unique: Mutex<String>,
    /// Magic numbers given out; none once it was authenticated.
    magic_map: Mutex<BTreeMap<u32, Option<WeakDrmFile>>>,
}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Master").finish_non_exhaustive()
    }
}

#[track_caller]
pub(crate) fn lock(dev: &DrmDevice) -> KernelGuard<'_> {
    let (system, device) = (dev.system(), dev.device_ref());
    dev.master_mutex()
        .lock(&system, || Some(device), "master_mutex")
}

/// Whether the file is the device's current master (`drm_is_current_master`).
pub fn drm_is_current_master(file: &DrmFile) -> bool {
    let own = {
        let state = file.state();
        if !state.is_master {
            return false;
        }
        state.master.clone()
    };
    let current = file.dev().master().lock().clone();
    matches!((own, current), (Some(own), Some(current)) if Arc::ptr_eq(&own, &current))
}

/// drm_set_master.
#[track_caller]
fn set_master(dev: &DrmDevice, file: &DrmFile, new: bool) {
    let master = file.state().master.clone();
    let old = core::mem::replace(&mut *dev.master().lock(), master);
    drop(old);
    if let Some(master_set) = dev.driver().master_set.clone() {
        dev.guard("drm_driver.master_set", || master_set(dev, file, new));
    }
    file.state().was_master = true;
    dev.emit(|| DrmEventKind::MasterSet { file: file.id() });
}

/// drm_new_set_master.
#[track_caller]
fn new_set_master(dev: &DrmDevice, file: &DrmFile) -> Result {
    dev.system().allocation()?;
    let old = {
        let mut state = file.state();
        state.is_master = true;
        state.authenticated = true;
        state.master.replace(Arc::new(Master::default()))
    };
    set_master(dev, file, true);
    drop(old);
    Ok(())
}

/// drm_drop_master.
#[track_caller]
fn drop_master(dev: &DrmDevice, file: &DrmFile) {
    if let Some(master_drop) = dev.driver().master_drop.clone() {
        dev.guard("drm_driver.master_drop", || master_drop(dev, file));
    }
    let old = dev.master().lock().take();
    drop(old);
    dev.emit(|| DrmEventKind::MasterDropped { file: file.id() });
}

/// drm_master_open: the first one becomes master, the others join its group.
#[track_caller]
pub(crate) fn drm_master_open(file: &DrmFile) -> Result {
    let dev = file.dev();
    let _mutex = lock(dev);
    let current = dev.master().lock().clone();
    match current {
        None => new_set_master(dev, file),
        Some(master) => {
            file.state().master = Some(master);
            Ok(())
        }
    }
}

/// drm_master_release.
#[track_caller]
pub(crate) fn drm_master_release(file: &DrmFile) {
    let dev = file.dev();
    let _mutex = lock(dev);
    let (master, magic) = {
        let state = file.state();
        (state.master.clone(), state.magic)
    };
    if let (Some(master), true) = (&master, magic != 0) {
        master.magic_map.lock().remove(&magic);
    }
    if drm_is_current_master(file) {
        drop_master(dev, file);
    }
    let old = file.state().master.take();
    drop((old, master));
}

/// drm_master_check_perm, with all callers in one process.
fn check_perm(dev: &DrmDevice, file: &DrmFile) -> Result {
    if file.state().was_master || dev.core().is_privileged() {
        return Ok(());
    }
    Err(Errno::EACCES)
}

/// drm_setmaster_ioctl.
#[track_caller]
pub(crate) fn setmaster(dev: &DrmDevice, file: &DrmFile) -> Result {
    let _mutex = lock(dev);
    check_perm(dev, file)?;
    if drm_is_current_master(file) {
        return Ok(());
    }
    if dev.master().lock().is_some() {
        return Err(Errno::EBUSY);
    }
    let (has_master, is_master) = {
        let state = file.state();
        (state.master.is_some(), state.is_master)
    };
    if !has_master {
        return Err(Errno::EINVAL);
    }
    if !is_master {
        return new_set_master(dev, file);
    }
    set_master(dev, file, false);
    Ok(())
}

/// drm_dropmaster_ioctl.
#[track_caller]
pub(crate) fn dropmaster(dev: &DrmDevice, file: &DrmFile) -> Result {
    let _mutex = lock(dev);
    check_perm(dev, file)?;
    if !drm_is_current_master(file) {
        return Err(Errno::EINVAL);
    }
    drop_master(dev, file);
    Ok(())
}

/// drm_getmagic: the lowest number that is free in the group.
#[track_caller]
pub(crate) fn getmagic(dev: &DrmDevice, file: &DrmFile) -> Result<u32> {
    let _mutex = lock(dev);
    let (master, magic) = {
        let state = file.state();
        (state.master.clone(), state.magic)
    };
    if magic != 0 {
        return Ok(magic);
    }
    let master = master.ok_or(Errno::EINVAL)?;
    dev.system().allocation()?;
    let mut map = master.magic_map.lock();
    let free = (1..=i32::MAX as u32).find(|magic| !map.contains_key(magic));
    let magic = free.ok_or(Errno::ENOSPC)?;
    map.insert(magic, Some(file.downgrade()));
    file.state().magic = magic;
    Ok(magic)
}

/// drm_authmagic: each number authenticates once.
#[track_caller]
pub(crate) fn authmagic(dev: &DrmDevice, file: &DrmFile, magic: u32) -> Result {
    let _mutex = lock(dev);
    let master = file.state().master.clone().ok_or(Errno::EINVAL)?;
    let known = {
        let mut map = master.magic_map.lock();
        map.get_mut(&magic).and_then(Option::take)
    };
    let other = known.and_then(|weak| weak.upgrade()).ok_or(Errno::EINVAL)?;
    other.state().authenticated = true;
    Ok(())
}
