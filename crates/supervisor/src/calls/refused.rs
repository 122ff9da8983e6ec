//! What cannot be served is refused, and said.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;

use lastfd_model::Errno;

use super::names;
use crate::notice::What;
use crate::paths::{FDCWD, Named};
use crate::task::{Answer, Task};

/// The file of the program that calls.
pub(super) fn program_of(task: &Task) -> String {
    let link = std::fs::read_link(format!("/proc/{}/exe", task.tid()));
    link.map_or_else(
        |_| "a program".to_owned(),
        |path| path.display().to_string(),
    )
}

/// execve: what the new program would be is looked at before it is.
pub(super) fn exec(task: &Task, directory: i32, path: u64, flags: i32) -> Answer {
    let empty =
        flags & libc::AT_EMPTY_PATH != 0 && task.string(path).is_ok_and(|path| path.is_empty());
    let (real, name) = if empty {
        (task.fd_path(directory), program_of(task))
    } else {
        match task.named(directory, path, true) {
            Named::Answered(answer) => return answer,
            Named::Foreign(foreign) => {
                let path = String::from_utf8_lossy(&foreign.path).into_owned();
                if !foreign.native {
                    return Answer::Error(Errno::EACCES);
                }
                (format!("/proc/{}/root{path}", task.tid()), path)
            }
            Named::Absent(absent) => return Answer::Error(absent.errno),
            _ => return Answer::Error(Errno::EACCES),
        }
    };
    let Ok(there) = std::fs::metadata(&real) else {
        // The kernel says why not.
        return Answer::Continue;
    };
    if !there.is_file() {
        return Answer::Continue;
    }
    let rights = there.mode() & 0o6000;
    let owner = there.uid() != rustix::process::geteuid().as_raw();
    let group = there.gid() != rustix::process::getegid().as_raw();
    if rights & 0o4000 != 0 && owner || rights & 0o2000 != 0 && there.mode() & 0o010 != 0 && group {
        task.session.notice(task, What::SetUid(name));
        return Answer::Error(Errno::EPERM);
    }
    let mut head = [0; 20];
    let read = File::open(&real).and_then(|mut file| file.read(&mut head));
    match read {
        // ELF of 64 bits for x86-64, or no ELF at all: a script.
        Ok(n) if n < 20 || &head[..4] != b"\x7fELF" => Answer::Continue,
        Ok(_) if head[4] == 2 && u16::from_le_bytes([head[18], head[19]]) == 62 => Answer::Continue,
        Ok(_) => {
            task.session.notice(task, What::OtherArchitecture(name));
            // Not ENOEXEC: execvp would give the file to a shell.
            Answer::Error(Errno::EPERM)
        }
        // It could be run, and would then be closed to us.
        Err(_) if there.mode() & 0o111 != 0 => {
            task.session.notice(task, What::Unreadable);
            Answer::Error(Errno::EPERM)
        }
        Err(_) => Answer::Continue,
    }
}

/// mknod: files and pipes anywhere but in the trees, devices nowhere.
pub(super) fn mknod(task: &Task, directory: i32, path: u64, mode: u64) -> Answer {
    match mode as u32 & libc::S_IFMT {
        libc::S_IFCHR | libc::S_IFBLK => {
            let path = task.string(path).unwrap_or_default();
            let path = String::from_utf8_lossy(&path).into_owned();
            task.session.notice(task, What::MakeNode(path));
            Answer::Error(Errno::EPERM)
        }
        _ => names::change(task, directory, path),
    }
}

/// mount(source, target, ...) and move_mount(from, path, to, path, flags).
pub(super) fn mount(task: &Task) -> Answer {
    match task.note.nr {
        libc::SYS_move_mount => mounts(task, task.int(2), task.arg(3)),
        _ => mounts(task, FDCWD, task.arg(1)),
    }
}

pub(super) fn umount(task: &Task) -> Answer {
    mounts(task, FDCWD, task.arg(0))
}

fn mounts(task: &Task, directory: i32, target: u64) -> Answer {
    let path = match task.named(directory, target, true) {
        Named::Answered(answer) => return answer,
        Named::Foreign(foreign) => {
            let within = |top: &[u8]| {
                let rest = foreign.path.strip_prefix(top);
                rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
            };
            if foreign.native && !within(b"/sys") && !within(b"/dev") {
                return Answer::Continue;
            }
            String::from_utf8_lossy(&foreign.path).into_owned()
        }
        Named::Here(entry) => entry.path().to_owned(),
        Named::OpenDirectory(path) => path,
        Named::Absent(absent) => return Answer::Error(absent.errno),
        Named::Open(_) => return Answer::Error(Errno::EPERM),
    };
    task.session.notice(task, What::Mount(path));
    Answer::Error(Errno::EPERM)
}
