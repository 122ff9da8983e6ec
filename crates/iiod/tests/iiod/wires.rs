//! Recorded runs of stock clients, replayed.

use crate::client::{Client, show};
use crate::raw_sessions::portable;
use crate::tree::Tree;
use crate::vectors::{Step, wire};
use lastfd_iiod::{Config, Server};
use lastfd_model::System;
use std::collections::BTreeMap;

/// The runs that need no output buffer.
const CLIENTS: [&str; 10] = [
    "iio_info",
    "attr_chn_list",
    "attr_chn_read",
    "attr_chn_write",
    "attr_dev_list",
    "attr_dev_read",
    "attr_dev_write",
    "readdev",
    "readdev_1ch",
    "readdev_trig",
];

/// Plays what the clients sent; each finds new devices, which are kept as long as it is
/// served.
pub(crate) fn replay<K>(plug: impl Fn() -> (System, K)) {
    for name in CLIENTS {
        let (system, _devices) = plug();
        let server = Server::start(&system, Config::default()).expect("a server");
        let mut open: BTreeMap<u32, Client> = BTreeMap::new();
        let mut described = false;
        for (connection, step) in wire(name) {
            match step {
                Step::Sent(bytes) => {
                    let client = open
                        .entry(connection)
                        .or_insert_with(|| Client::new(&server));
                    client.send(&bytes);
                }
                Step::Got(bytes) => {
                    // What came after the client had closed is not compared.
                    let Some(client) = open.get_mut(&connection) else {
                        continue;
                    };
                    if !std::mem::replace(&mut described, true) {
                        let got = client.take_description() + "\n";
                        let wanted = bytes.split_at(b"2845\n".len()).1;
                        assert_eq!(portable(got.as_bytes()), portable(wanted), "{name}");
                        continue;
                    }
                    let got = client.take(bytes.len());
                    assert_eq!(show(&got), show(&bytes), "{name}");
                }
                Step::ClientClosed | Step::ServerClosed => {
                    if let Some(client) = open.remove(&connection) {
                        client.finish();
                    }
                }
                Step::GotAny => unreachable!("a wire tells all bytes"),
            }
        }
        assert!(server.wait_idle(None));
        server.shutdown();
    }
}

#[test]
fn recorded_clients_are_answered_to_the_byte() {
    replay(|| (Tree::new().system, ()));
}
