//! A caller that lives in this process: what tests and clients call from.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex};

use crate::flags::OpenFlags;
use crate::handle::OpenFile;
use crate::memory::{Caller, FdSlot, UserMemory};

/// Where the first block of a [`Process`] lies; below it is no memory, so that
/// a null pointer faults.
const FIRST: u64 = 0x10000;
/// Unmapped bytes between blocks.
const GUARD: u64 = 0x1000;
/// The first descriptor given out, as in a program that has the usual three.
const FIRST_FD: i32 = 3;
/// Descriptors a program has at most (`RLIMIT_NOFILE` as usual).
const MAX_FD: i32 = 1024;

/// The address space and the descriptors of an imagined program.
///
/// ```
/// use lastfd_chrdev::{Process, UserMemory};
/// use lastfd_model::Errno;
/// let mut program = Process::new();
/// let at = program.map(vec![1, 2, 3]);
/// program.write_at(at + 1, &[9]).unwrap();
/// assert_eq!(program.bytes(at), [1, 9, 3]);
/// assert_eq!(program.write_at(at + 2, &[0, 0]), Err(Errno::EFAULT));
/// assert_eq!(program.read_at(0, &mut [0]), Err(Errno::EFAULT));
/// ```
#[derive(Debug, Default)]
pub struct Process {
    blocks: BTreeMap<u64, Block>,
    files: Arc<Mutex<Files>>,
}

#[derive(Debug)]
struct Block {
    bytes: Vec<u8>,
    writable: bool,
}

/// A number without a file is reserved.
type Files = BTreeMap<i32, Option<OpenFile>>;

impl Process {
    /// No memory, no descriptors.
    pub fn new() -> Process {
        Process::default()
    }

    fn place(&mut self, bytes: Vec<u8>, writable: bool) -> u64 {
        let addr = self.blocks.last_key_value().map_or(FIRST, |(addr, block)| {
            (addr + block.bytes.len() as u64 + GUARD).next_multiple_of(16)
        });
        self.blocks.insert(addr, Block { bytes, writable });
        addr
    }

    /// Gives the program memory that holds these bytes, and tells its address.
    pub fn map(&mut self, bytes: Vec<u8>) -> u64 {
        self.place(bytes, true)
    }

    /// As [`Process::map`]; the program can not write there.
    pub fn map_readonly(&mut self, bytes: Vec<u8>) -> u64 {
        self.place(bytes, false)
    }

    /// The memory at an address that `map` gave; empty at any other.
    pub fn bytes(&self, addr: u64) -> &[u8] {
        self.blocks.get(&addr).map_or(&[], |block| &block.bytes)
    }

    /// Takes memory away from the program, which faults there from now on.
    pub fn unmap(&mut self, addr: u64) -> Option<Vec<u8>> {
        self.blocks.remove(&addr).map(|block| block.bytes)
    }

    /// The file behind a descriptor.
    ///
    /// # Errors
    /// `EBADF` if there is none.
    pub fn file(&self, fd: i32) -> Result<OpenFile> {
        let files = self.files.lock();
        files.get(&fd).cloned().flatten().ok_or(Errno::EBADF)
    }

    /// Puts a file under the lowest free number.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn install(&mut self, file: OpenFile) -> Result<i32> {
        let slot = self.reserve_fd(OpenFlags::default())?;
        let number = slot.number();
        slot.install(file);
        Ok(number)
    }

    /// Closes a descriptor.
    ///
    /// # Errors
    /// `EBADF` if there is none.
    pub fn close(&mut self, fd: i32) -> Result {
        let file = {
            let mut files = self.files.lock();
            match files.get(&fd) {
                Some(Some(_)) => files.remove(&fd).flatten(),
                _ => None,
            }
        };
        file.map(drop).ok_or(Errno::EBADF)
    }

    /// The descriptors in use, lowest first.
    pub fn fds(&self) -> Vec<i32> {
        let files = self.files.lock();
        files
            .iter()
            .filter_map(|(fd, file)| file.is_some().then_some(*fd))
            .collect()
    }

    /// The block that holds the range, and where in it the range starts.
    fn block(&mut self, addr: u64, len: usize) -> Result<(&mut Block, usize)> {
        let (start, block) = self
            .blocks
            .range_mut(..=addr)
            .next_back()
            .ok_or(Errno::EFAULT)?;
        let at = usize::try_from(addr - start).map_err(|_| Errno::EFAULT)?;
        match at.checked_add(len) {
            Some(end) if end <= block.bytes.len() => Ok((block, at)),
            _ => Err(Errno::EFAULT),
        }
    }
}

