//! The functions that a program calls in place of its C library's.
//!
//! Each looks whether the call is surely none of the supervisor's. If so the kernel carries
//! it out at once; if not, it is made as the C library makes it, and trapped. One that would
//! have to wait for a device waits here, in the kernel, by a descriptor that it is given for
//! as long as it lasts. Nothing is kept between two calls: forks, threads, handlers of signals and programs that close
//! every descriptor find what they would find without it.
#![expect(
    unsafe_code,
    reason = "addresses that programs pass, and system calls from their inside"
)]
#![cfg_attr(
    not(lastfd_preload),
    expect(dead_code, reason = "called by programs that preload it")
)]

mod mixed;
mod paths;
mod polls;
mod sets;
mod settings;
pub(crate) mod sys;
mod waits;

use core::ffi::{c_char, c_int, c_void};

use mixed::Time;
use paths::{FDCWD, names_foreign};
use polls::{Looked, PollFd};
use sets::Sets;
use sys::{Given, cancellable, finish, nr};

/// For whoever wants to know.
pub(crate) fn is_foreign(path: &[u8]) -> bool {
    paths::is_foreign([path, b""])
}

const O_ACCMODE: i32 = 0o3;
const O_CREAT: i32 = 0o100;
const O_TRUNC: i32 = 0o1000;
const O_PATH: i32 = 0o10_000_000;
const O_TMPFILE: i32 = 0o20_000_000;
/// Nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// Makes a call on a path: natively if that is surely none of ours.
///
/// # Safety
/// The arguments are right for the call, and `path` is the one among them.
#[inline(always)]
unsafe fn on_path(nr: usize, args: [usize; 5], directory: i32, path: *const c_char) -> Given {
    // SAFETY: as the caller promises; a path that changes meanwhile is the program's own
    // fault.
    unsafe {
        match names_foreign(directory, path.cast()) {
            true => sys::native(nr, args),
            false => sys::call(nr, args),
        }
    }
}

/// Whether an open makes a file, whose mode it must tell.
fn makes(flags: c_int) -> bool {
    flags & O_CREAT != 0 || flags & O_TMPFILE == O_TMPFILE
}

/// Ends a program that was built to be ended if it makes a file and tells no mode.
fn check_flags(flags: c_int) {
    if makes(flags) {
        sys::fail_check();
    }
}

/// # Safety
/// As of `openat`.
unsafe fn open_at(directory: c_int, path: *const c_char, flags: c_int, mode: u32) -> c_int {
    let mode = if makes(flags) { mode } else { 0 };
    let args = [
        directory as usize,
        path.addr(),
        flags as usize,
        mode as usize,
        0,
    ];
    // A link that leads into the trees is followed there, for what changes files.
    let changes = makes(flags) || flags & (O_ACCMODE | O_TRUNC) != 0;
    let given = cancellable(|| {
        // SAFETY: as the caller promises.
        unsafe {
            match changes && flags & O_PATH == 0 {
                true => sys::call(nr::OPENAT, args),
                false => on_path(nr::OPENAT, args, directory, path),
            }
        }
    });
    finish(given) as c_int
}

/// # Safety
/// As of `fstatat`.
unsafe fn stat_at(directory: c_int, path: *const c_char, to: *mut c_void, flags: c_int) -> c_int {
    let args = [
        directory as usize,
        path.addr(),
        to.addr(),
        flags as usize,
        0,
    ];
    // SAFETY: as the caller promises.
    finish(unsafe { on_path(nr::NEWFSTATAT, args, directory, path) }) as c_int
}

/// # Safety
/// As of `readlinkat`.
unsafe fn read_link(directory: c_int, path: *const c_char, to: *mut c_char, size: usize) -> isize {
    let args = [directory as usize, path.addr(), to.addr(), size, 0];
    // SAFETY: as the caller promises.
    finish(unsafe { on_path(nr::READLINKAT, args, directory, path) })
}

