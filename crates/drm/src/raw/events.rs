//! Events for an open file: 4096 bytes of room, reserved before they happen,
//! read whole.
//!
//! Follows `drm_event_*`, `drm_send_event*`, `drm_read` and `drm_poll` of
//! `drivers/gpu/drm/drm_file.c`. **Nothing but an event wakes a reader**: the
//! kernel waits for "the list is not empty" and never looks whether the device
//! is there.

use core::fmt;
use std::collections::VecDeque;

use lastfd_chrdev::{PollMask, PollTable, Read, Try};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex, WaitQueue};

use super::device::DrmDevice;
use super::file::{DrmFile, WeakDrmFile};
use crate::event::DrmEventKind;

/// Bytes set aside for the events of one file.
const EVENT_SPACE: usize = 4096;

/// The events of one file.
pub(crate) struct EventQueue {
    state: Arc<Mutex<State>>,
    wait: Arc<WaitQueue>,
}

struct State {
    /// `file_priv->event_space`.
    space: usize,
    ready: VecDeque<Arc<[u8]>>,
    /// A reader has events set aside: `event_read_lock` is held.
    reading: bool,
    /// The file was closed: what is still pending goes nowhere.
    closed: bool,
}

impl Default for EventQueue {
    fn default() -> EventQueue {
        EventQueue {
            state: Arc::new(Mutex::new(State {
                space: EVENT_SPACE,
                ready: VecDeque::new(),
                reading: false,
                closed: false,
            })),
            wait: Arc::new(WaitQueue::new()),
        }
    }
}

impl EventQueue {
    /// drm_events_release.
    pub(crate) fn release(&self) {
        let unread = {
            let mut state = self.state.lock();
            state.closed = true;
            core::mem::take(&mut state.ready)
        };
        drop(unread);
    }
}

/// Events set aside by a reader. Dropping it leaves them in the queue.
struct Reading {
    state: Arc<Mutex<State>>,
    wait: Arc<WaitQueue>,
    /// How many of them were read.
    taken: usize,
}

impl Drop for Reading {
    fn drop(&mut self) {
        {
            let mut state = self.state.lock();
            state.reading = false;
            let taken = self.taken.min(state.ready.len());
            let bytes: usize = state.ready.drain(..taken).map(|event| event.len()).sum();
            state.space += bytes;
        }
        self.wait.wake_all();
    }
}

/// Room reserved for an event that has not happened yet
/// (`struct drm_pending_event`).
#[must_use = "an event is sent or cancelled"]
pub struct DrmPendingEvent {
    file: WeakDrmFile,
    bytes: Vec<u8>,
}

impl DrmPendingEvent {
    /// What will be sent.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl fmt::Debug for DrmPendingEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrmPendingEvent")
            .field("len", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// Reserves room for an event, whose first eight bytes are its type and length
/// (`drm_event_reserve_init`).
///
/// # Errors
/// `ENOMEM` if the file's 4096 bytes do not hold it.
pub fn drm_event_reserve_init(
    dev: &DrmDevice,
    file: &DrmFile,
    event: &[u8],
) -> Result<DrmPendingEvent> {
    let _ = dev;
    let mut state = file.events().state.lock();
    state.space = state.space.checked_sub(event.len()).ok_or(Errno::ENOMEM)?;
    Ok(DrmPendingEvent {
        file: file.downgrade(),
        bytes: event.to_vec(),
    })
}

/// Gives the room back (`drm_event_cancel_free`).
pub fn drm_event_cancel_free(dev: &DrmDevice, event: DrmPendingEvent) {
    let _ = dev;
    if let Some(file) = event.file.upgrade() {
        file.events().state.lock().space += event.bytes.len();
    }
}

/// The event happened: it can be read (`drm_send_event`). For a file that was
/// closed meanwhile it is dropped without a word.
#[track_caller]
pub fn drm_send_event(dev: &DrmDevice, event: DrmPendingEvent) {
    let Some(file) = event.file.upgrade() else {
        return;
    };
    {
        let mut state = file.events().state.lock();
        if state.closed {
            return;
        }
        state.ready.push_back(event.bytes.into());
    }
    file.events().wait.wake_all();
    dev.emit(|| DrmEventKind::EventSent { file: file.id() });
}

/// Reads whole events (`drm_read`): as many as fit, 0 bytes if the first one
/// does not. Without any it waits, for 0 bytes as well, whether or not the
/// device is there.
///
/// # Errors
/// `EAGAIN` if it must not wait, `EFAULT`.
pub fn drm_read(file: &DrmFile, call: &mut Read<'_>) -> Try<usize> {
    let queue = file.events();
    let events = {
        let mut state = queue.state.lock();
        if state.reading {
            // mutex_lock_interruptible, for a caller that must not block too.
            return Try::wait(&queue.wait);
        }
        if state.ready.is_empty() {
            return match call.nonblock() {
                true => Try::err(Errno::EAGAIN),
                false => Try::wait(&queue.wait),
            };
        }
        let mut room = call.count();
        let fitting = state.ready.iter().take_while(|event| {
            let fits = event.len() <= room;
            room -= if fits { event.len() } else { 0 };
            fits
        });
        let events: Vec<Arc<[u8]>> = fitting.cloned().collect();
        state.reading = true;
        events
    };
    let mut reading = Reading {
        state: Arc::clone(&queue.state),
        wait: Arc::clone(&queue.wait),
        taken: 0,
    };
    let (mut bytes, mut copied) = (0, 0);
    for event in &events {
        if let Err(errno) = call.write(bytes, event) {
            if copied == 0 {
                return Try::err(errno);
            }
            break;
        }
        bytes += event.len();
        copied += 1;
    }
    Try::ready(bytes, move || {
        reading.taken = copied;
        drop(reading);
    })
}

/// Tells whether there are events (`drm_poll`), and nothing else, ever.
pub fn drm_poll(file: &DrmFile, table: &mut PollTable) -> PollMask {
    let queue = file.events();
    table.wait(&queue.wait);
    if queue.state.lock().ready.is_empty() {
        PollMask::NONE
    } else {
        PollMask::IN | PollMask::RDNORM
    }
}
