//! Opening: by path, by number, through an open file, and anonymously.
//!
//! Follows `fs/open.c`, `fs/char_dev.c: chrdev_open` and `fs/anon_inodes.c`.

use core::panic::Location;

use lastfd_model::raw::DevT;
use lastfd_model::{DeviceRef, Errno, EventKind, FileRef, Holding, LedgerLine, Result, System};
use lastfd_sync::{Arc, Weak};

use crate::cdev::Chrdevs;
use crate::file::{File, FilePrivate, fmode};
use crate::flags::OpenFlags;
use crate::fops::FileOps;
use crate::handle::OpenFile;
use crate::inode::{Inode, Kind};

/// Opens a device node by its path, such as `/dev/iio:device0`.
///
/// ```
/// use lastfd_chrdev::{OpenFlags, open};
/// use lastfd_model::{Errno, System};
/// let system = System::new();
/// assert_eq!(open(&system, "/dev/video0", OpenFlags::RDWR).err(), Some(Errno::ENOENT));
/// ```
///
/// # Errors
/// `ENOENT` if there is no such node (it went with its device), `EEXIST`,
/// `ENOTDIR`, `EINVAL` by the flags, `ENXIO` if nothing serves the number, and
/// what the driver's `open` answers. `EIO` if that panicked.
#[track_caller]
pub fn open(system: &System, path: &str, flags: OpenFlags) -> Result<OpenFile> {
    // fs/open.c: build_open_flags.
    if flags.contains(OpenFlags::CREAT | OpenFlags::DIRECTORY) {
        return Err(Errno::EINVAL);
    }
    let name = path.strip_prefix("/dev/").ok_or(Errno::ENOENT)?;
    let name = name.trim_start_matches('/');
    let file_name = name.trim_end_matches('/');
    let node = system.dev_node(file_name).ok_or(Errno::ENOENT)?;
    if file_name.len() != name.len() {
        return Err(Errno::ENOTDIR);
    }
    // fs/namei.c: do_open.
    if flags.contains(OpenFlags::CREAT | OpenFlags::EXCL) {
        return Err(Errno::EEXIST);
    }
    if flags.contains(OpenFlags::DIRECTORY) {
        return Err(Errno::ENOTDIR);
    }
    let chrdevs = system.extension::<Chrdevs>();
    let key = (file_name.to_owned(), node.device.id());
    let inode = {
        let mut inodes = chrdevs.inodes.lock();
        let known = inodes.get(&key).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            inodes.retain(|_, inode| inode.strong_count() > 0);
            let inode = Arc::new(Inode::new(Kind::Node {
                devt: node.devt,
                mode: node.mode.into(),
                name: file_name.to_owned(),
                device: node.device.id(),
            }));
            inodes.insert(key, Arc::downgrade(&inode));
            inode
        })
    };
    chrdev_open(system, &inode, format!("/dev/{file_name}").into(), flags)
}

/// Tells that a program is about to open the node with this path, if there is one. For a
/// front end that can stop the program there; [`open()`] does not tell by itself.
pub fn begin_open(system: &System, path: &str) {
    let name = path.strip_prefix("/dev/");
    if let Some(node) = name.and_then(|name| system.dev_node(name)) {
        system.emit(|| EventKind::OpenBegin {
            device: node.device.device_ref(),
            path: path.into(),
        });
    }
}

/// Opens by number, as a node that `mknod` made anywhere leads to a driver.
///
/// # Errors
/// `ENXIO` if nothing serves the number; otherwise as [`open()`].
#[track_caller]
pub fn open_devt(system: &System, devt: DevT, flags: OpenFlags) -> Result<OpenFile> {
    let inode = Arc::new(Inode::new(Kind::Special(devt)));
    let path = format!("/dev/char/{devt}").into();
    chrdev_open(system, &inode, path, flags)
}

