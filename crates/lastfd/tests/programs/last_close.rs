//! The last close comes when the last reference goes, however it is held.

use lastfd::host::{CallState, Grip};
use lastfd::{Bench, Ending, Errno, EventKind, Trigger};

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

/// Who holds what is asked of the kernel, and what was called last is known.
#[test]
fn open_files_are_told_with_process_descriptor_mapping_and_last_call() {
    let Some(program) = compile::c_rows("rows", &[]) else {
        return;
    };
    let bench = Bench::new();
    let camera = bench.plug_spec(&"camera:size=64x48,fps=1".parse().unwrap());
    let camera = camera.unwrap();
    assert!(bench.files().is_empty());
    let arguments = ["v4l2", "/dev/video0", "/sys/class/video4linux/video0/name"];
    let mut program = Talk::start(bench.command(&program).args(arguments), "ready");
    assert_eq!(program.ask("begin a dry stream"), "0");
    program.tell("sleep in DQBUF");
    let asleep = Trigger::Blocked("VIDIOC_DQBUF".into());
    assert!(bench.wait_for(asleep, SOON).is_ok());
    camera.unbind();
    let pid = program.pid();
    for held in bench.files() {
        assert_eq!(&*held.file.path, "/dev/video0");
        assert_eq!(held.opener, pid);
        assert_eq!(held.by.len(), 1, "{held:?}");
        assert_eq!((held.by[0].pid, &*held.by[0].command), (pid, "rows"));
    }
    let files = bench.files();
    let grips: Vec<Grip> = files.iter().flat_map(|f| f.by[0].grips.clone()).collect();
    assert!(
        grips.iter().any(|g| matches!(g, Grip::Mapping(_))),
        "{grips:?}"
    );
    assert!(
        grips.iter().any(|g| matches!(g, Grip::Descriptor(768..))),
        "{grips:?}"
    );
    let last = files.iter().filter_map(|f| f.last.as_ref());
    let last: Vec<_> = last.filter(|last| last.call.contains("DQBUF")).collect();
    assert_eq!(last.len(), 1, "{files:?}");
    assert_eq!(
        last[0].state,
        CallState::Over(Err(Errno::EINVAL)),
        "unbound"
    );
    assert_eq!(last[0].caller.unwrap().0, pid, "its only thread");
    assert_eq!(program.line(), "EINVAL");
    program.end();
    assert!(bench.files().is_empty());
    bench.finish().assert_clean();
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
