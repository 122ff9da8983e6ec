//! A System, and what serves it to programs.

use core::any::Any;
use core::fmt;
use std::collections::BTreeMap;
use std::io;

use lastfd_model::event::Listener;
use lastfd_model::raw::{
    Device, PlatformId, dev_set_platdata, platform_device_add, platform_device_alloc,
    platform_device_put,
};
use lastfd_model::typed;
use lastfd_model::{DebugOptions, Errno, Event, EventKind, Rules, Snapshot, Subscription, System};
use lastfd_report::{Manner, Report, RunEvent};
use lastfd_sanitizer::{Finding, Sanitizer};
use lastfd_sync::{Arc, Clock, Mutex, WaitQueue};

#[cfg(feature = "devices")]
use crate::fault::Fault;
use crate::judge::Witness;
use crate::plugged::{Plugged, Unplug};
use crate::schedule::{Deed, Schedule};
use crate::when::When;

/// A System, the hardware plugged into it, and what serves it to programs.
///
/// Its ledger is kept and its events are recorded. [`Bench::finish`] takes away what is
/// still plugged in and says what went wrong.
///
/// ```
/// use lastfd::{Bench, model::raw::*};
///
/// let bench = Bench::new();
/// let board = root_device_register(bench.system(), "board").unwrap();
/// let board = bench.adopt("board", board);
/// board.unplug();
/// bench.finish().assert_clean();
/// ```
pub struct Bench {
    // Dropped in this order: who could still call the System first.
    schedule: Schedule,
    #[cfg(feature = "iiod")]
    pub(crate) server: crate::serve::Servers,
    plugged: Arc<Mutex<Vec<Plugged>>>,
    /// Registrations by the driver's name.
    drivers: Mutex<BTreeMap<String, Box<dyn Any + Send>>>,
    system: System,
    kept: Arc<Kept>,
    sanitizer: Option<Sanitizer>,
    _subscription: Option<Subscription>,
}

/// Which events a bench keeps for its report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    #[default]
    All,
    /// Those that the verdict is made of, so that memory does not grow with every call.
    Verdict,
    /// None, and no ledger: nothing is observed, and there is no verdict.
    Nothing,
}

/// Makes a [`Bench`] that is not the default one.
#[derive(Debug, Default)]
pub struct Builder {
    rules: Rules,
    clock: Option<Clock>,
    debug: DebugOptions,
    keep: Keep,
    no_sanitizer: bool,
    listeners: Vec<Listening>,
    #[cfg(feature = "iiod")]
    answers: lastfd_iiod::UnplugAnswers,
    #[cfg(feature = "iiod")]
    showing: crate::serve::Showing,
}

