//! Asking for a device in words: `KIND[:key=value,...]`.

use core::fmt;
use core::str::FromStr;

use lastfd_model::{Result as KernelResult, System};
use thiserror::Error;

use crate::kind::{KINDS, Key, Kind, Settings};
use crate::plug::{Hardware, Plugged};

/// A device asked for in words.
///
/// ```
/// use lastfd_devices::Spec;
/// let spec: Spec = "iio-adc:rate=100,overrun=drop".parse().unwrap();
/// assert_eq!(spec.kind().name, "iio-adc");
/// assert_eq!(spec.settings().get("overrun"), Some("drop"));
///
/// let wrong = "iio-adc:speed=100".parse::<Spec>().unwrap_err();
/// assert_eq!(wrong.to_string(), "iio-adc has no key `speed`; its keys are rate, name, overrun");
/// ```
#[derive(Clone, Debug)]
pub struct Spec {
    kind: &'static Kind,
    settings: Settings,
}

/// Why the words make no device. Each says what is wrong and what would be right.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpecError {
    /// There is no such kind.
    #[error("there is no kind of device called `{found}`; the kinds are {kinds}")]
    UnknownKind {
        /// What was asked for.
        found: String,
        /// What there is.
        kinds: String,
    },
    /// The kind has no such key.
    #[error("{kind} has no key `{found}`; its keys are {keys}")]
    UnknownKey {
        /// The kind.
        kind: &'static str,
        /// What was set.
        found: String,
        /// What there is.
        keys: String,
    },
    /// A key without a value.
    #[error("{kind}: `{found}` sets nothing; write it as {form}")]
    NoValue {
        /// The kind.
        kind: &'static str,
        /// What was written.
        found: String,
        /// How it is written.
        form: String,
    },
    /// A key that is set twice.
    #[error("{kind}: `{key}` is set twice; once is enough")]
    SetTwice {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A key that was set on hardware that is plugged in, and cannot be.
    #[error("{kind}: `{key}` is set when it is plugged in; what can be set later: {keys}")]
    SetLater {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
        /// What can be.
        keys: String,
    },
    /// A value the key does not take.
    #[error("{kind}: `{key}={found}` will not do; {key} is {expected}")]
    BadValue {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: &'static str,
        /// What it was set to.
        found: String,
        /// What it takes.
        expected: &'static str,
    },
}

pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn form(key: &Key) -> String {
    format!("{}={}", key.name, key.value)
}

impl Spec {
    /// The kind asked for.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// What was set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The hardware asked for.
    pub fn hardware(&self) -> Result<Box<dyn Hardware>, SpecError> {
        (self.kind.build)(&self.settings).map_err(|bad| SpecError::BadValue {
            kind: self.kind.name,
            key: bad.key,
            found: self.settings.get(bad.key).unwrap_or_default().to_owned(),
            expected: bad.expected,
        })
    }

    /// Plugs it in; see [`plug()`](crate::plug()).
    #[track_caller]
    pub fn plug(&self, system: &System) -> KernelResult<Plugged> {
        // What was parsed was built once already.
        let hardware = self.hardware().map_err(|_| lastfd_model::Errno::EINVAL)?;
        crate::plug(system, &*hardware)
    }
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(words: &str) -> Result<Spec, SpecError> {
        let (name, rest) = match words.split_once(':') {
            Some((name, rest)) => (name, Some(rest)),
            None => (words, None),
        };
        let kind = Kind::find(name).ok_or_else(|| SpecError::UnknownKind {
            found: name.to_owned(),
            kinds: list(KINDS.iter().map(|kind| kind.name)),
        })?;
        let mut settings = Settings::default();
        for setting in rest.into_iter().flat_map(|rest| rest.split(',')) {
            let (name, value) = match setting.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (setting, None),
            };
            let known = kind.keys.iter().find(|key| key.name == name);
            let (key, value) = match (known, value) {
                (Some(key), Some(value)) => (key, value),
                (None, Some(_)) => {
                    return Err(SpecError::UnknownKey {
                        kind: kind.name,
                        found: name.to_owned(),
                        keys: list(kind.keys.iter().map(|key| key.name)),
                    });
                }
                (known, None) => {
                    return Err(SpecError::NoValue {
                        kind: kind.name,
                        found: setting.to_owned(),
                        form: match known {
                            Some(key) => form(key),
                            None => kind.keys.iter().map(form).collect::<Vec<_>>().join(" or "),
                        },
                    });
                }
            };
            if settings.get(key.name).is_some() {
                return Err(SpecError::SetTwice {
                    kind: kind.name,
                    key: key.name,
                });
            }
            settings.set(key.name, value);
        }
        let spec = Spec { kind, settings };
        spec.hardware()?;
        Ok(spec)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name)?;
        let set = self.kind.keys.iter().filter_map(|key| {
            let value = self.settings.get(key.name)?;
            Some((key.name, value))
        });
        for (position, (key, value)) in set.enumerate() {
            let mark = if position == 0 { ':' } else { ',' };
            write!(f, "{mark}{key}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_words_are_understood() {
        for words in [
            "iio-adc",
            "iio-adc:rate=100",
            "iio-adc:rate=10000,name=probe,overrun=drop",
            "iio-dac:label=left",
        ] {
            assert_eq!(words.parse::<Spec>().unwrap().to_string(), words);
        }
    }

    #[test]
    fn each_mistake_is_named_with_what_would_be_right() {
        let table = [
            (
                "",
                "there is no kind of device called ``; the kinds are iio-adc, iio-dac, accel, light, proximity, bu27034, display, cec, camera, gremlin",
            ),
            (
                "iio-adx:rate=1",
                "there is no kind of device called `iio-adx`; the kinds are iio-adc, iio-dac, accel, light, proximity, bu27034, display, cec, camera, gremlin",
            ),
            (
                "iio-dac:rate=1",
                "iio-dac has no key `rate`; its keys are name, label",
            ),
            (
                "iio-adc:rate",
                "iio-adc: `rate` sets nothing; write it as rate=HZ",
            ),
            (
                "iio-adc:",
                "iio-adc: `` sets nothing; write it as rate=HZ or name=TEXT or overrun=WHAT",
            ),
            (
                "iio-adc:rate=100,rate=100",
                "iio-adc: `rate` is set twice; once is enough",
            ),
            (
                "iio-adc:rate=5",
                "iio-adc: `rate=5` will not do; rate is 100, 1000 or 10000",
            ),
            (
                "iio-adc:overrun=maybe",
                "iio-adc: `overrun=maybe` will not do; overrun is hold or drop",
            ),
            (
                "iio-adc:name=",
                "iio-adc: `name=` will not do; name is a name without blanks or newlines",
            ),
        ];
        for (words, message) in table {
            let error = words.parse::<Spec>().unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn every_default_is_a_value_that_is_taken() {
        for kind in KINDS {
            for key in kind.keys {
                let words = format!("{}:{}={}", kind.name, key.name, key.default);
                words.parse::<Spec>().unwrap();
            }
        }
    }
}
