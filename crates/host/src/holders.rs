//! Who holds which open file, under which numbers, since when.
//!
//! The kernel keeps these books: a front end gives each open file an inode of its own and
//! tells which it is; who holds that inode is in `/proc`. So nothing is missed that
//! happened without a call to us: dup, fork, exec, a descriptor that was passed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lastfd_model::{Errno, FileRef};
use lastfd_sync::{Arc, Ktime, Mutex};

/// The open files of a run, and by which inode programs hold each.
#[derive(Debug, Default)]
pub struct Holders(Mutex<BTreeMap<u64, Opened>>);

/// What was told of an open file.
#[derive(Clone, Debug)]
struct Opened {
    file: FileRef,
    inode: Inode,
    thread: u32,
    since: Ktime,
    last: Option<LastCall>,
    /// Who makes the call that begins next.
    caller: Option<(u32, i32)>,
}

/// The last call on an open file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCall {
    /// Its name in events, such as `ioctl VIDIOC_DQBUF`.
    pub call: Arc<str>,
    /// The thread that made it, and by which descriptor; none if it was no program's, or
    /// a poll of several.
    pub caller: Option<(u32, i32)>,
    /// When it began, on the System's clock.
    pub since: Ktime,
    /// How far it is.
    pub state: CallState,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// It runs.
    Running,
    /// It sleeps.
    Asleep,
    /// It is over, with this.
    Over(Result<i64, Errno>),
}

/// The file that stands for an open file in programs: `st_dev` and `st_ino`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
}

/// How a process holds an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grip {
    /// A descriptor of this number.
    Descriptor(i32),
    /// A mapping from this address on.
    Mapping(u64),
}

/// An open file and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The open file.
    pub file: FileRef,
    /// The process that opened it; the thread, if that is gone.
    pub opener: u32,
    /// When it was opened, on the System's clock.
    pub since: Ktime,
    /// The last call on it, if there was one.
    pub last: Option<LastCall>,
    /// Who holds it now, by process. Nobody, if it is only in flight in a socket or in a
    /// call that is not over.
    pub by: Vec<Holder>,
}

/// A process that holds an open file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The name of what it runs (`/proc/PID/comm`).
    pub command: String,
    /// All that it holds of the file.
    pub grips: Vec<Grip>,
}

impl Holders {
    /// A thread of a program opened a file, which is held by this inode. The last close,
    /// which the System tells, takes it off the books.
    pub fn opened(&self, file: &FileRef, inode: Inode, thread: u32, now: Ktime) {
        let opened = Opened {
            file: file.clone(),
            inode,
            thread,
            since: now,
            last: None,
            caller: None,
        };
        self.0.lock().insert(file.id, opened);
    }

    /// A thread is about to make a call on a file by this descriptor.
    pub fn calls(&self, file: u64, thread: u32, descriptor: i32) {
        if let Some(opened) = self.0.lock().get_mut(&file) {
            opened.caller = Some((thread, descriptor));
        }
    }

    pub(crate) fn begins(&self, file: u64, call: &Arc<str>, now: Ktime) {
        if let Some(opened) = self.0.lock().get_mut(&file) {
            opened.last = Some(LastCall {
                call: Arc::clone(call),
                caller: opened.caller.take(),
                since: now,
                state: CallState::Running,
            });
        }
    }

    /// The call, if it is still the last, is that far.
    pub(crate) fn is_at(&self, file: u64, call: &str, state: CallState) {
        let mut files = self.0.lock();
        let last = files.get_mut(&file).and_then(|opened| opened.last.as_mut());
        if let Some(last) = last.filter(|last| &*last.call == call) {
            last.state = state;
        }
    }

    pub(crate) fn closed(&self, file: u64) {
        self.0.lock().remove(&file);
    }

    /// All open files with their holders, in the order they were opened.
    pub fn list(&self) -> Vec<Held> {
        self.list_in(Path::new("/proc"))
    }

