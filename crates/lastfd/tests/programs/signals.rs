//! Threads asleep in every way, signals, and storms of them.

use core::cell::Cell;

use lastfd::{Bench, Ending, Event, EventKind, Trigger};
use lastfd_rigs::v4l2::Camera;
use lastfd_rigs::{iio, v4l2};

use crate::talk::{SOON, Talk};
use crate::{compile, ordinary};

/// A camera that never has a frame, and a converter that never has a sample.
struct Silent {
    camera: v4l2::Rig,
    converter: iio::Rig,
}

impl Silent {
    fn new(bench: &Bench) -> Silent {
        let probe = |device: &_| Camera::probe(device, None);
        let silent = Silent {
            camera: v4l2::Rig::on(bench.system(), probe).unwrap(),
            converter: iio::Rig::on(bench.system(), iio::dummy).unwrap(),
        };
        silent.converter.enable_buffer().unwrap();
        silent
    }

    fn unplug(&self) {
        self.camera.unplug();
        self.converter.unplug();
    }

    fn end(self) {
        self.camera.end();
        self.converter.end();
    }
}

/// The program whose threads sleep, when they do as far as it can be seen: who sleeps
/// in an epoll sleeps in the kernel's own.
fn asleep<'a>(bench: &'a Bench, program: &std::path::Path, how: &str) -> Talk<'a> {
    let arguments = ["/dev/video0", "/dev/iio:device0", how];
    let sleepers = Talk::start(bench.command(program).args(arguments), "asleep");
    for call in ["VIDIOC_DQBUF", "poll", "select", "read"] {
        let blocked = bench.wait_for(Trigger::Blocked(call.into()), SOON);
        assert!(blocked.is_ok(), "nobody sleeps in {call}");
    }
    sleepers
}

/// Waits until who was woken by a signal in this call sleeps in it once more.
fn asleep_again(bench: &Bench, call: &str) {
    let sleeps = Cell::new(0);
    let blocked = Trigger::Blocked(call.into());
    let second = |event: &Event| {
        if blocked.matches(&event.kind) {
            sleeps.set(sleeps.get() + 1);
        }
        sleeps.get() == 2
    };
    let found = bench.wait_for(second, SOON);
    assert!(found.is_ok(), "{call} was not begun again");
}

/// So many lines, in the order of the alphabet: threads end in any.
fn lines(program: &mut Talk<'_>, count: usize) -> Vec<String> {
    let mut lines: Vec<String> = (0..count).map(|_| program.line()).collect();
    lines.sort();
    lines
}

#[test]
fn an_unplug_ends_every_sleep_in_its_way() {
    let Some(program) = compile::c("sleepers") else {
        return;
    };
    let bench = Bench::new();
    let silent = Silent::new(&bench);
    let mut sleepers = asleep(&bench, &program, "once");
    silent.unplug();
    let ended = [
        "DQBUF: EINVAL",
        "epoll: 1 0x1a",
        "poll: 1 0x1a",
        "read: ENODEV",
        "select: 2 rx",
    ];
    assert_eq!(lines(&mut sleepers, 5), ended);
    let end = (vec!["few were handled".to_owned()], Ending::Exited(0));
    assert_eq!(sleepers.end(), end);
    silent.end();
    bench.finish().assert_clean();
}

#[test]
fn a_signal_ends_every_sleep_but_those_that_restart() {
    let Some(program) = compile::c("sleepers") else {
        return;
    };
    for (how, accelerated) in [
        ("once", true),
        ("once", false),
        ("restart", true),
        ("restart", false),
    ] {
        let bench = Bench::builder().accelerate(accelerated).build();
        let silent = Silent::new(&bench);
        let mut sleepers = asleep(&bench, &program, how);
        sleepers.tell("signal");
        let mut ended = vec!["epoll: EINTR", "poll: EINTR", "select: EINTR"];
        if how == "once" {
            ended.extend(["DQBUF: EINTR", "read: EINTR"]);
        }
        ended.sort_unstable();
        assert_eq!(lines(&mut sleepers, ended.len()), ended, "{how}");
        // An accelerated program's kernel begins its wait anew, and tells nobody.
        if how == "restart" && !accelerated {
            asleep_again(&bench, "VIDIOC_DQBUF");
            asleep_again(&bench, "read");
        }
        silent.unplug();
        if how == "restart" {
            let ended = ["DQBUF: EINVAL", "read: ENODEV"];
            assert_eq!(lines(&mut sleepers, 2), ended);
        }
        let end = (vec!["all were handled".to_owned()], Ending::Exited(0));
        assert_eq!(sleepers.end(), end, "{how}");
        silent.end();
        bench.finish().assert_clean();
    }
}

/// Calls to make: `cargo xtask soak` asks for the long form.
fn calls() -> String {
    std::env::var("LASTFD_STORM_CALLS").unwrap_or_else(|_| "3000".to_owned())
}

#[test]
fn no_frame_is_lost_in_a_storm_of_signals() {
    let Some(program) = compile::c("storm") else {
        return;
    };
    if ordinary::user(&["no_frame_is_lost_in_a_storm"], &[&program]) {
        return;
    }
    for how in ["once", "restart"] {
        let bench = Bench::new();
        let camera = "camera:size=64x48,fps=max".parse().unwrap();
        bench.plug_spec(&camera).unwrap();
        let calls = calls();
        let arguments = ["/dev/video0", &calls, how];
        let output = bench.command(&program).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.ending, Ending::Exited(0), "{how}: {said}");
        println!("{how}: {said}");
        assert!(bench.wait_for_clients(SOON), "files are left open");
        let open = |kind: &EventKind| matches!(kind, EventKind::FileOpened { .. });
        let closed = |kind: &EventKind| matches!(kind, EventKind::FileClosed { .. });
        let count = |is: &dyn Fn(&EventKind) -> bool| {
            bench
                .events()
                .iter()
                .filter(|event| is(&event.kind))
                .count()
        };
        assert_eq!((count(&open), count(&closed)), (1, 1));
        bench.finish().assert_clean();
    }
}
