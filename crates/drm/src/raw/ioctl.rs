//! From a command to its function: who may call what, with which argument.
//!
//! Follows `drm_ioctl`, `drm_ioctl_kernel` and `drm_ioctl_permit` of
//! `drivers/gpu/drm/drm_ioctl.c`.

use core::any::Any;
use core::fmt;

use lastfd_abi::drm::{DRM_COMMAND_BASE, DRM_COMMAND_END, DRM_IOCTL_BASE};
use lastfd_abi::{IOC_IN, IOC_OUT, ioc_nr, ioc_size, ioc_type};
use lastfd_chrdev::{Ioctl, OpenFile, OpenFlags, Try};
use lastfd_model::{Errno, Result};
use lastfd_sync::Ktime;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::auth::drm_is_current_master;
use super::core_ioctls::{self, CoreIoctl};
use super::driver::{DrmIoctlFn, IoctlFlags};
use super::file::DrmFile;
use super::minor::MinorType;

/// One attempt at an ioctl, with its argument copied in.
///
/// The argument goes back to the caller when the call ends, whatever its
/// answer. A function that has to wait gives [`Try::Wait`] and finds its
/// argument, and what it left with [`leave`](DrmCall::leave), as it left them.
pub struct DrmCall<'a, 'b> {
    data: &'a mut [u8],
    left: &'a mut Option<Box<dyn Any + Send>>,
    call: &'a mut Ioctl<'b>,
}

impl DrmCall<'_, '_> {
    /// The argument's bytes, as many as the kernel's own definition has at
    /// least; those that the caller did not give are zero.
    pub fn data(&mut self) -> &mut [u8] {
        self.data
    }

    /// The argument as a struct.
    ///
    /// # Panics
    /// If it is larger than what the ioctl's number says.
    pub fn arg<T: FromBytes>(&self) -> T {
        T::read_from_prefix(self.data)
            .map(|(value, _)| value)
            .expect("the command's size is the struct's")
    }

    /// Changes the argument, which goes back to the caller.
    ///
    /// # Panics
    /// As [`DrmCall::arg`].
    pub fn set_arg<T: IntoBytes + Immutable>(&mut self, value: &T) {
        value
            .write_to_prefix(self.data)
            .expect("the command's size is the struct's");
    }

    /// Copies to the caller's memory, where the argument points to.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn write_at(&mut self, addr: u64, bytes: &[u8]) -> Result {
        self.call.write_at(addr, bytes)
    }

    /// Copies from the caller's memory.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn read_at(&mut self, addr: u64, into: &mut [u8]) -> Result {
        self.call.read_at(addr, into)
    }

    /// Gives the caller a descriptor of the file.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn install_fd(&mut self, file: OpenFile, flags: OpenFlags) -> Result<i32> {
        self.call.install_fd(file, flags)
    }

    /// When the call began.
    pub fn started(&self) -> Ktime {
        self.call.started()
    }

    /// What an earlier attempt of this call left, if it was a `T`.
    pub fn left<T: Any + Send>(&mut self) -> Option<&mut T> {
        self.left.as_mut()?.downcast_mut()
    }

    /// Leaves something for the next attempt; dropped when the call ends.
    pub fn leave<T: Any + Send>(&mut self, state: T) {
        *self.left = Some(Box::new(state));
    }
}

impl fmt::Debug for DrmCall<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrmCall")
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

/// What a call keeps from attempt to attempt.
#[derive(Default)]
struct Kept {
    /// The argument was copied in and the caller was let in.
    begun: bool,
    data: Vec<u8>,
    left: Option<Box<dyn Any + Send>>,
}

enum Function {
    Core(CoreIoctl),
    Driver(DrmIoctlFn),
}

