//! The arithmetic: from gain and time to scale, and back.

use core::fmt;

use lastfd_model::{Errno, Result};

use super::{GainSel, Scale, TimeSel};

/// Billionths in one.
const NANO: u64 = 1_000_000_000;

/// A sensor's gains, times and greatest scale, checked.
///
/// Where a table has a value twice, the first entry counts. Every number is one
/// of the kernel's `int`s.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GainTimes {
    /// In billionths.
    max_scale: u64,
    gains: Vec<GainSel>,
    times: Vec<TimeSel>,
}

/// The greatest gain that is not above the one asked for
/// (`iio_find_closest_gain_low`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosestGain {
    /// The gain, or `EINVAL` if all are greater.
    pub gain: Result<i32>,
    /// Whether the one asked for lies between two gains, or is one.
    pub in_range: bool,
}

/// Why there is no gain that keeps the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoNewGain {
    /// The error: `EINVAL`, but for scales at the end of the numbers.
    pub errno: Errno,
    /// The gain that would have kept the scale, rounded down, which the hardware
    /// has not or which would not quite keep it; -1 if none could be computed.
    /// [`GainTimes::closest_gain_low`] finds one to use in its place.
    pub best: i32,
}

impl From<NoNewGain> for Errno {
    fn from(missing: NoNewGain) -> Errno {
        missing.errno
    }
}

// iio_gts_linearize: whatever is written is taken for 64 bits, a negative number
// for a very large one.
fn linear(scale: Scale) -> u64 {
    (scale.whole as u64)
        .wrapping_mul(NANO)
        .wrapping_add(scale.nano as u64)
}

// iio_gts_delinearize
fn split(linear: u64) -> Scale {
    Scale::new((linear / NANO) as i32, (linear % NANO) as i32)
}

impl GainTimes {
    /// Checks the tables.
    ///
    /// `EINVAL` for two empty tables, a gain or multiplier that is not positive,
    /// a time or selector that is negative; `EOVERFLOW` for a gain and a
    /// multiplier whose product is no `int`.
    // industrialio-gts-helper.c: iio_init_iio_gts
    pub fn new(max_scale: Scale, gains: &[GainSel], times: &[TimeSel]) -> Result<GainTimes> {
        let gts = GainTimes::unchecked(max_scale, gains, times);
        gts.check()?;
        Ok(gts)
    }

    /// A kernel keeps the tables it refuses, and goes on looking things up in
    /// them if asked.
    pub(super) fn unchecked(max_scale: Scale, gains: &[GainSel], times: &[TimeSel]) -> GainTimes {
        GainTimes {
            max_scale: linear(max_scale),
            gains: gains.to_vec(),
            times: times.to_vec(),
        }
    }

    // industrialio-gts-helper.c: iio_gts_sanity_check
    pub(super) fn check(&self) -> Result {
        if self.gains.is_empty() && self.times.is_empty() {
            return Err(Errno::EINVAL);
        }
        let bad_time = |time: &TimeSel| time.sel < 0 || time.time_us < 0 || time.mul <= 0;
        let bad_gain = |gain: &GainSel| gain.sel < 0 || gain.gain <= 0;
        if self.times.iter().any(bad_time) || self.gains.iter().any(bad_gain) {
            return Err(Errno::EINVAL);
        }
        for gain in &self.gains {
            for time in &self.times {
                gain.gain.checked_mul(time.mul).ok_or(Errno::EOVERFLOW)?;
            }
        }
        Ok(())
    }

    /// The gains, as they were given.
    pub fn gain_table(&self) -> &[GainSel] {
        &self.gains
    }

    /// The times, as they were given: the preferred one first.
    pub fn time_table(&self) -> &[TimeSel] {
        &self.times
    }

    /// What selects the gain; `EINVAL` if there is none such
    /// (`iio_gts_find_sel_by_gain`).
    pub fn sel_by_gain(&self, gain: i32) -> Result<i32> {
        let mut gains = self.gains.iter();
        let found = gains.find(|entry| entry.gain == gain);
        found.map(|entry| entry.sel).ok_or(Errno::EINVAL)
    }

