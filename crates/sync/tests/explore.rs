//! The same primitives under the schedule explorer: planted faults are found and
//! replayed, and what is right passes.

use lastfd_sync::atomic::{AtomicBool, AtomicU32, Ordering};
use lastfd_sync::explore::{self, Recipe, check_pct, check_random, replay};
use lastfd_sync::gate::{Domain, Gate};
use lastfd_sync::{
    Arc, Cancel, Clock, Condvar, Ktime, Mutex, OnceLock, RwLock, WaitError, WaitQueue, Wake,
    thread, wait_event,
};
use std::time::Duration;

fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn("task", f).unwrap()
}

#[test]
fn outside_of_an_exploration_nothing_is_explored() {
    assert!(!explore::explored());
    check_random(1, 0, || assert!(explore::explored())).unwrap();
    assert!(!explore::explored());
}

/// Tests the flag first and joins the queue after: the wake may fall in between.
fn lost_wakeup() {
    struct Bell(Mutex<bool>, Condvar);
    impl Wake for Bell {
        fn wake(&self) {
            *self.0.lock() = true;
            self.1.notify_all();
        }
    }
    let (queue, flag) = (WaitQueue::new(), Arc::new(AtomicBool::new(false)));
    let (inner, set) = (queue.clone(), flag.clone());
    let waker = spawn(move || {
        set.store(true, Ordering::SeqCst);
        inner.wake_all();
    });
    if !flag.load(Ordering::SeqCst) {
        let bell = Arc::new(Bell(Mutex::new(false), Condvar::new()));
        let _entry = queue.add(bell.clone());
        let mut rung = bell.0.lock();
        while !*rung {
            rung = bell.1.wait(rung);
        }
    }
    waker.join().unwrap();
}

#[test]
fn a_lost_wakeup_is_found_and_replayed() {
    for found in [
        check_random(2000, 7, lost_wakeup),
        check_pct(2000, 3, 7, lost_wakeup),
    ] {
        let failure = found.unwrap_err();
        assert!(failure.message.contains("deadlock"), "{failure}");
        for _ in 0..3 {
            let again = replay(&failure.schedule, lost_wakeup).unwrap_err();
            assert_eq!(again.message, failure.message);
            assert_eq!(again.schedule, failure.schedule);
        }
    }
}

fn lock_order_reversed() {
    let locks = Arc::new((Mutex::new(()), RwLock::new(())));
    let other = locks.clone();
    let task = spawn(move || {
        let _second = other.1.write();
        let _first = other.0.lock();
    });
    {
        let _first = locks.0.lock();
        let _second = locks.1.read();
    }
    task.join().unwrap();
}

#[test]
fn a_deadlock_is_found_and_replayed_from_its_text() {
    let failure = check_random(2000, 3, lock_order_reversed).unwrap_err();
    assert!(failure.message.contains("deadlock"), "{failure}");
    let recipe: Recipe = failure.schedule.to_string().parse().unwrap();
    assert_eq!(recipe, failure.schedule);
    let again = replay(&recipe, lock_order_reversed).unwrap_err();
    assert_eq!(again.message, failure.message);
}

#[test]
fn the_same_seed_finds_the_same_schedule() {
    let first = check_random(2000, 11, lock_order_reversed).unwrap_err();
    let second = check_random(2000, 11, lock_order_reversed).unwrap_err();
    assert_eq!(first.schedule, second.schedule);
}

#[test]
fn a_text_that_is_no_schedule_is_refused() {
    for text in ["", "12", "zz:1", "1:a", "1:2x", "1:2xq", "1:0x99999999999"] {
        assert!(text.parse::<Recipe>().is_err(), "{text}");
    }
    assert_eq!(
        "1f:0x3.r.12".parse::<Recipe>().unwrap().to_string(),
        "1f:0x3.r.12"
    );
}

#[test]
fn locks_and_atomics_are_right_under_every_schedule_tried() {
    check_random(500, 1, || {
        let shared = Arc::new((
            Mutex::new(0),
            RwLock::new(0),
            AtomicU32::new(0),
            OnceLock::new(),
        ));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let shared = shared.clone();
                spawn(move || {
                    *shared.0.lock() += 1;
                    *shared.1.write() += 1;
                    assert!(*shared.1.read() >= 1);
                    shared.2.fetch_add(1, Ordering::Relaxed);
                    let value = *shared.3.get_or_init(|| {
                        thread::yield_now();
                        5
                    });
                    assert_eq!(value, 5);
                })
            })
            .collect();
        for task in tasks {
            task.join().unwrap();
        }
        assert_eq!(*shared.0.lock(), 3);
        assert_eq!(*shared.1.read(), 3);
        assert_eq!(shared.2.load(Ordering::Relaxed), 3);
    })
    .unwrap();
}