#[track_caller]
fn chrdev_open(
    system: &System,
    inode: &Arc<Inode>,
    path: Arc<str>,
    flags: OpenFlags,
) -> Result<OpenFile> {
    let cdev = system.extension::<Chrdevs>().cdev_of(inode)?;
    let parent = cdev.parent();
    // A handle that a device gives out keeps no System alive; the opener's may.
    let own = parent
        .as_ref()
        .map_or_else(|| system.unowned(), |p| p.system());
    let name = FileRef {
        id: system.unique(),
        path,
    };
    // fs/open.c: do_sys_openat2 strips O_CLOEXEC, force_o_largefile adds the other.
    let flags = (flags | OpenFlags::LARGEFILE) & !OpenFlags::CLOEXEC;
    let mut file = File::new(
        own,
        name,
        cdev.device_ref(),
        Arc::clone(inode),
        Arc::clone(cdev.ops()),
        flags,
        fmode::LSEEK | fmode::PREAD | fmode::PWRITE,
    );
    *file.cdev.lock() = Some(cdev.clone());
    let opened = match file.fails(|| "open") {
        Some(errno) => Err(errno),
        None => file
            .guard("open", |ops, file| ops.open(file))
            .unwrap_or(Err(Errno::EIO)),
    };
    if let Err(errno) = opened {
        *file.cdev.lock() = None;
        drop(file);
        cdev.put();
        return Err(errno);
    }
    file.opened();
    // fs/open.c: do_dentry_open.
    let once = OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::NOCTTY | OpenFlags::TRUNC;
    file.change_flags(|flags| flags & !once);
    let file = announce(file);
    if flags.contains(OpenFlags::DIRECT) {
        // The driver's open ran, so its release does.
        return Err(Errno::EINVAL);
    }
    Ok(file)
}

#[track_caller]
fn announce(file: File) -> OpenFile {
    if file.system.ledger_is_on() {
        *file.ledger.lock() = file.system.ledger_open(LedgerLine {
            holding: Holding::OpenFile,
            device: file.device.clone(),
            what: file.name.to_string().into(),
            place: Some(Location::caller()),
        });
    }
    file.system.emit(|| EventKind::FileOpened {
        file: file.name.clone(),
        device: file.device.clone(),
    });
    OpenFile::new(file)
}

/// Makes an open file that no path leads to (`anon_inode:NAME`), such as a
/// buffer's or an event queue's. `open` is not called for it; its callbacks,
/// flags and private data are what is given here. pread and pwrite give
/// `ESPIPE`, whatever the callbacks.
///
/// `device` is the one the file belongs to, for events and ledger.
///
/// # Errors
/// `ENOMEM`.
#[track_caller]
pub fn anon_inode_getfile(
    system: &System,
    name: &str,
    ops: Arc<dyn FileOps>,
    private: Option<FilePrivate>,
    flags: OpenFlags,
    device: Option<DeviceRef>,
) -> Result<OpenFile> {
    system.allocation()?;
    let name = FileRef {
        id: system.unique(),
        path: format!("anon_inode:{name}").into(),
    };
    let file = File::new(
        system.unowned(),
        name,
        device,
        Arc::new(Inode::new(Kind::Anonymous)),
        ops,
        flags & (OpenFlags::ACCMODE | OpenFlags::NONBLOCK),
        // fs/file_table.c: file_init_path sets neither FMODE_PREAD nor PWRITE.
        fmode::LSEEK,
    );
    if let Some(private) = private {
        file.set_private(private);
    }
    Ok(announce(file))
}

/// What fstat tells of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Type and permissions. A removed node has lost its permissions.
    pub mode: u32,
    /// Links: 1, or 0 once the node was removed.
    pub nlink: u32,
    /// The device number; none for an anonymous file.
    pub rdev: Option<DevT>,
}

/// The type bits of a character device (`S_IFCHR`).
const S_IFCHR: u32 = 0o020000;

impl OpenFile {
    /// fstat, as far as devices have something to say.
    pub fn stat(&self) -> Stat {
        let inode = &self.file().inode;
        let (mode, nlink) = match &inode.kind {
            Kind::Anonymous => (0o600, 1),
            Kind::Special(_) => (S_IFCHR | 0o600, 1),
            Kind::Node {
                mode, name, device, ..
            } => {
                let node = self.file().system.dev_node(name);
                let there = node.is_some_and(|node| node.device.id() == *device);
                // drivers/base/devtmpfs.c: handle_remove takes the permissions first.
                if there {
                    (S_IFCHR | (mode & 0o7777), 1)
                } else {
                    (S_IFCHR, 0)
                }
            }
        };
        Stat {
            mode,
            nlink,
            rdev: inode.devt(),
        }
    }

    /// Opens what this file refers to once more, as a path of
    /// `/proc/self/fd` does: a new open file, also after the node is gone.
    ///
    /// # Errors
    /// `ENXIO` for an anonymous file; otherwise as [`open()`].
    #[track_caller]
    pub fn reopen(&self, flags: OpenFlags) -> Result<OpenFile> {
        let file = self.file();
        let path = Arc::clone(&file.name.path);
        chrdev_open(&file.system, &file.inode, path, flags)
    }
}
