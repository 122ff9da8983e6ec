//! Releases that come later than the last put.
//!
//! Follows kobject_release of `lib/kobject.c` under
//! `CONFIG_DEBUG_KOBJECT_RELEASE`.

use core::time::Duration;
use std::collections::BTreeMap;

use lastfd_sync::thread::{self, TaskId};
use lastfd_sync::{Cancel, Clock, Mutex, TimerHandle, WaitQueue, wait_event};

use super::device::Device;
use crate::resource::queue_release;

/// The devices of a System whose last reference is gone, and that are there
/// still.
#[derive(Default)]
pub(crate) struct DelayedReleases {
    pending: Mutex<BTreeMap<u64, Pending>>,
    /// Woken whenever one is over.
    changed: WaitQueue,
}

struct Pending {
    device: Device,
    due: Due,
}

enum Due {
    /// When this fires.
    At(TimerHandle),
    /// It is being released, by this task.
    Now(TaskId),
}

impl Pending {
    /// Whoever gets true releases it.
    fn begin(&mut self) -> bool {
        match &self.due {
            Due::Now(_) => false,
            Due::At(timer) => {
                timer.cancel();
                self.due = Due::Now(thread::current());
                true
            }
        }
    }
}

impl DelayedReleases {
    /// kobject_release: the work is scheduled.
    pub(crate) fn add(&self, device: &Device) {
        let core = device.core();
        let seconds = 1 + u64::from(scattered(device.id()));
        core.message(
            Some(device.device_ref()),
            format!("kobject_release (delayed {seconds} s)"),
        );
        let due = core.clock.now().after(Duration::from_secs(seconds));
        let released = device.clone();
        let mut pending = self.pending.lock();
        let timer = core.clock.schedule(due, move || queue_release(&released));
        pending.insert(
            device.id(),
            Pending {
                device: device.clone(),
                due: Due::At(timer),
            },
        );
    }

    /// kobject_delayed_cleanup, on the workqueue.
    pub(crate) fn run(&self, device: &Device) {
        let due = {
            let mut pending = self.pending.lock();
            pending.get_mut(&device.id()).is_some_and(Pending::begin)
        };
        if due {
            self.release(device);
        }
    }

    fn release(&self, device: &Device) {
        device.release();
        let gone = self.pending.lock().remove(&device.id());
        drop(gone);
        self.changed.wake_all();
    }

    /// Waits until there is none, those included that a release adds.
    pub(crate) fn wait(&self, clock: &Clock, cancel: &Cancel) {
        // Cancelled, the System is ended by someone who waits no more.
        let _ = wait_event(&[&self.changed], clock, None, Some(cancel), || {
            self.pending.lock().is_empty().then_some(())
        });
    }

    /// Releases all now: the System ends. Those that the workqueue has begun
    /// are waited for.
    pub(crate) fn flush(&self, clock: &Clock) {
        // A System may end in a release: that one is not over before this.
        let own = thread::current();
        let of_others = |entry: &Pending| matches!(entry.due, Due::Now(task) if task != own);
        loop {
            let (next, others) = {
                let mut pending = self.pending.lock();
                let others = pending.values().any(of_others);
                let mut due = pending.values_mut();
                let next = due.find_map(|entry| entry.begin().then(|| entry.device.clone()));
                (next, others)
            };
            match next {
                Some(device) => self.release(&device),
                None if others => {
                    wait_event(&[&self.changed], clock, None, None, || {
                        let pending = self.pending.lock();
                        (!pending.values().any(of_others)).then_some(())
                    })
                    .expect("a wait with neither deadline nor cancel ends by its condition");
                }
                None => return,
            }
        }
    }
}

/// 0 to 3, without a pattern that a reader of logs could take for a rule.
fn scattered(id: u64) -> u8 {
    (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62) as u8
}
