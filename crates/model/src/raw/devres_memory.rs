//! Managed memory.
//!
//! Follows `devm_kmalloc`, `devm_krealloc`, `devm_kfree` and `devm_kstrdup` of
//! `drivers/base/devres.c`.

use core::fmt;
use core::ops::Range;
use core::panic::Location;

use lastfd_sync::{Arc, Mutex};

use super::device::Device;
use super::devres::{Kind, add_node};
use crate::errno::Result;
use crate::event::{DeviceRef, EventKind, SplatKind};
use crate::ledger::Place;
use crate::system::Core;

/// Memory that goes with the device (`devm_kmalloc`).
///
/// A handle may be kept past the memory's end, as a pointer can. Reading or
/// writing it then is a splat and gives zeros; it is never undefined.
#[derive(Clone)]
pub struct DevMem(Arc<Inner>);

struct Inner {
    core: Arc<Core>,
    device: DeviceRef,
    /// None once freed.
    bytes: Mutex<Option<Box<[u8]>>>,
    freed_at: Mutex<Option<Place>>,
}

impl PartialEq for DevMem {
    fn eq(&self, other: &DevMem) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DevMem {}

impl fmt::Debug for DevMem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevMem")
            .field("device", &self.0.device)
            .field("len", &self.len())
            .finish()
    }
}

impl DevMem {
    fn new(device: &Device, bytes: Box<[u8]>) -> DevMem {
        DevMem(Arc::new(Inner {
            core: Arc::clone(device.core()),
            device: device.device_ref(),
            bytes: Mutex::new(Some(bytes)),
            freed_at: Mutex::new(None),
        }))
    }

    /// Its size in bytes; None once it is freed.
    pub fn len(&self) -> Option<usize> {
        self.0.bytes.lock().as_ref().map(|bytes| bytes.len())
    }

    /// Whether it has no bytes, freed or not.
    pub fn is_empty(&self) -> bool {
        self.len().unwrap_or(0) == 0
    }

    /// Whether it was freed.
    pub fn is_freed(&self) -> bool {
        self.0.bytes.lock().is_none()
    }

    /// The bytes of the range. After the free, or out of bounds, a splat, and
    /// zeros for what is not there.
    #[track_caller]
    pub fn read(&self, range: Range<usize>) -> Vec<u8> {
        let mut out = vec![0; range.len()];
        let fault = match self.0.bytes.lock().as_deref() {
            None => Some(SplatKind::UseAfterFree),
            Some(bytes) => match bytes.get(range.clone()) {
                Some(found) => {
                    out.copy_from_slice(found);
                    None
                }
                None => Some(SplatKind::Bug),
            },
        };
        self.tell(fault, "read", range);
        out
    }

    /// Writes bytes at an offset. After the free, or out of bounds, a splat,
    /// and nothing is written.
    #[track_caller]
    pub fn write(&self, offset: usize, data: &[u8]) {
        let range = offset..offset.saturating_add(data.len());
        let fault = match self.0.bytes.lock().as_deref_mut() {
            None => Some(SplatKind::UseAfterFree),
            Some(bytes) => match bytes.get_mut(range.clone()) {
                Some(place) => {
                    place.copy_from_slice(data);
                    None
                }
                None => Some(SplatKind::Bug),
            },
        };
        self.tell(fault, "write", range);
    }

    #[track_caller]
    fn tell(&self, fault: Option<SplatKind>, what: &str, range: Range<usize>) {
        let Some(kind) = fault else {
            return;
        };
        let freed = match *self.0.freed_at.lock() {
            Some(place) => format!(" (freed at {place})"),
            None => String::new(),
        };
        let text = format!("{what} of managed memory at {range:?}{freed}");
        self.0.core.splat(kind, Some(self.0.device.clone()), text);
    }

