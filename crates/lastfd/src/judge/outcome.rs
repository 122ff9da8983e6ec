//! What can become of a program whose device goes.

use core::fmt;
use core::time::Duration;

use lastfd_host::Grip;
use lastfd_report::Ending;
use lastfd_supervisor::Killed;
use lastfd_sync::Arc;

/// What became of a program whose device went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself, with this exit status.
    Ended {
        /// The status.
        status: u8,
        /// It left others running, which let go of the device.
        left_others: bool,
    },
    /// It let go of the device, and went on with something else.
    LetGo,
    /// A signal ended it, or one of those that it started.
    Crashed {
        /// The signal's number.
        signal: i32,
        /// Who, if it was not the program itself.
        who: Crasher,
    },
    /// It is alive, and makes no progress.
    Hung(Asleep),
    /// It goes on calling a dead descriptor, over and over.
    Spun {
        /// How fast.
        pace: Pace,
        /// What is called last.
        on: Clinging,
    },
    /// It still has a descriptor or a mapping of the device.
    Kept(Clinging),
    /// The device never went: the program ended before, or did not come to it in time.
    NotReached {
        /// How it ended, if it did.
        ending: Option<Ending>,
        /// How long it was waited for.
        within: Duration,
    },
}

/// Who crashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crasher {
    /// The program.
    Itself,
    /// One that it waited for, as its status says in the way of shells.
    ByStatus,
    /// A process that it started, with its number and the name of what it ran, and that
    /// used a device.
    Child(u32, String),
}

/// How a program that spins was seen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many calls a second on the dead descriptor.
    Calls(u64),
    /// A thread of it does not rest, and makes few calls that are seen: `epoll_wait` is the
    /// kernel's own.
    Restless,
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pace::Calls(rate) => write!(f, "{rate} calls a second"),
            Pace::Restless => {
                f.write_str("a thread does not rest, in epoll_wait or calls on other files")
            }
        }
    }
}

/// A process that sleeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asleep {
    /// The process.
    pub process: u32,
    /// The name of what it runs.
    pub command: String,
    /// The call of ours it sleeps in and the file it is made on; none if it is asleep
    /// elsewhere.
    pub call: Option<(Arc<str>, Arc<str>)>,
    /// The number of a descriptor of that file.
    pub descriptor: Option<i32>,
    /// How long it has slept.
    pub since: Duration,
    /// How long the device has been gone.
    pub gone: Duration,
}

impl Asleep {
    /// Whether it was asleep when the device went, and the kernel woke nobody. It follows
    /// that a real device would hang it, too.
    pub fn was_not_woken(&self) -> bool {
        self.call.is_some() && self.since > self.gone
    }
}

/// A process that still has a file of a device that went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clinging {
    /// The process.
    pub process: u32,
    /// The name of what it runs.
    pub command: String,
    /// The node's path.
    pub path: Arc<str>,
    /// How it holds the file. None: only in flight, or in a call.
    pub grip: Option<Grip>,
    /// The last call on it, and how long ago it began.
    pub last: Option<(Arc<str>, Duration)>,
    /// How long the device has been gone.
    pub gone: Duration,
}

impl Outcome {
    /// Whether a program may come to this.
    pub fn is_good(&self) -> bool {
        matches!(
            self,
            Outcome::Ended { .. } | Outcome::LetGo | Outcome::NotReached { .. }
        )
    }

    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Ended { .. } => "ended",
            Outcome::LetGo => "let go",
            Outcome::Crashed { .. } => "crashed",
            Outcome::Hung(_) => "hung",
            Outcome::Spun { .. } => "spun",
            Outcome::Kept(_) => "kept",
            Outcome::NotReached { .. } => "not reached",
        }
    }

    /// Of a program that ended in this way after its device went.
    pub(super) fn of(ending: &Ending, left_others: bool) -> Outcome {
        match *ending {
            Ending::Killed(signal) => Outcome::Crashed {
                signal,
                who: Crasher::Itself,
            },
            // A shell's own status for a program that a signal ended.
            Ending::Exited(status) if CRASHES.contains(&(i32::from(status) - 128)) => {
                Outcome::Crashed {
                    signal: i32::from(status) - 128,
                    who: Crasher::ByStatus,
                }
            }
            Ending::Exited(status) => Outcome::Ended {
                status,
                left_others,
            },
            Ending::Failed(_) => Outcome::Ended {
                status: u8::MAX,
                left_others,
            },
        }
    }
}

