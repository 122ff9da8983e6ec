//! What the cells state is read off the traces of a booted kernel once more, line by
//! line.

use std::fs;
use std::path::Path;

use lastfd_chrdev::PollMask;
use lastfd_model::{Errno, Rules};

use super::expected::expected;
use super::{Answers, Cell, Moment, Outcome, Parent, Refs};
use crate::on_top::Top;

/// The scenario of the cell.
fn scenario(cell: Cell) -> String {
    let without = match (cell.top, cell.parent, cell.refs) {
        (Top::Nothing, Parent::Root, Refs::Plain) => "a1",
        (Top::Nothing, Parent::Root, Refs::Get) => "a2",
        (Top::Nothing, Parent::Root, Refs::Act) => "a4",
        (Top::Nothing, Parent::Unbound, Refs::Plain) => "b1",
        (Top::Nothing, Parent::Unbound, Refs::Get) => "b2",
        (Top::Nothing, Parent::Unbound, Refs::Act) => "b5",
        (Top::Nothing, Parent::Bound, Refs::Plain) => "c1",
        _ => "",
    };
    if !without.is_empty() {
        return without.to_owned();
    }
    let top = match cell.top {
        Top::Nothing => "n",
        Top::Iio => "i",
        Top::Drm => "d",
        Top::V4l2 => "v",
        Top::Cec => "c",
    };
    let file = if cell.file { "_fd" } else { "" };
    let name = format!("r{top}_{:?}_{:?}{file}", cell.parent, cell.refs);
    name.to_lowercase()
}

/// Its trace under these rules, which is that of 6.12 where they do not differ.
fn trace(name: &str, rules: Rules) -> String {
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../oracle/traces");
    let read = |rules: Rules| fs::read_to_string(traces.join(format!("{name}.{rules}")));
    let trace = read(rules).or_else(|_| read(Rules::Linux6_12));
    trace.unwrap_or_else(|error| panic!("failed to read the trace of {name}: {error}"))
}

/// What a step of a trace is to a cell.
fn moment(call: &str) -> Option<Moment> {
    let name = call.split('(').next().unwrap_or_default();
    Some(match name {
        "root_device_unregister" | "platform_device_unregister" => Moment::Unregister,
        "put_device" => Moment::Put,
        "fc" => Moment::Close,
        // What is asked in between.
        "fo" | "fread_" | "fpoll_" | "fioctl_" => return None,
        _ => Moment::Before,
    })
}

/// The result of a call: `rc=-19 -ENODEV`, `err -2 -ENOENT`, `rc=26`, `ok`.
fn result(text: &str) -> Result<i32, Errno> {
    let number = text.trim_start_matches("rc=").trim_start_matches("err ");
    let number = number.split(' ').next().and_then(|n| n.parse().ok());
    match number.unwrap_or(0) {
        n if n < 0 => Err(Errno::from_code(-n)),
        n => Ok(n),
    }
}

/// What the kernel did.
fn of_trace(cell: Cell, trace: &str) -> Outcome {
    let parent = match cell.parent {
        Parent::Root => "root",
        Parent::Unbound | Parent::Bound => "pdev",
    };
    let object = match cell.top {
        Top::Nothing => "",
        Top::Iio => "iio",
        Top::Drm => "drm",
        Top::V4l2 => "v4l2_device",
        Top::Cec => "cecdev",
    };
    let (mut now, mut call) = (Moment::Before, "");
    let (mut devres, mut parent_gone, mut object_gone) = (None, None, None);
    let (mut ioctl, mut poll, mut reopen) = (None, None, None);
    for line in trace.lines() {
        let line = line.split_once(' ').map_or("", |(_, rest)| rest).trim();
        if let Some(called) = line.strip_prefix("> ") {
            call = called;
            now = moment(called).unwrap_or(now);
        } else if let Some(given) = line.strip_prefix("< ") {
            let name = call.split('(').next().unwrap_or_default();
            let slot = match (now, name) {
                (Moment::Unregister, "fioctl_") => &mut ioctl,
                (Moment::Unregister, "fpoll_") => &mut poll,
                (Moment::Unregister, "fo") => &mut reopen,
                _ => continue,
            };
            slot.get_or_insert(result(given));
        } else if line == "devm-action A1" {
            devres.get_or_insert(now);
        } else if line == format!("ref {parent} = released") {
            parent_gone.get_or_insert(now);
        } else if line == format!("ref {object} = released") {
            object_gone.get_or_insert(now);
        }
    }
    let answers = || Answers {
        ioctl: ioctl.expect("an ioctl after the removal"),
        poll: PollMask(poll.expect("a poll after the removal").unwrap_or(0) as u32),
        reopen: reopen.expect("an open after the removal").err(),
    };
    Outcome {
        devres: devres.unwrap_or(Moment::Never),
        parent: parent_gone.unwrap_or(Moment::Never),
        object: (cell.top != Top::Nothing).then(|| object_gone.unwrap_or(Moment::Never)),
        file: cell.file.then(answers),
    }
}

#[test]
fn every_cell_states_what_its_trace_has() {
    let cells = Cell::all();
    assert_eq!(cells.len(), 69);
    let mut wrong = Vec::new();
    for cell in cells {
        for rules in Rules::ALL {
            let name = scenario(cell);
            let recorded = of_trace(cell, &trace(&name, rules));
            let stated = expected(cell, rules);
            if recorded != stated {
                let cell = cell.name();
                wrong.push(format!(
                    "{name} ({cell}), {rules}:\n{recorded:?}\n{stated:?}"
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "recorded and stated:\n{}",
        wrong.join("\n")
    );
}
