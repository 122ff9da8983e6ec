//! Binding drivers to devices, and unbinding them.
//!
//! Follows `drivers/base/dd.c`.

use core::panic::Location;

use super::bus::{Bus, BusNotify};
use super::deferred::{
    self, driver_deferred_probe_add, driver_deferred_probe_del, driver_deferred_probe_trigger,
};
use super::device::{Device, device_lock};
use super::devres::devres_release_all;
use super::driver::{Driver, Private};
use super::link_states::{
    WouldHang, device_links_busy, device_links_check_suppliers, device_links_driver_bound,
    device_links_driver_cleanup, device_links_force_bind, device_links_no_driver,
    device_links_unbind_consumers,
};
use super::mutex::KernelGuard;
use super::uevent::{UeventAction, kobject_uevent};
use crate::errno::{Errno, Result};
use crate::event::EventKind;
use crate::event::SplatKind;
use crate::ledger::Holder;

/// Why a driver was not bound. A probe's own error lets the next driver try
/// (the kernel keeps it positive); any other ends the search.
enum NotBound {
    Probe(Errno),
    Refused(Errno),
}

impl NotBound {
    fn errno(&self) -> Errno {
        match self {
            NotBound::Probe(errno) | NotBound::Refused(errno) => *errno,
        }
    }
}

/// driver_bound. The device lock is held.
#[track_caller]
fn driver_bound(device: &Device, driver: &Driver) {
    let key = device.core().unique();
    device.state().on_driver = Some(key);
    driver.list().lock().insert(key, device.clone());
    device_links_driver_bound(device);
    driver_deferred_probe_del(device);
    driver_deferred_probe_trigger(device.core());
    driver.bus().notify(BusNotify::BoundDriver, device);
    kobject_uevent(device, UeventAction::Bind, Vec::new());
}

/// call_driver_probe: the bus's probe if it has one, else the driver's.
fn call_driver_probe(device: &Device, driver: &Driver) -> Result {
    let probe = driver
        .bus()
        .probe_callback()
        .cloned()
        .or_else(|| driver.probe());
    let core = device.core();
    core.emit(|| EventKind::ProbeBegin {
        device: device.device_ref(),
        driver: driver.name(),
    });
    let result = match probe {
        None => Ok(()),
        Some(probe) => core
            .guard(|| Some(device.device_ref()), "probe", || probe(device))
            .unwrap_or(Err(Errno::EIO)),
    };
    core.emit(|| EventKind::ProbeEnd {
        device: device.device_ref(),
        driver: driver.name(),
        result,
    });
    match result {
        Ok(()) | Err(Errno::EPROBE_DEFER | Errno::ENODEV | Errno::ENXIO) => {}
        Err(errno) => core.message(
            Some(device.device_ref()),
            format!(
                "probe with driver {} failed with error -{errno}",
                driver.name()
            ),
        ),
    }
    result
}

/// device_remove: the bus's remove if it has one, else the driver's.
fn device_remove(device: &Device, driver: &Driver) {
    super::sysfs::remove_groups(device, &driver.dev_groups());
    let remove = driver
        .bus()
        .remove_callback()
        .cloned()
        .or_else(|| driver.remove());
    let core = device.core();
    core.emit(|| EventKind::RemoveBegin {
        device: device.device_ref(),
        driver: driver.name(),
    });
    if let Some(remove) = remove {
        core.guard(|| Some(device.device_ref()), "remove", || remove(device));
    }
    core.emit(|| EventKind::RemoveEnd {
        device: device.device_ref(),
        driver: driver.name(),
    });
}

/// device_unbind_cleanup. While the managed resources are released, driver and
/// driver data are still there.
#[track_caller]
fn device_unbind_cleanup(device: &Device) {
    devres_release_all(device);
    let gone = {
        let mut state = device.state();
        (state.driver.take(), state.drvdata.take())
    };
    drop(gone);
}

/// really_probe. The device lock is held.
///
/// A device with managed resources keeps the marks that its links got: the kernel
/// does not take them back.
#[track_caller]
fn really_probe(device: &Device, driver: &Driver) -> core::result::Result<(), NotBound> {
    if deferred::probing_is_blocked(device.core()) {
        return Err(NotBound::Refused(Errno::EPROBE_DEFER));
    }
    device_links_check_suppliers(device).map_err(NotBound::Refused)?;
    if !device.inner().devres.lock().is_empty() {
        device.core().message(
            Some(device.device_ref()),
            "Resources present before probing",
        );
        return Err(NotBound::Refused(Errno::EBUSY));
    }
    let debug = device.core().debug;
    if debug.test_driver_remove && !driver.suppresses_bind_attrs() {
        probe_once(device, driver)?;
        // driver_sysfs_remove has nothing to remove here.
        device_remove(device, driver);
        device_unbind_cleanup(device);
    }
    probe_once(device, driver)?;
    driver_bound(device, driver);
    Ok(())
}

