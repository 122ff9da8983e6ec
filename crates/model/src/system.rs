//! One isolated world of devices.

use core::any::{Any, TypeId};
use core::fmt;
use core::panic::Location;
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lastfd_sync::atomic::{AtomicU32, AtomicU64};
use lastfd_sync::explore::{Home, uninterrupted};
use lastfd_sync::thread;
use lastfd_sync::{Arc, Cancel, Clock, Mutex, Weak};

use crate::call_faults::CallFaults;
use crate::debug::DebugOptions;
use crate::errno::{Errno, Result};
use crate::event::{
    DeviceRef, DeviceState, Event, EventKind, Hub, Listener, Recorder, Snapshot, SplatKind,
};
use crate::ledger::{Books, LedgerEntry, LedgerLine, Place};
use crate::raw::{DeferredProbe, DelayedReleases, Device, DeviceLinks, Registry};
use crate::rules::Rules;
use crate::variant::Variant;
use crate::workqueue::Workqueue;

/// One isolated world of devices: its buses, devices, nodes, clock, rules,
/// events and ledger.
///
/// Many may live in a process; they share nothing. A clone is another handle
/// on the same System. When the last handle of those made by
/// [`System::new`], [`Builder::build`] and `clone` is dropped, what is still
/// there is reported as [`EventKind::Leak`] events and let go of.
///
/// ```
/// use lastfd_model::{System, raw::*};
///
/// let system = System::new();
/// let root = root_device_register(&system, "board").unwrap();
/// assert_eq!(kref_read(&root), 1);
/// root_device_unregister(&root);
/// assert!(root.is_released());
/// ```
#[derive(Clone)]
pub struct System {
    pub(crate) core: Arc<Core>,
    /// None in the handles that devices give out, which keep nothing alive.
    _owner: Option<Arc<Owner>>,
}

