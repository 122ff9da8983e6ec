//! What the primitives know of the execution that runs on this thread.

use super::search::FailureKind;
use super::shared::Shared;
use crate::hooks;
use crate::task::{Task, Token};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// An execution that failed leaves its tasks' stacks behind, so nothing of it may
/// outlive it.
struct Execution {
    id: u64,
    shared: Option<Arc<Shared>>,
    tasks: BTreeMap<usize, Arc<Task>>,
    /// Those that have not ended, started or not.
    live: BTreeSet<usize>,
    waiters: BTreeMap<usize, VecDeque<Arc<Token>>>,
}

static NEXT_EXECUTION: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static EXECUTION: RefCell<Execution> = const {
        RefCell::new(Execution {
            id: 0,
            shared: None,
            tasks: BTreeMap::new(),
            live: BTreeSet::new(),
            waiters: BTreeMap::new(),
        })
    };
    /// How many tasks have not ended: kept apart, for it is asked at each step.
    static LIVE: Cell<usize> = const { Cell::new(0) };
    /// How deep the current task is in [`uninterrupted`].
    static QUIET: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn begin(shared: &Arc<Shared>) {
    forget();
    let id = NEXT_EXECUTION.fetch_add(1, Ordering::Relaxed);
    EXECUTION.with_borrow_mut(|execution| {
        execution.id = id;
        execution.shared = Some(Arc::clone(shared));
    });
    start_task("the body");
    LIVE.set(1);
}

pub(super) fn forget() {
    let old = EXECUTION.with_borrow_mut(|execution| {
        execution.id = 0;
        execution.live.clear();
        (
            execution.shared.take(),
            std::mem::take(&mut execution.tasks),
            std::mem::take(&mut execution.waiters),
        )
    });
    LIVE.set(0);
    QUIET.set(0);
    drop(old);
}

/// How many tasks have not ended.
pub(super) fn live() -> usize {
    LIVE.get()
}

/// The tasks that have not ended, when none of them can run.
pub(super) fn blocked() -> Vec<usize> {
    EXECUTION.with_borrow(|execution| execution.live.iter().copied().collect())
}

/// Which execution the current task is of.
pub(super) fn identity() -> Option<(u64, Weak<Shared>)> {
    current_index()?;
    EXECUTION.with_borrow(|execution| {
        let shared = execution.shared.as_ref()?;
        Some((execution.id, Arc::downgrade(shared)))
    })
}

/// What the current task is called.
pub(super) fn current_name() -> String {
    shared().map_or_else(String::new, |shared| shared.running())
}

pub(super) fn shared() -> Option<Arc<Shared>> {
    EXECUTION.with_borrow(|execution| execution.shared.clone())
}

/// Whether the current task is being explored. A relaxed load where nothing is.
#[inline]
pub fn explored() -> bool {
    hooks::exploring() && current_index().is_some()
}

#[cold]
fn current_index() -> Option<usize> {
    shuttle::current::try_get_current_task().map(usize::from)
}

/// A point where an explored task may be switched; nothing otherwise.
#[inline]
pub fn switch_point() {
    if hooks::exploring() {
        switch_point_explored();
    }
}

#[cold]
fn switch_point_explored() {
    // A task that is alone has nobody to make room for. A destructor in a panic runs
    // through: shuttle cannot tell two panics apart.
    if LIVE.get() > 1 && QUIET.get() == 0 && explored() && !std::thread::panicking() {
        // Shuttle's sleep is a bare switch.
        shuttle::thread::sleep(std::time::Duration::ZERO);
    }
}

/// Runs `f` as one step of the schedule: for books that are kept of what happens, and
/// are no part of it. Where `f` has to wait, others run meanwhile.
#[inline]
pub fn uninterrupted<R>(f: impl FnOnce() -> R) -> R {
    struct Loud;
    impl Drop for Loud {
        fn drop(&mut self) {
            QUIET.set(QUIET.get().saturating_sub(1));
        }
    }
    if !hooks::exploring() {
        return f();
    }
    QUIET.set(QUIET.get() + 1);
    let _loud = Loud;
    f()
}