/// From the re_probe label of really_probe on to where the device counts as
/// bound.
fn probe_once(device: &Device, driver: &Driver) -> core::result::Result<(), NotBound> {
    let bus = driver.bus();
    device.state().driver = Some(driver.clone());
    // driver_sysfs_add: its link needs the device's directory, which went with a
    // parent's that was removed first.
    bus.notify(BusNotify::BindDriver, device);
    let private = match driver.private() {
        Private::There => None,
        Private::Null => Some((SplatKind::Bug, "was never registered")),
        Private::Freed => Some((SplatKind::UseAfterFree, "is unregistered")),
    };
    if let Some((kind, what)) = private {
        let text = format!("driver '{}', which {what}, is tried", driver.name());
        device.core().splat(kind, Some(device.device_ref()), text);
        not_bound(device, bus);
        return Err(NotBound::Refused(Errno::ENODEV));
    }
    if !device.has_directory() {
        device
            .core()
            .message(Some(device.device_ref()), "driver_sysfs_add failed");
        not_bound(device, bus);
        return Err(NotBound::Refused(Errno::ENOENT));
    }
    if let Err(errno) = call_driver_probe(device, driver) {
        not_bound(device, bus);
        return Err(NotBound::Probe(errno));
    }
    if let Err(errno) = super::sysfs::create_groups(device, &driver.dev_groups()) {
        // The probe succeeded, so the driver's remove is called.
        device_remove(device, driver);
        not_bound(device, bus);
        return Err(NotBound::Refused(errno));
    }
    Ok(())
}

/// The sysfs_failed label of really_probe: remove is not called, and what the
/// probe added is released.
#[track_caller]
fn not_bound(device: &Device, bus: &Bus) {
    bus.notify(BusNotify::DriverNotBound, device);
    device_links_no_driver(device);
    device_unbind_cleanup(device);
}

/// driver_probe_device: a probe that says "not yet" is tried again later. The
/// device lock is held.
#[track_caller]
fn driver_probe_device(device: &Device, driver: &Driver) -> core::result::Result<(), NotBound> {
    let core = device.core();
    let triggers = deferred::trigger_count(core);
    let result = probe_now(device, driver);
    if let Err(not) = &result
        && not.errno() == Errno::EPROBE_DEFER
    {
        driver_deferred_probe_add(device);
        // What it waited for may have come during the probe.
        if triggers != deferred::trigger_count(core) && !deferred::probing_is_blocked(core) {
            driver_deferred_probe_trigger(core);
        }
    }
    result
}

/// __driver_probe_device: the checks before a probe. The device lock is held.
#[track_caller]
fn probe_now(device: &Device, driver: &Driver) -> core::result::Result<(), NotBound> {
    let _under_way = deferred::probing(device.core());
    has_private(device).map_err(NotBound::Refused)?;
    {
        let mut state = device.state();
        if state.dead || !state.in_sysfs {
            return Err(NotBound::Refused(Errno::ENODEV));
        }
        if state.driver.is_some() {
            return Err(NotBound::Refused(Errno::EBUSY));
        }
        if !state.ready_to_probe {
            return Err(NotBound::Refused(Errno::EPROBE_DEFER));
        }
        // Not before: device_add itself probes what is not ready yet.
        state.can_match = true;
    }
    really_probe(device, driver)
}

/// Errors with a splat unless there is a `dev->p`: `device_add` makes it, and takes it back when it fails.
#[track_caller]
fn has_private(device: &Device) -> Result {
    let state = device.state();
    if state.in_sysfs || state.dead {
        return Ok(());
    }
    drop(state);
    device.core().splat(
        SplatKind::Bug,
        Some(device.device_ref()),
        "a driver is looked for, or tried, on a device that was never added",
    );
    Err(Errno::ENODEV)
}

/// Finds a driver for the device and binds it (`device_attach`). Gives 1 if it
/// is bound now, 0 if no driver would have it.
///
/// `EBUSY` if the device has managed resources though no driver is bound;
/// `EPROBE_DEFER` if a supplier it is linked to is not bound, or the bus cannot tell
/// yet. A probe that says so lets the next driver try.
///
/// On a device that was never added, or not successfully, a kernel follows a null
/// pointer; here it is a splat and `ENODEV`.
#[track_caller]
pub fn device_attach(device: &Device) -> Result<i32> {
    let _lock = device_lock(device);
    has_private(device)?;
    let (dead, driver, bound, bus) = {
        let state = device.state();
        (
            state.dead,
            state.driver.clone(),
            state.on_driver.is_some(),
            state.bus.clone(),
        )
    };
    if dead {
        return Ok(0);
    }
    if let Some(driver) = driver {
        if bound {
            return Ok(1);
        }
        // device_bind_driver for a driver that a bus chose beforehand.
        driver.bus().notify(BusNotify::BindDriver, device);
        device_links_force_bind(device);
        driver_bound(device, &driver);
        return Ok(1);
    }
    let Some(bus) = bus else {
        return Ok(0);
    };
    // __device_attach_driver for each driver of the bus.
    let tried = bus.each_driver(|driver| match bus.matches(device, driver) {
        Ok(false) => None,
        Err(errno) => {
            match_deferred(device, errno);
            Some(Err(errno))
        }
        Ok(true) => match driver_probe_device(device, driver) {
            Ok(()) => Some(Ok(1)),
            Err(NotBound::Probe(_)) => None,
            Err(NotBound::Refused(errno)) => Some(Err(errno)),
        },
    });
    tried.unwrap_or(Ok(0))
}

