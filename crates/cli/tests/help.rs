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
    insta::assert_snapshot!("help_sweep", said(&["sweep", "--help"]));
    insta::assert_snapshot!("help_bench", said(&["bench", "--help"]));
    insta::assert_snapshot!("help_iiod", said(&["iiod", "--help"]));
    insta::assert_snapshot!("help_doctor", said(&["doctor", "--help"]));
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

#[test]
fn every_command_has_a_manual_page() {
    insta::assert_snapshot!("man", said(&["man"]));
    let folder = tempfile::tempdir().unwrap();
    said(&["man", "--dir", folder.path().to_str().unwrap()]);
    let help = said(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in commands.take_while(|line| !line.is_empty()) {
        let command = line.split_whitespace().next().unwrap();
        let page = folder.path().join(format!("lastfd-{command}.1"));
        let page = std::fs::read_to_string(page).unwrap();
        assert_eq!(page, said(&["man", command]), "{command}");
    }
    let wait = folder.path().join("lastfd-ctl-wait.1");
    let wait = std::fs::read_to_string(wait).unwrap();
    assert_eq!(wait, said(&["man", "ctl", "wait"]));
    let nothing = lastfd(&["man", "nothing"]);
    assert_eq!(nothing.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("no command 'nothing'"));
}
