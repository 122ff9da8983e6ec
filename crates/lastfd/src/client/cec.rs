//! A CEC adapter: what it can do is asked.

use lastfd_abi::cec::{CEC_ADAP_G_CAPS, CecCaps};
use lastfd_model::Errno;

use super::user::{HUNG_UP, Node, Use, User};
use crate::bench::DeviceError;

/// The first ioctl.
pub(super) const FIRST_USE: &str = "CEC_ADAP_G_CAPS";

/// Holds an adapter.
pub(super) struct Remote;

impl Use for Remote {
    fn round(&mut self, node: &Node, user: &User, _number: u32) -> Result<(), Errno> {
        node.ioctl(CEC_ADAP_G_CAPS, &mut CecCaps::default())?;
        user.pause()
    }

    fn after_removal(&mut self, node: &Node) -> Result<(), DeviceError> {
        let caps = node.ioctl(CEC_ADAP_G_CAPS, &mut CecCaps::default());
        node.gone("ioctl on", caps, Errno::ENODEV)?;
        node.polls(HUNG_UP)
    }
}
