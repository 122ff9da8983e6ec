//! `struct cec_fh`: what hangs on an open file, its two queues above all.
//!
//! Follows the first half of `drivers/media/cec/core/cec-adap.c`. An event or a
//! message is set aside by a call and gone when the call's reply was taken;
//! dropped, it is put back where it was, or lost as if it had been there when
//! the queue was full.

use std::collections::VecDeque;

use lastfd_sync::{Arc, Mutex, WaitQueue};

use super::adapter::CecAdapter;
use super::lock::{Later, Locked};
use crate::abi::*;
use crate::event::CecEventKind;

/// Messages that a file's queue holds.
pub const CEC_MAX_MSG_RX_QUEUE_SZ: usize = 18 * 3;

/// The kinds of event; the first two have a place of their own in each file.
const NUM_EVENTS: usize = 8;
const NUM_CORE_EVENTS: usize = 2;
/// How many of each kind are kept.
const MAX_EVENTS: [usize; NUM_EVENTS] = [1, 1, 800, 800, 8, 8, 8, 8];

/// An open file of an adapter.
pub(crate) struct CecFh {
    pub(crate) id: u64,
    pub(crate) adap: CecAdapter,
    /// Where its calls and pollers wait.
    pub(crate) wait: Arc<WaitQueue>,
    inner: Mutex<Inner>,
}

struct Inner {
    mode_initiator: u32,
    mode_follower: u32,
    msgs: VecDeque<CecMsg>,
    events: [VecDeque<CecEvent>; NUM_EVENTS],
    /// A receive has a message set aside.
    receiving: bool,
    /// A dequeue has an event set aside.
    dequeuing: bool,
}

impl CecFh {
    pub(crate) fn new(adap: &CecAdapter) -> CecFh {
        CecFh {
            id: adap.system().unique(),
            adap: adap.clone(),
            wait: Arc::new(WaitQueue::new()),
            inner: Mutex::new(Inner {
                mode_initiator: CEC_MODE_INITIATOR,
                mode_follower: CEC_MODE_NO_FOLLOWER,
                msgs: VecDeque::new(),
                events: Default::default(),
                receiving: false,
                dequeuing: false,
            }),
        }
    }

    /// Both parts of its mode.
    pub(crate) fn modes(&self) -> (u32, u32) {
        let inner = self.inner.lock();
        (inner.mode_initiator, inner.mode_follower)
    }

    pub(crate) fn set_modes(&self, initiator: u32, follower: u32) {
        let mut inner = self.inner.lock();
        inner.mode_initiator = initiator;
        inner.mode_follower = follower;
    }

    pub(crate) fn has_msgs(&self) -> bool {
        !self.inner.lock().msgs.is_empty()
    }

    pub(crate) fn has_events(&self) -> bool {
        self.inner.lock().total_events() > 0
    }

    /// Queues an event; one that finds no room pushes the oldest of its kind
    /// out and marks the one before it. `ts` is nanoseconds.
    // cec-adap.c: cec_queue_event_fh
    pub(crate) fn queue_event(&self, mut event: CecEvent, ts: u64, later: &Later) {
        event.ts = ts;
        self.inner.lock().queue_event(event);
        later.wake(&self.wait);
    }

    /// Queues a message; the oldest one is lost if there is no room.
    // cec-adap.c: cec_queue_msg_fh
    pub(crate) fn queue_msg(&self, msg: &CecMsg, later: &Later) {
        let now = self.adap.now();
        let lost = {
            let mut inner = self.inner.lock();
            inner.msgs.push_back(*msg);
            inner.lose_oldest(now)
        };
        if lost {
            self.adap.tell(|| CecEventKind::MessageLost);
        }
        later.wake(&self.wait);
    }

    /// Sets the oldest message aside.
    pub(crate) fn take_msg(self: &Arc<Self>) -> Taking<CecMsg> {
        let mut inner = self.inner.lock();
        if inner.receiving {
            return Taking::Busy;
        }
        match inner.msgs.pop_front() {
            Some(msg) => {
                inner.receiving = true;
                Taking::Some(Taken {
                    fh: Arc::clone(self),
                    item: Some(msg),
                    put_back: Inner::put_msg_back,
                })
            }
            None => Taking::Empty,
        }
    }

