//! The order of a case's parts, and how they end.

use lastfd_kunit::{
    Case, Param, Runner, Suite, Test, kunit_assert_eq, kunit_expect_eq, kunit_mark_skipped,
    kunit_skip, raw::*,
};
use lastfd_model::Errno;
use lastfd_sync::Clock;

use super::{Notes, NotesDrop, ktap, ktap_of, lines_with};

/// A suite that notes each of its parts, around a case that manages an action.
fn noted(notes: &Notes, body: impl Fn(&Test) + Send + Sync + 'static) -> Suite {
    let n = |what: &'static str| {
        let notes = notes.clone();
        move || notes.note(what)
    };
    let (suite_init, suite_exit) = (n("suite_init"), n("suite_exit"));
    let (init, exit) = (n("init"), n("exit"));
    let notes = notes.clone();
    let body = move |test: &Test| {
        notes.note("body");
        let (freed, dropped) = (notes.clone(), notes.clone());
        kunit_add_action(test, TestAction::new(move || freed.note("free"))).unwrap();
        let _local = NotesDrop(dropped, "local");
        body(test);
    };
    Suite::new("s")
        .suite_init(move |_| {
            suite_init();
            Ok(())
        })
        .suite_exit(move |_| suite_exit())
        .init(move |_| {
            init();
            Ok(())
        })
        .exit(move |_| exit())
        .case(Case::new("c", body))
}

const ALL: [&str; 7] = [
    "suite_init",
    "init",
    "body",
    "drop local",
    "exit",
    "free",
    "suite_exit",
];

#[test]
fn a_passing_case_runs_init_body_exit_cleanup_in_this_order() {
    let notes = Notes::default();
    let output = ktap(&[noted(&notes, |_| {})]);
    assert_eq!(notes.taken(), ALL);
    assert!(output.ends_with("    ok 1 c\nok 1 s\n"), "{output}");
}

#[test]
fn an_assertion_that_fails_unwinds_the_body_and_then_all_is_cleaned_up() {
    let notes = Notes::default();
    let inner = notes.clone();
    let suite = noted(&notes, move |test| {
        kunit_assert_eq!(test, 1, 2);
        inner.note("not reached");
    });
    let output = ktap(&[suite]);
    assert_eq!(notes.taken(), ALL);
    assert!(output.ends_with("    not ok 1 c\nnot ok 1 s\n"), "{output}");
}

#[test]
fn a_panic_is_a_fault_that_fails_the_case_and_then_all_is_cleaned_up() {
    let notes = Notes::default();
    let suite = noted(&notes, |test| {
        kunit_expect_eq!(test, 1, 1);
        std::panic::resume_unwind(Box::new("gone wrong"));
    });
    let output = ktap(&[suite]);
    assert_eq!(notes.taken(), ALL);
    let faulted = lines_with(&output, "try faulted: last line seen");
    assert!(faulted[0].contains("lifecycle.rs:"), "{output}");
    lines_with(&output, "# c: panicked: gone wrong");
    lines_with(
        &output,
        "internal error occurred preventing test case from running: -4",
    );
    assert!(output.contains("    not ok 1 c\n"), "{output}");
}

#[test]
fn a_skip_ends_the_body_and_then_all_is_cleaned_up() {
    let notes = Notes::default();
    let inner = notes.clone();
    let suite = noted(&notes, move |test| {
        if test.system().fail_nth_left() == 0 {
            kunit_skip!(test, "no {} here", "hardware");
        }
        inner.note("not reached");
    });
    let output = ktap(&[suite]);
    assert_eq!(notes.taken(), ALL);
    let end = "    ok 1 c # SKIP no hardware here\nok 1 s # SKIP \n";
    assert!(output.ends_with(end), "{output}");
}

#[test]
fn an_init_that_fails_keeps_the_body_from_running_but_not_exit() {
    let notes = Notes::default();
    let suite = noted(&notes, |_| {}).init(|_| Err(Errno::ENODEV));
    let output = ktap(&[suite]);
    assert_eq!(notes.taken(), ["suite_init", "exit", "suite_exit"]);
    lines_with(&output, "# c: failed to initialize: -19");
    assert!(output.contains("    not ok 1 c\n"), "{output}");
}

#[test]
fn a_suite_init_that_fails_keeps_every_case_and_the_suites_exit_from_running() {
    let notes = Notes::default();
    let suite = noted(&notes, |_| {}).suite_init(|_| Err(Errno::EINVAL));
    let other = Suite::new("other").case(Case::new("c", |_| {}));
    let output = ktap(&[suite, other]);
    assert_eq!(notes.taken(), [""; 0]);
    let start = "KTAP version 1\n1..2\n    # s: # failed to initialize (-22)\nnot ok 1 s\n";
    assert!(output.starts_with(start), "{output}");
    assert!(output.ends_with("ok 2 other\n"), "{output}");
}

#[test]
fn an_assertion_in_exit_fails_the_case_and_nothing_more_is_cleaned_up() {
    let notes = Notes::default();
    let suite = noted(&notes, |_| {}).exit(|test| kunit_assert_eq!(test, 1, 2));
    let output = ktap(&[suite]);
    let expected = ["suite_init", "init", "body", "drop local", "suite_exit"];
    assert_eq!(notes.taken(), expected);
    lines_with(
        &output,
        "test aborted during cleanup. continuing without cleaning up",
    );
    assert!(output.contains("    not ok 1 c\n"), "{output}");
}

