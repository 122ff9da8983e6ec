//! Debug modes: what a case must stand, and what is told when it does not.

use lastfd_kunit::{
    Case, Junit, Ktap, Param, Runner, Suite, Test, kunit_assert_eq, kunit_assert_not_err_or_null,
    kunit_expect_eq, kunit_expect_true, raw::*,
};
use lastfd_model::raw::*;
use lastfd_model::{DebugOptions, FailNth};

const DELAYED: DebugOptions = DebugOptions {
    kobject_release: true,
    test_driver_remove: false,
    fail_nth: 0,
};

const TWICE: DebugOptions = DebugOptions {
    kobject_release: false,
    test_driver_remove: true,
    fail_nth: 0,
};

/// Whether the case passed, and what was said.
fn told(runner: &Runner, case: Case) -> (bool, String) {
    let mut out = Vec::new();
    let suites = [Suite::new("debug").case(case)];
    let stats = runner.run(&suites, &mut Ktap::new(&mut out)).unwrap();
    (stats.is_success(), String::from_utf8(out).unwrap())
}

/// Two root devices, of which a failure leaves the first behind.
fn forgets_the_first(test: &Test) {
    let system = test.system();
    let first = kunit_assert_not_err_or_null!(test, root_device_register(system, "first"));
    let second = kunit_assert_not_err_or_null!(test, root_device_register(system, "second"));
    root_device_unregister(&second);
    root_device_unregister(&first);
}

fn has_both_managed(test: &Test) {
    kunit_assert_not_err_or_null!(test, kunit_root_device_register(test, "first"));
    kunit_assert_not_err_or_null!(test, kunit_root_device_register(test, "second"));
}

#[test]
fn an_allocation_that_fails_shows_what_a_case_leaves_behind_and_which_it_was() {
    let all = Runner::new().fail_nth(FailNth::All);
    let (passed, text) = told(&all, Case::new("forgets", forgets_the_first));
    assert!(!passed, "{text}");
    assert!(text.contains("left behind: first"), "{text}");
    // The first allocations are those of the first device.
    let which = "fail-nth: this was with allocation ";
    let (_, number) = text.split_once(which).expect(&text);
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    let nth: u32 = digits.parse().unwrap();
    assert!(nth > 1, "{text}");
    let alone = Runner::new().fail_nth(FailNth::Nth(nth));
    assert!(!told(&alone, Case::new("forgets", forgets_the_first)).0);
    let before = Runner::new().fail_nth(FailNth::Nth(nth - 1));
    assert!(told(&before, Case::new("forgets", forgets_the_first)).0);
}

#[test]
fn a_case_that_fails_its_expectations_and_leaves_nothing_has_passed() {
    let all = Runner::new().fail_nth(FailNth::All);
    let (passed, text) = told(&all, Case::new("managed", has_both_managed));
    assert!(passed, "{text}");
    assert!(text.contains("allocations failed, one in a run"), "{text}");
    assert!(!text.contains("FAILED"), "{text}");
}

#[test]
fn a_case_that_fails_with_no_allocation_failing_has_failed() {
    let all = Runner::new().fail_nth(FailNth::All);
    let wrong = |test: &Test| {
        has_both_managed(test);
        kunit_expect_eq!(test, 1 + 1, 3);
    };
    let (passed, text) = told(&all, Case::new("wrong", wrong));
    assert!(!passed, "{text}");
    assert!(text.contains("1 + 1 == 3"), "{text}");
}

#[test]
fn a_case_that_panics_when_an_allocation_fails_has_failed() {
    let all = Runner::new().fail_nth(FailNth::All);
    let panics = |test: &Test| {
        kunit_root_device_register(test, "board").unwrap();
    };
    let (passed, text) = told(&all, Case::new("panics", panics));
    assert!(!passed, "{text}");
    assert!(text.contains("with allocation 1 failing"), "{text}");
}

