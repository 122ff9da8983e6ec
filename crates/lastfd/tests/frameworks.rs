//! The built-in client holds a device of each framework through its unplug: the four ways
//! in which they go.

use lastfd::chrdev::OpenFlags;
use lastfd::report::Removal;
use lastfd::sync::{Cancel, Clock};
use lastfd::{Bench, Ending, Errno, EventKind, Keep, Report, Trigger, When};

const ALL: [&str; 7] = [
    "iio-adc",
    "display",
    "cec",
    "camera",
    "accel",
    "light",
    "proximity",
];

/// Runs the client over these, until it has closed everything.
fn run(words: &[&str], clock: Clock, keep: Keep) -> Report {
    let bench = Bench::builder().clock(clock).keep(keep).build();
    for words in words {
        bench.plug_spec(&words.parse().unwrap()).unwrap();
    }
    let ending = bench.run_client(&Cancel::new()).unwrap();
    assert_eq!(ending, Ending::Exited(0));
    bench.finish()
}

fn removal<'a>(report: &'a Report, name: &str) -> &'a Removal {
    let removals = &report.verdict().removals;
    let found = removals.iter().find(|removal| &*removal.name == name);
    found.unwrap_or_else(|| panic!("{name} was not taken away:\n{}", report.verdict()))
}

/// That these went, in this order.
fn went(report: &Report, name: &str, order: &[&str]) {
    let released = &removal(report, name).released;
    let mut rest = released.iter().map(|release| &*release.text);
    for what in order {
        assert!(
            rest.any(|text| text.starts_with(what)),
            "{name}: no `{what}` in its place:\n{}",
            report.verdict()
        );
    }
}

/// What each device's removal shows: when node, parent's devres, framework's object and
/// parent went, beside the last close.
fn four_ways(report: &Report) {
    report.assert_clean();
    assert_eq!(report.verdict().removals.len(), ALL.len());
    // Unregistered by the parent's devres; the parent does not wait for the file.
    went(
        report,
        "iio-adc",
        &[
            "devres iio_device_unregister of iio-adc",
            "node /dev/iio:device0",
            "release of iio-adc",
            "last close of /dev/iio:device0",
            "release of iio:device0",
        ],
    );
    // The open file holds the DRM device, and that its parent.
    went(
        report,
        "display",
        &[
            "node /dev/dri/card0",
            "devres devm_drm_dev_init_release of display",
            "display out of sysfs",
            "release of card0",
            "release of display",
            "release of the DRM device of card0",
            "last close of /dev/dri/card0",
        ],
    );
    went(
        report,
        "cec",
        &[
            "devres cec_unregister_adapter of cec",
            "node /dev/cec0",
            "release of cec",
            "last close of /dev/cec0",
            "release of cec0",
            "release of the CEC adapter of cec0",
        ],
    );
    // The v4l2_device goes with the last video device, which the open file holds.
    went(
        report,
        "camera",
        &[
            "node /dev/video0",
            "camera out of sysfs",
            "release of camera",
            "release of video0",
            "release of the video_device of video0",
            "release of the v4l2_device of camera",
            "last close of /dev/video0",
        ],
    );
    for (name, path) in [
        ("iio-adc", "open file /dev/iio:device0"),
        ("display", "open file /dev/dri/card0"),
        ("display", "mapping 16384 bytes of /dev/dri/card0"),
        ("cec", "open file /dev/cec0"),
        ("camera", "open file /dev/video0"),
    ] {
        let held = &removal(report, name).held;
        let mut held = held.iter().map(ToString::to_string);
        assert!(held.any(|line| line.contains(path)), "{name}: {path}");
    }
}

/// What calls on the node gave, in order, once its device had gone.
fn answers(report: &Report, path: &str, op: &str) -> Vec<Result<i64, Errno>> {
    let results = report
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::OperationEnd {
                file,
                op: done,
                result,
            } if *file.path == *path && **done == *op => Some(*result),
            _ => None,
        });
    results.collect()
}

