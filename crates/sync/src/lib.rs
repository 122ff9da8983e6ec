//! The lowest layer: locks, tasks, wait queues, the gate and the clock.
//!
//! It depends on no other crate of the project.

// This crate is where the banned primitives are wrapped.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this crate wraps them"
)]

pub mod atomic;
mod clock;
pub mod gate;
mod lock;
mod task;
pub mod thread;
mod wait;
mod wait_queue;

pub use clock::{Clock, InsideCallback, Ktime, TimerHandle};
pub use lock::{Condvar, Mutex, MutexGuard, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use std::sync::{Arc, Weak};
pub use wait::{Cancel, WaitError, wait_event};
pub use wait_queue::{WaitEntry, WaitQueue, Wake};
