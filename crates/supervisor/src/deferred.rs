//! Calls that wait, and the signals that end them.
//!
//! A call that cannot be answered yet is kept with what it waits for. No thread waits
//! with it: it is tried again when a queue it is on is woken, when its time is over, or
//! when a descriptor it watches is ready. A caller that knows how to wait (the accelerator)
//! waits in the kernel meanwhile, and is told by a [`Door`] when to ask again.

use core::fmt;
use core::time::Duration;
use std::os::fd::OwnedFd;

use lastfd_accel::key::{Answered, Asked};
use lastfd_model::{Errno, FileRef};
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, Ktime, Mutex, OnceLock, Wake, Weak};

use crate::door::Door;
use crate::reactor::Ready;
use crate::task::{self, Answer, Task};

/// How a try went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The caller has its answer, or is gone.
    Over,
    /// Not yet. The waker is where it must be, if there was one; until when at the
    /// latest it is to be tried again.
    Waits(Option<Ktime>),
}

/// A call that may have to wait.
pub(crate) trait Deferred: Send {
    /// Tries. With a waker, it is armed before the last look.
    fn attempt(&mut self, task: &Task, waker: Option<&Arc<Blocked>>) -> Progress;

    /// What waits, and for how long at most.
    fn asleep(&self, task: &Task) -> Asleep;

    /// A signal came for the caller: answers. `certain` if that very thread is sure to
    /// see it on its way out.
    fn interrupt(&mut self, task: &Task, certain: bool);

    /// The caller waits no longer: answers with what there is.
    fn finish(&mut self, task: &Task) {
        self.interrupt(task, false);
    }
}

/// A call of a program that sleeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sleeper {
    /// The process.
    pub process: u32,
    /// What it is called in events, such as `ioctl VIDIOC_DQBUF`.
    pub op: Arc<str>,
    /// The open files of ours that it is about.
    pub files: Vec<FileRef>,
    /// Since when, on the System's clock.
    pub since: Ktime,
    /// How much longer at most; none is for ever.
    pub left: Option<Duration>,
}

/// What a call that waits knows of itself.
pub(crate) struct Asleep {
    pub(crate) op: Arc<str>,
    pub(crate) files: Vec<FileRef>,
    pub(crate) left: Option<Duration>,
}

/// A call that waits.
pub(crate) struct Blocked {
    /// Unique among the reactor's.
    pub(crate) number: u64,
    pub(crate) task: Task,
    since: Ktime,
    work: Mutex<State>,
    queued: AtomicBool,
    /// By what its caller waits, who has been told so.
    door: OnceLock<Door>,
    me: Weak<Blocked>,
}

struct State {
    work: Option<Box<dyn Deferred>>,
    deadline: Option<Ktime>,
}

impl fmt::Debug for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocked({}, {:?})", self.number, self.task)
    }
}

impl Blocked {
    /// Tries the call; if it must wait, it is kept.
    pub(crate) fn start(task: Task, mut work: Box<dyn Deferred>) {
        if work.attempt(&task, None) == Progress::Over {
            return;
        }
        let reactor = Arc::clone(&task.session.shared.reactor);
        let number = reactor.number();
        let since = task.session.shared.host.system().clock().now();
        let blocked = Arc::new_cyclic(|me| Blocked {
            number,
            task,
            since,
            work: Mutex::new(State {
                work: None,
                deadline: None,
            }),
            queued: AtomicBool::new(false),
            door: OnceLock::new(),
            me: Weak::clone(me),
        });
        if let Some(waits) = blocked.let_it_wait() {
            blocked.work.lock().work = Some(work);
            reactor.keep(&blocked);
            if !blocked.task.reply(waits.value()) {
                blocked.abandon();
            }
            return;
        }
        // A wake during this try finds the lock held, and tries again after it.
        let mut state = blocked.work.lock();
        reactor.keep(&blocked);
        match work.attempt(&blocked.task, Some(&blocked)) {
            Progress::Over => {
                reactor.forget(number);
                drop(state);
            }
            Progress::Waits(deadline) => {
                state.work = Some(work);
                state.deadline = deadline;
                drop(state);
                if deadline.is_some() {
                    reactor.look_again();
                }
            }
        }
    }

