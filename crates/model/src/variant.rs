//! Linux as it is, or with its known races repaired.

use core::fmt;
use core::str::FromStr;

/// How a framework looks whether a device is there before it calls its driver.
///
/// Linux 6.12 looks in several places without a lock and calls then; what it looked at
/// may be gone by the time of the call. The repaired variant holds what it looked at.
/// Each framework asks in one place: where it looks.
///
/// ```
/// use lastfd_model::{System, Variant};
/// assert_eq!(System::new().variant(), Variant::Linux);
/// assert_eq!("locked".parse(), Ok(Variant::Locked));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Variant {
    /// As Linux: a look, then a call.
    #[default]
    Linux,
    /// The look holds off the removal until the call returned.
    Locked,
}

impl Variant {
    /// Every variant.
    pub const ALL: [Variant; 2] = [Variant::Linux, Variant::Locked];

    /// The name used on command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Variant::Linux => "linux-6.12",
            Variant::Locked => "locked",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text named no variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownVariant(String);

impl fmt::Display for UnknownVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there is no variant '{}'; the variants are linux-6.12 and locked",
            self.0
        )
    }
}

impl std::error::Error for UnknownVariant {}

impl FromStr for Variant {
    type Err = UnknownVariant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Variant::ALL
            .into_iter()
            .find(|variant| variant.name() == text)
            .ok_or_else(|| UnknownVariant(text.to_owned()))
    }
}
