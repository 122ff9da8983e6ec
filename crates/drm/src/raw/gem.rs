//! Buffers: handles of a file, offsets of a device, memory that outlives both.
//!
//! Follows `drivers/gpu/drm/drm_gem.c`, `drm_vma_manager.c` and
//! `drm_gem_shmem_helper.c`.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_abi::drm::{DrmGemFlink, DrmGemOpen, DrmModeCreateDumb};
use lastfd_chrdev::{MapRequest, Mapped, OpenFile, PAGE_SIZE, Region};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex, OnceLock, Weak};

use super::device::{DrmDevice, WeakDrmDevice};
use super::file::DrmFile;
use super::ioctl::DrmCall;

/// Where the offsets of buffers begin, in pages (`DRM_FILE_PAGE_OFFSET_START`).
const FIRST_PAGE: u64 = 0x10_0000;
/// How many pages they may take (`DRM_FILE_PAGE_OFFSET_SIZE`).
const PAGES: u64 = 0x10_0000 * 256;

/// A buffer (`struct drm_gem_object` in a `struct drm_gem_shmem_object`).
///
/// It is held by handles, mappings and exported descriptors; its memory goes
/// with the last of them. A clone is a reference.
#[derive(Clone)]
pub struct GemObject(Arc<Object>);

struct Object {
    dev: WeakDrmDevice,
    size: u64,
    region: Region,
    /// `vma_node.vm_node.start`, in pages.
    start: OnceLock<u64>,
    /// `vma_node.vm_files`: who may map it, by file and how often. Together
    /// these are `handle_count`.
    allowed: Mutex<BTreeMap<u64, u32>>,
    /// What goes with the last handle.
    shared: Mutex<Shared>,
}

/// How other files and programs know a buffer.
#[derive(Default)]
struct Shared {
    /// `obj->name`; 0 is none.
    name: u32,
    /// `obj->dma_buf`: one file for all exports.
    exported: Option<OpenFile>,
}

impl Drop for Object {
    fn drop(&mut self) {
        if let (Some(start), Some(dev)) = (self.start.get(), self.dev.upgrade()) {
            dev.offsets().nodes.lock().remove(start);
        }
    }
}

impl fmt::Debug for GemObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GemObject")
            .field("size", &self.0.size)
            .finish_non_exhaustive()
    }
}

impl PartialEq for GemObject {
    fn eq(&self, other: &GemObject) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for GemObject {}

impl GemObject {
    /// Bytes, whole pages.
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Its memory, which the driver reads and writes.
    pub fn region(&self) -> &Region {
        &self.0.region
    }

    /// The file of its export, made by `export` if there is none.
    pub(crate) fn exported(&self, export: impl FnOnce() -> Result<OpenFile>) -> Result<OpenFile> {
        let known = self.0.shared.lock().exported.clone();
        if let Some(file) = known {
            return Ok(file);
        }
        let file = export()?;
        let mut shared = self.0.shared.lock();
        // Somebody else may have been faster; then it is theirs.
        Ok(shared.exported.get_or_insert(file).clone())
    }

