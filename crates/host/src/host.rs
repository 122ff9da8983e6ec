//! The host: a System as programs see it.

use core::fmt;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use lastfd_chrdev::{OpenFile, OpenFlags};
use lastfd_model::event::Listener;
use lastfd_model::raw::{UeventAction, uevent_environment};
use lastfd_model::{Errno, Event, EventKind, Subscription, System};
use lastfd_sync::thread::{self, JoinHandle};
use lastfd_sync::{Arc, Mutex};

use crate::attribute::Attribute;
use crate::entry::{Absent, Entry, Filesystem, Resolved, S_IFCHR, S_IFDIR, S_IFLNK, S_IFREG, Stat};
use crate::holders::{CallState, Holders};
use crate::mirror::Mirror;
use crate::place::{Item, Look, Place};
use crate::resolve::{Walked, walk};
use crate::runtime::{self, RunDirectory};
use crate::udev::{Job, Properties, Udevd};
use crate::uevents::{Audience, Group, Sink, Uevents, kernel_datagram};

/// `O_PATH`.
const O_PATH: u32 = 0o10_000_000;

/// How a [`Host`] is to be.
#[derive(Clone, Default)]
pub struct Options {
    /// The directory for the run's own: `$XDG_RUNTIME_DIR/lastfd`, or
    /// `/tmp/lastfd-UID`, unless told.
    pub base: Option<PathBuf>,
    /// Who knows properties for udev's database.
    pub properties: Vec<Properties>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("base", &self.base)
            .field("properties", &self.properties.len())
            .finish()
    }
}

/// A System as programs see it: `/dev`, `/sys`, `/run/udev`, uevents, and who holds what.
///
/// It does not keep the System from ending. It may be used from many tasks.
pub struct Host {
    /// None once it is being dropped: nobody feeds the mirror any more.
    subscription: Option<Subscription>,
    udev: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

struct Shared {
    system: System,
    mirror: Mirror,
    /// The device of each node in the mirror.
    nodes: Mutex<BTreeMap<String, u64>>,
    /// The directory of each device that the mirror has one for.
    directories: Mutex<BTreeMap<u64, String>>,
    audience: Arc<Audience>,
    holders: Holders,
    udev: Udevd,
    properties: Vec<Properties>,
    owner: (u32, u32),
    run: RunDirectory,
}

/// What an open gave.
#[derive(Debug)]
pub enum Opened {
    /// An open file of a device. Its driver's `open` has run.
    Device(OpenFile),
    /// An open file of sysfs or debugfs.
    Attribute(Arc<Attribute>),
    /// A real directory, up to date, for the front end to open natively.
    Directory(PathBuf),
    /// A file with these contents, to be read.
    Data(Arc<[u8]>),
    /// With `O_PATH`: a placeholder, for the front end to open natively with `O_PATH`.
    Path(PathBuf),
}

impl Host {
    /// Serves a System.
    ///
    /// # Errors
    /// What making the run's directory and the trees in it gives.
    pub fn new(system: &System, options: Options) -> io::Result<Host> {
        let run = RunDirectory::new(&options.base.unwrap_or_else(runtime::base))?;
        let shared = Arc::new(Shared {
            system: system.unowned(),
            mirror: Mirror::new(run.path().join("tree"))?,
            nodes: Mutex::default(),
            directories: Mutex::default(),
            audience: Arc::default(),
            holders: Holders::default(),
            udev: Udevd::default(),
            properties: options.properties,
            owner: (
                rustix::process::geteuid().as_raw(),
                rustix::process::getegid().as_raw(),
            ),
            run,
        });
        let listener: Arc<dyn Listener> = shared.clone();
        let subscription = system.subscribe(listener);
        shared.mirror_dev()?;
        let worker = Arc::clone(&shared);
        let task = move || {
            worker.udev.run(&worker.system, |job| worker.process(&job));
        };
        let host = Host {
            subscription: Some(subscription),
            udev: Some(thread::spawn("udev", task)?),
            shared,
        };
        host.coldplug();
        Ok(host)
    }

