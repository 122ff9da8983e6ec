//! Sending: the checks, the queue, and how a message ends.
//!
//! Follows the middle of `drivers/media/cec/core/cec-adap.c`. What takes a
//! message off the queue and gives it to the driver is in `thread`.

use core::time::Duration;

use lastfd_model::event::SplatKind;
use lastfd_model::resource::{DelayedWork, Resource};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Mutex, MutexGuard, WaitQueue, wait_event};

use super::adapter::{CecAdapter, State};
use super::core::{Capability, capable};
use super::handle::CecFh;
use super::lock::Locked;
use crate::abi::*;
use crate::event::CecEventKind;

/// Messages that wait to be sent.
pub const CEC_MAX_MSG_TX_QUEUE_SZ: usize = 18;

/// A message on its way (`struct cec_data`).
#[derive(Clone)]
pub(crate) struct Transmit(Arc<Inner>);

struct Inner {
    data: Mutex<Data>,
    /// Woken when a blocking one is over (cec_data.c).
    done: Arc<WaitQueue>,
}

pub(crate) struct Data {
    pub(crate) msg: CecMsg,
    /// Whose it is; none if that was closed.
    pub(crate) fh: Option<Arc<CecFh>>,
    pub(crate) blocking: bool,
    pub(crate) completed: bool,
    pub(crate) attempts: u8,
    /// What a reply begins with, from the opcode on.
    pub(crate) match_reply: Vec<u8>,
    work: Option<DelayedWork>,
}

impl PartialEq for Transmit {
    fn eq(&self, other: &Transmit) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Transmit {
    pub(crate) fn data(&self) -> MutexGuard<'_, Data> {
        self.0.data.lock()
    }

    pub(crate) fn done(&self) -> &Arc<WaitQueue> {
        &self.0.done
    }

    pub(crate) fn is_completed(&self) -> bool {
        self.data().completed
    }
}

/// What became of a message that was handed in.
pub(crate) enum Started {
    /// It is answered already.
    Over,
    /// It is in the queue.
    Queued(Transmit),
}

