//! System calls, and what little is asked of the C library: where `errno` is, and how a
//! thread is cancelled.
//!
//! Only `__errno_location` must be there, which glibc and musl have alike.

use core::arch::{asm, global_asm};

use crate::key::Asks;

/// What a system call gives: a value, or an error as a small negative number.
pub(crate) type Given = isize;

pub(crate) const EINTR: isize = 4;

/// The numbers of x86-64.
pub(crate) mod nr {
    pub(crate) const READ: usize = 0;
    pub(crate) const CLOSE: usize = 3;
    pub(crate) const FSTAT: usize = 5;
    pub(crate) const POLL: usize = 7;
    pub(crate) const LSEEK: usize = 8;
    pub(crate) const RT_SIGPROCMASK: usize = 14;
    pub(crate) const IOCTL: usize = 16;
    pub(crate) const ACCESS: usize = 21;
    pub(crate) const SELECT: usize = 23;
    pub(crate) const DUP: usize = 32;
    pub(crate) const SENDMSG: usize = 46;
    pub(crate) const FCNTL: usize = 72;
    pub(crate) const GETCWD: usize = 79;
    pub(crate) const READLINK: usize = 89;
    pub(crate) const CLOCK_GETTIME: usize = 228;
    pub(crate) const EXIT_GROUP: usize = 231;
    pub(crate) const EPOLL_CTL: usize = 233;
    pub(crate) const INOTIFY_ADD_WATCH: usize = 254;
    pub(crate) const OPENAT: usize = 257;
    pub(crate) const NEWFSTATAT: usize = 262;
    pub(crate) const READLINKAT: usize = 267;
    pub(crate) const FACCESSAT: usize = 269;
    pub(crate) const PSELECT6: usize = 270;
    pub(crate) const PPOLL: usize = 271;
    pub(crate) const STATX: usize = 332;
    pub(crate) const FACCESSAT2: usize = 439;
}

/// A system call as the program meant it.
///
/// # Safety
/// The arguments are right for the call.
#[inline(always)]
unsafe fn raw(nr: usize, args: [usize; 5], sixth: usize) -> Given {
    let given;
    // SAFETY: the kernel changes rax, rcx and r11; r9 is cleared here, so that no key
    // stays in it for the next call of whoever called us.
    unsafe {
        asm!(
            "syscall",
            "xor r9d, r9d",
            inlateout("rax") nr => given,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            inlateout("r9") sixth => _,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    given
}

/// A call as a C library makes it: the supervisor sees it if it may be about a device.
///
/// # Safety
/// The arguments are right for the call.
#[inline(always)]
pub(crate) unsafe fn call(nr: usize, args: [usize; 5]) -> Given {
    // SAFETY: as the caller promises.
    unsafe { raw(nr, args, 0) }
}

/// A call that the kernel carries out, whatever it is about.
///
/// # Safety
/// As above.
#[inline(always)]
pub(crate) unsafe fn native(nr: usize, args: [usize; 5]) -> Given {
    // SAFETY: as the caller promises.
    unsafe { keyed(Asks::Native, nr, args) }
}

/// A call of one who knows how to wait: see [`crate::key::Answered`].
///
/// # Safety
/// As above.
#[inline(always)]
pub(crate) unsafe fn keyed(asks: Asks, nr: usize, args: [usize; 5]) -> Given {
    let key = asks.key(nr as u32, args[0] as u64, args[1] as u64);
    // SAFETY: as the caller promises.
    unsafe { raw(nr, args, key as usize) }
}

/// Whether these bytes can be read, so that a wrong address is the kernel's `EFAULT` and
/// not the end of the program. Eight bytes are asked about, those at the end of a page's
/// with it.
pub(crate) fn is_readable(addr: usize) -> bool {
    const EINVAL: isize = -22;
    let at = addr.min((addr | 0xfff) - 7);
    // kernel/signal.c: sys_rt_sigprocmask reads the set before it looks at how.
    // SAFETY: there is no such `how`: nothing is changed.
    let given = unsafe { call(nr::RT_SIGPROCMASK, [usize::MAX, at, 0, 8, 0]) };
    given == EINVAL
}

/// Whether valgrind runs the program. It looks after every address that a call is given, and
/// is to see the program's calls alone.
#[inline(always)]
pub(crate) fn is_valgrind() -> bool {
    // VG_USERREQ__RUNNING_ON_VALGRIND
    let request = [0x1001usize, 0, 0, 0, 0, 0];
    let answer: usize;
    // SAFETY: valgrind.h: __SPECIAL_INSTRUCTION_PREAMBLE. To a processor it does nothing;
    // valgrind reads the request and puts its answer into rdx.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") request.as_ptr(),
            inlateout("rdx") 0usize => answer,
            options(nostack),
        );
    }
    answer != 0
}

