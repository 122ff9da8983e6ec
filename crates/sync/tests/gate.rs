//! The gate on real threads, with both kinds of fences.

#![expect(
    clippy::disallowed_macros,
    reason = "one test is about a thread's own locals"
)]

use lastfd_sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use lastfd_sync::gate::{CloseError, Domain, Gate};
use lastfd_sync::{Arc, Clock, Mutex, WaitQueue, thread, wait_event};
use std::cell::RefCell;

fn domains() -> [Domain; 2] {
    [Domain::new(), Domain::without_membarrier()]
}

/// Something one thread waits for and another lets happen.
#[derive(Clone, Default)]
struct Flag {
    set: Arc<AtomicBool>,
    queue: WaitQueue,
}

impl Flag {
    fn set(&self) {
        self.set.store(true, Ordering::SeqCst);
        self.queue.wake_all();
    }

    fn wait(&self) {
        let set = || self.set.load(Ordering::SeqCst).then_some(());
        wait_event(&[&self.queue], &Clock::real(), None, None, set).unwrap();
    }
}

#[test]
fn a_closed_gate_lets_nobody_in() {
    for domain in domains() {
        let gate = Gate::new(&domain);
        assert!(gate.enter().is_some());
        assert!(!gate.is_closed());
        assert_eq!(gate.close(), Ok(true));
        assert!(gate.is_closed());
        assert!(gate.enter().is_none());
        assert_eq!(gate.close(), Ok(false));
    }
}

#[test]
fn a_close_waits_for_those_inside_and_a_second_close_too() {
    for domain in domains() {
        let gate = Arc::new(Gate::new(&domain));
        let (entered, leave) = (Flag::default(), Flag::default());
        let out = Arc::new(AtomicBool::new(false));
        let reader = {
            let (gate, entered, leave, out) =
                (gate.clone(), entered.clone(), leave.clone(), out.clone());
            thread::spawn("reader", move || {
                let inside = gate.enter().unwrap();
                entered.set();
                leave.wait();
                out.store(true, Ordering::SeqCst);
                drop(inside);
            })
            .unwrap()
        };
        entered.wait();
        let closers: Vec<_> = (0..2)
            .map(|_| {
                let (gate, out) = (gate.clone(), out.clone());
                let close = move || (gate.close().unwrap(), out.load(Ordering::SeqCst));
                thread::spawn("closer", close).unwrap()
            })
            .collect();
        while !gate.is_closed() {
            thread::yield_now();
        }
        leave.set();
        let results: Vec<_> = closers
            .into_iter()
            .map(|closer| closer.join().unwrap())
            .collect();
        assert!(results.iter().all(|(_, reader_was_out)| *reader_was_out));
        assert_eq!(results.iter().filter(|(first, _)| *first).count(), 1);
        reader.join().unwrap();
    }
}

#[test]
fn a_close_from_inside_the_domain_is_an_error_and_changes_nothing() {
    for domain in domains() {
        let (gate, other) = (Gate::new(&domain), Gate::new(&domain));
        let outer = gate.enter().unwrap();
        let inner = gate.enter().unwrap();
        drop(outer);
        assert_eq!(other.close(), Err(CloseError::FromInside));
        assert_eq!(gate.close(), Err(CloseError::FromInside));
        assert!(!gate.is_closed() && !other.is_closed());
        drop(inner);
        assert_eq!(other.close(), Ok(true));
        let elsewhere = Gate::new(&Domain::new());
        let _inside = elsewhere.enter().unwrap();
        assert_eq!(gate.close(), Ok(true));
    }
}

#[test]
fn a_close_does_not_wait_for_those_that_come_after_it() {
    for domain in domains() {
        let (closed, busy) = (Gate::new(&domain), Arc::new(Gate::new(&domain)));
        let (stop, turns) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let reader = {
            let (busy, stop, turns) = (busy.clone(), stop.clone(), turns.clone());
            thread::spawn("busy", move || {
                // Always inside, but each time anew: the next section begins where the
                // last ends.
                while !stop.load(Ordering::Relaxed) {
                    drop(busy.enter());
                    turns.fetch_add(1, Ordering::Relaxed);
                }
            })
            .unwrap()
        };
        while turns.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        assert_eq!(closed.close(), Ok(true));
        stop.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    }
}

