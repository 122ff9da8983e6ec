//! `accel`, `light` and `proximity`: what desktop programs look for, what is
//! measured, and what comes through buffers and events.

use core::time::Duration;

use lastfd_chrdev::{OpenFile, PollMask};
use lastfd_devices::{Plugged, SourceFault};
use lastfd_iio::raw::IIO_GET_EVENT_FD_IOCTL;
use lastfd_model::raw::{Device, attr_read, attr_write};
use lastfd_model::{Errno, System};

use crate::{
    every_allocation_that_fails_is_unwound, leaks, nothing_is_left_however_it_ends, open_node,
    plug, refused, world,
};

const PATH: &str = "/dev/iio:device0";

fn iio(system: &System) -> Device {
    let bus = system.find_bus("iio").unwrap();
    bus.find_device("iio:device0").unwrap()
}

fn read(device: &Device, path: &str) -> String {
    String::from_utf8(attr_read(device, path).unwrap()).unwrap()
}

fn write(device: &Device, path: &str, text: &str) {
    assert_eq!(
        attr_write(device, path, text.as_bytes()),
        Ok(text.len()),
        "{path}"
    );
}

/// What every kind shows: its words, an attribute and its content.
const SHOWN: &[(&str, &str, &str)] = &[
    ("accel", "name", "lastfd-accel\n"),
    ("accel", "label", "accel-display\n"),
    ("accel", "in_accel_x_raw", "0\n"),
    ("accel", "in_accel_y_raw", "0\n"),
    ("accel", "in_accel_z_raw", "16384\n"),
    ("accel", "in_accel_scale", "0.000598550\n"),
    (
        "accel",
        "in_accel_mount_matrix",
        "1, 0, 0; 0, 1, 0; 0, 0, 1\n",
    ),
    ("accel", "sampling_frequency", "100\n"),
    ("accel", "sampling_frequency_available", "10 50 100 400\n"),
    ("accel", "scan_elements/in_accel_x_type", "le:s16/16>>0\n"),
    ("accel", "trigger/current_trigger", ""),
    ("accel:x=-5,y=32767,z=1", "in_accel_x_raw", "-5\n"),
    ("accel:x=-5,y=32767,z=1", "in_accel_y_raw", "32767\n"),
    ("accel:label=lid,name=a", "label", "lid\n"),
    ("light", "name", "lastfd-light\n"),
    ("light", "in_illuminance_raw", "2500\n"),
    ("light", "in_illuminance_scale", "0.100000\n"),
    ("light:lux=3", "in_illuminance_raw", "30\n"),
    ("light", "events/in_illuminance_thresh_rising_en", "0\n"),
    ("light", "events/in_illuminance_thresh_falling_value", "0\n"),
    ("proximity", "name", "lastfd-proximity\n"),
    ("proximity", "in_proximity_raw", "0\n"),
    ("proximity", "in_proximity_nearlevel", "100\n"),
    ("proximity:raw=7,near=70", "in_proximity_nearlevel", "70\n"),
    ("proximity:raw=7,near=70", "in_proximity_raw", "7\n"),
];

#[test]
fn attributes_show_what_desktop_programs_look_for() {
    for (words, path, content) in SHOWN {
        let (system, _clock) = world();
        let device = plug(&system, words);
        let iio = iio(&system);
        assert_eq!(read(&iio, path), *content, "{words}: {path}");
        drop((iio, device));
        assert_eq!(leaks(system), [""; 0], "{words}");
    }
}

#[test]
fn what_is_measured_can_be_set_while_it_is_plugged_in() {
    for (words, key, value, path, content) in [
        ("accel", "x", "-16384", "in_accel_x_raw", "-16384\n"),
        ("accel", "z", "0", "in_accel_z_raw", "0\n"),
        ("light", "lux", "7", "in_illuminance_raw", "70\n"),
        ("proximity", "raw", "99", "in_proximity_raw", "99\n"),
    ] {
        let (system, _clock) = world();
        let device = plug(&system, words);
        let iio = iio(&system);
        device.set(key, value).unwrap();
        assert_eq!(read(&iio, path), content, "{words}: {key}");
        device.unplug();
        // Nobody is there to see it, and nothing is wrong with it.
        device.set(key, value).unwrap();
        assert_eq!(attr_read(&iio, path), Err(Errno::ENOENT));
        drop((iio, device));
        assert_eq!(leaks(system), [""; 0], "{words}");
    }
}

