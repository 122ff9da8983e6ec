//! What is expected of a program whose device goes, in words.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use lastfd_report::Ending;

use super::outcome::{Asleep, Clinging, Outcome, Pace};
use crate::when::duration;

/// Calls a second that are too many, unless told.
const SPIN: u64 = 1000;

/// What is expected of a program whose device goes: `ends=2s,closes=2s,no-spin,no-crash`.
///
/// ```
/// let expected: lastfd::Expectations = "ends=2s,no-spin".parse().unwrap();
/// assert_eq!(expected.to_string(), "ends=2s,no-spin");
/// let error = "ends".parse::<lastfd::Expectations>().unwrap_err();
/// assert!(error.to_string().contains("ends=2s"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    /// It ends within this time.
    pub ends: Option<Duration>,
    /// It, and all that it started, closes and unmaps what it has of the device within
    /// this time.
    pub closes: Option<Duration>,
    /// It makes no more calls than this a second on what it has of the device, and does
    /// not keep a processor busy while it has it.
    pub no_spin: Option<u64>,
    /// No signal ends it, nor a process that it started and that uses a device, as far as
    /// that is known: see [`Program::killed`](crate::Program::killed).
    pub no_crash: bool,
}

/// A text that says no expectations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectError {
    /// No such expectation.
    #[error(
        "there is no expectation '{0}': write ends=2s, closes=2s, no-spin, no-spin=500 or no-crash, with commas between them"
    )]
    Unknown(String),
    /// No time, or one that is none.
    #[error("'{0}' has no time: write {1}=2s, or another number with a unit")]
    Time(String, &'static str),
    /// No number of calls.
    #[error(
        "'{0}' has no number: write no-spin, or how many calls a second are too many, such as no-spin=500"
    )]
    Rate(String),
}

impl FromStr for Expectations {
    type Err = ExpectError;

    fn from_str(text: &str) -> Result<Expectations, ExpectError> {
        let mut expected = Expectations::default();
        for part in text.split(',') {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (part, None),
            };
            let time = |name| {
                let time = value.and_then(|value| duration(value).ok());
                time.ok_or_else(|| ExpectError::Time(part.to_owned(), name))
            };
            match (name, value) {
                ("ends", _) => expected.ends = Some(time("ends")?),
                ("closes", _) => expected.closes = Some(time("closes")?),
                ("no-spin", None) => expected.no_spin = Some(SPIN),
                ("no-spin", Some(rate)) => match rate.parse() {
                    Ok(rate) if rate > 0 => expected.no_spin = Some(rate),
                    _ => return Err(ExpectError::Rate(part.to_owned())),
                },
                ("no-crash", None) => expected.no_crash = true,
                _ => return Err(ExpectError::Unknown(part.to_owned())),
            }
        }
        Ok(expected)
    }
}

impl fmt::Display for Expectations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.ends.map(|time| format!("ends={time:?}")));
        parts.extend(self.closes.map(|time| format!("closes={time:?}")));
        parts.extend(self.no_spin.map(|rate| match rate {
            SPIN => "no-spin".to_owned(),
            rate => format!("no-spin={rate}"),
        }));
        parts.extend(self.no_crash.then(|| "no-crash".to_owned()));
        f.write_str(&parts.join(","))
    }
}

/// An expectation that was not met. It prints as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It did not end in time; where it sleeps, if in a call of ours.
    Alive(Asleep),
    /// It did not close in time.
    Open(Clinging),
    /// It made too many calls on a dead descriptor.
    Spun {
        /// How fast.
        pace: Pace,
        /// On what.
        on: Box<Clinging>,
    },
    /// A signal ended it.
    Crashed {
        /// The program.
        program: String,
        /// How, and when the device went.
        outcome: Box<Outcome>,
    },
    /// The device never went, so that there was nothing to be seen.
    NeverGone {
        /// The program.
        program: String,
        /// How it ended, if it did.
        ending: Option<Ending>,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Alive(asleep) => write!(f, "not ended: {asleep}"),
            Broken::Open(clinging) => write!(f, "not closed: {clinging}"),
            Broken::Spun {
                pace: pace @ Pace::Calls(_),
                on,
            } => write!(f, "spins at {pace}: {on}"),
            Broken::Spun { pace, on } => write!(f, "spins, {pace}: {on}"),
            Broken::Crashed { program, outcome } => write!(f, "{program} {outcome}"),
            Broken::NeverGone {
                program,
                ending: Some(ending),
            } => write!(
                f,
                "nothing was seen: {program} came to its end ({ending}) before a device went"
            ),
            Broken::NeverGone {
                program,
                ending: None,
            } => write!(
                f,
                "nothing was seen: {program} runs, and no device went; unplug one, at once or when something has happened"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        for text in [
            "ends=2s,closes=1.5s,no-spin,no-crash",
            "no-spin=500",
            "closes=300ms",
        ] {
            let expected: Expectations = text.parse().unwrap();
            assert_eq!(expected.to_string(), text);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_would_be_right() {
        let said = |text: &str| text.parse::<Expectations>().unwrap_err().to_string();
        for (wrong, names) in [
            ("", "there is no expectation ''"),
            ("end=2s", "there is no expectation 'end=2s'"),
            ("ends", "write ends=2s"),
            ("closes=2", "write closes=2s"),
            ("no-spin=0", "no-spin=500"),
            ("no-spin=x", "no-spin=500"),
            ("no-crash=1", "there is no expectation"),
            ("ends=2s,,no-crash", "there is no expectation ''"),
        ] {
            assert!(said(wrong).contains(names), "{wrong}: {}", said(wrong));
        }
    }
}
