//! Programs under sanitizers, valgrind and gdb: what those say of a program whose device
//! goes is theirs, word for word, as without lastfd.

use std::path::{Path, PathBuf};
use std::process::Command;

use lastfd::{Bench, Ending, Output};

use crate::compile;

/// Runs a program, and takes the converter away before its third read.
fn run(program: &Path, args: &[&str], library: Option<&Path>) -> Output {
    let bench = Bench::new();
    let adc = bench.plug_spec(&"iio-adc".parse().unwrap()).unwrap();
    let when = "before:read:3".parse().unwrap();
    bench.unplug_when(&adc, when).unwrap();
    let mut command = bench.command(program).args(args);
    if let Some(folder) = library {
        command = command.env("LD_LIBRARY_PATH", folder);
    }
    let output = command.output().unwrap();
    bench.finish().assert_clean();
    output
}

/// Where the source has these words: `forgets.c:35`.
fn at(words: &str) -> String {
    let mut lines = include_str!("c/forgets.c").lines();
    let line = lines.position(|line| line.contains(words)).unwrap();
    format!("forgets.c:{}", line + 1)
}

const TAKES: &str = "malloc(sizeof";
const FREES: &str = "free(reader);";
const ENDS: &str = "return NULL;";
const USES: &str = "close(reader->fd)";

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines hold these, in this order.
fn holds(text: &str, wanted: &[&str]) {
    let mut rest = text;
    for words in wanted {
        let at = rest.find(words);
        let at = at.unwrap_or_else(|| panic!("no `{words}` in its place: {text}"));
        rest = &rest[at + words.len()..];
    }
}

/// What AddressSanitizer says of the use of what was freed, and LeakSanitizer, which
/// stops every thread of the program for it, of what is left behind.
fn reports(program: &Path, library: Option<&Path>) {
    let output = run(program, &[], library);
    assert_eq!(output.ending, Ending::Exited(1));
    let text = said(&output.stderr);
    holds(
        &text,
        &[
            "ERROR: AddressSanitizer: heap-use-after-free on address",
            "READ of size 4",
            &at(USES),
            "freed by thread T0 here:",
            &at(FREES),
            "previously allocated by thread T1 here:",
            &at(TAKES),
            "SUMMARY: AddressSanitizer: heap-use-after-free",
            "ABORTING",
        ],
    );
    let output = run(program, &["leaves"], library);
    let text = said(&output.stderr);
    holds(
        &text,
        &[
            "ERROR: LeakSanitizer: detected memory leaks",
            "Direct leak of 68 byte(s) in 1 object(s) allocated from:",
            &at(TAKES),
            "SUMMARY: AddressSanitizer: 68 byte(s) leaked in 1 allocation(s).",
        ],
    );
}

#[test]
fn what_gccs_sanitizer_says_of_a_program_is_its_own() {
    if let Some(program) = compile::c_with("gcc", "forgets", "asan", &["-fsanitize=address"]) {
        reports(&program, None);
    }
}

#[test]
fn what_gccs_sanitizer_says_when_it_is_linked_statically_is_its_own() {
    let flags = ["-fsanitize=address", "-static-libasan"];
    if let Some(program) = compile::c_with("gcc", "forgets", "asan-static", &flags) {
        reports(&program, None);
    }
}

#[test]
fn what_clangs_sanitizer_says_is_its_own() {
    let flags = ["-fsanitize=address"];
    if let Some(program) = compile::c_with("clang", "forgets", "clang-asan", &flags) {
        reports(&program, None);
    }
}

#[test]
fn what_clangs_sanitizer_says_from_a_library_is_its_own() {
    let flags = ["-fsanitize=address", "-shared-libasan"];
    if let Some(program) = compile::c_with("clang", "forgets", "clang-asan-shared", &flags) {
        reports(&program, Some(&clangs_runtime()));
    }
}

/// Where clang has its runtime's libraries.
fn clangs_runtime() -> PathBuf {
    let file = "-print-file-name=libclang_rt.asan-x86_64.so";
    let output = Command::new("clang").arg(file).output().unwrap();
    let path = PathBuf::from(said(&output.stdout).trim());
    path.parent().unwrap().to_owned()
}

fn debuggable(by: &str) -> Option<PathBuf> {
    compile::c_with("gcc", "forgets", by, &[]).filter(|_| compile::has(by))
}

#[test]
fn valgrind_sees_a_program_use_what_it_freed() {
    let Some(program) = debuggable("valgrind") else {
        return;
    };
    let program = program.to_str().unwrap();
    let args = ["--error-exitcode=9", program];
    let output = run(Path::new("valgrind"), &args, None);
    let text = said(&output.stderr);
    assert_eq!(output.ending, Ending::Exited(9), "{text}");
    holds(
        &text,
        &[
            "Invalid read of size 4",
            &format!("main ({})", at(USES)),
            "free'd",
            &format!("main ({})", at(FREES)),
            &format!("({})", at(TAKES)),
            "ERROR SUMMARY: 1 errors from 1 contexts",
        ],
    );
}

#[test]
fn gdb_stops_a_program_where_its_device_went() {
    let Some(program) = debuggable("gdb") else {
        return;
    };
    let program = program.to_str().unwrap();
    let stop = format!("tbreak {}", at(ENDS));
    let mut args = vec!["-nx", "-batch"];
    for command in [
        "set debuginfod enabled off",
        &stop,
        "run",
        "print (int)errno",
        "print reader->fd > 2",
        "continue",
    ] {
        args.extend(["-ex", command]);
    }
    args.push(program);
    let output = run(Path::new("gdb"), &args, None);
    let text = said(&output.stdout);
    holds(
        &text,
        &[&at(ENDS), "$1 = 19", "$2 = 1", "exited with code 01]"],
    );
}
