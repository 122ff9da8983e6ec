//! The processes of a program that had to do with a device, and how each of them ended:
//! their parents are told by the kernel, and nobody else, but for who has a pidfd of them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use lastfd_sync::Mutex;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::sys;

/// Processes that are kept at most, apart from those that run.
const MOST: usize = 256;

/// A process that a signal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Killed {
    /// Its number.
    pub pid: u32,
    /// The name of what it ran when it first used a device.
    pub command: String,
    /// The signal's number.
    pub signal: i32,
}

/// Who used a device.
#[derive(Debug, Default)]
pub(crate) struct Users(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    threads: BTreeSet<u32>,
    processes: BTreeMap<u32, User>,
}

#[derive(Debug)]
struct User {
    pidfd: OwnedFd,
    command: String,
}

impl Users {
    /// A thread, which waits for its answer, uses a device.
    pub(crate) fn note(&self, tid: u32, tgid: impl FnOnce() -> Option<u32>) {
        let mut known = self.0.lock();
        if !known.threads.insert(tid) {
            return;
        }
        let Some(pid) = tgid() else { return };
        if known.processes.len() >= MOST {
            // Of those that ended as they should there is nothing to tell.
            let is_left = |user: &User| user.ending().is_none_or(|status| killed_by(status) != 0);
            known.processes.retain(|_, user| is_left(user));
            known.threads.clear();
        }
        let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let pidfd = process.map(|process| pidfd_open(process, PidfdFlags::empty()));
        if let Some(Ok(pidfd)) = pidfd {
            let command = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            let command = command.map_or_else(|_| "?".to_owned(), |c| c.trim_end().to_owned());
            known.processes.insert(pid, User { pidfd, command });
        }
    }

    /// Those that a signal ended, as far as the kernel tells (Linux 6.15).
    pub(crate) fn killed(&self) -> Vec<Killed> {
        let known = self.0.lock();
        let killed = known.processes.iter().filter_map(|(pid, user)| {
            let signal = killed_by(user.ending()?);
            (signal != 0).then(|| Killed {
                pid: *pid,
                command: user.command.clone(),
                signal,
            })
        });
        killed.collect()
    }
}

impl User {
    fn ending(&self) -> Option<i32> {
        sys::wait_status(&self.pidfd)
    }
}

/// The signal in a wait status (`WTERMSIG`); 0 if there was none.
fn killed_by(status: i32) -> i32 {
    status & 0x7f
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn who_was_killed_is_told_though_another_waited_for_it() {
        let users = Users::default();
        let mut children = ["kill -SEGV $$", "exit 11"].map(|then| {
            let mut sh = Command::new("sh");
            sh.args(["-c", &format!("echo; read go; {then}")]);
            let mut sh = sh
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            // Before its exec is over it has our name.
            sh.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            sh
        });
        for child in &children {
            let pid = child.id();
            users.note(pid, || Some(pid));
            users.note(pid, || panic!("asked again"));
        }
        assert_eq!(users.killed(), []);
        for child in &mut children {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
        let expected = Killed {
            pid: children[0].id(),
            command: "sh".to_owned(),
            signal: 11,
        };
        let expected = match crate::Machine::look().tells_endings {
            true => vec![expected],
            false => Vec::new(),
        };
        assert_eq!(users.killed(), expected);
    }
}
