//! The gate's way in and out, beside an uncontended `RwLock` read and a bare atomic
//! increment, with one thread and with two. The figures are per operation of one thread,
//! in that thread's processor time, so that a busy machine does not count.

#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the floors are std's own, as are the threads"
)]

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use lastfd_sync::RwLock;
use lastfd_sync::gate::{Domain, Fences, Gate};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the thread has used.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

/// Runs `op` `iters` times on each of `threads` threads; the longest of their times.
fn on_threads(threads: usize, iters: u64, op: &(impl Fn(usize) + Sync)) -> Duration {
    let barrier = Barrier::new(threads);
    let run = |which: usize| {
        op(which);
        barrier.wait();
        let start = processor_time();
        for _ in 0..iters {
            op(which);
        }
        processor_time() - start
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|which| scope.spawn(move || run(which)))
            .collect();
        let mine = run(0);
        let times = others.into_iter().filter_map(|thread| thread.join().ok());
        times.fold(mine, Duration::max)
    })
}

fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    threads: usize,
    op: impl Fn(usize) + Sync,
) {
    group.bench_function(name, |b| {
        b.iter_custom(|iters| on_threads(threads, iters, &op))
    });
}

fn pass(gate: &Gate) {
    black_box(gate.enter().is_some());
}

/// A counter that shares its cache line with nobody.
#[derive(Default)]
#[repr(align(128))]
struct Own(AtomicU64);

fn benches(c: &mut Criterion) {
    let best = Gate::new(&Domain::new());
    let fallback = Gate::new(&Domain::without_membarrier());
    let lock = RwLock::new(());
    let std_lock = std::sync::RwLock::new(());
    let counts = [Own::default(), Own::default()];
    let name = match Domain::new().fences() {
        Fences::Membarrier => "gate, membarrier",
        Fences::SeqCst => "gate, membarrier refused",
    };
    for threads in [1, 2] {
        let mut group = c.benchmark_group(format!("enter and leave, {threads} thread(s)"));
        let atomic = |which: usize| {
            black_box(counts[which].0.fetch_add(1, Ordering::Relaxed));
        };
        measure(&mut group, "atomic increment, own line", threads, atomic);
        measure(&mut group, name, threads, |_| pass(&best));
        measure(&mut group, "gate, SeqCst fences", threads, |_| {
            pass(&fallback)
        });
        measure(&mut group, "RwLock read", threads, |_| {
            drop(black_box(lock.read()));
        });
        measure(&mut group, "std RwLock read", threads, |_| {
            black_box(std_lock.read().is_ok());
        });
        group.finish();
    }
}

criterion_group!(gate, benches);
criterion_main!(gate);
