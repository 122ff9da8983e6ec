//! When something is to be done: at a time, or at an event.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use lastfd_abi::cec::CEC_IOCTLS;
use lastfd_abi::drm::DRM_IOCTLS;
use lastfd_abi::v4l2::V4L2_IOCTLS;
use lastfd_model::EventKind;

use crate::step::Step;

/// When something is to be done to a device.
///
/// ```
/// use lastfd::When;
/// use std::time::Duration;
///
/// assert_eq!("300ms".parse(), Ok(When::At(Duration::from_millis(300))));
/// assert_eq!("read:5".parse::<When>().unwrap().to_string(), "read:5");
/// let error = "raed:5".parse::<When>().unwrap_err();
/// assert!(error.to_string().contains("there is no event 'raed'"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// This long after the start.
    At(Duration),
    /// When this has happened this often; counted from 1.
    On {
        /// What has to happen.
        trigger: Trigger,
        /// How often.
        count: u32,
    },
}

/// Something that a user of a device does or meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A node, or a file made from one, was opened.
    Open,
    /// An open file was closed for the last time.
    Close,
    /// A call came back without an error: `read`, `write`, `poll`, ….
    Call(&'static str),
    /// An ioctl succeeded; this one, or any.
    Ioctl(Option<String>),
    /// A call went to sleep, by its name or that of its ioctl.
    Blocked(String),
    /// An attribute was read; this one (`in_voltage0_raw`), or any.
    Show(Option<String>),
    /// An attribute was written.
    Store(Option<String>),
    /// A program is about to do this: it is stopped until what hangs on it is done.
    Before(Step),
    /// It has done it, whatever came of it.
    After(Step),
    /// A buffer was enabled.
    BufferEnable,
    /// A buffer was disabled.
    BufferDisable,
}

/// A text that says no time and no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhenError {
    /// There is nothing.
    #[error("a time or an event is missing: write a time such as 300ms, or one of {EVENTS}")]
    Missing,
    /// A number that is no time.
    #[error("'{0}' is no time: write a number with a unit, such as 300ms, 1.5s, 20us or 100ns")]
    Time(String),
    /// No such event.
    #[error("there is no event '{0}': write a time such as 300ms, or one of {EVENTS}")]
    Event(String),
    /// A part too many, or one that is no count.
    #[error("'{part}' is no count in '{text}': counts are whole numbers from 1, as in {example}")]
    Count {
        /// The whole text.
        text: String,
        /// What was found where a count belongs.
        part: String,
        /// How it would be right.
        example: &'static str,
    },
    /// `blocked` alone.
    #[error(
        "'{0}' does not say which call: write blocked:read or blocked:poll, or an ioctl's name"
    )]
    Call(String),
    /// No call of this name.
    #[error(
        "there is no call '{0}' that could sleep: the calls are read, write, poll, select, pread and pwrite, or an ioctl such as VIDIOC_DQBUF"
    )]
    UnknownCall(String),
    /// `before` or `after` alone, or with what is no operation.
    #[error(
        "'{0}' names no operation: write before: or after: and open, read, write, pread, pwrite, poll, select, mmap, ioctl or ioctl:NAME, or after:close"
    )]
    Step(String),
    /// A close is seen when it has happened.
    #[error(
        "'{0}' cannot be: a close is the kernel's own and is seen when it has happened; write after:close, or after: and what comes before it"
    )]
    BeforeClose(String),
    /// No ioctl of this name.
    #[error(
        "'{0}' is no ioctl: write its name, such as IIO_GET_EVENT_FD_IOCTL, or its number, such as 0x80046990"
    )]
    UnknownIoctl(String),
}

/// What an event may be called, as errors and help list it.
pub const EVENTS: &str = "open, close, read, write, poll, pread, pwrite, ioctl, ioctl:NAME, \
                          blocked:CALL, before:CALL, after:CALL, show:ATTRIBUTE, store:ATTRIBUTE, buffer-enable, \
                          buffer-disable and streamon, each with a count where wanted, such as read:5";

/// Calls by name. Each is the name its events carry.
pub(crate) const CALLS: [&str; 7] = ["read", "write", "poll", "select", "mmap", "pread", "pwrite"];

/// What `streamon` is short for.
const STREAMON: &str = "VIDIOC_STREAMON";

/// Ioctls of IIO by name (include/uapi/linux/iio/{events,buffer}.h). An event carries the
/// name if its driver knows it, otherwise the number.
const IIO_IOCTLS: [(&str, u32); 2] = [
    ("IIO_GET_EVENT_FD_IOCTL", 0x8004_6990),
    ("IIO_BUFFER_GET_FD_IOCTL", 0xc004_6991),
];

