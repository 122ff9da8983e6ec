//! What may go wrong with a kernel, told by programs that stand for one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use lastfd_model::Rules;
use lastfd_referee::kernel::{BootError, Lost, State};
use lastfd_referee::{Boot, Judge, Kernel, Verdict};
use lastfd_scenario::{Scenario, parse};
use tempfile::TempDir;

/// A shell script in the place of a kernel.
struct Stand {
    folder: TempDir,
}

impl Stand {
    fn new(script: &str) -> Stand {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("linux");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Stand { folder }
    }

    fn boot(&self, patience: Duration) -> Boot {
        Boot {
            program: self.folder.path().join("linux"),
            rules: Rules::Linux6_12,
            patience,
        }
    }
}

const LONG: Duration = Duration::from_secs(60);

/// Reads one message, a length and as many bytes, and drops it.
const TAKES_ONE: &str = "read length; dd bs=1 count=$length of=/dev/null 2>/dev/null";

fn scenario() -> Scenario {
    parse("a.scenario", "scenario a\nprint \"x\"\n").unwrap()
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let boot = Boot {
        program: "/nowhere/linux".into(),
        rules: Rules::Linux6_12,
        patience: LONG,
    };
    let error = Kernel::boot(&boot).err().unwrap();
    assert!(matches!(error, BootError::Start { .. }));
    assert!(
        error
            .to_string()
            .starts_with("failed to start /nowhere/linux: ")
    );
}

#[test]
fn a_program_that_ends_is_no_kernel_and_its_words_are_told() {
    let stand = Stand::new("echo 'VFS: Unable to mount root fs' >&2; exit 1");
    let error = Kernel::boot(&stand.boot(LONG)).err().unwrap();
    assert!(
        error.to_string().contains("did not become ready"),
        "{error}"
    );
    assert!(
        error.to_string().contains("Unable to mount root"),
        "{error}"
    );
}

#[test]
fn a_boot_that_takes_too_long_is_ended() {
    let stand = Stand::new("echo booting >&2; exec sleep 1000");
    let error = Kernel::boot(&stand.boot(Duration::from_millis(300)))
        .err()
        .unwrap();
    assert!(matches!(error, BootError::NotReady { .. }));
}

#[test]
fn an_answer_is_the_trace_and_the_kernels_state() {
    let script =
        format!("echo ready; {TAKES_ONE}; printf 'trace 9 clean\\n00 BEGIN\\n'; read more");
    let stand = Stand::new(&script);
    let mut kernel = Kernel::boot(&stand.boot(LONG)).unwrap();
    let answer = kernel.run(&scenario().compiled(), LONG).unwrap();
    assert_eq!(answer.trace, "00 BEGIN\n");
    assert_eq!(answer.state, State::Clean);
}

#[test]
fn a_kernel_that_hangs_is_killed_and_told() {
    let stand = Stand::new("echo ready; echo 'task blocked' >&2; exec sleep 1000");
    let mut kernel = Kernel::boot(&stand.boot(LONG)).unwrap();
    let lost = kernel
        .run(&scenario().compiled(), Duration::from_millis(300))
        .unwrap_err();
    assert_eq!(
        lost,
        Lost::Hung {
            log: "task blocked".to_owned()
        }
    );
}

#[test]
fn a_kernel_that_panics_tells_its_trace_and_its_words() {
    let script = format!(
        "echo ready; {TAKES_ONE}; printf 'trace 9 panic\\n00 BEGIN\\n'; echo 'Kernel panic' >&2"
    );
    let stand = Stand::new(&script);
    let mut kernel = Kernel::boot(&stand.boot(LONG)).unwrap();
    let lost = kernel.run(&scenario().compiled(), LONG).unwrap_err();
    let (trace, log) = ("00 BEGIN\n".to_owned(), "Kernel panic".to_owned());
    assert_eq!(lost, Lost::Died { trace, log });
}

#[test]
fn a_kernel_that_ends_in_the_middle_is_told() {
    let stand = Stand::new("echo ready; read length; echo gone >&2; exit 3");
    let mut kernel = Kernel::boot(&stand.boot(LONG)).unwrap();
    let lost = kernel.run(&scenario().compiled(), LONG).unwrap_err();
    let log = "gone".to_owned();
    assert_eq!(
        lost,
        Lost::Died {
            trace: String::new(),
            log
        }
    );
}

/// Counts its boots in a file beside it.
const COUNTS_BOOTS: &str = "echo boot >> \"$(dirname \"$0\")/boots\"; echo ready";

#[test]
fn a_kernel_that_has_something_left_is_not_used_again() {
    let script = format!(
        "{COUNTS_BOOTS}; while {TAKES_ONE}; do printf 'trace 9 left pdev\\n00 BEGIN\\n'; done"
    );
    let stand = Stand::new(&script);
    let mut judge = Judge::new(stand.boot(LONG));
    for _ in 0..2 {
        let answer = judge.ask(&scenario()).unwrap().unwrap();
        assert_eq!(answer.state, State::Left("pdev".to_owned()));
    }
    assert_eq!(judge.boots(), 2);
}

#[test]
fn what_the_module_cannot_run_is_no_difference_and_ends_no_kernel() {
    let script = format!(
        "{COUNTS_BOOTS}; while {TAKES_ONE}; do printf 'trace 0 refused no lastclose\\n'; done"
    );
    let stand = Stand::new(&script);
    let mut judge = Judge::new(stand.boot(LONG));
    for _ in 0..2 {
        let verdict = judge.judge(&scenario()).unwrap();
        assert_eq!(
            verdict,
            Verdict::Refused("refused: no lastclose".to_owned())
        );
        assert!(!verdict.is_difference());
    }
    assert_eq!(judge.boots(), 1);
}

#[test]
fn a_trace_that_differs_is_a_difference() {
    let script =
        format!("echo ready; {TAKES_ONE}; printf 'trace 9 clean\\n00 BEGIN\\n'; read more");
    let stand = Stand::new(&script);
    let verdict = Judge::new(stand.boot(LONG)).judge(&scenario()).unwrap();
    assert!(matches!(verdict, Verdict::Differs(_)));
    assert!(verdict.is_difference());
}

#[test]
fn what_a_kernel_was_given_but_must_not_run_any_more_is_for_the_next() {
    // Each answers its first scenario with something left, whatever came after it.
    let script = format!(
        "{COUNTS_BOOTS}; {TAKES_ONE}; printf 'trace 9 left pdev\\n00 BEGIN\\n'; exec cat >/dev/null"
    );
    let stand = Stand::new(&script);
    let mut judge = Judge::new(stand.boot(LONG));
    let scenario = scenario();
    let answers = judge.ask_all(&[&scenario, &scenario, &scenario]).unwrap();
    assert_eq!(answers.len(), 3);
    assert!(
        answers
            .iter()
            .all(|a| matches!(a, Ok(answer) if answer.trace == "00 BEGIN\n"))
    );
    assert_eq!(judge.boots(), 3);
}
