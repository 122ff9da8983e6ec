//! The caller's memory and descriptors, as an operation may reach them.
//!
//! A served program's memory is in another process, a test's is a slice: an
//! operation sees both through [`UserMemory`] only, as a driver sees user
//! memory through `copy_from_user` and `copy_to_user`.

use lastfd_model::{Errno, Result};

use crate::flags::OpenFlags;
use crate::handle::OpenFile;

/// End of the address space of a 64-bit program (`TASK_SIZE_MAX`, 47 bits less
/// the guard page). No access reaches it.
pub const TASK_SIZE: u64 = (1 << 47) - 4096;

/// The memory of the task that makes a call.
pub trait UserMemory {
    /// Copies `into.len()` bytes from `addr` (`copy_from_user`).
    ///
    /// # Errors
    /// `EFAULT` if a byte of the range can not be read; `into` may then be
    /// filled in part.
    fn read_at(&mut self, addr: u64, into: &mut [u8]) -> Result;

    /// Copies `from` to `addr` (`copy_to_user`).
    ///
    /// # Errors
    /// `EFAULT` if a byte of the range can not be written; what comes before it
    /// may have been.
    fn write_at(&mut self, addr: u64, from: &[u8]) -> Result;

    /// Whether the range lies in the caller's half of the address space. It
    /// says nothing about what is mapped there (`access_ok`).
    fn access_ok(&self, addr: u64, len: u64) -> bool {
        addr.checked_add(len).is_some_and(|end| end <= TASK_SIZE)
    }
}

/// A descriptor's number that is taken but names no file yet. Dropping it gives
/// the number back (`put_unused_fd`).
pub trait FdSlot: Send {
    /// The number.
    fn number(&self) -> i32;
    /// Puts the file there (`fd_install`).
    fn install(self: Box<Self>, file: OpenFile);
}

/// The task that makes a call: its memory, and a place for new descriptors.
pub trait Caller: UserMemory {
    /// Takes the lowest free number (`get_unused_fd_flags`).
    ///
    /// # Errors
    /// `EMFILE` if the caller has no place for descriptors, or none left.
    fn reserve_fd(&mut self, flags: OpenFlags) -> Result<Box<dyn FdSlot>> {
        let _ = flags;
        Err(Errno::EMFILE)
    }
}

/// Copies `len` bytes from the caller (`memdup_user`), refusing lengths over
/// `limit` before anything is allocated.
///
/// # Errors
/// `ENOMEM` over the limit, `EFAULT` if the range is not readable.
pub fn memdup_user(
    memory: &mut dyn UserMemory,
    addr: u64,
    len: u64,
    limit: usize,
) -> Result<Vec<u8>> {
    let len = usize::try_from(len)
        .ok()
        .filter(|&len| len <= limit)
        .ok_or(Errno::ENOMEM)?;
    if !memory.access_ok(addr, len as u64) {
        return Err(Errno::EFAULT);
    }
    let mut bytes = vec![0; len];
    memory.read_at(addr, &mut bytes)?;
    Ok(bytes)
}

/// A range of the caller's memory: what read and write are given.
///
/// Offsets are bounded by the range, so that a driver's mistake can not reach
/// beyond what the caller offered.
pub struct UserSlice<'a> {
    memory: &'a mut dyn UserMemory,
    addr: u64,
    len: usize,
}

impl<'a> UserSlice<'a> {
    /// The range of `len` bytes at `addr`.
    pub fn new(memory: &'a mut dyn UserMemory, addr: u64, len: usize) -> UserSlice<'a> {
        UserSlice { memory, addr, len }
    }

    /// Bytes in the range.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the range is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where it starts.
    pub fn addr(&self) -> u64 {
        self.addr
    }

    fn at(&self, offset: usize, len: usize) -> Result<u64> {
        let end = offset.checked_add(len).ok_or(Errno::EFAULT)?;
        if end > self.len {
            return Err(Errno::EFAULT);
        }
        self.addr.checked_add(offset as u64).ok_or(Errno::EFAULT)
    }

    /// Copies out of the range.
    ///
    /// # Errors
    /// `EFAULT` outside the range or where the caller has no memory.
    pub fn read(&mut self, offset: usize, into: &mut [u8]) -> Result {
        let addr = self.at(offset, into.len())?;
        if into.is_empty() {
            return Ok(());
        }
        self.memory.read_at(addr, into)
    }

    /// Copies into the range.
    ///
    /// # Errors
    /// `EFAULT` outside the range or where the caller has no memory.
    pub fn write(&mut self, offset: usize, from: &[u8]) -> Result {
        let addr = self.at(offset, from.len())?;
        if from.is_empty() {
            return Ok(());
        }
        self.memory.write_at(addr, from)
    }
}

impl core::fmt::Debug for UserSlice<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "UserSlice({:#x}+{:#x})", self.addr, self.len)
    }
}