/// What need not be written of a name.
const BEGINNINGS: [&str; 5] = ["IIO_", "VIDIOC_", "DRM_IOCTL_", "CEC_ADAP_", "CEC_"];

/// Every ioctl that has a name.
fn ioctls() -> impl Iterator<Item = (&'static str, u32)> {
    let others = [V4L2_IOCTLS, DRM_IOCTLS, CEC_IOCTLS].into_iter().flatten();
    IIO_IOCTLS
        .into_iter()
        .chain(others.map(|known| (known.name, known.cmd)))
}

const UNITS: [(&str, f64); 5] = [
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
];

/// Times beyond a day are a slip.
const LONGEST: Duration = Duration::from_secs(86_400);

impl FromStr for When {
    type Err = WhenError;

    fn from_str(text: &str) -> Result<When, WhenError> {
        match text.chars().next() {
            None => return Err(WhenError::Missing),
            Some(c) if c.is_ascii_digit() || "+-.".contains(c) => {
                return duration(text).map(When::At);
            }
            Some(_) => {}
        }
        let (name, rest) = match text.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (text, None),
        };
        let plain = |trigger, example| {
            let count = count(text, rest, example)?;
            Ok(When::On { trigger, count })
        };
        match name {
            "open" => plain(Trigger::Open, "open:2"),
            "close" => plain(Trigger::Close, "close:2"),
            "buffer-enable" => plain(Trigger::BufferEnable, "buffer-enable:2"),
            "buffer-disable" => plain(Trigger::BufferDisable, "buffer-disable:2"),
            "streamon" => plain(Trigger::Ioctl(Some(STREAMON.to_owned())), "streamon:2"),
            "ioctl" => {
                let (ioctl, rest) = object(rest);
                if let Some(ioctl) = &ioctl
                    && !is_ioctl(ioctl)
                {
                    return Err(WhenError::UnknownIoctl(ioctl.clone()));
                }
                let count = count(text, rest, "ioctl:2 or ioctl:NAME:2")?;
                let trigger = Trigger::Ioctl(ioctl);
                Ok(When::On { trigger, count })
            }
            "blocked" => {
                let (Some(call), rest) = object(rest) else {
                    return Err(WhenError::Call(text.to_owned()));
                };
                if !CALLS.contains(&&*call) && !is_ioctl(&call) {
                    return Err(WhenError::UnknownCall(call));
                }
                let count = count(text, rest, "blocked:read:2")?;
                let trigger = Trigger::Blocked(call);
                Ok(When::On { trigger, count })
            }
            "before" | "after" => {
                let (step, count) = step(text, rest)?;
                let trigger = match (name, step) {
                    ("before", Step::Close) => {
                        return Err(WhenError::BeforeClose(text.to_owned()));
                    }
                    ("before", step) => Trigger::Before(step),
                    (_, step) => Trigger::After(step),
                };
                Ok(When::On { trigger, count })
            }
            "show" | "store" => {
                let (attribute, rest) = object(rest);
                let count = count(text, rest, "store:buffer/enable:2")?;
                let trigger = match name {
                    "show" => Trigger::Show(attribute),
                    _ => Trigger::Store(attribute),
                };
                Ok(When::On { trigger, count })
            }
            _ => match CALLS.into_iter().find(|call| *call == name) {
                Some(call) => plain(Trigger::Call(call), "read:5"),
                None => Err(WhenError::Event(name.to_owned())),
            },
        }
    }
}

/// What `before:` and `after:` are about, and how often.
fn step(text: &str, rest: Option<&str>) -> Result<(Step, u32), WhenError> {
    let (Some(call), rest) = object(rest) else {
        return Err(WhenError::Step(text.to_owned()));
    };
    let (step, rest) = match &*call {
        "open" => (Step::Open, rest),
        "close" => (Step::Close, rest),
        "ioctl" => {
            let (ioctl, rest) = object(rest);
            if let Some(ioctl) = &ioctl
                && !is_ioctl(ioctl)
            {
                return Err(WhenError::UnknownIoctl(ioctl.clone()));
            }
            (Step::Ioctl(ioctl), rest)
        }
        call => match CALLS.into_iter().find(|known| *known == call) {
            Some(call) => (Step::Call(call), rest),
            None => return Err(WhenError::Step(text.to_owned())),
        },
    };
    Ok((step, count(text, rest, "before:ioctl:NAME:2")?))
}

/// A time with its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, WhenError> {
    let fault = || WhenError::Time(text.to_owned());
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or_else(fault)?;
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| fault())?;
    let known = UNITS.into_iter().find(|(name, _)| *name == unit);
    let (_, seconds) = known.ok_or_else(fault)?;
    let time = Duration::try_from_secs_f64(number * seconds).map_err(|_| fault())?;
    if time > LONGEST {
        return Err(fault());
    }
    Ok(time)
}

