//! The raw face: the kernel's calls under the kernel's names.
//!
//! Every call may be made in any state; misuse gives the kernel's errno or a
//! splat, never undefined behaviour. References are counted explicitly. Drivers
//! are better written against [`Driver`](crate::Driver).

mod core;
mod ctrls;
mod ctrls_api;
mod ctrls_std;
mod events;
mod fh;
mod fops;
mod ioctl;
mod ioctl_ops;
mod ioctl_table;
mod lock;
mod prio;
mod register;
mod v4l2_device;
mod vb2;
mod video_device;
mod warn;

pub use self::core::{VIDEO_MAJOR, VIDEO_NUM_DEVICES};
pub use ctrls::{
    Ctrl, CtrlConfig, CtrlHandler, CtrlOps, v4l2_ctrl_find, v4l2_ctrl_g_ctrl,
    v4l2_ctrl_handler_free, v4l2_ctrl_handler_init, v4l2_ctrl_new_custom, v4l2_ctrl_s_ctrl,
};
pub use ctrls_api::{
    v4l2_ctrl_log_status, v4l2_ctrl_poll, v4l2_ctrl_subscribe_event, v4l2_g_ctrl, v4l2_g_ext_ctrls,
    v4l2_query_ext_ctrl, v4l2_queryctrl, v4l2_querymenu, v4l2_s_ctrl, v4l2_s_ext_ctrls,
    v4l2_try_ext_ctrls,
};
pub use ctrls_std::{v4l2_ctrl_new_std, v4l2_ctrl_new_std_menu};
pub use events::{
    SubscribedEventOps, v4l2_event_dequeue, v4l2_event_pending, v4l2_event_queue,
    v4l2_event_queue_fh, v4l2_event_subscribe, v4l2_event_unsubscribe, v4l2_event_unsubscribe_all,
    v4l2_event_wake_all, v4l2_src_change_event_subscribe,
};
pub use fh::{
    V4l2Fh, v4l2_fh_add, v4l2_fh_del, v4l2_fh_exit, v4l2_fh_init, v4l2_fh_is_singular, v4l2_fh_of,
    v4l2_fh_open, v4l2_fh_release,
};
pub use fops::V4l2FileOperations;
pub use ioctl::{IoctlCall, video_ioctl2};
pub use ioctl_ops::{IoctlFn, LogStatusFn, SubscribeFn, TryIoctlFn, V4l2IoctlOps};
pub use lock::{VideoGuard, VideoLock};
pub use prio::{
    V4l2Prio, v4l2_prio_change, v4l2_prio_check, v4l2_prio_close, v4l2_prio_max, v4l2_prio_open,
};
pub use register::{video_is_registered, video_register_device, video_unregister_device};
pub use v4l2_device::{
    V4l2Device, v4l2_device_disconnect, v4l2_device_get, v4l2_device_put, v4l2_device_register,
    v4l2_device_set_name, v4l2_device_unregister,
};
pub use vb2::{
    IoModes, QueueInfo, Vb2Buffer, Vb2Ops, Vb2Queue, Vb2QueueSpec, Vb2State, vb2_buffer_done,
    vb2_core_queue_release, vb2_fop_mmap, vb2_fop_poll, vb2_fop_read, vb2_fop_release,
    vb2_ioctl_create_bufs, vb2_ioctl_dqbuf, vb2_ioctl_expbuf, vb2_ioctl_prepare_buf,
    vb2_ioctl_qbuf, vb2_ioctl_querybuf, vb2_ioctl_remove_bufs, vb2_ioctl_reqbufs,
    vb2_ioctl_streamoff, vb2_ioctl_streamon, vb2_queue_error, vb2_queue_init, vb2_queue_release,
    vb2_video_unregister_device,
};
pub(crate) use video_device::WeakVideoDevice;
pub use video_device::{
    VflDir, VflType, VideoDevice, VideoFlag, to_video_device, video_devdata, video_device_alloc,
    video_device_release, video_device_release_empty,
};
