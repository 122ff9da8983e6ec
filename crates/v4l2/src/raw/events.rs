//! Events of a file: subscriptions, each with a ring of its own.
//!
//! Follows `drivers/media/v4l2-core/v4l2-event.c`. A blocking dequeue waits for
//! an event and nothing else: the removal of the device wakes its queue, but
//! does not end it.

use core::fmt;
use std::collections::VecDeque;

use lastfd_abi::v4l2::{
    V4L2_EVENT_ALL, V4L2_EVENT_SOURCE_CHANGE, V4l2Event, V4l2EventSubscription,
};
use lastfd_chrdev::Try;
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::fh::V4l2Fh;
use super::video_device::VideoDevice;
use crate::event::V4l2EventKind;

/// What a kind of event does around its subscriptions
/// (`struct v4l2_subscribed_event_ops`). The defaults are those of a member
/// that is not there.
pub trait SubscribedEventOps: Send + Sync {
    /// A file subscribed.
    ///
    /// # Errors
    /// The subscription fails with the same.
    fn add(&self, fh: &V4l2Fh, sub: &V4l2EventSubscription) -> Result {
        let _ = (fh, sub);
        Ok(())
    }

    /// A file unsubscribed, or is closed.
    fn del(&self, fh: &V4l2Fh, sub: &V4l2EventSubscription) {
        let _ = (fh, sub);
    }

    /// The ring has room for one, and it is taken: puts the new event's payload
    /// into the old one. False to have it overwritten.
    fn replace(&self, old: &mut V4l2Event, new: &V4l2Event) -> bool {
        let _ = (old, new);
        false
    }

    /// The oldest event of a full ring goes: what of it the next one must tell.
    fn merge(&self, old: &V4l2Event, next: &mut V4l2Event) {
        let _ = (old, next);
    }
}

/// `struct v4l2_subscribed_event`.
#[derive(Clone)]
struct Subscription {
    id: u64,
    sub: V4l2EventSubscription,
    elems: usize,
    ops: Option<Arc<dyn SubscribedEventOps>>,
}

/// `struct v4l2_kevent`.
#[derive(Clone)]
struct Kevent {
    subscription: u64,
    event: V4l2Event,
    nanos: u64,
}

/// The events of one file.
#[derive(Default)]
pub(crate) struct EventState {
    subscribed: Vec<Subscription>,
    available: VecDeque<Kevent>,
    /// One event is on its way to a program that may not take it.
    taken: bool,
    /// fh->sequence, which starts at -1.
    sequence: u32,
    next_id: u64,
}

impl EventState {
    fn find(&self, type_: u32, id: u32) -> Option<usize> {
        self.subscribed
            .iter()
            .position(|known| known.sub.type_ == type_ && known.sub.id == id)
    }

    /// sev->in_use.
    fn in_use(&self, subscription: u64) -> usize {
        self.available
            .iter()
            .filter(|kevent| kevent.subscription == subscription)
            .count()
    }

    fn oldest(&self, subscription: u64) -> Option<usize> {
        self.available
            .iter()
            .position(|kevent| kevent.subscription == subscription)
    }

    /// What the ring does with its oldest event when there is no room: it goes,
    /// and what must not be lost of it is told by the next one. `event` is the
    /// one that comes; gives what is to be put into the ring.
    fn overflow(
        &mut self,
        subscription: &Subscription,
        mut old: V4l2Event,
        mut event: V4l2Event,
    ) -> V4l2Event {
        let Some(ops) = &subscription.ops else {
            return event;
        };
        if subscription.elems == 1 {
            if ops.replace(&mut old, &event) {
                event.data = old.data;
            }
        } else if let Some(next) = self.oldest(subscription.id) {
            ops.merge(&old, &mut self.available[next].event);
        }
        event
    }

    fn unsubscribe(&mut self, at: usize) -> Subscription {
        let gone = self.subscribed.remove(at);
        self.available
            .retain(|kevent| kevent.subscription != gone.id);
        gone
    }
}

/// An event set aside for a program. Dropping it puts it back.
struct Taken {
    fh: V4l2Fh,
    kevent: Option<Kevent>,
}

