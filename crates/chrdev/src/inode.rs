//! What a path leads to: `struct inode` of a device node or an anonymous file.

use lastfd_model::raw::DevT;
use lastfd_sync::{Mutex, Weak};

use crate::cdev::CdevInner;

/// One inode. Those of nodes are shared by all opens of the node while one of
/// them lasts; one made for a bare device number (mknod) is its own.
pub(crate) struct Inode {
    pub(crate) kind: Kind,
    /// `i_cdev`: the cdev that an earlier open found. It stays after
    /// `cdev_del` as long as the cdev does, so that an open through an open
    /// file (`/proc/self/fd/N`) still reaches the driver.
    pub(crate) cdev: Mutex<Weak<CdevInner>>,
}

pub(crate) enum Kind {
    /// A node that devtmpfs made for a device.
    Node {
        devt: DevT,
        mode: u32,
        name: String,
        device: u64,
    },
    /// A node made by mknod somewhere else.
    Special(DevT),
    /// `fs/anon_inodes.c`.
    Anonymous,
}

impl Inode {
    pub(crate) fn new(kind: Kind) -> Inode {
        Inode {
            kind,
            cdev: Mutex::new(Weak::new()),
        }
    }

    pub(crate) fn devt(&self) -> Option<DevT> {
        match &self.kind {
            Kind::Node { devt, .. } | Kind::Special(devt) => Some(*devt),
            Kind::Anonymous => None,
        }
    }
}
