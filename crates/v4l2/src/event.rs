//! What the framework tells about itself, for the live log and the sanitizer.

use core::any::Any;
use core::fmt;

use lastfd_model::{DeviceRef, EventKind, FrameworkEvent, InterfaceStep, KernelGap, System};
use lastfd_sync::Arc;

/// One thing that happened in the framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct V4l2CoreEvent {
    /// The video device, or what the V4L2 device belongs to; none for one that
    /// is not registered.
    pub device: Option<DeviceRef>,
    /// What it was.
    pub kind: V4l2EventKind,
}

/// The kinds of event.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum V4l2EventKind {
    /// A reference on the `v4l2_device` was taken or dropped.
    V4l2DeviceCount {
        /// The count after it.
        count: u32,
    },
    /// `v4l2_device_disconnect`: it forgets the hardware's device.
    V4l2DeviceDisconnected,
    /// `v4l2_device_unregister`.
    V4l2DeviceUnregistered,
    /// The last reference on the `v4l2_device` went.
    V4l2DeviceReleased,
    /// `video_register_device` succeeded.
    Registered,
    /// The flag `REGISTERED` went: every call that begins from now on gives
    /// `ENODEV`.
    FlagCleared,
    /// Sleepers were woken because the device goes.
    WaitersWoken {
        /// How many wakers were registered on the files' event queues.
        waiters: usize,
    },
    /// The release callback of the video device was called.
    VideoDeviceReleased,
    /// An event was put into a file's queue.
    EventQueued {
        /// Its type.
        type_: u32,
        /// Its source.
        id: u32,
    },
    /// An event found its ring full: the oldest one of its subscription went.
    EventDropped {
        /// Its type.
        type_: u32,
        /// Its source.
        id: u32,
    },
    /// The driver was told to start streaming.
    StreamStarted {
        /// Buffers it had been given.
        buffers: u32,
    },
    /// The driver was told to stop streaming.
    StreamStopped,
    /// A buffer was given to the driver.
    BufferToDriver {
        /// Its number.
        index: u32,
    },
    /// The driver gave a buffer back.
    BufferDone {
        /// Its number.
        index: u32,
        /// Its state: `"DONE"`, `"ERROR"` or `"QUEUED"`.
        state: &'static str,
    },
    /// A program took a buffer.
    BufferDequeued {
        /// Its number.
        index: u32,
    },
    /// The queue was put into its error state.
    QueueError,
    /// Streaming was cancelled: no buffer is queued any more.
    QueueCancelled,
    /// A call passed its test of the flag `REGISTERED`, and the flag went before the
    /// driver was called: Linux holds nothing in between.
    UncheckedCall {
        /// The kernel's function.
        function: &'static str,
    },
}

/// What a call does that was overtaken by the removal.
const UNCHECKED: &str = "calls the driver of a device that went after it was tested";

impl fmt::Display for V4l2CoreEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.device {
            Some(device) => write!(f, "{device}: ")?,
            None => f.write_str("v4l2: ")?,
        }
        match &self.kind {
            V4l2EventKind::V4l2DeviceCount { count } => {
                write!(f, "{count} references on the v4l2_device")
            }
            V4l2EventKind::V4l2DeviceDisconnected => f.write_str("v4l2_device disconnected"),
            V4l2EventKind::V4l2DeviceUnregistered => f.write_str("v4l2_device unregistered"),
            V4l2EventKind::V4l2DeviceReleased => f.write_str("v4l2_device released"),
            V4l2EventKind::Registered => f.write_str("registered"),
            V4l2EventKind::FlagCleared => f.write_str("no longer registered, calls fail"),
            V4l2EventKind::WaitersWoken { waiters } => write!(f, "{waiters} woken"),
            V4l2EventKind::VideoDeviceReleased => f.write_str("video_device released"),
            V4l2EventKind::EventQueued { type_, id } => write!(f, "event {type_} of {id:#x}"),
            V4l2EventKind::EventDropped { type_, id } => {
                write!(f, "event {type_} of {id:#x} dropped")
            }
            V4l2EventKind::StreamStarted { buffers } => {
                write!(f, "streaming starts with {buffers} buffers")
            }
            V4l2EventKind::StreamStopped => f.write_str("streaming stops"),
            V4l2EventKind::BufferToDriver { index } => {
                write!(f, "buffer {index} given to the driver")
            }
            V4l2EventKind::BufferDone { index, state } => {
                write!(f, "buffer {index} given back, {state}")
            }
            V4l2EventKind::BufferDequeued { index } => write!(f, "buffer {index} dequeued"),
            V4l2EventKind::QueueError => f.write_str("queue in error"),
            V4l2EventKind::QueueCancelled => f.write_str("queue cancelled"),
            V4l2EventKind::UncheckedCall { function } => {
                write!(f, "kernel gap: {function} {UNCHECKED}")
            }
        }
    }
}

impl FrameworkEvent for V4l2CoreEvent {
    fn framework(&self) -> &'static str {
        "v4l2"
    }

    fn device(&self) -> Option<&DeviceRef> {
        self.device.as_ref()
    }

    fn freed(&self) -> Option<&'static str> {
        match self.kind {
            V4l2EventKind::VideoDeviceReleased => Some("video_device"),
            V4l2EventKind::V4l2DeviceReleased => Some("v4l2_device"),
            _ => None,
        }
    }

    fn interface(&self) -> Option<InterfaceStep> {
        match self.kind {
            V4l2EventKind::Registered => Some(InterfaceStep::Registered),
            V4l2EventKind::FlagCleared => Some(InterfaceStep::Revoked),
            _ => None,
        }
    }

    fn kernel_gap(&self) -> Option<KernelGap> {
        match self.kind {
            V4l2EventKind::UncheckedCall { function } => Some(KernelGap {
                class: 14,
                function,
                what: "a call tested that the device is registered, holding nothing, and reaches \
                       the driver after it went",
            }),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Emits an event. The closures run only if somebody listens.
#[track_caller]
pub(crate) fn emit(
    system: &System,
    device: impl FnOnce() -> Option<DeviceRef>,
    kind: impl FnOnce() -> V4l2EventKind,
) {
    system.emit(|| {
        EventKind::Framework(Arc::new(V4l2CoreEvent {
            device: device(),
            kind: kind(),
        }))
    });
}
