//! Calls that name something and do not open it.

use std::path::PathBuf;

use lastfd_chrdev::OpenFlags;
use lastfd_host::{Entry, Kind, Opened, Reach, Resolved};
use lastfd_model::{Errno, Result};
use rustix::fs::inotify;

use crate::notice::What;
use crate::objects::Content;
use crate::paths::{FDCWD, Named, as_path};
use crate::task::{Answer, Task};

const R_OK: i32 = libc::R_OK;
const W_OK: i32 = libc::W_OK;
const X_OK: i32 = libc::X_OK;

pub(super) fn access(task: &Task, directory: i32, path: u64, mode: i32, flags: i32) -> Answer {
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    match task.named(directory, path, follow) {
        Named::Answered(answer) => answer,
        Named::Foreign(foreign) => {
            if foreign.reach == Reach::ReadOnly && mode & W_OK != 0 {
                return Answer::Error(Errno::EROFS);
            }
            if foreign.native {
                return Answer::Continue;
            }
            let mode = rustix::fs::Access::from_bits_retain(mode as u32);
            match rustix::fs::access(as_path(&foreign.path), mode) {
                Ok(()) => Answer::Value(0),
                Err(error) => Answer::Error(Errno::from_code(error.raw_os_error())),
            }
        }
        Named::Absent(absent) => Answer::Error(absent.errno),
        Named::Here(entry) => may(&entry, mode),
        Named::Open(object) => match object.path() {
            Some(path) => match task.session.shared.host.resolve(path.as_bytes(), true) {
                Resolved::Here(entry) => may(&entry, mode),
                // A removed node has no permissions left, for anybody but root.
                _ if mode == 0 || rustix::process::geteuid().is_root() => Answer::Value(0),
                _ => Answer::Error(Errno::EACCES),
            },
            None => Answer::Continue,
        },
        Named::OpenDirectory(_) => Answer::Value(0),
    }
}

fn may(entry: &Entry, mode: i32) -> Answer {
    if mode & !(R_OK | W_OK | X_OK) != 0 {
        return Answer::Error(Errno::EINVAL);
    }
    if entry.may(mode & R_OK != 0, mode & W_OK != 0, mode & X_OK != 0) {
        Answer::Value(0)
    } else {
        Answer::Error(Errno::EACCES)
    }
}

/// readlink(path, buffer, size)
pub(super) fn readlink(task: &Task, directory: i32, args: [u64; 3]) -> Answer {
    let [path, buffer, size] = args;
    let target = match task.string(path) {
        Ok(path) if path.is_empty() => match task.object(directory).map(|object| object.path()) {
            Some(Some(path)) => link_at(task, &path),
            _ => return Answer::Continue,
        },
        _ => match task.named(directory, path, false) {
            Named::Answered(answer) => return answer,
            Named::Foreign(foreign) if foreign.native => return Answer::Continue,
            Named::Foreign(foreign) => std::fs::read_link(as_path(&foreign.path))
                .map(|target| target.to_string_lossy().into_owned())
                .map_err(|error| Errno::from_code(error.raw_os_error().unwrap_or(libc::EIO))),
            Named::Absent(absent) => Err(absent.errno),
            Named::Here(entry) => link_of(&entry),
            Named::Open(object) => match object.path() {
                Some(path) => Ok(path),
                None => return Answer::Continue,
            },
            Named::OpenDirectory(path) => Ok(path),
        },
    };
    let target = match target {
        Ok(target) => target,
        Err(errno) => return Answer::Error(errno),
    };
    if (size as i32) <= 0 {
        return Answer::Error(Errno::EINVAL);
    }
    let length = target.len().min(size as usize);
    match task.write(buffer, &target.as_bytes()[..length]) {
        Ok(()) => Answer::Value(length as i64),
        Err(errno) => Answer::Error(errno),
    }
}

fn link_of(entry: &Entry) -> Result<String> {
    match entry.kind() {
        Kind::Symlink(target) => Ok(target),
        _ => Err(Errno::EINVAL),
    }
}

/// The link that a stand-in for `O_PATH | O_NOFOLLOW` stands for.
fn link_at(task: &Task, path: &str) -> Result<String> {
    match task.session.shared.host.resolve(path.as_bytes(), false) {
        Resolved::Here(entry) => link_of(&entry).map_err(|_| Errno::ENOENT),
        _ => Err(Errno::ENOENT),
    }
}

/// Extended attributes: there are none.
pub(super) fn xattr(task: &Task, none: Answer) -> Answer {
    let follow = matches!(task.note.nr, libc::SYS_getxattr | libc::SYS_listxattr);
    match task.named(FDCWD, task.arg(0), follow) {
        Named::Answered(answer) => answer,
        Named::Foreign(foreign) if foreign.native => Answer::Continue,
        Named::Absent(absent) => Answer::Error(absent.errno),
        _ => none,
    }
}

pub(super) fn name_to_handle(task: &Task) -> Answer {
    let follow = task.int(4) & libc::AT_SYMLINK_FOLLOW != 0;
    match task.named(task.int(0), task.arg(1), follow) {
        Named::Answered(answer) => answer,
        Named::Foreign(foreign) if foreign.native => Answer::Continue,
        Named::Absent(absent) => Answer::Error(absent.errno),
        _ => Answer::Error(Errno::EOPNOTSUPP),
    }
}

