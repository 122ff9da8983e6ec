//! Signals for those who wait.

use lastfd_sync::{Clock, thread};
use std::time::Duration;

use crate::rig::{BOUND, Rig};

const SIGUSR1: i32 = 10;
const SIGTERM: i32 = 15;

fn with_signal(how: &str, expected: &str) {
    for rig in Rig::both() {
        let mut program = rig.start(&["signals", how]);
        assert_eq!(program.line(), "ready");
        rig.until("it waits", || rig.waiters() == 1);
        program.child.signaller().send(SIGUSR1);
        if how.contains("restart") && !how.contains("poll") || how.contains("ignore") {
            if !how.contains("ignore") {
                // It goes away and comes back.
                rig.until("it waits again", || rig.waiters() == 1);
            }
            rig.gadget.fifo.push(7).unwrap();
        }
        assert_eq!(program.line(), expected);
        assert!(program.end().success());
    }
}

#[test]
fn a_handler_without_restart_ends_a_read_with_eintr() {
    with_signal("read", "read EINTR handled 1");
}

#[test]
fn a_handler_with_restart_has_the_read_begun_anew() {
    with_signal("read-restart", "read-restart 1 handled 1");
}

#[test]
fn an_ioctl_is_ended_and_begun_anew_alike() {
    with_signal("ioctl", "ioctl EINTR handled 1");
    with_signal("ioctl-restart", "ioctl-restart 0 handled 1");
}

#[test]
fn poll_is_ended_by_a_handler_with_restart_or_without() {
    with_signal("poll", "poll EINTR handled 1");
    with_signal("poll-restart", "poll-restart EINTR handled 1");
}

#[test]
fn an_ignored_signal_disturbs_nothing() {
    with_signal("read-ignore", "read-ignore 1 handled 0");
    with_signal("poll-ignore", "poll-ignore 1 handled 0");
}

#[test]
fn a_signal_that_kills_does_so_at_once() {
    for rig in Rig::both() {
        let mut program = rig.start(&["signals", "read"]);
        assert_eq!(program.line(), "ready");
        rig.until("it waits", || rig.waiters() == 1);
        program.child.signaller().send(SIGTERM);
        let status = program.end();
        assert_eq!(
            std::os::unix::process::ExitStatusExt::signal(&status),
            Some(SIGTERM)
        );
        rig.until("the last close", || rig.released() == 1);
    }
}

#[test]
fn two_waiting_threads_and_signals_to_the_process_never_see_an_error_of_the_kernels_own() {
    for rig in Rig::both() {
        let mut program = rig.start(&["threads"]);
        assert_eq!(program.line(), "ready");
        rig.until("both wait", || rig.waiters() == 2);
        let clock = Clock::real();
        for _ in 0..40 {
            program.child.signaller().send(SIGUSR1);
            clock.sleep(Duration::from_millis(3), None).unwrap();
        }
        rig.unplug();
        assert_eq!(program.line(), "leaked 0 handled yes");
        assert!(program.end().success());
    }
}

/// Bytes taken one by one under a timer of 200 us; `LASTFD_STORM` sets how many.
#[test]
fn no_byte_is_lost_and_none_comes_twice_under_a_storm_of_signals() {
    for rig in Rig::both() {
        let count: u32 = std::env::var("LASTFD_STORM")
            .ok()
            .and_then(|count| count.parse().ok())
            .unwrap_or(2000);
        let fifo = rig.gadget.fifo.clone();
        let source = thread::spawn("source", move || {
            let clock = Clock::real();
            for number in 0..count {
                while fifo.push(number as u8).is_err() {
                    clock.sleep(Duration::from_millis(1), None).unwrap();
                }
                clock.sleep(Duration::from_micros(150), None).unwrap();
            }
        })
        .unwrap();
        let mut program = rig.start(&["storm", &count.to_string()]);
        assert_eq!(
            program.line(),
            format!("storm {count} in order, interrupted yes")
        );
        assert!(program.child.wait_timeout(BOUND).unwrap().success());
        source.join().unwrap();
        assert!(rig.gadget.fifo.is_empty());
    }
}
