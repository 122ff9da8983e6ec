//! What a schedule costs, and how that grows with tasks and with steps; and in which
//! schedule each race is found.
//!
//! The floor: the same body run once, on threads.

#![expect(
    clippy::print_stdout,
    reason = "figures that are no times are printed for the report"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use lastfd_explore::ready::{all, find};
use lastfd_explore::{Explorer, Strategy};
use lastfd_sync::explore::{Search, search};
use lastfd_sync::{Arc, Clock, Mutex, thread};

/// Tasks that take a lock so many times each.
fn lockers(tasks: usize, steps: usize) {
    let lock = Arc::new(Mutex::new(0));
    let tasks: Vec<_> = (0..tasks)
        .map(|_| {
            let lock = Arc::clone(&lock);
            let body = move || (0..steps).for_each(|_| *lock.lock() += 1);
            thread::spawn("locker", body).expect("there are threads")
        })
        .collect();
    for task in tasks {
        task.join().expect("it ends");
    }
    black_box(*lock.lock());
}

fn random(schedules: usize) -> Search {
    Search {
        strategy: Strategy::Random,
        schedules,
        ..Search::default()
    }
}

fn schedules(c: &mut Criterion) {
    let mut group = c.benchmark_group("explore");
    group.sample_size(20);
    group.bench_function("floor_2_threads_100_steps", |b| b.iter(|| lockers(2, 100)));
    for (tasks, steps) in [(2, 100), (4, 100), (8, 100), (2, 1000)] {
        group.bench_function(format!("100_schedules_{tasks}_tasks_{steps}_steps"), |b| {
            b.iter(|| search(&random(100), move || lockers(tasks, steps)));
        });
    }
    group.finish();
    for name in [
        "model-twice",
        "iio-read",
        "drm-ioctl",
        "v4l2-dqbuf",
        "cec-ioctl",
    ] {
        let ready = find(name).expect("it is there");
        let clock = Clock::real();
        let done = ready.explore(&Explorer::new().schedules(500), ready.variants[0]);
        let seconds = clock.now().since_start().as_secs_f64();
        println!(
            "figure: {name}: {:.0} schedules a second, of {} steps each: {:.0} thousand steps a second",
            done.schedules as f64 / seconds,
            done.steps / done.schedules as u64,
            done.steps as f64 / seconds / 1000.0
        );
    }
    for ready in all().iter().filter(|ready| ready.class.is_some()) {
        let found = ready.explore(&Explorer::new(), ready.variants[0]);
        let twin = ready.explore(&Explorer::new(), ready.variants[1]);
        println!(
            "figure: {} found in schedule {}; {} has none in {}, {}",
            ready.name,
            found.schedules,
            ready.variants[1].name,
            twin.schedules,
            twin.coverage()
        );
    }
}

criterion_group!(benches, schedules);
criterion_main!(benches);
