//! Runs take nothing for good: no thread and no descriptor is left by them,
//! however their cases end.
//!
//! Alone in its file, since it counts what the process has.

use lastfd_kunit::{Case, Runner, Suite, Test, kunit_assert_eq, raw::*};
use lastfd_model::raw::root_device_register;
use lastfd_sync::{WaitQueue, wait_event};

fn suite() -> Suite {
    let waits = |test: &Test| {
        let (clock, cancel) = (test.system().clock(), test.cancel());
        let _ = wait_event(
            &[&WaitQueue::new()],
            clock,
            None,
            Some(&cancel),
            || None::<()>,
        );
    };
    let strays = move |test: &Test| {
        let (system, cancel) = (test.system().clone(), test.cancel());
        let stray = move || {
            let queue = WaitQueue::new();
            let _ = wait_event(
                &[&queue],
                system.clock(),
                None,
                Some(&cancel),
                || None::<()>,
            );
        };
        test.spawn("stray", stray).unwrap();
    };
    Suite::new("s")
        .case(Case::new("passes", |test| {
            kunit_device_register(test, "d").map(|_| ())
        }))
        .case(Case::new("fails", |test| kunit_assert_eq!(test, 1, 2)))
        .case(Case::new("leaves", |test| {
            root_device_register(test.system(), "board").map(|_| ())
        }))
        .case(Case::new("waits", waits))
        .case(Case::new("strays", strays))
}

/// Threads and descriptors of the process, once those that are ending ended.
fn held() -> (usize, usize) {
    let count = |what: &str| {
        std::fs::read_dir(format!("/proc/self/{what}"))
            .unwrap()
            .count()
    };
    (count("task"), count("fd"))
}

#[test]
fn the_hundredth_run_holds_what_the_tenth_did() {
    let cycles = |n: usize| {
        for _ in 0..n {
            let stats = Runner::new().run_quietly(&[suite()]);
            assert_eq!((stats.passed, stats.failed), (1, 4));
        }
    };
    cycles(10);
    // The harness's own threads, and no stray's.
    let (threads, fds) = (held().0.max(4), held().1);
    cycles(90);
    // A stray thread ends on its own time, soon.
    let settled = (0..1_000_000).any(|_| {
        lastfd_sync::thread::yield_now();
        held().0 <= threads
    });
    assert!(settled, "{} threads, {threads} before", held().0);
    assert_eq!(held().1, fds);
}
