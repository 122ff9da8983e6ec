//! The gain-time-scale helpers against a slow and obvious model: every gain is
//! tried with every time.

use lastfd_iio::gts::raw::*;
use lastfd_iio::gts::{GainSel, GainTimes, Scale, TimeSel};
use lastfd_iio::{Available, Value};
use lastfd_model::raw::{root_device_register, root_device_unregister};
use lastfd_model::{Errno, System};
use proptest::prelude::*;

const NANO: i128 = 1_000_000_000;

/// What there is, as lists of numbers.
#[derive(Clone, Debug)]
struct Model {
    max: i128,
    gains: Vec<GainSel>,
    times: Vec<TimeSel>,
}

fn split(linear: i128) -> Scale {
    Scale::new((linear / NANO) as i32, (linear % NANO) as i32)
}

fn joined(scale: Scale) -> i128 {
    i128::from(scale.whole) * NANO + i128::from(scale.nano)
}

impl Model {
    fn gts(&self) -> GainTimes {
        GainTimes::new(split(self.max), &self.gains, &self.times).unwrap()
    }

    fn scale_at(&self, total: i128) -> Scale {
        split(self.max / total)
    }

    fn mul_of(&self, sel: i32) -> Option<i128> {
        let time = self.times.iter().find(|time| time.sel == sel)?;
        Some(i128::from(time.mul))
    }

    /// The gain a scale needs with an amplification by the time, floored, and
    /// whether it gives the scale and there is one such.
    fn needed(&self, scale: i128, mul: i128) -> Option<(i32, bool)> {
        if scale <= 0 || scale > self.max {
            return None;
        }
        let total = self.max / scale;
        let needed = (1..=total).rev().find(|gain| gain * mul <= total);
        let needed = needed.unwrap_or(0);
        let there = self
            .gains
            .iter()
            .any(|gain| i128::from(gain.gain) == needed);
        Some((needed as i32, there && needed * mul == total))
    }
}

/// Small numbers, so that they meet; the greatest scale a round one or not.
fn models() -> impl Strategy<Value = Model> {
    let gain = (1..40_i32, 0..6_i32).prop_map(|(gain, sel)| GainSel::new(gain, sel));
    let time = (0..6_i32, 0..5_i32, 1..9_i32)
        .prop_map(|(time, sel, mul)| TimeSel::new(time * 50_000, sel, mul));
    let max = prop_oneof![
        (1..100_i128).prop_map(|whole| whole * NANO),
        1..(100 * NANO)
    ];
    let gains = proptest::collection::vec(gain, 0..8);
    let times = proptest::collection::vec(time, 0..5);
    (max, gains, times)
        .prop_filter("two empty tables are refused", |(_, gains, times)| {
            !gains.is_empty() || !times.is_empty()
        })
        .prop_map(|(max, gains, times)| Model { max, gains, times })
}

