//! What drivers hold: when it acts, and what is told of it.

use core::time::Duration;

use lastfd_model::event::{ResourceStep, SplatKind};
use lastfd_model::resource::*;
use lastfd_model::{EventKind, Recording, System};
use lastfd_sync::atomic::{AtomicU32, Ordering};
use lastfd_sync::{Arc, Clock, OnceLock};

const MS: Duration = Duration::from_millis(1);

fn simulated() -> System {
    System::builder().clock(Clock::simulated()).build()
}

fn steps(events: &Recording) -> Vec<ResourceStep> {
    let step = |kind: &EventKind| match kind {
        EventKind::Resource { step, .. } => Some(*step),
        _ => None,
    };
    events
        .events()
        .iter()
        .filter_map(|e| step(&e.kind))
        .collect()
}

fn splats(events: &Recording) -> Vec<SplatKind> {
    let splat = |kind: &EventKind| match kind {
        EventKind::Splat { kind, .. } => Some(*kind),
        _ => None,
    };
    events
        .events()
        .iter()
        .filter_map(|e| splat(&e.kind))
        .collect()
}

fn counting(count: &Arc<AtomicU32>, next: Next) -> impl Fn() -> Next + Send + Sync + 'static {
    let count = Arc::clone(count);
    move || {
        count.fetch_add(1, Ordering::Relaxed);
        next
    }
}

#[test]
fn a_timer_that_goes_on_fires_at_every_period_until_cancelled() {
    let system = simulated();
    let events = system.record();
    let fired = Arc::new(AtomicU32::new(0));
    let timer = Timer::new(&system, None, "tick", counting(&fired, Next::After(MS)));
    timer.start(MS);
    system.clock().advance(10 * MS);
    assert_eq!(fired.load(Ordering::Relaxed), 10);
    assert!(timer.cancel());
    system.clock().advance(10 * MS);
    assert_eq!(fired.load(Ordering::Relaxed), 10);
    assert!(!timer.cancel());
    drop(Owned::new(timer));
    let steps = steps(&events);
    assert_eq!(steps[..2], [ResourceStep::Created, ResourceStep::Started]);
    // Each expiry returns, and starts it again.
    assert_eq!(steps.len(), 2 + 10 * 3 + 2);
    assert_eq!(steps[32..], [ResourceStep::Cancelled, ResourceStep::Freed]);
}

#[test]
fn a_timer_that_nobody_cancelled_is_a_splat_when_it_fires_after_its_end() {
    let system = simulated();
    let events = system.record();
    let fired = Arc::new(AtomicU32::new(0));
    let timer = Timer::new(&system, None, "tick", counting(&fired, Next::Stop));
    timer.start(MS);
    timer.free();
    system.clock().advance(MS);
    assert_eq!(splats(&events), [SplatKind::UseAfterFree]);
}

#[test]
fn a_timer_cancelled_from_its_own_callback_is_a_splat_and_stops() {
    let system = simulated();
    let events = system.record();
    let own: Arc<OnceLock<Timer>> = Arc::default();
    let inner = Arc::clone(&own);
    let timer = Timer::new(&system, None, "tick", move || {
        inner.get().unwrap().cancel();
        Next::After(MS)
    });
    own.set(timer.clone()).unwrap();
    timer.start(MS);
    system.clock().advance(5 * MS);
    assert_eq!(splats(&events), [SplatKind::Deadlock]);
    assert!(!timer.is_active());
}

#[test]
fn delayed_work_runs_once_per_queueing_and_a_cancel_waits_for_it() {
    let system = simulated();
    let runs = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&runs);
    let work = DelayedWork::new(&system, None, "poll", move || {
        count.fetch_add(1, Ordering::Relaxed);
    });
    assert!(work.schedule(MS));
    assert!(!work.schedule(MS), "it is pending already");
    system.clock().sleep(2 * MS, None).unwrap();
    work.cancel_sync();
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert!(work.schedule(MS));
    assert!(work.cancel());
    system.clock().sleep(2 * MS, None).unwrap();
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    work.disable_sync();
    assert!(!work.schedule(MS));
}

#[test]
fn work_that_queues_itself_does_not_survive_cancel_sync() {
    let system = simulated();
    let own: Arc<OnceLock<DelayedWork>> = Arc::default();
    let inner = Arc::clone(&own);
    let work = DelayedWork::new(&system, None, "again", move || {
        inner.get().unwrap().schedule(MS);
    });
    own.set(work.clone()).unwrap();
    work.schedule(MS);
    system.clock().sleep(10 * MS, None).unwrap();
    work.cancel_sync();
    assert!(!work.is_pending());
}

#[test]
fn a_kernel_thread_sleeps_until_it_is_stopped() {
    let system = simulated();
    let turns = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&turns);
    let thread = Kthread::run(&system, None, "sampler", move |control| {
        while control.sleep(MS) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    })
    .unwrap();
    system.clock().sleep(10 * MS, None).unwrap();
    drop(Owned::new(thread));
    assert!((9..=10).contains(&turns.load(Ordering::Relaxed)));
}

#[test]
fn a_kernel_thread_that_is_stopped_before_it_was_woken_never_runs() {
    let system = simulated();
    let events = system.record();
    let body = |_: &KthreadControl| panic!("it runs");
    let thread = Kthread::create(&system, None, "sampler", body).unwrap();
    thread.stop();
    thread.wake_up().unwrap();
    thread.free();
    use ResourceStep::{Cancelled, Created, Fired, Freed, Returned};
    assert_eq!(steps(&events), [Created, Cancelled, Freed]);
    assert!(splats(&events).is_empty());

    let events = system.record();
    let thread = Kthread::create(&system, None, "sampler", |_| {}).unwrap();
    thread.wake_up().unwrap();
    thread.wake_up().unwrap();
    thread.stop();
    thread.free();
    let ran = [Created, Fired, Returned, Cancelled, Freed];
    assert_eq!(steps(&events), ran);
}

#[test]
fn a_freed_interrupt_is_not_called_any_more() {
    let system = simulated();
    let line = IrqLine::new(&system, "gpio4");
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    let handler = move || {
        count.fetch_add(1, Ordering::Relaxed);
        IrqReturn::Handled
    };
    let irq = request_irq(&line, None, "sensor", false, handler).unwrap();
    let second = request_irq(&line, None, "other", true, || IrqReturn::None);
    assert_eq!(second.unwrap_err(), lastfd_model::Errno::EBUSY);
    assert!(line.raise());
    free_irq(&irq);
    assert!(!line.raise());
    assert_eq!((calls.load(Ordering::Relaxed), line.spurious()), (1, 1));
}

#[test]
fn registers_give_all_ones_once_the_hardware_is_gone() {
    let system = simulated();
    let events = system.record();
    let block = RegisterBlock::memory(8);
    let regs = block.map(&system, None, "csr");
    regs.write(4, 7);
    assert_eq!((regs.read(0), regs.read(4)), (0, 7));
    block.remove();
    assert_eq!(regs.read(4), u32::MAX);
    regs.free();
    regs.read(4);
    regs.read(6);
    assert_eq!(
        splats(&events),
        [
            SplatKind::UseAfterFree,
            SplatKind::UseAfterFree,
            SplatKind::Bug
        ]
    );
}
