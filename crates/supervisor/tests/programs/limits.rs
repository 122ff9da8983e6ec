//! What this front end cannot do, as docs/limits.md lists it: each test expects exactly
//! that. One that fails because more works now is good news for that page.

use lastfd_chrdev::PollMask;

use crate::rig::Rig;

/// `ppoll`: the mask is the kernel's to set, so a signal it would let in does not end the
/// wait.
#[test]
fn a_signal_that_only_the_mask_of_ppoll_lets_in_does_not_end_the_wait() {
    let Some(rig) = Rig::new() else { return };
    assert_eq!(rig.run(&["ppoll"]), "ppoll 0 handled 0\n");
}

/// Below the range: ioctl and poll work, read and fstat are the file's below.
#[test]
fn below_the_reserved_range_read_and_fstat_are_those_of_a_file() {
    let Some(rig) = Rig::new() else { return };
    assert_eq!(
        rig.run(&["below"]),
        "fstat 0 regular\nioctl 0 42\npoll 0 0\nread 0\n"
    );
}

#[test]
fn with_trap_all_they_are_the_devices() {
    let Some(mut rig) = Rig::new() else { return };
    rig.supervisor.trap_all(true);
    assert_eq!(
        rig.run(&["below"]),
        "fstat 0 chr\nioctl 0 42\npoll 0 0\nread EAGAIN\n"
    );
}

/// `IN` and `PRI` at once are one event of poll and two of epoll.
#[test]
fn in_and_pri_are_two_events_of_epoll() {
    let Some(rig) = Rig::new() else { return };
    rig.gadget.add_bits(PollMask::IN | PollMask::PRI);
    assert_eq!(rig.run(&["inpri"]), "poll 0x3 epoll 2\n");
}

/// A directory of the tree cannot be gone into by name; by descriptor it can.
#[test]
fn a_directory_that_only_the_tree_has_cannot_be_gone_into_by_name() {
    let Some(rig) = Rig::new() else { return };
    if std::path::Path::new("/sys/class/misc").is_dir() {
        assert_eq!(rig.run(&["chdir"]), "chdir 0\nfchdir 0\nrelative 0\n");
    } else {
        assert_eq!(rig.run(&["chdir"]), "chdir EACCES\nfchdir 0\nrelative 0\n");
    }
}
