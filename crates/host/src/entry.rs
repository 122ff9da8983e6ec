//! What a path leads to.

use core::fmt;

use lastfd_model::Errno;
use lastfd_model::raw::DevT;

use crate::place::Item;

/// What a path leads to.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// Nowhere of ours: the machine's own file, or none.
    Foreign(Foreign),
    /// Ours, and there is nothing.
    Absent(Absent),
    /// Ours, and there.
    Here(Entry),
}

/// A path of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The path to use there: absolute, without `..` as far as it was walked.
    pub path: Vec<u8>,
    /// How far a program may go there.
    pub reach: Reach,
    /// Whether the machine, given the path as the program gave it, comes to the same
    /// file. Not so once the way led through a directory or a link of ours.
    pub native: bool,
}

/// How far a program may go with a file of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// As far as the machine lets it.
    Any,
    /// It may open and use what is there; it may not create, remove, rename or change
    /// anything: `EPERM`. The nodes below `/dev` that pass.
    Nodes,
    /// It may read: a write, an open for writing or a change gives `EROFS`. The parts of
    /// `/sys` that pass.
    ReadOnly,
}

/// Nothing is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// What a look-up gives: `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
    pub errno: Errno,
    /// What creating it gives (`O_CREAT`, `mkdir`, `mknod`, `symlink`, the new name of
    /// `rename` and `link`): as `errno` or, in a directory that is there, `EACCES`
    /// (fs/namei.c: vfs_create, for directories without the operation).
    pub create: Errno,
}

/// Something of ours.
#[derive(Clone)]
pub struct Entry {
    pub(crate) path: String,
    pub(crate) item: Item,
    pub(crate) stat: Stat,
}

/// What sort of thing an [`Entry`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A symbolic link, with its target as `readlink` gives it.
    Symlink(String),
    /// A character device.
    Node(DevT),
    /// A file of sysfs or debugfs: a read runs its show, a write its store.
    Attribute,
    /// A file with fixed contents.
    Data,
}

/// What `stat` tells of an [`Entry`].
///
/// `dev`, `ino` and the times are those of the mirror's file, so that they agree with what
/// `getdents` and `fstat` give natively on its directories. Owner and group are those of
/// whoever runs lastfd: the open comes to us, and so the permission is ours to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Number of the file system.
    pub dev: u64,
    /// Number of the file there.
    pub ino: u64,
    /// Type and permissions.
    pub mode: u32,
    /// Links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The device number of a node.
    pub rdev: Option<DevT>,
    /// Bytes: a page for an attribute, the length of a link, 0 for a node.
    pub size: u64,
    /// When it came to be, seconds and nanoseconds: all three times.
    pub time: (i64, u32),
}

pub(crate) const S_IFCHR: u32 = 0o020_000;
pub(crate) const S_IFDIR: u32 = 0o040_000;
pub(crate) const S_IFREG: u32 = 0o100_000;
pub(crate) const S_IFLNK: u32 = 0o120_000;

impl Entry {
    /// Its absolute path, without links and dots.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match &self.item {
            Item::Directory(_) => Kind::Directory,
            Item::Link(target) => Kind::Symlink(target.clone()),
            Item::Node(node) => Kind::Node(node.devt),
            Item::Attribute(..) => Kind::Attribute,
            Item::Data(..) => Kind::Data,
        }
    }

    /// What `stat` tells of it.
    pub fn stat(&self) -> Stat {
        self.stat
    }

    /// Whether the user who runs lastfd may do what is asked, as `access` would tell:
    /// the owner's permission bits, and all but execution for root.
    pub fn may(&self, read: bool, write: bool, execute: bool) -> bool {
        let root = self.stat.uid == 0;
        let bits = self.stat.mode;
        let directory = bits & 0o170_000 == S_IFDIR;
        (!read || root || bits & 0o400 != 0)
            && (!write || root || bits & 0o200 != 0)
            && (!execute || bits & 0o100 != 0 || (root && directory))
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({} {:?})", self.path, self.kind())
    }
}

/// The file system a path of ours is on, for `statfs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filesystem {
    /// `/sys`.
    Sysfs,
    /// `/sys/kernel/debug`.
    Debugfs,
    /// `/dev`, which is devtmpfs and says so as tmpfs does.
    Devtmpfs,
    /// `/run`.
    Tmpfs,
}

impl Filesystem {
    /// `f_type`.
    pub fn magic(self) -> u64 {
        match self {
            Filesystem::Sysfs => 0x6265_6572,
            Filesystem::Debugfs => 0x6462_6720,
            Filesystem::Devtmpfs | Filesystem::Tmpfs => 0x0102_1994,
        }
    }

    pub(crate) fn of(path: &str) -> Option<Filesystem> {
        let within = |top: &str| {
            path.strip_prefix(top)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if within("/sys/kernel/debug") {
            Some(Filesystem::Debugfs)
        } else if within("/sys") {
            Some(Filesystem::Sysfs)
        } else if within("/dev") {
            Some(Filesystem::Devtmpfs)
        } else if within("/run/udev") {
            Some(Filesystem::Tmpfs)
        } else {
            None
        }
    }
}
