//! What a user is told who asks: help, the list of devices, the version.

use std::process::{Command, Output};

fn lastfd(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lastfd"))
        .args(args)
        .env("COLUMNS", "100")
        .output()
        .unwrap()
}

fn said(args: &[&str]) -> String {
    let output = lastfd(args);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_has_examples() {
    insta::assert_snapshot!("help", said(&["--help"]));
    insta::assert_snapshot!("help_run", said(&["run", "--help"]));
    insta::assert_snapshot!("help_iiod", said(&["iiod", "--help"]));
    insta::assert_snapshot!("help_ctl", said(&["ctl", "--help"]));
    insta::assert_snapshot!("help_ctl_wait", said(&["ctl", "wait", "--help"]));
    insta::assert_snapshot!("help_kunit", said(&["kunit", "--help"]));
    insta::assert_snapshot!("help_replay", said(&["replay", "--help"]));
}

#[test]
fn devices_lists_kinds_with_their_keys() {
    insta::assert_snapshot!("devices", said(&["devices"]));
}

#[test]
fn every_shell_has_a_completion_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(said(&["completions", shell]).contains("unplug"), "{shell}");
    }
}

#[test]
fn no_command_at_all_is_answered_with_help_and_is_wrong_usage() {
    let output = lastfd(&[]);
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: lastfd <COMMAND>"));
}