/// Lets other tasks run, which are not quiet because this one is.
fn aside<R>(f: impl FnOnce() -> R) -> R {
    let quiet = QUIET.replace(0);
    let result = f();
    QUIET.set(quiet);
    result
}

/// Starts an explored task. A panic of it ends the exploration.
pub(crate) fn spawn(
    name: String,
    run: impl FnOnce() + Send + 'static,
) -> std::io::Result<shuttle::thread::JoinHandle<()>> {
    LIVE.set(LIVE.get() + 1);
    let known = name.clone();
    let builder = shuttle::thread::Builder::new().name(name);
    // Until it starts it can run, so nobody asks whether it waits.
    let started = builder.spawn(move || {
        start_task(&known);
        if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
            panicked(payload.as_ref());
        }
    });
    if started.is_err() {
        LIVE.set(LIVE.get() - 1);
    }
    started
}

fn start_task(name: &str) {
    let Some(index) = current_index() else {
        return;
    };
    EXECUTION.with_borrow_mut(|execution| execution.live.insert(index));
    if let Some(shared) = shared() {
        shared.name(index, name);
    }
}

/// The current task panicked: the exploration has its failure.
pub(super) fn panicked(payload: &(dyn Any + Send)) -> ! {
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without words".to_owned()
    };
    fail_with(FailureKind::Panic, message)
}

/// Ends the exploration here and now.
pub(super) fn fail_with(kind: FailureKind, message: String) -> ! {
    if let Some(shared) = shared() {
        shared.fail(kind, message);
    }
    loop {
        // The scheduler stops the execution, so this does not return.
        shuttle::thread::yield_now();
    }
}

/// The current explored task has come to its end.
pub(crate) fn end_task() {
    let Some(index) = current_index() else {
        return;
    };
    let task = EXECUTION.with_borrow_mut(|execution| {
        if execution.live.remove(&index) {
            LIVE.set(LIVE.get() - 1);
        }
        execution.tasks.remove(&index)
    });
    if let Some(task) = task {
        task.leave_all();
    }
}

/// The current task; call it only when explored.
pub(crate) fn current_task() -> Arc<Task> {
    let index = current_index().unwrap_or(usize::MAX);
    EXECUTION.with_borrow_mut(|execution| {
        let id = execution.id;
        let shared = execution.shared.as_ref().map(Arc::downgrade);
        execution
            .tasks
            .entry(index)
            .or_insert_with(|| {
                let thread = shuttle::thread::current();
                Task::new_explored(
                    index,
                    TaskRef {
                        execution: id,
                        shared: shared.unwrap_or_default(),
                        thread,
                    },
                )
            })
            .clone()
    })
}

/// The tasks of this execution that wait for a lock, by the lock's address.
pub(crate) fn with_waiters<R>(
    f: impl FnOnce(&mut BTreeMap<usize, VecDeque<Arc<Token>>>) -> R,
) -> R {
    EXECUTION.with_borrow_mut(|execution| f(&mut execution.waiters))
}

pub(crate) struct TaskRef {
    execution: u64,
    shared: Weak<Shared>,
    thread: shuttle::thread::Thread,
}

impl TaskRef {
    /// From outside the execution there is no way in: the wake is lost, and said so.
    pub(crate) fn unpark(&self) {
        let inside = EXECUTION.with_borrow(|execution| execution.id == self.execution);
        if inside && explored() {
            aside(|| self.thread.unpark());
        } else if let Some(shared) = self.shared.upgrade() {
            let name = self.thread.name().unwrap_or("the body");
            shared.fail(
                FailureKind::Misuse,
                format!(
                    "a task outside the exploration woke '{name}': a body has no tasks but those \
                     it starts with lastfd_sync::thread::spawn, Clock::spawn or World::task"
                ),
            );
        }
    }
}

/// Parks the current explored task. The machine's time is no part of a schedule: a
/// task that waits for it keeps asking.
pub(crate) fn park(for_real_time: bool) {
    aside(|| {
        if for_real_time {
            shuttle::thread::yield_now();
        } else {
            shuttle::thread::park();
        }
    });
}
