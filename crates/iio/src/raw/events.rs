//! Events: what a device has to say beside samples.
//!
//! Follows `drivers/iio/industrialio-event.c`.

use core::sync::atomic::Ordering;
use std::collections::VecDeque;

use lastfd_model::raw::{Attribute, AttributeGroup};
use lastfd_model::{Errno, Result};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{Arc, Mutex, WaitQueue};

use super::attr_list::AttrList;
use super::attributes::{ChannelAt, callbacks, line};
use super::device::IioDev;
use super::files::IioHandler;
use super::info::IioInfo;
use crate::channel::EventSpec;
use crate::event::{IioEventKind, emit};
use crate::naming::event_postfix;
use crate::text::kstrtobool;
use crate::types::{EventInfo, SharedBy};
use crate::value::iio_str_to_fixpoint;

/// How many events wait for a program at most.
const DEPTH: usize = 16;

/// Bytes of a `struct iio_event_data`.
pub(crate) const EVENT_SIZE: usize = 16;

/// A queue of events, and whether somebody reads it
/// (`struct iio_event_interface`).
pub(crate) struct EventInterface {
    pub(crate) wait: Arc<WaitQueue>,
    /// IIO_BUSY_BIT_POS: a descriptor of it is open.
    busy: AtomicBool,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<(u64, i64)>,
    /// A read has events set aside: the kernel's read_lock.
    reading: bool,
    /// Another read waits for that one to end.
    contended: bool,
    /// Counts resets, so that a read begun before one takes nothing after it.
    generation: u64,
}

