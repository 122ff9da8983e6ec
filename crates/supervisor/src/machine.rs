//! What this machine allows: asked once, told plainly.

use rustix::process::{DumpableBehavior, Resource, getrlimit};

use crate::filter::Settings;
use crate::restrict::Restrictions;

/// What of the front end works here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// Linux's version: major, minor.
    pub kernel: (u32, u32),
    /// Filters can have a listener that descriptors are passed through (Linux 5.14).
    pub listener: bool,
    /// A caller that waits is not disturbed by signals (`WAIT_KILLABLE_RECV`, Linux
    /// 5.19).
    pub killable: bool,
    /// Caller and answerer hand the processor over (`SYNC_WAKE_UP`, Linux 6.6).
    pub wakes_in_step: bool,
    /// A listener's receive ends when nobody is left (Linux 6.11).
    pub receive_ends: bool,
    /// The kernel tells how a process ended to who has a pidfd of it (Linux 6.15).
    pub tells_endings: bool,
    /// A socket can be urgent (`CONFIG_AF_UNIX_OOB`), as epoll needs for events.
    pub urgent: bool,
    /// A program's descriptors can be copied (`pidfd_getfd`).
    pub copies_descriptors: bool,
    /// A program's memory is reached by `process_vm_readv`; else by `/proc/PID/mem`.
    pub process_vm: bool,
    /// Yama's `ptrace_scope`: 0 without, 1 if descendants alone may be looked into, which
    /// served programs are, 2 if only who has `CAP_SYS_PTRACE` may look, 3 if nobody may.
    pub ptrace_scope: u32,
    /// Whether we have `CAP_SYS_PTRACE`.
    pub may_look: bool,
    /// Yama's 1 is played, not the kernel's: see [`Restrictions::yama1`].
    pub(crate) descendants_only: bool,
    /// The limit for descriptors, which the reserved ones must be below.
    pub descriptors: u64,
    /// `/proc` is there, and tells of processes.
    pub proc: bool,
    /// The file of this program may be read by who runs it: before it becomes a program,
    /// a process that is started is as this one, and has to be looked into.
    pub is_dumpable: bool,
    /// Files can be made in memory (`memfd_create`) and watched (inotify).
    pub files: Files,
}

/// What open files of programs are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// All of it is there.
    There,
    /// `memfd_create` is refused.
    NoMemory,
    /// inotify is refused.
    NoWatches,
    /// The user has as many inotify instances as are allowed.
    WatchesUsedUp,
}

/// Why programs cannot be served here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The kernel is too old, or the system call is forbidden.
    #[error(
        "this machine has no seccomp listeners that descriptors can be passed through: Linux 5.14 is needed (this is {0}.{1}), and a container must allow seccomp(2) (Docker's and Podman's default profiles do)"
    )]
    NoListener(u32, u32),
    /// The limit for open files leaves no room.
    #[error(
        "the limit for open files is {0}, which leaves no room for the devices' descriptors: raise it to 64 or more (ulimit -n)"
    )]
    FewDescriptors(u64),
    /// Nobody may look into a program, not even who started it.
    #[error(
        "kernel.yama.ptrace_scope is {0}, with which the programs that are started cannot be looked into: set it to 1 or 0 (sysctl kernel.yama.ptrace_scope=1){again}",
        again = if *.0 > 2 { "; 3 stays until the next boot" } else { ", or run with CAP_SYS_PTRACE" }
    )]
    NoLook(u32),
    /// Nothing can be asked about programs.
    #[error(
        "/proc is not mounted, or does not tell of processes: mount it (mount -t proc proc /proc)"
    )]
    NoProc,
    /// A process that is started from here cannot be looked into.
    #[error(
        "lastfd's file may be executed and not read, so that what it starts cannot be looked into: make it readable (chmod a+r), or run with CAP_SYS_PTRACE"
    )]
    NotDumpable,
    /// Open files cannot be made.
    #[error(
        "memfd_create is refused, which open files are made with: let the container's seccomp profile allow it"
    )]
    NoMemoryFiles,
    /// Closes cannot be seen.
    #[error(
        "inotify is refused, which tells of closes: let the container's seccomp profile allow inotify_init1"
    )]
    NoWatches,
    /// Closes cannot be seen.
    #[error(
        "this user has all the inotify instances there may be: end a program that holds some, or raise fs.inotify.max_user_instances (and user.max_inotify_instances in a container)"
    )]
    WatchesUsedUp,
    /// A filter with a listener is there already.
    #[error(
        "this process runs under a seccomp listener already (lastfd inside lastfd, or a container with system call interception): a second one is not possible"
    )]
    Nested,
}

