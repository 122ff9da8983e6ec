//! `struct drm_device`: made, counted, released.
//!
//! Follows `drivers/gpu/drm/drm_drv.c`. The order of the steps is what this
//! file is about.

use core::any::Any;
use core::fmt;
use core::panic::Location;
use core::sync::atomic::Ordering;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{Action, Device, devm_add_action_or_reset, get_device_for, put_device_for};
use lastfd_model::{DeviceRef, Errno, EventKind, Holding, LedgerEntry, LedgerLine, Result, System};
use lastfd_sync::atomic::{AtomicBool, AtomicU32};
use lastfd_sync::gate::Gate;
use lastfd_sync::{Arc, Mutex, OnceLock, Weak};

use super::auth::Master;
use super::core::DrmCore;
use super::driver::{DrmDriver, Features};
use super::enter::Gates;
use super::file::DrmFile;
use super::gem::OffsetManager;
use super::managed::{self, DrmmAction, Managed, drmm_add_action, drmm_add_action_or_reset};
use super::minor::{DrmMinor, MinorType, drm_minor_alloc};
use super::vblank::Vblank;
use crate::event::{DrmEvent, DrmEventKind};
use lastfd_model::raw::KernelMutex;

/// For whom the framework holds the parent.
const HOLDER: &str = "its DRM device";

/// A handle on a `struct drm_device`.
///
/// Cloning it does not count: references are taken and dropped with
/// [`drm_dev_get`] and [`drm_dev_put`]. The memory is kept while a handle is
/// left, so a use after the last put is a splat, never undefined. Handles
/// compare by identity.
#[derive(Clone)]
pub struct DrmDevice(Arc<Inner>);

pub(crate) struct Inner {
    system: System,
    core: Arc<DrmCore>,
    driver: Arc<DrmDriver>,
    kref: AtomicU32,
    released: AtomicBool,
    /// `dev->dev`: cleared by the last managed action of all.
    parent: Mutex<Option<Device>>,
    parent_name: DeviceRef,
    /// `dev->driver_features`: what this device can not is cleared.
    features: AtomicU32,
    gate: Gates,
    registered: AtomicBool,
    managed: Managed,
    primary: OnceLock<DrmMinor>,
    render: OnceLock<DrmMinor>,
    open_count: AtomicU32,
    /// `dev->filelist`, latest first.
    files: Mutex<Vec<DrmFile>>,
    /// Held over `master_set` and `master_drop`.
    master_mutex: KernelMutex,
    /// `dev->master`.
    master: Mutex<Option<Arc<Master>>>,
    offsets: OffsetManager,
    vblank: Vblank,
    /// What the device is embedded in.
    private: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    /// References, for the ledger: by whom, latest last.
    held: Mutex<Vec<(&'static str, LedgerEntry)>>,
}

impl Drop for Inner {
    /// The last handle goes while there are references: those were forgotten.
    fn drop(&mut self) {
        let forgotten = core::mem::take(&mut *self.held.lock());
        if self.kref.load(Ordering::Acquire) > 0 {
            forgotten.into_iter().for_each(|(_, entry)| entry.keep());
        }
    }
}

impl fmt::Debug for DrmDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DrmDevice({})", self.device_ref())
    }
}

impl PartialEq for DrmDevice {
    fn eq(&self, other: &DrmDevice) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DrmDevice {}

/// A way back to a device that keeps nothing.
#[derive(Clone)]
pub(crate) struct WeakDrmDevice(Weak<Inner>);

impl WeakDrmDevice {
    pub(crate) fn upgrade(&self) -> Option<DrmDevice> {
        self.0.upgrade().map(DrmDevice)
    }
}

impl DrmDevice {
    /// Holders of references, by the names they have in events and ledger.
    pub(crate) const BY_GET: &'static str = "drm_dev_get";
    pub(crate) const BY_MINOR: &'static str = "an open file";
    pub(crate) const BY_CREATOR: &'static str = "its creator";
    pub(crate) const BY_BUFFER: &'static str = "an exported buffer";

    /// The System it lives in. This handle does not keep the System from
    /// ending.
    pub fn system(&self) -> System {
        self.0.system.clone()
    }

    pub(crate) fn system_ref(&self) -> &System {
        &self.0.system
    }

    /// The hardware device below it (`dev->dev`); `None` once the last managed
    /// action ran.
    pub fn dev(&self) -> Option<Device> {
        self.0.parent.lock().clone()
    }

