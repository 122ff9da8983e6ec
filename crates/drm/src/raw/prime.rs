//! Buffers as descriptors.
//!
//! Follows `drivers/gpu/drm/drm_prime.c`, as far as one device exports. An
//! exported buffer **pins the DRM device**, and with it the hardware device,
//! for as long as its descriptor, a mapping of it or a handle on the exported
//! buffer is there. All exports of a buffer are one file.

use lastfd_abi::drm::{DRM_CLOEXEC, DRM_RDWR, DrmPrimeHandle};
use lastfd_chrdev::{
    File, FileOps, MapRequest, Mapped, OpSet, OpenFile, OpenFlags, Whence, anon_inode_getfile,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::device::DrmDevice;
use super::file::DrmFile;
use super::gem::{self, GemObject, drm_gem_object_lookup};
use super::ioctl::DrmCall;

/// An exported buffer's file (`struct dma_buf`).
struct Exported {
    dev: DrmDevice,
    object: GemObject,
}

impl FileOps for Exported {
    fn ops(&self) -> OpSet {
        OpSet {
            read: false,
            write: false,
            ..OpSet::ALL
        }
    }

    /// drm_gem_dmabuf_release.
    fn release(&self, _file: &File) {
        self.dev.put_for(DrmDevice::BY_BUFFER);
    }

    /// drm_gem_dmabuf_mmap: it does not look whether the device is there. The
    /// offset is checked against the size and then has no effect: a fault
    /// counts from where the mapping starts.
    // dma-buf.c: dma_buf_mmap_internal
    fn mmap(&self, _file: &File, request: &MapRequest) -> Result<Mapped> {
        let end = request.offset.checked_add(request.len);
        match end.is_some_and(|end| end <= self.object.size()) {
            true => gem::map(&self.object, request),
            false => Err(Errno::EINVAL),
        }
    }

    /// dma_buf_llseek: the ends of the buffer.
    fn llseek(&self, _file: &File, offset: i64, whence: Whence) -> Result<u64> {
        match (whence, offset) {
            (Whence::Set, 0) => Ok(0),
            (Whence::End, 0) => Ok(self.object.size()),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// drm_prime_handle_to_fd_ioctl.
#[track_caller]
pub(crate) fn handle_to_fd(dev: &DrmDevice, file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    let mut args: DrmPrimeHandle = call.arg();
    if args.flags & !(DRM_CLOEXEC | DRM_RDWR) != 0 {
        return Err(Errno::EINVAL);
    }
    let object = drm_gem_object_lookup(file, args.handle)?;
    let flags = OpenFlags(args.flags);
    let file = object.exported(|| export(dev, &object, flags))?;
    args.fd = call.install_fd(file, flags)?;
    call.set_arg(&args);
    Ok(())
}

/// drm_gem_prime_export.
#[track_caller]
fn export(dev: &DrmDevice, object: &GemObject, flags: OpenFlags) -> Result<OpenFile> {
    dev.get_for(DrmDevice::BY_BUFFER);
    let exported = Arc::new(Exported {
        dev: dev.clone(),
        object: object.clone(),
    });
    let device = Some(dev.device_ref());
    anon_inode_getfile(&dev.system(), "dmabuf", exported, None, flags, device)
        .inspect_err(|_| dev.put_for(DrmDevice::BY_BUFFER))
}

/// drm_prime_fd_to_handle_ioctl. A caller's descriptors are not looked up
/// here, so none of them is a buffer.
pub(crate) fn fd_to_handle(call: &mut DrmCall<'_, '_>) -> Result {
    let _: DrmPrimeHandle = call.arg();
    Err(Errno::EBADF)
}
