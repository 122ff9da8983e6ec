//! Clients that misbehave cost the others nothing and leave nothing.

use crate::client::Client;
use crate::tree::Tree;
use lastfd_iiod::{Bind, Config, Server, StartError};
use lastfd_sync::atomic::Ordering;

struct Bench {
    tree: Tree,
    server: Server,
}

fn bench() -> Bench {
    let tree = Tree::new();
    let server = Server::start(&tree.system, Config::default()).expect("a server");
    Bench { tree, server }
}

impl Bench {
    fn client(&self) -> Client {
        Client::new(&self.server)
    }

    /// A client that came before and one that comes now are served, and all that the
    /// others had opened is closed.
    fn others_are_served(&self, mut before: Client) {
        before.ask("READ iio:device0 sampling_frequency", "5\n1000\0\n");
        before.finish();
        let mut now = self.client();
        now.ask("OPEN iio:device0 16 00000001", "0\n");
        now.ask("CLOSE iio:device0", "0\n");
        now.finish();
    }

    fn nothing_is_left(&self) {
        assert!(self.server.wait_idle(None));
        assert_eq!(self.server.connections(), 0);
        assert_eq!(self.tree.adc.source.open.load(Ordering::SeqCst), 0);
        assert_eq!(self.tree.adc.source.sleepers(), 0);
    }
}

#[test]
fn a_half_closed_connection_gets_what_it_asked_for_and_no_flood() {
    let bench = bench();
    let mut client = bench.client();
    client.send("VERSION\r\nREAD trigger0 sampling_frequency\r\nVERS");
    client.half_close();
    client.closed_after(b"0.24.v0.24  \n4\n100\0\n");
    bench.nothing_is_left();
}

#[test]
fn half_closing_cancels_a_read_and_closes_the_buffer() {
    let bench = bench();
    let before = bench.client();
    bench.tree.adc.source.set_available(0);
    let mut client = bench.client();
    client.ask("TIMEOUT 0", "0\n");
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    client.send("READBUF iio:device0 32\r\n");
    while bench.tree.adc.source.sleepers() == 0 {
        lastfd_sync::thread::yield_now();
    }
    client.finish();
    bench.tree.adc.source.wait_for_open(0);
    bench.others_are_served(before);
    bench.nothing_is_left();
}

#[test]
fn a_client_that_dies_in_a_read_leaves_nothing() {
    let bench = bench();
    let before = bench.client();
    bench.tree.adc.source.set_available(0);
    let mut client = bench.client();
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    client.ask("TIMEOUT 0", "0\n");
    client.send("READBUF iio:device0 32\r\n");
    while bench.tree.adc.source.sleepers() == 0 {
        lastfd_sync::thread::yield_now();
    }
    drop(client);
    bench.tree.adc.source.wait_for_open(0);
    bench.others_are_served(before);
    bench.nothing_is_left();
}

#[test]
fn a_client_that_dies_while_data_comes_leaves_nothing() {
    let bench = bench();
    let before = bench.client();
    let mut client = bench.client();
    client.ask("OPEN iio:device0 4096 00000007", "0\n");
    client.send("READBUF iio:device0 4000000000\r\n");
    assert_eq!(client.take(100_000).len(), 100_000);
    drop(client);
    bench.tree.adc.source.wait_for_open(0);
    bench.others_are_served(before);
    bench.nothing_is_left();
}

#[test]
fn half_closing_ends_a_read_that_never_has_to_wait() {
    let bench = bench();
    let mut client = bench.client();
    client.ask("OPEN iio:device0 4096 00000007", "0\n");
    client.send("READBUF iio:device0 4000000000\r\n");
    client.half_close();
    // The server closes; it does not send what is left.
    client.drain();
    bench.tree.adc.source.wait_for_open(0);
    bench.nothing_is_left();
}

#[test]
fn a_client_that_takes_nothing_stops_only_itself() {
    let bench = bench();
    let before = bench.client();
    let mut stalled = bench.client();
    stalled.ask("OPEN iio:device0 4096 00000007", "0\n");
    stalled.send("READBUF iio:device0 4000000000\r\n");
    let mut other = bench.client();
    other.ask("READ iio:device0 sampling_frequency", "5\n1000\0\n");
    // The buffer is somebody's: the kernel's answer, and the first is not disturbed.
    other.ask("OPEN iio:device0 16 00000001", "-16\n");
    other.ask("READ iio:device0 BUFFER enable", "2\n1\0\n");
    other.finish();
    drop(stalled);
    bench.tree.adc.source.wait_for_open(0);
    bench.others_are_served(before);
    bench.nothing_is_left();
}

#[test]
fn rubbish_is_refused_line_by_line() {
    let bench = bench();
    let mut client = bench.client();
    client.send(b"\x00\xff\xfe\nGET / HTTP/1.1\r\nHost: x\r\n\r\n%s%n\n");
    client.send("VERSION\r\n");
    client.expect("-22\n-22\n-22\n-22\n0.24.v0.24  \n");
    client.finish();
    bench.nothing_is_left();
}

