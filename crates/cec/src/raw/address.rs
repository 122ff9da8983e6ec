//! Physical and logical addresses: setting them, and what follows.
//!
//! Follows the second half of `drivers/media/cec/core/cec-adap.c`. The claim
//! itself is in `claim`.

use lastfd_model::event::SplatKind;
use lastfd_model::{Errno, Result};
use lastfd_sync::wait_event;

use super::adapter::CecAdapter;
use super::claim;
use super::lock::Locked;
use crate::abi::*;
use crate::event::CecEventKind;

impl Locked<'_> {
    /// Switches the hardware on or off, as its use wants it.
    // cec-adap.c: cec_adap_enable
    pub(crate) fn adap_enable(&self) -> Result {
        let adap = self.adap;
        let ops = adap.ops();
        let (enable, is_enabled, all, pin) = {
            let state = self.state();
            let used = state.monitor_all_cnt != 0
                || state.monitor_pin_cnt != 0
                || state.log_addrs.num_log_addrs != 0;
            let possible = !adap.needs_hpd() || state.phys_addr != CEC_PHYS_ADDR_INVALID;
            (
                used && possible && !adap.is_unregistered(),
                state.is_enabled,
                state.monitor_all_cnt != 0,
                state.monitor_pin_cnt != 0,
            )
        };
        // A file that begins to monitor while the hardware is on changes
        // nothing here: the kernel does not tell the driver either.
        if enable == is_enabled {
            return Ok(());
        }
        if enable {
            {
                let mut state = self.state();
                state.last_initiator = 0xff;
                state.transmit_in_progress = false;
            }
            let enabled = adap.call_op_always("adap_enable", &ops.adap_enable, |op| op(adap, true));
            if enabled.is_ok() {
                self.monitor(all, pin, true);
                self.state().is_enabled = true;
            }
            self.later.wake_thread(adap);
            return enabled;
        }
        self.monitor(all, pin, false);
        // The hardware is switched off even after unregister began.
        let disabled = adap.call_op_always("adap_enable", &ops.adap_enable, |op| op(adap, false));
        adap.warn_on("adap_enable", disabled);
        let transmitting = {
            let mut state = self.state();
            state.last_initiator = 0xff;
            state.transmit_in_progress = false;
            state.transmit_in_progress_aborted = false;
            state.is_enabled = false;
            state.transmitting.clone()
        };
        if let Some(transmit) = transmitting {
            self.data_cancel(&transmit, CEC_TX_STATUS_ABORTED, 0);
        }
        self.later.wake_thread(adap);
        Ok(())
    }

    fn monitor(&self, all: bool, pin: bool, enable: bool) {
        let adap = self.adap;
        if all {
            let op = &adap.ops().adap_monitor_all_enable;
            let result = adap.call_op("adap_monitor_all_enable", op, |op| op(adap, enable));
            adap.warn_on("adap_monitor_all_enable", result);
        }
        if pin {
            let op = &adap.ops().adap_monitor_pin_enable;
            let result = adap.call_op("adap_monitor_pin_enable", op, |op| op(adap, enable));
            adap.warn_on("adap_monitor_pin_enable", result);
        }
    }

    /// One more file monitors everything.
    // cec-adap.c: cec_monitor_all_cnt_inc
    pub(crate) fn monitor_all_inc(&self) -> Result {
        let before = {
            let mut state = self.state();
            state.monitor_all_cnt += 1;
            state.monitor_all_cnt - 1
        };
        if before != 0 {
            return Ok(());
        }
        self.adap_enable().inspect_err(|_| {
            self.state().monitor_all_cnt -= 1;
        })
    }

    // cec-adap.c: cec_monitor_all_cnt_dec
    pub(crate) fn monitor_all_dec(&self) {
        let left = {
            let mut state = self.state();
            state.monitor_all_cnt -= 1;
            state.monitor_all_cnt
        };
        if left == 0 {
            self.monitor(true, false, false);
            // Switching off does not fail.
            let _ = self.adap_enable();
        }
    }

    /// One more file monitors the pin.
    // cec-adap.c: cec_monitor_pin_cnt_inc
    pub(crate) fn monitor_pin_inc(&self) -> Result {
        let before = {
            let mut state = self.state();
            state.monitor_pin_cnt += 1;
            state.monitor_pin_cnt - 1
        };
        if before != 0 {
            return Ok(());
        }
        self.adap_enable().inspect_err(|_| {
            self.state().monitor_pin_cnt -= 1;
        })
    }

    // cec-adap.c: cec_monitor_pin_cnt_dec
    pub(crate) fn monitor_pin_dec(&self) {
        let left = {
            let mut state = self.state();
            state.monitor_pin_cnt -= 1;
            state.monitor_pin_cnt
        };
        if left == 0 {
            self.monitor(false, true, false);
            let _ = self.adap_enable();
        }
    }

    /// Gives the logical addresses up.
    // cec-adap.c: cec_adap_unconfigure
    pub(crate) fn unconfigure(&self) {
        let adap = self.adap;
        let ops = adap.ops();
        if !adap.needs_hpd() || self.state().phys_addr != CEC_PHYS_ADDR_INVALID {
            let taken_back = adap.call_op("adap_log_addr", &ops.adap_log_addr, |op| {
                op(adap, CEC_LOG_ADDR_INVALID)
            });
            adap.warn_on("adap_log_addr", taken_back);
        }
        {
            let mut state = self.state();
            state.log_addrs.log_addr_mask = 0;
            state.is_configured = false;
        }
        self.flush();
        self.later.wake_thread(adap);
        self.post_state_event();
        adap.tell(|| CecEventKind::Unconfigured);
        // It has no result.
        let _ = adap.call_op("adap_unconfigured", &ops.adap_unconfigured, |op| {
            op(adap);
            Ok(())
        });
    }

    /// Sets the physical address; tells whether a claim of logical addresses
    /// began.
    // cec-adap.c: __cec_s_phys_addr
    pub(crate) fn s_phys_addr(&self, phys_addr: u16) -> bool {
        let old = self.state().phys_addr;
        let becomes_invalid = phys_addr == CEC_PHYS_ADDR_INVALID;
        let was_invalid = old == CEC_PHYS_ADDR_INVALID;
        if phys_addr == old || (!becomes_invalid && self.adap.is_unregistered()) {
            return false;
        }
        if becomes_invalid || !was_invalid {
            self.state().phys_addr = CEC_PHYS_ADDR_INVALID;
            self.adap.tell(|| CecEventKind::PhysAddr {
                phys_addr: CEC_PHYS_ADDR_INVALID,
            });
            self.post_state_event();
            self.unconfigure();
            if becomes_invalid {
                // Switching off does not fail.
                let _ = self.adap_enable();
                return false;
            }
        }
        self.state().phys_addr = phys_addr;
        if was_invalid {
            // The kernel looks past a failure here too.
            let _ = self.adap_enable();
        }
        self.adap.tell(|| CecEventKind::PhysAddr { phys_addr });
        self.post_state_event();
        {
            let mut state = self.state();
            if state.log_addrs.num_log_addrs == 0 {
                return false;
            }
            if state.is_configuring {
                state.must_reconfigure = true;
                return false;
            }
        }
        claim::begin(self)
    }

    /// Asks for logical addresses, or with none gives them up; tells whether a
    /// claim began.
    // cec-adap.c: __cec_s_log_addrs
    pub(crate) fn s_log_addrs(&self, log_addrs: Option<&CecLogAddrs>) -> Result<bool> {
        if self.adap.is_unregistered() {
            return Err(Errno::ENODEV);
        }
        let Some(wanted) = log_addrs.filter(|las| las.num_log_addrs != 0) else {
            let (had, claimed) = {
                let state = self.state();
                (
                    state.log_addrs.num_log_addrs != 0,
                    state.is_configuring || state.is_configured,
                )
            };
            if had {
                if claimed {
                    self.unconfigure();
                }
                self.state().forget_log_addrs();
                let _ = self.adap_enable();
            }
            return Ok(false);
        };
        let mut wanted = *wanted;
        check_log_addrs(&mut wanted, self.adap.available_log_addrs())?;
        let has_phys_addr = {
            let mut state = self.state();
            wanted.log_addr_mask = state.log_addrs.log_addr_mask;
            state.log_addrs = wanted;
            state.phys_addr != CEC_PHYS_ADDR_INVALID
        };
        self.adap_enable()?;
        Ok(has_phys_addr && claim::begin(self))
    }
}

