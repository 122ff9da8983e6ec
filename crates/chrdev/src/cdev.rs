//! Character devices: `struct cdev` and the map from numbers to them.
//!
//! Follows `fs/char_dev.c` and `drivers/base/map.c`.

use core::fmt;
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{DevT, Device, device_add, device_del, get_device_for, put_device_for};
use lastfd_model::{DeviceRef, Errno, EventKind, Result, System};
use lastfd_sync::atomic::AtomicU32;
use lastfd_sync::{Arc, Mutex, Weak};

use crate::fops::FileOps;
use crate::inode::Inode;

/// For whom the parent device's reference is held.
const HOLDER: &str = "its character device";

/// What the crate keeps in each System.
#[derive(Default)]
pub(crate) struct Chrdevs {
    map: Mutex<Vec<Range>>,
    /// The inodes of nodes that are open.
    pub(crate) inodes: Mutex<BTreeMap<(String, u64), Weak<Inode>>>,
}

/// One entry of `cdev_map`.
struct Range {
    first: u64,
    count: u32,
    cdev: Cdev,
}

/// The place of a number in the order of `dev_t` (20 bits of minor).
fn linear(devt: DevT) -> u64 {
    u64::from(devt.major) << 20 | u64::from(devt.minor)
}

impl Chrdevs {
    /// drivers/base/map.c: kobj_map. The narrowest ranges come first and, of
    /// equal ones, the latest; nothing forbids that they overlap.
    fn map(&self, devt: DevT, count: u32, cdev: &Cdev) {
        let mut map = self.map.lock();
        let at = map.partition_point(|range| range.count < count);
        let range = Range {
            first: linear(devt),
            count,
            cdev: cdev.clone(),
        };
        map.insert(at, range);
    }

    /// drivers/base/map.c: kobj_unmap. By number and width, whosever they are.
    fn unmap(&self, devt: DevT, count: u32) {
        let gone = {
            let mut map = self.map.lock();
            let at = map
                .iter()
                .position(|range| range.first == linear(devt) && range.count == count);
            at.map(|at| map.remove(at))
        };
        drop(gone);
    }

    /// drivers/base/map.c: kobj_lookup, with the reference taken.
    fn lookup(&self, devt: DevT) -> Option<Cdev> {
        let wanted = linear(devt);
        let map = self.map.lock();
        map.iter()
            .filter(|r| r.first <= wanted && wanted < r.first + u64::from(r.count))
            .find_map(|r| r.cdev.get())
    }

    /// fs/char_dev.c: chrdev_open, as far as the cdev is found and its
    /// reference taken.
    pub(crate) fn cdev_of(&self, inode: &Inode) -> Result<Cdev> {
        let cached = inode.cdev.lock().upgrade().map(Cdev);
        // A cdev whose last reference is gone is no longer on the inode: the
        // kernel's cdev_purge.
        if let Some(cdev) = cached.and_then(|cdev| cdev.get()) {
            return Ok(cdev);
        }
        let cdev = inode.devt().and_then(|devt| self.lookup(devt));
        let cdev = cdev.ok_or(Errno::ENXIO)?;
        *inode.cdev.lock() = Arc::downgrade(&cdev.0);
        Ok(cdev)
    }

    /// The nodes of this device are no longer those that are open.
    fn forget_nodes(&self, device: u64) {
        self.inodes
            .lock()
            .retain(|(_, of), inode| inode.strong_count() > 0 && *of != device);
    }
}

/// A character device (`struct cdev`): callbacks, a range of numbers, and a
/// count of references of its own.
///
/// The count starts at one, which [`cdev_del`] drops; each open file has one.
/// The parent device's reference, which [`cdev_add`] takes, is put when the
/// count reaches zero: at the last close if `cdev_del` came first.
///
/// A clone is another handle on the same cdev, not a reference.
#[derive(Clone)]
pub struct Cdev(pub(crate) Arc<CdevInner>);

pub(crate) struct CdevInner {
    ops: Arc<dyn FileOps>,
    kref: AtomicU32,
    chrdevs: Weak<Chrdevs>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    parent: Option<Device>,
    /// The number and how many; none until `cdev_add`.
    range: Option<(DevT, u32)>,
}

impl Cdev {
    /// A cdev with one reference, in no map yet (`cdev_init`).
    pub fn new(system: &System, ops: Arc<dyn FileOps>) -> Cdev {
        Cdev(Arc::new(CdevInner {
            ops,
            kref: AtomicU32::new(1),
            chrdevs: Arc::downgrade(&system.extension::<Chrdevs>()),
            state: Mutex::new(State::default()),
        }))
    }

    /// The parent device, if one was set.
    pub fn parent(&self) -> Option<Device> {
        self.0.state.lock().parent.clone()
    }

    /// Its first number, once it was added.
    pub fn devt(&self) -> Option<DevT> {
        self.0.state.lock().range.map(|(devt, _)| devt)
    }

