//! Managed memory.
//!
//! Follows `devm_kmalloc`, `devm_krealloc`, `devm_kfree` and `devm_kstrdup` of
//! `drivers/base/devres.c`.

use super::device::Device;
use super::devres::{Kind, add_node};
use super::memory::Memory;
use crate::errno::Result;
use crate::event::{EventKind, SplatKind};

/// Memory that goes with the device (`devm_kmalloc`).
pub type DevMem = Memory;

/// The sort of memory, in splats.
const WHAT: &str = "managed memory";

#[track_caller]
fn allocate(device: &Device, size: usize) -> Result<DevMem> {
    let owner = Some(device.device_ref());
    Memory::zeroed(&device.system(), WHAT, owner, size)
}

/// Memory that goes with the device (`devm_kmalloc`). It is zeroed all the
/// same: there is nothing to be had from stale bytes.
#[track_caller]
pub fn devm_kmalloc(device: &Device, size: usize) -> Result<DevMem> {
    devm_kzalloc(device, size)
}

/// Zeroed memory that goes with the device (`devm_kzalloc`). Nothing is
/// tracked for a size of 0, as there is nothing to free. `ENOMEM` if told to
/// fail, and for more than [`KMALLOC_MAX_SIZE`](super::KMALLOC_MAX_SIZE).
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
    if size == 0 {
        return allocate(device, 0);
    }
    device.core().allocation()?;
    let memory = allocate(device, size)?;
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
        return allocate(device, 0).map(Some);
    }
    if memory.len().is_some_and(|len| len >= size) {
        return Ok(Some(memory.clone()));
    }
    device.core().allocation()?;
    let (system, owner) = (device.system(), device.device_ref());
    Memory::check_size(&system, WHAT, Some(&owner), size)?;
    let mut bytes = memory.bytes().unwrap_or_default();
    bytes.resize(size, 0);
    let new = Memory::new(&system, WHAT, Some(owner), bytes);
    let replaced = {
        let mut list = device.inner().devres.lock();
        let node = list
            .nodes
            .iter_mut()
            .find(|node| matches!(&node.kind, Kind::Memory(m) if m == memory));
        node.map(|node| node.kind = Kind::Memory(new.clone()))
    };
    match replaced {
        Some(()) => {
            memory.free();
            Ok(Some(new))
        }
        None => {
            new.free();
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
