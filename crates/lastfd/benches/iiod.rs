//! Attributes read over iiod by one client: ours, beside Debian's iiod over a tree of the
//! same shape (where `LASTFD_BENCH_IIOD` names it and a mount namespace can be had) and a
//! server that answers without looking.
//!
//! The client is the same for all: libiio's words over one connection, a request, its
//! reply, the next.

#![expect(
    clippy::print_stdout,
    reason = "a bench says on standard output what it left out"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use lastfd::devices::{IioAdc, IioDac};
use lastfd::sync::thread;
use lastfd::sync::{Clock, Ktime};
use lastfd::{Bench, IIOD_PORT, Keep};

/// What is read: a channel's attribute, as `iio_attr -c` does.
const REQUEST: &[u8] = b"READ iio:device0 INPUT voltage0 scale\r\n";
const VALUE: &[u8] = b"0.500000\0";

/// One connection of a client.
struct Client {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Client {
    fn connect(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Client {
            stream: BufReader::new(stream),
            line: String::new(),
        })
    }

    /// Reads the attribute once.
    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        self.stream.get_mut().write_all(REQUEST)?;
        self.line.clear();
        self.stream.read_line(&mut self.line)?;
        let length: usize = self.line.trim().parse().map_err(std::io::Error::other)?;
        let mut value = vec![0; length + 1];
        self.stream.read_exact(&mut value)?;
        value.pop();
        Ok(value)
    }
}

fn measure(c: &mut Criterion, name: &str, address: SocketAddr) {
    let mut client = Client::connect(address).expect("the server listens");
    assert_eq!(client.read().expect("a value"), VALUE, "{name}");
    c.benchmark_group("iiod_attribute_read")
        .bench_function(name, |b| b.iter(|| client.read().expect("a value")));
}

fn ours(c: &mut Criterion) {
    let bench = Bench::builder().keep(Keep::Nothing).build();
    bench.plug(IioAdc::default()).expect("an ADC");
    bench.plug(IioDac::default()).expect("a DAC");
    bench
        .iiod_at((Ipv4Addr::LOCALHOST, 0).into())
        .expect("a free port");
    let uri = bench.iiod().expect("it runs");
    let address = uri.trim_start_matches("ip:").parse().expect("an address");
    measure(c, "lastfd", address);
    bench.finish();
}

/// A server that answers each line with the same value.
fn floor_ping_pong(c: &mut Criterion) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("its address");
    let server = thread::spawn("ping-pong", move || {
        let Ok((stream, _)) = listener.accept() else {
            return;
        };
        let mut reply = format!("{}\n", VALUE.len()).into_bytes();
        reply.extend(VALUE);
        reply.push(b'\n');
        let _ = stream.set_nodelay(true);
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            line.clear();
            if stream.get_mut().write_all(&reply).is_err() {
                return;
            }
        }
    })
    .expect("a thread");
    measure(c, "floor_ping_pong", address);
    server.join().expect("it ends with its client");
}

/// Debian's iiod with its view of /sys and /dev.
struct Debians {
    child: Child,
    root: PathBuf,
}

impl Debians {
    /// None, with the reason printed, where it cannot be had.
    fn start() -> Option<Debians> {
        let Ok(program) = std::env::var("LASTFD_BENCH_IIOD") else {
            println!("LASTFD_BENCH_IIOD names no iiod: its floor is left out");
            return None;
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, IIOD_PORT));
        if TcpStream::connect(address).is_ok() {
            println!("something listens at {address}: the floor of Debian's iiod is left out");
            return None;
        }
        let root = std::env::temp_dir().join(format!("lastfd-bench-{}", std::process::id()));
        tree(&root);
        // /sys may be read-only: a fresh tmpfs stands in for it.
        let script = "mount -t tmpfs none /sys && cp -r \"$0\"/. /sys/ && exec \"$1\"";
        let child = Command::new("unshare")
            .args(["-m", "sh", "-c", script])
            .arg(&root)
            .arg(&program)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut debians = Debians {
            child: child.ok()?,
            root,
        };
        let clock = Clock::real();
        while clock.now() < Ktime(5_000_000_000) {
            if TcpStream::connect(address).is_ok() {
                return Some(debians);
            }
            if debians
                .child
                .try_wait()
                .is_ok_and(|status| status.is_some())
            {
                break;
            }
            clock.advance(Duration::from_millis(20));
        }
        println!("{program} does not run in a mount namespace here: its floor is left out");
        None
    }
}

impl Drop for Debians {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The files of an ADC and a DAC as sysfs has them.
fn tree(root: &Path) {
    let write = |path: &str, value: &str| {
        let path = root.join("bus/iio/devices").join(path);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
        fs::write(path, format!("{value}\n")).expect("a file");
    };
    for (file, value) in [
        ("name", "lastfd-adc"),
        ("dev", "250:0"),
        ("sampling_frequency", "1000"),
        ("sampling_frequency_available", "100 1000 10000"),
        ("in_voltage0_raw", "100"),
        ("in_voltage1_raw", "-200"),
        ("in_voltage0_offset", "5"),
        ("in_voltage1_offset", "6"),
        ("in_voltage_scale", "0.500000"),
        ("buffer/enable", "0"),
        ("buffer/length", "2"),
        ("buffer/watermark", "1"),
        ("buffer/data_available", "0"),
        ("trigger/current_trigger", ""),
    ] {
        write(&format!("iio:device0/{file}"), value);
    }
    let elements = [
        ("in_voltage0", "0", "le:s16/16>>0"),
        ("in_voltage1", "1", "le:s16/16>>0"),
        ("in_timestamp", "2", "le:s64/64>>0"),
    ];
    for (element, index, format) in elements {
        write(&format!("iio:device0/scan_elements/{element}_en"), "0");
        write(&format!("iio:device0/scan_elements/{element}_index"), index);
        write(&format!("iio:device0/scan_elements/{element}_type"), format);
    }
    for (file, value) in [
        ("name", "lastfd-dac"),
        ("label", "dac-label"),
        ("dev", "250:1"),
        ("out_voltage0_raw", "0"),
        ("out_voltage1_raw", "0"),
        ("out_voltage0_scale", "0.250000"),
        ("out_voltage1_scale", "0.250000"),
    ] {
        write(&format!("iio:device1/{file}"), value);
    }
    write("trigger0/name", "lastfd-trig0");
    write("trigger0/sampling_frequency", "100");
}

fn floor_debians_iiod(c: &mut Criterion) {
    if let Some(debians) = Debians::start() {
        let address = (Ipv4Addr::LOCALHOST, IIOD_PORT);
        measure(c, "floor_debians_iiod", address.into());
        drop(debians);
    }
}

criterion_group!(benches, ours, floor_ping_pong, floor_debians_iiod);
criterion_main!(benches);