/// The program's own inotify descriptor gets a watch of the real directory or file that
/// stands for what it names: what happens there happens in the same order.
pub(super) fn inotify_add_watch(task: &Task) -> Answer {
    const IN_DONT_FOLLOW: u32 = 0x0200_0000;
    let mask = task.arg(2) as u32;
    let real: PathBuf = match task.named(FDCWD, task.arg(1), mask & IN_DONT_FOLLOW == 0) {
        Named::Answered(answer) => return answer,
        Named::Foreign(foreign) if foreign.native => return Answer::Continue,
        Named::Foreign(foreign) => as_path(&foreign.path).to_owned(),
        Named::Absent(absent) => return Answer::Error(absent.errno),
        Named::Here(entry) => {
            let flags = OpenFlags(libc::O_PATH as u32);
            match task.session.shared.host.open(&entry, flags) {
                Ok(Opened::Directory(path) | Opened::Path(path)) => path,
                Ok(_) => return Answer::Error(Errno::EACCES),
                Err(errno) => return Answer::Error(errno),
            }
        }
        Named::Open(_) | Named::OpenDirectory(_) => return Answer::Error(Errno::EACCES),
    };
    if let Some(asked) = task.ask_for_copy() {
        return asked;
    }
    let own = match task.copy_fd(task.int(0)) {
        Ok(own) => own,
        Err(Errno::EPERM) => {
            task.session.notice(task, What::Inotify);
            return Answer::Error(Errno::EPERM);
        }
        Err(_) => return Answer::Error(Errno::EBADF),
    };
    let mask = inotify::WatchFlags::from_bits_retain(mask);
    match inotify::add_watch(&own, &real, mask) {
        Ok(watch) => Answer::Value(watch.into()),
        Err(error) => Answer::Error(Errno::from_code(error.raw_os_error())),
    }
}

/// The working directory is the kernel's: a directory that the machine has, too, does as
/// well, for names are looked up by its path. One that only we have cannot be.
pub(super) fn chdir(task: &Task) -> Answer {
    match task.named(FDCWD, task.arg(0), true) {
        Named::Answered(answer) => answer,
        Named::Foreign(foreign) if foreign.native => Answer::Continue,
        Named::Absent(absent) => Answer::Error(absent.errno),
        Named::Here(entry) if entry.kind() != Kind::Directory => Answer::Error(Errno::ENOTDIR),
        Named::Here(entry) => {
            let given = task.string(task.arg(0)).unwrap_or_default();
            let same = given == entry.path().as_bytes();
            if same && std::fs::metadata(entry.path()).is_ok_and(|there| there.is_dir()) {
                return Answer::Continue;
            }
            let what = What::ChangeDirectory(entry.path().to_owned());
            task.session.notice(task, what);
            Answer::Error(Errno::EACCES)
        }
        Named::Foreign(_) | Named::Open(_) | Named::OpenDirectory(_) => {
            Answer::Error(Errno::EACCES)
        }
    }
}

/// Whether a call may change what a path names.
pub(super) fn change(task: &Task, directory: i32, path: u64) -> Answer {
    let creates = matches!(
        task.note.nr,
        libc::SYS_mkdir
            | libc::SYS_mkdirat
            | libc::SYS_symlink
            | libc::SYS_symlinkat
            | libc::SYS_mknod
            | libc::SYS_mknodat
    );
    match may_change(task, directory, path, creates) {
        Ok(()) => Answer::Continue,
        Err(answer) => answer,
    }
}

/// Two names: a rename or a link.
pub(super) fn change_two(task: &Task, from: (i32, u64), to: (i32, u64)) -> Answer {
    match may_change(task, from.0, from.1, false) {
        // The kernel would say what is wrong with the first before it looks at the second.
        Err(Answer::Continue) | Ok(()) => match may_change(task, to.0, to.1, true) {
            Ok(()) => Answer::Continue,
            Err(answer) => answer,
        },
        Err(answer) => answer,
    }
}

fn may_change(
    task: &Task,
    directory: i32,
    path: u64,
    creates: bool,
) -> core::result::Result<(), Answer> {
    // An empty path is the directory's descriptor itself (AT_EMPTY_PATH).
    if task.string(path).is_ok_and(|path| path.is_empty()) {
        return match task.object(directory) {
            Some(object) if !matches!(object.content, Content::Uevents(_)) => {
                Err(Answer::Error(Errno::EPERM))
            }
            _ => Ok(()),
        };
    }
    // chmod, chown, truncate and utimes follow a link; those that do not find one of the
    // machine's own at its end, which they change.
    let follows = matches!(
        task.note.nr,
        libc::SYS_chmod
            | libc::SYS_fchmodat
            | libc::SYS_chown
            | libc::SYS_fchownat
            | libc::SYS_truncate
            | libc::SYS_utime
            | libc::SYS_utimes
            | libc::SYS_futimesat
            | libc::SYS_utimensat
            | libc::SYS_setxattr
            | libc::SYS_removexattr
    );
    match task.named_to_change(directory, path, follows) {
        Named::Answered(answer) => Err(answer),
        Named::Foreign(foreign) => match foreign.reach {
            Reach::ReadOnly => Err(Answer::Error(Errno::EROFS)),
            Reach::Nodes => Err(Answer::Error(Errno::EPERM)),
            Reach::Any if foreign.native => Ok(()),
            Reach::Any => Err(Answer::Error(Errno::EPERM)),
        },
        Named::Absent(absent) if creates => Err(Answer::Error(absent.create)),
        Named::Absent(absent) => Err(Answer::Error(absent.errno)),
        Named::Here(_) if creates => Err(Answer::Error(Errno::EEXIST)),
        Named::Here(_) | Named::Open(_) | Named::OpenDirectory(_) => {
            Err(Answer::Error(Errno::EPERM))
        }
    }
}
