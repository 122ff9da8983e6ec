//! What stat and its like tell.

use lastfd_host::{Resolved, Stat};
use lastfd_model::{Errno, Result};

use crate::objects::{Content, Object};
use crate::paths::{FDCWD, Named, as_path};
use crate::task::{Answer, Task};

const PAGE: u64 = 4096;
/// `STATX_BASIC_STATS | STATX_BTIME`
const STATX_ALL: u32 = 0xfff;

/// What a stat call is about.
enum Subject {
    Kernel,
    Found(Stat),
    /// A file of the machine, reached by a way of ours.
    Real(Vec<u8>),
    Fails(Errno),
    Answered(Answer),
}

fn subject(task: &Task, directory: i32, path: u64, flags: i32) -> Subject {
    let empty = flags & libc::AT_EMPTY_PATH != 0
        && (path == 0 || task.string(path).is_ok_and(|path| path.is_empty()));
    if empty {
        if directory == FDCWD {
            return Subject::Kernel;
        }
        return match task.object(directory) {
            Some(object) => open_file(task, &object),
            None => Subject::Kernel,
        };
    }
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    match task.named(directory, path, follow) {
        Named::Answered(answer) => Subject::Answered(answer),
        Named::Foreign(foreign) if foreign.native => Subject::Kernel,
        Named::Foreign(foreign) => Subject::Real(foreign.path),
        Named::Absent(absent) => Subject::Fails(absent.errno),
        Named::Here(entry) => Subject::Found(entry.stat()),
        // The link itself is the kernel's.
        Named::Open(_) | Named::OpenDirectory(_) if !follow => Subject::Kernel,
        Named::Open(object) => open_file(task, &object),
        Named::OpenDirectory(path) => by_path(task, &path),
    }
}

fn by_path(task: &Task, path: &str) -> Subject {
    match task.session.shared.host.resolve(path.as_bytes(), false) {
        Resolved::Here(entry) => Subject::Found(entry.stat()),
        Resolved::Absent(absent) => Subject::Fails(absent.errno),
        Resolved::Foreign(_) => Subject::Fails(Errno::ENOENT),
    }
}

/// What fstat tells of an open file of ours.
fn open_file(task: &Task, object: &Object) -> Subject {
    let there = |path: &str| match task.session.shared.host.resolve(path.as_bytes(), false) {
        Resolved::Here(entry) => Some(entry.stat()),
        _ => None,
    };
    match &object.content {
        Content::Device(device) => {
            let open = device.file.stat();
            let node = there(&device.file.file().name().path);
            let node = node.filter(|node| node.rdev == open.rdev && open.nlink > 0);
            Subject::Found(Stat {
                mode: open.mode,
                nlink: open.nlink,
                rdev: open.rdev,
                ..node.unwrap_or(Stat {
                    dev: object.key.0,
                    ino: object.key.1,
                    mode: open.mode,
                    nlink: open.nlink,
                    uid: rustix::process::geteuid().as_raw(),
                    gid: rustix::process::getegid().as_raw(),
                    rdev: open.rdev,
                    size: 0,
                    time: (0, 0),
                })
            })
        }
        Content::Attribute(attribute) => Subject::Found(match there(&attribute.path) {
            Some(stat) if stat.ino == attribute.stat.ino => stat,
            _ => Stat {
                nlink: 0,
                ..attribute.stat
            },
        }),
        Content::Path(path) => match there(path) {
            Some(stat) => Subject::Found(stat),
            None => Subject::Fails(Errno::ENOENT),
        },
        Content::Uevents(_) => Subject::Kernel,
    }
}

fn rdev(stat: &Stat) -> (u32, u32) {
    stat.rdev.map_or((0, 0), |devt| (devt.major, devt.minor))
}

fn old(stat: &Stat) -> libc::stat {
    let (major, minor) = rdev(stat);
    // All its members are numbers, and there is no other way to make one.
    let mut out = crate::sys::zeroed_stat();
    out.st_dev = stat.dev;
    out.st_ino = stat.ino;
    out.st_nlink = stat.nlink.into();
    out.st_mode = stat.mode;
    out.st_uid = stat.uid;
    out.st_gid = stat.gid;
    out.st_rdev = libc::makedev(major, minor);
    out.st_size = stat.size as i64;
    out.st_blksize = PAGE as i64;
    (out.st_atime, out.st_atime_nsec) = (stat.time.0, stat.time.1.into());
    (out.st_mtime, out.st_mtime_nsec) = (stat.time.0, stat.time.1.into());
    (out.st_ctime, out.st_ctime_nsec) = (stat.time.0, stat.time.1.into());
    out
}

pub(super) fn stat(task: &Task, directory: i32, path: u64, buffer: u64, flags: i32) -> Answer {
    give(task, buffer, subject(task, directory, path, flags), flags)
}

pub(super) fn fstat(task: &Task) -> Answer {
    match task.object(task.int(0)) {
        Some(object) => give(task, task.arg(1), open_file(task, &object), 0),
        None => Answer::Continue,
    }
}