/// Answers an ioctl (`drm_ioctl`).
///
/// # Errors
/// `ENODEV` once the device was unplugged, before anything else is looked at;
/// `ENOTTY` for another subsystem's command; `EINVAL` for one that nobody has;
/// `EACCES` for one that the caller may not; `EFAULT`; and what the function
/// answers.
#[track_caller]
pub fn drm_ioctl(file: &DrmFile, call: &mut Ioctl<'_>) -> Try<i32> {
    let dev = file.dev().clone();
    let cmd = call.cmd();
    let mut kept = core::mem::take(call.stash(Kept::default));
    if !kept.begun && dev.is_unplugged() {
        return Try::err(Errno::ENODEV);
    }
    if ioc_type(cmd) != DRM_IOCTL_BASE {
        return Try::err(Errno::ENOTTY);
    }
    let Some((known, flags, function)) = find(file, cmd) else {
        return Try::err(Errno::EINVAL);
    };
    let size = ioc_size(cmd);
    let in_size = if cmd & known & IOC_IN != 0 { size } else { 0 };
    let out_size = if cmd & known & IOC_OUT != 0 { size } else { 0 };
    if !kept.begun {
        kept.begun = true;
        kept.data = vec![0; in_size.max(out_size).max(ioc_size(known))];
        if in_size > 0
            && let Err(errno) = call.read_arg(&mut kept.data[..in_size])
        {
            return Try::err(errno);
        }
        // drm_ioctl_kernel.
        if dev.is_unplugged() {
            return Try::err(back(call, &kept, out_size, Errno::ENODEV));
        }
        if let Err(errno) = permit(flags, file) {
            return Try::err(back(call, &kept, out_size, errno));
        }
    }
    let outcome = {
        let mut call = DrmCall {
            data: &mut kept.data,
            left: &mut kept.left,
            call,
        };
        match function {
            Function::Core(function) => core_ioctls::run(function, &dev, file, &mut call),
            Function::Driver(function) => function(&dev, file, &mut call),
        }
    };
    let outcome = match outcome {
        Try::Wait(_) if call.interrupted() => Try::err(Errno::EINTR),
        outcome => outcome,
    };
    let outcome = match outcome {
        Try::Wait(wait) => {
            *call.stash(Kept::default) = kept;
            return Try::Wait(wait);
        }
        Try::Done(Err(errno)) => Try::err(back(call, &kept, out_size, errno)),
        // What the function did stays done if this fails, as in the kernel.
        ended => match copy_back(call, &kept, out_size) {
            Ok(()) => ended,
            Err(errno) => Try::err(errno),
        },
    };
    // What was left may hold a reference; it goes with the call.
    drop(kept);
    outcome
}

fn copy_back(call: &mut Ioctl<'_>, kept: &Kept, out_size: usize) -> Result {
    match out_size {
        0 => Ok(()),
        _ => call.write_arg(&kept.data[..out_size]),
    }
}

/// The argument goes back on an error too; a fault there is the answer then.
fn back(call: &mut Ioctl<'_>, kept: &Kept, out_size: usize, errno: Errno) -> Errno {
    copy_back(call, kept, out_size).err().unwrap_or(errno)
}

/// The kernel's own number, the flags and the function of a command.
fn find(file: &DrmFile, cmd: u32) -> Option<(u32, IoctlFlags, Function)> {
    let nr = ioc_nr(cmd);
    if (DRM_COMMAND_BASE..DRM_COMMAND_END).contains(&nr) {
        let ioctls = &file.dev().driver().ioctls;
        let known = ioctls.iter().find(|known| ioc_nr(known.cmd) == nr)?;
        let function = Function::Driver(known.func.clone());
        return Some((known.cmd, known.flags, function));
    }
    let (cmd, flags, function) = core_ioctls::find(nr)?;
    Some((cmd, flags, Function::Core(function)))
}

/// drm_ioctl_permit.
fn permit(flags: IoctlFlags, file: &DrmFile) -> Result {
    let render = file.minor_type() == MinorType::Render;
    let privileged = file.dev().core().is_privileged();
    let refused = flags.contains(IoctlFlags::ROOT_ONLY) && !privileged
        || flags.contains(IoctlFlags::AUTH) && !render && !file.is_authenticated()
        || flags.contains(IoctlFlags::MASTER) && !drm_is_current_master(file)
        || !flags.contains(IoctlFlags::RENDER_ALLOW) && render;
    match refused {
        true => Err(Errno::EACCES),
        false => Ok(()),
    }
}
