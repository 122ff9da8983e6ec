//! `struct device`: what it is, its reference count, its release.
//!
//! Follows `drivers/base/core.c` (`device_initialize`, `get_device`,
//! `put_device`, `device_release`) and `lib/kobject.c`.

use core::any::Any;
use core::fmt;
use core::panic::Location;
use core::sync::atomic::Ordering;

use lastfd_sync::atomic::{AtomicBool, AtomicU8, AtomicU32};
use lastfd_sync::{Arc, Mutex, MutexGuard};
use rustc_hash::FxHashSet;

use super::bus::Bus;
use super::class::{Class, GlueDirectory};
use super::devres::DevresList;
use super::devtmpfs::DevnodeHook;
use super::driver::Driver;
use super::klist::Klist;
use super::mutex::{KernelGuard, KernelMutex};
use super::platform::PlatformData;
use super::sysfs_group::{AttributeDirectory, AttributeGroup};
use super::uevent::UeventHook;
use crate::event::{DeviceRef, EventKind, SplatKind};
use crate::ledger::{Holder, Place};
use crate::system::{Core, System};

/// A release callback: frees what the device is embedded in.
pub type Release = Arc<dyn Fn(&Device) + Send + Sync>;

/// Driver data, as `dev_set_drvdata` keeps it.
pub type DriverData = Arc<dyn Any + Send + Sync>;

/// A device number (`dev_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DevT {
    /// The major number; 0 means no number at all.
    pub major: u32,
    /// The minor number.
    pub minor: u32,
}

impl fmt::Display for DevT {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

/// `struct device_type`: what devices of one sort share.
#[derive(Clone, Default)]
pub struct DeviceType {
    /// Its name, `DEVTYPE` in uevents.
    pub name: Arc<str>,
    /// Releases a device that has no release callback of its own.
    pub release: Option<Release>,
    /// Adds to the environment of uevents.
    pub uevent: Option<UeventHook>,
    /// Where the nodes of its devices are, and with which permissions.
    pub devnode: Option<DevnodeHook>,
    /// Attributes of each such device.
    pub groups: Vec<AttributeGroup>,
}

impl fmt::Debug for DeviceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DeviceType").field(&self.name).finish()
    }
}

/// What a caller fills into a `struct device` before `device_add`.
#[derive(Clone, Default)]
pub struct DeviceSpec {
    /// The name; `device_add` fails with `EINVAL` if there is none by then.
    pub name: Option<String>,
    /// The parent. No reference is taken before `device_add`.
    pub parent: Option<Device>,
    /// The bus it sits on.
    pub bus: Option<Bus>,
    /// Its class.
    pub class: Option<Class>,
    /// Its type.
    pub type_: Option<DeviceType>,
    /// Its release callback.
    pub release: Option<Release>,
    /// Its device number, for a node in `/dev`.
    pub devt: Option<DevT>,
    /// Its own attributes.
    pub groups: Vec<AttributeGroup>,
}

impl fmt::Debug for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSpec")
            .field("name", &self.name)
            .field("parent", &self.parent)
            .field("bus", &self.bus)
            .finish_non_exhaustive()
    }
}

/// A handle on a `struct device`.
///
/// Cloning it does not count: references are taken and dropped explicitly with
/// [`get_device`] and [`put_device`]. The memory is kept as long as a handle or
/// a reference is left, so a use after the release is a splat, never undefined.
/// Handles compare by identity.
#[derive(Clone)]
pub struct Device(Arc<DeviceInner>);

pub(crate) struct DeviceInner {
    pub(crate) core: Arc<Core>,
    id: u64,
    kref: AtomicU32,
    released: AtomicBool,
    lock: KernelMutex,
    pub(crate) devres: Mutex<DevresList>,
    pub(crate) attributes: Mutex<AttributeDirectory<Device>>,
    /// p->klist_children.
    pub(crate) children: Klist,
    /// links.status, changed under the lock of the links.
    pub(crate) driver_presence: AtomicU8,
    state: Mutex<DeviceState>,
}

