//! What can be done to hardware on a bench, in words: take it away, bring it back, have it
//! do something wrong.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use lastfd_model::Errno;
use lastfd_sync::Arc;

use crate::when::{WhenError, duration, is_ioctl, is_the_ioctl};

/// Something that is done to hardware.
///
/// ```
/// use lastfd::Fault;
///
/// let fault: Fault = "fail:VIDIOC_QBUF:3:EIO".parse().unwrap();
/// assert_eq!(fault.to_string(), "fail:VIDIOC_QBUF:3:EIO");
/// assert_eq!("delay:20ms".parse::<Fault>().unwrap().verb(), "delay");
/// let wrong = "explode".parse::<Fault>().unwrap_err();
/// assert!(wrong.to_string().contains("unplug, unbind, rebind"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The hardware goes.
    Unplug,
    /// Its driver is unbound.
    Unbind,
    /// A driver is bound to it again.
    Rebind,
    /// It loses its hardware while its nodes stay.
    Disconnect,
    /// The next calls of a kind fail before its driver is asked.
    Fail(FailedCall),
    /// Its source of data delays, drops or repeats, its counters wrap, it stops.
    Source(SourceFault),
    /// A key is set, such as what it measures.
    Set {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
}

/// What goes wrong with data: as [`lastfd_devices::SourceFault`].
#[cfg(feature = "devices")]
pub use lastfd_devices::SourceFault;

/// The next calls of a kind that fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedCall {
    /// `open`, `read`, `write`, `pread`, `pwrite`, `mmap`, `ioctl`, `show` or `store`.
    pub call: &'static str,
    /// The ioctl's name or the attribute's; any without.
    pub of: Option<String>,
    /// How many.
    pub times: u32,
    /// With what.
    pub errno: Errno,
}

const CALLS: [&str; 9] = [
    "open", "read", "write", "pread", "pwrite", "mmap", "ioctl", "show", "store",
];

impl FailedCall {
    /// Whether a call of this name in events is one.
    pub fn is(&self, name: &str) -> bool {
        match (self.call, &self.of) {
            ("ioctl", Some(ioctl)) => is_the_ioctl(name, ioctl),
            ("ioctl", None) => name.starts_with("ioctl "),
            ("show" | "store", Some(attribute)) => {
                name.strip_prefix(self.call)
                    .and_then(|rest| rest.strip_prefix(' '))
                    == Some(attribute)
            }
            ("show" | "store", None) => name.split(' ').next() == Some(self.call),
            (call, _) => name == call,
        }
    }
}

