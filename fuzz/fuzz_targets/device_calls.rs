//! Whatever a program puts into the calls on a device's node, in whatever order and with
//! the hardware pulled out at any point, the driver answers, breaks no lifetime rule, and
//! leaves nothing behind.
//!
//! The first byte picks the device; the rest are calls, each a few bytes. A call that
//! would sleep is interrupted.

#![no_main]

use std::cell::RefCell;

use lastfd::abi::{Ioctl, cec::CEC_IOCTLS, drm::DRM_IOCTLS, v4l2::V4L2_IOCTLS};
use lastfd::chrdev::{
    MapRequest, Mapping, OpenFile, OpenFlags, PollMask, Process, UserMemory, Whence, open,
};
use lastfd::sync::{Cancel, Clock};
use lastfd::{Bench, Errno, Keep};
use lastfd_fuzz::Input;
use libfuzzer_sys::fuzz_target;

/// Of include/uapi/linux/iio/events.h and buffer.h.
const IIO_IOCTLS: &[Ioctl] = &[
    Ioctl {
        name: "IIO_GET_EVENT_FD_IOCTL",
        cmd: 0x8004_6990,
    },
    Ioctl {
        name: "IIO_BUFFER_GET_FD_IOCTL",
        cmd: 0xc004_6991,
    },
];

/// What is plugged in, its node, and the calls of its header.
const DEVICES: [(&str, &str, &[Ioctl]); 6] = [
    ("camera:size=64x48,fps=max", "/dev/video0", V4L2_IOCTLS),
    ("cec", "/dev/cec0", CEC_IOCTLS),
    ("display", "/dev/dri/card0", DRM_IOCTLS),
    ("iio-adc:rate=10000", "/dev/iio:device0", IIO_IOCTLS),
    ("accel", "/dev/iio:device0", IIO_IOCTLS),
    ("light", "/dev/iio:device0", IIO_IOCTLS),
];

/// Bytes of the program's memory.
const MEMORY: usize = 1 << 16;
/// Calls of one run, and files that it holds.
const CALLS: usize = 100;
const FILES: usize = 8;
/// Runs on one bench: what they leave behind is seen at its end.
const RUNS: usize = 50;

thread_local! {
    static BENCH: RefCell<Option<(Bench, usize)>> = const { RefCell::new(None) };
}

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    BENCH.with_borrow_mut(|kept| {
        let (bench, runs) = kept.take().unwrap_or_else(|| {
            let bench = Bench::builder().clock(Clock::simulated());
            (bench.keep(Keep::Verdict).build(), 0)
        });
        run(&bench, &mut input);
        if runs < RUNS {
            *kept = Some((bench, runs + 1));
        } else {
            bench.finish().assert_clean();
        }
    });
});

fn run(bench: &Bench, input: &mut Input<'_>) {
    let (spec, node, ioctls) = DEVICES[usize::from(input.byte()) % DEVICES.len()];
    let device = bench.plug_spec(&spec.parse().unwrap()).unwrap();
    let cancel = Cancel::new();
    cancel.cancel();

    let mut program = Program::new();
    program.open(bench, node, OpenFlags::RDWR);
    for _ in 0..CALLS {
        if input.is_empty() {
            break;
        }
        match input.byte() % 16 {
            0..6 => {
                let cmd = match input.byte() {
                    255 => input.word(),
                    at => ioctls[usize::from(at) % ioctls.len()].cmd,
                };
                let arg = input.address(program.memory, MEMORY);
                program.fill(input, arg);
                if let Some(file) = program.file(input) {
                    let result = file.ioctl_with(cmd, arg, &mut program.process, &cancel);
                    program.took(result);
                }
            }
            6 => {
                let (addr, count) = (input.address(program.memory, MEMORY), input.length());
                if let Some(file) = program.file(input) {
                    let mut call = file.begin_read(addr, count);
                    let _ = call.run(&mut program.process, Some(&cancel));
                }
            }
            7 => {
                let (addr, count) = (input.address(program.memory, MEMORY), input.length());
                if let Some(file) = program.file(input) {
                    let mut call = file.begin_write(addr, count);
                    let _ = call.run(&mut program.process, Some(&cancel));
                }
            }
            8 => {
                let request = MapRequest {
                    offset: input.length() << 12,
                    len: input.length(),
                    read: true,
                    write: input.byte() & 1 == 0,
                    shared: true,
                };
                let mapped = program.file(input).map(|file| file.mmap(request));
                if let Some(Ok(mapping)) = mapped {
                    program.mappings.push(mapping);
                    program.mappings.truncate(FILES);
                }
            }
            9 => {
                let events = PollMask(input.word());
                if let Some(file) = program.file(input) {
                    let _ = file.poll_with(events, None, &cancel);
                }
            }
            10 => {
                let whence = [Whence::Set, Whence::Cur, Whence::End];
                let whence = whence[usize::from(input.byte()) % 3];
                let offset = input.long() as i64;
                if let Some(file) = program.file(input) {
                    let _ = file.lseek(offset, whence);
                }
            }
            11 => {
                let flags = OpenFlags(input.word());
                program.open(bench, node, flags);
            }
            12 => {
                let fds = program.process.fds();
                if !fds.is_empty() {
                    let fd = fds[usize::from(input.byte()) % fds.len()];
                    let _ = program.process.close(fd);
                }
            }
            13 => {
                let flags = OpenFlags(input.word());
                if let Some(file) = program.file(input) {
                    let _ = file.set_flags(flags);
                }
            }
            14 => {
                program.mappings.pop();
            }
            _ => device.unplug(),
        }
    }
    drop(program);
    device.unplug();
    bench.forget_unplugged();
}

/// Who calls.
struct Program {
    process: Process,
    memory: u64,
    mappings: Vec<Mapping>,
}

impl Program {
    fn new() -> Program {
        let mut process = Process::new();
        let memory = process.map(vec![0; MEMORY]);
        Program {
            process,
            memory,
            mappings: Vec::new(),
        }
    }

    fn open(&mut self, bench: &Bench, node: &str, flags: OpenFlags) {
        if self.process.fds().len() < FILES
            && let Ok(file) = open(bench.system(), node, flags)
        {
            let _ = self.process.install(file);
        }
    }

    fn file(&self, input: &mut Input<'_>) -> Option<OpenFile> {
        let fds = self.process.fds();
        let fd = fds.get(usize::from(input.byte()) % fds.len().max(1))?;
        self.process.file(*fd).ok()
    }

    /// Puts bytes, and pointers to further on, where the argument points to.
    fn fill(&mut self, input: &mut Input<'_>, at: u64) {
        let payload = input.some();
        let _ = self.process.write_at(at, payload);
        for _ in 0..input.byte() % 4 {
            let place = at.wrapping_add(u64::from(input.byte()));
            let pointer = input.address(self.memory, MEMORY);
            let _ = self.process.write_at(place, &pointer.to_ne_bytes());
        }
    }

    /// Whatever comes back is an errno that programs may see.
    fn took(&self, result: Result<i32, Errno>) {
        if let Err(errno) = result {
            assert!((1..134).contains(&errno.code()), "{errno:?}");
        }
    }
}
