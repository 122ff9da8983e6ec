//! Whatever a client sends, the server answers within bounds and leaves nothing open.
//!
//! The first byte picks what is said of devices that have gone, and whether the device is
//! one; the rest is what the client sends.

#![no_main]

use lastfd_iiod::{Plain, Session, Shared, UnplugAnswers};
use lastfd_model::System;
use lastfd_sync::Clock;
use lastfd_sync::atomic::Ordering;
use libfuzzer_sys::fuzz_target;
use std::io::{Error, ErrorKind, Read, Result, Write};

#[expect(dead_code, reason = "the tests of the crate use the rest")]
#[path = "../../crates/iiod/tests/iiod/tree.rs"]
mod tree;

/// Sends bytes, and takes a mebibyte.
struct Client<'a> {
    requests: &'a [u8],
    taken: usize,
}

impl Read for Client<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.requests.read(into)
    }
}

impl Write for Client<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.taken += bytes.len();
        if self.taken > 1 << 20 {
            return Err(Error::from(ErrorKind::BrokenPipe));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((pick, requests)) = bytes.split_first() else {
        return;
    };
    // The session's own waits move the time.
    let system = System::builder().clock(Clock::simulated()).build();
    let tree = tree::Tree::over(system);
    tree.adc.source.set_available(1000);
    let answers = if pick & 1 == 0 {
        UnplugAnswers::Enodev
    } else {
        UnplugAnswers::Linux
    };
    let shared = Shared::new(&tree.system, answers);
    if pick & 2 != 0 {
        tree.unplug();
    }
    let mut link = Plain(Client { requests, taken: 0 });
    // A client that takes no more ends the session.
    let _ = Session::new(&shared, &mut link).serve();
    assert_eq!(tree.adc.source.open.load(Ordering::SeqCst), 0);
    assert_eq!(tree.adc.source.sleepers(), 0);
});