    /// Its driver.
    pub fn driver(&self) -> &Arc<DrmDriver> {
        &self.0.driver
    }

    /// The card's minor; every device has one once it is made.
    pub fn primary(&self) -> Option<&DrmMinor> {
        self.0.primary.get()
    }

    /// The render node's minor, with `DRIVER_RENDER`.
    pub fn render(&self) -> Option<&DrmMinor> {
        self.0.render.get()
    }

    /// How events name it: the card's device, or the parent before there is one.
    pub fn device_ref(&self) -> DeviceRef {
        match self.primary() {
            Some(minor) => minor.kdev().device_ref(),
            None => self.0.parent_name.clone(),
        }
    }

    /// The parent's name (`dev->unique`).
    pub fn unique(&self) -> &str {
        &self.0.parent_name.name
    }

    /// Whether driver and device have the feature (`drm_core_check_feature`).
    pub fn has(&self, feature: Features) -> bool {
        let allowed = Features(self.0.features.load(Ordering::Relaxed));
        (self.0.driver.features & allowed).contains(feature)
    }

    /// Takes features away from this device (`dev->driver_features &= ~..`).
    pub fn remove_features(&self, features: Features) {
        self.0.features.fetch_and(!features.0, Ordering::Relaxed);
    }

    /// Whether it is registered (`dev->registered`).
    pub fn is_registered(&self) -> bool {
        self.0.registered.load(Ordering::Acquire)
    }

    /// Whether it was unplugged (`drm_dev_is_unplugged`).
    pub fn is_unplugged(&self) -> bool {
        self.0.gate.last().is_closed()
    }

    /// Whether the last reference is gone.
    pub fn is_released(&self) -> bool {
        self.0.released.load(Ordering::Acquire)
    }

    /// How many files are open.
    pub fn open_count(&self) -> u32 {
        self.0.open_count.load(Ordering::SeqCst)
    }

    /// The open files, latest first (`dev->filelist`).
    pub fn files(&self) -> Vec<DrmFile> {
        self.0.files.lock().clone()
    }

    /// What the device is embedded in, if it is a `T`; gone with the final
    /// kfree.
    pub fn private<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.0.private.lock().clone()?.downcast().ok()
    }

    /// Sets what the device is embedded in.
    pub fn set_private<T: Any + Send + Sync>(&self, data: Arc<T>) {
        let old = self.0.private.lock().replace(data);
        drop(old);
    }

    pub(crate) fn downgrade(&self) -> WeakDrmDevice {
        WeakDrmDevice(Arc::downgrade(&self.0))
    }

    pub(crate) fn core(&self) -> &Arc<DrmCore> {
        &self.0.core
    }

    pub(crate) fn managed(&self) -> &Managed {
        &self.0.managed
    }

    pub(crate) fn offsets(&self) -> &OffsetManager {
        &self.0.offsets
    }

    pub(crate) fn vblank(&self) -> &Vblank {
        &self.0.vblank
    }

    pub(crate) fn master_mutex(&self) -> &KernelMutex {
        &self.0.master_mutex
    }

    pub(crate) fn master(&self) -> &Mutex<Option<Arc<Master>>> {
        &self.0.master
    }

    pub(crate) fn open_counter(&self) -> &AtomicU32 {
        &self.0.open_count
    }

    pub(crate) fn filelist(&self) -> &Mutex<Vec<DrmFile>> {
        &self.0.files
    }

    pub(crate) fn set_registered(&self, on: bool) {
        self.0.registered.store(on, Ordering::Release);
    }

    pub(crate) fn minor(&self, type_: MinorType) -> Option<&DrmMinor> {
        match type_ {
            MinorType::Primary => self.primary(),
            MinorType::Render => self.render(),
        }
    }

    pub(crate) fn set_minor(&self, minor: DrmMinor) {
        let slot = match minor.type_() {
            MinorType::Primary => &self.0.primary,
            MinorType::Render => &self.0.render,
        };
        // drm_dev_init makes each once.
        let _ = slot.set(minor);
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.0.gate
    }

    /// The gate that is to close.
    pub(crate) fn gate(&self) -> &Gate {
        self.0.gate.last()
    }

    /// `dev->unplugged = false`.
    pub(crate) fn reopen_gate(&self) {
        self.0.gate.reopen(&self.0.core);
    }

