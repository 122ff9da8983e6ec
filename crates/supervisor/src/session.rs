//! One program, with all it starts: a filter, its listener, and the thread that answers.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use lastfd_model::{Errno, Result};
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, Mutex, OnceLock, WaitQueue, thread};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::accel::Accel;
use crate::door::Door;
use crate::filter::Settings;
use crate::machine::Machine;
use crate::notice::{Notice, What};
use crate::sys::guard::{ENDED, Message, STARTED};
use crate::sys::{self, Listener};
use crate::task::{self, Answer, Task};
use crate::users::Users;
use crate::{Shared, calls};

/// pidfds kept for threads at most; a program has rarely more that wait in poll.
const PIDFDS: usize = 256;

/// A program under a filter of its own.
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) program: Arc<str>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) listener: Listener,
    pub(crate) machine: Machine,
    /// Whether replies have to be confirmed: see [`Task::reply`].
    pub(crate) confirms: bool,
    pub(crate) settings: Settings,
    /// What its programs preload, if they are to.
    pub(crate) accel: Option<Accel>,
    /// The guard's socket.
    pub(crate) control: OwnedFd,
    /// The guard.
    pub(crate) guard: u32,
    /// Descriptor numbers promised by calls in progress; held while one is looked for
    /// and filled.
    pub(crate) numbers: Mutex<Vec<u32>>,
    /// What descriptors are sent through, by the numbers of the calls they are for.
    pub(crate) sent: Mutex<BTreeMap<u64, Door>>,
    /// `process_vm_readv` is forbidden here.
    pub(crate) memory_by_file: AtomicBool,
    pidfds: Mutex<BTreeMap<u32, Arc<OwnedFd>>>,
    pub(crate) life: Arc<Life>,
    /// The guard is gone, and the supervisor stays: nobody may go on.
    orphaned: AtomicBool,
}

/// How far a program is.
#[derive(Debug, Default)]
pub(crate) struct Life {
    pid: OnceLock<u32>,
    pidfd: OnceLock<OwnedFd>,
    status: OnceLock<ExitStatus>,
    /// The guard has ended, so everybody has.
    empty: AtomicBool,
    /// It was killed, and some may be left.
    orphaned: AtomicBool,
    changed: WaitQueue,
    users: Users,
}

impl Life {
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid.get().copied()
    }

    fn is(&self, pid: i32) {
        // A pid is positive.
        let _ = self.pid.set(pid as u32);
        let flags = rustix::process::PidfdFlags::empty();
        let process = rustix::process::Pid::from_raw(pid);
        // It waits for the answer to its exec: the number is still its own.
        if let Some(Ok(pidfd)) = process.map(|pid| rustix::process::pidfd_open(pid, flags)) {
            let _ = self.pidfd.set(pidfd);
        }
    }

    pub(crate) fn signal(&self, signal: i32) {
        let signal = rustix::process::Signal::from_named_raw(signal);
        if let (Some(pidfd), Some(signal)) = (self.pidfd.get(), signal) {
            // A program that ends this moment is what is wanted.
            let _ = rustix::process::pidfd_send_signal(pidfd, signal);
        }
    }

    pub(crate) fn status(&self) -> Option<ExitStatus> {
        self.status.get().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.empty.load(Ordering::SeqCst)
    }

    pub(crate) fn changed(&self) -> &WaitQueue {
        &self.changed
    }

    /// Who of it used a device.
    pub(crate) fn users(&self) -> &Users {
        &self.users
    }

    pub(crate) fn ended(&self, status: i32) {
        // The first is the program's own.
        let _ = self.status.set(ExitStatus::from_raw(status));
        self.changed.wake_all();
    }

    pub(crate) fn is_orphaned(&self) -> bool {
        self.orphaned.load(Ordering::SeqCst)
    }

    pub(crate) fn is_over(&self) {
        // Without a word of its end the guard was killed, and the program with it.
        if self.pid.get().is_some() && self.status.get().is_none() {
            self.orphaned.store(true, Ordering::SeqCst);
        }
        let _ = self.status.set(ExitStatus::from_raw(libc::SIGKILL));
        self.empty.store(true, Ordering::SeqCst);
        self.changed.wake_all();
    }
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Session({}, {})", self.number, self.program)
    }
}

