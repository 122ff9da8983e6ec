//! Descriptors of open files, and the calls that block.

use core::fmt;

use lastfd_model::event::SplatKind;
use lastfd_model::{Errno, EventKind, Result};
use lastfd_sync::{Arc, Cancel, WaitError, wait_event_unless};

use crate::attempt::Wait;
use crate::call::{Attempt, Call};
use crate::file::{File, fmode};
use crate::flags::OpenFlags;
use crate::fops::Whence;
use crate::memory::Caller;
use crate::process::{Process, SliceCaller};

/// A descriptor of an open file.
///
/// A clone is a dup: another descriptor of the same open file, with the same
/// flags and position. The last close, when the driver's `release` runs, is the
/// drop of the last descriptor, call in progress and
/// [`Mapping`](crate::Mapping).
///
/// The calls here block the calling task where the driver makes them wait. Each
/// has a form with `_with` that takes a [`Cancel`] and ends with `EINTR` when it
/// is cancelled, as a call does when a signal comes.
#[derive(Clone)]
pub struct OpenFile(Arc<Descriptions>);

/// The file itself; its drop is the last close.
struct Descriptions(File);

impl Drop for Descriptions {
    fn drop(&mut self) {
        self.0.last_close();
    }
}

impl OpenFile {
    pub(crate) fn new(file: File) -> OpenFile {
        OpenFile(Arc::new(Descriptions(file)))
    }

    /// The open file, as its driver sees it.
    pub fn file(&self) -> &File {
        &self.0.0
    }

    /// Whether both are descriptors of one open file (`kcmp`).
    pub fn same(&self, other: &OpenFile) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many descriptors, calls in progress and mappings hold it open.
    pub fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Its flags (`F_GETFL`).
    pub fn flags(&self) -> OpenFlags {
        self.file().flags()
    }

    /// Changes those flags that can be changed (`F_SETFL`); the others in
    /// `flags` are passed over.
    ///
    /// # Errors
    /// `EINVAL` for `O_DIRECT`.
    pub fn set_flags(&self, flags: OpenFlags) -> Result {
        // fs/fcntl.c: setfl.
        if flags.contains(OpenFlags::DIRECT) {
            return Err(Errno::EINVAL);
        }
        let mut settable = OpenFlags::SETTABLE;
        if self.file().op_set().fasync {
            settable |= OpenFlags::ASYNC;
        }
        self.file()
            .change_flags(|old| (flags & settable) | (old & !settable));
        Ok(())
    }

    /// Reads into the buffer; gives the number of bytes.
    ///
    /// # Errors
    /// `EBADF` if it is not open for reading, and what the driver answers.
    #[track_caller]
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.read_call(buffer, None)
    }

    /// As [`OpenFile::read`], ended by `cancel` with `EINTR`.
    ///
    /// # Errors
    /// Also `EINTR`.
    #[track_caller]
    pub fn read_with(&self, buffer: &mut [u8], cancel: &Cancel) -> Result<usize> {
        self.read_call(buffer, Some(cancel))
    }

    #[track_caller]
    fn read_call(&self, buffer: &mut [u8], cancel: Option<&Cancel>) -> Result<usize> {
        let mut call = self.begin_read(SliceCaller::ADDR, buffer.len() as u64);
        let caller = &mut SliceCaller::Writable(buffer);
        call.run(caller, cancel).map(|n| n as usize)
    }

    /// Reads at a position.
    ///
    /// # Errors
    /// `ESPIPE` where there are no positions; otherwise as [`OpenFile::read`].
    #[track_caller]
    pub fn pread(&self, buffer: &mut [u8], at: i64) -> Result<usize> {
        let mut call = self.begin_pread(SliceCaller::ADDR, buffer.len() as u64, at);
        let caller = &mut SliceCaller::Writable(buffer);
        call.run(caller, None).map(|n| n as usize)
    }

    /// Writes the bytes; gives the number that was taken.
    ///
    /// # Errors
    /// `EBADF` if it is not open for writing, and what the driver answers.
    #[track_caller]
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        self.write_call(bytes, None)
    }

    /// As [`OpenFile::write`], ended by `cancel` with `EINTR`.
    ///
    /// # Errors
    /// Also `EINTR`.
    #[track_caller]
    pub fn write_with(&self, bytes: &[u8], cancel: &Cancel) -> Result<usize> {
        self.write_call(bytes, Some(cancel))
    }

    #[track_caller]
    fn write_call(&self, bytes: &[u8], cancel: Option<&Cancel>) -> Result<usize> {
        let mut call = self.begin_write(SliceCaller::ADDR, bytes.len() as u64);
        let caller = &mut SliceCaller::ReadOnly(bytes);
        call.run(caller, cancel).map(|n| n as usize)
    }

    /// Writes at a position.
    ///
    /// # Errors
    /// `ESPIPE` where there are no positions; otherwise as [`OpenFile::write`].
    #[track_caller]
    pub fn pwrite(&self, bytes: &[u8], at: i64) -> Result<usize> {
        let mut call = self.begin_pwrite(SliceCaller::ADDR, bytes.len() as u64, at);
        let caller = &mut SliceCaller::ReadOnly(bytes);
        call.run(caller, None).map(|n| n as usize)
    }

    /// An ioctl, with the caller's memory and descriptors.
    ///
    /// # Errors
    /// What the driver answers; `ENOTTY` if it has no ioctl.
    #[track_caller]
    pub fn ioctl(&self, cmd: u32, arg: u64, caller: &mut dyn Caller) -> Result<i32> {
        self.begin_ioctl(cmd, arg)
            .run(caller, None)
            .map(|n| n as i32)
    }

    /// As [`OpenFile::ioctl`], ended by `cancel` with `EINTR`.
    ///
    /// # Errors
    /// Also `EINTR`.
    #[track_caller]
    pub fn ioctl_with(
        &self,
        cmd: u32,
        arg: u64,
        caller: &mut dyn Caller,
        cancel: &Cancel,
    ) -> Result<i32> {
        let mut call = self.begin_ioctl(cmd, arg);
        call.run(caller, Some(cancel)).map(|n| n as i32)
    }

    /// An ioctl whose argument points to these bytes, which it may change. No
    /// other memory and no new descriptors.
    ///
    /// # Errors
    /// As [`OpenFile::ioctl`].
    #[track_caller]
    pub fn ioctl_bytes(&self, cmd: u32, bytes: &mut [u8]) -> Result<i32> {
        self.ioctl(cmd, SliceCaller::ADDR, &mut SliceCaller::Writable(bytes))
    }

    /// An ioctl whose argument points to an `int` and which makes a descriptor:
    /// gives the new file, whose number the driver stored there.
    ///
    /// # Errors
    /// As [`OpenFile::ioctl`]; `EBADF` if no such descriptor was made.
    #[track_caller]
    pub fn ioctl_file(&self, cmd: u32, int: i32) -> Result<OpenFile> {
        let mut caller = Process::new();
        let arg = caller.map(int.to_ne_bytes().to_vec());
        self.ioctl(cmd, arg, &mut caller)?;
        let number = <[u8; 4]>::try_from(caller.bytes(arg)).map_err(|_| Errno::EFAULT)?;
        caller.file(i32::from_ne_bytes(number))
    }

    /// Moves the position.
    ///
    /// # Errors
    /// `ESPIPE` where there is none, and what the driver answers.
    #[track_caller]
    pub fn lseek(&self, offset: i64, whence: Whence) -> Result<u64> {
        // fs/read_write.c: vfs_llseek.
        let file = self.file();
        if !file.has_mode(fmode::LSEEK) {
            return Err(Errno::ESPIPE);
        }
        let pos = file
            .guard("llseek", |ops, file| ops.llseek(file, offset, whence))
            .unwrap_or(Err(Errno::EIO))?;
        file.set_pos(pos);
        Ok(pos)
    }

    /// Runs something for the file, unwinding it if it panics.
    pub(crate) fn guard<T>(&self, what: &str, run: impl FnOnce() -> T) -> Option<T> {
        self.file().guard(what, |_, _| run())
    }
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.file(), f)
    }
}

