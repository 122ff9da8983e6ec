//! Reads, writes and ioctls of devices, which may sleep.

use core::time::Duration;

use lastfd_chrdev::{Attempt, Call, Direction, OpenFile, Wait};
use lastfd_model::Errno;
use lastfd_sync::{Arc, TimerHandle, WaitEntry, Wake};

use crate::bells;
use crate::deferred::{Asleep, Blocked, Deferred, Progress};
use crate::objects::Object;
use crate::task::{Answer, Restart, Task};

/// The parts of a read or write.
///
/// A driver is asked for them one by one, and no more once one is short.
// fs/read_write.c: do_loop_readv_writev
pub(super) struct Parts {
    direction: Direction,
    at: Option<i64>,
    /// The one that is moved, then those that follow.
    left: std::vec::IntoIter<(u64, u64)>,
    /// Bytes of the one that is moved; none before the first.
    len: Option<u64>,
    /// Bytes of those before it.
    moved: i64,
}

impl Parts {
    /// Those at these addresses, of these lengths.
    pub(super) fn new(direction: Direction, at: Option<i64>, parts: Vec<(u64, u64)>) -> Parts {
        Parts {
            direction,
            at,
            left: parts.into_iter(),
            len: None,
            moved: 0,
        }
    }

    /// Of a call that has none.
    fn none() -> Parts {
        Parts::new(Direction::Read, None, Vec::new())
    }

    /// What a signal may take back has one part: the first that holds anything.
    fn keep_one(&mut self) {
        let held = self.left.as_slice().iter().find(|(_, len)| *len > 0);
        let first = held.or(self.left.as_slice().first()).copied();
        self.left = first.into_iter().collect::<Vec<_>>().into_iter();
    }

    /// Begins to move the next.
    fn begin(&mut self, file: &OpenFile) -> Option<Call> {
        // lib/iov_iter.c: iov_iter_iovec_advance, which the first has no need of
        let is_first = self.len.is_none();
        let (addr, len) = self.left.find(|(_, len)| is_first || *len > 0)?;
        self.len = Some(len);
        Some(match (self.direction, self.at) {
            (Direction::Read, None) => file.begin_read(addr, len),
            (Direction::Read, Some(at)) => file.begin_pread(addr, len, at),
            (Direction::Write, None) => file.begin_write(addr, len),
            (Direction::Write, Some(at)) => file.begin_pwrite(addr, len, at),
        })
    }

    /// Whether a part of which this was moved is followed by another.
    fn go_on_after(&self, value: i64) -> bool {
        self.len == Some(value as u64) && self.left.as_slice().iter().any(|(_, len)| *len > 0)
    }
}

/// A read, write or ioctl of a device.
struct DeviceCall {
    call: Call,
    parts: Parts,
    object: Arc<Object>,
    armed: Option<Wait>,
    entries: Vec<WaitEntry>,
    timer: Option<TimerHandle>,
}

/// What came of an attempt.
enum Passed {
    /// The caller has its answer.
    Over,
    /// A part has been moved, and another follows.
    Part(i64),
    /// It is to be waited for.
    Waits(Wait),
}

/// Carries an ioctl out, now or later.
pub(super) fn call(task: &Task, object: &Arc<Object>, call: Call) -> Answer {
    start(task, object, call, Parts::none())
}

/// Moves the parts, now or later.
pub(super) fn transfer(
    task: &Task,
    object: &Arc<Object>,
    file: &OpenFile,
    mut parts: Parts,
) -> Answer {
    if !task.session.machine.killable {
        parts.keep_one();
    }
    match parts.begin(file) {
        Some(call) => start(task, object, call, parts),
        None => Answer::Value(0),
    }
}

fn start(task: &Task, object: &Arc<Object>, call: Call, parts: Parts) -> Answer {
    let work = DeviceCall {
        call,
        parts,
        object: Arc::clone(object),
        armed: None,
        entries: Vec::new(),
        timer: None,
    };
    let (shared, tid) = (&task.session.shared, task.tid());
    task.session.life.users().note(tid, || task.tgid());
    // It has been told as begun, and as asleep.
    shared.checkpoint();
    Blocked::start(task.clone(), Box::new(work));
    shared.checkpoint();
    Answer::Given
}

