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
use std::os::fd::{BorrowedFd, OwnedFd};

use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, RwLock};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

/// Bytes of a page; regions are made of whole pages.
pub const PAGE_SIZE: usize = 4096;

const WORD: usize = size_of::<u64>();

/// A piece of memory that driver, tests and programs can share: the same pages
/// for all of them. A clone is another handle on the same memory.
///
/// It lasts until its last handle and its last mapping are gone, whatever
/// becomes of the device it came from. It starts in a memfd of its own;
/// [`Region::move_into`] lays it into the file that a program maps it through.
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

/// A piece of a memfd and its one mapping in this process.
///
/// Invariant: `start` is a shared, readable and writable mapping of `len`
/// bytes, page aligned, until the value is dropped; the memfd is sealed against
/// shrinking, so every byte of it stays backed. All access goes through
/// [`Pages::word`], with `place` held: for writing it is held only while the
/// mapping is exchanged for one of the same size at the same address.
struct Pages {
    start: NonNull<u8>,
    len: usize,
    place: RwLock<Place>,
}

/// Where the pages lie.
struct Place {
    memfd: OwnedFd,
    offset: u64,
    /// No longer in a memfd of its own.
    moved: bool,
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
        Ok(Pages {
            start,
            len,
            place: RwLock::new(Place {
                memfd,
                offset: 0,
                moved: false,
            }),
        })
    }

    /// Exchanges the pages for those of `memfd` from `offset` on, which get the bytes.
    fn move_into(&self, memfd: OwnedFd, offset: u64) -> rustix::io::Result<bool> {
        let end = offset
            .checked_add(self.len as u64)
            .ok_or(rustix::io::Errno::OVERFLOW)?;
        if !rustix::fs::fcntl_get_seals(&memfd)?.contains(SealFlags::SHRINK) {
            return Err(rustix::io::Errno::INVAL);
        }
        let mut place = self.place.write();
        if place.moved {
            return Ok(false);
        }
        if (rustix::fs::fstat(&memfd)?.st_size as u64) < end {
            rustix::fs::ftruncate(&memfd, end)?;
        }
        let mut block = [0; PAGE_SIZE];
        for at in (0..self.len).step_by(PAGE_SIZE) {
            for (index, word) in block.chunks_exact_mut(WORD).enumerate() {
                let value = self.word(at / WORD + index).load(Ordering::Relaxed);
                word.copy_from_slice(&value.to_ne_bytes());
            }
            // What was never written needs no page there.
            if block.iter().any(|byte| *byte != 0) {
                let to = offset + at as u64;
                if rustix::io::pwrite(&memfd, &block, to)? != PAGE_SIZE {
                    return Err(rustix::io::Errno::NOSPC);
                }
            }
        }
        // SAFETY: the range is this value's own mapping, of the same length, and
        // stays mapped, shared, readable and writable throughout: MAP_FIXED
        // exchanges it as one step. The file is sealed against shrinking and long
        // enough. Nobody is inside `word`: `place` is held for writing.
        unsafe {
            rustix::mm::mmap(
                self.start.as_ptr().cast(),
                self.len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::FIXED,
                &memfd,
                offset,
            )?;
        }
        *place = Place {
            memfd,
            offset,
            moved: true,
        };
        Ok(true)
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

    /// The file that it lies in, for a process that is to map the same memory,
    /// and where in the file it starts.
    ///
    /// # Errors
    /// `EMFILE` without a free descriptor.
    pub fn memory(&self) -> Result<(OwnedFd, u64)> {
        let place = self.0.place.read();
        let file = rustix::io::fcntl_dupfd_cloexec(&place.memfd, 0)
            .map_err(|error| Errno::from_code(error.raw_os_error()))?;
        Ok((file, place.offset))
    }

    /// Moves the memory, with what it holds, into a memfd, where it starts at
    /// `offset`: whoever maps that part of the file has the same pages. The file
    /// grows to hold it. For a front end whose programs can map one file only,
    /// the one they opened.
    ///
    /// False if it was moved before; it stays where it is then.
    ///
    /// # Errors
    /// `EINVAL` if the file is not sealed against shrinking or the offset is not
    /// whole pages, `ENOSPC` or `ENOMEM` without memory, `EMFILE`.
    pub fn move_into(&self, memfd: BorrowedFd<'_>, offset: u64) -> Result<bool> {
        if !offset.is_multiple_of(PAGE_SIZE as u64) {
            return Err(Errno::EINVAL);
        }
        rustix::io::fcntl_dupfd_cloexec(memfd, 0)
            .and_then(|memfd| self.0.move_into(memfd, offset))
            .map_err(|error| Errno::from_code(error.raw_os_error()))
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
        let _here = self.0.place.read();
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
        let _here = self.0.place.read();
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
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileExt;

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
    fn memory_that_moves_keeps_its_bytes_and_is_the_files_from_then_on() {
        let name = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memfd = rustix::fs::memfd_create("open file", name).unwrap();
        let region = Region::new("t", 3 * PAGE_SIZE).unwrap();
        region.write(PAGE_SIZE + 7, b"before").unwrap();
        let at = 5 * PAGE_SIZE as u64;
        assert_eq!(
            region.move_into(memfd.as_fd(), at),
            Err(Errno::EINVAL),
            "not sealed: its pages could be taken away"
        );
        rustix::fs::fcntl_add_seals(&memfd, SealFlags::SHRINK).unwrap();
        assert_eq!(region.move_into(memfd.as_fd(), 1), Err(Errno::EINVAL));
        assert_eq!(region.move_into(memfd.as_fd(), at), Ok(true));
        let file = std::fs::File::from(memfd);
        let mut seen = [0; 6];
        file.read_exact_at(&mut seen, at + PAGE_SIZE as u64 + 7)
            .unwrap();
        assert_eq!(&seen, b"before");
        file.write_all_at(b"after", at).unwrap();
        let mut seen = [0; 5];
        region.read(0, &mut seen).unwrap();
        assert_eq!(&seen, b"after");
        region.write(3 * PAGE_SIZE - 1, b"!").unwrap();
        let mut seen = [0];
        file.read_exact_at(&mut seen, at + 3 * PAGE_SIZE as u64 - 1)
            .unwrap();
        assert_eq!(&seen, b"!");
        assert_eq!(region.memory().unwrap().1, at);
        assert_eq!(region.move_into(file.as_fd(), 0), Ok(false));
    }

    #[test]
    fn no_bytes_are_no_region() {
        assert_eq!(Region::new("t", 0).err(), Some(Errno::EINVAL));
        assert_eq!(Region::new("t", usize::MAX).err(), Some(Errno::ENOMEM));
    }
}
