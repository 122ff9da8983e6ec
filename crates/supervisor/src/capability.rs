//! What a machine allows and does not, a line for each thing: what follows, what to do.

use core::fmt;

use crate::machine::{Files, Machine, range};

/// One thing that a machine allows or does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// What it is called.
    pub name: &'static str,
    /// What programs get with it, and without.
    pub has: Has,
    /// What was found: a value, or yes or no.
    pub found: String,
    /// What does not work, or works in another way, as it is; empty if all does.
    pub without: &'static str,
    /// What brings it; empty if nothing is missing.
    pub remedy: &'static str,
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

impl Has {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Has::All => "all",
            Has::Less => "less",
            Has::Nothing => "nothing",
        }
    }
}

const PTRACE: &str = "give the container the capability: docker run --cap-add SYS_PTRACE";

fn all(name: &'static str, found: impl Into<String>) -> Capability {
    Capability {
        name,
        has: Has::All,
        found: found.into(),
        without: "",
        remedy: "",
    }
}

/// Served programs get less where it is not there.
fn wanted(name: &'static str, is_there: bool, less: [&'static str; 2]) -> Capability {
    let [without, remedy] = less;
    match is_there {
        true => all(name, "yes"),
        false => Capability {
            name,
            has: Has::Less,
            found: "no".to_owned(),
            without,
            remedy,
        },
    }
}

/// No program can be served where it is not there.
fn needed(name: &'static str, found: Result<String, String>, remedy: &'static str) -> Capability {
    match found {
        Ok(found) => all(name, found),
        Err(found) => Capability {
            name,
            has: Has::Nothing,
            found,
            without: "no program can be shown a device",
            remedy,
        },
    }
}

fn yes(is_there: bool) -> Result<String, String> {
    match is_there {
        true => Ok("yes".to_owned()),
        false => Err("no".to_owned()),
    }
}

impl Machine {
    /// The self-test, a line for each capability.
    pub fn capabilities(&self) -> Vec<Capability> {
        let mut lines = self.needs();
        lines.extend(self.calls());
        lines.extend(self.rights());
        lines
    }

    /// What nothing works without.
    fn needs(&self) -> Vec<Capability> {
        let (major, minor) = self.kernel;
        let version = format!("{major}.{minor}");
        let (files, what) = match self.files {
            Files::There => (Ok("yes".to_owned()), ""),
            Files::NoMemory => (
                Err("memfd_create is refused".to_owned()),
                "let the container's seccomp profile allow memfd_create",
            ),
            Files::NoWatches => (
                Err("inotify is refused".to_owned()),
                "let the container's seccomp profile allow inotify_init1",
            ),
            Files::WatchesUsedUp => (
                Err("no inotify instance is left".to_owned()),
                "end a program that holds some, or sysctl fs.inotify.max_user_instances=1024 (and user.max_inotify_instances in a container)",
            ),
        };
        vec![
            needed(
                "Linux",
                match self.kernel >= (5, 14) {
                    true => Ok(version),
                    false => Err(format!("{version}, before 5.14")),
                },
                "use a machine with Linux 5.14 or newer; gVisor and WSL 1 say an old version, as they are no Linux",
            ),
            needed(
                "seccomp listener",
                yes(self.listener),
                "let the container allow seccomp(2), as Docker's and Podman's default profiles do",
            ),
            needed("/proc", yes(self.proc), "mount -t proc proc /proc"),
            needed(
                "lastfd is readable",
                yes(self.is_dumpable || self.may_look),
                "make its file readable for who runs it: chmod a+r",
            ),
            needed("files in memory", files, what),
            needed(
                "room for descriptors",
                range(self.descriptors)
                    .map(|(low, high)| format!("{low} to {}", high - 1))
                    .ok_or_else(|| format!("the limit is {}", self.descriptors)),
                "ulimit -n 1024, or 64 at the least",
            ),
        ]
    }

    /// What is better with it.
    fn calls(&self) -> [Capability; 7] {
        [
            wanted(
                "WAIT_KILLABLE_RECV",
                self.killable,
                [
                    "poll is begun anew after a handler with SA_RESTART, and replies are confirmed one by one",
                    "Linux 5.19 or newer has it",
                ],
            ),
            wanted(
                "SYNC_WAKE_UP",
                self.wakes_in_step,
                [
                    "all works, and calls are slower",
                    "Linux 6.6 or newer has it",
                ],
            ),
            wanted(
                "end of a listener",
                self.receive_ends,
                [
                    "all works, and each call is waited for with a poll before",
                    "Linux 6.11 or newer has it",
                ],
            ),
            wanted(
                "ends of children",
                self.tells_endings,
                [
                    "a sweep, and no-crash, see the program itself crash, and not what it started",
                    "Linux 6.15 or newer has it",
                ],
            ),
            wanted(
                "urgent sockets",
                self.urgent,
                [
                    "epoll does not tell of PRI, which events of V4L2 and CEC come with; poll and select do",
                    "Linux 5.15 or newer with CONFIG_AF_UNIX_OOB has them",
                ],
            ),
            wanted(
                "pidfd_getfd",
                self.copies_descriptors,
                [
                    "in static programs epoll on a device, inotify on its folders, and a poll of it together with other files give EPERM",
                    PTRACE,
                ],
            ),
            wanted(
                "process_vm_readv",
                self.process_vm,
                [
                    "all works, and calls are slower: /proc/PID/mem does in its place",
                    "give the container the capability: podman run --cap-add SYS_PTRACE",
                ],
            ),
        ]
    }

