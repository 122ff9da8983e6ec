//! From a command to its function: what is copied, locked and tested on the way.
//!
//! Follows `video_ioctl2`, `video_usercopy` and `__video_do_ioctl` of
//! `drivers/media/v4l2-core/v4l2-ioctl.c`.

use core::any::Any;
use core::fmt;

use lastfd_abi::v4l2::{
    V4l2ExtControl, V4l2ExtControls, VIDIOC_G_EXT_CTRLS, VIDIOC_S_EXT_CTRLS, VIDIOC_TRY_EXT_CTRLS,
};
use lastfd_abi::{IOC_IN, IOC_OUT, ioc_size};
use lastfd_chrdev::{File, Ioctl, OpenFile, OpenFlags, Try};
use lastfd_model::{Errno, Result, System};
use zerocopy::FromBytes;

use super::fh::{V4l2Fh, v4l2_fh_of};
use super::ioctl_table::{self, Info};
use super::lock::lock_if;
use super::prio::v4l2_prio_check;
use super::register::video_is_registered;
use super::video_device::{VideoDevice, VideoFlag, video_devdata};
use super::warn::message;

/// V4L2_CID_MAX_CTRLS.
const MAX_CTRLS: u32 = 1024;

/// One attempt at an ioctl, as its function sees it.
pub struct IoctlCall<'a, 'b> {
    pub(crate) file: &'a File,
    pub(crate) vdev: &'a VideoDevice,
    pub(crate) fh: Option<V4l2Fh>,
    /// What the argument points to.
    pub(crate) array: &'a mut Vec<u8>,
    pub(crate) left: &'a mut Option<Box<dyn Any + Send>>,
    pub(crate) call: &'a mut Ioctl<'b>,
}

impl IoctlCall<'_, '_> {
    /// The open file.
    pub fn file(&self) -> &File {
        self.file
    }

    /// The video device.
    pub fn vdev(&self) -> &VideoDevice {
        self.vdev
    }

    /// What V4L2 keeps for the file, if its driver uses it.
    pub fn fh(&self) -> Option<&V4l2Fh> {
        self.fh.as_ref()
    }

    /// The System.
    pub fn system(&self) -> &System {
        self.vdev.system()
    }

    /// Whether the call must not sleep.
    pub fn nonblock(&self) -> bool {
        self.call.nonblock()
    }

    /// Whether this is the call's first attempt.
    pub fn is_first(&self) -> bool {
        self.call.is_first()
    }

    /// Gives the caller a descriptor of the file.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn install_fd(&mut self, file: OpenFile, flags: OpenFlags) -> Result<i32> {
        self.call.install_fd(file, flags)
    }
}

impl fmt::Debug for IoctlCall<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoctlCall")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

/// What a call keeps from attempt to attempt.
#[derive(Default)]
struct Kept {
    data: Vec<u8>,
    array_at: u64,
    array: Vec<u8>,
    left: Option<Box<dyn Any + Send>>,
}

/// Answers an ioctl through the table of the device's `ioctl_ops`
/// (`video_ioctl2`).
///
/// # Errors
/// `EFAULT`; `ENODEV` if the device went before the call had the driver's lock;
/// `ENOTTY` for what nobody knows or this driver has no function for; `EBUSY`
/// where another file has a higher priority; and what the function answers.
#[track_caller]
pub fn video_ioctl2(file: &File, call: &mut Ioctl<'_>) -> Try<i32> {
    let cmd = call.cmd();
    let info = ioctl_table::find(cmd);
    let mut kept = core::mem::take(call.stash(Kept::default));
    if call.is_first()
        && let Err(errno) = copy_in(call, info, &mut kept)
    {
        return Try::err(errno);
    }
    let outcome = do_ioctl(file, call, info, &mut kept);
    let always_copy = info.is_some_and(|info| info.always_copies());
    match outcome {
        Try::Wait(wait) => {
            if call.interrupted() {
                return Try::err(Errno::EINTR);
            }
            *call.stash(Kept::default) = kept;
            Try::Wait(wait)
        }
        Try::Done(Err(errno)) if errno == Errno::ENOTTY || !always_copy => Try::err(errno),
        Try::Done(result) => match copy_out(call, &kept) {
            Ok(()) => Try::Done(result.map(|()| 0)),
            Err(fault) => Try::err(fault),
        },
        Try::Ready(pending) => match copy_out(call, &kept) {
            Ok(()) => {
                // For another attempt, if this reply is not taken.
                *call.stash(Kept::default) = kept;
                Try::Ready(pending).map(|()| 0)
            }
            // What the function did stays done, as in the kernel: the frame or
            // the event is lost.
            Err(fault) => {
                pending.commit();
                Try::err(fault)
            }
        },
    }
}

