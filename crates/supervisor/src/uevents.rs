//! Uevent sockets: a program's `socket(AF_NETLINK, ..., NETLINK_KOBJECT_UEVENT)`.
//!
//! The program gets one end of a pair of UNIX sockets, which poll and epoll know; we hold
//! the other and send what the host tells. What netlink has and UNIX sockets have not,
//! addresses and groups and credentials, is made up in the calls that ask for it.

use std::os::fd::{AsFd, OwnedFd};

use lastfd_host::{Group, Sink, Uevents};
use lastfd_model::{Errno, Result};
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, Mutex};
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, socketpair};

use crate::deferred::{Asleep, Blocked, Deferred, Progress};
use crate::objects::{Content, Object};
use crate::task::{Answer, Restart, Task};

/// Room for what a program has not read yet, as much as the kernel allows of it.
const ROOM: usize = 1 << 20;
/// A uevent is two pages at most (`UEVENT_BUFFER_SIZE`), libudev's form of it no more.
const LONGEST: usize = 16384;
/// `SOL_NETLINK`, `NETLINK_ADD_MEMBERSHIP`, `NETLINK_DROP_MEMBERSHIP`.
const SOL_NETLINK: i32 = 270;
const ADD_MEMBERSHIP: i32 = 1;
const DROP_MEMBERSHIP: i32 = 2;
/// Bytes of `struct sockaddr_nl`.
const ADDRESS: usize = 12;
/// Bytes of a control message with `struct ucred`, and of one rounded up.
const CREDENTIALS: usize = 28;
const CREDENTIALS_SPACE: usize = 32;

/// Our side of one.
pub(crate) struct UeventSocket {
    ours: Arc<OwnedFd>,
    groups: Mutex<Vec<(Group, Uevents)>>,
    passes_credentials: AtomicBool,
    pid: u32,
    /// The program's end, where its descriptors cannot be copied when it asks; with the
    /// session whose end is the socket's then.
    kept: Option<(u64, OwnedFd)>,
}

impl UeventSocket {
    /// Whether it is kept until the end of this session.
    pub(crate) fn is_kept_for(&self, session: u64) -> bool {
        self.kept.as_ref().is_some_and(|(of, _)| *of == session)
    }

    /// The program's end, as a descriptor of ours.
    fn end_of(&self, task: &Task) -> Result<OwnedFd> {
        match &self.kept {
            Some((_, end)) => end.try_clone().map_err(|_| Errno::ENFILE),
            None => task.copy_fd(task.int(0)),
        }
    }

    fn mask(&self) -> u32 {
        let groups = self.groups.lock();
        groups.iter().fold(0, |mask, (group, _)| mask | group.bit())
    }

    fn join(&self, task: &Task, mask: u32) {
        for group in [Group::Kernel, Group::Udev] {
            let joined = self.groups.lock().iter().any(|(of, _)| *of == group);
            if mask & group.bit() != 0 && !joined {
                let ours = Arc::clone(&self.ours);
                let sink: Sink = Arc::new(move |_, datagram| {
                    // What does not fit is lost, as in netlink.
                    let _ = rustix::net::send(
                        &ours,
                        datagram,
                        SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
                    );
                });
                let subscription = task.session.shared.host.uevents(group, sink);
                self.groups.lock().push((group, subscription));
            }
        }
    }
}

pub(crate) fn socket(task: &Task) -> Answer {
    make(task).unwrap_or_else(Answer::Error)
}

