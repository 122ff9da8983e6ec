//! The last close comes when the last reference goes, however it is held.

use lastfd::{Bench, Ending, EventKind, Trigger};

use crate::compile;
use crate::talk::{SOON, Talk};

fn files_closed(bench: &Bench) -> usize {
    let closed = |kind: &EventKind| matches!(kind, EventKind::FileClosed { .. });
    bench
        .events()
        .iter()
        .filter(|event| closed(&event.kind))
        .count()
}

/// Holds a file in this way: it is open while it is held, and closed when it is not,
/// before the program ends. Then the same after the device went.
fn held_by(way: &str) {
    let Some(program) = compile::c("holders") else {
        return;
    };
    for unplugged in [false, true] {
        // A buffer is what is mapped; for the others any node will do.
        let (spec, path) = match way {
            "mapping" => ("camera:fps=max,size=64x48", "/dev/video0"),
            _ => ("iio-adc", "/dev/iio:device0"),
        };
        let bench = Bench::new();
        let device = bench.plug_spec(&spec.parse().unwrap()).unwrap();
        let command = bench.command(&program).args([way, path]);
        let mut holder = Talk::start(command, "held");
        if unplugged {
            device.unplug();
        }
        assert_eq!(files_closed(&bench), 0, "{way}: closed while it is held");
        assert_eq!(holder.ask("let go"), "closed");
        let closed = bench.wait_for(Trigger::Close, SOON);
        assert!(closed.is_ok(), "{way}, unplugged {unplugged}: not closed");
        holder.tell("end");
        assert_eq!(holder.end(), (Vec::new(), Ending::Exited(0)), "{way}");
        assert_eq!(files_closed(&bench), 1, "{way}");
        bench.finish().assert_clean();
    }
}

#[test]
fn a_close_is_the_last() {
    held_by("close");
}

#[test]
fn a_dup_keeps_it_open() {
    held_by("dup");
}

#[test]
fn a_dup2_over_the_last_closes_it() {
    held_by("dup2");
}

#[test]
fn a_child_keeps_it_open() {
    held_by("fork");
}

#[test]
fn a_program_that_was_executed_keeps_it_open() {
    held_by("exec");
}

#[test]
fn a_child_that_is_killed_closes_it() {
    held_by("kill");
}

#[test]
fn a_message_that_nobody_received_keeps_it_open() {
    held_by("flight");
}

#[test]
fn close_range_closes_it() {
    held_by("close_range");
}

#[test]
fn a_mapping_keeps_it_open() {
    held_by("mapping");
}

#[test]
fn a_program_that_its_parent_left_behind_is_ended_with_the_run() {
    let Some(program) = compile::c_rows("rows", &[]) else {
        return;
    };
    let bench = Bench::new();
    let camera = "camera:size=64x48,fps=1".parse().unwrap();
    bench.plug_spec(&camera).unwrap();
    // It sleeps with a buffer mapped, and its input goes on.
    let leave = "printf 'begin a dry stream\nsleep in DQBUF\n' | \
                 \"$0\" v4l2 /dev/video0 /sys/class/video4linux/video0/name > /dev/null & \
                 echo left; read line";
    let command = bench.command("sh").args(["-c", leave]).arg(&program);
    let parent = Talk::start(command, "left");
    let asleep = Trigger::Blocked("VIDIOC_DQBUF".into());
    assert!(bench.wait_for(asleep, SOON).is_ok());
    parent.end();
    assert_eq!(files_closed(&bench), 0);
    bench.finish().assert_clean();
}
