//! The same calls on machines that refuse something: what does in its place is run.

use lastfd_chrdev::PollMask;

use crate::calls::CALLS;
use crate::rig::{BOUND, Rig};

const SIGUSR1: i32 = 10;

/// What every call gives there.
fn calls_on(machine: &str) -> Option<String> {
    let rig = Rig::restricted(machine)?;
    let text = rig.run(&["calls"]);
    let mut seen = [0; 5];
    rig.gadget.frame.read(2 * 4096, &mut seen).unwrap();
    assert_eq!(
        &seen, b"given",
        "{machine}: what was written to mapped memory"
    );
    rig.until("the last close", || rig.supervisor.open_files() == 0);
    Some(text)
}

#[test]
fn every_call_gives_the_same_on_machines_that_refuse_something() {
    for machine in [
        "no-process-vm",
        "yama1",
        "no-wait-killable",
        "no-urgent",
        "linux-5.14,no-process-vm",
        "nofile=256",
        "nofile=64",
    ] {
        let Some(text) = calls_on(machine) else {
            return;
        };
        assert_eq!(text, CALLS, "{machine}");
    }
}

/// A dup goes below the range then, and is the device's for ioctl and poll alone. So it is
/// for accelerated programs only where a signal can take a reply.
#[test]
fn without_pidfd_getfd_a_dup_goes_below_the_range() {
    for machine in ["no-pidfd-getfd", "no-pidfd-getfd,linux-5.14,no-process-vm"] {
        for mut rig in Rig::both() {
            let accelerated = rig.is_accelerated && !machine.contains("linux");
            rig.supervisor.restrict(&machine.parse().unwrap());
            let there = if accelerated { 1 } else { 0 };
            let dups = format!("dups reserved {there} {there}");
            let expected = CALLS.replace("dups reserved 1 1", &dups);
            assert_eq!(rig.run(&["calls"]), expected, "{machine}");
        }
    }
}

/// The program sends what nobody may copy.
#[test]
fn without_pidfd_getfd_accelerated_programs_have_epoll_and_inotify() {
    let Some(rig) = Rig::restricted("no-pidfd-getfd") else {
        return;
    };
    let mut program = rig.start(&["events"]);
    assert_eq!(program.line(), "add 0");
    assert_eq!(program.line(), "twice EEXIST");
    rig.gadget.add_bits(PollMask::IN | PollMask::PRI);
    // Two doorbells, rung one after the other: a look may come between.
    let both = (0..1000).any(|_| {
        program.tell("w");
        program.line() == "events 0x3"
    });
    assert!(both, "both events never came together");
    program.tell("m");
    assert_eq!(program.line(), "mod 0");
    assert_eq!(program.line(), "events 0x1");
    program.tell("d");
    assert_eq!(program.line(), "del 0");
    assert_eq!(program.line(), "del ENOENT");
    program.tell("q");
    assert!(program.end().success());
    rig.is_watched_as_nodes_come_and_go();
    assert!(rig.notices.lock().is_empty());
}

#[test]
fn without_pidfd_getfd_epoll_inotify_and_mixed_polls_are_refused_and_said() {
    let Some(mut rig) = Rig::restricted("no-pidfd-getfd") else {
        return;
    };
    rig.supervisor.accelerate(false);
    let mut program = rig.start(&["events"]);
    assert_eq!(program.line(), "add EPERM");
    program.tell("q");
    program.rest();
    assert_eq!(rig.run(&["mixed"]), "alone 0\nmixed EPERM\n");
    let mut program = rig.start(&["watch"]);
    assert_eq!(program.line(), "watch EPERM");
    program.child.kill();
    let notices = rig.notices.lock().join("\n");
    for word in ["with epoll", "with inotify", "other files at once"] {
        assert!(notices.contains(word), "{word} in {notices}");
    }
}

#[test]
fn without_pidfd_getfd_uevents_are_heard_and_their_sockets_end_with_the_program() {
    let Some(rig) = Rig::restricted("no-pidfd-getfd") else {
        return;
    };
    for (group, first) in [("1", "remove"), ("2", "libude")] {
        let mut program = rig.start(&["uevents", group]);
        while program.line() != "ready" {}
        rig.unplug();
        rig.plug();
        assert_eq!(program.line(), format!("{first} groups {group} uid 0"));
        program.rest();
        assert!(program.end().success());
    }
    rig.until("sockets are gone", || rig.supervisor.open_files() == 0);
}

