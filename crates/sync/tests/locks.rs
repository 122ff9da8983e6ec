//! The locks on real threads.

use lastfd_sync::{Arc, Condvar, Mutex, OnceLock, RwLock, thread};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `f` on four threads at once.
fn on_four_threads(f: impl Fn(usize) + Send + Sync + 'static) {
    let f = Arc::new(f);
    let threads: Vec<_> = (0..4)
        .map(|which| {
            let f = f.clone();
            thread::spawn("worker", move || f(which)).unwrap()
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_mutex_lets_one_in_at_a_time() {
    let total = Arc::new(Mutex::new(0_u64));
    let counted = total.clone();
    on_four_threads(move |_| {
        for _ in 0..20_000 {
            let mut guard = counted.lock();
            let seen = *guard;
            std::hint::spin_loop();
            *guard = seen + 1;
        }
    });
    assert_eq!(*total.lock(), 80_000);
}

#[test]
fn writers_of_an_rwlock_exclude_readers_and_each_other() {
    let pair = Arc::new(RwLock::new((0_u64, 0_u64)));
    let shared = pair.clone();
    on_four_threads(move |which| {
        for _ in 0..20_000 {
            if which == 0 {
                let mut pair = shared.write();
                pair.0 += 1;
                std::hint::spin_loop();
                pair.1 += 1;
            } else {
                let pair = shared.read();
                assert_eq!(pair.0, pair.1);
            }
        }
    });
    assert_eq!(*pair.read(), (20_000, 20_000));
}

#[test]
fn readers_share_and_a_taken_lock_is_not_to_be_had() {
    let lock = RwLock::new(());
    let (one, two) = (lock.read(), lock.read());
    assert!(lock.try_write().is_none());
    drop((one, two));
    let writer = lock.write();
    assert!(lock.try_read().is_none());
    drop(writer);
    let mutex = Mutex::new(());
    let guard = mutex.lock();
    assert!(mutex.try_lock().is_none());
    drop(guard);
    assert!(mutex.try_lock().is_some());
}

#[test]
fn a_panic_leaves_a_lock_usable() {
    let lock = Mutex::new(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = lock.lock();
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_eq!(*lock.lock(), 1);
}

#[test]
fn a_condvar_passes_a_ball_between_two_threads() {
    let shared = Arc::new((Mutex::new(0_u32), Condvar::new()));
    let other = shared.clone();
    let play = |mine: u32, shared: &(Mutex<u32>, Condvar)| {
        for round in 0..1000 {
            let mut ball = shared.0.lock();
            while *ball != 2 * round + mine {
                ball = shared.1.wait(ball);
            }
            *ball += 1;
            drop(ball);
            shared.1.notify_one();
        }
    };
    let thread = thread::spawn("other", move || play(1, &other)).unwrap();
    play(0, &shared);
    thread.join().unwrap();
    assert_eq!(*shared.0.lock(), 2000);
}

#[test]
fn a_cell_is_initialised_once_however_many_ask() {
    let made = Arc::new(Mutex::new(0));
    let cell = Arc::new(OnceLock::new());
    let (count, shared) = (made.clone(), cell.clone());
    on_four_threads(move |_| {
        let value = shared.get_or_init(|| {
            *count.lock() += 1;
            7
        });
        assert_eq!(*value, 7);
    });
    assert_eq!(*made.lock(), 1);
    assert_eq!(cell.set(8), Err(8));
    assert_eq!(cell.get(), Some(&7));
}

#[test]
fn a_join_gives_the_result_or_the_panic() {
    let fine = thread::spawn("fine", || 3).unwrap();
    assert_eq!(fine.join().unwrap(), 3);
    let bad = thread::spawn("bad", || std::panic::resume_unwind(Box::new("on purpose")));
    let payload = bad.unwrap().join().unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"on purpose"));
}

#[test]
fn tasks_have_different_ids() {
    let here = thread::current();
    assert_eq!(here, thread::current());
    let there = thread::spawn("there", thread::current)
        .unwrap()
        .join()
        .unwrap();
    assert_ne!(here, there);
}