impl Locked<'_> {
    /// Checks a message, completes it, and queues it.
    // cec-adap.c: cec_transmit_msg_fh, as far as it does not wait
    pub(crate) fn transmit_msg_fh(
        &self,
        msg: &mut CecMsg,
        fh: Option<&Arc<CecFh>>,
        block: bool,
    ) -> Result<Started> {
        if self.adap.is_unregistered() {
            return Err(Errno::ENODEV);
        }
        let reply_vendor_id = msg.flags & CEC_MSG_FL_REPLY_VENDOR_ID != 0
            && msg.len > 1
            && msg.msg[1] == CEC_MSG_VENDOR_COMMAND_WITH_ID;
        clear_results(msg);
        if (reply_vendor_id || msg.reply != 0) && msg.timeout == 0 {
            msg.timeout = 1000;
        }
        msg.flags &= CEC_MSG_FL_REPLY_TO_FOLLOWERS
            | CEC_MSG_FL_RAW
            | if reply_vendor_id {
                CEC_MSG_FL_REPLY_VENDOR_ID
            } else {
                0
            };
        if msg.timeout == 0 {
            msg.flags &= !CEC_MSG_FL_REPLY_TO_FOLLOWERS;
        }
        if msg.len == 0 || msg.len as usize > CEC_MAX_MSG_SIZE {
            return Err(Errno::EINVAL);
        }
        if reply_vendor_id && msg.len < 6 {
            return Err(Errno::EINVAL);
        }
        let len = msg.len as usize;
        msg.msg[len..].fill(0);
        if msg.timeout != 0 && len == 1 {
            // There is no reply to a poll.
            return Err(Errno::EINVAL);
        }
        if msg.flags & CEC_MSG_FL_RAW != 0 {
            if !capable(self.adap.system(), Capability::SysRawio) {
                return Err(Errno::EPERM);
            }
        } else if self.check_addresses(msg)? {
            return Ok(Started::Over);
        }
        let mut state = self.state();
        if !state.is_configured && !state.is_configuring {
            if self.adap.needs_hpd() {
                return Err(Errno::ENONET);
            }
            if reply_vendor_id || msg.reply != 0 {
                return Err(Errno::EINVAL);
            }
        }
        if state.transmit_queue.len() >= CEC_MAX_MSG_TX_QUEUE_SZ {
            return Err(Errno::EBUSY);
        }
        self.adap.system().allocation()?;
        msg.sequence = state.next_sequence();
        let match_reply = match (reply_vendor_id, msg.timeout) {
            (true, _) => {
                let mut wanted = msg.msg[1..5].to_vec();
                wanted.push(msg.reply);
                wanted
            }
            (false, 0) => Vec::new(),
            (false, _) => vec![msg.reply],
        };
        let transmit = Transmit(Arc::new(Inner {
            data: Mutex::new(Data {
                msg: *msg,
                fh: fh.cloned(),
                blocking: block,
                completed: false,
                attempts: 0,
                match_reply,
                work: None,
            }),
            done: Arc::new(WaitQueue::new()),
        }));
        state.transmit_queue.push_back(transmit.clone());
        if state.transmitting.is_none() {
            self.later.wake_thread(self.adap);
        }
        Ok(Started::Queued(transmit))
    }

    /// Whether the message may go where it wants to; true if it is answered
    /// without being sent.
    fn check_addresses(&self, msg: &mut CecMsg) -> Result<bool> {
        let mut state = self.state();
        let len = msg.len as usize;
        let (from, to) = (msg.initiator(), msg.destination());
        let is_cdc = len > 1 && msg.msg[1] == CEC_MSG_CDC_MESSAGE;
        if state.log_addrs.flags & CEC_LOG_ADDRS_FL_CDC_ONLY != 0 && !is_cdc {
            return Err(Errno::EINVAL);
        }
        if len >= 4 && is_cdc {
            [msg.msg[2], msg.msg[3]] = state.phys_addr.to_be_bytes();
        }
        if len == 1 {
            if to == CEC_LOG_ADDR_BROADCAST {
                return Err(Errno::EINVAL);
            }
            if state.has_log_addr(to) {
                // Nobody but itself is there: the same as no answer, whatever
                // the hardware would make of it.
                msg.tx_ts = self.adap.now();
                msg.tx_status = CEC_TX_STATUS_NACK | CEC_TX_STATUS_MAX_RETRIES;
                msg.tx_nack_cnt = 1;
                msg.sequence = state.next_sequence();
                return Ok(true);
            }
        } else {
            if !msg.is_broadcast() && state.has_log_addr(to) {
                return Err(Errno::EINVAL);
            }
            if state.is_configured && !state.has_log_addr(from) {
                return Err(Errno::EINVAL);
            }
        }
        // A TV that pulls the hot-plug pin down in standby may be found and
        // woken all the same.
        let wakes_a_tv = len <= 2
            && to == CEC_LOG_ADDR_TV
            && (len == 1 || [CEC_MSG_IMAGE_VIEW_ON, CEC_MSG_TEXT_VIEW_ON].contains(&msg.msg[1]));
        if !state.is_configured && !state.is_configuring && !wakes_a_tv {
            return Err(Errno::ENONET);
        }
        Ok(false)
    }

    /// It is over: tells who waits for it, or gives the result to its file.
    // cec-adap.c: cec_data_completed
    pub(crate) fn data_completed(&self, transmit: &Transmit) {
        let (fh, blocking, msg, work) = {
            let mut data = transmit.data();
            let fh = data.fh.take();
            data.completed = data.blocking;
            (fh, data.blocking, data.msg, data.work.take())
        };
        if let Some(work) = work {
            self.later.retire(work);
        }
        self.adap.tell(|| CecEventKind::TransmitEnded {
            sequence: msg.sequence,
            tx_status: msg.tx_status,
            rx_status: msg.rx_status,
        });
        if blocking {
            self.later.wake(transmit.done());
        } else if let Some(fh) = fh {
            fh.queue_msg(&msg, &self.later);
        }
    }

    /// Gives up on a message, or on the reply to it.
    // cec-adap.c: cec_data_cancel
    pub(crate) fn data_cancel(&self, transmit: &Transmit, tx_status: u8, rx_status: u8) {
        self.state().forget(transmit);
        let now = self.adap.now();
        let (msg, blocking) = {
            let mut data = transmit.data();
            let blocking = data.blocking;
            if data.msg.tx_status & CEC_TX_STATUS_OK != 0 {
                data.msg.rx_ts = now;
                data.msg.rx_status = rx_status;
                if !blocking {
                    data.msg.tx_status = 0;
                }
            } else {
                data.msg.tx_ts = now;
                data.msg.tx_status |= tx_status | CEC_TX_STATUS_MAX_RETRIES;
                data.msg.tx_error_cnt = data.msg.tx_error_cnt.wrapping_add(1);
                data.attempts = 0;
                if !blocking {
                    data.msg.rx_status = 0;
                }
            }
            (data.msg, blocking)
        };
        self.adap.queue_msg_monitor(&msg, true, &self.later);
        if !blocking && msg.sequence != 0 {
            let adap = self.adap;
            let ops = adap.ops();
            // It has no result.
            let _ = adap.call_op(
                "adap_nb_transmit_canceled",
                &ops.adap_nb_transmit_canceled,
                |op| {
                    op(adap, &msg);
                    Ok(())
                },
            );
        }
        self.data_completed(transmit);
    }

    /// Gives up on everything; the message being sent is marked, and given up
    /// when the hardware is done with it.
    // cec-adap.c: cec_flush
    pub(crate) fn flush(&self) {
        loop {
            let first = self.state().transmit_queue.front().cloned();
            let Some(first) = first else {
                break;
            };
            self.data_cancel(&first, CEC_TX_STATUS_ABORTED, 0);
        }
        let waiting = {
            let mut state = self.state();
            if state.transmitting.is_some() {
                state.transmit_in_progress_aborted = true;
            }
            state.wait_queue.clone()
        };
        for transmit in waiting {
            let pending = {
                let data = transmit.data();
                data.work.as_ref().is_some_and(DelayedWork::cancel)
            };
            // If not, its timeout is running and ends it.
            if pending {
                self.data_cancel(&transmit, CEC_TX_STATUS_OK, CEC_RX_STATUS_ABORTED);
            }
        }
    }

    /// The message was sent; now the reply is waited for.
    fn await_reply(&self, transmit: &Transmit, timeout: u32) {
        self.state().wait_queue.push(transmit.clone());
        let (weak, late) = (self.adap.downgrade(), Arc::downgrade(&transmit.0));
        let work = DelayedWork::new(
            self.adap.system(),
            self.adap.device().as_ref(),
            "cec_wait_timeout",
            move || {
                if let (Some(adap), Some(late)) = (weak.upgrade(), late.upgrade()) {
                    wait_timeout(&adap, &Transmit(late));
                }
            },
        );
        transmit.data().work = Some(work.clone());
        work.schedule(Duration::from_millis(timeout.into()));
    }
}