/// A message of the guard's, and the descriptor that came with it. `None` at the end.
fn next_message(control: &OwnedFd) -> rustix::io::Result<Option<(Message, Option<OwnedFd>)>> {
    let mut bytes = [0; 8];
    let mut room = [core::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut room);
    let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
    let received = recvmsg(
        control,
        &mut parts,
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )?;
    if received.bytes != 8 {
        return Ok(None);
    }
    let fd = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let word =
        |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let message = Message {
        kind: word(0),
        value: word(4) as i32,
    };
    Ok(Some((message, fd)))
}

/// What is known before the listener is there.
pub(crate) struct Expected {
    pub(crate) shared: Arc<Shared>,
    pub(crate) program: Arc<str>,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) accel: Option<Accel>,
    pub(crate) life: Arc<Life>,
}

impl Expected {
    /// Waits for the listener, and answers from then on until nobody is left who could
    /// call. On a thread of its own.
    pub(crate) fn run(self, control: OwnedFd) {
        let started = thread::wait_outside(|| {
            loop {
                let mut watched = [rustix::event::PollFd::new(
                    &control,
                    rustix::event::PollFlags::IN,
                )];
                // Interrupted: look again.
                let _ = rustix::event::poll(&mut watched, None);
                match next_message(&control) {
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                    other => return other,
                }
            }
        });
        let (pid, listener) = match started {
            Ok(Some((message, Some(listener)))) if message.kind == STARTED => {
                (message.value, listener)
            }
            // It was not to be: whoever spawns it has the error.
            Ok(Some((message, _))) if message.kind == ENDED => {
                self.life.ended(message.value);
                return self.life.is_over();
            }
            _ => return self.life.is_over(),
        };
        let listener = Listener::new(listener);
        if self.machine.wakes_in_step {
            listener.wake_in_step();
        }
        self.life.is(pid);
        // It waits for the answer to its exec, and its guard for it.
        let guard = task::parent(pid as u32).unwrap_or_default();
        let reactor = Arc::clone(&self.shared.reactor);
        let session = Arc::new(Session {
            number: reactor.number(),
            program: self.program,
            shared: self.shared,
            listener,
            confirms: !self.machine.killable,
            memory_by_file: AtomicBool::new(!self.machine.process_vm),
            machine: self.machine,
            settings: self.settings,
            accel: self.accel,
            control,
            guard,
            numbers: Mutex::default(),
            sent: Mutex::default(),
            pidfds: Mutex::default(),
            life: self.life,
            orphaned: AtomicBool::new(false),
        });
        if reactor.add_session(&session).is_err() {
            // Without it nobody would see the program's end.
            session.life.is_over();
            return;
        }
        session.life.changed.wake_all();
        session.answer_all();
    }
}

impl Session {
    /// The guard says something, or is gone.
    pub(crate) fn control_is_readable(&self) {
        loop {
            match next_message(&self.control) {
                Ok(Some((message, _))) if message.kind == ENDED => {
                    // What it closed counts before its end is known.
                    self.shared.objects.see_closes();
                    self.life.ended(message.value);
                }
                Ok(Some(_)) => {}
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return,
                Ok(None) | Err(_) => {
                    self.orphaned.store(true, Ordering::SeqCst);
                    self.shared.objects.see_closes();
                    self.shared.objects.remove_kept(self.number);
                    self.shared.reactor.remove_session(self);
                    self.life.is_over();
                    if self.life.is_orphaned() {
                        self.kill_orphans();
                    }
                    return;
                }
            }
        }
    }

