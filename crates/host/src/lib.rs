//! Serves a System to programs, whichever front end carries their calls here.
//!
//! Depends on `lastfd-model` and `lastfd-chrdev`. It knows no system call, no process and
//! no framework. A [`Host`] answers what a path leads to ([`Host::resolve`]), opens it
//! ([`Host::open`]), gives out uevents as datagrams ([`Host::uevents`]), and keeps the
//! books of who holds what ([`Holders`]).
//!
//! It promises:
//!
//! - what programs see is what the model has: directories are questions asked anew;
//! - nothing of the emulated classes is the machine's ([`Resolved::Foreign`] never leads
//!   to `/sys/{bus,class,dev,devices,block,module,kernel/debug}` nor to a node of `/dev`
//!   but a few that hold no such device), and what is the machine's below `/sys` is read
//!   only;
//! - the order of the kernel: a node is in `/dev` before its uevent, and gone from it
//!   before the uevent of its removal;
//! - nothing stays behind: the directory of a run goes with it, and what a killed run
//!   left goes with the next.
//!
//! Kernel files followed: `fs/namei.c`, `fs/kernfs`, `fs/sysfs`, `drivers/base/core.c`,
//! `drivers/base/devtmpfs.c`, `lib/kobject_uevent.c`.
//!
//! ```
//! use lastfd_host::{Host, Options, Resolved};
//! use lastfd_model::{System, raw::*};
//!
//! let system = System::new();
//! let board = root_device_register(&system, "board").unwrap();
//! let host = Host::new(&system, Options::default()).unwrap();
//! let Resolved::Here(entry) = host.resolve(b"/sys/devices/board", true) else { panic!() };
//! assert_eq!(entry.path(), "/sys/devices/board");
//! assert!(matches!(host.resolve(b"/etc/passwd", true), Resolved::Foreign(_)));
//! root_device_unregister(&board);
//! assert!(matches!(host.resolve(b"/sys/devices/board", true), Resolved::Absent(_)));
//! ```
#![forbid(unsafe_code)]

mod attribute;
pub mod control;
mod entry;
mod holders;
mod host;
mod mirror;
mod place;
mod resolve;
mod runtime;
mod udev;
mod uevents;

pub use attribute::Attribute;
pub use entry::{Absent, Entry, Filesystem, Foreign, Kind, Reach, Resolved, Stat};
pub use holders::{CallState, Grip, Held, Holder, Holders, Inode, LastCall};
pub use host::{Host, Opened, Options};
pub use udev::Properties;
pub use uevents::{Group, Sink, Uevents};
