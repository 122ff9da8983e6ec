//! `lastfd doctor`, on this machine and where something is truly missing.

use std::process::{Command, Output};

mod binary;

use binary::{has_client, lastfd, text};

fn doctor(args: &[&str]) -> Output {
    lastfd().arg("doctor").args(args).output().unwrap()
}

/// In a shell that first makes something worse; none if it cannot be made so here.
fn where_it_is_worse(program: &[&str], script: &str) -> Option<Output> {
    if !has_client(program[0]) {
        return None;
    }
    // What it does is done before lastfd runs, which says so.
    let script = format!("{script} && echo worse >&2 && exec \"$0\" doctor");
    let output = Command::new(program[0])
        .args(&program[1..])
        .args(["sh", "-c", &script])
        .arg(env!("CARGO_BIN_EXE_lastfd"))
        .output()
        .unwrap();
    text(&output.stderr).contains("worse").then_some(output)
}

/// One line says no, and what to do; the trial failed, too.
fn is_impossible(output: &Output, line: &str, remedy: &str) {
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains(line), "no `{line}`: {said}");
    assert!(said.contains(remedy), "no `{remedy}`: {said}");
    assert!(said.contains("\nno    trial "), "{said}");
    let verdict = "verdict: no program can be served here\n";
    assert!(said.ends_with(verdict), "{said}");
}

#[test]
fn this_machine_serves_programs_and_says_so() {
    let output = doctor(&["--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(report["can_run"], true);
    assert_eq!(report["trial"]["passed"], true);
    assert_eq!(report["checks"][0]["name"], "Linux");
    let said = text(&doctor(&[]).stdout);
    assert!(
        said.contains("ok    trial                 a program saw a device"),
        "{said}"
    );
    assert!(said.contains("verdict: programs can be served here"));
}

#[test]
fn what_is_restricted_is_told_and_runs_all_the_same_where_it_may() {
    let output = doctor(&["--restrict", "docker", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    let checks = report["checks"].as_array().unwrap();
    let named = |name: &str| checks.iter().find(|check| check["name"] == name).unwrap();
    assert_eq!(named("pidfd_getfd")["has"], "less");
    let remedy = named("pidfd_getfd")["remedy"].as_str().unwrap();
    assert!(remedy.contains("--cap-add SYS_PTRACE"), "{remedy}");

    let output = doctor(&["--restrict", "no-listener"]);
    is_impossible(&output, "no    seccomp listener", "seccomp(2)");
    // A run says the same.
    let run = binary::run(&["--restrict", "no-listener", "--", "true"]);
    assert_eq!(run.status.code(), Some(1));
    let said = text(&run.stderr);
    assert!(said.contains("has no seccomp listeners"), "{said}");

    let output = doctor(&["--restrict", "dokcer"]);
    assert_eq!(output.status.code(), Some(64));
    let said = text(&output.stderr);
    assert!(
        said.contains("'dokcer'; there are docker, podman"),
        "{said}"
    );
}

#[test]
fn a_listener_that_is_there_already_is_told_by_the_trial() {
    let own = env!("CARGO_BIN_EXE_lastfd");
    let output = binary::run(&["--", own, "doctor"]);
    is_impossible(
        &output,
        "under a seccomp listener already",
        "lastfd inside lastfd",
    );
}

#[test]
fn a_low_limit_for_open_files_is_told() {
    let output = where_it_is_worse(&["env"], "ulimit -n 40").unwrap();
    is_impossible(&output, "the limit is 40", "ulimit -n 1024");
}

#[test]
fn a_missing_proc_is_told() {
    let unshare = ["unshare", "--user", "--map-root-user", "--mount"];
    if let Some(output) = where_it_is_worse(&unshare, "mount -t tmpfs none /proc") {
        is_impossible(&output, "no    /proc", "mount -t proc proc /proc");
    }
}

#[test]
fn used_up_inotify_instances_are_told() {
    let unshare = ["unshare", "--user", "--map-root-user"];
    let script = "echo 0 > /proc/sys/user/max_inotify_instances";
    if let Some(output) = where_it_is_worse(&unshare, script) {
        is_impossible(
            &output,
            "no inotify instance is left",
            "fs.inotify.max_user_instances",
        );
    }
}

/// What it starts is at first as itself: it may not be looked into.
#[test]
fn a_lastfd_that_its_user_may_not_read_is_told() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65534;
    let folder = tempfile::tempdir().unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let copy = folder.path().join("lastfd");
    std::fs::copy(env!("CARGO_BIN_EXE_lastfd"), &copy).unwrap();
    mode(folder.path(), 0o755);
    mode(&copy, 0o711);
    let mut command = Command::new(&copy);
    command.arg("doctor").current_dir("/");
    // Only who is not its owner is kept from reading it: as root there is somebody else.
    let Ok(output) = command.uid(NOBODY).gid(NOBODY).output() else {
        return;
    };
    is_impossible(&output, "no    lastfd is readable", "chmod a+r");
}