    fn answer_all(self: &Arc<Self>) {
        loop {
            let received = thread::wait_outside(|| {
                if !self.machine.receive_ends && !self.is_called() {
                    return Err(rustix::io::Errno::NOTCONN);
                }
                self.listener.receive()
            });
            match received {
                Ok(note) => self.answer(Task {
                    session: Arc::clone(self),
                    note,
                }),
                Err(rustix::io::Errno::INTR) => {}
                // The caller was killed; or nobody is left.
                Err(rustix::io::Errno::NOENT) if !self.is_deserted() => {}
                Err(_) => return,
            }
        }
    }

    /// Waits for a call, where a listener's receive does not end with the last caller.
    fn is_called(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, poll};
        loop {
            let mut watched = [PollFd::new(&self.listener, PollFlags::IN)];
            let _ = poll(&mut watched, None);
            let seen = watched[0].revents();
            if seen.contains(PollFlags::IN) {
                return true;
            }
            if seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                return false;
            }
        }
    }

    fn is_deserted(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut watched = [PollFd::new(&self.listener, PollFlags::empty())];
        let _ = poll(&mut watched, Some(&Timespec::default()));
        watched[0].revents().contains(PollFlags::HUP)
    }

    fn answer(&self, task: Task) {
        if self.orphaned.load(Ordering::SeqCst) {
            self.kill(&task);
            return;
        }
        self.shared.answering.fetch_add(1, Ordering::SeqCst);
        self.answer_alive(task);
        self.shared.answering.fetch_sub(1, Ordering::SeqCst);
    }

    fn answer_alive(&self, task: Task) {
        self.shared.settle();
        self.shared.checkpoint();
        let system = self.shared.host.system();
        // A mistake of ours must not leave a program hanging.
        let answer = system.guard(None, "trapped call", || calls::answer(&task));
        task.answer(answer.unwrap_or(Answer::Error(Errno::EIO)));
    }

    /// The guard was killed, and the program with it. What that had started has other
    /// parents by now: who holds a file of ours, is under a filter and under no guard that
    /// is left, ends here; the others at their next trapped call.
    fn kill_orphans(&self) {
        let guards = self.shared.reactor.guards();
        for held in self.shared.host.holders().list() {
            for holder in held.by {
                let raw = i32::try_from(holder.pid).ok();
                let process = raw.and_then(rustix::process::Pid::from_raw);
                if let Some(process) = process
                    && task::is_filtered(holder.pid)
                    && !task::descends(holder.pid, &guards)
                {
                    // Gone already is as good.
                    let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
                }
            }
        }
    }

    /// Nobody guards it any more.
    pub(crate) fn kill(&self, task: &Task) {
        let process = task.tgid().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = process.and_then(rustix::process::Pid::from_raw)
            && task.is_valid()
        {
            // Gone already is as good.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        task.answer(Answer::Error(Errno::ENOSYS));
    }

    /// Tells whoever listens what could not be served.
    pub(crate) fn notice(&self, task: &Task, what: What) {
        self.shared.tell(&Notice {
            program: Arc::clone(&self.program),
            pid: task.tgid().unwrap_or(task.tid()),
            what,
        });
    }

    /// A pidfd of a thread.
    pub(crate) fn pidfd(&self, tid: u32) -> Result<Arc<OwnedFd>> {
        let mut pidfds = self.pidfds.lock();
        if let Some(known) = pidfds.get(&tid) {
            return Ok(Arc::clone(known));
        }
        let made = sys::thread_pidfd(tid, || task::tgid(tid))
            .map_err(|error| Errno::from_code(error.raw_os_error()))?;
        if pidfds.len() >= PIDFDS {
            pidfds.clear();
        }
        let made = Arc::new(made);
        pidfds.insert(tid, Arc::clone(&made));
        Ok(made)
    }

    pub(crate) fn forget_pidfd(&self, tid: u32) {
        self.pidfds.lock().remove(&tid);
    }
}
