//! Who is told of events, and how the stream reaches them.

use core::panic::Location;
use core::sync::atomic::Ordering;

use lastfd_sync::atomic::{AtomicBool, AtomicU64};
use lastfd_sync::thread;
use lastfd_sync::{Arc, Ktime, Mutex};

use super::{DeviceRef, Event, EventKind};

/// What there was when a listener began to listen.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every device that is not released, oldest first.
    pub devices: Vec<DeviceState>,
}

/// A device in a [`Snapshot`].
#[derive(Clone, Debug)]
pub struct DeviceState {
    /// The device.
    pub device: DeviceRef,
    /// Whether it is in sysfs.
    pub registered: bool,
    /// The bound driver's name.
    pub driver: Option<Arc<str>>,
    /// Its reference count.
    pub count: u32,
}

/// How much of the stream a listener asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    Full,
    /// All but the details, which are the most numerous: references
    /// ([`EventKind::RefTaken`], [`EventKind::RefDropped`]), sections
    /// ([`EventKind::SectionBegin`], [`EventKind::SectionEnd`]), and what uevents have in
    /// their environment. If nobody asks for these, they are not made.
    Outline,
}

/// Receives the stream.
///
/// A listener is called on the task that caused the event, with none of the
/// System's internal locks held (Linux's own, such as the device lock, may
/// be). It must not call the model.
pub trait Listener: Send + Sync {
    /// Called once, before the first event.
    fn start(&self, snapshot: &Snapshot) {
        let _ = snapshot;
    }
    /// How much it asks for, once and for all. One that asks for an outline may be told
    /// the details that another one asks for.
    fn detail(&self) -> Detail {
        Detail::Full
    }
    /// Called for each event.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Listener for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

type Listeners = Arc<[Listening]>;

#[derive(Clone)]
struct Listening {
    id: u64,
    detail: Detail,
    listener: Arc<dyn Listener>,
}

/// The fan-out of one System's events.
#[derive(Default)]
pub(crate) struct Hub {
    on: AtomicBool,
    /// A listener asks for [`Detail::Full`].
    details: AtomicBool,
    seq: AtomicU64,
    next_listener: AtomicU64,
    listeners: Mutex<Listeners>,
}

impl Hub {
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// Whether a listener asks for the details.
    #[inline]
    pub(crate) fn details_are_on(&self) -> bool {
        self.details.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, listener: Arc<dyn Listener>) -> u64 {
        let id = self.next_listener.fetch_add(1, Ordering::Relaxed);
        let added = Listening {
            id,
            detail: listener.detail(),
            listener,
        };
        let mut listeners = self.listeners.lock();
        *listeners = listeners.iter().cloned().chain([added]).collect();
        self.switch(&listeners);
        id
    }

    pub(crate) fn remove(&self, id: u64) {
        let mut listeners = self.listeners.lock();
        *listeners = listeners
            .iter()
            .filter(|listening| listening.id != id)
            .cloned()
            .collect();
        self.switch(&listeners);
    }

    fn switch(&self, listeners: &Listeners) {
        let details = listeners.iter().any(|l| l.detail == Detail::Full);
        self.details.store(details, Ordering::Relaxed);
        self.on.store(!listeners.is_empty(), Ordering::Relaxed);
    }

    #[cold]
    pub(crate) fn deliver(
        &self,
        time: Ktime,
        kind: EventKind,
        place: Option<&'static Location<'static>>,
    ) {
        let listeners = Listeners::clone(&self.listeners.lock());
        let event = Event {
            seq: self.seq.fetch_add(1, Ordering::Relaxed),
            time,
            task: thread::current(),
            kind,
            place,
        };
        for listening in listeners.iter() {
            listening.listener.event(&event);
        }
    }
}

/// The events of a System since [`record`](crate::System::record) was called.
#[derive(Default)]
pub(crate) struct Recorder(pub(crate) Mutex<Vec<Event>>);

impl Listener for Recorder {
    fn event(&self, event: &Event) {
        self.0.lock().push(event.clone());
    }
}
