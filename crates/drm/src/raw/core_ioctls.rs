//! The core's ioctls.
//!
//! Follows the table and the functions of `drivers/gpu/drm/drm_ioctl.c`. Those
//! of mode setting and of synchronization objects are in the table, so that
//! permissions are right, and give what a device without the feature gives.

use lastfd_abi::drm::*;
use lastfd_abi::ioc_nr;
use lastfd_chrdev::Try;
use lastfd_model::{Errno, Result};

use super::device::DrmDevice;
use super::driver::{Features, IoctlFlags};
use super::file::DrmFile;
use super::ioctl::DrmCall;
use super::{auth, dumb, gem, prime, wait_vblank};

/// A function of the core's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CoreIoctl {
    Version,
    GetUnique,
    GetMagic,
    GetClient,
    /// The caller's bytes are cleared.
    GetStats,
    GetCap,
    SetClientCap,
    SetVersion,
    AuthMagic,
    SetMaster,
    DropMaster,
    /// `drm_noop`: dead, and well.
    Noop,
    /// `drm_invalid_op`.
    Invalid,
    WaitVblank,
    GemClose,
    GemFlink,
    GemOpen,
    PrimeHandleToFd,
    PrimeFdToHandle,
    CreateDumb,
    MapDumb,
    DestroyDumb,
    /// Of a feature that is not here.
    Unsupported,
}

const NONE: IoctlFlags = IoctlFlags::NONE;
const AUTH: IoctlFlags = IoctlFlags::AUTH;
const MASTER: IoctlFlags = IoctlFlags::MASTER;
const RENDER: IoctlFlags = IoctlFlags::RENDER_ALLOW;
const OLD: IoctlFlags =
    IoctlFlags(IoctlFlags::AUTH.0 | IoctlFlags::MASTER.0 | IoctlFlags::ROOT_ONLY.0);

/// `drm_ioctls` of drm_ioctl.c.
fn entry(cmd: u32) -> (IoctlFlags, CoreIoctl) {
    use CoreIoctl::*;
    match cmd {
        DRM_IOCTL_VERSION => (RENDER, Version),
        DRM_IOCTL_GET_UNIQUE => (NONE, GetUnique),
        DRM_IOCTL_GET_MAGIC => (NONE, GetMagic),
        DRM_IOCTL_GET_CLIENT => (NONE, GetClient),
        DRM_IOCTL_GET_STATS => (NONE, GetStats),
        DRM_IOCTL_GET_CAP => (RENDER, GetCap),
        DRM_IOCTL_SET_CLIENT_CAP => (NONE, SetClientCap),
        DRM_IOCTL_SET_VERSION => (MASTER, SetVersion),
        DRM_IOCTL_SET_UNIQUE => (OLD, Invalid),
        DRM_IOCTL_BLOCK
        | DRM_IOCTL_UNBLOCK
        | DRM_IOCTL_ADD_DRAW
        | DRM_IOCTL_RM_DRAW
        | DRM_IOCTL_UPDATE_DRAW => (OLD, Noop),
        DRM_IOCTL_FINISH => (AUTH, Noop),
        DRM_IOCTL_AUTH_MAGIC => (MASTER, AuthMagic),
        DRM_IOCTL_SET_MASTER => (NONE, SetMaster),
        DRM_IOCTL_DROP_MASTER => (NONE, DropMaster),
        DRM_IOCTL_WAIT_VBLANK => (NONE, WaitVblank),
        DRM_IOCTL_GEM_CLOSE => (RENDER, GemClose),
        DRM_IOCTL_GEM_FLINK => (AUTH, GemFlink),
        DRM_IOCTL_GEM_OPEN => (AUTH, GemOpen),
        DRM_IOCTL_PRIME_HANDLE_TO_FD => (RENDER, PrimeHandleToFd),
        DRM_IOCTL_PRIME_FD_TO_HANDLE => (RENDER, PrimeFdToHandle),
        DRM_IOCTL_MODE_CREATE_DUMB => (NONE, CreateDumb),
        DRM_IOCTL_MODE_MAP_DUMB => (NONE, MapDumb),
        DRM_IOCTL_MODE_DESTROY_DUMB => (NONE, DestroyDumb),
        DRM_IOCTL_MODE_ATTACHMODE | DRM_IOCTL_MODE_DETACHMODE => (MASTER, Noop),
        DRM_IOCTL_MODE_SETCRTC
        | DRM_IOCTL_MODE_SETPLANE
        | DRM_IOCTL_MODE_CURSOR
        | DRM_IOCTL_MODE_CURSOR2
        | DRM_IOCTL_MODE_SETGAMMA
        | DRM_IOCTL_MODE_SETPROPERTY
        | DRM_IOCTL_MODE_OBJ_SETPROPERTY
        | DRM_IOCTL_MODE_PAGE_FLIP
        | DRM_IOCTL_MODE_DIRTYFB
        | DRM_IOCTL_MODE_ATOMIC
        | DRM_IOCTL_MODE_CREATE_LEASE
        | DRM_IOCTL_MODE_LIST_LESSEES
        | DRM_IOCTL_MODE_GET_LEASE
        | DRM_IOCTL_MODE_REVOKE_LEASE => (MASTER, Unsupported),
        DRM_IOCTL_SYNCOBJ_CREATE
        | DRM_IOCTL_SYNCOBJ_DESTROY
        | DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD
        | DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE
        | DRM_IOCTL_SYNCOBJ_TRANSFER
        | DRM_IOCTL_SYNCOBJ_WAIT
        | DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT
        | DRM_IOCTL_SYNCOBJ_EVENTFD
        | DRM_IOCTL_SYNCOBJ_RESET
        | DRM_IOCTL_SYNCOBJ_SIGNAL
        | DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL
        | DRM_IOCTL_SYNCOBJ_QUERY => (RENDER, Unsupported),
        _ => (NONE, Unsupported),
    }
}