    fn list_in(&self, proc: &Path) -> Vec<Held> {
        let opened: Vec<Opened> = self.0.lock().values().cloned().collect();
        if opened.is_empty() {
            return Vec::new();
        }
        let held = |opened: &Opened| Held {
            file: opened.file.clone(),
            opener: process_of(proc, opened.thread),
            since: opened.since,
            last: opened.last.clone(),
            by: Vec::new(),
        };
        let mut list: Vec<Held> = opened.iter().map(held).collect();
        for (pid, directory) in processes(proc) {
            let mut grips: BTreeMap<usize, Vec<Grip>> = BTreeMap::new();
            for (inode, grip) in grips_of(&directory) {
                if let Some(at) = opened.iter().position(|opened| opened.inode == inode) {
                    grips.entry(at).or_default().push(grip);
                }
            }
            for (at, mut grips) in grips {
                grips.sort();
                let command = std::fs::read_to_string(directory.join("comm"));
                list[at].by.push(Holder {
                    pid,
                    command: command.unwrap_or_default().trim_end().to_owned(),
                    grips,
                });
            }
        }
        list
    }
}

/// The process of a thread (`Tgid` in its status).
fn process_of(proc: &Path, thread: u32) -> u32 {
    let status = std::fs::read_to_string(proc.join(format!("{thread}/status")));
    let status = status.unwrap_or_default();
    let tgid = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    tgid.and_then(|tgid| tgid.trim().parse().ok())
        .unwrap_or(thread)
}

/// The processes there are but this one, which holds what it gives out.
fn processes(proc: &Path) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(proc).into_iter().flatten().flatten();
    let pid = |entry: std::fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        (pid != std::process::id()).then(|| (pid, entry.path()))
    };
    let mut found: Vec<(u32, PathBuf)> = entries.filter_map(pid).collect();
    found.sort();
    found
}

/// What a process holds, as far as this user may see.
fn grips_of(process: &Path) -> Vec<(Inode, Grip)> {
    let entries = std::fs::read_dir(process.join("fd"));
    let descriptor = |entry: std::fs::DirEntry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let stat = rustix::fs::stat(entry.path()).ok()?;
        let inode = Inode {
            dev: stat.st_dev,
            ino: stat.st_ino,
        };
        Some((inode, Grip::Descriptor(number)))
    };
    let descriptors = entries.into_iter().flatten().flatten();
    let mut found: Vec<(Inode, Grip)> = descriptors.filter_map(descriptor).collect();
    let maps = std::fs::read_to_string(process.join("maps")).unwrap_or_default();
    found.extend(maps.lines().filter_map(mapping));
    found
}

/// A line of `/proc/PID/maps`: `from-to rwxp offset major:minor inode path`.
fn mapping(line: &str) -> Option<(Inode, Grip)> {
    let mut words = line.split_ascii_whitespace();
    let (from, _) = words.next()?.split_once('-')?;
    let (major, minor) = words.nth(2)?.split_once(':')?;
    let hex = |word| u32::from_str_radix(word, 16).ok();
    let inode = Inode {
        dev: rustix::fs::makedev(hex(major)?, hex(minor)?),
        ino: words.next()?.parse().ok()?,
    };
    let from = u64::from_str_radix(from, 16).ok()?;
    (inode.ino != 0).then_some((inode, Grip::Mapping(from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_tells_inode_and_address() {
        let line = "7f3a1c000000-7f3a1c021000 rw-s 00000000 00:1d 4242    /memfd:x (deleted)";
        let inode = Inode {
            dev: rustix::fs::makedev(0, 0x1d),
            ino: 4242,
        };
        assert_eq!(
            mapping(line),
            Some((inode, Grip::Mapping(0x7f3a_1c00_0000)))
        );
        assert_eq!(
            mapping("7ffd0000-7ffd1000 rw-p 00000000 00:00 0  [stack]"),
            None
        );
        assert_eq!(mapping("nonsense"), None);
    }
}
