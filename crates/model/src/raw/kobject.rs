//! Directories of devices in sysfs: names, and who counts on whom.
//!
//! Follows `lib/kobject.c` (`kobject_add_internal`, `kobject_del`, `kobject_move`,
//! `kobject_rename`) and the glue directories of `drivers/base/core.c` (`get_device_parent`,
//! `cleanup_glue_dir`).

use lastfd_sync::Arc;
use rustc_hash::FxHashSet;

use super::class::{Class, GlueDirectory};
use super::device::{Device, Directory};
use super::uevent::{UeventAction, kobject_uevent};
use crate::errno::{Errno, Result};
use crate::event::DeviceRef;
use crate::ledger::Holder;

/// drivers/base/core.c: get_device_parent. A device of a class below a parent
/// that is not of a class sits in a directory named for the class; without a
/// parent it sits below "virtual".
fn directory_below(device: &Device, parent: Option<Device>) -> Directory {
    match (parent, device.class()) {
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
    let directory = directory_below(device, device.parent());
    enter(device, &directory, &name)?;
    let mut state = device.state();
    state.in_directory = Some(directory);
    state.in_sysfs = true;
    state.has_directory = true;
    Ok(())
}

/// Puts a name into a directory, and counts on the device whose it is.
#[track_caller]
fn enter(device: &Device, directory: &Directory, name: &Arc<str>) -> Result {
    let core = device.core();
    let counted = match directory {
        Directory::Top => {
            if !core.registry.top_names.lock().insert(Arc::clone(name)) {
                return Err(already_there(device, name));
            }
            None
        }
        Directory::Virtual(class) => {
            if !class.virtual_names().lock().insert(Arc::clone(name)) {
                return Err(already_there(device, name));
            }
            None
        }
        Directory::Parent(parent) => {
            {
                let mut state = parent.state();
                if !state.has_directory {
                    return Err(Errno::ENOENT);
                }
                if !state.names.insert(Arc::clone(name)) {
                    drop(state);
                    return Err(already_there(device, name));
                }
            }
            Some((parent.clone(), name.clone()))
        }
        Directory::Glue(parent, class) => glue_enter(device, parent, class, name)?,
    };
    if let Some((parent, child)) = counted {
        parent.get_for(Holder::Directory(child));
    }
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
    leave(device, directory, &name);
}

/// Takes a name out of a directory, which then counts on its device no more.
#[track_caller]
fn leave(device: &Device, directory: Option<Directory>, name: &Arc<str>) {
    match directory {
        None => {}
        Some(Directory::Top) => {
            device.core().registry.top_names.lock().remove(name);
        }
        Some(Directory::Virtual(class)) => {
            class.virtual_names().lock().remove(name);
        }
        Some(Directory::Parent(parent)) => {
            parent.state().names.remove(name);
            parent.put_for(Holder::Directory(Arc::clone(name)));
        }
        Some(Directory::Glue(parent, class)) => glue_leave(&parent, &class, name),
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
                let empty = state.glue[at].names.is_empty() && !state.glue[at].kept;
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

/// Moves the device's directory below another parent, or below none
/// (`kobject_move`). `ENOENT` when one of the two has no directory any more,
/// `EEXIST` when the name is taken there.
#[track_caller]
pub(crate) fn kobject_move(device: &Device, parent: Option<&Device>) -> Result {
    device.core().allocation()?;
    let before = device.path();
    if !device.has_directory() {
        return Err(Errno::ENOENT);
    }
    let directory = directory_below(device, parent.cloned());
    let old = device.state().in_directory.clone();
    if old.as_ref() != Some(&directory) {
        let name = device.name();
        enter(device, &directory, &name)?;
        device.state().in_directory = Some(directory);
        match old {
            // cleanup_glue_dir is not called for it: it stays, and counts on its
            // parent for ever.
            Some(Directory::Glue(parent, class)) => {
                let mut state = parent.state();
                if let Some(glue) = state.glue.iter_mut().find(|glue| glue.class == class) {
                    glue.names.remove(&name);
                    glue.kept = true;
                }
            }
            old => leave(device, old, &name),
        }
    }
    tell_move(device, before);
    Ok(())
}

/// Gives the device's directory another name (`kobject_rename`). `EINVAL` for a
/// device that is not added, else as [`kobject_move`].
#[track_caller]
pub(crate) fn kobject_rename(device: &Device, new_name: &Arc<str>) -> Result {
    let Some(directory) = device.state().in_directory.clone() else {
        return Err(Errno::EINVAL);
    };
    device.core().allocation()?;
    let before = device.path();
    if !device.has_directory() {
        return Err(Errno::ENOENT);
    }
    let name = device.name();
    if name != *new_name && !rename_in(&directory, device, &name, new_name) {
        return Err(Errno::EEXIST);
    }
    device.state().name = Some(Arc::clone(new_name));
    let books = &device.core().books;
    if books.is_on() {
        if let Some(parent) = device.parent() {
            let (old, new) = (Arc::clone(&name), Arc::clone(new_name));
            books.rename_holder(parent.id(), &Holder::Child(old), Holder::Child(new));
        }
        if let Directory::Parent(parent) = &directory {
            let new = Holder::Directory(Arc::clone(new_name));
            books.rename_holder(parent.id(), &Holder::Directory(name), new);
        }
    }
    tell_move(device, before);
    Ok(())
}

/// Whether the name was free.
fn rename_in(directory: &Directory, device: &Device, old: &Arc<str>, new: &Arc<str>) -> bool {
    let rename = |names: &mut FxHashSet<Arc<str>>| {
        let free = names.insert(Arc::clone(new));
        if free {
            names.remove(old);
        }
        free
    };
    match directory {
        Directory::Top => rename(&mut device.core().registry.top_names.lock()),
        Directory::Virtual(class) => rename(&mut class.virtual_names().lock()),
        Directory::Parent(parent) => rename(&mut parent.state().names),
        Directory::Glue(parent, class) => {
            let mut state = parent.state();
            let glue = state.glue.iter_mut().find(|glue| glue.class == *class);
            glue.is_none_or(|glue| rename(&mut glue.names))
        }
    }
}

#[track_caller]
fn tell_move(device: &Device, before: String) {
    let old = vec![("DEVPATH_OLD".to_owned(), before)];
    kobject_uevent(device, UeventAction::Move, old);
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
