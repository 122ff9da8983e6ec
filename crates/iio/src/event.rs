//! What the framework tells about itself, for the live log and the sanitizer.

use core::any::Any;
use core::fmt;

use lastfd_model::raw::Device;
use lastfd_model::{DeviceRef, EventKind, FrameworkEvent, InterfaceStep, KernelGap};
use lastfd_sync::Arc;

/// One thing that happened in the framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IioEvent {
    /// The IIO device, or the trigger.
    pub device: DeviceRef,
    /// What it was.
    pub kind: IioEventKind,
}

/// The kinds of event.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IioEventKind {
    /// `iio_device_register` succeeded.
    Registered {
        /// Whether the device has a node in `/dev`.
        chrdev: bool,
    },
    /// `iio_device_unregister` took the driver's callbacks away: whatever is
    /// called from now on gives `ENODEV`.
    InfoCleared,
    /// A buffer was enabled.
    BufferEnabled {
        /// Its number on the device.
        buffer: usize,
        /// Bytes of one sample of it.
        bytes: usize,
    },
    /// A buffer was disabled.
    BufferDisabled {
        /// Its number on the device.
        buffer: usize,
    },
    /// Sleepers were woken because the device goes.
    WaitersWoken {
        /// How many wakers were registered, readers and pollers.
        waiters: usize,
    },
    /// A trigger fired.
    TriggerFired {
        /// How many consumers were called.
        consumers: usize,
    },
    /// A sample found no room in a buffer.
    SampleDropped {
        /// The buffer's number on the device.
        buffer: usize,
    },
    /// An event was put into the queue of the open event descriptor.
    EventPushed {
        /// Its code.
        code: u64,
    },
    /// Linux itself would have gone wrong here: a finding, and nobody's fault
    /// but the kernel's.
    KernelGap {
        /// The class of mistake, as numbered in `docs/gremlins.md`.
        class: u8,
        /// The kernel's function.
        function: &'static str,
        /// What it does.
        what: &'static str,
    },
    /// An event found no room in that queue.
    EventDropped {
        /// Its code.
        code: u64,
    },
}

impl fmt::Display for IioEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = &self.device;
        match &self.kind {
            IioEventKind::Registered { chrdev: true } => {
                write!(f, "{device}: registered, with a character device")
            }
            IioEventKind::Registered { chrdev: false } => {
                write!(f, "{device}: registered, without a character device")
            }
            IioEventKind::InfoCleared => write!(f, "{device}: unregistered, callbacks gone"),
            IioEventKind::BufferEnabled { buffer, bytes } => {
                write!(
                    f,
                    "{device}: buffer {buffer} enabled, {bytes} bytes a sample"
                )
            }
            IioEventKind::BufferDisabled { buffer } => {
                write!(f, "{device}: buffer {buffer} disabled")
            }
            IioEventKind::WaitersWoken { waiters } => write!(f, "{device}: {waiters} woken"),
            IioEventKind::TriggerFired { consumers } => {
                write!(f, "{device}: fired, {consumers} called")
            }
            IioEventKind::SampleDropped { buffer } => {
                write!(f, "{device}: buffer {buffer} full, sample dropped")
            }
            IioEventKind::KernelGap { what, .. } => write!(f, "{device}: kernel gap: {what}"),
            IioEventKind::EventPushed { code } => write!(f, "{device}: event {code:#018x}"),
            IioEventKind::EventDropped { code } => {
                write!(f, "{device}: event {code:#018x} dropped")
            }
        }
    }
}

impl FrameworkEvent for IioEvent {
    fn framework(&self) -> &'static str {
        "iio"
    }

    fn device(&self) -> Option<&DeviceRef> {
        Some(&self.device)
    }

    fn interface(&self) -> Option<InterfaceStep> {
        match self.kind {
            IioEventKind::Registered { .. } => Some(InterfaceStep::Registered),
            IioEventKind::InfoCleared => Some(InterfaceStep::Revoked),
            _ => None,
        }
    }

    fn kernel_gap(&self) -> Option<KernelGap> {
        match self.kind {
            IioEventKind::KernelGap {
                class,
                function,
                what,
            } => Some(KernelGap {
                class,
                function,
                what,
            }),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Emits an event of this device. The closure runs only if somebody listens.
#[track_caller]
pub(crate) fn emit(device: &Device, kind: impl FnOnce() -> IioEventKind) {
    device.system().emit(|| {
        EventKind::Framework(Arc::new(IioEvent {
            device: device.device_ref(),
            kind: kind(),
        }))
    });
}

/// What `dev_err` and `dev_warn` would print.
pub(crate) fn message(device: &Device, text: impl Into<String>) {
    device.system().emit(|| EventKind::Message {
        device: Some(device.device_ref()),
        text: text.into().into(),
    });
}
