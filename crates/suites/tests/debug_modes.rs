//! The built-in suites under each debug mode.
#![forbid(unsafe_code)]

use lastfd_kunit::{Ktap, Runner};
use lastfd_model::{DebugOptions, FailNth};

fn pass(runner: &Runner) {
    let mut out = Vec::new();
    let suites = lastfd_suites::all();
    let stats = runner.run(&suites, &mut Ktap::new(&mut out)).unwrap();
    let out = String::from_utf8_lossy(&out);
    assert!(stats.is_success(), "{out}");
    assert_eq!(stats.skipped, 0, "{out}");
    assert!(stats.passed > 0);
}

#[test]
fn every_case_passes_with_delayed_releases() {
    let debug = DebugOptions {
        kobject_release: true,
        ..DebugOptions::default()
    };
    pass(&Runner::new().debug(debug));
}

#[test]
fn every_case_passes_with_each_driver_tried_twice() {
    let debug = DebugOptions {
        test_driver_remove: true,
        ..DebugOptions::default()
    };
    pass(&Runner::new().debug(debug));
}

#[test]
fn every_case_passes_with_both_at_once() {
    let debug = DebugOptions {
        kobject_release: true,
        test_driver_remove: true,
        ..DebugOptions::default()
    };
    pass(&Runner::new().debug(debug));
}

#[test]
fn every_case_stands_each_of_its_allocations_failing() {
    pass(&Runner::new().fail_nth(FailNth::All));
}
