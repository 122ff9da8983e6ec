//! What a driver's ioctls do: `struct v4l2_ioctl_ops`.

use core::fmt;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::Try;
use lastfd_model::Result;
use lastfd_sync::Arc;

use super::fh::V4l2Fh;
use super::ioctl::IoctlCall;

/// A function with an argument that goes in and comes back.
pub type IoctlFn<T> = Arc<dyn Fn(&mut IoctlCall<'_, '_>, &mut T) -> Result + Send + Sync>;
/// A function that may have to wait.
pub type TryIoctlFn<T> = Arc<dyn Fn(&mut IoctlCall<'_, '_>, &mut T) -> Try<()> + Send + Sync>;
/// `vidioc_log_status`.
pub type LogStatusFn = Arc<dyn Fn(&mut IoctlCall<'_, '_>) -> Result + Send + Sync>;
/// `vidioc_subscribe_event` and its opposite.
pub type SubscribeFn = Arc<dyn Fn(&V4l2Fh, &V4l2EventSubscription) -> Result + Send + Sync>;

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// The functions behind the ioctls. One that is not there makes its
        /// ioctl give `ENOTTY`.
        #[derive(Clone, Default)]
        pub struct V4l2IoctlOps {
            $($(#[$doc])* pub $name: Option<$type>,)*
        }

        impl fmt::Debug for V4l2IoctlOps {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut there = f.debug_set();
                $(if self.$name.is_some() {
                    there.entry(&stringify!($name));
                })*
                there.finish()
            }
        }
    };
}

ops! {
    /// Fills in driver and card.
    vidioc_querycap: IoctlFn<V4l2Capability>,
    /// Names the formats.
    vidioc_enum_fmt_vid_cap: IoctlFn<V4l2Fmtdesc>,
    /// Tells the format. Without it no buffer of a capture device is accepted.
    vidioc_g_fmt_vid_cap: IoctlFn<V4l2Format>,
    /// Changes the format.
    vidioc_s_fmt_vid_cap: IoctlFn<V4l2Format>,
    /// Tells what a change would give.
    vidioc_try_fmt_vid_cap: IoctlFn<V4l2Format>,
    /// Names the sizes of a format.
    vidioc_enum_framesizes: IoctlFn<V4l2Frmsizeenum>,
    /// Names the times between frames of a format and a size.
    vidioc_enum_frameintervals: IoctlFn<V4l2Frmivalenum>,
    /// Tells the time between frames.
    vidioc_g_parm: IoctlFn<V4l2Streamparm>,
    /// Changes the time between frames.
    vidioc_s_parm: IoctlFn<V4l2Streamparm>,
    /// Names the inputs.
    vidioc_enum_input: IoctlFn<V4l2Input>,
    /// Tells the input.
    vidioc_g_input: IoctlFn<u32>,
    /// Chooses the input.
    vidioc_s_input: IoctlFn<u32>,
    /// Writes the state to the log.
    vidioc_log_status: LogStatusFn,
    /// Subscribes to events. `DQEVENT` is there if this is.
    vidioc_subscribe_event: SubscribeFn,
    /// Ends subscriptions.
    vidioc_unsubscribe_event: SubscribeFn,
    /// Makes the buffers, and takes them away.
    vidioc_reqbufs: IoctlFn<V4l2Requestbuffers>,
    /// Tells of a buffer.
    vidioc_querybuf: IoctlFn<V4l2Buffer>,
    /// Gives a buffer to be filled.
    vidioc_qbuf: IoctlFn<V4l2Buffer>,
    /// Takes a filled buffer, and waits for one.
    vidioc_dqbuf: TryIoctlFn<V4l2Buffer>,
    /// Makes a descriptor of a buffer's memory.
    vidioc_expbuf: IoctlFn<V4l2Exportbuffer>,
    /// Makes more buffers.
    vidioc_create_bufs: IoctlFn<V4l2CreateBuffers>,
    /// Takes single buffers away.
    vidioc_remove_bufs: IoctlFn<V4l2RemoveBuffers>,
    /// Prepares a buffer without giving it.
    vidioc_prepare_buf: IoctlFn<V4l2Buffer>,
    /// Starts streaming.
    vidioc_streamon: IoctlFn<u32>,
    /// Stops streaming.
    vidioc_streamoff: IoctlFn<u32>,
}

impl V4l2IoctlOps {
    /// The functions of vb2, for a device with a queue.
    #[must_use]
    pub fn with_vb2(self) -> V4l2IoctlOps {
        V4l2IoctlOps {
            vidioc_reqbufs: Some(Arc::new(super::vb2_ioctl_reqbufs)),
            vidioc_querybuf: Some(Arc::new(super::vb2_ioctl_querybuf)),
            vidioc_qbuf: Some(Arc::new(super::vb2_ioctl_qbuf)),
            vidioc_dqbuf: Some(Arc::new(super::vb2_ioctl_dqbuf)),
            vidioc_expbuf: Some(Arc::new(super::vb2_ioctl_expbuf)),
            vidioc_create_bufs: Some(Arc::new(super::vb2_ioctl_create_bufs)),
            vidioc_remove_bufs: Some(Arc::new(super::vb2_ioctl_remove_bufs)),
            vidioc_prepare_buf: Some(Arc::new(super::vb2_ioctl_prepare_buf)),
            vidioc_streamon: Some(Arc::new(super::vb2_ioctl_streamon)),
            vidioc_streamoff: Some(Arc::new(super::vb2_ioctl_streamoff)),
            ..self
        }
    }

    /// The functions for events of controls.
    #[must_use]
    pub fn with_ctrl_events(self) -> V4l2IoctlOps {
        V4l2IoctlOps {
            vidioc_log_status: Some(Arc::new(super::v4l2_ctrl_log_status)),
            vidioc_subscribe_event: Some(Arc::new(super::v4l2_ctrl_subscribe_event)),
            vidioc_unsubscribe_event: Some(Arc::new(super::v4l2_event_unsubscribe)),
            ..self
        }
    }
}
