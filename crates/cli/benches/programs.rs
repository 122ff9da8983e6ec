//! What a user of `lastfd run` waits for: the start and end of a program, and frames of a
//! camera that is not paced, beside a copy of the same bytes.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use lastfd::Bench;
use lastfd::sync::Clock;

const ROUNDS: u32 = 50;
const FRAMES: &str = "600";

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
