//! Runs a test body under many schedules.
//!
//! A body that uses the primitives of this crate, and no others, is run again and
//! again by shuttle on one thread; each operation of a primitive is a point where
//! another task may go on, unless the task is alone. Bodies must be deterministic but
//! for the schedule: clocks inside are simulated (even [`crate::Clock::real`]), and
//! nothing may be shared with tasks outside. What breaks that is a failure of its own
//! ([`FailureKind::Misuse`], [`FailureKind::Stalled`]), as far as it can be seen.
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
//!
//! // All schedules with one preemption are few, and one of them shows it.
//! let few = explore::Search {
//!     strategy: explore::Strategy::Bounded { bound: 1 },
//!     ..explore::Search::default()
//! };
//! let found = explore::search(&few, body).failure.unwrap();
//! assert_eq!(found.preemptions, 1);
//! ```

mod bounded;
mod conductor;
mod execution;
mod home;
mod journal;
mod random;
mod recipe;
mod search;
mod shared;

pub(crate) use execution::{TaskRef, current_task, end_task, park, spawn, with_waiters};
pub use execution::{explored, switch_point, uninterrupted};
pub use home::Home;
pub use journal::Journal;
pub use recipe::{BadRecipe, Recipe};
pub use search::{Failure, FailureKind, Search, Searched, Strategy, search};

/// Runs `body` under `schedules` random schedules. The same seed gives the same
/// schedules.
///
/// # Errors
/// The first schedule under which the body failed.
pub fn check_random(
    schedules: usize,
    seed: u64,
    body: impl Fn() + Send + Sync + 'static,
) -> Result<(), Box<Failure>> {
    check(Strategy::Random, schedules, seed, body)
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
) -> Result<(), Box<Failure>> {
    check(Strategy::Pct { depth }, schedules, seed, body)
}

/// Runs `body` once under a schedule that failed.
///
/// # Errors
/// The body failed again, or it goes another way than the schedule knows
/// ([`FailureKind::Strayed`]).
pub fn replay(
    schedule: &Recipe,
    body: impl Fn() + Send + Sync + 'static,
) -> Result<(), Box<Failure>> {
    check(Strategy::Replay(schedule.clone()), 1, 0, body)
}

fn check(
    strategy: Strategy,
    schedules: usize,
    seed: u64,
    body: impl Fn() + Send + Sync + 'static,
) -> Result<(), Box<Failure>> {
    let plan = Search {
        strategy,
        schedules,
        seed,
        ..Search::default()
    };
    let failure = search(&plan, body).failure;
    failure.map_or(Ok(()), |failure| Err(Box::new(failure)))
}

/// In an exploration: the schedule that runs is the one that was looked for. It goes on
/// to its end, and is the last. Otherwise nothing.
pub fn fail(message: impl Into<String>) {
    if let Some(shared) = execution::shared() {
        shared.fail_at_end(message.into());
    }
}

/// In an exploration: ends it, for the body does what an explored body cannot. `what`
/// names the call. Otherwise nothing.
pub fn refuse(what: &str) {
    if explored() {
        execution::fail_with(FailureKind::Misuse, what.to_owned());
    }
}