#[test]
fn nobody_touches_what_is_freed_after_a_close() {
    for domain in domains() {
        for _ in 0..300 {
            let gate = Arc::new(Gate::new(&domain));
            let alive = Arc::new(AtomicBool::new(true));
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let (gate, alive) = (gate.clone(), alive.clone());
                    let read = move || {
                        while let Some(_inside) = gate.enter() {
                            assert!(alive.load(Ordering::Relaxed));
                        }
                    };
                    thread::spawn("reader", read).unwrap()
                })
                .collect();
            assert_eq!(gate.close(), Ok(true));
            alive.store(false, Ordering::Relaxed);
            for reader in readers {
                reader.join().unwrap();
            }
        }
    }
}

#[test]
fn thousands_of_short_threads_share_a_few_slots() {
    for domain in domains() {
        let gate = Arc::new(Gate::new(&domain));
        for _ in 0..1000 {
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let gate = gate.clone();
                    thread::spawn("short", move || assert!(gate.enter().is_some())).unwrap()
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
        }
        assert!(domain.slots() <= 3, "{} slots", domain.slots());
        assert_eq!(gate.close(), Ok(true));
    }
}

#[test]
fn many_domains_of_one_thread_do_not_mix() {
    let gates: Vec<_> = (0..50).map(|_| Gate::new(&Domain::new())).collect();
    let inside: Vec<_> = gates.iter().map(|gate| gate.enter().unwrap()).collect();
    assert!(
        gates
            .iter()
            .all(|gate| gate.close() == Err(CloseError::FromInside))
    );
    drop(inside);
    assert!(gates.iter().all(|gate| gate.close() == Ok(true)));
}

static SEEN: AtomicUsize = AtomicUsize::new(0);

struct AtEnd(Arc<Gate>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        if let Some(_inside) = self.0.enter() {
            SEEN.fetch_add(1, Ordering::SeqCst);
        }
    }
}

thread_local! {
    static AT_END: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
}

#[test]
fn a_gate_can_be_used_while_a_thread_ends() {
    let domain = Domain::new();
    let gate = Arc::new(Gate::new(&domain));
    for _ in 0..20 {
        let gate = gate.clone();
        let end = thread::spawn("ends", move || {
            // Made before the gate's own locals, so dropped after them.
            AT_END.set(Some(AtEnd(gate.clone())));
            drop(gate.enter());
        });
        end.unwrap().join().unwrap();
    }
    assert_eq!(SEEN.load(Ordering::SeqCst), 20);
    assert!(domain.slots() <= 2, "{} slots", domain.slots());
    assert_eq!(gate.close(), Ok(true));
}

#[test]
fn a_closer_that_waits_lets_simulated_time_go_on() {
    let clock = Clock::simulated();
    let gate = Arc::new(Gate::new(&Domain::new()));
    let entered = WaitQueue::new();
    let is_in = Arc::new(Mutex::new(false));
    let reader = {
        let (gate, clock, entered, is_in) =
            (gate.clone(), clock.clone(), entered.clone(), is_in.clone());
        clock.clone().spawn("reader", move || {
            let _inside = gate.enter().unwrap();
            *is_in.lock() = true;
            entered.wake_all();
            clock
                .sleep(std::time::Duration::from_millis(7), None)
                .unwrap();
        })
    };
    wait_event(&[&entered], &clock, None, None, || {
        is_in.lock().then_some(())
    })
    .unwrap();
    assert_eq!(gate.close(), Ok(true));
    assert_eq!(clock.now().0, 7_000_000);
    reader.unwrap().join().unwrap();
}