fn make(task: &Task) -> Result<Answer> {
    let errno = |error: rustix::io::Errno| Errno::from_code(error.raw_os_error());
    let kind = task.int(1);
    let flags = SocketFlags::from_bits_retain(kind as u32) & SocketFlags::NONBLOCK;
    // One that tells its end when the other is closed, and keeps messages apart.
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(errno)?;
    if flags.contains(SocketFlags::NONBLOCK) {
        rustix::io::ioctl_fionbio(&theirs, true).map_err(errno)?;
    }
    // As much as it may be; less than asked for is no fault.
    let _ = set_socket_send_buffer_size(&ours, ROOM);
    let ours = Arc::new(ours);
    let shared = &task.session.shared;
    let key = shared.objects.add_socket(
        &theirs,
        UeventSocket {
            ours: Arc::clone(&ours),
            groups: Mutex::default(),
            passes_credentials: AtomicBool::new(false),
            pid: task.tgid().unwrap_or(task.tid()),
            kept: match task.session.machine.copies_descriptors {
                true => None,
                false => {
                    let end = theirs.try_clone().map_err(|_| Errno::ENFILE)?;
                    Some((task.session.number, end))
                }
            },
        },
    )?;
    let cloexec = kind & libc::SOCK_CLOEXEC != 0;
    let answer = task.give(theirs.as_fd(), cloexec, 0);
    // The program has it by now, or nobody has: then its end is seen at once.
    drop(theirs);
    shared.reactor.watch_socket(&*ours, key);
    Ok(answer)
}

fn with_socket(task: &Task, run: impl FnOnce(&Arc<Object>, &UeventSocket) -> Answer) -> Answer {
    match task.object(task.int(0)) {
        Some(object) => match &object.content {
            Content::Uevents(socket) => run(&object, socket),
            // A device is no socket: the kernel says so of a file.
            _ => Answer::Error(Errno::from_code(libc::ENOTSOCK)),
        },
        None => Answer::Continue,
    }
}

/// bind(fd, address, length): joins groups.
pub(crate) fn bind(task: &Task) -> Answer {
    with_socket(task, |_, socket| {
        if task.arg(2) < ADDRESS as u64 {
            return Answer::Error(Errno::EINVAL);
        }
        let mut address = [0; ADDRESS];
        if let Err(errno) = task.read(task.arg(1), &mut address) {
            return Answer::Error(errno);
        }
        let family = u16::from_ne_bytes([address[0], address[1]]);
        if i32::from(family) != libc::AF_NETLINK {
            return Answer::Error(Errno::EINVAL);
        }
        let groups = [address[8], address[9], address[10], address[11]];
        socket.join(task, u32::from_ne_bytes(groups));
        Answer::Value(0)
    })
}

/// setsockopt(fd, level, option, value, length)
pub(crate) fn setsockopt(task: &Task) -> Answer {
    with_socket(task, |_, socket| {
        let mut value = [0; 4];
        let number = task
            .read(task.arg(3), &mut value)
            .map(|()| i32::from_ne_bytes(value));
        match (task.int(1), task.int(2), number) {
            (libc::SOL_SOCKET, libc::SO_PASSCRED, Ok(on)) => {
                socket.passes_credentials.store(on != 0, Ordering::Relaxed);
            }
            (SOL_NETLINK, ADD_MEMBERSHIP, Ok(group @ 1..=2)) => {
                socket.join(task, 1 << (group - 1));
            }
            (SOL_NETLINK, DROP_MEMBERSHIP, Ok(group @ 1..=2)) => {
                let bit = 1 << (group - 1);
                let left: Vec<_> = {
                    let mut groups = socket.groups.lock();
                    let all = core::mem::take(&mut *groups);
                    let (left, kept) = all.into_iter().partition(|(of, _)| of.bit() == bit);
                    *groups = kept;
                    left
                };
                drop(left);
            }
            // A filter spares the program messages that it passes over anyway; the
            // sizes of buffers and timestamps change nothing.
            _ => {}
        }
        Answer::Value(0)
    })
}

fn address(pid: u32, groups: u32) -> [u8; ADDRESS] {
    let mut address = [0; ADDRESS];
    address[..2].copy_from_slice(&(libc::AF_NETLINK as u16).to_ne_bytes());
    address[4..8].copy_from_slice(&pid.to_ne_bytes());
    address[8..].copy_from_slice(&groups.to_ne_bytes());
    address
}

