//! The light sensor: its driver and its chip together, in simulated time.

use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use embedded_hal::i2c::NoAcknowledgeSource;
use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, open};
use lastfd_devices::{
    Bu27034, Bu27034Board, Bu27034Chip, Bu27034Driver, Light, Plugged, Spec, plug,
};
use lastfd_iiod::{Config, Server};
use lastfd_model::raw::*;
use lastfd_model::typed::{PlatformDevice, PlatformDriver};
use lastfd_model::{Errno, Event, EventKind, Result, System};
use lastfd_sync::{Arc, Clock, Ktime, Mutex, thread};

/// A sensor that is plugged in, and what a test does with it.
struct Bench {
    system: System,
    clock: Clock,
    chip: Bu27034Chip,
    sensor: Plugged,
}

/// What the kernel, or a chip of another make, would have complained about.
type Complaints = Arc<Mutex<Vec<String>>>;

const MS: Duration = Duration::from_millis(1);

fn world() -> (System, Clock) {
    let clock = Clock::simulated();
    let system = System::builder().clock(clock.clone()).ledger(true).build();
    (system, clock)
}

fn listen(system: &System) -> (lastfd_model::Subscription, Complaints) {
    let found = Complaints::default();
    let seen = Arc::clone(&found);
    let subscription = system.subscribe(Arc::new(move |event: &Event| match &event.kind {
        EventKind::Leak { text, .. } | EventKind::Splat { text, .. } => {
            seen.lock().push(text.to_string());
        }
        _ => {}
    }));
    (subscription, found)
}

/// What a System says was left when it ended.
fn leaks(system: System) -> Vec<String> {
    let (subscription, found) = listen(&system);
    drop(system);
    drop(subscription);
    let found = found.lock();
    found.clone()
}

impl Bench {
    fn new(lux: u32) -> Bench {
        let (system, clock) = world();
        let chip = Bu27034Chip::new(&clock);
        chip.set_light(Light::lux(lux));
        let sensor = plug(&system, &chip).unwrap();
        Bench {
            system,
            clock,
            chip,
            sensor,
        }
    }

    fn iio(&self) -> Device {
        iio(&self.system)
    }

    fn try_read(&self, path: &str) -> Result<String> {
        read(&self.iio(), path)
    }

    #[track_caller]
    fn read(&self, path: &str) -> String {
        self.try_read(path).unwrap()
    }

    fn write(&self, path: &str, text: &str) -> Result {
        attr_write(&self.iio(), path, text.as_bytes()).map(drop)
    }

    /// Both gains and the time.
    fn amplification(&self) -> [String; 3] {
        [
            "in_intensity1_hardwaregain",
            "in_intensity2_hardwaregain",
            "integration_time",
        ]
        .map(|path| self.read(path))
    }

    /// How long it takes.
    fn takes<R>(&self, what: impl FnOnce() -> R) -> (R, Duration) {
        let start = self.clock.now();
        let done = what();
        let took = Duration::from_nanos(self.clock.now().0 - start.0);
        (done, took)
    }

    fn enable(&self, elements: &[&str], length: u32) {
        for element in elements {
            self.write(&format!("scan_elements/{element}_en"), "1")
                .unwrap();
        }
        self.write("buffer/length", &length.to_string()).unwrap();
        self.write("buffer/enable", "1").unwrap();
    }

    fn open(&self) -> OpenFile {
        open(&self.system, "/dev/iio:device0", OpenFlags::RDONLY).unwrap()
    }

    /// Ends it: nothing is left.
    #[track_caller]
    fn finish(self) {
        drop((self.sensor, self.chip));
        assert_eq!(leaks(self.system), [""; 0]);
    }
}

fn iio(system: &System) -> Device {
    let bus = system.find_bus("iio").expect("something is plugged in");
    bus.find_device("iio:device0").expect("the sensor is there")
}

fn read(device: &Device, path: &str) -> Result<String> {
    let text = String::from_utf8(attr_read(device, path)?).unwrap();
    Ok(text.trim_end_matches('\n').to_owned())
}

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

/// A sample of all there is: light, two counts, a time stamp.
fn samples(file: &OpenFile, count: usize) -> Vec<(u32, u16, u16, i64)> {
    let mut samples = Vec::new();
    while samples.len() < count {
        let mut buffer = vec![0; 16 * (count - samples.len())];
        let read = file.read(&mut buffer).unwrap();
        for sample in buffer[..read].chunks(16) {
            let counts = |at: usize| u16::from_le_bytes([sample[at], sample[at + 1]]);
            let light = u32::from_ne_bytes(sample[..4].try_into().unwrap());
            let time = i64::from_ne_bytes(sample[8..].try_into().unwrap());
            samples.push((light, counts(4), counts(6), time));
        }
    }
    samples
}

const ALL: [&str; 4] = [
    "in_illuminance",
    "in_intensity1",
    "in_intensity2",
    "in_timestamp",
];

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

