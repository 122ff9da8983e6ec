//! Polls and selects of which some files are ours: their masks come from whoever answers,
//! the others are the kernel's, and it waits for all at once, with the caller's own signal
//! mask.

use super::polls::PollFd;
use super::sys::{self, Given, nr};
use super::waits::{self, Slept, Went};
use crate::key::{Asked, Asks, OURS};

/// More are answered by whoever answers alone, as without us.
pub(crate) const MOST: usize = 64;
const POLLIN: i16 = 1;

/// A `struct timespec`.
pub(crate) type Time = [i64; 2];

/// The entries of a poll: as the program gave them, and as the kernel is asked.
pub(crate) struct Mixed {
    /// What whoever answers sees and writes to.
    asked: [PollFd; MOST],
    /// Without ours, and with the descriptor to wait by.
    native: [PollFd; MOST + 1],
    count: usize,
}

const NOBODY: PollFd = PollFd {
    fd: -1,
    events: 0,
    revents: 0,
};

impl Mixed {
    pub(crate) fn new() -> Mixed {
        Mixed {
            asked: [NOBODY; MOST],
            native: [NOBODY; MOST + 1],
            count: 0,
        }
    }

    /// False if there is no room for more.
    pub(crate) fn push(&mut self, fd: i32, events: i16) -> bool {
        let Some(entry) = self.asked.get_mut(self.count) else {
            return false;
        };
        *entry = PollFd {
            fd,
            events,
            revents: 0,
        };
        self.count += 1;
        true
    }

    /// The entries, with what was found.
    pub(crate) fn found(&self) -> &[PollFd] {
        self.asked.get(..self.count).unwrap_or(&[])
    }

    /// Waits until one is ready, or the time is over. None if the program took away what
    /// it waits by.
    pub(crate) fn wait(&mut self, asks: Asks, time: Option<Time>, mask: usize) -> Option<Given> {
        let mut left = time;
        let begin = left.as_mut().map_or(0, |left| (&raw mut *left).addr());
        let args = [self.asked.as_mut_ptr().addr(), self.count, begin, mask, 8];
        // SAFETY: our own entries, the time, and the program's mask, as ppoll has them.
        let door = match unsafe { waits::begin(asks, nr::PPOLL, args) } {
            Went::Over(given) if given < 0 => return Some(given),
            Went::Over(ours) => return Some(self.over(ours, mask)),
            Went::Waits(door) => door,
            // Nobody needs one for a poll.
            Went::Send(_) => return None,
        };
        loop {
            self.split(door.fd);
            let args = self.arguments(self.count + 1, left.as_mut(), mask);
            // SAFETY: our own entries, the time, and the program's mask, as ppoll has them.
            let given = match unsafe { door.sleep(nr::PPOLL, args) } {
                Slept::Over(given) if given < 0 => return Some(given),
                Slept::Over(ours) => return Some(self.over(ours, mask)),
                Slept::Native(given) => given,
            };
            let rung = self.native.get(self.count).map_or(0, |door| door.revents);
            let ours = match given {
                given if given < 0 => match door.end(Asked::Interrupted) {
                    ours if ours > 0 => ours,
                    // A signal came, or the kernel finds fault with something.
                    _ => return Some(given),
                },
                1 if rung == POLLIN => match door.take() {
                    1 => continue,
                    _ => return None,
                },
                _ if rung & !POLLIN != 0 => return None,
                _ => door.end(Asked::Finish),
            };
            return Some(match ours {
                ours if ours < 0 => ours,
                ours => self.over(ours, mask),
            });
        }
    }

    /// Without those of ours, whose masks are kept, for the kernel to be asked.
    fn split(&mut self, door: i32) {
        for (native, asked) in self.native.iter_mut().zip(&self.asked).take(self.count) {
            *native = *asked;
            if asked.revents as u16 & OURS != 0 {
                native.fd = -1;
            }
            native.revents = 0;
        }
        if let Some(last) = self.native.get_mut(self.count) {
            *last = PollFd {
                fd: door,
                events: POLLIN,
                revents: 0,
            };
        }
    }

    fn arguments(&mut self, count: usize, left: Option<&mut Time>, mask: usize) -> [usize; 5] {
        let left = left.map_or(0, |left| (&raw mut *left).addr());
        [self.native.as_mut_ptr().addr(), count, left, mask, 8]
    }

    /// Whoever answers has said what there is of ours, `ours` of them ready: what is there of
    /// the others?
    fn over(&mut self, ours: Given, mask: usize) -> Given {
        let is_ours = |entry: &PollFd| entry.revents as u16 & OURS != 0;
        if !self.found().iter().any(is_ours) {
            // None was, so the kernel was told to go on: this is its word.
            return ours;
        }
        self.split(-1);
        // With none ready a signal that the mask lets in counts, even if nobody waits.
        let mask = if ours == 0 { mask } else { 0 };
        let mut none = [0, 0];
        let args = self.arguments(self.count, Some(&mut none), mask);
        // SAFETY: our own entries, a time, and the program's mask.
        let theirs = unsafe { sys::native(nr::PPOLL, args) };
        if theirs < 0 {
            return match ours {
                0 => theirs,
                ours => self.merge(ours),
            };
        }
        self.merge(ours + theirs)
    }

    fn merge(&mut self, total: Given) -> Given {
        for (asked, native) in self.asked.iter_mut().zip(&self.native).take(self.count) {
            let mask = asked.revents as u16;
            asked.revents = match mask & OURS {
                0 => native.revents,
                _ => (mask & !OURS) as i16,
            };
        }
        total
    }
}
