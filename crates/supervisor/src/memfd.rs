//! Files with fixed contents, for programs to read.

use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

/// A file with these contents that nobody can change.
pub(crate) fn sealed(name: &str, bytes: &[u8]) -> rustix::io::Result<OwnedFd> {
    let kind = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = rustix::fs::memfd_create(name, kind)?;
    let mut left = bytes;
    while !left.is_empty() {
        let written = rustix::io::write(&file, left)?;
        left = &left[written..];
    }
    let all = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    rustix::fs::fcntl_add_seals(&file, all)?;
    let path = format!("/proc/self/fd/{}", crate::sys::number(&file));
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}