/// video_get_user and check_array_args.
fn copy_in(call: &mut Ioctl<'_>, info: Option<&Info>, kept: &mut Kept) -> Result {
    let cmd = call.cmd();
    if cmd & (IOC_IN | IOC_OUT) != 0 {
        let size = ioc_size(cmd);
        kept.data = vec![0; size];
        if cmd & IOC_IN != 0 {
            // Only what the function reads; what comes after is zero.
            let reads = info.and_then(Info::reads).unwrap_or(size);
            call.read_arg(&mut kept.data[..reads])?;
        }
    }
    if matches!(
        cmd,
        VIDIOC_G_EXT_CTRLS | VIDIOC_S_EXT_CTRLS | VIDIOC_TRY_EXT_CTRLS
    ) {
        let Ok((controls, _)) = V4l2ExtControls::read_from_prefix(&kept.data) else {
            return Err(Errno::EINVAL);
        };
        if controls.count > MAX_CTRLS {
            return Err(Errno::EINVAL);
        }
        let size = controls.count as usize * size_of::<V4l2ExtControl>();
        kept.array_at = controls.controls;
        kept.array = vec![0; size];
        if size != 0 {
            call.read_at(kept.array_at, &mut kept.array)?;
        }
    }
    Ok(())
}

/// The end of video_usercopy, and video_put_user.
fn copy_out(call: &mut Ioctl<'_>, kept: &Kept) -> Result {
    if !kept.array.is_empty() {
        call.write_at(kept.array_at, &kept.array)?;
    }
    if call.cmd() & IOC_OUT != 0 {
        call.write_arg(&kept.data)?;
    }
    Ok(())
}

/// __video_do_ioctl. A call that had to wait is past its tests: what wakes it
/// decides, not whether the device is still there.
fn do_ioctl(
    file: &File,
    call: &mut Ioctl<'_>,
    info: Option<&'static Info>,
    kept: &mut Kept,
) -> Try<()> {
    let Some(vdev) = video_devdata(file) else {
        return Try::err(Errno::ENODEV);
    };
    let (ops, lock, queue, prio, valid) = {
        let fields = vdev.fields();
        (
            fields.ioctl_ops.clone(),
            fields.lock.clone(),
            fields.queue.clone(),
            fields.prio.clone(),
            fields.valid_ioctls,
        )
    };
    let Some(ops) = ops else {
        let system = vdev.system();
        message(system, vdev.device_ref(), "has no ioctl_ops.");
        return Try::err(Errno::ENOTTY);
    };
    let fh = vdev
        .has_flag(VideoFlag::UsesV4l2Fh)
        .then(|| v4l2_fh_of(file))
        .flatten();
    // v4l2_ioctl_get_lock.
    let queue_lock = queue
        .filter(|_| info.is_some_and(Info::is_of_queue))
        .and_then(|queue| queue.own_lock());
    let lock = queue_lock.or(lock);
    let _serialized = lock_if(&lock, vdev.system());
    if call.is_first() {
        if !video_is_registered(&vdev) {
            return Try::err(Errno::ENODEV);
        }
        let Some(info) = info else {
            return Try::err(Errno::ENOTTY);
        };
        let through_fh =
            info.is_of_controls() && fh.as_ref().is_some_and(|fh| fh.ctrl_handler().is_some());
        if !valid.has(call.cmd()) && !through_fh {
            return Try::err(Errno::ENOTTY);
        }
        if let (Some(fh), true, Some(prio)) = (&fh, info.checks_prio(), &prio)
            && let Err(errno) = v4l2_prio_check(prio, fh.prio())
        {
            return Try::err(errno);
        }
    }
    let Some(info) = info else {
        return Try::err(Errno::ENOTTY);
    };
    let mut of_function = IoctlCall {
        file,
        vdev: &vdev,
        fh,
        array: &mut kept.array,
        left: &mut kept.left,
        call,
    };
    info.run(&ops, &mut of_function, &mut kept.data)
}
