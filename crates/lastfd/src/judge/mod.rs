//! Judging programs: what becomes of one whose device goes.
//!
//! Everything is read off the events, the calls that the supervisor has asleep, and
//! `/proc`; a program cannot tell that it is judged.

#[cfg(feature = "iiod")]
mod busy;
#[cfg(feature = "iiod")]
mod expect;
#[cfg(feature = "iiod")]
mod outcome;
#[cfg(feature = "iiod")]
mod verdict;
#[cfg(feature = "iiod")]
mod watch;
mod witness;

#[cfg(feature = "iiod")]
pub use expect::{Broken, ExpectError, Expectations};
#[cfg(feature = "iiod")]
pub use outcome::{Asleep, Clinging, Crasher, Outcome, Pace};
#[cfg(feature = "iiod")]
pub use verdict::Patience;
#[cfg(feature = "iiod")]
pub use watch::Met;
#[cfg(all(feature = "iiod", feature = "devices"))]
pub(crate) use watch::{Looked, Watch};
pub(crate) use witness::Witness;
