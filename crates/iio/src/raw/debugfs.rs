//! The register file in debugfs.
//!
//! Follows `iio_device_register_debugfs` of `drivers/iio/industrialio-core.c`.

use lastfd_model::raw::{Attribute, debugfs_create_file, debugfs_remove};
use lastfd_model::{Errno, Result};

use super::attributes::callbacks;
use super::device::{IioDev, WeakIioDev};
use super::info::{IioInfo, RegAccess};
use crate::event::message;
use crate::text::scan_two_ints;

/// The path of a device's directory.
pub(crate) struct Directory(String);

pub(crate) fn register(iio: &IioDev, info: &IioInfo) {
    if info.debugfs_reg_access.is_none() {
        return;
    }
    let directory = format!("iio/{}", iio.dev().name());
    let (reader, writer) = (iio.downgrade(), iio.downgrade());
    let file = Attribute::new("direct_reg_access", 0o644)
        .show(move |_| read_register(&reader))
        .store(move |_, text| write_register(&writer, text));
    // As in the kernel, nobody looks whether debugfs could make the file.
    let _ = debugfs_create_file(iio.dev(), &directory, file);
    iio.state().debugfs = Some(Directory(directory));
}

pub(crate) fn unregister(iio: &IioDev) {
    let file = iio.state().debugfs.take();
    if let Some(Directory(path)) = file {
        debugfs_remove(&iio.system(), &path);
    }
}

fn access(iio: &IioDev, register: u32, what: RegAccess) -> Result<u32> {
    let info = callbacks(iio)?;
    let access = info.debugfs_reg_access.as_ref().ok_or(Errno::EINVAL)?;
    access(iio, register, what)
}

fn complain(iio: &IioDev, text: &str) {
    if let Some(parent) = iio.dev().parent() {
        message(&parent, text);
    }
}

// industrialio-core.c: iio_debugfs_read_reg
fn read_register(iio: &WeakIioDev) -> Result<String> {
    let iio = iio.upgrade()?;
    let register = iio.state().cached_reg_addr;
    let value = access(&iio, register, RegAccess::Read)
        .inspect_err(|_| complain(&iio, "iio_debugfs_read_reg: read failed"))?;
    Ok(format!("0x{value:X}\n"))
}

/// One number chooses the register, a second is written to it.
// industrialio-core.c: iio_debugfs_write_reg
fn write_register(iio: &WeakIioDev, text: &[u8]) -> Result<usize> {
    let iio = iio.upgrade()?;
    // The kernel looks at 79 bytes and says that it took no more.
    let text = &text[..text.len().min(79)];
    let (register, value) = scan_two_ints(text);
    let register = register.ok_or(Errno::EINVAL)?;
    iio.state().cached_reg_addr = register;
    if let Some(value) = value {
        access(&iio, register, RegAccess::Write(value))
            .inspect_err(|_| complain(&iio, "iio_debugfs_write_reg: write failed"))?;
    }
    Ok(text.len())
}