    /// The gain that is selected so; `EINVAL` if none is
    /// (`iio_gts_find_gain_by_sel`).
    pub fn gain_by_sel(&self, sel: i32) -> Result<i32> {
        let mut gains = self.gains.iter();
        let found = gains.find(|entry| entry.sel == sel);
        found.map(|entry| entry.gain).ok_or(Errno::EINVAL)
    }

    /// What selects the time, in microseconds; `EINVAL` if there is none such
    /// (`iio_gts_find_sel_by_int_time`).
    pub fn sel_by_time(&self, time_us: i32) -> Result<i32> {
        Ok(self.time(time_us)?.sel)
    }

    /// The time, in microseconds, that is selected so; `EINVAL` if none is
    /// (`iio_gts_find_int_time_by_sel`).
    pub fn time_by_sel(&self, sel: i32) -> Result<i32> {
        Ok(self.time_of(sel)?.time_us)
    }

    /// Whether there is such a gain (`iio_gts_valid_gain`).
    pub fn is_gain(&self, gain: i32) -> bool {
        self.sel_by_gain(gain).is_ok()
    }

    /// Whether there is such a time (`iio_gts_valid_time`).
    pub fn is_time(&self, time_us: i32) -> bool {
        self.time(time_us).is_ok()
    }

    /// The smallest gain; `EINVAL` if there is none (`iio_gts_get_min_gain`).
    pub fn min_gain(&self) -> Result<i32> {
        let gains = self.gains.iter().map(|entry| entry.gain);
        gains.min().ok_or(Errno::EINVAL)
    }

    /// The greatest gain that is not above this one, for a driver that would
    /// rather lose precision than saturate (`iio_find_closest_gain_low`).
    pub fn closest_gain_low(&self, gain: i32) -> ClosestGain {
        let gains = || self.gains.iter().map(|entry| entry.gain);
        let below = gains().filter(|&candidate| candidate <= gain).max();
        ClosestGain {
            gain: below.ok_or(Errno::EINVAL),
            in_range: below == Some(gain)
                || below.is_some() && gains().any(|candidate| candidate > gain),
        }
    }

    /// The scale at a total gain, which is the product of both amplifications
    /// (`iio_gts_total_gain_to_scale`).
    ///
    /// `EINVAL` for 0, by which the kernel would divide. The divisor has 32 bits
    /// and no sign there, so that a negative gain is a very large one.
    pub fn total_gain_to_scale(&self, total_gain: i32) -> Result<Scale> {
        self.linear_scale(total_gain).map(split)
    }

    /// The scale with this gain and this time; `EINVAL` if one of them is not
    /// supported (`iio_gts_get_scale`). A sensor without times takes any.
    pub fn scale(&self, gain: i32, time_us: i32) -> Result<Scale> {
        self.total_gain_to_scale(self.total_gain(gain, time_us)?)
    }

    /// Both amplifications together; `EINVAL` if one of the two is not
    /// supported. A sensor without times takes any.
    // industrialio-gts-helper.c: iio_gts_get_total_gain
    pub fn total_gain(&self, gain: i32, time_us: i32) -> Result<i32> {
        if !self.is_gain(gain) {
            return Err(Errno::EINVAL);
        }
        if self.times.is_empty() {
            return Ok(gain);
        }
        // Tables that were refused may give any product; a negative one is taken
        // for an error of that number.
        match gain.wrapping_mul(self.time(time_us)?.mul) {
            total if total < 0 => Err(Errno::from_code(total)),
            total => Ok(total),
        }
    }