    #[track_caller]
    pub(crate) fn free(&self) {
        *self.0.freed_at.lock() = Some(Location::caller());
        let gone = self.0.bytes.lock().take();
        drop(gone);
    }
}

/// Memory that goes with the device (`devm_kmalloc`). It is zeroed all the
/// same: there is nothing to be had from stale bytes.
#[track_caller]
pub fn devm_kmalloc(device: &Device, size: usize) -> Result<DevMem> {
    devm_kzalloc(device, size)
}

/// Zeroed memory that goes with the device (`devm_kzalloc`). Nothing is
/// tracked for a size of 0, as there is nothing to free.
///
/// ```
/// use lastfd_model::{System, raw::*};
/// let system = System::new();
/// let root = root_device_register(&system, "board").unwrap();
/// let memory = devm_kzalloc(&root, 16).unwrap();
/// memory.write(0, b"hello");
/// root_device_unregister(&root);
/// assert!(memory.is_freed());
/// ```
#[track_caller]
pub fn devm_kzalloc(device: &Device, size: usize) -> Result<DevMem> {
    let memory = DevMem::new(device, vec![0; size].into_boxed_slice());
    if size == 0 {
        return Ok(memory);
    }
    device.core().allocation()?;
    add_node(device, Kind::Memory(memory.clone()));
    Ok(memory)
}

/// A copy of a string that goes with the device (`devm_kstrdup`), with its
/// terminating zero.
#[track_caller]
pub fn devm_kstrdup(device: &Device, text: &str) -> Result<DevMem> {
    let memory = devm_kzalloc(device, text.len() + 1)?;
    memory.write(0, text.as_bytes());
    Ok(memory)
}

/// Resizes managed memory in its place in the order (`devm_krealloc`). The old
/// handle is freed if the size grows; a size of 0 frees and gives empty
/// memory. Memory of another device is a splat and gives None.
#[track_caller]
pub fn devm_krealloc(device: &Device, memory: &DevMem, size: usize) -> Result<Option<DevMem>> {
    if size == 0 {
        devm_kfree(device, memory);
        return Ok(Some(DevMem::new(device, Box::default())));
    }
    if memory.len().is_some_and(|len| len >= size) {
        return Ok(Some(memory.clone()));
    }
    device.core().allocation()?;
    let mut bytes = vec![0; size];
    let new = {
        let mut list = device.inner().devres.lock();
        let node = list
            .nodes
            .iter_mut()
            .find(|node| matches!(&node.kind, Kind::Memory(m) if m == memory));
        node.map(|node| {
            if let Some(old) = memory.0.bytes.lock().as_deref() {
                bytes[..old.len()].copy_from_slice(old);
            }
            let new = DevMem::new(device, bytes.into_boxed_slice());
            node.kind = Kind::Memory(new.clone());
            new
        })
    };
    match new {
        Some(new) => {
            memory.free();
            Ok(Some(new))
        }
        None => {
            device.core().splat(
                SplatKind::Warn,
                Some(device.device_ref()),
                "devm_krealloc: the memory is not this device's",
            );
            Ok(None)
        }
    }
}

/// Frees managed memory early (`devm_kfree`). A splat if it is not this
/// device's, as it is no longer after it was freed.
#[track_caller]
pub fn devm_kfree(device: &Device, memory: &DevMem) {
    if memory.len() == Some(0) {
        return;
    }
    let node = {
        let mut list = device.inner().devres.lock();
        let at = list
            .nodes
            .iter()
            .position(|node| matches!(&node.kind, Kind::Memory(m) if m == memory));
        at.map(|at| list.nodes.remove(at))
    };
    match node {
        Some(node) => {
            device.core().emit(|| EventKind::DevresRemoved {
                device: device.device_ref(),
                res: "memory",
                node: node.id,
            });
            memory.free();
        }
        None => device.core().splat(
            SplatKind::Warn,
            Some(device.device_ref()),
            "devm_kfree: the memory is not this device's",
        ),
    }
}
