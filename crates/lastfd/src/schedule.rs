//! What is to be done to the devices later, at a time or at an event, and the task that
//! does it.
//!
//! A listener may not call the model, so it only says what is due.

use std::collections::BTreeMap;
use std::io;

use lastfd_model::event::Listener;
use lastfd_model::{Event, EventKind, Subscription};
use lastfd_report::{Manner, RunEvent};
use lastfd_sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use lastfd_sync::thread::JoinHandle;
use lastfd_sync::{Arc, Cancel, Clock, Ktime, Mutex, WaitError, WaitQueue, wait_event};

use crate::belongings::Belongings;
#[cfg(feature = "devices")]
use crate::fault::Fault;
use crate::plugged::Plugged;
use crate::when::When;

/// What is to be done, and what has been.
pub(crate) struct Schedule {
    shared: Arc<Shared>,
    task: Mutex<Option<(JoinHandle<()>, Subscription)>>,
}

#[derive(Default)]
struct Shared {
    plans: Mutex<Vec<Plan>>,
    changed: WaitQueue,
    stop: Cancel,
    /// How many plans are due and not done. Counted up by whoever tells the event, before
    /// its teller goes on.
    due: AtomicUsize,
    done: WaitQueue,
    /// A removal took too long once: it may wait for the program.
    impatient: AtomicBool,
}

/// What is done.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    Remove(Manner),
    #[cfg(feature = "devices")]
    Fault(Fault),
}

impl Deed {
    fn carry_out(&self, target: &Plugged, cause: &str) {
        match self {
            Deed::Remove(manner) => target.remove(*manner, cause),
            #[cfg(feature = "devices")]
            Deed::Fault(fault) => target.fault_as_planned(fault, cause),
        }
    }
}

impl core::fmt::Display for Deed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Deed::Remove(manner) => manner.fmt(f),
            #[cfg(feature = "devices")]
            Deed::Fault(fault) => fault.fmt(f),
        }
    }
}

struct Plan {
    target: Plugged,
    deed: Deed,
    when: When,
    /// How often the event was seen.
    seen: u32,
    state: State,
    /// What it is about.
    of: Belongings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Due,
    /// It is being done.
    Begun,
    Done,
}

impl Schedule {
    pub(crate) fn new() -> Schedule {
        Schedule {
            shared: Arc::default(),
            task: Mutex::new(None),
        }
    }

    /// Plans a deed. `open` are the files that are open now, with their devices.
    pub(crate) fn add(
        &self,
        target: &Plugged,
        deed: Deed,
        when: When,
        open: &BTreeMap<u64, u64>,
    ) -> io::Result<()> {
        let system = target.system();
        self.shared.plans.lock().push(Plan {
            target: target.clone(),
            deed,
            when,
            seen: 0,
            state: State::Waiting,
            of: Belongings::now(target, open),
        });
        self.shared.changed.wake_all();
        let mut task = self.task.lock();
        if task.is_none() {
            let listener: Arc<dyn Listener> = Arc::new(Watch(Arc::clone(&self.shared)));
            let subscription = system.subscribe(listener);
            let (shared, clock) = (Arc::clone(&self.shared), system.clock().clone());
            let handle = system.clock().spawn("unplug", move || shared.run(&clock))?;
            *task = Some((handle, subscription));
        }
        Ok(())
    }

    /// Looks at what is planned for this device.
    #[cfg(feature = "iio")]
    pub(crate) fn plan_of(&self, target: &Plugged) -> PlanView {
        PlanView {
            shared: Arc::clone(&self.shared),
            target: target.clone(),
        }
    }

    /// Whether anything is or was planned for this device.
    #[cfg(feature = "iio")]
    pub(crate) fn knows(&self, target: &Plugged) -> bool {
        let plans = self.shared.plans.lock();
        plans.iter().any(|plan| plan.target.name() == target.name())
    }

    /// Whether something is due, or being done.
    #[cfg(feature = "iiod")]
    pub(crate) fn is_due(&self) -> bool {
        self.shared.due.load(Ordering::SeqCst) > 0
    }

    /// Woken when something that was due is done.
    #[cfg(feature = "iiod")]
    pub(crate) fn done(&self) -> &WaitQueue {
        &self.shared.done
    }

    /// Waits until all is done that is due by now. For whoever keeps a program from going
    /// on meanwhile.
    #[cfg(feature = "iiod")]
    pub(crate) fn settler(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.settle()
    }

