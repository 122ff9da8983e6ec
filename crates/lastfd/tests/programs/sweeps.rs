//! Seven small programs, each of which takes the loss of its device in a way of its own:
//! what a sweep says of them at every point.

use core::time::Duration;

use lastfd::Patience;
use lastfd::sweep::{Point, Repeats, Run, Side, Sweep, Swept};
use lastfd::{Outcome, Step};

use crate::compile;

/// Slow enough that a program that sleeps still sleeps when its camera goes.
const CAMERA: &str = "camera:size=64x48,fps=10";

/// The program's sweeps, with and without the accelerator; none where it cannot be built.
fn swept(name: &str, device: &str, timeout: Duration) -> Vec<Swept> {
    let Some(program) = compile::c_swept(name) else {
        return Vec::new();
    };
    let sweep = |accelerate| {
        let none: [&str; 0] = [];
        let sweep = Sweep::new(&program, none)
            .device(device.parse().unwrap())
            .accelerate(accelerate)
            .repeats(Repeats::Every)
            // Most of it is waiting.
            .jobs(16)
            .patience(Patience {
                timeout,
                spin: 200,
                ..Patience::default()
            });
        sweep.run().unwrap()
    };
    [true, false].map(sweep).into()
}

/// Each run is what is expected at its point.
fn are(swept: &Swept, expected: impl Fn(&Point) -> &'static str) {
    assert!(swept.runs.len() > 15, "{swept}");
    assert_eq!(swept.left_out, 0);
    let wrong = swept.runs.iter().filter(|run| {
        let word = run.outcome.word();
        // Whether a call slept is a matter of time, and so is whether the last sample
        // came as its device went: after that one no program here looks any more.
        let asleep = run.point.side == Side::Blocked;
        let in_time = word == "ended" && run.point.count == 4;
        let came = !(asleep && (word == "not reached" || in_time));
        came && word != expected(&run.point)
    });
    let wrong: Vec<String> = wrong
        .map(|run| {
            format!(
                "{}: {}, not {}",
                run.point,
                run.outcome,
                expected(&run.point)
            )
        })
        .collect();
    assert_eq!(wrong, [""; 0]);
}

/// Before the node is opened and after it is closed nobody can be hurt.
fn is_outside(point: &Point) -> bool {
    let before = point.side == Side::Before && point.step == Step::Open;
    before || point.step == Step::Close
}

fn ioctl(name: &str) -> Step {
    Step::Ioctl(Some(name.to_owned()))
}

/// After its fourth frame it does not look at the camera any more.
fn is_last_frame(point: &Point) -> bool {
    point.step == ioctl("VIDIOC_DQBUF") && point.side == Side::After && point.count == 4
}

const SHORT: Duration = Duration::from_secs(1);
/// Nobody comes to the end of it.
const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_program_that_ends_well_survives_every_point() {
    for swept in swept("ends", CAMERA, LONG) {
        are(&swept, |_| "ended");
        assert!(swept.is_good());
        let statuses = |run: &Run| match run.outcome {
            Outcome::Ended { status, .. } => Some(status),
            _ => None,
        };
        let failed = swept.runs.iter().filter(|run| statuses(run) == Some(1));
        assert!(failed.count() > 20, "{swept}");
    }
}

#[test]
fn a_program_that_crashes_does_wherever_a_call_fails() {
    for swept in swept("crashes", CAMERA, LONG) {
        are(&swept, |point| match point.step {
            Step::Close => "ended",
            _ if is_last_frame(point) => "ended",
            _ => "crashed",
        });
        let said = swept.to_string();
        assert!(said.contains("crashed (SIGSEGV)"), "{said}");
        assert!(!swept.is_good());
    }
}

