//! Waiting for a device: in the kernel, by a descriptor that whoever answers gave, so that
//! signals do to the wait what they do to any. It is the program's only while the call
//! lasts.

use super::settings;
use super::sys::{self, EINTR, Given, nr};
use crate::key::{Answered, Asked, Asks};

const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;
const MSG_NOSIGNAL: usize = 0x4000;

/// A `struct cmsghdr` with one descriptor.
#[repr(C)]
struct Control {
    len: usize,
    level: i32,
    kind: i32,
    fd: i32,
    _rest: i32,
}

/// A wait in progress.
pub(crate) struct Door {
    pub(crate) fd: i32,
    number: u32,
}

/// How a call with a key went.
pub(crate) enum Went {
    /// It is over, with this.
    Over(Given),
    /// It waits.
    Waits(Door),
    /// Whoever answers needs a copy of its first argument.
    Send(Door),
}

/// How a sleep went.
pub(crate) enum Slept {
    /// The call is over, with this.
    Over(Given),
    /// As the kernel says.
    Native(Given),
}

impl Went {
    fn of(given: Given) -> Went {
        match Answered::of(given as i64) {
            None => Went::Over(given),
            Some(Answered::Interrupted) => Went::Over(-EINTR),
            Some(Answered::Over(given)) => Went::Over(given as Given),
            Some(Answered::Waits { door, number }) => Went::Waits(Door { fd: door, number }),
            Some(Answered::Send { door, number }) => Went::Send(Door { fd: door, number }),
        }
    }
}

/// Begins a call that may wait. One that was interrupted before anybody heard it has done
/// nothing: it is made again, as if the signal had come just before it.
///
/// # Safety
/// The arguments are right for the call.
pub(crate) unsafe fn begin(asks: Asks, nr: usize, args: [usize; 5]) -> Went {
    loop {
        // SAFETY: as the caller promises.
        match unsafe { sys::keyed(asks, nr, args) } {
            given if given == -EINTR => {}
            given => return Went::of(given),
        }
    }
}

impl Door {
    /// Sleeps in a call of the kernel's, unless what is waited for is there by now. Whoever
    /// answers lets the call go on: between the look and the sleep no signal comes that does
    /// not end the sleep, as in a kernel's own wait.
    ///
    /// # Safety
    /// The arguments are right for the call.
    pub(crate) unsafe fn sleep(&self, nr: usize, args: [usize; 5]) -> Slept {
        // SAFETY: as the caller promises.
        let given = unsafe { sys::keyed(Asks::Sleep(self.number), nr, args) };
        match Answered::of(given as i64) {
            None => Slept::Native(given),
            Some(Answered::Over(given)) => {
                self.close();
                Slept::Over(given as Given)
            }
            Some(_) => {
                self.close();
                Slept::Over(-EINTR)
            }
        }
    }

    /// Sleeps until a byte comes, and takes it.
    fn sleep_for_byte(&self) -> Slept {
        let mut byte = 0u8;
        let args = [self.fd as usize, (&raw mut byte).addr(), 1, 0, 0];
        // SAFETY: room for the byte.
        unsafe { self.sleep(nr::READ, args) }
    }

    /// Takes a byte that has come: 1, or an error.
    pub(crate) fn take(&self) -> Given {
        let mut byte = 0u8;
        let args = [self.fd as usize, (&raw mut byte).addr(), 1, 0, 0];
        // SAFETY: room for the byte.
        unsafe { sys::native(nr::READ, args) }
    }

    fn ask(&self, asked: Asked) -> Given {
        let args = [
            usize::MAX,
            asked.request() as usize,
            self.number as usize,
            0,
            0,
        ];
        // SAFETY: what it writes to is what the call that waits was given.
        unsafe { sys::keyed(Asks::Wait, nr::IOCTL, args) }
    }

    /// Ends the call; gives what it came to.
    pub(crate) fn end(self, asked: Asked) -> Given {
        loop {
            match self.ask(asked) {
                given if given == -EINTR => {}
                given => {
                    self.close();
                    return match Went::of(given) {
                        Went::Over(given) => given,
                        Went::Waits(_) | Went::Send(_) => -EINTR,
                    };
                }
            }
        }
    }

    /// Sends a copy of the call's first argument, and makes the call with it.
    ///
    /// # Safety
    /// The arguments are right for the call, which has four at most.
    unsafe fn send_and_call(self, nr: usize, args: [usize; 5]) -> Given {
        let sent = self.send(args[0] as i32);
        let [a, b, c, d, _] = args;
        let given = match sent {
            1 => loop {
                // SAFETY: as the caller promises.
                match unsafe { sys::keyed(Asks::Sent, nr, [a, b, c, d, self.number as usize]) } {
                    given if given == -EINTR => {}
                    given => break given,
                }
            },
            error => error,
        };
        self.close();
        match Went::of(given) {
            Went::Over(given) => given,
            Went::Waits(_) | Went::Send(_) => -EINTR,
        }
    }

    /// 1, or an error.
    fn send(&self, fd: i32) -> Given {
        let mut byte = 0u8;
        let mut part = [(&raw mut byte).addr(), 1];
        let mut control = Control {
            len: 20,
            level: SOL_SOCKET,
            kind: SCM_RIGHTS,
            fd,
            _rest: 0,
        };
        let message = [
            0,
            0,
            part.as_mut_ptr().addr(),
            1,
            (&raw mut control).addr(),
            size_of::<Control>(),
            0,
        ];
        let args = [
            self.fd as usize,
            message.as_ptr().addr(),
            MSG_NOSIGNAL,
            0,
            0,
        ];
        // SAFETY: a struct msghdr, and what it points to.
        unsafe { sys::call(nr::SENDMSG, args) }
    }

    fn close(&self) {
        // SAFETY: ours, and used no more. What it gives tells nobody anything.
        let _ = unsafe { sys::call(nr::CLOSE, [self.fd as usize, 0, 0, 0, 0]) };
    }
}

/// Makes a call that may wait for a device.
///
/// # Safety
/// The arguments are right for the call.
pub(crate) unsafe fn call(nr: usize, args: [usize; 5]) -> Given {
    if !settings::can_wait() || sys::is_valgrind() {
        // SAFETY: as the caller promises.
        return unsafe { sys::call(nr, args) };
    }
    // SAFETY: as the caller promises.
    let door = match unsafe { begin(Asks::Wait, nr, args) } {
        Went::Over(given) => return given,
        // SAFETY: as the caller promises.
        Went::Send(door) => return unsafe { door.send_and_call(nr, args) },
        Went::Waits(door) => door,
    };
    loop {
        match door.sleep_for_byte() {
            Slept::Over(given) => return given,
            Slept::Native(1) => {}
            Slept::Native(given) if given == -EINTR => return door.end(Asked::Interrupted),
            // The program closed it: as without us.
            // SAFETY: as the caller promises.
            Slept::Native(_) => return unsafe { sys::call(nr, args) },
        }
    }
}
