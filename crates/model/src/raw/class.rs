//! Classes.
//!
//! Follows `drivers/base/class.c`.

use core::fmt;

use lastfd_sync::{Arc, Mutex};
use rustc_hash::FxHashSet;

use super::device::{Device, Release};
use super::devtmpfs::DevnodeHook;
use super::klist::Klist;
use super::mutex::KernelMutex;
use super::sysfs_group::AttributeGroup;
use super::uevent::UeventHook;
use crate::errno::{Errno, Result};
use crate::ledger::Holder;
use crate::system::{Core, System};

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
    of_the_core: bool,
    devices: Klist,
    /// Names below `/sys/devices/virtual/CLASS`.
    virtual_names: Mutex<FxHashSet<Arc<str>>>,
    /// The class's mutex: interfaces are told of a device under it.
    mutex: KernelMutex,
    interfaces: Mutex<Interfaces>,
}

/// What an interface is told of.
pub type InterfaceHook = Arc<dyn Fn(&Device) + Send + Sync>;

/// Somebody who is told of each device of a class (`struct class_interface`).
#[derive(Clone, Default)]
pub struct ClassInterface {
    /// A device was added, or was there when the interface was registered.
    pub add_dev: Option<InterfaceHook>,
    /// A device goes, or the interface does.
    pub remove_dev: Option<InterfaceHook>,
}

impl fmt::Debug for ClassInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClassInterface").finish_non_exhaustive()
    }
}

type Interfaces = Arc<[(InterfaceId, ClassInterface)]>;

/// Names a registered [`ClassInterface`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceId(u64);

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
    /// Whether a framework made it when it was first used, and keeps it.
    pub fn is_of_the_core(&self) -> bool {
        self.0.of_the_core
    }

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

    /// For a device whose last reference went while it was on the list.
    pub(crate) fn forget(&self, key: u64) {
        self.0.devices.forget(key);
    }

    /// The end of device_add: onto the list, then the interfaces, first registered
    /// first.
    #[track_caller]
    pub(crate) fn add_device(&self, device: &Device) {
        let system = device.system();
        let name = || Some(device.device_ref());
        let _lock = self.0.mutex.lock(&system, name, "the class's mutex");
        let key = self.0.devices.add_tail(device);
        device.state().on_class = Some(key);
        for (_, interface) in self.interfaces().iter() {
            tell(device, interface.add_dev.as_ref(), "an interface's add_dev");
        }
    }

    /// Its counterpart in device_del: the interfaces, then off the list.
    #[track_caller]
    pub(crate) fn remove_device(&self, device: &Device) {
        let system = device.system();
        let name = || Some(device.device_ref());
        let _lock = self.0.mutex.lock(&system, name, "the class's mutex");
        for (_, interface) in self.interfaces().iter() {
            let hook = interface.remove_dev.as_ref();
            tell(device, hook, "an interface's remove_dev");
        }
        let key = device.state().on_class.take();
        if let Some(key) = key {
            self.0.devices.del(key);
        }
    }

    fn interfaces(&self) -> Interfaces {
        Interfaces::clone(&self.0.interfaces.lock())
    }

    pub(crate) fn virtual_names(&self) -> &Mutex<FxHashSet<Arc<str>>> {
        &self.0.virtual_names
    }

    pub(crate) fn dissolve(&self) {
        self.0.devices.dissolve();
        let interfaces = core::mem::replace(&mut *self.0.interfaces.lock(), Arc::from([]));
        drop(interfaces);
    }

    fn is_registered(&self, core: &Core) -> bool {
        core.registry.classes.lock().get(&self.0.name) == Some(self)
    }
}

fn tell(device: &Device, hook: Option<&InterfaceHook>, what: &str) {
    if let Some(hook) = hook {
        let core = device.core();
        core.guard(|| Some(device.device_ref()), what, || hook(device));
    }
}

/// Registers an interface (`class_interface_register`): it is told of the devices
/// that there are, then of each that is added. `EINVAL` if the class is not
/// registered.
///
/// It is told under the class's mutex: a kernel hangs when it adds a device of the
/// class or removes one; here that is a splat.
#[track_caller]
pub fn class_interface_register(
    system: &System,
    class: &Class,
    interface: ClassInterface,
) -> Result<InterfaceId> {
    if !class.is_registered(&system.core) {
        return Err(Errno::EINVAL);
    }
    let id = InterfaceId(system.unique());
    let _lock = class.0.mutex.lock(system, || None, "the class's mutex");
    let with = class.interfaces();
    let with = with.iter().cloned().chain([(id, interface.clone())]);
    let with = with.collect();
    let old = core::mem::replace(&mut *class.0.interfaces.lock(), with);
    drop(old);
    class.0.devices.each(|device| {
        tell(device, interface.add_dev.as_ref(), "an interface's add_dev");
        None::<()>
    });
    Ok(id)
}

/// Unregisters an interface (`class_interface_unregister`): it is told of each
/// device as if that went.
#[track_caller]
pub fn class_interface_unregister(system: &System, class: &Class, id: InterfaceId) {
    let _lock = class.0.mutex.lock(system, || None, "the class's mutex");
    let interfaces = class.interfaces();
    let Some((_, interface)) = interfaces.iter().find(|(other, _)| *other == id) else {
        return;
    };
    let without = interfaces.iter().filter(|(other, _)| *other != id);
    let without = without.cloned().collect();
    let old = core::mem::replace(&mut *class.0.interfaces.lock(), without);
    drop(old);
    class.0.devices.each(|device| {
        let hook = interface.remove_dev.as_ref();
        tell(device, hook, "an interface's remove_dev");
        None::<()>
    });
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
        of_the_core: system.is_booting(),
        devices: Klist::new(Holder::ClassList),
        virtual_names: Mutex::new(FxHashSet::default()),
        mutex: KernelMutex::new(),
        interfaces: Mutex::new(Arc::from([])),
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
