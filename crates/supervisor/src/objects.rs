//! The open files that programs have of us, and how their last close is seen.
//!
//! Each is a fresh memfd, one inode per open. The program's descriptor is an open of
//! that inode; its dups, forks and passed copies are the kernel's affair, and so are
//! its mappings. A watch on the inode tells when the last of them is gone. The inode
//! also is the identity: what `/proc/PID/fd/N` leads to is looked up by its number.

use core::fmt;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use lastfd_chrdev::{OpenFile, OpenFlags};
use lastfd_host::Attribute;
use lastfd_model::{Errno, Result};
use lastfd_sync::atomic::{AtomicUsize, Ordering};
use lastfd_sync::{Arc, Mutex};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, inotify};

use crate::bells::Bells;
use crate::mappings::Mappings;
use crate::uevents::UeventSocket;

/// Number of a file system and of a file there.
pub(crate) type Key = (u64, u64);

/// An open file of ours.
pub(crate) struct Object {
    pub(crate) key: Key,
    pub(crate) content: Content,
    /// Our own descriptor of the inode; its mappings and we ourselves are silent.
    pub(crate) inode: Option<OwnedFd>,
}

/// What it is of.
pub(crate) enum Content {
    Device(DeviceFile),
    Attribute(AttributeFile),
    /// Opened with `O_PATH`, or a link opened with `O_NOFOLLOW`: a name.
    Path(String),
    Uevents(UeventSocket),
}

/// An open device.
pub(crate) struct DeviceFile {
    pub(crate) file: OpenFile,
    pub(crate) bells: Bells,
    pub(crate) mappings: Mappings,
}

/// An open file of sysfs or debugfs.
pub(crate) struct AttributeFile {
    pub(crate) attribute: Arc<Attribute>,
    pub(crate) position: Mutex<u64>,
    pub(crate) path: String,
    /// What stat told when it was opened.
    pub(crate) stat: lastfd_host::Stat,
    pub(crate) flags: OpenFlags,
}

impl Object {
    pub(crate) fn device(&self) -> Option<&DeviceFile> {
        match &self.content {
            Content::Device(device) => Some(device),
            _ => None,
        }
    }

