//! The last close comes with the last of all that hold the file, and not before.

use crate::rig::Rig;

fn held_until_dropped(how: &str) {
    for rig in Rig::both() {
        let mut program = rig.start(&["hold", how]);
        let held = program.line();
        assert!(held == "held" || held == "passed 42", "{how}: {held:?}");
        assert_eq!(rig.released(), 0, "{how}: closed while it was held");
        program.tell("");
        assert_eq!(program.line(), "dropped", "{how}");
        rig.until("the last close", || rig.released() == 1);
        program.tell("");
        assert!(program.end().success(), "{how}");
        assert_eq!(rig.released(), 1, "{how}");
    }
}

#[test]
fn a_dup_holds_it() {
    held_until_dropped("dup");
}

#[test]
fn a_forked_child_holds_it() {
    held_until_dropped("fork");
}

#[test]
fn a_child_that_is_killed_lets_go() {
    held_until_dropped("kill");
}

#[test]
fn a_program_that_was_executed_holds_it() {
    held_until_dropped("exec");
}

#[test]
fn an_exec_closes_what_is_marked() {
    held_until_dropped("cloexec");
}

#[test]
fn a_message_in_a_socket_holds_it() {
    held_until_dropped("socket");
}

#[test]
fn whoever_it_was_passed_to_holds_it() {
    held_until_dropped("passed");
}

#[test]
fn close_range_lets_go() {
    held_until_dropped("close_range");
}

#[test]
fn a_mapping_holds_it() {
    held_until_dropped("mmap");
}

/// What inotify tells of a file that is forgotten already is read, too: else the kernel
/// says without end that there is something to read.
#[test]
fn after_the_last_close_the_supervisor_rests() {
    let Some(rig) = Rig::new() else { return };
    let mut program = rig.start(&["hold", "dup"]);
    assert_eq!(program.line(), "held");
    program.tell("");
    assert_eq!(program.line(), "dropped");
    rig.until("the last close", || rig.released() == 1);
    let clock = lastfd_sync::Clock::real();
    let window = core::time::Duration::from_millis(300);
    let before = nanoseconds_of("supervisor");
    clock.sleep(window, None).unwrap();
    let ran = nanoseconds_of("supervisor") - before;
    assert!(ran < window.as_nanos() as u64 / 100, "{ran} ns of 300 ms");
}

/// How long a thread of this process has run.
fn nanoseconds_of(name: &str) -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let mut threads = threads.map(|thread| thread.unwrap().path());
    let is_it = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    let thread = threads.find(is_it).unwrap();
    let text = std::fs::read_to_string(thread.join("schedstat")).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}
