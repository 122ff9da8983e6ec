//! `NAME@WHEN`: which device is taken away, and when.

use core::str::FromStr;

use lastfd::{When, WhenError};

/// Which device is taken away, and when.
#[derive(Clone, Debug)]
pub(crate) struct RemovalArg {
    pub(crate) name: String,
    pub(crate) when: When,
}

/// The text says no device and time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemovalArgError {
    #[error("'{0}' has no '@': write NAME@WHEN, such as iio-adc@300ms or iio-adc@read:5")]
    NoWhen(String),
    #[error("'{0}' names no device before its '@': write NAME@WHEN, such as iio-adc@300ms")]
    NoName(String),
    #[error(transparent)]
    When(#[from] WhenError),
}

impl FromStr for RemovalArg {
    type Err = RemovalArgError;

    fn from_str(text: &str) -> Result<RemovalArg, RemovalArgError> {
        let Some((name, when)) = text.split_once('@') else {
            return Err(RemovalArgError::NoWhen(text.to_owned()));
        };
        if name.is_empty() {
            return Err(RemovalArgError::NoName(text.to_owned()));
        }
        Ok(RemovalArg {
            name: name.to_owned(),
            when: when.parse()?,
        })
    }
}
