//! Mutex, RwLock, Condvar, OnceLock: as std's, but a panic does not poison them, and
//! a task that waits for one counts as waiting in simulated time.

mod raw;

use crate::explore;
use crate::task::Token;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, PoisonError};

/// A mutual exclusion lock. A task that panicked while it held it leaves it unlocked,
/// as the kernel has no poison either.
///
/// ```
/// let lock = lastfd_sync::Mutex::new(1);
/// *lock.lock() += 1;
/// assert_eq!(lock.into_inner(), 2);
/// ```
pub type Mutex<T> = lock_api::Mutex<raw::RawMutex, T>;
/// Holds a [`Mutex`].
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, raw::RawMutex, T>;
/// A lock with many readers or one writer. Readers that come while a writer waits wait
/// behind it, so a task that reads must not read again.
pub type RwLock<T> = lock_api::RwLock<raw::RawRwLock, T>;
/// Holds a [`RwLock`] for reading.
pub type RwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, raw::RawRwLock, T>;
/// Holds a [`RwLock`] for writing.
pub type RwLockWriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, raw::RawRwLock, T>;

/// A condition variable. Prefer [`crate::WaitQueue`], which files and polls can share.
#[derive(Default)]
pub struct Condvar {
    waiters: std::sync::Mutex<VecDeque<Arc<Token>>>,
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar")
            .field("waiters", &self.waiters().len())
            .finish()
    }
}

impl Condvar {
    /// No waiters.
    pub const fn new() -> Self {
        Condvar {
            waiters: std::sync::Mutex::new(VecDeque::new()),
        }
    }

    fn waiters(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Token>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases the lock, waits for a notification, takes the lock again. No wait ends
    /// without a notification.
    pub fn wait<'a, T: ?Sized>(&self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let token = Token::new();
        self.waiters().push_back(token.clone());
        MutexGuard::unlocked(&mut guard, || token.wait());
        guard
    }

    /// Ends one wait.
    pub fn notify_one(&self) {
        explore::switch_point();
        let first = self.waiters().pop_front();
        if let Some(token) = first {
            token.fire();
        }
    }

    /// Ends every wait.
    pub fn notify_all(&self) {
        explore::switch_point();
        let all = std::mem::take(&mut *self.waiters());
        for token in all {
            token.fire();
        }
    }
}

/// A cell that is written once. Tasks that find it being written wait as for a lock.
#[derive(Debug)]
pub struct OnceLock<T> {
    cell: std::sync::OnceLock<T>,
    init: Mutex<()>,
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> OnceLock<T> {
    /// An empty cell.
    pub const fn new() -> Self {
        OnceLock {
            cell: std::sync::OnceLock::new(),
            init: Mutex::new(()),
        }
    }

    /// The value, if it was set.
    pub fn get(&self) -> Option<&T> {
        self.cell.get()
    }

    /// Sets the value, or gives it back if there is one already.
    pub fn set(&self, value: T) -> Result<(), T> {
        let _init = self.init.lock();
        self.cell.set(value)
    }

    /// The value; `init` makes it if nobody did.
    pub fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.cell.get() {
            return value;
        }
        let _init = self.init.lock();
        self.cell.get_or_init(init)
    }

    /// The value, by move.
    pub fn into_inner(self) -> Option<T> {
        self.cell.into_inner()
    }
}
