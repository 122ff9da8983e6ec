//! The Industrial I/O subsystem: sensors, converters, their samples and events.
//!
//! It may use `lastfd-model`, `lastfd-chrdev` and `lastfd-sync`. It promises the
//! attributes, number formats, sample layout, order of steps, reference counts
//! and errors of Linux 6.12, and what open files see before, during and after a
//! device goes, odd cases included. It follows `drivers/iio/industrialio-core.c`,
//! `-buffer.c`, `-event.c`, `-trigger.c`, `inkern.c`, `buffer/kfifo_buf.c` and
//! `trigger/iio-trig-hrtimer.c`.
//!
//! Two faces over one implementation: [`raw`] has the kernel's calls under the
//! kernel's names; drivers are written as a [`Driver`] registered by a
//! [`Builder`].
#![forbid(unsafe_code)]

mod builder;
mod channel;
mod driver;
mod event;
pub mod gts;
mod kfifo;
mod layout;
mod naming;
pub mod raw;
pub mod text;
mod types;
mod value;

pub use builder::{Builder, Registered, timer_trigger};
pub use channel::{ChannelSpec, EventSpec, ExtInfo, ExtInfoRead, ExtInfoWrite, ScanType};
pub use driver::{Driver, Iio, IioRef};
pub use event::{IioEvent, IioEventKind};
pub use layout::{ScanMask, compute_scan_bytes};
pub use naming::attribute_name;
pub use types::{
    ChanType, Endian, EventDirection, EventInfo, EventMask, EventType, Info, InfoMask, Modes,
    Modifier, SharedBy, event_code,
};
pub use value::{Available, Format, Value, iio_str_to_fixpoint};