/// Writes an address where a call wants one: as much as fits, and its full length.
fn write_address(task: &Task, at: u64, length: u64, address: &[u8; ADDRESS]) -> Result {
    let mut room = [0; 4];
    task.read(length, &mut room)?;
    let room = (u32::from_ne_bytes(room) as usize).min(ADDRESS);
    task.write(at, &address[..room])?;
    task.write(length, &(ADDRESS as u32).to_ne_bytes())
}

/// getsockname(fd, address, length)
pub(crate) fn getsockname(task: &Task) -> Answer {
    with_socket(task, |_, socket| {
        let own = address(socket.pid, socket.mask());
        write_address(task, task.arg(1), task.arg(2), &own)
            .map(|()| 0)
            .into()
    })
}

/// Which group a message is of, by its letters, and its sender.
fn sender(datagram: &[u8]) -> (u32, Group) {
    if datagram.starts_with(b"libudev\0") {
        // udevd, which is no process here: any but the kernel.
        (1, Group::Udev)
    } else {
        (0, Group::Kernel)
    }
}

/// Where a message goes.
enum Into {
    /// recvfrom: buffer, size, address, length of the address.
    From {
        buffer: (u64, u64),
        address: (u64, u64),
    },
    /// recvmsg: the message header.
    Message(u64),
}

struct Receiving {
    object: Arc<Object>,
    copy: OwnedFd,
    flags: i32,
    into: Into,
    watched: bool,
}

impl Receiving {
    fn socket(&self) -> Option<&UeventSocket> {
        match &self.object.content {
            Content::Uevents(socket) => Some(socket),
            _ => None,
        }
    }

    /// Looks at the first message. It is taken once the program has it.
    fn peek(&self) -> rustix::io::Result<Vec<u8>> {
        let mut bytes = vec![0; LONGEST];
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        let (_, n) = rustix::net::recv(&self.copy, &mut bytes[..], flags)?;
        bytes.truncate(n);
        Ok(bytes)
    }

    fn take(&self) {
        let mut room = [0; 1];
        // It was there a moment ago, and only this call takes.
        let _ = rustix::net::recv(&self.copy, &mut room[..], RecvFlags::DONTWAIT);
    }

    fn deliver(&self, task: &Task, bytes: &[u8]) -> Result<i64> {
        let (pid, group) = sender(bytes);
        let from = address(pid, group.bit());
        let (copied, truncated) = match &self.into {
            Into::From {
                buffer: (at, size),
                address: (name, length),
            } => {
                let n = bytes.len().min(*size as usize);
                task.write(*at, &bytes[..n])?;
                if *name != 0 {
                    write_address(task, *name, *length, &from)?;
                }
                (n, n < bytes.len())
            }
            Into::Message(header) => self.scatter(task, *header, bytes, &from)?,
        };
        let whole = self.flags & libc::MSG_TRUNC != 0 && truncated;
        Ok(if whole { bytes.len() } else { copied } as i64)
    }

