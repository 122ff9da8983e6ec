//! Signals for callers that wait for us.
//!
//! With `WAIT_KILLABLE_RECV` a caller that waits for its answer does not react to a
//! signal: we must see that there is one, and end the call. What is pending and what is
//! blocked can be read in /proc; which thread of several the kernel chose for a signal
//! to the whole process can not. Where it is certain the call ends with the kernel's own
//! number for "interrupted"; where it is a guess, with `EINTR`, for the number would
//! reach the program if the guess is wrong.

use std::collections::BTreeSet;

use lastfd_sync::Arc;

use crate::deferred::Blocked;

/// What /proc/TID/status tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Masks {
    tgid: u32,
    own: u64,
    shared: u64,
    blocked: u64,
}

impl Masks {
    fn parse(text: &str) -> Option<Masks> {
        let mut masks = Masks::default();
        let mut seen = 0;
        for line in text.lines() {
            let hex = |value: &str| u64::from_str_radix(value.trim(), 16).ok();
            if let Some(value) = line.strip_prefix("Tgid:") {
                masks.tgid = value.trim().parse().ok()?;
            } else if let Some(value) = line.strip_prefix("SigPnd:") {
                masks.own = hex(value)?;
            } else if let Some(value) = line.strip_prefix("ShdPnd:") {
                masks.shared = hex(value)?;
            } else if let Some(value) = line.strip_prefix("SigBlk:") {
                masks.blocked = hex(value)?;
            } else {
                continue;
            }
            seen += 1;
            if seen == 4 {
                return Some(masks);
            }
        }
        None
    }

    fn of(tid: u32) -> Option<Masks> {
        let text = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
        Masks::parse(&text)
    }

    /// Pending for this thread alone: it has been told.
    fn certainly(&self) -> bool {
        self.own & !self.blocked != 0
    }

    /// Pending for the process, and this thread may be the one.
    fn perhaps(&self) -> bool {
        self.shared & !self.blocked != 0
    }
}

/// Whether no other thread of the process could be the one.
fn is_only_candidate(tid: u32, masks: &Masks) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", masks.tgid)) else {
        return false;
    };
    threads
        .flatten()
        .filter_map(|thread| thread.file_name().to_str()?.parse().ok())
        .filter(|other: &u32| *other != tid)
        .all(|other| Masks::of(other).is_some_and(|other| !other.perhaps()))
}

/// Ends calls whose caller has a signal to take, and gives up those whose caller died.
pub(crate) fn look_at(blocked: &[Arc<Blocked>]) {
    let mut guessed = BTreeSet::new();
    // A caller that waits by itself is the kernel's to disturb, and its end is seen at its
    // door.
    for call in blocked.iter().filter(|call| !call.has_door()) {
        if !call.task.is_valid() {
            call.abandon();
            continue;
        }
        // Without WAIT_KILLABLE_RECV a signal ends the wait by itself.
        if !call.task.session.machine.killable {
            continue;
        }
        let tid = call.task.tid();
        let Some(masks) = Masks::of(tid) else {
            continue;
        };
        if masks.certainly() {
            call.interrupt(true);
        } else if masks.perhaps() {
            if is_only_candidate(tid, &masks) {
                // It may have been taken while we looked.
                let still = Masks::of(tid).is_some_and(|masks| masks.perhaps());
                if still {
                    call.interrupt(true);
                }
            } else if guessed.insert(masks.tgid) {
                // One of them, the one that waits longest.
                call.interrupt(false);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_read_from_the_text_of_proc() {
        let text = "Name:\tx\nTgid:\t7\nPid:\t8\nSigPnd:\t0000000000000200\n\
                    ShdPnd:\t0000000000004000\nSigBlk:\t0000000000004000\nSigIgn:\t0\n";
        let masks = Masks::parse(text).unwrap();
        assert_eq!(
            masks,
            Masks {
                tgid: 7,
                own: 0x200,
                shared: 0x4000,
                blocked: 0x4000
            }
        );
        assert!(masks.certainly());
        assert!(!masks.perhaps(), "blocked");
        assert_eq!(Masks::parse("Tgid:\t7\n"), None);
    }

    #[test]
    fn our_own_thread_has_masks() {
        let masks = Masks::of(std::process::id()).unwrap();
        assert_eq!(masks.tgid, std::process::id());
    }
}
