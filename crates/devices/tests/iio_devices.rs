//! The ready-made IIO devices: the tree they make, the samples they give, and
//! what is left when they go.

use core::time::Duration;

use lastfd_chrdev::{OpenFile, OpenFlags, PollMask, open};
use lastfd_devices::{IioAdc, IioDac, Overrun, Plugged, Spec, plug};
use lastfd_model::raw::*;
use lastfd_model::{Errno, Event, EventKind, System};
use lastfd_sync::{Arc, Clock, Mutex};

fn world() -> (System, Clock) {
    let clock = Clock::simulated();
    let system = System::builder().clock(clock.clone()).ledger(true).build();
    (system, clock)
}

fn iio(system: &System, name: &str) -> Device {
    let bus = system.find_bus("iio").expect("something is plugged in");
    bus.find_device(name)
        .unwrap_or_else(|| panic!("there is no {name}"))
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

/// Directory, file, content, mode: the tree that the recordings of a real iiod
/// were made from, where it agrees with what a kernel shows.
const TREE: &[(&str, &str, &str, u16)] = &[
    ("iio:device0", "name", "lastfd-adc\n", 0o444),
    ("iio:device0", "sampling_frequency", "1000\n", 0o644),
    (
        "iio:device0",
        "sampling_frequency_available",
        "100 1000 10000\n",
        0o444,
    ),
    (
        "iio:device0",
        "current_timestamp_clock",
        "realtime\n",
        0o644,
    ),
    ("iio:device0", "in_voltage0_raw", "100\n", 0o644),
    ("iio:device0", "in_voltage1_raw", "-200\n", 0o644),
    ("iio:device0", "in_voltage0_offset", "5\n", 0o644),
    ("iio:device0", "in_voltage1_offset", "6\n", 0o644),
    ("iio:device0", "in_voltage_scale", "0.500000\n", 0o644),
    ("iio:device0", "scan_elements/in_voltage0_en", "0\n", 0o644),
    (
        "iio:device0",
        "scan_elements/in_voltage0_index",
        "0\n",
        0o444,
    ),
    (
        "iio:device0",
        "scan_elements/in_voltage0_type",
        "le:s16/16>>0\n",
        0o444,
    ),
    ("iio:device0", "scan_elements/in_voltage1_en", "0\n", 0o644),
    (
        "iio:device0",
        "scan_elements/in_voltage1_index",
        "1\n",
        0o444,
    ),
    (
        "iio:device0",
        "scan_elements/in_voltage1_type",
        "le:s16/16>>0\n",
        0o444,
    ),
    ("iio:device0", "scan_elements/in_timestamp_en", "0\n", 0o644),
    (
        "iio:device0",
        "scan_elements/in_timestamp_index",
        "2\n",
        0o444,
    ),
    (
        "iio:device0",
        "scan_elements/in_timestamp_type",
        "le:s64/64>>0\n",
        0o444,
    ),
    ("iio:device0", "buffer/enable", "0\n", 0o644),
    ("iio:device0", "buffer/length", "2\n", 0o644),
    ("iio:device0", "buffer/watermark", "1\n", 0o644),
    ("iio:device0", "buffer/data_available", "0\n", 0o444),
    // Without a trigger a kernel shows nothing, not an empty line.
    ("iio:device0", "trigger/current_trigger", "", 0o644),
    ("iio:device1", "name", "lastfd-dac\n", 0o444),
    ("iio:device1", "label", "dac-label\n", 0o444),
    ("iio:device1", "out_voltage0_raw", "0\n", 0o644),
    ("iio:device1", "out_voltage0_scale", "0.250000\n", 0o644),
    ("iio:device1", "out_voltage1_raw", "0\n", 0o644),
    ("iio:device1", "out_voltage1_scale", "0.250000\n", 0o644),
    ("iio:device1", "scan_elements/out_voltage0_en", "0\n", 0o644),
    (
        "iio:device1",
        "scan_elements/out_voltage0_index",
        "0\n",
        0o444,
    ),
    (
        "iio:device1",
        "scan_elements/out_voltage0_type",
        "le:s16/16>>0\n",
        0o444,
    ),
    ("iio:device1", "scan_elements/out_voltage1_en", "0\n", 0o644),
    (
        "iio:device1",
        "scan_elements/out_voltage1_index",
        "1\n",
        0o444,
    ),
    (
        "iio:device1",
        "scan_elements/out_voltage1_type",
        "le:s16/16>>0\n",
        0o444,
    ),
    ("iio:device1", "buffer/enable", "0\n", 0o644),
    ("iio:device1", "buffer/length", "2\n", 0o644),
    ("iio:device1", "buffer/watermark", "1\n", 0o644),
    ("trigger0", "name", "lastfd-trig0\n", 0o444),
    ("trigger0", "sampling_frequency", "100\n", 0o644),
];

#[test]
fn the_defaults_make_the_recorded_tree_and_nothing_more() {
    let (system, _clock) = world();
    let _adc = plug(&system, &IioAdc::default()).unwrap();
    let _dac = plug(&system, &IioDac::default()).unwrap();
    for name in ["iio:device0", "iio:device1", "trigger0"] {
        let device = iio(&system, name);
        let expected: Vec<_> = TREE.iter().filter(|row| row.0 == name).collect();
        for (_, path, content, _) in &expected {
            assert_eq!(read(&device, path), *content, "{name}/{path}");
        }
        let mut wanted: Vec<(&str, u16)> = expected.iter().map(|row| (row.1, row.3)).collect();
        wanted.sort_unstable();
        // The model's own, and the newer directory with both groups in one.
        let found = attributes(&device);
        let found: Vec<(&str, u16)> = found
            .iter()
            .map(|info| (&*info.path, info.mode))
            .filter(|(path, _)| !matches!(*path, "uevent" | "dev") && !path.starts_with("buffer0/"))
            .collect();
        assert_eq!(found, wanted, "{name}");
    }
    assert_eq!(
        *debugfs_list(&system, "iio/iio:device0"),
        ["direct_reg_access".into()]
    );
    let register = "iio/iio:device0/direct_reg_access";
    assert_eq!(debugfs_read(&system, register).unwrap(), b"0x0\n");
    assert_eq!(debugfs_write(&system, register, b"0x10\0"), Ok(5));
    assert_eq!(debugfs_read(&system, register).unwrap(), b"0x64\n");
    assert_eq!(debugfs_write(&system, register, b"4 255"), Ok(5));
    assert_eq!(debugfs_read(&system, register).unwrap(), b"0xFF\n");
    debugfs_write(&system, register, b"3").unwrap();
    assert_eq!(debugfs_read(&system, register), Err(Errno::EINVAL));
}

#[test]
fn what_programs_set_reads_back() {
    let (system, _clock) = world();
    let _adc = plug(&system, &IioAdc::default()).unwrap();
    let _dac = plug(&system, &IioDac::default()).unwrap();
    let adc = iio(&system, "iio:device0");
    for (path, text, back) in [
        ("in_voltage0_offset", "9\0", "9\n"),
        ("in_voltage_scale", "0.25", "0.250000\n"),
        ("sampling_frequency", "10000\n", "10000\n"),
    ] {
        write(&adc, path, text);
        assert_eq!(read(&adc, path), back);
    }
    assert_eq!(read(&adc, "in_voltage1_offset"), "6\n");
    assert_eq!(
        attr_write(&adc, "sampling_frequency", b"5"),
        Err(Errno::EINVAL)
    );
    assert_eq!(
        attr_write(&adc, "in_voltage0_raw", b"1"),
        Err(Errno::EINVAL)
    );
    let dac = iio(&system, "iio:device1");
    write(&dac, "out_voltage0_raw", "7");
    assert_eq!(read(&dac, "out_voltage0_raw"), "7\n");
    assert_eq!(read(&dac, "out_voltage1_raw"), "0\n");
}

#[test]
fn the_dac_takes_no_samples_yet() {
    let (system, _clock) = world();
    let _dac = plug(&system, &IioDac::default()).unwrap();
    let dac = iio(&system, "iio:device0");
    write(&dac, "scan_elements/out_voltage0_en", "1");
    assert_eq!(attr_write(&dac, "buffer/enable", b"1"), Err(Errno::EINVAL));
    let node = open(&system, "/dev/iio:device0", OpenFlags::RDWR).unwrap();
    assert_eq!(node.write(&[0; 4]), Err(Errno::EINVAL));
    assert_eq!(node.read(&mut [0; 4]), Err(Errno::EINVAL));
}

const ALL: [&str; 3] = ["in_voltage0_en", "in_voltage1_en", "in_timestamp_en"];

fn enable(device: &Device, elements: &[&str], length: u32) {
    for element in elements {
        write(device, &format!("scan_elements/{element}"), "1");
    }
    write(device, "buffer/length", &length.to_string());
    write(device, "buffer/enable", "1");
}

/// One whole sample of the sample function.
fn sample(number: i64) -> Vec<u8> {
    let voltage = number as i16;
    let timestamp = 1_000_000_000 + number * 1_000_000;
    [
        &voltage.to_ne_bytes()[..],
        &(-voltage).to_ne_bytes(),
        &[0; 4],
        &timestamp.to_ne_bytes(),
    ]
    .concat()
}

fn read_samples(file: &OpenFile, count: usize) -> Vec<Vec<u8>> {
    let mut samples = Vec::new();
    while samples.len() < count {
        let mut buffer = vec![0; 16 * (count - samples.len())];
        let read = file.read(&mut buffer).unwrap();
        samples.extend(buffer[..read].chunks(16).map(<[u8]>::to_vec));
    }
    samples
}

#[test]
fn the_sample_clock_fills_the_buffer_with_the_sample_function() {
    let (system, clock) = world();
    let _adc = plug(&system, &IioAdc::default()).unwrap();
    let adc = iio(&system, "iio:device0");
    for _ in 0..2 {
        let start = clock.now();
        enable(&adc, &ALL, 64);
        let file = open(&system, "/dev/iio:device0", OpenFlags::RDWR).unwrap();
        let samples = read_samples(&file, 100);
        let expected: Vec<_> = (0..100).map(sample).collect();
        assert_eq!(samples, expected, "from 0 at each enable");
        assert_eq!(clock.now(), start.after(Duration::from_millis(100)));
        write(&adc, "buffer/enable", "0");
    }
}

#[test]
fn one_channel_alone_is_packed_tightly() {
    let (system, clock) = world();
    let _adc = plug(&system, &IioAdc::default()).unwrap();
    let adc = iio(&system, "iio:device0");
    enable(&adc, &["in_voltage1_en"], 16);
    clock.advance(Duration::from_millis(4));
    let file = open(&system, "/dev/iio:device0", OpenFlags::RDWR).unwrap();
    let mut buffer = [0; 8];
    assert_eq!(file.read(&mut buffer), Ok(8));
    let values: Vec<i16> = buffer
        .chunks(2)
        .map(|pair| i16::from_ne_bytes([pair[0], pair[1]]))
        .collect();
    assert_eq!(values, [0, -1, -2, -3]);
}

#[test]
fn a_chosen_trigger_sets_the_pace() {
    let (system, clock) = world();
    let _adc = plug(&system, &IioAdc::default()).unwrap();
    let adc = iio(&system, "iio:device0");
    write(&adc, "trigger/current_trigger", "lastfd-trig0\n");
    assert_eq!(read(&adc, "trigger/current_trigger"), "lastfd-trig0\n");
    enable(&adc, &ALL, 64);
    clock.advance(Duration::from_millis(35));
    assert_eq!(read(&adc, "buffer/data_available"), "3\n");
    write(&iio(&system, "trigger0"), "sampling_frequency", "1000");
    clock.advance(Duration::from_millis(10));
    let file = open(&system, "/dev/iio:device0", OpenFlags::RDWR).unwrap();
    let samples = read_samples(&file, 9);
    let expected: Vec<_> = (0..9).map(sample).collect();
    assert_eq!(samples, expected);
}

#[test]
fn a_full_buffer_holds_the_source_or_loses_samples() {
    for (overrun, after) in [(Overrun::Hold, 4), (Overrun::Drop, 10)] {
        let (system, clock) = world();
        let hardware = IioAdc {
            overrun,
            ..IioAdc::default()
        };
        let _adc = plug(&system, &hardware).unwrap();
        let adc = iio(&system, "iio:device0");
        enable(&adc, &ALL, 4);
        clock.advance(Duration::from_micros(10_500));
        let file = open(&system, "/dev/iio:device0", OpenFlags::RDWR).unwrap();
        let expected: Vec<_> = (0..4).map(sample).collect();
        assert_eq!(read_samples(&file, 4), expected);
        assert_eq!(read_samples(&file, 1), [sample(after)], "{overrun:?}");
    }
}

#[test]
fn a_reader_is_told_when_the_hardware_is_pulled_out() {
    let (system, clock) = world();
    let adc = plug(&system, &IioAdc::default()).unwrap();
    let device = iio(&system, "iio:device0");
    enable(&device, &ALL, 64);
    let file = open(&system, "/dev/iio:device0", OpenFlags::RDWR).unwrap();
    let reader = clock
        .spawn("reader", move || {
            let mut bytes = 0;
            loop {
                match file.read(&mut [0; 256]) {
                    Ok(read) => bytes += read,
                    Err(errno) => return (bytes, errno),
                }
            }
        })
        .unwrap();
    clock.advance(Duration::from_micros(50_500));
    adc.unplug();
    adc.unplug();
    assert_eq!(reader.join().unwrap(), (50 * 16, Errno::ENODEV));
    assert!(device.is_released() && adc.device().is_released());
}

#[test]
fn unbinding_leaves_the_hardware_and_rebinding_brings_the_device_back() {
    let (system, _clock) = world();
    let adc = plug(&system, &IioAdc::default()).unwrap();
    assert_eq!(adc.rebind(), Err(Errno::EBUSY));
    let old = iio(&system, "iio:device0");
    adc.unbind().unwrap();
    assert!(old.is_released());
    assert!(adc.is_plugged() && !adc.is_bound());
    assert_eq!(adc.unbind(), Err(Errno::ENODEV));
    adc.rebind().unwrap();
    assert_eq!(
        read(&iio(&system, "iio:device0"), "in_voltage0_raw"),
        "100\n"
    );
    adc.unplug();
    assert_eq!(adc.rebind(), Err(Errno::ENODEV));
    assert_eq!(adc.unbind(), Err(Errno::ENODEV));
}

#[test]
fn several_of_a_kind_have_numbers() {
    let (system, _clock) = world();
    let adcs: Vec<Plugged> = (0..3)
        .map(|_| plug(&system, &IioAdc::default()).unwrap())
        .collect();
    let names: Vec<&str> = adcs.iter().map(Plugged::name).collect();
    assert_eq!(names, ["iio-adc", "iio-adc2", "iio-adc3"]);
    assert_eq!(read(&iio(&system, "iio:device1"), "name"), "lastfd-adc2\n");
    assert_eq!(read(&iio(&system, "trigger2"), "name"), "lastfd-trig2\n");
    let mut adcs = adcs;
    drop(adcs.remove(1));
    let again = "iio-adc:name=mine".parse::<Spec>().unwrap();
    let again = again.plug(&system).unwrap();
    assert_eq!(again.name(), "iio-adc2", "numbers are used again");
    assert_eq!(read(&iio(&system, "iio:device1"), "name"), "mine\n");
}

#[test]
fn a_refusal_of_the_driver_is_passed_on() {
    let (system, _clock) = world();
    let taken = lastfd_iio::raw::iio_trigger_alloc(&system, None, "lastfd-trig0").unwrap();
    lastfd_iio::raw::iio_trigger_register(&taken).unwrap();
    let refused = plug(&system, &IioAdc::default());
    assert_eq!(refused.err(), Some(Errno::EEXIST));
    assert!(platform_bus(&system).devices().is_empty());
    lastfd_iio::raw::iio_trigger_unregister(&taken);
    lastfd_iio::raw::iio_trigger_free(&taken);
    plug(&system, &IioAdc::default()).unwrap();
}

/// What a System says was left when it ended.
fn leaks(system: System) -> Vec<String> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&found);
    let subscription = system.subscribe(Arc::new(move |event: &Event| match &event.kind {
        EventKind::Leak { text, .. } | EventKind::Splat { text, .. } => {
            seen.lock().push(text.to_string());
        }
        _ => {}
    }));
    drop(system);
    drop(subscription);
    let found = found.lock();
    found.clone()
}

