//! Cases under `cargo test` and nextest. The tests that
//! [`kunit_suite!`](crate::kunit_suite) makes call it.

use crate::filter::Filter;
use crate::report::Ktap;
use crate::run::Runner;
use crate::suite::Suite;

/// Runs the suite filtered to one case, and panics with what it printed if
/// that fails.
///
/// ```
/// use lastfd_kunit::{Case, Suite, harness};
/// harness::run_one(&Suite::new("s").case(Case::new("passes", |_| {})), "passes");
/// ```
#[expect(
    clippy::panic,
    reason = "a panic is how a test tells its harness that it failed"
)]
pub fn run_one(suite: &Suite, case: &str) {
    let suites = Filter::one(&suite.name, case).apply(core::slice::from_ref(suite));
    let mut out = Vec::new();
    let stats = Runner::new().run(&suites, &mut Ktap::new(&mut out));
    let out = String::from_utf8_lossy(&out);
    match stats {
        Ok(summary) if summary.is_success() && !suites.is_empty() => {}
        Ok(_) => panic!("{}.{case} failed\n{out}", suite.name),
        Err(error) => panic!("failed to write what {}.{case} said: {error}", suite.name),
    }
}

/// The crate of a module's path, as `KBUILD_MODNAME` is the module of a file.
pub fn crate_of(module_path: &str) -> &str {
    module_path.split("::").next().unwrap_or(module_path)
}
