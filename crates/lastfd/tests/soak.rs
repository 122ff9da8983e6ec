//! Plug, open, unplug, close, over and over: what cycle 100 left is what cycle 1,000
//! leaves. Live heap, threads and descriptors are counted.

#![expect(
    unsafe_code,
    reason = "a counting allocator cannot be written without it"
)]

use std::alloc::{GlobalAlloc, Layout, System as Heap};
use std::fs;
use std::time::Duration;

use lastfd::chrdev::{OpenFlags, PollMask, open};
use lastfd::devices::IioAdc;
use lastfd::model::raw::attr_write;
use lastfd::sync::atomic::{AtomicU64, Ordering};
use lastfd::{Bench, Errno, Keep, Trigger, When};

/// Counts what is allocated and not freed.
struct Counting {
    live: AtomicU64,
}

#[global_allocator]
static COUNTING: Counting = Counting {
    live: AtomicU64::new(0),
};

// SAFETY: every call is passed on to the system's allocator unchanged; only counting is
// added, which allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that `Heap` asks for.
        let pointer = unsafe { Heap.alloc(layout) };
        if !pointer.is_null() {
            self.live.fetch_add(layout.size() as u64, Ordering::Relaxed);
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { Heap.dealloc(pointer, layout) };
        self.live.fetch_sub(layout.size() as u64, Ordering::Relaxed);
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    bytes: u64,
    threads: usize,
    descriptors: usize,
}

impl Held {
    fn now() -> Held {
        let entries = |folder: &str| fs::read_dir(folder).map_or(0, Iterator::count);
        Held {
            threads: entries("/proc/self/task"),
            descriptors: entries("/proc/self/fd"),
            bytes: COUNTING.live.load(Ordering::Relaxed),
        }
    }
}

/// One life of a device within a System that goes on.
fn one_device(bench: &Bench) {
    let adc = bench.plug(IioAdc::default()).expect("it plugs in");
    let system = bench.system();
    let node = system.dev_nodes().remove(0);
    let file = open(system, &format!("/dev/{}", node.name), OpenFlags::RDWR).expect("it opens");
    attr_write(&node.device, "scan_elements/in_voltage0_en", b"1").expect("an element");
    attr_write(&node.device, "buffer/enable", b"1").expect("the buffer");
    let mut samples = [0; 64];
    assert!(file.read(&mut samples).expect("samples") > 0);
    adc.unplug();
    assert_eq!(file.read(&mut samples), Err(Errno::ENODEV));
    assert!(file.poll(PollMask::IN, Some(Duration::ZERO)).is_empty());
    bench.forget_unplugged();
}

/// One whole run, with its own System, schedule and client.
fn one_run() {
    let bench = Bench::builder().keep(Keep::Verdict).build();
    let adc = bench.plug(IioAdc::default()).expect("it plugs in");
    let on_sleep = When::On {
        trigger: Trigger::Blocked("read".to_owned()),
        count: 1,
    };
    bench.unplug_when(&adc, on_sleep).expect("a task");
    drop(adc);
    bench.run_client(&Default::default()).expect("tasks");
    bench.finish().assert_clean();
}

/// How often each is done, before and between the two looks. LASTFD_SOAK_CYCLES says the
/// second.
fn cycles() -> (u64, u64) {
    let asked = std::env::var("LASTFD_SOAK_CYCLES").ok();
    let last = asked.map_or(1000, |cycles| cycles.parse().expect("a number of cycles"));
    (100.min(last / 2), last)
}

/// Runs it up to the first and the last of [`cycles`], and compares.
fn nothing_grows(what: &str, mut cycle: impl FnMut()) {
    let (early, last) = cycles();
    for _ in 0..early {
        cycle();
    }
    let before = Held::now();
    for _ in early..last {
        cycle();
    }
    let after = Held::now();
    assert_eq!(before, after, "{what}: cycle {early} and cycle {last}");
}

#[test]
fn cycle_1000_holds_what_cycle_100_held() {
    // One test, as descriptors, threads and heap are the whole process's.
    let bench = Bench::builder().keep(Keep::Nothing).build();
    nothing_grows("devices in one System", || one_device(&bench));
    drop(bench);
    nothing_grows("whole runs", one_run);
}
