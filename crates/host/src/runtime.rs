//! The directory of one run: private, locked while the run lives, swept by the next.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// A run's directory. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct RunDirectory {
    path: PathBuf,
    /// The directory itself, locked; the kernel lets go of it however the process ends.
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
            // Another run may take it for one that is over until it is locked.
            if let Some(lock) = lock(&path)? {
                return Ok(RunDirectory { path, _lock: lock });
            }
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
        if lock(&directory)?.is_none() && directory.is_dir() {
            found.push(directory);
        }
    }
    found.sort();
    Ok(found)
}

/// Removes what runs that were killed left behind. What cannot be removed yet, because a
/// program of such a run still writes there, is for the next to sweep.
fn sweep(base: &Path) -> io::Result<()> {
    for directory in directories(base)? {
        if let Some(_lock) = lock(&directory)? {
            let _ = std::fs::remove_dir_all(&directory);
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

/// The lock on a directory; none if somebody has it, or the directory is gone. Only who
/// has it may remove the directory, so what is at this path is what is locked.
fn lock(directory: &Path) -> io::Result<Option<File>> {
    let opened = match File::open(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(errno) => return Err(errno.into()),
    }
    // It may have been removed between the two calls, and another made in its place.
    let there = match std::fs::symlink_metadata(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        there => there?,
    };
    let locked = opened.metadata()?;
    let same = (there.dev(), there.ino()) == (locked.dev(), locked.ino());
    Ok(same.then_some(opened))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

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

    #[test]
    fn runs_that_begin_at_once_have_a_directory_each_and_leave_none() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("lastfd");
        // What a run of the same number that was killed left behind.
        let left = base.join(format!("{}.0", std::process::id()));
        std::fs::create_dir_all(left.join("dev")).unwrap();
        std::fs::set_permissions(&base, Permissions::from_mode(0o700)).unwrap();
        let threads = (0..8).map(|_| {
            let base = base.clone();
            lastfd_sync::thread::spawn("run", move || {
                for _ in 0..200 {
                    let run = RunDirectory::new(&base).unwrap();
                    std::fs::write(run.path().join("control"), "").unwrap();
                    assert!(alive(&base).unwrap().contains(&run.path().to_owned()));
                    std::fs::remove_file(run.path().join("control")).unwrap();
                }
            })
        });
        for thread in threads.collect::<Vec<_>>() {
            thread.unwrap().join().unwrap();
        }
        assert_eq!(directories(&base).unwrap(), Vec::<PathBuf>::new());
    }
}
