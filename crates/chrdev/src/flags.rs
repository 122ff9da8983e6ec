//! Flags of an open file, with the kernel's numbers (`O_*`, x86-64 and arm64).

use core::fmt;
use core::ops::{BitAnd, BitOr, BitOrAssign, Not};

/// Flags given to open and kept by the open file.
///
/// The numbers are those of `include/uapi/asm-generic/fcntl.h`; the access mode
/// is the two lowest bits.
///
/// ```
/// use lastfd_chrdev::OpenFlags;
/// let flags = OpenFlags::RDWR | OpenFlags::NONBLOCK;
/// assert!(flags.contains(OpenFlags::NONBLOCK));
/// assert!(flags.may_read() && flags.may_write());
/// assert!(!OpenFlags::WRONLY.may_read());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OpenFlags(pub u32);

impl OpenFlags {
    /// Read only.
    pub const RDONLY: OpenFlags = OpenFlags(0);
    /// Write only.
    pub const WRONLY: OpenFlags = OpenFlags(1);
    /// Read and write.
    pub const RDWR: OpenFlags = OpenFlags(2);
    /// The access mode's bits. All of them set (mode 3) opens for ioctl only.
    pub const ACCMODE: OpenFlags = OpenFlags(3);
    /// Create; an existing node is opened.
    pub const CREAT: OpenFlags = OpenFlags(0o100);
    /// With [`OpenFlags::CREAT`]: an existing node is an error.
    pub const EXCL: OpenFlags = OpenFlags(0o200);
    /// No controlling terminal.
    pub const NOCTTY: OpenFlags = OpenFlags(0o400);
    /// Truncate; without effect on a device.
    pub const TRUNC: OpenFlags = OpenFlags(0o1000);
    /// Append.
    pub const APPEND: OpenFlags = OpenFlags(0o2000);
    /// Calls that would sleep give `EAGAIN`.
    pub const NONBLOCK: OpenFlags = OpenFlags(0o4000);
    /// Signals on readiness (`FASYNC`).
    pub const ASYNC: OpenFlags = OpenFlags(0o20000);
    /// Direct I/O, which character devices refuse.
    pub const DIRECT: OpenFlags = OpenFlags(0o40000);
    /// Files over 2 GiB; set on every open by a 64-bit program.
    pub const LARGEFILE: OpenFlags = OpenFlags(0o100000);
    /// The path must be a directory.
    pub const DIRECTORY: OpenFlags = OpenFlags(0o200000);
    /// Access times stay as they are.
    pub const NOATIME: OpenFlags = OpenFlags(0o1000000);
    /// The descriptor closes on exec.
    pub const CLOEXEC: OpenFlags = OpenFlags(0o2000000);

    /// What `F_SETFL` can change (`fs/fcntl.c`: `SETFL_MASK`).
    pub const SETTABLE: OpenFlags =
        OpenFlags(Self::APPEND.0 | Self::NONBLOCK.0 | Self::DIRECT.0 | Self::NOATIME.0);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: OpenFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any bit of `other` is set.
    pub const fn intersects(self, other: OpenFlags) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether the access mode lets one read (`FMODE_READ`).
    pub const fn may_read(self) -> bool {
        // include/linux/fs.h: OPEN_FMODE; mode 3 gives neither.
        (self.0 & 3).wrapping_add(1) & 1 != 0
    }

    /// Whether the access mode lets one write (`FMODE_WRITE`).
    pub const fn may_write(self) -> bool {
        (self.0 & 3).wrapping_add(1) & 2 != 0
    }
}

impl BitOr for OpenFlags {
    type Output = OpenFlags;
    fn bitor(self, other: OpenFlags) -> OpenFlags {
        OpenFlags(self.0 | other.0)
    }
}

impl BitOrAssign for OpenFlags {
    fn bitor_assign(&mut self, other: OpenFlags) {
        self.0 |= other.0;
    }
}

impl BitAnd for OpenFlags {
    type Output = OpenFlags;
    fn bitand(self, other: OpenFlags) -> OpenFlags {
        OpenFlags(self.0 & other.0)
    }
}

impl Not for OpenFlags {
    type Output = OpenFlags;
    fn not(self) -> OpenFlags {
        OpenFlags(!self.0)
    }
}

impl fmt::Debug for OpenFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(OpenFlags, &str); 12] = [
            (OpenFlags::CREAT, "CREAT"),
            (OpenFlags::EXCL, "EXCL"),
            (OpenFlags::NOCTTY, "NOCTTY"),
            (OpenFlags::TRUNC, "TRUNC"),
            (OpenFlags::APPEND, "APPEND"),
            (OpenFlags::NONBLOCK, "NONBLOCK"),
            (OpenFlags::ASYNC, "ASYNC"),
            (OpenFlags::DIRECT, "DIRECT"),
            (OpenFlags::LARGEFILE, "LARGEFILE"),
            (OpenFlags::DIRECTORY, "DIRECTORY"),
            (OpenFlags::NOATIME, "NOATIME"),
            (OpenFlags::CLOEXEC, "CLOEXEC"),
        ];
        f.write_str(["RDONLY", "WRONLY", "RDWR", "ACCMODE"][(self.0 & 3) as usize])?;
        let mut rest = self.0 & !3;
        for (flag, name) in NAMES {
            if rest & flag.0 != 0 {
                write!(f, "|{name}")?;
                rest &= !flag.0;
            }
        }
        if rest != 0 {
            write!(f, "|{rest:#o}")?;
        }
        Ok(())
    }
}
