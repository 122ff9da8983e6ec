//! Many programs at once, while devices come and go. A process of its own, whose
//! descriptors and children are counted.

#![expect(clippy::print_stdout, reason = "`cargo xtask soak` keeps the figures")]

#[expect(dead_code, reason = "the other programs are not run here")]
#[path = "../programs/compile.rs"]
mod compile;
#[path = "../programs/ordinary.rs"]
mod ordinary;
#[expect(dead_code, reason = "this program is talked to little")]
#[path = "../programs/talk.rs"]
mod talk;

use core::time::Duration;

use lastfd::{Bench, Ending, Keep};

use talk::{SOON, Talk};

/// Seconds that it goes on: `cargo xtask soak` asks for the long form.
fn seconds() -> String {
    std::env::var("LASTFD_CROWD_SECONDS").unwrap_or_else(|_| "2".to_owned())
}

/// Descriptors of this process.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Processes that have one of ours above them.
fn children() -> usize {
    let me = format!("PPid:\t{}", std::process::id());
    let processes = std::fs::read_dir("/proc").unwrap();
    let status = |entry: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(entry.ok()?.path().join("status")).ok()
    };
    let states = processes.filter_map(status);
    states
        .filter(|status| status.lines().any(|line| line == me))
        .count()
}

#[test]
fn a_crowd_of_programs_leaves_nothing_while_devices_come_and_go() {
    let Some(program) = compile::c("crowd") else {
        return;
    };
    if ordinary::user(&["a_crowd_of_programs"], &[&program]) {
        return;
    }
    let before = (descriptors(), children());
    let bench = Bench::builder().keep(Keep::Verdict).build();
    let specs = ["camera:size=64x48,fps=max", "iio-adc"];
    let plug = |bench: &Bench| specs.map(|spec| bench.plug_spec(&spec.parse().unwrap()).unwrap());
    let mut plugged = plug(&bench);
    let seconds = seconds();
    let arguments = ["/dev/video0", "/dev/iio:device0", &seconds];
    let mut crowd = Talk::start(bench.command(&program).args(arguments), "running");
    let mut cycles = 0;
    // Until it says how it went.
    let said = loop {
        if let Some(line) = crowd.line_within(Duration::from_millis(20)) {
            break line;
        }
        for device in &plugged {
            device.unplug();
        }
        bench.forget_unplugged();
        plugged = plug(&bench);
        cycles += 1;
    };
    assert!(said.ends_with("were killed"), "{said}");
    assert_eq!(crowd.end(), (Vec::new(), Ending::Exited(0)));
    println!("{said}, devices came and went {cycles} times");
    assert!(cycles > 3, "only {cycles} cycles");
    assert!(bench.wait_for_clients(SOON), "files are left open");
    drop(plugged);
    bench.finish().assert_clean();
    assert_eq!((descriptors(), children()), before);
}