/// The reply did not come.
// cec-adap.c: cec_wait_timeout
fn wait_timeout(adap: &CecAdapter, transmit: &Transmit) {
    let work = {
        let locked = adap.lock();
        let waits = locked.state().wait_queue.contains(transmit);
        if !waits {
            return;
        }
        // We run in it: it is not to be waited for.
        let work = transmit.data().work.take();
        locked.data_cancel(transmit, CEC_TX_STATUS_OK, CEC_RX_STATUS_TIMEOUT);
        work
    };
    if let Some(work) = work {
        work.free();
    }
}

impl State {
    /// Takes the message out of wherever it is.
    fn forget(&mut self, transmit: &Transmit) {
        if self.transmitting.as_ref() == Some(transmit) {
            self.transmitting = None;
        } else {
            self.transmit_queue.retain(|other| other != transmit);
            self.wait_queue.retain(|other| other != transmit);
        }
    }

    /// The messages of a file that is being closed are nobody's.
    // cec-api.c: cec_release
    pub(crate) fn unhook(&mut self, fh: &CecFh) {
        let all = self.transmit_queue.iter().chain(&self.wait_queue);
        for transmit in all.chain(&self.transmitting) {
            let mut data = transmit.data();
            if data.fh.as_ref().is_some_and(|of| of.id == fh.id) {
                data.blocking = false;
                data.fh = None;
            }
        }
    }
}

