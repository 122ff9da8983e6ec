//! What DRM keeps for one System: its class, its major number, its minors, the
//! domain of its gates.
//!
//! Follows the file-level state of `drivers/gpu/drm/drm_drv.c` and
//! `drm_sysfs.c`.

use core::sync::atomic::Ordering;
use std::collections::BTreeMap;

use lastfd_chrdev::{Cdev, File, FileOps, Whence, cdev_add};
use lastfd_model::raw::{Class, ClassSpec, DevT, KernelMutex, class_register};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::gate::Domain;
use lastfd_sync::{Arc, Mutex, Weak};

use super::device::DrmDevice;
use super::minor::MinorType;

/// The major number of all DRM nodes.
pub const DRM_MAJOR: u32 = 226;

/// Minors that `register_chrdev` asks for.
const MINORS: u32 = 256;

/// The core of one System.
pub(crate) struct DrmCore {
    /// Made when the first device is: `drm_core_init`.
    started: Mutex<Option<Started>>,
    /// `drm_unplug_srcu`: one for all devices.
    pub(crate) domain: Domain,
    /// `drm_minors_xa`: none while a number is reserved only.
    minors: Mutex<BTreeMap<u32, Option<(DrmDevice, MinorType)>>>,
    /// `drm_global_mutex`.
    pub(crate) global: KernelMutex,
    /// Callers have no `CAP_SYS_ADMIN`.
    unprivileged: AtomicBool,
}

struct Started {
    class: Class,
    _cdev: Cdev,
}

impl Default for DrmCore {
    fn default() -> DrmCore {
        DrmCore {
            started: Mutex::new(None),
            domain: Domain::new(),
            minors: Mutex::new(BTreeMap::new()),
            global: KernelMutex::default(),
            unprivileged: AtomicBool::new(false),
        }
    }
}

impl DrmCore {
    pub(crate) fn of(system: &System) -> Arc<DrmCore> {
        system.extension()
    }

    /// The class, with the major number registered (`drm_core_init`).
    pub(crate) fn start(self: &Arc<Self>, system: &System) -> Result<Class> {
        let mut started = self.started.lock();
        if let Some(started) = &*started {
            return Ok(started.class.clone());
        }
        let made = system.at_boot(|| self.init(system))?;
        let class = made.class.clone();
        *started = Some(made);
        Ok(class)
    }

    fn init(self: &Arc<Self>, system: &System) -> Result<Started> {
        let spec = ClassSpec {
            name: "drm".to_owned(),
            // drivers/gpu/drm/drm_sysfs.c: drm_devnode.
            devnode: Some(Arc::new(|device, _| Some(format!("dri/{}", device.name())))),
            ..ClassSpec::default()
        };
        let class = class_register(system, spec)?;
        let stub = DrmStub(Arc::downgrade(self));
        let cdev = Cdev::new(system, Arc::new(stub));
        let first = DevT {
            major: DRM_MAJOR,
            minor: 0,
        };
        cdev_add(&cdev, first, MINORS)?;
        Ok(Started { class, _cdev: cdev })
    }

    /// xa_alloc: the lowest number that is free within the limits.
    pub(crate) fn reserve_minor(&self, from: u32, to: u32) -> Option<u32> {
        let mut minors = self.minors.lock();
        let free = (from..=to).find(|index| !minors.contains_key(index))?;
        minors.insert(free, None);
        Some(free)
    }

    /// xa_store: look-ups find the device from here on, or no longer.
    pub(crate) fn store_minor(&self, index: u32, minor: Option<(DrmDevice, MinorType)>) {
        let old = self.minors.lock().insert(index, minor);
        drop(old);
    }

    /// xa_erase: the number is free again.
    pub(crate) fn erase_minor(&self, index: u32) {
        let old = self.minors.lock().remove(&index);
        drop(old);
    }

    /// drm_minor_acquire: a reference on the device behind the number.
    pub(crate) fn acquire_minor(&self, index: u32) -> Result<(DrmDevice, MinorType)> {
        let found = {
            let minors = self.minors.lock();
            let found = minors.get(&index).cloned().flatten();
            if let Some((dev, _)) = &found {
                dev.count_up();
            }
            found
        };
        let (dev, type_) = found.ok_or(Errno::ENODEV)?;
        dev.tell_taken(DrmDevice::BY_MINOR);
        if dev.is_unplugged() {
            dev.put_for(DrmDevice::BY_MINOR);
            return Err(Errno::ENODEV);
        }
        Ok((dev, type_))
    }

    pub(crate) fn is_privileged(&self) -> bool {
        !self.unprivileged.load(Ordering::Relaxed)
    }
}

/// Whether those who open and call have `CAP_SYS_ADMIN`, as they do unless
/// told. Without it only the first opener is authenticated and may become
/// master again.
pub fn drm_set_privileged(system: &System, on: bool) {
    DrmCore::of(system)
        .unprivileged
        .store(!on, Ordering::Relaxed);
}

/// The callbacks of the whole major number, which hand over to those of the
/// device (`drm_stub_fops`).
struct DrmStub(Weak<DrmCore>);

impl FileOps for DrmStub {
    // drm_drv.c: drm_stub_open
    fn open(&self, file: &File) -> Result {
        let core = self.0.upgrade().ok_or(Errno::ENODEV)?;
        let minor = file.devt().ok_or(Errno::ENODEV)?.minor;
        let (dev, _) = core.acquire_minor(minor)?;
        let opened = match dev.driver().fops.clone() {
            Some(fops) => {
                file.replace_ops(Arc::clone(&fops));
                fops.open(file)
            }
            None => Err(Errno::ENODEV),
        };
        dev.put_for(DrmDevice::BY_MINOR);
        opened
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        file.noop_llseek(offset, whence)
    }
}
