//! The guard: a process between us and a program, which outlives us by a moment.
//!
//! When the last copy of a filter's listener is closed, every trapped call of the
//! programs behind it fails with `ENOSYS`, even an open of `/etc/passwd`. So that no
//! program ever sees that, the guard holds a copy until none is left: it is the
//! parent and the subreaper of all that the program starts, learns by a pidfd that we
//! are gone, or by the end of a socket that we want it, and kills them. The other way round, a program dies with
//! its guard (`PR_SET_PDEATHSIG`), and we see the socket's end.
//!
//! `std::process::Command` forks; what runs before its exec forks once more: the
//! child goes on to exec, the parent becomes the guard. All code here runs in a child
//! of a process that may have had many threads: system calls only, no allocation, no
//! locks, no panics.

use core::mem::{MaybeUninit, size_of};
use core::ptr;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

/// What the child must know; made before the fork.
pub(crate) struct Plan {
    /// The guard's end of the socket to us.
    pub(crate) control: OwnedFd,
    pub(crate) filter: Vec<libc::sock_filter>,
    /// `SECCOMP_FILTER_FLAG_*` beside the listener's.
    pub(crate) flags: libc::c_ulong,
    /// The limit for open files, where it is to be another than ours.
    pub(crate) nofile: Option<u64>,
    /// The last number of the range of descriptors.
    pub(crate) last: RawFd,
    /// Our own process.
    pub(crate) supervisor: libc::pid_t,
}

/// A message of the guard's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Message {
    pub(crate) kind: u32,
    pub(crate) value: i32,
}

/// The program's number; the listener comes with it.
pub(crate) const STARTED: u32 = 1;
/// The program's wait status.
pub(crate) const ENDED: u32 = 2;

/// Called between fork and exec. In the child that is to become the program it
/// returns; the guard never does.
pub(super) fn enter(plan: &Plan) -> io::Result<()> {
    let control = super::number(&plan.control);
    let mut pair = [-1; 2];
    // SAFETY: room for two descriptors.
    let made = unsafe {
        libc::socketpair(
            libc::AF_UNIX,
            libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC,
            0,
            pair.as_mut_ptr(),
        )
    };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: numbers only. A fork without exec of a process with threads leaves the
    // child with system calls, which is all it uses.
    let (guard, supervisor, child) = unsafe {
        if libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        let supervisor = libc::syscall(libc::SYS_pidfd_open, plan.supervisor, 0);
        // It may have died before, and its number be another's.
        if supervisor < 0 || libc::getppid() != plan.supervisor {
            return Err(io::Error::last_os_error());
        }
        (libc::getpid(), supervisor as RawFd, libc::fork())
    };
    match child {
        -1 => Err(io::Error::last_os_error()),
        0 => become_program(plan, guard, pair[1]),
        child => be_guard(control, pair[0], supervisor, child),
    }
}

/// Puts the child under the filter, and hands the listener to the guard.
fn become_program(plan: &Plan, guard: libc::pid_t, to_guard: RawFd) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: plan.filter.len() as u16,
        filter: plan.filter.as_ptr().cast_mut(),
    };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | plan.flags;
    // SAFETY: numbers, and a limit and a filter that live through their calls.
    let listener = unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        // It may have died before that was set.
        if libc::getppid() != guard {
            libc::_exit(127);
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        if let Some(limit) = plan.nofile {
            let limit = libc::rlimit {
                rlim_cur: limit,
                rlim_max: limit,
            };
            if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        widen_table(to_guard, plan.last);
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    if listener < 0 {
        return Err(io::Error::last_os_error());
    }
    let listener = listener as RawFd;
    // From here on trapped calls wait until the guard has passed the listener on.
    let sent = send_fd(to_guard, Message { kind: 0, value: 0 }, listener);
    // SAFETY: our own descriptor, used no more.
    unsafe { libc::close(listener) };
    if sent {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(libc::EPIPE))
    }
}

/// Gives the table of descriptors room for the range while nobody shares it, which exec
/// keeps: once a program has threads, the first descriptor beyond its table waits until
/// every processor has let go of the old one, 10 ms or more.
// fs/file.c: expand_fdtable
fn widen_table(any: RawFd, last: RawFd) {
    // SAFETY: numbers. Without room the program does with the wait.
    unsafe {
        let copy = libc::fcntl(any, libc::F_DUPFD_CLOEXEC, last);
        if copy >= 0 {
            libc::close(copy);
        }
    }
}

