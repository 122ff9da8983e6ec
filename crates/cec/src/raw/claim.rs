//! The claim of logical addresses, on a thread of its own, `ceccfg-NAME`: each
//! address wanted is polled; one that nobody acknowledges is free.
//!
//! Follows `drivers/media/cec/core/cec-adap.c: cec_config_thread_func`.

use lastfd_model::resource::Kthread;
use lastfd_model::{Errno, Result};

use super::adapter::CecAdapter;
use super::lock::Locked;
use super::reply;
use super::transmit::{Started, wait_for};
use crate::abi::*;
use crate::event::CecEventKind;

/// The addresses of each type of device, best first (`CEC_LOG_ADDR_TYPE_*`).
const ADDRESSES: [&[u8]; 6] = [
    &[CEC_LOG_ADDR_TV, CEC_LOG_ADDR_SPECIFIC],
    &[
        CEC_LOG_ADDR_RECORD_1,
        CEC_LOG_ADDR_RECORD_2,
        CEC_LOG_ADDR_RECORD_3,
        CEC_LOG_ADDR_BACKUP_1,
        CEC_LOG_ADDR_BACKUP_2,
    ],
    &[
        CEC_LOG_ADDR_TUNER_1,
        CEC_LOG_ADDR_TUNER_2,
        CEC_LOG_ADDR_TUNER_3,
        CEC_LOG_ADDR_TUNER_4,
        CEC_LOG_ADDR_BACKUP_1,
        CEC_LOG_ADDR_BACKUP_2,
    ],
    &[
        CEC_LOG_ADDR_PLAYBACK_1,
        CEC_LOG_ADDR_PLAYBACK_2,
        CEC_LOG_ADDR_PLAYBACK_3,
        CEC_LOG_ADDR_BACKUP_1,
        CEC_LOG_ADDR_BACKUP_2,
    ],
    &[CEC_LOG_ADDR_AUDIOSYSTEM],
    &[
        CEC_LOG_ADDR_SPECIFIC,
        CEC_LOG_ADDR_BACKUP_1,
        CEC_LOG_ADDR_BACKUP_2,
    ],
];

/// How often a poll is tried that was neither acknowledged nor not.
const MAX_RETRIES: usize = 2;

/// Whether the address belongs to the type by more than as a backup, so that it
/// may be tried first once more.
fn is_of_type(log_addr: u8, type_: u8) -> bool {
    let backup = [CEC_LOG_ADDR_BACKUP_1, CEC_LOG_ADDR_BACKUP_2].contains(&log_addr);
    let own = ADDRESSES[usize::from(type_)].contains(&log_addr);
    // A TV's second address is not in its mask.
    let borrowed = type_ == CEC_LOG_ADDR_TYPE_TV && log_addr == CEC_LOG_ADDR_SPECIFIC;
    own && !backup && !borrowed
}

/// Begins the claim; false if it could not.
// cec-adap.c: cec_claim_log_addrs
pub(crate) fn begin(locked: &Locked<'_>) -> bool {
    let adap = locked.adap;
    {
        let mut state = locked.state();
        if state.is_configuring || state.is_configured {
            drop(state);
            adap.warn_claimed_twice();
            return false;
        }
        state.is_configuring = true;
        state.claims_begun += 1;
    }
    let weak = adap.downgrade();
    let name = format!("ceccfg-{}", adap.name());
    let device = adap.device();
    let kthread = Kthread::run(adap.system(), device.as_ref(), &name, move |_| {
        if let Some(adap) = weak.upgrade() {
            claim(&adap);
        }
    });
    match kthread {
        Ok(kthread) => {
            locked.state().kthread_config = Some(kthread);
            true
        }
        Err(_) => {
            // As in the kernel the adapter then configures for ever, but
            // nobody waits for it.
            let mut state = locked.state();
            state.claims_over = state.claims_begun;
            false
        }
    }
}

fn claim(adap: &CecAdapter) {
    let claimed = claim_all(adap);
    let locked = adap.lock();
    match claimed {
        Ok(()) => configured(&locked),
        Err(_) => {
            {
                let mut state = locked.state();
                let count = usize::from(state.log_addrs.num_log_addrs);
                state.log_addrs.log_addr[..count].fill(CEC_LOG_ADDR_INVALID);
            }
            locked.unconfigure();
            let mut state = locked.state();
            state.is_configuring = false;
            state.must_reconfigure = false;
        }
    }
    let mut state = locked.state();
    state.claims_over = state.claims_begun;
    // The adapter's thread waits for us to end.
    if let Some(own) = state.kthread_config.take() {
        state.config_ended.push(own);
    }
    drop(state);
    locked.later.wake(adap.config_done());
    locked.later.wake_thread(adap);
}

