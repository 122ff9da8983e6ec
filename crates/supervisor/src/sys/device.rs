//! A device's node from a program's side: the ioctls that lastfd's own client makes of it,
//! and memory mapped through it.

use core::ptr::NonNull;
use std::os::fd::{AsFd, AsRawFd};

use lastfd_abi::cec::CEC_ADAP_G_CAPS;
use lastfd_abi::drm::{
    DRM_IOCTL_GET_CAP, DRM_IOCTL_MODE_CREATE_DUMB, DRM_IOCTL_MODE_MAP_DUMB, DRM_IOCTL_VERSION,
};
use lastfd_abi::v4l2::{
    V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP, V4l2Buffer, VIDIOC_DQBUF, VIDIOC_QBUF,
    VIDIOC_QUERYCAP, VIDIOC_REQBUFS, VIDIOC_STREAMOFF, VIDIOC_STREAMON,
};
use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use zerocopy::FromBytes;

use super::check;

/// `IIO_GET_EVENT_FD_IOCTL` of `linux/iio/events.h`: stores a descriptor's number.
const IIO_GET_EVENT_FD_IOCTL: u32 = 0x8004_6990;

/// An ioctl on a device, whose argument is these bytes.
///
/// It takes those alone whose argument names no other memory.
///
/// # Errors
/// `EINVAL` for another command, or an argument that is not of its size or names memory;
/// otherwise what the call gave.
pub fn device_ioctl(fd: impl AsFd, cmd: u32, arg: &mut [u8]) -> Result<i32> {
    // asm-generic/ioctl.h: _IOC_SIZE.
    let size = (cmd >> 16) & 0x3fff;
    if arg.len() != size as usize || !names_no_memory(cmd, arg) {
        return Err(Errno::INVAL);
    }
    // SAFETY: the command reads and writes as many bytes as its number tells, which is what
    // `arg` has, and no others: `names_no_memory`.
    let result = unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), cmd as _, arg.as_mut_ptr()) };
    check(result)
}

/// Whether a command touches nothing but its argument.
fn names_no_memory(cmd: u32, arg: &[u8]) -> bool {
    match cmd {
        CEC_ADAP_G_CAPS
        | DRM_IOCTL_GET_CAP
        | DRM_IOCTL_MODE_CREATE_DUMB
        | DRM_IOCTL_MODE_MAP_DUMB
        | IIO_GET_EVENT_FD_IOCTL
        | VIDIOC_QUERYCAP
        | VIDIOC_REQBUFS
        | VIDIOC_STREAMON
        | VIDIOC_STREAMOFF => true,
        // Without room for its strings.
        DRM_IOCTL_VERSION => arg.iter().all(|byte| *byte == 0),
        // Its planes and its user's pages are other kinds.
        VIDIOC_QBUF | VIDIOC_DQBUF => V4l2Buffer::read_from_bytes(arg).is_ok_and(|buffer| {
            buffer.type_ == V4L2_BUF_TYPE_VIDEO_CAPTURE && buffer.memory == V4L2_MEMORY_MMAP
        }),
        _ => false,
    }
}

/// Memory mapped through a device, shared with whoever else maps it. Bytes are copied, one
/// at a time; no reference to them is handed out.
///
/// Invariant: `start` is a readable and writable mapping of `len` bytes until it is dropped.
#[derive(Debug)]
pub struct DeviceMemory {
    start: NonNull<u8>,
    len: usize,
}

impl DeviceMemory {
    /// Maps `len` bytes from `offset` of the device.
    ///
    /// # Errors
    /// What mmap gave; `EINVAL` for a length that is none.
    pub fn map(fd: impl AsFd, offset: u64, len: u64) -> Result<DeviceMemory> {
        let len = usize::try_from(len).map_err(|_| Errno::INVAL)?;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, at an address that the kernel chooses.
        let start = unsafe {
            mmap(
                core::ptr::null_mut(),
                len,
                prot,
                MapFlags::SHARED,
                fd,
                offset,
            )
        };
        let start = NonNull::new(start?.cast()).ok_or(Errno::NOMEM)?;
        Ok(DeviceMemory { start, len })
    }

    /// The byte there.
    ///
    /// # Errors
    /// `EFAULT` outside.
    pub fn read(&self, at: usize) -> Result<u8> {
        let byte = self.byte(at)?;
        // SAFETY: inside the mapping, by the type's invariant.
        Ok(unsafe { byte.read_volatile() })
    }

    /// Sets the byte there.
    ///
    /// # Errors
    /// `EFAULT` outside.
    pub fn write(&self, at: usize, value: u8) -> Result<()> {
        let byte = self.byte(at)?;
        // SAFETY: as in `read`; nobody has a reference to it.
        unsafe { byte.write_volatile(value) };
        Ok(())
    }

    fn byte(&self, at: usize) -> Result<NonNull<u8>> {
        if at >= self.len {
            return Err(Errno::FAULT);
        }
        // SAFETY: inside the mapping.
        Ok(unsafe { self.start.add(at) })
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        // SAFETY: our mapping, which nobody refers to any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use lastfd_abi::drm::DrmVersion;
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    use zerocopy::IntoBytes;

    #[test]
    fn an_argument_that_names_memory_is_refused_before_the_call() {
        let file = memfd_create("device", MemfdFlags::CLOEXEC).unwrap();
        let mut version = DrmVersion::default();
        let asked = device_ioctl(&file, DRM_IOCTL_VERSION, version.as_mut_bytes());
        assert_eq!(asked, Err(Errno::NOTTY), "it reached the kernel");
        version.name_len = 8;
        let asked = device_ioctl(&file, DRM_IOCTL_VERSION, version.as_mut_bytes());
        assert_eq!(asked, Err(Errno::INVAL));
        let mut user = V4l2Buffer {
            type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
            memory: V4L2_MEMORY_MMAP + 1,
            ..V4l2Buffer::default()
        };
        let asked = device_ioctl(&file, VIDIOC_QBUF, user.as_mut_bytes());
        assert_eq!(asked, Err(Errno::INVAL));
        let short = device_ioctl(&file, VIDIOC_STREAMON, &mut [0; 3]);
        assert_eq!(short, Err(Errno::INVAL));
        // FIONREAD, which is none of the client's.
        let other = device_ioctl(&file, 0x541b, &mut []);
        assert_eq!(other, Err(Errno::INVAL));
    }

    #[test]
    fn mapped_memory_is_the_files_and_ends_where_it_ends() {
        let file = memfd_create("device", MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&file, 4096).unwrap();
        let memory = DeviceMemory::map(&file, 0, 4096).unwrap();
        memory.write(4095, 7).unwrap();
        let mut last = [0];
        rustix::io::pread(&file, &mut last, 4095).unwrap();
        assert_eq!((last, memory.read(4095)), ([7], Ok(7)));
        assert_eq!(memory.read(4096), Err(Errno::FAULT));
        assert_eq!(memory.write(4096, 0), Err(Errno::FAULT));
        assert!(DeviceMemory::map(&file, 0, 0).is_err());
    }
}
