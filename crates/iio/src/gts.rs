//! Gain, integration time and scale of light sensors.
//!
//! A light sensor amplifies twice: by a gain that is set in hardware, and by the
//! time it collects light. What programs see is one number, the scale: the
//! greatest scale the sensor has, divided by both amplifications. This module
//! goes back and forth between the three. It follows
//! `drivers/iio/industrialio-gts-helper.c`.
//!
//! [`GainTimes`] is the arithmetic, [`Gts`] what a driver uses, [`raw`] the
//! kernel's calls under the kernel's names.
//!
//! ```
//! use lastfd_iio::gts::{GainSel, GainTimes, Scale, TimeSel};
//! use lastfd_model::Errno;
//!
//! let sensor = GainTimes::new(
//!     Scale::new(16, 0),
//!     &[GainSel::new(1, 0x00), GainSel::new(4, 0x08), GainSel::new(32, 0x0b)],
//!     &[TimeSel::new(100_000, 0, 2), TimeSel::new(50_000, 1, 1)],
//! )
//! .unwrap();
//!
//! // Four times in hardware and twice by the time: an eighth of the greatest scale.
//! assert_eq!(sensor.scale(4, 100_000), Ok(Scale::new(2, 0)));
//! assert_eq!(sensor.gain_sel_for_scale(0, Scale::new(2, 0)), Ok(0x08));
//! // With half the time the same scale needs a gain of 8, which it has not; the
//! // error says so, and the driver takes the next one below.
//! let missing = sensor.gain_for_new_time(4, 100_000, 50_000).unwrap_err();
//! assert_eq!((missing.errno, missing.best), (Errno::EINVAL, 8));
//! assert_eq!(sensor.closest_gain_low(missing.best).gain, Ok(4));
//! ```

use core::ops::Deref;

use lastfd_model::typed::{Bound, Device};
use lastfd_model::{Errno, Result};

use crate::value::{Available, Value};

pub mod raw;
mod search;
mod tables;

pub use search::{ClosestGain, GainTimes, NoNewGain};

use raw::IioGts;

/// A hardware gain and the number that selects it (`struct iio_gain_sel_pair`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GainSel {
    /// How much it amplifies; greater than 0.
    pub gain: i32,
    /// What is written to the hardware for it; not negative.
    pub sel: i32,
}

impl GainSel {
    /// The gain selected by `sel` (`GAIN_SCALE_GAIN`).
    pub const fn new(gain: i32, sel: i32) -> GainSel {
        GainSel { gain, sel }
    }
}

/// An integration time, the number that selects it, and how much it amplifies
/// (`struct iio_itime_sel_mul`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSel {
    /// Microseconds; not negative.
    pub time_us: i32,
    /// What is written to the hardware for it; not negative.
    pub sel: i32,
    /// How much it amplifies; greater than 0.
    pub mul: i32,
}

impl TimeSel {
    /// The time selected by `sel` (`GAIN_SCALE_ITIME_US`).
    pub const fn new(time_us: i32, sel: i32, mul: i32) -> TimeSel {
        TimeSel { time_us, sel, mul }
    }
}

/// A scale: a whole part and billionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scale {
    /// The whole part.
    pub whole: i32,
    /// Billionths.
    pub nano: i32,
}

impl Scale {
    /// `whole` and `nano` billionths.
    pub const fn new(whole: i32, nano: i32) -> Scale {
        Scale { whole, nano }
    }
}

impl From<Scale> for Value {
    fn from(scale: Scale) -> Value {
        Value::IntPlusNano(scale.whole, scale.nano)
    }
}

/// A bound driver's gains, times and scales.
///
/// The look-ups and searches are those of [`GainTimes`], and always work. The
/// lists of what is available are managed by the bound device, and gone
/// (`EINVAL`) once its driver is unbound.
///
/// ```
/// use lastfd_iio::gts::{GainSel, Gts, Scale, TimeSel};
/// use lastfd_model::System;
/// use lastfd_model::typed::{self, Bound, Device, PlatformDevice, PlatformDriver};
///
/// struct Sensor;
///
/// impl typed::Driver for Sensor {
///     type Info = ();
///     fn probe(device: &Device<Bound>, _: &()) -> lastfd_model::Result<Sensor> {
///         let gts = Gts::new(
///             device,
///             Scale::new(1, 0),
///             &[GainSel::new(1, 0), GainSel::new(8, 1)],
///             &[TimeSel::new(50_000, 0, 1), TimeSel::new(100_000, 1, 2)],
///         )?;
///         assert_eq!(gts.times()?.format()?, "0.050000 0.100000\n");
///         assert_eq!(
///             gts.scales()?.format()?,
///             "1.000000000 0.500000000 0.125000000 0.062500000\n"
///         );
///         assert_eq!(gts.sel_by_gain(8)?, 1);
///         Ok(Sensor)
///     }
/// }
///
/// let system = System::new();
/// let driver = PlatformDriver::<Sensor>::register(&system, "sensor")?;
/// let device = PlatformDevice::register(&system, "sensor", ())?;
/// assert!(device.with_bound(|_| ()).is_some());
/// # drop((device, driver));
/// # Ok::<(), lastfd_model::Errno>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gts {
    gain_times: GainTimes,
    tables: IioGts,
}

impl Gts {
    /// Checks the gains and times and lists the scales they give, until the
    /// driver is unbound.
    ///
    /// `max_scale` is the scale at a total gain of 1; the time a driver prefers
    /// comes first. Errors as of [`devm_iio_init_iio_gts`](raw::devm_iio_init_iio_gts).
    #[track_caller]
    pub fn new(
        device: &Device<Bound>,
        max_scale: Scale,
        gains: &[GainSel],
        times: &[TimeSel],
    ) -> Result<Gts> {
        let tables = IioGts::new();
        raw::devm_iio_init_iio_gts(device.raw(), max_scale, gains, times, &tables)?;
        Ok(Gts {
            gain_times: tables.gain_times(),
            tables,
        })
    }

    /// Every time there is, shortest first, in seconds.
    pub fn times(&self) -> Result<Available> {
        raw::iio_gts_avail_times(&self.tables)
    }

    /// Every scale that some gain and some time give, greatest first.
    pub fn scales(&self) -> Result<Available> {
        raw::iio_gts_all_avail_scales(&self.tables)
    }

    /// The scales there are with this time, greatest first.
    ///
    /// `EINVAL` for a time that is not supported, and once the driver is unbound.
    pub fn scales_for_time(&self, time_us: i32) -> Result<Available> {
        // Here the kernel's call would follow a pointer that was cleared.
        if !self.tables.has_tables() {
            return Err(Errno::EINVAL);
        }
        raw::iio_gts_avail_scales_for_time(&self.tables, time_us)
    }
}

impl Deref for Gts {
    type Target = GainTimes;

    fn deref(&self) -> &GainTimes {
        &self.gain_times
    }
}