/// What stands before the count, unless the count is all there is.
fn object(rest: Option<&str>) -> (Option<String>, Option<&str>) {
    let Some(rest) = rest else {
        return (None, None);
    };
    let (first, after) = match rest.split_once(':') {
        Some((first, after)) => (first, Some(after)),
        None => (rest, None),
    };
    let is_count = !first.is_empty() && first.bytes().all(|b| b.is_ascii_digit());
    if is_count || first.is_empty() {
        (None, Some(rest))
    } else {
        (Some(first.to_owned()), after)
    }
}

fn count(text: &str, rest: Option<&str>, example: &'static str) -> Result<u32, WhenError> {
    let Some(part) = rest else {
        return Ok(1);
    };
    match part.parse() {
        Ok(count) if count > 0 && !part.starts_with('+') => Ok(count),
        _ => Err(WhenError::Count {
            text: text.to_owned(),
            part: part.to_owned(),
            example,
        }),
    }
}

/// A name of [`ioctls`], with or without what it begins with (`DQBUF`), or a number.
pub(crate) fn is_ioctl(text: &str) -> bool {
    ioctl_number(text).is_some()
}

fn ioctl_number(text: &str) -> Option<u32> {
    if let Some(number) = text.strip_prefix("0x") {
        return u32::from_str_radix(number, 16).ok();
    }
    let is_it = |name: &str| {
        let short = |begin: &str| name.strip_prefix(begin) == Some(text);
        name == text || BEGINNINGS.iter().any(|begin| short(begin))
    };
    let known = ioctls().find(|(name, _)| is_it(name));
    known.map(|(_, number)| number)
}

/// Whether an event's operation is this ioctl.
pub(crate) fn is_the_ioctl(op: &str, wanted: &str) -> bool {
    let Some(op) = op.strip_prefix("ioctl ") else {
        return false;
    };
    op == wanted || ioctl_number(op).is_some_and(|number| ioctl_number(wanted) == Some(number))
}

