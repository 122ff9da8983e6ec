//! Character devices: nodes, open files, operations, readiness, memory to map.
//!
//! Depends on `lastfd-model` and `lastfd-sync`. It knows no framework: what an
//! open file sees after its device is gone is decided by the [`FileOps`] behind
//! it, as in the kernel. It promises the order in which the VFS checks, counts
//! and calls:
//!
//! - `fs/char_dev.c`: [`Cdev`] and the `cdev_*` calls;
//! - `drivers/char/misc.c`: [`Miscdevice`], [`misc_register`];
//! - `fs/open.c`, `fs/file_table.c`, `fs/anon_inodes.c`: [`open()`],
//!   [`OpenFile`], the last close;
//! - `fs/read_write.c`, `fs/ioctl.c`, `fs/select.c`, `fs/fcntl.c`, `mm/mmap.c`:
//!   what is refused before a driver is asked, and with which error.
//!
//! **Operations are attempts.** Every read, write and ioctl is a [`Call`] whose
//! [`attempt`](Call::attempt) is over, has a reply ready, or names the queues to
//! wait on. The effect happens when the reply is committed; a reply that nobody
//! took is rolled back. Blocking calls of [`OpenFile`] are built on this for
//! code in the process; whoever serves other programs uses [`Call`] and parks no
//! thread.
//!
//! **The last close is observed.** An [`OpenFile`] is a descriptor: its clones
//! are dups, and the drop of the last one, of the last call in progress and of
//! the last [`Mapping`] runs `release`, once, on the task that dropped it.
//!
//! `unsafe` is in `region` only, which maps memory.
#![deny(unsafe_code)]

mod attempt;
mod begin;
mod call;
mod cdev;
mod fifo;
mod file;
mod flags;
mod fops;
mod handle;
mod inode;
mod mapping;
mod memory;
mod misc;
mod open;
mod poll;
mod process;
mod readiness;
mod region;
mod vfs_ioctl;

pub use attempt::{Pending, Try, Wait};
pub use begin::Direction;
pub use call::{Attempt, Call, Reply};
pub use cdev::{
    Cdev, cdev_add, cdev_del, cdev_device_add, cdev_device_del, cdev_init, cdev_set_parent,
};
pub use fifo::{Fifo, Take, Taken};
pub use file::{File, FilePrivate};
pub use flags::OpenFlags;
pub use fops::{Context, FileOps, Ioctl, OpSet, Read, Whence, Write};
pub use handle::OpenFile;
pub use mapping::{MapCall, MapRequest, Mapped, Mapping};
pub use memory::{Caller, FdSlot, TASK_SIZE, UserMemory, UserSlice, memdup_user};
pub use misc::{MISC_DYNAMIC_MINOR, MISC_MAJOR, Miscdevice, misc_deregister, misc_register};
pub use open::{Stat, anon_inode_getfile, begin_open, open, open_devt};
pub use poll::{PollMask, PollTable};
pub use process::Process;
pub use readiness::{PollCall, PollFd, poll};
pub use region::{PAGE_SIZE, Region};
