//! Control of a run from another terminal: a socket in the run's directory, one line of
//! JSON for each request and one for its answer.
//!
//! A request names what to do: `{"do":"plug","device":"camera"}`. An answer is
//! `{"ok":…}` with what came of it, or `{"error":"…"}` with a sentence. [`Request`] has
//! them all.

mod client;
mod server;

use core::fmt;
use core::time::Duration;

use lastfd_sync::Cancel;
use serde_json::{Map, Value, json};

pub use client::{Client, ClientError, Run, runs};
pub use server::Control;

/// What can be asked of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `plug`, `device`: plugs in hardware, in the words of the command line. The answer
    /// is its name.
    Plug {
        /// Such as `iio-adc:rate=100`.
        device: String,
    },
    /// `unplug`, `name`: pulls it out.
    Unplug {
        /// The hardware's name.
        name: String,
    },
    /// `bind`, `name`: looks for a driver for it again.
    Bind {
        /// The hardware's name.
        name: String,
    },
    /// `unbind`, `name`: takes its driver off.
    Unbind {
        /// The hardware's name.
        name: String,
    },
    /// `fault`, `name`, `fault`: does something to it.
    Fault {
        /// The hardware's name.
        name: String,
        /// What, in the words of the command line: `drop:3`.
        fault: String,
    },
    /// `devices`: what is plugged in, or was.
    Devices,
    /// `files`: the open files, and who holds them.
    Files,
    /// `wait`, `event`, and perhaps `within_ms`: answers when an event has come that
    /// happened after the request.
    Wait {
        /// The event, as after the `@` of `--unplug`.
        event: String,
        /// How long to wait at most; for ever without.
        within: Option<Duration>,
    },
}

/// A request that makes no sense; says what would.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RequestError(String);

const VERBS: &str = "plug, unplug, bind, unbind, fault, devices, files or wait";

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(line: &[u8]) -> Result<Request, RequestError> {
        let value: Value = serde_json::from_slice(line)
            .map_err(|error| RequestError(format!("a request is a line of JSON: {error}")))?;
        let Value::Object(fields) = value else {
            return Err(RequestError("a request is a JSON object".to_owned()));
        };
        let verb = text(&fields, "do")?;
        let (request, known): (Request, &[&str]) = match verb.as_str() {
            "plug" => {
                let device = text(&fields, "device")?;
                (Request::Plug { device }, &["do", "device"])
            }
            "unplug" => (
                Request::Unplug {
                    name: text(&fields, "name")?,
                },
                &["do", "name"],
            ),
            "bind" => (
                Request::Bind {
                    name: text(&fields, "name")?,
                },
                &["do", "name"],
            ),
            "unbind" => (
                Request::Unbind {
                    name: text(&fields, "name")?,
                },
                &["do", "name"],
            ),
            "fault" => (
                Request::Fault {
                    name: text(&fields, "name")?,
                    fault: text(&fields, "fault")?,
                },
                &["do", "name", "fault"],
            ),
            "devices" => (Request::Devices, &["do"]),
            "files" => (Request::Files, &["do"]),
            "wait" => {
                let event = text(&fields, "event")?;
                let within = within(&fields)?;
                (
                    Request::Wait { event, within },
                    &["do", "event", "within_ms"],
                )
            }
            other => {
                return Err(RequestError(format!("'{other}' is not a request: {VERBS}")));
            }
        };
        match fields.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(RequestError(format!("'{verb}' takes no '{key}'"))),
            None => Ok(request),
        }
    }

    /// The line, without its end.
    pub fn to_line(&self) -> String {
        let value = match self {
            Request::Plug { device } => json!({"do": "plug", "device": device}),
            Request::Unplug { name } => json!({"do": "unplug", "name": name}),
            Request::Bind { name } => json!({"do": "bind", "name": name}),
            Request::Unbind { name } => json!({"do": "unbind", "name": name}),
            Request::Fault { name, fault } => {
                json!({"do": "fault", "name": name, "fault": fault})
            }
            Request::Devices => json!({"do": "devices"}),
            Request::Files => json!({"do": "files"}),
            Request::Wait { event, within } => match within {
                Some(within) => {
                    let within = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
                    json!({"do": "wait", "event": event, "within_ms": within})
                }
                None => json!({"do": "wait", "event": event}),
            },
        };
        value.to_string()
    }
}

fn text(fields: &Map<String, Value>, key: &str) -> Result<String, RequestError> {
    match fields.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(RequestError(format!("'{key}' is a string, not {other}"))),
        None => Err(RequestError(format!("the request has no '{key}'"))),
    }
}

fn within(fields: &Map<String, Value>) -> Result<Option<Duration>, RequestError> {
    match fields.get("within_ms") {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(within) => Ok(Some(Duration::from_millis(within))),
            None => Err(RequestError(format!(
                "'within_ms' is a number of milliseconds, not {value}"
            ))),
        },
    }
}

