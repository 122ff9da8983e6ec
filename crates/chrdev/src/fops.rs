//! What a driver or framework implements: `struct file_operations`.

use core::any::Any;
use core::fmt;
use core::ops::{Deref, DerefMut};

use lastfd_model::{Errno, Result};
use lastfd_sync::Ktime;

use crate::attempt::Try;
use crate::file::File;
use crate::flags::OpenFlags;
use crate::handle::OpenFile;
use crate::mapping::{MapRequest, Mapped};
use crate::memory::{Caller, FdSlot, UserSlice};
use crate::poll::{PollMask, PollTable};

/// Which members of `struct file_operations` are not `NULL`.
///
/// Only those whose absence a program can tell from a callback that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpSet {
    /// `read`: without it read gives `EINVAL` before the buffer is looked at.
    pub read: bool,
    /// `write`, likewise.
    pub write: bool,
    /// `poll`: without it poll gives [`PollMask::DEFAULT`] and epoll refuses
    /// the descriptor (`EPERM`).
    pub poll: bool,
    /// `fasync`: without it the ioctl `FIOASYNC` gives `ENOTTY`.
    pub fasync: bool,
}

impl OpSet {
    /// Reads, writes and polls.
    pub const ALL: OpSet = OpSet {
        read: true,
        write: true,
        poll: true,
        fasync: false,
    };
    /// None of them: open, release and ioctl at most.
    pub const NONE: OpSet = OpSet {
        read: false,
        write: false,
        poll: false,
        fasync: false,
    };
}

/// Where lseek counts from, with the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Whence {
    /// The start (`SEEK_SET`).
    Set = 0,
    /// The current position (`SEEK_CUR`).
    Cur = 1,
    /// The end (`SEEK_END`).
    End = 2,
    /// The next data (`SEEK_DATA`).
    Data = 3,
    /// The next hole (`SEEK_HOLE`).
    Hole = 4,
}

