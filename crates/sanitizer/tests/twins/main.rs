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
            source: include_str!(concat!("g", $number, ".rs")),
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

mod g1;
mod g11;
mod g12;
mod g14;
mod g16;
mod g17;
mod g18;
mod g19;
mod g2;
mod g20;
mod g22;
mod g28;
mod g3;
mod g31;
mod g34;
mod g4;
mod g5;
mod g6;
mod g7;
mod g8;
mod gremlins;

/// All of them, by number.
static ALL: [&stage::Twins; 20] = [
    &g1::TWINS,
    &g2::TWINS,
    &g3::TWINS,
    &g4::TWINS,
    &g5::TWINS,
    &g6::TWINS,
    &g7::TWINS,
    &g8::TWINS,
    &g11::TWINS,
    &g12::TWINS,
    &g14::TWINS,
    &g16::TWINS,
    &g17::TWINS,
    &g18::TWINS,
    &g19::TWINS,
    &g20::TWINS,
    &g22::TWINS,
    &g28::TWINS,
    &g31::TWINS,
    &g34::TWINS,
];

fn reported(twins: &stage::Twins) {
    let found = twins.wrong();
    let reports: Vec<String> = found.iter().map(ToString::to_string).collect();
    let reports = reports.join("\n\n");
    let numbers: Vec<u8> = found.iter().map(|finding| finding.rule.number).collect();
    assert_eq!(numbers, [twins.number], "{reports}");
    assert_eq!(found[0].owner, Owner::Driver, "{reports}");
    snapshot(&format!("g{}", twins.number), &reports);
}

/// Keeps what a user sees, without what changes with every line of code.
fn snapshot(name: &str, reports: &str) {
    let mut settings = insta::Settings::clone_current();
    let twin = r"crates/sanitizer/tests/twins/(\w+)\.rs:\d+:\d+";
    settings.add_filter(twin, "$1.rs:LINE");
    settings.add_filter(r"(crates/[a-z0-9_/]+\.rs):\d+:\d+", "$1:LINE");
    settings.add_filter(r"#\d+", "#N");
    settings.add_filter(r"\(file \d+\)", "(file N)");
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, reports));
}

fn clean(twins: &stage::Twins) {
    let found: Vec<String> = twins.right().iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}
