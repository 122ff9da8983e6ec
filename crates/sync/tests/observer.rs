//! The observer. One test: the observer is the process's.

#![expect(
    clippy::disallowed_types,
    reason = "the log's own lock is not to be observed"
)]

use lastfd_sync::observer::{self, Event, Observer};
use lastfd_sync::thread::{self, TaskId};
use lastfd_sync::{Arc, Clock, Mutex, RwLock, WaitQueue, wait_event};

#[derive(Default)]
struct Log(std::sync::Mutex<Vec<(TaskId, Event)>>);

impl Log {
    fn has(&self, wanted: impl Fn(TaskId, Event) -> bool) -> bool {
        self.0
            .lock()
            .unwrap()
            .iter()
            .any(|(task, event)| wanted(*task, *event))
    }

    fn take(&self) -> Vec<(TaskId, Event)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Log {
    fn observe(&self, task: TaskId, event: Event) {
        self.0.lock().unwrap().push((task, event));
    }
}

#[test]
fn the_observer_sees_locks_waits_and_wakes_and_nothing_once_cleared() {
    let log = Arc::new(Log::default());
    assert!(observer::set(log.clone()).is_none());

    let lock = RwLock::new(());
    drop(lock.read());
    drop(lock.write());
    let seen: Vec<_> = log.take();
    let here = thread::current();
    let kinds: Vec<_> = seen
        .iter()
        .map(|(task, event)| (*task == here, *event))
        .collect();
    let Some((true, Event::Acquired(object))) = kinds.first().copied() else {
        unreachable!("{kinds:?}");
    };
    let pair = [
        (true, Event::Acquired(object)),
        (true, Event::Released(object)),
    ];
    assert_eq!(kinds, [pair, pair].concat());

    let (queue, ready) = (WaitQueue::new(), Arc::new(Mutex::new(false)));
    let (inner, flag) = (queue.clone(), ready.clone());
    let waiter = thread::spawn("waiter", move || {
        wait_event(&[&inner], &Clock::real(), None, None, || {
            flag.lock().then_some(())
        })
        .unwrap();
        thread::current()
    })
    .unwrap();
    // It waits once its wait is seen to begin.
    while !log.has(|task, event| event == Event::WaitBegin && task != here) {
        thread::yield_now();
    }
    *ready.lock() = true;
    queue.wake_all();
    let waiter = waiter.join().unwrap();
    let seen: Vec<_> = log.take();
    assert!(seen.contains(&(here, Event::Wake(waiter))));
    assert!(seen.contains(&(waiter, Event::WaitEnd)));

    assert!(observer::clear().is_some());
    drop(lock.read());
    assert_eq!(log.take(), []);
}