#[test]
fn an_increment_in_two_steps_is_found_out() {
    let body = || {
        let count = Arc::new(AtomicU32::new(0));
        let other = count.clone();
        let step = |count: &AtomicU32| {
            let seen = count.load(Ordering::SeqCst);
            count.store(seen + 1, Ordering::SeqCst);
        };
        let task = spawn(move || step(&other));
        step(&count);
        task.join().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2, "an increment was lost");
    };
    let failure = check_random(1000, 5, body).unwrap_err();
    assert!(
        failure.message.contains("an increment was lost"),
        "{failure}"
    );
}

#[test]
fn waits_and_cancels_never_hang() {
    check_random(500, 2, || {
        let (queue, ready) = (WaitQueue::new(), Arc::new(Mutex::new(0)));
        let cancel = Cancel::new();
        let clock = Clock::simulated();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let (queue, ready, cancel, clock) =
                    (queue.clone(), ready.clone(), cancel.clone(), clock.clone());
                spawn(move || {
                    wait_event(&[&queue], &clock, None, Some(&cancel), || {
                        let mut ready = ready.lock();
                        (*ready > 0).then(|| *ready -= 1)
                    })
                })
            })
            .collect();
        *ready.lock() += 1;
        queue.wake_all();
        cancel.cancel();
        let ended: Vec<_> = waiters
            .into_iter()
            .map(|waiter| waiter.join().unwrap())
            .collect();
        assert!(ended.iter().filter(|end| end.is_ok()).count() <= 1);
        assert!(ended.iter().all(|end| *end != Err(WaitError::TimedOut)));
        assert!(queue.is_empty());
    })
    .unwrap();
}

struct Device {
    gate: Gate,
    alive: AtomicBool,
}

#[test]
fn nobody_is_inside_a_gate_after_its_close() {
    let body = || {
        let device = Gate::new(&Domain::new());
        let device = Arc::new(Device {
            gate: device,
            alive: AtomicBool::new(true),
        });
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let device = device.clone();
                spawn(move || {
                    if let Some(_inside) = device.gate.enter() {
                        assert!(device.alive.load(Ordering::SeqCst));
                    }
                })
            })
            .collect();
        let other = device.clone();
        let closer = spawn(move || other.gate.close());
        let mine = device.gate.close();
        device.alive.store(false, Ordering::SeqCst);
        assert_ne!(closer.join().unwrap(), mine);
        for reader in readers {
            reader.join().unwrap();
        }
    };
    check_random(2000, 1, body).unwrap();
    check_pct(2000, 3, 1, body).unwrap();
}

#[test]
fn a_use_outside_of_the_gate_is_found_out() {
    let body = || {
        let device = Gate::new(&Domain::new());
        let device = Arc::new(Device {
            gate: device,
            alive: AtomicBool::new(true),
        });
        let other = device.clone();
        let reader = spawn(move || {
            // Looks, and does not stay inside.
            if other.gate.enter().is_some() {
                assert!(other.alive.load(Ordering::SeqCst), "used after the close");
            }
        });
        device.gate.close().unwrap();
        device.alive.store(false, Ordering::SeqCst);
        reader.join().unwrap();
    };
    let failure = check_random(2000, 1, body).unwrap_err();
    assert!(
        failure.message.contains("used after the close"),
        "{failure}"
    );
}

#[test]
fn simulated_time_is_the_same_under_every_schedule() {
    check_random(300, 9, || {
        // Even the real clock is simulated in here.
        let clock = Clock::real();
        assert!(clock.is_simulated());
        let order = Arc::new(Mutex::new(Vec::new()));
        let sleepers: Vec<_> = [30, 10, 20]
            .into_iter()
            .map(|time| {
                let (inner, order) = (clock.clone(), order.clone());
                let sleep = move || {
                    inner.sleep(Duration::from_millis(time), None).unwrap();
                    order.lock().push(inner.now().0 / 1_000_000);
                };
                clock.spawn("sleeper", sleep).unwrap()
            })
            .collect();
        let (fired, timed) = (order.clone(), clock.clone());
        let timer = clock.schedule(Ktime(15_000_000), move || {
            fired.lock().push(timed.now().0 / 1_000_000);
        });
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(*order.lock(), [10, 15, 20, 30]);
        assert_eq!(timer.cancel_sync(), Ok(false));
    })
    .unwrap();
}

#[test]
fn two_explorations_at_once_do_not_disturb_each_other_or_other_threads() {
    let threads: Vec<_> = (0..2)
        .map(|seed| {
            spawn(move || {
                check_random(200, seed, || {
                    let lock = Arc::new(Mutex::new(0));
                    let other = lock.clone();
                    let task = spawn(move || *other.lock() += 1);
                    *lock.lock() += 1;
                    task.join().unwrap();
                    assert_eq!(*lock.lock(), 2);
                })
            })
        })
        .collect();
    let lock = Arc::new(Mutex::new(0));
    let other = lock.clone();
    let task = spawn(move || (0..1000).for_each(|_| *other.lock() += 1));
    (0..1000).for_each(|_| *lock.lock() += 1);
    task.join().unwrap();
    assert_eq!(*lock.lock(), 2000);
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
}
