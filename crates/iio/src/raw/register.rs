//! Registering a device and taking it out again.
//!
//! Follows `__iio_device_register` and `iio_device_unregister` of
//! `drivers/iio/industrialio-core.c`. The order of the steps is what this file is
//! about.

use lastfd_chrdev::{Cdev, cdev_device_add, cdev_device_del};
use lastfd_model::raw::{
    Action, DevT, Device, dev_set_devt, dev_set_groups, device_add, device_del,
    devm_add_action_or_reset,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::core::IioCore;
use super::device::IioDev;
use super::files::IioChrdev;
use super::info::IioInfo;
use super::{attributes, buffer, debugfs, events, trigger_consumer, update};
use crate::channel::ChannelSpec;
use crate::event::{IioEventKind, emit, message};
use crate::types::Modes;

/// Registers the device (`iio_device_register`): its attributes appear, and with
/// a buffer or events its node.
///
/// `EINVAL` without callbacks, for two channels of one scan index, for samples
/// that do not fit their storage, for labels beside extend names; `EBUSY` for
/// two attributes of one name; whatever `device_add` gives. On an error the
/// caller still has to free the device.
// industrialio-core.c: __iio_device_register
#[track_caller]
pub fn iio_device_register(iio: &IioDev) -> Result {
    let Some(info) = iio.info() else {
        return Err(Errno::EINVAL);
    };
    check_unique_scan_index(iio)?;
    check_extended_name(iio, &info)?;
    debugfs::register(iio, &info);
    let registered = register_interfaces(iio, &info);
    if let Err(errno) = registered {
        events::unregister_eventset(iio);
        iio.state().groups.clear();
        buffer::free_sysfs_and_mask(iio);
        debugfs::unregister(iio);
        return Err(errno);
    }
    emit(iio.dev(), || IioEventKind::Registered {
        chrdev: iio.state().cdev.is_some(),
    });
    Ok(())
}

#[track_caller]
fn register_interfaces(iio: &IioDev, info: &IioInfo) -> Result {
    buffer::alloc_sysfs_and_mask(iio).inspect_err(|_| {
        tell_parent(iio, "Failed to create buffer sysfs interfaces");
    })?;
    attributes::register_sysfs(iio, info).inspect_err(|_| {
        tell_parent(iio, "Failed to register sysfs interfaces");
    })?;
    events::register_eventset(iio, info).inspect_err(|_| {
        tell_parent(iio, "Failed to register event set");
    })?;
    if iio.modes().intersects(Modes::ALL_TRIGGERED) {
        // The kernel looks past a failure here too.
        let _ = iio.add_group(trigger_consumer::group(iio));
    }
    let (has_buffers, has_events) = {
        let state = iio.state();
        (!state.attached.is_empty(), state.event_interface.is_some())
    };
    let system = iio.system();
    let cdev = if has_buffers || has_events {
        let (_, first) = IioCore::of(&system).start(&system)?;
        dev_set_devt(
            iio.dev(),
            DevT {
                major: first.major,
                minor: iio.id(),
            },
        );
        let fops = IioChrdev::new(iio, has_buffers);
        Some(Cdev::new(&system, Arc::new(fops)))
    } else {
        None
    };
    let groups = core::mem::take(&mut iio.state().groups);
    dev_set_groups(iio.dev(), groups);
    match cdev {
        Some(cdev) => {
            cdev_device_add(&cdev, iio.dev())?;
            iio.state().cdev = Some(cdev);
            Ok(())
        }
        None => device_add(iio.dev()),
    }
}

fn tell_parent(iio: &IioDev, text: &str) {
    if let Some(parent) = iio.dev().parent() {
        message(&parent, text);
    }
}

// industrialio-core.c: iio_check_unique_scan_index
fn check_unique_scan_index(iio: &IioDev) -> Result {
    if !iio.modes().intersects(Modes::ALL_BUFFER) {
        return Ok(());
    }
    let channels = iio.channels();
    for (position, channel) in channels.iter().enumerate() {
        let index = channel.scan_index;
        let again = channels[position + 1..]
            .iter()
            .any(|other| other.scan_index == index);
        if index >= 0 && again {
            message(iio.dev(), format!("Duplicate scan index {index}"));
            return Err(Errno::EINVAL);
        }
    }
    Ok(())
}

// industrialio-core.c: iio_check_extended_name
fn check_extended_name(iio: &IioDev, info: &IioInfo) -> Result {
    let extended = |channel: &ChannelSpec| channel.extend_name.is_some();
    if info.read_label.is_some() && iio.channels().iter().any(extended) {
        message(
            iio.dev(),
            "Cannot use labels and extend_name at the same time",
        );
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// Takes the device out (`iio_device_unregister`): the node and the attributes
/// first, then, so that no call is in the way, the buffers stop, the callbacks
/// go and the sleepers are woken.
///
/// Unregistering what is not registered is a splat of the model's, as deleting
/// a device that was not added.
#[track_caller]
pub fn iio_device_unregister(iio: &IioDev) {
    let cdev = iio.state().cdev.take();
    match &cdev {
        Some(cdev) => cdev_device_del(cdev, iio.dev()),
        None => device_del(iio.dev()),
    }
    drop(cdev);
    {
        let _exists = iio.lock_info();
        debugfs::unregister(iio);
        update::disable_all_buffers(iio);
        let info = iio.take_info();
        emit(iio.dev(), || IioEventKind::InfoCleared);
        let waiters = events::wakeup_eventset(iio) + buffer::wakeup_poll(iio);
        if waiters != 0 {
            emit(iio.dev(), || IioEventKind::WaitersWoken { waiters });
        }
        drop(info);
    }
    buffer::free_sysfs_and_mask(iio);
}

/// Registers the device and unregisters it when the driver of `dev`, which is to
/// be its parent, is unbound (`devm_iio_device_register`).
#[track_caller]
pub fn devm_iio_device_register(dev: &Device, iio: &IioDev) -> Result {
    iio_device_register(iio)?;
    let registered = iio.clone();
    devm_add_action_or_reset(
        dev,
        Action::new(move || iio_device_unregister(&registered)).named("iio_device_unregister"),
    )
}
