//! Where tasks wait for locks: lists of waiters by the lock's address.
//!
//! Threads share one table; an explored task uses its execution's. A lock has no
//! room for waiters of its own, and pays nothing for them until it is contended.

use crate::explore;
use crate::task::Token;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

type Waiters = BTreeMap<usize, VecDeque<Arc<Token>>>;

const BUCKETS: usize = 64;

static TABLE: [Mutex<Waiters>; BUCKETS] = [const { Mutex::new(BTreeMap::new()) }; BUCKETS];

fn with_waiters<R>(address: usize, f: impl FnOnce(&mut Waiters) -> R) -> R {
    if explore::explored() {
        return explore::with_waiters(f);
    }
    // Fibonacci hashing; the top six bits name the bucket.
    let bucket = (address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58;
    let bucket = &TABLE[bucket as usize];
    let mut waiters = bucket.lock().unwrap_or_else(PoisonError::into_inner);
    let result = f(&mut waiters);
    if waiters.is_empty() {
        // An emptied map keeps its root; nothing is to be left of a contention.
        *waiters = Waiters::new();
    }
    result
}

/// Waits to be woken at the address, unless `done` says there is no need to. `done`
/// and the search for waiters are under one lock, so a wake that follows a `done`
/// which gave false finds the waiter. True if `done` gave true.
pub(crate) fn wait(address: usize, done: impl FnOnce() -> bool) -> bool {
    let token = Token::new();
    let queued = with_waiters(address, |waiters| {
        if done() {
            return false;
        }
        waiters.entry(address).or_default().push_back(token.clone());
        true
    });
    if queued {
        token.wait();
    }
    !queued
}

/// Ends the oldest wait at the address.
pub(crate) fn wake_one(address: usize) {
    let token = with_waiters(address, |waiters| {
        let list = waiters.get_mut(&address)?;
        let token = list.pop_front();
        if list.is_empty() {
            waiters.remove(&address);
        }
        token
    });
    if let Some(token) = token {
        token.fire();
    }
}

/// Ends every wait at the address.
pub(crate) fn wake_all(address: usize) {
    let tokens = with_waiters(address, |waiters| waiters.remove(&address));
    for token in tokens.into_iter().flatten() {
        token.fire();
    }
}
