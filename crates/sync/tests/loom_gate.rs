//! Every schedule (where bounded, those with at most so many preemptions) and every
//! weak memory order of readers and closers at a gate with SeqCst fences. Proven, for
//! these programs: after a close nobody is inside (loom's cells report a race otherwise);
//! a closer that waits is woken (loom reports a deadlock otherwise); a second close waits
//! as the first does; a slot that another thread took over is waited for as well. Each
//! of the three fences is needed: without it a test here fails.
//!
//! Not shown: that the store on the way out must be a release. Loom's SeqCst fences order
//! more than the language's do, so it passes a relaxed one too.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p lastfd-sync --release --test 'loom_*'`

#![cfg(loom)]

use lastfd_sync::Arc;
use lastfd_sync::gate::{CloseError, Domain, Gate};
use loom::cell::UnsafeCell;
use loom::thread;

struct Device {
    gate: Gate,
    /// Touched inside the gate by one reader, and after the close.
    registers: UnsafeCell<u32>,
}

impl Device {
    #[expect(
        clippy::arc_with_non_send_sync,
        reason = "that nobody shares the cell is the test"
    )]
    fn new(domain: &Domain) -> Arc<Device> {
        Arc::new(Device {
            gate: Gate::new(domain),
            registers: UnsafeCell::new(0),
        })
    }

    fn access(&self) {
        if let Some(_inside) = self.gate.enter() {
            // SAFETY: loom's cell checks that nobody else has it.
            self.registers.with_mut(|value| unsafe { *value += 1 });
        }
    }

    fn unplug(&self) -> bool {
        let first = self.gate.close().unwrap();
        assert!(self.gate.enter().is_none());
        first
    }

    fn free(&self) {
        // SAFETY: loom's cell checks that nobody else has it.
        self.registers.with_mut(|value| unsafe { *value = 0xdead });
    }
}

fn bounded(preemptions: usize, f: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound.get_or_insert(preemptions);
    model.check(f);
}

#[test]
fn nobody_is_inside_after_a_close() {
    loom::model(|| {
        let device = Device::new(&Domain::new());
        let reader = {
            let device = device.clone();
            thread::spawn(move || device.access())
        };
        assert!(device.unplug());
        device.free();
        reader.join().unwrap();
    });
}

#[test]
fn a_section_inside_a_section_is_waited_for_to_its_outer_end() {
    bounded(4, || {
        let device = Device::new(&Domain::new());
        let reader = {
            let device = device.clone();
            thread::spawn(move || {
                if let Some(_outer) = device.gate.enter() {
                    drop(device.gate.enter());
                    // SAFETY: loom's cell checks that nobody else has it.
                    device.registers.with_mut(|value| unsafe { *value += 1 });
                }
            })
        };
        assert!(device.unplug());
        device.free();
        reader.join().unwrap();
    });
}

#[test]
fn a_second_close_waits_too_and_one_of_the_two_is_the_first() {
    bounded(3, || {
        let device = Device::new(&Domain::new());
        let reader = {
            let device = device.clone();
            thread::spawn(move || device.access())
        };
        let closer = {
            let device = device.clone();
            thread::spawn(move || device.unplug())
        };
        let mine = device.unplug();
        let other = closer.join().unwrap();
        assert!(mine != other);
        device.free();
        reader.join().unwrap();
    });
}

#[test]
fn a_slot_taken_over_from_an_ended_thread_is_waited_for() {
    bounded(3, || {
        let domain = Domain::new();
        let (other, device) = (Gate::new(&domain), Device::new(&domain));
        thread::spawn(move || drop(other.enter())).join().unwrap();
        let reader = {
            let device = device.clone();
            thread::spawn(move || device.access())
        };
        device.unplug();
        device.free();
        reader.join().unwrap();
        // Three if the ended thread was not seen to have ended.
        assert!(domain.slots() <= 3);
    });
}

#[test]
fn a_close_from_inside_is_an_error() {
    loom::model(|| {
        let domain = Domain::new();
        let (gate, other) = (Gate::new(&domain), Gate::new(&domain));
        let inside = gate.enter().unwrap();
        assert_eq!(other.close(), Err(CloseError::FromInside));
        assert!(!other.is_closed());
        drop(inside);
        assert_eq!(other.close(), Ok(true));
    });
}
