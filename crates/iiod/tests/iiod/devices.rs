//! The ready-made devices, served: the same comparisons, with the whole framework below.

use crate::client::Client;
use crate::{raw_sessions, stock_clients, wires};
use lastfd_devices::{IioAdc, IioDac, Plugged, plug};
use lastfd_iiod::{Config, Server, UnplugAnswers};
use lastfd_model::System;
use lastfd_model::raw::Device;
use lastfd_sync::Clock;
use std::time::Duration;

fn plugged() -> (System, [Plugged; 2]) {
    plugged_into(System::new())
}

fn plugged_into(system: System) -> (System, [Plugged; 2]) {
    let adc = plug(&system, &IioAdc::default()).expect("an ADC");
    let dac = plug(&system, &IioDac::default()).expect("a DAC");
    (system, [adc, dac])
}

fn iio(system: &System, id: &str) -> Device {
    let bus = system.find_bus("iio").expect("the bus");
    bus.find_device(id).expect("the device")
}

#[test]
fn recorded_sessions_are_answered_to_the_byte() {
    let (system, _devices) = plugged();
    raw_sessions::replay(&system, raw_sessions::Over::Framework);
}

#[test]
fn recorded_clients_are_answered_to_the_byte() {
    wires::replay(plugged);
}

#[test]
fn the_tools_print_what_they_printed_over_iiod() {
    stock_clients::compare(plugged);
}

#[test]
fn a_reader_is_told_and_the_device_is_released_when_it_lets_go() {
    let (system, [adc, _dac]) = plugged();
    let device = iio(&system, "iio:device0");
    stock_clients::unplug_under_a_reader(&system, || {
        adc.unplug();
    });
    if !adc.is_plugged() {
        assert!(device.is_released());
    }
}

#[test]
fn python_sees_enodev_and_its_other_devices_go_on() {
    let (system, [adc, _dac]) = plugged();
    stock_clients::unplug_under_python(&system, || adc.unplug());
}

#[test]
fn a_held_buffer_keeps_the_device_until_its_close() {
    let (system, [adc, _dac]) = plugged();
    let device = iio(&system, "iio:device0");
    let server = Server::start(&system, Config::default()).expect("a server");
    let mut client = Client::new(&server);
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    adc.unplug();
    assert!(!device.is_released());
    client.ask("READBUF iio:device0 32", "-19\n");
    client.ask("READ iio:device1 OUTPUT voltage0 raw", "2\n0\0\n");
    client.ask("CLOSE iio:device0", "-19\n");
    assert!(device.is_released());
    client.finish();
}

#[test]
fn unbinding_and_binding_again_gives_a_new_device() {
    let (system, [adc, _dac]) = plugged();
    let server = Server::start(&system, Config::default()).expect("a server");
    let mut client = Client::new(&server);
    client.ask("READ lastfd-adc sampling_frequency", "5\n1000\0\n");
    adc.unbind().expect("unbound");
    client.ask("READ lastfd-adc sampling_frequency", "-19\n");
    adc.rebind().expect("bound");
    client.ask("READ lastfd-adc sampling_frequency", "-19\n");
    let mut other = Client::new(&server);
    other.ask("READ lastfd-adc sampling_frequency", "5\n1000\0\n");
    other.finish();
    client.finish();
}

#[test]
fn as_over_a_real_kernel_poll_tells_nothing_of_the_removal() {
    let clock = Clock::simulated();
    let (system, [adc, _dac]) = plugged_into(System::builder().clock(clock.clone()).build());
    let config = Config {
        unplug: UnplugAnswers::Linux,
        ..Config::default()
    };
    let server = Server::start(&system, config).expect("a server");
    let mut client = Client::new(&server);
    client.ask("OPEN iio:device0 16 00000001", "0\n");
    // Time stands: no sample comes before the removal.
    client.send("READBUF iio:device0 32\r\n");
    adc.unplug();
    while !client.has_answer() {
        clock.advance(Duration::from_secs(1));
        lastfd_sync::thread::yield_now();
    }
    client.expect("-110\n");
    client.ask("READBUF iio:device0 32", "-9\n");
    client.ask("READ iio:device0 sampling_frequency", "-2\n");
    client.ask("CLOSE iio:device0", "0\n");
    client.finish();
}
