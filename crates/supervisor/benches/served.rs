//! What it costs a program to be served, as ratios within one run: a forwarded ioctl
//! beside a socket ping-pong of two processes and beside umockdev's, a foreign stat and
//! open beside a bare trap, a device that comes and goes, the start of a program.

#[path = "../tests/programs/rig.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod rig;

use std::io::Write;
use std::process::Command;

use lastfd_sync::Clock;

const CALLS: &str = "20000";
/// umockdev's are slow.
const MOCKED_CALLS: &str = "5000";
const ROUNDS: u32 = 200;

/// A device of umockdev's, and what its ioctl gives.
const MOCKED: &str = "P: /devices/mycam\nN: 001\nE: DEVNAME=/dev/001\nE: SUBSYSTEM=usb\n";
const MOCKED_IOCTL: &str = "@DEV /dev/001\nUSBDEVFS_CONNECTINFO 0 0B00000000000000\n";

fn main() {
    let Some(rig) = rig::Rig::new() else {
        return say("gcc is not installed: no program to measure with");
    };
    let served = rig.run(&["speed", CALLS]);
    let ioctl = of(&served, "ioctl");
    beside(
        "forwarded ioctl",
        ioctl,
        "a ping-pong",
        of(&served, "pingpong"),
    );
    match mocked(&rig) {
        Some(mocked) => beside("umockdev's ioctl", mocked, "a forwarded one", ioctl),
        None => say("umockdev-run is not installed, or does not serve its ioctl"),
    }
    let bare = output(Command::new(rig.program()).args(["bare", CALLS]));
    for (name, what) in [("foreign stat", "stat"), ("foreign open and close", "open")] {
        beside(
            name,
            of(&served, what),
            "a bare trap of it",
            of(&bare, what),
        );
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

/// What the program says each call of this name took.
fn of(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|us| us.trim().parse().ok())
        .unwrap_or(f64::NAN)
}

fn output(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout);
    String::from_utf8_lossy(&output.unwrap_or_default()).into_owned()
}

/// The same ioctl through umockdev, if it is there.
fn mocked(rig: &rig::Rig) -> Option<f64> {
    let folder = tempfile::tempdir().ok()?;
    let (device, ioctl) = (folder.path().join("device"), folder.path().join("ioctl"));
    std::fs::write(&device, MOCKED).ok()?;
    std::fs::write(&ioctl, MOCKED_IOCTL).ok()?;
    let mut run = Command::new("umockdev-run");
    run.arg("--device").arg(device).arg("--ioctl");
    run.arg(format!("/dev/001={}", ioctl.display())).arg("--");
    let text = output(run.arg(rig.program()).args(["mock", MOCKED_CALLS]));
    Some(of(&text, "ioctl")).filter(|us| us.is_finite())
}

fn beside(name: &str, us: f64, floors: &str, floor: f64) {
    say(&format!(
        "{name} beside {floors}: {us:.1} us, {floor:.1} us: {:.2}x",
        us / floor
    ));
}

fn say(figure: &str) {
    // Nobody may be reading.
    let _ = writeln!(std::io::stdout(), "figure: supervisor: {figure}");
}
