//! An open file as its driver sees it: `struct file`.

use core::any::Any;
use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_model::raw::DevT;
use lastfd_model::{DeviceRef, Errno, EventKind, FileRef, LedgerEntry, Result, System};
use lastfd_sync::atomic::AtomicU32;
use lastfd_sync::{Arc, Mutex};

use crate::cdev::Cdev;
use crate::flags::OpenFlags;
use crate::fops::{FileOps, OpSet, Whence};
use crate::inode::Inode;

/// What is allowed on an open file (`fmode_t`), with bits of our own.
pub(crate) mod fmode {
    pub(crate) const READ: u32 = 1;
    pub(crate) const WRITE: u32 = 2;
    pub(crate) const PREAD: u32 = 4;
    pub(crate) const PWRITE: u32 = 8;
    pub(crate) const LSEEK: u32 = 16;
    pub(crate) const STREAM: u32 = 32;
}

/// Data a driver hangs on an open file (`file->private_data`).
pub type FilePrivate = Arc<dyn Any + Send + Sync>;

/// One open of a node, or an anonymous file, shared by every descriptor that
/// refers to it. Callbacks get it by reference; holders have an
/// [`OpenFile`](crate::OpenFile).
pub struct File {
    pub(crate) system: System,
    pub(crate) name: FileRef,
    pub(crate) device: Option<DeviceRef>,
    /// What the open callback said it is; moved to `device` after it.
    claimed: Mutex<Option<DeviceRef>>,
    pub(crate) inode: Arc<Inode>,
    /// The character device it holds, put back at the last close.
    pub(crate) cdev: Mutex<Option<Cdev>>,
    ops: Mutex<Arc<dyn FileOps>>,
    pub(crate) flags: AtomicU32,
    mode: AtomicU32,
    pos: Mutex<u64>,
    private: Mutex<Option<FilePrivate>>,
    pub(crate) ledger: Mutex<LedgerEntry>,
}

impl File {
    pub(crate) fn new(
        system: System,
        name: FileRef,
        device: Option<DeviceRef>,
        inode: Arc<Inode>,
        ops: Arc<dyn FileOps>,
        flags: OpenFlags,
        mode: u32,
    ) -> File {
        let access = [
            (flags.may_read(), fmode::READ),
            (flags.may_write(), fmode::WRITE),
        ];
        let access = access.iter().filter(|(may, _)| *may).map(|(_, bit)| bit);
        File {
            system,
            name,
            device,
            claimed: Mutex::new(None),
            inode,
            cdev: Mutex::new(None),
            ops: Mutex::new(ops),
            flags: AtomicU32::new(flags.0),
            mode: AtomicU32::new(access.fold(mode, |mode, bit| mode | bit)),
            pos: Mutex::new(0),
            private: Mutex::new(None),
            ledger: Mutex::new(LedgerEntry::default()),
        }
    }

    /// Its number, unique in the System for ever.
    pub fn id(&self) -> u64 {
        self.name.id
    }

    /// How events name it.
    pub fn name(&self) -> &FileRef {
        &self.name
    }

    /// The System it is in. The handle keeps the System from ending only if
    /// the file was opened without a device behind it.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// The device behind it: the parent of its cdev, or what the open callback
    /// [named](File::set_device).
    pub fn device(&self) -> Option<&DeviceRef> {
        self.device.as_ref()
    }

    /// Called in `open`, where one character device serves the nodes of many
    /// devices: names the one this file is of, for events and the ledger.
    pub fn set_device(&self, device: DeviceRef) {
        *self.claimed.lock() = Some(device);
    }

    /// The open callback has run.
    pub(crate) fn opened(&mut self) {
        if let Some(claimed) = self.claimed.get_mut().take() {
            self.device = Some(claimed);
        }
    }

    /// The device number of its inode; `None` for an anonymous file.
    pub fn devt(&self) -> Option<DevT> {
        self.inode.devt()
    }

    /// The character device it was opened on; `None` for an anonymous file.
    pub fn cdev(&self) -> Option<Cdev> {
        self.cdev.lock().clone()
    }

    /// Its flags, as `F_GETFL` gives them.
    pub fn flags(&self) -> OpenFlags {
        OpenFlags(self.flags.load(Ordering::Relaxed))
    }

