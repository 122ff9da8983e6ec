//! select and pselect: sets of bits, as a poll has them.

use super::mixed::{Mixed, Time};
use super::sys::{self, Given};
use crate::key::Asks;

/// fs/select.c: what is asked for of a file in each set, and what puts it into the answer.
const READ: (i16, i16) = (0x1 | 0x40 | 0x80, 0x1 | 0x40 | 0x80 | 0x8 | 0x10);
const WRITE: (i16, i16) = (0x4 | 0x100 | 0x200, 0x4 | 0x100 | 0x200 | 0x8);
const EXCEPT: (i16, i16) = (0x2, 0x2);
const POLLNVAL: i16 = 0x20;
const EBADF: Given = 9;
const BITS: usize = u64::BITS as usize;
/// What a set has, where the program's memory was not made larger than the C library's.
const MOST: usize = 1024;

/// Three sets of a program's; those that it does not give are null.
pub(crate) struct Sets {
    pub(crate) count: usize,
    pub(crate) sets: [*mut u64; 3],
}

impl Sets {
    /// Whether they can be looked at: there are not too many, and the memory is there.
    pub(crate) fn are_there(&self) -> bool {
        let words = self.count.div_ceil(BITS);
        let is_there = |set: &*mut u64| {
            let (first, last) = (set.addr(), set.wrapping_add(words.saturating_sub(1)).addr());
            set.is_null() || set.is_aligned() && sys::is_readable(first) && sys::is_readable(last)
        };
        (1..=MOST).contains(&self.count) && self.sets.iter().all(is_there)
    }

    fn has(&self, set: *mut u64, fd: usize) -> bool {
        // SAFETY: within a set that is there.
        !set.is_null() && unsafe { set.add(fd / BITS).read() } >> (fd % BITS) & 1 != 0
    }

    fn asked(&self, fd: usize) -> i16 {
        let kinds = [READ, WRITE, EXCEPT];
        self.sets
            .iter()
            .zip(kinds)
            .fold(0, |events, (set, (asked, _))| {
                events | if self.has(*set, fd) { asked } else { 0 }
            })
    }

    /// Whether one of them is from this number on.
    pub(crate) fn has_from(&self, first: usize) -> bool {
        (first..self.count).any(|fd| self.asked(fd) != 0)
    }

    /// Waits as select does. None if that is left to whoever answers.
    pub(crate) fn wait(&self, time: Option<Time>, mask: usize) -> Option<Given> {
        let mut mixed = Mixed::new();
        for fd in 0..self.count {
            let events = self.asked(fd);
            if events != 0 && !mixed.push(fd as i32, events) {
                return None;
            }
        }
        let given = mixed.wait(Asks::WaitInSelect, time, mask)?;
        if given < 0 {
            return Some(given);
        }
        if mixed
            .found()
            .iter()
            .any(|entry| entry.revents & POLLNVAL != 0)
        {
            return Some(-EBADF);
        }
        Some(self.write(&mixed))
    }

    fn write(&self, mixed: &Mixed) -> Given {
        let mut total = 0;
        for (set, (asked, found)) in self.sets.iter().zip([READ, WRITE, EXCEPT]) {
            if set.is_null() {
                continue;
            }
            let words = self.count.div_ceil(BITS);
            for at in 0..words {
                let mut word = 0;
                for entry in mixed.found() {
                    let fd = entry.fd as usize;
                    let wanted = entry.events & asked == asked && entry.revents & found != 0;
                    if wanted && fd / BITS == at {
                        word |= 1u64 << (fd % BITS);
                        total += 1;
                    }
                }
                // SAFETY: within a set that is there.
                unsafe { set.add(at).write(word) };
            }
        }
        total
    }
}
