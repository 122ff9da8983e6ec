//! epoll is the kernel's: what it says of a device is what we make of the files that
//! stand for it.

use lastfd_chrdev::PollMask;

use crate::rig::{Rig, Running};

fn events(program: &mut Running, command: &str) -> u32 {
    program.tell(command);
    let line = program.line();
    let hex = line
        .strip_prefix("events 0x")
        .or(line.strip_prefix("events "));
    u32::from_str_radix(hex.unwrap_or_else(|| panic!("{line:?}")), 16).unwrap()
}

#[test]
fn every_mask_a_device_has_is_told_and_taken_back() {
    for rig in Rig::both() {
        let mut program = rig.start(&["events"]);
        assert_eq!(program.line(), "add 0");
        assert_eq!(program.line(), "twice EEXIST");
        assert_eq!(events(&mut program, "n"), 0);
        let single = [
            PollMask::IN,
            PollMask::PRI,
            PollMask::OUT,
            PollMask::ERR,
            PollMask::HUP,
        ];
        for bits in 0..32u32 {
            let mask = (0..5)
                .filter(|bit| bits & (1 << bit) != 0)
                .fold(PollMask::NONE, |mask, bit| mask | single[bit as usize]);
            rig.gadget.add_bits(mask);
            // The bell is rung by another thread: wait for it where there is something new.
            let seen = || mask;
            let mut told = events(&mut program, if mask.is_empty() { "n" } else { "w" });
            for _ in 0..1000 {
                if told == seen().0 {
                    break;
                }
                told = events(&mut program, "n");
            }
            assert_eq!(PollMask(told), mask);
        }
        rig.gadget.add_bits(PollMask::NONE);
        program.tell("q");
        assert!(program.end().success());
    }
}

#[test]
fn what_was_read_is_no_longer_told_at_the_very_next_wait() {
    for rig in Rig::both() {
        let mut program = rig.start(&["events"]);
        program.line();
        program.line();
        for byte in 0..200 {
            rig.gadget.fifo.push(byte).unwrap();
            assert_eq!(events(&mut program, "w"), PollMask::IN.0);
            // Reads the byte, then asks.
            assert_eq!(events(&mut program, "r"), 0);
        }
        program.tell("q");
        assert!(program.end().success());
    }
}

#[test]
fn a_place_in_the_set_can_be_changed_and_given_up() {
    for rig in Rig::both() {
        let mut program = rig.start(&["events"]);
        program.line();
        program.line();
        rig.gadget.add_bits(PollMask::OUT | PollMask::PRI);
        assert_ne!(events(&mut program, "w"), 0);
        program.tell("m");
        assert_eq!(program.line(), "mod 0");
        assert_eq!(program.line(), "events 0");
        rig.gadget.add_bits(PollMask::IN);
        assert_eq!(events(&mut program, "w"), PollMask::IN.0);
        program.tell("d");
        assert_eq!(program.line(), "del 0");
        assert_eq!(program.line(), "del ENOENT");
        assert_eq!(events(&mut program, "n"), 0);
        program.tell("q");
        assert!(program.end().success());
    }
}

#[test]
fn two_sets_that_watch_one_descriptor_are_told_apart() {
    let Some(rig) = Rig::new() else { return };
    rig.gadget.add_bits(PollMask::IN);
    assert_eq!(
        rig.run(&["sets"]),
        "\
a 0
b mod ENOENT
b 0
b twice EEXIST
waits 1 0
a del 0
a del ENOENT
b del 0
"
    );
}
