//! A miscellaneous device: it is read, and what comes of it is its driver's.

use lastfd_model::Errno;

use super::user::{Node, Use, User};
use crate::bench::DeviceError;
use crate::when::Trigger;

/// A read of what there is.
pub(super) fn first_use() -> Trigger {
    Trigger::Call("read")
}

/// Reads, and is no worse off where nothing is to be read.
pub(super) struct Reads;

impl Reads {
    fn read(node: &Node) -> Result<(), Errno> {
        match node.calls.read(&mut [0; 64]) {
            Ok(_) | Err(Errno::EINVAL | Errno::EAGAIN) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

impl Use for Reads {
    fn round(&mut self, node: &Node, user: &User, _number: u32) -> Result<(), Errno> {
        Reads::read(node)?;
        user.pause()
    }

    /// Calls on what is open reach the driver still, whatever it makes of them. It is
    /// not to sleep for what will not come.
    fn after_removal(&mut self, node: &Node) -> Result<(), DeviceError> {
        let nonblocking = node.calls.set_nonblocking();
        nonblocking.map_err(node.failed("set O_NONBLOCK"))?;
        let _ = node.calls.read(&mut [0; 64]);
        Ok(())
    }
}
