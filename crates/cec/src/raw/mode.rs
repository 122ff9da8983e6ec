//! Who may send on an adapter and who gets what comes in: the modes of its
//! files.
//!
//! Follows `drivers/media/cec/core/cec-api.c: cec_s_mode, cec_is_busy`.

use lastfd_chrdev::Ioctl;
use lastfd_model::{Errno, Result};

use super::adapter::State;
use super::core::{Capability, capable};
use super::files::ask;
use super::handle::CecFh;
use crate::abi::*;

/// Whether another file has the adapter, or this one only listens.
pub(crate) fn is_busy(state: &State, fh: &CecFh) -> bool {
    let own = state.initiator == Some(fh.id) || state.follower == Some(fh.id);
    !own && (state.initiator.is_some() || fh.modes().0 == CEC_MODE_NO_INITIATOR)
}

/// `CEC_S_MODE`.
pub(crate) fn s_mode(fh: &CecFh, call: &mut Ioctl<'_>) -> Result<i32> {
    let adap = &fh.adap;
    let mode: u32 = ask(call)?;
    let (initiator, follower) = (mode & CEC_MODE_INITIATOR_MSK, mode & CEC_MODE_FOLLOWER_MSK);
    let monitors = follower >= CEC_MODE_MONITOR_PIN;
    let follows = (CEC_MODE_FOLLOWER..=CEC_MODE_EXCL_FOLLOWER_PASSTHRU).contains(&follower);
    let exclusive =
        follower == CEC_MODE_EXCL_FOLLOWER || follower == CEC_MODE_EXCL_FOLLOWER_PASSTHRU;
    let cannot_transmit = initiator == CEC_MODE_NO_INITIATOR || !adap.can(CEC_CAP_TRANSMIT);
    if mode & !(CEC_MODE_INITIATOR_MSK | CEC_MODE_FOLLOWER_MSK) != 0
        || initiator > CEC_MODE_EXCL_INITIATOR
        || (follower == CEC_MODE_MONITOR_ALL && !adap.can(CEC_CAP_MONITOR_ALL))
        || (follower == CEC_MODE_MONITOR_PIN && !adap.can(CEC_CAP_MONITOR_PIN))
        || (follows && cannot_transmit)
        || (monitors && initiator != CEC_MODE_NO_INITIATOR)
    {
        return Err(Errno::EINVAL);
    }
    if monitors && !capable(adap.system(), Capability::NetAdmin) {
        return Err(Errno::EPERM);
    }
    let locked = adap.lock();
    {
        let state = locked.state();
        let others = |holder: Option<u64>| holder.is_some_and(|id| id != fh.id);
        if (exclusive && others(state.follower))
            || (initiator == CEC_MODE_EXCL_INITIATOR && others(state.initiator))
        {
            return Err(Errno::EBUSY);
        }
    }
    let (_, old) = fh.modes();
    if (old == CEC_MODE_MONITOR_ALL) != (follower == CEC_MODE_MONITOR_ALL) {
        if follower == CEC_MODE_MONITOR_ALL {
            locked.monitor_all_inc()?;
        } else {
            locked.monitor_all_dec();
        }
    }
    let mut tell_pin = false;
    if (old == CEC_MODE_MONITOR_PIN) != (follower == CEC_MODE_MONITOR_PIN) {
        tell_pin = follower == CEC_MODE_MONITOR_PIN;
        if tell_pin {
            locked.monitor_pin_inc()?;
        } else {
            locked.monitor_pin_dec();
        }
    }
    let pin_is_high = {
        let mut state = locked.state();
        state.follower_cnt -= u32::from(old == CEC_MODE_FOLLOWER);
        state.follower_cnt += u32::from(follower == CEC_MODE_FOLLOWER);
        if exclusive {
            state.passthrough = follower == CEC_MODE_EXCL_FOLLOWER_PASSTHRU;
            state.follower = Some(fh.id);
        } else if state.follower == Some(fh.id) {
            state.passthrough = false;
            state.follower = None;
        }
        if initiator == CEC_MODE_EXCL_INITIATOR {
            state.initiator = Some(fh.id);
        } else if state.initiator == Some(fh.id) {
            state.initiator = None;
        }
        state.cec_pin_is_high
    };
    if tell_pin {
        let event = CecEvent {
            event: CEC_EVENT_PIN_CEC_LOW + u32::from(pin_is_high),
            flags: CEC_EVENT_FL_INITIAL_STATE,
            ..CecEvent::default()
        };
        fh.queue_event(event, adap.now(), &locked.later);
    }
    fh.set_modes(initiator, follower);
    Ok(0)
}
