//! Running a body again and again, and waiting for what comes of it.

use super::conductor::{Conductor, Player};
use super::execution;
use super::recipe::Recipe;
use super::shared::Shared;
use crate::hooks;
use crate::thread::TaskId;
use std::cell::RefCell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Once};
use std::time::Duration;

/// How the next schedule is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// All schedules with up to so many preemptions, fewest first. Ends when there is
    /// none left. A preemption takes a task off that could have gone on.
    Bounded {
        /// The most preemptions.
        bound: usize,
    },
    /// Any task at each step.
    Random,
    /// Probabilistic concurrency testing (Burckhardt and others, ASPLOS 2010): tasks with
    /// priorities, changed at `depth - 1` random steps.
    Pct {
        /// How many orders of steps the fault is expected to need.
        depth: usize,
    },
    /// This one schedule.
    Replay(Recipe),
}

/// What to run, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// How the next schedule is chosen.
    pub strategy: Strategy,
    /// The most schedules to run.
    pub schedules: usize,
    /// What random choices depend on. The same seed gives the same schedules.
    pub seed: u64,
    /// How long, by the machine's time, a task may take for one step before it is held
    /// to be blocked in a way that the schedule does not know.
    pub patience: Duration,
}

impl Default for Search {
    /// 10,000 schedules of at most two preemptions.
    fn default() -> Self {
        Search {
            strategy: Strategy::Bounded { bound: 2 },
            schedules: 10_000,
            seed: 1,
            patience: Duration::from_secs(10),
        }
    }
}

/// What came of a search.
#[derive(Clone, Debug)]
pub struct Searched {
    /// How many schedules were run.
    pub schedules: usize,
    /// Steps of all of them: from one point where another task could go on to the next.
    pub steps: u64,
    /// Of a bounded search: every schedule with up to so many preemptions was run.
    pub exhausted: Option<usize>,
    /// The first schedule that failed, where the search ended.
    pub failure: Option<Failure>,
}

/// In which way a schedule failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The body said so ([`super::fail`]).
    Failed,
    /// The body or one of its tasks panicked.
    Panic,
    /// Tasks wait, and nothing is left that could end that.
    Deadlock,
    /// The tasks run on and on.
    Livelock,
    /// The body does what an explored body cannot.
    Misuse,
    /// A task is blocked in a way that the schedule does not know.
    Stalled,
    /// A recipe did not fit the body.
    Strayed,
}

/// A schedule under which the body failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// In which way.
    pub kind: FailureKind,
    /// What the body said or panicked with, or what is wrong.
    pub message: String,
    /// Where it panicked.
    pub place: Option<String>,
    /// For [`super::replay`].
    pub schedule: Recipe,
    /// Which of the schedules it was, from 1.
    pub number: usize,
    /// How many preemptions it has.
    pub preemptions: usize,
    /// In a deadlock, the tasks that wait.
    pub blocked: Vec<TaskId>,
    /// What the tasks that started are called.
    pub tasks: Vec<(TaskId, String)>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(place) = &self.place {
            write!(f, " (at {place})")?;
        }
        write!(f, " (schedule {})", self.schedule)
    }
}

impl std::error::Error for Failure {}

/// Runs `body` under one schedule after the other, until one fails.
///
/// The body runs on a thread of its own. If it is blocked in a way that the schedule does
/// not know, that thread is left behind.
///
/// # Panics
/// The caller is explored itself.
pub fn search(search: &Search, body: impl Fn() + Send + Sync + 'static) -> Searched {
    assert!(
        !execution::explored(),
        "an exploration inside an exploration"
    );
    take_panic_hook();
    let shared = Arc::new(Shared::default());
    let player = Player::new(&search.strategy, search.schedules, search.seed);
    let (done, ended) = mpsc::channel();
    let conducted = Arc::clone(&shared);
    let most = search.schedules;
    let thread = std::thread::Builder::new().name("exploration".to_owned());
    let thread = thread.spawn(move || {
        run(player, most, &conducted, body);
        // Nobody waits who gave up.
        let _ = done.send(());
    });
    let thread = match thread {
        Ok(thread) => thread,
        Err(error) => {
            shared.fail(
                FailureKind::Stalled,
                format!("failed to start a thread: {error}"),
            );
            return searched(&shared);
        }
    };
    let mut steps = shared.steps();
    loop {
        match ended.recv_timeout(search.patience) {
            Err(RecvTimeoutError::Timeout) if shared.steps() != steps => steps = shared.steps(),
            Err(RecvTimeoutError::Timeout) => {
                let task = shared.running();
                let patience = search.patience.as_secs_f32();
                shared.fail(
                    FailureKind::Stalled,
                    format!(
                        "'{task}' did not come to its next step in {patience} s: it waits for \
                         something that is not of lastfd_sync (a sleep, a channel, a lock of std, \
                         a file), or never ends"
                    ),
                );
                shared.give_up();
                return searched(&shared);
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // It has nothing left to do; its panics are caught.
    let _ = thread.join();
    searched(&shared)
}

fn searched(shared: &Shared) -> Searched {
    Searched {
        schedules: shared.executions(),
        steps: shared.steps(),
        exhausted: shared.exhausted(),
        failure: shared.failure(),
    }
}

fn run(player: Player, most: usize, shared: &Arc<Shared>, body: impl Fn() + Send + Sync + 'static) {
    let mut config = shuttle::Config::new();
    // Enough for a driver's callbacks in a debug build; only what is used is mapped.
    config.stack_size = 1 << 20;
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.silence_warnings = true;
    config.max_steps = shuttle::MaxSteps::None;
    let exploring = hooks::Exploring::begin();
    WITHIN.set(Some(Arc::clone(shared)));
    let (conductor, inside) = (
        Conductor::new(player, most, Arc::clone(shared)),
        Arc::clone(shared),
    );
    let result = catch_unwind(AssertUnwindSafe(|| {
        shuttle::Runner::new(conductor, config).run(move || {
            // See the conductor; it never gets to run while others can.
            drop(shuttle::thread::spawn(|| {}));
            execution::begin(&inside);
            if let Err(payload) = catch_unwind(AssertUnwindSafe(&body)) {
                execution::panicked(payload.as_ref());
            }
            execution::end_task();
        })
    }));
    execution::forget();
    drop(exploring);
    if let Err(payload) = result {
        let said = payload.downcast_ref::<String>().cloned();
        let said = said.unwrap_or_else(|| "a panic without words".to_owned());
        shared.fail(FailureKind::Panic, said);
    }
    WITHIN.take();
}

thread_local! {
    /// The exploration that this thread runs.
    static WITHIN: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// A panic inside an exploration is a result, and not a line on the terminal; shuttle's
/// hook would print it with advice of its own.
fn take_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        let mut config = shuttle::Config::new();
        config.silence_warnings = true;
        // Shuttle sets its hook once, in its first run.
        let scheduler = shuttle::scheduler::RoundRobinScheduler::new(1);
        shuttle::Runner::new(scheduler, config).run(|| {});
        drop(panic::take_hook());
        panic::set_hook(Box::new(move |info| {
            let within = WITHIN.try_with(|within| within.try_borrow().ok()?.clone());
            match within.ok().flatten() {
                Some(shared) => {
                    if let Some(place) = info.location() {
                        shared.panicked_at(place.to_string());
                    }
                }
                None => before(info),
            }
        }));
    });
}
