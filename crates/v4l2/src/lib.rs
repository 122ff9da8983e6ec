//! The V4L2 subsystem: cameras, their formats, controls, events and frames.
//!
//! It may use `lastfd-model`, `lastfd-chrdev`, `lastfd-abi` and `lastfd-sync`.
//! It promises the objects, counts, order of steps and errors of Linux 6.12, and
//! what open files see before, during and after a device goes, odd cases
//! included: a blocked DQBUF that an unbind ends with `EINVAL`, a blocked
//! DQEVENT that nobody wakes, a node that stays while everything on it fails.
//! It follows `drivers/media/v4l2-core/v4l2-dev.c`, `-device.c`, `-fh.c`,
//! `-event.c`, `-ioctl.c`, `-ctrls-*.c`, and
//! `drivers/media/common/videobuf2/videobuf2-core.c` and `-v4l2.c`, for capture
//! devices whose pictures lie in one plane of memory that is to be mapped.
//!
//! Two faces over one implementation: [`raw`] has the kernel's calls under the
//! kernel's names; drivers are written as a [`Driver`] registered by a
//! [`Builder`].
#![forbid(unsafe_code)]

mod driver;
mod event;
mod picture;
pub mod raw;
mod video;

pub use driver::{Builder, Driver};
pub use event::{V4l2CoreEvent, V4l2EventKind};
pub use lastfd_abi::v4l2 as abi;
pub use picture::Picture;
pub use video::{Frame, Video};
