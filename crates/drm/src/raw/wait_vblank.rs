//! WAIT_VBLANK.
//!
//! Follows `drm_wait_vblank_ioctl` of `drivers/gpu/drm/drm_vblank.c`.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_chrdev::{Try, Wait};
use lastfd_model::{Errno, Result};
use lastfd_sync::Ktime;
use zerocopy::IntoBytes;

use super::device::DrmDevice;
use super::driver::Features;
use super::events::{drm_event_cancel_free, drm_event_reserve_init};
use super::file::DrmFile;
use super::ioctl::DrmCall;
use super::vblank::{Pipe, drm_vblank_get, drm_vblank_passed, drm_vblank_put, send_vblank_event};

/// A wait gives up after this long.
const LONGEST: Duration = Duration::from_secs(3);

/// A use of the vblanks, for as long as it is kept.
struct InUse {
    dev: DrmDevice,
    pipe: usize,
    /// Somebody else puts.
    handed_on: bool,
}

impl InUse {
    #[track_caller]
    fn begin(dev: &DrmDevice, pipe: usize) -> Result<InUse> {
        drm_vblank_get(dev, pipe)?;
        Ok(InUse {
            dev: dev.clone(),
            pipe,
            handed_on: false,
        })
    }

    /// The vblank that sends the event puts.
    fn hand_on(mut self) {
        self.handed_on = true;
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if !self.handed_on {
            drm_vblank_put(&self.dev, self.pipe);
        }
    }
}

/// A wait that has begun.
struct Waiting {
    _in_use: InUse,
    pipe: usize,
    wanted: u64,
    until: Ktime,
}

/// `EOPNOTSUPP` without vblanks, `EINVAL` for a CRTC that is not there or off,
/// `EBUSY` after three seconds. A wait that ends because the CRTC went off
/// gives 0, and the number it is at.
#[track_caller]
pub(crate) fn drm_wait_vblank_ioctl(
    dev: &DrmDevice,
    file: &DrmFile,
    call: &mut DrmCall<'_, '_>,
) -> Try<i32> {
    let begun = call
        .left::<Waiting>()
        .map(|waiting| (waiting.pipe, waiting.wanted, waiting.until));
    let (pipe, wanted, until) = match begun {
        Some(begun) => begun,
        None => match begin(dev, file, call) {
            Ok(Some(begun)) => begun,
            Ok(None) => return Try::ok(0),
            Err(errno) => return Try::err(errno),
        },
    };
    let Some(vblank) = dev.vblank().pipe(pipe) else {
        return Try::err(Errno::EINVAL);
    };
    let (count, _) = vblank.count_and_time();
    if drm_vblank_passed(count, wanted) || !vblank.is_enabled() {
        reply(vblank, call);
        return Try::ok(0);
    }
    if dev.system().clock().now() >= until {
        reply(vblank, call);
        return Try::err(Errno::EBUSY);
    }
    Try::Wait(Wait::on(vblank.queue()).until(until))
}

