//! CEC, the remote-control wire of HDMI: adapters, their messages, what their
//! files see.
//!
//! It may use `lastfd-model`, `lastfd-chrdev`, `lastfd-abi` and `lastfd-sync`.
//! It promises the order of steps, reference counts, statuses and errors of
//! Linux 6.12, and what open files see before, during and after an adapter
//! goes, odd cases included. It follows `drivers/media/cec/core/cec-core.c`,
//! `cec-adap.c` and `cec-api.c`, built without remote-control support
//! (`CONFIG_MEDIA_CEC_RC`).
//!
//! **Who pins whom.** The adapter is its device: the last reference stops its
//! thread and frees it. Each open file holds one. The adapter holds its parent
//! only as any device holds its own, until it is taken out; unregister waits
//! for no file.
//!
//! **What the kernel leaves undone** is left undone here: a `CEC_RECEIVE`
//! without a timeout is not woken by unregister, a blocked `CEC_DQEVENT` only
//! by the state event, if one is posted.
//!
//! Two faces over one implementation: [`raw`] has the kernel's calls under the
//! kernel's names; drivers are written as a [`Driver`] registered by a
//! [`Builder`].
#![forbid(unsafe_code)]

mod driver;
mod event;
pub mod raw;

pub use driver::{Builder, Cec, Driver, Registered};
pub use event::{CecEventKind, CecFrameworkEvent};
pub use lastfd_abi::cec as abi;
