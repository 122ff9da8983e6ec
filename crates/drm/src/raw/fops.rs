//! The callbacks of an open node: `DEFINE_DRM_GEM_FOPS`.
//!
//! Follows `drm_open` and `drm_release` of `drivers/gpu/drm/drm_file.c`.

use core::sync::atomic::Ordering;

use lastfd_abi::drm::{DRM_COMMAND_BASE, DRM_COMMAND_END, DRM_IOCTL_BASE, DRM_IOCTLS};
use lastfd_abi::{ioc_nr, ioc_type, name_of};
use lastfd_chrdev::{
    File, FileOps, Ioctl, MapRequest, Mapped, OpSet, OpenFlags, PollMask, PollTable, Read, Try,
    Whence,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::auth;
use super::core::DrmCore;
use super::device::DrmDevice;
use super::events::{drm_poll, drm_read};
use super::file::{DrmFile, drm_file_alloc, drm_file_free};
use super::gem::drm_gem_mmap;
use super::ioctl::drm_ioctl;
use super::minor::MinorType;
use super::register::under_global_mutex;
use crate::event::DrmEventKind;

/// What hangs on an open file.
struct Opened(DrmFile);

/// What DRM knows of an open file (`file->private_data`); `None` for a file of
/// something else.
pub fn drm_file_of(file: &File) -> Option<DrmFile> {
    file.private::<Opened>().map(|opened| opened.0.clone())
}

/// The callbacks most drivers give their files (`DEFINE_DRM_GEM_FOPS`).
pub fn drm_gem_fops() -> Arc<dyn FileOps> {
    Arc::new(DrmGemFops)
}

/// As [`drm_gem_fops`], for drivers whose own callbacks hand over to these.
#[derive(Clone, Copy, Debug, Default)]
pub struct DrmGemFops;

impl FileOps for DrmGemFops {
    fn ops(&self) -> OpSet {
        OpSet {
            write: false,
            ..OpSet::ALL
        }
    }

    fn open(&self, file: &File) -> Result {
        drm_open(file)
    }

    fn release(&self, file: &File) {
        drm_release(file);
    }

    fn read(&self, file: &File, call: &mut Read<'_>) -> Try<usize> {
        match drm_file_of(file) {
            Some(file) => drm_read(&file, call),
            None => Try::err(Errno::EINVAL),
        }
    }

    fn poll(&self, file: &File, table: &mut PollTable) -> PollMask {
        drm_file_of(file).map_or(PollMask::NONE, |file| drm_poll(&file, table))
    }

    fn ioctl(&self, file: &File, call: &mut Ioctl<'_>) -> Try<i32> {
        match drm_file_of(file) {
            Some(file) => drm_ioctl(&file, call),
            None => Try::err(Errno::EINVAL),
        }
    }

    fn ioctl_name(&self, cmd: u32) -> Option<&'static str> {
        let of_driver = (DRM_COMMAND_BASE..DRM_COMMAND_END).contains(&ioc_nr(cmd));
        match ioc_type(cmd) == DRM_IOCTL_BASE && of_driver {
            true => Some("DRM_COMMAND"),
            false => name_of(DRM_IOCTLS, cmd),
        }
    }

    fn mmap(&self, file: &File, request: &MapRequest) -> Result<Mapped> {
        drm_gem_mmap(&drm_file_of(file).ok_or(Errno::EINVAL)?, request)
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        file.noop_llseek(offset, whence)
    }
}

/// Opens a node (`drm_open`): a reference on the device until the last close.
///
/// # Errors
/// `ENODEV` for a device that is not registered or was unplugged, `EBUSY` with
/// `O_EXCL`, and what the driver's `open` gives.
#[track_caller]
pub fn drm_open(file: &File) -> Result {
    let core = DrmCore::of(file.system());
    let minor = file.devt().ok_or(Errno::ENODEV)?.minor;
    let (dev, type_) = core.acquire_minor(minor)?;
    let opened = under_global_mutex(&dev, || {
        let open_count = dev.open_counter().fetch_add(1, Ordering::SeqCst) + 1;
        let opened = open_helper(file, &dev, type_);
        match opened {
            Ok(()) => dev.emit(|| DrmEventKind::FileOpened { open_count }),
            Err(_) => {
                dev.open_counter().fetch_sub(1, Ordering::SeqCst);
            }
        }
        opened
    });
    if opened.is_err() {
        dev.put_for(DrmDevice::BY_MINOR);
    }
    opened
}

/// drm_open_helper.
#[track_caller]
fn open_helper(file: &File, dev: &DrmDevice, type_: MinorType) -> Result {
    if file.flags().contains(OpenFlags::EXCL) {
        return Err(Errno::EBUSY);
    }
    let opened = drm_file_alloc(dev, type_)?;
    if type_ == MinorType::Primary
        && let Err(errno) = auth::drm_master_open(&opened)
    {
        drm_file_free(&opened);
        return Err(errno);
    }
    if let Some(minor) = dev.minor(type_) {
        file.set_device(minor.kdev().device_ref());
    }
    file.set_private(Arc::new(Opened(opened.clone())));
    dev.filelist().lock().insert(0, opened);
    Ok(())
}

/// The last close of a file (`drm_release`).
#[track_caller]
pub fn drm_release(file: &File) {
    let Some(opened) = drm_file_of(file) else {
        return;
    };
    let dev = opened.dev().clone();
    under_global_mutex(&dev, || {
        dev.filelist().lock().retain(|other| *other != opened);
        drm_file_free(&opened);
        if dev.open_counter().fetch_sub(1, Ordering::SeqCst) == 1 {
            lastclose(&dev);
        }
    });
    let private = file.take_private();
    drop((private, opened));
    dev.put_for(DrmDevice::BY_MINOR);
}

/// drm_lastclose.
#[track_caller]
fn lastclose(dev: &DrmDevice) {
    dev.emit(|| DrmEventKind::LastClose);
    if let Some(lastclose) = dev.driver().lastclose.clone() {
        dev.guard("drm_driver.lastclose", || lastclose(dev));
    }
}
