//! Which kernel's behaviour a System follows.

use core::fmt;
use core::str::FromStr;

/// A set of lifetime rules, named for the kernel that has it.
///
/// The sets differ in one thing, and the difference is consulted in one place,
/// `device_del`: before 6.6 the managed resources of a device with no driver
/// bound were released only in the final put.
///
/// ```
/// use lastfd_model::Rules;
/// assert_eq!("linux-pre-6.6".parse(), Ok(Rules::LinuxPre6_6));
/// assert_eq!(Rules::default().to_string(), "linux-6.12");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rules {
    /// Linux 6.12, and every kernel since 6.6.
    #[default]
    Linux6_12,
    /// Kernels before 6.6, without the stable backports.
    LinuxPre6_6,
}

impl Rules {
    /// Every rule set, newest first.
    pub const ALL: [Rules; 2] = [Rules::Linux6_12, Rules::LinuxPre6_6];

    /// The name used on command lines and in file names.
    pub const fn name(self) -> &'static str {
        match self {
            Rules::Linux6_12 => "linux-6.12",
            Rules::LinuxPre6_6 => "linux-pre-6.6",
        }
    }

    /// Whether `device_del` releases the device's managed resources
    /// (commit 699fb50d9903, "drivers: base: Free devm resources when
    /// unregistering a device").
    pub(crate) const fn device_del_releases_devres(self) -> bool {
        matches!(self, Rules::Linux6_12)
    }
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text named no rule set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownRules(String);

impl fmt::Display for UnknownRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there are no rules named '{}'; the rule sets are linux-6.12 and linux-pre-6.6",
            self.0
        )
    }
}

impl std::error::Error for UnknownRules {}

impl FromStr for Rules {
    type Err = UnknownRules;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Rules::ALL
            .into_iter()
            .find(|rules| rules.name() == text)
            .ok_or_else(|| UnknownRules(text.to_owned()))
    }
}
