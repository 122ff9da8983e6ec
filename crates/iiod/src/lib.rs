//! The reading half of an `iiod` 0.24 server over a [`System`](lastfd_model::System).
//!
//! It may use `lastfd-sync`, `lastfd-model` and `lastfd-chrdev`, and no framework: as
//! `iiod` works through `/sys` and `/dev`, it reaches devices only through their
//! attributes and nodes.
//!
//! It promises what clients made for libiio 0.24 see of Debian's `iiod` on the wire:
//! `iiod/lexer.l`, `iiod/parser.y`, `iiod/ops.c`, `local.c`, `context.c`, `device.c` and
//! `channel.c` of that release are what it follows, and where a rule is theirs the code says so. What is
//! not theirs, by choice:
//!
//! - By default every command on a device that has gone gives `ENODEV` at once
//!   ([`UnplugAnswers`]).
//! - The value of a WRITE is always taken off the line, and a client that closes its
//!   sending side gets no flood of errors.
//! - No request makes the server hold more memory than a bound: lines, values and
//!   buffers beyond it are refused.
//! - Who comes second to a buffer gets the kernel's `EBUSY`.
//!
//! Output buffers cannot be opened (`ENOSYS`), and there is no compressed description and
//! no binary protocol (`EINVAL`, on which clients fall back to this one).
//!
//! [`Server`] serves TCP. [`Session`] is one connection over any [`Link`].
#![forbid(unsafe_code)]

mod buffer;
mod channel;
mod command;
mod context;
mod discovery;
mod help;
mod input;
mod link;
mod mask;
mod node;
mod reply;
mod server;
mod session;
mod tree;
mod value;
mod xml;

pub use link::{Link, Plain, Waited};
pub use server::{Bind, Config, Server, StartError};
pub use session::{Session, Shared};

use std::fmt;
use std::str::FromStr;

/// The libiio this server speaks for: major, minor, git tag.
const VERSION: (u32, u32, &str) = (0, 24, "v0.24");

/// parser.y: the tag is filled up to seven letters.
const VERSION_LINE: &[u8] = b"0.24.v0.24  \n";

/// What clients are told about a device that has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnplugAnswers {
    /// Every command on it gives `ENODEV` at once, and the next description is without it.
    #[default]
    Enodev,
    /// What `iiod` 0.24 over a real kernel gives: it stays in the description, its
    /// attributes and buffers are not found (`ENOENT`), and as `poll` tells nothing of
    /// the removal, a buffer that was open gives `ETIMEDOUT` when its time is over and
    /// `EBADF` after that.
    Linux,
}

impl fmt::Display for UnplugAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UnplugAnswers::Enodev => "enodev",
            UnplugAnswers::Linux => "linux",
        })
    }
}

/// A name that is none of [`UnplugAnswers`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown answers to an unplug: {0:?}; there are \"enodev\" and \"linux\"")]
pub struct UnknownAnswers(String);

impl FromStr for UnplugAnswers {
    type Err = UnknownAnswers;

    fn from_str(name: &str) -> Result<Self, UnknownAnswers> {
        match name {
            "enodev" => Ok(UnplugAnswers::Enodev),
            "linux" => Ok(UnplugAnswers::Linux),
            other => Err(UnknownAnswers(other.to_owned())),
        }
    }
}