struct Listening(Arc<dyn Listener>);

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Builder {
    /// Which kernel's rules to follow; [`Rules::Linux6_12`] unless told.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Builder {
        self.rules = rules;
        self
    }

    /// The clock; a real one unless told.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Builder {
        self.clock = Some(clock);
        self
    }

    /// Debug modes of the System, as kernels have them; none unless told.
    #[must_use]
    pub fn debug(mut self, debug: DebugOptions) -> Builder {
        self.debug = debug;
        self
    }

    /// Which events to keep; all unless told.
    #[must_use]
    pub fn keep(mut self, keep: Keep) -> Builder {
        self.keep = keep;
        self
    }

    /// Whether the [sanitizer](lastfd_sanitizer) watches: on unless told, or nothing is
    /// [kept](Keep::Nothing).
    #[must_use]
    pub fn sanitizer(mut self, on: bool) -> Builder {
        self.no_sanitizer = !on;
        self
    }

    /// Someone who is told every event, until the bench's System has ended.
    #[must_use]
    pub fn listener(mut self, listener: Arc<dyn Listener>) -> Builder {
        self.listeners.push(Listening(listener));
        self
    }

    /// What programs are told by the iiod about a device that has gone.
    #[cfg(feature = "iiod")]
    #[must_use]
    pub fn iiod_unplug(mut self, answers: lastfd_iiod::UnplugAnswers) -> Builder {
        self.answers = answers;
        self
    }

    /// Whether programs' descriptors below the range that devices have are seen in every
    /// call, too, at the price of slower reads of all files: see
    /// [`Supervisor::trap_all`](lastfd_supervisor::Supervisor::trap_all).
    #[cfg(feature = "iiod")]
    #[must_use]
    pub fn trap_all(mut self, on: bool) -> Builder {
        self.showing.trap_all = on;
        self
    }

    /// Whether dynamic programs preload a library that shortens their way, which is so unless
    /// told: see [`Supervisor::accelerate`](lastfd_supervisor::Supervisor::accelerate).
    #[cfg(feature = "iiod")]
    #[must_use]
    pub fn accelerate(mut self, on: bool) -> Builder {
        self.showing.not_accelerated = !on;
        self
    }

    /// What programs are shown devices without, as on a machine that refuses it.
    #[cfg(feature = "iiod")]
    #[must_use]
    pub fn restrict(mut self, restrictions: lastfd_supervisor::Restrictions) -> Builder {
        self.showing.restrictions = Some(restrictions);
        self
    }

    /// Makes the bench.
    pub fn build(self) -> Bench {
        let watched = self.keep != Keep::Nothing;
        let mut system = System::builder()
            .rules(self.rules)
            .ledger(watched)
            .debug(self.debug);
        if let Some(clock) = self.clock {
            system = system.clock(clock);
        }
        let system = system.build();
        let sanitizer = (watched && !self.no_sanitizer).then(|| Sanitizer::new(self.rules));
        let mut listeners: Vec<_> = self.listeners.into_iter().map(|l| l.0).collect();
        listeners.extend(sanitizer.iter().map(|sanitizer| {
            let listener: Arc<dyn Listener> = Arc::new(sanitizer.clone());
            listener
        }));
        let kept = Arc::new(Kept {
            keep: self.keep,
            events: Mutex::default(),
            arrived: WaitQueue::new(),
            listeners,
            witness: Witness::default(),
        });
        let listener: Arc<dyn Listener> = kept.clone();
        Bench {
            schedule: Schedule::new(),
            #[cfg(feature = "iiod")]
            server: crate::serve::Servers::new(self.answers, self.showing),
            plugged: Arc::default(),
            drivers: Mutex::default(),
            _subscription: watched.then(|| system.subscribe(listener)),
            system,
            kept,
            sanitizer,
        }
    }
}

/// What the bench remembers.
struct Kept {
    keep: Keep,
    events: Mutex<Vec<Event>>,
    arrived: WaitQueue,
    listeners: Vec<Arc<dyn Listener>>,
    witness: Witness,
}

impl Listener for Kept {
    fn start(&self, snapshot: &Snapshot) {
        for listener in &self.listeners {
            listener.start(snapshot);
        }
    }

    fn event(&self, event: &Event) {
        self.witness.event(event);
        for listener in &self.listeners {
            listener.event(event);
        }
        if self.keep == Keep::All || Report::needs(&event.kind) {
            self.events.lock().push(event.clone());
        }
        self.arrived.wake_all();
    }
}

