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
    /// Called for each event.
    fn event(&self, event: &Event);
}

impl<F: Fn(&Event) + Send + Sync> Listener for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

type Listeners = Arc<[(u64, Arc<dyn Listener>)]>;

/// The fan-out of one System's events.
#[derive(Default)]
pub(crate) struct Hub {
    on: AtomicBool,
    seq: AtomicU64,
    next_listener: AtomicU64,
    listeners: Mutex<Listeners>,
}

impl Hub {
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, listener: Arc<dyn Listener>) -> u64 {
        let id = self.next_listener.fetch_add(1, Ordering::Relaxed);
        let mut listeners = self.listeners.lock();
        *listeners = listeners.iter().cloned().chain([(id, listener)]).collect();
        self.on.store(true, Ordering::Relaxed);
        id
    }

    pub(crate) fn remove(&self, id: u64) {
        let mut listeners = self.listeners.lock();
        *listeners = listeners
            .iter()
            .filter(|(i, _)| *i != id)
            .cloned()
            .collect();
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
        for (_, listener) in listeners.iter() {
            listener.event(&event);
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
