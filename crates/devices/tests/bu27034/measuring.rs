//! Light in; counts, scales and lux out.

use lastfd_devices::Light;
use lastfd_model::Errno;
use lastfd_model::raw::attributes;
use lastfd_sync::Ktime;

use crate::bench::{Bench, MS, read};

#[test]
fn it_shows_what_the_kernels_driver_shows() {
    let bench = Bench::new(0);
    let paths = attributes(&bench.iio());
    let own = |path: &&str| !path.contains('/') && !matches!(*path, "uevent" | "dev");
    let paths: Vec<&str> = paths.iter().map(|info| &*info.path).filter(own).collect();
    assert_eq!(
        paths,
        [
            "current_timestamp_clock",
            "in_illuminance_raw",
            "in_illuminance_scale",
            "in_intensity1_hardwaregain",
            "in_intensity1_raw",
            "in_intensity1_scale",
            "in_intensity1_scale_available",
            "in_intensity2_hardwaregain",
            "in_intensity2_raw",
            "in_intensity2_scale",
            "in_intensity2_scale_available",
            "integration_time",
            "integration_time_available",
            "name",
        ]
    );
    for (path, text) in [
        ("name", "bu27034"),
        ("in_illuminance_scale", "0.001000"),
        ("in_intensity1_scale", "8.000000000"),
        ("in_intensity1_hardwaregain", "1"),
        ("integration_time", "0.100000"),
        (
            "integration_time_available",
            "0.055000 0.100000 0.200000 0.400000",
        ),
        (
            "in_intensity2_scale_available",
            "16.000000000 8.000000000 4.000000000 2.000000000 1.000000000 0.500000000 \
             0.250000000 0.125000000 0.062500000 0.031250000 0.015625000 0.007812500 \
             0.003906250 0.001953125",
        ),
        ("scan_elements/in_illuminance_type", "le:u32/32>>0"),
        ("scan_elements/in_intensity2_type", "le:u16/16>>0"),
        ("scan_elements/in_timestamp_index", "4"),
    ] {
        assert_eq!(bench.read(path), text, "{path}");
    }
    bench.finish();
}

#[test]
fn light_goes_in_and_counts_and_lux_come_out() {
    let bench = Bench::new(250);
    let (counts, took) = bench.takes(|| bench.read("in_intensity1_raw"));
    assert_eq!((&*counts, took), ("998", 100 * MS));
    // It was left measuring; the next result is waited for again.
    assert!(bench.chip.is_measuring());
    let (counts, took) = bench.takes(|| bench.read("in_intensity2_raw"));
    assert_eq!((&*counts, took), ("998", 100 * MS));
    let (light, took) = bench.takes(|| bench.read("in_illuminance_raw"));
    assert_eq!((&*light, took), ("249998", 100 * MS));
    assert!(!bench.chip.is_measuring());
    // Asked every 25 ms, whatever the measurement takes.
    bench.write("integration_time", "0.055").unwrap();
    let (_, took) = bench.takes(|| bench.read("in_illuminance_raw"));
    assert_eq!(took, 75 * MS);
    // Reddish light: the second channel gets twice of it.
    bench.write("integration_time", "0.1").unwrap();
    bench.chip.set_light(Light {
        mlux: 1_000_000,
        ratio: 200,
    });
    assert_eq!(bench.read("in_intensity1_raw"), "2910");
    assert_eq!(bench.read("in_intensity2_raw"), "5820");
    assert_eq!(bench.read("in_illuminance_raw"), "1000034");
    bench.chip.set_light(Light::DARK);
    assert_eq!(bench.read("in_intensity1_raw"), "0");
    // Nothing counts as one, in the kernel too.
    assert_eq!(bench.read("in_illuminance_raw"), "250");
    bench.finish();
}

#[test]
fn the_light_comes_back_whatever_gains_and_times_are_set() {
    let bench = Bench::new(0);
    for (lux, time, scale) in [
        (30, "0.4", "0.5"),
        (3, "0.4", "0.0625"),
        (1000, "0.2", "4"),
        (20_000, "0.055", "16"),
    ] {
        bench.chip.set_light(Light::lux(lux));
        bench.write("integration_time", time).unwrap();
        for channel in [1, 2] {
            let path = format!("in_intensity{channel}_scale");
            bench.write(&path, scale).unwrap();
        }
        let read: u32 = bench.read("in_illuminance_raw").parse().unwrap();
        let off = read.abs_diff(lux * 1000);
        assert!(off < lux * 10, "{read} for {lux} lux");
    }
    bench.finish();
}

