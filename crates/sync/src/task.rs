//! The current task and how it parks.

use crate::thread::TaskId;
use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

pub(crate) struct Task {
    id: TaskId,
    thread: std::thread::Thread,
}

static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static CURRENT: OnceCell<Arc<Task>> = const { OnceCell::new() };
}

impl Task {
    pub(crate) fn current() -> Arc<Task> {
        CURRENT.with(|slot| {
            slot.get_or_init(|| {
                Arc::new(Task {
                    id: TaskId(NEXT.fetch_add(1, Ordering::Relaxed)),
                    thread: std::thread::current(),
                })
            })
            .clone()
        })
    }

    pub(crate) fn id(&self) -> TaskId {
        self.id
    }
}

/// One wait of one task: set once, it ends the wait.
pub(crate) struct Token {
    task: Arc<Task>,
    fired: AtomicBool,
}

impl Token {
    pub(crate) fn new() -> Arc<Token> {
        Arc::new(Token {
            task: Task::current(),
            fired: AtomicBool::new(false),
        })
    }

    pub(crate) fn fire(&self) {
        if !self.fired.swap(true, Ordering::SeqCst) {
            self.task.thread.unpark();
        }
    }

    pub(crate) fn rearm(&self) {
        self.fired.swap(false, Ordering::SeqCst);
    }

    pub(crate) fn wait(&self) {
        while !self.fired.load(Ordering::SeqCst) {
            std::thread::park();
        }
    }

    /// False when the time ran out first.
    pub(crate) fn wait_until(&self, deadline: Instant) -> bool {
        while !self.fired.load(Ordering::SeqCst) {
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            std::thread::park_timeout(deadline - now);
        }
        true
    }
}
