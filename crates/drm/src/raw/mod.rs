//! The raw face: the kernel's calls under the kernel's names.
//!
//! Every call may be made in any state; misuse gives the kernel's errno or a
//! splat, never undefined behaviour. References are counted explicitly. Drivers
//! are better written against [`typed`](crate::typed).

mod auth;
mod bridge;
mod core;
mod core_ioctls;
mod crtc;
mod device;
mod driver;
mod dumb;
mod enter;
mod events;
mod file;
mod fops;
mod gem;
mod ioctl;
mod managed;
mod minor;
mod prime;
mod register;
mod vblank;
mod wait_vblank;

pub use self::core::{DRM_MAJOR, drm_set_privileged};
pub use auth::drm_is_current_master;
pub use bridge::{
    ConnectorStatus, DetectOnBridge, DrmBridge, DrmBridgeFuncs, DrmEncoder, OnBridge, TryOnBridge,
    devm_drm_bridge_add, devm_drm_bridge_alloc, devm_kzalloc_bridge, drm_bridge_add,
    drm_bridge_attach, drm_bridge_chain_disable, drm_bridge_chain_enable, drm_bridge_detect,
    drm_bridge_get, drm_bridge_put, drm_bridge_remove, drm_find_bridge, drmm_encoder_init,
    static_bridge,
};
pub use crtc::{
    Beat, Beats, DisableVblank, DrmCrtc, DrmCrtcFuncs, EnableVblank, VblankTimestamp,
    drm_atomic_helper_shutdown, drm_crtc_init, drm_crtc_init_simulated,
    drm_crtc_init_simulated_with, drm_crtcs,
};
pub use device::{
    DrmDevice, devm_drm_dev_alloc, drm_dev_alloc, drm_dev_get, drm_dev_init, drm_dev_kref_read,
    drm_dev_put,
};
pub use driver::{
    DrmDriver, DrmIoctlDesc, DrmIoctlFn, DumbCreate, Features, IoctlFlags, MasterSet, OnDevice,
    OnFile, TryOnDevice, TryOnFile,
};
pub use enter::{DrmEnter, drm_dev_enter, drm_dev_exit};
pub use events::{
    DrmPendingEvent, drm_event_cancel_free, drm_event_reserve_init, drm_poll, drm_read,
    drm_send_event,
};
pub use file::DrmFile;
pub use fops::{DrmGemFops, drm_file_of, drm_gem_fops, drm_open, drm_release};
pub use gem::{
    GemObject, drm_gem_dumb_map_offset, drm_gem_handle_create, drm_gem_handle_delete, drm_gem_mmap,
    drm_gem_object_lookup, drm_gem_shmem_create, drm_gem_shmem_dumb_create,
};
pub use ioctl::{DrmCall, drm_ioctl};
pub use managed::{
    DrmMem, DrmmAction, drmm_add_action, drmm_add_action_or_reset, drmm_add_final_kfree,
    drmm_kfree, drmm_kmalloc, drmm_kstrdup, drmm_kzalloc, drmm_release_action,
};
pub use minor::{DrmMinor, MinorType};
pub use register::{drm_dev_register, drm_dev_unplug, drm_dev_unregister, drm_put_dev};
pub use vblank::{
    drm_crtc_handle_vblank, drm_crtc_send_vblank_event, drm_crtc_vblank_count, drm_crtc_vblank_get,
    drm_crtc_vblank_off, drm_crtc_vblank_on, drm_crtc_vblank_put, drm_vblank_init,
};
