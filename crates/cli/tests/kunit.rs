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
    for others in [&[][..], &["--filter", "kunit-device"]] {
        let output = kunit(&[others, &["--filter", "nothing.here"]].concat());
        assert_eq!(output.status.code(), Some(64));
        let said = text(&output.stderr);
        assert!(
            said.contains("'nothing.here'") && said.contains("--list"),
            "{said}"
        );
    }
}

#[test]
fn conditions_on_attributes_choose_cases() {
    let one = ["--filter", "kunit-device", "--attributes"];
    let with = |condition| kunit(&[&one[..], &[condition]].concat());
    let all = with("module=lastfd_suites, speed=normal");
    assert_eq!(all.status.code(), Some(0));
    assert!(text(&all.stdout).contains("ok 1 kunit-device\n"));
    let none = with("module!=lastfd_suites");
    assert_eq!(none.status.code(), Some(64));
    let said = text(&none.stderr);
    assert!(
        said.contains("no case fits 'module!=lastfd_suites'"),
        "{said}"
    );
    let skipped = kunit(&[&one[..], &["is_init=true", "--skip-others"]].concat());
    assert_eq!(skipped.status.code(), Some(0));
    let said = text(&skipped.stdout);
    assert!(said.contains("ok 1 kunit-device # SKIP"), "{said}");
    assert!(!said.contains("pass:1"), "{said}");
    for wrong in ["speed", "sped>slow", "module>a", "speed>quick"] {
        let refused = with(wrong);
        assert_eq!(refused.status.code(), Some(64), "{wrong}");
        assert!(text(&refused.stderr).contains(wrong), "{wrong}");
    }
}

#[test]
fn a_list_can_have_the_attributes() {
    let listed = text(&kunit(&["--list-attributes", "--filter", "kunit-device"]).stdout);
    let start = "KTAP version 1\nkunit-device\n# module: lastfd_suites\nkunit-device.";
    assert!(listed.starts_with(start), "{listed}");
}

#[test]
fn suites_that_name_no_rules_pass_on_those_of_older_kernels() {
    let older = ["--rules", "linux-pre-6.6"];
    let output = kunit(&older);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let wrong = kunit(&["--rules", "linux-7"]);
    assert_eq!(wrong.status.code(), Some(64));
}

#[test]
fn a_time_that_is_none_is_refused() {
    for (time, code) in [("10s", 0), ("0s", 64), ("soon", 64)] {
        let output = kunit(&["--filter", "kunit-device", "--timeout", time]);
        assert_eq!(output.status.code(), Some(code), "{time}");
    }
}
