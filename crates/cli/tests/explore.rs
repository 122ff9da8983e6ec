//! `lastfd explore`: what it prints, what it exits with, and what it refuses.

use std::fs;
use std::process::{Command, Output};

fn explore(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lastfd"))
        .arg("explore")
        .args(args)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What it said, after a check of the exit status and that nothing else was said.
fn said(args: &[&str], status: i32) -> String {
    let output = explore(args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{args:?}: {out}{err}");
    match status {
        0 | 70 => {
            assert_eq!(err, "", "{args:?}");
            out
        }
        _ => {
            assert_eq!(out, "", "{args:?}");
            err
        }
    }
}

/// Numbers change with every step the model takes; what is told does not.
fn shown(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"schedules [\d,]+, [\d,]+ steps", "schedules N, N steps");
    settings.add_filter(r"in schedule \d+", "in schedule N");
    settings.add_filter(r"#\d+", "#N");
    settings.add_filter(r"(replay +|--replay )[\dx.]+", "${1}RECIPE");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn explored_a_call_into_a_removed_driver_is_told_and_replayed_and_repaired() {
    let found = said(&["iio-remove-race"], 70);
    shown("explore_iio_remove_race", &found);
    let replay = found.lines().last().unwrap();
    let args: Vec<&str> = replay.split_whitespace().skip(3).collect();
    shown("explore_replay", &said(&args, 70));
    let schedules = "300";
    let repaired = said(
        &[
            "iio-remove-race",
            "--variant",
            "locked",
            "--schedules",
            schedules,
        ],
        0,
    );
    shown("explore_locked", &repaired);
}

#[test]
fn explored_a_sleeper_that_nobody_wakes_is_told() {
    shown("explore_forgotten_wake", &said(&["forgotten-wake"], 70));
}

#[test]
fn explored_what_is_found_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("race.svg");
    let file = path.to_str().unwrap();
    said(&["forgotten-wake", "--report", file], 70);
    let svg = fs::read_to_string(&path).unwrap();
    shown("explore_picture", &svg);
    fs::remove_file(&path).unwrap();
    let clean = ["forgotten-wake", "--variant", "right", "--report", file];
    let told = said(&[&clean[..], &["--schedules", "20"]].concat(), 0);
    assert!(
        told.ends_with("nothing was found, so there is no picture\n"),
        "{told}"
    );
    assert!(!path.exists());
}

#[test]
fn what_cannot_be_explored_is_refused_in_one_line() {
    let wrong: &[&[&str]] = &[
        &["iio-raed"],
        &["nothing"],
        &["iio-remove-race", "--variant", "repaired"],
        &["iio-remove-race", "--schedules", "0"],
        &["iio-remove-race", "--strategy", "dfs"],
        &["iio-remove-race", "--replay", "zz"],
        &["iio-remove-race", "--report", "race.json"],
        &["iio-remove-race", "--report", "race.txt"],
        &["iio-remove-race", "--report", "/nowhere/race.svg"],
        &["--variant", "locked"],
    ];
    let mut lines = String::new();
    for args in wrong {
        let line = said(args, 64);
        assert_eq!(line.trim_end().lines().count(), 1, "{args:?}: {line}");
        lines += &format!("explore {}\n    {line}", args.join(" "));
    }
    lines += &format!(
        "explore iio-remove-race --replay 0x3\n    {}",
        said(&["iio-remove-race", "--replay", "0x3"], 1)
    );
    insta::assert_snapshot!("explore_refused", lines);
}

#[test]
fn the_list_has_every_exploration_with_its_variants() {
    insta::assert_snapshot!("explore_list", said(&["--list"], 0));
}