/// The ioctl up to its wait; `None` if there is none.
#[track_caller]
fn begin(
    dev: &DrmDevice,
    file: &DrmFile,
    call: &mut DrmCall<'_, '_>,
) -> Result<Option<(usize, u64, Ktime)>> {
    if dev.vblank().len() == 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut request: DrmWaitVblankRequest = call.arg();
    let known = _DRM_VBLANK_TYPES_MASK | _DRM_VBLANK_FLAGS_MASK | _DRM_VBLANK_HIGH_CRTC_MASK;
    if request.type_ & _DRM_VBLANK_SIGNAL != 0 || request.type_ & !known != 0 {
        return Err(Errno::EINVAL);
    }
    let flags = request.type_ & _DRM_VBLANK_FLAGS_MASK;
    let high = request.type_ & _DRM_VBLANK_HIGH_CRTC_MASK;
    let pipe = match high {
        0 => usize::from(flags & _DRM_VBLANK_SECONDARY != 0),
        high => (high >> _DRM_VBLANK_HIGH_CRTC_SHIFT) as usize,
    };
    let vblank = dev.vblank().pipe(pipe).ok_or(Errno::EINVAL)?;
    if vblank.disables_immediately() && is_query(&request) && vblank.is_enabled() {
        reply(vblank, call);
        return Ok(None);
    }
    let in_use = InUse::begin(dev, pipe)?;
    let (now, _) = vblank.count_and_time();
    let mut wanted = match request.type_ & _DRM_VBLANK_TYPES_MASK {
        _DRM_VBLANK_RELATIVE => {
            let wanted = now.wrapping_add(u64::from(request.sequence));
            request.sequence = wanted as u32;
            request.type_ &= !_DRM_VBLANK_RELATIVE;
            wanted
        }
        // widen_32_to_64: the number next to now that ends like this.
        _ => now.wrapping_add_signed(i64::from(request.sequence.wrapping_sub(now as u32) as i32)),
    };
    if flags & _DRM_VBLANK_NEXTONMISS != 0 && drm_vblank_passed(now, wanted) {
        wanted = now + 1;
        request.type_ &= !_DRM_VBLANK_NEXTONMISS;
        request.sequence = wanted as u32;
    }
    call.set_arg(&request);
    if flags & _DRM_VBLANK_EVENT != 0 {
        queue_event(dev, file, call, vblank, in_use, wanted)?;
        return Ok(None);
    }
    if wanted == now {
        reply(vblank, call);
        return Ok(None);
    }
    let until = dev.system().clock().now().after(LONGEST);
    call.leave(Waiting {
        _in_use: in_use,
        pipe,
        wanted,
        until,
    });
    Ok(Some((pipe, wanted, until)))
}

/// drm_wait_vblank_is_query.
fn is_query(request: &DrmWaitVblankRequest) -> bool {
    let type_ = _DRM_VBLANK_TYPES_MASK | _DRM_VBLANK_EVENT | _DRM_VBLANK_NEXTONMISS;
    request.sequence == 0 && request.type_ & type_ == _DRM_VBLANK_RELATIVE
}

/// drm_wait_vblank_reply: the number and the time of the latest vblank.
fn reply(vblank: &Pipe, call: &mut DrmCall<'_, '_>) {
    let (count, time) = vblank.count_and_time();
    let time = time.since_start();
    let mut reply: DrmWaitVblankReply = call.arg();
    reply.sequence = count as u32;
    reply.tval_sec = i64::from(time.as_secs() as u32);
    reply.tval_usec = time.subsec_micros().into();
    call.set_arg(&reply);
}

/// drm_queue_vblank_event. The vblanks are in use until the event is sent.
#[track_caller]
fn queue_event(
    dev: &DrmDevice,
    file: &DrmFile,
    call: &mut DrmCall<'_, '_>,
    vblank: &Pipe,
    in_use: InUse,
    wanted: u64,
) -> Result {
    dev.system().allocation()?;
    if !vblank.is_enabled() {
        return Err(Errno::EINVAL);
    }
    let mut request: DrmWaitVblankRequest = call.arg();
    let crtcs = dev.vblank().crtcs();
    let crtc = crtcs
        .get(in_use.pipe)
        .filter(|_| dev.has(Features::MODESET));
    let event = DrmEventVblank {
        base: DrmEventHeader {
            type_: DRM_EVENT_VBLANK,
            length: size_of::<DrmEventVblank>() as u32,
        },
        user_data: request.signal,
        crtc_id: crtc.map_or(0, |crtc| crtc.id()),
        ..DrmEventVblank::default()
    };
    let event = drm_event_reserve_init(dev, file, event.as_bytes())?;
    let (now, time) = vblank.count_and_time();
    if drm_vblank_passed(now, wanted) {
        drop(in_use);
        send_vblank_event(dev, event, now, time);
        request.sequence = now as u32;
    } else {
        if let Err(event) = vblank.queue_event(wanted, event) {
            // drm_crtc_vblank_off was faster.
            drm_event_cancel_free(dev, event);
            return Err(Errno::EINVAL);
        }
        in_use.hand_on();
        request.sequence = wanted as u32;
    }
    call.set_arg(&request);
    Ok(())
}