#[test]
fn what_cannot_be_set_is_refused_with_what_can() {
    let (system, _clock) = world();
    let accel = plug(&system, "accel");
    let camera = plug(&system, "camera");
    let said = |device: &Plugged, key, value| device.set(key, value).unwrap_err().to_string();
    assert_eq!(
        said(&accel, "x", "40000"),
        "accel: `x=40000` will not do; x is -32768 to 32767"
    );
    assert_eq!(
        said(&accel, "label", "lid"),
        "accel: `label` is set when it is plugged in; what can be set later: x, y, z"
    );
    assert_eq!(
        said(&accel, "w", "1"),
        "accel has no key `w`; its keys are x, y, z"
    );
    assert_eq!(
        said(&camera, "fps", "1"),
        "camera: `fps` is set when it is plugged in; what can be set later: nothing"
    );
    assert_eq!(accel.disconnect(), Err(Errno::EOPNOTSUPP));
}

#[test]
fn keys_are_checked() {
    assert_eq!(
        refused("accel:x=one"),
        "accel: `x=one` will not do; x is -32768 to 32767"
    );
    assert_eq!(
        refused("light:lux=-1"),
        "light: `lux=-1` will not do; lux is 0 to 100000"
    );
    assert_eq!(
        refused("proximity:near=65536"),
        "proximity: `near=65536` will not do; near is 0 to 65535"
    );
}

/// Lets samples of all axes and the time into the buffer.
fn sample(iio: &Device) {
    for element in ["in_accel_x", "in_accel_y", "in_accel_z", "in_timestamp"] {
        write(iio, &format!("scan_elements/{element}_en"), "1");
    }
    write(iio, "buffer/enable", "1");
}

/// One sample: x, y, z and the time.
fn read_sample(file: &OpenFile) -> ([i16; 3], i64) {
    let mut bytes = [0; 16];
    assert_eq!(file.read(&mut bytes), Ok(16));
    let axis = |at: usize| i16::from_ne_bytes([bytes[at], bytes[at + 1]]);
    let (_, time) = bytes.split_last_chunk().unwrap();
    ([axis(0), axis(2), axis(4)], i64::from_ne_bytes(*time))
}

