//! What a session answers.

use core::time::Duration;

use lastfd_report::Ending;
use serde::Serialize;
use serde_json::{Value, json};

use super::request::{BadRequest, Id};

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The line is no request, or its words make no sense.
    BadRequest,
    /// There is no such hardware or program.
    Unknown,
    /// The bench or the machine would not.
    Refused,
    /// What was waited for did not come in time.
    Timeout,
    /// A program did not do what was expected of it.
    Broken,
    /// The program has ended.
    Ended,
    /// The session ends before.
    Over,
}

/// A request that was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    pub(super) kind: Kind,
    /// A sentence for the user.
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn of(kind: Kind, message: impl ToString) -> Refusal {
        Refusal {
            kind,
            message: message.to_string(),
        }
    }
}

/// The line of an answer, without its end.
pub(super) fn line(id: Option<&Id>, answer: Result<Value, Refusal>) -> String {
    #[derive(Serialize)]
    struct Line<'a> {
        id: Option<&'a Id>,
        #[serde(flatten)]
        answer: Answer,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Answer {
        Ok(Value),
        Error(Refusal),
    }
    let answer = answer.map_or_else(Answer::Error, Answer::Ok);
    // Texts, numbers and maps of texts: there is nothing that JSON cannot say.
    serde_json::to_string(&Line { id, answer }).unwrap_or_default()
}

/// The answer to a line that is no request.
pub(super) fn bad(bad: BadRequest) -> String {
    line(
        bad.id.as_ref(),
        Err(Refusal::of(Kind::BadRequest, bad.message)),
    )
}

/// How a program ended.
pub(super) fn ending(ending: &Ending) -> Value {
    let mut value = json!({"ending": ending.to_string()});
    match ending {
        Ending::Exited(status) => value["status"] = (*status).into(),
        Ending::Killed(signal) => value["signal"] = (*signal).into(),
        Ending::Failed(_) => {}
    }
    value
}

/// How long a request waits.
pub(super) fn within(ms: Option<u64>) -> Result<Duration, Refusal> {
    /// Where nothing is said.
    const USUAL: Duration = Duration::from_secs(10);
    const LONGEST: Duration = Duration::from_secs(86_400);
    match ms.map(Duration::from_millis) {
        None => Ok(USUAL),
        Some(time) if time > LONGEST => Err(Refusal::of(
            Kind::BadRequest,
            "'within_ms' is more than a day: write milliseconds, such as 2000",
        )),
        Some(time) => Ok(time),
    }
}
