//! Tests as an ordinary user runs them.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `nobody` of every Linux.
const NOBODY: u32 = 65534;
/// Seconds that they may take: the long forms are a minute.
const BOUND: &str = "900";
/// Names the folder that has the compiled programs.
pub(crate) const PROGRAMS: &str = "LASTFD_TEST_PROGRAMS";

/// Where this process has all rights: runs the tests of this binary whose names have
/// one of these words in them as `nobody`, who has none, with copies of these programs.
/// They must pass and leave no file behind.
///
/// False for an ordinary user, whose tests are to be run as they are.
pub(crate) fn user(tests: &[&str], programs: &[&Path]) -> bool {
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    let home = tempfile::tempdir().unwrap();
    // He cannot look into root's folders: what he runs lies in his own.
    let own = std::env::current_exe().unwrap();
    let binary = copy(home.path(), &own);
    for program in programs {
        copy(home.path(), program);
    }
    // Runs have theirs in it, and remove those.
    let runs = home.path().join("lastfd");
    std::fs::create_dir(&runs).unwrap();
    std::fs::set_permissions(&runs, Permissions::from_mode(0o700)).unwrap();
    for folder in [home.path(), &runs] {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let before = entries(home.path());
    let output = Command::new("timeout")
        .args(["-k", "5", BOUND])
        .arg(binary)
        .args(tests)
        .args(["--nocapture", "--test-threads", "2"])
        .envs(["HOME", "TMPDIR", "XDG_RUNTIME_DIR", PROGRAMS].map(|name| (name, home.path())))
        .current_dir(home.path())
        .stdin(Stdio::null())
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "as nobody: {said}{errors}");
    assert!(
        !said.contains("running 0 tests"),
        "none is called {tests:?}"
    );
    assert_eq!(entries(home.path()), before, "files are left behind");
    true
}

fn copy(folder: &Path, file: &Path) -> PathBuf {
    let target = folder.join(file.file_name().unwrap());
    std::fs::copy(file, &target).unwrap();
    std::fs::set_permissions(&target, Permissions::from_mode(0o755)).unwrap();
    target
}

/// Everything below a folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(entries(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}
