//! What clients are told when a device goes while they use it.

use crate::client::Client;
use crate::tree::Tree;
use lastfd_iiod::{Config, Server, UnplugAnswers};
use lastfd_model::System;
use lastfd_sync::Clock;
use lastfd_sync::atomic::Ordering;
use std::time::Duration;

fn serve(system: &System, unplug: UnplugAnswers) -> Server {
    let config = Config {
        unplug,
        ..Config::default()
    };
    Server::start(system, config).expect("a server")
}

/// Waits until somebody sleeps on the device's data.
fn wait_for_sleeper(tree: &Tree) {
    while tree.adc.source.sleepers() == 0 {
        lastfd_sync::thread::yield_now();
    }
}

#[test]
fn every_command_on_a_gone_device_gives_enodev_and_others_go_on() {
    let tree = Tree::new();
    let server = serve(&tree.system, UnplugAnswers::Enodev);
    let mut client = Client::new(&server);
    assert!(client.description().contains("lastfd-adc"));
    tree.unplug();
    for line in [
        "READ iio:device0 sampling_frequency",
        "READ lastfd-adc",
        "READ iio:device0 DEBUG direct_reg_access",
        "READ iio:device0 BUFFER length",
        "READ iio:device0 INPUT voltage0 raw",
        "READ iio:device0 INPUT nosuch raw",
        "WRITE iio:device0 sampling_frequency 2\r\n9\0VERSION",
        "GETTRIG iio:device0",
        "SETTRIG iio:device0 trigger0",
        "SET iio:device0 BUFFERS_COUNT 4",
        "OPEN iio:device0 16 00000007",
        "READBUF iio:device0 16",
        "CLOSE iio:device0",
    ] {
        client.ask(line, "-19\n");
        if line.ends_with("VERSION") {
            client.expect("0.24.v0.24  \n");
        }
    }
    client.ask("READ iio:device1 OUTPUT voltage0 raw", "2\n0\0\n");
    client.ask("READ trigger0 sampling_frequency", "4\n100\0\n");
    assert!(!client.description().contains("lastfd-adc"));
    client.finish();
}

#[test]
fn a_read_that_waits_for_data_gives_enodev_at_once() {
    let tree = Tree::new();
    tree.adc.source.set_available(0);
    let server = serve(&tree.system, UnplugAnswers::Enodev);
    let mut client = Client::new(&server);
    // For ever: only the removal can end it.
    client.ask("TIMEOUT 0", "0\n");
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    client.send("READBUF iio:device0 32\r\n");
    wait_for_sleeper(&tree);
    tree.unplug();
    client.expect("-19\n");
    tree.adc.source.wait_for_open(0);
    client.ask("READBUF iio:device0 32", "-19\n");
    client.ask("CLOSE iio:device0", "-19\n");
    client.ask("READ iio:device1 OUTPUT voltage0 raw", "2\n0\0\n");
    client.finish();
}

#[test]
fn a_removal_between_two_chunks_is_the_last_word_of_the_read() {
    let tree = Tree::new();
    tree.adc.source.set_available(20);
    let server = serve(&tree.system, UnplugAnswers::Enodev);
    let mut client = Client::new(&server);
    client.ask("TIMEOUT 0", "0\n");
    client.ask("OPEN iio:device0 16 00000002", "0\n");
    client.send("READBUF iio:device0 64\r\n");
    client.expect("32\n00000002\n");
    assert_eq!(client.take(32).len(), 32);
    wait_for_sleeper(&tree);
    tree.unplug();
    client.expect("-19\n");
    client.ask("VERSION", "0.24.v0.24  \n");
    client.finish();
}

#[test]
fn a_buffer_that_nobody_reads_holds_the_file_until_its_close() {
    let tree = Tree::new();
    let server = serve(&tree.system, UnplugAnswers::Enodev);
    let mut client = Client::new(&server);
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    tree.unplug();
    assert_eq!(tree.adc.source.open.load(Ordering::SeqCst), 1);
    assert!(!tree.adc.device.is_released());
    client.ask("CLOSE iio:device0", "-19\n");
    tree.adc.source.wait_for_open(0);
    assert!(tree.adc.device.is_released());
    client.finish();
}

#[test]
fn a_buffer_that_a_new_description_is_without_can_still_be_closed() {
    let tree = Tree::new();
    let server = serve(&tree.system, UnplugAnswers::Enodev);
    let mut client = Client::new(&server);
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    tree.unplug();
    assert!(!client.description().contains("lastfd-adc"));
    client.ask("READBUF iio:device0 16", "-19\n");
    client.ask("CLOSE iio:device0", "-19\n");
    tree.adc.source.wait_for_open(0);
    client.finish();
}

