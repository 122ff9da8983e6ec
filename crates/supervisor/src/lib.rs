//! Test devices for unmodified programs: dynamic, static, Go, raw system calls.
//!
//! A program is started under a seccomp filter whose listener is here. Calls that could
//! concern a device, by their arguments' numbers, stop and are answered: what they name
//! is looked up in the [`Host`]'s trees, what they do is done to the model's open files.
//! All other calls go to the kernel at its own speed. There is no code of ours in the
//! program, but a library that dynamic programs preload if they can
//! ([`Supervisor::accelerate`]): what it knows not to be ours goes to the kernel without a
//! stop, by the same rule; everything else stops as without it.
//!
//! **The kernel keeps the books.** A program's descriptor of a device is a real file, a
//! memfd of its own for each open: dups, forks, passing in sockets, mappings and death
//! are the kernel's affair, and inotify on the inode tells the last close. Buffers lie in
//! that same file, so that mmap is native.
//!
//! **No thread waits for a caller.** A call that would sleep is kept with the queues it
//! waits on and tried again when one is woken; a reply takes effect when the program took
//! it, and is rolled back otherwise.
//!
//! **No program outlives us.** A guard process holds the listener open until everybody
//! behind it is dead.
//!
//! It may depend on `lastfd-host` and what is below, on `lastfd-abi` and on `lastfd-accel`. `unsafe` is in `sys` only, the edge
//! to the system. Every trapped call is a row of [`TABLE`], shown in `docs/syscalls.md`;
//! what this front end cannot do is in `docs/limits.md`.
#![deny(unsafe_code)]

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("lastfd-supervisor traps the system calls of x86-64 Linux");

mod accel;
mod bells;
mod calls;
mod capability;
mod deferred;
mod door;
mod filter;
mod launch;
mod machine;
mod mappings;
mod memfd;
mod notice;
mod objects;
mod page;
mod paths;
mod reactor;
mod restrict;
mod session;
mod signals;
mod sys;
mod table;
mod task;
mod uevents;
mod users;
mod workers;

pub use capability::{Capability, Has};
pub use deferred::Sleeper;
pub use filter::{Settings, generate};
pub use launch::{Child, Signaller, SpawnError, StartError, Supervisor};
pub use machine::{Files, Machine, Refusal};
pub use notice::{Notice, What};
pub use page::page;
pub use restrict::{RestrictionError, Restrictions};
pub use sys::device::{DeviceMemory, device_ioctl};
pub use table::{Doing, Row, TABLE, When};
pub use users::Killed;

use lastfd_host::Host;
use lastfd_sync::atomic::{AtomicBool, AtomicUsize};
use lastfd_sync::{Arc, Mutex, OnceLock};

use objects::Objects;
use reactor::Reactor;
use workers::Workers;

/// Who is told what could not be served.
type Tell = Box<dyn Fn(&Notice) + Send + Sync>;

/// Whom a program's calls wait for.
type Checkpoint = Box<dyn Fn() + Send + Sync>;

/// What all programs of a supervisor share.
pub(crate) struct Shared {
    pub(crate) host: Arc<Host>,
    pub(crate) objects: Objects,
    pub(crate) reactor: Arc<Reactor>,
    /// Held from before a reply is sent until its effect has happened.
    commits: Mutex<()>,
    pub(crate) workers: Workers,
    /// Trapped calls that are being answered, to their last effect.
    answering: AtomicUsize,
    /// Calls that are not ours to answer go on to the kernel.
    lets_through: AtomicBool,
    tell: Tell,
    /// See [`Supervisor::checkpoint`].
    checkpoint: OnceLock<Checkpoint>,
}

impl Shared {
    /// Sends a reply, and lets its effect happen if it was taken. Whoever was given the
    /// reply may call again at once: see [`Shared::settle`].
    pub(crate) fn while_committing<T>(&self, run: impl FnOnce() -> T) -> T {
        let _held = self.commits.lock();
        run()
    }

    /// Waits for the effects of replies that were sent before the call that is answered
    /// now was made, by its caller or somebody it heard from.
    pub(crate) fn settle(&self) {
        drop(self.commits.lock());
    }

    /// A program is stopped between two steps: what was to happen there happens now.
    pub(crate) fn checkpoint(&self) {
        if let Some(checkpoint) = self.checkpoint.get() {
            checkpoint();
        }
    }

    pub(crate) fn tell(&self, notice: &Notice) {
        (self.tell)(notice);
    }
}
