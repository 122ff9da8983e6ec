//! What a driver fills in: `struct drm_driver` and its ioctls.
//!
//! Follows `include/drm/drm_drv.h` and `drm_ioctl.h`.

use core::fmt;
use core::ops::{BitAnd, BitOr};

use lastfd_abi::drm::DrmModeCreateDumb;
use lastfd_chrdev::{FileOps, Try};
use lastfd_model::Result;
use lastfd_sync::Arc;

use super::device::DrmDevice;
use super::file::DrmFile;
use super::fops::drm_gem_fops;
use super::ioctl::DrmCall;

/// What a driver can do (`enum drm_driver_feature`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Features(pub u32);

impl Features {
    /// None of them.
    pub const NONE: Features = Features(0);
    /// Buffers with handles (`DRIVER_GEM`).
    pub const GEM: Features = Features(1 << 0);
    /// Mode setting (`DRIVER_MODESET`); without it there are no vblanks.
    pub const MODESET: Features = Features(1 << 1);
    /// A render node beside the card (`DRIVER_RENDER`).
    pub const RENDER: Features = Features(1 << 3);
    /// Atomic mode setting (`DRIVER_ATOMIC`).
    pub const ATOMIC: Features = Features(1 << 4);
    /// Synchronization objects (`DRIVER_SYNCOBJ`); only the capability.
    pub const SYNCOBJ: Features = Features(1 << 5);
    /// With a timeline (`DRIVER_SYNCOBJ_TIMELINE`); only the capability.
    pub const SYNCOBJ_TIMELINE: Features = Features(1 << 6);
    /// The cursor plane has a hot spot (`DRIVER_CURSOR_HOTSPOT`).
    pub const CURSOR_HOTSPOT: Features = Features(1 << 9);

    /// Whether all of `other` are there.
    pub const fn contains(self, other: Features) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Features {
    type Output = Features;
    fn bitor(self, other: Features) -> Features {
        Features(self.0 | other.0)
    }
}

impl BitAnd for Features {
    type Output = Features;
    fn bitand(self, other: Features) -> Features {
        Features(self.0 & other.0)
    }
}

/// Who may call an ioctl (`enum drm_ioctl_flags`). Without any flag: whoever
/// opened the card's own node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct IoctlFlags(pub u32);

impl IoctlFlags {
    /// Whoever opened the card's node.
    pub const NONE: IoctlFlags = IoctlFlags(0);
    /// Only who is authenticated, or opened the render node (`DRM_AUTH`).
    pub const AUTH: IoctlFlags = IoctlFlags(1 << 0);
    /// Only the current master (`DRM_MASTER`).
    pub const MASTER: IoctlFlags = IoctlFlags(1 << 1);
    /// Only with `CAP_SYS_ADMIN` (`DRM_ROOT_ONLY`).
    pub const ROOT_ONLY: IoctlFlags = IoctlFlags(1 << 2);
    /// Also who opened the render node (`DRM_RENDER_ALLOW`).
    pub const RENDER_ALLOW: IoctlFlags = IoctlFlags(1 << 5);

