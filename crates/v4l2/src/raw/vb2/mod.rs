//! The buffer queue of a capture device.
//!
//! Follows `drivers/media/common/videobuf2/videobuf2-core.c` and `-v4l2.c` for
//! one plane of memory to be mapped. A dequeue is an attempt: the buffer is set
//! aside, and leaves the queue when the reply was taken.

mod buffer;
mod dequeue;
mod export;
mod fileio;
mod files;
mod ioctls;
mod queue;
mod request;
mod stream;

pub use buffer::{Vb2Buffer, Vb2State};
pub use files::{
    vb2_fop_mmap, vb2_fop_poll, vb2_fop_read, vb2_fop_release, vb2_video_unregister_device,
};
pub use ioctls::{
    vb2_ioctl_create_bufs, vb2_ioctl_dqbuf, vb2_ioctl_expbuf, vb2_ioctl_prepare_buf,
    vb2_ioctl_qbuf, vb2_ioctl_querybuf, vb2_ioctl_remove_bufs, vb2_ioctl_reqbufs,
    vb2_ioctl_streamoff, vb2_ioctl_streamon,
};
pub use queue::{IoModes, QueueInfo, Vb2Ops, Vb2Queue, Vb2QueueSpec, vb2_queue_init};
pub use stream::{vb2_buffer_done, vb2_core_queue_release, vb2_queue_error, vb2_queue_release};