impl EventInterface {
    pub(crate) fn take_busy(&self) -> bool {
        !self.busy.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn clear_busy(&self) {
        self.busy.store(false, Ordering::Release);
    }

    /// Forgets what nobody read.
    pub(crate) fn reset(&self) {
        let mut queue = self.queue.lock();
        queue.events.clear();
        queue.generation += 1;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.lock().events.is_empty()
    }

    /// Sets whole events aside for a read of `bytes`; None while another read
    /// is under way.
    pub(crate) fn begin_read(self: &Arc<Self>, bytes: usize) -> Option<Events> {
        let mut queue = self.queue.lock();
        if queue.reading {
            queue.contended = true;
            return None;
        }
        let count = queue.events.len().min(bytes / EVENT_SIZE);
        let mut data = Vec::with_capacity(count * EVENT_SIZE);
        for (id, timestamp) in queue.events.iter().take(count) {
            data.extend_from_slice(&id.to_ne_bytes());
            data.extend_from_slice(&timestamp.to_ne_bytes());
        }
        queue.reading = true;
        Some(Events {
            data,
            count,
            generation: queue.generation,
            interface: Arc::clone(self),
        })
    }
}

/// Events set aside; dropped, they stay in the queue.
pub(crate) struct Events {
    pub(crate) data: Vec<u8>,
    count: usize,
    generation: u64,
    interface: Arc<EventInterface>,
}

impl Events {
    /// They were delivered: the queue forgets them.
    pub(crate) fn commit(self) {
        let mut queue = self.interface.queue.lock();
        if queue.generation == self.generation {
            queue.events.drain(..self.count);
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let waited_for = {
            let mut queue = self.interface.queue.lock();
            queue.reading = false;
            core::mem::take(&mut queue.contended)
        };
        if waited_for {
            self.interface.wait.wake_all();
        }
    }
}

/// Whether an event descriptor is open (`iio_event_enabled`).
pub(crate) fn are_listened_to(iio: &IioDev) -> bool {
    let interface = iio.state().event_interface.clone();
    interface.is_some_and(|interface| interface.busy.load(Ordering::Acquire))
}

/// Tells user space of an event (`iio_push_event`), if somebody has the event
/// descriptor open. With 16 events waiting, this one is lost.
///
/// `code` is what [`event_code`](crate::event_code) gives, `timestamp` is in
/// nanoseconds. Never fails.
pub fn iio_push_event(iio: &IioDev, code: u64, timestamp: i64) -> Result {
    let Some(interface) = iio.state().event_interface.clone() else {
        return Ok(());
    };
    if !interface.busy.load(Ordering::Acquire) {
        return Ok(());
    }
    let fits = {
        let mut queue = interface.queue.lock();
        let fits = queue.events.len() < DEPTH;
        if fits {
            queue.events.push_back((code, timestamp));
        }
        fits
    };
    if fits {
        emit(iio.dev(), || IioEventKind::EventPushed { code });
        interface.wait.wake_all();
    } else {
        emit(iio.dev(), || IioEventKind::EventDropped { code });
    }
    Ok(())
}

// industrialio-event.c: iio_device_register_eventset
pub(crate) fn register_eventset(iio: &IioDev, info: &IioInfo) -> Result {
    let channels = iio.channels();
    let has_specs = channels
        .iter()
        .any(|channel| !channel.event_spec.is_empty());
    if info.event_attrs.is_empty() && !has_specs {
        return Ok(());
    }
    iio.system().allocation()?;
    let mut list = AttrList::default();
    for at in 0..channels.len() {
        add_events_of(iio, info, &ChannelAt::new(&channels, at), &mut list)?;
    }
    let mut attrs = info.event_attrs.clone();
    attrs.extend(list.into_attributes());
    iio.add_group(AttributeGroup::named("events", attrs))?;
    let mut state = iio.state();
    state.event_interface = Some(Arc::new(EventInterface {
        wait: Arc::new(WaitQueue::new()),
        busy: AtomicBool::new(false),
        queue: Mutex::new(Queue::default()),
    }));
    state.ioctl_handlers.push(IioHandler::Event);
    Ok(())
}

/// Takes the events back, where registering failed later on. After a successful
/// one they stay until the device is released.
pub(crate) fn unregister_eventset(iio: &IioDev) {
    let mut state = iio.state();
    state
        .ioctl_handlers
        .retain(|handler| *handler != IioHandler::Event);
    state.event_interface = None;
}

/// Wakes whoever waits for events; tells how many wakers there were.
// industrialio-event.c: iio_device_wakeup_eventset
pub(crate) fn wakeup_eventset(iio: &IioDev) -> usize {
    let interface = iio.state().event_interface.clone();
    interface.map_or(0, |interface| {
        let waiters = interface.wait.len();
        interface.wait.wake_all();
        waiters
    })
}

// industrialio-event.c: iio_device_add_event_sysfs
fn add_events_of(iio: &IioDev, info: &IioInfo, channel: &ChannelAt, list: &mut AttrList) -> Result {
    for &event in &channel.spec().event_spec {
        for (shared, mask) in event.masks() {
            for element in mask.iter() {
                let postfix = event_postfix(event.type_, event.dir, element.name());
                list.add(iio, channel.spec(), shared, &postfix, |name| {
                    if element == EventInfo::Enable {
                        state_attribute(iio, channel, event, name)
                    } else {
                        value_attribute(iio, channel, event, element, name)
                    }
                })?;
            }
        }
        if info.read_event_label.is_some() {
            let postfix = event_postfix(event.type_, event.dir, "label");
            list.add(iio, channel.spec(), SharedBy::Separate, &postfix, |name| {
                label_attribute(iio, channel, event, name)
            })?;
        }
    }
    Ok(())
}

// industrialio-event.c: iio_ev_state_show, iio_ev_state_store
fn state_attribute(
    iio: &IioDev,
    channel: &ChannelAt,
    event: EventSpec,
    name: Arc<str>,
) -> Attribute {
    let (reader, writer) = (iio.downgrade(), iio.downgrade());
    let (shown, stored) = (channel.clone(), channel.clone());
    Attribute::new(name, 0o644)
        .show(move |_| {
            let iio = reader.upgrade()?;
            let info = callbacks(&iio)?;
            let read = info.read_event_config.as_ref().ok_or(Errno::EINVAL)?;
            let state = read(&iio, shown.spec(), event.type_, event.dir)?;
            Ok(format!("{state}\n"))
        })
        .store(move |_, text| {
            let on = kstrtobool(text)?;
            let iio = writer.upgrade()?;
            let info = callbacks(&iio)?;
            let write = info.write_event_config.as_ref().ok_or(Errno::EINVAL)?;
            write(&iio, stored.spec(), event.type_, event.dir, on)?;
            Ok(text.len())
        })
}

// industrialio-event.c: iio_ev_value_show, iio_ev_value_store
fn value_attribute(
    iio: &IioDev,
    channel: &ChannelAt,
    event: EventSpec,
    element: EventInfo,
    name: Arc<str>,
) -> Attribute {
    let (reader, writer) = (iio.downgrade(), iio.downgrade());
    let (shown, stored) = (channel.clone(), channel.clone());
    Attribute::new(name, 0o644)
        .show(move |_| {
            let iio = reader.upgrade()?;
            let info = callbacks(&iio)?;
            let read = info.read_event_value.as_ref().ok_or(Errno::EINVAL)?;
            line(&read(&iio, shown.spec(), event.type_, event.dir, element)?)
        })
        .store(move |_, text| {
            let iio = writer.upgrade()?;
            let info = callbacks(&iio)?;
            let write = info.write_event_value.as_ref().ok_or(Errno::EINVAL)?;
            let (whole, micro) = iio_str_to_fixpoint(text, 100_000)?;
            let channel = stored.spec();
            write(&iio, channel, event.type_, event.dir, element, whole, micro)?;
            Ok(text.len())
        })
}

// industrialio-event.c: iio_ev_label_show
fn label_attribute(
    iio: &IioDev,
    channel: &ChannelAt,
    event: EventSpec,
    name: Arc<str>,
) -> Attribute {
    let (weak, channel) = (iio.downgrade(), channel.clone());
    Attribute::new(name, 0o444).show(move |_| {
        let iio = weak.upgrade()?;
        let info = callbacks(&iio)?;
        let read = info.read_event_label.as_ref().ok_or(Errno::EINVAL)?;
        read(&iio, channel.spec(), event.type_, event.dir)
    })
}