    /// Has udev take what is there already, as at boot.
    fn coldplug(&self) {
        for device in self.shared.system.devices() {
            self.shared.udev.push(Job {
                device: Some(device.id()),
                action: UeventAction::Add,
                env: uevent_environment(&device, UeventAction::Add).into(),
            });
        }
        self.settle();
    }

    /// Waits until udev is done with every uevent so far (`udevadm settle`).
    pub fn settle(&self) {
        self.shared.udev.settle(&self.shared.system);
    }

    /// What an absolute path leads to, once the front end has put the working directory
    /// or the directory of a descriptor before it. `follow_last` is whether a link at
    /// the end is followed (not so for `lstat`, `readlink`, `O_NOFOLLOW`).
    ///
    /// Runs no driver code and does not wait.
    pub fn resolve(&self, path: &[u8], follow_last: bool) -> Resolved {
        let look = self.shared.look();
        let (path, item) = match walk(&look, path, follow_last) {
            Walked::Foreign(foreign) => return Resolved::Foreign(foreign),
            Walked::Absent(absent) => return Resolved::Absent(absent),
            Walked::Here { path, item } => (path, item),
        };
        match self.shared.stat(&path, &item) {
            Ok(stat) => Resolved::Here(Entry { path, item, stat }),
            // The mirror's file system is full, or gone.
            Err(_) => Resolved::Absent(Absent {
                errno: Errno::EIO,
                create: Errno::EIO,
            }),
        }
    }

    /// Tells that a program is about to open a device's node.
    pub fn begin_open(&self, entry: &Entry) {
        lastfd_chrdev::begin_open(&self.shared.system, &entry.path);
    }

    /// Opens what a path led to.
    ///
    /// A device's driver may sleep in its `open`.
    ///
    /// # Errors
    /// As `open`: `EISDIR`, `ENOTDIR`, `EEXIST`, `ELOOP` for a link, `EACCES` by the
    /// permission bits of an attribute, `EROFS` for writing to a file with fixed
    /// contents, and what the driver's `open` gives. `ENODEV` or `ENOENT` if it went
    /// meanwhile.
    pub fn open(&self, entry: &Entry, flags: OpenFlags) -> Result<Opened, Errno> {
        let shared = &self.shared;
        if flags.0 & O_PATH != 0 {
            let directory = matches!(entry.item, Item::Directory(_));
            if flags.contains(OpenFlags::DIRECTORY) && !directory {
                return Err(Errno::ENOTDIR);
            }
            return match directory {
                true => shared.directory(entry).map(Opened::Directory),
                false => Ok(Opened::Path(shared.mirror.real(&entry.path))),
            };
        }
        if let Item::Link(_) = entry.item {
            return Err(Errno::ELOOP);
        }
        // fs/open.c: build_open_flags; fs/namei.c: do_open.
        if flags.contains(OpenFlags::CREAT | OpenFlags::DIRECTORY) {
            return Err(Errno::EINVAL);
        }
        if flags.contains(OpenFlags::CREAT | OpenFlags::EXCL) {
            return Err(Errno::EEXIST);
        }
        if let Item::Directory(_) = entry.item {
            if flags.contains(OpenFlags::CREAT) || flags.may_write() {
                return Err(Errno::EISDIR);
            }
            return shared.directory(entry).map(Opened::Directory);
        }
        if flags.contains(OpenFlags::DIRECTORY) {
            return Err(Errno::ENOTDIR);
        }
        match &entry.item {
            Item::Node(_) => {
                lastfd_chrdev::open(&shared.system, &entry.path, flags).map(Opened::Device)
            }
            Item::Attribute(source, _) => {
                let attribute = Attribute::open(&shared.system, source, flags)?;
                Ok(Opened::Attribute(Arc::new(attribute)))
            }
            Item::Data(..) if flags.may_write() => Err(Errno::EROFS),
            Item::Data(bytes, _) => Ok(Opened::Data(Arc::clone(bytes))),
            Item::Directory(_) | Item::Link(_) => Err(Errno::ELOOP),
        }
    }

