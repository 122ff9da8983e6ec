//! Scenarios as KUnit cases in C. That what is emitted builds and passes in a kernel is
//! `cargo xtask oracle --kunit-c`'s to show.

use std::fs;
use std::path::Path;

use lastfd_model::Rules;
use lastfd_scenario::{NoCase, Scenario, parse};

fn case(text: &str) -> Result<String, NoCase> {
    let scenario = parse("case.scenario", text).unwrap_or_else(|fault| panic!("{fault}"));
    scenario.kunit_c(Rules::Linux6_12)
}

/// From the lines that are expected on: what stands before is the same in all cases.
fn own_part(case: &str) -> &str {
    let at = case.find("/* What must happen").unwrap();
    &case[at..]
}

fn recorded(name: &str) -> Scenario {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../oracle/scenarios");
    let text = fs::read_to_string(folder.join(name).with_extension("scenario")).unwrap();
    parse(name, &text).unwrap()
}

#[test]
fn a_whole_case_is_a_file_of_its_own() {
    let text = "scenario short\n> r = root_device_register \"r\"\ntrack r\nref r\n\
        > devm_add_action r act A1\n> root_device_unregister r\n";
    insta::assert_snapshot!(case(text).unwrap());
}

#[test]
fn bodies_links_devres_and_children_become_functions_and_calls() {
    let text = "scenario much\n\
        action acts\n  print \"acts\"\nend\n\
        each child\n  print \"child {self.tag} ref={self.ref} 100%\"\n  return_nth 1 7\nend\n\
        probe p\n  try devm_add_action self acts NULL\n  kid_rc = device_add kid\n\
        \x20 return kid_rc\nend\n\
        remove gone\n  device_unregister kid\nend\n\
        bus b \"lfb\" match=any\n> bus_register b\nbus_register_notifier b\n\
        driver d \"x\" bus=b probe=p remove=gone\n\
        device up name=\"up\" bus=b\n\
        device kid name=\"kid\" parent=up\n\
        > device_add up\n> driver_register d\n> device_for_each_child up child\n\
        platform_device pdev \"lf\" 1\n> platform_device_add pdev\n\
        > link = device_link_add pdev up DL_FLAG_AUTOREMOVE_SUPPLIER\nprint \"{link.state}\"\n\
        res = devres_alloc dr_rel W\ndevres_add pdev res\n\
        > found = devres_find pdev dr_rel W\nprint \"{found.data}\"\n\
        > platform_device_unregister pdev\n> driver_unregister d\n> device_unregister up\n\
        > bus_unregister b\n";
    insta::assert_snapshot!(own_part(&case(text).unwrap()));
}

#[test]
fn a_statement_that_no_case_has_is_named_with_its_line() {
    let refused = |text: &str| case(text).unwrap_err().to_string();
    assert_eq!(
        refused("scenario a\nfail_nth 1\n"),
        "line 2: `fail_nth` cannot be emitted as C"
    );
    assert_eq!(
        refused("scenario a\nbus_register_notifier platform\n"),
        "line 2: `bus_register_notifier` cannot be emitted as C with a bus that is there from \
         the start"
    );
    assert_eq!(
        refused("scenario a\nkunit_case c\nprint \"x\"\n"),
        "the scenario is the body of a KUnit case: only scenarios of a plain thread can be \
         emitted"
    );
}

#[test]
fn what_a_kernel_would_crash_on_or_keep_is_no_case() {
    let unfit = |text: &str| matches!(case(text), Err(NoCase::Unfit(_)));
    let late = "scenario a\nr = root_device_register \"r\"\ntrack r\nget_device r\n\
        root_device_unregister r\nput_device r\n";
    assert!(case(late).is_ok());
    assert!(unfit(&format!("{late}put_device r\n")), "it is gone");
    assert!(
        unfit("scenario a\nr = root_device_register \"r\"\ntrack r\n"),
        "it stays"
    );
    let twice = "scenario a\nr = root_device_register \"r\"\nput_device r\nput_device r\n";
    assert!(unfit(twice), "it is torn out");
}

#[test]
fn a_third_of_the_recorded_scenarios_can_be_emitted_and_differ_by_their_rules() {
    for name in ["a1", "b1", "d1", "f1", "g4", "k1", "l1", "l3"] {
        let case = recorded(name).kunit_c(Rules::Linux6_12).unwrap();
        assert!(case.contains(&format!("KUNIT_CASE({name})")));
    }
    let b1 = |rules| recorded("b1").kunit_c(rules).unwrap();
    assert_ne!(
        own_part(&b1(Rules::Linux6_12)),
        own_part(&b1(Rules::LinuxPre6_6))
    );
}
