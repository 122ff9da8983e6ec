//! The gain-time-scale helpers on a test device, as the series meant it: the
//! `iio-gain-time-scale` suite of `drivers/iio/test/iio-test-gts.c`.
//!
//! The helper has no IIO device behind it; it is given a KUnit device, whose
//! managed resources it uses.

use lastfd_iio::gts::raw::*;
use lastfd_iio::gts::{GainSel, Scale, TimeSel};
use lastfd_iio::{Available, Value};
use lastfd_kunit::{
    Test, kunit_assert_eq, kunit_assert_not_err_or_null, kunit_expect_eq, kunit_expect_false,
    kunit_expect_true, kunit_suite, raw::*,
};
use lastfd_model::raw::Device;
use lastfd_model::{Errno, Result};

const DEVICE: &str = "iio-gts-test-dev";
const MAX_SCALE: Scale = Scale::new(64, 0);

/// Out of order, to see them sorted.
const GAINS: [GainSel; 10] = [
    GainSel::new(1, 0x00),
    GainSel::new(4, 0x08),
    GainSel::new(16, 0x0a),
    GainSel::new(32, 0x0b),
    GainSel::new(64, 0x0c),
    GainSel::new(256, 0x18),
    GainSel::new(512, 0x19),
    GainSel::new(1024, 0x1a),
    GainSel::new(4096, 0x1c),
    GainSel::new(2048, 0x1b),
];

/// Out of order, and one twice.
const TIMES: [TimeSel; 5] = [
    TimeSel::new(100_000, 0, 2),
    TimeSel::new(400_000, 4, 8),
    TimeSel::new(400_000, 4, 8),
    TimeSel::new(50_000, 1, 1),
    TimeSel::new(200_000, 2, 4),
];

const T50: i32 = 1;
const T100: i32 = 0;
const T200: i32 = 2;
const T400: i32 = 4;

fn device(test: &Test) -> Device {
    kunit_assert_not_err_or_null!(test, kunit_device_register(test, DEVICE))
}

/// The helper on a test device that the test manages.
fn gts(test: &Test) -> IioGts {
    let gts = IioGts::new();
    let made = devm_iio_init_iio_gts(&device(test), MAX_SCALE, &GAINS, &TIMES, &gts);
    kunit_assert_eq!(test, made, Ok(()));
    gts
}

fn test_init_iio_gts_invalid(test: &Test) {
    let device = device(test);
    let init = |gains: &[GainSel], times: &[TimeSel]| -> Result {
        devm_iio_init_iio_gts(&device, MAX_SCALE, gains, times, &IioGts::new())
    };
    let negative_time = [TimeSel::new(-10, T400, 8), TIMES[4]];
    kunit_expect_eq!(test, init(&GAINS, &negative_time), Err(Errno::EINVAL));
    let negative_gain = [GAINS[0], GainSel::new(-2, 0x08)];
    kunit_expect_eq!(test, init(&negative_gain, &TIMES), Err(Errno::EINVAL));
    let (long, high) = (
        [TimeSel::new(400_000, T400, 55_555)],
        [GainSel::new(38_656, 1)],
    );
    kunit_expect_eq!(test, init(&high, &long), Err(Errno::EOVERFLOW));
}

fn test_iio_gts_find_gain_for_scale_using_time(test: &Test) {
    let gts = gts(test);
    let find = |time, whole, nano| {
        iio_gts_find_gain_sel_for_scale_using_time(&gts, time, Scale::new(whole, nano))
    };
    kunit_expect_eq!(test, find(T100, 8, 0), Ok(0x08));
    kunit_expect_eq!(test, find(T200, 0, 250_000_000), Ok(0x0c));
    kunit_expect_eq!(test, find(T50, 64, 0), Ok(0x00));
    kunit_expect_eq!(test, find(T400, 0, 1_953_125), Ok(0x1c));
    // It would take a gain of 128; then more than there is.
    kunit_expect_true!(test, find(T100, 0, 250_000_000).is_err());
    kunit_expect_true!(test, find(T200, 0, 1_953_125).is_err());
    kunit_expect_true!(test, find(T50, 0, 1_953_125).is_err());
}

