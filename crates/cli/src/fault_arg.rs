//! `NAME:FAULT@WHEN`: what is done to which device, and when.

use core::str::FromStr;

use lastfd::{Fault, UnknownFault, When, WhenError};

/// What is done to which device, and when.
#[derive(Clone, Debug)]
pub(crate) struct FaultArg {
    pub(crate) name: String,
    pub(crate) fault: Fault,
    pub(crate) when: When,
}

/// The text says no device, fault and time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FaultArgError {
    #[error("'{0}' has no '@': write NAME:FAULT@WHEN, such as camera:drop:3@streamon")]
    NoWhen(String),
    #[error(
        "'{0}' names no device and fault before its '@': write NAME:FAULT@WHEN, such as camera:drop:3@streamon"
    )]
    NoFault(String),
    #[error(transparent)]
    Fault(#[from] UnknownFault),
    #[error(transparent)]
    When(#[from] WhenError),
}

impl FromStr for FaultArg {
    type Err = FaultArgError;

    fn from_str(text: &str) -> Result<FaultArg, FaultArgError> {
        // What is set may have an @; a time has none.
        let Some((what, when)) = text.rsplit_once('@') else {
            return Err(FaultArgError::NoWhen(text.to_owned()));
        };
        let Some((name, fault)) = what.split_once(':').filter(|(name, _)| !name.is_empty()) else {
            return Err(FaultArgError::NoFault(text.to_owned()));
        };
        Ok(FaultArg {
            name: name.to_owned(),
            fault: fault.parse()?,
            when: when.parse()?,
        })
    }
}