impl Whence {
    /// The one with this number.
    ///
    /// # Errors
    /// `EINVAL` over `SEEK_MAX`.
    pub fn from_number(number: u32) -> Result<Whence> {
        Ok(match number {
            0 => Whence::Set,
            1 => Whence::Cur,
            2 => Whence::End,
            3 => Whence::Data,
            4 => Whence::Hole,
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// The callbacks of a character device or an anonymous file.
///
/// Each default gives what the kernel gives where the member is `NULL`. The
/// callbacks of one file may run on several tasks at once, before, during and
/// after the removal of the device: what they answer then is their own affair,
/// as it is in the kernel.
///
/// `read`, `write` and `ioctl` are *attempts* (see [`Try`]). One call may be
/// attempted many times: [`Context::is_first`] tells the first, and
/// [`Context::stash`] carries what a call must remember from one to the next.
///
/// A callback that panics is unwound and reported as a splat; its caller gets
/// `EIO`, and the System stays usable.
pub trait FileOps: Send + Sync {
    /// Which members there are.
    fn ops(&self) -> OpSet {
        OpSet::ALL
    }

    /// The file is being opened.
    ///
    /// # Errors
    /// The open fails with the same; `release` is not called then.
    fn open(&self, file: &File) -> Result {
        let _ = file;
        Ok(())
    }

    /// The last close: no descriptor, no call in progress and no mapping uses
    /// the file any more.
    fn release(&self, file: &File) {
        let _ = file;
    }

    /// Reads; the reply is the number of bytes written into the caller's range.
    fn read(&self, file: &File, call: &mut Read<'_>) -> Try<usize> {
        let _ = (file, call);
        Try::err(Errno::EINVAL)
    }

    /// Writes; the reply is the number of bytes taken.
    fn write(&self, file: &File, call: &mut Write<'_>) -> Try<usize> {
        let _ = (file, call);
        Try::err(Errno::EINVAL)
    }

    /// `unlocked_ioctl`; the reply is what the call returns.
    fn ioctl(&self, file: &File, call: &mut Ioctl<'_>) -> Try<i32> {
        let _ = (file, call);
        Try::err(Errno::ENOTTY)
    }

    /// The command's name, for events and expectations; those of a table of
    /// ioctl numbers such as `"VIDIOC_DQBUF"`.
    fn ioctl_name(&self, cmd: u32) -> Option<&'static str> {
        let _ = cmd;
        None
    }

    /// Names the queues that can change the answer, then gives the answer.
    fn poll(&self, file: &File, table: &mut PollTable) -> PollMask {
        let _ = (file, table);
        PollMask::DEFAULT
    }

    /// Maps memory.
    ///
    /// # Errors
    /// `ENODEV` if the file has no memory to map.
    fn mmap(&self, file: &File, request: &MapRequest) -> Result<Mapped> {
        let _ = (file, request);
        Err(Errno::ENODEV)
    }

    /// Moves the position; [`File::noop_llseek`] is the usual one.
    ///
    /// # Errors
    /// `ESPIPE` where there is no `llseek`.
    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        let _ = (file, offset, whence);
        Err(Errno::ESPIPE)
    }
}

/// A descriptor on its way to the caller.
pub(crate) struct Install {
    pub(crate) slot: Box<dyn FdSlot>,
    pub(crate) file: OpenFile,
    /// Whether the caller gets it even if the call fails.
    pub(crate) always: bool,
}

/// What one call remembers from attempt to attempt.
pub struct Context {
    pub(crate) started: Ktime,
    pub(crate) attempts: u32,
    pub(crate) interrupted: bool,
    pub(crate) nonblock: bool,
    pub(crate) pos: Option<u64>,
    pub(crate) new_pos: Option<u64>,
    pub(crate) stash: Option<Box<dyn Any + Send>>,
    pub(crate) installs: Vec<Install>,
}

impl Context {
    pub(crate) fn new(started: Ktime, pos: Option<u64>) -> Context {
        Context {
            started,
            attempts: 0,
            interrupted: false,
            nonblock: false,
            pos,
            new_pos: None,
            stash: None,
            installs: Vec::new(),
        }
    }

    /// When the call began: what a timeout counts from.
    pub fn started(&self) -> Ktime {
        self.started
    }

    /// Whether this is the call's first attempt.
    pub fn is_first(&self) -> bool {
        self.attempts <= 1
    }

    /// Whether the call must not sleep (`O_NONBLOCK`, as it is now). A driver
    /// then answers `EAGAIN` where it would have waited for data; it may still
    /// wait for another call's commit, as for a mutex.
    pub fn nonblock(&self) -> bool {
        self.nonblock
    }

    /// Whether a signal ended the call's wait: this is the last attempt, and
    /// [`Try::Wait`] becomes `EINTR` (`-ERESTARTSYS`). A driver that has
    /// something else to say then, such as a partial count, says it here.
    pub fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// The position the call reads or writes at; `None` on a stream.
    pub fn pos(&self) -> Option<u64> {
        self.pos
    }

    /// Moves the position when the reply is committed (`*ppos = pos`).
    pub fn set_pos(&mut self, pos: u64) {
        self.new_pos = Some(pos);
    }

    /// What an earlier attempt of this call left, made by `init` in the first.
    /// It is dropped when the call ends, however it ends.
    ///
    /// # Panics
    /// If an earlier attempt left something of another type.
    pub fn stash<T: Any + Send>(&mut self, init: impl FnOnce() -> T) -> &mut T {
        self.stash
            .get_or_insert_with(|| Box::new(init()))
            .downcast_mut()
            .expect("one call keeps one type of state")
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("attempts", &self.attempts)
            .field("interrupted", &self.interrupted)
            .field("nonblock", &self.nonblock)
            .finish_non_exhaustive()
    }
}

macro_rules! has_context {
    ($($name:ident),*) => {$(
        impl Deref for $name<'_> {
            type Target = Context;
            fn deref(&self) -> &Context {
                self.context
            }
        }

        impl DerefMut for $name<'_> {
            fn deref_mut(&mut self) -> &mut Context {
                self.context
            }
        }
    )*};
}

has_context!(Read, Write, Ioctl);

/// One attempt of a read.
#[derive(Debug)]
pub struct Read<'a> {
    pub(crate) context: &'a mut Context,
    pub(crate) buffer: UserSlice<'a>,
}