impl Bench {
    /// A bench with today's rules and a real clock.
    #[expect(
        clippy::new_without_default,
        reason = "a bench is a place, and nothing is gained by one that nobody asked for"
    )]
    pub fn new() -> Bench {
        Builder::default().build()
    }

    /// A bench with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The System. A clone of the handle that outlives the bench hides what leaked.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// Plugs ready-made hardware in. The first of a kind is called by its kind, the
    /// second `KIND2`.
    ///
    /// # Errors
    /// `EBUSY` if its driver refused it, and what registering its device gave.
    #[cfg(feature = "devices")]
    #[track_caller]
    pub fn plug(&self, hardware: impl lastfd_devices::Hardware) -> lastfd_model::Result<Plugged> {
        let plugged = lastfd_devices::plug(&self.system, &hardware)?;
        Ok(adopt_ready_made(&self.plugged, plugged))
    }

    /// As [`plug`](Bench::plug), asked for in words: `"iio-adc:rate=100".parse()`.
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "devices")]
    #[track_caller]
    pub fn plug_spec(&self, spec: &lastfd_devices::Spec) -> lastfd_model::Result<Plugged> {
        Ok(adopt_ready_made(&self.plugged, spec.plug(&self.system)?))
    }

    /// Plugs a platform device in that a driver of one's own takes, with what the driver
    /// must know of the hardware. The driver is registered under this name with the first
    /// device, and stays until the end.
    ///
    /// ```
    /// use lastfd::{Bench, model::typed};
    ///
    /// struct Lamp;
    /// impl typed::Driver for Lamp {
    ///     type Info = ();
    ///     fn probe(_: &typed::Device<typed::Bound>, _: &()) -> lastfd::model::Result<Lamp> {
    ///         Ok(Lamp)
    ///     }
    /// }
    ///
    /// let bench = Bench::new();
    /// let lamp = bench.plug_driver::<Lamp>("lamp", ()).unwrap();
    /// lamp.unplug();
    /// bench.finish().assert_clean();
    /// ```
    ///
    /// # Errors
    /// What registering the driver or the device gave. A probe that fails is no error
    /// here, as in Linux: the device stays without a driver, and the events say why.
    #[track_caller]
    pub fn plug_driver<D: typed::Driver>(
        &self,
        name: &str,
        info: D::Info,
    ) -> lastfd_model::Result<Plugged> {
        self.ensure_driver::<D>(name)?;
        let number = self
            .plugged
            .lock()
            .iter()
            .filter(|p| p.is_kind(name))
            .count() as u32;
        let id = PlatformId::Id(number);
        let device = platform_device_alloc(&self.system, name, id)?;
        dev_set_platdata(&device, Some(Arc::new(info)));
        if let Err(errno) = platform_device_add(&device) {
            platform_device_put(&device);
            return Err(errno);
        }
        Ok(self.adopt(&self.free_name(name), device))
    }

    /// Registers a driver on the platform bus until the end, unless it is there.
    ///
    /// # Errors
    /// What registering gave.
    pub fn ensure_driver<D: typed::Driver>(&self, name: &str) -> lastfd_model::Result {
        let mut drivers = self.drivers.lock();
        if !drivers.contains_key(name) {
            let driver = typed::PlatformDriver::<D>::register(&self.system, name)?;
            drivers.insert(name.to_owned(), Box::new(driver));
        }
        Ok(())
    }

    /// Takes over hardware whose device was registered already. To be unplugged it is
    /// unregistered, which drops its creator's reference.
    pub fn adopt(&self, name: &str, device: Device) -> Plugged {
        adopt_with(&self.plugged, name, device, Unplug::Unregister)
    }

    /// What is plugged in, shared with who plugs in from elsewhere.
    #[cfg(feature = "iiod")]
    pub(crate) fn shelf(&self) -> &Arc<Mutex<Vec<Plugged>>> {
        &self.plugged
    }

    /// Forgets hardware that was unplugged, so that its name is free again and what was
    /// kept of it goes. For tests of many cycles on one bench.
    pub fn forget_unplugged(&self) {
        self.plugged
            .lock()
            .retain(|plugged| !plugged.is_unplugged());
    }

    fn free_name(&self, kind: &str) -> String {
        let plugged = self.plugged.lock();
        let taken = |name: &str| plugged.iter().any(|other| other.name() == name);
        let numbered = (2..).map(|n| format!("{kind}{n}"));
        core::iter::once(kind.to_owned())
            .chain(numbered)
            .find(|name| !taken(name))
            .unwrap_or_default()
    }

    /// What is plugged in, or was.
    pub fn plugged(&self) -> Vec<Plugged> {
        self.plugged.lock().clone()
    }

    /// The hardware with this name.
    pub fn find(&self, name: &str) -> Option<Plugged> {
        let plugged = self.plugged.lock();
        plugged.iter().find(|p| p.name() == name).cloned()
    }

    /// Unplugs the hardware later, on a task of its own.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn unplug_when(&self, target: &Plugged, when: When) -> io::Result<()> {
        self.remove_when(target, Manner::Unplug, when)
    }

    /// Unbinds the hardware's driver later, on a task of its own.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn unbind_when(&self, target: &Plugged, when: When) -> io::Result<()> {
        self.remove_when(target, Manner::Unbind, when)
    }

    /// Takes the hardware away later, on a task of its own.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn remove_when(&self, target: &Plugged, manner: Manner, when: When) -> io::Result<()> {
        let files = self.kept.witness.open_files();
        self.schedule
            .add(target, Deed::Remove(manner), when, &files)
    }

    /// Does something to the hardware later, on a task of its own. What came of it is an
    /// event.
    ///
    /// # Errors
    /// The system has no thread to give.
    #[cfg(feature = "devices")]
    pub fn fault_when(&self, target: &Plugged, fault: Fault, when: When) -> io::Result<()> {
        let files = self.kept.witness.open_files();
        self.schedule.add(target, Deed::Fault(fault), when, &files)
    }

    #[cfg(any(feature = "iio", feature = "iiod"))]
    pub(crate) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// What is woken when an event has come.
    pub(crate) fn arrived(&self) -> &WaitQueue {
        &self.kept.arrived
    }

    /// The events that were kept so far.
    pub(crate) fn with_events<R>(&self, f: impl FnOnce(&[Event]) -> R) -> R {
        f(&self.kept.events.lock())
    }

    /// The events so far, in order.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.kept.events.lock().clone();
        events.sort_by_key(|event| event.seq);
        events
    }

    /// What programs did with devices so far.
    #[cfg(feature = "iiod")]
    pub(crate) fn witness(&self) -> &Witness {
        &self.kept.witness
    }

    /// The lifetime rules that were broken so far, each with its proof. Empty where the
    /// sanitizer is off.
    pub fn findings(&self) -> Vec<Finding> {
        let found = self.sanitizer.as_ref().map(Sanitizer::findings);
        found.unwrap_or_default()
    }

    /// Adds an event of the run to the stream.
    pub(crate) fn tell(&self, event: RunEvent) {
        self.system.emit(|| EventKind::from(event));
    }

    /// Ends it: what is planned and not due is dropped, connections are closed, what is
    /// still plugged in is unplugged, and the System ends, which shows what leaked.
    pub fn finish(self) -> Report {
        for missed in self.schedule.stop() {
            self.tell(missed);
        }
        #[cfg(feature = "iiod")]
        self.server.stop();
        let plugged = core::mem::take(&mut *self.plugged.lock());
        for plugged in plugged {
            plugged.remove(Manner::Unplug, "the run is over");
        }
        let drivers = core::mem::take(&mut *self.drivers.lock());
        drop(drivers);
        let (rules, kept) = (self.system.rules(), Arc::clone(&self.kept));
        let sanitizer = self.sanitizer.clone();
        drop(self);
        let events = core::mem::take(&mut *kept.events.lock());
        let found = sanitizer.map(|sanitizer| sanitizer.take());
        Report::with(rules, events, &found.unwrap_or_default())
    }
}

#[cfg(feature = "devices")]
pub(crate) fn adopt_ready_made(
    shelf: &Mutex<Vec<Plugged>>,
    hardware: lastfd_devices::Plugged,
) -> Plugged {
    let (name, device) = (hardware.name().to_owned(), hardware.device().clone());
    // The last handle takes the driver along.
    adopt_with(shelf, &name, device, Unplug::Pull(hardware))
}

fn adopt_with(shelf: &Mutex<Vec<Plugged>>, name: &str, device: Device, unplug: Unplug) -> Plugged {
    let plugged = Plugged::new(name, device, unplug);
    shelf.lock().push(plugged.clone());
    plugged
}

impl fmt::Debug for Bench {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench")
            .field("system", &self.system)
            .field("plugged", &*self.plugged.lock())
            .finish_non_exhaustive()
    }
}

/// A device's error with what was being done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to {doing}: {errno}")]
pub struct DeviceError {
    /// What was being done, to what.
    pub doing: String,
    /// What came of it.
    pub errno: Errno,
}