/// How one attempt of a blocking call went on.
enum Step {
    Over(Result<i64>),
    Wait(Wait),
}

impl Call {
    fn step(&mut self, caller: &mut dyn Caller) -> Step {
        match self.attempt(caller) {
            Attempt::Done(result) => Step::Over(result),
            Attempt::Ready(reply) => Step::Over(Ok(reply.commit())),
            Attempt::Wait(wait) => Step::Wait(wait),
        }
    }

    /// Tries, and waits, until the call is over. Replies are committed at once:
    /// a caller in this process always takes them.
    ///
    /// # Errors
    /// The call's own, and `EINTR` if `cancel` ended a wait, or the end of all
    /// waits of the System ([`System::waits`](lastfd_model::System::waits)).
    ///
    /// # Panics
    /// If the call is over already.
    pub fn run(&mut self, caller: &mut dyn Caller, cancel: Option<&Cancel>) -> Result<i64> {
        let mut wait = match self.step(caller) {
            Step::Over(result) => return result,
            Step::Wait(wait) => wait,
        };
        let system = self.file().file().system().clone();
        let clock = system.clock();
        let cancels: Vec<&Cancel> = cancel.into_iter().chain([system.waits()]).collect();
        let cancelled = || cancels.iter().any(|cancel| cancel.is_cancelled());
        loop {
            let queues: Vec<_> = wait.queues().iter().map(|queue| &**queue).collect();
            // wait_event_unless tests once before it is on the queues and once after;
            // from then on the call sleeps.
            let mut tests = 0;
            let woken = wait_event_unless(&queues, clock, wait.deadline(), &cancels, || {
                tests += 1;
                match self.step(caller) {
                    Step::Wait(next) if next.same(&wait) => {
                        if tests > 1 && !cancelled() {
                            self.blocked();
                        }
                        None
                    }
                    step => Some(step),
                }
            });
            let step = match woken {
                Ok(step) => step,
                Err(WaitError::Cancelled) => {
                    return match self.interrupt(caller) {
                        Attempt::Ready(reply) => Ok(reply.commit()),
                        Attempt::Done(result) => result,
                        Attempt::Wait(_) => Err(Errno::EINTR),
                    };
                }
                Err(WaitError::TimedOut) => match self.step(caller) {
                    Step::Wait(next) if next.deadline().is_some_and(|at| at <= clock.now()) => {
                        Step::Over(self.overslept())
                    }
                    step => step,
                },
            };
            match step {
                Step::Over(result) => return result,
                Step::Wait(next) => wait = next,
            }
        }
    }

    /// The driver waits for a time that is over: a mistake of its own, which
    /// must not become a loop.
    fn overslept(&mut self) -> Result<i64> {
        let file = self.file().file();
        file.system().emit(|| EventKind::Splat {
            kind: SplatKind::Warn,
            device: file.device().cloned(),
            text: format!("{} waits until a time that is over", self.name()).into(),
        });
        self.abandon(Errno::ETIMEDOUT)
    }
}
