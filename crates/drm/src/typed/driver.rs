//! What a driver implements.

use core::fmt;

use lastfd_abi::drm::{DRM_COMMAND_BASE, DRM_COMMAND_END, DRM_IOCTL_BASE};
use lastfd_abi::iowr;
use lastfd_chrdev::Try;
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::device::Device;
use crate::raw::{
    DrmDevice, DrmDriver, DrmFile, DrmIoctlDesc, Features, IoctlFlags, drm_gem_shmem_dumb_create,
};

/// A driver's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub name: &'static str,
    /// What it drives.
    pub desc: &'static str,
    /// Major version, minor version, patch level.
    pub version: (i32, i32, i32),
}

/// A DRM driver. The value is what open files may use until the last of them
/// is closed, long after the hardware went.
pub trait Driver: Send + Sync + Sized + 'static {
    /// What is there only while the driver is bound: registers, clocks.
    type Hardware: Send + Sync + 'static;
    /// What belongs to one open file; dropped at its last close.
    type File: Send + Sync + 'static;

    /// Its names.
    const INFO: Info;
    /// What it can do. With [`Features::GEM`] it has dumb buffers.
    const FEATURES: Features;

    /// A file is being opened.
    fn open(device: &Device<Self>) -> Result<Self::File>;

    /// A file was closed for the last time.
    fn postclose(device: &Device<Self>, file: &Self::File) {
        let _ = (device, file);
    }

    /// The driver's own ioctls.
    fn ioctls() -> Vec<Ioctl<Self>> {
        Vec::new()
    }

    /// The last reference is gone: the end of the last close.
    fn release(&self) {}
}

type Function = Arc<dyn Fn(&DrmDevice, &DrmFile, &mut [u8]) -> Result + Send + Sync>;

/// One of a driver's own ioctls.
pub struct Ioctl<D: Driver> {
    name: &'static str,
    cmd: u32,
    flags: IoctlFlags,
    run: Function,
    driver: core::marker::PhantomData<fn() -> D>,
}

impl<D: Driver> fmt::Debug for Ioctl<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ioctl")
            .field("name", &self.name)
            .field("cmd", &self.cmd)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

impl<D: Driver> Ioctl<D> {
    /// The ioctl with this number, counted from 0, whose argument goes both
    /// ways.
    ///
    /// # Panics
    /// If a driver has no such number.
    pub fn new<A: FromBytes + IntoBytes + Immutable + 'static>(
        name: &'static str,
        nr: u8,
        flags: IoctlFlags,
        run: impl Fn(&Device<D>, &mut A, &D::File) -> Result + Send + Sync + 'static,
    ) -> Ioctl<D> {
        assert!(
            nr < DRM_COMMAND_END - DRM_COMMAND_BASE,
            "a driver's ioctls have numbers below {}",
            DRM_COMMAND_END - DRM_COMMAND_BASE
        );
        let run = move |dev: &DrmDevice, file: &DrmFile, data: &mut [u8]| {
            let device = Device::<D>::from_raw(dev).ok_or(Errno::ENODEV)?;
            let file = file.driver_priv::<D::File>().ok_or(Errno::EINVAL)?;
            let (mut arg, _) = A::read_from_prefix(data).map_err(|_| Errno::EINVAL)?;
            let result = run(&device, &mut arg, &file);
            arg.write_to_prefix(data).map_err(|_| Errno::EINVAL)?;
            result
        };
        Ioctl {
            name,
            cmd: iowr::<A>(DRM_IOCTL_BASE, DRM_COMMAND_BASE + nr),
            flags,
            run: Arc::new(run),
            driver: core::marker::PhantomData,
        }
    }

    /// Its number, for those who call it.
    pub fn cmd(&self) -> u32 {
        self.cmd
    }

    fn into_raw(self) -> DrmIoctlDesc {
        let run = self.run;
        DrmIoctlDesc {
            name: self.name,
            cmd: self.cmd,
            flags: self.flags,
            func: Arc::new(move |dev, file, call| {
                Try::Done(run(dev, file, call.data()).map(|()| 0))
            }),
        }
    }
}

/// The raw face's driver.
pub(super) fn raw_driver<D: Driver>() -> Arc<DrmDriver> {
    let dumb = D::FEATURES.contains(Features::GEM);
    Arc::new(DrmDriver {
        name: D::INFO.name.to_owned(),
        desc: D::INFO.desc.to_owned(),
        major: D::INFO.version.0,
        minor: D::INFO.version.1,
        patchlevel: D::INFO.version.2,
        features: D::FEATURES,
        open: Some(Arc::new(|dev: &DrmDevice, file: &DrmFile| {
            let device = Device::<D>::from_raw(dev).ok_or(Errno::ENODEV)?;
            file.set_driver_priv(Arc::new(D::open(&device)?));
            Ok(())
        })),
        postclose: Some(Arc::new(|dev: &DrmDevice, file: &DrmFile| {
            let device = Device::<D>::from_raw(dev);
            if let (Some(device), Some(file)) = (device, file.driver_priv::<D::File>()) {
                D::postclose(&device, &file);
            }
        })),
        release: Some(Arc::new(|dev: &DrmDevice| {
            if let Some(device) = Device::<D>::from_raw(dev) {
                device.data().release();
            }
        })),
        dumb_create: dumb.then(|| Arc::new(drm_gem_shmem_dumb_create) as _),
        ioctls: D::ioctls().into_iter().map(Ioctl::into_raw).collect(),
        ..DrmDriver::default()
    })
}
