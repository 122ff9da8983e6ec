//! Attributes: files in a device's directory.
//!
//! Follows `drivers/base/core.c` (`device_add_attrs`, `dev_attr_show`),
//! `fs/sysfs` and `fs/kernfs` (active references, draining at removal).

use core::fmt;
use std::collections::BTreeMap;

use lastfd_sync::Arc;

use super::device::Device;
use super::uevent::{UeventAction, dev_uevent, kobject_uevent};
use crate::active::Active;
use crate::errno::{Errno, Result};
use crate::event::{EventKind, SplatKind};
use crate::system::System;

/// The most a show may give and a store is given (`PAGE_SIZE`).
const PAGE_SIZE: usize = 4096;

type Show = Arc<dyn Fn(&Device) -> Result<String> + Send + Sync>;
type Store = Arc<dyn Fn(&Device, &[u8]) -> Result<usize> + Send + Sync>;

/// One file, readable if it has a show callback, writable if it has a store
/// callback and the mode says so.
#[derive(Clone)]
pub struct Attribute {
    name: Arc<str>,
    mode: u16,
    show: Option<Show>,
    store: Option<Store>,
}

impl Attribute {
    /// An attribute with a name and permission bits, such as `0o644`.
    pub fn new(name: impl Into<String>, mode: u16) -> Attribute {
        Attribute {
            name: Arc::from(name.into()),
            mode,
            show: None,
            store: None,
        }
    }

    /// Sets what a read gives, usually with a newline at its end.
    #[must_use]
    pub fn show(
        mut self,
        show: impl Fn(&Device) -> Result<String> + Send + Sync + 'static,
    ) -> Self {
        self.show = Some(Arc::new(show));
        self
    }

    /// Sets what a write does. It returns how many bytes it took, usually all.
    #[must_use]
    pub fn store(
        mut self,
        store: impl Fn(&Device, &[u8]) -> Result<usize> + Send + Sync + 'static,
    ) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its permission bits.
    pub fn mode(&self) -> u16 {
        self.mode
    }

    pub(crate) fn may_read(&self) -> bool {
        self.mode & 0o444 != 0
    }

    pub(crate) fn may_write(&self) -> bool {
        self.mode & 0o222 != 0
    }

    /// sysfs_kf_seq_show: no callback is EIO; a panic is unwound.
    pub(crate) fn run_show(&self, system: &System, device: &Device) -> Result<Vec<u8>> {
        let show = self.show.as_ref().ok_or(Errno::EIO)?;
        let shown = system
            .core
            .guard(|| Some(device.device_ref()), "show", || show(device))
            .unwrap_or(Err(Errno::EIO))?;
        let mut bytes = shown.into_bytes();
        bytes.truncate(PAGE_SIZE - 1);
        Ok(bytes)
    }

    /// sysfs_kf_write: no callback is EIO; a panic is unwound.
    pub(crate) fn run_store(&self, system: &System, device: &Device, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        let store = self.store.as_ref().ok_or(Errno::EIO)?;
        let data = &data[..data.len().min(PAGE_SIZE)];
        system
            .core
            .guard(
                || Some(device.device_ref()),
                "store",
                || store(device, data),
            )
            .unwrap_or(Err(Errno::EIO))
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attribute({} {:o})", self.name, self.mode)
    }
}

/// Attributes that come and go together, in the device's directory or, with a
/// name, in a directory of their own below it.
#[derive(Clone, Debug, Default)]
pub struct AttributeGroup {
    /// The directory; none is the device's own.
    pub name: Option<String>,
    /// The attributes.
    pub attrs: Vec<Attribute>,
}

impl AttributeGroup {
    /// A group in the device's own directory.
    pub fn new(attrs: Vec<Attribute>) -> AttributeGroup {
        AttributeGroup { name: None, attrs }
    }

    /// A group in a directory of its own.
    pub fn named(name: impl Into<String>, attrs: Vec<Attribute>) -> AttributeGroup {
        AttributeGroup {
            name: Some(name.into()),
            attrs,
        }
    }

