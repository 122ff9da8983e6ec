//! Every wrong use is answered with one line that names what and what would be right, and
//! with the exit status that says so.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Output};

fn lastfd(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lastfd"))
        .args(args)
        .output()
        .unwrap()
}

/// The one line, after a check that it is one and that nothing was plugged in.
fn refused(args: &[&str], status: i32) -> String {
    let output = lastfd(args);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{args:?}: {line}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert!(line.starts_with("error: "), "{args:?}: {line}");
    assert_eq!(line.trim_end().lines().count(), 1, "{args:?}: {line}");
    line.trim_end().to_owned()
}

#[test]
fn wrong_usage_is_64_and_says_what_would_be_right() {
    let wrong: &[&[&str]] = &[
        &["rnu"],
        &["run", "--devise", "iio-adc"],
        &["run", "iio_info"],
        &["run", "--device", "gpio"],
        &["run", "--device", "iio-adc:speed=1"],
        &["run", "--device", "iio-adc:rate=5"],
        &["run", "--device", "iio-adc:rate"],
        &["run", "--device", "iio-adc:rate=100,rate=100"],
        &["run", "--unplug", "iio-adc"],
        &["run", "--unplug", "@open"],
        &["run", "--unplug", "iio-adc@before:close"],
        &["run", "--unplug", "iio-adc@after"],
        &["run", "--expect", "ends=2s"],
        &["run", "--expect", "ends", "--", "true"],
        &["run", "--expect", "ends=2s", "--iiod-only", "--", "true"],
        &["sweep"],
        &["sweep", "--timeout", "2", "--", "true"],
        &["sweep", "--jobs", "0", "--", "true"],
        &["sweep", "--spin", "0", "--", "true"],
        &["sweep", "--every", "--sample", "3", "--", "true"],
        &["sweep", "--format", "xml", "--", "true"],
        &["run", "--unplug", "iio-adc@"],
        &["run", "--unplug", "iio-adc@opne"],
        &["run", "--unplug", "iio-adc@300"],
        &["run", "--unplug", "iio-adc@3h"],
        &["run", "--unplug", "iio-adc@-3s"],
        &["run", "--unplug", "iio-adc@read:0"],
        &["run", "--unplug", "iio-adc@read:x"],
        &["run", "--unplug", "iio-adc@blocked"],
        &["run", "--unplug", "iio-adc@blocked:walk"],
        &["run", "--unplug", "iio-adc@ioctl:IIO_GET_EVNT_FD_IOCTL"],
        &["run", "--unplug", "iio-adc2@open"],
        &["run", "--unbind", "camera@open"],
        &["run", "--rules", "linux-5"],
        &["run", "--report", "unplug.png"],
        &["run", "--report", "unplug"],
        &["run", "--iiod-unplug", "maybe"],
        &["iiod"],
        &["iiod", "--device", "iio-adc", "--bind", "here"],
        &["iiod", "--device", "iio-adc", "--bind", "127.0.0.1:99999"],
        &["replay"],
        &["replay", "no-such-scenario"],
        &["replay", "/"],
        &["completions", "tcsh"],
    ];
    let mut said = String::new();
    for args in wrong {
        let line = refused(args, 64);
        said += &format!("$ lastfd {}\n{line}\n\n", args.join(" "));
    }
    insta::assert_snapshot!("wrong_usage", said.trim_end());
}

#[test]
fn a_program_that_is_not_there_is_127_and_one_that_cannot_be_run_is_126() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "no program\n").unwrap();
    let text = text.to_str().unwrap();

    let missing = refused(&["run", "--", "no-such-program"], 127);
    assert!(
        missing.contains("'no-such-program': there is no such program"),
        "{missing}"
    );
    let missing = refused(&["run", "--", "/no/such/program", "arg"], 127);
    assert!(
        missing.contains("'/no/such/program': there is no such program"),
        "{missing}"
    );
    let refusal = refused(&["run", "--", text], 126);
    assert!(refusal.contains("is it an executable file?"), "{refusal}");
    let refusal = refused(&["run", "--", "/"], 126);
    assert!(refusal.contains("is a directory"), "{refusal}");
    refused(&["run", "--", ""], 127);
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = refused(&["iiod", "--device", "iio-adc", "--bind", &address], 64);
    assert!(
        line.contains(&format!("failed to listen at {address}")),
        "{line}"
    );
    assert!(line.contains("port 0 for any free one"), "{line}");
}

#[test]
fn a_faulty_scenario_is_shown_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("faulty.scenario");
    fs::write(
        &path,
        "scenario faulty\nplatform_device pdev \"a\" 0\nref pdv\n",
    )
    .unwrap();
    let output = lastfd(&["replay", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    let first = said.lines().next().unwrap();
    assert!(first.contains("faulty.scenario:3:5: expected"), "{said}");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_run() {
    let output = lastfd(&["run", "--report", "/no/such/folder/unplug.json"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("failed to write the report '/no/such/folder/unplug.json'"),
        "{said}"
    );
}
