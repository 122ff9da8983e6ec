//! A DRM card: a buffer is made, mapped, and drawn into.

use lastfd_abi::drm::{
    DRM_CAP_DUMB_BUFFER, DRM_IOCTL_GET_CAP, DRM_IOCTL_MODE_CREATE_DUMB, DRM_IOCTL_MODE_MAP_DUMB,
    DRM_IOCTL_VERSION, DrmGetCap, DrmModeCreateDumb, DrmModeMapDumb, DrmVersion,
};
use lastfd_chrdev::PollMask;
use lastfd_model::Errno;

use super::user::{Memory, Node, Use, User};
use crate::bench::DeviceError;

/// The first ioctl after the buffer was mapped.
pub(super) const FIRST_USE: &str = "DRM_IOCTL_GET_CAP";

/// Draws into a buffer.
#[derive(Default)]
pub(super) struct Screen {
    /// None of a card without dumb buffers.
    buffer: Option<Box<dyn Memory>>,
}

impl Screen {
    fn draw(&self, colour: u8) -> Result<(), Errno> {
        let Some(buffer) = &self.buffer else {
            return Ok(());
        };
        buffer.write(0, colour)?;
        match buffer.read(0)? == colour {
            true => Ok(()),
            false => Err(Errno::EIO),
        }
    }
}

impl Use for Screen {
    fn begin(&mut self, node: &Node) -> Result<(), DeviceError> {
        let version = node.ioctl(DRM_IOCTL_VERSION, &mut DrmVersion::default());
        version.map_err(node.failed("DRM_IOCTL_VERSION"))?;
        let mut create = DrmModeCreateDumb {
            width: 64,
            height: 64,
            bpp: 32,
            ..DrmModeCreateDumb::default()
        };
        match node.ioctl(DRM_IOCTL_MODE_CREATE_DUMB, &mut create) {
            Ok(()) => {}
            // A driver without them, and a render node.
            Err(Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EACCES) => return Ok(()),
            Err(errno) => return Err(node.failed("DRM_IOCTL_MODE_CREATE_DUMB")(errno)),
        }
        let mut map = DrmModeMapDumb {
            handle: create.handle,
            ..DrmModeMapDumb::default()
        };
        node.ioctl(DRM_IOCTL_MODE_MAP_DUMB, &mut map)
            .map_err(node.failed("DRM_IOCTL_MODE_MAP_DUMB"))?;
        let buffer = node.calls.mmap(map.offset, create.size);
        self.buffer = Some(buffer.map_err(node.failed("mmap"))?);
        Ok(())
    }

    fn round(&mut self, node: &Node, user: &User, number: u32) -> Result<(), Errno> {
        self.draw(number as u8)?;
        let mut cap = DrmGetCap {
            capability: DRM_CAP_DUMB_BUFFER,
            value: 0,
        };
        node.ioctl(DRM_IOCTL_GET_CAP, &mut cap)?;
        // A card that was only unregistered goes on answering.
        user.pause()
    }

    fn after_removal(&mut self, node: &Node) -> Result<(), DeviceError> {
        let version = node.ioctl(DRM_IOCTL_VERSION, &mut DrmVersion::default());
        if version.is_err() {
            node.gone("ioctl on", version, Errno::ENODEV)?;
        }
        node.polls(PollMask::NONE)?;
        // Pages are there as long as they are mapped.
        self.draw(0xff)
            .map_err(node.failed("touch the mapped buffer after the removal"))
    }
}