/// The fields of `struct device` and `struct device_private`.
pub(crate) struct DeviceState {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) parent: Option<Device>,
    pub(crate) bus: Option<Bus>,
    pub(crate) class: Option<Class>,
    pub(crate) type_: Option<Arc<DeviceType>>,
    pub(crate) release: Option<Release>,
    pub(crate) devt: Option<DevT>,
    pub(crate) groups: Vec<AttributeGroup>,
    /// What makes it a platform device.
    pub(crate) platform: Option<PlatformData>,
    pub(crate) driver: Option<Driver>,
    pub(crate) drvdata: Option<DriverData>,
    pub(crate) platdata: Option<DriverData>,
    /// kobj.state_in_sysfs.
    pub(crate) in_sysfs: bool,
    /// kobj.sd: false once an ancestor's directory went.
    pub(crate) has_directory: bool,
    /// p->dead.
    pub(crate) dead: bool,
    /// p->ready_to_probe.
    pub(crate) ready_to_probe: bool,
    pub(crate) driver_override: Option<Arc<str>>,
    /// A driver matched it once.
    pub(crate) can_match: bool,
    /// On the parent's, bus's, class's and driver's lists: the key there.
    pub(crate) on_parent: Option<u64>,
    pub(crate) on_bus: Option<u64>,
    pub(crate) on_class: Option<u64>,
    pub(crate) on_driver: Option<u64>,
    /// The names in its directory.
    pub(crate) names: FxHashSet<Arc<str>>,
    /// Directories between it and its children of a class.
    pub(crate) glue: Vec<GlueDirectory>,
    /// It has a parent directory that counts, taken in `kobject_add`.
    pub(crate) in_directory: Option<Directory>,
}

/// The directory a device's own directory was made in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directory {
    /// The top of `/sys/devices`.
    Top,
    /// `/sys/devices/virtual/CLASS`.
    Virtual(Class),
    /// The parent's directory.
    Parent(Device),
    /// A class's directory below the parent.
    Glue(Device, Class),
}

impl PartialEq for Device {
    fn eq(&self, other: &Device) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({:?})", self.device_ref())
    }
}

impl Device {
    /// Its number, unique in its System for ever.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// The System it lives in. This handle does not keep the System from
    /// ending.
    pub fn system(&self) -> System {
        System::from_core(&self.0.core)
    }

    pub(crate) fn inner(&self) -> &DeviceInner {
        &self.0
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, DeviceState> {
        self.0.state.lock()
    }

    /// How events name it.
    pub fn device_ref(&self) -> DeviceRef {
        DeviceRef {
            id: self.0.id,
            name: self.name(),
        }
    }

    /// Its name, `"(unnamed)"` before it has one.
    pub fn name(&self) -> Arc<str> {
        self.state()
            .name
            .clone()
            .unwrap_or_else(|| Arc::from("(unnamed)"))
    }

    /// Whether it is in sysfs, for those who only look: drivers ask
    /// [`device_is_registered`](super::device_is_registered).
    pub fn is_registered(&self) -> bool {
        self.state().in_sysfs
    }

    /// Whether it has driver data, for those who only look: drivers ask
    /// [`dev_get_drvdata`](super::dev_get_drvdata).
    pub fn has_drvdata(&self) -> bool {
        self.state().drvdata.is_some()
    }

    /// Whether its release has run.
    pub fn is_released(&self) -> bool {
        self.0.released.load(Ordering::Acquire)
    }

    /// Its parent.
    pub fn parent(&self) -> Option<Device> {
        self.state().parent.clone()
    }

    /// Its bus.
    pub fn bus(&self) -> Option<Bus> {
        self.state().bus.clone()
    }

    /// Its class.
    pub fn class(&self) -> Option<Class> {
        self.state().class.clone()
    }

    /// The name of its class or, without one, of its bus: `SUBSYSTEM` in uevents.
    pub fn subsystem(&self) -> Option<Arc<str>> {
        let state = self.state();
        let of_class = || state.class.as_ref().map(|class| class.name());
        let of_bus = || state.bus.as_ref().map(|bus| bus.name());
        of_class().or_else(of_bus)
    }

    /// The name of its type.
    pub fn type_name(&self) -> Option<Arc<str>> {
        self.state().type_.as_ref().map(|t| Arc::clone(&t.name))
    }

    /// The driver it is bound to, or being bound to.
    pub fn driver(&self) -> Option<Driver> {
        self.state().driver.clone()
    }

    /// Its device number.
    pub fn devt(&self) -> Option<DevT> {
        self.state().devt
    }

    /// Whether `device_del` has begun on it.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Whether its directory in sysfs can be reached. An ancestor's removal
    /// takes the directory away while the device stays registered
    /// (fs/kernfs/dir.c deactivates the whole subtree).
    pub fn has_directory(&self) -> bool {
        self.state().has_directory
    }

    /// The directory its own directory is in. None before `device_add` and
    /// after `device_del`, and once an ancestor's directory went.
    pub fn directory(&self) -> Option<Directory> {
        let state = self.state();
        state.in_directory.clone().filter(|_| state.has_directory)
    }

    /// Its path below `/sys`, as `DEVPATH` in uevents.
    pub fn path(&self) -> String {
        let (directory, name) = {
            let state = self.state();
            let name = state.name.clone().unwrap_or_else(|| Arc::from("(unnamed)"));
            (state.in_directory.clone(), name)
        };
        match directory {
            None => name.to_string(),
            Some(Directory::Top) => format!("/devices/{name}"),
            Some(Directory::Virtual(class)) => {
                format!("/devices/virtual/{}/{name}", class.name())
            }
            Some(Directory::Parent(parent)) => format!("{}/{name}", parent.path()),
            Some(Directory::Glue(parent, class)) => {
                format!("{}/{}/{name}", parent.path(), class.name())
            }
        }
    }

    /// Takes a reference: refcount_inc of lib/refcount.c.
    #[track_caller]
    pub(crate) fn get_for(&self, holder: Holder) {
        self.get_at(holder, Location::caller());
    }

    /// As [`get_for`](Device::get_for), with the place given.
    pub(crate) fn get_at(&self, holder: Holder, place: Place) {
        let count = self.count_up();
        self.tell_taken(count, holder, place);
    }

    /// The half of [`get_for`](Device::get_for) that may be done with a lock
    /// held: counts, and gives the count, or None if it was 0.
    pub(crate) fn count_up(&self) -> Option<u32> {
        let up = |count: u32| (count != 0).then(|| count.saturating_add(1));
        self.0
            .kref
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, up)
            .ok()
            .and_then(up)
    }