    /// The path of ours that a real path mirrors, as the front end finds it in
    /// `/proc/PID/fd` or `/proc/PID/cwd`. A directory that was removed meanwhile has
    /// ` (deleted)` there, and leads to nothing.
    pub fn virtual_of(&self, real: &Path) -> Option<String> {
        self.shared.mirror.virtual_of(real)
    }

    /// The file system a path of ours is on; None for one of the machine's.
    pub fn filesystem(&self, path: &str) -> Option<Filesystem> {
        Filesystem::of(path)
    }

    /// Gives the sink every datagram of the group from here on.
    pub fn uevents(&self, group: Group, sink: Sink) -> Uevents {
        self.shared.audience.add(group, sink)
    }

    /// Who holds what: for the front end to tell, and for everybody to ask.
    pub fn holders(&self) -> &Holders {
        &self.shared.holders
    }

    /// The directory of this run, which goes with the host.
    pub fn directory(&self) -> &Path {
        self.shared.run.path()
    }

    /// The System it serves.
    pub fn system(&self) -> &System {
        &self.shared.system
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("run", &self.shared.run)
            .finish_non_exhaustive()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.subscription = None;
        self.shared.udev.stop();
        if let Some(task) = self.udev.take() {
            // A panic on it was told as that task's.
            let _ = task.join();
        }
    }
}

impl Shared {
    fn look(&self) -> Look<'_> {
        Look {
            system: &self.system,
            udev: &self.udev,
        }
    }

    fn stat(&self, path: &str, item: &Item) -> io::Result<Stat> {
        if let Item::Directory(Place::Device(device)) = item {
            self.directories.lock().insert(device.id(), path.to_owned());
        }
        let real = self.mirror.ensure(path, item)?;
        let (type_, mode, size) = match item {
            Item::Directory(_) => (S_IFDIR, 0o755, 0),
            Item::Link(target) => (S_IFLNK, 0o777, target.len() as u64),
            Item::Node(node) => (S_IFCHR, node.mode, 0),
            Item::Attribute(_, mode) => (S_IFREG, *mode, lastfd_chrdev::PAGE_SIZE as u64),
            Item::Data(bytes, mode) => (S_IFREG, *mode, bytes.len() as u64),
        };
        Ok(Stat {
            dev: real.st_dev,
            ino: real.st_ino,
            mode: type_ | u32::from(mode),
            nlink: if type_ == S_IFDIR {
                real.st_nlink as u32
            } else {
                1
            },
            uid: self.owner.0,
            gid: self.owner.1,
            rdev: match item {
                Item::Node(node) => Some(node.devt),
                _ => None,
            },
            size,
            time: (real.st_mtime, real.st_mtime_nsec as u32),
        })
    }

