//! What a program sees: `/dev/cecN`.
//!
//! Follows `drivers/media/cec/core/cec-api.c`. As there, a call looks once, when
//! it begins, whether the adapter is registered; there is neither read nor
//! write; and poll of an adapter that is gone says `PRI`, `ERR` and `HUP`.

use lastfd_chrdev::{File, FileOps, Ioctl, OpSet, PollMask, PollTable, Try, Wait};
use lastfd_model::event::SplatKind;
use lastfd_model::raw::{get_device_for, put_device_for};
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Ktime};
use zerocopy::{FromBytes, IntoBytes};

use super::adapter::{CecAdapter, WeakAdapter};
use super::handle::{CecFh, Taking};
use super::lock::Later;
use super::mode::{is_busy, s_mode};
use super::transmit::{CEC_MAX_MSG_TX_QUEUE_SZ, Started, Transmit, finish};
use crate::abi::*;
use crate::event::CecEventKind;

/// For whom the files hold references on the device.
const HOLDER: &str = "cec_get_device";

/// `LINUX_VERSION_CODE` of 6.12.117.
const VERSION: u32 = 6 << 16 | 12 << 8 | 117;

/// `cec_devnode_fops`.
pub(crate) struct CecFops(WeakAdapter);

impl CecFops {
    pub(crate) fn new(adap: &CecAdapter) -> CecFops {
        CecFops(adap.downgrade())
    }
}

fn handle(file: &File) -> Result<Arc<CecFh>> {
    file.private().ok_or(Errno::ENODEV)
}

impl FileOps for CecFops {
    fn ops(&self) -> OpSet {
        OpSet {
            poll: true,
            ..OpSet::NONE
        }
    }

    // cec-api.c: cec_open
    fn open(&self, file: &File) -> Result {
        let adap = self.0.upgrade().ok_or(Errno::ENODEV)?;
        adap.system().allocation()?;
        let fh = Arc::new(CecFh::new(&adap));
        // include/media/cec.h: cec_get_device
        {
            let devnode = adap.devnode();
            let device = devnode.device.clone().filter(|_| devnode.registered);
            drop(devnode);
            get_device_for(&device.ok_or(Errno::ENODEV)?, HOLDER);
        }
        let initial = adap.state_event(CEC_EVENT_FL_INITIAL_STATE);
        fh.queue_event(initial, adap.now(), &Later::default());
        file.set_private(Arc::clone(&fh) as Arc<_>);
        adap.devnode().fhs.insert(0, fh);
        Ok(())
    }

    // cec-api.c: cec_release
    fn release(&self, file: &File) {
        let Ok(fh) = handle(file) else {
            return;
        };
        let adap = fh.adap.clone();
        {
            let locked = adap.lock();
            let (_, follower) = fh.modes();
            {
                let mut state = locked.state();
                if state.initiator == Some(fh.id) {
                    state.initiator = None;
                }
                if state.follower == Some(fh.id) {
                    state.follower = None;
                    state.passthrough = false;
                }
                if follower == CEC_MODE_FOLLOWER {
                    state.follower_cnt -= 1;
                }
            }
            if follower == CEC_MODE_MONITOR_PIN {
                locked.monitor_pin_dec();
            }
            if follower == CEC_MODE_MONITOR_ALL {
                locked.monitor_all_dec();
            }
        }
        adap.devnode().fhs.retain(|other| other.id != fh.id);
        adap.lock().state().unhook(&fh);
        fh.clear();
        if let Some(device) = adap.device() {
            put_device_for(&device, HOLDER);
        }
    }

    // cec-api.c: cec_poll
    fn poll(&self, file: &File, table: &mut PollTable) -> PollMask {
        let Ok(fh) = handle(file) else {
            return PollMask::ERR;
        };
        table.wait(&fh.wait);
        if !fh.adap.is_registered() {
            return PollMask::ERR | PollMask::HUP | PollMask::PRI;
        }
        let mut mask = PollMask::NONE;
        {
            let state = fh.adap.state();
            if state.is_configured && state.transmit_queue.len() < CEC_MAX_MSG_TX_QUEUE_SZ {
                mask |= PollMask::OUT | PollMask::WRNORM;
            }
        }
        if fh.has_msgs() {
            mask |= PollMask::IN | PollMask::RDNORM;
        }
        if fh.has_events() {
            mask |= PollMask::PRI;
        }
        mask
    }