impl Outcome {
    /// Of a program of which this was killed, if by a crash.
    pub(super) fn of_child(killed: Killed) -> Option<Outcome> {
        let Killed {
            pid,
            command,
            signal,
        } = killed;
        CRASHES.contains(&signal).then_some(Outcome::Crashed {
            signal,
            who: Crasher::Child(pid, command),
        })
    }
}

/// SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS.
const CRASHES: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// A signal's name, where it is one that ends programs.
fn signal_name(signal: i32) -> String {
    let known = [
        (1, "SIGHUP"),
        (2, "SIGINT"),
        (3, "SIGQUIT"),
        (4, "SIGILL"),
        (5, "SIGTRAP"),
        (6, "SIGABRT"),
        (7, "SIGBUS"),
        (8, "SIGFPE"),
        (9, "SIGKILL"),
        (11, "SIGSEGV"),
        (13, "SIGPIPE"),
        (14, "SIGALRM"),
        (15, "SIGTERM"),
        (31, "SIGSYS"),
    ];
    let name = known.into_iter().find(|(number, _)| *number == signal);
    name.map_or_else(|| format!("signal {signal}"), |(_, name)| name.to_owned())
}

/// A time as people say it.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Ended {
                status,
                left_others,
            } => {
                write!(f, "ended (status {status})")?;
                if *left_others {
                    f.write_str(", others it started run on")?;
                }
                Ok(())
            }
            Outcome::LetGo => f.write_str("let go (runs on without the device)"),
            Outcome::Crashed { signal, who } => {
                write!(f, "crashed ({}", signal_name(*signal))?;
                match who {
                    Crasher::Itself => {}
                    Crasher::ByStatus => write!(f, ", by its status {}", signal + 128)?,
                    Crasher::Child(pid, command) => {
                        write!(f, " of {command} ({pid}), which it started")?;
                    }
                }
                f.write_str(")")
            }
            Outcome::Hung(asleep) => write!(f, "hung ({asleep})"),
            Outcome::Spun { pace, on } => write!(f, "spun ({pace}; {on})"),
            Outcome::Kept(clinging) => write!(f, "kept ({clinging})"),
            Outcome::NotReached {
                ending: Some(ending),
                ..
            } => write!(f, "not reached (it ended before: {ending})"),
            Outcome::NotReached {
                ending: None,
                within,
            } => write!(f, "not reached (not within {})", Seconds(*within)),
        }
    }
}

impl fmt::Display for Asleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) ", self.command, self.process)?;
        let Some((op, path)) = &self.call else {
            return write!(
                f,
                "is alive {} after the device went, in no call on it",
                Seconds(self.gone)
            );
        };
        write!(f, "sleeps in {op} on {path}")?;
        if let Some(number) = self.descriptor {
            write!(f, ", descriptor {number}")?;
        }
        write!(f, ", since {}", Seconds(self.since))?;
        if self.was_not_woken() {
            f.write_str("; no kernel wakes it: a real device would hang it, too")
        } else {
            f.write_str(
                "; begun after the device went, and no kernel wakes it: a real device would hang it, too",
            )
        }
    }
}

impl fmt::Display for Clinging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) has {} ", self.command, self.process, self.path)?;
        match self.grip {
            Some(Grip::Descriptor(number)) => write!(f, "open as descriptor {number}")?,
            Some(Grip::Mapping(address)) => write!(f, "mapped at {address:#x}")?,
            None => f.write_str("open in a message or a call")?,
        }
        write!(f, ", {} after the device went", Seconds(self.gone))?;
        match &self.last {
            Some((op, ago)) => write!(f, "; last call: {op}, {} ago", Seconds(*ago)),
            None => f.write_str("; it was asked nothing"),
        }
    }
}
