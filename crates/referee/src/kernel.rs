//! A kernel that runs scenarios: a User Mode Linux with the module of `oracle/kernel`,
//! fed through its standard input. A child process that is killed when it is dropped.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use lastfd_model::Rules;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::clock::Deadline;

/// A booted kernel.
pub struct Kernel {
    child: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    stderr: ChildStderr,
    /// What is still to be written to it.
    unsent: VecDeque<u8>,
    /// What it wrote that is not read as an answer yet.
    unread: Vec<u8>,
    /// The last of its log.
    log: Vec<u8>,
}

/// How a kernel is started.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The User Mode Linux.
    pub program: PathBuf,
    /// The rules it follows.
    pub rules: Rules,
    /// How long a boot, or a scenario, may take.
    pub patience: Duration,
}

/// What a kernel made of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its trace.
    pub trace: String,
    /// Whether the kernel can go on.
    pub state: State,
}

/// Whether a kernel can go on after a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was left behind.
    Clean,
    /// Something was left behind: the next scenario wants a fresh kernel.
    Left(String),
    /// The module cannot run this scenario.
    Refused(String),
    /// The trace was longer than the module keeps.
    TooLong,
}

/// Why there is no answer. The kernel is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It panicked, or ended by itself: the trace as far as it went, and its last words.
    Died {
        /// The trace up to then.
        trace: String,
        /// What the kernel logged last.
        log: String,
    },
    /// It took too long, and was killed.
    Hung {
        /// What the kernel logged last.
        log: String,
    },
}

/// Why a kernel could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The program is not there or cannot be run.
    #[error("failed to start {path}: {source}")]
    Start {
        /// The program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It ended, or did not get far enough in time.
    #[error(
        "{path} did not become ready: is it a User Mode Linux with lastfd's module? \
         Its last lines:\n{log}"
    )]
    NotReady {
        /// The program.
        path: PathBuf,
        /// What it logged last.
        log: String,
    },
}

/// As much of the log is kept.
const LOG: usize = 16 * 1024;

