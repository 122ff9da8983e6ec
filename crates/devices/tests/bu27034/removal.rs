//! The chip goes, the device goes, and what those see who use them.

use core::time::Duration;

use embedded_hal::i2c::NoAcknowledgeSource;
use lastfd_chrdev::PollMask;
use lastfd_model::Errno;

use crate::bench::{ALL, Bench, MS, listen, read, samples};

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
