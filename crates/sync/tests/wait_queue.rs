//! Wait queues and waits on real threads.

use lastfd_sync::{
    Arc, Cancel, Clock, Mutex, WaitEntry, WaitError, WaitQueue, Wake, thread, wait_event,
};

/// Notes its name when woken.
struct Note {
    name: &'static str,
    notes: Arc<Mutex<Vec<&'static str>>>,
}

impl Wake for Note {
    fn wake(&self) {
        self.notes.lock().push(self.name);
    }
}

fn add(queue: &WaitQueue, notes: &Arc<Mutex<Vec<&'static str>>>, name: &'static str) -> WaitEntry {
    queue.add(Arc::new(Note {
        name,
        notes: notes.clone(),
    }))
}

#[test]
fn all_are_woken_in_the_order_they_came() {
    let (queue, notes) = (WaitQueue::new(), Arc::default());
    let _entries = ["a", "b", "c"].map(|name| add(&queue, &notes, name));
    queue.wake_all();
    assert_eq!(*notes.lock(), ["a", "b", "c"]);
}

#[test]
fn one_at_a_time_is_each_in_turn() {
    let (queue, notes) = (WaitQueue::new(), Arc::default());
    let [a, b, c] = ["a", "b", "c"].map(|name| add(&queue, &notes, name));
    for _ in 0..2 {
        queue.wake_one();
    }
    drop(b);
    for _ in 0..3 {
        queue.wake_one();
    }
    assert_eq!(*notes.lock(), ["a", "b", "c", "a", "c"]);
    drop((a, c));
    queue.wake_one();
    assert!(queue.is_empty());
}

#[test]
fn a_dropped_entry_is_not_called_and_is_gone() {
    let (queue, notes) = (WaitQueue::new(), Arc::default());
    let entry = add(&queue, &notes, "gone");
    assert_eq!(queue.len(), 1);
    drop(entry);
    assert_eq!(queue.len(), 0);
    queue.wake_all();
    assert!(notes.lock().is_empty());
}

#[test]
fn a_waker_may_use_the_queue_that_calls_it() {
    struct Again(WaitQueue, Mutex<Option<WaitEntry>>);
    impl Wake for Again {
        fn wake(&self) {
            // Leaves, and comes back: not to be called again by this wake.
            let own = self.1.lock().take();
            drop(own);
            let entry = self
                .0
                .add(Arc::new(Again(self.0.clone(), Mutex::new(None))));
            *self.1.lock() = Some(entry);
        }
    }
    let queue = WaitQueue::new();
    let waker = Arc::new(Again(queue.clone(), Mutex::new(None)));
    *waker.1.lock() = Some(queue.add(waker.clone()));
    queue.wake_all();
    assert_eq!(queue.len(), 1);
    *waker.1.lock() = None;
    assert!(queue.is_empty());
}

#[test]
fn no_wake_is_lost_between_test_and_sleep() {
    let clock = Clock::real();
    let ball = Arc::new(Mutex::new(0_u32));
    let (there, back) = (WaitQueue::new(), WaitQueue::new());
    let play =
        |mine: u32, clock: Clock, ball: Arc<Mutex<u32>>, hear: WaitQueue, tell: WaitQueue| {
            move || {
                for round in 0..5000 {
                    wait_event(&[&hear], &clock, None, None, || {
                        let mut ball = ball.lock();
                        (*ball == 2 * round + mine).then(|| *ball += 1)
                    })
                    .unwrap();
                    tell.wake_all();
                }
            }
        };
    let other = play(1, clock.clone(), ball.clone(), there.clone(), back.clone());
    let other = thread::spawn("other", other).unwrap();
    play(0, clock, ball.clone(), back, there)();
    other.join().unwrap();
    assert_eq!(*ball.lock(), 10_000);
}

#[test]
fn any_of_several_queues_ends_a_wait() {
    let clock = Clock::real();
    let queues = [WaitQueue::new(), WaitQueue::new(), WaitQueue::new()];
    for which in 0..3 {
        let state = Arc::new(Mutex::new(false));
        let (queue, shared) = (queues[which].clone(), state.clone());
        let waker = thread::spawn("waker", move || {
            *shared.lock() = true;
            queue.wake_all();
        });
        let [a, b, c] = &queues;
        wait_event(&[a, b, c], &clock, None, None, || {
            state.lock().then_some(())
        })
        .unwrap();
        waker.unwrap().join().unwrap();
    }
    assert!(queues.iter().all(WaitQueue::is_empty));
}

#[test]
fn a_cancel_from_another_thread_ends_a_wait() {
    let (queue, cancel) = (WaitQueue::new(), Cancel::new());
    let other = cancel.clone();
    let canceller = thread::spawn("canceller", move || other.cancel());
    let wait = wait_event(
        &[&queue],
        &Clock::real(),
        None,
        Some(&cancel),
        || None::<()>,
    );
    assert_eq!(wait, Err(WaitError::Cancelled));
    assert!(cancel.is_cancelled());
    canceller.unwrap().join().unwrap();
}