/// Passes an attempt's outcome on; `certain` as [`Deferred::interrupt`] has it.
fn pass(
    attempt: Attempt<'_>,
    task: &Task,
    object: &Object,
    parts: &Parts,
    certain: Option<bool>,
) -> Passed {
    match attempt {
        // What was moved counts.
        Attempt::Done(Err(_)) if parts.moved > 0 => {
            task.reply(parts.moved);
            Passed::Over
        }
        Attempt::Done(Err(Errno::EINTR)) if certain == Some(true) => {
            task.restart(Restart::Sys);
            Passed::Over
        }
        Attempt::Done(Ok(value)) if parts.go_on_after(value) => Passed::Part(value),
        Attempt::Done(result) => {
            task.answer(result.map(|value| parts.moved + value).into());
            Passed::Over
        }
        Attempt::Ready(mut reply) => {
            // Descriptors can be given only while the call lasts.
            reply.install();
            let goes_on = parts.go_on_after(reply.value());
            let is_watched = task.session.machine.killable && bells::is_watched(object);
            if goes_on || is_watched {
                // epoll_wait is the kernel's: what it says must be right before the
                // caller goes on. Only a kill can come in between.
                if !task.is_valid() {
                    return Passed::Over;
                }
                let value = reply.commit();
                if goes_on {
                    return Passed::Part(value);
                }
                bells::sync(object);
                task.reply(parts.moved + value);
            } else {
                task.session.shared.while_committing(|| {
                    if task.reply(parts.moved + reply.value()) {
                        reply.commit();
                    } else {
                        reply.roll_back();
                    }
                });
            }
            Passed::Over
        }
        Attempt::Wait(wait) => Passed::Waits(wait),
    }
}

impl DeviceCall {
    /// A part has been moved: the next one begins. False if there is none, which is
    /// answered.
    fn next_part(&mut self, task: &Task, value: i64) -> bool {
        self.parts.moved += value;
        let file = self.call.file().clone();
        let Some(call) = self.parts.begin(&file) else {
            task.reply(self.parts.moved);
            return false;
        };
        self.call = call;
        self.disarm();
        true
    }

    fn disarm(&mut self) {
        self.armed = None;
        self.entries.clear();
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    fn over(&mut self) -> Progress {
        self.disarm();
        bells::sync(&self.object);
        Progress::Over
    }

    fn arm(&mut self, wait: Wait, waker: &Arc<Blocked>) {
        let system = self.call.file().file().system().clone();
        let woken: Arc<dyn Wake> = waker.clone();
        self.entries = wait.arm(&woken);
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
        self.timer = wait.deadline().map(|at| {
            let woken = Arc::clone(&woken);
            system.clock().schedule(at, move || woken.wake())
        });
        self.armed = Some(wait);
    }
}

impl Deferred for DeviceCall {
    fn attempt(&mut self, task: &Task, waker: Option<&Arc<Blocked>>) -> Progress {
        let mut caller = task.clone();
        loop {
            let attempt = self.call.attempt(&mut caller);
            let wait = match pass(attempt, task, &self.object, &self.parts, None) {
                Passed::Over => return self.over(),
                Passed::Part(value) if self.next_part(task, value) => continue,
                Passed::Part(_) => return self.over(),
                Passed::Waits(wait) => wait,
            };
            let Some(waker) = waker else {
                return Progress::Waits(None);
            };
            if self.armed.as_ref().is_some_and(|armed| armed.same(&wait)) {
                // A driver that waits for a time that is over would never be woken.
                let now = self.call.file().file().system().clock().now();
                if wait.deadline().is_some_and(|at| at <= now) {
                    task.answer(Answer::Error(Errno::ETIMEDOUT));
                    return self.over();
                }
                self.call.blocked();
                return Progress::Waits(None);
            }
            self.arm(wait, waker);
        }
    }

    fn asleep(&self, task: &Task) -> Asleep {
        let until = self.armed.as_ref().and_then(Wait::deadline);
        let now = task.session.shared.host.system().clock().now();
        Asleep {
            op: self.call.name(),
            files: vec![self.call.file().file().name().clone()],
            left: until.map(|until| Duration::from_nanos(until.0.saturating_sub(now.0))),
        }
    }

    fn interrupt(&mut self, task: &Task, certain: bool) {
        let mut caller = task.clone();
        loop {
            let attempt = self.call.interrupt(&mut caller);
            match pass(attempt, task, &self.object, &self.parts, Some(certain)) {
                Passed::Part(value) if self.next_part(task, value) => {}
                Passed::Over | Passed::Part(_) => break,
                Passed::Waits(_) => {
                    task.answer(Answer::Error(Errno::EINTR));
                    break;
                }
            }
        }
        self.over();
    }
}

impl Drop for DeviceCall {
    fn drop(&mut self) {
        // Given up, if it is not over: the timer would keep it.
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }
}