    pub(crate) fn change_flags(&self, change: impl Fn(OpenFlags) -> OpenFlags) {
        let _ = self
            .flags
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |flags| {
                Some(change(OpenFlags(flags)).0)
            });
    }

    /// Whether its calls must not sleep.
    pub fn nonblock(&self) -> bool {
        self.flags().contains(OpenFlags::NONBLOCK)
    }

    /// Whether it is open for reading (`FMODE_READ`).
    pub fn may_read(&self) -> bool {
        self.has_mode(fmode::READ)
    }

    /// Whether it is open for writing (`FMODE_WRITE`).
    pub fn may_write(&self) -> bool {
        self.has_mode(fmode::WRITE)
    }

    pub(crate) fn has_mode(&self, bit: u32) -> bool {
        self.mode.load(Ordering::Relaxed) & bit != 0
    }

    pub(crate) fn clear_mode(&self, bits: u32) {
        self.mode.fetch_and(!bits, Ordering::Relaxed);
    }

    /// Called in `open`: reads and writes have no position; lseek, pread and
    /// pwrite give `ESPIPE` (`fs/open.c: stream_open`).
    pub fn stream_open(&self) {
        self.clear_mode(fmode::LSEEK | fmode::PREAD | fmode::PWRITE);
        self.mode.fetch_or(fmode::STREAM, Ordering::Relaxed);
    }

    /// Called in `open`: lseek, pread and pwrite give `ESPIPE`
    /// (`fs/open.c: nonseekable_open`).
    pub fn nonseekable_open(&self) {
        self.clear_mode(fmode::LSEEK | fmode::PREAD | fmode::PWRITE);
    }

    /// The position.
    pub fn pos(&self) -> u64 {
        *self.pos.lock()
    }

    pub(crate) fn set_pos(&self, pos: u64) {
        *self.pos.lock() = pos;
    }

    /// An `llseek` that moves nothing and gives the position
    /// (`fs/read_write.c: noop_llseek`).
    ///
    /// # Errors
    /// None; the type is that of the callback.
    pub fn noop_llseek(&self, offset: i64, whence: Whence) -> Result<u64> {
        let _ = (offset, whence);
        Ok(self.pos())
    }

    /// What the driver hung on the file, if it is a `T`.
    pub fn private<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.private.lock().clone()?.downcast().ok()
    }

    /// Hangs the driver's data on the file. It is dropped after the release
    /// callback of the last close.
    pub fn set_private(&self, private: FilePrivate) {
        let old = self.private.lock().replace(private);
        drop(old);
    }

    /// Takes the driver's data off the file.
    pub fn take_private(&self) -> Option<FilePrivate> {
        self.private.lock().take()
    }

    /// Called in `open`: the file's callbacks are these from here on
    /// (`include/linux/fs.h: replace_fops`).
    pub fn replace_ops(&self, ops: Arc<dyn FileOps>) {
        let old = core::mem::replace(&mut *self.ops.lock(), ops);
        drop(old);
    }

    pub(crate) fn ops(&self) -> Arc<dyn FileOps> {
        Arc::clone(&self.ops.lock())
    }

    /// Runs a callback, unwinding it if it panics.
    #[track_caller]
    pub(crate) fn guard<T>(
        &self,
        what: &str,
        run: impl FnOnce(&dyn FileOps, &File) -> T,
    ) -> Option<T> {
        let ops = self.ops();
        self.system
            .guard(self.device.as_ref(), what, || run(&*ops, self))
    }

    /// Whether a call on it is to fail, on purpose.
    pub(crate) fn fails<N: AsRef<str>>(&self, name: impl FnOnce() -> N) -> Option<Errno> {
        let device = self.device.as_ref().map(|device| device.id);
        self.system.call_fails(device, name)
    }

    pub(crate) fn op_set(&self) -> OpSet {
        self.guard("ops", |ops, _| ops.ops()).unwrap_or(OpSet::NONE)
    }

    /// fs/file_table.c: __fput.
    pub(crate) fn last_close(&self) {
        self.guard("release", |ops, file| ops.release(file));
        drop(core::mem::take(&mut *self.ledger.lock()));
        self.system.emit(|| EventKind::FileClosed {
            file: self.name.clone(),
            device: self.device.clone(),
        });
        let cdev = self.cdev.lock().take();
        if let Some(cdev) = cdev {
            cdev.put();
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("id", &self.name.id)
            .field("path", &self.name.path)
            .field("flags", &self.flags())
            .finish_non_exhaustive()
    }
}
