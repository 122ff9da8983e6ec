//! What this front end cannot do, as docs/limits.md lists it: each test expects exactly
//! that. One that fails because more works now is good news for that page.

use lastfd_chrdev::PollMask;
use lastfd_model::{Holding, LedgerLine};
use lastfd_sync::atomic::Ordering;

use crate::rig::Rig;

/// `ppoll`: the mask is the kernel's to set, so a signal it would let in does not end the
/// wait.
#[test]
fn a_signal_that_only_the_mask_of_ppoll_lets_in_does_not_end_the_wait() {
    let Some(rig) = Rig::alone() else { return };
    assert_eq!(rig.run(&["ppoll"]), "ppoll 0 handled 0\n");
}

/// Below the range: ioctl and poll work, read and fstat are the file's below.
#[test]
fn below_the_reserved_range_read_and_fstat_are_those_of_a_file() {
    let Some(rig) = Rig::alone() else { return };
    assert_eq!(
        rig.run(&["below"]),
        "fstat 0 regular\nioctl 0 42\npoll 0 0\nread 0\n"
    );
}

#[test]
fn with_trap_all_they_are_the_devices() {
    let Some(mut rig) = Rig::alone() else { return };
    rig.supervisor.trap_all(true);
    assert_eq!(
        rig.run(&["below"]),
        "fstat 0 chr\nioctl 0 42\npoll 0 0\nread EAGAIN\n"
    );
}

/// `IN` and `PRI` at once are one event of poll and two of epoll.
#[test]
fn in_and_pri_are_two_events_of_epoll() {
    let Some(rig) = Rig::alone() else { return };
    rig.gadget.add_bits(PollMask::IN | PollMask::PRI);
    assert_eq!(rig.run(&["inpri"]), "poll 0x3 epoll 2\n");
}

/// A directory of the tree cannot be gone into by name; by descriptor it can.
#[test]
fn a_directory_that_only_the_tree_has_cannot_be_gone_into_by_name() {
    let Some(rig) = Rig::alone() else { return };
    if std::path::Path::new("/sys/class/misc").is_dir() {
        assert_eq!(rig.run(&["chdir"]), "chdir 0\nfchdir 0\nrelative 0\n");
    } else {
        assert_eq!(rig.run(&["chdir"]), "chdir EACCES\nfchdir 0\nrelative 0\n");
    }
}

/// A signal comes while nobody has the call yet: here, because who answers is busy.
pub(crate) fn signalled_before_it_is_heard(rig: &Rig, how: &str) -> String {
    let call = if how == "write" { "1 " } else { "16 " };
    rig.deaf.store(true, Ordering::SeqCst);
    let mut program = rig.start(&["late", how]);
    let pid = program.line();
    let proc = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    rig.until("nobody answers", || rig.notices.lock().len() == 1);
    let signaller = program.child.signaller();
    signaller.send(12);
    rig.until("it asks", || proc("syscall").starts_with(call));
    signaller.send(10);
    rig.until("it was told", || {
        let pending = proc("status").contains("ShdPnd:\t0000000000000000");
        pending && (how != "plain" || !proc("syscall").starts_with(call))
    });
    rig.deaf.store(false, Ordering::SeqCst);
    let said = program.line();
    assert!(program.end().success());
    said
}

/// A kernel's ioctl that does not sleep is not ended by signals.
#[test]
fn a_signal_before_the_call_is_heard_ends_one_that_never_sleeps() {
    let Some(rig) = Rig::alone() else { return };
    let said = signalled_before_it_is_heard(&rig, "plain");
    assert_eq!(said, "late EINTR -1 handled 1");
}

#[test]
fn with_restart_it_is_made_all_the_same() {
    let Some(rig) = Rig::alone() else { return };
    let said = signalled_before_it_is_heard(&rig, "restart");
    assert_eq!(said, "late 0 42 handled 1");
}

/// Standard output may be a file of ours. That it is not is known only when the call is
/// heard; the accelerator cannot help, for the C library's own calls pass it by.
#[test]
fn a_signal_before_it_is_heard_ends_a_write_to_standard_output() {
    for rig in Rig::both() {
        let said = signalled_before_it_is_heard(&rig, "write");
        assert_eq!(said, "late EINTR -1 handled 1");
    }
}

/// A signal to the process, where two threads wait that would both take it.
#[test]
fn of_two_threads_that_a_signal_may_be_for_one_gets_eintr_though_it_restarts() {
    const SIGUSR1: i32 = 10;
    let Some(rig) = Rig::alone() else { return };
    let mut program = rig.start(&["guess"]);
    assert_eq!(program.line(), "ready");
    rig.until("both wait", || rig.waiters() == 2);
    program.child.signaller().send(SIGUSR1);
    assert_eq!(program.line(), "interrupted");
    rig.until("both wait again", || rig.waiters() == 2);
    rig.unplug();
    assert_eq!(program.line(), "handled 1 interrupted 1");
    assert!(program.end().success());
}

/// An exported buffer, or a second open: the first file through which memory is mapped has
/// it.
#[test]
fn memory_that_is_mapped_through_another_file_is_a_copy() {
    let Some(rig) = Rig::alone() else { return };
    assert_eq!(
        rig.run(&["copies"]),
        "both frame frame\nfirst given second frame\n"
    );
}

/// munmap is the kernel's: what is mapped is known when it is asked for.
#[test]
fn what_was_unmapped_is_known_to_who_asks() {
    let Some(rig) = Rig::alone() else { return };
    let mapped = || {
        let ledger = rig.system.ledger();
        let is = |line: &&LedgerLine| line.holding == Holding::Mapping;
        ledger.iter().filter(is).count()
    };
    let asked = || {
        rig.supervisor.see_unmaps();
        mapped()
    };
    let mut program = rig.start(&["unmapped"]);
    assert_eq!(program.line(), "mapped 0");
    assert_eq!((mapped(), asked()), (2, 2));
    program.tell("");
    // One of two; the other by halves.
    assert_eq!(program.line(), "unmapped 0");
    assert_eq!((mapped(), asked()), (2, 1));
    program.tell("");
    assert_eq!(program.line(), "closed 0");
    assert_eq!((mapped(), asked()), (1, 1), "a mapping holds the file");
    program.tell("");
    assert_eq!(program.line(), "unmapped 0");
    rig.until("the last close", || rig.supervisor.open_files() == 0);
    assert_eq!(mapped(), 0);
    program.tell("");
    // Many that come and go do not pile up.
    assert_eq!(program.line(), "many 0");
    assert!(mapped() < 64, "{} mappings", mapped());
    program.tell("");
    assert!(program.end().success());
}

#[test]
fn a_process_has_256_descriptors_of_devices_at_most() {
    let Some(rig) = Rig::alone() else { return };
    assert_eq!(rig.run(&["fill"]), "opened 256 then EMFILE\n");
}

/// A program may have filters of its own, but nobody else to answer its calls.
#[test]
fn a_second_supervisor_below_the_first_cannot_be() {
    let Some(rig) = Rig::alone() else { return };
    assert_eq!(rig.run(&["second"]), "filter 0\nlistener EBUSY\n");
}

/// A link that is not in the trees and leads into them.
#[test]
fn a_link_from_outside_leads_to_the_machines_own() {
    let Some(rig) = Rig::alone() else { return };
    // The machine has no gadget.
    assert_eq!(
        rig.run(&["link"]),
        "direct 0\nstat ENOENT\nto read ENOENT\nto write ENOENT\n"
    );
}
