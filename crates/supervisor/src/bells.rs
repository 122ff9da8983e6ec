//! epoll stays native: a program's epoll set gets files of ours in place of the device,
//! with the program's data, and we make them ready as the device is.
//!
//! | file | what it can say |
//! |---|---|
//! | eventfd | IN while it counts, OUT while there is room to count |
//! | socket with a byte out of band | PRI |
//! | pipe, writing end, full, nobody reads | ERR |
//! | pipe, reading end, nobody writes | HUP |
//! | socket whose other end went with a byte unread | ERR, HUP |
//! | that, urgent before | PRI, ERR, HUP |
//!
//! The eventfd is there always; of the others the ones that are needed are added when
//! the device says so and taken out when it no longer does.

use std::os::fd::{AsFd, OwnedFd};

use lastfd_chrdev::{PollMask, PollTable};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex, WaitEntry, Wake, Weak};
use rustix::event::epoll;
use rustix::event::{EventfdFlags, eventfd};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, socketpair};
use rustix::pipe::PipeFlags;

use crate::notice::What;
use crate::objects::{Content, Object};
use crate::reactor::{Reactor, Ready};
use crate::sys;
use crate::task::{Answer, Task};

const READ: u32 = PollMask::IN.0 | PollMask::RDNORM.0;
const WRITE: u32 = PollMask::OUT.0 | PollMask::WRNORM.0;
/// The most an eventfd counts to, when no more can be added.
const FULL: u64 = u64::MAX - 1;
/// `EPOLLWAKEUP`, `EPOLLONESHOT`, `EPOLLET`: how, not what for.
const HOW: u32 = 1 << 29 | 1 << 30 | 1 << 31;
const EDGE: u32 = 1 << 31;

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_code(error.raw_os_error())
}

/// Everybody who watches an open file with epoll.
#[derive(Default)]
pub(crate) struct Bells(Mutex<Vec<Bell>>);

/// One place in one epoll set.
struct Bell {
    /// A copy of the program's.
    epoll: OwnedFd,
    /// The descriptor that the program named.
    fd: i32,
    data: u64,
    events: u32,
    /// Whether sockets here can be urgent; else PRI is not told.
    urgent: bool,
    count: OwnedFd,
    counted: u64,
    /// What the eventfd is asked for now; none while it is not in the set.
    asked: Option<u32>,
    lamps: Vec<Lamp>,
    _armed: Vec<WaitEntry>,
}

/// What the files beside the eventfd say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Pri,
    Err,
    Hup,
    ErrHup,
    PriErrHup,
}

/// A file that says it.
struct Lamp {
    says: Says,
    watched: OwnedFd,
    /// The other end, where it has to stay.
    _other: Option<OwnedFd>,
}

impl Says {
    fn of(mask: u32, asked: u32) -> Vec<Says> {
        let pri = mask & asked & PollMask::PRI.0 != 0;
        let (err, hup) = (mask & PollMask::ERR.0 != 0, mask & PollMask::HUP.0 != 0);
        match (pri, err, hup) {
            (true, true, true) => vec![Says::PriErrHup],
            (pri, true, true) => [Says::ErrHup]
                .into_iter()
                .chain(pri.then_some(Says::Pri))
                .collect(),
            (pri, err, hup) => [
                pri.then_some(Says::Pri),
                err.then_some(Says::Err),
                hup.then_some(Says::Hup),
            ]
            .into_iter()
            .flatten()
            .collect(),
        }
    }

    fn lamp(self) -> rustix::io::Result<Lamp> {
        let sockets = || {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        };
        let (watched, other) = match self {
            Says::Pri => {
                let (watched, other) = sockets()?;
                sys::send_urgent(other.as_fd())?;
                (watched, Some(other))
            }
            Says::ErrHup | Says::PriErrHup => {
                let (watched, other) = sockets()?;
                if self == Says::PriErrHup {
                    sys::send_urgent(other.as_fd())?;
                }
                // Unread bytes make the end an error.
                rustix::net::send(&watched, b"x", SendFlags::NOSIGNAL)?;
                (watched, None)
            }
            Says::Err => {
                let (reading, writing) = rustix::pipe::pipe_with(flags())?;
                rustix::pipe::fcntl_setpipe_size(&writing, 4096)?;
                rustix::io::write(&writing, &[0; 4096])?;
                drop(reading);
                (writing, None)
            }
            Says::Hup => {
                let (reading, _) = rustix::pipe::pipe_with(flags())?;
                (reading, None)
            }
        };
        Ok(Lamp {
            says: self,
            watched,
            _other: other,
        })
    }

    fn asked(self) -> u32 {
        match self {
            Says::Pri | Says::PriErrHup => PollMask::PRI.0,
            Says::Err | Says::Hup | Says::ErrHup => 0,
        }
    }
}

