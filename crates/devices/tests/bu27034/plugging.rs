//! Plugging it in, on the simulated bus and on a board's, and serving it.

use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use lastfd_devices::{Bu27034, Bu27034Board, Bu27034Driver, Spec, plug};
use lastfd_iiod::{Config, Server};
use lastfd_model::raw::platform_bus;
use lastfd_model::typed::{PlatformDevice, PlatformDriver};
use lastfd_model::{Errno, EventKind};
use lastfd_sync::thread;

use crate::bench::{Bench, iio, leaks, read, world};

#[test]
fn asked_for_in_words_it_has_light_and_may_be_lost() {
    let (system, clock) = world();
    let spec: Spec = "bu27034:lux=250,lost=2s,name=window".parse().unwrap();
    let sensor = spec.plug(&system).unwrap();
    let device = iio(&system);
    assert_eq!(read(&device, "name").unwrap(), "window");
    assert_eq!(read(&device, "in_intensity1_raw").unwrap(), "998");
    clock.advance(Duration::from_secs(2));
    let told = read(&device, "in_intensity1_raw");
    assert_eq!(told, Err(Errno::EREMOTEIO));
    drop((sensor, device));
    // Nobody is there from the start, and the bus can tell.
    let spec: Spec = "bu27034:lost=0ms,nack=address".parse().unwrap();
    assert_eq!(spec.plug(&system).err(), Some(Errno::ENXIO));
    assert!(platform_bus(&system).devices().is_empty());
    assert_eq!(leaks(system), [""; 0]);
    for (words, message) in [
        (
            "bu27034:lux=bright",
            "bu27034: `lux=bright` will not do; lux is a whole number up to 200000",
        ),
        (
            "bu27034:lost=2h",
            "bu27034: `lost=2h` will not do; lost is never, or a time such as 300ms or 2s",
        ),
        (
            "bu27034:nack=data",
            "bu27034: `nack=data` will not do; nack is address or unknown",
        ),
    ] {
        let error = words.parse::<Spec>().unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn every_allocation_that_fails_is_unwound() {
    let mut failed = 0;
    for nth in 1.. {
        let (system, _clock) = world();
        system.fail_nth(nth);
        let plugged = plug(&system, &Bu27034::default());
        let reached = system.fail_nth_left() == 0;
        system.fail_nth(0);
        if plugged.is_err() {
            failed += 1;
            let devices = platform_bus(&system).devices();
            assert!(devices.is_empty(), "allocation {nth}");
        }
        drop(plugged);
        assert_eq!(leaks(system), [""; 0], "allocation {nth}");
        if !reached {
            break;
        }
    }
    assert!(failed > 30, "only {failed} allocations failed the plugging");
}

/// The bus of a board that runs Linux.
type Board = linux_embedded_hal::I2cdev;

#[test]
fn the_same_driver_runs_on_a_boards_bus() {
    let (system, _clock) = world();
    let board = Bu27034Board::new(|| Board::new("/dev/no-such-bus").map_err(|_| Errno::ENOENT));
    let driver = PlatformDriver::<Bu27034Driver<Board>>::register(&system, "bu27034").unwrap();
    let record = system.record();
    let device = PlatformDevice::register(&system, "bu27034", board).unwrap();
    // This machine has no such bus; all else is as on a board.
    assert_eq!(device.with_bound(|_| ()), None);
    let probed = record
        .events()
        .into_iter()
        .find_map(|event| match event.kind {
            EventKind::ProbeEnd { result, .. } => Some(result),
            _ => None,
        });
    assert_eq!(probed, Some(Err(Errno::ENOENT)));
    drop((record, device, driver));
    assert_eq!(leaks(system), [""; 0]);
}

#[test]
fn iiod_serves_it() {
    let bench = Bench::new(250);
    let server = Server::start(&bench.system, Config::default()).unwrap();
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut ask = |line: &str| {
        (&stream).write_all(line.as_bytes()).unwrap();
        // The server's task lets time pass; this one waits for it meanwhile.
        thread::wait_outside(|| {
            let mut length = String::new();
            replies.read_line(&mut length).unwrap();
            let length: usize = length.trim().parse().unwrap();
            let mut reply = vec![0; length + 1];
            replies.read_exact(&mut reply).unwrap();
            String::from_utf8(reply).unwrap()
        })
    };
    let context = ask("PRINT\r\n");
    for channel in ["illuminance", "intensity1", "intensity2", "timestamp"] {
        let id = format!("id=\"{channel}\" type=\"input\"");
        assert!(context.contains(&id), "{context}");
    }
    let light = ask("READ iio:device0 INPUT illuminance raw\r\n");
    assert_eq!(light, "249998\0\n");
    let counts = ask("READ iio:device0 INPUT intensity2 raw\r\n");
    assert_eq!(counts, "998\0\n");
    drop(stream);
    drop(replies);
    server.shutdown();
    bench.finish();
}