    /// The count of references.
    pub fn kref(&self) -> u32 {
        self.0.kref.load(Ordering::SeqCst)
    }

    /// Whether both handles are on one cdev.
    pub fn same(&self, other: &Cdev) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn ops(&self) -> &Arc<dyn FileOps> {
        &self.0.ops
    }

    pub(crate) fn device_ref(&self) -> Option<DeviceRef> {
        self.parent().map(|parent| parent.device_ref())
    }

    /// Takes a reference unless the last one is gone.
    pub(crate) fn get(&self) -> Option<Cdev> {
        self.0
            .kref
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
                (count > 0).then(|| count + 1)
            })
            .ok()
            .map(|_| self.clone())
    }

    /// Drops a reference; the last one puts the parent (cdev_default_release).
    #[track_caller]
    pub(crate) fn put(&self) {
        let before = self
            .0
            .kref
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
                count.checked_sub(1)
            });
        match before {
            Ok(1) => {
                let parent = self.parent();
                if let Some(parent) = parent {
                    put_device_for(&parent, HOLDER);
                }
            }
            Ok(_) => {}
            Err(_) => self.splat(SplatKind::Refcount, "cdev: reference dropped below zero"),
        }
    }

    #[track_caller]
    fn splat(&self, kind: SplatKind, text: &str) {
        if let Some(parent) = self.parent() {
            parent.system().emit(|| EventKind::Splat {
                kind,
                device: Some(parent.device_ref()),
                text: text.into(),
            });
        }
    }
}

impl fmt::Debug for Cdev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cdev")
            .field("devt", &self.devt())
            .field("kref", &self.kref())
            .finish_non_exhaustive()
    }
}

/// Makes a cdev; [`Cdev::new`] under the kernel's name.
pub fn cdev_init(system: &System, ops: Arc<dyn FileOps>) -> Cdev {
    Cdev::new(system, ops)
}

/// Names the device that must outlive the cdev. To be called before
/// [`cdev_add`], which takes the reference.
#[track_caller]
pub fn cdev_set_parent(cdev: &Cdev, parent: &Device) {
    let old = cdev.0.state.lock().parent.replace(parent.clone());
    drop(old);
}

/// Adds the cdev for `count` numbers from `devt` on. From here on it can be
/// opened by number.
///
/// # Errors
/// `EBUSY` for the number 0:0, `ENOMEM`.
#[track_caller]
pub fn cdev_add(cdev: &Cdev, devt: DevT, count: u32) -> Result {
    let parent = {
        let mut state = cdev.0.state.lock();
        state.range = Some((devt, count));
        state.parent.clone()
    };
    if linear(devt) == 0 {
        cdev.splat(SplatKind::Warn, "cdev_add: the number 0:0");
        return Err(Errno::EBUSY);
    }
    if let Some(parent) = &parent {
        // drivers/base/map.c: kobj_map allocates the probes.
        parent.system().allocation()?;
    }
    if let Some(chrdevs) = cdev.0.chrdevs.upgrade() {
        chrdevs.map(devt, count, cdev);
    }
    if let Some(parent) = &parent {
        get_device_for(parent, HOLDER);
    }
    Ok(())
}

/// Takes the cdev out of the map and drops the first reference. It can no
/// longer be opened; files that are open stay, and their callbacks are called.
#[track_caller]
pub fn cdev_del(cdev: &Cdev) {
    let range = cdev.0.state.lock().range;
    if let (Some((devt, count)), Some(chrdevs)) = (range, cdev.0.chrdevs.upgrade()) {
        chrdevs.unmap(devt, count);
    }
    cdev.put();
}

/// The device's number, if it has one: `dev->devt` is not zero.
fn number(device: &Device) -> Option<DevT> {
    device.devt().filter(|devt| linear(*devt) != 0)
}

/// Adds the cdev under the device's number, with the device as its parent, then
/// adds the device. A device without a number is added alone.
///
/// # Errors
/// As [`cdev_add`] and `device_add`; nothing is left added then.
#[track_caller]
pub fn cdev_device_add(cdev: &Cdev, device: &Device) -> Result {
    if let Some(devt) = number(device) {
        cdev_set_parent(cdev, device);
        cdev_add(cdev, devt, 1)?;
    }
    device_add(device).inspect_err(|_| {
        if number(device).is_some() {
            cdev_del(cdev);
        }
    })
}

/// Deletes the device, then the cdev: the reverse of [`cdev_device_add`].
#[track_caller]
pub fn cdev_device_del(cdev: &Cdev, device: &Device) {
    device_del(device);
    if let Some(chrdevs) = cdev.0.chrdevs.upgrade() {
        chrdevs.forget_nodes(device.id());
    }
    if number(device).is_some() {
        cdev_del(cdev);
    }
}
