//! What an exploration's tasks, its scheduler and those who wait for it all see.

use super::recipe::Recipe;
use super::search::{Failure, FailureKind};
use crate::thread::TaskId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One exploration.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    over: AtomicBool,
    steps: AtomicU64,
    task: AtomicUsize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    executions: usize,
    recipe: Recipe,
    preemptions: usize,
    names: BTreeMap<usize, String>,
    failure: Option<Failure>,
    /// Where the last panic was.
    panicked_at: Option<String>,
    exhausted: Option<usize>,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a schedule failed that may yet run to its end.
    pub(super) fn has_failed(&self) -> bool {
        self.inner().failure.is_some()
    }

    /// Whether no further step is wanted.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Nobody waits for it any more.
    pub(super) fn give_up(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(super) fn begin_execution(&self) {
        let mut inner = self.inner();
        inner.executions += 1;
        inner.recipe.steps.clear();
        inner.preemptions = 0;
        inner.names.clear();
    }

    pub(super) fn executions(&self) -> usize {
        self.inner().executions
    }

    pub(super) fn choices(&self) -> usize {
        self.inner().recipe.steps.len()
    }

    pub(super) fn chose(&self, task: u32, preemptions: usize) {
        let mut inner = self.inner();
        inner.recipe.steps.push(task);
        inner.preemptions = preemptions;
    }

    /// A task goes on.
    pub(super) fn step(&self, task: usize) {
        self.task.store(task, Ordering::Relaxed);
        self.steps.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    pub(super) fn name(&self, task: usize, name: &str) {
        self.inner().names.insert(task, name.to_owned());
    }

    /// The task that runs, or ran last.
    pub(super) fn running(&self) -> String {
        let task = self.task.load(Ordering::Relaxed);
        self.inner().name_of(task)
    }

    pub(super) fn panicked_at(&self, place: String) {
        self.inner().panicked_at = Some(place);
    }

    /// The current execution failed. The first failure counts.
    pub(super) fn fail(&self, kind: FailureKind, message: String) {
        let mut inner = self.inner();
        let place = match kind {
            FailureKind::Panic => inner.panicked_at.take(),
            _ => None,
        };
        if inner.failure.is_none() {
            inner.failure = Some(Failure {
                kind,
                message,
                place,
                schedule: inner.recipe.clone(),
                number: inner.executions,
                preemptions: inner.preemptions,
                blocked: Vec::new(),
                tasks: inner.known(),
            });
        }
        self.over.store(true, Ordering::Relaxed);
    }

    /// As [`Shared::fail`], and the execution goes on to its end.
    pub(super) fn fail_at_end(&self, message: String) {
        let over = self.over.load(Ordering::Relaxed);
        self.fail(FailureKind::Failed, message);
        self.over.store(over, Ordering::Relaxed);
    }

    /// These wait, and nobody else is there.
    pub(super) fn deadlock(&self, blocked: Vec<usize>) {
        // The body waits for its tasks, which is no news.
        let tasks = blocked
            .iter()
            .filter(|task| **task != 0 || blocked.len() == 1);
        let names: Vec<String> = {
            let inner = self.inner();
            tasks.map(|task| inner.name_of(*task)).collect()
        };
        let waits = if names.len() == 1 { "waits" } else { "wait" };
        let message = format!(
            "deadlock: {} {waits}, and nothing is left that could end that",
            names.join(", ")
        );
        self.fail(FailureKind::Deadlock, message);
        let mut inner = self.inner();
        if let Some(failure) = &mut inner.failure {
            let ids = blocked.iter().map(|task| *task as u64 + 1);
            failure.blocked = ids.map(TaskId).collect();
        }
    }

    pub(super) fn set_exhausted(&self, bound: Option<usize>) {
        self.inner().exhausted = bound;
    }

    pub(super) fn exhausted(&self) -> Option<usize> {
        self.inner().exhausted
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        self.inner().failure.clone()
    }
}

impl Inner {
    fn known(&self) -> Vec<(TaskId, String)> {
        let known = self.names.iter();
        known
            .map(|(task, name)| (TaskId(*task as u64 + 1), name.clone()))
            .collect()
    }

    fn name_of(&self, task: usize) -> String {
        match self.names.get(&task) {
            Some(name) => name.clone(),
            None if task == 0 => "the body".to_owned(),
            None => format!("task {task}"),
        }
    }
}
