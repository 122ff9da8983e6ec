//! Time, simulated and real. No test sleeps: simulated time is moved, real time is
//! waited for as an event.

#![expect(
    clippy::disallowed_methods,
    reason = "one test waits in a way the crate cannot see"
)]

use lastfd_sync::{
    Arc, Cancel, Clock, InsideCallback, Ktime, Mutex, WaitError, WaitQueue, thread, wait_event,
};
use std::time::Duration;

const MS: u64 = 1_000_000;

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Collects what happened, with the time.
#[derive(Clone)]
struct Log {
    clock: Clock,
    lines: Arc<Mutex<Vec<(u64, &'static str)>>>,
}

impl Log {
    fn new(clock: &Clock) -> Log {
        Log {
            clock: clock.clone(),
            lines: Arc::default(),
        }
    }

    fn note(&self, what: &'static str) {
        let now = self.clock.now().0 / MS;
        self.lines.lock().push((now, what));
    }

    fn take(&self) -> Vec<(u64, &'static str)> {
        std::mem::take(&mut *self.lines.lock())
    }

    /// Schedules a note. The log holds the clock, so callbacks hold only its lines.
    fn schedule(&self, at: u64, what: &'static str) -> lastfd_sync::TimerHandle {
        let lines = self.lines.clone();
        self.clock
            .schedule(Ktime(at * MS), move || lines.lock().push((at, what)))
    }
}

#[test]
fn simulated_time_stands_still_while_somebody_runs() {
    let clock = Clock::simulated();
    assert_eq!(clock.now(), Ktime(0));
    let before = clock.realtime();
    clock.advance(ms(5));
    assert_eq!(clock.now(), Ktime(5 * MS));
    assert_eq!(clock.realtime() - before, 5 * MS);
    assert!(clock.is_simulated());
}

#[test]
fn timers_fire_by_deadline_and_then_by_creation() {
    let clock = Clock::simulated();
    let log = Log::new(&clock);
    log.schedule(20, "c");
    log.schedule(10, "a");
    log.schedule(10, "b");
    log.schedule(30, "d");
    clock.advance(ms(20));
    assert_eq!(log.take(), [(10, "a"), (10, "b"), (20, "c")]);
    clock.run_until_idle();
    assert_eq!(log.take(), [(30, "d")]);
    assert_eq!(clock.now(), Ktime(30 * MS));
}

#[test]
fn an_advance_includes_what_its_own_timers_schedule() {
    let clock = Clock::simulated();
    let fired = Arc::new(Mutex::new(0));
    fn tick(clock: &Clock, fired: &Arc<Mutex<u32>>) {
        let (again, count) = (clock.clone(), fired.clone());
        clock.schedule(clock.now().after(ms(10)), move || {
            *count.lock() += 1;
            tick(&again, &count);
        });
    }
    tick(&clock, &fired);
    clock.advance(ms(100));
    assert_eq!(*fired.lock(), 10);
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    let clock = Clock::simulated();
    let log = Log::new(&clock);
    let sleepers: Vec<_> = [(30, "slow"), (10, "fast"), (20, "middle")]
        .into_iter()
        .map(|(time, name)| {
            let log = log.clone();
            let sleep = move || {
                log.clock.sleep(ms(time), None).unwrap();
                log.note(name);
            };
            clock.spawn(name, sleep).unwrap()
        })
        .collect();
    for sleeper in sleepers {
        sleeper.join().unwrap();
    }
    assert_eq!(log.take(), [(10, "fast"), (20, "middle"), (30, "slow")]);
    assert_eq!(clock.now(), Ktime(30 * MS));
}

#[test]
fn a_woken_task_holds_time_up_from_the_wake_on() {
    for _ in 0..200 {
        let clock = Clock::simulated();
        let (queue, ready) = (WaitQueue::new(), Arc::new(Mutex::new(false)));
        let (inner_clock, inner_queue, inner_ready) = (clock.clone(), queue.clone(), ready.clone());
        let waiter = clock.spawn("waiter", move || {
            wait_event(&[&inner_queue], &inner_clock, None, None, || {
                inner_ready.lock().then_some(())
            })
            .unwrap();
            inner_clock.now()
        });
        clock.advance(ms(1));
        *ready.lock() = true;
        queue.wake_all();
        // If the wake did not count, time could move on before the waiter looks.
        clock.advance(ms(1));
        assert_eq!(waiter.unwrap().join().unwrap(), Ktime(MS));
    }
}

#[test]
fn a_task_that_waits_for_a_lock_does_not_stop_time() {
    let clock = Clock::simulated();
    let lock = Arc::new(Mutex::new(()));
    let (held, holder_clock) = (lock.clone(), clock.clone());
    let holding = WaitQueue::new();
    let (holds, is_held) = (holding.clone(), Arc::new(Mutex::new(false)));
    let tell = is_held.clone();
    let holder = clock.spawn("holder", move || {
        let _guard = held.lock();
        *tell.lock() = true;
        holds.wake_all();
        holder_clock.sleep(ms(50), None).unwrap();
    });
    wait_event(&[&holding], &clock, None, None, || {
        is_held.lock().then_some(())
    })
    .unwrap();
    drop(lock.lock());
    assert_eq!(clock.now(), Ktime(50 * MS));
    holder.unwrap().join().unwrap();
}

#[test]
fn a_deadline_ends_a_wait_and_the_event_counts_first() {
    let clock = Clock::simulated();
    let queue = WaitQueue::new();
    let wait = wait_event(&[&queue], &clock, Some(Ktime(3 * MS)), None, || None::<()>);
    assert_eq!(wait, Err(WaitError::TimedOut));
    assert_eq!(clock.now(), Ktime(3 * MS));
    assert!(queue.is_empty());
    let late = wait_event(&[&queue], &clock, Some(Ktime(0)), None, || Some(1));
    assert_eq!(late, Ok(1));
}

#[test]
fn a_cancel_ends_waits_and_sleeps_now_and_later() {
    let clock = Clock::simulated();
    let cancel = Cancel::new();
    let (sleeper_clock, sleeper_cancel) = (clock.clone(), cancel.clone());
    let sleeper = clock.spawn("sleeper", move || {
        sleeper_clock.sleep(ms(1000), Some(&sleeper_cancel))
    });
    clock.advance(ms(10));
    cancel.cancel();
    assert_eq!(sleeper.unwrap().join().unwrap(), Err(WaitError::Cancelled));
    assert_eq!(clock.now(), Ktime(10 * MS));
    assert_eq!(clock.sleep(ms(1), Some(&cancel)), Err(WaitError::Cancelled));
    assert!(cancel.queue().is_empty());
}

#[test]
fn a_cancelled_timer_does_not_fire_and_a_fired_one_cannot_be_cancelled() {
    let clock = Clock::simulated();
    let log = Log::new(&clock);
    let (kept, dropped) = (log.schedule(10, "kept"), log.schedule(10, "dropped"));
    assert!(dropped.cancel());
    assert!(!dropped.cancel());
    assert!(kept.is_pending());
    clock.advance(ms(10));
    assert_eq!(log.take(), [(10, "kept")]);
    assert!(!kept.cancel());
    assert_eq!(kept.cancel_sync(), Ok(false));
}

#[test]
fn cancel_sync_waits_for_the_callback_that_runs() {
    for clock in [Clock::simulated(), Clock::real()] {
        let log = Log::new(&clock);
        let (inside, started) = (WaitQueue::new(), Arc::new(Mutex::new(false)));
        let (queue, flag, notes) = (inside.clone(), started.clone(), log.lines.clone());
        let callback_clock = clock.clone();
        let timer = clock.schedule(clock.now(), move || {
            *flag.lock() = true;
            queue.wake_all();
            let later = callback_clock.now().after(ms(2));
            let waited = wait_event(&[], &callback_clock, Some(later), None, || None::<()>);
            assert_eq!(waited, Err(WaitError::TimedOut));
            notes.lock().push((0, "done"));
        });
        wait_event(&[&inside], &clock, None, None, || {
            started.lock().then_some(())
        })
        .unwrap();
        assert_eq!(timer.cancel_sync(), Ok(false));
        assert_eq!(log.take(), [(0, "done")]);
    }
}

#[test]
fn cancel_sync_from_the_callback_itself_is_an_error() {
    for clock in [Clock::simulated(), Clock::real()] {
        let answer = Arc::new(Mutex::new(None));
        let handle = Arc::new(Mutex::new(None::<lastfd_sync::TimerHandle>));
        let (queue, inner, own) = (WaitQueue::new(), answer.clone(), handle.clone());
        let woken = queue.clone();
        let mut slot = handle.lock();
        *slot = Some(clock.schedule(clock.now(), move || {
            let timer = own.lock().take();
            *inner.lock() = timer.map(|timer| timer.cancel_sync());
            woken.wake_all();
        }));
        drop(slot);
        let got = wait_event(&[&queue], &clock, None, None, || answer.lock().take());
        assert_eq!(got, Ok(Err(InsideCallback)));
    }
}

#[test]
fn a_callback_that_blocks_delays_the_others_but_not_time() {
    let clock = Clock::simulated();
    let log = Log::new(&clock);
    let (callback_clock, notes) = (clock.clone(), log.lines.clone());
    clock.schedule(Ktime(10 * MS), move || {
        callback_clock.sleep(ms(50), None).unwrap();
        notes.lock().push((callback_clock.now().0 / MS, "slow"));
    });
    let (callback_clock, notes) = (clock.clone(), log.lines.clone());
    clock.schedule(Ktime(20 * MS), move || {
        notes.lock().push((callback_clock.now().0 / MS, "late"));
    });
    clock.advance(ms(100));
    assert_eq!(log.take(), [(60, "slow"), (60, "late")]);
}

#[test]
fn a_callback_that_panics_ends_alone() {
    let clock = Clock::simulated();
    let log = Log::new(&clock);
    clock.schedule(Ktime(MS), || {
        std::panic::resume_unwind(Box::new("on purpose"))
    });
    log.schedule(2, "next");
    clock.run_until_idle();
    assert_eq!(log.take(), [(2, "next")]);
}

#[test]
fn two_clocks_of_one_task_both_go_on_while_it_waits() {
    let (one, two) = (Clock::simulated(), Clock::simulated());
    let sleeper_clock = two.clone();
    let sleeper = two
        .spawn("sleeper", move || sleeper_clock.sleep(ms(10), None))
        .unwrap();
    one.advance(ms(5));
    sleeper.join().unwrap().unwrap();
    assert_eq!((one.now(), two.now()), (Ktime(5 * MS), Ktime(10 * MS)));
}

#[test]
fn a_task_that_did_not_make_the_clock_can_drive_it() {
    let clock = thread::spawn("maker", Clock::simulated)
        .unwrap()
        .join()
        .unwrap();
    let log = Log::new(&clock);
    log.schedule(10, "first");
    log.schedule(1000, "not yet");
    clock.advance(ms(20));
    assert_eq!(log.take(), [(10, "first")]);
    assert_eq!(clock.now(), Ktime(20 * MS));
    clock.sleep(ms(5), None).unwrap();
    assert_eq!(clock.now(), Ktime(25 * MS));
}

#[test]
fn a_wait_outside_of_the_crate_counts_as_waiting() {
    let clock = Clock::simulated();
    let (told, hear) = std::sync::mpsc::channel();
    let sleeper_clock = clock.clone();
    let sleeper = clock.spawn("sleeper", move || {
        sleeper_clock.sleep(ms(10), None).unwrap();
        told.send(sleeper_clock.now()).unwrap();
    });
    assert_eq!(thread::wait_outside(|| hear.recv()), Ok(Ktime(10 * MS)));
    sleeper.unwrap().join().unwrap();
}

#[test]
fn callbacks_left_when_the_last_handle_goes_are_dropped_unrun() {
    struct OnDrop(Arc<Mutex<bool>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            *self.0.lock() = true;
        }
    }
    for clock in [Clock::simulated(), Clock::real()] {
        let dropped = Arc::new(Mutex::new(false));
        let on_drop = OnDrop(dropped.clone());
        let hour = clock.now().after(Duration::from_secs(3600));
        let timer = clock.schedule(hour, move || {
            let _on_drop = on_drop;
            unreachable!("nobody waits for an hour");
        });
        drop(clock);
        assert!(*dropped.lock());
        assert!(!timer.cancel());
    }
}

#[test]
fn real_time_moves_and_ends_waits_by_itself() {
    let clock = Clock::real();
    let before = clock.now();
    clock.sleep(Duration::from_micros(300), None).unwrap();
    assert!(clock.now() >= before.after(Duration::from_micros(300)));
    assert!(clock.realtime() > 1_700_000_000_000_000_000);
    let (queue, order) = (WaitQueue::new(), Arc::new(Mutex::new(Vec::new())));
    let base = clock.now();
    for (after, name) in [(400, "second"), (100, "first")] {
        let (queue, order) = (queue.clone(), order.clone());
        clock.schedule(base.after(Duration::from_micros(after)), move || {
            order.lock().push(name);
            queue.wake_all();
        });
    }
    let both = || (order.lock().len() == 2).then_some(());
    wait_event(&[&queue], &clock, None, None, both).unwrap();
    assert_eq!(*order.lock(), ["first", "second"]);
}
