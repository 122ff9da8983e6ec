//! Adding devices to the System and taking them out.
//!
//! Follows `drivers/base/core.c`: `device_add`, `device_del`, `device_move`,
//! `device_rename` and the walks over children. The order of the steps is what this file is about.

use core::panic::Location;

use lastfd_sync::Arc;

use super::bus::{self, BusNotify};
use super::class::Class;
use super::deferred::driver_deferred_probe_del;
use super::device::{Device, device_lock};
use super::device_link::device_links_purge;
use super::devres::devres_release_all;
use super::sysfs_group::AttributeGroup;
use super::uevent::{UeventAction, kobject_uevent};
use super::{devtmpfs, kobject, sysfs};
use crate::errno::{Errno, Result};
use crate::event::{EventKind, SplatKind};
use crate::ledger::Holder;

/// Adds a device (`device_add`): directory, attributes, bus, node, then the
/// events, then the driver, then the lists of parent and class.
///
/// On any error the caller must [`put_device`](super::put_device), never free.
/// `EINVAL` without a name or on an unregistered bus, `EEXIST` if the name is
/// taken, `ENOENT` below a parent that is gone, `ENOMEM` if told to fail.
#[track_caller]
pub fn device_add(device: &Device) -> Result {
    device.get_for(Holder::Call);
    let result = add(device);
    device.put_for(Holder::Call);
    result
}

#[track_caller]
fn add(device: &Device) -> Result {
    let core = device.core();
    if device.is_released() {
        core.splat(
            SplatKind::UseAfterFree,
            Some(device.device_ref()),
            "device_add on a released device",
        );
        return Err(Errno::EINVAL);
    }
    // device_private_init.
    core.allocation()?;
    let (parent, class) = {
        let state = device.state();
        if state.name.is_none() {
            return Err(Errno::EINVAL);
        }
        if state.in_sysfs {
            drop(state);
            core.splat(
                SplatKind::Bug,
                Some(device.device_ref()),
                "device_add on a device that is added already",
            );
            return Err(Errno::EINVAL);
        }
        (state.parent.clone(), state.class.clone())
    };
    let child = || Holder::Child(device.name());
    if let Some(parent) = &parent {
        parent.get_for(child());
    }
    if let Err(errno) = kobject::kobject_add(device) {
        if let Some(parent) = &parent {
            parent.put_for(child());
        }
        return Err(errno);
    }
    if let Err(errno) = add_to_sysfs_and_bus(device, class.as_ref()) {
        sysfs::remove_all_attributes(device);
        kobject::kobject_del(device);
        if let Some(parent) = &parent {
            parent.put_for(child());
        }
        return Err(errno);
    }
    core.emit(|| EventKind::DeviceAdded {
        device: device.device_ref(),
        parent: parent.as_ref().map(Device::device_ref),
        subsystem: device.subsystem(),
    });
    devtmpfs::create_node(device);
    if let Some(bus) = device.bus() {
        bus.notify(BusNotify::AddDevice, device);
    }
    kobject_uevent(device, UeventAction::Add, Vec::new());
    {
        let _lock = device_lock(device);
        device.state().ready_to_probe = true;
    }
    bus::bus_probe_device(device);
    if let Some(parent) = &parent {
        let key = parent.inner().children.add_tail(device);
        device.state().on_parent = Some(key);
    }
    if let Some(class) = &class {
        class.add_device(device);
    }
    Ok(())
}

fn type_groups(device: &Device) -> Vec<AttributeGroup> {
    let state = device.state();
    state
        .type_
        .as_ref()
        .map_or_else(Vec::new, |t| t.groups.clone())
}

/// device_add_attrs, then bus_add_device.
fn add_to_sysfs_and_bus(device: &Device, class: Option<&Class>) -> Result {
    sysfs::create_default_attributes(device);
    if let Some(class) = class {
        sysfs::create_groups(device, class.dev_groups())?;
    }
    sysfs::create_groups(device, &type_groups(device))?;
    let own = device.state().groups.clone();
    sysfs::create_groups(device, &own)?;
    bus::bus_add_device(device)
}