#[test]
fn nothing_is_left_behind_however_it_ends() {
    type End = fn(Plugged, OpenFile);
    let ends: [End; 3] = [
        |adc, file| {
            adc.unplug();
            drop(file);
        },
        |adc, file| {
            drop(file);
            drop(adc);
        },
        |adc, file| {
            adc.unbind().unwrap();
            assert_eq!(file.read(&mut [0; 16]), Err(Errno::ENODEV));
            drop((adc, file));
        },
    ];
    for end in ends {
        let (system, clock) = world();
        let adc = plug(&system, &IioAdc::default()).unwrap();
        let dac = plug(&system, &IioDac::default()).unwrap();
        let device = iio(&system, "iio:device0");
        write(&device, "trigger/current_trigger", "lastfd-trig0");
        enable(&device, &ALL, 8);
        drop(device);
        let file = open(&system, "/dev/iio:device0", OpenFlags::RDWR).unwrap();
        clock.advance(Duration::from_millis(20));
        assert_eq!(file.poll(PollMask::IN, None), PollMask::IN);
        end(adc, file);
        drop(dac);
        assert_eq!(leaks(system), [""; 0]);
    }
}

#[test]
fn every_allocation_that_fails_is_unwound() {
    let mut failed = 0;
    for nth in 1.. {
        let (system, _clock) = world();
        system.fail_nth(nth);
        let plugged = plug(&system, &IioAdc::default());
        let reached = system.fail_nth_left() == 0;
        system.fail_nth(0);
        if plugged.is_err() {
            failed += 1;
            assert!(
                platform_bus(&system).devices().is_empty(),
                "allocation {nth}"
            );
        }
        drop(plugged);
        assert_eq!(leaks(system), [""; 0], "allocation {nth}");
        if !reached {
            break;
        }
    }
    assert!(failed > 30, "only {failed} allocations failed the plugging");
}
