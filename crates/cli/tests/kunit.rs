//! `lastfd kunit`: what it prints, and what it exits with.

use std::process::{Command, Output};

fn kunit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lastfd"))
        .arg("kunit")
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn one_case_is_printed_as_the_kernel_prints_it() {
    let case = "root-device-devm.root_device_devm_register_unregister";
    let output = kunit(&["--filter", case]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!("kunit_ktap", text(&output.stdout));
}

#[test]
fn every_built_in_case_passes_in_every_format() {
    for format in ["ktap", "junit", "pretty"] {
        let output = kunit(&["--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        assert!(text(&output.stdout).contains("kunit-device"), "{format}");
        assert!(output.stderr.is_empty(), "{format}");
    }
}

#[test]
fn a_list_names_cases_that_a_filter_finds() {
    let listed = text(&kunit(&["--list"]).stdout);
    let cases: Vec<&str> = listed.lines().filter(|line| line.contains('.')).collect();
    assert!(cases.len() > 40);
    for case in [cases[0], cases[cases.len() - 1]] {
        assert_eq!(kunit(&["--filter", case]).status.code(), Some(0), "{case}");
    }
}

#[test]
fn a_filter_that_names_nothing_is_wrong_usage() {
    let output = kunit(&["--filter", "nothing.here"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("--list"));
}
