//! Descriptors of a buffer's memory.
//!
//! Follows `vb2_core_expbuf` of `videobuf2-core.c`, and `drivers/dma-buf/dma-buf.c`
//! as far as such a descriptor can be mapped and asked for its size.

use core::sync::atomic::Ordering;

use lastfd_abi::v4l2::{V4L2_MEMORY_MMAP, V4l2Exportbuffer};
use lastfd_chrdev::{
    File, FileOps, MapRequest, Mapped, OpSet, OpenFlags, Whence, anon_inode_getfile,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;
use lastfd_sync::atomic::AtomicU32;

use super::buffer::Vb2Buffer;
use super::queue::Vb2Queue;
use crate::raw::ioctl::IoctlCall;

/// One more user of a buffer's memory.
pub(super) fn add_user(buffer: &Vb2Buffer) -> impl FnOnce() + Send + 'static {
    let users: Arc<AtomicU32> = Arc::clone(buffer.users());
    users.fetch_add(1, Ordering::Relaxed);
    move || {
        users.fetch_sub(1, Ordering::Relaxed);
    }
}

// videobuf2-core.c: vb2_core_expbuf
pub(super) fn core_expbuf(
    queue: &Vb2Queue,
    call: &mut IoctlCall<'_, '_>,
    buffer: &Vb2Buffer,
    export: &mut V4l2Exportbuffer,
) -> Result {
    let allowed = (OpenFlags::CLOEXEC | OpenFlags::ACCMODE).0;
    if queue.state().memory != V4L2_MEMORY_MMAP
        || export.flags & !allowed != 0
        || export.type_ != queue.spec().type_
        || export.plane >= 1
    {
        return Err(Errno::EINVAL);
    }
    if queue.fileio_is_active() {
        return Err(Errno::EBUSY);
    }
    let flags = OpenFlags(export.flags);
    buffer.users().fetch_add(1, Ordering::Relaxed);
    let file = anon_inode_getfile(
        queue.system(),
        "dmabuf",
        Arc::new(DmaBuf(buffer.clone())),
        None,
        flags & OpenFlags::ACCMODE,
        queue.device_ref(),
    );
    let file = file.map_err(|_| {
        buffer.users().fetch_sub(1, Ordering::Relaxed);
        // The kernel's message says no more.
        Errno::EINVAL
    })?;
    export.fd = call.install_fd(file, flags)?;
    Ok(())
}

/// `struct dma_buf` of a buffer.
struct DmaBuf(Vb2Buffer);

impl FileOps for DmaBuf {
    fn ops(&self) -> OpSet {
        OpSet {
            poll: true,
            ..OpSet::NONE
        }
    }

    fn release(&self, file: &File) {
        let _ = file;
        self.0.users().fetch_sub(1, Ordering::Relaxed);
    }

    // dma-buf.c: dma_buf_mmap_internal
    fn mmap(&self, file: &File, request: &MapRequest) -> Result<Mapped> {
        let _ = file;
        let size = self.0.region().len() as u64;
        match request.offset.checked_add(request.len) {
            Some(end) if end <= size => {}
            _ => return Err(Errno::EINVAL),
        }
        let offset = usize::try_from(request.offset).map_err(|_| Errno::EINVAL)?;
        Ok(Mapped::new(self.0.region(), offset).on_close(add_user(&self.0)))
    }

    /// Tells the size, and nothing else.
    // dma-buf.c: dma_buf_llseek
    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        let _ = file;
        match (whence, offset) {
            (Whence::End, 0) => Ok(self.0.region().len() as u64),
            (Whence::Set, 0) => Ok(0),
            _ => Err(Errno::EINVAL),
        }
    }
}
