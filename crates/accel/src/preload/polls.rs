//! Polls of files that are not ours are the kernel's at once.
//!
//! Whether they are is seen from what the kernel says. A file that stands for a device is a
//! memfd, which is always ready for reading and writing: one that is not ready is none.

use super::mixed::{Mixed, Time};
use super::settings;
use super::sys::{self, Given, nr};
use crate::key::Asks;

/// `struct pollfd`.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct PollFd {
    pub(crate) fd: i32,
    pub(crate) events: i16,
    pub(crate) revents: i16,
}

/// `DEFAULT_POLLMASK`: what a file says that has no poll of its own.
const ALWAYS: i16 = 0x1 | 0x4 | 0x40 | 0x100;
/// More than this nobody polls here; the kernel says what it thinks of it.
const MANY: usize = 1024;
const SEEK_CUR: usize = 1;

/// Whether a poll of files that are not ours waits for none, or gave this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Looked {
    /// The kernel finds fault with it, or there are too many to look at.
    Wrong,
    /// One of them may be ours.
    Doubtful,
    /// None is ours; so many are ready.
    Foreign(Given),
}

/// Asks the kernel without waiting. It also says whether the addresses are right.
///
/// # Safety
/// The two are those of a poll.
pub(crate) unsafe fn look(fds: *mut PollFd, count: usize) -> Looked {
    if count == 0 || count > MANY || !fds.is_aligned() || sys::is_valgrind() {
        return Looked::Wrong;
    }
    // SAFETY: as the caller promises.
    let ready = unsafe { sys::native(nr::POLL, [fds.addr(), count, 0, 0, 0]) };
    if ready < 0 {
        return Looked::Wrong;
    }
    for at in 0..count {
        // SAFETY: the kernel has just read and written it.
        let entry = unsafe { fds.add(at).read() };
        let is_blind = entry.fd >= 0 && entry.events & ALWAYS == 0;
        if settings::is_reserved(entry.fd) || (is_blind || says_all(entry)) && may_be_ours(entry.fd)
        {
            return Looked::Doubtful;
        }
    }
    Looked::Foreign(ready)
}

/// Waits for files of which some are ours. None if that is left to whoever answers.
///
/// # Safety
/// The kernel has read and written these.
pub(crate) unsafe fn wait(
    fds: *mut PollFd,
    count: usize,
    time: Option<Time>,
    mask: usize,
) -> Option<Given> {
    let mut mixed = Mixed::new();
    if !settings::can_wait() {
        return None;
    }
    for at in 0..count {
        // SAFETY: as the caller promises.
        let entry = unsafe { fds.add(at).read() };
        if !mixed.push(entry.fd, entry.events) {
            return None;
        }
    }
    let given = mixed.wait(Asks::Wait, time, mask)?;
    if given >= 0 {
        for (at, entry) in mixed.found().iter().enumerate() {
            // SAFETY: as the caller promises.
            unsafe { (&raw mut (*fds.add(at)).revents).write(entry.revents) };
        }
    }
    Some(given)
}

/// Whether one of them may be ours after all: a descriptor can have become another file's
/// while the kernel waited.
///
/// # Safety
/// The kernel has written these.
pub(crate) unsafe fn is_doubtful(fds: *const PollFd, count: usize) -> bool {
    (0..count).any(|at| {
        // SAFETY: as the caller promises.
        let entry = unsafe { fds.add(at).read() };
        says_all(entry) && may_be_ours(entry.fd)
    })
}

/// Whether the kernel says of an entry what it says of a file without a poll of its own.
fn says_all(entry: PollFd) -> bool {
    entry.revents != 0 && entry.revents == entry.events & ALWAYS
}

/// Whether a descriptor is of a file without a name, as those of ours are.
pub(crate) fn may_be_ours(fd: i32) -> bool {
    const S_IFMT: u32 = 0o170_000;
    const S_IFREG: u32 = 0o100_000;
    // Pipes, sockets and terminals have no position.
    // SAFETY: numbers only.
    if unsafe { sys::native(nr::LSEEK, [fd as usize, 0, SEEK_CUR, 0, 0]) } < 0 {
        return false;
    }
    // struct stat: st_nlink is the third word, st_mode the lower half of the fourth.
    stat_of(fd).is_some_and(|stat| stat[2] == 0 && stat[3] as u32 & S_IFMT == S_IFREG)
}

/// A `struct stat`.
fn stat_of(fd: i32) -> Option<[u64; 18]> {
    let mut stat = [0u64; 18];
    // SAFETY: room for a struct stat.
    let given = unsafe {
        let args = [fd as usize, stat.as_mut_ptr().addr(), 0, 0, 0];
        sys::native(nr::FSTAT, args)
    };
    (given == 0).then_some(stat)
}

/// The numbers of a reserved descriptor's file system and file, which spare whoever answers
/// the look; 0 of others.
pub(crate) fn hint(fd: i32) -> [usize; 2] {
    match settings::is_reserved(fd) && settings::can_wait() && !sys::is_valgrind() {
        true => stat_of(fd).map_or([0; 2], |stat| [stat[0] as usize, stat[1] as usize]),
        false => [0; 2],
    }
}
