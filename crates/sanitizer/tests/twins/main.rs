//! For each rule a driver that breaks it and its twin that does not: the wrong one is
//! reported under that rule and no other, the right one is clean.
//!
//! Each file `gN.rs` of this folder has the two drivers of one rule, as the page of that
//! rule in `docs/gremlins` shows them.

mod stage;

use lastfd_sanitizer::Owner;

/// `twins!(5);` in a file with `wrong::driver`, `right::driver` and `play`.
macro_rules! twins {
    ($number:literal) => {
        crate::twins!($number under Linux6_12);
    };
    ($number:literal under $rules:ident) => {
        pub(crate) static TWINS: crate::stage::Twins = crate::stage::Twins {
            number: $number,
            rules: lastfd_model::Rules::$rules,
            wrong: |system| play(system, &wrong::driver(system)),
            right: |system| play(system, &right::driver(system)),
        };

        #[test]
        fn the_wrong_driver_is_reported_under_this_rule_and_no_other() {
            crate::reported(&TWINS);
        }

        #[test]
        fn the_right_driver_is_clean() {
            crate::clean(&TWINS);
        }
    };
}
pub(crate) use twins;

mod g11;
mod g18;
mod g22;
mod g4;
mod g5;
mod g7;

fn reported(twins: &stage::Twins) {
    let found = twins.wrong();
    let reports: Vec<String> = found.iter().map(ToString::to_string).collect();
    let reports = reports.join("\n\n");
    let numbers: Vec<u8> = found.iter().map(|finding| finding.rule.number).collect();
    assert_eq!(numbers, [twins.number], "{reports}");
    assert_eq!(found[0].owner, Owner::Driver, "{reports}");
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(
        r"crates/sanitizer/tests/twins/(g\d+)\.rs:\d+:\d+",
        "$1.rs:LINE",
    );
    settings.add_filter(r"(crates/[a-z0-9/]+\.rs):\d+:\d+", "$1:LINE");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(format!("g{}", twins.number), reports));
}

fn clean(twins: &stage::Twins) {
    let found: Vec<String> = twins.right().iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}
