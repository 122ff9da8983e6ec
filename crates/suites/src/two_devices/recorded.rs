//! What the cells state is read off the traces of a booted kernel once more, line by
//! line.

use std::fs;
use std::path::Path;

use lastfd_model::Errno;

use super::{Cell, First, Outcome, Step};

/// The trace of the cell. Both devices have a driver, so it is that of both rule sets.
fn trace(cell: Cell) -> String {
    let first = match cell.first {
        First::Card => "card",
        First::Bridge => "free",
        First::LinkedBridge => "link",
    };
    let file = if cell.file { "_fd" } else { "" };
    let name = format!("two_{first}{file}.linux-6.12");
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../oracle/traces");
    fs::read_to_string(traces.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a step of a trace is to a cell; None for what is asked in between.
fn step(call: &str) -> Option<Step> {
    Some(match call {
        "platform_device_unregister(tcp)" => Step::UnregisterCard,
        "platform_device_unregister(tbp)" => Step::UnregisterBridge,
        "device_release_driver(&tbp->dev)" => Step::UnbindBridge,
        "fc(f)" => Step::Close,
        _ => return None,
    })
}

/// What the kernel did.
fn of_trace(trace: &str) -> Outcome {
    let (mut now, mut call, mut late) = (Step::Before, "", false);
    let mut outcome = Outcome {
        card_devres: Step::Before,
        card: Step::Before,
        bridge_devres: Step::Before,
        bridge: Step::Before,
        drm: Step::Before,
        late_detach: false,
        file: Vec::new(),
    };
    let note = |slot: &mut Step, now: Step| {
        if *slot == Step::Before {
            *slot = now;
        }
    };
    for line in trace.lines() {
        let line = line.split_once(' ').map_or("", |(_, rest)| rest).trim();
        if let Some(called) = line.strip_prefix("> ") {
            (call, late) = (called, false);
            now = step(called).unwrap_or(now);
            continue;
        }
        match line {
            "devm-action A1" => note(&mut outcome.card_devres, now),
            "devm-action A3" => note(&mut outcome.bridge_devres, now),
            "ref card = released" => note(&mut outcome.card, now),
            "ref bridge = released" => note(&mut outcome.bridge, now),
            "ref drm = released" => note(&mut outcome.drm, now),
            "bridge.detach (its memory is already freed)" => outcome.late_detach = true,
            "bridge.detect (its memory is already freed)" => late = true,
            _ => {}
        }
        // The first one is on a display that is whole.
        if call.starts_with("fioctl_") && now != Step::Before {
            match line {
                "< rc=1" => outcome.file.push((now, Ok(1), late)),
                "< rc=-19 -ENODEV" => outcome.file.push((now, Err(Errno::ENODEV), late)),
                _ => {}
            }
        }
    }
    outcome
}

#[test]
fn every_cell_states_what_its_trace_has() {
    let cells = Cell::all();
    assert_eq!(cells.len(), 6);
    for cell in cells {
        assert_eq!(of_trace(&trace(cell)), cell.expected(), "{}", cell.name());
    }
}