/// Finds an address for each that is wanted.
fn claim_all(adap: &CecAdapter) -> Result {
    let las = {
        let locked = adap.lock();
        let mut state = locked.state();
        state.log_addrs.log_addr_mask = 0;
        state.log_addrs
    };
    if las.log_addr_type[0] == CEC_LOG_ADDR_TYPE_UNREGISTERED {
        return Ok(());
    }
    'again: loop {
        for i in 0..usize::from(las.num_log_addrs) {
            let mut type_ = las.log_addr_type[i];
            let last = {
                let mut state = adap.state();
                // Only at the root of the tree is there a TV.
                if state.phys_addr != 0 && type_ == CEC_LOG_ADDR_TYPE_TV {
                    type_ = CEC_LOG_ADDR_TYPE_SPECIFIC;
                }
                core::mem::replace(&mut state.log_addrs.log_addr[i], CEC_LOG_ADDR_INVALID)
            };
            let list = ADDRESSES[usize::from(type_)];
            let first = if is_of_type(last, type_) {
                last
            } else {
                list[0]
            };
            let free = try_one(adap, i, first);
            {
                let mut state = adap.state();
                if core::mem::take(&mut state.must_reconfigure) {
                    state.log_addrs.log_addr_mask = 0;
                    drop(state);
                    continue 'again;
                }
            }
            if free? {
                continue;
            }
            for &log_addr in list.iter().filter(|other| **other != first) {
                let is_backup = [CEC_LOG_ADDR_BACKUP_1, CEC_LOG_ADDR_BACKUP_2].contains(&log_addr);
                if is_backup && las.cec_version < CEC_OP_CEC_VERSION_2_0 {
                    continue;
                }
                if try_one(adap, i, log_addr)? {
                    break;
                }
            }
        }
        break;
    }
    let state = adap.state();
    if state.log_addrs.log_addr_mask == 0 && las.flags & CEC_LOG_ADDRS_FL_ALLOW_UNREG_FALLBACK == 0
    {
        return Err(Errno::ENODEV);
    }
    Ok(())
}

/// Polls one address and takes it if it is free.
// cec-adap.c: cec_config_log_addr
fn try_one(adap: &CecAdapter, index: usize, log_addr: u8) -> Result<bool> {
    if adap.has_log_addr(log_addr) {
        return Ok(false);
    }
    let mut msg = CecMsg::new(&[log_addr << 4 | log_addr]);
    let mut tries = 0;
    loop {
        let started = adap.lock().transmit_msg_fh(&mut msg, None, true);
        let started = started.map(|started| {
            if let Started::Queued(transmit) = started {
                msg = wait_for(adap, &transmit);
            }
        });
        {
            let state = adap.state();
            if state.phys_addr == CEC_PHYS_ADDR_INVALID || state.must_reconfigure {
                return Err(Errno::EINTR);
            }
        }
        started?;
        if msg.tx_status & CEC_TX_STATUS_ABORTED != 0 {
            return Err(Errno::EINTR);
        }
        if msg.tx_status & CEC_TX_STATUS_OK != 0 {
            return Ok(false);
        }
        if msg.tx_status & CEC_TX_STATUS_NACK != 0 {
            break;
        }
        tries += 1;
        if tries == MAX_RETRIES {
            // Something is odd on the wire; better not to take it.
            return Ok(false);
        }
    }
    let locked = adap.lock();
    adap.call_op("adap_log_addr", &adap.ops().adap_log_addr, |op| {
        op(adap, log_addr)
    })?;
    let mut state = locked.state();
    state.log_addrs.log_addr[index] = log_addr;
    state.log_addrs.log_addr_mask |= 1 << log_addr;
    Ok(true)
}

/// The addresses are found: tells the files and, on the wire, everybody.
fn configured(locked: &Locked<'_>) {
    let adap = locked.adap;
    let (las, phys_addr) = {
        let mut state = locked.state();
        let las = &mut state.log_addrs;
        let count = usize::from(las.num_log_addrs);
        if las.log_addr_mask == 0 {
            las.log_addr[..count].fill(CEC_LOG_ADDR_INVALID);
            las.log_addr[0] = CEC_LOG_ADDR_UNREGISTERED;
            las.log_addr_mask = 1 << CEC_LOG_ADDR_UNREGISTERED;
        }
        las.log_addr[count..].fill(CEC_LOG_ADDR_INVALID);
        state.is_configured = true;
        state.is_configuring = false;
        state.must_reconfigure = false;
        (state.log_addrs, state.phys_addr)
    };
    adap.tell(|| CecEventKind::Configured {
        log_addr_mask: las.log_addr_mask,
    });
    locked.post_state_event();
    let post = |mut msg: CecMsg| {
        // What cannot be queued is not sent, as in the kernel.
        let _ = locked.transmit_msg_fh(&mut msg, None, false);
    };
    for i in 0..usize::from(las.num_log_addrs) {
        let log_addr = las.log_addr[i];
        if log_addr == CEC_LOG_ADDR_INVALID || las.flags & CEC_LOG_ADDRS_FL_CDC_ONLY != 0 {
            continue;
        }
        let addresses = log_addr << 4 | CEC_LOG_ADDR_BROADCAST;
        // Features come first, says CEC 2.0.
        if log_addr != CEC_LOG_ADDR_UNREGISTERED && las.cec_version >= CEC_OP_CEC_VERSION_2_0 {
            post(reply::report_features(&las, i));
        }
        let device_type = las.primary_device_type[i];
        post(reply::report_physical_addr(
            addresses,
            phys_addr,
            device_type,
        ));
        if las.vendor_id != CEC_VENDOR_ID_NONE {
            post(reply::device_vendor_id(addresses, las.vendor_id));
        }
    }
    // It has no result.
    let _ = adap.call_op("configured", &adap.ops().configured, |op| {
        op(adap);
        Ok(())
    });
}
