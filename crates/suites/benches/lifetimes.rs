//! Whole lifetimes: the built-in suites, and a device of each framework made,
//! opened, unplugged and closed.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use lastfd_chrdev::{OpenFlags, open};
use lastfd_kunit::Runner;
use lastfd_model::System;
use lastfd_model::raw::*;
use lastfd_suites::on_top::{OnTop, Top};
use lastfd_sync::{Arc, Mutex};

fn suites(c: &mut Criterion) {
    let suites = lastfd_suites::all();
    let stats = Runner::new().run_quietly(&suites);
    let mut group = c.benchmark_group("kunit");
    group.bench_function(format!("all {} built-in cases", stats.total()), |b| {
        b.iter(|| black_box(Runner::new().run_quietly(&suites)));
    });
    group.finish();
}

/// One System with a driver whose devices have a framework's object.
fn lifetime(c: &mut Criterion, top: Top, name: &str) {
    let system = System::new();
    let driver = platform_driver(&system, "bench");
    let made: Arc<Mutex<Option<OnTop>>> = Arc::default();
    let (probed, removed) = (Arc::clone(&made), Arc::clone(&made));
    driver.set_probe(move |parent| {
        *probed.lock() = OnTop::set_up(top, parent)?;
        Ok(())
    });
    driver.set_remove(move |_| {
        let on_top = removed.lock().take();
        if let Some(on_top) = on_top {
            on_top.end_by_hand();
        }
    });
    driver_register(&driver).unwrap();
    let mut group = c.benchmark_group("create, open, unplug, close");
    group.bench_function(name, |b| {
        b.iter(|| {
            let device = platform_device_register(&system, "bench", PlatformId::None).unwrap();
            let path = made.lock().as_ref().unwrap().path();
            let file = open(&system, &path, OpenFlags::RDWR).unwrap();
            platform_device_unregister(&device);
            drop(file);
        });
    });
    group.finish();
    driver_unregister(&driver);
}

fn lifetimes(c: &mut Criterion) {
    lifetime(c, Top::Iio, "iio");
    lifetime(c, Top::Drm, "drm");
    lifetime(c, Top::V4l2, "v4l2");
    lifetime(c, Top::Cec, "cec");
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = suites, lifetimes
}
criterion_main!(benches);
