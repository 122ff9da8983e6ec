//! Readiness: the kernel's poll masks, and the table that collects wait queues.

use core::fmt;
use core::ops::{BitAnd, BitOr, BitOrAssign, Not};

use lastfd_sync::{Arc, WaitQueue};

/// What poll reports, with the kernel's numbers
/// (`include/uapi/asm-generic/poll.h`).
///
/// ```
/// use lastfd_chrdev::PollMask;
/// let mask = PollMask::IN | PollMask::RDNORM;
/// assert_eq!(mask.to_string(), "IN|RDNORM");
/// assert_eq!(mask.0, 0x41);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct PollMask(pub u32);

impl PollMask {
    /// Nothing.
    pub const NONE: PollMask = PollMask(0);
    /// There is something to read.
    pub const IN: PollMask = PollMask(0x1);
    /// There is something urgent, such as an event.
    pub const PRI: PollMask = PollMask(0x2);
    /// There is room to write.
    pub const OUT: PollMask = PollMask(0x4);
    /// An error; reported whether asked for or not.
    pub const ERR: PollMask = PollMask(0x8);
    /// Hung up; reported whether asked for or not.
    pub const HUP: PollMask = PollMask(0x10);
    /// Not an open descriptor; only the front end reports it.
    pub const NVAL: PollMask = PollMask(0x20);
    /// There is normal data to read.
    pub const RDNORM: PollMask = PollMask(0x40);
    /// There is priority data to read.
    pub const RDBAND: PollMask = PollMask(0x80);
    /// There is room for normal data.
    pub const WRNORM: PollMask = PollMask(0x100);
    /// There is room for priority data.
    pub const WRBAND: PollMask = PollMask(0x200);
    /// A message (unused by Linux).
    pub const MSG: PollMask = PollMask(0x400);
    /// The peer closed its writing half.
    pub const RDHUP: PollMask = PollMask(0x2000);

    /// What a file without a poll callback gives
    /// (`include/linux/poll.h`: `DEFAULT_POLLMASK`).
    pub const DEFAULT: PollMask =
        PollMask(Self::IN.0 | Self::OUT.0 | Self::RDNORM.0 | Self::WRNORM.0);
    /// What makes a descriptor readable for select (`fs/select.c`: `POLLIN_SET`).
    pub const SELECT_READ: PollMask = PollMask(
        Self::NVAL.0 | Self::RDNORM.0 | Self::RDBAND.0 | Self::IN.0 | Self::HUP.0 | Self::ERR.0,
    );
    /// What makes a descriptor writable for select (`POLLOUT_SET`).
    pub const SELECT_WRITE: PollMask =
        PollMask(Self::NVAL.0 | Self::WRBAND.0 | Self::WRNORM.0 | Self::OUT.0 | Self::ERR.0);
    /// What makes a descriptor exceptional for select (`POLLEX_SET`).
    pub const SELECT_EXCEPT: PollMask = PollMask(Self::NVAL.0 | Self::PRI.0);

    /// What poll adds to every question.
    pub const ALWAYS: PollMask = PollMask(Self::ERR.0 | Self::HUP.0);

    /// Whether no bit is set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: PollMask) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    pub const fn intersects(self, other: PollMask) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for PollMask {
    type Output = PollMask;
    fn bitor(self, other: PollMask) -> PollMask {
        PollMask(self.0 | other.0)
    }
}

impl BitOrAssign for PollMask {
    fn bitor_assign(&mut self, other: PollMask) {
        self.0 |= other.0;
    }
}

impl BitAnd for PollMask {
    type Output = PollMask;
    fn bitand(self, other: PollMask) -> PollMask {
        PollMask(self.0 & other.0)
    }
}

impl Not for PollMask {
    type Output = PollMask;
    fn not(self) -> PollMask {
        PollMask(!self.0)
    }
}

impl fmt::Display for PollMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(PollMask, &str); 12] = [
            (PollMask::IN, "IN"),
            (PollMask::PRI, "PRI"),
            (PollMask::OUT, "OUT"),
            (PollMask::ERR, "ERR"),
            (PollMask::HUP, "HUP"),
            (PollMask::NVAL, "NVAL"),
            (PollMask::RDNORM, "RDNORM"),
            (PollMask::RDBAND, "RDBAND"),
            (PollMask::WRNORM, "WRNORM"),
            (PollMask::WRBAND, "WRBAND"),
            (PollMask::MSG, "MSG"),
            (PollMask::RDHUP, "RDHUP"),
        ];
        if self.is_empty() {
            return f.write_str("0");
        }
        let mut first = true;
        let mut rest = self.0;
        for (bit, name) in NAMES {
            if rest & bit.0 != 0 {
                write!(f, "{}{name}", if first { "" } else { "|" })?;
                first = false;
                rest &= !bit.0;
            }
        }
        if rest != 0 {
            write!(f, "{}{rest:#x}", if first { "" } else { "|" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for PollMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Collects the queues that a poll callback would be woken through
/// (`struct poll_table_struct`).
///
/// A callback names every queue that can change its answer, then gives the
/// answer, as a kernel driver calls `poll_wait` first and looks second. Whoever
/// polls adds itself to the queues and asks again.
#[derive(Debug)]
pub struct PollTable {
    requested: PollMask,
    queues: Option<Vec<Arc<WaitQueue>>>,
}

impl PollTable {
    /// A table that collects. `requested` is what the caller asked for.
    pub fn new(requested: PollMask) -> PollTable {
        PollTable {
            requested: requested | PollMask::ALWAYS,
            queues: Some(Vec::new()),
        }
    }

    /// A table that collects nothing: the mask is wanted now
    /// (`poll(file, NULL)`).
    pub fn now() -> PollTable {
        PollTable {
            requested: !PollMask::NONE,
            queues: None,
        }
    }

    /// Names of queues are no longer kept: the caller has them already, or will
    /// not wait.
    pub(crate) fn stop_collecting(&mut self) {
        self.queues = None;
    }

    /// The caller is to be woken through this queue (`poll_wait`).
    pub fn wait(&mut self, queue: &Arc<WaitQueue>) {
        if let Some(queues) = &mut self.queues {
            queues.push(Arc::clone(queue));
        }
    }

    /// The events asked for (`poll_requested_events`). A callback may leave out
    /// work for others; it may still report them.
    pub fn requested(&self) -> PollMask {
        self.requested
    }

    /// Whether the caller can not be made to wait (`poll_does_not_wait`).
    pub fn does_not_wait(&self) -> bool {
        self.queues.is_none()
    }

    /// The queues named so far.
    pub fn queues(&self) -> &[Arc<WaitQueue>] {
        self.queues.as_deref().unwrap_or(&[])
    }

    /// The queues, to keep.
    pub fn into_queues(self) -> Vec<Arc<WaitQueue>> {
        self.queues.unwrap_or_default()
    }
}
