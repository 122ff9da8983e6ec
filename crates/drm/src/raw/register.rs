//! Registering, unregistering, unplugging.
//!
//! Follows `drivers/gpu/drm/drm_drv.c`.

use lastfd_model::event::SplatKind;
use lastfd_model::raw::KernelGuard;
use lastfd_model::{Errno, EventKind, Result};
use lastfd_sync::gate::CloseError;

use super::device::{DrmDevice, gone};
use super::managed::has_final_kfree;
use super::minor::{MinorType, drm_minor_register, drm_minor_unregister};
use crate::event::DrmEventKind;

/// drm_file.c: drm_dev_needs_global_mutex.
pub(crate) fn needs_global_mutex(dev: &DrmDevice) -> bool {
    dev.driver().load.is_some() || dev.driver().unload.is_some()
}

/// Runs something under `drm_global_mutex`, if the driver is one of those that
/// need it.
#[track_caller]
pub(crate) fn under_global_mutex<T>(dev: &DrmDevice, run: impl FnOnce() -> T) -> T {
    let _held = global_mutex(dev);
    run()
}

/// As [`under_global_mutex`], for what is to know whose call it is.
#[track_caller]
fn global_mutex(dev: &DrmDevice) -> Option<KernelGuard<'_>> {
    needs_global_mutex(dev).then_some(())?;
    let (system, device) = (dev.system(), dev.device_ref());
    let global = &dev.core().global;
    Some(global.lock(&system, || Some(device), "drm_global_mutex"))
}

/// Registers the device: from here on it has nodes and can be opened
/// (`drm_dev_register`). `flags` are for the driver's `load`, which this model
/// calls without them.
///
/// # Errors
/// As `device_add`, and what `load` gives. The device is then marked as
/// unplugged and has no nodes; the caller still owns its reference.
#[track_caller]
pub fn drm_dev_register(dev: &DrmDevice, flags: u64) -> Result {
    let _ = flags;
    if dev.is_released() {
        return Err(gone(dev, "drm_dev_register"));
    }
    if !has_final_kfree(dev) {
        dev.splat(
            SplatKind::Warn,
            "drm_dev_register: nobody frees the device; drmm_add_final_kfree is missing",
        );
    }
    let held = global_mutex(dev);
    let registered = try_register(dev);
    if registered.is_err() {
        // Somebody may have opened a node that was there already.
        synchronize_unplug(dev);
        drm_minor_unregister(dev, MinorType::Primary);
        drm_minor_unregister(dev, MinorType::Render);
    }
    drop(held);
    registered?;
    dev.emit(|| DrmEventKind::Registered);
    Ok(())
}

#[track_caller]
fn try_register(dev: &DrmDevice) -> Result {
    drm_minor_register(dev, MinorType::Render)?;
    drm_minor_register(dev, MinorType::Primary)?;
    dev.set_registered(true);
    dev.reopen_gate();
    if let Some(load) = dev.driver().load.clone() {
        dev.guard("drm_driver.load", || load(dev))
            .unwrap_or(Err(Errno::EIO))?;
    }
    Ok(())
}

/// Unregisters the device: its nodes go (`drm_dev_unregister`).
///
/// Open files stay, and **everything on them goes on working**: a device that
/// can lose its hardware calls [`drm_dev_unplug`].
#[track_caller]
pub fn drm_dev_unregister(dev: &DrmDevice) {
    if dev.is_released() {
        gone(dev, "drm_dev_unregister");
        return;
    }
    dev.set_registered(false);
    if let Some(unload) = dev.driver().unload.clone() {
        dev.guard("drm_driver.unload", || unload(dev));
    }
    drm_minor_unregister(dev, MinorType::Primary);
    drm_minor_unregister(dev, MinorType::Render);
    dev.emit(|| DrmEventKind::Unregistered);
}

/// Unplugs the device while files may be open (`drm_dev_unplug`): nobody enters
/// any more, those inside leave, then it is unregistered. Opens, ioctls and
/// mmap give `ENODEV` from here on. Nobody who sleeps is woken, poll tells
/// nothing, events that are queued can still be read, and mappings stay.
///
/// The driver still has to switch its CRTCs off
/// ([`drm_atomic_helper_shutdown`](super::drm_atomic_helper_shutdown)); that is
/// what ends a wait for a vblank.
#[track_caller]
pub fn drm_dev_unplug(dev: &DrmDevice) {
    dev.emit(|| DrmEventKind::Unplugged);
    synchronize_unplug(dev);
    drm_dev_unregister(dev);
    // unmap_mapping_range: pages that are touched again come back, as those of
    // gem-shmem do.
}

/// drm_drv.c: drm_dev_synchronize_unplug.
#[track_caller]
fn synchronize_unplug(dev: &DrmDevice) {
    match dev.gate().close() {
        Ok(true) => dev.system().emit(|| EventKind::GateClosed {
            device: dev.device_ref(),
        }),
        Ok(false) => {}
        Err(CloseError::FromInside) => dev.splat(
            SplatKind::Deadlock,
            "drm_dev_unplug from inside drm_dev_enter waits for itself",
        ),
    }
}

/// Unregisters the device and drops a reference (`drm_put_dev`, deprecated).
#[track_caller]
pub fn drm_put_dev(dev: &DrmDevice) {
    drm_dev_unregister(dev);
    super::device::drm_dev_put(dev);
}
