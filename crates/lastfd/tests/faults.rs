//! What is done to hardware that stays, and what its programs then see.
#![cfg(feature = "devices")]

use core::time::Duration;

use lastfd::chrdev::{OpenFile, OpenFlags, open};
use lastfd::devices::Camera;
use lastfd::model::raw::attr_read;
use lastfd::sync::Clock;
use lastfd::{Bench, Errno, EventKind, Fault, Plugged, When};

/// A bench whose time is simulated, with one piece of hardware.
fn bench(spec: &str) -> (Bench, Plugged) {
    let bench = Bench::builder().clock(Clock::simulated()).build();
    let plugged = bench.plug_spec(&spec.parse().unwrap()).unwrap();
    (bench, plugged)
}

fn fault(target: &Plugged, text: &str) {
    let fault: Fault = text.parse().unwrap();
    if let Err(error) = target.fault(&fault) {
        panic!("{text}: {error}");
    }
}

const SIZE: usize = 32 * 16 * 2;

/// The numbers of the next pictures.
fn numbers(file: &OpenFile, count: usize) -> Vec<u32> {
    let mut picture = [0; SIZE];
    let mut next = || {
        assert_eq!(file.read(&mut picture), Ok(SIZE));
        Camera::number_in(&picture, 32).unwrap()
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn a_camera_drops_repeats_and_wraps_its_frames() {
    let (bench, camera) = bench("camera:size=32x16,fps=10");
    let file = open(bench.system(), "/dev/video0", OpenFlags::RDONLY).unwrap();
    assert_eq!(numbers(&file, 2), [0, 1]);
    // What is in buffers already comes first.
    fault(&camera, "drop:20");
    let seen = numbers(&file, 8);
    assert_eq!(seen.last(), Some(&29), "{seen:?}");
    fault(&camera, "repeat:2");
    let mut seen = vec![29];
    seen.extend(numbers(&file, 10));
    let again = seen.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(again, 2, "{seen:?}");
    fault(&camera, "wrap");
    let seen = numbers(&file, 10);
    assert!(seen.contains(&u32::MAX) && seen.contains(&0), "{seen:?}");
    drop(file);
    bench.finish().assert_clean();
}

#[test]
fn a_frame_comes_late_and_after_a_stop_none_does() {
    let (bench, camera) = bench("camera:size=32x16,fps=10");
    let clock = bench.system().clock().clone();
    let file = open(bench.system(), "/dev/video0", OpenFlags::RDONLY).unwrap();
    numbers(&file, 1);
    fault(&camera, "delay:5s");
    let longest = |file: &OpenFile| {
        let took = (0..8).map(|_| {
            let before = clock.now();
            numbers(file, 1);
            clock.now().0 - before.0
        });
        Duration::from_nanos(took.max().unwrap())
    };
    let took = longest(&file);
    assert!(took >= Duration::from_secs(4), "{took:?}");
    assert!(longest(&file) <= Duration::from_millis(200));
    fault(&camera, "stop");
    file.set_flags(OpenFlags::NONBLOCK).unwrap();
    let mut picture = [0; SIZE];
    while file.read(&mut picture) == Ok(SIZE) {}
    clock.sleep(Duration::from_secs(60), None).unwrap();
    assert_eq!(file.read(&mut picture), Err(Errno::EAGAIN));
    fault(&camera, "start");
    clock.sleep(Duration::from_secs(1), None).unwrap();
    assert_eq!(file.read(&mut picture), Ok(SIZE));
    drop(file);
    bench.finish().assert_clean();
}

#[test]
fn the_next_calls_of_a_kind_fail_before_the_driver_is_asked() {
    let (bench, adc) = bench("iio-adc");
    let path = "/dev/iio:device0";
    fault(&adc, "fail:open:2:EMFILE");
    for _ in 0..2 {
        let refused = open(bench.system(), path, OpenFlags::RDONLY);
        assert_eq!(refused.err(), Some(Errno::EMFILE));
    }
    let file = open(bench.system(), path, OpenFlags::RDONLY).unwrap();
    fault(&adc, "fail:read");
    assert_eq!(file.read(&mut [0; 8]), Err(Errno::EIO));
    assert_eq!(file.read(&mut [0; 8]), Ok(0), "its own");
    fault(&adc, "fail:IIO_GET_EVENT_FD_IOCTL:1:ENOMEM");
    const GET_EVENT_FD: u32 = 0x8004_6990;
    const OTHER: u32 = 0x8004_6999;
    let ioctl = |cmd| file.ioctl_bytes(cmd, &mut [0; 4]);
    assert_eq!(ioctl(OTHER).err(), Some(Errno::ENODEV), "not that one");
    assert_eq!(ioctl(GET_EVENT_FD).err(), Some(Errno::ENOMEM));
    assert_ne!(ioctl(GET_EVENT_FD).err(), Some(Errno::ENOMEM), "once only");
    fault(&adc, "fail:show:in_voltage0_raw:1:ENXIO");
    let iio = bench.system().find_bus("iio").unwrap();
    let iio = iio.find_device("iio:device0").unwrap();
    assert!(attr_read(&iio, "name").is_ok());
    assert_eq!(attr_read(&iio, "in_voltage0_raw"), Err(Errno::ENXIO));
    assert!(attr_read(&iio, "in_voltage0_raw").is_ok());
    drop((file, iio));
    bench.finish().assert_clean();
}

#[test]
fn a_device_is_unbound_bound_again_and_taken_away() {
    let (bench, light) = bench("light");
    let lux = || {
        let bus = bench.system().find_bus("iio").unwrap();
        bus.find_device("iio:device0")
            .and_then(|iio| attr_read(&iio, "in_illuminance_raw").ok())
    };
    fault(&light, "set:lux=12");
    assert_eq!(lux().as_deref(), Some(&b"120\n"[..]));
    fault(&light, "unbind");
    assert_eq!(lux(), None);
    fault(&light, "rebind");
    assert_eq!(lux().as_deref(), Some(&b"120\n"[..]));
    fault(&light, "unplug");
    let again = light.fault(&Fault::Unbind).unwrap_err();
    assert_eq!(
        again.to_string(),
        "light was unplugged: there is nothing to unbind"
    );
    bench.finish().assert_clean();
}

#[test]
fn what_a_kind_cannot_do_it_says() {
    let bench = Bench::new();
    let mut said = Vec::new();
    for spec in [
        "camera",
        "camera:fps=max",
        "iio-adc",
        "iio-dac",
        "accel",
        "light",
        "proximity",
        "display",
        "cec",
    ] {
        let plugged = bench.plug_spec(&spec.parse().unwrap()).unwrap();
        said.push(format!("{spec}: {}", plugged.verbs().join(", ")));
        for verb in [
            "disconnect",
            "delay:1s",
            "drop",
            "repeat",
            "wrap",
            "stop",
            "start",
        ] {
            let fault: Fault = verb.parse().unwrap();
            let can = plugged.verbs().contains(&fault.verb());
            let done = plugged.fault(&fault);
            assert_eq!(done.is_ok(), can, "{spec} {verb}: {done:?}");
            if let Err(error) = done {
                assert!(error.to_string().contains("what can be done to it are"));
            }
        }
        plugged.unplug();
    }
    insta::assert_snapshot!(said.join("\n"));
    bench.finish().assert_clean();
}

#[test]
fn a_fault_comes_at_its_event_and_one_that_never_does_is_told() {
    let (bench, adc) = bench("iio-adc");
    let when = |text: &str| text.parse::<When>().unwrap();
    let plan = |fault: &str, at: &str| {
        bench
            .fault_when(&adc, fault.parse().unwrap(), when(at))
            .unwrap();
    };
    plan("fail:show:name:1:EIO", "open");
    plan("drop:3", "read:5");
    let file = open(bench.system(), "/dev/iio:device0", OpenFlags::RDONLY).unwrap();
    let failed = |event: &lastfd::Event| {
        event
            .kind
            .to_string()
            .contains("fail:show:name:1:EIO, on open")
    };
    bench.wait_for(failed, Duration::from_secs(10)).unwrap();
    let iio = bench.system().find_bus("iio").unwrap();
    let iio = iio.find_device("iio:device0").unwrap();
    assert_eq!(attr_read(&iio, "name"), Err(Errno::EIO));
    drop((file, iio));
    let report = bench.finish();
    assert!(report.verdict().findings.is_empty());
    assert_eq!(
        report.verdict().summary(),
        "no drop:3 of iio-adc: read:5 never came"
    );
    let wrong = |kind: &EventKind| matches!(kind, EventKind::Leak { .. });
    assert!(!report.events().iter().any(|event| wrong(&event.kind)));
}

#[test]
fn what_could_not_be_done_at_its_event_is_no_clean_run() {
    let (bench, adc) = bench("iio-adc");
    let when: When = "open".parse().unwrap();
    bench.fault_when(&adc, Fault::Rebind, when).unwrap();
    drop(open(bench.system(), "/dev/iio:device0", OpenFlags::RDONLY).unwrap());
    let done = |event: &lastfd::Event| event.kind.to_string().contains("rebind, on open");
    bench.wait_for(done, Duration::from_secs(10)).unwrap();
    let report = bench.finish();
    let summary = report.verdict().summary();
    assert_eq!(
        summary,
        "no rebind of iio-adc: failed to rebind iio-adc: EBUSY"
    );
    assert!(!report.verdict().is_clean());
}