impl Machine {
    /// Asks.
    pub fn look() -> Machine {
        let release = rustix::system::uname();
        let mut numbers = release
            .release()
            .to_str()
            .unwrap_or("0.0")
            .split(|c: char| !c.is_ascii_digit())
            .map(|part| part.parse().unwrap_or(0));
        let kernel = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        Machine {
            kernel,
            listener: kernel >= (5, 14) && crate::sys::can_listen(0),
            killable: kernel >= (5, 19)
                && crate::sys::can_listen(libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV),
            wakes_in_step: kernel >= (6, 6),
            receive_ends: kernel >= (6, 11),
            tells_endings: kernel >= (6, 15) && crate::sys::tells_endings(),
            urgent: crate::bells::can_be_urgent(),
            copies_descriptors: crate::sys::can_copy_descriptors(),
            process_vm: crate::sys::can_read_memory(),
            ptrace_scope: std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
                .ok()
                .and_then(|scope| scope.trim().parse().ok())
                .unwrap_or(0),
            may_look: may_look(),
            descendants_only: false,
            descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            proc: std::fs::read_to_string(format!("/proc/{}/status", std::process::id())).is_ok(),
            is_dumpable: rustix::process::dumpable_behavior()
                .is_ok_and(|how| how == DumpableBehavior::Dumpable),
            files: Files::look(),
        }
    }

    /// A machine that allows everything, to an ordinary user.
    pub fn with_all() -> Machine {
        Machine {
            kernel: (6, 18),
            listener: true,
            killable: true,
            wakes_in_step: true,
            receive_ends: true,
            tells_endings: true,
            urgent: true,
            copies_descriptors: true,
            process_vm: true,
            ptrace_scope: 0,
            may_look: false,
            descendants_only: false,
            descriptors: 1024,
            proc: true,
            is_dumpable: true,
            files: Files::There,
        }
    }

    /// The same with less.
    #[must_use]
    pub fn restricted(mut self, restrictions: &Restrictions) -> Machine {
        if let Some(kernel) = restrictions.kernel {
            self.kernel = self.kernel.min(kernel);
        }
        self.listener &= !restrictions.no_listener;
        self.killable &= !restrictions.no_wait_killable;
        self.wakes_in_step &= !restrictions.no_sync_wake_up;
        self.receive_ends &= !restrictions.no_receive_end;
        self.tells_endings &= !restrictions.no_endings;
        self.urgent &= !restrictions.no_urgent;
        self.copies_descriptors &= !restrictions.no_pidfd_getfd;
        self.process_vm &= !restrictions.no_process_vm;
        if let Some(scope) = restrictions.yama {
            self.ptrace_scope = self.ptrace_scope.max(scope);
            self.descendants_only = true;
            self.may_look &= scope < 2;
        }
        if let Some(limit) = restrictions.nofile {
            self.descriptors = self.descriptors.min(limit);
        }
        self
    }