    /// Whether all of `other` are set.
    pub const fn contains(self, other: IoctlFlags) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for IoctlFlags {
    type Output = IoctlFlags;
    fn bitor(self, other: IoctlFlags) -> IoctlFlags {
        IoctlFlags(self.0 | other.0)
    }
}

/// Answers an ioctl: its argument is in the call's data, which goes back to the
/// caller whatever the answer is.
pub type DrmIoctlFn =
    Arc<dyn Fn(&DrmDevice, &DrmFile, &mut DrmCall<'_, '_>) -> Try<i32> + Send + Sync>;

/// One of a driver's own ioctls (`struct drm_ioctl_desc`).
#[derive(Clone)]
pub struct DrmIoctlDesc {
    /// Its name, for events.
    pub name: &'static str,
    /// Its number, between `DRM_COMMAND_BASE` and `DRM_COMMAND_END`.
    pub cmd: u32,
    /// Who may call it.
    pub flags: IoctlFlags,
    /// Its function.
    pub func: DrmIoctlFn,
}

impl DrmIoctlDesc {
    /// An ioctl that works on its argument's bytes and does not wait.
    pub fn new(
        name: &'static str,
        cmd: u32,
        flags: IoctlFlags,
        func: impl Fn(&DrmDevice, &DrmFile, &mut [u8]) -> Result + Send + Sync + 'static,
    ) -> DrmIoctlDesc {
        DrmIoctlDesc {
            name,
            cmd,
            flags,
            func: Arc::new(move |dev, file, call| {
                Try::Done(func(dev, file, call.data()).map(|()| 0))
            }),
        }
    }
}

impl fmt::Debug for DrmIoctlDesc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrmIoctlDesc")
            .field("name", &self.name)
            .field("cmd", &self.cmd)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

/// A callback on a device.
pub type OnDevice = Arc<dyn Fn(&DrmDevice) + Send + Sync>;
/// A callback on a device that may fail.
pub type TryOnDevice = Arc<dyn Fn(&DrmDevice) -> Result + Send + Sync>;
/// A callback on an open file.
pub type OnFile = Arc<dyn Fn(&DrmDevice, &DrmFile) + Send + Sync>;
/// A callback on an open file that may fail.
pub type TryOnFile = Arc<dyn Fn(&DrmDevice, &DrmFile) -> Result + Send + Sync>;
/// `master_set`: with whether the master is a new one.
pub type MasterSet = Arc<dyn Fn(&DrmDevice, &DrmFile, bool) + Send + Sync>;
/// `dumb_create`.
pub type DumbCreate =
    Arc<dyn Fn(&DrmFile, &DrmDevice, &mut DrmModeCreateDumb) -> Result + Send + Sync>;

/// A driver's callbacks and names (`struct drm_driver`).
#[derive(Clone)]
pub struct DrmDriver {
    /// Its name.
    pub name: String,
    /// What it drives.
    pub desc: String,
    /// Major version.
    pub major: i32,
    /// Minor version.
    pub minor: i32,
    /// Patch level.
    pub patchlevel: i32,
    /// What it can do.
    pub features: Features,
    /// Runs in `drm_dev_register` once the nodes are there (deprecated). A
    /// driver with this or `unload` opens and closes under the global mutex.
    pub load: Option<TryOnDevice>,
    /// Runs in `drm_dev_unregister` before the nodes go (deprecated).
    pub unload: Option<OnDevice>,
    /// Runs in each open; its error is the open's.
    pub open: Option<TryOnFile>,
    /// Runs in each last close of a file, after all that was the file's.
    pub postclose: Option<OnFile>,
    /// Runs when the last open file of the device was closed: a driver's own
    /// callback before 6.12, there the restore of the in-kernel clients.
    pub lastclose: Option<OnDevice>,
    /// Runs in the last `drm_dev_put`, before what is managed is released.
    pub release: Option<OnDevice>,
    /// A file became master.
    pub master_set: Option<MasterSet>,
    /// A file is no longer master.
    pub master_drop: Option<OnFile>,
    /// Makes a dumb buffer, usually
    /// [`drm_gem_shmem_dumb_create`](super::drm_gem_shmem_dumb_create); without
    /// it the three ioctls give `ENOSYS`.
    pub dumb_create: Option<DumbCreate>,
    /// Its own ioctls.
    pub ioctls: Vec<DrmIoctlDesc>,
    /// The callbacks of its files; without, opens give `ENODEV`. Those of
    /// `DEFINE_DRM_GEM_FOPS` unless told.
    pub fops: Option<Arc<dyn FileOps>>,
}

impl Default for DrmDriver {
    fn default() -> DrmDriver {
        DrmDriver {
            name: "lastfd".to_owned(),
            desc: "lastfd".to_owned(),
            major: 1,
            minor: 0,
            patchlevel: 0,
            features: Features::NONE,
            load: None,
            unload: None,
            open: None,
            postclose: None,
            lastclose: None,
            release: None,
            master_set: None,
            master_drop: None,
            dumb_create: None,
            ioctls: Vec::new(),
            fops: Some(drm_gem_fops()),
        }
    }
}

impl fmt::Debug for DrmDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrmDriver")
            .field("name", &self.name)
            .field("features", &self.features)
            .field("ioctls", &self.ioctls)
            .finish_non_exhaustive()
    }
}