/// A device on the bench, as an answer tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceLine {
    /// The hardware's name.
    pub name: String,
    /// Its device's path below `/sys`; none once it is pulled out.
    pub path: Option<String>,
    /// The driver bound to it.
    pub driver: Option<String>,
    /// The nodes of the devices below it, such as `/dev/video0`.
    pub nodes: Vec<String>,
}

/// What does the requests: a bench. The sentences of errors go to the user.
pub trait Commands: Send + Sync {
    /// Plugs hardware in, and gives its name.
    fn plug(&self, device: &str) -> Result<String, String>;
    /// Pulls it out.
    fn unplug(&self, name: &str) -> Result<(), String>;
    /// Binds a driver to it.
    fn bind(&self, name: &str) -> Result<(), String>;
    /// Takes its driver off.
    fn unbind(&self, name: &str) -> Result<(), String>;
    /// Does something to it.
    fn fault(&self, name: &str, fault: &str) -> Result<(), String>;
    /// What is plugged in.
    fn devices(&self) -> Vec<DeviceLine>;
    /// The open files with their holders.
    fn files(&self) -> Vec<crate::Held>;
    /// Waits for an event and gives its line, until cancelled.
    fn wait(
        &self,
        event: &str,
        within: Option<Duration>,
        cancel: &Cancel,
    ) -> Result<String, String>;
    /// How long ago this time of the System's clock was.
    fn age(&self, time: lastfd_sync::Ktime) -> Duration;
}

impl fmt::Debug for dyn Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Commands")
    }
}

/// Does a request. The answer is a line without its end.
fn answer(commands: &dyn Commands, line: &[u8], cancel: &Cancel) -> String {
    let done = Request::parse(line)
        .map_err(|error| error.to_string())
        .and_then(|request| perform(commands, request, cancel));
    match done {
        Ok(value) => json!({"ok": value}).to_string(),
        Err(error) => json!({"error": error}).to_string(),
    }
}

/// Does a request, and gives what is `ok` in its answer.
///
/// # Errors
/// What is its `error`.
pub fn perform(
    commands: &dyn Commands,
    request: Request,
    cancel: &Cancel,
) -> Result<Value, String> {
    Ok(match request {
        Request::Plug { device } => json!({"name": commands.plug(&device)?}),
        Request::Unplug { name } => {
            commands.unplug(&name)?;
            json!({})
        }
        Request::Bind { name } => {
            commands.bind(&name)?;
            json!({})
        }
        Request::Unbind { name } => {
            commands.unbind(&name)?;
            json!({})
        }
        Request::Fault { name, fault } => {
            commands.fault(&name, &fault)?;
            json!({})
        }
        Request::Devices => {
            let device = |line: DeviceLine| {
                json!({
                    "name": line.name,
                    "path": line.path,
                    "driver": line.driver,
                    "nodes": line.nodes,
                })
            };
            Value::Array(commands.devices().into_iter().map(device).collect())
        }
        Request::Files => {
            let file = |held: crate::Held| {
                let age = u64::try_from(commands.age(held.since).as_millis()).unwrap_or(u64::MAX);
                json!({
                    "file": held.file.id,
                    "path": &*held.file.path,
                    "opener": held.opener,
                    "age_ms": age,
                    "last": held.last.as_ref().map(|last| last_call(commands, last)),
                    "held_by": held.by.iter().map(holder).collect::<Vec<_>>(),
                })
            };
            Value::Array(commands.files().into_iter().map(file).collect())
        }
        Request::Wait { event, within } => {
            json!({"event": commands.wait(&event, within, cancel)?})
        }
    })
}

fn last_call(commands: &dyn Commands, last: &crate::LastCall) -> Value {
    let age = u64::try_from(commands.age(last.since).as_millis()).unwrap_or(u64::MAX);
    let state = match last.state {
        crate::CallState::Running => "running".to_owned(),
        crate::CallState::Asleep => "asleep".to_owned(),
        crate::CallState::Over(Ok(value)) => format!("gave {value}"),
        crate::CallState::Over(Err(errno)) => format!("gave {errno}"),
    };
    json!({
        "call": &*last.call,
        "thread": last.caller.map(|(thread, _)| thread),
        "descriptor": last.caller.map(|(_, descriptor)| descriptor),
        "age_ms": age,
        "state": state,
    })
}

fn holder(holder: &crate::Holder) -> Value {
    let mut descriptors = Vec::new();
    let mut mappings = Vec::new();
    for grip in &holder.grips {
        match grip {
            crate::Grip::Descriptor(number) => descriptors.push(*number),
            crate::Grip::Mapping(address) => mappings.push(format!("{address:#x}")),
        }
    }
    json!({
        "pid": holder.pid,
        "command": holder.command,
        "descriptors": descriptors,
        "mappings": mappings,
    })
}
