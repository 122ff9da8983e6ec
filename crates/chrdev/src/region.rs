//! Memory that can be mapped: a memfd.
//!
//! The only module of the crate with `unsafe`: it maps the memfd and reads and
//! writes it. Other processes may write the same bytes at any time, so no
//! reference to them is ever handed out: they are copied, word by word.

#![expect(unsafe_code, reason = "maps memory; see the module's top comment")]

use core::fmt;
use core::ptr::NonNull;
#[expect(
    clippy::disallowed_types,
    reason = "the words are memory that other processes write too: no state of ours, and no point to switch tasks at"
)]
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

/// Bytes of a page; regions are made of whole pages.
pub const PAGE_SIZE: usize = 4096;

const WORD: usize = size_of::<u64>();

/// A piece of memory that driver, tests and programs can share: the same pages
/// for all of them. A clone is another handle on the same memory.
///
/// It lasts until its last handle and its last mapping are gone, whatever
/// becomes of the device it came from.
///
/// Bytes are reached by copying only. Two copies at the same time see each
/// other's bytes in no particular order, as two processes do.
///
/// ```
/// use lastfd_chrdev::Region;
/// let frame = Region::new("frame", 8192).unwrap();
/// frame.write(4090, b"across a page").unwrap();
/// let mut back = [0; 13];
/// frame.read(4090, &mut back).unwrap();
/// assert_eq!(&back, b"across a page");
/// ```
#[derive(Clone)]
pub struct Region(Arc<Pages>);

/// A memfd and its one mapping in this process.
///
/// Invariant: `start` is a shared, readable and writable mapping of `len`
/// bytes, page aligned, until the value is dropped; the memfd is sealed against
/// shrinking, so every byte of it stays backed. All access goes through
/// [`Pages::word`].
struct Pages {
    start: NonNull<u8>,
    len: usize,
    memfd: OwnedFd,
}

// SAFETY: the pointer is to a mapping that belongs to the value, not to a
// thread, and it is only used through atomic words.
unsafe impl Send for Pages {}
// SAFETY: as above: concurrent access is through atomic words of one size.
unsafe impl Sync for Pages {}

