//! What a session can be asked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The number or word by which an answer is known to be of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// A number.
    Number(u64),
    /// Any text.
    Text(String),
}

/// A line that a session is sent: `{"id":1,"do":"plug","device":"camera"}`.
///
/// ```
/// use lastfd::session::{Ask, Id, Request};
///
/// let request = Request::parse(br#"{"id":1,"do":"unplug","name":"camera"}"#).unwrap();
/// let ask = Ask::Unplug { name: "camera".into(), when: None };
/// assert_eq!(request, Request { id: Id::Number(1), ask });
/// let error = Request::parse(br#"{"id":2,"do":"unplug"}"#).unwrap_err();
/// assert_eq!(error.message, "'unplug': missing field `name`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What its answer has, too.
    pub id: Id,
    /// What is asked.
    pub ask: Ask,
}

/// What a session can be asked. Texts are in the words of the command line; times are in
/// milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Ask {
    /// Plugs ready-made hardware in.
    Plug {
        /// `KIND[:KEY=VALUE,...]`.
        device: String,
    },
    /// Pulls hardware out.
    Unplug {
        /// Its name.
        name: String,
        /// When; at once without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<String>,
    },
    /// Has a driver bind to hardware that has none.
    Bind {
        /// Its name.
        name: String,
    },
    /// Takes its driver off hardware, which stays.
    Unbind {
        /// Its name.
        name: String,
        /// When; at once without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<String>,
    },
    /// Has hardware do something wrong, or sets what it measures.
    Fault {
        /// Its name.
        name: String,
        /// What: `drop:3`, `set:lux=12`.
        fault: String,
        /// When; at once without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        when: Option<String>,
    },
    /// What is plugged in, or was.
    Devices {},
    /// The open files, and who holds them.
    Files {},
    /// Waits for an event; those since the session began count.
    Wait {
        /// The event, with a count where wanted.
        event: String,
        /// Only of the hardware with this name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// How long at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_ms: Option<u64>,
    },
    /// The address of the session's iiod.
    Iiod {},
    /// Starts a program.
    Spawn(Box<Spawn>),
    /// The programs that were started.
    Programs {},
    /// Waits for a program's end.
    WaitProgram {
        /// Its number.
        program: u64,
        /// How long at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_ms: Option<u64>,
    },
    /// Sends a signal to a program.
    Signal {
        /// Its number.
        program: u64,
        /// The signal.
        signal: SignalName,
    },
    /// Kills a program and all that it started, and waits until they are gone.
    Kill {
        /// Its number.
        program: u64,
    },
    /// Waits until it is clear whether a program does what is expected of it once a device
    /// went.
    Expect {
        /// Its number.
        program: u64,
        /// `ends=2s,closes=2s,no-spin,no-crash`.
        expected: String,
        /// How long it is waited for one that runs on; longer for times that are expected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within_ms: Option<u64>,
    },
    /// Ends the session, and gives its report.
    Finish {
        /// A file for it: `.json` has all events, `.svg` is a picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<PathBuf>,
        /// Whether the answer has all events, too.
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        events: bool,
    },
}

/// A program that is to be started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spawn {
    /// Its name or path, and its arguments; in these `{uri}` is the iiod's address.
    pub argv: Vec<String>,
    /// Variables that are set, or taken out where there is `null`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Option<String>>,
    /// The directory it begins in; the session's own without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// What it reads; nothing without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<PathBuf>,
    /// What its output is added to; the session's errors without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<PathBuf>,
    /// What its errors are added to; the session's errors without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<PathBuf>,
    /// It sees no nodes, and reaches IIO devices through the iiod alone.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub iiod_only: bool,
}

/// A signal, by its number or its name with or without `SIG`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SignalName {
    /// Such as 15.
    Number(i32),
    /// Such as `TERM`.
    Name(String),
}

/// A line that is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadRequest {
    /// The id that it has all the same.
    pub id: Option<Id>,
    /// What is wrong with it, as a sentence.
    pub message: String,
}

impl Request {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Request, BadRequest> {
        let bad = |id, message| Err(BadRequest { id, message });
        let mut fields = match serde_json::from_slice(line) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => {
                let message = "a request is a JSON object: {\"id\":1,\"do\":\"devices\"}";
                return bad(None, message.to_owned());
            }
            Err(error) => return bad(None, format!("a request is a line of JSON: {error}")),
        };
        let id = match fields.remove("id") {
            None => {
                return bad(
                    None,
                    "the request has no 'id', a number or a text".to_owned(),
                );
            }
            Some(id) => id,
        };
        let Ok(id) = serde_json::from_value::<Id>(id.clone()) else {
            return bad(
                None,
                format!("'id' is a number from 0 on or a text, not {id}"),
            );
        };
        let verb = match fields.get("do") {
            Some(Value::String(verb)) => verb.clone(),
            Some(other) => return bad(Some(id), format!("'do' is a text, not {other}")),
            None => {
                let message = "the request has no 'do', which says what is asked";
                return bad(Some(id), message.to_owned());
            }
        };
        match serde_json::from_value(Value::Object(fields)) {
            Ok(ask) => Ok(Request { id, ask }),
            Err(error) => bad(Some(id), format!("'{verb}': {error}")),
        }
    }

    /// The line, without its end.
    pub fn to_line(&self) -> String {
        // Of texts, numbers and maps of texts there is nothing that JSON cannot say, but
        // for a path that is no text, which no line has.
        let (id, ask) = (
            serde_json::to_value(&self.id),
            serde_json::to_value(&self.ask),
        );
        let mut value = ask.unwrap_or_default();
        value["id"] = id.unwrap_or_default();
        value.to_string()
    }
}