    /// The other half: tells.
    pub(crate) fn tell_taken(&self, count: Option<u32>, holder: Holder, place: Place) {
        let Some(count) = count else {
            self.0.core.splat(
                SplatKind::Refcount,
                Some(self.device_ref()),
                "addition on 0; a released device is used again",
            );
            return;
        };
        if self.0.core.books.is_on() {
            let books = &self.0.core.books;
            books.take_reference(self.device_ref(), holder.clone(), place);
        }
        self.0.core.emit_detail_at(place, || EventKind::RefTaken {
            device: self.device_ref(),
            count,
            holder,
        });
    }

    /// lib/refcount.c: refcount_sub_and_test; the last one releases.
    #[track_caller]
    pub(crate) fn put_for(&self, holder: Holder) {
        let before = self
            .0
            .kref
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                count.checked_sub(1)
            });
        match before {
            Ok(before) => {
                if self.0.core.books.is_on() {
                    self.0.core.books.drop_reference(self.0.id, &holder);
                }
                let place = Location::caller();
                self.0.core.emit_detail_at(place, || EventKind::RefDropped {
                    device: self.device_ref(),
                    count: before - 1,
                    holder,
                });
                if before == 1 {
                    self.kobject_release();
                }
            }
            Err(_) => self.0.core.splat(
                SplatKind::Refcount,
                Some(self.device_ref()),
                "underflow; a reference was put that nobody held",
            ),
        }
    }

    /// lib/kobject.c: kobject_release.
    fn kobject_release(&self) {
        let core = &self.0.core;
        match core.debug.kobject_release {
            true => core.delayed_releases.add(self),
            false => self.release(),
        }
    }

    /// drivers/base/core.c: device_release, lib/kobject.c: kobject_cleanup.
    #[track_caller]
    pub(crate) fn release(&self) {
        if self.state().in_sysfs {
            self.0.core.splat(
                SplatKind::Warn,
                Some(self.device_ref()),
                "released while it is still registered: more puts than gets",
            );
            super::core::take_off_everything(self);
        }
        // Some drivers add resources after device_del, or to a device that was
        // never added; the last chance to release them is now.
        super::devres::devres_release_all(self);
        let release = {
            let state = self.state();
            let of_type = || state.type_.as_ref().and_then(|t| t.release.clone());
            let of_class = || state.class.as_ref().and_then(|c| c.dev_release());
            state.release.clone().or_else(of_type).or_else(of_class)
        };
        self.0.released.store(true, Ordering::Release);
        self.0.core.emit(|| EventKind::Released {
            device: self.device_ref(),
        });
        match release {
            Some(release) => {
                self.0.core.guard(
                    || Some(self.device_ref()),
                    "the release callback",
                    || release(self),
                );
            }
            None => self.0.core.splat(
                SplatKind::Warn,
                Some(self.device_ref()),
                "does not have a release() function, it is broken and must be fixed",
            ),
        }
        self.dissolve();
        self.0.core.disown(self.0.id);
    }

    /// Lets go of everything the struct points to, so that nothing is kept by
    /// a handle that outlives it.
    pub(crate) fn dissolve(&self) {
        let gone = {
            let mut state = self.state();
            (
                state.parent.take(),
                state.bus.take(),
                state.class.take(),
                state.release.take(),
                state.driver.take(),
                (state.drvdata.take(), state.platdata.take()),
                core::mem::take(&mut state.groups),
                core::mem::take(&mut state.glue),
                state.in_directory.take(),
                state.type_.take(),
            )
        };
        drop(gone);
        self.0.children.dissolve();
        let devres = core::mem::take(&mut *self.0.devres.lock());
        drop(devres);
        let attributes = core::mem::take(&mut *self.0.attributes.lock());
        drop(attributes);
    }
}