/// A child of a child whose parents have gone.
#[test]
fn where_descendants_alone_may_be_looked_into_a_daemon_is_one() {
    let Some(rig) = Rig::restricted("yama1") else {
        return;
    };
    let mut program = rig.start(&["daemon"]);
    assert_eq!(program.rest(), CALLS);
    assert!(program.end().success());
}

/// A signal could take back what the first part brought: a second one is not asked for.
#[test]
fn without_wait_killable_a_scattered_read_moves_one_part() {
    for machine in ["no-wait-killable", "linux-5.14"] {
        let Some(rig) = Rig::restricted(machine) else {
            return;
        };
        let mut program = rig.start(&["scattered", "sleeps"]);
        assert_eq!(program.line(), "ready");
        assert_eq!(program.line(), "scattered 2 ab. handled 0");
        assert!(program.end().success());
    }
}

#[test]
fn without_wait_killable_signals_end_calls_and_poll_is_begun_anew() {
    for machine in ["no-wait-killable", "linux-5.14"] {
        for (how, expected) in [
            ("read", "read EINTR handled 1"),
            ("ioctl", "ioctl EINTR handled 1"),
            ("poll", "poll EINTR handled 1"),
            ("read-restart", "read-restart 1 handled 1"),
            ("ioctl-restart", "ioctl-restart 0 handled 1"),
            // A limit: Linux's own ends with EINTR.
            ("poll-restart", "poll-restart 1 handled 1"),
        ] {
            let Some(rig) = Rig::restricted(machine) else {
                return;
            };
            let mut program = rig.start(&["signals", how]);
            assert_eq!(program.line(), "ready");
            rig.until("it waits", || rig.waiters() == 1);
            program.child.signaller().send(SIGUSR1);
            if how.contains("restart") {
                rig.gadget.fifo.push(7).unwrap();
            }
            assert_eq!(program.line(), expected, "{machine}");
            assert!(program.end().success());
            // The call that the signal ended is given up.
            rig.until("nobody waits", || rig.waiters() == 0);
        }
    }
}

#[test]
fn without_wait_killable_no_byte_is_lost_under_a_storm_of_signals() {
    for machine in ["no-wait-killable", "linux-5.14,no-process-vm"] {
        let Some(rig) = Rig::restricted(machine) else {
            return;
        };
        for number in 0..500u32 {
            rig.gadget.fifo.push(number as u8).unwrap();
        }
        let mut program = rig.start(&["storm", "500"]);
        let said = program.line();
        assert!(said.starts_with("storm 500 in order"), "{machine}: {said}");
        assert!(program.child.wait_timeout(BOUND).unwrap().success());
        assert!(rig.gadget.fifo.is_empty());
    }
}

#[test]
fn a_device_that_goes_wakes_every_sleeper_all_the_same() {
    for machine in ["no-process-vm,yama1", "no-wait-killable", "nofile=256"] {
        let Some(rig) = Rig::restricted(machine) else {
            return;
        };
        let mut program = rig.start(&["blocked"]);
        rig.until("five sleepers", || rig.waiters() == 5);
        rig.unplug();
        let text = program.rest();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        let expected = [
            "epoll 1 0x1a",
            "ioctl ENODEV 0",
            "poll 1 0x1a",
            "read ENODEV 0",
            "select 2 0x3",
        ];
        assert_eq!(lines, expected, "{machine}");
    }
}

#[test]
fn where_sockets_cannot_be_urgent_epoll_tells_all_but_pri() {
    let Some(rig) = Rig::restricted("no-urgent") else {
        return;
    };
    rig.gadget.add_bits(PollMask::IN | PollMask::PRI);
    assert_eq!(rig.run(&["inpri"]), "poll 0x3 epoll 1\n");
    rig.gadget
        .add_bits(PollMask::PRI | PollMask::ERR | PollMask::HUP);
    assert_eq!(rig.run(&["inpri"]), "poll 0x1a epoll 1\n");
}
