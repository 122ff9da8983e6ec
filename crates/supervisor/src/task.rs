//! One trapped system call, and the thread that made it.

use core::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lastfd_accel::key::{Answered, Asks};
use lastfd_chrdev::{Caller, FdSlot, OpenFile, OpenFlags, UserMemory};
use lastfd_host::Inode;
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;
use lastfd_sync::atomic::Ordering;
use rustix::fs::{Mode, OFlags};

use crate::objects::Object;
use crate::session::Session;
use crate::sys::{self, Notification, Placing};

/// The longest path, with the byte that ends it.
const PATH_MAX: usize = 4096;
const PAGE: u64 = 4096;

/// What a trapped call is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The kernel carries it out.
    Continue,
    /// It returns this.
    Value(i64),
    /// It fails.
    Error(Errno),
    /// The caller has its answer already, or will have it later.
    Given,
}

impl From<Result<i64>> for Answer {
    fn from(result: Result<i64>) -> Answer {
        match result {
            Ok(value) => Answer::Value(value),
            Err(errno) => Answer::Error(errno),
        }
    }
}

/// Errors the kernel has for itself, which an interrupted call ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// `ERESTARTSYS`: `EINTR`, or begun anew where the handler says `SA_RESTART`.
    Sys = 512,
    /// `ERESTARTNOHAND`: `EINTR` if there is a handler, else begun anew.
    NoHand = 514,
}

/// A trapped call.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) session: Arc<Session>,
    pub(crate) note: Notification,
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.note, f)
    }
}

impl Task {
    pub(crate) fn arg(&self, index: usize) -> u64 {
        self.note.args[index]
    }

    /// An argument that is an `int`, such as a descriptor.
    pub(crate) fn int(&self, index: usize) -> i32 {
        self.note.args[index] as i32
    }

    pub(crate) fn tid(&self) -> u32 {
        self.note.tid
    }

    /// The process of the thread.
    pub(crate) fn tgid(&self) -> Option<u32> {
        tgid(self.note.tid)
    }

    /// Whether the caller still waits.
    pub(crate) fn is_valid(&self) -> bool {
        self.session.listener.is_valid(self.note.id)
    }

    /// Gives the answer. False if nobody took it.
    pub(crate) fn answer(&self, answer: Answer) -> bool {
        let listener = &self.session.listener;
        let id = self.note.id;
        match answer {
            Answer::Continue if self.session.shared.lets_through.load(Ordering::Relaxed) => {
                listener.send(id, 0, 0, true).is_ok()
            }
            Answer::Continue => listener.send(id, 0, -libc::EPERM, false).is_ok(),
            Answer::Value(value) => self.reply(value),
            Answer::Error(errno) if self.asks().is_some() => {
                let (sleeps, error) = (self.sleeps().is_some(), -errno.code());
                let (value, error) = match errno {
                    _ if sleeps => (Answered::Over(error).value(), 0),
                    // Where it could not be told from a call that nobody heard.
                    Errno::EINTR => (Answered::Interrupted.value(), 0),
                    _ => (0, error),
                };
                listener.send(id, value, error, false).is_ok()
            }
            Answer::Error(errno) => listener.send(id, 0, -errno.code(), false).is_ok(),
            Answer::Given => true,
        }
    }

    /// Answers with a value. False if nobody took it.
    pub(crate) fn reply(&self, value: i64) -> bool {
        let value = match (self.sleeps(), i32::try_from(value)) {
            (Some(_), Ok(value)) => Answered::Over(value).value(),
            _ => value,
        };
        if self.session.confirms
            && value == 0
            && let Ok(own) = self.copy_fd(0)
        {
            // Without WAIT_KILLABLE_RECV a reply may be lost after SEND took it. This
            // one returns only once the caller has it: its own descriptor 0 is put over
            // itself, whose number is the call's value.
            let placing = Placing {
                number: Some(0),
                cloexec: self.fd_is_cloexec(0),
                reply: true,
            };
            let added = self
                .session
                .listener
                .add_fd(self.note.id, own.as_fd(), placing);
            return added.is_ok();
        }
        self.session
            .listener
            .send(self.note.id, value, 0, false)
            .is_ok()
    }