    /// Into which processes we may look.
    fn rights(&self) -> [Capability; 2] {
        let scope = self.ptrace_scope.to_string();
        let looks = match self.ptrace_scope {
            0 => Ok(scope),
            1 => Ok("1: descendants, as served programs are".to_owned()),
            2 if self.may_look => Ok("2, with CAP_SYS_PTRACE".to_owned()),
            _ => Err(scope),
        };
        [
            needed(
                "ptrace_scope",
                looks,
                match self.ptrace_scope {
                    2 => "sysctl kernel.yama.ptrace_scope=1, or run with CAP_SYS_PTRACE",
                    _ => "sysctl kernel.yama.ptrace_scope=1 at the next boot: 3 stays",
                },
            ),
            // An ordinary user is what all this is made for: nothing is missing.
            all(
                "CAP_SYS_PTRACE",
                match self.may_look {
                    true => "yes",
                    false => {
                        "no: a program that its user may execute and not read is refused, as is one that makes itself not dumpable"
                    }
                },
            ),
        ]
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.capabilities().iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{:<22} {}", line.name, line.found)?;
            if line.has != Has::All {
                write!(f, ": {}", line.without)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::restrict::Restrictions;

    /// The names of lines that are not all there.
    fn lacking(words: &str) -> Vec<(&'static str, Has)> {
        let restrictions: Restrictions = words.parse().unwrap();
        let machine = Machine::with_all().restricted(&restrictions);
        let lines = machine.capabilities().into_iter();
        let lacking = lines.filter(|line| line.has != Has::All);
        lacking
            .map(|line| {
                assert!(!line.without.is_empty() && !line.remedy.is_empty());
                (line.name, line.has)
            })
            .collect()
    }

    #[test]
    fn a_machine_that_allows_all_lacks_nothing() {
        let lines = Machine::with_all().capabilities();
        assert!(lines.iter().all(|line| line.has == Has::All), "{lines:?}");
    }

    #[test]
    fn each_restriction_is_told_by_its_line() {
        for (word, name, has) in [
            ("no-listener", "seccomp listener", Has::Nothing),
            ("no-pidfd-getfd", "pidfd_getfd", Has::Less),
            ("no-process-vm", "process_vm_readv", Has::Less),
            ("yama2", "ptrace_scope", Has::Nothing),
            ("no-wait-killable", "WAIT_KILLABLE_RECV", Has::Less),
            ("no-sync-wake-up", "SYNC_WAKE_UP", Has::Less),
            ("no-receive-end", "end of a listener", Has::Less),
            ("no-urgent", "urgent sockets", Has::Less),
        ] {
            assert_eq!(lacking(word), [(name, has)], "{word}");
        }
        assert_eq!(lacking("yama1"), []);
        assert_eq!(lacking("nofile=256"), []);
        assert_eq!(lacking("docker"), [("pidfd_getfd", Has::Less)]);
        assert_eq!(lacking("podman"), [("process_vm_readv", Has::Less)]);
        assert_eq!(lacking("linux-5.14").len(), 5);
        assert_eq!(lacking("linux-5.15").len(), 4);
        assert_eq!(lacking("linux-6.1").len(), 3);
    }

    #[test]
    fn a_line_says_nothing_exactly_where_programs_are_refused() {
        let changes: [fn(&mut Machine); 10] = [
            |_| (),
            |m| (m.kernel, m.listener) = ((5, 10), false),
            |m| m.listener = false,
            |m| m.proc = false,
            |m| m.is_dumpable = false,
            |m| m.files = Files::NoMemory,
            |m| m.files = Files::WatchesUsedUp,
            |m| m.descriptors = 63,
            |m| m.ptrace_scope = 2,
            |m| (m.ptrace_scope, m.may_look) = (3, true),
        ];
        for change in changes {
            let mut machine = Machine::with_all();
            change(&mut machine);
            let says = machine.capabilities().iter().all(|l| l.has != Has::Nothing);
            assert_eq!(says, machine.settings(false).is_ok(), "{machine}");
        }
    }
}
