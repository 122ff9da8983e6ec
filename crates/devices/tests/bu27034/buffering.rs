//! The buffer, and the thread that fills it.

use lastfd_devices::Light;
use lastfd_model::Errno;

use crate::bench::{ALL, Bench, MS, samples};

#[test]
fn the_buffer_has_a_sample_for_each_measurement() {
    let bench = Bench::new(250);
    for (time, period) in [("0.1", 100), ("0.055", 55), ("0.4", 400)] {
        bench.write("integration_time", time).unwrap();
        let start = bench.clock.realtime() as i64;
        bench.enable(&ALL, 8);
        let file = bench.open();
        let (samples, took) = bench.takes(|| samples(&file, 20));
        assert_eq!(took, 20 * period * MS);
        for (number, sample) in (1..).zip(&samples) {
            let at = start + number * i64::from(period) * 1_000_000;
            assert_eq!(sample.3, at, "sample {number} in {time} s");
            assert!(sample.0.abs_diff(250_000) < 1000, "{sample:?}");
            assert_eq!(sample.1, sample.2);
        }
        drop(file);
        bench.write("buffer/enable", "0").unwrap();
        assert!(!bench.chip.is_measuring());
    }
    bench.finish();
}

#[test]
fn a_buffer_of_one_channel_has_that_channel() {
    let bench = Bench::new(0);
    bench.chip.set_light(Light {
        mlux: 1_000_000,
        ratio: 200,
    });
    for (channel, counts) in [("in_intensity1", 2910), ("in_intensity2", 5820)] {
        bench.enable(&[channel], 8);
        let file = bench.open();
        let mut sample = [0; 2];
        assert_eq!(file.read(&mut sample), Ok(2));
        assert_eq!(u16::from_le_bytes(sample), counts);
        drop(file);
        bench.write("buffer/enable", "0").unwrap();
        bench
            .write(&format!("scan_elements/{channel}_en"), "0")
            .unwrap();
    }
    // The light needs both channels, which nobody asked for.
    bench.enable(&["in_illuminance"], 8);
    let mut sample = [0; 4];
    assert_eq!(bench.open().read(&mut sample), Ok(4));
    assert_eq!(u32::from_ne_bytes(sample), 1_000_034);
    bench.finish();
}

#[test]
fn while_a_buffer_is_enabled_nothing_else_touches_the_chip() {
    let bench = Bench::new(10);
    bench.enable(&ALL, 8);
    let busy = Errno::EBUSY;
    assert_eq!(bench.try_read("in_intensity1_raw"), Err(busy));
    assert_eq!(bench.try_read("in_illuminance_raw"), Err(busy));
    assert_eq!(bench.write("in_intensity1_scale", "2"), Err(busy));
    assert_eq!(bench.write("integration_time", "0.4"), Err(busy));
    assert_eq!(bench.read("in_intensity1_scale"), "8.000000000");
    bench.finish();
}

#[test]
fn a_thread_that_cannot_be_had_leaves_the_buffer_disabled() {
    let bench = Bench::new(250);
    bench.write("scan_elements/in_intensity1_en", "1").unwrap();
    let mut refused = 0;
    for nth in 1.. {
        bench.system.fail_nth(nth);
        let enabled = bench.write("buffer/enable", "1");
        bench.system.fail_nth(0);
        if enabled.is_ok() {
            break;
        }
        assert_eq!(bench.read("buffer/enable"), "0", "allocation {nth}");
        refused += 1;
    }
    assert!(refused > 0);
    let mut sample = [0; 2];
    assert_eq!(bench.open().read(&mut sample), Ok(2));
    bench.finish();
}
