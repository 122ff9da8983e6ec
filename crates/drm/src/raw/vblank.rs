//! Vblanks: counted while somebody wants them.
//!
//! Follows `drivers/gpu/drm/drm_vblank.c`. Waiting for one is in
//! `wait_vblank.rs`.

use core::time::Duration;

use lastfd_abi::drm::DrmEventVblank;
use lastfd_model::event::SplatKind;
use lastfd_model::{Errno, Result};
use lastfd_sync::{Arc, Ktime, Mutex, MutexGuard, OnceLock, TimerHandle, WaitQueue};
use zerocopy::{FromBytes, IntoBytes};

use super::crtc::DrmCrtc;
use super::device::DrmDevice;
use super::driver::Features;
use super::events::{DrmPendingEvent, drm_send_event};
use super::managed::{DrmmAction, drmm_add_action_or_reset, drmm_kzalloc};
use crate::event::DrmEventKind;
use lastfd_model::raw::{KernelGuard, KernelMutex};

/// Milliseconds after the last user until interrupts go off
/// (`drm_vblank_offdelay`).
const OFFDELAY_MS: i64 = 5000;

/// Bytes of a `struct drm_vblank_crtc`, near enough.
const PIPE_SIZE: usize = 512;

/// The vblanks of a device.
#[derive(Default)]
pub(crate) struct Vblank {
    pipes: OnceLock<Vec<Pipe>>,
    crtcs: Mutex<Vec<DrmCrtc>>,
    /// `vbl_lock`: held while interrupts are switched.
    lock: KernelMutex,
}

impl Vblank {
    /// `dev->num_crtcs`; 0 for a device without vblanks.
    pub(crate) fn len(&self) -> usize {
        self.pipes.get().map_or(0, Vec::len)
    }

    pub(crate) fn crtcs(&self) -> Vec<DrmCrtc> {
        self.crtcs.lock().clone()
    }

    pub(crate) fn crtcs_mut(&self) -> MutexGuard<'_, Vec<DrmCrtc>> {
        self.crtcs.lock()
    }

    pub(crate) fn pipe(&self, pipe: usize) -> Option<&Pipe> {
        self.pipes.get()?.get(pipe)
    }
}

/// One CRTC's vblanks (`struct drm_vblank_crtc`).
#[derive(Default)]
pub(crate) struct Pipe {
    state: Mutex<State>,
    queue: Arc<WaitQueue>,
}

#[derive(Default)]
struct State {
    count: u64,
    /// When the latest one was.
    time: Ktime,
    enabled: bool,
    refcount: u32,
    /// Nobody may switch interrupts on: between `_off` and `_on`.
    inmodeset: bool,
    /// `config`: milliseconds, and whether to go off at once.
    offdelay_ms: i64,
    disable_immediate: bool,
    disable_timer: Option<TimerHandle>,
    /// Those of `dev->vblank_event_list` that are this CRTC's.
    events: Vec<(u64, DrmPendingEvent)>,
}

impl Pipe {
    pub(crate) fn queue(&self) -> &Arc<WaitQueue> {
        &self.queue
    }

    /// drm_vblank_count_and_time.
    pub(crate) fn count_and_time(&self) -> (u64, Ktime) {
        let state = self.state.lock();
        (state.count, state.time)
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.state.lock().enabled
    }

    pub(crate) fn disables_immediately(&self) -> bool {
        self.state.lock().disable_immediate
    }

    /// Queues an event for a vblank to come, unless interrupts went off
    /// meanwhile; then it is given back.
    pub(crate) fn queue_event(
        &self,
        sequence: u64,
        event: DrmPendingEvent,
    ) -> core::result::Result<(), DrmPendingEvent> {
        let mut state = self.state.lock();
        if !state.enabled {
            return Err(event);
        }
        state.events.push((sequence, event));
        Ok(())
    }
}

/// Whether a vblank is over, in a count that wraps (`drm_vblank_passed`).
pub(crate) fn drm_vblank_passed(seq: u64, reference: u64) -> bool {
    seq.wrapping_sub(reference) <= 1 << 23
}

