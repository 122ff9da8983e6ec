//! What programs and kernel exchange: structs, ioctl numbers and constants.
//!
//! Depends on nothing of ours. One module per subsystem, each named for the
//! header of `include/uapi` it stands for; the text is ours, the layout is the
//! kernel's for 64-bit programs on little-endian machines. `tests/headers.rs`
//! compiles a C program against the system's headers and compares every size,
//! offset and number with what is here.
//!
//! Structs are read from and written to a caller's bytes through zerocopy, so
//! nothing here needs `unsafe`. Padding that C leaves between members is a
//! member of its own (`pad`), zero when we write it, passed over when we read.
#![deny(unsafe_code)]

pub mod cec;
pub mod drm;
mod ioctl;
pub mod v4l2;

pub use ioctl::{
    IOC_IN, IOC_OUT, Ioctl, io, ioc, ioc_nr, ioc_size, ioc_type, ior, iow, iowr, name_of,
};
