//! What a report says of a run in which things went wrong.

use std::path::Path;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{device_unregister, get_device, put_device, root_device_register};
use lastfd_model::{EventKind, Rules, System};
use lastfd_report::{Ending, Format, Manner, Report, RunEvent, SaveError};
use lastfd_sync::Clock;

/// A board is unplugged while somebody holds a reference that is dropped once too often, a
/// program crashes, and a removal never comes.
fn wrong_run() -> Report {
    let system = System::builder()
        .clock(Clock::simulated())
        .ledger(true)
        .build();
    let recording = system.record();
    let tell = |event: RunEvent| system.emit(|| EventKind::from(event));
    let board = root_device_register(&system, "board <1>").unwrap();
    let (name, device) = ("board", board.device_ref());
    tell(RunEvent::Plugged {
        name: name.into(),
        device: device.clone(),
    });
    tell(RunEvent::ProgramStarted {
        program: "app".into(),
    });
    get_device(&board);
    system.clock().advance(std::time::Duration::from_millis(3));
    tell(RunEvent::RemovalBegin {
        name: name.into(),
        device: device.clone(),
        manner: Manner::Unplug,
        cause: "on open:1".into(),
        family: [device.clone()].into(),
        held: system.ledger().into(),
    });
    device_unregister(&board);
    tell(RunEvent::RemovalEnd {
        name: name.into(),
        device,
        manner: Manner::Unplug,
    });
    system.clock().advance(std::time::Duration::from_millis(2));
    put_device(&board);
    put_device(&board);
    tell(RunEvent::ProgramEnded {
        program: "app".into(),
        ending: Ending::Killed(11),
    });
    tell(RunEvent::RemovalMissed {
        name: name.into(),
        what: "unbind".into(),
        when: "read:5".into(),
        seen: 2,
    });
    system.emit(|| EventKind::Splat {
        kind: SplatKind::Warn,
        device: None,
        text: "something <odd> & \"quoted\"".into(),
    });
    drop(system);
    Report::new(Rules::Linux6_12, recording.take())
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"crates/[a-z/_]+\.rs:\d+:\d+", "FILE:LINE:COLUMN");
    settings
}

#[test]
fn the_verdict_names_findings_with_their_owners_and_what_was_missed() {
    let report = wrong_run();
    settings().bind(|| insta::assert_snapshot!(report.verdict()));
    assert!(report.verdict().blames_a_driver() && !report.verdict().is_clean());
}

#[test]
fn a_report_of_what_the_verdict_needs_has_the_same_verdict() {
    let report = wrong_run();
    let needed = report
        .events()
        .iter()
        .filter(|event| Report::needs(&event.kind));
    let less = Report::new(report.rules(), needed.cloned().collect());
    assert!(less.events().len() < report.events().len());
    assert_eq!(less.verdict().to_string(), report.verdict().to_string());
}

#[test]
fn json_has_the_verdict_and_every_event() {
    let report = wrong_run();
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["verdict"]["clean"], false);
    let owners: Vec<_> = json["verdict"]["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["owner"].as_str().unwrap())
        .collect();
    assert_eq!(owners, ["driver", "program", "driver"]);
    assert_eq!(json["verdict"]["missed"][0]["when"], "read:5");
    assert_eq!(json["programs"][0]["signal"], 11);
    assert_eq!(json["removals"][0]["began_ns"], 3_000_000);
    let events = json["events"].as_array().unwrap();
    assert_eq!(events.len(), report.events().len());
    let released = events
        .iter()
        .find(|event| event["event"] == "released")
        .unwrap();
    assert_eq!(released["device"]["name"], "board <1>");
    assert_eq!(released["time_ns"], 5_000_000);
}

#[test]
fn the_picture_is_well_formed_whatever_names_there_are() {
    let picture = wrong_run().to_svg();
    let mut open: Vec<String> = Vec::new();
    for tag in picture.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("every tag ends");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
        } else if !tag.ends_with('/') {
            let name = tag.split([' ', '\n']).next().unwrap_or_default();
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for wanted in ["board &lt;1&gt;", "unplug board, on open:1", "3 findings"] {
        assert!(picture.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_report_of_nothing_is_clean_and_has_a_picture() {
    let report = Report::new(Rules::default(), Vec::new());
    report.assert_clean();
    assert!(report.to_svg().ends_with("</svg>\n"));
    assert_eq!(report.verdict().to_string(), "verdict: clean");
}

#[test]
fn the_ending_of_the_name_is_the_format() {
    assert_eq!(Format::of(Path::new("a.b.json")), Ok(Format::Json));
    let error = Report::new(Rules::default(), Vec::new()).save(Path::new("picture.PNG"));
    assert!(matches!(error, Err(SaveError::Format(_))));
}
