//! Classes.
//!
//! Follows `drivers/base/class.c`.

use core::fmt;

use lastfd_sync::{Arc, Mutex};
use rustc_hash::FxHashSet;

use super::device::{Device, Release};
use super::devtmpfs::DevnodeHook;
use super::klist::Klist;
use super::sysfs::AttributeGroup;
use super::uevent::UeventHook;
use crate::errno::{Errno, Result};
use crate::ledger::Holder;
use crate::system::System;

/// What a class gives to its devices (`struct class`).
#[derive(Clone, Default)]
pub struct ClassSpec {
    /// Its name.
    pub name: String,
    /// Releases a device that has no release callback of its own.
    pub dev_release: Option<Release>,
    /// Adds to the environment of uevents.
    pub dev_uevent: Option<UeventHook>,
    /// Where the nodes of its devices are, and with which permissions.
    pub devnode: Option<DevnodeHook>,
    /// Attributes of each of its devices.
    pub dev_groups: Vec<AttributeGroup>,
}

impl fmt::Debug for ClassSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassSpec")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A handle on a class. Handles compare by identity.
#[derive(Clone)]
pub struct Class(Arc<ClassInner>);

struct ClassInner {
    name: Arc<str>,
    spec: ClassSpec,
    devices: Klist,
    /// Names below `/sys/devices/virtual/CLASS`.
    virtual_names: Mutex<FxHashSet<Arc<str>>>,
}

/// A class's directory below a parent.
pub(crate) struct GlueDirectory {
    pub(crate) class: Class,
    pub(crate) names: FxHashSet<Arc<str>>,
    /// `device_move` took a device out of it and forgot it: it never goes.
    pub(crate) kept: bool,
}

impl GlueDirectory {
    pub(crate) fn new(class: Class) -> Self {
        GlueDirectory {
            class,
            names: FxHashSet::default(),
            kept: false,
        }
    }
}

impl PartialEq for Class {
    fn eq(&self, other: &Class) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Class {}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Class").field(&self.0.name).finish()
    }
}

impl Class {
    /// Its name.
    pub fn name(&self) -> Arc<str> {
        Arc::clone(&self.0.name)
    }

    /// Its devices, in the order they were added.
    pub fn devices(&self) -> Vec<Device> {
        self.0.devices.devices()
    }

    pub(crate) fn dev_release(&self) -> Option<Release> {
        self.0.spec.dev_release.clone()
    }

    pub(crate) fn dev_uevent(&self) -> Option<UeventHook> {
        self.0.spec.dev_uevent.clone()
    }

    pub(crate) fn devnode(&self) -> Option<DevnodeHook> {
        self.0.spec.devnode.clone()
    }

    pub(crate) fn dev_groups(&self) -> &[AttributeGroup] {
        &self.0.spec.dev_groups
    }

    pub(crate) fn list(&self) -> &Klist {
        &self.0.devices
    }

    pub(crate) fn virtual_names(&self) -> &Mutex<FxHashSet<Arc<str>>> {
        &self.0.virtual_names
    }

    pub(crate) fn dissolve(&self) {
        self.0.devices.dissolve();
    }
}

/// Registers a class (`class_register`). `EEXIST` if there is one of that
/// name.
pub fn class_register(system: &System, spec: ClassSpec) -> Result<Class> {
    system.allocation()?;
    let name: Arc<str> = Arc::from(spec.name.as_str());
    let mut classes = system.core.registry.classes.lock();
    if classes.contains_key(&name) {
        return Err(Errno::EEXIST);
    }
    let class = Class(Arc::new(ClassInner {
        name: Arc::clone(&name),
        spec,
        devices: Klist::new(Holder::ClassList),
        virtual_names: Mutex::new(FxHashSet::default()),
    }));
    classes.insert(name, class.clone());
    Ok(class)
}

/// Makes and registers a class with nothing but a name (`class_create`).
pub fn class_create(system: &System, name: &str) -> Result<Class> {
    let spec = ClassSpec {
        name: name.to_owned(),
        ..ClassSpec::default()
    };
    class_register(system, spec)
}

/// Unregisters a class (`class_destroy`).
pub fn class_destroy(system: &System, class: &Class) {
    let mut classes = system.core.registry.classes.lock();
    if classes.get(&class.0.name) == Some(class) {
        let gone = classes.remove(&class.0.name);
        drop(classes);
        drop(gone);
    }
}