    /// The real directory, with what is in it now.
    fn directory(&self, entry: &Entry) -> Result<PathBuf, Errno> {
        let Item::Directory(place) = &entry.item else {
            return Err(Errno::ENOTDIR);
        };
        if !crate::mirror::is_live(place) {
            let mut items = self.look().list(place);
            self.add_passing(place, &mut items);
            let filled = self.mirror.fill(&entry.path, &items);
            filled.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Errno::ENOENT,
                _ => Errno::EIO,
            })?;
        }
        Ok(self.mirror.real(&entry.path))
    }

    /// The machine's names that are seen in a directory of ours.
    fn add_passing(&self, place: &Place, items: &mut Vec<(String, Item)>) {
        let (top, names): (_, Vec<String>) = match place {
            Place::Sys => ("/sys", to_strings(crate::resolve::passing_sys())),
            Place::Devices => ("/sys/devices", to_strings(&["system"])),
            Place::Kernel => {
                let entries = std::fs::read_dir("/sys/kernel")
                    .into_iter()
                    .flatten()
                    .flatten();
                let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
                ("/sys/kernel", names.collect())
            }
            _ => return,
        };
        for name in names {
            let there = std::fs::metadata(format!("{top}/{name}"));
            let item = match there {
                Ok(there) if there.is_dir() => Item::Directory(Place::Empty("")),
                Ok(_) => Item::Data(Arc::from([]), 0o444),
                Err(_) => continue,
            };
            if !items.iter().any(|(ours, _)| *ours == name) {
                items.push((name, item));
            }
        }
    }

    /// Fills `/dev`: with what passes of the machine's, and with the nodes there are.
    fn mirror_dev(&self) -> io::Result<()> {
        for name in crate::resolve::passing_nodes() {
            let machine = format!("/dev/{name}");
            match std::fs::symlink_metadata(&machine) {
                Ok(there) => self.mirror.show_foreign(&machine, &there)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for node in self.system.dev_nodes() {
            self.node_created(&node.name, node.device.id())?;
            // It may have gone before it was put down here.
            if self.system.dev_node(&node.name).is_none() {
                self.node_removed(&node.name, node.device.id())?;
            }
        }
        Ok(())
    }

    fn uevent(&self, device: Option<u64>, action: UeventAction, env: &Arc<[(String, String)]>) {
        let datagram = kernel_datagram(action, env);
        self.audience.send(Group::Kernel, &datagram);
        let env = Arc::clone(env);
        self.udev.push(Job {
            device,
            action,
            env,
        });
    }

    fn node_created(&self, name: &str, device: u64) -> io::Result<()> {
        let mut nodes = self.nodes.lock();
        nodes.insert(name.to_owned(), device);
        self.mirror.add_node(&format!("/dev/{name}"))
    }

    /// Another device may have taken the name already: then it stays.
    fn node_removed(&self, name: &str, device: u64) -> io::Result<()> {
        let mut nodes = self.nodes.lock();
        if nodes.get(name) != Some(&device) {
            return Ok(());
        }
        nodes.remove(name);
        let path = format!("/dev/{name}");
        self.mirror.remove_node(&path)?;
        self.mirror.remove_empty_above(&path, "/dev");
        Ok(())
    }

    /// udev takes a uevent. Listeners are told last, when all else is there.
    fn process(&self, job: &Job) {
        let outcome = self.udev.process(&self.system, &self.properties, job);
        // Where the mirror's file system is full or gone, look-ups say so.
        for link in &outcome.gone {
            let path = format!("/dev/{link}");
            let _ = self.mirror.remove(&path);
            self.mirror.remove_empty_above(&path, "/dev");
        }
        for (link, target) in &outcome.made {
            let _ = self
                .mirror
                .ensure(&format!("/dev/{link}"), &Item::Link(target.clone()));
        }
        if let Some((node, mode)) = &outcome.mode {
            self.mirror.change_mode(&format!("/dev/{node}"), *mode);
        }
        if let Some(datagram) = &outcome.datagram {
            self.audience.send(Group::Udev, datagram);
        }
    }

    fn device_removed(&self, device: u64) -> io::Result<()> {
        match self.directories.lock().remove(&device) {
            Some(path) => self.mirror.remove(&path),
            None => Ok(()),
        }
    }
}

fn to_strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Listener for Shared {
    fn event(&self, event: &Event) {
        // Where the mirror's file system is full or gone, look-ups say so.
        let _ = match &event.kind {
            EventKind::NodeCreated { device, node } => self.node_created(node, device.id),
            EventKind::NodeRemoved { device, node } => self.node_removed(node, device.id),
            EventKind::DeviceRemoved { device } => self.device_removed(device.id),
            EventKind::FileClosed { file, .. } => {
                self.holders.closed(file.id);
                Ok(())
            }
            EventKind::OperationBegin { file, op } => {
                self.holders.begins(file.id, op, event.time);
                Ok(())
            }
            EventKind::Blocked { file, op } => {
                self.holders.is_at(file.id, op, CallState::Asleep);
                Ok(())
            }
            EventKind::Woken { file, op } => {
                self.holders.is_at(file.id, op, CallState::Running);
                Ok(())
            }
            EventKind::OperationEnd { file, op, result } => {
                self.holders.is_at(file.id, op, CallState::Over(*result));
                Ok(())
            }
            EventKind::Uevent {
                device,
                action,
                env,
            } => {
                self.uevent(Some(device.id), *action, env);
                Ok(())
            }
            EventKind::KobjectUevent { action, env, .. } => {
                self.uevent(None, *action, env);
                Ok(())
            }
            _ => Ok(()),
        };
    }
}