    /// What readlink of /proc/self/fd/N gives.
    pub(crate) fn path(&self) -> Option<String> {
        match &self.content {
            Content::Device(device) => Some(device.file.file().name().path.to_string()),
            Content::Attribute(attribute) => Some(attribute.path.clone()),
            Content::Path(path) => Some(path.clone()),
            Content::Uevents(_) => None,
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({:?}, {:?})", self.key, self.path())
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Objects {
    watches: OwnedFd,
    live: AtomicUsize,
    table: Mutex<Table>,
    /// Held from the news of a close until its release has run, so that nobody who
    /// saw the queue empty goes on before.
    closing: Mutex<()>,
}

#[derive(Debug, Default)]
struct Table {
    objects: BTreeMap<Key, Arc<Object>>,
    watched: BTreeMap<i32, Key>,
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_code(error.raw_os_error())
}

impl Objects {
    pub(crate) fn new() -> rustix::io::Result<Objects> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        Ok(Objects {
            watches: inotify::init(flags)?,
            live: AtomicUsize::new(0),
            table: Mutex::default(),
            closing: Mutex::new(()),
        })
    }

    /// Readable when something was closed.
    pub(crate) fn watches(&self) -> &OwnedFd {
        &self.watches
    }

    /// Whether no program has anything of ours open.
    pub(crate) fn is_empty(&self) -> bool {
        self.live.load(Ordering::Relaxed) == 0
    }

    pub(crate) fn find(&self, key: Key) -> Option<Arc<Object>> {
        self.table.lock().objects.get(&key).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Object>> {
        self.table.lock().objects.values().cloned().collect()
    }

    /// Makes the inode of an open device; gives the descriptor for the program.
    pub(crate) fn add_device(&self, file: OpenFile, flags: OpenFlags) -> Result<OwnedFd> {
        self.add(
            flags,
            Content::Device(DeviceFile {
                file,
                bells: Bells::default(),
                mappings: Mappings::default(),
            }),
        )
    }

    /// Makes an inode; gives the descriptor for the program, opened with these flags.
    pub(crate) fn add(&self, flags: OpenFlags, content: Content) -> Result<OwnedFd> {
        let kind = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let inode = rustix::fs::memfd_create("lastfd", kind).map_err(errno)?;
        // Its pages are mapped here: nobody may take them away.
        rustix::fs::fcntl_add_seals(&inode, SealFlags::SHRINK).map_err(errno)?;
        let there = rustix::fs::fstat(&inode).map_err(errno)?;
        let key = (there.st_dev, there.st_ino);
        let path = format!("/proc/self/fd/{}", crate::sys::number(&inode));
        let closes = inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::CLOSE_NOWRITE;
        let kept = OpenFlags::ACCMODE | OpenFlags::NONBLOCK | OpenFlags::APPEND;
        let kept = OFlags::from_bits_retain((flags & kept).0) | OFlags::CLOEXEC;
        let watch = inotify::add_watch(&self.watches, &path, closes).map_err(errno)?;
        {
            let mut table = self.table.lock();
            table.watched.insert(watch, key);
            let object = Object {
                key,
                content,
                inode: Some(inode),
            };
            table.objects.insert(key, Arc::new(object));
            self.live.fetch_add(1, Ordering::Relaxed);
        }
        // From here on the close of what is opened now is seen like any other.
        rustix::fs::open(&path, kept, Mode::empty()).map_err(|error| {
            self.remove_watched(watch);
            errno(error)
        })
    }

    /// Adds a socket, whose end is seen at its other end.
    pub(crate) fn add_socket(&self, fd: &OwnedFd, socket: UeventSocket) -> Result<Key> {
        let there = rustix::fs::fstat(fd).map_err(errno)?;
        let key = (there.st_dev, there.st_ino);
        let object = Object {
            key,
            content: Content::Uevents(socket),
            inode: None,
        };
        self.table.lock().objects.insert(key, Arc::new(object));
        self.live.fetch_add(1, Ordering::Relaxed);
        Ok(key)
    }

    /// Forgets a file that nobody has open any more.
    pub(crate) fn remove(&self, key: Key) {
        let gone = self.table.lock().objects.remove(&key);
        if gone.is_some() {
            self.live.fetch_sub(1, Ordering::Relaxed);
        }
        // Its driver's release runs here, unless a call is in progress.
        drop(gone);
    }

    /// Forgets the sockets that were kept for a session, which is over.
    pub(crate) fn remove_kept(&self, session: u64) {
        for object in self.all() {
            if let Content::Uevents(socket) = &object.content
                && socket.is_kept_for(session)
            {
                self.remove(object.key);
            }
        }
    }

    /// Closes all, once there is no program any more.
    pub(crate) fn clear(&self) {
        let all = core::mem::take(&mut *self.table.lock());
        self.live.store(0, Ordering::Relaxed);
        drop(all);
    }

    fn remove_watched(&self, watch: i32) {
        let key = self.table.lock().watched.remove(&watch);
        if let Some(key) = key {
            self.remove(key);
        }
    }

    /// Sees to every last close there was up to now. Called before a call that could
    /// tell the difference: a close comes here before the closer's next call does.
    pub(crate) fn see_closes(&self) {
        if self.is_empty() {
            return;
        }
        self.see_all_closes();
    }

    /// The same, and has waited for whoever sees to one now.
    pub(crate) fn see_all_closes(&self) {
        let _closing = self.closing.lock();
        let mut room = [core::mem::MaybeUninit::<u8>::uninit(); 4096];
        let mut reader = inotify::Reader::new(self.watches.as_fd(), &mut room);
        let mut closed = Vec::new();
        while let Ok(event) = reader.next() {
            let closes = inotify::ReadFlags::CLOSE_WRITE | inotify::ReadFlags::CLOSE_NOWRITE;
            if event.events().intersects(closes) {
                closed.push(event.wd());
            }
        }
        for watch in closed {
            self.remove_watched(watch);
        }
    }
}