/// Nothing is known of a message yet.
pub(crate) fn clear_results(msg: &mut CecMsg) {
    msg.rx_ts = 0;
    msg.tx_ts = 0;
    msg.rx_status = 0;
    msg.tx_status = 0;
    msg.tx_arb_lost_cnt = 0;
    msg.tx_nack_cnt = 0;
    msg.tx_low_drive_cnt = 0;
    msg.tx_error_cnt = 0;
    msg.sequence = 0;
    msg.pad = 0;
}

/// The end of a blocking transmit: what became of the message. One that is not
/// over is given up, as by a signal that kills.
// cec-adap.c: cec_transmit_msg_fh, from its wait on
pub(crate) fn finish(adap: &CecAdapter, transmit: &Transmit, killed: bool) -> CecMsg {
    let locked = adap.lock();
    if killed {
        locked.state().transmit_in_progress_aborted = true;
    }
    let (completed, sent) = {
        let data = transmit.data();
        (data.completed, data.msg.tx_status & CEC_TX_STATUS_OK != 0)
    };
    if !completed {
        if sent {
            locked.data_cancel(transmit, CEC_TX_STATUS_OK, CEC_RX_STATUS_ABORTED);
        } else {
            locked.data_cancel(transmit, CEC_TX_STATUS_ABORTED, 0);
        }
    }
    transmit.data().msg
}

/// Sends a message of the driver's or the core's own (`cec_transmit_msg`). With
/// `block` it waits until the message was sent, and replied to if it wants a
/// reply; the message then tells what became of it.
///
/// # Errors
/// `ENODEV` once unregister began, `EINVAL`, `ENONET` without addresses, `EBUSY`
/// with 18 messages in the queue.
#[track_caller]
pub fn cec_transmit_msg(adap: &CecAdapter, msg: &mut CecMsg, block: bool) -> Result {
    if !adap.is_there("cec_transmit_msg") {
        return Err(Errno::ENODEV);
    }
    let started = adap.lock().transmit_msg_fh(msg, None, block)?;
    if let (Started::Queued(transmit), true) = (started, block) {
        *msg = wait_for(adap, &transmit);
    }
    Ok(())
}

/// Waits for a blocking transmit; no lock may be held.
pub(crate) fn wait_for(adap: &CecAdapter, transmit: &Transmit) -> CecMsg {
    let system = adap.system();
    let ended = wait_event(
        &[transmit.done()],
        system.clock(),
        None,
        Some(system.waits()),
        || transmit.is_completed().then_some(()),
    );
    finish(adap, transmit, ended.is_err())
}

/// How often a try of a message failed, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransmitCounts {
    /// Another initiator won.
    pub arb_lost: u8,
    /// Nobody acknowledged.
    pub nack: u8,
    /// The line was held low.
    pub low_drive: u8,
    /// Something else.
    pub error: u8,
}