/// A bus that cannot tell yet is asked again later.
fn match_deferred(device: &Device, errno: Errno) {
    if errno == Errno::EPROBE_DEFER {
        device.state().can_match = true;
        driver_deferred_probe_add(device);
    }
}

/// Tries the driver on every device of its bus (`driver_attach`). Probes that
/// fail do not fail it.
pub fn driver_attach(driver: &Driver) -> Result {
    let bus = driver.bus().clone();
    // __driver_attach for each device of the bus.
    bus.each_device(|device| {
        match bus.matches(device, driver) {
            Ok(true) => {
                let _lock = device_lock(device);
                // Whatever is wrong with this device, the others get their turn.
                let _ = driver_probe_device(device, driver);
            }
            Ok(false) => {}
            Err(errno) => match_deferred(device, errno),
        }
        None::<()>
    });
    Ok(())
}

/// Binds this driver to this device, without asking the bus
/// (`device_driver_attach`).
///
/// A probe's error comes back; `EPROBE_DEFER` becomes `EAGAIN`. `EBUSY` if a
/// driver is bound, `ENODEV` if the device is gone. On a device that was never added
/// as [`device_attach`].
#[track_caller]
pub fn device_driver_attach(driver: &Driver, device: &Device) -> Result {
    let _lock = device_lock(device);
    match probe_now(device, driver).map_err(|not| not.errno()) {
        Err(Errno::EPROBE_DEFER) => Err(Errno::EAGAIN),
        result => result,
    }
}

/// Unbinds the device's driver, if it has one (`device_release_driver`).
///
/// Consumers that are linked to it and bound are unbound before it.
///
/// From the driver's own remove, or from the probe of a consumer, a kernel hangs;
/// here it is a splat and nothing is done.
#[track_caller]
pub fn device_release_driver(device: &Device) {
    // A splat has said so.
    let _ = release_driver(device);
}

/// device_release_driver_internal.
#[track_caller]
pub(crate) fn release_driver(device: &Device) -> core::result::Result<(), WouldHang> {
    let lock = device_lock(device);
    if !lock.is_held() {
        return Err(WouldHang);
    }
    release_driver_locked(device, lock)
}

/// __device_release_driver. The device lock is held; consumers are unbound without
/// it.
#[track_caller]
fn release_driver_locked<'a>(
    device: &'a Device,
    mut lock: KernelGuard<'a>,
) -> core::result::Result<(), WouldHang> {
    let Some(driver) = device.driver() else {
        return Ok(());
    };
    while device_links_busy(device) {
        drop(lock);
        device_links_unbind_consumers(device)?;
        lock = device_lock(device);
        // Another task may have unbound it meanwhile.
        if device.driver().as_ref() != Some(&driver) {
            return Ok(());
        }
    }
    let bus = driver.bus();
    // driver_sysfs_remove has nothing to remove here.
    bus.notify(BusNotify::UnbindDriver, device);
    device_remove(device, &driver);
    device_unbind_cleanup(device);
    device_links_driver_cleanup(device);
    let key = device.state().on_driver.take();
    let gone = key.and_then(|key| driver.list().lock().remove(&key));
    drop(gone);
    bus.notify(BusNotify::UnboundDriver, device);
    kobject_uevent(device, UeventAction::Unbind, Vec::new());
    drop(lock);
    Ok(())
}

/// Unbinds all devices of a driver, last bound first (driver_detach).
#[track_caller]
pub(crate) fn driver_detach(driver: &Driver) {
    loop {
        // Counted under the list's lock: an unbind under way takes the device
        // off the list before it can go.
        let last = {
            let devices = driver.list().lock();
            let last = devices.last_key_value();
            last.map(|(_, device)| (device.clone(), device.count_up()))
        };
        let Some((device, count)) = last else {
            return;
        };
        device.tell_taken(count, Holder::Call, Location::caller());
        let lock = device_lock(&device);
        let unbound = if !lock.is_held() {
            Err(WouldHang)
        } else if device.driver().as_ref() == Some(driver) {
            release_driver_locked(&device, lock)
        } else if driver.list().lock().last_key_value().map(|(_, d)| d) == Some(&device) {
            // Whoever unbinds it takes it off the list under its lock, which is ours.
            device.core().splat(
                SplatKind::Deadlock,
                Some(device.device_ref()),
                "the driver's list has a device that it is not bound to: driver_detach never ends",
            );
            Err(WouldHang)
        } else {
            Ok(())
        };
        device.put_for(Holder::Call);
        if unbound.is_err() {
            // A kernel hangs here; the splat has said so.
            return;
        }
    }
}

/// Unbinds the device's driver and looks for one again (`device_reprobe`).
#[track_caller]
pub fn device_reprobe(device: &Device) -> Result {
    if device.driver().is_some() {
        device_release_driver(device);
    }
    super::bus::rescan(device)
}
