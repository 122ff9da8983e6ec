//! The lowest layer: locks, tasks, wait queues, the gate and the clock.
//!
//! It depends on no other crate of the project. Everything above it runs, waits and keeps
//! time through it, and nothing above it uses `std::sync`, `std::thread` or the machine's
//! time. In return it promises:
//!
//! - **One build for real threads and for exploration.** Inside a run of [`explore`] the
//!   same primitives are shuttle's: each operation is a point where another task may go
//!   on, a task that blocks is parked in the schedule, and a deadlock is reported. Outside
//!   a primitive pays one relaxed load to know that.
//! - **Time is a [`Clock`]**, and simulated time moves only when everybody waits. What
//!   waits, waits in one place ([`wait_event`], the locks, the gate and the joins share
//!   it), so the clock misses nobody.
//! - **Blocking is "try, then wait"**: [`wait_event`] over [`WaitQueue`]s.
//! - **The [`gate`]** costs a reader less than an atomic increment.
//! - **One hook**, [`observer`], sees locks, waits and wakes.
//!
//! Kernel files followed: `kernel/sched/wait.c`, `kernel/time/timer.c`,
//! `kernel/rcu/srcutree.c` and `drivers/gpu/drm/drm_drv.c` for what callers may rely on,
//! not for how it is done.
//!
//! `unsafe` is in the gate (its slots are found by pointer) and in the locks (the two
//! promises that `lock_api` asks for), nowhere else.
//!
//! Architecture invariants: nothing here blocks but through `Task::park`; no waker,
//! callback or observer is called under a lock of this crate.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this crate is what the others use in their place"
)]
#![cfg_attr(
    not(loom),
    expect(clippy::disallowed_macros, reason = "tasks find what is theirs by it")
)]
// A loom build has the gate and the wait queue only; parts of them are then unused.
#![cfg_attr(loom, expect(dead_code, reason = "only what loom can see is called"))]

#[cfg(not(loom))]
pub mod atomic;
#[cfg(not(loom))]
mod clock;
#[cfg(not(loom))]
pub mod explore;
pub mod gate;
#[cfg(not(loom))]
mod hooks;
#[cfg(not(loom))]
mod lock;
#[cfg(not(loom))]
pub mod observer;
#[cfg(not(loom))]
mod parking;
mod prim;
#[cfg(not(loom))]
mod task;
#[cfg(not(loom))]
pub mod thread;
#[cfg(not(loom))]
mod wait;
mod wait_queue;

#[cfg(not(loom))]
pub use clock::{Clock, InsideCallback, Ktime, TimerHandle};
#[cfg(not(loom))]
pub use lock::{Condvar, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use std::sync::{Arc, Weak};
#[cfg(not(loom))]
pub use wait::{Cancel, WaitError, wait_event, wait_event_unless};
pub use wait_queue::{WaitEntry, WaitQueue, Wake};
