//! The case that runs in a System, for code that has no handle on it.
//!
//! Follows `include/kunit/test-bug.h`. A kernel keeps the test with the task
//! that runs it; here it is the System's, so tasks that a case starts find it,
//! too.

use core::fmt;
use core::panic::Location;

use lastfd_model::System;
use lastfd_sync::Mutex;

use crate::test::Test;

/// `current->kunit_test`.
#[derive(Debug, Default)]
struct Current(Mutex<Option<Test>>);

/// The case that runs in this System; None if none does, or one that was made by
/// hand (`kunit_get_current_test`).
///
/// ```
/// use lastfd_kunit::{Case, Runner, Suite, kunit_expect_eq, kunit_get_current_test};
///
/// let case = Case::new("finds_itself", |test| {
///     let found = kunit_get_current_test(test.system());
///     kunit_expect_eq!(test, found.as_ref(), Some(test));
/// });
/// assert!(Runner::new().run_quietly(&[Suite::new("s").case(case)]).is_success());
/// ```
pub fn kunit_get_current_test(system: &System) -> Option<Test> {
    system.extension::<Current>().0.lock().clone()
}

/// Makes it the current one, as long as the guard lives.
pub(crate) fn set_current(test: &Test) -> impl Drop + use<> {
    struct Unset(System);
    impl Drop for Unset {
        fn drop(&mut self) {
            let old = self.0.extension::<Current>().0.lock().take();
            drop(old);
        }
    }
    let system = test.system();
    let old = system.extension::<Current>().0.lock().replace(test.clone());
    drop(old);
    Unset(system.clone())
}

/// `__kunit_fail_current_test_impl`.
#[doc(hidden)]
#[track_caller]
pub fn fail_current_test(system: &System, message: fmt::Arguments<'_>) {
    let place = Location::caller();
    if let Some(test) = kunit_get_current_test(system) {
        test.log(format!("{}:{}: {message}", place.file(), place.line()));
        test.set_failure();
    }
}
