//! A node of no framework that the client knows: nothing but what all have.

use core::time::Duration;

use lastfd_chrdev::PollMask;
use lastfd_model::Errno;

use super::user::{Node, Use, User};
use crate::bench::DeviceError;

/// Looks at an attribute, if there is one.
pub(super) struct Looks;

impl Use for Looks {
    fn round(&mut self, node: &Node, user: &User, _number: u32) -> Result<(), Errno> {
        node.calls.read_name().transpose()?;
        user.pause()
    }

    fn after_removal(&mut self, node: &Node) -> Result<(), DeviceError> {
        // What it tells is its driver's.
        let _ = node.calls.poll(PollMask::IN, Duration::ZERO);
        Ok(())
    }
}
