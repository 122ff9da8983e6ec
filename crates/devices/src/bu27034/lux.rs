//! From counts to light.

/// What one channel counted in a measurement, and its gain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) counts: u16,
    pub(super) gain: u32,
}

/// The formula in ten-millionths: the light, in lux, is
/// `(b * d1 + c * d0 - a * d1 * d1 / d0) / time`, with `d0` and `d1` the counts at
/// a gain of 1 and the time in milliseconds.
struct Coefficients {
    a: u32,
    b: u32,
    c: u32,
}

const BELOW: Coefficients = Coefficients {
    a: 4_780_800,
    b: 64_400_000,
    c: 190_880_000,
};

/// The vendor's formula, as the kernel's driver quotes it, subtracts the second
/// channel here; the driver adds it, and so is it here.
const ABOVE: Coefficients = Coefficients {
    a: 0,
    b: 19_123_200,
    c: 305_408_000,
};

/// Where the second channel's part of the first, in hundredths, changes the
/// formula.
const TURN: u64 = 150;

/// Thousandths of a lux, from what both channels counted in a measurement of so
/// many microseconds. Each term is rounded down; darkness below zero is zero.
// rohm-bu27034.c: bu27034_calc_mlux, bu27034_fixp_calc_lx
pub(super) fn mlux(data: [Counted; 2], time_us: u32) -> u32 {
    let [first, second] = data.map(|channel| Counted {
        counts: channel.counts.max(1),
        ..channel
    });
    let (count0, gain0) = (u64::from(first.counts), u64::from(first.gain));
    let (count1, gain1) = (u64::from(second.counts), u64::from(second.gain));
    let ratio = count1 * gain0 * 100 / (count0 * gain1);
    let terms = if ratio < TURN { BELOW } else { ABOVE };
    let positive = u64::from(terms.b) * count1 / gain1 + u64::from(terms.c) * count0 / gain0;
    let negative = square_term(terms.a, first, second);
    (positive.saturating_sub(negative) / (u64::from(time_us) * 10)) as u32
}

/// `a * count1² * gain0 / gain1² / count0`, divided as early as needed for 32, then
/// 64 bits.
// rohm-bu27034.c: bu27034_fixp_calc_t1
fn square_term(a: u32, first: Counted, second: Counted) -> u64 {
    let count0 = u64::from(first.counts);
    let gains = u64::from(second.gain) * u64::from(second.gain);
    let squared = u64::from(a) * u64::from(second.counts) * u64::from(second.counts);
    let gained = u32::try_from(squared)
        .ok()
        .and_then(|small| small.checked_mul(first.gain));
    match gained {
        Some(small) => u64::from(small) / gains / count0,
        None if gains > count0 => scaled(squared / gains, first.gain, count0),
        None => scaled(squared / count0, first.gain, gains),
    }
}

/// `value * gain / divisor`, the division first where the product might overflow.
// rohm-bu27034.c: gain_mul_div_helper
fn scaled(value: u64, gain: u32, divisor: u64) -> u64 {
    let gain = u64::from(gain);
    if value < (1 << 52) - 1 {
        value * gain / divisor
    } else {
        value / divisor * gain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn light(counts: [u16; 2], gains: [u32; 2], time_us: u32) -> u32 {
        let channel = |place: usize| Counted {
            counts: counts[place],
            gain: gains[place],
        };
        mlux([channel(0), channel(1)], time_us)
    }

    #[test]
    fn known_counts_give_known_light() {
        assert_eq!(light([1000, 1000], [1, 1], 100_000), 250_499);
        assert_eq!(light([1000, 2000], [1, 1], 100_000), 343_654);
        assert_eq!(light([500, 100], [4, 4], 400_000), 6_361);
        assert_eq!(light([65_535, 65_535], [1, 1], 55_000), 29_848_118);
        assert_eq!(light([0, 0], [1, 1], 55_000), 455);
        assert_eq!(light([1234, 567], [32, 1], 200_000), 11_310);
    }

    #[test]
    fn the_formula_changes_at_one_and_a_half() {
        // 2.5 * 64.4 + 190.88 - 1.49² * 4.7808, and 1.5 * 19.1232 + 305.408, for
        // 10000 counts in 0.1 s.
        assert_eq!(light([10_000, 14_900], [1, 1], 100_000), 2_762_221);
        assert_eq!(light([10_000, 15_000], [1, 1], 100_000), 3_340_928);
    }

    const GAINS: [u32; 6] = [1, 4, 32, 256, 512, 1024];

    proptest! {
        #[test]
        fn it_is_the_formula_whatever_would_overflow(
            counts in any::<[u16; 2]>(),
            gain0 in proptest::sample::select(&GAINS[..]),
            gain1 in proptest::sample::select(&GAINS[..]),
            time_ms in proptest::sample::select(&[55_u32, 100, 200, 400][..]),
        ) {
            let d0 = f64::from(counts[0].max(1)) / f64::from(gain0);
            let d1 = f64::from(counts[1].max(1)) / f64::from(gain1);
            prop_assume!((d1 / d0 - 1.5).abs() > 0.02);
            let per_ms = if d1 / d0 < 1.5 {
                19.088 * d0 + 6.44 * d1 - 0.47808 * d1 * d1 / d0
            } else {
                30.5408 * d0 + 1.91232 * d1
            };
            let lux = (per_ms / f64::from(time_ms)).max(0.0);
            let found = f64::from(light(counts, [gain0, gain1], time_ms * 1000)) / 1000.0;
            prop_assert!((found - lux).abs() <= 0.003 + lux * 0.001, "{found} for {lux}");
        }
    }
}
