//! The built binary: runs with the built-in client, with programs, with signals; iiod and
//! replay.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

mod binary;

use binary::{has_client, lastfd, run, text};

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_run_of_nothing_but_its_name_is_clean() {
    let output = run(&[]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.ends_with("verdict: clean\n"), "{said}");
    assert!(said.contains("last close of /dev/iio:device0"), "{said}");
    assert!(output.stderr.is_empty());
    assert!(!said.contains('\u{1b}'), "colour goes to terminals only");
}

#[test]
fn verbose_logs_references_and_matches_too() {
    let said = text(&run(&["--verbose"]).stdout);
    assert!(said.contains("reference taken for"), "{said}");
    assert!(said.contains("match with"), "{said}");
}

#[test]
fn the_report_has_events_ledger_and_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    let output = run(&["--report", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(report["rules"], "linux-6.12");
    assert_eq!(report["verdict"]["clean"], true);
    assert_eq!(report["programs"][0]["status"], 0);
    let removal = &report["removals"][0];
    assert_eq!(removal["name"], "iio-adc");
    let held = removal["held"].as_array().unwrap();
    assert!(held.iter().any(|line| line["holding"] == "open file"));
    let released = removal["released"].as_array().unwrap();
    let went = |what: &str| {
        released.iter().position(|release| {
            let said = release["what"].as_str();
            said.is_some_and(|said| said.starts_with(what))
        })
    };
    let close = went("last close of /dev/iio:device0");
    assert!(close.is_some() && close < went("release of iio:device0"));
    let events = report["events"].as_array().unwrap();
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "operation_end" && event["result"]["error"] == "ENODEV")
    );
    let ordered = events
        .windows(2)
        .all(|pair| pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64());
    assert!(ordered);
}

#[test]
fn the_picture_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.svg");
    assert_eq!(
        run(&["--report", path.to_str().unwrap()]).status.code(),
        Some(0)
    );
    let picture = fs::read_to_string(&path).unwrap();
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    for wanted in [
        "unplug iio-adc, on read:1",
        "/dev/iio:device0",
        "gone, still held",
    ] {
        assert!(picture.contains(wanted), "{wanted}");
    }
}

