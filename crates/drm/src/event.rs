//! What the framework tells about itself, for the live log and the sanitizer.

use core::any::Any;
use core::fmt;

use lastfd_model::{DeviceRef, FrameworkEvent, InterfaceStep};
use lastfd_sync::Arc;

/// One thing that happened in the framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrmEvent {
    /// The card's device in class `drm`, such as `card0`.
    pub device: DeviceRef,
    /// What it was.
    pub kind: DrmEventKind,
}

/// The kinds of event.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrmEventKind {
    /// `drm_dev_init` made the device, with one reference.
    Initialized,
    /// A reference was taken or dropped (`drm_dev_get`, `drm_dev_put`).
    Count {
        /// The count after it.
        count: u32,
        /// For whom it is, or was, held.
        holder: &'static str,
    },
    /// `drm_dev_register` succeeded.
    Registered,
    /// `drm_dev_unplug` begins: from here on `drm_dev_enter` fails.
    Unplugged,
    /// `drm_dev_unregister` took the nodes away.
    Unregistered,
    /// A file was opened.
    FileOpened {
        /// How many are open now.
        open_count: u32,
    },
    /// The last open file was closed.
    LastClose,
    /// An open file became master.
    MasterSet {
        /// The DRM file's number.
        file: u64,
    },
    /// An open file is no longer master.
    MasterDropped {
        /// The DRM file's number.
        file: u64,
    },
    /// Vblank interrupts were switched on.
    VblankEnabled {
        /// The CRTC's number.
        pipe: usize,
    },
    /// Vblank interrupts were switched off.
    VblankDisabled {
        /// The CRTC's number.
        pipe: usize,
    },
    /// A vblank was counted.
    Vblank {
        /// The CRTC's number.
        pipe: usize,
        /// The count after it.
        sequence: u64,
    },
    /// An event was queued for an open file.
    EventSent {
        /// The DRM file's number.
        file: u64,
    },
    /// A managed action runs, or managed memory is freed.
    ManagedRun {
        /// The name it was added under.
        name: Arc<str>,
    },
    /// The device's memory was freed: the end of the last put.
    Freed,
}

impl fmt::Display for DrmEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = &self.device;
        match &self.kind {
            DrmEventKind::Initialized => write!(f, "{device}: DRM device initialized"),
            DrmEventKind::Count { count, holder } => {
                write!(
                    f,
                    "{device}: {count} references on the DRM device ({holder})"
                )
            }
            DrmEventKind::Registered => write!(f, "{device}: DRM device registered"),
            DrmEventKind::Unplugged => write!(f, "{device}: unplugged"),
            DrmEventKind::Unregistered => write!(f, "{device}: DRM device unregistered"),
            DrmEventKind::FileOpened { open_count } => write!(f, "{device}: {open_count} open"),
            DrmEventKind::LastClose => write!(f, "{device}: last close"),
            DrmEventKind::MasterSet { file } => write!(f, "{device}: DRM file {file} is master"),
            DrmEventKind::MasterDropped { file } => {
                write!(f, "{device}: DRM file {file} is no longer master")
            }
            DrmEventKind::VblankEnabled { pipe } => write!(f, "{device}: vblank {pipe} on"),
            DrmEventKind::VblankDisabled { pipe } => write!(f, "{device}: vblank {pipe} off"),
            DrmEventKind::Vblank { pipe, sequence } => {
                write!(f, "{device}: vblank {pipe} number {sequence}")
            }
            DrmEventKind::EventSent { file } => write!(f, "{device}: event for DRM file {file}"),
            DrmEventKind::ManagedRun { name } => write!(f, "{device}: managed {name}"),
            DrmEventKind::Freed => write!(f, "{device}: DRM device freed"),
        }
    }
}

impl FrameworkEvent for DrmEvent {
    fn framework(&self) -> &'static str {
        "drm"
    }

    fn device(&self) -> Option<&DeviceRef> {
        Some(&self.device)
    }

    fn freed(&self) -> Option<&'static str> {
        (self.kind == DrmEventKind::Freed).then_some("DRM device")
    }

    fn interface(&self) -> Option<InterfaceStep> {
        match self.kind {
            DrmEventKind::Registered => Some(InterfaceStep::Registered),
            DrmEventKind::Unplugged => Some(InterfaceStep::Revoked),
            // After drm_dev_unregister alone open files go on working.
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