#[test]
fn each_framework_goes_its_own_way() {
    let report = run(&ALL, Clock::simulated(), Keep::All);
    four_ways(&report);
    let last = |path: &str, op: &str| answers(&report, path, op).last().copied();
    let hung_up = 0x2 | 0x8 | 0x10;
    for (path, ioctl, poll) in [
        ("/dev/iio:device0", "IIO_GET_EVENT_FD_IOCTL", 0),
        ("/dev/dri/card0", "DRM_IOCTL_VERSION", 0),
        ("/dev/cec0", "CEC_ADAP_G_CAPS", hung_up),
        ("/dev/video0", "VIDIOC_DQBUF", hung_up),
    ] {
        let ioctl = format!("ioctl {ioctl}");
        assert_eq!(last(path, &ioctl), Some(Err(Errno::ENODEV)), "{path}");
        assert_eq!(last(path, "poll"), Some(Ok(poll)), "{path}");
    }
}

#[test]
fn the_verdict_needs_no_more_than_it_keeps() {
    four_ways(&run(&ALL, Clock::real(), Keep::Verdict));
}

#[test]
fn a_display_that_is_only_unregistered_goes_on_answering() {
    let words = ["display:removal=unregister"];
    let report = run(&words, Clock::simulated(), Keep::All);
    report.assert_clean();
    let asked = answers(&report, "/dev/dri/card0", "ioctl DRM_IOCTL_VERSION");
    assert_eq!(asked, [Ok(0), Ok(0)]);
    went(
        &report,
        "display",
        &["node /dev/dri/card0", "last close of /dev/dri/card0"],
    );
}

#[test]
fn each_can_be_taken_away_at_any_of_the_clients_events() {
    let table: [(&str, &[&str]); 3] = [
        (
            "display",
            &["DRM_IOCTL_VERSION", "DRM_IOCTL_MODE_CREATE_DUMB"],
        ),
        ("cec", &["CEC_ADAP_G_CAPS"]),
        (
            "camera",
            &["QUERYCAP", "VIDIOC_QBUF", "VIDIOC_STREAMON", "DQBUF"],
        ),
    ];
    for (name, ioctls) in table {
        let ioctls = ioctls.iter().map(|ioctl| format!("ioctl:{ioctl}"));
        let others = ["open".to_owned(), "ioctl:3".to_owned(), "22ms".to_owned()];
        for when in ioctls.chain(others) {
            let bench = Bench::builder().clock(Clock::simulated()).build();
            let device = bench.plug_spec(&name.parse().unwrap()).unwrap();
            let when: When = when.parse().unwrap();
            bench.unplug_when(&device, when.clone()).unwrap();
            let ending = bench.run_client(&Cancel::new()).unwrap();
            assert_eq!(ending, Ending::Exited(0), "{name} at {when}");
            let report = bench.finish();
            assert!(report.verdict().is_clean(), "{when}: {}", report.verdict());
        }
    }
}

#[test]
fn a_camera_that_nobody_takes_away_is_stopped_and_closed() {
    let bench = Bench::builder().clock(Clock::simulated()).build();
    let camera = bench
        .plug_spec(&"camera:fps=1000".parse().unwrap())
        .unwrap();
    let when = When::On {
        trigger: Trigger::Call("write"),
        count: 1,
    };
    bench.unplug_when(&camera, when).unwrap();
    bench.run_client(&Cancel::new()).unwrap();
    // It can be opened and would stream again.
    let path = "/dev/video0";
    lastfd::chrdev::open(bench.system(), path, OpenFlags::RDWR).unwrap();
    let report = bench.finish();
    let stopped = answers(&report, path, "ioctl VIDIOC_STREAMOFF");
    assert_eq!(stopped, [Ok(0)]);
    assert_eq!(
        report.verdict().summary(),
        "no unplug of camera: write:1 never came"
    );
}
