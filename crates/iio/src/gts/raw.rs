//! The raw face: the kernel's calls under the kernel's names.
//!
//! Follows `drivers/iio/industrialio-gts-helper.c` and
//! `include/linux/iio/iio-gts-helper.h`.

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{Action, Device, devm_add_action_or_reset};
use lastfd_model::{Errno, EventKind, Result};
use lastfd_sync::{Arc, Mutex};

use super::tables::Tables;
use super::{GainSel, GainTimes, Scale, TimeSel};
use crate::value::Available;

/// A `struct iio_gts`. Clones are one.
///
/// Its memory is its owner's, and must outlive the device it is initialised on:
/// a static, or the driver's own data. Here it is kept while a clone is left.
/// Before it is initialised it is all zero, as a static is.
#[derive(Clone, Debug, Default)]
pub struct IioGts(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    gain_times: GainTimes,
    tables: Option<Tables>,
    /// The device it was initialised on last.
    device: Option<Device>,
}

impl IioGts {
    /// One that is not initialised.
    pub fn new() -> IioGts {
        IioGts::default()
    }

    /// What it was initialised with.
    pub fn gain_times(&self) -> GainTimes {
        self.0.lock().gain_times.clone()
    }

    /// Whether the lists of what is available are there: from
    /// [`devm_iio_init_iio_gts`] to the release of the device's managed
    /// resources.
    pub fn has_tables(&self) -> bool {
        self.0.lock().tables.is_some()
    }

    fn with<R>(&self, ask: impl FnOnce(&GainTimes) -> R) -> R {
        ask(&self.0.lock().gain_times)
    }
}

/// Initialises the helper and makes its lists of what is available, which the
/// device manages.
///
/// Whatever it held is forgotten first, also if this fails. `EINVAL` for two empty tables, a gain or
/// multiplier that is not positive, a time or selector that is negative;
/// `EOVERFLOW` for a gain and a multiplier whose product is no `int`; `ENOMEM`.
///
/// The release clears the lists of whatever the helper holds then: if it was
/// initialised anew on another device meanwhile, that one's are cleared.
///
/// ```
/// use lastfd_iio::gts::raw::*;
/// use lastfd_iio::gts::{GainSel, Scale, TimeSel};
/// use lastfd_model::raw::{root_device_register, root_device_unregister};
/// use lastfd_model::{Errno, System};
///
/// let system = System::new();
/// let device = root_device_register(&system, "iio-gts-test-dev").unwrap();
/// let (gts, gains) = (IioGts::new(), [GainSel::new(1, 0), GainSel::new(4, 8)]);
/// let times = [TimeSel::new(100_000, 0, 2), TimeSel::new(50_000, 1, 1)];
/// devm_iio_init_iio_gts(&device, Scale::new(64, 0), &gains, &times, &gts).unwrap();
/// assert_eq!(iio_gts_find_sel_by_gain(&gts, 4), Ok(8));
/// assert!(iio_gts_avail_times(&gts).is_ok());
/// root_device_unregister(&device);
/// assert_eq!(iio_gts_avail_times(&gts), Err(Errno::EINVAL));
/// ```
#[track_caller]
pub fn devm_iio_init_iio_gts(
    device: &Device,
    max_scale: Scale,
    gains: &[GainSel],
    times: &[TimeSel],
    gts: &IioGts,
) -> Result {
    let gain_times = GainTimes::unchecked(max_scale, gains, times);
    let fresh = State {
        gain_times: gain_times.clone(),
        tables: None,
        device: Some(device.clone()),
    };
    let forgotten = core::mem::replace(&mut *gts.0.lock(), fresh);
    drop(forgotten);
    gain_times.check()?;
    let tables = Tables::build(&device.system(), &gain_times)?;
    gts.0.lock().tables = Some(tables);
    // The helper is its owner's: the device does not keep it.
    let helper = Arc::downgrade(&gts.0);
    let action = Action::new(move || {
        let Some(helper) = helper.upgrade() else {
            return;
        };
        let tables = helper.lock().tables.take();
        drop(tables);
    });
    devm_add_action_or_reset(device, action.named("devm_iio_gts_avail_all_drop"))
}

/// What selects the gain, else `EINVAL`.
pub fn iio_gts_find_sel_by_gain(gts: &IioGts, gain: i32) -> Result<i32> {
    gts.with(|gts| gts.sel_by_gain(gain))
}

/// The gain that is selected so, else `EINVAL`.
pub fn iio_gts_find_gain_by_sel(gts: &IioGts, sel: i32) -> Result<i32> {
    gts.with(|gts| gts.gain_by_sel(sel))
}

/// What selects the time (microseconds), else `EINVAL`.
pub fn iio_gts_find_sel_by_int_time(gts: &IioGts, time: i32) -> Result<i32> {
    gts.with(|gts| gts.sel_by_time(time))
}

