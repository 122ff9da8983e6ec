//! The ready-made devices but the converters and the BU27034: what programs see of them before and
//! after they are pulled out, and what is left when they go.

mod camera;
mod cec;
mod display;
mod sensors;

use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_devices::{Plugged, Spec};
use lastfd_model::raw::platform_bus;
use lastfd_model::{Event, EventKind, Result, System};
use lastfd_sync::{Arc, Clock, Mutex};
use zerocopy::{FromBytes, Immutable, IntoBytes};

fn world() -> (System, Clock) {
    let clock = Clock::simulated();
    let system = System::builder().clock(clock.clone()).ledger(true).build();
    (system, clock)
}

fn plug(system: &System, words: &str) -> Plugged {
    words.parse::<Spec>().unwrap().plug(system).unwrap()
}

fn open_node(system: &System, path: &str) -> OpenFile {
    open(system, path, OpenFlags::RDWR).unwrap()
}

/// An ioctl on a struct, which it may change.
fn ioctl<T: FromBytes + IntoBytes + Immutable>(
    file: &OpenFile,
    cmd: u32,
    arg: &mut T,
) -> Result<i32> {
    file.ioctl_bytes(cmd, arg.as_mut_bytes())
}

/// What a System says was wrong, or left when it ended.
fn leaks(system: System) -> Vec<String> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&found);
    let subscription = system.subscribe(Arc::new(move |event: &Event| match &event.kind {
        EventKind::Leak { text, .. } | EventKind::Splat { text, .. } => {
            seen.lock().push(text.to_string());
        }
        _ => {}
    }));
    drop(system);
    drop(subscription);
    let found = found.lock();
    found.clone()
}

/// That each way to end it, with a file open or not, leaves nothing.
fn nothing_is_left_however_it_ends(words: &str, path: &str, used: impl Fn(&OpenFile, &System)) {
    type End = fn(Plugged, OpenFile);
    let ends: [End; 4] = [
        |device, file| {
            device.unplug();
            drop(file);
        },
        |device, file| {
            drop(file);
            drop(device);
        },
        |device, file| {
            device.unbind().unwrap();
            drop((device, file));
        },
        |device, file| {
            device.unbind().unwrap();
            device.rebind().unwrap();
            drop((file, device));
        },
    ];
    for (number, end) in ends.into_iter().enumerate() {
        let (system, _clock) = world();
        let device = plug(&system, words);
        let file = open_node(&system, path);
        used(&file, &system);
        end(device, file);
        assert_eq!(leaks(system), [""; 0], "{words}, end {number}");
    }
}

/// That whichever allocation fails, plugging in is undone.
fn every_allocation_that_fails_is_unwound(words: &str, at_least: u32) {
    let spec: Spec = words.parse().unwrap();
    let mut failed = 0;
    for nth in 1.. {
        let (system, _clock) = world();
        system.fail_nth(nth);
        let plugged = spec.plug(&system);
        let reached = system.fail_nth_left() == 0;
        system.fail_nth(0);
        if plugged.is_err() {
            failed += 1;
            let devices = platform_bus(&system).devices();
            assert!(devices.is_empty(), "{words}, allocation {nth}");
        }
        drop(plugged);
        assert_eq!(leaks(system), [""; 0], "{words}, allocation {nth}");
        if !reached {
            break;
        }
    }
    assert!(failed >= at_least, "{words}: only {failed} failed");
}

/// What is said of a value that a key does not take.
fn refused(words: &str) -> String {
    words.parse::<Spec>().unwrap_err().to_string()
}
