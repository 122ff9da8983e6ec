//! What a faulty scenario is answered with.

use lastfd_scenario::parse;

/// Each is the rest of a scenario whose first line is right.
const FAULTS: &[&str] = &[
    // Words.
    "devise_add x",
    "> ",
    "\"text\"",
    "ref é",
    "print \"no end",
    "print \"\\q\"",
    "r = = x",
    // Names.
    "device 1st",
    "device self",
    "device a_name_that_is_longer_than_any_field",
    "device a\ndevice a",
    "device platform",
    "device a\nbus a \"a\" match=any",
    "ref a\ndevice a",
    "device a\nref b",
    "device alpha\nref alpa",
    "root_device_unregister platform",
    "device a\nroot_device_unregister a",
    // Operands.
    "device_add",
    "device a\ndevice_add a a",
    "device a parent=a",
    "device a parnt=a",
    "device a name=",
    "device a name=\"x\" name=\"y\"",
    "device a type=other",
    "device a bus=platform",
    "driver d \"d\"",
    "driver d \"d\" bus=platform",
    "platform_device p \"p\" -1",
    "platform_device p \"p\" x",
    "bus b \"b\" match=maybe",
    "bus_register platform",
    "device a\ndevm_add_action a acts A1",
    "device a\ndevm_add_action a act",
    "device a\ndevm_add_action a act_put A1",
    "device a\ndevm_kzalloc a 0x",
    "device a\ndevm_kzalloc a 99999999999999999999",
    "f = open \"/dev/x\" O_RDONYL",
    "device a\ndevres_open_group a a",
    "x = devres_alloc dr_rel3 A",
    "f = open \"/dev/x\" O_RDWR\nioctl f DRM_IOCTL_DROP_MASTR",
    "f = open \"/dev/x\" O_RDWR\nioctl f -1",
    "device a\ndevice_move a",
    "device a\ndevice_move a none",
    "device a\ndrm_dev_unplug a",
    "drm_driver m \"m\"\nref m",
    "drm_driver m \"m\" opens=x",
    // Forms.
    "> device a",
    "> ref platform",
    "x = put_device platform",
    "try device_add platform",
    "return 0",
    // Bodies.
    "end",
    "probe p",
    "probe p\nprobe q\nend\nend",
    "probe p\n> device_add self\nend",
    "probe p\ntry put_device self\nend",
    "probe p\nreturn ENODEV\nend",
    "probe p\nreturn -ENOSUCH\nend",
    "action a\nput_device self\nend",
    "action a\nreturn 0\nend",
    "probe p\nsettle\nend",
    "remove r\nend\nplatform_driver d \"d\" probe=r",
    "put_device self",
    // Strings.
    "print \"{\"",
    "print \"}\"",
    "print \"{rc}\"",
    "device a\nprint \"{a}\"",
    "device a\nprint \"{a.colour}\"",
    "print \"{self.ref}\"",
    // KUnit.
    "kunit_add_resource R1",
    "device a\nkunit_case c",
    "kunit_case",
];

#[test]
fn each_fault_is_shown_where_it_is_with_what_was_expected() {
    let mut shown = String::new();
    for fault in FAULTS {
        let text = format!("scenario s\n{fault}\n");
        let error = match parse("s.scenario", &text) {
            Err(error) => error,
            Ok(scenario) => panic!("{fault:?} was taken for {scenario:?}"),
        };
        shown.push_str(&format!("{error}\n\n"));
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_file_must_begin_with_its_name() {
    for text in [
        "",
        "\n# only a comment\n",
        "device a",
        "scenario",
        "scenario a b",
    ] {
        let error = parse("s.scenario", text).unwrap_err();
        assert!(error.message().starts_with("expected"), "{error}");
    }
}

#[test]
fn lines_may_end_as_on_windows() {
    let scenario = parse("s.scenario", "scenario s\r\ndevice a\r\nref a\r\n").unwrap();
    assert_eq!(scenario.lines().len(), 2);
}