impl Pages {
    fn map(name: &str, len: usize) -> rustix::io::Result<Pages> {
        let memfd =
            rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&memfd, len as u64)?;
        rustix::fs::fcntl_add_seals(
            &memfd,
            SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
        )?;
        // SAFETY: the kernel chooses the place of a new mapping, so nothing of
        // this process is replaced.
        let start = unsafe {
            rustix::mm::mmap(
                core::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &memfd,
                0,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(rustix::io::Errno::NOMEM)?;
        Ok(Pages { start, len, memfd })
    }

    /// The word with this index.
    ///
    /// # Panics
    /// Outside the mapping.
    #[expect(clippy::disallowed_types, reason = "see the import")]
    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(
            index < self.len / WORD,
            "word {index} of {} bytes",
            self.len
        );
        // SAFETY: by the type's invariant the word is mapped as long as `self`
        // lives; pages are aligned for it; and nothing in this process reaches
        // these bytes but through atomic words of this size.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(index * WORD).cast()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is the value's own, made in `map` with this
        // length; no borrow of a word outlives `self`.
        // An error would mean that it is not mapped, and then there is nothing to do.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// The smallest number of whole pages that holds `len` bytes.
pub(crate) fn page_align(len: u64) -> Option<u64> {
    let page = PAGE_SIZE as u64;
    len.checked_add(page - 1).map(|len| len / page * page)
}

impl Region {
    /// New memory, zeroed. `name` is what `/proc/PID/maps` shows; the length
    /// is rounded up to whole pages.
    ///
    /// # Errors
    /// `EINVAL` for no bytes or a name that the kernel refuses, `ENOMEM` if
    /// there is no memory, `EMFILE` without a free descriptor.
    pub fn new(name: &str, len: usize) -> Result<Region> {
        let len = page_align(len as u64)
            .and_then(|len| usize::try_from(len).ok())
            .ok_or(Errno::ENOMEM)?;
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        match Pages::map(name, len) {
            Ok(pages) => Ok(Region(Arc::new(pages))),
            Err(error) => Err(Errno::from_code(error.raw_os_error())),
        }
    }

    /// Bytes in it, whole pages.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Never: a region has at least a page.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether both are the same memory.
    pub fn same(&self, other: &Region) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many handles and mappings there are.
    pub fn users(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// The memfd, for a process that is to map the same memory.
    pub fn memfd(&self) -> BorrowedFd<'_> {
        self.0.memfd.as_fd()
    }

    fn check(&self, offset: usize, len: usize) -> Result {
        match offset.checked_add(len) {
            Some(end) if end <= self.0.len => Ok(()),
            _ => Err(Errno::EFAULT),
        }
    }

    /// Copies out of the memory.
    ///
    /// # Errors
    /// `EFAULT` if the range ends outside; nothing is copied then.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result {
        self.check(offset, into.len())?;
        let mut at = offset;
        let mut rest = into;
        while !rest.is_empty() {
            let word = self.0.word(at / WORD).load(Ordering::Relaxed).to_ne_bytes();
            let from = at % WORD;
            let n = rest.len().min(WORD - from);
            let (now, later) = rest.split_at_mut(n);
            now.copy_from_slice(&word[from..from + n]);
            rest = later;
            at += n;
        }
        Ok(())
    }

    /// Copies into the memory.
    ///
    /// # Errors
    /// `EFAULT` if the range ends outside; nothing is copied then.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result {
        self.check(offset, from.len())?;
        let mut at = offset;
        let mut rest = from;
        while !rest.is_empty() {
            let to = at % WORD;
            let n = rest.len().min(WORD - to);
            let (now, later) = rest.split_at(n);
            let cell = self.0.word(at / WORD);
            if let Ok(whole) = <[u8; WORD]>::try_from(now) {
                cell.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
            } else {
                // Part of a word: its other bytes may be written by others.
                let mut bytes = [0; WORD];
                let mut mask = [0; WORD];
                bytes[to..to + n].copy_from_slice(now);
                mask[to..to + n].fill(0xff);
                let (bytes, mask) = (u64::from_ne_bytes(bytes), u64::from_ne_bytes(mask));
                let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
                    Some(old & !mask | bytes)
                });
            }
            rest = later;
            at += n;
        }
        Ok(())
    }

    /// Sets every byte of a range.
    ///
    /// # Errors
    /// `EFAULT` if the range ends outside; nothing is set then.
    pub fn fill(&self, offset: usize, len: usize, byte: u8) -> Result {
        self.check(offset, len)?;
        let block = [byte; 512];
        let mut done = 0;
        while done < len {
            let n = block.len().min(len - done);
            self.write(offset + done, &block[..n])?;
            done += n;
        }
        Ok(())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Region")
            .field("len", &self.0.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_and_length_around_a_word_copies_exactly() {
        let region = Region::new("t", PAGE_SIZE).unwrap();
        for offset in 0..20 {
            for len in 0..30 {
                region.fill(0, 64, 0xaa).unwrap();
                let bytes: Vec<u8> = (0..len as u8).map(|b| b + 1).collect();
                region.write(offset, &bytes).unwrap();
                let mut all = [0; 64];
                region.read(0, &mut all).unwrap();
                let mut expected = [0xaa; 64];
                expected[offset..offset + len].copy_from_slice(&bytes);
                assert_eq!(all, expected, "offset {offset}, {len} bytes");
                let mut back = vec![0; len];
                region.read(offset, &mut back).unwrap();
                assert_eq!(back, bytes);
            }
        }
    }

    #[test]
    fn a_range_that_ends_outside_is_efault_and_changes_nothing() {
        let region = Region::new("t", 1).unwrap();
        assert_eq!(region.len(), PAGE_SIZE);
        assert_eq!(region.write(PAGE_SIZE - 1, &[1, 2]), Err(Errno::EFAULT));
        assert_eq!(region.read(usize::MAX, &mut [0]), Err(Errno::EFAULT));
        let mut last = [9];
        region.read(PAGE_SIZE - 1, &mut last).unwrap();
        assert_eq!(last, [0]);
    }

    #[test]
    fn no_bytes_are_no_region() {
        assert_eq!(Region::new("t", 0).err(), Some(Errno::EINVAL));
        assert_eq!(Region::new("t", usize::MAX).err(), Some(Errno::ENOMEM));
    }
}
