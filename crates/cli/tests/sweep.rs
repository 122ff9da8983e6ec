//! `lastfd sweep`, and what `lastfd run` expects of a program.

use std::process::Command;

mod binary;

use binary::{has_client, lastfd, run, text};

#[test]
fn an_expectation_that_is_not_met_is_71_and_one_line() {
    let script = "exec 9< /dev/iio:device0; exec sleep 1000";
    let output = run(&[
        "--device",
        "iio-adc",
        "--unplug",
        "iio-adc@after:open",
        "--expect",
        "closes=200ms,no-spin,no-crash",
        "--",
        "sh",
        "-c",
        script,
    ]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(71), "{said}");
    let line = said.lines().last().unwrap();
    assert!(line.starts_with("expected: not closed: "), "{line}");
    assert!(
        line.contains(" has /dev/iio:device0 open as descriptor 9, 0.2 s after"),
        "{line}"
    );
}

#[test]
fn a_call_that_sleeps_for_ever_is_named_with_its_time() {
    if !has_client("python3") {
        return;
    }
    let output = run(&[
        "--device",
        "iio-adc",
        "--unplug",
        "iio-adc@before:open:2",
        "--expect",
        "ends=300ms",
        "--",
        "python3",
        "-c",
        "import select, os; p = select.poll(); fd = os.open('/dev/iio:device0', os.O_RDONLY); \
         p.register(fd, select.POLLIN)\ntry: os.open('/dev/iio:device0', os.O_RDONLY)\n\
         except OSError: p.poll()",
    ]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(71), "{said}");
    let line = said.lines().last().unwrap();
    assert!(line.starts_with("expected: not ended: python3 ("), "{line}");
    assert!(
        line.contains("sleeps in poll on /dev/iio:device0, descriptor"),
        "{line}"
    );
}

#[test]
fn a_program_that_meets_what_is_expected_has_its_own_status() {
    let expected = ["--expect", "ends=20s,closes=20s,no-spin,no-crash", "--"];
    let unplug = ["--unplug", "iio-adc@before:open"];
    let program = ["sh", "-c", "cat /dev/iio:device0 || exit 5"];
    let output = run(&[&unplug[..], &expected, &program].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(!said.contains("expected:"), "{said}");
    // One that never came to it met nothing.
    let output = run(&[&unplug[..], &expected, &["true"]].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(71), "{said}");
    assert!(said.contains("expected: nothing was seen: true"), "{said}");
}

#[test]
fn a_sweep_says_what_becomes_of_a_program_and_repeats_it() {
    let sweep = |args: &[&str]| lastfd().arg("sweep").args(args).output().unwrap();
    let good = sweep(&["--", "head", "-c", "2", "/dev/iio:device0"]);
    let said = text(&good.stdout);
    assert_eq!(good.status.code(), Some(0), "{said}");
    assert!(said.contains("verdict: head survives all"), "{said}");

    let script = "exec 9< /dev/iio:device0; [ -e /dev/iio:device0 ] || exec sleep 1000";
    let bad = sweep(&["--timeout", "300ms", "--", "sh", "-c", script]);
    let said = text(&bad.stdout);
    assert_eq!(bad.status.code(), Some(71), "{said}");
    let line = said.lines().find(|line| line.contains("kept (")).unwrap();
    assert!(line.starts_with("iio-adc@after:open:1"), "{line}");
    // What repeats it comes to the same.
    let (_, command) = line.split_once("# lastfd ").unwrap();
    let repeated = Command::new("sh")
        .args(["-c", &format!("exec \"$0\" {command}")])
        .arg(env!("CARGO_BIN_EXE_lastfd"))
        .output()
        .unwrap();
    let said = text(&repeated.stderr);
    assert_eq!(repeated.status.code(), Some(71), "{said}");
    assert!(said.contains("expected: not closed:"), "{said}");

    let junit = sweep(&[
        "--format",
        "junit",
        "--timeout",
        "300ms",
        "--",
        "sh",
        "-c",
        script,
    ]);
    let said = text(&junit.stdout);
    assert!(
        said.contains("<testsuite name=\"lastfd sweep sh\""),
        "{said}"
    );
    assert!(said.contains("type=\"kept\""), "{said}");
    let json = sweep(&[
        "--format",
        "json",
        "--",
        "head",
        "-c",
        "2",
        "/dev/iio:device0",
    ]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["good"], true);
    assert_eq!(report["runs"][0]["unplug"], "iio-adc@before:open:1");

    let none = sweep(&["--", "true"]);
    assert_eq!(none.status.code(), Some(1));
    let said = text(&none.stderr);
    assert!(
        said.contains("true never touched /dev/iio:device0"),
        "{said}"
    );
}