    /// Where descriptors of ours go, in programs started from here.
    ///
    /// # Errors
    /// Why programs cannot be served.
    pub fn settings(&self, trap_all: bool) -> Result<Settings, Refusal> {
        if !self.listener {
            return Err(Refusal::NoListener(self.kernel.0, self.kernel.1));
        }
        if !self.proc {
            return Err(Refusal::NoProc);
        }
        if !self.is_dumpable && !self.may_look {
            return Err(Refusal::NotDumpable);
        }
        if !self.lets_look() {
            return Err(Refusal::NoLook(self.ptrace_scope));
        }
        match self.files {
            Files::There => {}
            Files::NoMemory => return Err(Refusal::NoMemoryFiles),
            Files::NoWatches => return Err(Refusal::NoWatches),
            Files::WatchesUsedUp => return Err(Refusal::WatchesUsedUp),
        }
        let (low, high) =
            range(self.descriptors).ok_or(Refusal::FewDescriptors(self.descriptors))?;
        Ok(Settings {
            low,
            high,
            trap_all,
        })
    }

    /// Whether Yama lets us look into the programs we start.
    pub(crate) fn lets_look(&self) -> bool {
        // security/yama/yama_lsm.c: yama_ptrace_access_check
        match self.ptrace_scope {
            0 | 1 => true,
            2 => self.may_look,
            _ => false,
        }
    }
}

/// Whether we have `CAP_SYS_PTRACE`.
fn may_look() -> bool {
    let sets = rustix::thread::capabilities(None);
    sets.is_ok_and(|sets| {
        sets.effective
            .contains(rustix::thread::CapabilitySet::SYS_PTRACE)
    })
}

impl Files {
    fn look() -> Files {
        use rustix::fs::{MemfdFlags, inotify};
        use rustix::io::Errno;
        if rustix::fs::memfd_create("lastfd", MemfdFlags::CLOEXEC).is_err() {
            return Files::NoMemory;
        }
        match inotify::init(inotify::CreateFlags::CLOEXEC) {
            Ok(_) => Files::There,
            // The limit for open files gives the same, and is told by its own line.
            Err(Errno::MFILE) => Files::WatchesUsedUp,
            Err(_) => Files::NoWatches,
        }
    }
}

/// The reserved numbers under a limit: the upper quarter of what select can reach.
pub(crate) fn range(limit: u64) -> Option<(u32, u32)> {
    // FD_SETSIZE
    let high = limit.min(1024) as u32;
    (high >= 64).then(|| (high / 4 * 3, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_be_served_without_is_refused_with_what_to_do() {
        let all = Machine::with_all();
        assert!(all.settings(false).is_ok());
        let without = |change: fn(&mut Machine)| {
            let mut machine = all;
            change(&mut machine);
            machine.settings(false).unwrap_err().to_string()
        };
        for (said, names) in [
            (without(|m| m.listener = false), "seccomp(2)"),
            (without(|m| m.proc = false), "mount -t proc"),
            (without(|m| m.is_dumpable = false), "chmod a+r"),
            (without(|m| m.ptrace_scope = 2), "CAP_SYS_PTRACE"),
            (without(|m| m.ptrace_scope = 3), "until the next boot"),
            (without(|m| m.files = Files::NoMemory), "memfd_create"),
            (without(|m| m.files = Files::NoWatches), "inotify_init1"),
            (
                without(|m| m.files = Files::WatchesUsedUp),
                "max_user_instances",
            ),
            (without(|m| m.descriptors = 32), "ulimit -n"),
        ] {
            assert!(said.contains(names), "{said}");
        }
        let mut root = all;
        (root.ptrace_scope, root.may_look) = (2, true);
        assert!(root.settings(false).is_ok());
        root.ptrace_scope = 3;
        assert!(root.settings(false).is_err());
    }

    #[test]
    fn the_reserved_numbers_are_below_the_limit_and_within_reach_of_select() {
        assert_eq!(range(1 << 20), Some((768, 1024)));
        assert_eq!(range(1024), Some((768, 1024)));
        assert_eq!(range(256), Some((192, 256)));
        assert_eq!(range(64), Some((48, 64)));
        assert_eq!(range(63), None);
    }
}