    // cec-api.c: cec_ioctl
    fn ioctl(&self, file: &File, call: &mut Ioctl<'_>) -> Try<i32> {
        let fh = match handle(file) {
            Ok(fh) => fh,
            Err(errno) => return Try::err(errno),
        };
        let _look = match fh.adap.look(call.is_first()) {
            Ok(look) => look,
            Err(errno) => return Try::err(errno),
        };
        if call.is_first() && !fh.adap.is_registered() {
            fh.adap.tell(|| CecEventKind::UncheckedCall {
                function: "cec_ioctl",
            });
        }
        match call.cmd() {
            CEC_ADAP_G_CAPS => g_caps(&fh.adap, call).into(),
            CEC_ADAP_G_PHYS_ADDR => {
                let phys_addr = fh.adap.phys_addr();
                tell(call, &phys_addr).into()
            }
            CEC_ADAP_S_PHYS_ADDR => s_phys_addr(&fh, call),
            CEC_ADAP_G_LOG_ADDRS => g_log_addrs(&fh.adap, call).into(),
            CEC_ADAP_S_LOG_ADDRS => s_log_addrs(&fh, call),
            CEC_ADAP_G_CONNECTOR_INFO => g_connector_info(&fh.adap, call).into(),
            CEC_TRANSMIT => transmit(&fh, call),
            CEC_RECEIVE => receive(&fh, call),
            CEC_DQEVENT => dqevent(&fh, call),
            CEC_G_MODE => {
                let (initiator, follower) = fh.modes();
                tell(call, &(initiator | follower)).into()
            }
            CEC_S_MODE => s_mode(&fh, call).into(),
            _ => Try::err(Errno::ENOTTY),
        }
    }

    fn ioctl_name(&self, cmd: u32) -> Option<&'static str> {
        lastfd_abi::name_of(CEC_IOCTLS, cmd)
    }
}

/// `copy_from_user` of the argument.
pub(super) fn ask<T: FromBytes + IntoBytes>(call: &mut Ioctl<'_>) -> Result<T> {
    let mut value = T::new_zeroed();
    call.read_arg(value.as_mut_bytes())?;
    Ok(value)
}

/// `copy_to_user` of the argument.
fn tell<T: IntoBytes + zerocopy::Immutable>(call: &mut Ioctl<'_>, value: &T) -> Result<i32> {
    call.write_arg(value.as_bytes())?;
    Ok(0)
}

// cec-api.c: cec_adap_g_caps
fn g_caps(adap: &CecAdapter, call: &mut Ioctl<'_>) -> Result<i32> {
    let parent = adap.device().and_then(|device| device.parent());
    let Some(driver) = parent.and_then(|parent| parent.driver()) else {
        // Between the look at `registered` and this the parent's driver may go;
        // the kernel has no lock against it.
        adap.tell(|| CecEventKind::UncheckedCall {
            function: "cec_adap_g_caps",
        });
        adap.splat(
            SplatKind::Bug,
            "CEC_ADAP_G_CAPS reads the driver of a parent that has none",
        );
        return Err(Errno::EIO);
    };
    let mut caps = CecCaps {
        available_log_addrs: adap.available_log_addrs().into(),
        capabilities: adap.capabilities(),
        version: VERSION,
        ..CecCaps::default()
    };
    copy_name(&mut caps.driver, &driver.name());
    copy_name(&mut caps.name, adap.name());
    tell(call, &caps)
}

/// `strscpy`.
fn copy_name(into: &mut [u8; 32], name: &str) {
    let len = name.len().min(31);
    into[..len].copy_from_slice(&name.as_bytes()[..len]);
}

/// Whether no digit but zero comes after a zero.
// cec-api.c: cec_validate_phys_addr
fn is_phys_addr(phys_addr: u16) -> bool {
    let digits = (0..4).map(|i| phys_addr >> (12 - 4 * i) & 0xf);
    phys_addr == CEC_PHYS_ADDR_INVALID || digits.skip_while(|d| *d != 0).all(|d| d == 0)
}

/// A claim that a call waits for, by its number; 0 if for none.
struct Claim(u64);

fn claim_under_way(adap: &CecAdapter, claim: u64) -> Option<Try<i32>> {
    (adap.state().claims_over < claim).then(|| Try::wait(adap.config_done()))
}

// cec-api.c: cec_adap_s_phys_addr
fn s_phys_addr(fh: &CecFh, call: &mut Ioctl<'_>) -> Try<i32> {
    if call.is_first() {
        match begin_s_phys_addr(fh, call) {
            Ok(claim) => {
                call.stash(|| Claim(claim));
            }
            Err(errno) => return Try::err(errno),
        }
    }
    let claim = call.stash(|| Claim(0)).0;
    claim_under_way(&fh.adap, claim).unwrap_or(Try::ok(0))
}

