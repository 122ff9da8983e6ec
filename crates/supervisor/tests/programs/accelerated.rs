//! Programs that preload the accelerator get what those get that do not.

use std::process::Command;
use std::time::Duration;

use lastfd_sync::Clock;
use lastfd_sync::atomic::Ordering;

use crate::calls::CALLS;
use crate::limits::signalled_before_it_is_heard;
use crate::rig::{Build, Rig};

const SIGUSR1: i32 = 10;

/// The output of one subcommand, of an accelerated program; it is the same without.
fn same(what: &str) -> Option<String> {
    let [accelerated, plain] = [Rig::new()?, Rig::alone()?].map(|rig| rig.run(&[what]));
    assert_eq!(accelerated, plain, "{what}");
    Some(accelerated)
}

#[test]
fn every_path_gives_what_it_gives_without() {
    let Some(text) = same("paths") else { return };
    let line = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no {start} in {text}"))
    };
    for ours in [
        "/dev/gadget ",
        "root dev ",
        "dev ",
        "/dev: gadget ",
        "gone in ",
    ] {
        assert!(line(ours).ends_with("open ours"), "{}", line(ours));
    }
    for foreign in ["/etc/passwd ", "etc ", "edge ", "/etc: passwd "] {
        assert!(line(foreign).ends_with("open ok"), "{}", line(foreign));
    }
    for (start, error) in [
        ("null ", "EFAULT"),
        ("past ", "EFAULT"),
        ("long ", "ENAMETOOLONG"),
    ] {
        assert!(line(start).ends_with(error), "{}", line(start));
    }
}