fn flags() -> PipeFlags {
    PipeFlags::CLOEXEC | PipeFlags::NONBLOCK
}

/// Whether sockets of this machine can be urgent.
pub(crate) fn can_be_urgent() -> bool {
    Says::Pri.lamp().is_ok()
}

/// Wakes the reactor for an object.
struct Ringer {
    object: Weak<Object>,
    reactor: Arc<Reactor>,
}

impl Wake for Ringer {
    fn wake(&self) {
        if let Some(object) = self.object.upgrade() {
            self.reactor.push(Ready::Bells(object));
        }
    }
}

impl Bell {
    fn add(&self, fd: impl AsFd, events: u32) -> rustix::io::Result<()> {
        let data = epoll::EventData::new_u64(self.data);
        let events = epoll::EventFlags::from_bits_retain(events | self.events & HOW);
        epoll::add(&self.epoll, fd, data, events)
    }

    fn modify(&self, fd: impl AsFd, events: u32) -> rustix::io::Result<()> {
        let data = epoll::EventData::new_u64(self.data);
        let events = epoll::EventFlags::from_bits_retain(events | self.events & HOW);
        epoll::modify(&self.epoll, fd, data, events)
    }

    /// Says what the device says. `woken` if it woke those who wait: with EPOLLET that
    /// is an event, even if it says what it said.
    fn say(&mut self, mask: u32, woken: bool) -> rustix::io::Result<()> {
        let again = woken && self.events & EDGE != 0;
        let mask = match self.urgent {
            true => mask,
            false => mask & !PollMask::PRI.0,
        };
        self.count(mask, again)?;
        let wanted = Says::of(mask, self.events);
        let old = core::mem::take(&mut self.lamps);
        for lamp in old {
            if wanted.contains(&lamp.says) && !again {
                self.lamps.push(lamp);
            } else {
                // Its being closed takes it out, too.
                let _ = epoll::delete(&self.epoll, &lamp.watched);
            }
        }
        for says in wanted {
            if self.lamps.iter().all(|lamp| lamp.says != says) {
                let lamp = says.lamp()?;
                self.add(&lamp.watched, says.asked())?;
                self.lamps.push(lamp);
            }
        }
        Ok(())
    }

    fn count(&mut self, mask: u32, again: bool) -> rustix::io::Result<()> {
        let (reads, writes) = (self.events & READ != 0, self.events & WRITE != 0);
        let (readable, writable) = (mask & READ != 0, mask & WRITE != 0);
        // With both asked for an eventfd cannot be neither: it is asked for less then.
        // With neither it is there for nothing: it shows which set this is.
        let (asked, counted) = match (reads, writes) {
            (false, false) => (0, 0),
            (true, false) => (PollMask::IN.0, u64::from(readable)),
            (false, _) => (PollMask::OUT.0, if writable { 0 } else { FULL }),
            (true, true) => match (readable, writable) {
                (true, true) => (PollMask::IN.0 | PollMask::OUT.0, 1),
                (true, false) => (PollMask::IN.0, 1),
                (false, true) => (PollMask::OUT.0, 0),
                (false, false) => (PollMask::IN.0, 0),
            },
        };
        if counted != self.counted || again && (readable || writable) {
            let mut old = [0; 8];
            // Nothing is counted: it is 0 already.
            let _ = rustix::io::read(&self.count, &mut old);
            if counted > 0 {
                rustix::io::write(&self.count, &counted.to_ne_bytes())?;
            }
            self.counted = counted;
        }
        match self.asked {
            Some(now) if now == asked => Ok(()),
            Some(_) => {
                self.asked = Some(asked);
                self.modify(&self.count, asked)
            }
            None => {
                self.asked = Some(asked);
                self.add(&self.count, asked)
            }
        }
    }

    fn take_out(&self) {
        // What is not in the set any more is as good.
        if self.asked.is_some() {
            let _ = epoll::delete(&self.epoll, &self.count);
        }
        for lamp in &self.lamps {
            let _ = epoll::delete(&self.epoll, &lamp.watched);
        }
    }

    fn is_at(&self, epoll: &OwnedFd, fd: i32) -> bool {
        self.fd == fd && self.is_in(epoll)
    }

    /// Whether a set is the one that this is in: the eventfd cannot be added once more. It
    /// is not asked by kcmp, which containers forbid.
    fn is_in(&self, epoll: &OwnedFd) -> bool {
        let (data, nothing) = (epoll::EventData::new_u64(0), epoll::EventFlags::empty());
        match epoll::add(epoll, &self.count, data, nothing) {
            Err(rustix::io::Errno::EXIST) => true,
            Err(_) => false,
            Ok(()) => {
                let _ = epoll::delete(epoll, &self.count);
                false
            }
        }
    }
}