/// Gives the device vblanks, for as many CRTCs as told (`drm_vblank_init`).
///
/// # Errors
/// `ENOMEM`; `EINVAL` a second time.
#[track_caller]
pub fn drm_vblank_init(dev: &DrmDevice, num_crtcs: usize) -> Result {
    drmm_kzalloc(dev, num_crtcs * PIPE_SIZE)?;
    let pipes = (0..num_crtcs).map(|_| Pipe::default()).collect();
    dev.vblank().pipes.set(pipes).map_err(|_| Errno::EINVAL)?;
    for pipe in 0..num_crtcs {
        let release = DrmmAction::new("drm_vblank_init_release", move |dev: &DrmDevice| {
            vblank_init_release(dev, pipe);
        });
        drmm_add_action_or_reset(dev, release)?;
    }
    Ok(())
}

#[track_caller]
fn vblank_init_release(dev: &DrmDevice, pipe: usize) {
    let Some(vblank) = dev.vblank().pipe(pipe) else {
        return;
    };
    let (enabled, timer, events) = {
        let mut state = vblank.state.lock();
        let events = core::mem::take(&mut state.events);
        (state.enabled, state.disable_timer.take(), events)
    };
    if enabled && dev.has(Features::MODESET) {
        dev.splat(
            SplatKind::Warn,
            format!("vblank interrupts of CRTC {pipe} are on while the device is released"),
        );
    }
    if let Some(timer) = timer {
        timer.cancel();
    }
    drop(events);
}

#[track_caller]
fn vbl_lock(dev: &DrmDevice) -> KernelGuard<'_> {
    let (system, device) = (dev.system(), dev.device_ref());
    dev.vblank().lock.lock(&system, || Some(device), "vbl_lock")
}

fn crtc_of(dev: &DrmDevice, pipe: usize) -> Option<DrmCrtc> {
    dev.vblank().crtcs.lock().get(pipe).cloned()
}

/// drm_update_vblank_count: counts what passed since the last look. In an
/// interrupt it is one at least.
fn update_count(dev: &DrmDevice, pipe: usize, in_irq: bool) {
    let Some(vblank) = dev.vblank().pipe(pipe) else {
        return;
    };
    let crtc = crtc_of(dev, pipe);
    let enabled = vblank.is_enabled();
    let frame = crtc
        .as_ref()
        .map_or(0, |crtc| crtc.funcs().frame.as_nanos() as u64);
    let precise = crtc.as_ref().and_then(|crtc| {
        let timestamp = crtc.funcs().get_vblank_timestamp.clone()?;
        dev.guard("get_vblank_timestamp", || timestamp(crtc, enabled))?
    });
    let now = dev.system().clock().now();
    let mut state = vblank.state.lock();
    let passed = match precise {
        Some(time) if frame > 0 => {
            let passed = time.0.saturating_sub(state.time.0);
            (passed + frame / 2) / frame
        }
        _ => in_irq.into(),
    };
    if passed > 0 {
        state.count += passed;
        state.time = precise.unwrap_or(if in_irq { now } else { Ktime::default() });
    }
}

/// drm_vblank_enable, under `vbl_lock`.
#[track_caller]
fn vblank_enable(dev: &DrmDevice, pipe: usize, vblank: &Pipe) -> Result {
    if vblank.is_enabled() {
        return Ok(());
    }
    let enabled = match crtc_of(dev, pipe).filter(|_| dev.has(Features::MODESET)) {
        Some(crtc) => match crtc.funcs().enable_vblank.clone() {
            Some(enable) => dev
                .guard("enable_vblank", || enable(&crtc))
                .unwrap_or(Err(Errno::EIO)),
            None => Err(Errno::EINVAL),
        },
        None => Err(Errno::EINVAL),
    };
    if let Err(errno) = enabled {
        let mut state = vblank.state.lock();
        state.refcount = state.refcount.saturating_sub(1);
        return Err(errno);
    }
    // Not yet enabled: the time is now, and what passed meanwhile is counted.
    update_count(dev, pipe, false);
    vblank.state.lock().enabled = true;
    dev.emit(|| DrmEventKind::VblankEnabled { pipe });
    Ok(())
}

/// drm_vblank_disable_and_save, under `vbl_lock`.
#[track_caller]
fn disable_and_save(dev: &DrmDevice, pipe: usize, vblank: &Pipe) {
    if !vblank.is_enabled() {
        return;
    }
    update_count(dev, pipe, false);
    vblank.state.lock().enabled = false;
    if let Some(crtc) = crtc_of(dev, pipe)
        && let Some(disable) = crtc.funcs().disable_vblank.clone()
    {
        dev.guard("disable_vblank", || disable(&crtc));
    }
    dev.emit(|| DrmEventKind::VblankDisabled { pipe });
}