/// # Safety
/// As of `poll`.
unsafe fn poll_for(fds: *mut PollFd, count: usize, millis: c_int) -> Given {
    let args = [fds.addr(), count, millis as usize, 0, 0];
    let time = (millis >= 0).then(|| {
        let millis = i64::from(millis);
        [millis / 1000, millis % 1000 * 1_000_000]
    });
    // SAFETY: as the caller promises.
    unsafe {
        match polls::look(fds, count) {
            Looked::Wrong => sys::call(nr::POLL, args),
            Looked::Doubtful => {
                polls::wait(fds, count, time, 0).unwrap_or_else(|| sys::call(nr::POLL, args))
            }
            Looked::Foreign(ready) if ready > 0 || millis == 0 => ready,
            Looked::Foreign(_) => match sys::native(nr::POLL, args) {
                1.. if polls::is_doubtful(fds, count) => sys::call(nr::POLL, args),
                given => given,
            },
        }
    }
}

/// # Safety
/// As of `ppoll`.
unsafe fn poll_masked(fds: *mut PollFd, count: usize, time: Option<Time>, mask: usize) -> Given {
    let mut left = time;
    let left = left.as_mut().map_or(0, |left| (&raw mut *left).addr());
    let args = [fds.addr(), count, left, mask, 8];
    // SAFETY: as the caller promises; the kernel writes the time that is left.
    unsafe {
        match polls::look(fds, count) {
            Looked::Wrong => sys::call(nr::PPOLL, args),
            Looked::Doubtful => {
                polls::wait(fds, count, time, mask).unwrap_or_else(|| sys::call(nr::PPOLL, args))
            }
            Looked::Foreign(_) => match sys::native(nr::PPOLL, args) {
                1.. if polls::is_doubtful(fds, count) => sys::call(nr::PPOLL, args),
                given => given,
            },
        }
    }
}

/// # Safety
/// As of `fcntl`.
unsafe fn fcntl_for(fd: c_int, command: c_int, arg: usize) -> c_int {
    const F_DUPFD: c_int = 0;
    const F_SETLKW: c_int = 7;
    const F_GETOWN: c_int = 9;
    const F_GETOWN_EX: usize = 16;
    const F_OFD_SETLKW: c_int = 38;
    const F_DUPFD_CLOEXEC: c_int = 1030;
    const F_OWNER_PGRP: i32 = 2;
    let args = [fd as usize, command as usize, arg, 0, 0];
    // SAFETY: as the caller promises.
    let call = || unsafe { sys::call(nr::FCNTL, args) };
    finish(match command {
        // SAFETY: as the caller promises.
        F_DUPFD | F_DUPFD_CLOEXEC => unsafe { waits::call(nr::FCNTL, args) },
        F_SETLKW | F_OFD_SETLKW => cancellable(call),
        F_GETOWN => {
            // A group's number is negative, and so would be taken for an error.
            let mut owner = [0i32; 2];
            let args = [args[0], F_GETOWN_EX, owner.as_mut_ptr().addr(), 0, 0];
            // SAFETY: room for a struct f_owner_ex.
            match unsafe { sys::call(nr::FCNTL, args) } {
                0 if owner[0] == F_OWNER_PGRP => return -owner[1],
                0 => owner[1] as Given,
                error => error,
            }
        }
        _ => call(),
    }) as c_int
}

/// Whether a select is one whose wait is made here: of files that may be ours.
fn is_for_us(sets: &Sets) -> bool {
    let low = settings::first_reserved() as usize;
    settings::can_wait()
        && sets.count > low
        && !sys::is_valgrind()
        && sets.are_there()
        && sets.has_from(low)
}

/// # Safety
/// As of `select`.
unsafe fn select_for(sets: &Sets, time: *mut Time) -> Given {
    // SAFETY: as the caller promises.
    unsafe {
        if is_for_us(sets) && (time.is_null() || sys::is_readable(time.addr())) {
            let begun = sys::now();
            let whole = time.as_ref().copied();
            let nanos = whole.map(|[seconds, micros]| [seconds, micros.saturating_mul(1000)]);
            let is_right = |[seconds, nanos]: Time| seconds >= 0 && (0..SECOND).contains(&nanos);
            if nanos.is_none_or(is_right)
                && let Some(given) = sets.wait(nanos, 0)
            {
                if let (Some(nanos), Some(time)) = (nanos, time.as_mut()) {
                    // fs/select.c: poll_select_finish.
                    let [seconds, nanos] = sys::left_of(nanos, begun);
                    *time = [seconds, nanos / 1000];
                }
                return given;
            }
        }
        let [read, write, except] = sets.sets.map(|set| set.addr());
        sys::call(nr::SELECT, [sets.count, read, write, except, time.addr()])
    }
}