    /// Sets the oldest event aside.
    // cec-api.c: cec_dqevent
    pub(crate) fn take_event(self: &Arc<Self>) -> Taking<CecEvent> {
        let mut inner = self.inner.lock();
        if inner.dequeuing {
            return Taking::Busy;
        }
        // Of two that are equally old, the kind with the higher number.
        let oldest = (0..NUM_EVENTS)
            .filter_map(|kind| inner.events[kind].front().map(|event| (event.ts, kind)))
            .min_by_key(|(ts, kind)| (*ts, NUM_EVENTS - kind));
        let event = oldest.and_then(|(_, kind)| inner.events[kind].pop_front());
        match event {
            Some(event) => {
                inner.dequeuing = true;
                Taking::Some(Taken {
                    fh: Arc::clone(self),
                    item: Some(event),
                    put_back: Inner::put_event_back,
                })
            }
            None => Taking::Empty,
        }
    }

    /// Forgets what nobody took.
    pub(crate) fn clear(&self) {
        let mut inner = self.inner.lock();
        inner.msgs.clear();
        inner.events = Default::default();
    }
}

impl Inner {
    fn total_events(&self) -> usize {
        self.events.iter().map(VecDeque::len).sum()
    }

    fn queue_event(&mut self, event: CecEvent) {
        let kind = event.event as usize - 1;
        let queue = &mut self.events[kind];
        if queue.len() < MAX_EVENTS[kind] {
            queue.push_back(event);
            return;
        }
        if event.event == CEC_EVENT_LOST_MSGS {
            queue[0].raw[0] += event.raw[0];
            return;
        }
        queue.push_back(event);
        queue.pop_front();
        // Of a core event that is the new one itself.
        queue[0].flags |= CEC_EVENT_FL_DROPPED_EVENTS;
    }

    /// Whether a message too many had to go.
    fn lose_oldest(&mut self, now: u64) -> bool {
        if self.msgs.len() <= CEC_MAX_MSG_RX_QUEUE_SZ {
            return false;
        }
        self.msgs.pop_front();
        let mut lost = CecEvent {
            event: CEC_EVENT_LOST_MSGS,
            ts: now,
            ..CecEvent::default()
        };
        lost.raw[0] = 1;
        self.queue_event(lost);
        true
    }

    fn put_msg_back(&mut self, msg: Option<CecMsg>, now: u64) {
        self.receiving = false;
        if let Some(msg) = msg {
            self.msgs.push_front(msg);
            self.lose_oldest(now);
        }
    }

    fn put_event_back(&mut self, event: Option<CecEvent>, _now: u64) {
        self.dequeuing = false;
        let Some(event) = event else {
            return;
        };
        let kind = event.event as usize - 1;
        let queue = &mut self.events[kind];
        if queue.len() < MAX_EVENTS[kind] {
            queue.push_front(event);
        } else if event.event == CEC_EVENT_LOST_MSGS {
            queue[0].raw[0] += event.raw[0];
        } else if kind < NUM_CORE_EVENTS || !queue.is_empty() {
            queue[0].flags |= CEC_EVENT_FL_DROPPED_EVENTS;
        }
    }
}

/// What becomes of taking something out of a file's queue.
pub(crate) enum Taking<T> {
    /// It is set aside.
    Some(Taken<T>),
    /// There is none.
    Empty,
    /// Another call has one set aside.
    Busy,
}

/// Something set aside; dropped, it is put back.
pub(crate) struct Taken<T> {
    fh: Arc<CecFh>,
    item: Option<T>,
    put_back: fn(&mut Inner, Option<T>, u64),
}

impl<T: Copy> Taken<T> {
    pub(crate) fn item(&self) -> T {
        self.item.expect("it is there until it is committed")
    }

