//! The same primitives under the schedule explorer: planted faults are found and
//! replayed, and what is right passes.

use lastfd_sync::atomic::{AtomicBool, AtomicU32, Ordering};
use lastfd_sync::explore::{
    self, FailureKind, Recipe, Search, Strategy, check_pct, check_random, replay, search,
};
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
    for text in ["", "a", "1f:1", "2x", "2xq", "0x99999999999", "1..2"] {
        assert!(text.parse::<Recipe>().is_err(), "{text}");
    }
    assert_eq!(
        "0x3.2.12".parse::<Recipe>().unwrap().to_string(),
        "0x3.2.12"
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

fn within(bound: usize, schedules: usize) -> Search {
    Search {
        strategy: Strategy::Bounded { bound },
        schedules,
        patience: Duration::from_secs(60),
        ..Search::default()
    }
}

#[test]
fn a_bounded_search_is_exhausted_and_finds_with_as_few_preemptions_as_can_be() {
    let none = search(&within(0, 10_000), lost_wakeup);
    assert!(none.failure.is_none());
    assert_eq!(none.exhausted, Some(0));
    let found = search(&within(2, 10_000), lost_wakeup).failure.unwrap();
    assert_eq!((found.kind, found.preemptions), (FailureKind::Deadlock, 1));
    let again = replay(&found.schedule, lost_wakeup).unwrap_err();
    assert_eq!((again.kind, again.message), (found.kind, found.message));

    let body = || {
        let lock = Arc::new(Mutex::new(0));
        let other = lock.clone();
        let task = spawn(move || *other.lock() += 1);
        *lock.lock() += 1;
        task.join().unwrap();
        assert_eq!(*lock.lock(), 2);
    };
    let all = search(&within(3, 100_000), body);
    assert!(all.failure.is_none());
    assert_eq!(all.exhausted, Some(3));
    let some = search(&within(3, all.schedules - 1), body);
    assert_eq!(some.exhausted, Some(2));
}

#[test]
fn a_body_says_itself_that_a_schedule_is_the_one() {
    let body = || {
        let flag = Arc::new(AtomicBool::new(false));
        let other = flag.clone();
        let task = spawn(move || other.store(true, Ordering::SeqCst));
        if !flag.load(Ordering::SeqCst) {
            explore::fail("seen before it was set");
        }
        task.join().unwrap();
    };
    let found = search(&within(1, 1000), body).failure.unwrap();
    assert_eq!(found.kind, FailureKind::Failed);
    assert_eq!(found.message, "seen before it was set");
}

#[test]
fn what_runs_uninterrupted_is_one_step() {
    let body = || {
        let count = Arc::new(AtomicU32::new(0));
        let step = |count: &AtomicU32| {
            explore::uninterrupted(|| {
                let seen = count.load(Ordering::SeqCst);
                count.store(seen + 1, Ordering::SeqCst);
            });
        };
        let other = count.clone();
        let task = spawn(move || step(&other));
        step(&count);
        task.join().unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    };
    let all = search(&within(3, 100_000), body);
    assert!(all.failure.is_none(), "{all:?}");
    assert_eq!(all.exhausted, Some(3));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "what a body must not use, used in one"
)]
fn a_body_that_cannot_be_explored_is_told_what_it_does_wrong() {
    let refused = |plan: &Search, body: Box<dyn Fn() + Send + Sync>| {
        let failure = search(plan, body).failure.unwrap();
        (failure.kind, failure.message)
    };
    let plan = within(1, 100);
    let real = Clock::real();
    let (kind, said) = refused(
        &plan,
        Box::new(move || {
            real.now();
        }),
    );
    assert_eq!(kind, FailureKind::Misuse);
    assert!(said.contains("Clock::now of a real clock"), "{said}");

    // A thread that nobody told the exploration of.
    let outside = || {
        let clock = Clock::simulated();
        let thread = std::thread::spawn(move || clock.now());
        drop(thread.join());
    };
    let (kind, said) = refused(&plan, Box::new(outside));
    assert_eq!(kind, FailureKind::Misuse);
    assert!(said.contains("Clock::now of a simulated clock"), "{said}");

    // A channel is not modelled.
    let impatient = Search {
        patience: Duration::from_millis(200),
        ..plan.clone()
    };
    let (held, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = std::sync::Mutex::new(blocked);
    let channel = move || {
        let _open = &held;
        let task = thread::spawn("listener", || {});
        task.unwrap().join().unwrap();
        let _ = blocked.lock().unwrap().recv();
    };
    let (kind, said) = refused(&impatient, Box::new(channel));
    assert_eq!(kind, FailureKind::Stalled);
    assert!(
        said.contains("'the body' did not come to its next step in 0.2 s"),
        "{said}"
    );

    let runs = AtomicU32::new(0);
    let (kind, said) = refused(
        &plan,
        Box::new(move || {
            // Shared with the next execution.
            let run = runs.fetch_add(1, Ordering::SeqCst);
            let lock = Arc::new(Mutex::new(()));
            let other = lock.clone();
            let task = spawn(move || drop(other.lock()));
            (0..9 * u32::from(run == 0)).for_each(|_| drop(lock.lock()));
            task.join().unwrap();
        }),
    );
    assert_eq!(kind, FailureKind::Misuse, "{said}");
    assert!(said.contains("not deterministic"), "{said}");
}

#[test]
fn a_recipe_of_another_body_is_refused() {
    let failure = check_random(2000, 3, lock_order_reversed).unwrap_err();
    let other = replay(&failure.schedule, || {
        drop(spawn(|| {}).join());
    });
    assert_eq!(other.unwrap_err().kind, FailureKind::Strayed);
    for recipe in ["0", "7x3"] {
        let strayed = replay(&recipe.parse().unwrap(), lock_order_reversed).unwrap_err();
        assert_eq!(strayed.kind, FailureKind::Strayed, "{strayed}");
    }
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