impl UserMemory for Process {
    fn read_at(&mut self, addr: u64, into: &mut [u8]) -> Result {
        let (block, at) = self.block(addr, into.len())?;
        into.copy_from_slice(&block.bytes[at..at + into.len()]);
        Ok(())
    }

    fn write_at(&mut self, addr: u64, from: &[u8]) -> Result {
        let (block, at) = self.block(addr, from.len())?;
        if !block.writable {
            return Err(Errno::EFAULT);
        }
        block.bytes[at..at + from.len()].copy_from_slice(from);
        Ok(())
    }
}

impl Caller for Process {
    fn reserve_fd(&mut self, _flags: OpenFlags) -> Result<Box<dyn FdSlot>> {
        let mut files = self.files.lock();
        let number = (FIRST_FD..MAX_FD)
            .find(|fd| !files.contains_key(fd))
            .ok_or(Errno::EMFILE)?;
        files.insert(number, None);
        Ok(Box::new(Slot {
            files: Arc::clone(&self.files),
            number,
        }))
    }
}

struct Slot {
    files: Arc<Mutex<Files>>,
    number: i32,
}

impl FdSlot for Slot {
    fn number(&self) -> i32 {
        self.number
    }

    fn install(self: Box<Self>, file: OpenFile) {
        self.files.lock().insert(self.number, Some(file));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut files = self.files.lock();
        if let Some(None) = files.get(&self.number) {
            files.remove(&self.number);
        }
    }
}

/// A caller whose only memory is one slice, at [`SliceCaller::ADDR`].
pub(crate) enum SliceCaller<'a> {
    /// Memory to write to.
    Writable(&'a mut [u8]),
    /// Memory to read from.
    ReadOnly(&'a [u8]),
}

impl SliceCaller<'_> {
    pub(crate) const ADDR: u64 = FIRST;

    fn bytes(&self) -> &[u8] {
        match self {
            SliceCaller::Writable(bytes) => bytes,
            SliceCaller::ReadOnly(bytes) => bytes,
        }
    }

    fn range(&self, addr: u64, len: usize) -> Result<core::ops::Range<usize>> {
        let at = addr.checked_sub(Self::ADDR).ok_or(Errno::EFAULT)?;
        let at = usize::try_from(at).map_err(|_| Errno::EFAULT)?;
        match at.checked_add(len) {
            Some(end) if end <= self.bytes().len() => Ok(at..end),
            _ => Err(Errno::EFAULT),
        }
    }
}

impl UserMemory for SliceCaller<'_> {
    fn read_at(&mut self, addr: u64, into: &mut [u8]) -> Result {
        let range = self.range(addr, into.len())?;
        into.copy_from_slice(&self.bytes()[range]);
        Ok(())
    }

    fn write_at(&mut self, addr: u64, from: &[u8]) -> Result {
        let range = self.range(addr, from.len())?;
        match self {
            SliceCaller::Writable(bytes) => {
                bytes[range].copy_from_slice(from);
                Ok(())
            }
            SliceCaller::ReadOnly(_) => Err(Errno::EFAULT),
        }
    }
}

impl Caller for SliceCaller<'_> {}

impl fmt::Debug for SliceCaller<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SliceCaller({})", self.bytes().len())
    }
}