/// Passes the listener on, reports the program's end, and stays until nobody is left.
fn be_guard(control: RawFd, from_child: RawFd, supervisor: RawFd, child: libc::pid_t) -> ! {
    let children = ignore_signals();
    keep_only([control, from_child, supervisor, children]);
    // SAFETY: a name that lives through the call.
    unsafe { libc::prctl(libc::PR_SET_NAME, c"lastfd-guard".as_ptr(), 0, 0, 0) };
    // It stays open here, in whatever number it came.
    if let Some(listener) = receive_fd(from_child) {
        let started = Message {
            kind: STARTED,
            value: child,
        };
        send_fd(control, started, listener);
    }
    // SAFETY: our own descriptor, used no more.
    unsafe { libc::close(from_child) };
    let mut watched = [control, supervisor, children].map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    loop {
        if !reap(control, child, libc::WNOHANG) {
            // SAFETY: ends this process.
            unsafe { libc::_exit(0) };
        }
        // SAFETY: three pollfds that live through the call.
        unsafe { libc::poll(watched.as_mut_ptr(), 3, -1) };
        if watched[2].revents != 0 {
            let mut info = MaybeUninit::<libc::signalfd_siginfo>::uninit();
            // SAFETY: room for one record, which nobody looks at.
            unsafe {
                libc::read(
                    children,
                    info.as_mut_ptr().cast(),
                    size_of::<libc::signalfd_siginfo>(),
                )
            };
        }
        // We never send anything: readable is the end.
        if watched[0].revents != 0 || watched[1].revents != 0 {
            kill_all(control, child);
        }
    }
}

/// All but the death of children; gives the descriptor that tells of that.
fn ignore_signals() -> RawFd {
    let mut chld = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the set is initialised by the first call; the rest are numbers. A
    // signal whose disposition can not be set is left as it is.
    unsafe {
        for signal in 1..65 {
            if signal != libc::SIGCHLD {
                libc::signal(signal, libc::SIG_IGN);
            }
        }
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::sigemptyset(chld.as_mut_ptr());
        libc::sigaddset(chld.as_mut_ptr(), libc::SIGCHLD);
        libc::sigprocmask(libc::SIG_SETMASK, chld.as_ptr(), ptr::null_mut());
        libc::signalfd(-1, chld.as_ptr(), libc::SFD_CLOEXEC)
    }
}

/// Closes every other descriptor: a pipe that the program's output goes to must end
/// with the program.
fn keep_only(mut kept: [RawFd; 4]) {
    kept.sort_unstable();
    let mut from = 0;
    for fd in kept {
        close_range(from, fd - 1);
        from = fd + 1;
    }
    close_range(from, RawFd::MAX);
}