    /// Gives a caller that knows how to wait what to wait by. None if it is to wait for its
    /// answer, as others do.
    fn let_it_wait(self: &Arc<Self>) -> Option<Answered> {
        self.task.asks()?;
        let number = u32::try_from(self.number).ok()?;
        let door = Door::open(&self.task)?;
        self.task
            .session
            .shared
            .reactor
            .watch_door(&door, self.number);
        let waits = Answered::Waits {
            door: door.number(),
            number,
        };
        // It is set once.
        let _ = self.door.set(door);
        Some(waits)
    }

    /// Whether its caller waits by itself.
    pub(crate) fn has_door(&self) -> bool {
        self.door.get().is_some()
    }

    /// Nobody has the descriptor any more that the caller waited by. If that was closed over
    /// its head it comes all the same, and is given up with its session at the latest.
    pub(crate) fn door_is_closed(&self, watched: &OwnedFd) {
        if task::is_alive(self.task.tid()) {
            if let Some(door) = self.door.get() {
                // It would be told of again and again.
                let _ = rustix::event::epoll::delete(watched, door);
            }
            return;
        }
        self.abandon();
    }

    /// A caller that waits by itself is about to sleep in this call of its: its wait is tried
    /// again first.
    pub(crate) fn sleep(self: &Arc<Self>, task: &Task) {
        if let Some(door) = self.door.get() {
            // A byte that came and was not taken ends the sleep at once, no more.
            door.was_heard();
        }
        let mut state = self.work.lock();
        let Some(mut work) = state.work.take() else {
            drop(state);
            task.answer(Answer::Error(Errno::EBADF));
            return;
        };
        match work.attempt(task, Some(self)) {
            Progress::Over => {
                drop(state);
                task.session.shared.reactor.forget(self.number);
            }
            Progress::Waits(_) => {
                state.work = Some(work);
                drop(state);
                // Woken meanwhile, it finds a byte there.
                task.answer(Answer::Continue);
            }
        }
    }

    /// A caller that waits by itself waits no longer.
    pub(crate) fn end(&self, task: &Task, asked: Asked) {
        let work = self.work.lock().work.take();
        task.session.shared.reactor.forget(self.number);
        match (work, asked) {
            (None, _) => {
                task.answer(Answer::Error(Errno::EBADF));
            }
            (Some(mut work), Asked::Interrupted) => work.interrupt(task, false),
            (Some(mut work), Asked::Finish) => work.finish(task),
        }
    }

    /// Tries again.
    pub(crate) fn retry(self: &Arc<Self>) {
        self.queued.store(false, Ordering::SeqCst);
        let mut state = self.work.lock();
        if let Some(door) = self.door.get() {
            return door.ring();
        }
        let Some(mut work) = state.work.take() else {
            return;
        };
        match work.attempt(&self.task, Some(self)) {
            Progress::Over => {
                drop(state);
                self.task.session.shared.reactor.forget(self.number);
                drop(work);
            }
            Progress::Waits(deadline) => {
                state.work = Some(work);
                state.deadline = deadline;
            }
        }
    }

    /// What sleeps here, unless it is over.
    pub(crate) fn asleep(&self) -> Option<Sleeper> {
        let asleep = self.work.lock().work.as_ref()?.asleep(&self.task);
        Some(Sleeper {
            process: self.task.tgid().unwrap_or(self.task.tid()),
            op: asleep.op,
            files: asleep.files,
            since: self.since,
            left: asleep.left,
        })
    }

    /// Until when it waits at most.
    pub(crate) fn deadline(&self) -> Option<Ktime> {
        self.work.lock().deadline
    }

    /// The caller is gone: the call is given up.
    pub(crate) fn abandon(&self) {
        let work = self.work.lock().work.take();
        self.task.session.shared.reactor.forget(self.number);
        drop(work);
    }

    /// A signal came for the caller.
    pub(crate) fn interrupt(&self, certain: bool) {
        let work = self.work.lock().work.take();
        self.task.session.shared.reactor.forget(self.number);
        if let Some(mut work) = work {
            work.interrupt(&self.task, certain);
        }
    }
}

impl Wake for Blocked {
    fn wake(&self) {
        if let Some(door) = self.door.get() {
            return door.ring();
        }
        if !self.queued.swap(true, Ordering::SeqCst)
            && let Some(me) = self.me.upgrade()
        {
            let reactor = Arc::clone(&self.task.session.shared.reactor);
            reactor.push(Ready::Blocked(me));
        }
    }
}
