//! Every schedule and every weak memory order of two tasks at a wait queue. Proven, for
//! these programs: a wait that tests after it has added its entry, and a change that is
//! followed by a wake, never miss each other, even if the flag is relaxed.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p lastfd-sync --release --test 'loom_*'`

#![cfg(loom)]

use lastfd_sync::{Arc, WaitQueue, Wake};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;

/// Ends one wait. (Loom's `unpark` would also end a join.)
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Bell {
    fn wake(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// Waits for the flag, as `wait_event` does. If a wake were lost, loom would find that
/// nobody can go on.
fn wait_for(queue: &WaitQueue, flag: &AtomicBool) {
    let bell = Arc::new(Bell::default());
    let _entry = queue.add(bell.clone());
    while !flag.load(Ordering::Relaxed) {
        let mut rung = bell.rung.lock().unwrap();
        while !*rung {
            rung = bell.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

#[test]
fn a_wake_that_follows_a_relaxed_store_is_never_lost() {
    loom::model(|| {
        let queue = WaitQueue::new();
        let flag = Arc::new(AtomicBool::new(false));
        let waker = {
            let (queue, flag) = (queue.clone(), flag.clone());
            thread::spawn(move || {
                flag.store(true, Ordering::Relaxed);
                queue.wake_all();
            })
        };
        wait_for(&queue, &flag);
        waker.join().unwrap();
        assert!(queue.is_empty());
    });
}

#[test]
fn two_wakes_of_one_end_two_waits() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let queue = WaitQueue::new();
        let flag = Arc::new(AtomicBool::new(false));
        let waiter = {
            let (queue, flag) = (queue.clone(), flag.clone());
            thread::spawn(move || wait_for(&queue, &flag))
        };
        let waker = {
            let (queue, flag) = (queue.clone(), flag.clone());
            thread::spawn(move || {
                flag.store(true, Ordering::Relaxed);
                queue.wake_one();
                queue.wake_one();
            })
        };
        wait_for(&queue, &flag);
        waiter.join().unwrap();
        waker.join().unwrap();
    });
}

#[test]
fn an_entry_can_leave_while_the_queue_is_woken() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    loom::model(|| {
        let queue = WaitQueue::new();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let entry = queue.add(count.clone());
        let waker = {
            let queue = queue.clone();
            thread::spawn(move || queue.wake_all())
        };
        drop(entry);
        waker.join().unwrap();
        queue.wake_all();
        assert!(count.0.load(Ordering::Relaxed) <= 1);
        assert!(queue.is_empty());
    });
}
