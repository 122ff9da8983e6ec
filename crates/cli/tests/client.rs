//! The built-in client as a program: a process that is served as every other, holds its
//! descriptors through the unplug, and can be killed.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::Duration;

use lastfd::host::{Grip, Held};
use lastfd::sync::Clock;
use lastfd::{Bench, Ending, Keep, Program, Report, When};

const NODES: [(&str, &str); 4] = [
    ("iio-adc", "/dev/iio:device0"),
    ("display", "/dev/dri/card0"),
    ("cec", "/dev/cec0"),
    ("camera", "/dev/video0"),
];

fn lastfd(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastfd"));
    command.args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn bench(keep: Keep) -> Bench {
    let bench = Bench::builder().keep(keep).build();
    for (kind, _) in NODES {
        bench.plug_spec(&kind.parse().unwrap()).unwrap();
    }
    bench
}

fn client(bench: &Bench) -> Program<'_> {
    bench.spawn_client(env!("CARGO_BIN_EXE_lastfd")).unwrap()
}

/// The client at work: it is not to lose a device for long.
fn at_work(bench: &Bench) -> (Program<'_>, BTreeMap<String, Held>) {
    for device in bench.plugged() {
        let when = When::At(Duration::from_secs(600));
        bench.unplug_when(&device, when).unwrap();
    }
    let client = client(bench);
    let clock = Clock::real();
    let deadline = clock.now().after(Duration::from_secs(30));
    loop {
        let held: BTreeMap<_, _> = bench
            .files()
            .into_iter()
            .filter(|held| held.last.is_some())
            .map(|held| (held.file.path.to_string(), held))
            .collect();
        let mapped = held.get("/dev/dri/card0").is_some_and(is_mapped);
        if held.len() == NODES.len() && mapped {
            return (client, held);
        }
        assert!(clock.now() < deadline, "{held:?}");
        // Nobody tells of what a program opens.
        let _ = clock.sleep(Duration::from_millis(5), None);
    }
}

fn is_mapped(held: &Held) -> bool {
    let mut grips = held.by.iter().flat_map(|holder| &holder.grips);
    grips.any(|grip| matches!(grip, Grip::Mapping(_)))
}

/// What went of a device, in order.
fn released(report: &Report, name: &str) -> Vec<String> {
    let removals = &report.verdict().removals;
    let removal = removals.iter().find(|removal| &*removal.name == name);
    let removal = removal.unwrap_or_else(|| panic!("{name} stayed: {}", report.verdict()));
    let texts = removal.released.iter();
    texts.map(|release| release.text.to_string()).collect()
}

/// That each went its framework's way.
fn four_ways(report: &Report) {
    let orders: [(&str, &[&str]); 4] = [
        (
            "iio-adc",
            &[
                "node /dev/iio:device0",
                "release of iio-adc",
                "last close of /dev/iio:device0",
                "release of iio:device0",
            ],
        ),
        (
            "display",
            &[
                "node /dev/dri/card0",
                "display out of sysfs",
                "release of display",
                "release of the DRM device of card0",
                "last close of /dev/dri/card0",
            ],
        ),
        (
            "cec",
            &[
                "node /dev/cec0",
                "release of cec",
                "last close of /dev/cec0",
                "release of the CEC adapter of cec0",
            ],
        ),
        (
            "camera",
            &[
                "node /dev/video0",
                "release of camera",
                "release of the video_device of video0",
                "release of the v4l2_device of camera",
                "last close of /dev/video0",
            ],
        ),
    ];
    for (name, order) in orders {
        let released = released(report, name);
        let mut rest = released.iter();
        for what in order {
            let found = rest.any(|text| text.starts_with(what));
            assert!(found, "{name}: no `{what}` in its place: {released:#?}");
        }
    }
}

#[test]
fn each_framework_goes_its_own_way_under_a_process() {
    let bench = bench(Keep::All);
    assert_eq!(client(&bench).wait(), Ending::Exited(0));
    let report = bench.finish();
    report.assert_clean();
    four_ways(&report);
}

#[test]
fn the_client_is_a_process_that_holds_a_descriptor_of_each_node() {
    let bench = bench(Keep::Verdict);
    let (client, held) = at_work(&bench);
    let pid = client.pid().unwrap();
    assert_ne!(pid, std::process::id());
    for (_, path) in NODES {
        let [holder] = &held[path].by[..] else {
            panic!("{path}: {held:?}");
        };
        assert_eq!((holder.pid, &*holder.command), (pid, "lastfd"), "{path}");
        let has_descriptor = |grip: &Grip| matches!(grip, Grip::Descriptor(fd) if *fd > 2);
        assert!(holder.grips.iter().any(has_descriptor), "{holder:?}");
    }
    for device in bench.plugged() {
        device.unplug();
    }
    // A gap of the kernel's, cec_adap_g_caps beside an unplug that does not keep it waiting.
    let gap = Ending::Failed("failed to use /dev/cec0: EIO".into());
    let ending = client.wait();
    let report = bench.finish();
    if ending != gap {
        assert_eq!(ending, Ending::Exited(0));
        assert!(!report.verdict().blames_a_driver(), "{}", report.verdict());
    }
    // An unplug that nobody planned keeps no program waiting: it may close while it goes on.
    for (name, path) in NODES {
        let released = released(&report, name);
        let went = |what: String| released.iter().any(|text| text.starts_with(&what));
        let both = went(format!("last close of {path}")) && went(format!("node {path}"));
        assert!(both, "{name}: {released:#?}");
    }
}

#[test]
fn a_client_that_is_killed_has_closed_everything() {
    let bench = bench(Keep::Verdict);
    let (client, _) = at_work(&bench);
    client.signaller().send(9);
    assert_eq!(client.wait(), Ending::Killed(9));
    // A call that it was killed in keeps its file until it is over.
    let clock = Clock::real();
    let deadline = clock.now().after(Duration::from_secs(30));
    while !bench.files().is_empty() {
        assert!(clock.now() < deadline, "{:?}", bench.files());
        // Nobody tells of the end of a call.
        let _ = clock.sleep(Duration::from_millis(1), None);
    }
    let report = bench.finish();
    assert!(!report.verdict().blames_a_driver(), "{}", report.verdict());
}

#[test]
fn where_no_supervisor_can_be_the_client_runs_inside_and_says_so() {
    let output = lastfd(&["run", "--device", "cec", "--restrict", "no-listener"]);
    let (said, why) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}{why}");
    assert!(said.ends_with("verdict: clean\n"), "{said}");
    assert!(said.contains("last close of /dev/cec0"), "{said}");
    let line = "the built-in client runs inside lastfd: ";
    assert!(why.starts_with(line), "{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
}

#[test]
fn what_a_device_should_not_have_answered_is_why_the_client_failed() {
    let fault = "camera:fail:VIDIOC_QUERYCAP:1:EIO@open";
    let output = lastfd(&["run", "--device", "camera", "--fault", fault]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let line = "program   built-in client: failed to VIDIOC_QUERYCAP on /dev/video0: EIO";
    assert!(said.contains(line), "{said}");
}

#[test]
fn a_use_that_is_none_is_refused() {
    for words in ["", "x", "8 iio", "8 usb=/dev/x", "8  iio=/dev/x"] {
        let output = lastfd(&["client", words]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{said}");
        assert!(said.contains("is no use of a device"), "{words}: {said}");
    }
}

#[test]
fn a_client_says_what_it_could_not_open() {
    let output = lastfd(&["client", "8 iio=/dev"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("open /dev"), "{said}");
}
