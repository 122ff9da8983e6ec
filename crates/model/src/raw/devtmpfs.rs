//! Device nodes and device numbers.
//!
//! Follows `drivers/base/devtmpfs.c` and `alloc_chrdev_region` of
//! `fs/char_dev.c`.

use lastfd_sync::Arc;

use super::device::{DevT, Device};
use crate::errno::{Errno, Result};
use crate::event::EventKind;
use crate::system::System;

/// A character device entry below `/dev`.
#[derive(Clone, Debug)]
pub struct DevNode {
    /// Its path below `/dev`, such as `iio:device0` or `dri/card0`.
    pub name: Arc<str>,
    /// Its device number.
    pub devt: DevT,
    /// Its permission bits.
    pub mode: u16,
    /// The device it stands for.
    pub device: Device,
}

/// Tells where a device's node is below `/dev`, `None` for the usual place, and
/// may change its permission bits (`devnode` of classes and types).
pub type DevnodeHook = Arc<dyn Fn(&Device, &mut u16) -> Option<String> + Send + Sync>;

/// device_get_devnode: the type's answer, the class's, or the device's name
/// with a '/' for each '!'. The mode is 0 where nobody set one.
pub(crate) fn device_get_devnode(device: &Device) -> (Arc<str>, u16) {
    let (type_, class) = {
        let state = device.state();
        let of_type = state.type_.as_ref().and_then(|t| t.devnode.clone());
        (of_type, state.class.clone())
    };
    let of_class = class.and_then(|class| class.devnode());
    let mut mode = 0;
    let named = [type_, of_class].into_iter().flatten().find_map(|hook| {
        let core = device.core();
        let name = || Some(device.device_ref());
        core.guard(name, "the devnode callback", || hook(device, &mut mode))?
    });
    let name = named.unwrap_or_else(|| device.name().replace('!', "/"));
    (name.into(), mode)
}

/// The highest major number that alloc_chrdev_region gives out first
/// (CHRDEV_MAJOR_DYN_END).
const DYNAMIC_MAJOR_END: u32 = 254;
const DYNAMIC_MAJOR_FIRST: u32 = 234;
/// The second range (CHRDEV_MAJOR_DYN_EXT_START, _END).
const EXTENDED_MAJOR_START: u32 = 511;
const EXTENDED_MAJOR_END: u32 = 384;

/// devtmpfs_create_node.
#[track_caller]
pub(crate) fn create_node(device: &Device) {
    let Some(devt) = device.devt().filter(|devt| devt.major != 0) else {
        return;
    };
    let (name, mode) = device_get_devnode(device);
    let node = DevNode {
        name: Arc::clone(&name),
        devt,
        mode: if mode == 0 { 0o600 } else { mode },
        device: device.clone(),
    };
    device
        .core()
        .registry
        .nodes
        .lock()
        .insert(Arc::clone(&name), node);
    device.core().emit(|| EventKind::NodeCreated {
        device: device.device_ref(),
        node: name,
    });
}

/// devtmpfs_delete_node.
#[track_caller]
pub(crate) fn delete_node(device: &Device) {
    if device.devt().is_none_or(|devt| devt.major == 0) {
        return;
    }
    let (name, _) = device_get_devnode(device);
    let gone = {
        let mut nodes = device.core().registry.nodes.lock();
        match nodes.get(&name) {
            Some(node) if node.device == *device => nodes.remove(&name),
            _ => None,
        }
    };
    if gone.is_some() {
        device.core().emit(|| EventKind::NodeRemoved {
            device: device.device_ref(),
            node: name,
        });
    }
}

/// Gives out a major number nobody has, with minors from 0
/// (`alloc_chrdev_region`). `EBUSY` when there is none left.
pub fn alloc_chrdev_region(system: &System, name: &str) -> Result<DevT> {
    system.allocation()?;
    let mut majors = system.core.registry.majors.lock();
    let first = (DYNAMIC_MAJOR_FIRST..=DYNAMIC_MAJOR_END).rev();
    let second = (EXTENDED_MAJOR_END..=EXTENDED_MAJOR_START).rev();
    let major = first
        .chain(second)
        .find(|major| !majors.contains_key(major))
        .ok_or(Errno::EBUSY)?;
    majors.insert(major, Arc::from(name));
    Ok(DevT { major, minor: 0 })
}

/// Gives a major number back (`unregister_chrdev_region`).
pub fn unregister_chrdev_region(system: &System, first: DevT) {
    system.core.registry.majors.lock().remove(&first.major);
}

impl System {
    /// The node of this path below `/dev`.
    pub fn dev_node(&self, name: &str) -> Option<DevNode> {
        self.core.registry.nodes.lock().get(name).cloned()
    }

    /// All nodes, by path.
    pub fn dev_nodes(&self) -> Vec<DevNode> {
        let nodes = self.core.registry.nodes.lock();
        nodes.values().cloned().collect()
    }
}