/// Makes what is asked for whole, and refuses what the standard forbids.
fn check_log_addrs(las: &mut CecLogAddrs, available: u8) -> Result {
    if las.flags & CEC_LOG_ADDRS_FL_CDC_ONLY != 0 {
        las.num_log_addrs = 1;
        las.osd_name[0] = 0;
        las.vendor_id = CEC_VENDOR_ID_NONE;
        las.log_addr_type[0] = CEC_LOG_ADDR_TYPE_UNREGISTERED;
        // Never sent: a switch is what else has no address.
        las.primary_device_type[0] = CEC_OP_PRIM_DEVTYPE_SWITCH;
        las.all_device_types[0] = 0;
        las.features[0][0] = 0;
        las.features[0][1] = 0;
    }
    las.osd_name[14] = 0;
    las.pad = 0;
    if las.num_log_addrs > available
        || (las.vendor_id != CEC_VENDOR_ID_NONE && las.vendor_id & 0xff00_0000 != 0)
        || ![CEC_OP_CEC_VERSION_1_4, CEC_OP_CEC_VERSION_2_0].contains(&las.cec_version)
    {
        return Err(Errno::EINVAL);
    }
    let count = usize::from(las.num_log_addrs);
    let mut types = 0_u32;
    if count > 1 && las.log_addr_type[..count].contains(&CEC_LOG_ADDR_TYPE_UNREGISTERED) {
        return Err(Errno::EINVAL);
    }
    for i in 0..count {
        las.log_addr[i] = CEC_LOG_ADDR_INVALID;
        let type_ = las.log_addr_type[i];
        if type_ > CEC_LOG_ADDR_TYPE_UNREGISTERED || types & 1 << type_ != 0 {
            return Err(Errno::EINVAL);
        }
        types |= 1 << type_;
        // Recording devices can play back.
        let both = 1 << CEC_LOG_ADDR_TYPE_RECORD | 1 << CEC_LOG_ADDR_TYPE_PLAYBACK;
        let primary = las.primary_device_type[i];
        if types & both == both || primary > CEC_OP_PRIM_DEVTYPE_PROCESSOR || primary == 2 {
            return Err(Errno::EINVAL);
        }
        let used = features_len(&las.features[i]).ok_or(Errno::EINVAL)?;
        las.features[i][used..].fill(0);
    }
    if las.cec_version >= CEC_OP_CEC_VERSION_2_0 {
        let any = |of: &[u8]| of.iter().any(|type_| types & 1 << type_ != 0);
        let sinks = [CEC_LOG_ADDR_TYPE_AUDIOSYSTEM, CEC_LOG_ADDR_TYPE_TV];
        let players = [CEC_LOG_ADDR_TYPE_PLAYBACK, CEC_LOG_ADDR_TYPE_RECORD];
        if count > 2 || (count == 2 && !(any(&sinks) && any(&players))) {
            return Err(Errno::EINVAL);
        }
    }
    for i in count..CEC_MAX_LOG_ADDRS {
        las.primary_device_type[i] = 0;
        las.log_addr_type[i] = 0;
        las.all_device_types[i] = 0;
        las.features[i] = [0; 12];
    }
    Ok(())
}

