//! Files below `/sys/kernel/debug`.
//!
//! Follows `fs/debugfs`: a file works until it is removed, and its removal
//! waits for whoever is inside.

use lastfd_sync::Arc;

use super::device::Device;
use super::sysfs::Attribute;
use crate::active::Active;
use crate::errno::{Errno, Result};
use crate::event::SplatKind;
use crate::system::System;

pub(crate) struct DebugfsFile {
    device: Device,
    attribute: Attribute,
    active: Active,
}

fn path_of(directory: &str, name: &str) -> Arc<str> {
    Arc::from(format!("{directory}/{name}"))
}

/// Makes a file in a directory such as `iio/iio:device0`
/// (`debugfs_create_file`). `EEXIST` if it is there.
pub fn debugfs_create_file(device: &Device, directory: &str, attribute: Attribute) -> Result {
    device.core().allocation()?;
    let path = path_of(directory, attribute.name());
    let mut files = device.core().registry.debugfs.lock();
    if files.contains_key(&path) {
        return Err(Errno::EEXIST);
    }
    let file = DebugfsFile {
        device: device.clone(),
        attribute,
        active: Active::default(),
    };
    files.insert(path, Arc::new(file));
    Ok(())
}

/// Removes a file, or a directory with all that is in it
/// (`debugfs_remove`). What is not there is no error.
pub fn debugfs_remove(system: &System, path: &str) {
    let gone = {
        let mut files = system.core.registry.debugfs.lock();
        let below = |p: &str| {
            p.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let paths: Vec<Arc<str>> = files.keys().filter(|p| below(p)).cloned().collect();
        let take = |path| files.remove(&path);
        paths.into_iter().filter_map(take).collect::<Vec<_>>()
    };
    for file in gone {
        if file.active.shut_and_drain(system.clock()).is_err() {
            system.core.splat(
                SplatKind::Deadlock,
                Some(file.device.device_ref()),
                format!(
                    "debugfs file {} is removed from inside its own callback",
                    file.attribute.name()
                ),
            );
        }
    }
}

/// The names of the files in a directory.
pub fn debugfs_list(system: &System, directory: &str) -> Vec<Arc<str>> {
    let files = system.core.registry.debugfs.lock();
    files
        .keys()
        .filter_map(|path| path.strip_prefix(directory)?.strip_prefix('/'))
        .filter(|rest| !rest.contains('/'))
        .map(Arc::from)
        .collect()
}

/// The paths of all files, in order.
pub fn debugfs_paths(system: &System) -> Vec<Arc<str>> {
    let files = system.core.registry.debugfs.lock();
    files.keys().cloned().collect()
}

/// An open file. Once the file is removed every operation gives `EIO`.
pub struct DebugfsHandle(Arc<DebugfsFile>);

impl core::fmt::Debug for DebugfsHandle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "DebugfsHandle({:?})", self.0.attribute)
    }
}

/// Opens a file. `ENOENT` if there is none.
pub fn debugfs_open(system: &System, path: &str) -> Result<DebugfsHandle> {
    find(system, path).map(DebugfsHandle)
}

impl DebugfsHandle {
    /// Its permission bits.
    pub fn mode(&self) -> u16 {
        self.0.attribute.mode()
    }

    /// What the file shows. `EIO` once it is removed, `EACCES` if nobody may
    /// read.
    pub fn read(&self) -> Result<Vec<u8>> {
        let file = &self.0;
        if !file.attribute.may_read() {
            return Err(Errno::EACCES);
        }
        let _inside = file.active.enter().ok_or(Errno::EIO)?;
        file.attribute.run_show(&file.device)
    }

    /// Gives the file something to store. Errors as [`read`](Self::read).
    pub fn write(&self, data: &[u8]) -> Result<usize> {
        let file = &self.0;
        if !file.attribute.may_write() {
            return Err(Errno::EACCES);
        }
        let _inside = file.active.enter().ok_or(Errno::EIO)?;
        file.attribute.run_store(&file.device, data)
    }
}

fn find(system: &System, path: &str) -> Result<Arc<DebugfsFile>> {
    let files = system.core.registry.debugfs.lock();
    files.get(path).cloned().ok_or(Errno::ENOENT)
}

/// Opens a file and reads it once. `ENOENT` if there is none, `EIO` once it is
/// removed.
pub fn debugfs_read(system: &System, path: &str) -> Result<Vec<u8>> {
    debugfs_open(system, path)?.read()
}

/// Opens a file and writes it once. Errors as [`debugfs_read`].
pub fn debugfs_write(system: &System, path: &str, data: &[u8]) -> Result<usize> {
    debugfs_open(system, path)?.write(data)
}