impl Trigger {
    /// Whether this event is it.
    pub fn matches(&self, event: &EventKind) -> bool {
        use EventKind::*;
        let named = |wanted: &Option<String>, attribute: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == attribute)
        };
        match (self, event) {
            (Trigger::Open, FileOpened { .. }) | (Trigger::Close, FileClosed { .. }) => true,
            (Trigger::Call(call), OperationEnd { op, result, .. }) => {
                result.is_ok() && **op == **call
            }
            (Trigger::Ioctl(wanted), OperationEnd { op, result, .. }) => {
                result.is_ok()
                    && op.starts_with("ioctl ")
                    && wanted
                        .as_ref()
                        .is_none_or(|wanted| is_the_ioctl(op, wanted))
            }
            (Trigger::Before(step), begin) => {
                Step::begun_by(begin).is_some_and(|made| step.covers(&made))
            }
            (Trigger::After(step), end) => {
                Step::ended_by(end).is_some_and(|made| step.covers(&made))
            }
            (Trigger::Blocked(call), Blocked { op, .. }) => {
                **op == **call || is_the_ioctl(op, call)
            }
            (Trigger::Show(wanted), AttributeShown { attribute, .. })
            | (Trigger::Store(wanted), AttributeStored { attribute, .. }) => {
                named(wanted, attribute)
            }
            #[cfg(feature = "iio")]
            (Trigger::BufferEnable | Trigger::BufferDisable, Framework(event)) => {
                use lastfd_iio::{IioEvent, IioEventKind};
                match event.as_any().downcast_ref::<IioEvent>() {
                    Some(event) => match event.kind {
                        IioEventKind::BufferEnabled { .. } => *self == Trigger::BufferEnable,
                        IioEventKind::BufferDisabled { .. } => *self == Trigger::BufferDisable,
                        _ => false,
                    },
                    None => false,
                }
            }
            _ => false,
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, object) = match self {
            Trigger::Before(step) => return write!(f, "before:{step}"),
            Trigger::After(step) => return write!(f, "after:{step}"),
            Trigger::Open => ("open", None),
            Trigger::Close => ("close", None),
            Trigger::Call(call) => (*call, None),
            Trigger::Ioctl(ioctl) => ("ioctl", ioctl.as_ref()),
            Trigger::Blocked(call) => ("blocked", Some(call)),
            Trigger::Show(attribute) => ("show", attribute.as_ref()),
            Trigger::Store(attribute) => ("store", attribute.as_ref()),
            Trigger::BufferEnable => ("buffer-enable", None),
            Trigger::BufferDisable => ("buffer-disable", None),
        };
        match object {
            Some(object) => write!(f, "{name}:{object}"),
            None => f.write_str(name),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            When::At(time) => write!(f, "{time:?}"),
            When::On { trigger, count } => write!(f, "{trigger}:{count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use lastfd_model::{Errno, FileRef};

    use super::*;

    fn on(trigger: Trigger, count: u32) -> Result<When, WhenError> {
        Ok(When::On { trigger, count })
    }

    #[test]
    fn times_have_a_unit() {
        let parsed = |text: &str| text.parse::<When>();
        assert_eq!(parsed("2s"), Ok(When::At(Duration::from_secs(2))));
        assert_eq!(parsed("1.5ms"), Ok(When::At(Duration::from_micros(1500))));
        assert_eq!(parsed("20us"), Ok(When::At(Duration::from_micros(20))));
        for wrong in [
            "300",
            "3 ms",
            "-1s",
            "1h",
            "1e9s",
            "1..5s",
            ".",
            "99999999s",
        ] {
            assert_eq!(parsed(wrong), Err(WhenError::Time(wrong.into())), "{wrong}");
        }
    }

    #[test]
    fn events_have_an_object_and_a_count_where_they_make_sense() {
        let parsed = |text: &str| text.parse::<When>();
        assert_eq!(parsed("open"), on(Trigger::Open, 1));
        assert_eq!(parsed("poll:2"), on(Trigger::Call("poll"), 2));
        assert_eq!(parsed("ioctl:3"), on(Trigger::Ioctl(None), 3));
        let ioctl = Trigger::Ioctl(Some("VIDIOC_DQBUF".into()));
        assert_eq!(parsed("ioctl:VIDIOC_DQBUF:3"), on(ioctl, 3));
        let blocked = Trigger::Blocked("read".into());
        assert_eq!(parsed("blocked:read"), on(blocked, 1));
        let store = Trigger::Store(Some("buffer/enable".into()));
        assert_eq!(parsed("store:buffer/enable:2"), on(store, 2));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_would_be_right() {
        let said = |text: &str| text.parse::<When>().unwrap_err().to_string();
        for (wrong, names) in [
            ("", "is missing"),
            ("raed", "there is no event 'raed'"),
            ("read:0", "'0' is no count in 'read:0'"),
            ("read:x", "'x' is no count"),
            ("read:1:2", "'1:2' is no count"),
            ("read:", "'' is no count"),
            ("blocked", "which call"),
            ("blocked:2", "which call"),
            ("blocked:walk", "there is no call 'walk'"),
            ("before", "names no operation"),
            ("after:2", "names no operation"),
            ("before:walk", "names no operation"),
            ("before:show:name", "names no operation"),
            ("before:close", "cannot be"),
            ("after:ioctl:nothing", "'nothing' is no ioctl"),
            ("after:read:0", "'0' is no count"),
            ("ioctl:nothing", "'nothing' is no ioctl"),
            ("ioctl:IIO_GET_EVNT_FD_IOCTL", "is no ioctl"),
            ("ioctl:0xzz", "'0xzz' is no ioctl"),
            ("open:99999999999", "is no count"),
        ] {
            assert!(said(wrong).contains(names), "{wrong}: {}", said(wrong));
        }
    }

    #[test]
    fn an_ioctl_is_found_by_name_and_by_number() {
        let end = |op: &str, result| EventKind::OperationEnd {
            file: FileRef {
                id: 1,
                path: "/dev/x".into(),
            },
            op: op.into(),
            result,
        };
        let named: When = "ioctl:IIO_GET_EVENT_FD_IOCTL".parse().unwrap();
        let When::On { trigger, .. } = named else {
            unreachable!("an event");
        };
        assert!(trigger.matches(&end("ioctl 0x80046990", Ok(0))));
        assert!(trigger.matches(&end("ioctl IIO_GET_EVENT_FD_IOCTL", Ok(0))));
        assert!(!trigger.matches(&end("ioctl 0x80046991", Ok(0))));
        assert!(!trigger.matches(&end("ioctl 0x80046990", Err(Errno::ENODEV))));
        assert_eq!(ioctl_number("DQBUF"), Some(0xc058_5611));
        assert_eq!(ioctl_number("GET_CAP"), Some(0xc010_640c));
        assert_eq!(ioctl_number("G_CAPS"), Some(0xc04c_6100));
        assert_eq!(ioctl_number("BUF"), None);
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in [
            "open:1",
            "ioctl:VIDIOC_QBUF:2",
            "blocked:poll:3",
            "before:open:1",
            "before:ioctl:VIDIOC_DQBUF:3",
            "before:ioctl:0x80046990:2",
            "after:mmap:4",
            "after:close:1",
            "show:1",
            "300ms",
        ] {
            let when: When = text.parse().unwrap();
            assert_eq!(when.to_string(), text);
            assert_eq!(when.to_string().parse(), Ok(when));
        }
    }
}
