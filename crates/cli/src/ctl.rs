//! `lastfd ctl`.

use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use lastfd::host::control::{Client, Request, runs};
use serde_json::Value;

use crate::args::{Ask, CtlArgs};
use crate::failure::Failure;
use crate::log::{DIM, HEAD};

pub(crate) fn ctl(args: CtlArgs) -> Result<ExitCode, Failure> {
    let Some(request) = request(&args.ask)? else {
        return list_runs();
    };
    let answer = Client::connect(None, args.run.as_deref())?.ask(&request)?;
    let text = match args.json {
        true => format!("{answer}\n"),
        false => told(&request, &answer),
    };
    // Nobody reads on, as with `| head`.
    let _ = anstream::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn request(ask: &Ask) -> Result<Option<Request>, Failure> {
    Ok(Some(match ask {
        Ask::Plug { device } => Request::Plug {
            device: device.to_string(),
        },
        Ask::Unplug { name } => Request::Unplug { name: name.clone() },
        Ask::Bind { name } => Request::Bind { name: name.clone() },
        Ask::Unbind { name } => Request::Unbind { name: name.clone() },
        Ask::Disconnect { name } => Request::Fault {
            name: name.clone(),
            fault: "disconnect".to_owned(),
        },
        Ask::Set { name, setting } => Request::Fault {
            name: name.clone(),
            fault: format!("set:{setting}"),
        },
        Ask::Fault { name, fault } => Request::Fault {
            name: name.clone(),
            fault: fault.to_string(),
        },
        Ask::Devices => Request::Devices,
        Ask::Files => Request::Files,
        Ask::Wait { event, within } => Request::Wait {
            event: event.clone(),
            within: within
                .map(|seconds| {
                    Duration::try_from_secs_f64(seconds).map_err(|_| Failure::Within(seconds))
                })
                .transpose()?,
        },
        Ask::Runs => return Ok(None),
    }))
}

fn list_runs() -> Result<ExitCode, Failure> {
    let mut text = String::new();
    for run in runs(None)? {
        let _ = writeln!(text, "{HEAD}{}{HEAD:#}  {}", run.id, run.command);
    }
    if text.is_empty() {
        text.push_str("no run is there to be asked\n");
    }
    let _ = anstream::stdout().lock().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// The answer in words.
fn told(request: &Request, answer: &Value) -> String {
    let field = |key: &str| answer[key].as_str().unwrap_or_default();
    match request {
        Request::Plug { .. } => format!("{}\n", field("name")),
        Request::Wait { .. } => format!("{}\n", field("event")),
        Request::Unplug { .. }
        | Request::Bind { .. }
        | Request::Unbind { .. }
        | Request::Fault { .. } => String::new(),
        Request::Devices => devices(answer),
        Request::Files => files(answer),
    }
}

fn devices(answer: &Value) -> String {
    let mut text = String::new();
    for device in answer.as_array().into_iter().flatten() {
        let name = device["name"].as_str().unwrap_or_default();
        let _ = write!(text, "{HEAD}{name}{HEAD:#}");
        match (device["path"].as_str(), device["driver"].as_str()) {
            (None, _) => text.push_str("  unplugged"),
            (Some(path), None) => {
                let _ = write!(text, "  no driver  {DIM}/sys{path}{DIM:#}");
            }
            (Some(path), Some(driver)) => {
                let _ = write!(text, "  driver {driver}  {DIM}/sys{path}{DIM:#}");
            }
        }
        for node in device["nodes"].as_array().into_iter().flatten() {
            let _ = write!(text, "  {}", node.as_str().unwrap_or_default());
        }
        text.push('\n');
    }
    if text.is_empty() {
        text.push_str("nothing is plugged in\n");
    }
    text
}

fn files(answer: &Value) -> String {
    let mut text = String::new();
    for file in answer.as_array().into_iter().flatten() {
        let seconds = file["age_ms"].as_u64().unwrap_or_default() as f64 / 1000.0;
        let _ = writeln!(
            text,
            "{HEAD}{}{HEAD:#} (file {})  opened {seconds:.1} s ago by {}",
            file["path"].as_str().unwrap_or_default(),
            file["file"],
            file["opener"],
        );
        if let Some(call) = file["last"]["call"].as_str() {
            let last = &file["last"];
            let seconds = last["age_ms"].as_u64().unwrap_or_default() as f64 / 1000.0;
            let state = last["state"].as_str().unwrap_or_default();
            let _ = write!(text, "  last call {call}, {seconds:.1} s ago");
            if let (Some(thread), Some(descriptor)) =
                (last["thread"].as_u64(), last["descriptor"].as_i64())
            {
                let _ = write!(text, " by thread {thread} on descriptor {descriptor}");
            }
            let _ = writeln!(text, ": {state}");
        }
        let holders = file["held_by"].as_array();
        for holder in holders.into_iter().flatten() {
            let list = |key: &str| {
                let items = holder[key].as_array().into_iter().flatten();
                let items = items.map(|item| item.as_str().map_or(item.to_string(), str::to_owned));
                items.collect::<Vec<_>>().join(", ")
            };
            let _ = write!(
                text,
                "  {} {}",
                holder["pid"],
                holder["command"].as_str().unwrap_or_default()
            );
            for (key, word) in [("descriptors", "descriptor"), ("mappings", "mapping")] {
                let list = list(key);
                if !list.is_empty() {
                    let _ = write!(text, "  {word} {list}");
                }
            }
            text.push('\n');
        }
        if holders.is_none_or(Vec::is_empty) {
            let _ = writeln!(
                text,
                "  {DIM}held by no process that this user may look into{DIM:#}"
            );
        }
    }
    if text.is_empty() {
        text.push_str("no file of a device is open\n");
    }
    text
}