impl Taken {
    fn commit(mut self) {
        self.kevent = None;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let kevent = self.kevent.take();
        {
            let mut state = self.fh.events();
            state.taken = false;
            if let Some(kevent) = kevent {
                put_back(&mut state, kevent);
            }
        }
        self.fh.wait().wake_all();
    }
}

/// The event is the oldest of its ring again. If the ring filled up meanwhile,
/// what would have become of it then becomes of it now.
fn put_back(state: &mut EventState, kevent: Kevent) {
    let known = state
        .subscribed
        .iter()
        .find(|known| known.id == kevent.subscription)
        .cloned();
    let Some(subscription) = known else {
        return;
    };
    if state.in_use(subscription.id) < subscription.elems {
        state.available.push_front(kevent);
        return;
    }
    let Some(newer) = state.oldest(subscription.id) else {
        return;
    };
    if subscription.elems == 1 {
        let event = state.available[newer].event;
        let event = state.overflow(&subscription, kevent.event, event);
        state.available[newer].event.data = event.data;
    } else if let Some(ops) = &subscription.ops {
        ops.merge(&kevent.event, &mut state.available[newer].event);
    }
}

/// Takes the oldest event (`v4l2_event_dequeue`). An attempt: what is not
/// committed stays queued.
///
/// # Errors
/// `ENOENT` if there is none and the call must not sleep. Else it waits, and
/// the end of the device does not end the wait.
pub fn v4l2_event_dequeue(fh: &V4l2Fh, event: &mut V4l2Event, nonblocking: bool) -> Try<()> {
    let kevent = {
        let mut state = fh.events();
        if state.taken {
            return Try::wait(fh.wait());
        }
        let Some(kevent) = state.available.pop_front() else {
            if nonblocking {
                return Try::err(Errno::ENOENT);
            }
            return Try::wait(fh.wait());
        };
        state.taken = true;
        *event = kevent.event;
        event.pending = state.available.len() as u32;
        event.tv_sec = (kevent.nanos / 1_000_000_000) as i64;
        event.tv_nsec = (kevent.nanos % 1_000_000_000) as i64;
        kevent
    };
    let taken = Taken {
        fh: fh.clone(),
        kevent: Some(kevent),
    };
    Try::ready((), move || taken.commit())
}

/// How many events the file has (`v4l2_event_pending`).
pub fn v4l2_event_pending(fh: &V4l2Fh) -> usize {
    let state = fh.events();
    state.available.len() + usize::from(state.taken)
}

/// Gives the event to one file, if it subscribed (`v4l2_event_queue_fh`).
#[track_caller]
pub fn v4l2_event_queue_fh(fh: &V4l2Fh, event: &V4l2Event) {
    let nanos = fh.vdev().system().clock().now().0;
    let dropped = {
        let mut state = fh.events();
        let Some(at) = state.find(event.type_, event.id) else {
            return;
        };
        let subscription = state.subscribed[at].clone();
        let mut event = *event;
        // It starts at -1, so the first one is 0.
        event.sequence = state.sequence;
        state.sequence = state.sequence.wrapping_add(1);
        let full = state.in_use(subscription.id) == subscription.elems;
        if full
            && let Some(oldest) = state.oldest(subscription.id)
            && let Some(old) = state.available.remove(oldest)
        {
            event = state.overflow(&subscription, old.event, event);
        }
        state.available.push_back(Kevent {
            subscription: subscription.id,
            event,
            nanos,
        });
        full
    };
    let (type_, id) = (event.type_, event.id);
    fh.vdev().emit(|| V4l2EventKind::EventQueued { type_, id });
    if dropped {
        fh.vdev().emit(|| V4l2EventKind::EventDropped { type_, id });
    }
    fh.wait().wake_all();
}

/// Gives the event to every file that subscribed (`v4l2_event_queue`).
#[track_caller]
pub fn v4l2_event_queue(vdev: &VideoDevice, event: &V4l2Event) {
    let fhs = vdev.fhs().clone();
    for fh in &fhs {
        v4l2_event_queue_fh(fh, event);
    }
}

/// Wakes whoever waits on the event queues of the device's files
/// (`v4l2_event_wake_all`). Pollers then find that the device is gone; a
/// blocking DQEVENT finds no event and sleeps on.
#[track_caller]
pub fn v4l2_event_wake_all(vdev: &VideoDevice) {
    let fhs = vdev.fhs().clone();
    let waiters: usize = fhs.iter().map(|fh| fh.wait().len()).sum();
    if waiters != 0 {
        vdev.emit(|| V4l2EventKind::WaitersWoken { waiters });
    }
    for fh in &fhs {
        fh.wait().wake_all();
    }
}

