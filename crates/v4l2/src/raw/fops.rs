//! What a program sees: the node's file operations.
//!
//! Follows the `v4l2_fops` of `drivers/media/v4l2-core/v4l2-dev.c`: each call
//! asks once, when it begins, whether the device is registered.

use core::fmt;

use lastfd_abi::name_of;
use lastfd_abi::v4l2::{V4L2_IOCTLS, VIDIOC_TYPE};
use lastfd_chrdev::{
    File, FileOps, Ioctl, MapRequest, Mapped, PollMask, PollTable, Read, Try, Write,
};
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{get_device_for, put_device_for};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::core::V4l2Core;
use super::register::video_is_registered;
use super::video_device::{VideoDevice, video_devdata};
use super::warn::splat;
use crate::event::{V4l2EventKind, emit};

/// For whom an open file holds its video device.
const HOLDER: &str = "an open video device";

type Open = Arc<dyn Fn(&File) -> Result + Send + Sync>;
type Close = Arc<dyn Fn(&File) + Send + Sync>;
type ReadFn = Arc<dyn Fn(&File, &mut Read<'_>) -> Try<usize> + Send + Sync>;
type WriteFn = Arc<dyn Fn(&File, &mut Write<'_>) -> Try<usize> + Send + Sync>;
type PollFn = Arc<dyn Fn(&File, &mut PollTable) -> PollMask + Send + Sync>;
type IoctlsFn = Arc<dyn Fn(&File, &mut Ioctl<'_>) -> Try<i32> + Send + Sync>;
type MmapFn = Arc<dyn Fn(&File, &MapRequest) -> Result<Mapped> + Send + Sync>;

/// What a driver's files do (`struct v4l2_file_operations`).
#[derive(Clone, Default)]
pub struct V4l2FileOperations {
    /// A file is opened; usually [`v4l2_fh_open`](super::v4l2_fh_open).
    pub open: Option<Open>,
    /// The last close, also after the device went.
    pub release: Option<Close>,
    /// Without it read gives `EINVAL`, registered or not.
    pub read: Option<ReadFn>,
    /// Without it write gives `EINVAL`, registered or not.
    pub write: Option<WriteFn>,
    /// Without it poll says that everything is ready.
    pub poll: Option<PollFn>,
    /// Usually [`video_ioctl2`](super::video_ioctl2). Without it ioctls give
    /// `ENOTTY`, registered or not.
    pub unlocked_ioctl: Option<IoctlsFn>,
    /// Without it mmap gives `ENODEV`.
    pub mmap: Option<MmapFn>,
}

impl fmt::Debug for V4l2FileOperations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("V4l2FileOperations")
            .field("open", &self.open.is_some())
            .field("release", &self.release.is_some())
            .field("read", &self.read.is_some())
            .field("write", &self.write.is_some())
            .field("poll", &self.poll.is_some())
            .field("unlocked_ioctl", &self.unlocked_ioctl.is_some())
            .field("mmap", &self.mmap.is_some())
            .finish()
    }
}

impl V4l2FileOperations {
    /// What a driver with a queue has: the functions of vb2 and of `v4l2_fh`.
    pub fn vb2() -> V4l2FileOperations {
        V4l2FileOperations {
            open: Some(Arc::new(super::v4l2_fh_open)),
            release: Some(Arc::new(super::vb2_fop_release)),
            read: Some(Arc::new(super::vb2_fop_read)),
            write: None,
            poll: Some(Arc::new(super::vb2_fop_poll)),
            unlocked_ioctl: Some(Arc::new(super::video_ioctl2)),
            mmap: Some(Arc::new(super::vb2_fop_mmap)),
        }
    }
}

/// The device of an open file; a splat if it was released under it.
fn device_of(file: &File) -> Option<VideoDevice> {
    let vdev = video_devdata(file);
    if vdev.is_none() {
        let text = format!(
            "{} is used after its video_device was released",
            file.name()
        );
        splat(file.system(), SplatKind::UseAfterFree, None, text);
    }
    vdev
}

/// A call that has just looked goes on to the driver: tells if the device went between.
fn enters(vdev: &VideoDevice, begins: bool, function: &'static str) {
    if begins && !video_is_registered(vdev) {
        let device = || vdev.dev().map(|dev| dev.device_ref());
        emit(vdev.system(), device, || V4l2EventKind::UncheckedCall {
            function,
        });
    }
}

/// The callbacks of every node.
pub(crate) struct VideoFops;

impl FileOps for VideoFops {
    // v4l2-dev.c: v4l2_open
    fn open(&self, file: &File) -> Result {
        let core = V4l2Core::of(file.system());
        let (vdev, dev) = {
            let _registering = core
                .videodev_lock
                .lock(file.system(), || None, "videodev_lock");
            let vdev = video_devdata(file).filter(video_is_registered);
            let vdev = vdev.ok_or(Errno::ENODEV)?;
            let dev = vdev.dev().ok_or(Errno::ENODEV)?;
            get_device_for(&dev, HOLDER);
            (vdev, dev)
        };
        file.set_device(dev.device_ref());
        let open = vdev.fields().fops.open.clone();
        let opened = match open {
            None => Ok(()),
            Some(_) if !video_is_registered(&vdev) => Err(Errno::ENODEV),
            // A driver that panics must not leave the reference behind.
            Some(open) => vdev
                .guard("v4l2_file_operations.open", || open(file))
                .unwrap_or(Err(Errno::EIO)),
        };
        if opened.is_err() {
            put_device_for(&dev, HOLDER);
        }
        opened
    }

    // v4l2-dev.c: v4l2_release
    fn release(&self, file: &File) {
        let Some(vdev) = device_of(file) else {
            return;
        };
        let release = vdev.fields().fops.release.clone();
        if let Some(release) = release {
            vdev.guard("v4l2_file_operations.release", || release(file));
        }
        if let Some(dev) = vdev.dev() {
            put_device_for(&dev, HOLDER);
        }
    }

    // v4l2-dev.c: v4l2_read
    fn read(&self, file: &File, call: &mut Read<'_>) -> Try<usize> {
        let Some(vdev) = device_of(file) else {
            return Try::err(Errno::ENODEV);
        };
        let Some(read) = vdev.fields().fops.read.clone() else {
            return Try::err(Errno::EINVAL);
        };
        match vdev.look(call.is_first()) {
            Ok(_look) => {
                enters(&vdev, call.is_first(), "v4l2_read");
                read(file, call)
            }
            Err(errno) => Try::err(errno),
        }
    }

    // v4l2-dev.c: v4l2_write
    fn write(&self, file: &File, call: &mut Write<'_>) -> Try<usize> {
        let Some(vdev) = device_of(file) else {
            return Try::err(Errno::ENODEV);
        };
        let Some(write) = vdev.fields().fops.write.clone() else {
            return Try::err(Errno::EINVAL);
        };
        match vdev.look(call.is_first()) {
            Ok(_look) => {
                enters(&vdev, call.is_first(), "v4l2_write");
                write(file, call)
            }
            Err(errno) => Try::err(errno),
        }
    }

    // v4l2-dev.c: v4l2_poll
    fn poll(&self, file: &File, table: &mut PollTable) -> PollMask {
        let gone = PollMask::ERR | PollMask::HUP | PollMask::PRI;
        let Some(vdev) = device_of(file) else {
            return gone;
        };
        let Ok(_look) = vdev.look(true) else {
            return gone;
        };
        let poll = vdev.fields().fops.poll.clone();
        match poll {
            Some(poll) => {
                enters(&vdev, true, "v4l2_poll");
                poll(file, table)
            }
            None => PollMask::DEFAULT,
        }
    }

    // v4l2-dev.c: v4l2_ioctl
    fn ioctl(&self, file: &File, call: &mut Ioctl<'_>) -> Try<i32> {
        let Some(vdev) = device_of(file) else {
            return Try::err(Errno::ENODEV);
        };
        let Some(ioctl) = vdev.fields().fops.unlocked_ioctl.clone() else {
            return Try::err(Errno::ENOTTY);
        };
        match vdev.look(call.is_first()) {
            Ok(_look) => {
                enters(&vdev, call.is_first(), "v4l2_ioctl");
                ioctl(file, call)
            }
            Err(errno) => Try::err(errno),
        }
    }

    fn ioctl_name(&self, cmd: u32) -> Option<&'static str> {
        (lastfd_abi::ioc_type(cmd) == VIDIOC_TYPE)
            .then(|| name_of(V4L2_IOCTLS, cmd))
            .flatten()
    }

    // v4l2-dev.c: v4l2_mmap
    fn mmap(&self, file: &File, request: &MapRequest) -> Result<Mapped> {
        let vdev = device_of(file).ok_or(Errno::ENODEV)?;
        let mmap = vdev.fields().fops.mmap.clone().ok_or(Errno::ENODEV)?;
        let _look = vdev.look(true)?;
        enters(&vdev, true, "v4l2_mmap");
        mmap(file, request)
    }
}