    fn path(&self, attribute: &Attribute) -> Arc<str> {
        match &self.name {
            None => Arc::clone(&attribute.name),
            Some(group) => Arc::from(format!("{group}/{}", attribute.name)),
        }
    }
}

/// What [`attributes`] tells of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttrInfo {
    /// Its path below the device's directory.
    pub path: Arc<str>,
    /// Its permission bits.
    pub mode: u16,
}

/// The kernfs node of an attribute.
struct AttrNode {
    path: Arc<str>,
    attribute: Attribute,
    device: Device,
    active: Active,
}

/// The files of one device. It costs nothing until there is one.
#[derive(Default)]
pub(crate) struct AttributeDirectory {
    /// Whether the attributes that every device has are there.
    defaults: bool,
    nodes: BTreeMap<Arc<str>, Arc<AttrNode>>,
}

fn create(device: &Device, path: Arc<str>, attribute: &Attribute) -> Result {
    let node = Arc::new(AttrNode {
        path: Arc::clone(&path),
        attribute: attribute.clone(),
        device: device.clone(),
        active: Active::default(),
    });
    let mut directory = device.inner().attributes.lock();
    if directory.nodes.contains_key(&path) {
        return Err(Errno::EEXIST);
    }
    directory.nodes.insert(path, node);
    Ok(())
}

/// kernfs_remove of nodes that are in no directory any more: waits for whoever
/// is inside one. A task that is inside itself would wait for itself; that is
/// a splat.
fn drain(device: &Device, nodes: Vec<Arc<AttrNode>>) {
    for node in &nodes {
        if node.active.is_shut() {
            continue;
        }
        if node.active.shut_and_drain(&device.core().clock).is_err() {
            device.core().splat(
                SplatKind::Deadlock,
                Some(device.device_ref()),
                format!(
                    "attribute {} is removed from inside its own callback; the removal waits for the callback to return",
                    node.path
                ),
            );
        }
    }
}

fn remove_if(device: &Device, remove: impl Fn(&str) -> bool) {
    let gone = {
        let mut directory = device.inner().attributes.lock();
        let (gone, stay) = core::mem::take(&mut directory.nodes)
            .into_iter()
            .partition::<BTreeMap<_, _>, _>(|(path, _)| remove(path));
        directory.nodes = stay;
        gone
    };
    drain(device, gone.into_values().collect());
}

/// device_add_attrs as far as every device has them: "uevent", and "dev" for
/// those with a number. They are made when somebody opens them.
pub(crate) fn create_default_attributes(device: &Device) {
    device.inner().attributes.lock().defaults = true;
}

fn uevent_attribute() -> Attribute {
    Attribute::new("uevent", 0o644)
        .show(|device| {
            let mut text = String::new();
            for (key, value) in dev_uevent(device) {
                text.push_str(&format!("{key}={value}\n"));
            }
            Ok(text)
        })
        .store(|device, data| {
            // kobject_synth_uevent, without its optional arguments.
            let text = core::str::from_utf8(data).map_err(|_| Errno::EINVAL)?;
            let action: UeventAction = text.trim_end_matches(['\n', '\0']).parse()?;
            let synthetic = ("SYNTH_UUID".to_owned(), "0".to_owned());
            kobject_uevent(device, action, vec![synthetic]);
            Ok(data.len())
        })
}

fn dev_attribute() -> Attribute {
    Attribute::new("dev", 0o444).show(|device| {
        let devt = device.devt().ok_or(Errno::ENODEV)?;
        Ok(format!("{devt}\n"))
    })
}

/// The attributes every device has while `defaults` is set.
fn defaults_of(device: &Device) -> Vec<Attribute> {
    let numbered = device.devt().is_some_and(|devt| devt.major != 0);
    let dev = numbered.then(dev_attribute);
    [uevent_attribute()].into_iter().chain(dev).collect()
}