impl Kernel {
    /// Boots a kernel and waits until it takes scenarios.
    ///
    /// # Errors
    ///
    /// [`BootError`], with what the kernel logged.
    pub fn boot(boot: &Boot) -> Result<Kernel, BootError> {
        let pre66 = u8::from(boot.rules == Rules::LinuxPre6_6);
        let start = |source| BootError::Start {
            path: boot.program.clone(),
            source,
        };
        let mut child = Command::new(&boot.program)
            .args(["mem=256M", "time-travel=inf-cpu", "con=null", "ssl=null"])
            .args(["stderr=1", "console=stderr", "loglevel=7", "panic=-1"])
            // KUnit runs what scenarios ask for, and none of the kernel's own suites.
            .args(["kunit.enable=1", "kunit.filter_glob=none-at-boot"])
            .args(["lastfd.serve=1".to_owned(), format!("lastfd.pre66={pre66}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(start(io::Error::other("it has no standard streams")));
        };
        let mut kernel = Kernel {
            child,
            stdin,
            stdout,
            stderr,
            unsent: VecDeque::new(),
            unread: Vec::new(),
            log: Vec::new(),
        };
        for fd in [
            kernel.stdin.as_fd(),
            kernel.stdout.as_fd(),
            kernel.stderr.as_fd(),
        ] {
            let flags = fcntl_getfl(fd).map_err(|e| start(e.into()))?;
            fcntl_setfl(fd, flags | OFlags::NONBLOCK).map_err(|e| start(e.into()))?;
        }
        let deadline = Deadline::after(boot.patience);
        loop {
            if kernel.line() == Some("ready") {
                kernel.unread.drain(..b"ready\n".len());
                return Ok(kernel);
            }
            if !matches!(kernel.exchange(&deadline), Exchange::Some) {
                return Err(BootError::NotReady {
                    path: boot.program.clone(),
                    log: kernel.last_words(),
                });
            }
        }
    }

    /// Has a compiled scenario run.
    ///
    /// # Errors
    ///
    /// [`Lost`]: the kernel died of it, or was killed because it took too long.
    pub fn run(&mut self, compiled: &str, patience: Duration) -> Result<Answer, Lost> {
        self.send(compiled);
        self.receive(patience)
    }

    /// Gives it a compiled scenario, which it runs when it has run those before.
    pub fn send(&mut self, compiled: &str) {
        let message = format!("{}\n{compiled}", compiled.len());
        self.unsent.extend(message.into_bytes());
    }

    /// The answer to the first scenario that was sent and is not answered yet.
    ///
    /// # Errors
    ///
    /// [`Lost`]: the kernel died of it, or was killed because it took too long.
    pub fn receive(&mut self, patience: Duration) -> Result<Answer, Lost> {
        let deadline = Deadline::after(patience);
        loop {
            if let Some((length, state)) = self.line().and_then(head) {
                let end = self.unread.iter().position(|b| *b == b'\n');
                let start = end.map_or(0, |n| n + 1);
                if self.unread.len() >= start + length {
                    let trace = &self.unread[start..start + length];
                    let trace = String::from_utf8_lossy(trace).into_owned();
                    self.unread.drain(..start + length);
                    return match state {
                        Some(state) => Ok(Answer { trace, state }),
                        None => Err(self.dead(trace)),
                    };
                }
            }
            match self.exchange(&deadline) {
                Exchange::Some => {}
                Exchange::Over => {
                    let log = self.last_words();
                    return Err(Lost::Hung { log });
                }
                Exchange::Ended => return Err(self.dead(String::new())),
            }
        }
    }

    /// The first line that is not read yet, without its end.
    fn line(&self) -> Option<&str> {
        let end = self.unread.iter().position(|b| *b == b'\n')?;
        std::str::from_utf8(&self.unread[..end]).ok()
    }

    /// It panicked: what it says of that comes after the trace.
    fn dead(&mut self, trace: String) -> Lost {
        let deadline = Deadline::after(Duration::from_secs(2));
        while matches!(self.exchange(&deadline), Exchange::Some) {}
        let log = self.last_words();
        Lost::Died { trace, log }
    }

    fn last_words(&mut self) -> String {
        // Whatever it still had to say is in the pipe.
        let _ = self.child.kill();
        let deadline = Deadline::after(Duration::from_secs(2));
        while matches!(self.exchange(&deadline), Exchange::Some) {}
        let text = String::from_utf8_lossy(&self.log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Sends what can be sent and takes in what there is; waits for one of the two.
    fn exchange(&mut self, deadline: &Deadline) -> Exchange {
        let mut fds = vec![
            PollFd::new(&self.stdout, PollFlags::IN),
            PollFd::new(&self.stderr, PollFlags::IN),
        ];
        if !self.unsent.is_empty() {
            fds.push(PollFd::new(&self.stdin, PollFlags::OUT));
        }
        let left = deadline.left();
        if left.is_zero() {
            return Exchange::Over;
        }
        let timeout = Timespec {
            tv_sec: left.as_secs() as i64,
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => return Exchange::Over,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Exchange::Ended,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        let mut ended = false;
        if ready[1] {
            take_in(&mut self.stderr, &mut self.log);
            let spare = self.log.len().saturating_sub(LOG);
            self.log.drain(..spare);
        }
        if ready[0] {
            ended = !take_in(&mut self.stdout, &mut self.unread);
        }
        if ready.get(2) == Some(&true) {
            match self.stdin.write(self.unsent.make_contiguous()) {
                Ok(n) => drop(self.unsent.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // It reads no more; what it wrote last may still be on its way.
                Err(_) => self.unsent.clear(),
            }
        }
        match ended {
            true => Exchange::Ended,
            false => Exchange::Some,
        }
    }
}

enum Exchange {
    /// Something was sent or came in.
    Some,
    /// Time is over.
    Over,
    /// The kernel's output has ended.
    Ended,
}

/// Takes in what there is; false once there will be no more.
fn take_in(from: &mut impl Read, to: &mut Vec<u8>) -> bool {
    let mut bytes = [0; 64 * 1024];
    match from.read(&mut bytes) {
        Ok(0) => false,
        Ok(n) => {
            to.extend_from_slice(&bytes[..n]);
            true
        }
        Err(error) => matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
        ),
    }
}

/// `trace LENGTH STATE`; no state for a kernel that panics.
fn head(line: &str) -> Option<(usize, Option<State>)> {
    let rest = line.strip_prefix("trace ")?;
    let (length, state) = rest.split_once(' ')?;
    let (word, why) = state.split_once(' ').unwrap_or((state, ""));
    let state = match word {
        "clean" => Some(State::Clean),
        "left" => Some(State::Left(why.to_owned())),
        "refused" => Some(State::Refused(why.to_owned())),
        "full" => Some(State::TooLong),
        "panic" => None,
        _ => return None,
    };
    Some((length.parse().ok()?, state))
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Clean => f.write_str("nothing left behind"),
            State::Left(what) => write!(f, "{what} was left behind"),
            State::Refused(why) => write!(f, "refused: {why}"),
            State::TooLong => f.write_str("the trace was too long"),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Died { trace, log } => write!(
                f,
                "the kernel died of it. Its trace until then:\n{trace}Its last lines:\n{log}"
            ),
            Lost::Hung { log } => {
                write!(f, "the kernel hung, and was killed. Its last lines:\n{log}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{State, head};

    #[test]
    fn an_answer_begins_with_its_length_and_the_kernels_state() {
        assert_eq!(head("trace 12 clean"), Some((12, Some(State::Clean))));
        assert_eq!(
            head("trace 0 left a CEC adapter"),
            Some((0, Some(State::Left("a CEC adapter".to_owned()))))
        );
        assert_eq!(head("trace 7 panic"), Some((7, None)));
        for other in [
            "",
            "ready",
            "trace",
            "trace x clean",
            "trace 1 odd",
            "trace -1 clean",
        ] {
            assert_eq!(head(other), None, "{other}");
        }
    }
}
