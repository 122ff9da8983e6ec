//! However connections end, they leave no thread and no descriptor. Alone in its process,
//! which is counted.

#[expect(dead_code, reason = "the other tests use the rest")]
#[path = "iiod/client.rs"]
mod client;
#[expect(dead_code, reason = "the other tests use the rest")]
#[path = "iiod/tree.rs"]
mod tree;

use client::Client;
use lastfd_iiod::{Config, Server};
use std::fs::read_dir;
use tree::Tree;

fn counted() -> (usize, usize) {
    let count = |path| read_dir(path).expect("/proc").count();
    (count("/proc/self/task"), count("/proc/self/fd"))
}

/// A server, a client for each way to end, an unplug.
fn cycle() {
    let tree = Tree::new();
    let server = Server::start(&tree.system, Config::default()).expect("a server");
    let mut orderly = Client::new(&server);
    orderly.ask("READ iio:device0 sampling_frequency", "5\n1000\0\n");
    orderly.send("\r\nEXIT\r\n");
    orderly.closed_after(b"");
    let mut dying = Client::new(&server);
    dying.ask("OPEN iio:device0 16 00000007", "0\n");
    dying.send("READBUF iio:device0 100000\r\n");
    drop(dying);
    tree.adc.source.wait_for_open(0);
    let mut holding = Client::new(&server);
    holding.ask("TIMEOUT 0", "0\n");
    holding.ask("OPEN iio:device0 16 00000001", "0\n");
    tree.adc.source.set_available(0);
    holding.send("READBUF iio:device0 32\r\n");
    tree.unplug();
    holding.expect("-19\n");
    drop(holding);
    assert!(server.wait_idle(None));
    let _idle = Client::new(&server);
    server.shutdown();
}

#[test]
fn a_thousand_servers_leave_what_a_hundred_left() {
    (0..100).for_each(|_| cycle());
    let before = counted();
    (0..900).for_each(|_| cycle());
    assert_eq!(counted(), before);
}