#[test]
fn a_program_that_hangs_does_once_it_has_the_node() {
    for swept in swept("hangs", "iio-adc:rate=100", SHORT) {
        are(&swept, |point| match (&point.step, point.side) {
            _ if is_outside(point) => "ended",
            (Step::Call("read"), Side::After) if point.count == 4 => "ended",
            _ => "hung",
        });
        for run in &swept.runs {
            let Outcome::Hung(asleep) = &run.outcome else {
                continue;
            };
            let (op, path) = asleep.call.as_ref().unwrap();
            assert_eq!((&**op, &**path), ("poll", "/dev/iio:device0"), "{run}");
            assert!(asleep.descriptor.is_some(), "{run}");
            assert!(asleep.command.starts_with("swept-hangs"), "{run}");
            let slept = run.point.side == Side::Blocked;
            assert!(slept || !asleep.was_not_woken(), "{run}");
            assert!(
                run.to_string()
                    .contains("no kernel wakes it: a real device would hang it, too"),
                "{run}"
            );
        }
        // A sample may come while it goes, but not each time.
        let not_woken = |run: &Run| matches!(&run.outcome, Outcome::Hung(at) if at.was_not_woken());
        assert!(swept.runs.iter().any(not_woken), "{swept}");
    }
}

#[test]
fn a_program_that_spins_does_once_it_has_the_node() {
    for swept in swept("spins", CAMERA, SHORT) {
        are(&swept, |point| match point.step {
            _ if is_outside(point) || is_last_frame(point) => "ended",
            _ => "spun",
        });
    }
}

/// Its calls are the kernel's own: that it does not rest is what is seen.
#[test]
fn a_program_that_spins_in_epoll_is_told_so() {
    for swept in swept("spins_in_epoll", CAMERA, SHORT) {
        let (queue, take) = (ioctl("VIDIOC_QBUF"), ioctl("VIDIOC_DQBUF"));
        are(&swept, |point| match point.side {
            Side::Before if point.step == queue && (2..5).contains(&point.count) => "spun",
            Side::After if point.step == queue && point.count < 5 => "spun",
            Side::After if point.step == take => ["spun", "ended"][usize::from(point.count == 4)],
            _ if point.step == take => "spun",
            _ => "ended",
        });
        let spun = swept.runs.iter().find(|run| run.outcome.word() == "spun");
        let said = spun.unwrap().outcome.to_string();
        assert!(
            said.contains("a thread does not rest, in epoll_wait"),
            "{said}"
        );
    }
}

#[test]
fn a_program_that_keeps_its_descriptor_is_told_with_it() {
    for swept in swept("keeps_descriptor", CAMERA, SHORT) {
        are(&swept, |point| match point.step {
            _ if is_outside(point) || is_last_frame(point) => "ended",
            _ => "kept",
        });
        let kept = swept.runs.iter().find(|run| run.outcome.word() == "kept");
        let said = kept.unwrap().outcome.to_string();
        assert!(said.contains("/dev/video0 open as descriptor"), "{said}");
    }
}

#[test]
fn a_program_that_keeps_its_mapping_is_told_with_it() {
    for swept in swept("keeps_mapping", CAMERA, SHORT) {
        let before_it_maps = |point: &Point| {
            [
                ioctl("VIDIOC_REQBUFS"),
                ioctl("VIDIOC_QUERYBUF"),
                Step::Open,
            ]
            .contains(&point.step)
                || (point.step == Step::Call("mmap") && point.side == Side::Before)
        };
        are(&swept, |point| match point.step {
            _ if before_it_maps(point) || is_last_frame(point) => "ended",
            Step::Close => "ended",
            _ => "kept",
        });
        let kept = swept.runs.iter().find(|run| run.outcome.word() == "kept");
        let said = kept.unwrap().outcome.to_string();
        assert!(said.contains("/dev/video0 mapped at 0x"), "{said}");
    }
}

#[test]
fn a_point_is_the_same_point_in_each_run() {
    let Some(program) = compile::c_swept("ends") else {
        return;
    };
    let none: [&str; 0] = [];
    let sweep = Sweep::new(program, none).device(CAMERA.parse().unwrap());
    let words = |swept: Swept| -> Vec<(String, String)> {
        let sure = swept.runs.iter().filter(|r| r.point.side != Side::Blocked);
        let pair = |run: &Run| (run.point.to_string(), run.outcome.to_string());
        sure.map(pair).collect()
    };
    let once = words(sweep.clone().jobs(1).run().unwrap());
    for jobs in [2, 8] {
        assert_eq!(words(sweep.clone().jobs(jobs).run().unwrap()), once);
    }
}