fn give(task: &Task, buffer: u64, subject: Subject, flags: i32) -> Answer {
    let stat = match subject {
        Subject::Kernel => return Answer::Continue,
        Subject::Answered(answer) => return answer,
        Subject::Fails(errno) => return Answer::Error(errno),
        Subject::Found(stat) => old(&stat),
        Subject::Real(path) => match real(&path, flags) {
            Ok(stat) => stat,
            Err(errno) => return Answer::Error(errno),
        },
    };
    match task.write(buffer, crate::sys::bytes_of_stat(&stat)) {
        Ok(()) => Answer::Value(0),
        Err(errno) => Answer::Error(errno),
    }
}

fn real(path: &[u8], flags: i32) -> Result<libc::stat> {
    let path = as_path(path);
    let there = if flags & libc::AT_SYMLINK_NOFOLLOW == 0 {
        rustix::fs::stat(path)
    } else {
        rustix::fs::lstat(path)
    };
    let there = there.map_err(|error| Errno::from_code(error.raw_os_error()))?;
    let mut out = crate::sys::zeroed_stat();
    out.st_dev = there.st_dev;
    out.st_ino = there.st_ino;
    out.st_nlink = there.st_nlink;
    out.st_mode = there.st_mode;
    out.st_uid = there.st_uid;
    out.st_gid = there.st_gid;
    out.st_rdev = there.st_rdev;
    out.st_size = there.st_size;
    out.st_blksize = there.st_blksize;
    out.st_blocks = there.st_blocks;
    (out.st_atime, out.st_atime_nsec) = (there.st_atime, there.st_atime_nsec as i64);
    (out.st_mtime, out.st_mtime_nsec) = (there.st_mtime, there.st_mtime_nsec as i64);
    (out.st_ctime, out.st_ctime_nsec) = (there.st_ctime, there.st_ctime_nsec as i64);
    Ok(out)
}

/// statx(directory, path, flags, mask, buffer)
pub(super) fn statx(task: &Task) -> Answer {
    let (flags, buffer) = (task.int(2), task.arg(4));
    let stat = match subject(task, task.int(0), task.arg(1), flags) {
        Subject::Kernel => return Answer::Continue,
        Subject::Answered(answer) => return answer,
        Subject::Fails(errno) => return Answer::Error(errno),
        Subject::Found(stat) => old(&stat),
        Subject::Real(path) => match real(&path, flags) {
            Ok(stat) => stat,
            Err(errno) => return Answer::Error(errno),
        },
    };
    let mut out = crate::sys::zeroed_statx();
    out.stx_mask = STATX_ALL;
    out.stx_blksize = PAGE as u32;
    out.stx_nlink = stat.st_nlink as u32;
    out.stx_uid = stat.st_uid;
    out.stx_gid = stat.st_gid;
    out.stx_mode = stat.st_mode as u16;
    out.stx_ino = stat.st_ino;
    out.stx_size = stat.st_size as u64;
    out.stx_blocks = stat.st_blocks as u64;
    out.stx_rdev_major = libc::major(stat.st_rdev);
    out.stx_rdev_minor = libc::minor(stat.st_rdev);
    out.stx_dev_major = libc::major(stat.st_dev);
    out.stx_dev_minor = libc::minor(stat.st_dev);
    for time in [
        &mut out.stx_atime,
        &mut out.stx_btime,
        &mut out.stx_ctime,
        &mut out.stx_mtime,
    ] {
        time.tv_sec = stat.st_mtime;
        time.tv_nsec = stat.st_mtime_nsec as u32;
    }
    match task.write(buffer, crate::sys::bytes_of_statx(&out)) {
        Ok(()) => Answer::Value(0),
        Err(errno) => Answer::Error(errno),
    }
}

pub(super) fn statfs(task: &Task) -> Answer {
    match task.named(FDCWD, task.arg(0), true) {
        Named::Answered(answer) => answer,
        Named::Foreign(foreign) if foreign.native => Answer::Continue,
        Named::Foreign(_) => Answer::Continue,
        Named::Absent(absent) => Answer::Error(absent.errno),
        Named::Here(entry) => filesystem(task, entry.path()),
        Named::Open(object) => match object.path() {
            Some(path) => filesystem(task, &path),
            None => Answer::Continue,
        },
        Named::OpenDirectory(path) => filesystem(task, &path),
    }
}

pub(super) fn fstatfs(task: &Task) -> Answer {
    let fd = task.int(0);
    let path = match task.object(fd) {
        Some(object) => object.path(),
        None => task.directory_of_ours(fd),
    };
    match path {
        Some(path) => filesystem(task, &path),
        None => Answer::Continue,
    }
}

fn filesystem(task: &Task, path: &str) -> Answer {
    let Some(filesystem) = task.session.shared.host.filesystem(path) else {
        return Answer::Continue;
    };
    // struct statfs: type, block size, seven numbers that are 0, name length, fragment.
    let mut out = [0u64; 15];
    out[0] = filesystem.magic();
    out[1] = PAGE;
    out[8] = 255;
    out[9] = PAGE;
    let bytes: Vec<u8> = out.iter().flat_map(|word| word.to_ne_bytes()).collect();
    match task.write(task.arg(1), &bytes) {
        Ok(()) => Answer::Value(0),
        Err(errno) => Answer::Error(errno),
    }
}