    /// Runs driver code, unwinding it if it panics.
    #[track_caller]
    pub(crate) fn guard<T>(&self, what: &str, run: impl FnOnce() -> T) -> Option<T> {
        let device = self.device_ref();
        self.0.system.guard(Some(&device), what, run)
    }

    #[track_caller]
    pub(crate) fn emit(&self, kind: impl FnOnce() -> DrmEventKind) {
        self.0.system.emit(|| {
            EventKind::Framework(Arc::new(DrmEvent {
                device: self.device_ref(),
                kind: kind(),
            }))
        });
    }

    #[track_caller]
    pub(crate) fn splat(&self, kind: SplatKind, text: impl Into<String>) {
        self.0.system.emit(|| EventKind::Splat {
            kind,
            device: Some(self.device_ref()),
            text: text.into().into(),
        });
    }

    /// kref_get, without the event: for a caller that holds a lock.
    pub(crate) fn count_up(&self) -> bool {
        let count = |count: u32| (count != 0).then(|| count.saturating_add(1));
        self.0
            .kref
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, count)
            .is_ok()
    }

    #[track_caller]
    pub(crate) fn tell_taken(&self, holder: &'static str) {
        if self.0.system.ledger_is_on() {
            let entry = self.0.system.ledger_open(LedgerLine {
                holding: Holding::Reference,
                device: Some(self.device_ref()),
                what: format!("{holder} (on the DRM device)").into(),
                place: Some(Location::caller()),
            });
            self.0.held.lock().push((holder, entry));
        }
        self.emit(|| DrmEventKind::Count {
            count: drm_dev_kref_read(self),
            holder,
        });
    }

    #[track_caller]
    pub(crate) fn get_for(&self, holder: &'static str) {
        if self.count_up() {
            self.tell_taken(holder);
        } else {
            self.splat(
                SplatKind::Refcount,
                "drm_dev_get: addition on 0; a DRM device is used after its last put",
            );
        }
    }

    /// kref_put: the last one releases.
    #[track_caller]
    pub(crate) fn put_for(&self, holder: &'static str) {
        let before = self
            .0
            .kref
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |count| {
                count.checked_sub(1)
            });
        match before {
            Ok(before) => {
                let entry = {
                    let mut held = self.0.held.lock();
                    let by = |wanted| held.iter().rposition(|(holder, _)| *holder == wanted);
                    let latest = by(holder)
                        .or_else(|| by(Self::BY_CREATOR))
                        .or_else(|| by(Self::BY_GET));
                    latest.map(|at| held.remove(at))
                };
                drop(entry);
                self.emit(|| DrmEventKind::Count {
                    count: before - 1,
                    holder,
                });
                if before == 1 {
                    self.release();
                }
            }
            Err(_) => self.splat(
                SplatKind::Refcount,
                "drm_dev_put: underflow; a reference was put that nobody held",
            ),
        }
    }

    // drm_drv.c: drm_dev_release
    fn release(&self) {
        self.0.released.store(true, Ordering::Release);
        if let Some(release) = self.0.driver.release.clone() {
            self.guard("drm_driver.release", || release(self));
        }
        managed::drm_managed_release(self);
        self.emit(|| DrmEventKind::Freed);
        let (private, files) = (
            self.0.private.lock().take(),
            core::mem::take(&mut *self.0.files.lock()),
        );
        drop((private, files));
    }
}

/// The count of references (`kref_read(&dev->ref)`).
pub fn drm_dev_kref_read(dev: &DrmDevice) -> u32 {
    dev.0.kref.load(Ordering::Acquire)
}

/// Takes a reference (`drm_dev_get`). After the last put it is a splat.
#[track_caller]
pub fn drm_dev_get(dev: &DrmDevice) -> DrmDevice {
    dev.get_for(DrmDevice::BY_GET);
    dev.clone()
}

/// Drops a reference (`drm_dev_put`). The last one calls the driver's
/// `release`, then releases what is managed, latest first, and puts the parent
/// with the first of it. One too many is a splat.
#[track_caller]
pub fn drm_dev_put(dev: &DrmDevice) {
    dev.put_for(DrmDevice::BY_GET);
}

