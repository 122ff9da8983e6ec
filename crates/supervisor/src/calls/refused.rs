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

/// File systems that show this machine's devices, wherever they are mounted.
const OF_THE_MACHINE: [&[u8]; 5] = [b"sysfs", b"devtmpfs", b"debugfs", b"tracefs", b"configfs"];

/// mount(source, target, type, flags, data), move_mount(from, path, to, path, flags),
/// fsopen(type, flags), open_tree(directory, path, flags).
pub(super) fn mount(task: &Task) -> Answer {
    let refuse = |path: &[u8]| {
        let path = String::from_utf8_lossy(path).into_owned();
        task.session.notice(task, What::Mount(path));
        Answer::Error(Errno::EPERM)
    };
    let is_refused = |name: &[u8]| OF_THE_MACHINE.contains(&name);
    match task.note.nr {
        libc::SYS_move_mount => mounts(task, task.int(2), task.arg(3)),
        libc::SYS_fsopen => match task.string(task.arg(0)) {
            Ok(name) if is_refused(&name) => refuse(&name),
            _ => Answer::Continue,
        },
        libc::SYS_open_tree => match copies_a_tree(task, task.int(0), task.arg(1)) {
            Some(path) => refuse(&path),
            None => Answer::Continue,
        },
        _ => {
            let copies = task.arg(3) & (libc::MS_BIND | libc::MS_MOVE);
            if copies != 0 {
                if let Some(path) = copies_a_tree(task, FDCWD, task.arg(0)) {
                    return refuse(&path);
                }
            } else if let Ok(name) = task.string(task.arg(2))
                && is_refused(&name)
            {
                return refuse(&name);
            }
            mounts(task, FDCWD, task.arg(1))
        }
    }
}

/// Whether what is mounted elsewhere is one of the machine's trees that are not to be
/// seen, or holds them.
fn copies_a_tree(task: &Task, directory: i32, path: u64) -> Option<Vec<u8>> {
    const AT_RECURSIVE: u64 = 0x8000;
    let recursive = match task.note.nr {
        libc::SYS_open_tree => task.arg(2) & AT_RECURSIVE != 0,
        _ => task.arg(3) & (libc::MS_REC | libc::MS_MOVE) != 0,
    };
    match task.named_to_change(directory, path, true) {
        Named::Foreign(foreign) if foreign.native => {
            let top = foreign.path.iter().all(|byte| *byte == b'/');
            let within = foreign.reach != lastfd_host::Reach::Any;
            (within || top && recursive).then_some(foreign.path)
        }
        Named::Answered(_) | Named::Absent(_) => None,
        Named::Foreign(_) | Named::Here(_) | Named::Open(_) | Named::OpenDirectory(_) => {
            Some(task.string(path).unwrap_or_default())
        }
    }
}

pub(super) fn umount(task: &Task) -> Answer {
    mounts(task, FDCWD, task.arg(0))
}

fn mounts(task: &Task, directory: i32, target: u64) -> Answer {
    let path = match task.named_to_change(directory, target, true) {
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