#[test]
fn a_panic_in_cleanup_fails_the_case_and_the_run_goes_on() {
    let panics = Case::new("panics", |test| {
        let action = TestAction::new(|| std::panic::resume_unwind(Box::new("in cleanup")));
        kunit_add_action(test, action).unwrap();
    });
    let suite = Suite::new("s")
        .case(panics)
        .case(Case::new("after", |_| {}));
    let output = ktap(&[suite]);
    lines_with(&output, "# panics: panicked: in cleanup");
    lines_with(
        &output,
        "internal error occurred during test case cleanup: -4",
    );
    assert!(
        output.contains("    not ok 1 panics\n    ok 2 after\n"),
        "{output}"
    );
}

#[test]
fn an_expectation_that_fails_after_a_skip_mark_fails_the_case() {
    let case = Case::new("c", |test| {
        kunit_mark_skipped!(test, "perhaps");
        kunit_expect_eq!(test, 1, 2);
    });
    let output = ktap(&[Suite::new("s").case(case)]);
    assert!(output.contains("    not ok 1 c\n"), "{output}");
}

#[test]
fn a_skip_mark_after_a_failure_has_the_last_word_as_in_the_kernel() {
    let case = Case::new("c", |test| {
        kunit_expect_eq!(test, 1, 2);
        kunit_mark_skipped!(test, "never mind");
    });
    let output = ktap(&[Suite::new("s").case(case)]);
    assert!(
        output.contains("    ok 1 c # SKIP never mind\n"),
        "{output}"
    );
}

#[test]
fn a_case_may_return_an_error() {
    let fails = Case::new("fails", |test| {
        kunit_device_register(test, "d").and(Err::<(), _>(Errno::EIO))
    });
    let output = ktap(&[Suite::new("s").case(fails)]);
    lines_with(&output, "# fails: the case returned EIO");
}

#[test]
fn every_parameter_has_init_and_cleanup_and_a_verdict_of_its_own() {
    let notes = Notes::default();
    let inner = notes.clone();
    let case = Case::new("c", move |test| {
        let value = *test.param::<i32>().unwrap();
        inner.note(format!("{} of {value}", test.param_index()));
        assert!(test.data::<i32>().is_none());
        test.set_data(value);
        let freed = inner.clone();
        let action = TestAction::new(move || freed.note("free"));
        kunit_add_action(test, action).unwrap();
        match value {
            2 => kunit_skip!(test, "even"),
            3 => kunit_expect_eq!(test, value, 4),
            _ => {}
        }
    });
    let params = vec![
        Param::new("one", 1),
        Param::new("", 2),
        Param::new("three", 3),
    ];
    let output = ktap(&[Suite::new("s").case(case.params(params))]);
    let expected = ["0 of 1", "free", "1 of 2", "free", "2 of 3", "free"];
    assert_eq!(notes.taken(), expected);
    let place = lines_with(&output, "EXPECTATION FAILED at")[0].clone();
    let expected = format!(
        "KTAP version 1
1..1
    KTAP version 1
    # Subtest: s
    1..1
        KTAP version 1
        # Subtest: c
        ok 1 one
        ok 2 param-1 # SKIP even
    {place}
    Expected value == 4, but
        value == 3 (0x3)
        not ok 3 three
    # c: pass:1 fail:1 skip:1 total:3
    not ok 1 c
# Totals: pass:1 fail:1 skip:1 total:3
not ok 1 s
"
    );
    assert_eq!(output, expected);
}

#[test]
fn a_case_without_any_parameter_is_skipped() {
    let case = Case::new("c", |_| {}).params(Vec::new());
    let output = ktap(&[Suite::new("s").case(case)]);
    assert!(
        output.ends_with("    ok 1 c # SKIP \nok 1 s # SKIP \n"),
        "{output}"
    );
}

#[test]
fn a_case_that_takes_two_seconds_ought_to_be_marked_slow() {
    let host = Clock::simulated();
    let takes = |host: &Clock| {
        let host = host.clone();
        move |_: &Test| host.advance(core::time::Duration::from_millis(2500))
    };
    // Whoever advances one clock waits in the other, whose time then passes.
    let suite = Suite::new("s")
        .real_time()
        .case(Case::new("unmarked", takes(&host)))
        .case(Case::new("marked", takes(&host)).slow());
    let output = ktap_of(&Runner::new().host_clock(host), &[suite]);
    let expected = "    # unmarked: Test should be marked slow (runtime: 2.500000000s)
    ok 1 unmarked
    # marked.speed: slow
    ok 2 marked
";
    assert!(output.contains(expected), "{output}");
}

#[test]
fn one_system_serves_all_cases_of_a_suite_and_no_other() {
    let notes = Notes::default();
    let case = |name: &'static str| {
        let notes = notes.clone();
        Case::new(name, move |test| {
            let found = test.system().extension::<lastfd_sync::OnceLock<&str>>();
            notes.note(format!("{name} finds {:?}", found.get()));
            let _ = found.set(name);
        })
    };
    let suites = [
        Suite::new("one").case(case("a")).case(case("b")),
        Suite::new("two").case(case("c")),
    ];
    ktap(&suites);
    let expected = ["a finds None", "b finds Some(\"a\")", "c finds None"];
    assert_eq!(notes.taken(), expected);
}

#[test]
fn a_suites_exit_that_panics_fails_the_suite() {
    let suite = Suite::new("s")
        .suite_exit(|_| std::panic::resume_unwind(Box::new("at the end")))
        .case(Case::new("c", |_| {}));
    let output = ktap(&[suite]);
    lines_with(&output, "# s: the suite's exit failed (-4)");
    assert!(output.contains("panicked: at the end"), "{output}");
    assert!(output.contains("    ok 1 c\n"), "{output}");
    assert!(output.ends_with("not ok 1 s\n"), "{output}");
}