/// device_add_groups. On an error what was made is removed again.
pub(crate) fn create_groups(device: &Device, groups: &[AttributeGroup]) -> Result {
    for (at, group) in groups.iter().enumerate() {
        if let Err(errno) = create_group(device, group) {
            remove_groups(device, &groups[..at]);
            return Err(errno);
        }
    }
    Ok(())
}

fn create_group(device: &Device, group: &AttributeGroup) -> Result {
    device.core().allocation()?;
    for (at, attribute) in group.attrs.iter().enumerate() {
        if let Err(errno) = create(device, group.path(attribute), attribute) {
            let made = AttributeGroup {
                name: group.name.clone(),
                attrs: group.attrs[..at].to_vec(),
            };
            remove_groups(device, &[made]);
            return Err(errno);
        }
    }
    Ok(())
}

/// device_remove_groups: waits for whoever is inside one of them.
pub(crate) fn remove_groups(device: &Device, groups: &[AttributeGroup]) {
    for group in groups {
        let paths: Vec<Arc<str>> = group.attrs.iter().map(|a| group.path(a)).collect();
        let gone = {
            let mut directory = device.inner().attributes.lock();
            let take = |path| directory.nodes.remove(path);
            paths.iter().filter_map(take).collect()
        };
        drain(device, gone);
    }
}

/// device_remove_attrs: the default attributes, and those of the device itself,
/// its type and its class.
pub(crate) fn remove_own_attributes(device: &Device) {
    device.inner().attributes.lock().defaults = false;
    remove_if(device, |path| path == "uevent" || path == "dev");
    let (own, type_, class) = {
        let state = device.state();
        (
            state.groups.clone(),
            state.type_.clone(),
            state.class.clone(),
        )
    };
    remove_groups(device, &own);
    if let Some(type_) = type_ {
        remove_groups(device, &type_.groups);
    }
    if let Some(class) = class {
        remove_groups(device, class.dev_groups());
    }
}

/// The directory goes with all that is in it.
pub(crate) fn remove_all_attributes(device: &Device) {
    {
        let mut directory = device.inner().attributes.lock();
        directory.defaults = false;
        if directory.nodes.is_empty() {
            return;
        }
    }
    remove_if(device, |_| true);
}

/// Adds a group to a device that has a directory (`sysfs_create_group`).
/// `ENOENT` without one, `EEXIST` if a name is taken.
pub fn sysfs_create_group(device: &Device, group: &AttributeGroup) -> Result {
    if !device.has_directory() {
        return Err(Errno::ENOENT);
    }
    create_group(device, group)
}

/// Removes a group (`sysfs_remove_group`), after whoever is inside one of its
/// attributes has left.
pub fn sysfs_remove_group(device: &Device, group: &AttributeGroup) {
    remove_groups(device, core::slice::from_ref(group));
}

/// Adds one attribute (`device_create_file`).
pub fn device_create_file(device: &Device, attribute: &Attribute) -> Result {
    sysfs_create_group(device, &AttributeGroup::new(vec![attribute.clone()]))
}

/// Removes one attribute (`device_remove_file`), after whoever is inside it
/// has left.
pub fn device_remove_file(device: &Device, name: &str) {
    remove_if(device, |path| path == name);
}

/// Removes an attribute from inside its own callback
/// (`device_remove_file_self`): gives up the own active reference first. False
/// if somebody else removed it.
pub fn device_remove_file_self(device: &Device, name: &str) -> bool {
    let node = device.inner().attributes.lock().nodes.remove(name);
    match node {
        Some(node) => {
            if node.active.holds_me() {
                node.active.shut();
            } else {
                drain(device, vec![node]);
            }
            true
        }
        None => false,
    }
}