#[test]
fn a_line_without_end_is_refused_once_in_bounded_memory() {
    let bench = bench();
    let mut client = bench.client();
    for _ in 0..256 {
        client.send([b'A'; 16 << 10]);
    }
    client.send("\r\nVERSION\r\n");
    client.expect("-22\n0.24.v0.24  \n");
    client.finish();
    bench.nothing_is_left();
}

#[test]
fn huge_lengths_take_no_memory_and_are_answered() {
    let bench = bench();
    let mut client = bench.client();
    // The value comes, is taken off the line, and is refused.
    client.send("WRITE iio:device0 sampling_frequency 4194304\r\n");
    for _ in 0..256 {
        client.send([b'1'; 16 << 10]);
    }
    client.expect("-12\n");
    client.ask("WRITE iio:device0 sampling_frequency -1", "-12\n");
    client.ask("OPEN iio:device0 9999999999999999999 00000007", "-12\n");
    client.ask("OPEN iio:device0 -1 00000007", "-12\n");
    client.ask("SET iio:device0 BUFFERS_COUNT 4294967295", "0\n");
    client.ask("OPEN iio:device0 1024 00000007", "-12\n");
    client.ask("READ iio:device0 sampling_frequency", "5\n1000\0\n");
    // A value that never comes costs nothing.
    client.send("WRITE iio:device0 sampling_frequency 9223372036854775807\r\n1");
    client.finish();
    bench.nothing_is_left();
}

#[test]
fn values_of_unknown_things_are_taken_off_the_line() {
    let bench = bench();
    let mut client = bench.client();
    for (line, reply) in [
        ("WRITE nosuch x 3\r\n1\n\0", "-19\n"),
        ("WRITE iio:device0 INPUT nosuch raw 3\r\n1\n\0", "-6\n"),
        ("WRITE iio:device0 nosuch 3\r\n1\n\0", "-13\n"),
        ("WRITE iio:device1 DEBUG nosuch 3\r\n1\n\0", "-2\n"),
        ("WRITE trigger0 BUFFER length 3\r\n1\n\0", "-2\n"),
        ("WRITE iio:device0 name 3\r\n1\n\0", "-13\n"),
        ("WRITE iio:device0 scan_elements 3\r\n1\n\0", "-21\n"),
        ("WRITE iio:device0 3\r\n1\n\0", "-22\n"),
    ] {
        client.send(line);
        client.expect(reply);
    }
    client.ask("VERSION", "0.24.v0.24  \n");
    client.finish();
    bench.nothing_is_left();
}

#[test]
fn one_connection_too_many_is_closed_at_once() {
    let tree = Tree::new();
    let config = Config {
        max_connections: 2,
        ..Config::default()
    };
    let server = Server::start(&tree.system, config).expect("a server");
    let mut first = Client::new(&server);
    first.ask("VERSION", "0.24.v0.24  \n");
    let mut second = Client::new(&server);
    second.ask("VERSION", "0.24.v0.24  \n");
    Client::new(&server).closed_after(b"");
    first.finish();
    while server.connections() > 1 {
        lastfd_sync::thread::yield_now();
    }
    let mut third = Client::new(&server);
    third.ask("VERSION", "0.24.v0.24  \n");
    third.finish();
    second.finish();
}

#[test]
fn shutting_down_ends_idle_reading_and_stalled_connections() {
    let bench = bench();
    let mut idle = bench.client();
    idle.ask("VERSION", "0.24.v0.24  \n");
    let mut stalled = bench.client();
    stalled.ask("OPEN iio:device0 4096 00000007", "0\n");
    stalled.send("READBUF iio:device0 4000000000\r\n");
    bench.server.shutdown();
    assert_eq!(bench.tree.adc.source.open.load(Ordering::SeqCst), 0);
    idle.closed_after(b"");
    stalled.drain();

    let server = Server::start(&bench.tree.system, Config::default()).expect("a server");
    bench.tree.adc.source.set_available(0);
    let mut reading = Client::new(&server);
    reading.ask("TIMEOUT 0", "0\n");
    reading.ask("OPEN iio:device0 16 00000001", "0\n");
    reading.send("READBUF iio:device0 32\r\n");
    while bench.tree.adc.source.sleepers() == 0 {
        lastfd_sync::thread::yield_now();
    }
    server.shutdown();
    reading.closed_after(b"");
    assert_eq!(bench.tree.adc.source.open.load(Ordering::SeqCst), 0);
}

#[test]
fn an_address_in_use_is_told_with_a_way_out() {
    let bench = bench();
    let address = bench.server.local_addr();
    let config = Config {
        bind: Bind::At(address),
        ..Config::default()
    };
    let error = Server::start(&bench.tree.system, config).expect_err("it is in use");
    assert!(matches!(error, StartError::Listen { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "failed to listen at {address}: Address already in use (os error 98); \
             choose another address or port, port 0 for any free one"
        )
    );
}

#[test]
fn both_loopback_addresses_are_served() {
    let bench = bench();
    let port = bench.server.local_addr().port();
    assert_eq!(bench.server.uri(), format!("ip:127.0.0.1:{port}"));
    if std::net::TcpListener::bind(("::1", 0)).is_ok() {
        std::net::TcpStream::connect(("::1", port)).expect("a connection over IPv6");
    }
}
