//! The files of a directory in sysfs, whosever it is, and what an open one gives.
//!
//! Follows `fs/sysfs/file.c` and `fs/kernfs` (active references, draining at
//! removal).

use core::fmt;
use lastfd_sync::{Arc, Mutex};

use super::bus::Bus;
use super::device::Device;
use super::driver::Driver;
use super::sysfs::{Attribute, BusAttribute, DriverAttribute, FileAttribute};
use super::sysfs_group::AttributeDirectory;
use crate::active::Active;
use crate::errno::{Errno, Result};
use crate::event::{DeviceRef, EventKind, SplatKind};
use crate::system::System;

/// What has attributes in sysfs: a [`Device`], a [`Bus`], a [`Driver`].
pub trait HasAttributes: SysfsDirectory {}

impl HasAttributes for Device {}
impl HasAttributes for Bus {}
impl HasAttributes for Driver {}

/// What the files need to know of whose they are.
pub trait SysfsDirectory: Sized + Clone {
    fn directory(&self) -> &Mutex<AttributeDirectory<Self>>;
    fn system(&self) -> System;
    /// How events name it, if it is a device.
    fn device_ref(&self) -> Option<DeviceRef>;
    /// Its path below `/sys`.
    fn sysfs_path(&self) -> Arc<str>;
    /// The attributes it has as long as it is added.
    fn defaults(&self) -> Vec<FileAttribute<Self>>;
    fn owned(&self, attribute: FileAttribute<Self>) -> Owned;
}

/// An attribute with what it belongs to.
pub enum Owned {
    Device(Attribute, Device),
    Bus(BusAttribute, Bus),
    Driver(DriverAttribute, Driver),
}

/// What [`attributes`] tells of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrInfo {
    /// Its path below the directory.
    pub path: Arc<str>,
    /// Its permission bits.
    pub mode: u16,
}

/// The kernfs node of an attribute.
pub(crate) struct AttrNode {
    path: Arc<str>,
    owned: Owned,
    active: Active,
    /// Whether the directory has it from the start.
    default: bool,
}

impl AttrNode {
    pub(crate) fn new<T: SysfsDirectory>(
        owner: &T,
        path: Arc<str>,
        attribute: &FileAttribute<T>,
        default: bool,
    ) -> AttrNode {
        AttrNode {
            path,
            owned: owner.owned(attribute.clone()),
            active: Active::default(),
            default,
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        self.default
    }

    fn mode(&self) -> u16 {
        match &self.owned {
            Owned::Device(attribute, _) => attribute.mode(),
            Owned::Bus(attribute, _) => attribute.mode(),
            Owned::Driver(attribute, _) => attribute.mode(),
        }
    }

    fn device_ref(&self) -> Option<DeviceRef> {
        match &self.owned {
            Owned::Device(_, device) => Some(device.device_ref()),
            Owned::Bus(..) | Owned::Driver(..) => None,
        }
    }

    /// Lets nobody in any more if the calling task is inside; false if it is not.
    pub(crate) fn shut_from_inside(&self) -> bool {
        let inside = self.active.holds_me();
        if inside {
            self.active.shut();
        }
        inside
    }
}

/// kernfs_remove of nodes that are in no directory any more: waits for whoever
/// is inside one. A task that is inside itself would wait for itself; that is
/// a splat.
pub(crate) fn drain<T: SysfsDirectory>(owner: &T, nodes: Vec<Arc<AttrNode>>) {
    for node in &nodes {
        if node.active.is_shut() {
            continue;
        }
        let system = owner.system();
        if node.active.shut_and_drain(system.clock()).is_err() {
            system.core.splat(
                SplatKind::Deadlock,
                owner.device_ref(),
                format!(
                    "attribute {} is removed from inside its own callback; the removal waits for the callback to return",
                    node.path
                ),
            );
        }
    }
}

pub(crate) fn remove_file<T: SysfsDirectory>(owner: &T, name: &str) {
    let gone = owner.directory().lock().remove(name);
    drain(owner, gone.flatten().into_iter().collect());
}

/// The attributes there are now, by path.
pub fn attributes<T: HasAttributes>(owner: &T) -> Vec<AttrInfo> {
    let (defaults, mut infos) = {
        let directory = owner.directory().lock();
        let infos: Vec<AttrInfo> = directory.files().collect();
        (directory.defaults, infos)
    };
    if defaults {
        for attribute in owner.defaults() {
            if !infos.iter().any(|info| &*info.path == attribute.name()) {
                infos.push(AttrInfo {
                    path: attribute.shared_name(),
                    mode: attribute.mode(),
                });
            }
        }
    }
    infos.sort_by(|a, b| a.path.cmp(&b.path));
    infos
}

/// An open attribute. It outlives what it belongs to; once the attribute is removed
/// every operation gives `ENODEV`.
pub struct AttrFile {
    node: Arc<AttrNode>,
}

impl fmt::Debug for AttrFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node.owned {
            Owned::Device(_, device) => write!(f, "AttrFile({device:?} {})", self.node.path),
            Owned::Bus(_, bus) => write!(f, "AttrFile({bus:?} {})", self.node.path),
            Owned::Driver(_, driver) => write!(f, "AttrFile({driver:?} {})", self.node.path),
        }
    }
}