struct Owner(Arc<Core>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

/// What all handles of a System share.
pub(crate) struct Core {
    pub(crate) rules: Rules,
    variant: Variant,
    /// The exploration it is in, if it is in one.
    home: Home,
    pub(crate) clock: Clock,
    pub(crate) hub: Hub,
    pub(crate) books: Arc<Books>,
    pub(crate) registry: Registry,
    pub(crate) deferred: DeferredProbe,
    pub(crate) links: DeviceLinks,
    /// What the driver core itself puts off.
    pub(crate) work: Workqueue,
    next_id: AtomicU64,
    /// Allocations until one fails; 0 is never (`current->fail_nth`).
    fail_nth: AtomicU32,
    /// How often it was set.
    fail_nth_set: AtomicU32,
    /// How many do now what a kernel does while it starts.
    booting: AtomicU32,
    call_faults: CallFaults,
    pub(crate) debug: DebugOptions,
    pub(crate) delayed_releases: DelayedReleases,
    extensions: Mutex<BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>>,
    waits: Cancel,
    /// Every device that is not released: a count above zero keeps the memory,
    /// whether or not a handle is left.
    live: Mutex<BTreeMap<u64, Device>>,
}

/// Makes a [`System`] that is not the default one.
#[derive(Debug, Default)]
pub struct Builder {
    rules: Rules,
    variant: Variant,
    clock: Option<Clock>,
    ledger: bool,
    work_on_wait: bool,
    debug: DebugOptions,
}

impl Builder {
    /// Which kernel's rules to follow; [`Rules::Linux6_12`] unless told.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Linux as it is, unless told, or with its known races repaired.
    #[must_use]
    pub fn variant(mut self, variant: Variant) -> Self {
        self.variant = variant;
        self
    }

    /// The clock; a real one unless told.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Whether to keep the ledger from the start; off unless told.
    #[must_use]
    pub fn ledger(mut self, on: bool) -> Self {
        self.ledger = on;
        self
    }

    /// Whether what the driver core puts off (deferred probes, letting go of the
    /// ends of a link) is left until a task waits for it, as on a machine with one
    /// processor, and done by that task. Unless told, a thread does it at once.
    #[must_use]
    pub fn work_on_wait(mut self, on: bool) -> Self {
        self.work_on_wait = on;
        self
    }

    /// Debug modes; none unless told.
    #[must_use]
    pub fn debug(mut self, debug: DebugOptions) -> Self {
        self.debug = debug;
        self
    }

    /// Makes the System.
    pub fn build(self) -> System {
        let core = Arc::new(Core {
            rules: self.rules,
            variant: self.variant,
            home: Home::here(),
            clock: self.clock.unwrap_or_else(Clock::real),
            hub: Hub::default(),
            books: Arc::new(Books::default()),
            registry: Registry::default(),
            deferred: DeferredProbe::default(),
            links: DeviceLinks::default(),
            work: Workqueue::on_wait(self.work_on_wait),
            next_id: AtomicU64::new(1),
            fail_nth: AtomicU32::new(0),
            fail_nth_set: AtomicU32::new(0),
            booting: AtomicU32::new(0),
            call_faults: CallFaults::default(),
            debug: self.debug,
            delayed_releases: DelayedReleases::default(),
            extensions: Mutex::new(BTreeMap::new()),
            waits: Cancel::new(),
            live: Mutex::new(BTreeMap::new()),
        });
        let system = System::from_core(&core);
        crate::raw::devlink_class_init(&system);
        crate::raw::platform_bus_init(&system);
        if self.ledger {
            core.books.switch_on();
        }
        core.fail_nth.store(self.debug.fail_nth, Ordering::Relaxed);
        System {
            _owner: Some(Arc::new(Owner(Arc::clone(&core)))),
            core,
        }
    }
}

impl Default for System {
    fn default() -> Self {
        System::new()
    }
}

impl System {
    /// A System with today's rules, a real clock and the ledger off.
    pub fn new() -> System {
        Builder::default().build()
    }

    /// A System with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn from_core(core: &Arc<Core>) -> System {
        System {
            core: Arc::clone(core),
            _owner: None,
        }
    }

    /// A handle that does not keep the System from ending, as those that
    /// devices give out. For what lives inside the System.
    #[must_use]
    pub fn unowned(&self) -> System {
        System::from_core(&self.core)
    }

    /// The clock all its time comes from.
    pub fn clock(&self) -> &Clock {
        &self.core.clock
    }

    /// The rules it follows.
    pub fn rules(&self) -> Rules {
        self.core.rules
    }

    /// The debug modes it was made with.
    pub fn debug(&self) -> DebugOptions {
        self.core.debug
    }

    /// Waits, in its own time, until no release is pending that
    /// [`DebugOptions::kobject_release`] delayed.
    pub fn wait_for_releases(&self) {
        self.core
            .delayed_releases
            .wait(&self.core.clock, &self.core.waits);
    }

    /// Linux as it is, or with its known races repaired.
    pub fn variant(&self) -> Variant {
        self.core.variant
    }

    /// Whether two handles are of one System.
    pub fn same(&self, other: &System) -> bool {
        Arc::ptr_eq(&self.core, &other.core)
    }

    /// Gives the listener a snapshot, then every event from here on, until
    /// the subscription is dropped.
    ///
    /// An event that another task causes while this call runs may be in the
    /// snapshot already and still be delivered.
    pub fn subscribe(&self, listener: Arc<dyn Listener>) -> Subscription {
        listener.start(&self.snapshot());
        Subscription {
            id: self.core.hub.add(listener),
            core: Arc::downgrade(&self.core),
        }
    }

    /// Keeps every event from here on, for tests.
    pub fn record(&self) -> Recording {
        let recorder = Arc::new(Recorder::default());
        let listener: Arc<dyn Listener> = recorder.clone();
        Recording {
            recorder,
            _subscription: self.subscribe(listener),
        }
    }

    /// The devices there are now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            devices: self
                .core
                .live_devices()
                .iter()
                .map(|device| DeviceState {
                    device: device.device_ref(),
                    registered: device.is_registered(),
                    driver: device.driver().map(|driver| driver.name()),
                    count: crate::raw::kref_read(device),
                })
                .collect(),
        }
    }

    /// The devices that have a directory in sysfs, oldest first.
    pub fn devices(&self) -> Vec<Device> {
        let mut devices = self.core.live_devices();
        devices.retain(Device::has_directory);
        devices
    }

    /// Emits an event. The closure runs only if somebody listens.
    ///
    /// Call it with no lock held that a listener or another task could need.
    #[track_caller]
    pub fn emit(&self, event: impl FnOnce() -> EventKind) {
        self.core.emit(event);
    }

    /// As [`emit`](System::emit), of what a caller did earlier, at this place.
    pub fn emit_at(&self, place: Place, event: impl FnOnce() -> EventKind) {
        self.core.emit_at(place, event);
    }

    /// Whether a listener asks for the details
    /// ([`Detail::Full`](crate::event::Detail::Full)).
    pub fn details_are_on(&self) -> bool {
        self.core.hub.details_are_on()
    }

    pub(crate) fn is_booting(&self) -> bool {
        self.core.booting.load(Ordering::Relaxed) > 0
    }

    /// Makes the `n`-th allocation of the model from now fail with `ENOMEM`
    /// (1 is the next one; 0 switches it off), as writing to
    /// `/proc/self/fail-nth` does under `CONFIG_FAULT_INJECTION`.
    pub fn fail_nth(&self, n: u32) {
        self.core.fail_nth_set.fetch_add(1, Ordering::Relaxed);
        self.core.fail_nth.store(n, Ordering::Relaxed);
    }

    pub(crate) fn call_faults(&self) -> &CallFaults {
        &self.core.call_faults
    }

    /// Does what a kernel does while it starts, before anything can be told to
    /// fail: its allocations are not counted for
    /// [`fail_nth`](System::fail_nth), and a class made there is the framework's
    /// ([`Class::is_of_the_core`](crate::raw::Class::is_of_the_core)). For what
    /// frameworks make on first use.
    pub fn at_boot<R>(&self, run: impl FnOnce() -> R) -> R {
        let armed = self.core.fail_nth.swap(0, Ordering::Relaxed);
        self.core.booting.fetch_add(1, Ordering::Relaxed);
        let result = run();
        self.core.booting.fetch_sub(1, Ordering::Relaxed);
        self.core.fail_nth.store(armed, Ordering::Relaxed);
        result
    }

    /// How often [`fail_nth`](System::fail_nth) was called: whether somebody
    /// else did since.
    pub fn fail_nth_calls(&self) -> u32 {
        self.core.fail_nth_set.load(Ordering::Relaxed)
    }

    /// Allocations left until one fails; 0 after it failed, or when off.
    pub fn fail_nth_left(&self) -> u32 {
        self.core.fail_nth.load(Ordering::Relaxed)
    }

    /// Counts as an allocation for [`fail_nth`](System::fail_nth). For
    /// frameworks, wherever their kernel counterpart allocates.
    pub fn allocation(&self) -> Result {
        self.core.allocation()
    }

    /// The one value of type `T` in this System, made on first use: where a
    /// framework keeps its core's state.
    pub fn extension<T: Any + Default + Send + Sync>(&self) -> Arc<T> {
        let mut extensions = self.core.extensions.lock();
        let value = extensions
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(T::default()));
        Arc::clone(value)
            .downcast()
            .expect("an extension is stored under its own type")
    }

    /// Ends every wait of the System that a program or a test could hang in,
    /// once cancelled; such waits give `EINTR`. Frameworks and character
    /// devices include it in theirs.
    pub fn waits(&self) -> &Cancel {
        &self.core.waits
    }

    /// Waits until what the driver core put off is done: deferred probes, letting
    /// go of the ends of links that went. Ends early when [`waits`](System::waits)
    /// is cancelled.
    pub fn settle(&self) {
        self.core.work.flush(&self.core.clock, &self.core.waits);
    }

    /// Whether the ledger is kept.
    pub fn ledger_is_on(&self) -> bool {
        self.core.books.is_on()
    }

    /// Who holds what now, but for what belongs to the System's own devices.
    /// Empty if the ledger is off.
    pub fn ledger(&self) -> Vec<LedgerLine> {
        self.core.ledger()
    }

    /// Writes a line into the ledger until the returned entry is dropped.
    pub fn ledger_open(&self, line: LedgerLine) -> LedgerEntry {
        self.core.books.open(line)
    }

    /// A number unique in this System.
    pub fn unique(&self) -> u64 {
        self.core.unique()
    }

    /// Runs driver code. If it panics, the panic ends here: a splat is
    /// emitted and `None` returned, and the System stays usable.
    pub fn guard<T>(
        &self,
        device: Option<&DeviceRef>,
        what: &str,
        run: impl FnOnce() -> T,
    ) -> Option<T> {
        self.core.guard(|| device.cloned(), what, run)
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System")
            .field("rules", &self.core.rules)
            .field("devices", &self.core.live.lock().len())
            .finish_non_exhaustive()
    }
}

