//! Registering: the adapter's device and node come, and go.
//!
//! Follows `drivers/media/cec/core/cec-core.c`. The order of the steps is what
//! this file is about.

use lastfd_chrdev::{Cdev, cdev_device_add, cdev_device_del};
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{DevT, Device, DeviceSpec, dev_set_drvdata, device_initialize, put_device};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::adapter::{self, CecAdapter};
use super::core::CecCore;
use super::files::CecFops;
use super::status;
use crate::abi::CEC_PHYS_ADDR_INVALID;
use crate::event::CecEventKind;

/// Registers the adapter below `parent` (`cec_register_adapter`): `cecN` appears
/// on the bus `cec` and in `/dev`. From here on the adapter is its device: it
/// is freed by the last put, which [`cec_unregister_adapter`] may be.
///
/// A driver must be bound to `parent`.
///
/// # Errors
/// `EINVAL` and a splat if none is, where a kernel reads through a null pointer,
/// or if the adapter was registered before; `ENFILE` with 256 adapters; whatever
/// `device_add` gives. Then the adapter's release is not called: the caller has
/// to call [`cec_delete_adapter`](super::cec_delete_adapter).
#[track_caller]
pub fn cec_register_adapter(adap: &CecAdapter, parent: &Device) -> Result {
    if !adap.is_there("cec_register_adapter") {
        return Err(Errno::EINVAL);
    }
    if parent.driver().is_none() {
        adap.splat(
            SplatKind::Bug,
            "cec_register_adapter reads the driver of a parent that has none",
        );
        return Err(Errno::EINVAL);
    }
    if adap.device().is_some() {
        adap.splat(SplatKind::Warn, "registered twice");
        return Err(Errno::EINVAL);
    }
    let device = devnode_register(adap, parent)?;
    let data: Arc<dyn core::any::Any + Send + Sync> = Arc::new(adap.downgrade());
    dev_set_drvdata(&device, Some(data));
    status::create(adap, &device);
    adap.tell(|| CecEventKind::Registered);
    Ok(())
}

// cec-core.c: cec_devnode_register
#[track_caller]
fn devnode_register(adap: &CecAdapter, parent: &Device) -> Result<Device> {
    let system = adap.system();
    let core = CecCore::of(system);
    let (bus, first) = core.start(system)?;
    let minor = core.take_minor()?;
    // The release callback keeps the adapter, as the reference count does in
    // the kernel. The model drops it once it ran.
    let released = adap.clone();
    let device = device_initialize(
        system,
        DeviceSpec {
            name: Some(format!("cec{minor}")),
            parent: Some(parent.clone()),
            bus: Some(bus),
            devt: Some(DevT {
                major: first.major,
                minor,
            }),
            release: Some(Arc::new(move |_| {
                CecCore::of(released.system()).free_minor(minor);
                adapter::free(&released);
            })),
            ..DeviceSpec::default()
        },
    );
    let cdev = Cdev::new(system, Arc::new(CecFops::new(adap)));
    {
        let mut devnode = adap.devnode();
        devnode.device = Some(device.clone());
        // Before the node is there: it may be opened at once.
        devnode.registered = true;
    }
    if let Err(errno) = cdev_device_add(&cdev, &device) {
        {
            let mut devnode = adap.devnode();
            devnode.registered = false;
            devnode.failed = true;
        }
        adap.message("cec_devnode_register: cdev_device_add failed");
        core.free_minor(minor);
        return Err(errno);
    }
    adap.devnode().cdev = Some(cdev);
    Ok(device)
}

/// Takes the adapter out (`cec_unregister_adapter`): its files are woken and
/// give `ENODEV`, what is being sent is given up, the hardware is switched off,
/// the node goes, and the first reference is dropped. Files that are open keep
/// the rest; nobody waits for them. The adapter may not be used afterwards.
///
/// Of an adapter that is not registered nothing happens.
#[track_caller]
pub fn cec_unregister_adapter(adap: &CecAdapter) {
    if !adap.is_there("cec_unregister_adapter") {
        return;
    }
    if let Some(device) = adap.device().filter(|_| adap.is_registered()) {
        status::remove(adap.system(), &device);
    }
    // cec-core.c: cec_devnode_unregister
    let (device, cdev, fhs) = {
        let _no_calls = adap.no_calls();
        let mut devnode = adap.devnode();
        if !devnode.registered || adap.is_unregistered() {
            return;
        }
        devnode.registered = false;
        adap.set_unregistered();
        (
            devnode.device.clone(),
            devnode.cdev.take(),
            devnode.fhs.clone(),
        )
    };
    adap.tell(|| CecEventKind::Unregistered { files: fhs.len() });
    // Pollers see it. A receive or a dequeue sees that there is nothing, and
    // goes on sleeping: they do not look at what was just set.
    for fh in &fhs {
        fh.wait.wake_all();
    }
    drop(fhs);
    {
        let locked = adap.lock();
        locked.s_phys_addr(CEC_PHYS_ADDR_INVALID);
        // Refused by now, as in the kernel.
        let _ = locked.s_log_addrs(None);
        // Switching off does not fail.
        let _ = locked.adap_enable();
    }
    if let (Some(device), Some(cdev)) = (device, cdev) {
        cdev_device_del(&cdev, &device);
        put_device(&device);
    }
}
