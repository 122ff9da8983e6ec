//! Runs a test body under many schedules.
//!
//! A body that uses the primitives of this crate, and no others, is run again and
//! again by shuttle on one thread; each operation of a primitive is a point where
//! another task may go on. Bodies must be deterministic but for the schedule:
//! clocks inside are simulated (even [`crate::Clock::real`]), and nothing may be
//! shared with tasks outside.
//!
//! Atomics are explored as sequentially consistent. What weaker orderings allow
//! is shown by the loom tests of the files that rely on them.
//!
//! ```
//! use lastfd_sync::{Arc, Mutex, explore, thread};
//!
//! // Two tasks that read, then write: some schedule loses a step.
//! let body = || {
//!     let count = Arc::new(Mutex::new(0));
//!     let tasks: Vec<_> = (0..2)
//!         .map(|_| {
//!             let count = count.clone();
//!             thread::spawn("adder", move || {
//!                 let seen = *count.lock();
//!                 *count.lock() = seen + 1;
//!             })
//!         })
//!         .collect();
//!     for task in tasks {
//!         task.unwrap().join().unwrap();
//!     }
//!     assert_eq!(*count.lock(), 2);
//! };
//! let failure = explore::check_random(1000, 1, body).unwrap_err();
//! let again = explore::replay(&failure.schedule, body).unwrap_err();
//! assert_eq!(failure.message, again.message);
//! ```

use crate::hooks;
use crate::task::{Task, Token};
use shuttle::scheduler::{
    PctScheduler, RandomScheduler, ReplayScheduler, Schedule, Scheduler, Task as ShuttleTask,
    TaskId as ShuttleId,
};
use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A schedule under which the body failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the body panicked with, or shuttle's words for a deadlock.
    pub message: String,
    /// For [`replay`].
    pub schedule: Recipe,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (schedule {})", self.message, self.schedule)
    }
}

impl std::error::Error for Failure {}

/// A schedule: the seed of random values, and who ran at each step. As text, the
/// seed, a colon, and the steps: a task's number or `r` for a random value, each
/// with `xN` if repeated, with dots between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    seed: u64,
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Task(usize),
    Random,
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:", self.seed)?;
        for (i, run) in self.steps.chunk_by(|a, b| a == b).enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            match run[0] {
                Step::Task(task) => write!(f, "{task}")?,
                Step::Random => f.write_str("r")?,
            }
            if run.len() > 1 {
                write!(f, "x{}", run.len())?;
            }
        }
        Ok(())
    }
}

/// The text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecipe(String);

impl fmt::Display for BadRecipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "failed to read a schedule at {:?}: expected SEED:STEP[xN].STEP[xN]...",
            self.0
        )
    }
}

impl std::error::Error for BadRecipe {}

impl FromStr for Recipe {
    type Err = BadRecipe;

    fn from_str(text: &str) -> Result<Self, BadRecipe> {
        /// More steps than shuttle runs.
        const LONGEST: usize = 10_000_000;
        let bad = |part: &str| BadRecipe(part.to_owned());
        let (seed, rest) = text.split_once(':').ok_or_else(|| bad(text))?;
        let seed = u64::from_str_radix(seed, 16).map_err(|_| bad(seed))?;
        let mut steps = Vec::new();
        for part in rest.split('.').filter(|part| !part.is_empty()) {
            let (what, times) = match part.split_once('x') {
                Some((what, times)) => (what, times.parse().map_err(|_| bad(part))?),
                None => (part, 1),
            };
            let step = match what {
                "r" => Step::Random,
                task => Step::Task(task.parse().map_err(|_| bad(part))?),
            };
            if times > LONGEST - steps.len() {
                return Err(bad(part));
            }
            steps.extend(std::iter::repeat_n(step, times));
        }
        Ok(Recipe { seed, steps })
    }
}

/// Runs `body` under `schedules` random schedules. The same seed gives the same
/// schedules.
///
/// # Errors
/// The first schedule under which the body panicked, or no task could go on.
pub fn check_random(
    schedules: usize,
    seed: u64,
    body: impl Fn() + Send + Sync + 'static,
) -> Result<(), Failure> {
    run(RandomScheduler::new_from_seed(seed, schedules), body)
}

/// As [`check_random`] with schedules of few preemptions (probabilistic concurrency
/// testing): at most `depth` of them, which finds rarer orders of few steps.
///
/// # Errors
/// As [`check_random`].
pub fn check_pct(
    schedules: usize,
    depth: usize,
    seed: u64,
    body: impl Fn() + Send + Sync + 'static,
) -> Result<(), Failure> {
    run(PctScheduler::new_from_seed(seed, depth, schedules), body)
}

