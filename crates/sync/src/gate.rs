//! The gate.

use crate::lock::{Mutex, RwLock, RwLockReadGuard};
use std::sync::Arc;

/// Where readers have their slots.
#[derive(Clone, Debug, Default)]
pub struct Domain {
    inner: Arc<RwLock<()>>,
}

impl Domain {
    /// A domain without readers.
    pub fn new() -> Domain {
        Domain::default()
    }
}

/// Lets readers in until it is closed.
#[derive(Debug)]
pub struct Gate {
    domain: Domain,
    closed: Mutex<bool>,
}

/// Why a gate could not be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseError {
    /// The closer is itself inside a gate of the domain.
    FromInside,
}

impl std::fmt::Display for CloseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a gate cannot be closed from inside its domain")
    }
}

impl std::error::Error for CloseError {}

impl Gate {
    /// An open gate.
    pub fn new(domain: &Domain) -> Gate {
        Gate {
            domain: domain.clone(),
            closed: Mutex::new(false),
        }
    }

    /// Goes in, unless the gate is closed.
    pub fn enter(&self) -> Option<Enter<'_>> {
        let guard = self.domain.inner.read();
        (!self.is_closed()).then_some(Enter { _guard: guard })
    }

    /// Closes the gate and waits for those inside; true for the first to close it.
    ///
    /// # Errors
    /// The caller is inside.
    pub fn close(&self) -> Result<bool, CloseError> {
        let first = !std::mem::replace(&mut *self.closed.lock(), true);
        drop(self.domain.inner.write());
        Ok(first)
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        *self.closed.lock()
    }
}

/// Inside a gate; leaves by dropping it.
#[derive(Debug)]
#[must_use = "dropping it leaves the gate"]
pub struct Enter<'a> {
    _guard: RwLockReadGuard<'a, ()>,
}
