//! The raw face: the kernel's calls under the kernel's names.
//!
//! Every call may be made in any state; misuse gives the kernel's errno or a
//! splat, never undefined behaviour. References are counted explicitly. Drivers
//! are better written against [`Driver`](crate::Driver).

mod adapter;
mod address;
mod claim;
mod core;
mod files;
mod handle;
mod lock;
mod mode;
mod ops;
mod receive;
mod register;
mod reply;
mod status;
mod thread;
mod transmit;

pub use adapter::{CecAdapter, cec_allocate_adapter, cec_delete_adapter, cec_s_conn_info};
pub use address::{cec_s_log_addrs, cec_s_phys_addr};
pub use core::{Capability, capable, set_capable};
pub use handle::{
    CEC_MAX_MSG_RX_QUEUE_SZ, cec_queue_pin_5v_event, cec_queue_pin_cec_event,
    cec_queue_pin_hpd_event,
};
pub use ops::{Callback, CecAdapOps, ENOMSG};
pub use receive::cec_received_msg;
pub use register::{cec_register_adapter, cec_unregister_adapter};
pub use transmit::{
    CEC_MAX_MSG_TX_QUEUE_SZ, TransmitCounts, cec_transmit_attempt_done, cec_transmit_done,
    cec_transmit_msg,
};
