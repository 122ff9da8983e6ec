//! What a caller that knows how to wait waits by: one end of a socket, in the program for as
//! long as its call lasts. A byte from us means that the call is to be tried again; its end,
//! that the caller is gone. Where descriptors of programs cannot be copied a caller sends
//! one through it.

use std::os::fd::{AsFd, OwnedFd};

use lastfd_sync::atomic::{AtomicBool, Ordering};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, recvmsg};

use crate::task::Task;

/// One, of one call.
#[derive(Debug)]
pub(crate) struct Door {
    ours: OwnedFd,
    /// The program's descriptor.
    number: i32,
    rung: AtomicBool,
}

impl Door {
    /// Puts one into the caller, whose call lasts on. None if there is no descriptor left.
    pub(crate) fn open(task: &Task) -> Option<Door> {
        let (kind, flags) = (SocketType::STREAM, SocketFlags::CLOEXEC);
        let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, flags, None).ok()?;
        let number = task.put(theirs.as_fd())?;
        Some(Door {
            ours,
            number,
            rung: AtomicBool::new(false),
        })
    }

    pub(crate) fn number(&self) -> i32 {
        self.number
    }

    /// A descriptor that the caller sent.
    pub(crate) fn receive(&self) -> Option<OwnedFd> {
        let mut byte = [0];
        let mut room = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut room);
        let mut parts = [std::io::IoSliceMut::new(&mut byte)];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        recvmsg(&self.ours, &mut parts, &mut ancillary, flags).ok()?;
        ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        })
    }

    /// There is something to be tried.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            // Nobody is there any more, or there is no room and so a byte already.
            let _ = rustix::net::send(&self.ours, b"!", flags);
        }
    }

    /// The caller took the byte.
    pub(crate) fn was_heard(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.ours.as_fd()
    }
}
