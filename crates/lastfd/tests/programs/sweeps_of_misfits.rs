//! Programs that a sweep can do nothing with, or that do not want to end: told so, in
//! bounded time, and nothing of them is left.

use core::time::Duration;
use std::path::{Path, PathBuf};

use lastfd::Patience;
use lastfd::sweep::{Sweep, SweepError, Swept};

use crate::compile;

fn sweep(script: &str) -> Sweep {
    patient(script, Duration::from_secs(3))
}

/// One that ends runs after no less than this.
fn patient(script: &str, limit: Duration) -> Sweep {
    Sweep::new("sh", ["-c", script])
        .device("iio-adc:rate=1000".parse().unwrap())
        .patience(Patience {
            timeout: Duration::from_millis(500),
            limit,
            ..Patience::default()
        })
        .jobs(8)
}

fn refused(script: &str) -> String {
    match sweep(script).run() {
        Err(error @ SweepError::Untouched(_)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Process numbers that a program wrote into a file, one a line.
fn are_gone(file: &Path) {
    let written = std::fs::read_to_string(file).unwrap();
    assert!(written.lines().count() > 1, "{written}");
    for pid in written.lines() {
        let there = Path::new("/proc").join(pid).exists();
        assert!(!there, "process {pid} is left");
    }
}

fn words(swept: &Swept) -> Vec<&str> {
    let mut words: Vec<&str> = swept.runs.iter().map(|run| run.outcome.word()).collect();
    words.sort_unstable();
    words.dedup();
    words
}

#[test]
fn one_that_never_touches_a_device_is_told_so() {
    let said = refused("exit 0");
    assert!(said.contains("sh never touched /dev/iio:device0"), "{said}");
    assert!(said.contains("exit status 0"), "{said}");
}

#[test]
fn one_that_waits_for_something_else_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let path = pids.display();
    let said = refused(&format!(
        "echo $$ > {path}; sleep 1000 & echo $! >> {path}; wait"
    ));
    assert!(said.contains("it was ended after 3."), "{said}");
    are_gone(&pids);
}

#[test]
fn one_that_fails_before_its_first_point_is_told_with_what_it_said() {
    let said = refused("echo 'no such camera model' >&2; exit 3");
    assert!(said.contains("exit status 3"), "{said}");
    assert!(said.contains("it said: no such camera model"), "{said}");
}

#[test]
fn one_that_is_not_there_is_told_so() {
    let none: [&str; 0] = [];
    let error = Sweep::new("no-such-program", none).run().unwrap_err();
    assert!(error.to_string().contains("there is no such program"));
}

#[test]
fn one_that_goes_to_the_background_is_watched_there_and_ended() {
    if !compile::has("setsid") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // It leaves a child of its own session behind, which holds the node.
    let script = format!(
        "setsid sh -c 'exec 9< /dev/iio:device0; echo $$ >> {}; exec sleep 1000' & \
         while ! [ -s {} ]; do sleep 0.01; done",
        pids.display(),
        pids.display()
    );
    let swept = patient(&script, Duration::from_secs(30)).run().unwrap();
    assert!(swept.learnt.left_others);
    let said = swept.to_string();
    assert!(said.contains("leaves others running"), "{said}");
    assert!(words(&swept).contains(&"kept"), "{said}");
    are_gone(&pids);
}

/// Its own status says nothing of what it started.
#[test]
fn one_of_which_a_child_crashes_is_told_with_the_child() {
    use lastfd::supervisor::Machine;
    let crash = "head -c 1 /dev/iio:device0 >&2; [ -e /dev/iio:device0 ] || kill -SEGV $$";
    let script = format!("sh -c 'exec 9< /dev/iio:device0; {crash}'; exit 0");
    let swept = sweep(&script).run().unwrap();
    let said = swept.to_string();
    let crashed = said.contains("crashed (SIGSEGV of sh (");
    assert_eq!(crashed, Machine::look().tells_endings, "{said}");
    if crashed {
        assert!(said.contains("), which it started)"), "{said}");
    }
}

#[test]
fn one_that_ignores_sigterm_is_ended_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!(
        "trap '' TERM INT HUP; echo $$ >> {}; exec 9< /dev/iio:device0; \
         while :; do sleep 1000; done",
        pids.display()
    );
    let swept = sweep(&script).run().unwrap();
    assert!(words(&swept).contains(&"kept"), "{swept}");
    are_gone(&pids);
}

#[test]
fn one_that_prints_without_end_does_not_fill_anything() {
    let swept = sweep("yes & yes >&2 & cat /dev/iio:device0").run().unwrap();
    assert!(words(&swept).iter().all(|word| *word != "hung"), "{swept}");
    assert!(swept.runs.len() >= 2, "{swept}");
}

/// A program whose file asks for the rights of another user than this one.
fn another_users(folder: &Path) -> Option<PathBuf> {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    if !rustix::process::getuid().is_root() {
        let known = ["/usr/bin/su", "/bin/su", "/usr/bin/passwd"];
        return known.map(PathBuf::from).into_iter().find(|p| p.exists());
    }
    let copy = folder.join("true");
    std::fs::copy(lastfd::find_program("true").unwrap(), &copy).unwrap();
    const NOBODY: u32 = 65534;
    chown(&copy, Some(NOBODY), None).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o4755)).unwrap();
    Some(copy)
}

#[test]
fn one_that_needs_another_users_rights_is_told_what_it_was_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(setuid) = another_users(folder.path()) else {
        return;
    };
    let setuid = setuid.display();
    // Without the node: there is nothing to sweep, and why is said.
    let said = refused(&format!("exec {setuid} --version"));
    assert!(said.contains("with another user's rights: EPERM"), "{said}");
    // With it: a note.
    let script = format!("{setuid} --version; head -c 1 /dev/iio:device0");
    let said = sweep(&script).run().unwrap().to_string();
    assert!(said.contains("note: refused: sh"), "{said}");
}
