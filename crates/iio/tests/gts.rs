//! The gain-time-scale helpers on a test device: what the kernel's own suite
//! `iio-gain-time-scale` checks, on the raw face, and what it leaves out.

use lastfd_iio::gts::raw::*;
use lastfd_iio::gts::{GainSel, GainTimes, Scale, TimeSel};
use lastfd_iio::{Available, Value};
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Result, Rules, System};

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

const T50: i32 = 1;
const T100: i32 = 0;
const T200: i32 = 2;
const T400: i32 = 4;

/// Out of order, and one twice.
const TIMES: [TimeSel; 5] = [
    TimeSel::new(100_000, T100, 2),
    TimeSel::new(400_000, T400, 8),
    TimeSel::new(400_000, T400, 8),
    TimeSel::new(50_000, T50, 1),
    TimeSel::new(200_000, T200, 4),
];

/// A test device that has neither bus nor driver.
fn device(system: &System) -> Device {
    root_device_register(system, DEVICE).unwrap()
}

/// Calls with the helper on a test device.
fn with_gts(check: impl FnOnce(&IioGts)) {
    let system = System::new();
    let (device, gts) = (device(&system), IioGts::new());
    devm_iio_init_iio_gts(&device, MAX_SCALE, &GAINS, &TIMES, &gts).unwrap();
    check(&gts);
    root_device_unregister(&device);
}

fn init(gains: &[GainSel], times: &[TimeSel]) -> Result<GainTimes> {
    let system = System::new();
    let (device, gts) = (device(&system), IioGts::new());
    let made = devm_iio_init_iio_gts(&device, MAX_SCALE, gains, times, &gts);
    assert_eq!(gts.has_tables(), made.is_ok());
    let gain_times = gts.gain_times();
    root_device_unregister(&device);
    made.map(|()| gain_times)
}

/// The scales at these total gains.
fn scales(gains: impl IntoIterator<Item = i32>) -> Available {
    let max = 64_000_000_000_i64;
    let scale = |gain: i32| {
        let scale = max / i64::from(gain);
        Value::IntPlusNano(
            (scale / 1_000_000_000) as i32,
            (scale % 1_000_000_000) as i32,
        )
    };
    Available::List(gains.into_iter().map(scale).collect())
}

#[test]
fn tables_with_negative_or_too_large_numbers_are_refused() {
    let odd_time = |time| init(&GAINS, &[time, TIMES[4]]).err();
    assert_eq!(odd_time(TimeSel::new(-10, T400, 8)), Some(Errno::EINVAL));
    assert_eq!(odd_time(TimeSel::new(10, -1, 8)), Some(Errno::EINVAL));
    assert_eq!(odd_time(TimeSel::new(10, T400, 0)), Some(Errno::EINVAL));
    assert_eq!(odd_time(TimeSel::new(0, T400, 8)), None);
    let odd_gain = |gain| init(&[GAINS[0], GAINS[1], gain], &TIMES).err();
    assert_eq!(odd_gain(GainSel::new(-2, 0x0a)), Some(Errno::EINVAL));
    assert_eq!(odd_gain(GainSel::new(0, 0x0a)), Some(Errno::EINVAL));
    assert_eq!(odd_gain(GainSel::new(2, -1)), Some(Errno::EINVAL));
    // 55555 * 38656 is just past the largest int.
    let product = |mul, gain| {
        let times = [TimeSel::new(400_000, T400, mul), TIMES[4]];
        init(
            &[GAINS[0], GainSel::new(2, 8), GainSel::new(gain, 10)],
            &times,
        )
        .err()
    };
    assert_eq!(product(55_555, 38_656), Some(Errno::EOVERFLOW));
    assert_eq!(product(55_555, 38_655), None);
    assert_eq!(init(&[], &[]).err(), Some(Errno::EINVAL));
}