    /// It was delivered.
    pub(crate) fn commit(mut self) {
        self.item = None;
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        let now = self.fh.adap.now();
        (self.put_back)(&mut self.fh.inner.lock(), self.item.take(), now);
        // Another call may have waited for this one to end.
        self.fh.wait.wake_all();
    }
}

impl CecAdapter {
    /// Gives a message to the files that monitor; with `valid_la` it is for the
    /// adapter, or from it.
    // cec-adap.c: cec_queue_msg_monitor
    pub(crate) fn queue_msg_monitor(&self, msg: &CecMsg, valid_la: bool, later: &Later) {
        let mode = if valid_la {
            CEC_MODE_MONITOR
        } else {
            CEC_MODE_MONITOR_ALL
        };
        for fh in self.fhs() {
            if fh.modes().1 >= mode {
                fh.queue_msg(msg, later);
            }
        }
    }

    /// Gives a message to the followers.
    // cec-adap.c: cec_queue_msg_followers
    pub(crate) fn queue_msg_followers(&self, msg: &CecMsg, later: &Later) {
        for fh in self.fhs() {
            if fh.modes().1 == CEC_MODE_FOLLOWER {
                fh.queue_msg(msg, later);
            }
        }
    }

    pub(crate) fn state_event(&self, flags: u32) -> CecEvent {
        let state = self.state();
        let connected = state.conn_info.type_ != CEC_CONNECTOR_TYPE_NO_CONNECTOR;
        CecEvent::of_state(
            CecStateChange {
                phys_addr: state.phys_addr,
                log_addr_mask: state.log_addrs.log_addr_mask,
                have_conn_info: connected.into(),
            },
            flags,
        )
    }
}

impl Locked<'_> {
    /// Tells the open files of the adapter's state.
    // cec-adap.c: cec_post_state_event, cec_queue_event
    pub(crate) fn post_state_event(&self) {
        let event = self.adap.state_event(0);
        let now = self.adap.now();
        for fh in self.adap.fhs() {
            fh.queue_event(event, now, &self.later);
        }
    }
}

fn queue_pin_event(adap: &CecAdapter, event: u32, flags: u32, ts: u64, monitors_only: bool) {
    let later = Later::default();
    let event = CecEvent {
        event,
        flags,
        ..CecEvent::default()
    };
    for fh in adap.fhs() {
        if !monitors_only || fh.modes().1 == CEC_MODE_MONITOR_PIN {
            fh.queue_event(event, ts, &later);
        }
    }
}

/// Tells the files that monitor the pin its new level
/// (`cec_queue_pin_cec_event`). `ts` is nanoseconds of the System's clock.
#[track_caller]
pub fn cec_queue_pin_cec_event(adap: &CecAdapter, is_high: bool, dropped: bool, ts: u64) {
    if adap.is_there("cec_queue_pin_cec_event") {
        let (event, flags) = (
            CEC_EVENT_PIN_CEC_LOW + u32::from(is_high),
            CEC_EVENT_FL_DROPPED_EVENTS * u32::from(dropped),
        );
        queue_pin_event(adap, event, flags, ts, true);
    }
}

/// Tells all files of the hot-plug pin's new level (`cec_queue_pin_hpd_event`).
#[track_caller]
pub fn cec_queue_pin_hpd_event(adap: &CecAdapter, is_high: bool, ts: u64) {
    if adap.is_there("cec_queue_pin_hpd_event") {
        let event = CEC_EVENT_PIN_HPD_LOW + u32::from(is_high);
        queue_pin_event(adap, event, 0, ts, false);
    }
}

/// Tells all files of the 5 V pin's new level (`cec_queue_pin_5v_event`).
#[track_caller]
pub fn cec_queue_pin_5v_event(adap: &CecAdapter, is_high: bool, ts: u64) {
    if adap.is_there("cec_queue_pin_5v_event") {
        let event = CEC_EVENT_PIN_5V_LOW + u32::from(is_high);
        queue_pin_event(adap, event, 0, ts, false);
    }
}
