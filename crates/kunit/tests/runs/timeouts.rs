//! Cases that do not end.

use core::time::Duration;

use lastfd_chrdev::{File, FileOps, OpenFlags, Read, Try, anon_inode_getfile};
use lastfd_kunit::{Case, Runner, Suite, Test, raw::*};
use lastfd_sync::atomic::{AtomicBool, Ordering};
use lastfd_sync::{Arc, WaitQueue, wait_event};

use super::{Notes, NotesDrop, ktap, ktap_of, lines_with};

/// Waits for something that never comes, as a blocking call does.
fn waits(test: &Test) {
    let queue = WaitQueue::new();
    let cancel = test.cancel();
    let clock = test.system().clock();
    let _ = wait_event(&[&queue], clock, None, Some(&cancel), || None::<()>);
}

#[test]
fn a_case_that_waits_for_ever_fails_and_is_cleaned_up_and_the_run_goes_on() {
    let notes = Notes::default();
    let (body, exit, init) = (notes.clone(), notes.clone(), notes.clone());
    let suite = Suite::new("s")
        .suite_init(move |_| {
            init.note("suite_init");
            Ok(())
        })
        .exit(move |_| exit.note("exit"))
        .case(Case::new("waits", move |test| {
            let freed = body.clone();
            kunit_add_action(test, TestAction::new(move || freed.note("free"))).unwrap();
            let _local = NotesDrop(body.clone(), "local");
            waits(test);
        }))
        .case(Case::new("after", |test| {
            // Its System has another's waits, and time of its own.
            assert!(!test.cancel().is_cancelled());
            let second = Duration::from_secs(1);
            test.system()
                .clock()
                .sleep(second, Some(&test.cancel()))
                .unwrap();
        }));
    let output = ktap(&[suite]);
    let expected = [
        "suite_init",
        "drop local",
        "exit",
        "free",
        "suite_init",
        "exit",
    ];
    assert_eq!(notes.taken(), expected);
    lines_with(&output, "# waits: try timed out");
    lines_with(&output, "# waits: test case timed out");
    let named = lines_with(&output, "thread kunit_try_catch_thread (task ");
    assert!(named[0].contains("after 300s; it ended"), "{named:?}");
    assert!(output.contains("    not ok 1 waits\n"), "{output}");
    assert!(output.contains("    ok 2 after\n"), "{output}");
}

#[test]
fn a_case_may_have_a_timeout_of_its_own() {
    let sleeps = |test: &Test| {
        let minute = Duration::from_secs(60);
        let _ = test.system().clock().sleep(minute, Some(&test.cancel()));
    };
    let suite = Suite::new("s")
        .case(Case::new("short", sleeps).timeout(Duration::from_secs(59)))
        .case(Case::new("long", sleeps));
    let output = ktap_of(&Runner::new().timeout(Duration::from_secs(61)), &[suite]);
    assert!(output.contains("    not ok 1 short\n"), "{output}");
    assert!(output.contains("    ok 2 long\n"), "{output}");
}

#[test]
fn a_case_that_never_waits_is_left_behind_with_its_thread_named() {
    let stop = Arc::new(AtomicBool::new(false));
    let spinning = stop.clone();
    let spins = move |_: &Test| {
        while !spinning.load(Ordering::Relaxed) {
            lastfd_sync::thread::yield_now();
        }
    };
    let suite = Suite::new("s")
        .case(Case::new("spins", spins).timeout(Duration::from_millis(20)))
        .case(Case::new("after", |_| {}));
    let output = ktap(&[suite]);
    stop.store(true, Ordering::Relaxed);
    let named = lines_with(&output, "thread kunit_try_catch_thread (task ");
    assert!(named[0].contains("it is left behind"), "{named:?}");
    assert!(output.contains("    not ok 1 spins\n"), "{output}");
    assert!(output.contains("    ok 2 after\n"), "{output}");
}

#[test]
fn a_cleanup_that_waits_for_ever_fails_the_case() {
    let suite = Suite::new("s").exit(waits).case(Case::new("c", |_| {}));
    let output = ktap(&[suite]);
    lines_with(&output, "# c: test case cleanup timed out");
    assert!(output.contains("    not ok 1 c\n"), "{output}");
}

#[test]
fn a_suite_init_that_waits_for_ever_fails_the_suite() {
    let suite = Suite::new("s")
        .suite_init(|system| {
            let queue = WaitQueue::new();
            let cancel = system.waits();
            let _ = wait_event(&[&queue], system.clock(), None, Some(cancel), || None::<()>);
            Ok(())
        })
        .case(Case::new("c", |_| {}));
    let output = ktap(&[suite]);
    lines_with(&output, "# failed to initialize (-110)");
    assert!(output.ends_with("not ok 1 s\n"), "{output}");
}

#[test]
fn a_call_that_sleeps_in_a_file_is_ended() {
    struct Empty(Arc<WaitQueue>);
    impl FileOps for Empty {
        fn read(&self, _: &File, _: &mut Read<'_>) -> Try<usize> {
            Try::wait(&self.0)
        }
    }
    let notes = Notes::default();
    let results = notes.clone();
    let reads = move |test: &Test| {
        let (system, flags) = (test.system(), OpenFlags::RDONLY);
        let ops = Arc::new(Empty(Arc::new(WaitQueue::new())));
        let file = anon_inode_getfile(system, "empty", ops, None, flags, None).unwrap();
        results.note(format!("{:?}", file.read(&mut [0])));
    };
    let output = ktap(&[Suite::new("s").case(Case::new("reads", reads))]);
    assert_eq!(notes.taken(), ["Err(EINTR)"]);
    lines_with(&output, "it ended when its waits were cancelled");
}

#[test]
fn real_time_can_be_asked_for() {
    let suite = Suite::new("s").real_time().case(Case::new("c", |test| {
        assert!(!test.system().clock().is_simulated());
        waits(test);
    }));
    let output = ktap_of(&Runner::new().timeout(Duration::from_millis(5)), &[suite]);
    lines_with(&output, "# c: try timed out");
}
