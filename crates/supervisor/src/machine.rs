//! What this machine allows: asked once, told plainly.

use core::fmt;

use rustix::process::{Resource, getrlimit};

use crate::filter::Settings;

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
            descriptors: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        }
    }

    /// Where descriptors of ours go, in programs started from here.
    ///
    /// # Errors
    /// Why programs cannot be served.
    pub fn settings(&self, trap_all: bool) -> Result<Settings, Refusal> {
        if !self.listener {
            return Err(Refusal::NoListener(self.kernel.0, self.kernel.1));
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

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |yes: bool, without: &'static str| if yes { "yes" } else { without };
        writeln!(
            f,
            "Linux                  {}.{}",
            self.kernel.0, self.kernel.1
        )?;
        let listener = yes(self.listener, "no: programs cannot be served");
        writeln!(f, "listener               {listener}")?;
        let killable = yes(
            self.killable,
            "no: replies are confirmed one by one; poll restarts after a handler with SA_RESTART",
        );
        writeln!(f, "WAIT_KILLABLE_RECV     {killable}")?;
        let step = yes(self.wakes_in_step, "no: calls are slower");
        writeln!(f, "SYNC_WAKE_UP           {step}")?;
        let urgent = yes(self.urgent, "no: epoll does not tell of PRI");
        writeln!(f, "urgent sockets         {urgent}")?;
        match range(self.descriptors) {
            Some((low, high)) => write!(f, "descriptors            {low} to {}", high - 1),
            None => write!(
                f,
                "descriptors            no room below {}",
                self.descriptors
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_numbers_are_below_the_limit_and_within_reach_of_select() {
        assert_eq!(range(1 << 20), Some((768, 1024)));
        assert_eq!(range(1024), Some((768, 1024)));
        assert_eq!(range(256), Some((192, 256)));
        assert_eq!(range(64), Some((48, 64)));
        assert_eq!(range(63), None);
    }
}