/// Makes a device with one reference (`device_initialize`). From here on only
/// [`put_device`] may end it.
///
/// ```
/// use lastfd_model::{System, raw::*};
/// let system = System::new();
/// let spec = DeviceSpec { name: Some("a".into()), release: Some(no_release()), ..Default::default() };
/// let device = device_initialize(&system, spec);
/// assert_eq!(kref_read(&device), 1);
/// put_device(&device);
/// assert!(device.is_released());
/// ```
#[track_caller]
pub fn device_initialize(system: &System, spec: DeviceSpec) -> Device {
    let core = &system.core;
    let device = Device(Arc::new(DeviceInner {
        core: Arc::clone(core),
        id: core.unique(),
        kref: AtomicU32::new(1),
        released: AtomicBool::new(false),
        lock: KernelMutex::new(),
        devres: Mutex::new(DevresList::default()),
        attributes: Mutex::new(AttributeDirectory::default()),
        children: Klist::new(Holder::ParentList),
        driver_presence: AtomicU8::new(0),
        state: Mutex::new(DeviceState {
            name: spec.name.map(Arc::from),
            parent: spec.parent,
            bus: spec.bus,
            class: spec.class,
            type_: spec.type_.map(Arc::new),
            release: spec.release,
            devt: spec.devt,
            groups: spec.groups,
            platform: None,
            driver: None,
            drvdata: None,
            platdata: None,
            in_sysfs: false,
            has_directory: false,
            dead: false,
            ready_to_probe: false,
            driver_override: None,
            can_match: false,
            on_parent: None,
            on_bus: None,
            on_class: None,
            on_driver: None,
            names: FxHashSet::default(),
            glue: Vec::new(),
            in_directory: None,
        }),
    }));
    core.adopt(&device);
    let place = Location::caller();
    if core.books.is_on() {
        core.books
            .take_reference(device.device_ref(), Holder::Creator, place);
    }
    core.emit_at(place, || EventKind::DeviceInitialized {
        device: device.device_ref(),
        subsystem: device.subsystem(),
    });
    device
}

/// A release callback that frees nothing, for a device with nothing around it.
pub fn no_release() -> Release {
    Arc::new(|_| {})
}

/// Takes a reference (`get_device`). On a released device it is a splat.
#[track_caller]
pub fn get_device(device: &Device) -> Device {
    device.get_for(Holder::Get);
    device.clone()
}

/// Drops a reference (`put_device`); the last one releases the device. One too
/// many is a splat.
#[track_caller]
pub fn put_device(device: &Device) {
    device.put_for(Holder::Get);
}

/// As [`get_device`], with the holder's name in the ledger. For frameworks.
#[track_caller]
pub fn get_device_for(device: &Device, holder: &'static str) -> Device {
    device.get_for(Holder::Other(holder));
    device.clone()
}

/// The counterpart of [`get_device_for`].
#[track_caller]
pub fn put_device_for(device: &Device, holder: &'static str) {
    device.put_for(Holder::Other(holder));
}

/// The reference count (`kref_read`).
pub fn kref_read(device: &Device) -> u32 {
    device.0.kref.load(Ordering::Acquire)
}

/// Takes the device lock (`device_lock`).
///
/// A task that has it already would hang in a kernel; here it gets a splat and
/// a guard that does nothing.
#[track_caller]
pub fn device_lock(device: &Device) -> KernelGuard<'_> {
    let name = || Some(device.device_ref());
    device
        .0
        .lock
        .lock(&device.system(), name, "the device lock")
}