#[test]
fn samples_come_through_the_buffer_at_the_rate() {
    let (system, clock) = world();
    let accel = plug(&system, "accel:x=1,y=-2,z=3");
    let iio = iio(&system);
    write(&iio, "sampling_frequency", "50");
    assert_eq!(
        attr_write(&iio, "sampling_frequency", b"60"),
        Err(Errno::EINVAL)
    );
    sample(&iio);
    // Single readings and samples exclude each other.
    assert_eq!(attr_read(&iio, "in_accel_x_raw"), Err(Errno::EBUSY));
    let file = open_node(&system, PATH);
    let (first, at) = read_sample(&file);
    assert_eq!(first, [1, -2, 3]);
    accel.set("y", "77").unwrap();
    let (second, later) = read_sample(&file);
    assert_eq!(second, [1, 77, 3]);
    assert_eq!(later - at, 20_000_000);
    assert_eq!(clock.now().since_start(), Duration::from_millis(40));
    accel.unplug();
    assert_eq!(file.read(&mut [0; 16]), Err(Errno::ENODEV));
    drop((file, iio, accel));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn a_trigger_asks_for_samples() {
    let (system, _clock) = world();
    let accel = plug(&system, "accel");
    let iio = iio(&system);
    write(&iio, "trigger/current_trigger", "lastfd-accel-trig0");
    sample(&iio);
    let file = open_node(&system, PATH);
    let ((first, at), (_, later)) = (read_sample(&file), read_sample(&file));
    assert_eq!(first, [0, 0, 16_384]);
    assert_eq!(later - at, 10_000_000);
    drop((file, iio, accel));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn a_level_that_crosses_its_threshold_is_an_event() {
    for (words, key, type_) in [
        ("light", "lux", "illuminance"),
        ("proximity", "raw", "proximity"),
    ] {
        let (system, _clock) = world();
        let sensor = plug(&system, &format!("{words}:{key}=10"));
        let iio = iio(&system);
        let events = format!("events/in_{type_}_thresh");
        let counts = if words == "light" { "200" } else { "20" };
        for direction in ["rising", "falling"] {
            write(&iio, &format!("{events}_{direction}_value"), counts);
        }
        write(&iio, &format!("{events}_rising_en"), "1");
        let file = open_node(&system, PATH);
        let queue = file.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).unwrap();
        // At the threshold, over it, further, back under it, over it again.
        for level in ["20", "21", "30", "5", "25"] {
            sensor.set(key, level).unwrap();
        }
        let mut both = [0; 48];
        assert_eq!(queue.read(&mut both), Ok(32), "{words}");
        let channel = if words == "light" { 6 } else { 8 };
        let rising = (1_u64 << 48) | (channel << 32);
        assert_eq!(both[..8], rising.to_ne_bytes(), "{words}");
        assert_eq!(both[16..24], rising.to_ne_bytes(), "{words}");

        write(&iio, &format!("{events}_falling_en"), "1");
        write(&iio, &format!("{events}_rising_en"), "0");
        sensor.set(key, "1").unwrap();
        sensor.set(key, "30").unwrap();
        assert_eq!(queue.read(&mut both), Ok(16), "{words}");
        let falling = (2_u64 << 48) | (channel << 32);
        assert_eq!(both[..8], falling.to_ne_bytes(), "{words}");
        sensor.unbind().unwrap();
        sensor.set(key, "1").unwrap();
        assert_eq!(queue.read(&mut both), Err(Errno::ENODEV));
        drop((file, queue, iio, sensor));
        assert_eq!(leaks(system), [""; 0], "{words}");
    }
}

#[test]
fn a_change_of_the_level_is_told_late_or_not_at_all_or_is_not_measured() {
    for (words, key, type_) in [
        ("light", "lux", "illuminance"),
        ("proximity", "raw", "proximity"),
    ] {
        let (system, clock) = world();
        let sensor = plug(&system, &format!("{words}:{key}=10"));
        let iio = iio(&system);
        let (over, unit) = match words {
            "light" => ("200", 10),
            _ => ("20", 1),
        };
        let thresholds = format!("events/in_{type_}_thresh");
        write(&iio, &format!("{thresholds}_rising_value"), over);
        write(&iio, &format!("{thresholds}_rising_en"), "1");
        let file = open_node(&system, PATH);
        let queue = file.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).unwrap();
        let told = || queue.poll(PollMask::IN, Some(Duration::ZERO)) == PollMask::IN;
        let take = || assert_eq!(queue.read(&mut [0; 16]), Ok(16), "{words}");
        let is = |level: u32| {
            let shown = attr_read(&iio, &format!("in_{type_}_raw")).unwrap();
            assert_eq!(shown, format!("{}\n", level * unit).into_bytes(), "{words}");
        };
        let late = Duration::from_millis(50);
        sensor.fault(SourceFault::Delay(late)).unwrap();
        sensor.set(key, "30").unwrap();
        is(30);
        assert!(!told(), "{words}: it is late");
        clock.advance(late);
        assert!(told(), "{words}: it never came");
        take();
        sensor.set(key, "10").unwrap();
        sensor.fault(SourceFault::Repeat(1)).unwrap();
        sensor.set(key, "30").unwrap();
        is(10);
        assert!(!told(), "{words}: it was not measured");
        sensor.set(key, "31").unwrap();
        is(31);
        take();
        sensor.set(key, "10").unwrap();
        sensor.fault(SourceFault::Drop(1)).unwrap();
        sensor.set(key, "30").unwrap();
        is(30);
        assert!(!told(), "{words}: it was lost");
        sensor.set(key, "10").unwrap();
        // The driver goes before it comes.
        sensor.fault(SourceFault::Delay(late)).unwrap();
        sensor.set(key, "30").unwrap();
        sensor.unbind().unwrap();
        clock.advance(late);
        assert_eq!(queue.read(&mut [0; 16]), Err(Errno::ENODEV));
        drop((file, queue, iio, sensor));
        assert_eq!(leaks(system), [""; 0], "{words}");
    }
}

#[test]
fn sensors_leave_nothing_behind() {
    nothing_is_left_however_it_ends("accel", PATH, |file, system| {
        sample(&iio(system));
        read_sample(file);
    });
    for words in ["light", "proximity"] {
        nothing_is_left_however_it_ends(words, PATH, |file, _| {
            file.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).unwrap();
        });
    }
    every_allocation_that_fails_is_unwound("accel", 5);
    every_allocation_that_fails_is_unwound("light", 3);
    every_allocation_that_fails_is_unwound("proximity", 3);
}
