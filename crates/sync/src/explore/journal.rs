//! A list for those who watch an exploration.

use std::sync::{Arc, Mutex, PoisonError};

/// A list that the tasks of an exploration and those outside may share, which is no part
/// of what is explored. Clones are one list.
#[derive(Debug)]
pub struct Journal<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Journal<T> {
    fn clone(&self) -> Self {
        Journal(Arc::clone(&self.0))
    }
}

impl<T> Default for Journal<T> {
    fn default() -> Self {
        Journal(Arc::default())
    }
}

impl<T> Journal<T> {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry.
    pub fn push(&self, entry: T) {
        self.with(|entries| entries.push(entry));
    }

    /// All entries, which are then gone.
    pub fn take(&self) -> Vec<T> {
        self.with(std::mem::take)
    }

    /// Looks at the entries, or changes them. `f` must not wait.
    pub fn with<R>(&self, f: impl FnOnce(&mut Vec<T>) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
