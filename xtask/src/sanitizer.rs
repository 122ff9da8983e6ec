//! Builds with AddressSanitizer from the stable compiler.
//!
//! `RUSTC_BOOTSTRAP` is set on these commands alone: the flag that asks for a
//! sanitizer is not stable, the code is.

use std::path::Path;

use xshell::{Cmd, cmd};

use crate::checkout::Checkout;
use crate::step::Step;

/// A cargo command of `step` built with ASan, and with LeakSanitizer, which
/// comes with it.
pub(crate) fn instrument<'a>(step: Step<'a>, more_flags: &str) -> Step<'a> {
    let flags = format!("-Zsanitizer=address {more_flags}");
    step.env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags.trim_end())
}

/// `cargo COMMAND` into a target folder of its own. The explicit host keeps the
/// flags away from build scripts and procedural macros.
pub(crate) fn cargo<'a>(
    checkout: &'a Checkout,
    command: &str,
    target: &Path,
    host: &str,
) -> Cmd<'a> {
    cmd!(
        checkout.sh,
        "cargo {command} --target-dir {target} --target {host}"
    )
}
