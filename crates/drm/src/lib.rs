//! DRM: devices counted on their own, which live until the last descriptor of
//! theirs is closed.
//!
//! Depends on `lastfd-chrdev`, `lastfd-abi` and what is below them; with the
//! feature `kunit` also on `lastfd-kunit`, for DRM's helpers for tests. It
//! follows `drivers/gpu/drm` of Linux 6.12 and promises its order of steps,
//! counts and errors, kinder or not: a blocked read is not woken by an unplug,
//! poll never tells of it, and after `drm_dev_unregister` alone every ioctl
//! goes on working.
//!
//! | here | kernel file |
//! |---|---|
//! | [`raw::DrmDevice`], register, unplug, minors | `drm_drv.c`, `drm_sysfs.c` |
//! | managed actions and memory | `drm_managed.c` |
//! | open files, events, read and poll | `drm_file.c` |
//! | master and authentication | `drm_auth.c` |
//! | ioctls and who may call them | `drm_ioctl.c` |
//! | dumb buffers and their mappings | `drm_gem.c`, `drm_gem_shmem_helper.c`, `drm_dumb_buffers.c` |
//! | exported buffers | `drm_prime.c` |
//! | vblank counting, waiting, events | `drm_vblank.c` |
//! | a display's second device | `drm_bridge.c` |
//!
//! [`raw`] has the kernel's calls under the kernel's names, callable in any
//! state. [`typed`] is what drivers are written against: registration consumes,
//! hardware is reached only inside `drm_dev_enter`.
//!
//! Mode setting is not here: its ioctls give what a device without
//! `DRIVER_MODESET` gives (`EOPNOTSUPP`).
#![forbid(unsafe_code)]

mod event;
#[cfg(feature = "kunit")]
pub mod kunit;
pub mod raw;
pub mod typed;

pub use event::{DrmEvent, DrmEventKind};