fn begin_s_phys_addr(fh: &CecFh, call: &mut Ioctl<'_>) -> Result<u64> {
    let adap = &fh.adap;
    if !adap.can(CEC_CAP_PHYS_ADDR) {
        return Err(Errno::ENOTTY);
    }
    let phys_addr: u16 = ask(call)?;
    if !is_phys_addr(phys_addr) {
        return Err(Errno::EINVAL);
    }
    let locked = adap.lock();
    if is_busy(&locked.state(), fh) {
        return Err(Errno::EBUSY);
    }
    let begun = locked.s_phys_addr(phys_addr);
    let claim = locked.state().claims_begun;
    Ok(if begun && !call.nonblock() { claim } else { 0 })
}

// cec-api.c: cec_adap_g_log_addrs
fn g_log_addrs(adap: &CecAdapter, call: &mut Ioctl<'_>) -> Result<i32> {
    let mut las = adap.log_addrs();
    if !adap.is_configured() {
        las.log_addr = [CEC_LOG_ADDR_INVALID; CEC_MAX_LOG_ADDRS];
    }
    tell(call, &las)
}

// cec-api.c: cec_adap_s_log_addrs
fn s_log_addrs(fh: &CecFh, call: &mut Ioctl<'_>) -> Try<i32> {
    if call.is_first() {
        match begin_s_log_addrs(fh, call) {
            Ok(claim) => {
                call.stash(|| Claim(claim));
            }
            Err(errno) => return Try::err(errno),
        }
    }
    let claim = call.stash(|| Claim(0)).0;
    if let Some(wait) = claim_under_way(&fh.adap, claim) {
        return wait;
    }
    let las = fh.adap.log_addrs();
    tell(call, &las).into()
}

fn begin_s_log_addrs(fh: &CecFh, call: &mut Ioctl<'_>) -> Result<u64> {
    let adap = &fh.adap;
    if !adap.can(CEC_CAP_LOG_ADDRS) {
        return Err(Errno::ENOTTY);
    }
    let mut las: CecLogAddrs = ask(call)?;
    las.flags &= CEC_LOG_ADDRS_FL_ALLOW_UNREG_FALLBACK
        | CEC_LOG_ADDRS_FL_ALLOW_RC_PASSTHRU
        | CEC_LOG_ADDRS_FL_CDC_ONLY;
    let locked = adap.lock();
    {
        let state = locked.state();
        if state.is_configuring
            || (las.num_log_addrs != 0 && state.is_configured)
            || is_busy(&state, fh)
        {
            return Err(Errno::EBUSY);
        }
    }
    let begun = locked.s_log_addrs(Some(&las))?;
    let claim = locked.state().claims_begun;
    Ok(if begun && !call.nonblock() { claim } else { 0 })
}

// cec-api.c: cec_adap_g_connector_info
fn g_connector_info(adap: &CecAdapter, call: &mut Ioctl<'_>) -> Result<i32> {
    if !adap.can(CEC_CAP_CONNECTOR_INFO) {
        return Err(Errno::ENOTTY);
    }
    let info = adap.state().conn_info;
    tell(call, &info)
}

/// A blocking transmit of a call. Given up with the call, as a program that is
/// killed gives it up.
struct Sending {
    adap: CecAdapter,
    transmit: Transmit,
    result: Option<CecMsg>,
}

impl Drop for Sending {
    fn drop(&mut self) {
        if self.result.is_none() {
            finish(&self.adap, &self.transmit, !self.transmit.is_completed());
        }
    }
}

/// A transmit that nobody waits for, in the queue; dropped, it is taken back,
/// unless it is being sent.
struct HandedIn {
    adap: CecAdapter,
    transmit: Option<Transmit>,
}

impl HandedIn {
    /// It stays in the queue.
    fn commit(mut self) {
        self.transmit = None;
    }
}

impl Drop for HandedIn {
    fn drop(&mut self) {
        let Some(transmit) = self.transmit.take() else {
            return;
        };
        let locked = self.adap.lock();
        let mut state = locked.state();
        state.transmit_queue.retain(|other| *other != transmit);
        let fh = transmit.data().fh.take();
        drop(state);
        drop(fh);
    }
}

