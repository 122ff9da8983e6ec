//! What it costs a program to be served, as ratios within one run: a forwarded ioctl
//! beside a socket ping-pong of two processes, a foreign stat and open beside a bare trap,
//! a device that comes and goes, the start of a program.

#[path = "../tests/programs/rig.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod rig;

use std::io::Write;
use std::process::Command;

use lastfd_sync::Clock;

const CALLS: &str = "20000";
const ROUNDS: u32 = 200;

fn main() {
    let Some(rig) = rig::Rig::new() else {
        return say("gcc is not installed: no program to measure with");
    };
    let text = rig.run(&["speed", CALLS]);
    let of = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|us| us.trim().parse().ok())
            .unwrap_or(f64::NAN)
    };
    for (what, floor, name) in [
        ("ioctl", "pingpong", "forwarded ioctl, beside a ping-pong"),
        ("stat", "trap", "foreign stat, beside a bare trap"),
        ("open", "trap", "foreign open and close, beside a bare trap"),
    ] {
        let (us, floor) = (of(what), of(floor));
        say(&format!(
            "{name}: {us:.1} us, {floor:.1} us: {:.2}x",
            us / floor
        ));
    }
    let clock = Clock::real();
    let each = |run: &dyn Fn()| {
        let begun = clock.now();
        for _ in 0..ROUNDS {
            run();
        }
        (clock.now().0 - begun.0) as f64 / f64::from(ROUNDS) / 1e6
    };
    let plug = each(&|| {
        rig.add_other("figure");
        rig.remove_other();
    });
    say(&format!("plug to visible node and back: {plug:.3} ms"));
    let bare = each(&|| {
        let _ = Command::new("true").status();
    });
    let served = each(&|| {
        if let Ok(child) = rig.supervisor.spawn(Command::new("true")) {
            child.wait();
        }
    });
    say(&format!(
        "start and end of true: {served:.2} ms, bare {bare:.2} ms"
    ));
}

fn say(figure: &str) {
    // Nobody may be reading.
    let _ = writeln!(std::io::stdout(), "figure: supervisor: {figure}");
}