/// drm_vblank_get: a user of the CRTC's vblanks, who keeps them coming.
///
/// `EINVAL` for a CRTC that is off, or a device without mode setting.
#[track_caller]
pub(crate) fn drm_vblank_get(dev: &DrmDevice, pipe: usize) -> Result {
    let vblank = dev.vblank().pipe(pipe).ok_or(Errno::EINVAL)?;
    let _lock = vbl_lock(dev);
    let (first, enabled) = {
        let mut state = vblank.state.lock();
        state.refcount += 1;
        (state.refcount == 1, state.enabled)
    };
    if first {
        return vblank_enable(dev, pipe, vblank);
    }
    if !enabled {
        vblank.state.lock().refcount -= 1;
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// drm_vblank_put: interrupts go off a while after the last user.
#[track_caller]
pub(crate) fn drm_vblank_put(dev: &DrmDevice, pipe: usize) {
    let Some(vblank) = dev.vblank().pipe(pipe) else {
        return;
    };
    let (last, delay, immediate) = {
        let mut state = vblank.state.lock();
        if state.refcount == 0 {
            drop(state);
            dev.splat(SplatKind::Warn, "drm_vblank_put: nobody uses the vblanks");
            return;
        }
        state.refcount -= 1;
        let last = state.refcount == 0;
        (last, state.offdelay_ms, state.disable_immediate)
    };
    if !last || delay == 0 {
        return;
    }
    if delay < 0 {
        vblank_disable_fn(dev, pipe);
    } else if !immediate {
        // mod_timer.
        let clock = dev.system().clock().clone();
        let at = clock.now().after(Duration::from_millis(delay as u64));
        let weak = dev.downgrade();
        let timer = clock.schedule(at, move || {
            if let Some(dev) = weak.upgrade() {
                vblank_disable_fn(&dev, pipe);
            }
        });
        let old = vblank.state.lock().disable_timer.replace(timer);
        if let Some(old) = old {
            old.cancel();
        }
    }
}

#[track_caller]
fn vblank_disable_fn(dev: &DrmDevice, pipe: usize) {
    let Some(vblank) = dev.vblank().pipe(pipe) else {
        return;
    };
    let _lock = vbl_lock(dev);
    if vblank.state.lock().refcount == 0 {
        disable_and_save(dev, pipe, vblank);
    }
}

/// Fills the vblank's number and time into an event, and sends it
/// (`send_vblank_event`).
#[track_caller]
pub(crate) fn send_vblank_event(
    dev: &DrmDevice,
    mut event: DrmPendingEvent,
    sequence: u64,
    time: Ktime,
) {
    if let Ok((mut vblank, _)) = DrmEventVblank::read_from_prefix(event.bytes_mut()) {
        let time = time.since_start();
        vblank.sequence = sequence as u32;
        vblank.tv_sec = time.as_secs() as u32;
        vblank.tv_usec = time.subsec_micros();
        // It was read from as many bytes.
        let _ = vblank.write_to_prefix(event.bytes_mut());
    }
    drm_send_event(dev, event);
}

/// Sends an event, such as a page flip's, with the number and time of the
/// latest vblank (`drm_crtc_send_vblank_event`).
#[track_caller]
pub fn drm_crtc_send_vblank_event(crtc: &DrmCrtc, event: DrmPendingEvent) {
    let Some(dev) = crtc.dev() else {
        return;
    };
    let (sequence, time) = match dev.vblank().pipe(crtc.index()) {
        Some(vblank) => vblank.count_and_time(),
        None => (0, dev.system().clock().now()),
    };
    send_vblank_event(&dev, event, sequence, time);
}

/// The CRTC's count of vblanks (`drm_crtc_vblank_count`).
pub fn drm_crtc_vblank_count(crtc: &DrmCrtc) -> u64 {
    let dev = crtc.dev();
    let count = dev.and_then(|dev| Some(dev.vblank().pipe(crtc.index())?.count_and_time().0));
    count.unwrap_or(0)
}

/// Uses the CRTC's vblanks (`drm_crtc_vblank_get`).
///
/// # Errors
/// `EINVAL` while the CRTC is off.
#[track_caller]
pub fn drm_crtc_vblank_get(crtc: &DrmCrtc) -> Result {
    drm_vblank_get(&crtc.dev().ok_or(Errno::EINVAL)?, crtc.index())
}

/// Uses them no longer (`drm_crtc_vblank_put`).
#[track_caller]
pub fn drm_crtc_vblank_put(crtc: &DrmCrtc) {
    if let Some(dev) = crtc.dev() {
        drm_vblank_put(&dev, crtc.index());
    }
}

/// The CRTC is on: vblanks can be had (`drm_crtc_vblank_on`). The count goes up
/// by one, so that nobody sees one number before and after.
#[track_caller]
pub fn drm_crtc_vblank_on(crtc: &DrmCrtc) {
    let (Some(dev), pipe) = (crtc.dev(), crtc.index()) else {
        return;
    };
    let Some(vblank) = dev.vblank().pipe(pipe) else {
        dev.splat(SplatKind::Warn, "drm_crtc_vblank_on: no such vblank");
        return;
    };
    let _lock = vbl_lock(&dev);
    let precise = crtc.funcs().get_vblank_timestamp.clone();
    let enabled = vblank.is_enabled();
    let time = precise
        .and_then(|timestamp| dev.guard("get_vblank_timestamp", || timestamp(crtc, enabled))?);
    let in_use = {
        let mut state = vblank.state.lock();
        state.offdelay_ms = OFFDELAY_MS;
        state.disable_immediate = false;
        if state.inmodeset {
            state.refcount -= 1;
            state.inmodeset = false;
        }
        // drm_reset_vblank_timestamp.
        state.count += 1;
        state.time = time.unwrap_or_default();
        state.refcount != 0
    };
    if in_use && vblank_enable(&dev, pipe, vblank).is_err() {
        dev.splat(SplatKind::Warn, "vblank interrupts can not be switched on");
    }
}

/// The CRTC is off (`drm_crtc_vblank_off`): who waits for a vblank is woken and
/// has its answer, events for vblanks to come are sent at once, and nobody gets
/// vblanks until [`drm_crtc_vblank_on`].
#[track_caller]
pub fn drm_crtc_vblank_off(crtc: &DrmCrtc) {
    let (Some(dev), pipe) = (crtc.dev(), crtc.index()) else {
        return;
    };
    let Some(vblank) = dev.vblank().pipe(pipe) else {
        dev.splat(SplatKind::Warn, "drm_crtc_vblank_off: no such vblank");
        return;
    };
    {
        let _lock = vbl_lock(&dev);
        let inmodeset = vblank.state.lock().inmodeset;
        if dev.has(Features::ATOMIC) || !inmodeset {
            disable_and_save(&dev, pipe, vblank);
        }
        vblank.queue.wake_all();
        if !inmodeset {
            let mut state = vblank.state.lock();
            state.refcount += 1;
            state.inmodeset = true;
        }
    }
    let (sequence, time, events) = {
        let mut state = vblank.state.lock();
        let events = core::mem::take(&mut state.events);
        (state.count, state.time, events)
    };
    for (_, event) in events {
        drm_vblank_put(&dev, pipe);
        send_vblank_event(&dev, event, sequence, time);
    }
}

/// A vblank interrupt (`drm_crtc_handle_vblank`). False if interrupts are off.
#[track_caller]
pub fn drm_crtc_handle_vblank(crtc: &DrmCrtc) -> bool {
    let (Some(dev), pipe) = (crtc.dev(), crtc.index()) else {
        return false;
    };
    let Some(vblank) = dev.vblank().pipe(pipe) else {
        return false;
    };
    if !vblank.is_enabled() {
        return false;
    }
    update_count(&dev, pipe, true);
    let (sequence, time, due) = {
        let mut state = vblank.state.lock();
        let sequence = state.count;
        let events = core::mem::take(&mut state.events);
        let (due, later) = events
            .into_iter()
            .partition(|(wanted, _)| drm_vblank_passed(sequence, *wanted));
        state.events = later;
        let due: Vec<(u64, DrmPendingEvent)> = due;
        (sequence, state.time, due)
    };
    vblank.queue.wake_all();
    dev.emit(|| DrmEventKind::Vblank { pipe, sequence });
    for (_, event) in due {
        drm_vblank_put(&dev, pipe);
        send_vblank_event(&dev, event, sequence, time);
    }
    true
}
