//! KUnit: suites and cases, what a case manages, devices for tests, KTAP.
//!
//! Depends on `lastfd-sync` and `lastfd-model`. It follows `lib/kunit` and
//! `include/kunit` of Linux 6.12 and promises their order and their output.
//!
//! A case is a function. [`kunit_suite!`] makes a suite of some, and, for
//! `cargo test` and nextest, a test of each:
//!
//! ```
//! use lastfd_kunit::{Test, kunit_assert_not_err_or_null, kunit_expect_eq, kunit_suite, raw::*};
//! use lastfd_model::raw::*;
//!
//! fn a_device_is_bound(test: &Test) {
//!     let device = kunit_assert_not_err_or_null!(test, kunit_device_register(test, "dev"));
//!     kunit_expect_eq!(test, kref_read(&device), 3);
//! }
//!
//! kunit_suite! {
//!     /// Devices of the kunit bus.
//!     pub suite kunit_device = "kunit-device" {
//!         a_device_is_bound,
//!     }
//! }
//! # assert!(lastfd_kunit::Runner::new().run_quietly(&[kunit_device()]).is_success());
//! ```
//!
//! # How a case runs
//!
//! Each suite has a [`System`](lastfd_model::System) of its own, with simulated
//! time unless it says otherwise. For each case, and each of its parameters, the
//! suite's init and the body run on one thread; then, whatever became of them,
//! the suite's exit runs on a second one, and what the case manages is freed,
//! latest first. The differences from the kernel:
//!
//! - A case that is ended by an assertion or a skip is unwound, so its locals
//!   are dropped before exit and cleanup. In a kernel they never are.
//! - A case fails if it leaves something behind that it took: a reference, a
//!   device, a driver, an open file, a thread of [`Test::spawn`]. The log names
//!   it, with the place that took it.
//! - A case fails if the kernel would have printed a warning, unless the case
//!   [takes](Test::take_splats) it.
//! - What a kernel's log would say beside, such as that a name exists, is told of a
//!   case that failed.
//! - A case fails if a driver broke a lifetime rule, whether or not anything came of
//!   it: the [sanitizer](lastfd_sanitizer) watches, unless the [`Runner`] is told
//!   otherwise, or the case [takes](Test::take_findings) what it found.
//! - A helper that fails leaves nothing behind: `kunit_driver_create` and
//!   `kunit_device_register` look at what adding their cleanup gives, which a
//!   kernel does not.
//! - A case that takes too long fails; every wait of its System is cancelled
//!   then, its cleanup runs, and the System is set aside with the thread, should
//!   that still not end. The next cases have another System, in which the
//!   suite's init runs again; so they have after a case that left something
//!   behind or that a kernel would have warned of.
#![forbid(unsafe_code)]

mod attempts;
pub mod check;
mod current;
mod filter;
pub mod harness;
mod leftover;
mod macros;
mod phase;
pub mod raw;
mod report;
mod run;
mod splats;
mod suite;
mod test;

#[doc(hidden)]
pub use current::fail_current_test;
pub use current::kunit_get_current_test;
pub use filter::{AttributeFilter, Filter, FilterAction, FilterError, Glob, Speed};
pub use report::{Junit, Ktap, Outcome, Pretty, Reporter, Stats, list};
pub use run::Runner;
pub use splats::SplatSeen;
pub use suite::{Case, CaseReturn, Param, Suite};
pub use test::{Status, Test, TestData};
