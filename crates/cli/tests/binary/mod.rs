//! The built binary, and what it says.

use std::process::{Command, Output, Stdio};

pub(crate) fn lastfd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastfd"));
    command.stdin(Stdio::null());
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    lastfd().arg("run").args(args).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A stock client; without it the test has nothing to do, which in the CI is an error.
pub(crate) fn has_client(program: &str) -> bool {
    let found = lastfd::find_program(program).is_ok();
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    assert!(found || !ci, "{program} is not installed");
    found
}