/// Initializes nothing and adds (`device_register` on a device that
/// [`device_initialize`](super::device_initialize) made).
#[track_caller]
pub fn device_register(device: &Device) -> Result {
    device_add(device)
}

/// Takes a device out (`device_del`). The creator's reference stays.
///
/// A second time it is a splat and nothing is done; so it is before `device_add` or
/// after one that failed, where the kernel would follow a null pointer.
#[track_caller]
pub fn device_del(device: &Device) {
    let core = device.core();
    let killed = {
        let _lock = device_lock(device);
        // kill_device.
        let mut state = device.state();
        let killed = !state.dead && state.in_sysfs;
        let again = core::mem::replace(&mut state.dead, true);
        if killed { Ok(()) } else { Err(again) }
    };
    if let Err(again) = killed {
        let (kind, text) = match again {
            true => (
                SplatKind::Warn,
                "device_del on a device that is removed already",
            ),
            // There is no dev->p.
            false => (
                SplatKind::Bug,
                "device_del on a device that was never added",
            ),
        };
        core.splat(kind, Some(device.device_ref()), text);
        return;
    }
    let (parent, bus, class) = {
        let state = device.state();
        (state.parent.clone(), state.bus.clone(), state.class.clone())
    };
    if let Some(bus) = &bus {
        bus.notify(BusNotify::DelDevice, device);
    }
    let on_parent = device.state().on_parent.take();
    if let (Some(parent), Some(key)) = (&parent, on_parent) {
        parent.inner().children.del(key);
    }
    devtmpfs::delete_node(device);
    if let Some(class) = &class {
        class.remove_device(device);
    }
    // Drains whoever is inside a show or store.
    sysfs::remove_own_attributes(device);
    bus::bus_remove_device(device);
    driver_deferred_probe_del(device);
    device_links_purge(device);
    // A device that was never bound had nobody to release what was added to
    // it; since 6.6 that is done here. It may have to be done again in
    // device_release.
    if core.rules.device_del_releases_devres() {
        devres_release_all(device);
    }
    if let Some(bus) = &bus {
        bus.notify(BusNotify::RemovedDevice, device);
    }
    kobject_uevent(device, UeventAction::Remove, Vec::new());
    let name = device.name();
    core.emit(|| EventKind::DeviceRemoved {
        device: device.device_ref(),
    });
    kobject::kobject_del(device);
    if let Some(parent) = parent {
        parent.put_for(Holder::Child(name));
    }
}

/// Takes a device out and drops the creator's reference
/// (`device_unregister`).
#[track_caller]
pub fn device_unregister(device: &Device) {
    device_del(device);
    device.put_for(Holder::Creator);
}

/// Moves a device, with all below it, to another parent, or to none
/// (`device_move`). Its uevent tells the old path. The kernel's third argument
/// orders lists for suspend and shutdown, which are not here.
///
/// With a class and below a device, the class's directory of the **old** parent
/// stays and counts on it for ever: the kernel forgets it.
///
/// # Errors
/// `ENOENT` when the device or the new parent lost its directory, `EEXIST` when
/// the name is taken there, `ENOMEM`. A device that is not added, or a new parent
/// that is the device itself or below it, is a splat and `EINVAL`.
#[track_caller]
pub fn device_move(device: &Device, new_parent: Option<&Device>) -> Result {
    let refuse = |text: &'static str| {
        let core = device.core();
        core.splat(SplatKind::Bug, Some(device.device_ref()), text);
        Err(Errno::EINVAL)
    };
    if !device.state().in_sysfs {
        return refuse("device_move of a device that is not added");
    }
    let mut above = new_parent.cloned();
    while let Some(ancestor) = above {
        if ancestor == *device {
            return refuse("device_move below itself");
        }
        above = ancestor.parent();
    }
    let child = || Holder::Child(device.name());
    device.get_for(Holder::Call);
    if let Some(parent) = new_parent {
        parent.get_for(child());
    }
    if let Err(errno) = kobject::kobject_move(device, new_parent) {
        if let Some(parent) = new_parent {
            parent.put_for(child());
        }
        device.put_for(Holder::Call);
        return Err(errno);
    }
    let (old_parent, key) = {
        let mut state = device.state();
        let old = core::mem::replace(&mut state.parent, new_parent.cloned());
        (old, state.on_parent.take())
    };
    if let (Some(parent), Some(key)) = (&old_parent, key) {
        parent.inner().children.del(key);
    }
    if let Some(parent) = new_parent {
        let key = parent.inner().children.add_tail(device);
        device.state().on_parent = Some(key);
    }
    device.core().emit(|| EventKind::DeviceMoved {
        device: device.device_ref(),
        parent: new_parent.map(Device::device_ref),
    });
    if let Some(parent) = old_parent {
        parent.put_for(child());
    }
    device.put_for(Holder::Call);
    Ok(())
}