    /// Does what is due, forgets the rest, and says what that was.
    pub(crate) fn stop(&self) -> Vec<RunEvent> {
        self.shared.stop.cancel();
        if let Some((task, subscription)) = self.task.lock().take() {
            // A driver's panic was caught where it happened; there is nothing to add.
            let _ = task.join();
            drop(subscription);
        }
        let plans = core::mem::take(&mut *self.shared.plans.lock());
        plans
            .into_iter()
            .filter(|plan| plan.state != State::Done)
            .map(|plan| RunEvent::RemovalMissed {
                name: plan.target.name().into(),
                what: plan.deed.to_string().into(),
                when: plan.when.to_string().into(),
                seen: plan.seen,
            })
            .collect()
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What is planned for one device.
#[cfg(feature = "iio")]
pub(crate) struct PlanView {
    shared: Arc<Shared>,
    target: Plugged,
}

#[cfg(feature = "iio")]
impl PlanView {
    /// Whether a removal is still to come, and if so, whether one is at a time.
    pub(crate) fn is_timed(&self) -> Option<bool> {
        let plans = self.shared.plans.lock();
        let ours = |plan: &&Plan| plan.target.name() == self.target.name();
        let open = plans.iter().filter(|plan| plan.state != State::Done);
        let timed = open
            .filter(ours)
            .map(|plan| matches!(plan.when, When::At(_)));
        timed.reduce(|a, b| a || b)
    }
}

/// What the task has to do next.
enum Next {
    Remove(usize, Plugged, Deed, String),
    Sleep(Option<Ktime>),
}

/// How long a program is kept waiting for a removal, which may wait for that very
/// program, as a driver's remove that waits for a release does.
#[cfg(feature = "iiod")]
const LONGEST: core::time::Duration = core::time::Duration::from_secs(2);

impl Shared {
    #[cfg(feature = "iiod")]
    fn settle(&self) {
        if self.due.load(Ordering::SeqCst) == 0 || self.impatient.load(Ordering::SeqCst) {
            return;
        }
        let clock = Clock::real();
        let deadline = clock.now().after(LONGEST);
        let stop = Some(&self.stop);
        let waited = wait_event(&[&self.done], &clock, Some(deadline), stop, || {
            (self.due.load(Ordering::SeqCst) == 0).then_some(())
        });
        // Either way the program goes on.
        if waited == Err(WaitError::TimedOut) {
            self.impatient.store(true, Ordering::SeqCst);
        }
    }

    fn run(&self, clock: &Clock) {
        loop {
            match self.next(clock.now()) {
                Next::Remove(index, target, deed, cause) => {
                    let counted = self.set(index, State::Begun) == State::Due;
                    deed.carry_out(&target, &cause);
                    self.set(index, State::Done);
                    if counted {
                        self.due.fetch_sub(1, Ordering::SeqCst);
                        self.done.wake_all();
                    }
                }
                Next::Sleep(deadline) => {
                    let queues = [&self.changed];
                    let waited = wait_event(&queues, clock, deadline, Some(&self.stop), || {
                        match self.next(clock.now()) {
                            Next::Remove(..) => Some(()),
                            Next::Sleep(until) => (until != deadline).then_some(()),
                        }
                    });
                    if waited == Err(WaitError::Cancelled) {
                        return;
                    }
                }
            }
        }
    }

    fn set(&self, index: usize, state: State) -> State {
        core::mem::replace(&mut self.plans.lock()[index].state, state)
    }

    fn next(&self, now: Ktime) -> Next {
        let plans = self.plans.lock();
        let mut soonest = None;
        for (index, plan) in plans.iter().enumerate() {
            let is_due = match (plan.state, &plan.when) {
                (State::Begun | State::Done, _) => false,
                (State::Due, _) => true,
                (State::Waiting, When::On { .. }) => false,
                (State::Waiting, When::At(time)) => {
                    let at = Ktime(0).after(*time);
                    if at > now {
                        soonest = Some(soonest.map_or(at, |other: Ktime| other.min(at)));
                    }
                    at <= now
                }
            };
            if is_due {
                let cause = match &plan.when {
                    When::At(_) => format!("at {}", plan.when),
                    When::On { .. } => format!("on {}", plan.when),
                };
                return Next::Remove(index, plan.target.clone(), plan.deed.clone(), cause);
            }
        }
        Next::Sleep(soonest)
    }
}

/// Counts events, and says what is due.
struct Watch(Arc<Shared>);

impl Listener for Watch {
    fn event(&self, event: &Event) {
        let mut plans = self.0.plans.lock();
        let mut due = 0;
        for plan in plans.iter_mut() {
            if plan.state == State::Waiting && plan.see(&event.kind) {
                due += 1;
            }
        }
        self.0.due.fetch_add(due, Ordering::SeqCst);
        drop(plans);
        if due > 0 {
            self.0.changed.wake_all();
        }
    }
}

impl Plan {
    /// Whether the event makes it due.
    fn see(&mut self, event: &EventKind) -> bool {
        let of_ours = self.of.concerns(event);
        let When::On { trigger, count } = &self.when else {
            return false;
        };
        if !of_ours || !trigger.matches(event) {
            return false;
        }
        self.seen += 1;
        if self.seen == *count {
            self.state = State::Due;
        }
        self.state == State::Due
    }
}