#[test]
fn a_program_has_its_streams_and_its_exit_status() {
    let output = run(&["--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(text(&output.stdout), "out\n");
    let said = text(&output.stderr);
    assert!(said.contains("err\n"), "{said}");
    assert!(said.contains("program   sh: exit status 7"), "{said}");
    assert!(said.ends_with("verdict: clean\n"), "{said}");
    assert_eq!(output.status.code(), Some(7));
}

/// So that no thread's first open waits for every processor.
#[test]
fn a_program_begins_with_room_for_the_descriptors_of_devices() {
    let (limit, program) = ("nofile=256", ["--", "cat", "/proc/self/status"]);
    let output = run(&[&["--device", "cec", "--restrict", limit][..], &program].concat());
    let said = text(&output.stdout);
    assert!(said.contains("FDSize:\t256\n"), "{said}");
}

#[test]
fn a_program_that_is_killed_is_told_as_shells_do() {
    let output = run(&["--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(output.status.code(), Some(137));
    let output = run(&["--", "sh", "-c", "kill -SEGV $$"]);
    let said = text(&output.stderr);
    assert!(
        said.contains("finding   program: sh crashed: signal 11 (SIGSEGV)"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(139));
}

#[test]
fn a_signal_ends_the_program_and_the_verdict_still_comes() {
    let mut child = lastfd()
        .args(["run", "--", "sh", "-c", "echo ready; exec sleep 600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    assert_eq!(ready, "ready\n");
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("program   sh: killed by signal 15"), "{said}");
    assert!(said.ends_with("verdict: clean\n"), "{said}");
    assert_eq!(output.status.code(), Some(143));
}

#[test]
fn a_signal_ends_the_built_in_client_and_the_verdict_still_comes() {
    let mut child = lastfd()
        .args(["run", "--unplug", "iio-adc@600s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("read = ") {
        assert!(stdout.read_line(&mut said).unwrap() > 0, "{said}");
    }
    signal(&child, "INT");
    stdout.read_to_string(&mut said).unwrap();
    assert!(
        said.ends_with("no unplug of iio-adc: 600s never came\n"),
        "{said}"
    );
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_stock_client_that_loses_its_device_is_told_so_and_ends() {
    if !has_client("iio_readdev") {
        return;
    }
    let output = run(&[
        "--device",
        "iio-adc",
        "--unplug",
        "iio-adc@300ms",
        "--",
        "iio_readdev",
        "-u",
        "{uri}",
        "-b",
        "16",
        "lastfd-adc",
    ]);
    let said = text(&output.stderr);
    // Its exit status says nothing (libiio 0.24 gives 0), its words do.
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("No such device (19)"), "{said}");
    assert!(said.ends_with("verdict: clean\n"), "{said}");
    let close = said.find("last close of /dev/iio:device0").unwrap();
    let release = said.find("release of iio:device0").unwrap();
    assert!(close < release, "{said}");

    let samples = output.stdout;
    assert!(
        !samples.is_empty() && samples.len().is_multiple_of(256),
        "{}",
        samples.len()
    );
    for (n, sample) in samples.chunks_exact(16).enumerate() {
        let n = n as i64;
        let word = |at: usize| i16::from_le_bytes([sample[at], sample[at + 1]]);
        let time = i64::from_le_bytes(sample[8..].try_into().unwrap());
        assert_eq!((word(0), word(2)), (n as i16, -n as i16));
        assert_eq!(time, 1_000_000_000 + n * 1_000_000);
    }
}

#[test]
fn iiod_prints_its_address_and_serves_until_interrupted() {
    let mut child = lastfd()
        .args([
            "iiod",
            "--device",
            "iio-adc",
            "--device",
            "iio-dac",
            "--bind",
            "127.0.0.1:0",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut uri = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut uri).unwrap();
    let address = uri.trim().strip_prefix("ip:").unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client
        .write_all(b"READ lastfd-adc INPUT voltage0 raw\r\nREAD dac-label name\r\n")
        .unwrap();
    let mut reply = [0; 21];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"4\n100\0\n11\nlastfd-dac\0");
    // A client that stays connected does not hold it up.
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn replay_prints_the_trace_of_a_file_and_of_a_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let replay = |args: &[&str]| {
        let output = lastfd()
            .current_dir(&root)
            .arg("replay")
            .args(args)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let by_name = replay(&["l3"]);
    assert_eq!(by_name, replay(&["oracle/scenarios/l3.scenario"]));
    assert!(by_name.starts_with("00 BEGIN\n"), "{by_name}");
    let two = replay(&["--rules", "linux-pre-6.6", "a1", "a2"]);
    assert!(
        two.starts_with("== a1\n00 BEGIN\n") && two.contains("\n== a2\n"),
        "{two}"
    );
    assert_ne!(replay(&["a1"]), replay(&["--rules", "linux-pre-6.6", "a1"]));
}

#[test]
fn a_run_that_is_killed_takes_its_program_and_all_that_it_started_along() {
    let mut run = lastfd()
        .args(["run", "--device", "camera", "--"])
        .args(["sh", "-c", "sleep 60 & echo $$; echo $!; exec sleep 60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let pids: Vec<String> = (0..2).map(|_| lines.next().unwrap().unwrap()).collect();
    signal(&run, "KILL");
    run.wait().unwrap();
    // Their output is at its end when nobody is left who could write to it.
    assert!(lines.next().is_none());
    for pid in pids {
        // It closed its files before it became a zombie.
        let stat = format!("/proc/{pid}/stat");
        let has_ended = || {
            let state = fs::read_to_string(&stat).unwrap_or_default();
            let state = state.rsplit(") ").next().unwrap_or_default().chars().next();
            matches!(state, None | Some('Z' | 'X'))
        };
        assert!(wait_until(has_ended), "{pid} is alive");
    }
    // The next one starts clean.
    let output = run_program(&["true"]);
    assert_eq!(output.status.code(), Some(0));
}

/// Processes that are not dead and have this in their environment.
fn processes_with(mark: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let marked = |path: &std::path::Path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        let mut words = environment.split(|byte| *byte == 0);
        words.any(|word| word == mark.as_bytes())
    };
    let paths = entries
        .map(|entry| entry.path())
        .filter(|path| marked(path));
    paths.map(|path| path.display().to_string()).collect()
}

/// In a blocking read, in the middle of opens and of attributes' reads, with children.
#[test]
fn a_run_that_is_killed_in_the_middle_of_calls_leaves_nobody_and_the_next_starts_clean() {
    let script = "cat /dev/video0 > /dev/null & \
                  (while :; do : < /dev/iio:device0; echo opened; done) & \
                  (while :; do cat /sys/class/video4linux/video0/name > /dev/null; done) & \
                  echo started; wait";
    let folder = tempfile::tempdir().unwrap();
    for after in [1, 2, 7, 30] {
        let mark = format!("LASTFD_KILLED={}.{after}", std::process::id());
        let (name, value) = mark.split_once('=').unwrap();
        let mut run = lastfd()
            .args(["run", "--device", "camera:fps=1", "--device", "iio-adc"])
            .args(["--", "sh", "-c", script])
            .env("XDG_RUNTIME_DIR", folder.path())
            .env(name, value)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
        for _ in 0..after {
            lines.next().unwrap().unwrap();
        }
        assert!(processes_with(&mark).len() > 3, "its program and guard");
        signal(&run, "KILL");
        run.wait().unwrap();
        let nobody_is_left = || processes_with(&mark).is_empty();
        assert!(
            wait_until(nobody_is_left),
            "left: {:?}",
            processes_with(&mark)
        );
    }
    let next = lastfd()
        .args(["run", "--device", "camera", "--", "ls", "/dev/video0"])
        .env("XDG_RUNTIME_DIR", folder.path())
        .output()
        .unwrap();
    assert_eq!(next.status.code(), Some(0), "{}", text(&next.stderr));
    assert_eq!(text(&next.stdout), "/dev/video0\n");
    let left = fs::read_dir(folder.path().join("lastfd")).unwrap();
    let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Whether it comes true within half a minute.
fn wait_until(mut it_is_so: impl FnMut() -> bool) -> bool {
    let clock = lastfd::sync::Clock::real();
    let deadline = clock.now().after(std::time::Duration::from_secs(30));
    while !it_is_so() {
        if clock.now() >= deadline {
            return false;
        }
        // Nobody tells of the end of another's child.
        let _ = clock.sleep(std::time::Duration::from_millis(1), None);
    }
    true
}

fn run_program(program: &[&str]) -> Output {
    let mut args = vec!["--device", "camera", "--"];
    args.extend(program);
    run(&args)
}

#[test]
fn a_program_sees_the_device_and_no_other_of_its_class() {
    let script = "cat /sys/class/video4linux/video0/name; ls /sys/class/video4linux; ls -d /dev/video* /dev/media* /dev/dri 2>/dev/null; cat < /dev/null";
    let output = run_program(&["sh", "-c", script]);
    let said = text(&output.stdout);
    let mut lines = said.lines();
    assert!(
        lines.next().is_some_and(|name| name.contains("camera")),
        "{said}"
    );
    assert_eq!(
        lines.collect::<Vec<_>>(),
        ["video0", "/dev/video0"],
        "{said}"
    );
}

#[test]
fn each_mistake_of_the_gremlin_is_reported_under_its_rule_and_no_other() {
    let faults = ["g3", "g4", "g5", "g7", "g11", "g14", "g22", "g34"];
    for fault in faults {
        let output = run(&["--device", &format!("gremlin:fault={fault}")]);
        let said = text(&output.stdout);
        assert_eq!(output.status.code(), Some(70), "{fault}: {said}");
        let rule = format!("finding   {} ", fault.to_uppercase());
        assert!(said.contains(&rule), "{fault}: {said}");
        assert!(said.ends_with("verdict: 1 finding\n"), "{fault}: {said}");
    }
    let output = run(&["--device", "gremlin"]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.ends_with("verdict: clean\n"), "{said}");
    // Nobody looks.
    let output = run(&["--device", "gremlin:fault=g7", "--no-sanitizer"]);
    let said = text(&output.stdout);
    assert!(!said.contains("G7"), "{said}");
}

#[test]
fn a_sleeper_that_linux_does_not_wake_is_a_gap_and_leaves_the_exit_status() {
    let device = ["--device", "display", "--unplug", "display@blocked:read"];
    let program = ["--", "timeout", "0.3", "cat", "/dev/dri/card0"];
    let output = run(&[&device[..], &program[..]].concat());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(124), "{said}");
    let gap = "gap       G12 sleeper not woken: card0, kernel gap in drm, drm_read\n";
    assert!(said.contains(gap), "{said}");
    assert!(said.ends_with("verdict: clean\n"), "{said}");
}
