//! What a case costs: 42 of them, each with a bound device, a managed resource
//! on it and an action, as many as the booted kernel took 0.58 s for.
//!
//! The floors: 84 threads, two a case, as the kernel starts them; and 84
//! errands that another thread is sent on, as cases are run here.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lastfd_kunit::{Case, Runner, Suite, Test, kunit_expect_eq, raw::*};
use lastfd_model::raw::{Action, devm_add_action, kref_read};
use lastfd_sync::atomic::{AtomicU32, Ordering};
use lastfd_sync::{Arc, Clock, WaitQueue, wait_event};

const CASES: usize = 42;

fn device(test: &Test) {
    let device = kunit_device_register(test, "dev").expect("nothing fails here");
    devm_add_action(&device, Action::new(|| {})).expect("nothing fails here");
    kunit_expect_eq!(test, kref_read(&device), 3);
}

fn suite(body: fn(&Test)) -> Suite {
    let cases = (0..CASES).map(|n| Case::new(&format!("case_{n}"), body));
    cases.fold(Suite::new("suite"), Suite::case)
}

fn cases(c: &mut Criterion) {
    let mut group = c.benchmark_group("kunit");
    group.bench_function("floor_84_threads", |b| {
        let clock = Clock::simulated();
        b.iter(|| {
            for _ in 0..2 * CASES {
                let thread = clock.spawn("floor", || black_box(1));
                thread.expect("there are threads").join().expect("it ends");
            }
        });
    });
    group.bench_function("floor_84_errands", |b| {
        let clock = Clock::real();
        let (there, back) = (WaitQueue::new(), WaitQueue::new());
        let errand = Arc::new(AtomicU32::new(0));
        let next = |queue: &WaitQueue, clock: &Clock, errand: &AtomicU32, parity: u32| {
            let arrived = || {
                let n = errand.load(Ordering::Acquire);
                (n == u32::MAX || n % 2 == parity).then_some(n)
            };
            wait_event(&[queue], clock, None, None, arrived)
        };
        let (to, from, done, time) = (there.clone(), back.clone(), errand.clone(), clock.clone());
        let runner = clock.spawn("floor", move || {
            while let Ok(n) = next(&to, &time, &done, 1)
                && n != u32::MAX
            {
                done.store(n + 1, Ordering::Release);
                from.wake_all();
            }
        });
        b.iter(|| {
            for _ in 0..2 * CASES {
                errand.fetch_add(1, Ordering::AcqRel);
                there.wake_all();
                black_box(next(&back, &clock, &errand, 0).is_ok());
            }
        });
        errand.store(u32::MAX, Ordering::Release);
        there.wake_all();
        runner.expect("there are threads").join().expect("it ends");
    });
    let (empty, full) = ([suite(|_| {})], [suite(device)]);
    group.bench_function("run_42_empty_cases", |b| {
        b.iter(|| assert!(Runner::new().run_quietly(&empty).is_success()));
    });
    group.bench_function("run_42_cases_with_a_device", |b| {
        b.iter(|| assert!(Runner::new().run_quietly(&full).is_success()));
    });
    group.finish();
}

criterion_group!(benches, cases);
criterion_main!(benches);
