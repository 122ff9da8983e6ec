//! What the client does with one device, whichever way its calls go.

use core::time::Duration;

use lastfd_chrdev::PollMask;
use lastfd_model::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::Framework;
use crate::bench::DeviceError;

/// Between two looks at a device that has nothing to wait for.
const PACE: Duration = Duration::from_millis(5);

/// How a device is reached.
pub(super) trait Reach {
    /// Its nodes.
    fn nodes(&self) -> Vec<(String, Framework)>;

    /// Opens a node to read and write.
    fn open(&self, path: &str) -> Result<Box<dyn Calls>, Errno>;

    /// Whether it was taken away by now.
    fn is_gone(&self) -> bool;

    /// Whether it was taken away. Where it is about to go, waits until it has gone.
    fn settle(&self) -> bool;

    /// How often a node is used.
    fn rounds(&self) -> u32;

    /// Whether the client is to end.
    fn is_cancelled(&self) -> bool;

    /// Lets time pass. `EINTR` to end.
    fn sleep(&self, time: Duration) -> Result<(), Errno>;
}

/// The calls on an open node, and on the attributes of its device.
pub(super) trait Calls {
    fn read(&self, into: &mut [u8]) -> Result<usize, Errno>;

    fn set_nonblocking(&self) -> Result<(), Errno>;

    fn poll(&self, events: PollMask, timeout: Duration) -> Result<PollMask, Errno>;

    /// One whose argument is these bytes.
    fn ioctl(&self, cmd: u32, arg: &mut [u8]) -> Result<(), Errno>;

    fn mmap(&self, offset: u64, len: u64) -> Result<Box<dyn Memory>, Errno>;

    /// Reads its name, which is open all the time; none if it has no such attribute.
    fn read_name(&self) -> Option<Result<(), Errno>>;

    /// The attributes that enable the elements of its input buffer.
    fn scan_elements(&self) -> Vec<String>;

    fn write_attribute(&self, path: &str, value: &str) -> Result<(), Errno>;

    /// The name of its hardware's own trigger.
    fn trigger(&self) -> Result<Option<String>, Errno>;
}

/// Mapped memory.
pub(super) trait Memory {
    fn write(&self, at: usize, byte: u8) -> Result<(), Errno>;

    fn read(&self, at: usize) -> Result<u8, Errno>;
}

/// A node in use.
pub(super) struct Node {
    pub(super) path: String,
    pub(super) calls: Box<dyn Calls>,
}

/// How the nodes of a framework are used. Errors that a device gives once it is gone
/// (`ENODEV`, `ENOENT`) end the use.
pub(super) trait Use {
    /// Done once, before the rounds.
    fn begin(&mut self, node: &Node) -> Result<(), DeviceError> {
        let _ = node;
        Ok(())
    }

    /// One round of use, counted from 0. It takes its time.
    fn round(&mut self, node: &Node, user: &User, number: u32) -> Result<(), Errno>;

    /// Done once, after the last round.
    fn end(&mut self, node: &Node) {
        let _ = node;
    }

    /// Tries what the framework answers on a file whose device is gone.
    fn after_removal(&mut self, node: &Node) -> Result<(), DeviceError>;
}

/// The client's task for one device.
pub(super) struct User {
    reach: Box<dyn Reach>,
}

impl User {
    pub(super) fn new(reach: impl Reach + 'static) -> User {
        User {
            reach: Box::new(reach),
        }
    }

    pub(super) fn run(&self) -> Result<(), DeviceError> {
        let mut in_use = Vec::new();
        for (path, framework) in self.reach.nodes() {
            let calls = match self.reach.open(&path) {
                Ok(calls) => calls,
                // It went before it could be used.
                Err(Errno::ENOENT | Errno::ENXIO | Errno::ENODEV) if self.settle() => continue,
                Err(errno) => return Err(failed(format!("open {path}"))(errno)),
            };
            in_use.push((Node { path, calls }, framework.usage()));
        }
        for (node, usage) in &mut in_use {
            let begun = usage.begin(node);
            match begun.and_then(|()| self.use_it(node, &mut **usage)) {
                Ok(()) => {}
                Err(error) if is_gone(error.errno) && self.settle() => {
                    usage.after_removal(node)?;
                    self.after_removal(node)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn use_it(&self, node: &Node, usage: &mut dyn Use) -> Result<(), DeviceError> {
        for round in 0u32.. {
            if round >= self.reach.rounds() || self.reach.is_cancelled() {
                break;
            }
            match usage.round(node, self, round) {
                Ok(()) => {}
                Err(Errno::EINTR) => break,
                Err(errno) => return Err(failed(format!("use {}", node.path))(errno)),
            }
        }
        usage.end(node);
        Ok(())
    }

    /// See [`Reach::settle`].
    pub(super) fn settle(&self) -> bool {
        self.reach.settle()
    }

    /// Takes its time. `ENODEV` if the hardware was taken away meanwhile, which some
    /// files do not tell; `EINTR` to end.
    pub(super) fn pause(&self) -> Result<(), Errno> {
        self.reach.sleep(PACE)?;
        match self.reach.is_gone() {
            true => Err(Errno::ENODEV),
            false => Ok(()),
        }
    }

    /// What Linux answers once the device is gone: attributes and paths are every
    /// framework's.
    fn after_removal(&self, node: &Node) -> Result<(), DeviceError> {
        if let Some(read) = node.calls.read_name() {
            node.gone("read an attribute of", read, Errno::ENODEV)?;
        }
        let again = self.reach.open(&node.path);
        node.gone("open", again.map(drop), Errno::ENOENT)
    }
}

impl Node {
    /// That a call after the removal failed as it should.
    pub(super) fn gone(
        &self,
        doing: &str,
        result: Result<(), Errno>,
        right: Errno,
    ) -> Result<(), DeviceError> {
        match result {
            Err(errno) if errno == right => Ok(()),
            other => Err(DeviceError {
                doing: format!(
                    "{doing} {} after its removal, which should give {right}",
                    self.path
                ),
                errno: other.err().unwrap_or(right),
            }),
        }
    }

    /// That poll after the removal tells what it should.
    pub(super) fn polls(&self, right: PollMask) -> Result<(), DeviceError> {
        let events = PollMask::IN | PollMask::PRI | PollMask::OUT;
        let found = self.calls.poll(events, Duration::ZERO);
        let found = found.map_err(self.failed("poll"))?;
        match found == right {
            true => Ok(()),
            false => Err(DeviceError {
                doing: format!(
                    "poll {} after its removal, which gave {found} and should give {right}",
                    self.path
                ),
                errno: Errno::EIO,
            }),
        }
    }

    /// An ioctl on a struct, which it may change.
    pub(super) fn ioctl<T: FromBytes + IntoBytes + Immutable>(
        &self,
        cmd: u32,
        arg: &mut T,
    ) -> Result<(), Errno> {
        self.calls.ioctl(cmd, arg.as_mut_bytes())
    }

    /// For errors: what failed, on this node.
    pub(super) fn failed(&self, doing: &str) -> impl FnOnce(Errno) -> DeviceError + use<> {
        failed(format!("{doing} on {}", self.path))
    }
}

/// What a file that lost its device polls as, where its framework tells.
pub(super) const HUNG_UP: PollMask = PollMask(PollMask::PRI.0 | PollMask::ERR.0 | PollMask::HUP.0);

/// What calls on a device give while it goes and after: its files, its attributes.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::ENODEV | Errno::ENOENT)
}

fn failed(doing: String) -> impl FnOnce(Errno) -> DeviceError {
    move |errno| DeviceError { doing, errno }
}
