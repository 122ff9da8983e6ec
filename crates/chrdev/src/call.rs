//! One call on an open file, from its checks to its end.
//!
//! Follows `fs/read_write.c` and `fs/ioctl.c` for what comes before the driver.

use core::fmt;
use core::panic::Location;

use lastfd_model::{Errno, EventKind, Holding, LedgerEntry, LedgerLine, Place, Result};
use lastfd_sync::Arc;

use crate::attempt::{Try, Wait};
use crate::begin::Direction;
use crate::fops::{Context, Install, Ioctl, Read, Write};
use crate::handle::OpenFile;
use crate::memory::{Caller, UserSlice};
use crate::vfs_ioctl;

/// Bytes that one read or write moves at most (`MAX_RW_COUNT`).
const MAX_RW_COUNT: u64 = 0x7fff_f000;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Read {
        addr: u64,
        count: u64,
        at: Option<i64>,
    },
    Write {
        addr: u64,
        count: u64,
        at: Option<i64>,
    },
    Ioctl {
        cmd: u32,
        arg: u64,
    },
}

/// A read, write or ioctl in progress, for whoever serves callers without
/// parking a thread for each.
///
/// It holds the file open, as a call in progress does in the kernel. Try it
/// with [`Call::attempt`]; while the answer is to wait, arm a waker on the
/// queues, attempt once more, tell [`Call::blocked`], and come back when woken.
/// Dropping the call gives it up: no effect, and its end is reported as `EINTR`.
///
/// ```
/// # use lastfd_chrdev::*;
/// # use lastfd_model::{Errno, System};
/// # use lastfd_sync::Arc;
/// struct Numbers(Fifo<u8>);
/// impl FileOps for Numbers {
///     fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
///         match self.0.take(call.count()) {
///             Take::Some(taken) => match call.write(0, taken.items()) {
///                 Ok(()) => Try::ready(taken.items().len(), move || taken.commit()),
///                 Err(errno) => Try::err(errno),
///             },
///             Take::Empty if call.nonblock() => Try::err(Errno::EAGAIN),
///             Take::Empty | Take::Busy => Try::wait(self.0.queue()),
///         }
///     }
/// }
///
/// let system = System::new();
/// let numbers = Fifo::new(8);
/// let ops = Arc::new(Numbers(numbers.clone()));
/// let file = anon_inode_getfile(&system, "numbers", ops, None, OpenFlags::RDONLY, None)?;
///
/// let mut program = Process::new();
/// let buffer = program.map(vec![0; 4]);
/// let mut call = file.begin_read(buffer, 4);
/// assert!(matches!(call.attempt(&mut program), Attempt::Wait(_)));
/// numbers.push(7).unwrap();
/// match call.attempt(&mut program) {
///     Attempt::Ready(reply) => assert_eq!(reply.commit(), 1),
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(program.bytes(buffer)[0], 7);
/// # Ok::<(), Errno>(())
/// ```
pub struct Call {
    file: OpenFile,
    op: Op,
    context: Context,
    over: bool,
    asleep: Option<LedgerEntry>,
    place: Place,
}

/// What [`Call::attempt`] gives.
#[derive(Debug)]
#[must_use = "an attempt's outcome is the call's answer"]
pub enum Attempt<'a> {
    /// The call is over, with nothing to commit.
    Done(Result<i64>),
    /// A reply, to be committed when the caller has it.
    Ready(Reply<'a>),
    /// To be tried again when one of these queues is woken.
    Wait(Wait),
}

impl Call {
    #[track_caller]
    pub(crate) fn begin(file: &OpenFile, op: Op, pos: Option<u64>) -> Call {
        let inner = file.file();
        let mut context = Context::new(inner.system.clock().now(), pos);
        context.nonblock = inner.nonblock();
        let call = Call {
            file: file.clone(),
            op,
            context,
            over: false,
            asleep: None,
            place: Location::caller(),
        };
        inner.system.emit(|| EventKind::OperationBegin {
            file: inner.name.clone(),
            op: call.name(),
        });
        call
    }

    /// The operation's name in events: `read`, `pwrite`, `ioctl 0x80044690`.
    pub fn name(&self) -> Arc<str> {
        match self.op {
            Op::Read { at: None, .. } => "read".into(),
            Op::Read { at: Some(_), .. } => "pread".into(),
            Op::Write { at: None, .. } => "write".into(),
            Op::Write { at: Some(_), .. } => "pwrite".into(),
            Op::Ioctl { cmd, .. } => {
                let named = self
                    .file
                    .file()
                    .guard("ioctl_name", |ops, _| ops.ioctl_name(cmd));
                match named.flatten() {
                    Some(name) => format!("ioctl {name}").into(),
                    None => format!("ioctl {cmd:#x}").into(),
                }
            }
        }
    }