/// The device woke those who wait.
pub(crate) fn ring(object: &Object) {
    tell(object, true);
}

/// A call on the file is over, which may have changed what it is ready for.
pub(crate) fn sync(object: &Object) {
    tell(object, false);
}

/// Whether anybody watches the file with epoll.
pub(crate) fn is_watched(object: &Object) -> bool {
    let device = object.device();
    device.is_some_and(|device| !device.bells.0.lock().is_empty())
}

fn tell(object: &Object, woken: bool) {
    let Some(device) = object.device() else {
        return;
    };
    if !is_watched(object) {
        return;
    }
    // The driver's code runs under no lock of ours.
    let mask = device.file.try_poll(&mut PollTable::now()).0;
    for bell in device.bells.0.lock().iter_mut() {
        // A program that closed its epoll set does not hear it.
        let _ = bell.say(mask, woken);
    }
}

/// epoll_ctl(epoll, operation, fd, event)
pub(crate) fn epoll_ctl(task: &Task) -> Answer {
    let (epoll, operation, fd) = (task.int(0), task.int(1), task.int(2));
    let Some(object) = task.object(fd) else {
        return Answer::Continue;
    };
    match &object.content {
        Content::Uevents(_) => return Answer::Continue,
        Content::Path(_) => return Answer::Error(Errno::EBADF),
        Content::Attribute(_) => return Answer::Error(Errno::EPERM),
        Content::Device(device) if !device.file.can_poll() => {
            return Answer::Error(Errno::EPERM);
        }
        Content::Device(_) => {}
    }
    if let Some(asked) = task.ask_for_copy() {
        return asked;
    }
    let copy = match task.copy_fd(epoll) {
        Ok(copy) => copy,
        Err(Errno::EBADF) => return Answer::Error(Errno::EBADF),
        Err(_) => {
            task.session.notice(task, What::Epoll);
            return Answer::Error(Errno::EPERM);
        }
    };
    change(task, &object, copy, operation, fd)
        .map(|()| 0)
        .into()
}

fn change(task: &Task, object: &Arc<Object>, epoll: OwnedFd, operation: i32, fd: i32) -> Result {
    let Content::Device(device) = &object.content else {
        return Err(Errno::EBADF);
    };
    // struct epoll_event is packed: four bytes of events, eight of data.
    let mut event = [0; 12];
    if operation != libc::EPOLL_CTL_DEL {
        task.read(task.arg(3), &mut event)?;
    }
    let word =
        |at: usize| u32::from_ne_bytes([event[at], event[at + 1], event[at + 2], event[at + 3]]);
    let events = word(0);
    let data = u64::from(word(4)) | u64::from(word(8)) << 32;
    let known = |bells: &[Bell]| bells.iter().position(|bell| bell.is_at(&epoll, fd));
    match operation {
        libc::EPOLL_CTL_ADD => {
            if known(&device.bells.0.lock()).is_some() {
                return Err(Errno::EEXIST);
            }
            let ringer: Arc<dyn Wake> = Arc::new(Ringer {
                object: Arc::downgrade(object),
                reactor: Arc::clone(&task.session.shared.reactor),
            });
            let mut table = PollTable::new(PollMask(events & !HOW));
            device.file.try_poll(&mut table);
            let queues = table.into_queues();
            let armed = queues.iter().map(|queue| queue.add(Arc::clone(&ringer)));
            let mut bell = Bell {
                epoll,
                fd,
                data,
                events,
                urgent: task.session.machine.urgent,
                count: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(errno)?,
                counted: 0,
                asked: None,
                lamps: Vec::new(),
                _armed: armed.collect(),
            };
            // On the queues first, then the look that counts.
            let mask = device.file.try_poll(&mut PollTable::now()).0;
            bell.say(mask, false).map_err(errno)?;
            device.bells.0.lock().push(bell);
            Ok(())
        }
        libc::EPOLL_CTL_MOD => {
            let mask = device.file.try_poll(&mut PollTable::now()).0;
            let mut bells = device.bells.0.lock();
            let at = known(&bells).ok_or(Errno::ENOENT)?;
            let bell = &mut bells[at];
            bell.take_out();
            (bell.events, bell.data, bell.asked) = (events, data, None);
            bell.lamps.clear();
            bell.say(mask, false).map_err(errno)
        }
        libc::EPOLL_CTL_DEL => {
            let gone = {
                let mut bells = device.bells.0.lock();
                let at = known(&bells).ok_or(Errno::ENOENT)?;
                bells.swap_remove(at)
            };
            gone.take_out();
            Ok(())
        }
        _ => Err(Errno::EINVAL),
    }
}