#[test]
fn an_unplug_waits_for_a_read_that_sleeps() {
    for path in ["in_intensity1_raw", "in_illuminance_raw"] {
        let bench = Bench::new(250);
        let (start, device) = (bench.clock.now(), bench.iio());
        let reader = bench.clock.spawn("reader", {
            let device = device.clone();
            move || read(&device, path)
        });
        bench.clock.advance(30 * MS);
        bench.sensor.unplug();
        assert_eq!(bench.clock.now(), start.after(100 * MS));
        let text = reader.unwrap().join().unwrap();
        assert!(matches!(text.as_deref(), Ok("998" | "249998")), "{text:?}");
        assert!(device.is_released() && bench.sensor.device().is_released());
        assert_eq!(read(&device, path), Err(Errno::ENOENT));
        bench.finish();
    }
}

#[test]
fn nobody_acknowledges_once_the_chip_is_gone() {
    let bench = Bench::new(250);
    let gone = Errno::EREMOTEIO;
    assert_eq!(bench.read("in_intensity1_scale"), "8.000000000");
    bench.chip.remove();
    for path in [
        "in_intensity1_raw",
        "in_intensity2_raw",
        "in_illuminance_raw",
    ] {
        assert_eq!(bench.try_read(path), Err(gone), "{path}");
    }
    // What was read before is known without the chip, the rest is not.
    assert_eq!(bench.read("in_intensity1_scale"), "8.000000000");
    assert_eq!(bench.read("integration_time"), "0.100000");
    assert_eq!(bench.try_read("in_intensity2_scale"), Err(gone));
    // What could not be written is forgotten.
    assert_eq!(bench.write("in_intensity1_scale", "2"), Err(gone));
    assert_eq!(bench.try_read("in_intensity1_scale"), Err(gone));
    bench.write("scan_elements/in_intensity1_en", "1").unwrap();
    assert_eq!(bench.write("buffer/enable", "1"), Err(gone));
    bench.chip.put_back();
    assert_eq!(bench.read("in_intensity1_scale"), "8.000000000");
    assert_eq!(bench.read("in_intensity1_raw"), "998");
    bench.finish();
}

#[test]
fn a_chip_that_goes_while_it_measures_is_told_in_two_ways() {
    for (path, errno, ends) in [
        ("in_intensity1_raw", Errno::EREMOTEIO, 100),
        // Waiting for a result, an error is no result yet.
        ("in_illuminance_raw", Errno::ETIMEDOUT, 450),
    ] {
        let bench = Bench::new(250);
        bench.chip.remove_after(30 * MS, NoAcknowledgeSource::Data);
        let (told, took) = bench.takes(|| bench.try_read(path));
        assert_eq!((told, took), (Err(errno), ends * MS), "{path}");
        bench.finish();
    }
}

#[test]
fn a_chip_that_never_ends_a_measurement_times_out() {
    let bench = Bench::new(250);
    bench.chip.stall(true);
    for (path, ends) in [("in_illuminance_raw", 450), ("in_intensity1_raw", 550)] {
        let (told, took) = bench.takes(|| bench.try_read(path));
        assert_eq!((told, took), (Err(Errno::ETIMEDOUT), ends * MS), "{path}");
    }
    bench.chip.stall(false);
    assert_eq!(bench.read("in_intensity1_raw"), "998");
    bench.finish();
}

#[test]
fn a_reader_of_the_buffer_is_not_told_that_the_chip_is_gone() {
    let bench = Bench::new(250);
    bench.enable(&ALL, 8);
    let file = bench.open();
    assert_eq!(samples(&file, 2).len(), 2);
    bench.chip.remove();
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(file.poll(PollMask::IN, Some(MS)), PollMask::NONE);
    // It is when the device goes.
    let reader = bench.clock.spawn("reader", {
        let file = file.clone();
        move || file.read(&mut [0; 16])
    });
    bench.clock.advance(Duration::from_secs(1));
    bench.sensor.unplug();
    assert_eq!(reader.unwrap().join().unwrap(), Err(Errno::ENODEV));
    drop(file);
    bench.finish();
}

#[test]
fn a_chip_that_comes_back_goes_on_filling_the_buffer() {
    let bench = Bench::new(250);
    bench.enable(&ALL, 8);
    let file = bench.open();
    samples(&file, 1);
    bench.chip.remove();
    bench.clock.advance(Duration::from_secs(1));
    bench.chip.put_back();
    assert_eq!(samples(&file, 3).len(), 3);
    drop(file);
    bench.finish();
}

#[test]
fn unplugged_with_a_buffer_it_stops_the_chip_and_leaves_nothing() {
    let bench = Bench::new(250);
    let (subscription, complaints) = listen(&bench.system);
    bench.enable(&ALL, 8);
    let file = bench.open();
    samples(&file, 1);
    let device = bench.iio();
    bench.sensor.unplug();
    assert!(!bench.chip.is_measuring(), "stopped while it could be");
    assert!(!device.is_released(), "the open file keeps it");
    assert_eq!(file.read(&mut [0; 16]), Err(Errno::ENODEV));
    assert_eq!(file.poll(PollMask::IN, Some(MS)), PollMask::NONE);
    drop(file);
    assert!(device.is_released());
    assert_eq!(*complaints.lock(), [""; 0]);
    drop((subscription, device));
    bench.finish();
}