/// Subscribes the file to a kind of event, with a ring of so many
/// (`v4l2_event_subscribe`). A second time nothing changes.
///
/// # Errors
/// `EINVAL` for all kinds at once, `ENOMEM`, and what `ops` answers.
#[track_caller]
pub fn v4l2_event_subscribe(
    fh: &V4l2Fh,
    sub: &V4l2EventSubscription,
    elems: usize,
    ops: Option<Arc<dyn SubscribedEventOps>>,
) -> Result {
    if sub.type_ == V4L2_EVENT_ALL {
        return Err(Errno::EINVAL);
    }
    let system = fh.vdev().system();
    system.allocation()?;
    let _subscribing = fh
        .subscribe_lock()
        .lock(system, || None, "fh->subscribe_lock");
    let id = {
        let mut state = fh.events();
        if state.find(sub.type_, sub.id).is_some() {
            return Ok(());
        }
        let id = state.next_id;
        state.next_id += 1;
        state.subscribed.insert(
            0,
            Subscription {
                id,
                sub: *sub,
                elems: elems.max(1),
                ops: ops.clone(),
            },
        );
        id
    };
    let added = ops.map_or(Ok(()), |ops| ops.add(fh, sub));
    if added.is_err() {
        let gone = {
            let mut state = fh.events();
            let at = state.subscribed.iter().position(|known| known.id == id);
            at.map(|at| state.unsubscribe(at))
        };
        drop(gone);
    }
    added
}

/// Ends a subscription; its events go with it (`v4l2_event_unsubscribe`).
///
/// # Errors
/// None; the type is that of the ioctl.
#[track_caller]
pub fn v4l2_event_unsubscribe(fh: &V4l2Fh, sub: &V4l2EventSubscription) -> Result {
    if sub.type_ == V4L2_EVENT_ALL {
        v4l2_event_unsubscribe_all(fh);
        return Ok(());
    }
    let system = fh.vdev().system();
    let _subscribing = fh
        .subscribe_lock()
        .lock(system, || None, "fh->subscribe_lock");
    let gone = {
        let mut state = fh.events();
        let at = state.find(sub.type_, sub.id);
        at.map(|at| state.unsubscribe(at))
    };
    if let Some(gone) = gone
        && let Some(ops) = &gone.ops
    {
        ops.del(fh, &gone.sub);
    }
    Ok(())
}

/// Ends all subscriptions (`v4l2_event_unsubscribe_all`).
#[track_caller]
pub fn v4l2_event_unsubscribe_all(fh: &V4l2Fh) {
    loop {
        let first = fh.events().subscribed.first().map(|known| known.sub);
        match first {
            // Unsubscribing gives no error.
            Some(sub) => drop(v4l2_event_unsubscribe(fh, &sub)),
            None => return,
        }
    }
}

/// What changed of a source is never lost: v4l2_event_src_ch_ops.
struct SourceChange;

impl SubscribedEventOps for SourceChange {
    fn replace(&self, old: &mut V4l2Event, new: &V4l2Event) -> bool {
        let changes = old.src_changes() | new.src_changes();
        old.data = new.data;
        old.set_src_changes(changes);
        true
    }

    fn merge(&self, old: &V4l2Event, next: &mut V4l2Event) {
        next.set_src_changes(old.src_changes() | next.src_changes());
    }
}

/// Subscribes the file to changes of the source
/// (`v4l2_src_change_event_subscribe`).
///
/// # Errors
/// `EINVAL` for another kind of event.
#[track_caller]
pub fn v4l2_src_change_event_subscribe(fh: &V4l2Fh, sub: &V4l2EventSubscription) -> Result {
    if sub.type_ != V4L2_EVENT_SOURCE_CHANGE {
        return Err(Errno::EINVAL);
    }
    v4l2_event_subscribe(fh, sub, 0, Some(Arc::new(SourceChange)))
}

impl fmt::Debug for EventState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventState")
            .field("subscribed", &self.subscribed.len())
            .field("available", &self.available.len())
            .finish_non_exhaustive()
    }
}