    /// The file.
    pub fn file(&self) -> &OpenFile {
        &self.file
    }

    /// Tries.
    ///
    /// # Panics
    /// If the call is over.
    pub fn attempt<'a>(&'a mut self, caller: &mut dyn Caller) -> Attempt<'a> {
        let outcome = self.outcome(caller);
        self.answer(outcome)
    }

    /// The last attempt, because a signal came: where the driver would wait, the
    /// call ends with `EINTR`. What is ready is delivered, as a kernel's
    /// `wait_event_interruptible` tests its condition before the signal. A reply
    /// that is then rolled back leaves the call as it is after any attempt.
    ///
    /// # Panics
    /// If the call is over.
    pub fn interrupt<'a>(&'a mut self, caller: &mut dyn Caller) -> Attempt<'a> {
        self.context.interrupted = true;
        let outcome = match self.outcome(caller) {
            Try::Wait(_) => Try::err(Errno::EINTR),
            outcome => outcome,
        };
        self.answer(outcome)
    }

    fn outcome(&mut self, caller: &mut dyn Caller) -> Try<i64> {
        assert!(!self.over, "a call that is over was attempted again");
        self.context.attempts = self.context.attempts.saturating_add(1);
        self.context.new_pos = None;
        if self.context.is_first()
            && let Some(errno) = self.file.file().fails(|| self.name())
        {
            return Try::err(errno);
        }
        match self.before_the_driver(caller) {
            Some(result) => Try::Done(result),
            None => self.ask_the_driver(caller),
        }
    }

    fn answer(&mut self, outcome: Try<i64>) -> Attempt<'_> {
        match outcome {
            Try::Done(Ok(value)) => {
                self.took_effect();
                Attempt::Done(self.end(Ok(value)))
            }
            Try::Done(Err(errno)) => {
                self.install(|install| install.always);
                Attempt::Done(self.end(Err(errno)))
            }
            Try::Ready(pending) => Attempt::Ready(Reply {
                value: pending.value,
                commit: Some(pending.commit),
                call: self,
            }),
            Try::Wait(wait) => {
                self.put_back();
                Attempt::Wait(wait)
            }
        }
    }

    /// Tells that the caller sleeps now (an event, and a line of the ledger).
    pub fn blocked(&mut self) {
        if self.over || self.asleep.is_some() {
            return;
        }
        let file = self.file.file();
        let name = self.name();
        self.asleep = Some(if file.system.ledger_is_on() {
            file.system.ledger_open(LedgerLine {
                holding: Holding::Waiter,
                device: file.device.clone(),
                what: format!("{name} on {}", file.name).into(),
                place: Some(self.place),
            })
        } else {
            LedgerEntry::default()
        });
        file.system.emit_at(self.place, || EventKind::Blocked {
            file: file.name.clone(),
            op: name,
        });
    }

    /// Tells that the caller was woken; the call's end does it too.
    pub fn woken(&mut self) {
        if self.asleep.take().is_some() {
            let file = self.file.file();
            file.system.emit(|| EventKind::Woken {
                file: file.name.clone(),
                op: self.name(),
            });
        }
    }

    /// What the VFS answers by itself. Only the first attempt asks.
    fn before_the_driver(&mut self, caller: &mut dyn Caller) -> Option<Result<i64>> {
        if !self.context.is_first() {
            return None;
        }
        match self.op {
            Op::Read { addr, count, at } => {
                self.check_transfer(caller, addr, count, at, Direction::Read)
            }
            Op::Write { addr, count, at } => {
                self.check_transfer(caller, addr, count, at, Direction::Write)
            }
            Op::Ioctl { cmd, arg } => vfs_ioctl::do_vfs_ioctl(self.file.file(), cmd, arg, caller)
                .map(|result| result.map(i64::from)),
        }
    }

    /// fs/read_write.c: ksys_pread64, vfs_read, rw_verify_area and their twins
    /// for writing.
    fn check_transfer(
        &self,
        caller: &dyn Caller,
        addr: u64,
        count: u64,
        at: Option<i64>,
        direction: Direction,
    ) -> Option<Result<i64>> {
        let errno = 'refused: {
            if let Err(errno) = self.file.may_transfer(direction, at) {
                break 'refused errno;
            }
            if !caller.access_ok(addr, count) {
                break 'refused Errno::EFAULT;
            }
            if count > i64::MAX as u64 {
                break 'refused Errno::EINVAL;
            }
            if let Some(pos) = self.context.pos
                && pos
                    .checked_add(count)
                    .is_none_or(|end| end > i64::MAX as u64)
            {
                break 'refused Errno::EINVAL;
            }
            return None;
        };
        Some(Err(errno))
    }

    fn ask_the_driver(&mut self, caller: &mut dyn Caller) -> Try<i64> {
        let Call {
            file, op, context, ..
        } = self;
        let file = file.file();
        let length = |count: u64| count.min(MAX_RW_COUNT) as usize;
        let answer = match *op {
            Op::Read { addr, count, .. } => {
                let memory: &mut dyn Caller = caller;
                let mut call = Read {
                    context,
                    buffer: UserSlice::new(memory, addr, length(count)),
                };
                file.guard("read", |ops, file| ops.read(file, &mut call))
                    .map(|outcome| outcome.map(|n| n as i64))
            }
            Op::Write { addr, count, .. } => {
                let memory: &mut dyn Caller = caller;
                let mut call = Write {
                    context,
                    buffer: UserSlice::new(memory, addr, length(count)),
                };
                file.guard("write", |ops, file| ops.write(file, &mut call))
                    .map(|outcome| outcome.map(|n| n as i64))
            }
            Op::Ioctl { cmd, arg } => {
                let mut call = Ioctl {
                    context,
                    caller,
                    cmd,
                    arg,
                };
                file.guard("ioctl", |ops, file| ops.ioctl(file, &mut call))
                    .map(|outcome| outcome.map(i64::from))
            }
        };
        // Unwound: the caller gets EIO.
        answer.unwrap_or(Try::err(Errno::EIO))
    }

    /// The reply was taken: descriptors and the position become real.
    fn took_effect(&mut self) {
        self.install(|_| true);
        // fs/read_write.c: ksys_read; pread has a position of its own.
        let moves = matches!(
            self.op,
            Op::Read { at: None, .. } | Op::Write { at: None, .. }
        );
        if let (true, Some(pos)) = (moves, self.context.new_pos.take()) {
            self.file.file().set_pos(pos);
        }
    }

    /// The caller gets these descriptors; the others go.
    fn install(&mut self, wanted: impl Fn(&Install) -> bool) {
        for install in core::mem::take(&mut self.context.installs) {
            if wanted(&install) {
                install.slot.install(install.file);
            }
        }
    }

    /// Nothing came of the attempt: its descriptors go, last closes and all.
    fn put_back(&mut self) {
        self.install(|_| false);
    }

    /// Ends the call with an error of ours.
    pub(crate) fn abandon(&mut self, errno: Errno) -> Result<i64> {
        self.put_back();
        self.end(Err(errno))
    }

    fn end(&mut self, result: Result<i64>) -> Result<i64> {
        self.woken();
        self.over = true;
        if let Some(state) = self.context.stash.take() {
            self.file.file().guard("end of a call", |_, _| drop(state));
        }
        let file = self.file.file();
        file.system.emit(|| EventKind::OperationEnd {
            file: file.name.clone(),
            op: self.name(),
            result,
        });
        result
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.over {
            self.put_back();
            let _ = self.end(Err(Errno::EINTR));
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("file", &self.file)
            .field("op", &self.op)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

/// A reply whose effect has not happened yet.
///
/// Commit it once the caller has it. Dropping it rolls the attempt back; the
/// call can then be tried again.
#[must_use = "dropping a reply rolls it back"]
pub struct Reply<'a> {
    value: i64,
    commit: Option<Box<dyn FnOnce() + Send>>,
    call: &'a mut Call,
}

impl Reply<'_> {
    /// What the call returns.
    pub fn value(&self) -> i64 {
        self.value
    }

    /// Puts the call's new descriptors in place now. For a front end that can
    /// give a caller descriptors only while the call is still in progress; a
    /// caller that then does not take the reply is expected to be dead.
    pub fn install(&mut self) {
        self.call.install(|_| true);
    }

    /// The caller has the reply: the effect happens and the call is over.
    pub fn commit(mut self) -> i64 {
        if let Some(commit) = self.commit.take() {
            self.call.file.file().guard("commit", |_, _| commit());
        }
        self.call.took_effect();
        let value = self.value;
        let _ = self.call.end(Ok(value));
        value
    }

    /// The caller could not be given the reply: nothing happens.
    pub fn roll_back(self) {
        drop(self);
    }
}

impl Drop for Reply<'_> {
    fn drop(&mut self) {
        if let Some(commit) = self.commit.take() {
            self.call
                .file
                .file()
                .guard("roll back", |_, _| drop(commit));
            self.call.put_back();
        }
    }
}

impl fmt::Debug for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reply").field(&self.value).finish()
    }
}