#[test]
fn a_case_that_makes_allocations_fail_itself_is_run_as_it_is() {
    let all = Runner::new().fail_nth(FailNth::All);
    let own = |test: &Test| {
        has_both_managed(test);
        test.system().fail_nth(1);
        kunit_expect_true!(test, root_device_register(test.system(), "third").is_err());
    };
    let (passed, text) = told(&all, Case::new("own", own));
    assert!(passed, "{text}");
    assert!(text.contains("makes allocations fail itself"), "{text}");
}

#[test]
fn a_release_that_is_delayed_is_waited_for_before_something_counts_as_left() {
    let (passed, text) = told(
        &Runner::new().debug(DELAYED),
        Case::new("released", |test| {
            let board = root_device_register(test.system(), "board");
            let board = kunit_assert_not_err_or_null!(test, board);
            root_device_unregister(&board);
            kunit_expect_true!(test, !board.is_released());
        }),
    );
    assert!(passed, "{text}");
}

#[test]
fn a_driver_that_does_not_undo_its_probe_is_found_by_trying_it_twice() {
    let case = |name: &str| {
        Case::new(name, |test: &Test| {
            let driver = platform_driver(test.system(), "lamp");
            driver.set_probe(|device| {
                // Its remove forgets this one.
                root_device_register(&device.system(), "lamp-root").map(|_| ())
            });
            let registered = kunit_platform_driver_register(test, &driver);
            kunit_assert_eq!(test, registered, Ok(()));
            let made = platform_device_register(test.system(), "lamp", PlatformId::None);
            let device = kunit_assert_not_err_or_null!(test, made);
            let bound = device.driver().is_some();
            platform_device_unregister(&device);
            kunit_expect_true!(test, bound, "the driver did not bind");
        })
    };
    let (passed, text) = told(&Runner::new().debug(TWICE), case("twice"));
    assert!(!passed);
    assert!(text.contains("the driver did not bind"), "{text}");
}

#[test]
fn a_case_that_a_mode_makes_untrue_is_skipped_and_says_why() {
    let releases = || {
        Case::new("releases", |test: &Test| {
            let board = root_device_register(test.system(), "board");
            let board = kunit_assert_not_err_or_null!(test, board);
            root_device_unregister(&board);
            kunit_expect_true!(test, board.is_released());
        })
        .needs_immediate_release("it is about the last put")
    };
    let probes = || Case::new("probes", |_| {}).needs_one_probe("it counts probes");
    let skipped = |debug, case| told(&Runner::new().debug(debug), case).1;
    let said = skipped(DELAYED, releases());
    assert!(
        said.contains("ok 1 releases # SKIP it is about the last put"),
        "{said}"
    );
    let said = skipped(TWICE, probes());
    assert!(
        said.contains("ok 1 probes # SKIP it counts probes"),
        "{said}"
    );
    for (debug, case) in [(TWICE, releases()), (DELAYED, probes())] {
        let said = skipped(debug, case);
        assert!(!said.contains("SKIP"), "{said}");
    }
}

#[test]
fn a_case_with_parameters_that_a_mode_makes_untrue_is_in_every_report() {
    let case = || {
        Case::new("probes", |_: &Test| {})
            .params(Param::each([1, 2], i32::to_string))
            .needs_one_probe("it counts probes")
    };
    let runner = Runner::new().debug(TWICE);
    let (_, ktap) = told(&runner, case());
    assert!(
        ktap.contains("ok 1 probes # SKIP it counts probes"),
        "{ktap}"
    );
    let mut xml = Vec::new();
    let suites = [Suite::new("debug").case(case())];
    runner.run(&suites, &mut Junit::new(&mut xml)).unwrap();
    let xml = String::from_utf8(xml).unwrap();
    assert!(xml.contains("name=\"probes\""), "{xml}");
    assert!(
        xml.contains("<skipped message=\"it counts probes\""),
        "{xml}"
    );
}