#[test]
fn every_poll_gives_what_it_gives_without() {
    let Some(text) = same("polls") else { return };
    for line in [
        "0 poll 0 0 ppoll 0 0",
        "1 poll 1 0x4 ppoll 1 0x4",
        "0 low 0 0",
        "0 low 1 0x1",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

/// Each has the library, and nobody says a word about it.
#[test]
fn programs_that_a_program_starts_are_accelerated_and_silent() {
    let Some(rig) = Rig::new() else { return };
    let mut command = Command::new("sh");
    let counted = "for i in 1 2 3; do grep -c lastfd-accel /proc/self/maps; done";
    command.args(["-c", counted]);
    assert_eq!(
        output(&rig, command),
        ("3\n3\n3\n".to_owned(), String::new())
    );
}

#[test]
fn a_thread_that_waits_can_be_cancelled() {
    let Some(text) = same("cancel") else { return };
    assert_eq!(text, "cancelled 1 clean 1\n");
}

/// What the program says of foreign calls that it made while nobody answered; none if it
/// did not get past them.
fn while_nobody_answers(rig: &Rig) -> Option<String> {
    rig.deaf.store(true, Ordering::SeqCst);
    let mut program = rig.start(&["unheard"]);
    assert_eq!(program.line(), "ready");
    rig.until("nobody answers", || rig.notices.lock().len() == 1);
    program.child.signaller().send(12);
    let pid = program.child.pid()?;
    // In the first of them, newfstatat, or in what comes after all: a write to its output.
    let stopped = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
        text.starts_with("262 ") || text.starts_with("1 ")
    };
    rig.until("it is past them, or stopped", stopped);
    let text = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    rig.deaf.store(false, Ordering::SeqCst);
    assert_eq!(program.line(), "passed 5");
    assert!(program.end().success());
    text.starts_with("1 ").then_some(text)
}

#[test]
fn calls_that_are_not_about_a_device_ask_nobody() {
    let Some(rig) = Rig::new() else { return };
    assert!(while_nobody_answers(&rig).is_some());
}

#[test]
fn without_it_they_wait_to_be_let_on() {
    let Some(rig) = Rig::alone() else { return };
    assert!(while_nobody_answers(&rig).is_none());
}

#[test]
fn a_static_program_does_without() {
    let Some(rig) = Rig::with(Build::Static) else {
        return;
    };
    assert!(while_nobody_answers(&rig).is_none());
    assert_eq!(rig.run(&["calls"]), CALLS);
}

/// A limit without it.
#[test]
fn a_signal_that_only_the_mask_of_ppoll_or_pselect_lets_in_ends_the_wait() {
    let Some(rig) = Rig::new() else { return };
    assert_eq!(rig.run(&["ppoll"]), "ppoll EINTR handled 1\n");
    assert_eq!(rig.run(&["pselect"]), "pselect EINTR handled 1\n");
}

/// A limit without it.
#[test]
fn a_call_that_never_sleeps_is_not_ended_by_a_signal_before_it_is_heard() {
    let Some(rig) = Rig::new() else { return };
    let said = signalled_before_it_is_heard(&rig, "plain-accelerated");
    assert_eq!(said, "late 0 42 handled 1");
}

/// A limit without it: whom the kernel chose is not seen there.
#[test]
fn with_restart_a_signal_to_the_process_ends_no_call_of_its_threads() {
    let Some(rig) = Rig::new() else { return };
    let mut program = rig.start(&["restarts"]);
    assert_eq!(program.line(), "ready");
    rig.until("both wait", || rig.waiters() == 2);
    let clock = Clock::real();
    for _ in 0..40 {
        program.child.signaller().send(SIGUSR1);
        clock.sleep(Duration::from_millis(3), None).unwrap();
    }
    rig.unplug();
    assert_eq!(program.line(), "ended 1 handled yes interrupted 0");
}

/// Without pidfd_getfd, too, where the supervisor alone cannot.
#[test]
fn a_device_and_other_files_are_waited_for_together() {
    for machine in ["", "no-pidfd-getfd"] {
        for mut rig in Rig::both() {
            if machine.is_empty() {
            } else if rig.is_accelerated {
                rig.supervisor.restrict(&machine.parse().unwrap());
            } else {
                continue;
            }
            let mut program = rig.start(&["both"]);
            assert_eq!(program.line(), "bad 1 0 0 0x20");
            assert_eq!(program.line(), "none 0");
            rig.until("it waits", || rig.waiters() == 1);
            rig.gadget.fifo.push(1).unwrap();
            for line in [
                "device 1 0x1 0",
                "pipe 1 0 0x1",
                "both 2 0x1 0x1",
                "select 3 1 1 1 time 1",
                "over 0 0 0",
                "no file EBADF",
                "files 0",
            ] {
                assert_eq!(program.line(), line, "{machine}");
            }
            assert!(program.end().success());
            rig.until("nobody waits", || rig.waiters() == 0);
        }
    }
}

#[test]
fn a_wait_outlives_the_close_of_every_descriptor() {
    for rig in Rig::both() {
        let mut program = rig.start(&["closes"]);
        assert_eq!(program.line(), "ready");
        rig.until("it waits", || rig.waiters() == 1);
        program.tell("");
        assert_eq!(program.line(), "closed");
        rig.gadget.fifo.push(7).unwrap();
        assert_eq!(program.line(), "read 7");
        assert!(program.end().success());
    }
}

#[test]
fn a_handler_that_interrupts_a_wait_can_wait_itself() {
    for rig in Rig::both() {
        let mut program = rig.start(&["nested"]);
        assert_eq!(program.line(), "ready");
        rig.until("it waits", || rig.waiters() == 1);
        program.child.signaller().send(SIGUSR1);
        // Without the accelerator the outer call is away while the handler runs.
        let waiters = if rig.is_accelerated { 2 } else { 1 };
        rig.until("the handler waits", || {
            rig.waiters() == waiters && rig.supervisor.sleepers().iter().any(|s| &*s.op == "poll")
        });
        rig.gadget.fifo.push(1).unwrap();
        rig.gadget.fifo.push(2).unwrap();
        let line = program.line();
        // Whoever comes first: both do.
        let either = ["outer 1 2 inner 1 files 0", "outer 1 1 inner 2 files 0"];
        assert!(either.contains(&&*line), "{line}");
        assert!(program.end().success());
    }
}

/// Whoever waits is seen to wait, and is given up when it is killed.
#[test]
fn a_program_that_is_killed_while_it_waits_leaves_nobody_waiting() {
    let Some(rig) = Rig::new() else { return };
    let mut program = rig.start(&["forever"]);
    program.line();
    rig.until("it waits", || rig.waiters() == 1);
    let sleepers = rig.supervisor.sleepers();
    assert_eq!(sleepers.len(), 1);
    assert_eq!(Some(sleepers[0].process), program.child.pid());
    assert_eq!(&*sleepers[0].op, "read");
    program.child.kill();
    rig.until("nobody waits", || rig.waiters() == 0);
    assert!(rig.supervisor.sleepers().is_empty());
}

/// A program built otherwise; none where the compiler is missing.
fn built(rig: &Rig, compiler: &str, options: &[&str]) -> Option<std::path::PathBuf> {
    let out = rig
        .program()
        .with_file_name(format!("{compiler}{}", options.concat().len()));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/probe.c");
    let mut command = Command::new(compiler);
    command
        .args(["-O1", "-w", "-pthread", source, "-o"])
        .arg(&out)
        .args(options);
    match command.output() {
        Ok(output) if output.status.success() => Some(out),
        _ => None,
    }
}

/// What a program of ours prints and says, with its errors.
fn output(rig: &Rig, mut command: Command) -> (String, String) {
    use std::process::Stdio;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = rig.supervisor.spawn(command).unwrap();
    let read = |from: &mut dyn std::io::Read| {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    };
    let out = read(child.stdout.as_mut().unwrap());
    let err = read(child.stderr.as_mut().unwrap());
    child.wait();
    (out, err)
}

/// A runtime that wants to be the first stays the first, and says nothing.
#[test]
fn sanitizers_of_either_compiler_run_as_without() {
    let Some(rig) = Rig::new() else { return };
    let builds: [(&str, &[&str]); 5] = [
        ("gcc", &["-fsanitize=address"]),
        ("gcc", &["-fsanitize=address", "-static-libasan"]),
        ("gcc", &["-fsanitize=thread"]),
        ("clang", &["-fsanitize=address"]),
        ("clang", &["-fsanitize=address", "-shared-libasan"]),
    ];
    for (compiler, options) in builds {
        let Some(program) = built(&rig, compiler, options) else {
            continue;
        };
        let mut command = Command::new(program);
        command.arg("mixed").env("ASAN_OPTIONS", "detect_leaks=0");
        if options.contains(&"-shared-libasan") {
            let mut find = Command::new(compiler);
            let found = find
                .arg("-print-file-name=libclang_rt.asan-x86_64.so")
                .output();
            let file = String::from_utf8(found.unwrap().stdout).unwrap();
            let folder = std::path::Path::new(file.trim()).parent().unwrap();
            command.env("LD_LIBRARY_PATH", folder);
        }
        let (out, err) = output(&rig, command);
        assert_eq!(
            (&*out, &*err),
            ("alone 0\nmixed 0\n", ""),
            "{compiler} {options:?}"
        );
    }
}
