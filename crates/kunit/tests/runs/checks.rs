//! What expectations and assertions say.

use lastfd_kunit::*;
use lastfd_model::Errno;
use lastfd_sync::Arc;

use super::ktap;

fn said(body: impl Fn(&Test) + Send + Sync + 'static) -> String {
    let output = ktap(&[Suite::new("s").case(Case::new("c", body))]);
    let lines = output.lines().skip_while(|line| !line.contains("# c: "));
    let text: Vec<_> = lines
        .take_while(|line| !line.starts_with("# ") && !line.contains("ok 1 c"))
        // Where in this file is of no interest.
        .map(|line| match line.split_once(".rs:") {
            Some((start, _)) => format!("{start}.rs"),
            None => line.to_owned(),
        })
        .collect();
    text.join("\n")
}

#[test]
fn comparisons_show_both_sides_unless_they_are_literals() {
    let text = said(|test| {
        let (two, minus) = (2_u8, -1_i64);
        kunit_expect_eq!(test, two, 3);
        kunit_expect_ne!(test, two, two, "two is {}", "two");
        kunit_expect_lt!(test, 3, two);
        kunit_expect_le!(test, 3, two);
        kunit_expect_gt!(test, minus, 0);
        kunit_expect_ge!(test, minus, 0,);
        kunit_expect_eq!(test, Some(1), None);
        kunit_expect_eq_msg!(test, Errno::EIO, Errno::ENODEV, "said {:?}", "why");
        kunit_expect_eq!(test, "a".to_owned(), "b");
    });
    insta::assert_snapshot!(text);
}

#[test]
fn conditions_and_strings_and_memory_are_shown() {
    let text = said(|test| {
        let left = *b"0123456789abcdefXY";
        let mut right = left;
        right[1] = 0xff;
        right[17] = 0;
        kunit_expect_true!(test, left.is_empty());
        kunit_expect_false!(test, 1 + 1 == 2, "it is");
        kunit_expect_streq!(test, "a", String::from("b"));
        kunit_expect_strneq!(test, "a", "a");
        kunit_expect_memeq!(test, left, right, 1);
        kunit_expect_memeq!(test, left, right, left.len());
        kunit_expect_memneq!(test, left, right, 1);
        kunit_expect_memeq!(test, left, right, 99);
    });
    insta::assert_snapshot!(text);
}

#[test]
fn pointers_are_there_or_not() {
    let text = said(|test| {
        let there = Some(1);
        let nowhere: Option<i32> = None;
        let failed: lastfd_model::Result<i32> = Err(Errno::ENODEV);
        let (a, b) = (Arc::new(1), Arc::new(1));
        kunit_expect_null!(test, there);
        kunit_expect_null!(test, nowhere);
        assert_eq!(kunit_expect_not_null!(test, there), Some(1));
        assert_eq!(kunit_expect_not_null!(test, nowhere, "lost"), None);
        assert_eq!(kunit_expect_not_err_or_null!(test, failed), None);
        assert_eq!(kunit_assert_not_err_or_null!(test, there), 1);
        kunit_expect_ptr_eq!(test, a, a.clone());
        kunit_expect_ptr_ne!(test, &*a, &*b);
        kunit_assert_not_null_msg!(test, nowhere, "the end");
    });
    insta::assert_snapshot!(text);
}

#[test]
fn failing_and_succeeding_can_be_said_outright() {
    let text = said(|test| {
        kunit_succeed!(test);
        kunit_info!(test, "two\nlines");
        kunit_fail!(test, "bad luck {}", 13);
        kunit_fail_and_abort!(test, "the end");
    });
    insta::assert_snapshot!(text);
}

#[test]
fn an_assertion_that_holds_does_nothing() {
    let text = said(|test| {
        kunit_assert_eq!(test, 1, 1);
        kunit_assert_ne!(test, 1, 2);
        kunit_assert_lt!(test, 1, 2);
        kunit_assert_le!(test, 1, 1);
        kunit_assert_gt!(test, 2, 1);
        kunit_assert_ge!(test, 1, 1);
        kunit_assert_true!(test, true);
        kunit_assert_false!(test, false);
        kunit_assert_streq!(test, "a", "a");
        kunit_assert_strneq!(test, "a", "b");
        kunit_assert_memeq!(test, *b"ab", *b"ac", 1);
        kunit_assert_memneq!(test, *b"ab", *b"ac", 2);
        kunit_assert_null!(test, None::<i32>);
        kunit_assert_ptr_eq!(test, test, test);
        kunit_assert_ptr_ne_msg!(test, &1, &2, "told {}", "apart");
    });
    assert_eq!(text, "");
}

#[test]
fn a_driver_that_has_no_handle_on_the_case_can_fail_it() {
    let output = ktap(&[Suite::new("s")
        .case(Case::new("c", |test| {
            let driver = raw::kunit_driver_create(test, "drv").unwrap();
            driver.set_probe(|device| {
                kunit_fail_current_test!(device.system(), "probed {}", "by mistake");
                Ok(())
            });
            raw::kunit_device_register_with_driver(test, "kd", &driver).unwrap();
            kunit_info!(test, "runs on");
        }))
        .case(Case::new("after", |test| {
            let found = kunit_get_current_test(test.system());
            kunit_expect_eq!(test, found.as_ref(), Some(test));
        }))]);
    let said = super::lines_with(&output, ": probed by mistake");
    assert!(said[0].starts_with("# c: "), "{output}");
    assert!(said[0].contains("checks.rs:"), "{output}");
    super::lines_with(&output, "# c: runs on");
    assert!(
        output.contains("    not ok 1 c\n    ok 2 after\n"),
        "{output}"
    );
}

#[test]
fn where_no_case_runs_there_is_none_to_fail() {
    let system = lastfd_model::System::new();
    kunit_fail_current_test!(system, "nobody listens");
    assert_eq!(kunit_get_current_test(&system), None);
    let by_hand = Test::new(&system, "by_hand");
    assert_eq!(kunit_get_current_test(&system), None);
    assert_eq!(by_hand.status(), Status::Success);
}
