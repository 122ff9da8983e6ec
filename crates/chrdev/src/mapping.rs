//! Mappings of a file's memory.

use core::fmt;
use core::ops::Range;
use core::panic::Location;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use lastfd_model::event::SplatKind;
use lastfd_model::{Errno, EventKind, Holding, LedgerEntry, LedgerLine, Result};
use lastfd_sync::{Arc, Mutex};

use crate::handle::OpenFile;
use crate::memory::TASK_SIZE;
use crate::region::{PAGE_SIZE, Region, page_align};

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

/// An mmap that has begun.
#[derive(Debug)]
#[must_use = "what begins is told, and so its end must be"]
pub struct MapCall<'a>(&'a OpenFile);

impl MapCall<'_> {
    /// Carries it out.
    ///
    /// # Errors
    /// As [`OpenFile::mmap`].
    #[track_caller]
    pub fn end(self, request: MapRequest) -> Result<Mapping> {
        let file = self.0.file();
        let mapping = self.0.map(request);
        file.system.emit(|| EventKind::OperationEnd {
            file: file.name.clone(),
            op: "mmap".into(),
            result: mapping.as_ref().map(|_| 0).map_err(|errno| *errno),
        });
        mapping
    }
}

/// A mapping of a file's memory. It keeps the file open, as a mapping does in
/// the kernel: the last close comes after the last munmap. A clone is the same
/// mapping in a forked child.
#[derive(Clone)]
pub struct Mapping(Arc<Vma>);

struct Vma {
    request: MapRequest,
    /// The pages of a private mapping that were written to.
    own: Mutex<BTreeMap<usize, Box<[u8; PAGE_SIZE]>>>,
    region: Region,
    offset: usize,
    len: usize,
    close: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    file: OpenFile,
    ledger: LedgerEntry,
}

impl Mapping {
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
    /// `EFAULT` outside the mapping, or if it was not asked for with `read`:
    /// where a program would get a signal.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result {
        self.check(offset, into.len(), self.0.request.read)?;
        self.0.region.read(self.0.offset + offset, into)?;
        if !self.0.request.shared {
            let own = self.0.own.lock();
            for (page, part) in pages(offset, into.len()) {
                if let Some(bytes) = own.get(&page) {
                    let at = offset + part.start - page * PAGE_SIZE;
                    let len = part.len();
                    into[part].copy_from_slice(&bytes[at..at + len]);
                }
            }
        }
        Ok(())
    }

    /// Copies into the mapped memory; into pages of its own if the mapping is
    /// private.
    ///
    /// # Errors
    /// `EFAULT` outside the mapping, or if it was not asked for with `write`.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result {
        self.check(offset, from.len(), self.0.request.write)?;
        if self.0.request.shared {
            return self.0.region.write(self.0.offset + offset, from);
        }
        let mut own = self.0.own.lock();
        for (page, part) in pages(offset, from.len()) {
            let bytes = match own.entry(page) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let mut bytes = Box::new([0; PAGE_SIZE]);
                    let at = self.0.offset + page * PAGE_SIZE;
                    self.0.region.read(at, &mut bytes[..])?;
                    new.insert(bytes)
                }
            };
            let at = offset + part.start - page * PAGE_SIZE;
            bytes[at..at + part.len()].copy_from_slice(&from[part]);
        }
        Ok(())
    }

    fn check(&self, offset: usize, len: usize, allowed: bool) -> Result {
        match offset.checked_add(len) {
            Some(end) if end <= self.0.len && allowed => Ok(()),
            _ => Err(Errno::EFAULT),
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

/// The pages that a range touches, each with its part of the range.
fn pages(offset: usize, len: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let end = offset + len;
    let first = offset / PAGE_SIZE;
    (first..end.div_ceil(PAGE_SIZE)).map(move |page| {
        let from = offset.max(page * PAGE_SIZE);
        let to = end.min((page + 1) * PAGE_SIZE);
        (page, from - offset..to - offset)
    })
}

impl Drop for Vma {
    fn drop(&mut self) {
        // mm/vma.c: remove_vma: vm_ops->close first, then the file.
        if let Some(close) = self.close.get_mut().take() {
            self.file.guard("vm_ops->close", close);
        }
        drop(core::mem::take(&mut self.ledger));
    }
}

impl OpenFile {
    /// Maps the file's memory into this process.
    ///
    /// # Errors
    /// `EINVAL` for no bytes or an offset that is not whole pages; `EACCES` if
    /// the file is not open for what is asked, or not for reading; `ENODEV` if
    /// it has no memory to map; `ENOMEM`, `EOVERFLOW` for lengths and offsets
    /// out of reach; and what the driver answers.
    #[track_caller]
    pub fn mmap(&self, request: MapRequest) -> Result<Mapping> {
        self.begin_mmap().end(request)
    }

    /// Begins an mmap, for a front end that can stop the program there: it is told, and
    /// the driver has not been asked.
    pub fn begin_mmap(&self) -> MapCall<'_> {
        let file = self.file();
        file.system.emit(|| EventKind::OperationBegin {
            file: file.name.clone(),
            op: "mmap".into(),
        });
        MapCall(self)
    }

    #[track_caller]
    fn map(&self, mut request: MapRequest) -> Result<Mapping> {
        let file = self.file();
        // arch/x86/kernel/sys_x86_64.c: mmap, then mm/mmap.c: do_mmap.
        if !request.offset.is_multiple_of(PAGE_SIZE as u64) || request.len == 0 {
            return Err(Errno::EINVAL);
        }
        request.len = page_align(request.len).ok_or(Errno::ENOMEM)?;
        if request.offset.checked_add(request.len).is_none() {
            return Err(Errno::EOVERFLOW);
        }
        if request.len > TASK_SIZE {
            return Err(Errno::ENOMEM);
        }
        if request.shared && request.write && !file.may_write() {
            return Err(Errno::EACCES);
        }
        if !file.may_read() {
            return Err(Errno::EACCES);
        }
        if let Some(errno) = file.fails(|| "mmap") {
            return Err(errno);
        }
        let mapped = file
            .guard("mmap", |ops, file| ops.mmap(file, &request))
            .unwrap_or(Err(Errno::EIO))?;
        let len = usize::try_from(request.len).map_err(|_| Errno::ENOMEM)?;
        let fits = mapped.offset.checked_add(len);
        let fits = fits.is_some_and(|end| end <= mapped.region.len());
        if !fits || !mapped.offset.is_multiple_of(PAGE_SIZE) {
            file.system.emit(|| EventKind::Splat {
                kind: SplatKind::Warn,
                device: file.device.clone(),
                text: "mmap: the driver mapped memory that it does not have".into(),
            });
            if let Some(close) = mapped.close {
                self.guard("vm_ops->close", close);
            }
            return Err(Errno::EINVAL);
        }
        let ledger = if file.system.ledger_is_on() {
            file.system.ledger_open(LedgerLine {
                holding: Holding::Mapping,
                device: file.device.clone(),
                what: format!("{len} bytes of {}", file.name).into(),
                place: Some(Location::caller()),
            })
        } else {
            LedgerEntry::default()
        };
        Ok(Mapping(Arc::new(Vma {
            request,
            own: Mutex::new(BTreeMap::new()),
            region: mapped.region,
            offset: mapped.offset,
            len,
            close: Mutex::new(mapped.close),
            file: self.clone(),
            ledger,
        })))
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