/// pselect6, whose sixth argument is the mask's address and size: no room for a key.
///
/// # Safety
/// The arguments are right for the call.
pub(crate) unsafe fn pselect(args: [usize; 5], mask: usize) -> Given {
    let mask = [mask, 8];
    // SAFETY: as the caller promises.
    unsafe { raw(nr::PSELECT6, args, mask.as_ptr().addr()) }
}

/// The monotonic clock.
pub(crate) fn now() -> [i64; 2] {
    const MONOTONIC: usize = 1;
    let mut time = [0i64; 2];
    // SAFETY: room for a struct timespec.
    unsafe {
        call(
            nr::CLOCK_GETTIME,
            [MONOTONIC, time.as_mut_ptr().addr(), 0, 0, 0],
        )
    };
    time
}

/// What is left of a time that began then; nothing, if it is over.
pub(crate) fn left_of(whole: [i64; 2], begun: [i64; 2]) -> [i64; 2] {
    let nanos = |time: [i64; 2]| {
        let seconds = time[0].saturating_mul(1_000_000_000);
        seconds.saturating_add(time[1])
    };
    let passed = nanos(now()).saturating_sub(nanos(begun));
    let left = nanos(whole).saturating_sub(passed).max(0);
    [left / 1_000_000_000, left % 1_000_000_000]
}

/// Ends the process: a mistake of ours.
pub(crate) fn die() -> ! {
    loop {
        // SAFETY: does not return.
        unsafe { call(nr::EXIT_GROUP, [127, 0, 0, 0, 0]) };
    }
}

unsafe extern "C" {
    fn __errno_location() -> *mut i32;
}

/// As a C library's function returns.
pub(crate) fn finish(given: Given) -> isize {
    if !(-4095..0).contains(&given) {
        return given;
    }
    // SAFETY: the C library's own place for this thread.
    unsafe { *__errno_location() = -given as i32 };
    -1
}

global_asm!(
    ".weak pthread_setcanceltype",
    ".pushsection .text.lastfd_weak,\"ax\",@progbits",
    ".hidden lastfd_setcanceltype",
    ".type lastfd_setcanceltype, @function",
    "lastfd_setcanceltype:",
    "mov rax, qword ptr [rip + pthread_setcanceltype@GOTPCREL]",
    "test rax, rax",
    "jz 2f",
    "jmp rax",
    "2:",
    "ret",
    ".size lastfd_setcanceltype, . - lastfd_setcanceltype",
    // glibc's alone; a program that calls for it has been built with glibc.
    ".weak __chk_fail",
    ".hidden lastfd_chk_fail",
    ".type lastfd_chk_fail, @function",
    "lastfd_chk_fail:",
    "mov rax, qword ptr [rip + __chk_fail@GOTPCREL]",
    "test rax, rax",
    "jz 2f",
    "jmp rax",
    "2:",
    "ud2",
    ".size lastfd_chk_fail, . - lastfd_chk_fail",
    ".popsection",
);

unsafe extern "C" {
    /// `pthread_setcanceltype`, where there is one.
    fn lastfd_setcanceltype(new: i32, old: *mut i32) -> i32;
    /// `__chk_fail`.
    fn lastfd_chk_fail() -> !;
}

/// Ends the program as one that was built with `_FORTIFY_SOURCE` ends.
pub(crate) fn fail_check() -> ! {
    // SAFETY: does not return.
    unsafe { lastfd_chk_fail() }
}

/// Makes a call that may wait a point where the thread can be cancelled, as it is in the C
/// library.
#[inline(always)]
pub(crate) fn cancellable(run: impl FnOnce() -> Given) -> Given {
    const ASYNCHRONOUS: i32 = 1;
    let (mut old, mut ours) = (0, 0);
    // SAFETY: room for the old type. Between the two calls this thread may end by being
    // unwound: nothing here has anything to be dropped.
    unsafe { lastfd_setcanceltype(ASYNCHRONOUS, &raw mut old) };
    let given = run();
    // SAFETY: as above.
    unsafe { lastfd_setcanceltype(old, &raw mut ours) };
    given
}
