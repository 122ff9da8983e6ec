//! Debug modes, as a kernel's configuration has them.

use core::fmt;
use core::str::FromStr;

/// What a kernel built for debugging does otherwise. All of it is off unless
/// told.
///
/// ```
/// use lastfd_model::{DebugOptions, System, raw::*};
/// use lastfd_sync::Clock;
///
/// let debug = DebugOptions { kobject_release: true, ..DebugOptions::default() };
/// let system = System::builder().clock(Clock::simulated()).debug(debug).build();
/// let root = root_device_register(&system, "board").unwrap();
/// root_device_unregister(&root);
/// assert!(!root.is_released());
/// system.wait_for_releases();
/// assert!(root.is_released());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DebugOptions {
    /// A device is released one to four seconds after its last put, from a
    /// work (`CONFIG_DEBUG_KOBJECT_RELEASE`): who uses it after the put is
    /// caught, and so is who counts on its release. How many seconds depends
    /// on the device's number alone, so that a run can be repeated.
    pub kobject_release: bool,
    /// Each device that a driver binds is unbound once and bound again
    /// (`CONFIG_DEBUG_TEST_DRIVER_REMOVE`), unless the driver has
    /// `suppress_bind_attrs`.
    pub test_driver_remove: bool,
    /// The so-manieth allocation since the System was made fails; 0 is none
    /// (`fail-nth` of `CONFIG_FAULT_INJECTION`). It can be set again with
    /// [`System::fail_nth`](crate::System::fail_nth).
    pub fail_nth: u32,
}

/// Which allocations are to fail, one in each run.
///
/// ```
/// use lastfd_model::FailNth;
/// assert_eq!("all".parse(), Ok(FailNth::All));
/// assert_eq!("3".parse(), Ok(FailNth::Nth(3)));
/// assert!("0".parse::<FailNth>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailNth {
    /// This one, counted from 1.
    Nth(u32),
    /// Each in its turn, until a run makes no more.
    All,
}

/// Text that names no allocations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFailNth(String);

impl fmt::Display for UnknownFailNth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' names no allocation; write a number from 1 on, or all",
            self.0
        )
    }
}

impl core::error::Error for UnknownFailNth {}

impl FromStr for FailNth {
    type Err = UnknownFailNth;

    fn from_str(text: &str) -> Result<FailNth, UnknownFailNth> {
        match text.parse() {
            Ok(nth @ 1..) => Ok(FailNth::Nth(nth)),
            _ if text == "all" => Ok(FailNth::All),
            _ => Err(UnknownFailNth(text.to_owned())),
        }
    }
}

impl FailNth {
    /// The numbers to try, one after the other.
    pub fn numbers(self) -> impl Iterator<Item = u32> {
        let (first, last) = match self {
            FailNth::Nth(nth) => (nth, nth),
            FailNth::All => (1, u32::MAX),
        };
        first..=last
    }
}
