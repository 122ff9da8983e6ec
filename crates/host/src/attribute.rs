//! An open file of sysfs or debugfs.
//!
//! Follows `fs/seq_file.c` (`seq_read_iter`) and `fs/kernfs/file.c`
//! (`kernfs_fop_write_iter`, `kernfs_fop_poll`).

use core::fmt;

use lastfd_chrdev::{OpenFlags, PAGE_SIZE};
use lastfd_model::raw::{AttrFile, DebugfsHandle, attr_open, debugfs_open};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::Mutex;

use crate::place::Source;

/// An open file of sysfs or debugfs. It outlives its device; once the file is removed,
/// what was not read before gives `ENODEV`, and so does a write.
///
/// Reads and writes run driver code, which may sleep.
pub struct Attribute {
    file: Open,
    readable: bool,
    writable: bool,
    shown: Mutex<Shown>,
}

enum Open {
    Sysfs(AttrFile),
    Debugfs(DebugfsHandle),
}

/// What the last show gave, as far as it is not read.
#[derive(Default)]
struct Shown {
    left: Vec<u8>,
    /// The position that `left` begins at.
    at: u64,
    /// Whether the one record of the file is behind `at`.
    past: bool,
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Open::Sysfs(file) => file.fmt(f),
            Open::Debugfs(file) => file.fmt(f),
        }
    }
}

impl Attribute {
    /// fs/kernfs/file.c: kernfs_fop_open.
    pub(crate) fn open(system: &System, source: &Source, flags: OpenFlags) -> Result<Attribute> {
        let file = match source {
            Source::Device(device, path) => Open::Sysfs(attr_open(device, path)?),
            Source::Bus(bus, name) => Open::Sysfs(attr_open(bus, name)?),
            Source::Driver(driver, name) => Open::Sysfs(attr_open(driver, name)?),
            Source::Debugfs(path) => Open::Debugfs(debugfs_open(system, path)?),
        };
        let mode = match &file {
            Open::Sysfs(file) => file.mode(),
            Open::Debugfs(file) => file.mode(),
        };
        let (readable, writable) = (flags.may_read(), flags.may_write());
        if (readable && mode & 0o444 == 0) || (writable && mode & 0o222 == 0) {
            return Err(Errno::EACCES);
        }
        Ok(Attribute {
            file,
            readable,
            writable,
            shown: Mutex::default(),
        })
    }

    /// Reads at a position. At position 0, and at one that does not follow the read
    /// before, the file is shown anew; what was shown and not read yet stays readable
    /// after the file is gone.
    ///
    /// # Errors
    /// `EBADF` if not open for reading, `ENODEV` once the file is removed (`EIO` in
    /// debugfs), and what the driver's show gives.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        if !self.readable {
            return Err(Errno::EBADF);
        }
        let mut shown = self.shown.lock();
        if offset == 0 || offset != shown.at {
            *shown = Shown::default();
        }
        if shown.left.is_empty() {
            self.is_there()?;
            if shown.past {
                return Ok(0);
            }
            // Driver code runs: our lock must not be held.
            drop(shown);
            let mut bytes = self.show()?;
            shown = self.shown.lock();
            let skip = usize::try_from(offset)
                .unwrap_or(usize::MAX)
                .min(bytes.len());
            *shown = Shown {
                left: bytes.split_off(skip),
                at: offset,
                past: true,
            };
        }
        let count = buffer.len().min(shown.left.len());
        buffer[..count].copy_from_slice(&shown.left[..count]);
        shown.left.drain(..count);
        shown.at = offset + count as u64;
        Ok(count)
    }

    /// Writes. At most a page is taken; the position has no meaning.
    ///
    /// # Errors
    /// `EBADF` if not open for writing, `ENODEV` once the file is removed (`EIO` in
    /// debugfs), and what the driver's store gives.
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        if !self.writable {
            return Err(Errno::EBADF);
        }
        let bytes = &bytes[..bytes.len().min(PAGE_SIZE)];
        match &self.file {
            Open::Sysfs(file) => file.write(bytes),
            Open::Debugfs(file) => file.write(bytes),
        }
    }

    /// What `poll` gives: always ready, and `POLLERR|POLLPRI` once the file is removed.
    pub fn poll(&self) -> lastfd_chrdev::PollMask {
        use lastfd_chrdev::PollMask;
        let ready = PollMask::IN | PollMask::OUT | PollMask::RDNORM | PollMask::WRNORM;
        match self.is_there() {
            Ok(()) => ready,
            Err(_) => ready | PollMask::ERR | PollMask::PRI,
        }
    }

    fn is_there(&self) -> Result {
        match &self.file {
            Open::Sysfs(file) if !file.is_there() => Err(Errno::ENODEV),
            _ => Ok(()),
        }
    }

    fn show(&self) -> Result<Vec<u8>> {
        match &self.file {
            Open::Sysfs(file) => file.read(),
            Open::Debugfs(file) => file.read(),
        }
    }
}
