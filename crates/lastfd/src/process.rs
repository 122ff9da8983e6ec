//! The process of a program: one that is served, or one that is left alone.

use core::time::Duration;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};

use lastfd_supervisor as supervisor;
use lastfd_sync::{Arc, Mutex, WaitQueue, thread};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid,
};

/// A process that was started.
#[derive(Debug)]
pub(crate) enum Process {
    Served(supervisor::Child),
    Bare {
        child: Child,
        /// None once the number may belong to another process.
        pid: Arc<Mutex<Option<Pid>>>,
    },
}

/// Sends signals to a program for as long as it is there. Clones are for one program.
#[derive(Clone, Debug)]
pub struct Signaller(To);

#[derive(Clone, Debug)]
enum To {
    Served(supervisor::Signaller),
    Bare(Arc<Mutex<Option<Pid>>>),
}

impl Signaller {
    /// Sends the signal with this number, such as 15 for SIGTERM; nothing happens if the
    /// program has ended or there is no such signal.
    pub fn send(&self, signal: i32) {
        match &self.0 {
            To::Served(signaller) => signaller.send(signal),
            To::Bare(pid) => {
                let pid = pid.lock();
                if let (Some(pid), Some(signal)) = (*pid, Signal::from_named_raw(signal)) {
                    // A program that ends this moment is what is wanted.
                    let _ = kill_process(pid, signal);
                }
            }
        }
    }
}

impl Process {
    pub(crate) fn bare(child: Child) -> Process {
        Process::Bare {
            pid: Arc::new(Mutex::new(Pid::from_raw(child.id() as i32))),
            child,
        }
    }

    pub(crate) fn signaller(&self) -> Signaller {
        Signaller(match self {
            Process::Served(child) => To::Served(child.signaller()),
            Process::Bare { pid, .. } => To::Bare(Arc::clone(pid)),
        })
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Process::Served(child) => child.pid(),
            Process::Bare { child, .. } => Some(child.id()),
        }
    }

    /// The ends of the pipes that it writes to.
    pub(crate) fn pipes(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        match self {
            Process::Served(child) => (child.stdout.take(), child.stderr.take()),
            Process::Bare { child, .. } => (child.stdout.take(), child.stderr.take()),
        }
    }

    /// How it ended, if it did.
    pub(crate) fn try_wait(&self) -> Option<ExitStatus> {
        match self {
            Process::Served(child) => child.try_wait(),
            Process::Bare { pid, .. } => {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
                let status = waitid(WaitId::Pid((*pid.lock())?), options).ok()??;
                // As wait(2) packs them.
                let raw = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => (code & 0xff) << 8,
                    (None, signal) => signal?,
                };
                Some(ExitStatus::from_raw(raw))
            }
        }
    }

    /// How it ended, waited for no longer than this.
    pub(crate) fn wait_within(&self, within: Duration) -> Option<ExitStatus> {
        match self {
            Process::Served(child) => child.wait_timeout(within),
            Process::Bare { pid, .. } => {
                let pid = (*pid.lock())?;
                if let Ok(end) = pidfd_open(pid, PidfdFlags::empty()) {
                    let timeout = Timespec::try_from(within).ok();
                    let mut fds = [PollFd::new(&end, PollFlags::IN)];
                    // Either way it is looked at.
                    let _ = thread::wait_outside(|| poll(&mut fds, timeout.as_ref()));
                }
                self.try_wait()
            }
        }
    }

    /// Woken when it ends, if that can be seen without waiting for it.
    pub(crate) fn changed(&self) -> Option<&WaitQueue> {
        match self {
            Process::Served(child) => Some(child.changed()),
            Process::Bare { .. } => None,
        }
    }

    /// Whether nobody is left of it and all that it started.
    pub(crate) fn is_deserted(&self) -> bool {
        match self {
            Process::Served(child) => child.is_empty(),
            Process::Bare { pid, .. } => pid.lock().is_none(),
        }
    }

    /// The processes of it that used a device and were ended by a signal, as far as that is
    /// known.
    pub(crate) fn killed(&self) -> Vec<supervisor::Killed> {
        match self {
            Process::Served(child) => child.killed(),
            Process::Bare { .. } => Vec::new(),
        }
    }

    /// Kills it, and all that it started as far as that is known.
    pub(crate) fn kill(&self) {
        match self {
            Process::Served(child) => child.kill(),
            Process::Bare { .. } => {
                const SIGKILL: i32 = 9;
                self.signaller().send(SIGKILL);
            }
        }
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        let (child, number) = match self {
            Process::Served(child) => {
                // Nobody writes to it any more.
                drop(child.stdin.take());
                return Ok(child.wait());
            }
            Process::Bare { child, pid } => (child, pid),
        };
        // Its number is kept until nobody can send a signal to it any more.
        let pid = *number.lock();
        if let Some(pid) = pid {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            thread::wait_outside(|| {
                while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
            });
        }
        let mut pid = number.lock();
        let status = child.wait();
        *pid = None;
        status
    }
}
