//! What this machine allows: asked once, told plainly.

use core::fmt;

use rustix::process::{Resource, getrlimit};

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
    /// A socket can be urgent (`CONFIG_AF_UNIX_OOB`), as epoll needs for events.
    pub urgent: bool,
    /// A program's descriptors can be copied (`pidfd_getfd`).
    pub copies_descriptors: bool,
    /// A program's memory is reached by `process_vm_readv`; else by `/proc/PID/mem`.
    pub process_vm: bool,
    /// Yama's `ptrace_scope`: 0 without, 1 if descendants alone may be looked into, which
    /// served programs are.
    pub ptrace_scope: u32,
    /// Yama's 1 is played, not the kernel's: see [`Restrictions::yama1`].
    pub(crate) descendants_only: bool,
    /// The limit for descriptors, which the reserved ones must be below.
    pub descriptors: u64,
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
        "kernel.yama.ptrace_scope is {0}, which lets nobody look into the programs it starts: set it to 1 or 0 (sysctl kernel.yama.ptrace_scope=1)"
    )]
    NoLook(u32),
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
            urgent: crate::bells::can_be_urgent(),
            copies_descriptors: crate::sys::can_copy_descriptors(),
            process_vm: crate::sys::can_read_memory(),
            ptrace_scope: std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
                .ok()
                .and_then(|scope| scope.trim().parse().ok())
                .unwrap_or(0),
            descendants_only: false,
            descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        }
    }

    /// The same with less.
    #[must_use]
    pub fn restricted(mut self, restrictions: &Restrictions) -> Machine {
        self.killable &= !restrictions.no_wait_killable;
        self.wakes_in_step &= !restrictions.no_sync_wake_up;
        self.receive_ends &= !restrictions.no_receive_end;
        self.urgent &= !restrictions.no_urgent;
        self.copies_descriptors &= !restrictions.no_pidfd_getfd;
        self.process_vm &= !restrictions.no_process_vm;
        if restrictions.yama1 {
            self.ptrace_scope = self.ptrace_scope.max(1);
            self.descendants_only = true;
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
        if self.ptrace_scope > 1 && !rustix::process::geteuid().is_root() {
            return Err(Refusal::NoLook(self.ptrace_scope));
        }
        let (low, high) =
            range(self.descriptors).ok_or(Refusal::FewDescriptors(self.descriptors))?;
        Ok(Settings {
            low,
            high,
            trap_all,
        })
    }
}

/// The reserved numbers under a limit: the upper quarter of what select can reach.
fn range(limit: u64) -> Option<(u32, u32)> {
    // FD_SETSIZE
    let high = limit.min(1024) as u32;
    (high >= 64).then(|| (high / 4 * 3, high))
}

/// One thing that a machine allows or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// What it is called.
    pub name: &'static str,
    /// What programs get with it, and without.
    pub has: Has,
    /// The value, or what follows.
    pub says: String,
}

/// How much of a [`Capability`] is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Has {
    /// All.
    All,
    /// Not all: something else does in its place, more slowly or not for everything.
    Less,
    /// What is needed is missing: no program can be served.
    Nothing,
}

impl Machine {
    /// The self-test, a line for each capability.
    pub fn capabilities(&self) -> Vec<Capability> {
        let line = |name, has, says: &str| Capability {
            name,
            has,
            says: says.to_owned(),
        };
        let either = |name, there: bool, without: &str| match there {
            true => line(name, Has::All, "yes"),
            false => line(name, Has::Less, without),
        };
        let (major, minor) = self.kernel;
        let version = format!("{major}.{minor}");
        let mut lines = vec![match self.kernel >= (5, 14) {
            true => line("Linux", Has::All, &version),
            false => line("Linux", Has::Nothing, &format!("{version}: 5.14 is needed")),
        }];
        lines.push(match self.listener {
            true => line("listener", Has::All, "yes"),
            false => line("listener", Has::Nothing, "no: programs cannot be served"),
        });
        lines.extend([
            either(
                "WAIT_KILLABLE_RECV",
                self.killable,
                "no: replies are confirmed one by one; poll restarts after a handler with SA_RESTART",
            ),
            either("SYNC_WAKE_UP", self.wakes_in_step, "no: calls are slower"),
            either(
                "end of a listener",
                self.receive_ends,
                "no: each call is waited for with a poll before",
            ),
            either(
                "urgent sockets",
                self.urgent,
                "no: epoll does not tell of PRI",
            ),
            either(
                "pidfd_getfd",
                self.copies_descriptors,
                "no: epoll on a device, and a poll of one with other files, give EPERM",
            ),
            either(
                "process_vm_readv",
                self.process_vm,
                "no: /proc/PID/mem does in its place",
            ),
        ]);
        let root = rustix::process::geteuid().is_root();
        lines.push(match self.ptrace_scope {
            0 => line("ptrace_scope", Has::All, "0"),
            1 => line(
                "ptrace_scope",
                Has::All,
                "1: descendants, as served programs are",
            ),
            scope if root => line("ptrace_scope", Has::All, &scope.to_string()),
            scope => {
                let says = format!("{scope}: nobody may look into programs");
                line("ptrace_scope", Has::Nothing, &says)
            }
        });
        lines.push(match range(self.descriptors) {
            Some((low, high)) => line("descriptors", Has::All, &format!("{low} to {}", high - 1)),
            None => {
                let says = format!("no room below {}", self.descriptors);
                line("descriptors", Has::Nothing, &says)
            }
        });
        lines
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, capability) in self.capabilities().iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{:<22} {}", capability.name, capability.says)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_told_with_what_does_in_its_place() {
        let all = "no-pidfd-getfd,no-process-vm,yama1,no-wait-killable,no-sync-wake-up,\
                   no-receive-end,no-urgent,nofile=256";
        let restrictions: Restrictions = all.parse().unwrap();
        let mut machine = Machine::look().restricted(&restrictions);
        machine.kernel = (5, 15);
        let less = |c: &&Capability| c.has == Has::Less;
        assert_eq!(machine.capabilities().iter().filter(less).count(), 6);
        assert_eq!(
            machine.to_string(),
            "\
Linux                  5.15
listener               yes
WAIT_KILLABLE_RECV     no: replies are confirmed one by one; poll restarts after a handler with SA_RESTART
SYNC_WAKE_UP           no: calls are slower
end of a listener      no: each call is waited for with a poll before
urgent sockets         no: epoll does not tell of PRI
pidfd_getfd            no: epoll on a device, and a poll of one with other files, give EPERM
process_vm_readv       no: /proc/PID/mem does in its place
ptrace_scope           1: descendants, as served programs are
descriptors            192 to 255"
        );
        machine.listener = false;
        machine.descriptors = 32;
        let nothing = |c: &&Capability| c.has == Has::Nothing;
        assert_eq!(machine.capabilities().iter().filter(nothing).count(), 2);
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