impl Core {
    #[inline]
    #[track_caller]
    pub(crate) fn emit(&self, event: impl FnOnce() -> EventKind) {
        self.emit_at(Location::caller(), event);
    }

    /// As [`emit`](Core::emit), with the place given.
    #[inline]
    pub(crate) fn emit_at(&self, place: Place, event: impl FnOnce() -> EventKind) {
        // To tell of what happens is no step of a schedule.
        uninterrupted(|| {
            if self.hub.is_on() {
                self.deliver(place, event());
            }
        });
    }

    /// As [`emit_at`](Core::emit_at), of a detail.
    #[inline]
    pub(crate) fn emit_detail_at(&self, place: Place, event: impl FnOnce() -> EventKind) {
        uninterrupted(|| {
            if self.hub.details_are_on() {
                self.deliver(place, event());
            }
        });
    }

    fn deliver(&self, place: Place, event: EventKind) {
        self.home.check(|| format!("{event}, at {place}"));
        // A listener that could would be told of what it causes while it is told.
        let told = thread::not_again();
        assert!(
            told.is_some(),
            "a listener called the model: {event}, at {place}. A listener may only look at what \
             it is told, and act on another task"
        );
        let place = self.books.is_on().then_some(place);
        self.hub.deliver(self.clock.now(), event, place);
    }

