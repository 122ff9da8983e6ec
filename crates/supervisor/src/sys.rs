//! The edge to the system: the calls that need `unsafe`, each wrapped in one that
//! does not.
//!
//! rustix has most of what this crate asks of the kernel. Here is the rest: the
//! seccomp listener, another process's memory, watches on epoll sets of others, and
//! what a child does between fork and exec ([`guard`]). Nothing here knows a device but
//! [`device`], which is what a program calls.
#![expect(
    unsafe_code,
    reason = "the system calls that no library wraps; see the top comment"
)]

pub(crate) mod device;
pub(crate) mod guard;

use core::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{Errno, Result};

/// What the kernel tells of a trapped system call (`struct seccomp_notif`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification {
    pub(crate) id: u64,
    /// The thread that called, in our numbers.
    pub(crate) tid: u32,
    pub(crate) nr: i64,
    pub(crate) arch: u32,
    pub(crate) args: [u64; 6],
}

fn check(result: libc::c_int) -> Result<libc::c_int> {
    if result < 0 {
        Err(last_error())
    } else {
        Ok(result)
    }
}

fn last_error() -> Errno {
    let code = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(code.unwrap_or(libc::EIO))
}

/// The listener of a filter.
#[derive(Debug)]
pub(crate) struct Listener(OwnedFd);

/// How a descriptor is to be put into a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placing {
    pub(crate) number: Option<u32>,
    pub(crate) cloexec: bool,
    /// The number is also the reply to the trapped call, in one step.
    pub(crate) reply: bool,
}

impl Listener {
    pub(crate) fn new(fd: OwnedFd) -> Listener {
        Listener(fd)
    }

    /// Waits for a trapped call.
    ///
    /// # Errors
    /// `ENOENT` if the caller was killed meanwhile, or nobody is left who could call.
    pub(crate) fn receive(&self) -> Result<Notification> {
        let mut notification = MaybeUninit::<libc::seccomp_notif>::zeroed();
        // SAFETY: the kernel wants a zeroed struct of this type, and fills it.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                notification.as_mut_ptr(),
            )
        };
        check(result)?;
        // SAFETY: zeroed or filled, all its members are numbers.
        let n = unsafe { notification.assume_init() };
        Ok(Notification {
            id: n.id,
            tid: n.pid,
            nr: n.data.nr.into(),
            arch: n.data.arch,
            args: n.data.args,
        })
    }

    /// Answers: a value, or an error if `error` is not 0, or the call goes on.
    pub(crate) fn send(&self, id: u64, val: i64, error: i32, go_on: bool) -> Result<()> {
        let response = libc::seccomp_notif_resp {
            id,
            val,
            error,
            flags: u32::from(go_on) * libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32,
        };
        // SAFETY: the struct lives through the call, which only reads it.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw const response,
            )
        };
        check(result).map(drop)
    }

    /// Whether the caller still waits for the answer.
    pub(crate) fn is_valid(&self, id: u64) -> bool {
        // SAFETY: the number lives through the call, which only reads it.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &raw const id,
            )
        };
        result == 0
    }

    /// Puts a descriptor into the caller; gives its number there.
    pub(crate) fn add_fd(&self, id: u64, fd: BorrowedFd<'_>, placing: Placing) -> Result<i32> {
        let mut flags = 0;
        if placing.number.is_some() {
            flags |= libc::SECCOMP_ADDFD_FLAG_SETFD;
        }
        if placing.reply {
            flags |= libc::SECCOMP_ADDFD_FLAG_SEND;
        }
        let request = libc::seccomp_notif_addfd {
            id,
            flags: flags as u32,
            srcfd: fd.as_raw_fd() as u32,
            newfd: placing.number.unwrap_or(0),
            newfd_flags: if placing.cloexec {
                libc::O_CLOEXEC as u32
            } else {
                0
            },
        };
        // SAFETY: the struct lives through the call, which only reads it.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ADDFD,
                &raw const request,
            )
        };
        check(result)
    }

    /// Lets caller and answerer hand the processor over. False before Linux 6.6.
    pub(crate) fn wake_in_step(&self) -> bool {
        // SAFETY: the third argument is the flags themselves, no pointer.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                1 as libc::c_ulong,
            )
        };
        result == 0
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Copies from another process's memory; gives how many bytes could be.
pub(crate) fn read_memory(tid: u32, addr: u64, into: &mut [u8]) -> Result<usize> {
    let local = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    let remote = libc::iovec {
        iov_base: addr as *mut libc::c_void,
        iov_len: into.len(),
    };
    // SAFETY: the local range is `into`; the remote one is an address of the other
    // process, which the kernel checks.
    let n = unsafe { libc::process_vm_readv(tid as i32, &local, 1, &remote, 1, 0) };
    usize::try_from(n).map_err(|_| last_error())
}

/// Copies to another process's memory; gives how many bytes could be.
pub(crate) fn write_memory(tid: u32, addr: u64, from: &[u8]) -> Result<usize> {
    let local = libc::iovec {
        iov_base: from.as_ptr().cast_mut().cast(),
        iov_len: from.len(),
    };
    let remote = libc::iovec {
        iov_base: addr as *mut libc::c_void,
        iov_len: from.len(),
    };
    // SAFETY: the local range is `from`, which is only read; the remote one is an
    // address of the other process, which the kernel checks.
    let n = unsafe { libc::process_vm_writev(tid as i32, &local, 1, &remote, 1, 0) };
    usize::try_from(n).map_err(|_| last_error())
}

