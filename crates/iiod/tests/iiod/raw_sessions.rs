//! The recorded sessions, replayed.

use crate::client::{Client, show};
use crate::tree::Tree;
use crate::vectors::{Step, raw_sessions};
use lastfd_iiod::{Config, Server};
use lastfd_model::System;

/// The description without what it says of the machine.
pub(crate) fn portable(description: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(description).into_owned();
    for key in ["description=\"", "name=\"local,kernel\" value=\""] {
        if let Some(start) = text.find(key).map(|at| at + key.len()) {
            let end = start + text[start..].find('"').expect("a closing quote");
            text.replace_range(start..end, "");
        }
    }
    text
}

/// The recorded server fills a list of values up with whatever its memory held.
fn with_zero_padding(mut reply: Vec<u8>) -> Vec<u8> {
    let start = reply
        .iter()
        .position(|&b| b == b'\n')
        .map_or(0, |at| at + 1);
    let end = reply.len().saturating_sub(1);
    let mut at = start;
    let mut padding = Vec::new();
    while at < end {
        let Some(length) = reply[at..end].first_chunk::<4>() else {
            return reply;
        };
        let length = u32::from_be_bytes(*length) as usize;
        let value = at + 4;
        at = value + length.next_multiple_of(4);
        if at > end {
            return reply;
        }
        padding.extend(value + length..at);
    }
    for at in padding {
        reply[at] = 0;
    }
    reply
}

/// What is below the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Files that take anything, as those of the recording.
    Files,
    /// A framework with rules of its own.
    Framework,
}

/// Plays the sessions against a server whose samples come without end.
pub(crate) fn replay(system: &System, over: Over) {
    let server = Server::start(system, Config::default()).expect("a server");
    for (number, steps) in raw_sessions() {
        if number == 39 {
            continue; // an output buffer
        }
        if number == 37 && over == Over::Framework {
            // A timestamp alone is no scan: iio_verify_update.
            let mut client = Client::new(&server);
            client.ask("OPEN iio:device0 16 00000004", "-22\n");
            client.finish();
            continue;
        }
        let mut client = Client::new(&server);
        let mut asked = Vec::new();
        for step in steps {
            match step {
                Step::Sent(bytes) => {
                    client.send(&bytes);
                    asked = bytes;
                }
                Step::GotAny => {
                    client.send("VERSION\r\n");
                    while !client.line().starts_with("0.24.") {}
                }
                Step::Got(bytes) if asked == b"PRINT\r\n" => {
                    let got = client.take_description() + "\n";
                    let wanted = bytes.split_at(b"2845\n".len()).1;
                    assert_eq!(portable(got.as_bytes()), portable(wanted));
                }
                Step::Got(bytes) => {
                    let wanted = match (number, asked.as_slice()) {
                        // The store takes a value without an end.
                        (12, b"READ iio:device0 sampling_frequency\r\n")
                            if bytes == b"5\n1000\0\n" =>
                        {
                            let first = client.take(1);
                            let rest: &[u8] = match first.as_slice() {
                                b"6" => b"\n10000\0\n",
                                _ => b"\n1000\0\n",
                            };
                            client.expect(rest);
                            continue;
                        }
                        // sysfs makes no files: fopen gives EACCES.
                        (13, request) if request.starts_with(b"WRITE") => b"-13\n".to_vec(),
                        _ => with_zero_padding(bytes),
                    };
                    let got = client.take(wanted.len());
                    assert_eq!(
                        show(&got),
                        show(&wanted),
                        "session {number}, to {}",
                        show(&asked)
                    );
                }
                Step::ServerClosed => client.closed_after(b""),
                Step::ClientClosed => client.half_close(),
            }
        }
        client.finish();
        assert!(server.wait_idle(None));
    }
    server.shutdown();
}

#[test]
fn recorded_sessions_are_answered_to_the_byte() {
    replay(&Tree::new().system, Over::Files);
}

#[test]
fn an_output_buffer_is_not_opened_and_nothing_is_pretended() {
    let tree = Tree::new();
    let server = Server::start(&tree.system, Config::default()).expect("a server");
    let mut client = Client::new(&server);
    client.ask("OPEN iio:device1 8 00000003", "-38\n");
    client.ask("WRITEBUF iio:device1 32", "-9\n");
    client.ask("CLOSE iio:device1", "-6\n");
    client.ask("OPEN iio:device0 8 00000001", "0\n");
    client.ask("WRITEBUF iio:device0 16", "-1\n");
    client.finish();
}