    #[track_caller]
    pub(crate) fn splat(
        &self,
        kind: SplatKind,
        device: Option<DeviceRef>,
        text: impl Into<String>,
    ) {
        self.emit(|| EventKind::Splat {
            kind,
            device,
            text: text.into().into(),
        });
    }

    #[track_caller]
    pub(crate) fn message(&self, device: Option<DeviceRef>, text: impl Into<String>) {
        self.emit(|| EventKind::Message {
            device,
            text: text.into().into(),
        });
    }

    pub(crate) fn waits(&self) -> &Cancel {
        &self.waits
    }

    pub(crate) fn unique(&self) -> u64 {
        uninterrupted(|| self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// lib/fault-inject.c: should_fail_ex, for `fail-nth`.
    #[inline]
    pub(crate) fn allocation(&self) -> Result {
        if self.fail_nth.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let counted = self
            .fail_nth
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        if counted == Ok(1) {
            self.message(None, "FAULT_INJECTION: forcing a failure");
            return Err(Errno::ENOMEM);
        }
        Ok(())
    }

    pub(crate) fn guard<T>(
        &self,
        device: impl FnOnce() -> Option<DeviceRef>,
        what: &str,
        run: impl FnOnce() -> T,
    ) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(value) => Some(value),
            Err(payload) => {
                let said = payload
                    .downcast_ref::<&str>()
                    .map(|s| (*s).to_owned())
                    .or_else(|| payload.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "(no message)".to_owned());
                self.splat(
                    SplatKind::Panic,
                    device(),
                    format!("{what} panicked: {said}"),
                );
                None
            }
        }
    }

    pub(crate) fn adopt(&self, device: &Device) {
        self.live.lock().insert(device.id(), device.clone());
    }

    pub(crate) fn disown(&self, id: u64) {
        let gone = self.live.lock().remove(&id);
        drop(gone);
    }

    /// The books, with each device by the name it has now.
    fn ledger(&self) -> Vec<LedgerLine> {
        let own = self.registry.own_devices();
        let mut lines = self.books.lines();
        lines.retain(|line| !line.device.as_ref().is_some_and(|d| own.contains(&d.id)));
        let live = self.live.lock();
        for device in lines.iter_mut().filter_map(|line| line.device.as_mut()) {
            if let Some(now) = live.get(&device.id) {
                device.name = now.name();
            }
        }
        lines
    }

    fn live_devices(&self) -> Vec<Device> {
        self.live.lock().values().cloned().collect()
    }

    /// Reports what outlived the System, and breaks the cycles that keep it.
    fn shut_down(&self) {
        crate::raw::end_deferred_probes(self);
        self.work.flush(&self.clock, &self.waits);
        self.delayed_releases.flush(&self.clock);
        let own = self.registry.own_devices();
        let left = self.live_devices();
        for device in &left {
            if own.contains(&device.id()) {
                continue;
            }
            self.emit(|| {
                let name = device.device_ref();
                let count = crate::raw::kref_read(device);
                EventKind::Leak {
                    text: format!("device {name} was never released, {count} references are held")
                        .into(),
                    device: Some(name),
                }
            });
        }
        for line in self.ledger() {
            self.emit(|| EventKind::Leak {
                device: line.device.clone(),
                text: line.to_string().into(),
            });
        }
        for device in left {
            device.dissolve();
        }
        let live = core::mem::take(&mut *self.live.lock());
        drop(live);
        self.links.dissolve();
        self.registry.clear();
        let extensions = core::mem::take(&mut *self.extensions.lock());
        drop(extensions);
    }
}

/// Keeps a listener listening; dropping it ends that.
#[derive(Debug)]
#[must_use = "dropping the subscription ends it"]
pub struct Subscription {
    core: Weak<Core>,
    id: u64,
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade() {
            core.hub.remove(self.id);
        }
    }
}

/// The events since [`System::record`].
pub struct Recording {
    recorder: Arc<Recorder>,
    _subscription: Subscription,
}

impl Recording {
    /// All events so far, in order.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.recorder.0.lock().clone();
        events.sort_by_key(|event| event.seq);
        events
    }

    /// All events so far, which are then forgotten.
    pub fn take(&self) -> Vec<Event> {
        let mut events = core::mem::take(&mut *self.recorder.0.lock());
        events.sort_by_key(|event| event.seq);
        events
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Recording").field(&self.events()).finish()
    }
}
