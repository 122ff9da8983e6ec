//! Which cases run.

use lastfd_kunit::{Case, Filter, FilterAction, FilterError, Glob, Speed, Suite, list};

use super::ktap;

fn suites() -> [Suite; 3] {
    let case = |name| Case::new(name, |_| {});
    [
        Suite::new("kunit-device")
            .module("kunit")
            .case(case("add"))
            .case(case("add_twice").slow())
            .case(case("remove").speed(Speed::VerySlow)),
        Suite::new("iio")
            .module("iio")
            .speed(Speed::Slow)
            .case(case("add")),
        Suite::new("early")
            .init_suite()
            .case(case("boot").speed(Speed::Normal)),
    ]
}

/// The names that are left.
fn left(filter: &Filter) -> Vec<String> {
    let names = |suite: &Suite| {
        let cases = suite.cases().iter();
        cases
            .map(|c| format!("{}.{}", suite.name(), c.name()))
            .collect::<Vec<_>>()
    };
    filter.apply(&suites()).iter().flat_map(names).collect()
}

fn globs(globs: &[&str]) -> Filter {
    Filter {
        globs: globs.iter().map(|glob| Glob::new(glob)).collect(),
        ..Filter::default()
    }
}

fn attributes(text: &str) -> Filter {
    Filter {
        attributes: Filter::parse_attributes(text).unwrap(),
        ..Filter::default()
    }
}

#[test]
fn globs_name_suites_and_cases() {
    assert_eq!(left(&Filter::default()).len(), 5);
    assert_eq!(left(&globs(&["kunit-*"])).len(), 3);
    assert_eq!(left(&globs(&["*.add"])), ["kunit-device.add", "iio.add"]);
    assert_eq!(
        left(&globs(&["kunit-device.add?*"])),
        ["kunit-device.add_twice"]
    );
    assert_eq!(left(&globs(&["[i-k]*.[!a]*"])), ["kunit-device.remove"]);
    assert_eq!(
        left(&globs(&["iio", "early.boot"])),
        ["iio.add", "early.boot"]
    );
    assert_eq!(left(&globs(&["nothing"])), [""; 0]);
    assert_eq!(left(&Filter::one("iio", "add")), ["iio.add"]);
    assert_eq!(left(&Filter::one("*", "add")), [""; 0]);
}

#[test]
fn a_glob_of_many_stars_is_judged_at_once() {
    let glob = Glob::new(&format!("{}b", "*a".repeat(40)));
    assert!(!glob.matches(&"a".repeat(4000), ""));
}

#[test]
fn attributes_of_a_case_come_before_its_suites_and_those_before_the_default() {
    assert_eq!(
        left(&attributes("speed>slow")),
        ["kunit-device.add", "early.boot"]
    );
    assert_eq!(
        left(&attributes("speed=slow")),
        ["kunit-device.add_twice", "iio.add"]
    );
    assert_eq!(left(&attributes("speed<slow")), ["kunit-device.remove"]);
    assert_eq!(left(&attributes("speed>unset")).len(), 5);
    assert_eq!(left(&attributes("module=iio")), ["iio.add"]);
    assert_eq!(left(&attributes("module!=iio, speed>=slow")).len(), 3);
    assert_eq!(left(&attributes("is_init=true")), ["early.boot"]);
}

#[test]
fn cases_left_out_by_attributes_can_be_shown_as_skipped() {
    let filter = Filter {
        action: FilterAction::Skip,
        ..attributes("module=iio,speed>unset")
    };
    let output = ktap(&filter.apply(&suites()));
    assert!(output.contains("    ok 1 add # SKIP \n"), "{output}");
    assert!(output.contains("ok 1 kunit-device # SKIP \n"), "{output}");
    assert!(output.contains("ok 2 iio\n"), "{output}");
}

#[test]
fn a_filter_that_cannot_be_read_is_told_clearly() {
    let error = |text: &str| Filter::parse_attributes(text).unwrap_err();
    assert!(matches!(error("speed"), FilterError::NoOperation { .. }));
    assert!(matches!(error(">slow"), FilterError::NoOperation { .. }));
    assert!(matches!(
        error("sped>slow"),
        FilterError::NoAttribute { .. }
    ));
    assert!(matches!(error("module>a"), FilterError::NotOrdered { .. }));
    assert_eq!(
        error("speed>quick").to_string(),
        "failed to read filter `speed>quick`: `quick` is no value of `speed`; \
         expected unset, very_slow, slow or normal"
    );
}

#[test]
fn a_list_has_the_kernels_shape() {
    let mut out = Vec::new();
    list(&suites(), false, &mut out).unwrap();
    let plain = String::from_utf8(out).unwrap();
    assert!(plain.starts_with("KTAP version 1\nkunit-device\nkunit-device.add\n"));
    let mut out = Vec::new();
    list(&suites(), true, &mut out).unwrap();
    insta::assert_snapshot!(String::from_utf8(out).unwrap());
}
