//! Tasks, and the one way in which they stop and go on.
//!
//! Everything that blocks in this crate blocks in [`Task::park`], and everything
//! that wakes goes through [`Task::unpark`]. So there is one place that knows the
//! difference between a thread and an explored task, and one place that tells the
//! simulated clocks who can still run.

use crate::clock::Core;
use crate::explore;
use crate::gate::OwnSlots;
use crate::observer::{self, Event};
use crate::thread::TaskId;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

pub(crate) struct Task {
    id: TaskId,
    kind: Kind,
    state: Mutex<State>,
    /// The simulated clocks that count this task.
    memberships: Mutex<Vec<Membership>>,
    /// An explored task's; a thread has them where it finds them faster.
    gate_slots: Mutex<OwnSlots>,
}

enum Kind {
    Thread(std::thread::Thread),
    Explored(explore::TaskRef),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Parked,
    /// Unparked, and not yet noticed. For the clocks the task runs again.
    Woken,
}

#[derive(Clone)]
pub(crate) struct Membership {
    pub(crate) core: Weak<Core>,
    /// False for the task that runs a clock's timers: it can hold time up, but it
    /// is no reason for time to go on.
    pub(crate) participant: bool,
}

/// Ids of threads. Explored tasks have ids of their own, so that they are the same
/// in each run of a schedule.
static NEXT_THREAD: AtomicU64 = AtomicU64::new(1);

/// Leaves the simulated clocks when the thread ends.
struct Current(Arc<Task>);

