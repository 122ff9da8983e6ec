//! The adapter's thread, `cec-NAME`: gives messages to the driver one at a
//! time, and gives up on one that takes impossibly long.
//!
//! Follows `drivers/media/cec/core/cec-adap.c: cec_thread_func`.

use core::time::Duration;

use lastfd_model::Result;
use lastfd_model::resource::{Kthread, KthreadControl, Resource};
use lastfd_sync::{Arc, Ktime};

use super::adapter::{CecAdapter, State, WeakAdapter, XFER_TIMEOUT_MS};
use crate::abi::*;
use crate::event::CecEventKind;

/// Bit periods of silence before a try again, before another initiator's
/// message, before the next one of the same.
const SIGNAL_FREE_TIME_RETRY: u32 = 3;
const SIGNAL_FREE_TIME_NEW_INITIATOR: u32 = 5;
const SIGNAL_FREE_TIME_NEXT_XFER: u32 = 7;

/// Makes it. It runs from the first time on that there is something to do.
#[track_caller]
pub(crate) fn create(adap: &CecAdapter) -> Result<Kthread> {
    let weak = adap.downgrade();
    let name = format!("cec-{}", adap.name());
    Kthread::create(adap.system(), None, &name, move |control| {
        body(&weak, control);
    })
}

/// Wakes it; the first time that there is something to do it starts.
pub(crate) fn wake(adap: &CecAdapter) {
    let has_work = {
        let state = adap.state();
        state.thread_has_work(adap.needs_hpd(), state.transmit_in_progress)
    };
    if has_work
        && adap
            .kthread()
            .is_some_and(|kthread| kthread.wake_up().is_err())
    {
        adap.message("there is no thread to be had, what is to be sent is aborted");
        adap.lock().flush();
    }
    adap.kthread_waitq().wake_all();
}

/// Waits for threads that ended.
pub(crate) fn reap(adap: &CecAdapter) {
    let ended = core::mem::take(&mut adap.state().config_ended);
    for kthread in ended {
        kthread.stop();
        kthread.free();
    }
}

/// Why the thread goes on.
enum Awake {
    /// There is something to do.
    Work,
    /// The hardware took too long.
    Timeout,
    /// Nobody has the adapter any more.
    Gone,
}

fn body(weak: &WeakAdapter, control: &KthreadControl) {
    loop {
        let awake = sleep(weak, control);
        let Some(adap) = weak.upgrade() else {
            return;
        };
        reap(&adap);
        match awake {
            Some(Awake::Gone) => return,
            Some(awake) => step(&adap, matches!(awake, Awake::Timeout), false),
            // Told to stop, or all waits of the System end: it would not sleep again.
            None => return step(&adap, false, true),
        }
        if control.should_stop() {
            return;
        }
    }
}

/// Waits until there is something to do; none if the thread should stop.
fn sleep(weak: &WeakAdapter, control: &KthreadControl) -> Option<Awake> {
    let (queue, clock, deadline) = {
        let Some(adap) = weak.upgrade() else {
            return Some(Awake::Gone);
        };
        let in_progress = adap.state().transmit_in_progress;
        let clock = adap.system().clock().clone();
        let timeout = Duration::from_millis(XFER_TIMEOUT_MS);
        let deadline = in_progress.then(|| clock.now().after(timeout));
        (Arc::clone(adap.kthread_waitq()), clock, deadline)
    };
    let timer = deadline.map(|at| {
        let queue = Arc::clone(&queue);
        clock.schedule(at, move || queue.wake_all())
    });
    let passed = |at: Ktime| clock.now() >= at;
    let awake = control.wait(&queue, || {
        let Some(adap) = weak.upgrade() else {
            return Some(Awake::Gone);
        };
        let state = adap.state();
        if state.thread_has_work(adap.needs_hpd(), deadline.is_some()) {
            return Some(Awake::Work);
        }
        deadline.filter(|at| passed(*at)).map(|_| Awake::Timeout)
    });
    if let Some(timer) = timer {
        timer.cancel();
    }
    awake
}

impl State {
    fn is_unconfigured(&self) -> bool {
        !self.is_configured && !self.is_configuring
    }

    fn thread_has_work(&self, needs_hpd: bool, in_progress: bool) -> bool {
        (in_progress && needs_hpd && self.is_unconfigured())
            || (!self.transmit_in_progress && !self.transmit_queue.is_empty())
            || !self.config_ended.is_empty()
    }
}

fn step(adap: &CecAdapter, timeout: bool, stop: bool) {
    let locked = adap.lock();
    let unconfigured = locked.state().is_unconfigured();
    if stop || (adap.needs_hpd() && unconfigured) {
        locked.flush();
        return;
    }
    let (in_progress, aborted, transmitting) = {
        let state = locked.state();
        (
            state.transmit_in_progress,
            state.transmit_in_progress_aborted,
            state.transmitting.clone(),
        )
    };
    if in_progress && (aborted || timeout) {
        if let Some(transmit) = transmitting {
            let status = if aborted {
                CEC_TX_STATUS_ABORTED
            } else {
                adap.message("message timed out");
                CEC_TX_STATUS_TIMEOUT
            };
            locked.data_cancel(&transmit, status, 0);
        } else if !aborted {
            adap.message("transmit timed out");
        }
        let mut state = locked.state();
        state.transmit_in_progress = false;
        if aborted {
            state.transmit_in_progress_aborted = false;
        } else {
            state.tx_timeout_cnt += 1;
        }
        return;
    }
    if in_progress {
        return;
    }
    let (transmit, tries, signal_free_time, msg) = {
        let mut state = locked.state();
        let Some(transmit) = state.transmit_queue.pop_front() else {
            return;
        };
        state.transmitting = Some(transmit.clone());
        let mut data = transmit.data();
        // Polls after the addresses were claimed are tried less often.
        let tries = match data.msg.len {
            1 if state.is_configured => 2,
            _ => 4,
        };
        let initiator = data.msg.initiator();
        let signal_free_time = if data.attempts != 0 {
            SIGNAL_FREE_TIME_RETRY
        } else if state.last_initiator != initiator {
            state.last_initiator = initiator;
            SIGNAL_FREE_TIME_NEW_INITIATOR
        } else {
            SIGNAL_FREE_TIME_NEXT_XFER
        };
        if data.attempts == 0 {
            data.attempts = tries;
        }
        let (tries, msg) = (data.attempts, data.msg);
        drop(data);
        state.transmit_in_progress_aborted = false;
        (transmit, tries, signal_free_time, msg)
    };
    adap.tell(|| CecEventKind::TransmitBegan {
        sequence: msg.sequence,
    });
    // Before the driver is called: what it sets off may be quicker than we are.
    locked.state().transmit_in_progress = true;
    let given = adap.call_op("adap_transmit", &adap.ops().adap_transmit, |op| {
        op(adap, tries, signal_free_time, &msg)
    });
    if given.is_err() {
        locked.state().transmit_in_progress = false;
        locked.data_cancel(&transmit, CEC_TX_STATUS_ABORTED, 0);
    }
}