#[test]
fn in_the_moment_of_the_removal_there_is_a_value_or_enodev() {
    for _ in 0..30 {
        let tree = Tree::new();
        let server = serve(&tree.system, UnplugAnswers::Enodev);
        let mut client = Client::new(&server);
        client.ask("READ iio:device0 sampling_frequency", "5\n1000\0\n");
        let requests = 300;
        client.send("READ iio:device0 sampling_frequency\r\n".repeat(requests));
        tree.unplug();
        client.send("EXIT\r\n");
        let mut replies = Vec::new();
        while let line @ ("5" | "1000\0" | "-19") = client.line().as_str() {
            replies.push(line == "-19");
        }
        client.closed_after(b"");
        let gone = replies.iter().filter(|&&gone| gone).count();
        assert_eq!(2 * (requests - gone) + gone, replies.len());
        assert!(replies.is_sorted(), "values after ENODEV");
    }
}

#[test]
fn a_connection_does_not_take_a_new_device_for_the_old_one() {
    let mut tree = Tree::new();
    let server = serve(&tree.system, UnplugAnswers::Enodev);
    let mut client = Client::new(&server);
    client.ask("READ iio:device0 sampling_frequency", "5\n1000\0\n");
    tree.unplug();
    tree.replug();
    client.ask("READ iio:device0 sampling_frequency", "-19\n");
    let mut other = Client::new(&server);
    other.ask("READ iio:device0 sampling_frequency", "5\n1000\0\n");
    other.finish();
    // Told anew, it knows the new one.
    assert!(client.description().contains("lastfd-adc"));
    client.ask("READ iio:device0 sampling_frequency", "5\n1000\0\n");
    client.finish();
}

#[test]
fn as_over_a_real_kernel_files_are_missing_and_the_description_stays() {
    let tree = Tree::new();
    let server = serve(&tree.system, UnplugAnswers::Linux);
    let mut client = Client::new(&server);
    let before = client.description();
    tree.unplug();
    for line in [
        "READ iio:device0 sampling_frequency",
        "READ iio:device0 DEBUG direct_reg_access",
        "READ iio:device0 BUFFER length",
        "READ iio:device0 INPUT voltage0 raw",
        "WRITE iio:device0 sampling_frequency 2\r\n9\0",
        "GETTRIG iio:device0",
        "SETTRIG iio:device0 trigger0",
        "OPEN iio:device0 16 00000007",
    ] {
        client.ask(line, "-2\n");
    }
    let missing = b"\xff\xff\xff\xfe".repeat(3);
    client.ask("READ iio:device0", [b"12\n", &missing[..], b"\n"].concat());
    client.ask("READ iio:device0 INPUT nosuch raw", "-6\n");
    assert_eq!(client.description(), before);
    assert_eq!(Client::new(&server).description(), before);
    client.finish();
}

#[test]
fn as_over_a_real_kernel_an_open_buffer_times_out_and_is_closed() {
    // Time stands until the test moves it.
    let clock = Clock::simulated();
    let system = System::builder().clock(clock.clone()).build();
    let tree = Tree::over(system);
    tree.adc.source.set_available(0);
    let server = serve(&tree.system, UnplugAnswers::Linux);
    let mut client = Client::new(&server);
    client.ask("TIMEOUT 5000", "0\n");
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    client.send("READBUF iio:device0 32\r\n");
    wait_for_sleeper(&tree);
    tree.unplug();
    clock.advance(Duration::from_millis(4999));
    assert_eq!(tree.adc.source.open.load(Ordering::SeqCst), 1);
    clock.advance(Duration::from_millis(1));
    client.expect("-110\n");
    tree.adc.source.wait_for_open(0);
    client.ask("READBUF iio:device0 32", "-9\n");
    client.ask("CLOSE iio:device0", "0\n");
    client.finish();
}

#[test]
fn as_over_a_real_kernel_a_new_device_is_found_under_the_old_name() {
    let mut tree = Tree::new();
    let server = serve(&tree.system, UnplugAnswers::Linux);
    let mut client = Client::new(&server);
    let before = client.description();
    tree.unplug();
    client.ask("READ iio:device0 sampling_frequency", "-2\n");
    tree.replug();
    client.ask("READ iio:device0 sampling_frequency", "5\n1000\0\n");
    assert_eq!(client.description(), before);
    client.finish();
}

#[test]
fn without_an_unplug_a_silent_device_times_out_on_the_systems_clock() {
    let clock = Clock::simulated();
    let tree = Tree::over(System::builder().clock(clock.clone()).build());
    tree.adc.source.set_available(5);
    let server = serve(&tree.system, UnplugAnswers::Enodev);
    let mut client = Client::new(&server);
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    client.send("READBUF iio:device0 32\r\n");
    wait_for_sleeper(&tree);
    clock.advance(Duration::from_millis(1000));
    client.expect("-110\n");
    // As in iiod, that was the end of the buffer.
    client.ask("READBUF iio:device0 32", "-9\n");
    client.ask("CLOSE iio:device0", "0\n");
    client.ask("TIMEOUT -1", "0\n");
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    client.ask("READBUF iio:device0 32", "-110\n");
    client.finish();
}
