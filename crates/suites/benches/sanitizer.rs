//! What the sanitizer costs: the built-in suites with it and without, and events a
//! second.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use lastfd_chrdev::{OpenFlags, open};
use lastfd_kunit::Runner;
use lastfd_model::event::Listener;
use lastfd_model::raw::*;
use lastfd_model::{Event, System};
use lastfd_sanitizer::Sanitizer;
use lastfd_suites::on_top::{OnTop, Top};
use lastfd_sync::atomic::{AtomicU64, Ordering};
use lastfd_sync::{Arc, Clock, Mutex};

/// Rounds of one figure.
const ROUNDS: u32 = 2000;

fn suites(c: &mut Criterion) {
    let suites = lastfd_suites::all();
    let mut group = c.benchmark_group("built-in cases");
    for (name, on) in [("with the sanitizer", true), ("without", false)] {
        let runner = Runner::new().sanitizer(on);
        group.bench_function(name, |b| {
            b.iter(|| black_box(runner.run_quietly(&suites)));
        });
    }
    group.finish();
}

#[derive(Default)]
struct Count(AtomicU64);

impl Listener for Count {
    fn event(&self, _: &Event) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An IIO device is made, opened, unplugged and closed, over and over: events a second.
#[expect(
    clippy::print_stdout,
    reason = "a figure is told to cargo xtask bench by a line of its output"
)]
fn events_a_second(_: &mut Criterion) {
    for sanitized in [false, true] {
        let system = System::builder().ledger(true).build();
        let count = Arc::new(Count::default());
        let listener: Arc<dyn Listener> = count.clone();
        let _counting = system.subscribe(listener);
        let sanitizer = sanitized.then(|| Sanitizer::watch(&system));
        let driver = platform_driver(&system, "bench");
        let made: Arc<Mutex<Option<OnTop>>> = Arc::default();
        let probed = Arc::clone(&made);
        driver.set_probe(move |parent| {
            *probed.lock() = OnTop::set_up(Top::Iio, parent)?;
            Ok(())
        });
        driver_register(&driver).unwrap();
        let clock = Clock::real();
        let begun = clock.now();
        for _ in 0..ROUNDS {
            let device = platform_device_register(&system, "bench", PlatformId::None).unwrap();
            let path = made.lock().as_ref().unwrap().path();
            let file = open(&system, &path, OpenFlags::RDWR).unwrap();
            platform_device_unregister(&device);
            drop(file);
        }
        let took = Duration::from_nanos(clock.now().0 - begun.0);
        let events = count.0.load(Ordering::Relaxed);
        let with = match &sanitizer {
            Some(sanitizer) => {
                sanitizer.assert_clean();
                "with the sanitizer"
            }
            None => "without",
        };
        let rate = events as f64 / took.as_secs_f64();
        println!("figure: events a second, ledger on, {with}: {rate:.0}");
        driver_unregister(&driver);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = suites, events_a_second
}
criterion_main!(benches);
