//! What the framework tells about itself, for the live log and the sanitizer.

use core::any::Any;
use core::fmt;

use lastfd_model::{DeviceRef, FrameworkEvent, InterfaceStep, KernelGap};
use lastfd_sync::Arc;

/// One thing that happened in the framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CecFrameworkEvent {
    /// The adapter's name, as its driver calls it.
    pub adapter: Arc<str>,
    /// Its device; none before it is registered.
    pub device: Option<DeviceRef>,
    /// What it was.
    pub kind: CecEventKind,
}

/// The kinds of event.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CecEventKind {
    /// `cec_allocate_adapter` succeeded; its thread runs once there is something to do.
    Allocated,
    /// `cec_register_adapter` succeeded.
    Registered,
    /// `cec_unregister_adapter` began: whatever is called from now on gives
    /// `ENODEV`.
    Unregistered {
        /// How many files are open.
        files: usize,
    },
    /// The physical address changed.
    PhysAddr {
        /// The new one; 0xffff is none.
        phys_addr: u16,
    },
    /// Logical addresses were claimed.
    Configured {
        /// Which, as a mask.
        log_addr_mask: u16,
    },
    /// The logical addresses were given up.
    Unconfigured,
    /// A message was given to the driver.
    TransmitBegan {
        /// Its number.
        sequence: u32,
    },
    /// A message was sent, or was not and will not be.
    TransmitEnded {
        /// Its number.
        sequence: u32,
        /// `CEC_TX_STATUS_*`.
        tx_status: u8,
        /// `CEC_RX_STATUS_*`.
        rx_status: u8,
    },
    /// A message came.
    Received {
        /// Who sent it.
        initiator: u8,
        /// What it says; none of a poll.
        opcode: Option<u8>,
    },
    /// A file's queue was full: its oldest message is lost.
    MessageLost,
    /// `cec_delete_adapter`: the memory is gone.
    Freed,
    /// A call passed its test of *registered*, and the adapter was unregistered before
    /// the call did what hangs on it: Linux holds nothing in between.
    UncheckedCall {
        /// The kernel's function.
        function: &'static str,
    },
}

impl fmt::Display for CecFrameworkEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.device {
            Some(device) => write!(f, "{device}: ")?,
            None => write!(f, "cec-{}: ", self.adapter)?,
        }
        match &self.kind {
            CecEventKind::Allocated => f.write_str("allocated"),
            CecEventKind::Registered => f.write_str("registered"),
            CecEventKind::Unregistered { files } => {
                write!(f, "unregistered with {files} files open")
            }
            CecEventKind::PhysAddr { phys_addr: 0xffff } => f.write_str("no physical address"),
            CecEventKind::PhysAddr { phys_addr: pa } => write!(
                f,
                "physical address {:x}.{:x}.{:x}.{:x}",
                pa >> 12,
                pa >> 8 & 0xf,
                pa >> 4 & 0xf,
                pa & 0xf
            ),
            CecEventKind::Configured { log_addr_mask } => {
                write!(f, "configured, logical addresses {log_addr_mask:#06x}")
            }
            CecEventKind::Unconfigured => f.write_str("unconfigured"),
            CecEventKind::TransmitBegan { sequence } => write!(f, "transmit {sequence} began"),
            CecEventKind::TransmitEnded {
                sequence,
                tx_status,
                rx_status,
            } => write!(
                f,
                "transmit {sequence} ended, tx status {tx_status:#04x}, rx status {rx_status:#04x}"
            ),
            CecEventKind::Received {
                initiator,
                opcode: Some(opcode),
            } => write!(f, "received {opcode:#04x} from {initiator}"),
            CecEventKind::Received {
                initiator,
                opcode: None,
            } => write!(f, "polled by {initiator}"),
            CecEventKind::MessageLost => f.write_str("a file's queue was full, message lost"),
            CecEventKind::Freed => f.write_str("freed"),
            CecEventKind::UncheckedCall { function } => write!(
                f,
                "kernel gap: {function} goes on with an adapter that went after it was tested"
            ),
        }
    }
}

impl FrameworkEvent for CecFrameworkEvent {
    fn framework(&self) -> &'static str {
        "cec"
    }

    fn device(&self) -> Option<&DeviceRef> {
        self.device.as_ref()
    }

    fn freed(&self) -> Option<&'static str> {
        (self.kind == CecEventKind::Freed).then_some("CEC adapter")
    }

    fn interface(&self) -> Option<InterfaceStep> {
        match self.kind {
            CecEventKind::Registered => Some(InterfaceStep::Registered),
            CecEventKind::Unregistered { .. } => Some(InterfaceStep::Revoked),
            _ => None,
        }
    }

    fn kernel_gap(&self) -> Option<KernelGap> {
        match self.kind {
            CecEventKind::UncheckedCall { function } => Some(KernelGap {
                class: 14,
                function,
                what: "a call tested that the adapter is registered, holding nothing, and goes on \
                       after it was unregistered",
            }),
            _ => None,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
