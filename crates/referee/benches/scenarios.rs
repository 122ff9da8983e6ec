//! Scenarios that are made up, run without a kernel: what `cargo xtask oracle --fuzz`
//! sets beside the kernel's own rate.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lastfd_model::Rules;
use lastfd_referee::fuzz;
use lastfd_scenario::Scenario;

const SEED: u64 = 4;

fn scenarios(c: &mut Criterion) {
    let scenarios: Vec<Scenario> = (0..500)
        .filter_map(|number| fuzz::made_up(SEED, number).1.ok())
        .filter(|scenario| !fuzz::would_crash(&scenario.run_like_a_kernel(Rules::Linux6_12).0))
        .collect();
    let mut group = c.benchmark_group("scenarios");
    group.throughput(Throughput::Elements(scenarios.len() as u64));
    group.sample_size(20);
    group.bench_function("made_up", |b| {
        b.iter(|| {
            for scenario in &scenarios {
                black_box(scenario.run(Rules::Linux6_12));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, scenarios);
criterion_main!(benches);
