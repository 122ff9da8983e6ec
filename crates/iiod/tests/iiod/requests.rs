//! Any bytes at all, in place of a client.

use crate::tree::Tree;
use lastfd_iiod::{Plain, Session, Shared, UnplugAnswers};
use lastfd_model::System;
use lastfd_sync::Clock;
use lastfd_sync::atomic::Ordering;
use proptest::prelude::*;
use std::io::{Read, Result, Write};

/// Gives bytes, takes bytes.
struct Talk {
    requests: Vec<u8>,
    at: usize,
    replies: Vec<u8>,
}

impl Read for Talk {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let rest = &self.requests[self.at..];
        let length = rest.len().min(into.len()).min(1000);
        into[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }
}

impl Write for Talk {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.replies.len() > 4 << 20 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        self.replies.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a client would get. Nothing of it may be left open.
fn replies(requests: &[u8], answers: UnplugAnswers, gone: bool) -> Vec<u8> {
    // The session's waits move the time.
    let system = System::builder().clock(Clock::simulated()).build();
    let tree = Tree::over(system);
    tree.adc.source.set_available(1000);
    let shared = Shared::new(&tree.system, answers);
    if gone {
        tree.unplug();
    }
    let mut link = Plain(Talk {
        requests: requests.to_vec(),
        at: 0,
        replies: Vec::new(),
    });
    // A client that takes no more ends the session.
    let _ = Session::new(&shared, &mut link).serve();
    assert_eq!(tree.adc.source.open.load(Ordering::SeqCst), 0);
    assert_eq!(tree.adc.source.sleepers(), 0);
    link.0.replies
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(vec![
            "READ", "WRITE", "OPEN", "CLOSE", "READBUF", "WRITEBUF", "GETTRIG", "SETTRIG", "SET",
            "BUFFERS_COUNT", "PRINT", "VERSION", "HELP", "TIMEOUT", "CYCLIC", "DEBUG", "BUFFER",
            "INPUT", "OUTPUT", "iio:device0", "iio:device1", "trigger0", "lastfd-adc",
            "dac-label", "voltage0", "voltage1", "timestamp", "raw", "scale", "offset",
            "sampling_frequency", "enable", "length", "data_available", "scan_elements",
            "direct_reg_access", "00000001", "00000007", "000000ff", "16", "0", "-1", "100000",
            "4294967295", "99999999999999999999",
        ]).prop_map(str::to_owned),
        1 => "[ -~]{0,12}",
    ]
}

fn line() -> impl Strategy<Value = Vec<u8>> {
    let words = proptest::collection::vec(word(), 0..7);
    let end = proptest::sample::select(vec!["\r\n", "\n", " \r\n", "\r\n7\0", "\n\0\0\0\x02"]);
    (words, end).prop_map(|(words, end)| (words.join(" ") + end).into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_lines_are_answered_and_nothing_is_left(
        lines in proptest::collection::vec(line(), 0..24),
        linux: bool,
        gone: bool,
    ) {
        let answers = if linux { UnplugAnswers::Linux } else { UnplugAnswers::Enodev };
        let requests = lines.concat();
        replies(&requests, answers, gone);
    }

    #[test]
    fn any_bytes_are_answered_and_nothing_is_left(
        bytes in proptest::collection::vec(any::<u8>(), 0..4096),
    ) {
        replies(&bytes, UnplugAnswers::Enodev, false);
    }

    #[test]
    fn a_line_that_is_no_command_is_answered_once(garbage in "[A-Z]{1,8} [ -~&&[^ ]]{1,20}") {
        let requests = format!("X{garbage}\r\nVERSION\r\n");
        let replies = replies(requests.as_bytes(), UnplugAnswers::Enodev, false);
        prop_assert_eq!(replies, b"-22\n0.24.v0.24  \n");
    }
}
