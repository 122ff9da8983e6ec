//! Whatever a served program calls, with whatever arguments, it is answered; no number of
//! the kernel's own reaches it, nothing of ours panics, and nothing is left behind.
//!
//! The program is this one, started once more: it makes the trapped calls that it is
//! told, on memory that it is given. Its system is the kernel's, its listener and its
//! memory are real; but from the time it is ready no call goes on to the kernel, so that
//! nothing of the machine can be changed.

#![no_main]

use std::io::{BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use lastfd::abi::{cec::CEC_IOCTLS, drm::DRM_IOCTLS, v4l2::V4L2_IOCTLS};
use lastfd::supervisor::{Child, Machine, Settings, TABLE, When};
use lastfd::{Bench, Keep};
use lastfd_fuzz::{ARENA, ARENA_LENGTH, Input, Request, caller};
use libfuzzer_sys::fuzz_target;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Says that this is the program.
const IS_CALLER: &str = "LASTFD_FUZZ_CALLER";
/// Calls of one run.
const CALLS: usize = 40;
/// Runs on one bench: what it leaves behind is seen at its end.
const RUNS: usize = 200;
/// How long a call may take before a signal comes, and how many signals.
const PATIENCE: Duration = Duration::from_millis(10);
const SIGNALS: usize = 500;
const SIGUSR1: i32 = 10;

const DEVICES: [&str; 5] = [
    "camera:size=64x48,fps=max",
    "cec",
    "display",
    "iio-adc:rate=10000",
    "light",
];

/// What the program has in its memory from the start, each in its place.
const PLACE: usize = 64;
const STRINGS: [&str; 24] = [
    "/dev/video0",
    "/dev/cec0",
    "/dev/dri/card0",
    "/dev/iio:device0",
    "/dev/iio:device1",
    "/dev/char/81:0",
    "/dev",
    "/dev/dri",
    "/sys/class/video4linux/video0/name",
    "/sys/bus/iio/devices/iio:device0/in_voltage0_raw",
    "/sys/bus/iio/devices/iio:device0/buffer/enable",
    "/sys/bus/iio/devices/iio:device0/in_voltage0_offset",
    "/sys/bus/platform/drivers/camera/unbind",
    "/sys/bus/platform/drivers/camera/bind",
    "/sys/devices/platform/cec/driver_override",
    "/sys/devices/platform/cec/uevent",
    "/sys/dev/char",
    "/sys/class/drm/../drm/card0",
    "/run/udev/data/c81:0",
    "/run/udev/control",
    "/proc/self/fd/768",
    "/etc/passwd",
    "camera",
    "video0",
];

/// The program as it runs.
struct Serving {
    bench: Bench,
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    settings: Settings,
    runs: usize,
}

impl Serving {
    fn start() -> Serving {
        let bench = Bench::builder().keep(Keep::Verdict).build();
        for device in DEVICES {
            bench.plug_spec(&device.parse().unwrap()).unwrap();
        }
        let supervisor = bench.supervisor().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(IS_CALLER, "1").stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = supervisor.spawn(command).unwrap();
        let to = child.stdin.take().unwrap();
        let mut from = BufReader::new(child.stdout.take().unwrap());
        let mut ready = [0; 8];
        from.read_exact(&mut ready).unwrap();
        supervisor.lets_through(false);
        Serving {
            bench,
            child,
            to,
            from,
            settings: Machine::look().settings(false).unwrap(),
            runs: 0,
        }
    }

    /// Has it done; none if the program is no more.
    fn ask(&mut self, request: &Request<'_>) -> Option<i64> {
        self.to.write_all(&request.to_bytes()).ok()?;
        for _ in 0..SIGNALS {
            if self.answers_within(PATIENCE) {
                let mut answer = [0; 8];
                self.from.read_exact(&mut answer).ok()?;
                return Some(i64::from_ne_bytes(answer));
            }
            self.child.signaller().send(SIGUSR1);
        }
        panic!("a call does not end: {request:?}");
    }

    fn answers_within(&self, within: Duration) -> bool {
        let within = Timespec::try_from(within).unwrap();
        let mut fds = [PollFd::new(self.from.get_ref(), PollFlags::IN)];
        poll(&mut fds, Some(&within)).is_ok_and(|ready| ready > 0)
    }

    /// All is as at the start.
    fn renew(&mut self) -> Option<()> {
        self.ask(&Request::CloseFrom(self.settings.low))?;
        self.bench.forget_unplugged();
        for device in self.bench.plugged() {
            if !device.is_unplugged() {
                // Bound already, or its driver does not want it.
                let _ = device.rebind();
            }
        }
        let there = |spec: &&str| {
            let kind = spec.split(':').next();
            kind.is_some_and(|kind| self.bench.find(kind).is_some())
        };
        for spec in DEVICES.iter().filter(|spec| !there(spec)) {
            self.bench.plug_spec(&spec.parse().unwrap()).unwrap();
        }
        let mut strings = [0; STRINGS.len() * PLACE];
        for (text, place) in STRINGS.iter().zip(strings.chunks_mut(PLACE)) {
            place[..text.len()].copy_from_slice(text.as_bytes());
        }
        self.ask(&Request::Write(0, &strings))?;
        Some(())
    }

    fn end(self) {
        let Serving {
            bench,
            child,
            to,
            from,
            ..
        } = self;
        drop((to, from));
        child.kill();
        drop(child);
        bench.finish().assert_clean();
    }

    fn run(&mut self, input: &mut Input<'_>) -> Option<()> {
        for _ in 0..CALLS {
            if input.is_empty() {
                break;
            }
            match input.byte() % 16 {
                0 => {
                    let place = u32::from(input.short()) % (ARENA_LENGTH as u32 - 256);
                    self.ask(&Request::Write(place, input.some()))?;
                }
                1 => {
                    let place = u32::from(input.short()) % (ARENA_LENGTH as u32 - 256);
                    let pointer = self.argument(input).to_ne_bytes();
                    self.ask(&Request::Write(place, &pointer))?;
                }
                2 => {
                    let fd = self.settings.low + u32::from(input.byte() % 16);
                    self.ask(&Request::Close(fd))?;
                }
                3 => {
                    let plugged = self.bench.plugged();
                    plugged[usize::from(input.byte()) % plugged.len()].unplug();
                }
                _ => {
                    let (number, arguments) = self.call(input);
                    let result = self.ask(&Request::Call(number, arguments))?;
                    // ERESTARTSYS and its like are 512 and more.
                    assert!(!(-4095..=-134).contains(&result), "{number}: {result}");
                }
            }
        }
        Some(())
    }

    /// A call that is trapped.
    fn call(&self, input: &mut Input<'_>) -> (i64, [u64; 6]) {
        let row = &TABLE[usize::from(input.byte()) % TABLE.len()];
        let mut arguments = [0; 6];
        for argument in &mut arguments {
            *argument = self.argument(input);
        }
        let own = |argument: u64| u64::from(self.settings.low) + argument % 16;
        match row.when {
            When::Always | When::Poll | When::Select | When::PathOrRange(_) => {}
            When::Range(at) | When::EitherRange(at, _) | When::RangeOrAll(at) => {
                let at = &mut arguments[usize::from(at)];
                *at = own(*at);
            }
            When::Ioctl | When::Fcntl => arguments[0] = own(arguments[0]),
            When::UeventSocket => {
                // AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT
                arguments[..3].copy_from_slice(&[16, 3, 15]);
            }
        }
        (row.nr, arguments)
    }

    fn argument(&self, input: &mut Input<'_>) -> u64 {
        let string = |number: u8| ARENA + (usize::from(number) % STRINGS.len() * PLACE) as u64;
        match input.byte() % 12 {
            0 => input.byte().into(),
            1 => input.long(),
            // AT_FDCWD
            2 => -100i64 as u64,
            3 => input.word().into(),
            4 | 5 => u64::from(self.settings.low) + u64::from(input.byte() % 16),
            6 => {
                let tables = [V4L2_IOCTLS, CEC_IOCTLS, DRM_IOCTLS];
                let table = tables[usize::from(input.byte()) % tables.len()];
                table[usize::from(input.byte()) % table.len()].cmd.into()
            }
            // What it has open from the start.
            7 => 20 + u64::from(input.byte() % 8),
            8 | 9 => string(input.byte()),
            _ => input.address(ARENA, ARENA_LENGTH),
        }
    }
}

fuzz_target!(
    init: {
        if std::env::var_os(IS_CALLER).is_some() {
            caller();
        }
    },
    |bytes: &[u8]| {
        use std::cell::RefCell;
        thread_local! {
            static SERVING: RefCell<Option<Serving>> = const { RefCell::new(None) };
        }
        SERVING.with_borrow_mut(|serving| {
            let mut now = serving.take().unwrap_or_else(Serving::start);
            now.runs += 1;
            let lives = now.renew().and_then(|()| now.run(&mut Input::new(bytes)));
            if lives.is_some() && now.runs < RUNS {
                *serving = Some(now);
            } else {
                // Or what it had written to its memory made it crash.
                now.end();
            }
        });
    }
);