/// Runs `body` once under a schedule that failed. If the body goes another way than
/// the schedule knows, the run ends there and counts as passed.
///
/// # Errors
/// The body failed again.
pub fn replay(schedule: &Recipe, body: impl Fn() + Send + Sync + 'static) -> Result<(), Failure> {
    let mut steps = Schedule::new(schedule.seed);
    for step in &schedule.steps {
        match step {
            Step::Task(task) => steps.push_task(ShuttleId::from(*task)),
            Step::Random => steps.push_random(),
        }
    }
    let mut scheduler = ReplayScheduler::new_from_schedule(steps);
    scheduler.set_allow_incomplete();
    run(scheduler, body)
}

fn run(
    scheduler: impl Scheduler + 'static,
    body: impl Fn() + Send + Sync + 'static,
) -> Result<(), Failure> {
    let recipe = Arc::new(Mutex::new(Recipe::default()));
    let recorder = Recorder {
        scheduler,
        recipe: recipe.clone(),
    };
    let mut config = shuttle::Config::new();
    // Enough for a driver's callbacks in a debug build; only what is used is mapped.
    config.stack_size = 1 << 20;
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.silence_warnings = true;
    let exploring = hooks::Exploring::begin();
    let result = catch_unwind(AssertUnwindSafe(|| {
        shuttle::Runner::new(recorder, config).run(move || {
            begin_execution();
            body();
            end_task();
        })
    }));
    forget_execution();
    drop(exploring);
    match result {
        Ok(_) => Ok(()),
        Err(payload) => {
            let schedule = recipe
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            Err(Failure {
                message: message(payload.as_ref()),
                schedule,
            })
        }
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without words".to_owned()
    }
}

/// Notes what the scheduler decides.
struct Recorder<S> {
    scheduler: S,
    recipe: Arc<Mutex<Recipe>>,
}

impl<S> Recorder<S> {
    fn recipe(&self) -> std::sync::MutexGuard<'_, Recipe> {
        self.recipe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Scheduler> Scheduler for Recorder<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        let schedule = self.scheduler.new_execution()?;
        *self.recipe() = Recipe {
            seed: schedule.seed,
            steps: Vec::new(),
        };
        Some(schedule)
    }

    fn next_task(
        &mut self,
        runnable: &[&ShuttleTask],
        current: Option<ShuttleId>,
        yielding: bool,
    ) -> Option<ShuttleId> {
        let next = self.scheduler.next_task(runnable, current, yielding)?;
        self.recipe().steps.push(Step::Task(next.into()));
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        self.recipe().steps.push(Step::Random);
        self.scheduler.next_u64()
    }
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
    // A destructor in a panic runs through: shuttle cannot tell two panics apart.
    if explored() && !std::thread::panicking() {
        // Shuttle's sleep is a bare switch.
        shuttle::thread::sleep(std::time::Duration::ZERO);
    }
}

/// What the primitives know of the execution that runs on this thread. An execution
/// that failed leaves its tasks' stacks behind, so nothing of it may outlive it.
struct Execution {
    id: u64,
    tasks: BTreeMap<usize, Arc<Task>>,
    waiters: BTreeMap<usize, VecDeque<Arc<Token>>>,
}

static NEXT_EXECUTION: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static EXECUTION: RefCell<Execution> =
        const { RefCell::new(Execution { id: 0, tasks: BTreeMap::new(), waiters: BTreeMap::new() }) };
}

fn begin_execution() {
    forget_execution();
    let id = NEXT_EXECUTION.fetch_add(1, Ordering::Relaxed);
    EXECUTION.with_borrow_mut(|execution| execution.id = id);
}

fn forget_execution() {
    let old = EXECUTION.with_borrow_mut(|execution| {
        execution.id = 0;
        (
            std::mem::take(&mut execution.tasks),
            std::mem::take(&mut execution.waiters),
        )
    });
    drop(old);
}

/// The current explored task has come to its end.
pub(crate) fn end_task() {
    let index = current_index();
    let task = index.and_then(|index| EXECUTION.with_borrow_mut(|e| e.tasks.remove(&index)));
    if let Some(task) = task {
        task.leave_all();
    }
}

/// The current task; call it only when explored.
pub(crate) fn current_task() -> Arc<Task> {
    let index = current_index().unwrap_or(usize::MAX);
    EXECUTION.with_borrow_mut(|execution| {
        let id = execution.id;
        execution
            .tasks
            .entry(index)
            .or_insert_with(|| {
                let thread = shuttle::thread::current();
                Task::new_explored(
                    index,
                    TaskRef {
                        execution: id,
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
    thread: shuttle::thread::Thread,
}

impl TaskRef {
    /// From outside the execution there is no way in: the wake is lost, and shuttle
    /// will call it a deadlock.
    pub(crate) fn unpark(&self) {
        let inside = EXECUTION.with_borrow(|execution| execution.id == self.execution);
        if inside && explored() {
            self.thread.unpark();
        }
    }
}

/// Parks the current explored task. The machine's time is no part of a schedule: a
/// task that waits for it keeps asking.
pub(crate) fn park(for_real_time: bool) {
    if for_real_time {
        shuttle::thread::yield_now();
    } else {
        shuttle::thread::park();
    }
}
