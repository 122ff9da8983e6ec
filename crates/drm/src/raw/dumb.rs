//! Dumb buffers.
//!
//! Follows `drivers/gpu/drm/drm_dumb_buffers.c`.

use lastfd_abi::drm::{DrmModeCreateDumb, DrmModeDestroyDumb, DrmModeMapDumb};
use lastfd_chrdev::PAGE_SIZE;
use lastfd_model::{Errno, Result};

use super::device::DrmDevice;
use super::file::DrmFile;
use super::gem::{drm_gem_dumb_map_offset, drm_gem_handle_delete};
use super::ioctl::DrmCall;

/// drm_mode_create_dumb.
#[track_caller]
pub(crate) fn create(dev: &DrmDevice, file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    let dumb_create = dev.driver().dumb_create.clone().ok_or(Errno::ENOSYS)?;
    let mut args: DrmModeCreateDumb = call.arg();
    check_size(&args)?;
    args.handle = 0;
    args.pitch = 0;
    args.size = 0;
    let created = dev.guard("drm_driver.dumb_create", || {
        dumb_create(file, dev, &mut args)
    });
    call.set_arg(&args);
    created.unwrap_or(Err(Errno::EIO))
}

/// The size in bytes must fit 32 bits.
fn check_size(args: &DrmModeCreateDumb) -> Result {
    if args.width == 0 || args.height == 0 || args.bpp == 0 || args.bpp > u32::MAX - 8 {
        return Err(Errno::EINVAL);
    }
    let size = args
        .bpp
        .div_ceil(8)
        .checked_mul(args.width)
        .and_then(|stride| stride.checked_mul(args.height))
        .ok_or(Errno::EINVAL)?;
    // PAGE_ALIGN(size) == 0: it wrapped.
    match size.checked_add(PAGE_SIZE as u32 - 1) {
        Some(_) => Ok(()),
        None => Err(Errno::EINVAL),
    }
}

/// drm_mode_mmap_dumb_ioctl.
pub(crate) fn map(dev: &DrmDevice, file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    if dev.driver().dumb_create.is_none() {
        return Err(Errno::ENOSYS);
    }
    let mut args: DrmModeMapDumb = call.arg();
    args.offset = drm_gem_dumb_map_offset(file, args.handle)?;
    call.set_arg(&args);
    Ok(())
}

/// drm_mode_destroy_dumb_ioctl.
#[track_caller]
pub(crate) fn destroy(dev: &DrmDevice, file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    if dev.driver().dumb_create.is_none() {
        return Err(Errno::ENOSYS);
    }
    drm_gem_handle_delete(file, call.arg::<DrmModeDestroyDumb>().handle)
}