impl Read<'_> {
    /// Bytes asked for.
    pub fn count(&self) -> usize {
        self.buffer.len()
    }

    /// Copies into the caller's buffer (`copy_to_user`). What is written is
    /// not part of the effect: an attempt that is rolled back may have written.
    ///
    /// # Errors
    /// `EFAULT`, also beyond the bytes asked for.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result {
        self.buffer.write(offset, bytes)
    }
}

/// One attempt of a write.
#[derive(Debug)]
pub struct Write<'a> {
    pub(crate) context: &'a mut Context,
    pub(crate) buffer: UserSlice<'a>,
}

impl Write<'_> {
    /// Bytes offered.
    pub fn count(&self) -> usize {
        self.buffer.len()
    }

    /// Copies from the caller's buffer (`copy_from_user`).
    ///
    /// # Errors
    /// `EFAULT`, also beyond the bytes offered.
    pub fn read(&mut self, offset: usize, into: &mut [u8]) -> Result {
        self.buffer.read(offset, into)
    }
}

/// One attempt of an ioctl.
pub struct Ioctl<'a> {
    pub(crate) context: &'a mut Context,
    pub(crate) caller: &'a mut dyn Caller,
    pub(crate) cmd: u32,
    pub(crate) arg: u64,
}

impl Ioctl<'_> {
    /// The command.
    pub fn cmd(&self) -> u32 {
        self.cmd
    }

    /// The argument: a number, or the address of what is meant.
    pub fn arg(&self) -> u64 {
        self.arg
    }

    /// Copies from the caller's memory at any address: the argument, or what
    /// it points to.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn read_at(&mut self, addr: u64, into: &mut [u8]) -> Result {
        if !self.caller.access_ok(addr, into.len() as u64) {
            return Err(Errno::EFAULT);
        }
        self.caller.read_at(addr, into)
    }

    /// Copies to the caller's memory at any address.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn write_at(&mut self, addr: u64, bytes: &[u8]) -> Result {
        if !self.caller.access_ok(addr, bytes.len() as u64) {
            return Err(Errno::EFAULT);
        }
        self.caller.write_at(addr, bytes)
    }

    /// Copies what the argument points to.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn read_arg(&mut self, into: &mut [u8]) -> Result {
        self.read_at(self.arg, into)
    }

    /// Copies to where the argument points.
    ///
    /// # Errors
    /// `EFAULT`.
    pub fn write_arg(&mut self, bytes: &[u8]) -> Result {
        self.write_at(self.arg, bytes)
    }

    /// Copies a block of a size that the caller chose (`memdup_user`).
    ///
    /// # Errors
    /// `ENOMEM` over `limit`, `EFAULT`.
    pub fn memdup(&mut self, addr: u64, len: u64, limit: usize) -> Result<Vec<u8>> {
        let caller: &mut dyn Caller = self.caller;
        crate::memory::memdup_user(caller, addr, len, limit)
    }

    /// Gives the caller a descriptor for `file` and tells its number, as
    /// `get_unused_fd_flags` and a later `fd_install` do. The caller can use it
    /// once the reply is committed; if it never is, or if the call fails, the
    /// file is closed and the number free again.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn install_fd(&mut self, file: OpenFile, flags: OpenFlags) -> Result<i32> {
        self.reserve(file, flags, false)
    }

    /// As [`Ioctl::install_fd`], but the caller keeps the descriptor even if
    /// the call fails afterwards, as where a driver calls `anon_inode_getfd` and
    /// then faults telling the number: the descriptor leaks. A rolled back
    /// attempt leaves none.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn install_fd_at_once(&mut self, file: OpenFile, flags: OpenFlags) -> Result<i32> {
        self.reserve(file, flags, true)
    }

    fn reserve(&mut self, file: OpenFile, flags: OpenFlags, always: bool) -> Result<i32> {
        let slot = self.caller.reserve_fd(flags)?;
        let number = slot.number();
        self.context.installs.push(Install { slot, file, always });
        Ok(number)
    }
}

impl fmt::Debug for Ioctl<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ioctl({:#x}, {:#x})", self.cmd, self.arg)
    }
}