#[test]
fn bound_again_it_starts_with_a_reset() {
    let bench = Bench::new(250);
    bench.write("in_intensity1_scale", "2").unwrap();
    assert_eq!(bench.amplification()[0], "4");
    bench.sensor.unbind().unwrap();
    bench.sensor.rebind().unwrap();
    assert_eq!(bench.amplification(), ["1", "1", "0.100000"]);
    bench.sensor.unbind().unwrap();
    bench.chip.remove();
    assert_eq!(bench.sensor.rebind(), Err(Errno::ENODEV));
    bench.finish();
}

#[test]
fn asked_for_in_words_it_has_light_and_may_be_lost() {
    let (system, clock) = world();
    let spec: Spec = "bu27034:lux=250,lost=2s,name=window".parse().unwrap();
    let sensor = spec.plug(&system).unwrap();
    let device = iio(&system);
    assert_eq!(read(&device, "name").unwrap(), "window");
    assert_eq!(read(&device, "in_intensity1_raw").unwrap(), "998");
    clock.advance(Duration::from_secs(2));
    let told = read(&device, "in_intensity1_raw");
    assert_eq!(told, Err(Errno::EREMOTEIO));
    drop((sensor, device));
    // Nobody is there from the start, and the bus can tell.
    let spec: Spec = "bu27034:lost=0ms,nack=address".parse().unwrap();
    assert_eq!(spec.plug(&system).err(), Some(Errno::ENXIO));
    assert!(platform_bus(&system).devices().is_empty());
    assert_eq!(leaks(system), [""; 0]);
    for (words, message) in [
        (
            "bu27034:lux=bright",
            "bu27034: `lux=bright` will not do; lux is a whole number up to 200000",
        ),
        (
            "bu27034:lost=2h",
            "bu27034: `lost=2h` will not do; lost is never, or a time such as 300ms or 2s",
        ),
        (
            "bu27034:nack=data",
            "bu27034: `nack=data` will not do; nack is address or unknown",
        ),
    ] {
        let error = words.parse::<Spec>().unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn every_allocation_that_fails_is_unwound() {
    let mut failed = 0;
    for nth in 1.. {
        let (system, _clock) = world();
        system.fail_nth(nth);
        let plugged = plug(&system, &Bu27034::default());
        let reached = system.fail_nth_left() == 0;
        system.fail_nth(0);
        if plugged.is_err() {
            failed += 1;
            let devices = platform_bus(&system).devices();
            assert!(devices.is_empty(), "allocation {nth}");
        }
        drop(plugged);
        assert_eq!(leaks(system), [""; 0], "allocation {nth}");
        if !reached {
            break;
        }
    }
    assert!(failed > 30, "only {failed} allocations failed the plugging");
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

/// The bus of a board that runs Linux.
type Board = linux_embedded_hal::I2cdev;

#[test]
fn the_same_driver_runs_on_a_boards_bus() {
    let (system, _clock) = world();
    let board = Bu27034Board::new(|| Board::new("/dev/no-such-bus").map_err(|_| Errno::ENOENT));
    let driver = PlatformDriver::<Bu27034Driver<Board>>::register(&system, "bu27034").unwrap();
    let record = system.record();
    let device = PlatformDevice::register(&system, "bu27034", board).unwrap();
    // This machine has no such bus; all else is as on a board.
    assert_eq!(device.with_bound(|_| ()), None);
    let probed = record
        .events()
        .into_iter()
        .find_map(|event| match event.kind {
            EventKind::ProbeEnd { result, .. } => Some(result),
            _ => None,
        });
    assert_eq!(probed, Some(Err(Errno::ENOENT)));
    drop((record, device, driver));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn iiod_serves_it() {
    let bench = Bench::new(250);
    let server = Server::start(&bench.system, Config::default()).unwrap();
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut ask = |line: &str| {
        (&stream).write_all(line.as_bytes()).unwrap();
        // The server's task lets time pass; this one waits for it meanwhile.
        thread::wait_outside(|| {
            let mut length = String::new();
            replies.read_line(&mut length).unwrap();
            let length: usize = length.trim().parse().unwrap();
            let mut reply = vec![0; length + 1];
            replies.read_exact(&mut reply).unwrap();
            String::from_utf8(reply).unwrap()
        })
    };
    let context = ask("PRINT\r\n");
    for channel in ["illuminance", "intensity1", "intensity2", "timestamp"] {
        let id = format!("id=\"{channel}\" type=\"input\"");
        assert!(context.contains(&id), "{context}");
    }
    let light = ask("READ iio:device0 INPUT illuminance raw\r\n");
    assert_eq!(light, "249998\0\n");
    let counts = ask("READ iio:device0 INPUT intensity2 raw\r\n");
    assert_eq!(counts, "998\0\n");
    drop(stream);
    drop(replies);
    server.shutdown();
    bench.finish();
}