fn close_range(first: RawFd, last: RawFd) {
    if first <= last {
        // SAFETY: numbers; what they name is used no more.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

/// Takes the ends of children. False if none is left.
fn reap(control: RawFd, program: libc::pid_t, how: libc::c_int) -> bool {
    loop {
        let mut status = 0;
        // SAFETY: room for the status.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, how | libc::__WALL) };
        if pid == program {
            let ended = Message {
                kind: ENDED,
                value: status,
            };
            send(control, ended);
        }
        match pid {
            0 => return true,
            // ECHILD: a signal cannot interrupt, all but one are ignored.
            -1 => return false,
            _ if how == 0 => return true,
            _ => {}
        }
    }
}

/// We are gone: so must be everybody else.
fn kill_all(control: RawFd, program: libc::pid_t) -> ! {
    loop {
        kill_children();
        // Whoever dies leaves its children to us.
        if !reap(control, program, 0) {
            // SAFETY: ends this process.
            unsafe { libc::_exit(0) };
        }
    }
}

fn kill_children() {
    // SAFETY: a path that lives through the call.
    let list = unsafe {
        libc::open(
            c"/proc/thread-self/children".as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    if list < 0 {
        // No such list in this kernel: the one that is known, and whoever it left.
        return kill_by_parent();
    }
    let mut bytes = [0u8; 4096];
    let mut number = 0;
    loop {
        // SAFETY: room for so many bytes.
        let n = unsafe { libc::read(list, bytes.as_mut_ptr().cast(), bytes.len()) };
        let Some(read) = usize::try_from(n).ok().filter(|n| *n > 0) else {
            break;
        };
        for byte in bytes.iter().take(read) {
            number = take_digit(number, *byte, kill);
        }
    }
    kill(number);
    // SAFETY: our own descriptor, used no more.
    unsafe { libc::close(list) };
}

/// Collects a number; what is no digit ends it.
fn take_digit(number: libc::pid_t, byte: u8, end: impl FnOnce(libc::pid_t)) -> libc::pid_t {
    if byte.is_ascii_digit() {
        number
            .wrapping_mul(10)
            .wrapping_add(libc::pid_t::from(byte - b'0'))
    } else {
        end(number);
        0
    }
}

fn kill(pid: libc::pid_t) {
    if pid > 1 {
        // SAFETY: numbers; a child of ours, which is not reaped yet.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// Kills every process whose parent is this one, found in /proc.
fn kill_by_parent() {
    // SAFETY: the handle is used until it is closed, entries until the next is read.
    unsafe {
        let own = libc::getpid();
        let directory = libc::opendir(c"/proc".as_ptr());
        if directory.is_null() {
            return;
        }
        loop {
            let entry = libc::readdir(directory);
            if entry.is_null() {
                break;
            }
            let mut pid = 0;
            let name = &(*entry).d_name;
            let digits = name.iter().take_while(|c| **c != 0);
            let mut all = true;
            for c in digits {
                all &= (*c as u8).is_ascii_digit();
                pid = take_digit(pid, *c as u8, |_| {});
            }
            if all && pid > 1 && parent_of(name.as_ptr()) == own {
                kill(pid);
            }
        }
        libc::closedir(directory);
    }
}

/// # Safety
/// `name` is the name of an entry of /proc, ended by a zero.
unsafe fn parent_of(name: *const libc::c_char) -> libc::pid_t {
    let mut text = [0u8; 512];
    // SAFETY: as the caller promises; the rest are descriptors of our own and room for
    // what is read.
    let read = unsafe {
        let proc = libc::open(c"/proc".as_ptr(), libc::O_PATH | libc::O_CLOEXEC);
        let process = libc::openat(proc, name, libc::O_PATH | libc::O_CLOEXEC);
        let stat = libc::openat(process, c"stat".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        let read = libc::read(stat, text.as_mut_ptr().cast(), text.len());
        libc::close(stat);
        libc::close(process);
        libc::close(proc);
        read
    };
    // pid (name) state ppid ...: the name may hold anything, also brackets.
    let text = text.get(..read.max(0) as usize).unwrap_or(&[]);
    let after = text.iter().rposition(|b| *b == b')').map_or(0, |at| at + 4);
    let mut parent = 0;
    for byte in text.iter().skip(after).take_while(|b| b.is_ascii_digit()) {
        parent = take_digit(parent, *byte, |_| {});
    }
    parent
}

fn send(socket: RawFd, message: Message) {
    // SAFETY: a struct of numbers that lives through the call. If nobody listens, the
    // socket's end says so later.
    unsafe {
        libc::send(
            socket,
            (&raw const message).cast(),
            size_of::<Message>(),
            libc::MSG_NOSIGNAL,
        )
    };
}

/// Room for one descriptor's control message, aligned for its header.
#[repr(C, align(8))]
struct Control([u8; 24]);

fn send_fd(socket: RawFd, message: Message, fd: RawFd) -> bool {
    let mut bytes = Control([0; 24]);
    let mut part = libc::iovec {
        iov_base: (&raw const message).cast_mut().cast(),
        iov_len: size_of::<Message>(),
    };
    // SAFETY: all that the header points to lives through the call; the control
    // message is written within its room.
    unsafe {
        let mut header = MaybeUninit::<libc::msghdr>::zeroed().assume_init();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = bytes.0.as_mut_ptr().cast();
        header.msg_controllen = libc::CMSG_SPACE(4) as _;
        let control = libc::CMSG_FIRSTHDR(&raw const header);
        if control.is_null() {
            return false;
        }
        (*control).cmsg_level = libc::SOL_SOCKET;
        (*control).cmsg_type = libc::SCM_RIGHTS;
        (*control).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(control).cast::<RawFd>().write_unaligned(fd);
        libc::sendmsg(socket, &raw const header, libc::MSG_NOSIGNAL) >= 0
    }
}

fn receive_fd(socket: RawFd) -> Option<RawFd> {
    let mut message = MaybeUninit::<Message>::zeroed();
    let mut bytes = Control([0; 24]);
    let mut part = libc::iovec {
        iov_base: message.as_mut_ptr().cast(),
        iov_len: size_of::<Message>(),
    };
    // SAFETY: all that the header points to lives through the call and has the room it
    // claims; the control message is looked at only if the kernel wrote one.
    unsafe {
        let mut header = MaybeUninit::<libc::msghdr>::zeroed().assume_init();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = bytes.0.as_mut_ptr().cast();
        header.msg_controllen = bytes.0.len() as _;
        if libc::recvmsg(socket, &raw mut header, libc::MSG_CMSG_CLOEXEC) <= 0 {
            return None;
        }
        let control = libc::CMSG_FIRSTHDR(&raw const header);
        if control.is_null() || (*control).cmsg_type != libc::SCM_RIGHTS {
            return None;
        }
        Some(libc::CMSG_DATA(control).cast::<RawFd>().read_unaligned())
    }
}
