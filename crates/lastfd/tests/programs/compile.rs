//! The programs beside this file, compiled.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::ordinary::PROGRAMS;

/// Where the sources are.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs")
}

/// Whether a tool is there; without it the test has nothing to do, which in the CI
/// is an error.
pub(crate) fn has(tool: &str) -> bool {
    let found = lastfd::find_program(tool).is_ok();
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
    assert!(found || !ci, "{tool} is not installed");
    found
}

/// A C program of one file.
pub(crate) fn c(name: &str) -> Option<PathBuf> {
    let source = sources().join("c").join(name).with_extension("c");
    gcc(name, &["-pthread"], &[source])
}

/// A C program of one file, with what it is compiled by and how.
pub(crate) fn c_with(compiler: &str, name: &str, how: &str, flags: &[&str]) -> Option<PathBuf> {
    if !has(compiler) {
        return None;
    }
    let source = sources().join("c").join(name).with_extension("c");
    Some(build(&format!("{name}-{how}"), |target| {
        let mut command = Command::new(compiler);
        command.args(["-std=gnu11", "-g", "-O0", "-pthread"]);
        command.args(flags).arg("-o").arg(target).arg(source);
        command
    }))
}

/// A C program that is swept.
pub(crate) fn c_swept(name: &str) -> Option<PathBuf> {
    let source = sources().join("sweep").join(name).with_extension("c");
    gcc(&format!("swept-{name}"), &[], &[source])
}

/// The program of the rows, linked as told.
pub(crate) fn c_rows(name: &str, flags: &[&str]) -> Option<PathBuf> {
    let folder = std::fs::read_dir(sources().join("rows"));
    let folder = folder.into_iter().flatten();
    let files = folder.map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "c"))
        .collect();
    files.sort();
    gcc(name, flags, &files)
}

fn gcc(name: &str, flags: &[&str], files: &[PathBuf]) -> Option<PathBuf> {
    // Compiled by who runs this as somebody else.
    if let Some(folder) = std::env::var_os(PROGRAMS) {
        return Some(Path::new(&folder).join(name));
    }
    const ALWAYS: [&str; 5] = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"];
    if !has("gcc") {
        return None;
    }
    Some(build(name, |target| {
        let mut gcc = Command::new("gcc");
        gcc.args(ALWAYS).args(flags).arg("-o").arg(target);
        gcc.args(files);
        gcc
    }))
}

/// The program of the rows in Go, which has no C library.
pub(crate) fn go_rows() -> Option<PathBuf> {
    if !has("go") {
        return None;
    }
    Some(build("rows-go", |target| {
        let mut go = Command::new("go");
        go.args(["build", "-o"]).arg(target);
        go.arg(sources().join("go/rows.go"));
        go.env("CGO_ENABLED", "0").env("GO111MODULE", "off");
        go
    }))
}

/// The program of the rows in Python.
pub(crate) fn python_rows() -> PathBuf {
    sources().join("python/rows.py")
}

/// Runs a compiler, unless what it made last is newer than every source.
fn build(name: &str, command: impl FnOnce(&Path) -> Command) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let built = folder.join(name);
    let is_new = newest(&built).is_some_and(|built| Some(built) > newest(&sources()));
    if !is_new {
        // Tests that run at a time do not meet; nor is it open here, where a child that
        // another test forks would keep it from being run.
        let part = tempfile::tempdir_in(folder).unwrap();
        let target = part.path().join(name);
        let output = command(&target).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        std::fs::rename(target, &built).unwrap();
    }
    built
}

/// When a file, or the newest in a folder, was written.
fn newest(path: &Path) -> Option<SystemTime> {
    let about = path.metadata().ok()?;
    if !about.is_dir() {
        return about.modified().ok();
    }
    let folder = std::fs::read_dir(path).ok()?;
    folder.filter_map(|entry| newest(&entry.ok()?.path())).max()
}