/// The command with this number: the kernel's own value for it, who may call
/// it, its function.
pub(crate) fn find(nr: u8) -> Option<(u32, IoctlFlags, CoreIoctl)> {
    let known = DRM_IOCTLS.iter().find(|known| ioc_nr(known.cmd) == nr)?;
    let (flags, function) = entry(known.cmd);
    Some((known.cmd, flags, function))
}

#[track_caller]
pub(crate) fn run(
    function: CoreIoctl,
    dev: &DrmDevice,
    file: &DrmFile,
    call: &mut DrmCall<'_, '_>,
) -> Try<i32> {
    let result = match function {
        CoreIoctl::WaitVblank => return wait_vblank::drm_wait_vblank_ioctl(dev, file, call),
        CoreIoctl::Version => version(dev, call),
        CoreIoctl::GetUnique => getunique(dev, file, call),
        CoreIoctl::GetMagic => {
            auth::getmagic(dev, file).map(|magic| call.set_arg(&DrmAuth { magic }))
        }
        CoreIoctl::AuthMagic => auth::authmagic(dev, file, call.arg::<DrmAuth>().magic),
        CoreIoctl::GetClient => getclient(file, call),
        CoreIoctl::GetStats => {
            call.data().fill(0);
            Ok(())
        }
        CoreIoctl::GetCap => getcap(dev, call),
        CoreIoctl::SetClientCap => setclientcap(dev, file, call),
        CoreIoctl::SetVersion => setversion(dev, file, call),
        CoreIoctl::SetMaster => auth::setmaster(dev, file),
        CoreIoctl::DropMaster => auth::dropmaster(dev, file),
        CoreIoctl::Noop => Ok(()),
        CoreIoctl::Invalid => Err(Errno::EINVAL),
        CoreIoctl::GemClose | CoreIoctl::GemFlink | CoreIoctl::GemOpen
            if !dev.has(Features::GEM) =>
        {
            Err(Errno::EOPNOTSUPP)
        }
        CoreIoctl::GemFlink => gem::flink(dev, file, call),
        CoreIoctl::GemOpen => gem::open(dev, file, call),
        CoreIoctl::GemClose => gem::drm_gem_handle_delete(file, call.arg::<DrmGemClose>().handle),
        CoreIoctl::PrimeHandleToFd => prime::handle_to_fd(dev, file, call),
        CoreIoctl::PrimeFdToHandle => prime::fd_to_handle(call),
        CoreIoctl::CreateDumb => dumb::create(dev, file, call),
        CoreIoctl::MapDumb => dumb::map(dev, file, call),
        CoreIoctl::DestroyDumb => dumb::destroy(dev, file, call),
        CoreIoctl::Unsupported => Err(Errno::EOPNOTSUPP),
    };
    Try::Done(result.map(|()| 0))
}