impl Drop for Current {
    fn drop(&mut self) {
        self.0.leave_all();
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Task {
    pub(crate) fn current() -> Arc<Task> {
        if explore::explored() {
            return explore::current_task();
        }
        Task::with_thread(Arc::clone)
    }

    /// The id of [`Task::current`].
    pub(crate) fn current_id() -> TaskId {
        if explore::explored() {
            return explore::current_task().id;
        }
        Task::with_thread(|task| task.id)
    }

    /// Looks at the task that the thread is.
    fn with_thread<R>(look: impl Fn(&Arc<Task>) -> R) -> R {
        let made = CURRENT.try_with(|slot| {
            let mut slot = slot.borrow_mut();
            look(&slot.get_or_insert_with(|| Current(Task::new_thread())).0)
        });
        // While the thread's locals are being dropped: a task for this one call.
        made.unwrap_or_else(|_| look(&Task::new_thread()))
    }

    fn new_thread() -> Arc<Task> {
        let id = TaskId(NEXT_THREAD.fetch_add(1, Ordering::Relaxed));
        Task::new(id, Kind::Thread(std::thread::current()))
    }

    pub(crate) fn new_explored(index: usize, task: explore::TaskRef) -> Arc<Task> {
        Task::new(TaskId(index as u64 + 1), Kind::Explored(task))
    }

    fn new(id: TaskId, kind: Kind) -> Arc<Task> {
        Arc::new(Task {
            id,
            kind,
            state: Mutex::new(State::Running),
            memberships: Mutex::new(Vec::new()),
            gate_slots: Mutex::default(),
        })
    }

    /// Stops the current task, which must be `self`, until it is unparked, or until
    /// the deadline. It may return for no reason: callers test their own condition.
    fn park(&self, deadline: Option<Instant>) {
        {
            let mut state = lock(&self.state);
            if *state == State::Woken {
                *state = State::Running;
                return;
            }
            *state = State::Parked;
        }
        observer::emit(Event::WaitBegin);
        // From here on an unpark counts us as running, so counting ourselves out
        // after it was called leaves the right sum.
        for clock in self.clocks() {
            clock.pause();
        }
        loop {
            match &self.kind {
                Kind::Thread(_) => match deadline {
                    None => std::thread::park(),
                    Some(at) => {
                        std::thread::park_timeout(at.saturating_duration_since(Instant::now()));
                    }
                },
                Kind::Explored(_) => explore::park(deadline.is_some()),
            }
            let mut state = lock(&self.state);
            let out_of_time = deadline.is_some_and(|at| Instant::now() >= at);
            if *state == State::Parked {
                if !out_of_time {
                    continue;
                }
                for clock in self.clocks() {
                    clock.resume();
                }
            }
            *state = State::Running;
            break;
        }
        observer::emit(Event::WaitEnd);
    }

    fn unpark(&self) {
        {
            let mut state = lock(&self.state);
            if *state == State::Parked {
                for clock in self.clocks() {
                    clock.resume();
                }
            }
            *state = State::Woken;
        }
        observer::emit(Event::Wake(self.id));
        match &self.kind {
            Kind::Thread(thread) => thread.unpark(),
            Kind::Explored(task) => task.unpark(),
        }
    }

    fn clocks(&self) -> impl Iterator<Item = Arc<Core>> + use<> {
        let memberships = lock(&self.memberships).clone();
        memberships
            .into_iter()
            .filter_map(|membership| membership.core.upgrade())
    }

    pub(crate) fn participates(&self, core: &Arc<Core>) -> bool {
        lock(&self.memberships)
            .iter()
            .any(|m| m.core.as_ptr() == Arc::as_ptr(core))
    }

    /// Makes the clock count this task, which [`Core::join`] has already counted.
    pub(crate) fn add_membership(&self, membership: Membership) {
        let mut memberships = lock(&self.memberships);
        memberships.retain(|m| m.core.strong_count() > 0);
        memberships.push(membership);
    }

    pub(crate) fn leave(&self, core: &Arc<Core>) {
        let left = {
            let mut memberships = lock(&self.memberships);
            let at = memberships
                .iter()
                .position(|m| m.core.as_ptr() == Arc::as_ptr(core));
            at.map(|at| memberships.swap_remove(at))
        };
        if let Some(membership) = left {
            core.leave(membership.participant);
        }
    }

    /// The task ends.
    pub(crate) fn leave_all(&self) {
        for membership in std::mem::take(&mut *lock(&self.memberships)) {
            if let Some(core) = membership.core.upgrade() {
                core.leave(membership.participant);
            }
        }
    }

    /// Called by the task itself.
    pub(crate) fn with_gate_slots<R>(&self, f: impl FnOnce(&mut OwnSlots) -> R) -> R {
        f(&mut lock(&self.gate_slots))
    }

    /// Counts the task as waiting while `f` runs.
    pub(crate) fn outside<R>(&self, f: impl FnOnce() -> R) -> R {
        struct Back(Vec<Arc<Core>>);
        impl Drop for Back {
            fn drop(&mut self) {
                for clock in &self.0 {
                    clock.resume();
                }
            }
        }
        let back = Back(self.clocks().collect());
        for clock in &back.0 {
            clock.pause();
        }
        let result = f();
        drop(back);
        result
    }
}

/// One wait of one task. Once fired the wait is over, whatever else the task was
/// doing in between (an attempt may block on a lock and be unparked for that).
pub(crate) struct Token {
    task: Arc<Task>,
    fired: AtomicBool,
}

impl Token {
    /// For a wait of the current task.
    pub(crate) fn new() -> Arc<Token> {
        Arc::new(Token {
            task: Task::current(),
            fired: AtomicBool::new(false),
        })
    }

    pub(crate) fn fire(&self) {
        // SeqCst here and in rearm: what was done before a fire that found the token
        // already fired is seen by the attempt that follows the next rearm.
        if !self.fired.swap(true, Ordering::SeqCst) {
            self.task.unpark();
        }
    }

    /// Prepares for the next wait. What is tested after it is not missed.
    pub(crate) fn rearm(&self) {
        self.fired.swap(false, Ordering::SeqCst);
    }

    pub(crate) fn wait(&self) {
        while !self.fired.load(Ordering::SeqCst) {
            self.task.park(None);
        }
    }

    /// As [`Token::wait`], to the end of the machine's time `deadline` at the latest.
    pub(crate) fn wait_until(&self, deadline: Instant) {
        while !self.fired.load(Ordering::SeqCst) && Instant::now() < deadline {
            self.task.park(Some(deadline));
        }
    }
}