#[test]
fn a_measurement_counts_the_light_of_its_whole_time() {
    let bench = Bench::new(250);
    let clock = bench.clock.clone();
    let chip = bench.chip.clone();
    let dims = clock.now().after(25 * MS);
    let _dimmer = clock.schedule(dims, move || chip.set_light(Light::DARK));
    assert_eq!(bench.read("in_intensity1_raw"), "250", "a quarter of 998");
    assert_eq!(bench.read("in_intensity1_raw"), "0");
    bench.finish();
}

#[test]
fn too_much_light_saturates() {
    let bench = Bench::new(100_000);
    assert_eq!(bench.read("in_intensity1_raw"), "65535");
    assert_eq!(bench.read("in_intensity2_raw"), "65535");
    let told: u32 = bench.read("in_illuminance_raw").parse().unwrap();
    assert!(told < 20_000_000, "{told}");
    bench.write("integration_time", "0.055").unwrap();
    bench.chip.set_light(Light::lux(29_000));
    assert_ne!(bench.read("in_intensity1_raw"), "65535");
    bench.finish();
}

#[test]
fn a_scale_is_set_by_gain_or_with_another_time() {
    let bench = Bench::new(0);
    let set =
        |channel: u32, scale: &str| bench.write(&format!("in_intensity{channel}_scale"), scale);
    // The time allows it.
    assert_eq!(set(2, "2"), Ok(()));
    assert_eq!(bench.amplification(), ["1", "4", "0.100000"]);
    // It takes 400 ms, in which the other channel keeps its scale.
    assert_eq!(set(1, "0.5"), Ok(()));
    assert_eq!(bench.amplification(), ["4", "1", "0.400000"]);
    assert_eq!(bench.read("in_intensity1_scale"), "0.500000000");
    assert_eq!(bench.read("in_intensity2_scale"), "2.000000000");
    // 16 is one time in 55 ms, in which the other would need a gain of 8.
    assert_eq!(set(1, "16"), Err(Errno::EINVAL));
    for scale in ["3", "0", "-1", "17", "0.000000001"] {
        assert_eq!(set(1, scale), Err(Errno::EINVAL), "{scale}");
    }
    assert_eq!(bench.amplification(), ["4", "1", "0.400000"]);
    assert_eq!(set(1, "0.001953125"), Ok(()));
    assert_eq!(bench.amplification(), ["1024", "1", "0.400000"]);
    // That of the light is what it is, and gains are set by scales.
    assert_eq!(bench.write("in_illuminance_scale", "0.001"), Ok(()));
    let refused = Err(Errno::EINVAL);
    assert_eq!(bench.write("in_illuminance_scale", "0.002"), refused);
    assert_eq!(bench.write("in_intensity1_hardwaregain", "4"), refused);
    assert_eq!(bench.write("in_intensity1_raw", "4"), refused);
    bench.finish();
}

#[test]
fn a_time_is_set_with_the_gains_that_come_closest() {
    let bench = Bench::new(0);
    let set = |time: &str| bench.write("integration_time", time);
    // Half of a gain of 1: it stays, and the scale does not.
    assert_eq!(set("0.4"), Ok(()));
    assert_eq!(bench.amplification(), ["1", "1", "0.400000"]);
    assert_eq!(bench.read("in_intensity1_scale"), "2.000000000");
    bench.write("in_intensity1_scale", "0.5").unwrap();
    assert_eq!(bench.amplification(), ["4", "1", "0.400000"]);
    // The first needs 16 and gets 4, the second gets the 4 it needs.
    assert_eq!(set("0.1"), Ok(()));
    assert_eq!(bench.amplification(), ["4", "4", "0.100000"]);
    assert_eq!(bench.read("in_intensity1_scale"), "2.000000000");
    assert_eq!(bench.read("in_intensity2_scale"), "2.000000000");
    assert_eq!(set("0.1"), Ok(()));
    for time in ["0.3", "1.1", "0", "-0.1", "1"] {
        assert_eq!(set(time), Err(Errno::EINVAL), "{time}");
    }
    assert_eq!(bench.amplification(), ["4", "4", "0.100000"]);
    bench.finish();
}

#[test]
fn readers_of_two_channels_take_turns() {
    let bench = Bench::new(250);
    let reader = |path: &'static str| {
        let device = bench.iio();
        let clock = bench.clock.clone();
        let reader = bench.clock.spawn(path, move || {
            let text = read(&device, path).unwrap();
            (text, clock.now())
        });
        reader.unwrap()
    };
    let start = bench.clock.now();
    let readers = [reader("in_intensity1_raw"), reader("in_intensity2_raw")];
    let mut ends: Vec<Ktime> = Vec::new();
    for reader in readers {
        let (text, end) = reader.join().unwrap();
        assert_eq!(text, "998");
        ends.push(end);
    }
    ends.sort();
    assert_eq!(ends, [start.after(100 * MS), start.after(200 * MS)]);
    bench.finish();
}