    /// `struct msghdr`: name, its length, parts, their count, control, its length, flags.
    fn scatter(
        &self,
        task: &Task,
        header: u64,
        bytes: &[u8],
        from: &[u8; ADDRESS],
    ) -> Result<(usize, bool)> {
        let name = task.word(header)?;
        let name_room = task.word(header + 8)? as u32 as usize;
        let (mut part, parts) = (task.word(header + 16)?, task.word(header + 24)?);
        let (control, control_room) = (task.word(header + 32)?, task.word(header + 40)? as usize);
        let mut copied = 0;
        for _ in 0..parts.min(1024) {
            let (at, size) = (task.word(part)?, task.word(part + 8)? as usize);
            let n = size.min(bytes.len() - copied);
            task.write(at, &bytes[copied..copied + n])?;
            copied += n;
            part += 16;
        }
        if name != 0 {
            task.write(name, &from[..name_room.min(ADDRESS)])?;
        }
        task.write(
            header + 8,
            &(if name == 0 { 0 } else { ADDRESS as u32 }).to_ne_bytes(),
        )?;
        let mut flags = 0;
        let mut used = 0;
        let wants = self
            .socket()
            .is_some_and(|socket| socket.passes_credentials.load(Ordering::Relaxed));
        if wants && control != 0 && control_room >= CREDENTIALS {
            let mut message = [0; CREDENTIALS_SPACE];
            message[..8].copy_from_slice(&(CREDENTIALS as u64).to_ne_bytes());
            message[8..12].copy_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
            message[12..16].copy_from_slice(&libc::SCM_CREDENTIALS.to_ne_bytes());
            // struct ucred: process, user 0, group 0.
            message[16..20].copy_from_slice(&from[4..8]);
            used = control_room.min(CREDENTIALS_SPACE);
            task.write(control, &message[..used])?;
        } else if wants {
            flags |= libc::MSG_CTRUNC;
        }
        task.write(header + 40, &(used as u64).to_ne_bytes())?;
        let truncated = copied < bytes.len();
        if truncated {
            flags |= libc::MSG_TRUNC;
        }
        task.write(header + 48, &flags.to_ne_bytes())?;
        Ok((copied, truncated))
    }
}

impl Deferred for Receiving {
    fn attempt(&mut self, task: &Task, waker: Option<&Arc<Blocked>>) -> Progress {
        match self.peek() {
            Ok(bytes) => match self.deliver(task, &bytes) {
                Ok(value) => {
                    if task.answer(Answer::Value(value)) && self.flags & libc::MSG_PEEK == 0 {
                        self.take();
                    }
                }
                Err(errno) => {
                    task.answer(Answer::Error(errno));
                }
            },
            Err(rustix::io::Errno::AGAIN) => {
                let nonblock = rustix::fs::fcntl_getfl(&self.copy)
                    .is_ok_and(|flags| flags.contains(rustix::fs::OFlags::NONBLOCK));
                if nonblock || self.flags & libc::MSG_DONTWAIT != 0 {
                    task.answer(Answer::Error(Errno::EAGAIN));
                    return Progress::Over;
                }
                if let Some(waker) = waker {
                    let reactor = &task.session.shared.reactor;
                    let readable = libc::EPOLLIN as u32;
                    if self.watched {
                        reactor.watch_again(&self.copy, waker.number, readable);
                    } else {
                        self.watched = reactor.watch_foreign(&self.copy, waker.number, readable);
                    }
                }
                return Progress::Waits(None);
            }
            Err(error) => {
                let errno = Errno::from_code(error.raw_os_error());
                task.answer(Answer::Error(errno));
            }
        }
        Progress::Over
    }

    fn asleep(&self, _: &Task) -> Asleep {
        Asleep {
            op: "recvmsg".into(),
            files: Vec::new(),
            left: None,
        }
    }

    fn interrupt(&mut self, task: &Task, certain: bool) {
        if certain {
            task.restart(Restart::Sys);
        } else {
            task.answer(Answer::Error(Errno::EINTR));
        }
    }
}

fn receive(task: &Task, flags: i32, into: Into) -> Answer {
    with_socket(task, |object, socket| {
        let copy = match socket.end_of(task) {
            Ok(copy) => copy,
            Err(errno) => return Answer::Error(errno),
        };
        let receiving = Receiving {
            object: Arc::clone(object),
            copy,
            flags,
            into,
            watched: false,
        };
        Blocked::start(task.clone(), Box::new(receiving));
        Answer::Given
    })
}

/// recvfrom(fd, buffer, size, flags, address, length)
pub(crate) fn recvfrom(task: &Task) -> Answer {
    let into = Into::From {
        buffer: (task.arg(1), task.arg(2)),
        address: (task.arg(4), task.arg(5)),
    };
    receive(task, task.int(3), into)
}

/// recvmsg(fd, header, flags)
pub(crate) fn recvmsg(task: &Task) -> Answer {
    receive(task, task.int(2), Into::Message(task.arg(1)))
}