/// Gives a device another name (`device_rename`). Its uevent tells the old path.
/// Its node, if it has one, keeps the old name, and is not found any more when the
/// device goes.
///
/// # Errors
/// `EINVAL` for a device that is not added, `EEXIST` when the name is taken beside
/// it or in its class, `ENOENT` when it lost its directory, `ENOMEM`.
#[track_caller]
pub fn device_rename(device: &Device, new_name: &str) -> Result {
    device.get_for(Holder::Call);
    let result = rename(device, &Arc::from(new_name));
    device.put_for(Holder::Call);
    result
}

#[track_caller]
fn rename(device: &Device, new_name: &Arc<str>) -> Result {
    device.core().allocation()?;
    if let Some(class) = device.class() {
        let mut others = class.devices().into_iter().filter(|d| d != device);
        if others.any(|other| other.name() == *new_name) {
            return Err(Errno::EEXIST);
        }
    }
    kobject::kobject_rename(device, new_name)
}

/// Unlinks a device whose last reference went while it was registered, so that
/// nothing points to it any more. A kernel would have dangling pointers here.
pub(crate) fn take_off_everything(device: &Device) {
    let (parent, bus, class) = {
        let state = device.state();
        (state.parent.clone(), state.bus.clone(), state.class.clone())
    };
    let (on_parent, on_class, key, driver) = {
        let mut state = device.state();
        let lists = (state.on_parent.take(), state.on_class.take());
        (
            lists.0,
            lists.1,
            state.on_driver.take(),
            state.driver.clone(),
        )
    };
    if let (Some(parent), Some(key)) = (&parent, on_parent) {
        parent.inner().children.forget(key);
    }
    if let (Some(class), Some(key)) = (&class, on_class) {
        class.forget(key);
    }
    if let Some(bus) = &bus {
        bus::forget_device(device, bus);
    }
    if let (Some(key), Some(driver)) = (key, driver) {
        let gone = driver.list().lock().remove(&key);
        drop(gone);
    }
    driver_deferred_probe_del(device);
    devtmpfs::delete_node(device);
    kobject::kobject_del(device);
    if let Some(parent) = parent {
        parent.put_for(Holder::Child(device.name()));
    }
    device.state().dead = true;
}

fn nonzero(value: i32) -> Option<i32> {
    (value != 0).then_some(value)
}

/// Calls for each child, first added first, until one gives something other
/// than 0, and returns that (`device_for_each_child`). Children may be removed
/// meanwhile.
pub fn device_for_each_child(device: &Device, mut f: impl FnMut(&Device) -> i32) -> i32 {
    let children = &device.inner().children;
    children.each(|child| nonzero(f(child))).unwrap_or(0)
}

/// As [`device_for_each_child`], last added first
/// (`device_for_each_child_reverse`).
pub fn device_for_each_child_reverse(device: &Device, mut f: impl FnMut(&Device) -> i32) -> i32 {
    let children = &device.inner().children;
    children
        .each_reverse(|child| nonzero(f(child)))
        .unwrap_or(0)
}

/// The child of this name, with a reference taken
/// (`device_find_child_by_name`).
#[track_caller]
pub fn device_find_child_by_name(device: &Device, name: &str) -> Option<Device> {
    let place = Location::caller();
    device.inner().children.each(|child| {
        (&*child.name() == name).then(|| {
            child.get_at(Holder::Get, place);
            child.clone()
        })
    })
}