#[test]
fn a_gain_is_found_for_a_scale_and_a_time() {
    with_gts(|gts| {
        let find = |time, whole, nano| {
            iio_gts_find_gain_sel_for_scale_using_time(gts, time, Scale::new(whole, nano))
        };
        assert_eq!(find(T100, 8, 0), Ok(0x08));
        assert_eq!(find(T200, 0, 250_000_000), Ok(0x0c));
        assert_eq!(find(T50, 64, 0), Ok(0x00));
        assert_eq!(find(T400, 0, 1_953_125), Ok(0x1c));
        // It would take a gain of 128.
        assert_eq!(find(T100, 0, 250_000_000), Err(Errno::EINVAL));
        // The greatest total gain needs the longest time.
        assert_eq!(find(T200, 0, 1_953_125), Err(Errno::EINVAL));
        assert_eq!(find(T50, 0, 1_953_125), Err(Errno::EINVAL));
        for (whole, nano) in [(0, 0), (65, 0), (-1, 0), (0, -1)] {
            assert_eq!(find(T50, whole, nano), Err(Errno::EINVAL));
        }
        assert_eq!(find(3, 8, 0), Err(Errno::EINVAL), "no such time");
        // 64 * 10^9 in 32 bits: the quotient is taken for an error's number.
        let odd = find(T50, 0, 1).unwrap_err();
        assert_eq!(odd.code(), -(64_000_000_000_u64 as i32));
    });
}

#[test]
fn a_new_gain_keeps_the_scale_when_the_time_changes() {
    with_gts(|gts| {
        let by_sel = |gain, old, new| {
            let mut found = 0;
            let result =
                iio_gts_find_new_gain_sel_by_old_gain_time(gts, gain, old, new, &mut found);
            (result, found)
        };
        let missing = Err(Errno::EINVAL);
        let table = [
            ((32, T200, T400), (Ok(()), 16)),
            ((4, T50, T200), (Ok(()), 1)),
            ((512, T400, T50), (Ok(()), 4096)),
            // The gain it would take is told, though there is none such.
            ((4, T200, T400), (missing, 2)),
            ((1024, T400, T50), (missing, 8192)),
            // Half of one, rounded down.
            ((4, T50, T400), (missing, 0)),
            // Nothing could be computed.
            ((3, T50, T400), (missing, -1)),
            ((4, 3, T400), (missing, -1)),
            ((4, T50, 3), (missing, -1)),
        ];
        for ((gain, old, new), expected) in table {
            assert_eq!(by_sel(gain, old, new), expected, "{gain} {old} {new}");
            let time = |sel| iio_gts_find_int_time_by_sel(gts, sel).unwrap_or(-1);
            let mut found = 0;
            let result =
                iio_gts_find_new_gain_by_old_gain_time(gts, gain, time(old), time(new), &mut found);
            assert_eq!((result, found), expected, "{gain} {old} {new}, by time");
        }
    });
}

#[test]
fn the_closest_lower_gain_is_found() {
    let system = System::new();
    let gts = IioGts::new();
    let closest = |gain| {
        let mut in_range = true;
        let found = iio_find_closest_gain_low(&gts, gain, &mut in_range);
        (found, in_range)
    };
    let first = device(&system);
    devm_iio_init_iio_gts(&first, MAX_SCALE, &GAINS, &TIMES, &gts).unwrap();
    assert_eq!(closest(2), (Ok(1), true));
    assert_eq!(closest(1), (Ok(1), true));
    assert_eq!(closest(4095), (Ok(2048), true));
    assert_eq!(closest(4096), (Ok(4096), true));
    assert_eq!(closest(4097), (Ok(4096), false));
    root_device_unregister(&first);
    // The name is free again, and so is the helper.
    let second = device(&system);
    let few = [GAINS[1], GAINS[2], GAINS[3]];
    devm_iio_init_iio_gts(&second, MAX_SCALE, &few, &TIMES, &gts).unwrap();
    assert_eq!(closest(3), (Err(Errno::EINVAL), false));
    assert_eq!(closest(5), (Ok(4), true));
    root_device_unregister(&second);
}

