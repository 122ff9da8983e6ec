//! How a program is tested with [`Bench`]: one in C, one in Go, and a Python script, which
//! do the same. `examples/programs` has them, and the test of the script with pytest.
#![cfg(all(feature = "devices", feature = "iiod"))]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lastfd::devices::IioAdc;
use lastfd::{Bench, Broken, Ending, Expectations, Met, Occasion, find_program};

const SOON: Duration = Duration::from_secs(20);

/// The program and its first arguments.
type Logger = Vec<PathBuf>;

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/programs")
        .join(name)
}

/// Whether a tool is there; without it there is nothing to test, which in the CI is an error.
fn has(tool: &str) -> bool {
    let found = find_program(tool).is_ok();
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    assert!(found || !ci, "{tool} is not installed");
    found
}

/// A compiler makes it anew in a folder of this test's own, which goes with it.
fn compiled(compiler: &str, args: &[&str], name: &str) -> Option<(tempfile::TempDir, Logger)> {
    if !has(compiler) {
        return None;
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = folder.path().join("logger");
    let mut command = Command::new(compiler);
    command.args(args).arg("-o").arg(&program).arg(source(name));
    command.env("CGO_ENABLED", "0").env("GO111MODULE", "off");
    assert!(command.status().unwrap().success(), "{name}");
    Some((folder, vec![program]))
}

fn expected(words: &str) -> Expectations {
    words.parse().unwrap()
}

/// What all three have to do.
fn test(logger: &Logger) {
    it_ends_when_its_converter_is_pulled_out_while_it_reads(logger);
    for when in ["before:open", "after:open", "before:read:3", "after:read:3"] {
        it_survives_the_unplug(logger, when);
    }
    it_says_what_failed(logger);
    its_mistake_would_be_found(logger);
}

fn it_ends_when_its_converter_is_pulled_out_while_it_reads(logger: &Logger) {
    let bench = Bench::new();
    let adc = bench
        .plug_spec(&"iio-adc:rate=100".parse().unwrap())
        .unwrap();
    let program = bench.command(&logger[0]).args(&logger[1..]);
    let program = program.stdout(Stdio::piped()).spawn().unwrap();
    let asleep: Occasion = "blocked:read:3".parse().unwrap();
    bench.wait_for_of(&adc, asleep, SOON).unwrap();
    let files = bench.files();
    assert_eq!(&*files[0].file.path, "/dev/iio:device0");
    assert_eq!(files[0].by[0].pid, program.pid().unwrap());
    assert_eq!(&*files[0].last.as_ref().unwrap().call, "read");
    adc.unplug();
    let met = expected("ends=2s,closes=2s,no-spin,no-crash").watch_for(&program, SOON);
    assert_eq!(met, Ok(Met::Ended(Ending::Exited(0))));
    let said = program.output().unwrap().stdout;
    assert!(said.starts_with(b"gone after "), "{said:?}");
    bench.finish().assert_clean();
}

fn it_survives_the_unplug(logger: &Logger, when: &str) {
    let bench = Bench::new();
    let adc = bench.plug(IioAdc::default()).unwrap();
    bench.unplug_when(&adc, when.parse().unwrap()).unwrap();
    let program = bench.command(&logger[0]).args(&logger[1..]);
    let program = program
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let met = expected("ends=5s,closes=5s,no-spin,no-crash").watch(&program);
    assert_eq!(met, Ok(()), "{when}");
    drop(program);
    // That the unplug came, too.
    bench.finish().assert_clean();
}

fn it_says_what_failed(logger: &Logger) {
    let bench = Bench::new();
    let adc = bench.plug(IioAdc::default()).unwrap();
    let fault = "fail:read:1:EIO".parse().unwrap();
    bench
        .fault_when(&adc, fault, "read:3".parse().unwrap())
        .unwrap();
    let program = bench.command(&logger[0]).args(&logger[1..]);
    let output = program.output().unwrap();
    assert_eq!(output.ending, Ending::Exited(1));
    let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(said.contains("input/output error"), "{said}");
    bench.finish().assert_clean();
}

fn its_mistake_would_be_found(logger: &Logger) {
    let bench = Bench::new();
    let adc = bench.plug(IioAdc::default()).unwrap();
    let program = bench.command(&logger[0]).args(&logger[1..]);
    let program = program.arg("--stubborn").spawn().unwrap();
    let read: Occasion = "read:2".parse().unwrap();
    bench.wait_for_of(&adc, read, SOON).unwrap();
    adc.unplug();
    let broken = expected("no-spin").watch_for(&program, SOON).unwrap_err();
    assert!(matches!(broken, Broken::Spun { .. }), "{broken}");
    program.kill();
    bench.finish().assert_clean();
}

#[test]
fn a_program_in_c() {
    let flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"];
    if let Some((_folder, logger)) = compiled("gcc", &flags, "logger.c") {
        test(&logger);
    }
}

#[test]
fn a_program_in_go() {
    if let Some((_folder, logger)) = compiled("go", &["build"], "logger.go") {
        test(&logger);
    }
}

#[test]
fn a_python_script() {
    if has("python3") {
        test(&vec!["python3".into(), source("logger.py")]);
    }
}