    /// Ends the call as the kernel ends an interrupted one. Only where a signal is
    /// certainly pending for this very thread: else the number reaches the program.
    pub(crate) fn restart(&self, how: Restart) {
        let id = self.note.id;
        // Nobody there to take it: it was killed.
        let _ = self.session.listener.send(id, 0, -(how as i32), false);
    }

    /// Copies from the caller.
    pub(crate) fn read(&self, addr: u64, into: &mut [u8]) -> Result {
        if into.is_empty() {
            return Ok(());
        }
        if self.copy_in(addr, into)? == into.len() {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// Copies to the caller.
    pub(crate) fn write(&self, addr: u64, from: &[u8]) -> Result {
        if from.is_empty() {
            return Ok(());
        }
        // Whoever has its number now if it was killed is not to be written to.
        if !self.is_valid() {
            return Err(Errno::EFAULT);
        }
        let session = &self.session;
        self.may_look()?;
        if !session.memory_by_file.load(Ordering::Relaxed) {
            match sys::write_memory(self.note.tid, addr, from) {
                Ok(n) if n == from.len() => return Ok(()),
                Ok(_) => return Err(Errno::EFAULT),
                Err(rustix::io::Errno::PERM | rustix::io::Errno::NOSYS) => {
                    session.memory_by_file.store(true, Ordering::Relaxed);
                }
                Err(_) => return Err(Errno::EFAULT),
            }
        }
        let file = self.memory_file()?;
        match rustix::io::pwrite(&file, from, addr) {
            Ok(n) if n == from.len() => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }

    fn copy_in(&self, addr: u64, into: &mut [u8]) -> Result<usize> {
        let session = &self.session;
        self.may_look()?;
        if !session.memory_by_file.load(Ordering::Relaxed) {
            match sys::read_memory(self.note.tid, addr, into) {
                Ok(n) => return Ok(n),
                Err(rustix::io::Errno::PERM | rustix::io::Errno::NOSYS) => {
                    session.memory_by_file.store(true, Ordering::Relaxed);
                }
                Err(_) => return Err(Errno::EFAULT),
            }
        }
        let file = self.memory_file()?;
        rustix::io::pread(&file, into, addr).map_err(|_| Errno::EFAULT)
    }

    /// Where Yama is played: whether the caller descends from this process.
    fn may_look(&self) -> Result {
        if !self.session.machine.descendants_only || descends(self.note.tid, &[std::process::id()])
        {
            return Ok(());
        }
        Err(Errno::EPERM)
    }

    /// Where `process_vm_readv` is forbidden, as in some containers. `EPERM` where this
    /// is, too.
    fn memory_file(&self) -> Result<OwnedFd> {
        let path = format!("/proc/{}/mem", self.note.tid);
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty()).map_err(|_| Errno::EPERM)
    }

    /// A number in the caller's memory.
    pub(crate) fn word(&self, addr: u64) -> Result<u64> {
        let mut bytes = [0; 8];
        self.read(addr, &mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// A path in the caller's memory, without the byte that ends it.
    pub(crate) fn string(&self, addr: u64) -> Result<Vec<u8>> {
        let mut path = Vec::new();
        let mut block = [0; 256];
        let mut at = addr;
        while path.len() < PATH_MAX {
            // No further than the page: the next may not be there.
            let left = (PAGE - at % PAGE).min(block.len() as u64) as usize;
            let block = &mut block[..left];
            self.read(at, block)?;
            if let Some(end) = block.iter().position(|byte| *byte == 0) {
                path.extend_from_slice(&block[..end]);
                return if path.len() < PATH_MAX {
                    Ok(path)
                } else {
                    Err(Errno::ENAMETOOLONG)
                };
            }
            path.extend_from_slice(block);
            at += left as u64;
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// What of ours a descriptor of the caller's is.
    pub(crate) fn object(&self, fd: i32) -> Option<Arc<Object>> {
        let objects = &self.session.shared.objects;
        if fd < 0 || objects.is_empty() {
            return None;
        }
        let hinted = self.hint().filter(|_| fd == self.int(0));
        if let Some(object) = hinted.and_then(|key| objects.find(key)) {
            return Some(object);
        }
        let there = rustix::fs::stat(self.fd_path(fd)).ok()?;
        objects.find((there.st_dev, there.st_ino))
    }

    /// The file behind a descriptor, if it is one of ours.
    pub(crate) fn fd_path(&self, fd: i32) -> String {
        format!("/proc/{}/fd/{fd}", self.note.tid)
    }

    /// A copy of a descriptor of the caller's.
    pub(crate) fn copy_fd(&self, fd: i32) -> Result<OwnedFd> {
        if self.asks() == Some(Asks::Sent) && fd == self.int(0) {
            let door = self.session.sent.lock().remove(&self.arg(4));
            return door.and_then(|door| door.receive()).ok_or(Errno::EPERM);
        }
        if !self.session.machine.copies_descriptors {
            return Err(Errno::EPERM);
        }
        self.may_look()?;
        let get = |pidfd: BorrowedFd<'_>| {
            let flags = rustix::process::PidfdGetfdFlags::empty();
            rustix::process::pidfd_getfd(pidfd, fd, flags)
        };
        let pidfd = self.session.pidfd(self.note.tid)?;
        let got = match get(pidfd.as_fd()) {
            // The number is another thread's by now.
            Err(rustix::io::Errno::SRCH) => {
                self.session.forget_pidfd(self.note.tid);
                get(self.session.pidfd(self.note.tid)?.as_fd())
            }
            got => got,
        };
        got.map_err(|error| Errno::from_code(error.raw_os_error()))
    }

    fn fd_is_cloexec(&self, fd: i32) -> bool {
        self.fdinfo_flags(fd)
            .is_some_and(|flags| flags & libc::O_CLOEXEC as u32 != 0)
    }

    fn fdinfo_flags(&self, fd: i32) -> Option<u32> {
        let path = format!("/proc/{}/fdinfo/{fd}", self.note.tid);
        let text = std::fs::read_to_string(path).ok()?;
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"))?;
        u32::from_str_radix(flags.trim(), 8).ok()
    }

    /// Makes the inode of an open device, and tells the host's books which it is.
    pub(crate) fn add_device(&self, file: OpenFile, flags: OpenFlags) -> Result<OwnedFd> {
        let shared = &self.session.shared;
        let name = file.file().name().clone();
        let fd = shared.objects.add_device(file, flags)?;
        if let Ok(there) = rustix::fs::fstat(&fd) {
            let inode = Inode {
                dev: there.st_dev,
                ino: there.st_ino,
            };
            let now = shared.host.system().clock().now();
            shared.host.holders().opened(&name, inode, self.tid(), now);
        }
        Ok(fd)
    }

    /// Puts a descriptor into the reserved range, its number being the call's value.
    pub(crate) fn give(&self, fd: BorrowedFd<'_>, cloexec: bool, from: u32) -> Answer {
        let numbers = self.session.numbers.lock();
        let Some(number) = self.free_number(from, &numbers) else {
            return Answer::Error(Errno::EMFILE);
        };
        self.place(fd, Some(number), cloexec)
    }

    /// Puts a descriptor into the reserved range; the call lasts on. None if there is no
    /// room, or nobody.
    pub(crate) fn put(&self, fd: BorrowedFd<'_>) -> Option<i32> {
        let numbers = self.session.numbers.lock();
        let placing = Placing {
            number: Some(self.free_number(0, &numbers)?),
            cloexec: true,
            reply: false,
        };
        let listener = &self.session.listener;
        listener.add_fd(self.note.id, fd, placing).ok()
    }

    /// Puts a descriptor under the lowest free number, which is the call's value.
    pub(crate) fn give_anywhere(&self, fd: BorrowedFd<'_>, cloexec: bool) -> Answer {
        self.place(fd, None, cloexec)
    }

    fn place(&self, fd: BorrowedFd<'_>, number: Option<u32>, cloexec: bool) -> Answer {
        let placing = Placing {
            number,
            cloexec,
            reply: true,
        };
        match self.session.listener.add_fd(self.note.id, fd, placing) {
            Ok(_) => Answer::Given,
            // It was killed, or a signal came first.
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::SRCH) => Answer::Given,
            // Past the limit that the program has by now.
            Err(rustix::io::Errno::BADF) => Answer::Error(Errno::EMFILE),
            Err(error) => Answer::Error(Errno::from_code(error.raw_os_error())),
        }
    }

    fn free_number(&self, from: u32, reserved: &[u32]) -> Option<u32> {
        let settings = &self.session.settings;
        let from = from.max(settings.low);
        (from..settings.high).find(|number| {
            let path = self.fd_path(*number as i32);
            !reserved.contains(number) && rustix::fs::lstat(path).is_err()
        })
    }
}

/// The process of a thread.
pub(crate) fn tgid(tid: u32) -> Option<u32> {
    status_field(tid, "Tgid:")?.parse().ok()
}

/// Whether a process's parents lead to one of these (security/yama: task_is_descendant).
pub(crate) fn descends(tid: u32, from: &[u32]) -> bool {
    let mut pid = tgid(tid);
    while let Some(process) = pid {
        if from.contains(&process) {
            return true;
        }
        pid = parent(process);
    }
    false
}

/// The process above.
pub(crate) fn parent(process: u32) -> Option<u32> {
    let parent = status_field(process, "PPid:")?.parse().ok();
    parent.filter(|parent| *parent != 0)
}

/// Whether a thread has not ended.
pub(crate) fn is_alive(tid: u32) -> bool {
    status_field(tid, "State:").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// Whether a filter is on a process, as on every one that is served.
pub(crate) fn is_filtered(process: u32) -> bool {
    status_field(process, "Seccomp:").is_some_and(|mode| mode == "2")
}

fn status_field(tid: u32, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let field = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(field.trim().to_owned())
}

impl UserMemory for Task {
    fn read_at(&mut self, addr: u64, into: &mut [u8]) -> Result {
        self.read(addr, into)
    }

    fn write_at(&mut self, addr: u64, from: &[u8]) -> Result {
        self.write(addr, from)
    }
}

impl Caller for Task {
    fn reserve_fd(&mut self, flags: OpenFlags) -> Result<Box<dyn FdSlot>> {
        let mut numbers = self.session.numbers.lock();
        let number = self.free_number(0, &numbers).ok_or(Errno::EMFILE)?;
        numbers.push(number);
        Ok(Box::new(Slot {
            task: self.clone(),
            number,
            cloexec: flags.contains(OpenFlags::CLOEXEC),
        }))
    }
}

/// A number that a call in progress has promised.
struct Slot {
    task: Task,
    number: u32,
    cloexec: bool,
}

impl FdSlot for Slot {
    fn number(&self) -> i32 {
        self.number as i32
    }

    fn install(self: Box<Self>, file: OpenFile) {
        let flags = file.flags();
        // Without a descriptor for ourselves the program gets the number and no file:
        // EBADF is what it then sees.
        if let Ok(fd) = self.task.add_device(file, flags) {
            let placing = Placing {
                number: Some(self.number),
                cloexec: self.cloexec,
                reply: false,
            };
            let id = self.task.note.id;
            let _ = self.task.session.listener.add_fd(id, fd.as_fd(), placing);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut numbers = self.task.session.numbers.lock();
        numbers.retain(|number| *number != self.number);
    }
}
