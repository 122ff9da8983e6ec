//! What a body works with.

use core::fmt;

use lastfd_model::raw::{Device, platform_device_unregister};
use lastfd_model::{Event, Listener, Rules, Subscription, System, Variant};
use lastfd_sync::explore::Journal;
use lastfd_sync::thread::{self, JoinHandle, TaskId};
use lastfd_sync::{Arc, Clock, Mutex};

use crate::fault::{Blame, Fault};

type Run = Box<dyn FnOnce() + Send>;

/// What is kept of an execution for those outside.
#[derive(Clone, Default)]
pub(crate) struct Record {
    pub(crate) events: Journal<Event>,
    pub(crate) columns: Journal<(TaskId, String)>,
    /// What the body itself said, and on which task.
    pub(crate) faults: Journal<(TaskId, Fault)>,
    /// From which event on the tasks ran, and until which.
    pub(crate) span: Journal<usize>,
}

impl Record {
    pub(crate) fn forget(&self) {
        self.events.take();
        self.columns.take();
        self.faults.take();
        self.span.take();
    }

    /// Asks the sanitizer what a driver did wrong.
    pub(crate) fn judge(&self) {
        let events = self.events.with(|events| events.clone());
        let found = lastfd_sanitizer::judge(Rules::default(), &events);
        for finding in found.iter().filter(|finding| finding.blames_a_driver()) {
            let fault = Fault {
                blame: Blame::Driver,
                what: finding.title(),
            };
            // No task's: it may be of something that nobody did this time.
            self.faults.push((TaskId(0), fault));
        }
    }

    fn mark(&self) {
        let at = self.events.with(|events| events.len());
        self.span.push(at);
    }
}

impl Listener for Record {
    fn event(&self, event: &Event) {
        self.events.push(event.clone());
    }
}

/// A System of its own for one run of a body, and the tasks that the schedule is about.
///
/// Its clock is simulated: time moves only when every task waits. Its ledger is on. When
/// the body returns the tasks are started and joined, unless [`World::join`] did so, and
/// the System ends: what is left in it then is a leak.
pub struct World {
    system: System,
    variant: Variant,
    choice: Arc<str>,
    record: Record,
    waiting: Mutex<Vec<(String, Run)>>,
    running: Mutex<Vec<JoinHandle<()>>>,
    _subscription: Subscription,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("system", &self.system)
            .field("variant", &self.choice)
            .finish_non_exhaustive()
    }
}

impl World {
    pub(crate) fn new(record: &Record, choice: &Arc<str>) -> World {
        // Of a body's own variants, most are of its driver and not of the frameworks.
        let variant = choice.parse().unwrap_or_default();
        let system = System::builder()
            .clock(Clock::simulated())
            .ledger(true)
            .variant(variant)
            .build();
        World {
            _subscription: system.subscribe(Arc::new(record.clone())),
            system,
            variant,
            choice: Arc::clone(choice),
            record: record.clone(),
            waiting: Mutex::default(),
            running: Mutex::default(),
        }
    }

    /// The System, new for each schedule.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Whether the frameworks are as Linux has them, or repaired.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// Which variant of the body is asked for, by name.
    pub fn choice(&self) -> &str {
        &self.choice
    }

    /// A task that runs from [`World::join`] on, or from the end of the body on. What the
    /// body does before is the same under every schedule.
    pub fn task(&self, name: &str, run: impl FnOnce() + Send + 'static) {
        self.waiting.lock().push((name.to_owned(), Box::new(run)));
    }

    /// A task `unplug` that takes this platform device away.
    pub fn unplug(&self, hardware: &Device) {
        let hardware = hardware.clone();
        self.task("unplug", move || platform_device_unregister(&hardware));
    }

    /// Starts the tasks that were made so far, all at once, and waits for their end.
    pub fn join(&self) {
        let waiting = core::mem::take(&mut *self.waiting.lock());
        if waiting.is_empty() {
            return;
        }
        self.record.mark();
        for (name, run) in waiting {
            let columns = self.record.columns.clone();
            let named = name.clone();
            let task = self.system.clock().spawn(&name, move || {
                columns.push((thread::current(), named));
                run();
            });
            // Without memory for a stack there is no exploration.
            self.running
                .lock()
                .push(task.expect("a task can be started"));
        }
        loop {
            let task = self.running.lock().pop();
            // An explored task that panics ends the run.
            match task.map(JoinHandle::join) {
                Some(_) => {}
                None => break,
            }
        }
        self.record.mark();
    }

    /// The schedule is the one that was looked for: `what` went wrong. It goes on to its
    /// end.
    pub fn fail(&self, what: impl Into<String>) {
        self.reporter().fail(what);
    }

    /// As [`World::check`] and [`World::fail`], for the tasks.
    pub fn reporter(&self) -> Reporter {
        Reporter(self.record.faults.clone())
    }

    /// [`World::fail`] unless it holds.
    pub fn check(&self, holds: bool, what: impl Into<String>) {
        self.reporter().check(holds, what);
    }
}

/// Says that a schedule is the one that was looked for. Clones are one.
#[derive(Clone)]
pub struct Reporter(Journal<(TaskId, Fault)>);

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reporter")
    }
}

impl Reporter {
    /// `what` went wrong.
    pub fn fail(&self, what: impl Into<String>) {
        let fault = Fault {
            blame: Blame::Driver,
            what: what.into(),
        };
        self.0.push((thread::current(), fault));
    }

    /// [`Reporter::fail`] unless it holds.
    pub fn check(&self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.fail(what);
        }
    }
}
