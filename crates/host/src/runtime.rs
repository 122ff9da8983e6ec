//! The directory of one run: private, locked while the run lives, swept by the next.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The name in a run's directory that is locked while the run lives.
const LOCK: &str = "lock";

/// A run's directory. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct RunDirectory {
    path: PathBuf,
    /// Locked; the kernel lets go of it however the process ends.
    _lock: File,
}

impl RunDirectory {
    /// Makes one below `base`, after sweeping away those whose runs are over.
    pub(crate) fn new(base: &Path) -> io::Result<RunDirectory> {
        private_directory(base)?;
        sweep(base)?;
        let pid = std::process::id();
        for number in 0_u32.. {
            let path = base.join(format!("{pid}.{number}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            }
            // Locked before it has its name: whoever sees it sees it locked.
            let unnamed = path.join("lock.new");
            let lock = OpenOptions::new()
                .create_new(true)
                .write(true)
                .mode(0o600)
                .open(&unnamed)?;
            flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            std::fs::rename(unnamed, path.join(LOCK))?;
            return Ok(RunDirectory { path, _lock: lock });
        }
        Err(io::Error::other("no name is left for a run's directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        // What cannot be removed is the next run's to sweep.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Where the runs of this user are: `$XDG_RUNTIME_DIR/lastfd`, or `/tmp/lastfd-UID`.
pub(crate) fn base() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(directory) if Path::new(&directory).is_dir() => Path::new(&directory).join("lastfd"),
        _ => {
            let uid = rustix::process::geteuid().as_raw();
            std::env::temp_dir().join(format!("lastfd-{uid}"))
        }
    }
}

/// Makes a directory that only its owner gets into, and refuses one that is somebody
/// else's.
fn private_directory(path: &Path) -> io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    // A file of that name is told below.
    made.or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    })?;
    let there = std::fs::symlink_metadata(path)?;
    let mine = there.is_dir() && there.uid() == rustix::process::geteuid().as_raw();
    if !mine || there.mode() & 0o022 != 0 {
        let text = format!(
            "{} is not a directory that only this user can write to; remove it, or set XDG_RUNTIME_DIR to one that is",
            path.display()
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    Ok(())
}

/// The directories of runs below `base` that are alive, in order.
pub(crate) fn alive(base: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for directory in directories(base)? {
        if is_alive(&directory)? {
            found.push(directory);
        }
    }
    found.sort();
    Ok(found)
}

/// Removes what runs that were killed left behind.
fn sweep(base: &Path) -> io::Result<()> {
    for directory in directories(base)? {
        if !is_alive(&directory)? {
            match std::fs::remove_dir_all(&directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

fn directories(base: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(base) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type().is_ok_and(|type_| type_.is_dir()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Whether somebody has the lock. Without a lock it is being made, or was, by the
/// process in its name; one that is gone meanwhile is not alive.
fn is_alive(directory: &Path) -> io::Result<bool> {
    let lock = match OpenOptions::new().write(true).open(directory.join(LOCK)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(maker_lives(directory));
        }
        Err(error) => return Err(error),
    };
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(false),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the process that a directory is named for is there.
fn maker_lives(directory: &Path) -> bool {
    let name = directory.file_name().and_then(|name| name.to_str());
    let pid = name.and_then(|name| name.split('.').next());
    pid.is_some_and(|pid| Path::new("/proc").join(pid).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_place_of_the_runs_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("lastfd");
        std::fs::write(&base, "").unwrap();
        let error = RunDirectory::new(&base).unwrap_err().to_string();
        assert!(
            error.ends_with("or set XDG_RUNTIME_DIR to one that is"),
            "{error}"
        );
    }
}