/// drm_version. The date is "0": deprecated, and some programs want a text.
fn version(dev: &DrmDevice, call: &mut DrmCall<'_, '_>) -> Result {
    let driver = dev.driver();
    let mut version: DrmVersion = call.arg();
    version.version_major = driver.major;
    version.version_minor = driver.minor;
    version.version_patchlevel = driver.patchlevel;
    let mut result = Ok(());
    for (text, addr, len) in [
        (driver.name.as_str(), version.name, &mut version.name_len),
        ("0", version.date, &mut version.date_len),
        (driver.desc.as_str(), version.desc, &mut version.desc_len),
    ] {
        if result.is_ok() {
            result = copy_field(call, addr, len, text);
        }
    }
    call.set_arg(&version);
    result
}

/// drm_copy_field: as much as fits; the length told is the whole one.
fn copy_field(call: &mut DrmCall<'_, '_>, addr: u64, len: &mut u64, text: &str) -> Result {
    let fits = usize::try_from(*len).map_or(text.len(), |len| len.min(text.len()));
    *len = text.len() as u64;
    if fits == 0 || addr == 0 {
        return Ok(());
    }
    call.write_at(addr, &text.as_bytes()[..fits])
}

/// drm_getunique: nothing before SET_VERSION.
#[track_caller]
fn getunique(dev: &DrmDevice, file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    let _mutex = auth::lock(dev);
    let mut unique: DrmUnique = call.arg();
    let master = file.state().master.clone().ok_or(Errno::EINVAL)?;
    let name = master.unique.lock().clone();
    if unique.unique_len >= name.len() as u64 && !name.is_empty() {
        call.write_at(unique.unique, name.as_bytes())?;
    }
    unique.unique_len = name.len() as u64;
    call.set_arg(&unique);
    Ok(())
}

/// drm_setversion. The versions go back whatever the answer is.
#[track_caller]
fn setversion(dev: &DrmDevice, file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    /// The interface's version.
    const DRM_IF: (i32, i32) = (1, 4);
    let _mutex = auth::lock(dev);
    let driver = dev.driver();
    let asked: DrmSetVersion = call.arg();
    let result = (|| {
        if asked.drm_di_major != -1 {
            let known = 0..=DRM_IF.1;
            if asked.drm_di_major != DRM_IF.0 || !known.contains(&asked.drm_di_minor) {
                return Err(Errno::EINVAL);
            }
            if asked.drm_di_minor >= 1 {
                // drm_set_busid, of a device that is not on PCI.
                let master = file.state().master.clone().ok_or(Errno::EINVAL)?;
                *master.unique.lock() = dev.unique().to_owned();
            }
        }
        let known = 0..=driver.minor;
        let other = asked.drm_dd_major != driver.major || !known.contains(&asked.drm_dd_minor);
        match asked.drm_dd_major != -1 && other {
            true => Err(Errno::EINVAL),
            false => Ok(()),
        }
    })();
    call.set_arg(&DrmSetVersion {
        drm_di_major: DRM_IF.0,
        drm_di_minor: DRM_IF.1,
        drm_dd_major: driver.major,
        drm_dd_minor: driver.minor,
    });
    result
}

