//! What a user of `lastfd run` waits for: the start and end of a program, and frames of a
//! camera that is not paced, beside a copy of the same bytes; and of `lastfd sweep`: its runs.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use lastfd::Bench;
use lastfd::sweep::{Repeats, Sweep};
use lastfd::sync::Clock;

const ROUNDS: u32 = 50;
const FRAMES: &str = "600";
const SWEEPS: u32 = 10;

fn main() {
    let lastfd = Path::new(env!("CARGO_BIN_EXE_lastfd"));
    let served = each(Command::new(lastfd).args(["run", "--", "true"]));
    let bare = each(&mut Command::new("true"));
    say(&format!(
        "lastfd run -- true: {served:.2} ms, true alone {bare:.2} ms"
    ));
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let program = folder.path().join("frames");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/frames.c");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", source, "-o"]).arg(&program);
    if !gcc.status().is_ok_and(|status| status.success()) {
        return say("gcc is not installed: no program that takes frames");
    }
    for size in ["640x480", "1920x1080"] {
        frames(&program, size);
    }
    let program = folder.path().join("swept");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../lastfd/tests/programs/sweep/ends.c"
    );
    let mut gcc = Command::new("gcc");
    gcc.args(["-O1", source, "-o"]).arg(&program);
    if gcc.status().is_ok_and(|status| status.success()) {
        sweeps(&program);
    }
}

/// Sweeps a program that takes a few frames and ends well, again and again.
fn sweeps(program: &Path) {
    let Ok(camera) = "camera:size=64x48,fps=1000".parse() else {
        return;
    };
    let none: [&str; 0] = [];
    let sweep = Sweep::new(program, none)
        .device(camera)
        .repeats(Repeats::Every);
    let (mut runs, mut took) = (0, 0.0);
    for _ in 0..SWEEPS {
        let Ok(swept) = sweep.run() else { return };
        runs += swept.runs.len();
        took += swept.took.as_secs_f64();
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    say(&format!(
        "sweep of a small C program: {:.0} runs/s on {cores} cores",
        runs as f64 / took
    ));
}

/// The program says how many frames a second it took, and copied.
fn frames(program: &Path, size: &str) {
    let bench = Bench::new();
    let Ok(spec) = format!("camera:fps=max,size={size}").parse() else {
        return;
    };
    if bench.plug_spec(&spec).is_err() {
        return;
    }
    let run = bench.command(program).arg(FRAMES);
    if let Ok(output) = run.output() {
        let said = String::from_utf8_lossy(&output.stdout);
        let text = said.trim();
        say(&format!("camera {size}, unpaced: {text}"));
    }
    bench.finish();
}

/// Milliseconds of one run.
fn each(command: &mut Command) -> f64 {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let clock = Clock::real();
    let begun = clock.now();
    for _ in 0..ROUNDS {
        let _ = command.status();
    }
    (clock.now().0 - begun.0) as f64 / f64::from(ROUNDS) / 1e6
}

fn say(figure: &str) {
    // Nobody may be reading.
    let _ = writeln!(std::io::stdout(), "figure: programs: {figure}");
}
