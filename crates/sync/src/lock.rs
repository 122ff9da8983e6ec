//! Mutex, RwLock, Condvar, OnceLock.

use crate::task::Token;
use std::collections::VecDeque;
use std::sync::Arc;

mod raw {
    use lock_api::GuardNoSend;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    /// The state of a [`super::Mutex`].
    #[derive(Debug)]
    pub struct RawMutex(AtomicBool);

    // SAFETY: the flag is taken by one owner at a time.
    unsafe impl lock_api::RawMutex for RawMutex {
        const INIT: Self = RawMutex(AtomicBool::new(false));
        type GuardMarker = GuardNoSend;
        fn lock(&self) {
            while !self.try_lock() {
                std::thread::yield_now();
            }
        }
        fn try_lock(&self) -> bool {
            !self.0.swap(true, Ordering::Acquire)
        }
        unsafe fn unlock(&self) {
            self.0.store(false, Ordering::Release);
        }
        fn is_locked(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    /// The state of a [`super::RwLock`].
    #[derive(Debug)]
    pub struct RawRwLock(AtomicU32);

    const WRITER: u32 = u32::MAX;

    // SAFETY: WRITER excludes everybody, a count excludes writers.
    unsafe impl lock_api::RawRwLock for RawRwLock {
        const INIT: Self = RawRwLock(AtomicU32::new(0));
        type GuardMarker = GuardNoSend;
        fn lock_shared(&self) {
            while !self.try_lock_shared() {
                std::thread::yield_now();
            }
        }
        fn try_lock_shared(&self) -> bool {
            self.0
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, |n| {
                    (n < WRITER - 1).then(|| n + 1)
                })
                .is_ok()
        }
        unsafe fn unlock_shared(&self) {
            self.0.fetch_sub(1, Ordering::Release);
        }
        fn lock_exclusive(&self) {
            while !self.try_lock_exclusive() {
                std::thread::yield_now();
            }
        }
        fn try_lock_exclusive(&self) -> bool {
            self.0
                .compare_exchange(0, WRITER, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        }
        unsafe fn unlock_exclusive(&self) {
            self.0.store(0, Ordering::Release);
        }
    }
}

/// A mutual exclusion lock.
pub type Mutex<T> = lock_api::Mutex<raw::RawMutex, T>;
/// Holds a [`Mutex`].
pub type MutexGuard<'a, T> = lock_api::MutexGuard<'a, raw::RawMutex, T>;
/// A lock with many readers or one writer.
pub type RwLock<T> = lock_api::RwLock<raw::RawRwLock, T>;
/// Holds a [`RwLock`] for reading.
pub type RwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, raw::RawRwLock, T>;
/// Holds a [`RwLock`] for writing.
pub type RwLockWriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, raw::RawRwLock, T>;

/// A condition variable. Prefer [`crate::WaitQueue`].
#[derive(Default)]
pub struct Condvar {
    waiters: std::sync::Mutex<VecDeque<Arc<Token>>>,
}

impl Condvar {
    /// No waiters.
    pub const fn new() -> Self {
        Condvar {
            waiters: std::sync::Mutex::new(VecDeque::new()),
        }
    }

    fn waiters(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Token>>> {
        self.waiters.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Releases the lock, waits for a notification, takes the lock again.
    pub fn wait<'a, T: ?Sized>(&self, mut guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        let token = Token::new();
        self.waiters().push_back(token.clone());
        MutexGuard::unlocked(&mut guard, || token.wait());
        guard
    }

    /// Ends one wait.
    pub fn notify_one(&self) {
        let first = self.waiters().pop_front();
        if let Some(token) = first {
            token.fire();
        }
    }

    /// Ends every wait.
    pub fn notify_all(&self) {
        for token in std::mem::take(&mut *self.waiters()) {
            token.fire();
        }
    }
}

/// A cell that is written once.
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