#[test]
fn a_total_gain_gives_a_scale() {
    with_gts(|gts| {
        let scale = |gain| iio_gts_total_gain_to_scale(gts, gain);
        assert_eq!(scale(1), Ok(Scale::new(64, 0)));
        assert_eq!(scale(4096 * 8), Ok(Scale::new(0, 1_953_125)));
        assert_eq!(scale(3), Ok(Scale::new(21, 333_333_333)), "rounded down");
        assert_eq!(scale(0), Err(Errno::EINVAL));
        assert_eq!(iio_gts_get_scale(gts, 4, 100_000), Ok(Scale::new(8, 0)));
        assert_eq!(iio_gts_get_scale(gts, 3, 100_000), Err(Errno::EINVAL));
        assert_eq!(iio_gts_get_scale(gts, 4, 100_001), Err(Errno::EINVAL));
    });
}

#[test]
fn what_is_available_is_listed_in_order_and_once() {
    with_gts(|gts| {
        let times = [50_000, 100_000, 200_000, 400_000];
        let times = times.map(|micro| Value::IntPlusMicro(0, micro));
        assert_eq!(
            iio_gts_avail_times(gts),
            Ok(Available::List(times.to_vec()))
        );
        let all = scales((0..16).map(|power| 1 << power));
        assert_eq!(iio_gts_all_avail_scales(gts), Ok(all));
        let sorted = [1, 4, 16, 32, 64, 256, 512, 1024, 2048, 4096];
        assert_eq!(
            iio_gts_avail_scales_for_time(gts, 200_000),
            Ok(scales(sorted.map(|gain| gain * 4)))
        );
        assert_eq!(
            iio_gts_avail_scales_for_time(gts, 55_000),
            Err(Errno::EINVAL)
        );
        let text = iio_gts_avail_scales_for_time(gts, 400_000).unwrap();
        let text = text.format().unwrap();
        assert!(text.starts_with("8.000000000 2.000000000 "), "{text}");
        assert!(text.ends_with(" 0.001953125\n"), "{text}");
    });
}

#[test]
fn selectors_gains_and_times_are_looked_up_both_ways() {
    with_gts(|gts| {
        for gain in GAINS {
            assert_eq!(iio_gts_find_sel_by_gain(gts, gain.gain), Ok(gain.sel));
            assert_eq!(iio_gts_find_gain_by_sel(gts, gain.sel), Ok(gain.gain));
            assert!(iio_gts_valid_gain(gts, gain.gain));
        }
        for time in TIMES {
            assert_eq!(
                iio_gts_find_sel_by_int_time(gts, time.time_us),
                Ok(time.sel)
            );
            assert_eq!(
                iio_gts_find_int_time_by_sel(gts, time.sel),
                Ok(time.time_us)
            );
            assert!(iio_gts_valid_time(gts, time.time_us));
        }
        assert_eq!(iio_gts_find_sel_by_gain(gts, 2), Err(Errno::EINVAL));
        assert_eq!(iio_gts_find_gain_by_sel(gts, 1), Err(Errno::EINVAL));
        assert_eq!(iio_gts_find_sel_by_int_time(gts, 1), Err(Errno::EINVAL));
        assert_eq!(iio_gts_find_int_time_by_sel(gts, 3), Err(Errno::EINVAL));
        assert_eq!(iio_gts_get_min_gain(gts), Ok(1));
    });
}

#[test]
fn a_sensor_may_have_gains_without_times_or_times_without_gains() {
    let system = System::new();
    let (device, gts) = (device(&system), IioGts::new());
    // A kernel reads in front of an empty table here.
    devm_iio_init_iio_gts(&device, MAX_SCALE, &GAINS, &[], &gts).unwrap();
    let sorted = [1, 4, 16, 32, 64, 256, 512, 1024, 2048, 4096];
    assert_eq!(iio_gts_all_avail_scales(&gts), Ok(scales(sorted)));
    assert_eq!(iio_gts_avail_times(&gts), Err(Errno::EINVAL));
    assert_eq!(
        iio_gts_avail_scales_for_time(&gts, 100_000),
        Err(Errno::EINVAL)
    );
    assert_eq!(iio_gts_get_scale(&gts, 16, 123), Ok(Scale::new(4, 0)));
    devm_iio_init_iio_gts(&device, MAX_SCALE, &[], &TIMES, &gts).unwrap();
    assert_eq!(iio_gts_all_avail_scales(&gts), Err(Errno::EINVAL));
    assert_eq!(
        iio_gts_avail_scales_for_time(&gts, 100_000),
        Ok(Available::List(Vec::new()))
    );
    assert_eq!(iio_gts_get_min_gain(&gts), Err(Errno::EINVAL));
    let mut in_range = true;
    let closest = iio_find_closest_gain_low(&gts, 5, &mut in_range);
    assert_eq!((closest, in_range), (Err(Errno::EINVAL), false));
    root_device_unregister(&device);
}

