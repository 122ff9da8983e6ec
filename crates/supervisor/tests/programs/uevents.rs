//! What programs hear of devices that come and go.

use crate::rig::Rig;

fn heard(group: &str, first: &str) {
    for rig in Rig::both() {
        let mut program = rig.start(&["uevents", group]);
        assert_eq!(program.line(), "bind 0");
        assert_eq!(program.line(), "name 0");
        assert_eq!(program.line(), format!("own groups {group} pid 1"));
        assert_eq!(program.line(), "ready");
        rig.unplug();
        rig.plug();
        let expected = |word: &str| match first {
            "" => format!("{word} groups {group} uid 0"),
            first => format!("{first} groups {group} uid 0"),
        };
        assert_eq!(program.line(), expected("remove"));
        assert_eq!(program.line(), expected("add@/d"));
        assert!(program.end().success());
    }
}

#[test]
fn a_program_on_the_kernels_group_hears_it_go_and_come() {
    heard("1", "");
}

#[test]
fn a_program_on_udevs_group_hears_udev() {
    heard("2", "libude");
}

#[test]
fn a_watch_on_dev_sees_nodes_go_and_come_in_the_kernels_order() {
    for rig in Rig::both() {
        rig.is_watched_as_nodes_come_and_go();
    }
}
