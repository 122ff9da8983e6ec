//! What it costs a program to be served, as ratios within one run: a forwarded ioctl
//! beside a socket ping-pong of two processes and beside umockdev's, foreign calls beside
//! bare traps and, accelerated, beside the kernel's own; whole programs; a device that comes
//! and goes.

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
    let Some(mut rig) = rig::Rig::new() else {
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
    accelerated(&rig);
    rig.supervisor.accelerate(false);
    let served = rig.run(&["speed", CALLS]);
    let bare = output(Command::new(rig.program()).args(["bare", CALLS]));
    for (name, what) in [("foreign stat", "stat"), ("foreign open and close", "open")] {
        let name = format!("{name}, not accelerated");
        beside(
            &name,
            of(&served, what),
            "a bare trap of it",
            of(&bare, what),
        );
    }
    whole_programs(&mut rig);
    rig.supervisor.accelerate(true);
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

/// Foreign calls of an accelerated program, and the same of one that nobody serves.
fn accelerated(rig: &rig::Rig) {
    let args = ["foreign", CALLS];
    // In turns: the machine may be busier for some than for others.
    let (served, native): (Vec<_>, Vec<_>) = (0..5)
        .map(|_| {
            let native = output(Command::new(rig.program()).args(args));
            (rig.run(&args), native)
        })
        .unzip();
    for (name, what) in [
        ("foreign stat, accelerated", "stat"),
        ("foreign open and close, accelerated", "open"),
        ("foreign poll, accelerated", "poll"),
    ] {
        let of_all = |texts: &[String]| median(texts.iter().map(|text| of(text, what)).collect());
        beside(name, of_all(&served), "the kernel's own", of_all(&native));
    }
}

/// Programs that open and look for many files.
fn whole_programs(rig: &mut rig::Rig) {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let source = folder.path().join("hello.c");
    if std::fs::write(&source, "int main(void) { return 0; }\n").is_err() {
        return;
    }
    let compile = || {
        let mut gcc = Command::new("gcc");
        gcc.arg("-c").arg(&source).current_dir(folder.path());
        gcc
    };
    let import = || {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-c", "import json"]);
        python
    };
    if import().status().is_ok_and(|status| status.success()) {
        whole(rig, "python3 -c 'import json'", &import);
    }
    whole(rig, "gcc -c hello.c", &compile);
}

fn whole(rig: &mut rig::Rig, name: &str, command: &dyn Fn() -> Command) {
    let clock = Clock::real();
    let took = |run: &dyn Fn()| {
        let begun = clock.now();
        run();
        (clock.now().0 - begun.0) as f64 / 1e6
    };
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS / 5 {
        times[0].push(took(&|| {
            let _ = command().status();
        }));
        for (at, accelerated) in [(1, true), (2, false)] {
            rig.supervisor.accelerate(accelerated);
            times[at].push(took(&|| {
                if let Ok(child) = rig.supervisor.spawn(command()) {
                    child.wait();
                }
            }));
        }
    }
    let [native, accelerated, plain] = times.map(median);
    say(&format!(
        "{name}: {native:.1} ms; accelerated {accelerated:.1} ms: {:.2}x; not accelerated {plain:.1} ms: {:.2}x",
        accelerated / native,
        plain / native
    ));
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
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
