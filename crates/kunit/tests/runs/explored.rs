//! A run inside an exploration: the same cases, over many schedules.

use lastfd_kunit::{Case, Runner, Suite, Test, kunit_expect_eq, raw::*};
use lastfd_model::raw::kref_read;
use lastfd_sync::atomic::{AtomicU32, Ordering};
use lastfd_sync::explore::check_random;
use lastfd_sync::{Arc, Cancel, WaitQueue, wait_event};

fn two_threads(test: &Test) {
    let device = kunit_device_register(test, "dev").unwrap();
    let sum = Arc::new(AtomicU32::new(0));
    let threads = [1, 2].map(|n| {
        let (sum, device) = (sum.clone(), device.clone());
        let adds = move || sum.fetch_add(n * kref_read(&device), Ordering::Relaxed);
        test.spawn("adder", adds).unwrap()
    });
    for thread in threads {
        thread.join().unwrap();
    }
    kunit_expect_eq!(test, sum.load(Ordering::Relaxed), 9);
}

fn waits(test: &Test) {
    let queue = WaitQueue::new();
    let cancel: Cancel = test.cancel();
    let clock = test.system().clock();
    let _ = wait_event(&[&queue], clock, None, Some(&cancel), || None::<()>);
}

#[test]
fn a_run_is_the_same_under_every_schedule() {
    let explored = check_random(50, 1, || {
        let suite = Suite::new("s")
            .case(Case::new("two_threads", two_threads))
            .case(Case::new("waits", waits))
            .case(Case::new("after", |_| {}));
        let stats = Runner::new().run_quietly(&[suite]);
        assert_eq!((stats.passed, stats.failed), (2, 1));
    });
    assert!(explored.is_ok(), "{explored:?}");
}