    /// How many handles, mappings and descriptors hold it.
    pub fn users(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

/// `dev->vma_offset_manager` and `dev->object_name_idr`.
#[derive(Default)]
pub(crate) struct OffsetManager {
    /// Pages taken, and by what.
    nodes: Mutex<BTreeMap<u64, (u64, Weak<Object>)>>,
    names: Mutex<BTreeMap<u32, Weak<Object>>>,
}

impl OffsetManager {
    /// Bytes of a `struct drm_vma_offset_manager`, near enough.
    pub(crate) const SIZE: usize = 256;

    /// drm_vma_offset_add.
    fn add(&self, object: &Arc<Object>, pages: u64) -> Result {
        if pages == 0 {
            return Err(Errno::ENOSPC);
        }
        let mut nodes = self.nodes.lock();
        let mut start = FIRST_PAGE;
        for (&taken, (length, _)) in nodes.iter() {
            if taken - start >= pages {
                break;
            }
            start = taken + length;
        }
        if start + pages > FIRST_PAGE + PAGES {
            return Err(Errno::ENOSPC);
        }
        nodes.insert(start, (pages, Arc::downgrade(object)));
        // The object is new: nobody else sets it.
        let _ = object.start.set(start);
        Ok(())
    }

    /// drm_vma_offset_exact_lookup: the buffer that starts there and is as long.
    fn lookup(&self, start: u64, pages: u64) -> Option<GemObject> {
        let nodes = self.nodes.lock();
        let (length, object) = nodes.get(&start)?;
        if *length < pages {
            return None;
        }
        object.upgrade().map(GemObject)
    }
}

/// The handles of a file (`file_priv->object_idr`).
#[derive(Default)]
pub(crate) struct Handles(Mutex<BTreeMap<u32, GemObject>>);

/// A buffer of zeroed memory (`drm_gem_shmem_create`).
///
/// # Errors
/// `ENOMEM`; `ENOSPC` for no bytes at all, for which there is no offset.
#[track_caller]
pub fn drm_gem_shmem_create(dev: &DrmDevice, size: u64) -> Result<GemObject> {
    dev.system().allocation()?;
    let pages = size.div_ceil(PAGE_SIZE as u64);
    if pages == 0 {
        return Err(Errno::ENOSPC);
    }
    let size = pages * PAGE_SIZE as u64;
    let length = usize::try_from(size).map_err(|_| Errno::ENOMEM)?;
    let object = Arc::new(Object {
        dev: dev.downgrade(),
        size,
        region: Region::new("drm mm object", length)?,
        start: OnceLock::new(),
        allowed: Mutex::new(BTreeMap::new()),
        shared: Mutex::default(),
    });
    dev.offsets().add(&object, pages)?;
    Ok(GemObject(object))
}

/// Gives the file a handle on the buffer: the lowest free number from 1
/// (`drm_gem_handle_create`).
///
/// # Errors
/// `ENOMEM`, `ENOSPC`.
#[track_caller]
pub fn drm_gem_handle_create(file: &DrmFile, object: &GemObject) -> Result<u32> {
    file.dev().system().allocation()?;
    let mut handles = file.handles().0.lock();
    let free = (1..=i32::MAX as u32).find(|handle| !handles.contains_key(handle));
    let handle = free.ok_or(Errno::ENOSPC)?;
    *object.0.allowed.lock().entry(file.id()).or_default() += 1;
    handles.insert(handle, object.clone());
    Ok(handle)
}

/// The buffer behind a handle (`drm_gem_object_lookup`).
///
/// # Errors
/// `ENOENT`.
pub fn drm_gem_object_lookup(file: &DrmFile, handle: u32) -> Result<GemObject> {
    let handles = file.handles().0.lock();
    handles.get(&handle).cloned().ok_or(Errno::ENOENT)
}

/// Takes the handle from the file (`drm_gem_handle_delete`). Mappings stay.
///
/// # Errors
/// `EINVAL` if there is none.
#[track_caller]
pub fn drm_gem_handle_delete(file: &DrmFile, handle: u32) -> Result {
    let object = file.handles().0.lock().remove(&handle);
    revoke(&object.ok_or(Errno::EINVAL)?, file);
    Ok(())
}

/// drm_vma_node_revoke and drm_gem_object_handle_put_unlocked: with the last
/// handle go the name and the cached export.
fn revoke(object: &GemObject, file: &DrmFile) {
    let last = {
        let mut allowed = object.0.allowed.lock();
        if let Some(count) = allowed.get_mut(&file.id()) {
            *count -= 1;
            if *count == 0 {
                allowed.remove(&file.id());
            }
        }
        allowed.is_empty()
    };
    if last {
        let shared = core::mem::take(&mut *object.0.shared.lock());
        file.dev().offsets().names.lock().remove(&shared.name);
        drop(shared);
    }
}

/// drm_gem_flink_ioctl.
#[track_caller]
pub(crate) fn flink(dev: &DrmDevice, file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    let mut args: DrmGemFlink = call.arg();
    let object = drm_gem_object_lookup(file, args.handle)?;
    let mut shared = object.0.shared.lock();
    if shared.name == 0 {
        dev.system().allocation()?;
        let mut names = dev.offsets().names.lock();
        let free = (1..=i32::MAX as u32).find(|name| !names.contains_key(name));
        shared.name = free.ok_or(Errno::ENOSPC)?;
        names.insert(shared.name, Arc::downgrade(&object.0));
    }
    args.name = shared.name;
    drop(shared);
    call.set_arg(&args);
    Ok(())
}

/// drm_gem_open_ioctl.
#[track_caller]
pub(crate) fn open(dev: &DrmDevice, file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    let mut args: DrmGemOpen = call.arg();
    let named = {
        let names = dev.offsets().names.lock();
        names.get(&args.name).and_then(Weak::upgrade)
    };
    let object = GemObject(named.ok_or(Errno::ENOENT)?);
    args.handle = drm_gem_handle_create(file, &object)?;
    args.size = object.size();
    call.set_arg(&args);
    Ok(())
}

/// drm_gem_release: all handles of a file that is closed.
pub(crate) fn drm_gem_release(file: &DrmFile) {
    let handles = core::mem::take(&mut *file.handles().0.lock());
    for object in handles.values() {
        revoke(object, file);
    }
}

/// What to give mmap for the buffer (`drm_gem_dumb_map_offset`).
///
/// # Errors
/// `ENOENT`.
pub fn drm_gem_dumb_map_offset(file: &DrmFile, handle: u32) -> Result<u64> {
    let object = drm_gem_object_lookup(file, handle)?;
    let start = object.0.start.get().copied().ok_or(Errno::ENOENT)?;
    Ok(start * PAGE_SIZE as u64)
}

/// Makes a dumb buffer in memory, with lines of whole bytes
/// (`drm_gem_shmem_dumb_create`): the usual `dumb_create`.
///
/// # Errors
/// As [`drm_gem_shmem_create`] and [`drm_gem_handle_create`].
#[track_caller]
pub fn drm_gem_shmem_dumb_create(
    file: &DrmFile,
    dev: &DrmDevice,
    args: &mut DrmModeCreateDumb,
) -> Result {
    // In 32 bits, as in the kernel, which wraps for some sizes it let through.
    let bits = args.width.wrapping_mul(args.bpp);
    let pitch = bits.wrapping_add(7) / 8;
    let page_align =
        |bytes: u32| bytes.wrapping_add(PAGE_SIZE as u32 - 1) & !(PAGE_SIZE as u32 - 1);
    if args.pitch == 0 || args.size == 0 {
        args.pitch = pitch;
        args.size = page_align(args.pitch.wrapping_mul(args.height)).into();
    } else {
        args.pitch = args.pitch.max(pitch);
        let least = args.pitch.wrapping_mul(args.height);
        if args.size < u64::from(least) {
            args.size = page_align(least).into();
        }
    }
    let object = drm_gem_shmem_create(dev, args.size)?;
    args.handle = drm_gem_handle_create(file, &object)?;
    Ok(())
}

/// Maps a buffer (`drm_gem_mmap`).
///
/// # Errors
/// `ENODEV` once the device was unplugged; `EINVAL` where no buffer starts, for
/// more than it has, or for a private mapping; `EACCES` for a buffer that the
/// file has no handle on.
pub fn drm_gem_mmap(file: &DrmFile, request: &MapRequest) -> Result<Mapped> {
    let dev = file.dev();
    if dev.is_unplugged() {
        return Err(Errno::ENODEV);
    }
    let page = PAGE_SIZE as u64;
    let object = dev
        .offsets()
        .lookup(request.offset / page, request.len.div_ceil(page))
        .ok_or(Errno::EINVAL)?;
    if !object.0.allowed.lock().contains_key(&file.id()) {
        return Err(Errno::EACCES);
    }
    map(&object, request)
}

/// drm_gem_mmap_obj and drm_gem_shmem_mmap.
pub(crate) fn map(object: &GemObject, request: &MapRequest) -> Result<Mapped> {
    if object.size() < request.len || !request.shared {
        return Err(Errno::EINVAL);
    }
    let held = object.clone();
    // drm_gem_vm_close: the mapping's reference.
    Ok(Mapped::new(object.region(), 0).on_close(move || drop(held)))
}