proptest! {
    #[test]
    fn look_ups_give_the_first_entry_that_fits(model in models(), asked in -2..50_i32) {
        let gts = model.gts();
        let micro = asked * 50_000;
        let gain = model.gains.iter().find(|gain| gain.gain == asked);
        prop_assert_eq!(gts.sel_by_gain(asked).ok(), gain.map(|gain| gain.sel));
        let gain = model.gains.iter().find(|gain| gain.sel == asked);
        prop_assert_eq!(gts.gain_by_sel(asked).ok(), gain.map(|gain| gain.gain));
        let time = model.times.iter().find(|time| time.time_us == micro);
        prop_assert_eq!(gts.sel_by_time(micro).ok(), time.map(|time| time.sel));
        prop_assert_eq!(gts.is_time(micro), time.is_some());
        let time = model.times.iter().find(|time| time.sel == asked);
        prop_assert_eq!(gts.time_by_sel(asked).ok(), time.map(|time| time.time_us));
        let mut gains: Vec<i32> = model.gains.iter().map(|gain| gain.gain).collect();
        gains.sort_unstable();
        prop_assert_eq!(gts.min_gain().ok(), gains.first().copied());
    }

    #[test]
    fn the_closest_gain_is_the_last_of_those_not_above(model in models(), asked in -2..50_i32) {
        let mut gains: Vec<i32> = model.gains.iter().map(|gain| gain.gain).collect();
        gains.sort_unstable();
        let not_above = gains.iter().take_while(|gain| **gain <= asked).count();
        let found = model.gts().closest_gain_low(asked);
        let best = not_above.checked_sub(1).map(|last| gains[last]);
        prop_assert_eq!(found.gain.ok(), best);
        let inside = best == Some(asked) || (best.is_some() && not_above < gains.len());
        prop_assert_eq!(found.in_range, inside);
    }

    #[test]
    fn a_scale_is_found_where_some_gain_gives_it(
        model in models(),
        sel in 0..5_i32,
        total in 1..400_i128,
        exact in any::<bool>(),
        other in 1..(100 * NANO),
    ) {
        let scale = if exact { model.scale_at(total) } else { split(other) };
        let found = model.gts().gain_sel_for_scale(sel, scale);
        // Quotients past the range of an int are another test's.
        prop_assume!(joined(scale) == 0 || model.max / joined(scale) < 100_000);
        let expected = model.mul_of(sel).and_then(|mul| {
            let (gain, exact) = model.needed(joined(scale), mul)?;
            let there = model.gains.iter().find(|entry| entry.gain == gain)?;
            exact.then_some(there.sel)
        });
        prop_assert_eq!(found, expected.ok_or(Errno::EINVAL));
    }

    #[test]
    fn a_new_gain_keeps_the_scale_or_is_the_best_there_could_be(
        model in models(),
        gain in 0..40_i32,
        old in 0..5_i32,
        new in 0..5_i32,
    ) {
        // A selector that stands for several times stands for the first, whose
        // time may stand for another's amplification again.
        let old_mul = model.times.iter().find(|time| time.sel == old).and_then(|time| {
            let same = model.times.iter().find(|other| other.time_us == time.time_us);
            same.map(|same| i128::from(same.mul))
        });
        let known = model.gains.iter().any(|entry| entry.gain == gain);
        let found = model.gts().gain_for_new_time_sel(gain, old, new);
        let needed = (|| {
            let (old, new) = (old_mul.filter(|_| known)?, model.mul_of(new)?);
            let scale = model.max / (i128::from(gain) * old);
            fitting(model.max, scale)?;
            model.needed(scale, new)
        })();
        match (found, needed) {
            (Ok(found), Some((needed, true))) => prop_assert_eq!(found, needed),
            (Err(missing), Some((needed, false))) => {
                prop_assert_eq!((missing.errno, missing.best), (Errno::EINVAL, needed));
            }
            (Err(missing), None) if !known || old_mul.is_none() || model.mul_of(new).is_none() => {
                prop_assert_eq!((missing.errno, missing.best), (Errno::EINVAL, -1));
            }
            (_, None) => {}
            (found, needed) => prop_assert!(false, "{found:?} for {needed:?}"),
        }
        if let Some(time) = model.times.iter().find(|time| time.sel == new) {
            let micros = model.gts().time_by_sel(old).unwrap_or(-1);
            let first = model.times.iter().find(|other| other.time_us == time.time_us);
            if first.map(|first| first.mul) == Some(time.mul) {
                let by_time = model.gts().gain_for_new_time(gain, micros, time.time_us);
                prop_assert_eq!(by_time, found);
            }
        }
    }

    #[test]
    fn lists_have_every_scale_there_is(model in models()) {
        let system = System::new();
        let device = root_device_register(&system, "sensor").unwrap();
        let raw = IioGts::new();
        devm_iio_init_iio_gts(&device, split(model.max), &model.gains, &model.times, &raw).unwrap();
        let list = |mut totals: Vec<i128>| {
            totals.sort_unstable();
            let scales = totals.iter().map(|&total| Value::from(model.scale_at(total)));
            Available::List(scales.collect())
        };
        let totals = |mul: i32| -> Vec<i128> {
            let gains = model.gains.iter();
            gains.map(|gain| i128::from(gain.gain) * i128::from(mul)).collect()
        };
        for time in &model.times {
            let first = model.times.iter().find(|other| other.time_us == time.time_us);
            let scales = iio_gts_avail_scales_for_time(&raw, time.time_us);
            prop_assert_eq!(scales.unwrap(), list(totals(first.unwrap().mul)));
        }
        // The last time's as they are, then what is new.
        let mut all = match model.times.last() {
            Some(last) => totals(last.mul),
            None => Vec::new(),
        };
        let others = model.times.iter().flat_map(|time| totals(time.mul));
        let without_time = model.times.is_empty().then(|| totals(1));
        for total in others.chain(without_time.into_iter().flatten()) {
            if !all.contains(&total) {
                all.push(total);
            }
        }
        let scales = iio_gts_all_avail_scales(&raw).ok();
        prop_assert_eq!(scales, (!all.is_empty()).then(|| list(all)));
        let mut micros: Vec<i32> = model.times.iter().map(|time| time.time_us).collect();
        micros.sort_unstable();
        micros.dedup();
        let micros = micros.into_iter().map(|micro| Value::IntPlusMicro(0, micro));
        let micros: Vec<Value> = micros.collect();
        let times = iio_gts_avail_times(&raw).ok();
        prop_assert_eq!(times, (!micros.is_empty()).then_some(Available::List(micros)));
        root_device_unregister(&device);
    }

    #[test]
    fn no_number_makes_it_panic(
        whole in any::<i32>(),
        nano in any::<i32>(),
        gains in proptest::collection::vec((any::<i32>(), any::<i32>()), 0..4),
        times in proptest::collection::vec((any::<i32>(), any::<i32>(), any::<i32>()), 0..4),
        asked in any::<[i32; 4]>(),
    ) {
        let system = System::new();
        let device = root_device_register(&system, "sensor").unwrap();
        let gains: Vec<_> = gains.into_iter().map(|(gain, sel)| GainSel::new(gain, sel)).collect();
        let times: Vec<_> = times
            .into_iter()
            .map(|(time, sel, mul)| TimeSel::new(time, sel, mul))
            .collect();
        let raw = IioGts::new();
        let _ = devm_iio_init_iio_gts(&device, Scale::new(whole, nano), &gains, &times, &raw);
        let gts = raw.gain_times();
        let mut numbers = asked.to_vec();
        numbers.extend(gains.iter().flat_map(|gain| [gain.gain, gain.sel]));
        numbers.extend(times.iter().flat_map(|time| [time.time_us, time.sel]));
        for &a in &numbers {
            let _ = (gts.total_gain_to_scale(a), gts.closest_gain_low(a));
            for &b in &numbers {
                let _ = gts.scale(a, b);
                let _ = gts.gain_sel_for_scale(a, Scale::new(asked[0], b));
                for &c in &numbers {
                    let _ = gts.gain_for_new_time(a, b, c);
                    let _ = gts.gain_for_new_time_sel(a, b, c);
                }
            }
        }
        root_device_unregister(&device);
    }
}

/// None where a scale is so small that the quotient would not fit.
fn fitting(max: i128, scale: i128) -> Option<()> {
    (scale > 0 && max / scale < 100_000).then_some(())
}
