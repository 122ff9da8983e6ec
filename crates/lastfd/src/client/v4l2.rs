//! A V4L2 capture device: it streams, and its pictures are taken.

use lastfd_abi::v4l2::{
    V4L2_BUF_TYPE_VIDEO_CAPTURE, V4L2_MEMORY_MMAP, V4l2Buffer, V4l2Capability, V4l2Requestbuffers,
    VIDIOC_DQBUF, VIDIOC_QBUF, VIDIOC_QUERYCAP, VIDIOC_REQBUFS, VIDIOC_STREAMOFF, VIDIOC_STREAMON,
};
use lastfd_model::Errno;

use super::user::{HUNG_UP, Node, Use, User};
use crate::bench::DeviceError;

/// The first picture that was taken.
pub(super) const FIRST_USE: &str = "VIDIOC_DQBUF";

/// Buffers it asks for.
const BUFFERS: u32 = 4;

/// Takes pictures.
#[derive(Default)]
pub(super) struct Viewer {
    streams: bool,
}

fn buffer(index: u32) -> V4l2Buffer {
    V4l2Buffer {
        index,
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        memory: V4L2_MEMORY_MMAP,
        ..V4l2Buffer::default()
    }
}

impl Use for Viewer {
    fn begin(&mut self, node: &Node) -> Result<(), DeviceError> {
        node.ioctl(VIDIOC_QUERYCAP, &mut V4l2Capability::default())
            .map_err(node.failed("VIDIOC_QUERYCAP"))?;
        let mut wanted = V4l2Requestbuffers {
            count: BUFFERS,
            type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
            memory: V4L2_MEMORY_MMAP,
            ..V4l2Requestbuffers::default()
        };
        node.ioctl(VIDIOC_REQBUFS, &mut wanted)
            .map_err(node.failed("VIDIOC_REQBUFS"))?;
        for index in 0..wanted.count {
            node.ioctl(VIDIOC_QBUF, &mut buffer(index))
                .map_err(node.failed("VIDIOC_QBUF"))?;
        }
        node.ioctl(VIDIOC_STREAMON, &mut V4L2_BUF_TYPE_VIDEO_CAPTURE.clone())
            .map_err(node.failed("VIDIOC_STREAMON"))?;
        self.streams = true;
        Ok(())
    }

    /// Waits for a picture, and gives its buffer back.
    fn round(&mut self, node: &Node, user: &User, _number: u32) -> Result<(), Errno> {
        let mut taken = buffer(0);
        match node.ioctl(VIDIOC_DQBUF, &mut taken) {
            Ok(_) => {}
            // The removal ends the wait like this.
            Err(Errno::EINVAL) if user.settle() => return Err(Errno::ENODEV),
            Err(errno) => return Err(errno),
        }
        node.ioctl(VIDIOC_QBUF, &mut taken)
    }

    fn end(&mut self, node: &Node) {
        if self.streams {
            // A removal that comes this moment has stopped it already.
            let _ = node.ioctl(VIDIOC_STREAMOFF, &mut V4L2_BUF_TYPE_VIDEO_CAPTURE.clone());
        }
    }

    fn after_removal(&mut self, node: &Node) -> Result<(), DeviceError> {
        let taken = node.ioctl(VIDIOC_DQBUF, &mut buffer(0));
        node.gone("VIDIOC_DQBUF on", taken, Errno::ENODEV)?;
        node.polls(HUNG_UP)
    }
}
