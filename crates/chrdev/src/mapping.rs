//! Mappings of a file's memory.

use core::fmt;

use lastfd_model::{LedgerEntry, Result};
use lastfd_sync::Arc;

use crate::handle::OpenFile;
use crate::region::Region;

/// What a caller of mmap asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRequest {
    /// Where in the file it starts, in bytes: whole pages.
    pub offset: u64,
    /// Bytes: whole pages.
    pub len: u64,
    /// `PROT_READ`.
    pub read: bool,
    /// `PROT_WRITE`.
    pub write: bool,
    /// `MAP_SHARED` rather than `MAP_PRIVATE`.
    pub shared: bool,
}

impl MapRequest {
    /// A shared mapping to read and write.
    pub fn shared(offset: u64, len: u64) -> MapRequest {
        MapRequest {
            offset,
            len,
            read: true,
            write: true,
            shared: true,
        }
    }
}

/// What a driver answers to mmap: memory, and who wants to know when the last
/// of its users is gone.
pub struct Mapped {
    pub(crate) region: Region,
    pub(crate) offset: usize,
    pub(crate) close: Option<Box<dyn FnOnce() + Send>>,
}

impl Mapped {
    /// The memory from `offset` on, in bytes: whole pages.
    pub fn new(region: &Region, offset: usize) -> Mapped {
        Mapped {
            region: region.clone(),
            offset,
            close: None,
        }
    }

    /// Runs `close` when the mapping and all its copies are gone
    /// (`vm_operations_struct::close`).
    #[must_use]
    pub fn on_close(mut self, close: impl FnOnce() + Send + 'static) -> Mapped {
        self.close = Some(Box::new(close));
        self
    }
}

impl fmt::Debug for Mapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapped")
            .field("region", &self.region)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// A mapping of a file's memory. It keeps the file open, as a mapping does in
/// the kernel: the last close comes after the last munmap. A clone is the same
/// mapping in a forked child.
#[derive(Clone)]
pub struct Mapping(Arc<Vma>);

pub(crate) struct Vma {
    pub(crate) region: Region,
    pub(crate) offset: usize,
    pub(crate) len: usize,
    pub(crate) close: Option<Box<dyn FnOnce() + Send>>,
    pub(crate) file: OpenFile,
    pub(crate) ledger: LedgerEntry,
}

impl Mapping {
    pub(crate) fn new(vma: Vma) -> Mapping {
        Mapping(Arc::new(vma))
    }

    /// Bytes mapped.
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Never: a mapping has at least a page.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Copies out of the mapped memory.
    ///
    /// # Errors
    /// `EFAULT` outside the mapping.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result {
        self.check(offset, into.len())?;
        self.0.region.read(self.0.offset + offset, into)
    }

    /// Copies into the mapped memory.
    ///
    /// # Errors
    /// `EFAULT` outside the mapping.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result {
        self.check(offset, from.len())?;
        self.0.region.write(self.0.offset + offset, from)
    }

    fn check(&self, offset: usize, len: usize) -> Result {
        match offset.checked_add(len) {
            Some(end) if end <= self.0.len => Ok(()),
            _ => Err(lastfd_model::Errno::EFAULT),
        }
    }

    /// The memory behind it.
    pub fn region(&self) -> &Region {
        &self.0.region
    }

    /// Where in the region it starts, in bytes.
    pub fn region_offset(&self) -> usize {
        self.0.offset
    }

    /// The file it keeps open.
    pub fn file(&self) -> &OpenFile {
        &self.0.file
    }
}

impl Drop for Vma {
    fn drop(&mut self) {
        // mm/vma.c: remove_vma: vm_ops->close first, then the file.
        if let Some(close) = self.close.take() {
            self.file.guard("vm_ops->close", close);
        }
        drop(core::mem::take(&mut self.ledger));
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping")
            .field("len", &self.0.len)
            .field("file", &self.0.file)
            .finish_non_exhaustive()
    }
}