/// Words that are no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownFault {
    /// No such verb.
    #[error(
        "nothing that can be done to a device is called '{0}': there are unplug, unbind, rebind, disconnect, fail:CALL[:N[:ERRNO]], delay:TIME, drop[:N], repeat[:N], wrap, stop, start and set:KEY=VALUE"
    )]
    Verb(String),
    /// Something after a verb that takes nothing.
    #[error("'{verb}' takes nothing after it, and '{rest}' is there")]
    TooMuch {
        /// The verb.
        verb: String,
        /// The rest.
        rest: String,
    },
    /// `fail` alone, or with what is no call.
    #[error(
        "'{0}' names no call to fail: write fail:read, fail:open:2, fail:VIDIOC_QBUF:3:EIO, fail:show:name or fail:ioctl; the calls are open, read, write, pread, pwrite, mmap, ioctl or an ioctl's name, show and store"
    )]
    Call(String),
    /// No errno.
    #[error("'{0}' is no error: write its name, such as EIO or ENODEV")]
    Errno(String),
    /// No count.
    #[error("'{0}' is no count: write how many, 1 at least, such as drop:3")]
    Count(String),
    /// No time.
    #[error("delay takes a time, such as delay:20ms: {0}")]
    Time(WhenError),
    /// No key and value.
    #[error("'{0}' sets nothing: write set:KEY=VALUE, such as set:lux=12")]
    Set(String),
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Fault, UnknownFault> {
        let (verb, rest) = match text.split_once(':') {
            Some((verb, rest)) => (verb, Some(rest)),
            None => (text, None),
        };
        let alone = |fault| match rest {
            None => Ok(fault),
            Some(rest) => Err(UnknownFault::TooMuch {
                verb: verb.to_owned(),
                rest: rest.to_owned(),
            }),
        };
        match verb {
            "unplug" => alone(Fault::Unplug),
            "unbind" => alone(Fault::Unbind),
            "rebind" => alone(Fault::Rebind),
            "disconnect" => alone(Fault::Disconnect),
            "wrap" => alone(Fault::Source(SourceFault::Wrap)),
            "stop" => alone(Fault::Source(SourceFault::Stop)),
            "start" => alone(Fault::Source(SourceFault::Start)),
            "drop" => Ok(Fault::Source(SourceFault::Drop(count(rest)?))),
            "repeat" => Ok(Fault::Source(SourceFault::Repeat(count(rest)?))),
            "delay" => {
                let time: Duration =
                    duration(rest.unwrap_or_default()).map_err(UnknownFault::Time)?;
                Ok(Fault::Source(SourceFault::Delay(time)))
            }
            "fail" => failed_call(text, rest).map(Fault::Fail),
            "set" => {
                let pair = rest.and_then(|rest| rest.split_once('='));
                let (key, value) = pair.ok_or_else(|| UnknownFault::Set(text.to_owned()))?;
                Ok(Fault::Set {
                    key: key.to_owned(),
                    value: value.to_owned(),
                })
            }
            _ => Err(UnknownFault::Verb(verb.to_owned())),
        }
    }
}

fn count(text: Option<&str>) -> Result<u32, UnknownFault> {
    let Some(text) = text else { return Ok(1) };
    match text.parse() {
        Ok(count) if count > 0 && !text.starts_with('+') => Ok(count),
        _ => Err(UnknownFault::Count(text.to_owned())),
    }
}

/// `CALL[:OF][:N[:ERRNO]]`.
fn failed_call(text: &str, rest: Option<&str>) -> Result<FailedCall, UnknownFault> {
    let none = || UnknownFault::Call(text.to_owned());
    let mut words = rest.ok_or_else(none)?.split(':').peekable();
    let name = words.next().unwrap_or_default();
    let (call, mut of) = match CALLS.into_iter().find(|call| *call == name) {
        Some(call) => (call, None),
        None if is_ioctl(name) => ("ioctl", Some(name.to_owned())),
        None => return Err(none()),
    };
    let is_object = |word: &&str| !word.bytes().all(|byte| byte.is_ascii_digit());
    if matches!(call, "ioctl" | "show" | "store") && of.is_none() {
        of = words.next_if(is_object).map(str::to_owned);
        if call == "ioctl" && of.as_deref().is_some_and(|ioctl| !is_ioctl(ioctl)) {
            return Err(none());
        }
    }
    let times = count(words.next())?;
    let errno = match words.next() {
        None => Errno::EIO,
        Some(name) => Errno::from_name(name).ok_or_else(|| UnknownFault::Errno(name.to_owned()))?,
    };
    match words.next() {
        None => Ok(FailedCall {
            call,
            of,
            times,
            errno,
        }),
        Some(rest) => Err(UnknownFault::TooMuch {
            verb: text.to_owned(),
            rest: rest.to_owned(),
        }),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = self.verb();
        match self {
            Fault::Source(fault) => fault.fmt(f),
            Fault::Set { key, value } => write!(f, "{verb}:{key}={value}"),
            Fault::Fail(FailedCall {
                call,
                of,
                times,
                errno,
            }) => match (*call, of) {
                ("ioctl", Some(ioctl)) => write!(f, "{verb}:{ioctl}:{times}:{errno}"),
                (call, Some(of)) => write!(f, "{verb}:{call}:{of}:{times}:{errno}"),
                (call, None) => write!(f, "{verb}:{call}:{times}:{errno}"),
            },
            _ => f.write_str(verb),
        }
    }
}