    /// What selects the gain that gives the scale with the time selected by
    /// `time_sel` (`iio_gts_find_gain_sel_for_scale_using_time`).
    ///
    /// `EINVAL` if no time is selected so, or no gain gives exactly that total
    /// gain.
    pub fn gain_sel_for_scale(&self, time_sel: i32, scale: Scale) -> Result<i32> {
        let time = self.time_of(time_sel)?;
        self.sel_by_gain(self.gain_for(linear(scale), time)?)
    }

    /// The gain that keeps the scale when the time changes, times in
    /// microseconds (`iio_gts_find_new_gain_by_old_gain_time`).
    pub fn gain_for_new_time(
        &self,
        old_gain: i32,
        old_time_us: i32,
        new_time_us: i32,
    ) -> core::result::Result<i32, NoNewGain> {
        let new = self.time(new_time_us)?;
        self.gain_keeping_scale(old_gain, old_time_us, new)
    }

    /// As [`gain_for_new_time`](GainTimes::gain_for_new_time), the times by what
    /// selects them (`iio_gts_find_new_gain_sel_by_old_gain_time`). It is the
    /// gain that is found, not its selector.
    pub fn gain_for_new_time_sel(
        &self,
        old_gain: i32,
        old_time_sel: i32,
        new_time_sel: i32,
    ) -> core::result::Result<i32, NoNewGain> {
        let old = self.time_of(old_time_sel)?;
        let new = self.time_of(new_time_sel)?;
        self.gain_keeping_scale(old_gain, old.time_us, new)
    }

    fn gain_keeping_scale(
        &self,
        old_gain: i32,
        old_time_us: i32,
        new: &TimeSel,
    ) -> core::result::Result<i32, NoNewGain> {
        let total = self.total_gain(old_gain, old_time_us)?;
        let gain = self.gain_for(self.linear_scale(total)?, new)?;
        if self.is_gain(gain) {
            Ok(gain)
        } else {
            Err(NoNewGain {
                errno: Errno::EINVAL,
                best: gain,
            })
        }
    }

    /// The gain, supported or not, that gives the scale with the time.
    // industrialio-gts-helper.c: iio_gts_get_gain, gain_get_scale_fraction
    fn gain_for(&self, scale: u64, time: &TimeSel) -> core::result::Result<i32, NoNewGain> {
        if scale > self.max_scale || scale == 0 {
            return Err(Errno::EINVAL.into());
        }
        // The quotient of 64 bits is returned as an int. One that does not fit
        // and comes out negative is taken for an error of that number.
        let total = (self.max_scale / scale) as i32;
        if total < 0 {
            return Err(Errno::from_code(total).into());
        }
        let gain = total.checked_div(time.mul).ok_or(Errno::EINVAL)?;
        if gain == 0 || gain * time.mul != total {
            return Err(NoNewGain {
                errno: Errno::EINVAL,
                best: gain,
            });
        }
        Ok(gain)
    }

    fn linear_scale(&self, total_gain: i32) -> Result<u64> {
        let divisor = u64::from(total_gain as u32);
        self.max_scale.checked_div(divisor).ok_or(Errno::EINVAL)
    }

    // include/linux/iio/iio-gts-helper.h: iio_gts_find_itime_by_time
    fn time(&self, time_us: i32) -> Result<&TimeSel> {
        let mut times = self.times.iter();
        let found = times.find(|entry| entry.time_us == time_us);
        found.ok_or(Errno::EINVAL)
    }

    // include/linux/iio/iio-gts-helper.h: iio_gts_find_itime_by_sel
    fn time_of(&self, sel: i32) -> Result<&TimeSel> {
        let mut times = self.times.iter();
        let found = times.find(|entry| entry.sel == sel);
        found.ok_or(Errno::EINVAL)
    }
}

/// Nothing could be computed.
impl From<Errno> for NoNewGain {
    fn from(errno: Errno) -> NoNewGain {
        NoNewGain { errno, best: -1 }
    }
}

impl fmt::Debug for GainTimes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GainTimes")
            .field("max_scale", &split(self.max_scale))
            .field("gains", &self.gains.len())
            .field("times", &self.times.len())
            .finish()
    }
}