/// # Safety
/// As of `pselect`.
unsafe fn select_masked(sets: &Sets, time: Option<Time>, mask: usize) -> Given {
    let is_right = |[seconds, nanos]: Time| seconds >= 0 && (0..SECOND).contains(&nanos);
    if is_for_us(sets)
        && time.is_none_or(is_right)
        && let Some(given) = sets.wait(time, mask)
    {
        return given;
    }
    let mut left = time;
    let left = left.as_mut().map_or(0, |left| (&raw mut *left).addr());
    let [read, write, except] = sets.sets.map(|set| set.addr());
    // SAFETY: as the caller promises; the kernel writes the time that is left.
    unsafe { sys::pselect([sets.count, read, write, except, left], mask) }
}

/// Makes functions of the C library's names, which the crate itself must not have.
macro_rules! functions {
    ($(
        $(#[$doc:meta])*
        $($name:ident)+ ($($arg:ident: $type:ty),*) -> $result:ty { $body:expr }
    )*) => {$(
        functions!(@each [$($name)+] [$(#[$doc])*] ($($arg: $type),*) -> $result { $body });
    )*};
    (@each [] $doc:tt $args:tt -> $result:ty $body:block) => {};
    (@each [$name:ident $($more:ident)*] [$(#[$doc:meta])*] ($($arg:ident: $type:ty),*)
        -> $result:ty $body:block) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As of the C library's function of this name.
        #[cfg_attr(lastfd_preload, unsafe(no_mangle))]
        pub(crate) unsafe extern "C" fn $name($($arg: $type),*) -> $result {
            // SAFETY: as the caller promises.
            unsafe { $body }
        }
        functions!(@each [$($more)*] [$(#[$doc])*] ($($arg: $type),*) -> $result $body);
    };
}

functions! {
    /// `open`. Its third argument is there only with some flags; on this architecture one
    /// that is not there is as one of any value.
    open open64 (path: *const c_char, flags: c_int, mode: u32) -> c_int {
        open_at(FDCWD, path, flags, mode)
    }
    /// `openat`.
    openat openat64
        (directory: c_int, path: *const c_char, flags: c_int, mode: u32) -> c_int {
        open_at(directory, path, flags, mode)
    }
    /// `open` of programs that are built to look after their arguments.
    __open_2 __open64_2 (path: *const c_char, flags: c_int) -> c_int {
        {
            check_flags(flags);
            open_at(FDCWD, path, flags, 0)
        }
    }
    /// `openat` of such programs.
    __openat_2 __openat64_2 (directory: c_int, path: *const c_char, flags: c_int) -> c_int {
        {
            check_flags(flags);
            open_at(directory, path, flags, 0)
        }
    }
    /// `stat`.
    stat stat64 (path: *const c_char, to: *mut c_void) -> c_int {
        stat_at(FDCWD, path, to, 0)
    }
    /// `lstat`.
    lstat lstat64 (path: *const c_char, to: *mut c_void) -> c_int {
        stat_at(FDCWD, path, to, 0x100)
    }
    /// `fstatat`.
    fstatat fstatat64
        (directory: c_int, path: *const c_char, to: *mut c_void, flags: c_int) -> c_int {
        stat_at(directory, path, to, flags)
    }
    /// `stat` of programs that were built with glibc before 2.33; the version of the
    /// struct is the same for all on this architecture.
    __xstat __xstat64 (_version: c_int, path: *const c_char, to: *mut c_void) -> c_int {
        stat_at(FDCWD, path, to, 0)
    }
    /// `lstat` of such programs.
    __lxstat __lxstat64 (_version: c_int, path: *const c_char, to: *mut c_void) -> c_int {
        stat_at(FDCWD, path, to, 0x100)
    }
    /// `fstatat` of such programs.
    __fxstatat __fxstatat64
        (_version: c_int, directory: c_int, path: *const c_char, to: *mut c_void, flags: c_int)
        -> c_int {
        stat_at(directory, path, to, flags)
    }
    /// `statx`.
    statx (directory: c_int, path: *const c_char, flags: c_int, mask: u32, to: *mut c_void)
        -> c_int {
        {
            let (fd, flags, mask) = (directory as usize, flags as usize, mask as usize);
            let args = [fd, path.addr(), flags, mask, to.addr()];
            finish(on_path(nr::STATX, args, directory, path)) as c_int
        }
    }
    /// `access`.
    access (path: *const c_char, mode: c_int) -> c_int {
        {
            let args = [path.addr(), mode as usize, 0, 0, 0];
            finish(on_path(nr::ACCESS, args, FDCWD, path)) as c_int
        }
    }
    /// `faccessat`.
    faccessat (directory: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int {
        {
            let nr = if flags == 0 { nr::FACCESSAT } else { nr::FACCESSAT2 };
            let (fd, mode, flags) = (directory as usize, mode as usize, flags as usize);
            finish(on_path(nr, [fd, path.addr(), mode, flags, 0], directory, path)) as c_int
        }
    }
    /// `readlink`.
    readlink (path: *const c_char, to: *mut c_char, size: usize) -> isize {
        read_link(FDCWD, path, to, size)
    }
    /// `readlinkat`.
    readlinkat (directory: c_int, path: *const c_char, to: *mut c_char, size: usize) -> isize {
        read_link(directory, path, to, size)
    }
    /// `poll`.
    poll (fds: *mut PollFd, count: u64, millis: c_int) -> c_int {
        finish(cancellable(|| poll_for(fds, count as usize, millis))) as c_int
    }
    /// `ppoll`. The program's time stays as it is, as in the C library.
    ppoll (fds: *mut PollFd, count: u64, time: *const Time, mask: *const u64) -> c_int {
        {
            // A wrong address ends the program here, as in the C library.
            let (time, mask) = (time.as_ref().copied(), mask.addr());
            finish(cancellable(|| poll_masked(fds, count as usize, time, mask))) as c_int
        }
    }
    /// `select`.
    select (count: c_int, read: *mut u64, write: *mut u64, except: *mut u64, time: *mut Time)
        -> c_int {
        {
            let sets = Sets { count: count as usize, sets: [read, write, except] };
            finish(cancellable(|| select_for(&sets, time))) as c_int
        }
    }
    /// `pselect`. The program's time stays as it is.
    pselect (count: c_int, read: *mut u64, write: *mut u64, except: *mut u64, time: *const Time,
        mask: *const u64) -> c_int {
        {
            let sets = Sets { count: count as usize, sets: [read, write, except] };
            let time = time.as_ref().copied();
            finish(cancellable(|| select_masked(&sets, time, mask.addr()))) as c_int
        }
    }
    /// `ioctl`. Its third argument is there only with some requests.
    ioctl (fd: c_int, request: u64, arg: *mut c_void) -> c_int {
        {
            let [device, file] = polls::hint(fd);
            let args = [fd as usize, request as usize, arg.addr(), device, file];
            finish(waits::call(nr::IOCTL, args)) as c_int
        }
    }
    /// `epoll_ctl`.
    epoll_ctl (epoll: c_int, operation: c_int, fd: c_int, event: *mut c_void) -> c_int {
        {
            let (epoll, operation, fd) = (epoll as usize, operation as usize, fd as usize);
            let args = [epoll, operation, fd, event.addr(), 0];
            finish(waits::call(nr::EPOLL_CTL, args)) as c_int
        }
    }
    /// `inotify_add_watch`.
    inotify_add_watch (fd: c_int, path: *const c_char, mask: u32) -> c_int {
        {
            let args = [fd as usize, path.addr(), mask as usize, 0, 0];
            finish(waits::call(nr::INOTIFY_ADD_WATCH, args)) as c_int
        }
    }
    /// `dup`.
    dup (fd: c_int) -> c_int {
        finish(waits::call(nr::DUP, [fd as usize, 0, 0, 0, 0])) as c_int
    }
    /// `fcntl`. Its third argument is there only with some commands.
    fcntl fcntl64 (fd: c_int, command: c_int, arg: usize) -> c_int {
        fcntl_for(fd, command, arg)
    }
    /// `read`.
    read (fd: c_int, to: *mut c_void, size: usize) -> isize {
        {
            let [device, file] = polls::hint(fd);
            let args = [fd as usize, to.addr(), size, device, file];
            finish(cancellable(|| waits::call(nr::READ, args)))
        }
    }
}