impl Fault {
    /// Its verb.
    pub fn verb(&self) -> &'static str {
        match self {
            Fault::Unplug => "unplug",
            Fault::Unbind => "unbind",
            Fault::Rebind => "rebind",
            Fault::Disconnect => "disconnect",
            Fault::Fail(_) => "fail",
            Fault::Source(fault) => fault.verb(),
            Fault::Set { .. } => "set",
        }
    }
}

/// Why something was not done to hardware.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// It is not of the kind that this can be done to.
    #[error("{name} has no '{verb}': what can be done to it are {verbs}")]
    NotOfKind {
        /// Its name.
        name: Arc<str>,
        /// What was asked for.
        verb: &'static str,
        /// What there is.
        verbs: String,
    },
    /// It is not there any more.
    #[error("{name} was unplugged: there is nothing to {verb}")]
    Unplugged {
        /// Its name.
        name: Arc<str>,
        /// What was asked for.
        verb: &'static str,
    },
    /// The device model, or the kind's key.
    #[error("failed to {fault} {name}: {why}")]
    Failed {
        /// Its name.
        name: Arc<str>,
        /// What was asked for.
        fault: String,
        /// What came of it.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_as_it_is_written() {
        for (text, long) in [
            ("unplug", "unplug"),
            ("unbind", "unbind"),
            ("rebind", "rebind"),
            ("disconnect", "disconnect"),
            ("fail:read", "fail:read:1:EIO"),
            ("fail:open:2", "fail:open:2:EIO"),
            ("fail:QBUF:3:ENOMEM", "fail:QBUF:3:ENOMEM"),
            ("fail:ioctl:VIDIOC_QBUF", "fail:VIDIOC_QBUF:1:EIO"),
            ("fail:ioctl:2:EPERM", "fail:ioctl:2:EPERM"),
            (
                "fail:show:in_voltage0_raw:2",
                "fail:show:in_voltage0_raw:2:EIO",
            ),
            ("fail:store:1:ENODEV", "fail:store:1:ENODEV"),
            ("delay:20ms", "delay:20ms"),
            ("drop", "drop:1"),
            ("repeat:4", "repeat:4"),
            ("wrap", "wrap"),
            ("stop", "stop"),
            ("start", "start"),
            ("set:lux=12", "set:lux=12"),
        ] {
            let fault: Fault = text
                .parse()
                .unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(fault.to_string(), long, "{text}");
            assert_eq!(long.parse::<Fault>().unwrap(), fault, "{text}");
        }
    }

    #[test]
    fn what_is_no_fault_says_what_would_be() {
        for (text, said) in [
            ("", "there are unplug"),
            (
                "explode",
                "nothing that can be done to a device is called 'explode'",
            ),
            ("wrap:2", "'wrap' takes nothing after it, and '2' is there"),
            ("fail", "names no call to fail"),
            ("fail:walk", "names no call to fail"),
            ("fail:ioctl:walk", "names no call to fail"),
            ("fail:read:0", "'0' is no count"),
            ("fail:read:1:EWALK", "'EWALK' is no error"),
            ("fail:read:1:EIO:x", "takes nothing after it"),
            ("drop:many", "'many' is no count"),
            ("delay", "delay takes a time"),
            ("delay:20", "delay takes a time"),
            ("set:lux", "sets nothing"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_failing_call_is_of_its_kind_and_name() {
        let is = |text: &str, name: &str| match text.parse::<Fault>() {
            Ok(Fault::Fail(call)) => call.is(name),
            other => panic!("{other:?}"),
        };
        assert!(is("fail:read", "read") && !is("fail:read", "pread"));
        assert!(is("fail:DQBUF", "ioctl VIDIOC_DQBUF"));
        assert!(!is("fail:DQBUF", "ioctl VIDIOC_QBUF"));
        assert!(is("fail:ioctl", "ioctl 0x1234"));
        assert!(is("fail:show", "show name") && !is("fail:show", "store name"));
        assert!(is("fail:show:name", "show name") && !is("fail:show:name", "show names"));
    }
}