fn test_iio_gts_find_new_gain_sel_by_old_gain_time(test: &Test) {
    let gts = gts(test);
    let find = |gain, old, new| {
        let mut found = 0;
        let result = iio_gts_find_new_gain_sel_by_old_gain_time(&gts, gain, old, new, &mut found);
        result.map(|()| found)
    };
    kunit_expect_eq!(test, find(32, T200, T400), Ok(16));
    kunit_expect_eq!(test, find(4, T50, T200), Ok(1));
    kunit_expect_eq!(test, find(512, T400, T50), Ok(4096));
    kunit_expect_true!(test, find(4, T200, T400).is_err());
    kunit_expect_true!(test, find(4, T50, T400).is_err());
    kunit_expect_true!(test, find(1024, T400, T50).is_err());
}

fn test_iio_find_closest_gain_low(test: &Test) {
    let closest = |gts: &IioGts, gain| {
        let mut in_range = true;
        let found = iio_find_closest_gain_low(gts, gain, &mut in_range);
        (found, in_range)
    };
    let gts = IioGts::new();
    let first = device(test);
    let made = devm_iio_init_iio_gts(&first, MAX_SCALE, &GAINS, &TIMES, &gts);
    kunit_assert_eq!(test, made, Ok(()));
    kunit_expect_eq!(test, closest(&gts, 2), (Ok(1), true));
    kunit_expect_eq!(test, closest(&gts, 1), (Ok(1), true));
    kunit_expect_eq!(test, closest(&gts, 4095), (Ok(2048), true));
    kunit_expect_eq!(test, closest(&gts, 4097), (Ok(4096), false));
    kunit_device_unregister(test, &first);
    // A device of the same name again, with no gain below 4.
    let made = devm_iio_init_iio_gts(&device(test), MAX_SCALE, &GAINS[1..4], &TIMES, &gts);
    kunit_assert_eq!(test, made, Ok(()));
    kunit_expect_eq!(test, closest(&gts, 3), (Err(Errno::EINVAL), false));
}

fn test_iio_gts_total_gain_to_scale(test: &Test) {
    let gts = gts(test);
    let scale = |gain| iio_gts_total_gain_to_scale(&gts, gain);
    kunit_expect_eq!(test, scale(1), Ok(Scale::new(64, 0)));
    kunit_expect_eq!(test, scale(4096 * 8), Ok(Scale::new(0, 1_953_125)));
}

/// The scales at these total gains.
fn scales(gains: impl IntoIterator<Item = i64>) -> Result<Available> {
    let scale = |gain: i64| {
        let nano = 64_000_000_000 / gain;
        Value::IntPlusNano((nano / 1_000_000_000) as i32, (nano % 1_000_000_000) as i32)
    };
    Ok(Available::List(gains.into_iter().map(scale).collect()))
}

fn test_iio_gts_chk_avail(test: &Test) {
    let gts = gts(test);
    let times = [50_000, 100_000, 200_000, 400_000];
    let times = times.map(|micro| Value::IntPlusMicro(0, micro)).to_vec();
    kunit_expect_eq!(test, iio_gts_avail_times(&gts), Ok(Available::List(times)));
    let all = scales((0..16).map(|power| 1 << power));
    kunit_expect_eq!(test, iio_gts_all_avail_scales(&gts), all);
    let gains = [1, 4, 16, 32, 64, 256, 512, 1024, 2048, 4096];
    let at_200 = scales(gains.map(|gain| gain * 4));
    kunit_expect_eq!(test, iio_gts_avail_scales_for_time(&gts, 200_000), at_200);
}

fn the_tables_go_with_the_test_device_and_the_memory_must_outlive_it(test: &Test) {
    let gts = IioGts::new();
    let device = device(test);
    let made = devm_iio_init_iio_gts(&device, MAX_SCALE, &GAINS, &TIMES, &gts);
    kunit_assert_eq!(test, made, Ok(()));
    kunit_expect_true!(test, gts.has_tables());
    kunit_device_unregister(test, &device);
    kunit_expect_false!(test, gts.has_tables());
}

kunit_suite! {
    /// The gain-time-scale helpers of IIO.
    pub suite iio_gain_time_scale = "iio-gain-time-scale" {
        test_init_iio_gts_invalid,
        test_iio_gts_find_gain_for_scale_using_time,
        test_iio_gts_find_new_gain_sel_by_old_gain_time,
        test_iio_find_closest_gain_low,
        test_iio_gts_total_gain_to_scale,
        test_iio_gts_chk_avail,
        the_tables_go_with_the_test_device_and_the_memory_must_outlive_it,
    }
}
