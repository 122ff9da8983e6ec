//! The state words of the locks. Threads, explored tasks and participants of
//! simulated time all wait in [`crate::parking`].

use crate::observer::{self, Event, ObjectId};
use crate::{explore, hooks, parking};
use lock_api::GuardNoSend;
use std::sync::atomic::{AtomicU32, Ordering};

/// How often a thread looks again before it parks.
const SPINS: u32 = 40;

/// Looks again for a while; pointless where only one task runs at a time.
fn spin_until(mut done: impl FnMut() -> bool) -> bool {
    if explore::explored() {
        return false;
    }
    (0..SPINS).any(|_| {
        std::hint::spin_loop();
        done()
    })
}

const UNLOCKED: u32 = 0;
const LOCKED: u32 = 1;
/// Locked, and somebody may wait.
const CONTENDED: u32 = 2;

/// The state of a [`super::Mutex`].
pub struct RawMutex(AtomicU32);

impl std::fmt::Debug for RawMutex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawMutex")
    }
}

impl RawMutex {
    fn object(&self) -> ObjectId {
        ObjectId(std::ptr::from_ref(self).addr())
    }

    #[inline]
    fn take(&self) -> bool {
        self.0
            .compare_exchange(UNLOCKED, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// A waiter marks the lock before it waits, and takes it marked, since others may
    /// wait behind it. So an unlock that finds no mark has nobody to wake: a task that
    /// marks later than that unlock finds the lock free.
    #[cold]
    fn take_contended(&self) {
        if spin_until(|| self.0.load(Ordering::Relaxed) == UNLOCKED && self.take()) {
            return;
        }
        let free = || self.0.swap(CONTENDED, Ordering::Acquire) == UNLOCKED;
        while !parking::wait(self.object().0, free) {}
    }

    #[cold]
    fn lock_watched(&self) {
        explore::switch_point();
        if !self.take() {
            observer::emit(Event::Contended(self.object()));
            self.take_contended();
        }
        observer::emit(Event::Acquired(self.object()));
    }

    #[cold]
    fn try_lock_watched(&self) -> bool {
        explore::switch_point();
        let taken = self.take();
        if taken {
            observer::emit(Event::Acquired(self.object()));
        }
        taken
    }

    #[cold]
    fn unlock_watched(&self) {
        explore::switch_point();
        // After the release the lock may be gone, with what it guards.
        let object = self.object();
        self.release();
        observer::emit(Event::Released(object));
    }

    #[inline]
    fn release(&self) {
        let address = self.object().0;
        if self.0.swap(UNLOCKED, Ordering::Release) == CONTENDED {
            parking::wake_one(address);
        }
    }
}

// SAFETY: the word goes from UNLOCKED to LOCKED or CONTENDED by one atomic operation
// with acquire ordering, so it has one owner, and back with release ordering by `unlock`,
// which only the owner may call.
unsafe impl lock_api::RawMutex for RawMutex {
    const INIT: Self = RawMutex(AtomicU32::new(UNLOCKED));

    // A task that locked is the task that unlocks, as the observer is told.
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        if !hooks::idle() {
            self.lock_watched();
        } else if !self.take() {
            self.take_contended();
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        if hooks::idle() {
            self.take()
        } else {
            self.try_lock_watched()
        }
    }

    #[inline]
    unsafe fn unlock(&self) {
        if hooks::idle() {
            self.release();
        } else {
            self.unlock_watched();
        }
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) != UNLOCKED
    }
}

const WRITER: u32 = 1 << 31;
/// Somebody waits for the holders to leave. New readers wait too then, so that a
/// writer gets its turn. Never set without a holder: the last one takes it along.
const WAITED: u32 = 1 << 30;
const READERS: u32 = WAITED - 1;

/// The state of a [`super::RwLock`]: a count of readers or the writer's bit.
pub struct RawRwLock(AtomicU32);

impl std::fmt::Debug for RawRwLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawRwLock")
    }
}

/// What the word becomes if the lock can be had.
type Take = fn(u32) -> Option<u32>;

fn shared(state: u32) -> Option<u32> {
    (state < READERS).then(|| state + 1)
}

fn exclusive(state: u32) -> Option<u32> {
    (state == 0).then_some(WRITER)
}

impl RawRwLock {
    fn object(&self) -> ObjectId {
        ObjectId(std::ptr::from_ref(self).addr())
    }

    #[inline]
    fn take(&self, take: Take) -> bool {
        self.0
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, take)
            .is_ok()
    }

    #[cold]
    fn take_contended(&self, take: Take) {
        if spin_until(|| self.take(take)) {
            return;
        }
        // Take the lock or, in the same step, see to it that the last holder wakes us.
        let free = || {
            let step = |state| take(state).or(Some(state | WAITED));
            let step = self
                .0
                .fetch_update(Ordering::Acquire, Ordering::Relaxed, step);
            step.is_ok_and(|state| take(state).is_some())
        };
        while !parking::wait(self.object().0, free) {}
    }

    #[inline]
    fn lock(&self, take: Take) {
        if !hooks::idle() {
            self.lock_watched(take);
        } else if !self.take(take) {
            self.take_contended(take);
        }
    }

    #[cold]
    fn lock_watched(&self, take: Take) {
        explore::switch_point();
        if !self.take(take) {
            observer::emit(Event::Contended(self.object()));
            self.take_contended(take);
        }
        observer::emit(Event::Acquired(self.object()));
    }

    #[inline]
    fn try_lock(&self, take: Take) -> bool {
        if hooks::idle() {
            self.take(take)
        } else {
            self.try_lock_watched(take)
        }
    }

    #[cold]
    fn try_lock_watched(&self, take: Take) -> bool {
        explore::switch_point();
        let taken = self.take(take);
        if taken {
            observer::emit(Event::Acquired(self.object()));
        }
        taken
    }

    #[inline]
    fn unlock(&self, held: u32) {
        if hooks::idle() {
            self.release(held);
        } else {
            self.unlock_watched(held);
        }
    }

    #[cold]
    fn unlock_watched(&self, held: u32) {
        explore::switch_point();
        let object = self.object();
        self.release(held);
        observer::emit(Event::Released(object));
    }

    #[inline]
    fn release(&self, held: u32) {
        // After the release the lock may be gone: only its address is used.
        let address = self.object().0;
        let leave = |state: u32| {
            Some(if state - held == WAITED {
                0
            } else {
                state - held
            })
        };
        let left = self
            .0
            .fetch_update(Ordering::Release, Ordering::Relaxed, leave);
        if left == Ok(held | WAITED) {
            parking::wake_all(address);
        }
    }
}

// SAFETY: WRITER is set only in a word that was 0, readers are counted only in a word
// without it, each by one atomic operation with acquire ordering, and given back with
// release ordering by the unlocks, which only holders may call.
unsafe impl lock_api::RawRwLock for RawRwLock {
    const INIT: Self = RawRwLock(AtomicU32::new(0));

    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock_shared(&self) {
        self.lock(shared);
    }

    #[inline]
    fn try_lock_shared(&self) -> bool {
        self.try_lock(shared)
    }

    #[inline]
    unsafe fn unlock_shared(&self) {
        self.unlock(1);
    }

    #[inline]
    fn lock_exclusive(&self) {
        self.lock(exclusive);
    }

    #[inline]
    fn try_lock_exclusive(&self) -> bool {
        self.try_lock(exclusive)
    }

    #[inline]
    unsafe fn unlock_exclusive(&self) {
        self.unlock(WRITER);
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    #[inline]
    fn is_locked_exclusive(&self) -> bool {
        self.0.load(Ordering::Relaxed) & WRITER != 0
    }
}