/// Bytes of the two lists of features, each of which ends with a byte without
/// the extension bit; none if one does not end.
pub(crate) fn features_len(features: &[u8; 12]) -> Option<usize> {
    let mut ends = (0..12).filter(|i| features[*i] & CEC_OP_FEAT_EXT == 0);
    ends.nth(1).map(|second| second + 1)
}

/// Waits until the claims that were begun are over; no lock may be held.
fn wait_for_claim(adap: &CecAdapter) {
    let begun = adap.state().claims_begun;
    let system = adap.system();
    // The kernel's wait has no end either, but for the System's own.
    let _ = wait_event(
        &[adap.config_done()],
        system.clock(),
        None,
        Some(system.waits()),
        || (adap.state().claims_over >= begun).then_some(()),
    );
}

/// Sets the physical address (`cec_s_phys_addr`); 0xffff takes it away, and the
/// logical addresses with it. With `block` it waits for the claim of logical
/// addresses that follows from it.
#[track_caller]
pub fn cec_s_phys_addr(adap: &CecAdapter, phys_addr: u16, block: bool) {
    if !adap.is_there("cec_s_phys_addr") {
        return;
    }
    let begun = adap.lock().s_phys_addr(phys_addr);
    if begun && block {
        wait_for_claim(adap);
    }
}

/// Asks for logical addresses (`cec_s_log_addrs`); none gives them up. They are
/// claimed once there is a physical address; with `block` it waits for that.
///
/// # Errors
/// `ENODEV` once unregister began; `EINVAL` for what the standard forbids;
/// what the driver answers to being enabled.
#[track_caller]
pub fn cec_s_log_addrs(adap: &CecAdapter, log_addrs: Option<&CecLogAddrs>, block: bool) -> Result {
    if !adap.is_there("cec_s_log_addrs") {
        return Err(Errno::ENODEV);
    }
    let begun = adap.lock().s_log_addrs(log_addrs)?;
    if begun && block {
        wait_for_claim(adap);
    }
    Ok(())
}

impl CecAdapter {
    /// `WARN_ON` of a claim begun over another.
    #[track_caller]
    pub(crate) fn warn_claimed_twice(&self) {
        self.splat(
            SplatKind::Warn,
            "logical addresses are claimed while they are or were",
        );
    }
}