#[test]
fn tables_that_were_refused_still_answer_and_never_panic() {
    let system = System::new();
    let (device, gts) = (device(&system), IioGts::new());
    let gains = [GainSel::new(0, 1), GainSel::new(i32::MAX, 2)];
    let times = [TimeSel::new(1, 1, 0), TimeSel::new(2, 2, i32::MAX)];
    let refused = devm_iio_init_iio_gts(&device, MAX_SCALE, &gains, &times, &gts);
    assert_eq!(refused, Err(Errno::EINVAL));
    assert_eq!(iio_gts_find_sel_by_gain(&gts, i32::MAX), Ok(2));
    for gain in [0, i32::MAX] {
        for time in [1, 2] {
            let _ = iio_gts_get_scale(&gts, gain, time);
            let mut found = 0;
            let _ = iio_gts_find_new_gain_by_old_gain_time(&gts, gain, time, 1, &mut found);
        }
    }
    root_device_unregister(&device);
}

#[test]
fn the_lists_go_with_the_devices_managed_resources() {
    for rules in [Rules::Linux6_12, Rules::LinuxPre6_6] {
        let system = System::builder().rules(rules).build();
        let record = system.record();
        let (device, gts) = (device(&system), IioGts::new());
        devm_iio_init_iio_gts(&device, MAX_SCALE, &GAINS, &TIMES, &gts).unwrap();
        get_device(&device);
        root_device_unregister(&device);
        // Nothing was ever bound to it: before 6.6 they wait for the last put.
        assert_eq!(gts.has_tables(), rules == Rules::LinuxPre6_6);
        put_device(&device);
        assert!(!gts.has_tables() && device.is_released());
        assert_eq!(iio_gts_avail_times(&gts), Err(Errno::EINVAL));
        assert_eq!(iio_gts_all_avail_scales(&gts), Err(Errno::EINVAL));
        assert_eq!(iio_gts_find_sel_by_gain(&gts, 4), Ok(8), "the tables stay");
        // Here a kernel would follow a null pointer.
        let late = iio_gts_avail_scales_for_time(&gts, 100_000);
        assert_eq!(late, Err(Errno::EINVAL));
        let splats = record.events().into_iter();
        let splats = splats.filter(|event| matches!(event.kind, EventKind::Splat { .. }));
        assert_eq!(splats.count(), 1);
    }
}

#[test]
fn the_first_device_clears_what_was_made_on_the_second() {
    let system = System::new();
    let gts = IioGts::new();
    let first = root_device_register(&system, "first").unwrap();
    let second = root_device_register(&system, "second").unwrap();
    devm_iio_init_iio_gts(&first, MAX_SCALE, &GAINS, &TIMES, &gts).unwrap();
    devm_iio_init_iio_gts(&second, MAX_SCALE, &GAINS, &TIMES, &gts).unwrap();
    root_device_unregister(&first);
    assert!(!gts.has_tables());
    root_device_unregister(&second);
}

#[test]
fn every_allocation_that_fails_is_unwound() {
    let system = System::new();
    let device = device(&system);
    let mut failed = 0;
    for nth in 1.. {
        let gts = IioGts::new();
        system.fail_nth(nth);
        let made = devm_iio_init_iio_gts(&device, MAX_SCALE, &GAINS, &TIMES, &gts);
        system.fail_nth(0);
        if made.is_ok() {
            break;
        }
        assert_eq!(made, Err(Errno::ENOMEM));
        assert!(!gts.has_tables());
        failed += 1;
    }
    assert!(failed > 5);
    root_device_unregister(&device);
}