// cec-api.c: cec_transmit
fn transmit(fh: &Arc<CecFh>, call: &mut Ioctl<'_>) -> Try<i32> {
    let block = !call.nonblock();
    if call.is_first() || !block {
        let (started, msg) = match begin_transmit(fh, call, block) {
            Ok(begun) => begun,
            Err(errno) => return Try::err(errno),
        };
        match started {
            Started::Queued(transmit) if block => {
                let adap = fh.adap.clone();
                call.stash(|| {
                    Some(Sending {
                        adap,
                        transmit,
                        result: None,
                    })
                });
            }
            Started::Queued(transmit) => {
                let handed_in = HandedIn {
                    adap: fh.adap.clone(),
                    transmit: Some(transmit),
                };
                // The message is sent even if the program cannot be told.
                if let Err(errno) = tell(call, &msg) {
                    handed_in.commit();
                    return Try::err(errno);
                }
                return Try::ready(0, move || handed_in.commit());
            }
            Started::Over => {
                return tell(call, &msg).into();
            }
        }
    }
    let interrupted = call.interrupted();
    let Some(sending) = call.stash(|| None::<Sending>) else {
        return Try::err(Errno::EINVAL);
    };
    if sending.result.is_none() {
        if !sending.transmit.is_completed() && !interrupted {
            return Try::wait(sending.transmit.done());
        }
        let killed = !sending.transmit.is_completed();
        sending.result = Some(finish(&sending.adap, &sending.transmit, killed));
    }
    let msg = sending.result.unwrap_or_default();
    match tell(call, &msg) {
        // What was sent was sent: a reply that is rolled back is given again.
        Ok(_) => Try::ready(0, || ()),
        Err(errno) => Try::err(errno),
    }
}

fn begin_transmit(fh: &Arc<CecFh>, call: &mut Ioctl<'_>, block: bool) -> Result<(Started, CecMsg)> {
    let adap = &fh.adap;
    if !adap.can(CEC_CAP_TRANSMIT) {
        return Err(Errno::ENOTTY);
    }
    let mut msg: CecMsg = ask(call)?;
    let locked = adap.lock();
    {
        let state = locked.state();
        if state.log_addrs.num_log_addrs == 0 {
            return Err(Errno::EPERM);
        }
        if state.is_configuring {
            return Err(Errno::ENONET);
        }
        if is_busy(&state, fh) {
            return Err(Errno::EBUSY);
        }
    }
    let started = locked.transmit_msg_fh(&mut msg, Some(fh), block)?;
    Ok((started, msg))
}

/// What a receive was asked, and until when it waits.
#[derive(Clone, Copy)]
struct Receiving {
    timeout: u32,
    deadline: Option<Ktime>,
}

/// As in the kernel, a receive without a timeout waits for a message and for
/// nothing else: an unregister does not end it.
// cec-api.c: cec_receive, cec_receive_msg
fn receive(fh: &Arc<CecFh>, call: &mut Ioctl<'_>) -> Try<i32> {
    if call.is_first() {
        let asked: CecMsg = match ask(call) {
            Ok(asked) => asked,
            Err(errno) => return Try::err(errno),
        };
        let started = call.started();
        call.stash(|| Receiving {
            timeout: asked.timeout,
            deadline: (asked.timeout != 0)
                .then(|| started.after(core::time::Duration::from_millis(asked.timeout.into()))),
        });
    }
    let Receiving { timeout, deadline } = *call.stash(|| Receiving {
        timeout: 0,
        deadline: None,
    });
    match fh.take_msg() {
        Taking::Some(taken) => {
            let mut msg = taken.item();
            msg.timeout = timeout;
            msg.flags = 0;
            match tell(call, &msg) {
                Ok(_) => Try::ready(0, move || taken.commit()),
                Err(errno) => {
                    // It is lost.
                    taken.commit();
                    Try::err(errno)
                }
            }
        }
        Taking::Busy => Try::wait(&fh.wait),
        Taking::Empty if call.nonblock() => Try::err(Errno::EAGAIN),
        Taking::Empty => match deadline {
            Some(at) if fh.adap.system().clock().now() >= at => Try::err(Errno::ETIMEDOUT),
            Some(at) => Try::Wait(Wait::on(&fh.wait).until(at)),
            None => Try::wait(&fh.wait),
        },
    }
}

/// Waits for an event and for nothing else.
// cec-api.c: cec_dqevent
fn dqevent(fh: &Arc<CecFh>, call: &mut Ioctl<'_>) -> Try<i32> {
    match fh.take_event() {
        Taking::Some(taken) => match tell(call, &taken.item()) {
            Ok(_) => Try::ready(0, move || taken.commit()),
            Err(errno) => {
                // It is lost.
                taken.commit();
                Try::err(errno)
            }
        },
        Taking::Empty if call.nonblock() => Try::err(Errno::EAGAIN),
        Taking::Empty | Taking::Busy => Try::wait(&fh.wait),
    }
}