/// The time (microseconds) that is selected so, else `EINVAL`.
pub fn iio_gts_find_int_time_by_sel(gts: &IioGts, sel: i32) -> Result<i32> {
    gts.with(|gts| gts.time_by_sel(sel))
}

/// Whether there is such a gain.
pub fn iio_gts_valid_gain(gts: &IioGts, gain: i32) -> bool {
    gts.with(|gts| gts.is_gain(gain))
}

/// Whether there is such a time (microseconds).
pub fn iio_gts_valid_time(gts: &IioGts, time_us: i32) -> bool {
    gts.with(|gts| gts.is_time(time_us))
}

/// The smallest gain, else `EINVAL`.
pub fn iio_gts_get_min_gain(gts: &IioGts) -> Result<i32> {
    gts.with(GainTimes::min_gain)
}

/// The greatest gain that is not above `gain`, else `EINVAL`; `in_range` says
/// whether `gain` is one or lies between two.
pub fn iio_find_closest_gain_low(gts: &IioGts, gain: i32, in_range: &mut bool) -> Result<i32> {
    let closest = gts.with(|gts| gts.closest_gain_low(gain));
    *in_range = closest.in_range;
    closest.gain
}

/// The scale at a total gain. `EINVAL` for 0.
pub fn iio_gts_total_gain_to_scale(gts: &IioGts, total_gain: i32) -> Result<Scale> {
    gts.with(|gts| gts.total_gain_to_scale(total_gain))
}

/// What selects the gain that gives the scale with the time selected by
/// `time_sel`, else `EINVAL`.
pub fn iio_gts_find_gain_sel_for_scale_using_time(
    gts: &IioGts,
    time_sel: i32,
    scale: Scale,
) -> Result<i32> {
    gts.with(|gts| gts.gain_sel_for_scale(time_sel, scale))
}

/// The scale with this gain and this time (microseconds), else `EINVAL`.
pub fn iio_gts_get_scale(gts: &IioGts, gain: i32, time: i32) -> Result<Scale> {
    gts.with(|gts| gts.scale(gain, time))
}

/// The gain that keeps the scale when the time changes, times in microseconds.
///
/// On an error `new_gain` is -1 if none could be computed, else the best there
/// could be: one the hardware has not, or one rounded down, 0 included.
pub fn iio_gts_find_new_gain_by_old_gain_time(
    gts: &IioGts,
    old_gain: i32,
    old_time: i32,
    new_time: i32,
    new_gain: &mut i32,
) -> Result {
    let found = gts.with(|gts| gts.gain_for_new_time(old_gain, old_time, new_time));
    *new_gain = found.unwrap_or_else(|missing| missing.best);
    found.map(drop).map_err(Errno::from)
}

/// As [`iio_gts_find_new_gain_by_old_gain_time`], the times by what selects them.
pub fn iio_gts_find_new_gain_sel_by_old_gain_time(
    gts: &IioGts,
    old_gain: i32,
    old_time_sel: i32,
    new_time_sel: i32,
    new_gain: &mut i32,
) -> Result {
    let found = gts.with(|gts| gts.gain_for_new_time_sel(old_gain, old_time_sel, new_time_sel));
    *new_gain = found.unwrap_or_else(|missing| missing.best);
    found.map(drop).map_err(Errno::from)
}

/// The times as seconds and millionths, ascending, each once. `EINVAL` without
/// times, and once the device has released the list.
pub fn iio_gts_avail_times(gts: &IioGts) -> Result<Available> {
    let state = gts.0.lock();
    let tables = state.tables.as_ref().ok_or(Errno::EINVAL)?;
    tables.times().ok_or(Errno::EINVAL)
}

/// Every scale that some gain and some time give, by ascending gain. `EINVAL`
/// without gains, and once the device has released the list.
pub fn iio_gts_all_avail_scales(gts: &IioGts) -> Result<Available> {
    let state = gts.0.lock();
    let tables = state.tables.as_ref().ok_or(Errno::EINVAL)?;
    tables.all_scales().ok_or(Errno::EINVAL)
}

/// The scales there are with this time (microseconds), by ascending gain, the
/// list empty if there are no gains. `EINVAL` if there is no such time.
///
/// Once the device has released the list, a kernel follows a null pointer: that
/// is a splat here, and `EINVAL`.
pub fn iio_gts_avail_scales_for_time(gts: &IioGts, time: i32) -> Result<Available> {
    let state = gts.0.lock();
    let mut times = state.gain_times.time_table().iter();
    let place = times.position(|entry| entry.time_us == time);
    let place = place.ok_or(Errno::EINVAL)?;
    if let Some(tables) = &state.tables {
        return tables.scales_at(place).ok_or(Errno::EINVAL);
    }
    let device = state.device.clone();
    drop(state);
    if let Some(device) = device {
        device.system().emit(|| EventKind::Splat {
            kind: SplatKind::Bug,
            device: Some(device.device_ref()),
            text: "iio_gts_avail_scales_for_time: the tables were released".into(),
        });
    }
    Err(Errno::EINVAL)
}
