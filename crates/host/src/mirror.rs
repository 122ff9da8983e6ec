//! A real directory tree that shows what is there: directories, links and, for nodes and
//! files, placeholders.
//!
//! Programs are given its directories, so that reading them, walking them by descriptor
//! and watching them with inotify is the machine's own doing. Nobody is given a
//! placeholder: opening a node or a file comes to us.
//!
//! `/dev` is kept as it is at every moment, in the kernel's order. Directories of `/sys`
//! are brought up to date when they are opened or looked at, since attributes come and go
//! by the hundred and nobody can watch sysfs.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Stat, statat};
use rustix::io::Errno;

use crate::place::{Item, Place};

/// The mirror of one host.
#[derive(Debug)]
pub(crate) struct Mirror {
    top: PathBuf,
}

impl Mirror {
    /// Makes the top and the directories that always are.
    pub(crate) fn new(top: PathBuf) -> io::Result<Mirror> {
        let mirror = Mirror { top };
        for directory in ["/dev", "/sys", "/run/udev"] {
            std::fs::create_dir_all(mirror.real(directory))?;
        }
        Ok(mirror)
    }

    /// The real path of a path of ours.
    pub(crate) fn real(&self, path: &str) -> PathBuf {
        self.top.join(path.trim_start_matches('/'))
    }

    /// The path of ours that a real path mirrors.
    pub(crate) fn virtual_of(&self, real: &Path) -> Option<String> {
        let rest = real.strip_prefix(&self.top).ok()?.to_str()?;
        (!rest.is_empty()).then(|| format!("/{rest}"))
    }

    /// Sees to it that the path is there, as what it is, and tells its stat.
    pub(crate) fn ensure(&self, path: &str, item: &Item) -> io::Result<Stat> {
        let real = self.real(path);
        match statat(CWD, &real, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is_like(&real, &stat, item) => return Ok(stat),
            Ok(_) => remove(&real)?,
            Err(Errno::NOENT) => {
                if let Some(above) = real.parent() {
                    std::fs::create_dir_all(above)?;
                }
            }
            Err(errno) => return Err(errno.into()),
        }
        make(&real, item)?;
        Ok(statat(CWD, &real, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Makes the directory hold these names and no others.
    pub(crate) fn fill(&self, path: &str, items: &[(String, Item)]) -> io::Result<()> {
        let real = self.real(path);
        for entry in std::fs::read_dir(&real)? {
            let name = entry?.file_name();
            if !items.iter().any(|(item, _)| **item == *name) {
                remove(&real.join(name))?;
            }
        }
        for (name, item) in items {
            self.ensure(&format!("{path}/{name}"), item)?;
        }
        Ok(())
    }

    /// Puts down the placeholder of a node, in place of one that another device had.
    pub(crate) fn add_node(&self, path: &str) -> io::Result<()> {
        let real = self.real(path);
        if let Some(above) = real.parent() {
            std::fs::create_dir_all(above)?;
        }
        remove(&real)?;
        Ok(make_node(&real, Mode::from_raw_mode(0o600))?)
    }

    /// Shows something of the machine's at its own path.
    pub(crate) fn show_foreign(&self, path: &str, there: &Metadata) -> io::Result<()> {
        let real = self.real(path);
        let mode = Mode::from_raw_mode(there.permissions().mode() & 0o7777);
        let type_ = there.file_type();
        if type_.is_symlink() {
            rustix::fs::symlink(std::fs::read_link(path)?, &real)?;
        } else if type_.is_dir() {
            rustix::fs::mkdir(&real, Mode::from_raw_mode(0o755))?;
        } else if type_.is_char_device() {
            make_node(&real, mode)?;
        } else {
            make_file(&real, mode)?;
        }
        Ok(())
    }

    /// Gives a placeholder other permission bits, if it is still there.
    pub(crate) fn change_mode(&self, path: &str, mode: u16) {
        let _ = rustix::fs::chmod(self.real(path), Mode::from_raw_mode(mode.into()));
    }

    /// Takes a path away as `devtmpfs` does: its permissions first, then its name.
    pub(crate) fn remove_node(&self, path: &str) -> io::Result<()> {
        let real = self.real(path);
        match rustix::fs::chmod(&real, Mode::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.remove(path)
    }

    /// Takes a path away, with all below it.
    pub(crate) fn remove(&self, path: &str) -> io::Result<()> {
        remove(&self.real(path))
    }

    /// Takes away the directories above a path that are empty, up to the top one.
    pub(crate) fn remove_empty_above(&self, path: &str, top: &str) {
        let mut at = path;
        while let Some((above, _)) = at.rsplit_once('/') {
            if above.len() <= top.len() || rustix::fs::rmdir(self.real(above)).is_err() {
                break;
            }
            at = above;
        }
    }
}

fn is_like(real: &Path, stat: &Stat, item: &Item) -> bool {
    let type_ = FileType::from_raw_mode(stat.st_mode);
    match item {
        Item::Directory(_) => type_ == FileType::Directory,
        Item::Link(target) => {
            let same = |there: std::ffi::CString| there.as_bytes() == target.as_bytes();
            type_ == FileType::Symlink && rustix::fs::readlink(real, Vec::new()).is_ok_and(same)
        }
        Item::Node(_) => matches!(type_, FileType::CharacterDevice | FileType::RegularFile),
        Item::Attribute(..) | Item::Data(..) => type_ == FileType::RegularFile,
    }
}

fn make(real: &Path, item: &Item) -> io::Result<()> {
    let made = match item {
        Item::Directory(_) => rustix::fs::mkdir(real, Mode::from_raw_mode(0o755)),
        Item::Link(target) => rustix::fs::symlink(target.as_str(), real),
        Item::Node(node) => make_node(real, Mode::from_raw_mode(node.mode.into())),
        Item::Attribute(_, mode) | Item::Data(_, mode) => {
            make_file(real, Mode::from_raw_mode((*mode).into()))
        }
    };
    match made {
        // Another task looked at the same moment.
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// A character device of number 0:0 needs no privilege (fs/namei.c: vfs_mknod, for
/// whiteouts), reads as a device in a directory, and cannot be opened. Where a file
/// system refuses it (overlayfs), a file must do.
fn make_node(real: &Path, mode: Mode) -> rustix::io::Result<()> {
    match rustix::fs::mknodat(CWD, real, FileType::CharacterDevice, mode, 0) {
        Err(Errno::PERM | Errno::ACCESS | Errno::INVAL | Errno::OPNOTSUPP) => make_file(real, mode),
        made => made,
    }
}

fn make_file(real: &Path, mode: Mode) -> rustix::io::Result<()> {
    rustix::fs::mknodat(CWD, real, FileType::RegularFile, mode, 0)
}

fn remove(real: &Path) -> io::Result<()> {
    let removed = match rustix::fs::unlink(real) {
        Err(Errno::ISDIR | Errno::PERM) => std::fs::remove_dir_all(real),
        removed => removed.map_err(io::Error::from),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether the directory is kept up to date at every moment.
pub(crate) fn is_live(place: &Place) -> bool {
    matches!(place, Place::Dev(_))
}