/// drm_getclient: only the caller itself.
fn getclient(file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    /// `overflowuid`.
    const OVERFLOW_UID: u64 = 65534;
    let client: DrmClient = call.arg();
    if client.idx != 0 {
        return Err(Errno::EINVAL);
    }
    call.set_arg(&DrmClient {
        idx: 0,
        auth: file.is_authenticated().into(),
        pid: 0,
        uid: OVERFLOW_UID,
        magic: 0,
        iocs: 0,
    });
    Ok(())
}

/// drm_getcap.
fn getcap(dev: &DrmDevice, call: &mut DrmCall<'_, '_>) -> Result {
    let mut cap: DrmGetCap = call.arg();
    cap.value = 0;
    let value = cap_value(dev, cap.capability);
    cap.value = value.unwrap_or(0);
    call.set_arg(&cap);
    value.map(|_| ())
}

fn cap_value(dev: &DrmDevice, capability: u64) -> Result<u64> {
    match capability {
        DRM_CAP_TIMESTAMP_MONOTONIC => return Ok(1),
        DRM_CAP_PRIME => return Ok(DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT),
        DRM_CAP_SYNCOBJ => return Ok(dev.has(Features::SYNCOBJ).into()),
        DRM_CAP_SYNCOBJ_TIMELINE => return Ok(dev.has(Features::SYNCOBJ_TIMELINE).into()),
        _ => {}
    }
    if !dev.has(Features::MODESET) {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(match capability {
        DRM_CAP_DUMB_BUFFER => dev.driver().dumb_create.is_some().into(),
        DRM_CAP_VBLANK_HIGH_CRTC | DRM_CAP_CRTC_IN_VBLANK_EVENT | DRM_CAP_ADDFB2_MODIFIERS => 1,
        DRM_CAP_CURSOR_WIDTH | DRM_CAP_CURSOR_HEIGHT => 64,
        DRM_CAP_DUMB_PREFERRED_DEPTH
        | DRM_CAP_DUMB_PREFER_SHADOW
        | DRM_CAP_ASYNC_PAGE_FLIP
        | DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP => 0,
        // Without a CRTC nobody says no; with one, it can not.
        DRM_CAP_PAGE_FLIP_TARGET => dev.vblank().crtcs().is_empty().into(),
        _ => return Err(Errno::EINVAL),
    })
}

/// drm_setclientcap.
fn setclientcap(dev: &DrmDevice, file: &DrmFile, call: &mut DrmCall<'_, '_>) -> Result {
    if !dev.has(Features::MODESET) {
        return Err(Errno::EOPNOTSUPP);
    }
    let DrmSetClientCap { capability, value } = call.arg();
    let up_to = |most| match value <= most {
        true => Ok(()),
        false => Err(Errno::EINVAL),
    };
    let atomic = file.state().atomic;
    match capability {
        DRM_CLIENT_CAP_STEREO_3D
        | DRM_CLIENT_CAP_UNIVERSAL_PLANES
        | DRM_CLIENT_CAP_ASPECT_RATIO => up_to(1),
        DRM_CLIENT_CAP_ATOMIC if !dev.has(Features::ATOMIC) => Err(Errno::EOPNOTSUPP),
        DRM_CLIENT_CAP_ATOMIC => up_to(2).map(|()| file.state().atomic = value),
        DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT if !dev.has(Features::CURSOR_HOTSPOT) => {
            Err(Errno::EOPNOTSUPP)
        }
        DRM_CLIENT_CAP_WRITEBACK_CONNECTORS | DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT
            if atomic == 0 =>
        {
            Err(Errno::EINVAL)
        }
        DRM_CLIENT_CAP_WRITEBACK_CONNECTORS | DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT => up_to(1),
        _ => Err(Errno::EINVAL),
    }
}
