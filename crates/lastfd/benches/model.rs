//! What the model costs: a managed resource added and run; a device registered, bound,
//! unbound and unregistered among others; the memory of a device.
//!
//! Figures are in the thread's processor time, so that a busy machine does not count.

#![expect(
    unsafe_code,
    reason = "a counting allocator cannot be written without it"
)]
#![expect(
    clippy::print_stdout,
    reason = "figures that are no times are printed for the report"
)]

use std::alloc::{GlobalAlloc, Layout, System as Heap};
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use lastfd::System;
use lastfd::model::raw::{
    Action, Bus, BusType, Device, DeviceSpec, Driver, bus_register, device_initialize,
    device_register, device_unregister, devm_add_action, devres_release_all, driver_register,
    root_device_register,
};
use lastfd::sync::atomic::{AtomicU64, Ordering};
use rustix::time::{ClockId, clock_gettime};

/// Counts what is allocated and not freed.
struct Counting(AtomicU64);

#[global_allocator]
static LIVE: Counting = Counting(AtomicU64::new(0));

// SAFETY: every call is passed on to the system's allocator unchanged; only counting is
// added, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's promises are those that `Heap` asks for.
        unsafe { Heap.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.0.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { Heap.dealloc(pointer, layout) };
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

/// Runs it so often, and says how long that took.
fn timed(iters: u64, mut f: impl FnMut()) -> Duration {
    let start = processor_time();
    for _ in 0..iters {
        f();
    }
    processor_time() - start
}

/// Actions per release: a driver has a handful, a loop of one would measure the list.
const ACTIONS: u64 = 8;

fn devres(c: &mut Criterion) {
    let mut group = c.benchmark_group("devres");
    let system = System::new();
    let device = root_device_register(&system, "board").expect("a root device");
    group.bench_function("add_and_run", |b| {
        b.iter_custom(|iters| {
            let rounds = iters.div_ceil(ACTIONS);
            let took = timed(rounds, || {
                for _ in 0..ACTIONS {
                    let action = Action::new(|| {
                        black_box(0);
                    });
                    devm_add_action(&device, action).expect("memory");
                }
                devres_release_all(&device);
            });
            took.mul_f64(iters as f64 / (rounds * ACTIONS) as f64)
        });
    });
    group.bench_function("floor_boxed_closure_pushed_and_run", |b| {
        let mut list: Vec<Box<dyn FnOnce() + Send>> = Vec::new();
        b.iter_custom(|iters| {
            let rounds = iters.div_ceil(ACTIONS);
            let took = timed(rounds, || {
                for n in 0..ACTIONS {
                    list.push(black_box(Box::new(move || {
                        black_box(n);
                    })));
                }
                while let Some(action) = list.pop() {
                    action();
                }
            });
            took.mul_f64(iters as f64 / (rounds * ACTIONS) as f64)
        });
    });
    group.finish();
}

/// A bus with a driver that takes every device.
fn bus(system: &System) -> (Bus, Driver) {
    let bus = bus_register(
        system,
        BusType {
            name: "bench".to_owned(),
            ..BusType::default()
        },
    )
    .expect("a bus");
    let driver = Driver::new("taker", &bus);
    driver.set_probe(|_| Ok(()));
    driver_register(&driver).expect("a driver");
    (bus, driver)
}

fn register(system: &System, bus: &Bus, name: String) -> Device {
    let device = device_initialize(
        system,
        DeviceSpec {
            name: Some(name),
            bus: Some(bus.clone()),
            ..DeviceSpec::default()
        },
    );
    device_register(&device).expect("a device");
    assert!(device.driver().is_some());
    device
}

fn lifecycle(c: &mut Criterion) {
    let mut group = c.benchmark_group("register_bind_unbind_unregister");
    for live in [10, 1_000, 100_000] {
        let system = System::new();
        let (bus, _driver) = bus(&system);
        let before = LIVE.0.load(Ordering::Relaxed);
        let devices: Vec<Device> = (0..live)
            .map(|n| register(&system, &bus, format!("device{n}")))
            .collect();
        let bytes = LIVE.0.load(Ordering::Relaxed) - before;
        println!(
            "figure: bytes per device at {live} bound devices: {}",
            bytes / live
        );
        group.bench_function(live.to_string(), |b| {
            let mut number = 0u64;
            b.iter_custom(|iters| {
                timed(iters, || {
                    number += 1;
                    let device = register(&system, &bus, format!("one{number}"));
                    device_unregister(&device);
                })
            });
        });
        for device in devices {
            device_unregister(&device);
        }
    }
    group.finish();
}

criterion_group!(benches, devres, lifecycle);
criterion_main!(benches);