/// A pidfd of one thread, or of its process where there are none of threads.
pub(crate) fn thread_pidfd(tid: u32, tgid: impl FnOnce() -> Option<u32>) -> Result<OwnedFd> {
    const PIDFD_THREAD: libc::c_uint = libc::O_EXCL as libc::c_uint;
    let open = |pid: u32, flags: libc::c_uint| {
        // SAFETY: two numbers.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, flags) };
        let fd = check(fd as libc::c_int)?;
        // SAFETY: a descriptor that the kernel just made for us.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    };
    open(tid, PIDFD_THREAD).or_else(|error| match error {
        // Linux before 6.9.
        Errno::INVAL => open(tgid().ok_or(Errno::SRCH)?, 0),
        error => Err(error),
    })
}

/// `struct pidfd_info` as it first was.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid, and eight numbers of users and groups.
    ids: [u32; 11],
    exit_code: i32,
}

/// `PIDFD_INFO_EXIT`
const EXIT: u64 = 1 << 3;

fn pidfd_info(pidfd: &OwnedFd) -> Result<PidfdInfo> {
    // PIDFD_GET_INFO: _IOWR(0xff, 11, struct pidfd_info)
    const GET_INFO: libc::c_ulong =
        3 << 30 | (size_of::<PidfdInfo>() as u64) << 16 | 0xff << 8 | 11;
    let mut info = PidfdInfo {
        mask: EXIT,
        ..PidfdInfo::default()
    };
    // SAFETY: as much room as the number says.
    check(unsafe { libc::ioctl(pidfd.as_raw_fd(), GET_INFO, &raw mut info) })?;
    Ok(info)
}

/// How a process ended, as `wait` has it, once somebody has waited for it: the kernel keeps
/// it for who has a pidfd (Linux 6.15). None before, and of older kernels.
pub(crate) fn wait_status(pidfd: &OwnedFd) -> Option<i32> {
    let info = pidfd_info(pidfd).ok()?;
    (info.mask & EXIT != 0).then_some(info.exit_code)
}

/// Whether [`wait_status`] says anything on this kernel, which is then 6.15 or newer.
pub(crate) fn tells_endings() -> bool {
    let own = rustix::process::getpid();
    let own = rustix::process::pidfd_open(own, rustix::process::PidfdFlags::empty());
    own.is_ok_and(|own| pidfd_info(&own).is_ok())
}

/// Sends one byte out of band, which makes the other end urgent.
pub(crate) fn send_urgent(socket: BorrowedFd<'_>) -> Result<()> {
    let byte = 0u8;
    // SAFETY: one byte that lives through the call.
    let n = unsafe {
        libc::send(
            socket.as_raw_fd(),
            (&raw const byte).cast(),
            1,
            libc::MSG_OOB | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    check(n as libc::c_int).map(drop)
}

/// Ready made to be run between fork and exec.
pub(crate) fn run_before_exec(command: &mut Command, plan: guard::Plan) {
    // SAFETY: `guard::enter` makes system calls only, with what was allocated before the
    // fork, as is allowed there.
    unsafe {
        command.pre_exec(move || guard::enter(&plan));
    }
}

/// Whether `pidfd_getfd` is allowed at all: asked of ourselves, which only a container's
/// own filter would forbid.
pub(crate) fn can_copy_descriptors() -> bool {
    let flags = rustix::process::PidfdFlags::empty();
    let Ok(own) = rustix::process::pidfd_open(rustix::process::getpid(), flags) else {
        return false;
    };
    let flags = rustix::process::PidfdGetfdFlags::empty();
    rustix::process::pidfd_getfd(&own, number(&own), flags).is_ok()
}

/// Whether `process_vm_readv` is allowed at all: asked of ourselves.
pub(crate) fn can_read_memory() -> bool {
    let (from, mut to) = ([7u8], [0]);
    let tid = std::process::id();
    read_memory(tid, from.as_ptr().addr() as u64, &mut to).is_ok_and(|n| n == 1)
}

/// Whether a filter may have a listener, with these flags beside. A program that is no
/// filter is given, so the kernel refuses in any case: with `EFAULT` once it has accepted
/// the flags, with `EINVAL` if it does not know them.
pub(crate) fn can_listen(flags: libc::c_ulong) -> bool {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | flags;
    // SAFETY: a null program: nothing is installed, and the call fails.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            core::ptr::null::<libc::sock_fprog>(),
        )
    };
    result < 0 && last_error() == Errno::FAULT
}

/// A raw number as a descriptor that lives elsewhere for long enough.
pub(crate) fn number(fd: &impl AsFd) -> RawFd {
    fd.as_fd().as_raw_fd()
}

/// A `struct stat` of zeroes.
pub(crate) fn zeroed_stat() -> libc::stat {
    // SAFETY: all its members are numbers.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// A `struct statx` of zeroes.
pub(crate) fn zeroed_statx() -> libc::statx {
    // SAFETY: all its members are numbers.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// The bytes of a struct that came from [`zeroed_stat`].
pub(crate) fn bytes_of_stat(stat: &libc::stat) -> &[u8] {
    // SAFETY: as long as the borrow, and without uninitialised bytes: its padding, if it
    // has any, was zeroed, and members are assigned one by one.
    unsafe { core::slice::from_raw_parts((&raw const *stat).cast(), size_of::<libc::stat>()) }
}

/// The bytes of a struct that came from [`zeroed_statx`].
pub(crate) fn bytes_of_statx(stat: &libc::statx) -> &[u8] {
    // SAFETY: as above.
    unsafe { core::slice::from_raw_parts((&raw const *stat).cast(), size_of::<libc::statx>()) }
}
