//! The Linux device model in user space: devices, buses, drivers, binding,
//! managed resources, attributes, uevents, and the events that tell of them.
//!
//! Depends on `lastfd-sync` alone. It knows no framework, no front end and no
//! wire format. It promises the order of events, the reference counts and the
//! error numbers of `drivers/base` in Linux 6.12 (and, by [`Rules`], those of
//! kernels before 6.6).
//!
//! There are two faces over one implementation. [`raw`] has the kernel's calls
//! under the kernel's names, callable in any state, wrong ones included.
//! [`typed`] is a thin layer over it that makes the classic mistakes hard to
//! write. [`resource`] holds what drivers hold: timers, work, threads,
//! interrupts, registers.
//!
//! ```
//! use lastfd_model::{System, raw::*};
//!
//! let system = System::new();
//! let events = system.record();
//! let device = platform_device_alloc(&system, "sensor", PlatformId::Id(0)).unwrap();
//! platform_device_add(&device).unwrap();
//! devm_add_action(&device, Action::new(|| println!("released"))).unwrap();
//! platform_device_unregister(&device);
//! assert!(device.is_released());
//! assert!(events.events().iter().any(|e| e.kind.to_string() == "sensor.0: RELEASE"));
//! ```
#![forbid(unsafe_code)]

mod active;
mod call_faults;
mod debug;
mod errno;
pub mod event;
mod ledger;
pub mod raw;
pub mod resource;
mod rules;
mod system;
pub mod typed;
mod variant;
mod workqueue;

pub use debug::{DebugOptions, FailNth, UnknownFailNth};
pub use errno::{Errno, Result};
pub use event::{
    Detail, DeviceRef, Event, EventKind, FileRef, FrameworkEvent, InterfaceStep, KernelGap,
    Listener, Section, Snapshot,
};
pub use ledger::{Holder, Holding, LedgerEntry, LedgerLine, Place};
pub use rules::{Rules, UnknownRules};
pub use system::{Builder, Recording, Subscription, System};
pub use variant::{UnknownVariant, Variant};