/// The attributes a device has now, by path.
pub fn attributes(device: &Device) -> Vec<AttrInfo> {
    let (defaults, mut infos) = {
        let directory = device.inner().attributes.lock();
        let infos: Vec<AttrInfo> = directory
            .nodes
            .values()
            .map(|node| AttrInfo {
                path: Arc::clone(&node.path),
                mode: node.attribute.mode,
            })
            .collect();
        (directory.defaults, infos)
    };
    if defaults {
        for attribute in defaults_of(device) {
            if !infos.iter().any(|info| *info.path == *attribute.name) {
                infos.push(AttrInfo {
                    path: Arc::clone(&attribute.name),
                    mode: attribute.mode,
                });
            }
        }
        infos.sort_by(|a, b| a.path.cmp(&b.path));
    }
    infos
}

/// An open attribute. It outlives the device; once the attribute is removed
/// every operation gives `ENODEV`.
pub struct AttrFile {
    node: Arc<AttrNode>,
}

impl fmt::Debug for AttrFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttrFile({:?} {})", self.node.device, self.node.path)
    }
}

/// Opens an attribute. `ENOENT` if there is none, `EISDIR` if the path names a
/// group.
pub fn attr_open(device: &Device, path: &str) -> Result<AttrFile> {
    let (found, defaults, is_group) = {
        let directory = device.inner().attributes.lock();
        let below = |p: &Arc<str>| {
            p.strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        (
            directory.nodes.get(path).cloned(),
            directory.defaults,
            directory.nodes.keys().any(below),
        )
    };
    if let Some(node) = found {
        return Ok(AttrFile { node });
    }
    if is_group {
        return Err(Errno::EISDIR);
    }
    if !defaults {
        return Err(Errno::ENOENT);
    }
    let wanted = |attribute: &Attribute| attribute.name() == path;
    let attribute = defaults_of(device).into_iter().find(wanted);
    let attribute = attribute.ok_or(Errno::ENOENT)?;
    // Another task may have opened it meanwhile; then its node is the one.
    let _ = create(device, Arc::clone(&attribute.name), &attribute);
    let directory = device.inner().attributes.lock();
    let node = directory.nodes.get(path).cloned().ok_or(Errno::ENOENT)?;
    Ok(AttrFile { node })
}

impl AttrFile {
    /// Its permission bits.
    pub fn mode(&self) -> u16 {
        self.node.attribute.mode
    }

    /// Whether it is still there; once it is not, every operation gives
    /// `ENODEV`.
    pub fn is_there(&self) -> bool {
        !self.node.active.is_shut()
    }

    /// Runs the attribute's show and gives its bytes. `ENODEV` once it is
    /// removed, `EACCES` if the mode does not let anybody read.
    pub fn read(&self) -> Result<Vec<u8>> {
        let node = &self.node;
        if !node.attribute.may_read() {
            return Err(Errno::EACCES);
        }
        let _inside = node.active.enter().ok_or(Errno::ENODEV)?;
        let device = &node.device;
        let result = node.attribute.run_show(&device.system(), device);
        device.core().emit(|| EventKind::AttributeShown {
            device: device.device_ref(),
            attribute: Arc::clone(&node.path),
            result: result.as_ref().map(Vec::len).map_err(|errno| *errno),
        });
        result
    }

    /// Runs the attribute's store and gives how many bytes it took. `ENODEV`
    /// once it is removed, `EACCES` if the mode does not let anybody write.
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        let node = &self.node;
        if !node.attribute.may_write() {
            return Err(Errno::EACCES);
        }
        let _inside = node.active.enter().ok_or(Errno::ENODEV)?;
        let device = &node.device;
        let result = node.attribute.run_store(&device.system(), device, data);
        device.core().emit(|| EventKind::AttributeStored {
            device: device.device_ref(),
            attribute: Arc::clone(&node.path),
            result,
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
/// root_device_unregister(&root);
/// ```
pub fn attr_read(device: &Device, path: &str) -> Result<Vec<u8>> {
    attr_open(device, path)?.read()
}

/// Opens an attribute and writes it once.
pub fn attr_write(device: &Device, path: &str, data: &[u8]) -> Result<usize> {
    attr_open(device, path)?.write(data)
}
