//! Cases as plain functions, which `cargo test` runs one by one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lastfd_kunit::{
    Param, Speed, Test, harness, kunit_assert_not_err_or_null, kunit_expect_eq, kunit_skip,
    kunit_suite, raw::*,
};
use lastfd_model::raw::*;

fn a_device_has_three_references(test: &Test) {
    let device = kunit_assert_not_err_or_null!(test, kunit_device_register(test, "dev"));
    kunit_expect_eq!(test, kref_read(&device), 3);
}

fn doubles(test: &Test) {
    let (value, doubled) = *test.param::<(i32, i32)>().unwrap();
    kunit_expect_eq!(test, value * 2, doubled);
}

fn does_not_apply(test: &Test) {
    kunit_skip!(test, "not today");
}

kunit_suite! {
    /// A suite of this file's functions.
    suite plain = "plain-functions" {
        a_device_has_three_references,
        doubles.params(Param::each([(1, 2), (2, 4)], |(a, _)| a.to_string())).slow(),
        does_not_apply,
    }
    .init(|test| {
        test.set_data(1_u8);
        Ok(())
    })
    .speed(Speed::Normal)
}

#[test]
fn the_suite_has_what_the_macro_was_given() {
    let suite = plain();
    assert_eq!(suite.name(), "plain-functions");
    let names: Vec<_> = suite.cases().iter().map(|case| case.name()).collect();
    assert_eq!(
        names,
        ["a_device_has_three_references", "doubles", "does_not_apply"]
    );
    let output = super::ktap(&[suite]);
    assert!(
        output.contains("    # speed: normal\n    # module: runs\n"),
        "{output}"
    );
}

#[test]
fn a_case_that_fails_panics_with_what_it_printed() {
    let suite = lastfd_kunit::Suite::new("s").case(lastfd_kunit::Case::new("c", |test| {
        kunit_expect_eq!(test, 1, 2)
    }));
    let run = |case| catch_unwind(AssertUnwindSafe(|| harness::run_one(&suite, case)));
    let caught = run("c").unwrap_err();
    let said = caught.downcast_ref::<String>().unwrap();
    assert!(said.contains("s.c failed\nKTAP version 1\n"), "{said}");
    assert!(run("typo").is_err());
}