/// The driver is done with the message it was given (`cec_transmit_done`).
/// `status` is of `CEC_TX_STATUS_*`; with an error, and without
/// `CEC_TX_STATUS_MAX_RETRIES`, the core tries again while tries are left.
///
/// May not be called from inside [`CecAdapOps::adap_transmit`](super::CecAdapOps::adap_transmit).
#[track_caller]
pub fn cec_transmit_done(adap: &CecAdapter, status: u8, counts: TransmitCounts) {
    if !adap.is_there("cec_transmit_done") {
        return;
    }
    let made = u32::from(counts.arb_lost)
        + u32::from(counts.nack)
        + u32::from(counts.low_drive)
        + u32::from(counts.error);
    let made = made.max(1);
    let final_status = status & (CEC_TX_STATUS_MAX_RETRIES | CEC_TX_STATUS_OK) != 0;
    let locked = adap.lock();
    locked.later.wake_thread(adap);
    let (transmit, aborted) = {
        let mut state = locked.state();
        let aborted = state.transmit_in_progress_aborted;
        state.transmit_in_progress = false;
        let transmit = state.transmitting.take();
        if transmit.is_some() {
            state.transmit_in_progress_aborted = false;
        }
        (transmit, aborted)
    };
    // None where it was given up meanwhile.
    let Some(transmit) = transmit else {
        return;
    };
    if status == 0 {
        adap.splat(SplatKind::Warn, "cec_transmit_done without a status");
    }
    let now = adap.now();
    let (msg, again) = {
        let mut data = transmit.data();
        let msg = &mut data.msg;
        msg.tx_ts = now;
        msg.tx_status |= status;
        msg.tx_arb_lost_cnt = msg.tx_arb_lost_cnt.wrapping_add(counts.arb_lost);
        msg.tx_nack_cnt = msg.tx_nack_cnt.wrapping_add(counts.nack);
        msg.tx_low_drive_cnt = msg.tx_low_drive_cnt.wrapping_add(counts.low_drive);
        msg.tx_error_cnt = msg.tx_error_cnt.wrapping_add(counts.error);
        let again = !aborted && u32::from(data.attempts) > made && !final_status;
        if again {
            data.attempts -= made as u8;
        } else {
            data.attempts = 0;
            let msg = &mut data.msg;
            if aborted && !final_status {
                msg.tx_status |= CEC_TX_STATUS_ABORTED;
            }
            if status & CEC_TX_STATUS_OK == 0 {
                msg.tx_status |= CEC_TX_STATUS_MAX_RETRIES;
            }
        }
        (data.msg, again)
    };
    if again {
        locked.state().transmit_queue.push_front(transmit);
        return;
    }
    adap.queue_msg_monitor(&msg, true, &locked.later);
    let wants_reply = !transmit.data().match_reply.is_empty();
    let configured = locked.state().is_configured;
    if status & CEC_TX_STATUS_OK != 0 && configured && wants_reply {
        locked.await_reply(&transmit, msg.timeout);
    } else {
        locked.data_completed(&transmit);
    }
}

/// The driver made one try (`cec_transmit_attempt_done`). `status` is one of
/// `CEC_TX_STATUS_*`, with or without `CEC_TX_STATUS_MAX_RETRIES`; another is a
/// splat.
#[track_caller]
pub fn cec_transmit_attempt_done(adap: &CecAdapter, status: u8) {
    let mut counts = TransmitCounts::default();
    match status & !CEC_TX_STATUS_MAX_RETRIES {
        CEC_TX_STATUS_OK => {}
        CEC_TX_STATUS_ARB_LOST => counts.arb_lost = 1,
        CEC_TX_STATUS_NACK => counts.nack = 1,
        CEC_TX_STATUS_LOW_DRIVE => counts.low_drive = 1,
        CEC_TX_STATUS_ERROR => counts.error = 1,
        _ => {
            adap.splat(
                SplatKind::Warn,
                &format!("invalid transmit status {status:#04x}"),
            );
            return;
        }
    }
    cec_transmit_done(adap, status, counts);
}
