//! Directories of devices in sysfs: names, and who counts on whom.
//!
//! Follows `lib/kobject.c` (`kobject_add_internal`, `kobject_del`) and the glue
//! directories of `drivers/base/core.c` (`get_device_parent`,
//! `cleanup_glue_dir`).

use lastfd_sync::Arc;

use super::class::{Class, GlueDirectory};
use super::device::{Device, Directory};
use crate::errno::{Errno, Result};
use crate::event::DeviceRef;
use crate::ledger::Holder;

/// drivers/base/core.c: get_device_parent. A device of a class below a parent
/// that is not of a class sits in a directory named for the class; without a
/// parent it sits below "virtual".
fn directory_for(device: &Device) -> Directory {
    let (parent, class) = {
        let state = device.state();
        (state.parent.clone(), state.class.clone())
    };
    match (parent, class) {
        (None, None) => Directory::Top,
        (None, Some(class)) => Directory::Virtual(class),
        (Some(parent), Some(class)) if parent.class().is_none() => Directory::Glue(parent, class),
        (Some(parent), _) => Directory::Parent(parent),
    }
}

fn already_there(device: &Device, name: &str) -> Errno {
    device.core().message(
        Some(DeviceRef {
            id: device.id(),
            name: Arc::from(name),
        }),
        "cannot create duplicate filename in sysfs",
    );
    Errno::EEXIST
}

/// Makes the device's directory. The parent's directory is counted on.
pub(crate) fn kobject_add(device: &Device) -> Result {
    device.core().allocation()?;
    let name = device.name();
    let directory = directory_for(device);
    let core = device.core();
    let counted = match &directory {
        Directory::Top => {
            if !core.registry.top_names.lock().insert(Arc::clone(&name)) {
                return Err(already_there(device, &name));
            }
            None
        }
        Directory::Virtual(class) => {
            if !class.virtual_names().lock().insert(Arc::clone(&name)) {
                return Err(already_there(device, &name));
            }
            None
        }
        Directory::Parent(parent) => {
            {
                let mut state = parent.state();
                if !state.has_directory {
                    return Err(Errno::ENOENT);
                }
                if !state.names.insert(Arc::clone(&name)) {
                    drop(state);
                    return Err(already_there(device, &name));
                }
            }
            Some((parent.clone(), name.clone()))
        }
        Directory::Glue(parent, class) => glue_enter(device, parent, class, &name)?,
    };
    if let Some((parent, child)) = counted {
        parent.get_for(Holder::Directory(child));
    }
    let mut state = device.state();
    state.in_directory = Some(directory);
    state.in_sysfs = true;
    state.has_directory = true;
    Ok(())
}

/// Enters the class's directory below the parent, making it if it is the
/// first; then the parent is counted on, once for all of them.
fn glue_enter(
    device: &Device,
    parent: &Device,
    class: &Class,
    name: &Arc<str>,
) -> Result<Option<(Device, Arc<str>)>> {
    let mut state = parent.state();
    if !state.has_directory {
        return Err(Errno::ENOENT);
    }
    if let Some(glue) = state.glue.iter_mut().find(|glue| glue.class == *class) {
        if !glue.names.insert(Arc::clone(name)) {
            drop(state);
            return Err(already_there(device, name));
        }
        return Ok(None);
    }
    if !state.names.insert(class.name()) {
        drop(state);
        return Err(already_there(device, &class.name()));
    }
    let mut glue = GlueDirectory::new(class.clone());
    glue.names.insert(Arc::clone(name));
    state.glue.push(glue);
    Ok(Some((parent.clone(), class.name())))
}

/// Removes the device's directory and gives up its hold on the directory it
/// was in. What is below loses its directory too, but stays registered.
#[track_caller]
pub(crate) fn kobject_del(device: &Device) {
    lose_directory(device);
    let (directory, name) = {
        let mut state = device.state();
        state.in_sysfs = false;
        (state.in_directory.take(), state.name.clone())
    };
    let name = name.unwrap_or_else(|| Arc::from("(unnamed)"));
    match directory {
        None => {}
        Some(Directory::Top) => {
            device.core().registry.top_names.lock().remove(&name);
        }
        Some(Directory::Virtual(class)) => {
            class.virtual_names().lock().remove(&name);
        }
        Some(Directory::Parent(parent)) => {
            parent.state().names.remove(&name);
            parent.put_for(Holder::Directory(name));
        }
        Some(Directory::Glue(parent, class)) => glue_leave(&parent, &class, &name),
    }
}

/// drivers/base/core.c: cleanup_glue_dir.
#[track_caller]
fn glue_leave(parent: &Device, class: &Class, name: &Arc<str>) {
    let emptied = {
        let mut state = parent.state();
        let at = state.glue.iter().position(|glue| glue.class == *class);
        match at {
            Some(at) => {
                state.glue[at].names.remove(name);
                let empty = state.glue[at].names.is_empty();
                if empty {
                    state.glue.remove(at);
                    state.names.remove(&class.name());
                }
                empty
            }
            None => false,
        }
    };
    if emptied {
        parent.put_for(Holder::Directory(class.name()));
    }
}

/// fs/kernfs/dir.c: kernfs_remove drains and removes the whole subtree.
fn lose_directory(device: &Device) {
    if !core::mem::take(&mut device.state().has_directory) {
        return;
    }
    super::sysfs::remove_all_attributes(device);
    device.inner().children.each(|child| {
        lose_directory(child);
        None::<()>
    });
}
