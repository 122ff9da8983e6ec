//! Reads and writes of several parts: fs/read_write.c: do_loop_readv_writev.

use crate::rig::{Rig, Running};

const SIGUSR1: i32 = 10;

#[test]
fn a_scattered_read_or_write_moves_every_part() {
    const CALLS: &str = "\
writev 3
readv 3 abc.
pwritev 3
preadv 3 abc.
negative EINVAL
pwritev2 3
preadv2 3 abc.
flag EOPNOTSUPP
nothing 0
none 0
many EINVAL
far EFAULT
no parts EFAULT
not for reading EBADF
half 2 de.
empty first EAGAIN
left 1
attribute 6 10:127
attribute flag EOPNOTSUPP
attribute sync 6
";
    for rig in Rig::both() {
        assert_eq!(rig.run(&["scattered"]), CALLS);
        rig.until("the last close", || rig.supervisor.open_files() == 0);
    }
}

/// Asleep in the second part, the first of which it has.
fn ended_in_the_second_part(rig: &Rig, end: impl FnOnce(&Running)) -> String {
    let mut program = rig.start(&["scattered", "sleeps"]);
    assert_eq!(program.line(), "ready");
    rig.until("it waits", || rig.waiters() == 1);
    end(&program);
    let said = program.line();
    assert!(program.end().success());
    assert!(rig.gadget.fifo.is_empty());
    said
}

#[test]
fn who_is_ended_in_the_second_part_has_the_first() {
    for rig in Rig::both() {
        let signal = |program: &Running| program.child.signaller().send(SIGUSR1);
        let said = ended_in_the_second_part(&rig, signal);
        assert_eq!(said, "scattered 2 ab. handled 1");
        let said = ended_in_the_second_part(&rig, |_| rig.unplug());
        assert_eq!(said, "scattered 2 ab. handled 0");
    }
}

#[test]
fn who_sleeps_in_the_second_part_gets_what_comes() {
    for rig in Rig::both() {
        let push = |_: &Running| rig.gadget.fifo.push(b'x').unwrap();
        let said = ended_in_the_second_part(&rig, push);
        assert_eq!(said, "scattered 3 abx handled 0");
    }
}