/// Makes a device with one reference, which pins its parent until the last
/// [`drm_dev_put`] (`drm_dev_init`, an internal step today). Whoever calls it
/// owes [`drmm_add_final_kfree`](super::drmm_add_final_kfree).
///
/// # Errors
/// `ENOMEM`, `EBUSY` without a free minor; then nothing is left.
#[track_caller]
pub fn drm_dev_init(driver: &Arc<DrmDriver>, parent: &Device) -> Result<DrmDevice> {
    let system = parent.system();
    let core = DrmCore::of(&system);
    core.start(&system)?;
    get_device_for(parent, HOLDER);
    let dev = DrmDevice(Arc::new(Inner {
        gate: Gates::new(&core),
        system,
        core,
        driver: Arc::clone(driver),
        kref: AtomicU32::new(1),
        released: AtomicBool::new(false),
        parent: Mutex::new(Some(parent.clone())),
        parent_name: parent.device_ref(),
        features: AtomicU32::new(!0),
        registered: AtomicBool::new(false),
        managed: Managed::default(),
        primary: OnceLock::new(),
        render: OnceLock::new(),
        open_count: AtomicU32::new(0),
        files: Mutex::new(Vec::new()),
        master_mutex: KernelMutex::default(),
        master: Mutex::new(None),
        offsets: OffsetManager::default(),
        vblank: Vblank::default(),
        private: Mutex::new(None),
        held: Mutex::new(Vec::new()),
    }));
    // The first managed action is the last to run.
    let last = DrmmAction::new("drm_dev_init_release", |dev: &DrmDevice| {
        let parent = dev.0.parent.lock().take();
        if let Some(parent) = parent {
            put_device_for(&parent, HOLDER);
        }
    });
    drmm_add_action_or_reset(&dev, last)?;
    if let Err(errno) = init_rest(&dev) {
        managed::drm_managed_release(&dev);
        return Err(errno);
    }
    dev.tell_taken(DrmDevice::BY_CREATOR);
    dev.emit(|| DrmEventKind::Initialized);
    Ok(dev)
}

#[track_caller]
fn init_rest(dev: &DrmDevice) -> Result {
    let system = dev.system();
    // drm_fs_inode_new.
    system.allocation()?;
    if dev.has(Features::RENDER) {
        drm_minor_alloc(dev, MinorType::Render)?;
    }
    drm_minor_alloc(dev, MinorType::Primary)?;
    if dev.has(Features::GEM) {
        // drm_gem.c: drm_gem_init.
        managed::drmm_kzalloc(dev, OffsetManager::SIZE)?;
        drmm_add_action(
            dev,
            DrmmAction::new("drm_gem_init_release", |_: &DrmDevice| {}),
        )?;
    }
    managed::drmm_kstrdup(dev, dev.unique())?;
    Ok(())
}

/// Makes a device on its own (`drm_dev_alloc`): whoever calls it owns the
/// reference.
///
/// ```
/// use lastfd_drm::raw::*;
/// use lastfd_model::{System, raw::*};
/// use lastfd_sync::Arc;
///
/// let system = System::new();
/// let root = root_device_register(&system, "board").unwrap();
/// let dev = drm_dev_alloc(&Arc::new(DrmDriver::default()), &root).unwrap();
/// root_device_unregister(&root);
/// assert!(!root.is_released()); // the DRM device pins its parent
/// drm_dev_put(&dev);
/// assert!(root.is_released());
/// ```
///
/// # Errors
/// As [`drm_dev_init`].
#[track_caller]
pub fn drm_dev_alloc(driver: &Arc<DrmDriver>, parent: &Device) -> Result<DrmDevice> {
    parent.system().allocation()?;
    let dev = drm_dev_init(driver, parent)?;
    managed::drmm_add_final_kfree(&dev);
    Ok(dev)
}

/// Makes a device whose first reference is dropped when the parent's managed
/// resources are released (`devm_drm_dev_alloc`).
///
/// # Errors
/// As [`drm_dev_init`].
#[track_caller]
pub fn devm_drm_dev_alloc(parent: &Device, driver: &Arc<DrmDriver>) -> Result<DrmDevice> {
    parent.system().allocation()?;
    let dev = drm_dev_init(driver, parent)?;
    let put = dev.clone();
    devm_add_action_or_reset(
        parent,
        Action::new(move || put.put_for(DrmDevice::BY_CREATOR)).named("devm_drm_dev_init_release"),
    )?;
    managed::drmm_add_final_kfree(&dev);
    Ok(dev)
}

/// The core's mistake, made visible: a driver asks for something of a device
/// whose end has come.
pub(crate) fn gone(dev: &DrmDevice, what: &str) -> Errno {
    dev.splat(
        SplatKind::UseAfterFree,
        format!("{what} on a DRM device that is released"),
    );
    Errno::EINVAL
}