/// Opens an attribute. `ENOENT` if there is none, `EISDIR` if the path names a
/// group.
pub fn attr_open<T: HasAttributes>(owner: &T, path: &str) -> Result<AttrFile> {
    {
        let mut directory = owner.directory().lock();
        if let Some(node) = directory.open(owner, path) {
            return Ok(AttrFile { node });
        }
        if directory.has_directory(path) {
            return Err(Errno::EISDIR);
        }
        if !directory.defaults {
            return Err(Errno::ENOENT);
        }
    }
    let wanted = |attribute: &FileAttribute<T>| attribute.name() == path;
    let attribute = owner.defaults().into_iter().find(wanted);
    let attribute = attribute.ok_or(Errno::ENOENT)?;
    // They may have gone meanwhile.
    let node = owner.directory().lock().open_default(owner, &attribute);
    node.map(|node| AttrFile { node }).ok_or(Errno::ENOENT)
}

impl AttrFile {
    /// Its permission bits.
    pub fn mode(&self) -> u16 {
        self.node.mode()
    }

    /// Whether it is still there; once it is not, every operation gives
    /// `ENODEV`.
    pub fn is_there(&self) -> bool {
        !self.node.active.is_shut()
    }

    /// Runs the attribute's show and gives its bytes. `ENODEV` once it is
    /// removed, `EACCES` if the mode does not let anybody read.
    pub fn read(&self) -> Result<Vec<u8>> {
        match &self.node.owned {
            Owned::Device(attribute, device) => self.show(attribute, device),
            Owned::Bus(attribute, bus) => self.show(attribute, bus),
            Owned::Driver(attribute, driver) => self.show(attribute, driver),
        }
    }

    /// Runs the attribute's store and gives how many bytes it took. `ENODEV`
    /// once it is removed, `EACCES` if the mode does not let anybody write.
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        match &self.node.owned {
            Owned::Device(attribute, device) => self.store(attribute, device, data),
            Owned::Bus(attribute, bus) => self.store(attribute, bus, data),
            Owned::Driver(attribute, driver) => self.store(attribute, driver, data),
        }
    }

    fn show<T: SysfsDirectory>(&self, attribute: &FileAttribute<T>, owner: &T) -> Result<Vec<u8>> {
        let node = &self.node;
        if !attribute.may_read() {
            return Err(Errno::EACCES);
        }
        let _inside = node.active.enter().ok_or(Errno::ENODEV)?;
        let system = owner.system();
        let device = node.device_ref().map(|device| device.id);
        let result = match system.call_fails(device, || format!("show {}", node.path)) {
            Some(errno) => Err(errno),
            None => attribute.run_show(owner),
        };
        owner.system().emit(|| {
            let attribute = Arc::clone(&node.path);
            let result = result.as_ref().map(Vec::len).map_err(|errno| *errno);
            match node.device_ref() {
                Some(device) => EventKind::AttributeShown {
                    device,
                    attribute,
                    result,
                },
                None => EventKind::FileShown {
                    kobject: owner.sysfs_path(),
                    attribute,
                    result,
                },
            }
        });
        result
    }

    fn store<T: SysfsDirectory>(
        &self,
        attribute: &FileAttribute<T>,
        owner: &T,
        data: &[u8],
    ) -> Result<usize> {
        let node = &self.node;
        if !attribute.may_write() {
            return Err(Errno::EACCES);
        }
        let _inside = node.active.enter().ok_or(Errno::ENODEV)?;
        let system = owner.system();
        let device = node.device_ref().map(|device| device.id);
        let result = match system.call_fails(device, || format!("store {}", node.path)) {
            Some(errno) => Err(errno),
            None => attribute.run_store(owner, data),
        };
        owner.system().emit(|| {
            let attribute = Arc::clone(&node.path);
            match node.device_ref() {
                Some(device) => EventKind::AttributeStored {
                    device,
                    attribute,
                    result,
                },
                None => EventKind::FileStored {
                    kobject: owner.sysfs_path(),
                    attribute,
                    result,
                },
            }
        });
        result
    }
}

/// Opens an attribute and reads it once.
///
/// ```
/// use lastfd_model::{System, raw::*};
/// let system = System::new();
/// let root = root_device_register(&system, "board").unwrap();
/// device_create_file(&root, &Attribute::new("hello", 0o444).show(|_| Ok("world\n".into()))).unwrap();
/// assert_eq!(attr_read(&root, "hello").unwrap(), b"world\n");
/// assert_eq!(attr_read(&platform_bus(&system), "drivers_autoprobe").unwrap(), b"1\n");
/// root_device_unregister(&root);
/// ```
pub fn attr_read<T: HasAttributes>(owner: &T, path: &str) -> Result<Vec<u8>> {
    attr_open(owner, path)?.read()
}

/// Opens an attribute and writes it once.
pub fn attr_write<T: HasAttributes>(owner: &T, path: &str, data: &[u8]) -> Result<usize> {
    attr_open(owner, path)?.write(data)
}
