//! Opening.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use lastfd_chrdev::{OpenFile, OpenFlags};
use lastfd_host::{Entry, Kind, Opened, Reach, Resolved};
use lastfd_model::{Errno, Result};
use lastfd_sync::Mutex;
use rustix::fs::{Mode, OFlags};

use crate::memfd;
use crate::objects::{AttributeFile, Content, Object};
use crate::paths::{FDCWD, Named, as_path};
use crate::task::{Answer, Task};

const O_PATH: u32 = libc::O_PATH as u32;
const O_NOFOLLOW: u32 = libc::O_NOFOLLOW as u32;
const O_TMPFILE: u32 = libc::O_TMPFILE as u32;

pub(super) fn creat(task: &Task) -> Answer {
    let flags = OpenFlags::CREAT | OpenFlags::WRONLY | OpenFlags::TRUNC;
    open(task, FDCWD, task.arg(0), flags.0)
}

pub(super) fn openat2(task: &Task) -> Answer {
    // struct open_how: flags, mode, resolve.
    match task.word(task.arg(2)) {
        Ok(flags) => open(task, task.int(0), task.arg(1), flags as u32),
        Err(_) => Answer::Continue,
    }
}

pub(super) fn open(task: &Task, directory: i32, path: u64, flags: u32) -> Answer {
    let exclusive = OpenFlags::CREAT | OpenFlags::EXCL;
    let open_flags = OpenFlags(flags);
    let follow = flags & O_NOFOLLOW == 0 && !open_flags.contains(exclusive);
    let changes = open_flags.may_write()
        || open_flags.intersects(OpenFlags::CREAT | OpenFlags::TRUNC)
        || flags & O_TMPFILE == O_TMPFILE;
    let look = || match changes && flags & O_PATH == 0 {
        true => task.named_to_change(directory, path, follow),
        false => task.named(directory, path, follow),
    };
    let mut named = look();
    if let (Named::Here(entry), 0) = (&named, flags & O_PATH)
        && let Kind::Node(_) = entry.kind()
    {
        let shared = &task.session.shared;
        // What was closed before was closed before this begins.
        shared.objects.see_closes();
        shared.host.begin_open(entry);
        shared.checkpoint();
        // The node may have gone just now.
        named = look();
    }
    match named {
        Named::Answered(answer) => answer,
        Named::Foreign(foreign) => {
            if foreign.reach == Reach::ReadOnly && changes && flags & O_PATH == 0 {
                return Answer::Error(Errno::EROFS);
            }
            let cloexec = open_flags.contains(OpenFlags::CLOEXEC);
            let accel = task.session.accel.as_ref().filter(|_| !changes);
            let library = accel.and_then(|accel| accel.open(task, &foreign.path, cloexec));
            if let Some(answer) = library {
                return answer;
            }
            if foreign.native {
                return Answer::Continue;
            }
            let flags = open_flags & !(OpenFlags::CREAT | OpenFlags::TRUNC);
            give_real(task, as_path(&foreign.path), flags, open_flags)
        }
        Named::Absent(absent) => {
            let creates = open_flags.contains(OpenFlags::CREAT) && flags & O_PATH == 0;
            Answer::Error(if creates { absent.create } else { absent.errno })
        }
        Named::Here(entry) => here(task, &entry, open_flags),
        Named::Open(object) => again(task, &object, open_flags),
        Named::OpenDirectory(path) => by_path(task, &path, open_flags),
    }
}

fn by_path(task: &Task, path: &str, flags: OpenFlags) -> Answer {
    match task.session.shared.host.resolve(path.as_bytes(), true) {
        Resolved::Here(entry) => here(task, &entry, flags),
        Resolved::Absent(absent) => Answer::Error(absent.errno),
        Resolved::Foreign(_) => Answer::Error(Errno::ENOENT),
    }
}

fn here(task: &Task, entry: &Entry, flags: OpenFlags) -> Answer {
    // What was read may have been another process's, if the caller was killed.
    if !task.is_valid() {
        return Answer::Given;
    }
    let shared = &task.session.shared;
    // What was closed before counts before: a device that takes one opener only.
    shared.objects.see_closes();
    match shared.host.open(entry, flags) {
        Err(errno) => Answer::Error(errno),
        Ok(Opened::Device(file)) => give_device(task, file, flags),
        Ok(Opened::Attribute(attribute)) => {
            let content = Content::Attribute(AttributeFile {
                attribute,
                position: Mutex::new(0),
                path: entry.path().to_owned(),
                stat: entry.stat(),
                flags,
            });
            give(task, flags, content)
        }
        Ok(Opened::Directory(path)) => {
            // A descriptor of O_PATH cannot be passed; one to read does all that it does.
            let read = OpenFlags::DIRECTORY | (flags & OpenFlags::NOATIME);
            give_real(task, &path, read, flags)
        }
        Ok(Opened::Data(bytes)) => match memfd::sealed("lastfd-data", &bytes) {
            Ok(fd) => task.give_anywhere(fd.as_fd(), flags.contains(OpenFlags::CLOEXEC)),
            Err(error) => Answer::Error(Errno::from_code(error.raw_os_error())),
        },
        Ok(Opened::Path(_)) => {
            debug_assert!(!matches!(entry.kind(), Kind::Directory));
            give(task, flags, Content::Path(entry.path().to_owned()))
        }
    }
}

/// What an open file of ours refers to, opened once more.
fn again(task: &Task, object: &Object, flags: OpenFlags) -> Answer {
    task.session.shared.objects.see_closes();
    match &object.content {
        Content::Device(device) if flags.0 & O_PATH == 0 => {
            if flags.contains(OpenFlags::DIRECTORY) {
                return Answer::Error(Errno::ENOTDIR);
            }
            if flags.contains(OpenFlags::CREAT | OpenFlags::EXCL) {
                return Answer::Error(Errno::EEXIST);
            }
            match device.file.reopen(flags) {
                Ok(file) => give_device(task, file, flags),
                Err(errno) => Answer::Error(errno),
            }
        }
        Content::Uevents(_) => Answer::Error(Errno::ENXIO),
        _ => match object.path() {
            Some(path) => by_path(task, &path, flags),
            None => Answer::Error(Errno::ENXIO),
        },
    }
}

fn give_device(task: &Task, file: OpenFile, flags: OpenFlags) -> Answer {
    task.session.life.users().note(task.tid(), || task.tgid());
    let added = task.add_device(file, flags);
    give_added(task, added, flags)
}

fn give(task: &Task, flags: OpenFlags, content: Content) -> Answer {
    let added = task.session.shared.objects.add(flags, content);
    give_added(task, added, flags)
}

fn give_added(task: &Task, added: Result<OwnedFd>, flags: OpenFlags) -> Answer {
    match added {
        Ok(fd) => task.give(fd.as_fd(), flags.contains(OpenFlags::CLOEXEC), 0),
        Err(errno) => Answer::Error(errno),
    }
}

/// Opens a file of the machine for the program.
fn give_real(task: &Task, path: &Path, open: OpenFlags, asked: OpenFlags) -> Answer {
    let flags = OFlags::from_bits_retain(open.0 & !O_PATH) | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => task.give_anywhere(fd.as_fd(), asked.contains(OpenFlags::CLOEXEC)),
        Err(error) => Answer::Error(Errno::from_code(error.raw_os_error())),
    }
}
