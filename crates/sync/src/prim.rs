//! What the wait queue and the gate are made of: this crate's own primitives or, in a
//! loom build, loom's. Those two files use nothing else that synchronises.

#[cfg(not(loom))]
mod real {
    pub(crate) use crate::lock::Mutex;
    pub(crate) use crate::task::Token;
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
}

#[cfg(not(loom))]
pub(crate) use real::*;

#[cfg(loom)]
mod model {
    use crate::wait_queue::Wake;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
    use std::sync::Arc;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        }
    }

    /// One wait of one loom thread. (Loom's `unpark` would also end a join.)
    pub(crate) struct Token {
        fired: Mutex<bool>,
        changed: loom::sync::Condvar,
    }

    impl Token {
        pub(crate) fn new() -> Arc<Token> {
            Arc::new(Token {
                fired: Mutex::new(false),
                changed: loom::sync::Condvar::new(),
            })
        }

        pub(crate) fn rearm(&self) {
            *self.fired.lock() = false;
        }

        pub(crate) fn wait(&self) {
            let mut fired = self.fired.lock();
            while !*fired {
                let waited = self.changed.wait(fired);
                fired = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
            }
        }
    }

    impl Wake for Token {
        fn wake(&self) {
            *self.fired.lock() = true;
            self.changed.notify_one();
        }
    }
}

#[cfg(loom)]
pub(crate) use model::*;
