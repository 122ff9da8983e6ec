//! What a held descriptor gives before and after the device is removed: a table
//! recorded from Linux 6.12, one row an operation, one pair of columns a kind of
//! descriptor.

use core::time::Duration;

use lastfd_chrdev::{
    MapRequest, OpenFile, OpenFlags, PollMask, PollTable, Process, Whence, open_devt,
};
use lastfd_iio::raw::*;
use lastfd_model::raw::*;
use lastfd_model::{Errno, Result};

use lastfd_rigs::iio::Rig;

/// Which descriptor an operation is made on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fd {
    Chrdev,
    Buffer,
    Event,
}

/// Operation; before and after for the character device, the buffer's
/// descriptor, the event descriptor. An empty cell was not recorded.
type Row = (&'static str, [[&'static str; 2]; 3]);

const SAME_0: [[&str; 2]; 3] = [["0", "0"]; 3];

const TABLE: &[Row] = &[
    ("fstat", [["nlink 1 mode 20600", "nlink 0 mode 20000"]; 3]),
    ("stat(path)", [["0", "ENOENT"]; 3]),
    ("lseek SET 0", SAME_0),
    ("lseek CUR", SAME_0),
    ("lseek END", SAME_0),
    ("poll IN/PRI/OUT", SAME_0),
    ("poll events=0", SAME_0),
    ("epoll add+wait", SAME_0),
    (
        "fcntl F_GETFL",
        [["32770", "32770"], ["2", "2"], ["0", "0"]],
    ),
    ("ioctl FIONREAD", REFUSED),
    ("ioctl FIONBIO", SAME_0),
    ("ioctl foreign magic", REFUSED),
    (
        "ioctl known",
        [["0", "ENODEV"], ["EINVAL", "EINVAL"], ["ENOTTY", "ENOTTY"]],
    ),
    (
        "dup+ioctl known",
        [["0", "ENODEV"], ["EINVAL", "EINVAL"], ["ENOTTY", "ENOTTY"]],
    ),
    ("ioctl unknown nr", REFUSED),
    (
        "mmap new",
        [
            ["ENODEV", "ENODEV"],
            ["ENODEV", "ENODEV"],
            ["EACCES", "EACCES"],
        ],
    ),
    ("fresh open(path)", [["EBUSY", "ENOENT"]; 3]),
    ("open /proc/self/fd/N", [["EBUSY", "EBUSY"]; 3]),
    ("mknod same rdev + open", [["EBUSY", "ENXIO"]; 3]),
    ("sysfs attr held fd pread", [["EBUSY", "ENODEV"]; 3]),
    ("sysfs attr open(path)", [["0", "ENOENT"]; 3]),
    ("read nonblock", [["EAGAIN", "ENODEV"]; 3]),
    ("read blocking", [["", "ENODEV"]; 3]),
    ("read 0 bytes", [["EINVAL", "ENODEV"]; 3]),
    (
        "pread",
        [["", "ENODEV"], ["ESPIPE", "ESPIPE"], ["ESPIPE", "ESPIPE"]],
    ),
    (
        "write",
        [["EPERM", "ENODEV"], ["EPERM", "ENODEV"], ["EBADF", "EBADF"]],
    ),
    (
        "write (2)",
        [["EPERM", "ENODEV"], ["EPERM", "ENODEV"], ["EBADF", "EBADF"]],
    ),
    (
        "IIO_BUFFER_GET_FD",
        [["0", "ENODEV"], ["EBUSY", "ENODEV"], ["0", "ENODEV"]],
    ),
];

/// An ioctl that nobody knows.
const REFUSED: [[&str; 2]; 3] = [
    ["ENODEV", "ENODEV"],
    ["EINVAL", "EINVAL"],
    ["ENOTTY", "ENOTTY"],
];

const FIONREAD: u32 = 0x541b;
const FIONBIO: u32 = 0x5421;
/// `VIDIOC_QUERYCAP`.
const FOREIGN: u32 = 0x8068_5600;
/// `_IO('i', 0xff)`.
const UNKNOWN: u32 = 0x69ff;

/// A device whose buffer is enabled, held by one descriptor of each kind asked
/// for.
struct Held {
    rig: Rig,
    chrdev: OpenFile,
    extra: Option<OpenFile>,
    attribute: AttrFile,
    devt: DevT,
    path: String,
}

impl Held {
    fn new(fd: Fd) -> Held {
        let rig = Rig::buffering();
        let chrdev = rig.open(OpenFlags::RDWR | OpenFlags::LARGEFILE).unwrap();
        let extra = match fd {
            Fd::Chrdev => None,
            Fd::Buffer => Some(chrdev.ioctl_file(IIO_BUFFER_GET_FD_IOCTL, 0).unwrap()),
            Fd::Event => Some(chrdev.ioctl_file(IIO_GET_EVENT_FD_IOCTL, 0).unwrap()),
        };
        let iio = rig.iio();
        Held {
            attribute: attr_open(iio.dev(), "in_voltage0_raw").unwrap(),
            devt: iio.dev().devt().unwrap(),
            path: iio.dev().name().to_string(),
            rig,
            chrdev,
            extra,
        }
    }

    fn file(&self) -> &OpenFile {
        self.extra.as_ref().unwrap_or(&self.chrdev)
    }

    fn perform(&self, op: &str) -> String {
        let file = self.file();
        let seek = |whence| file.lseek(0, whence).map(|_| 0);
        match op {
            // Beside a descriptor of its own, fstat is that of the node.
            "fstat" => {
                let stat = self.chrdev.stat();
                assert_eq!(stat.rdev, Some(self.devt));
                format!("nlink {} mode {:o}", stat.nlink, stat.mode)
            }
            "stat(path)" => said(
                self.rig
                    .system
                    .dev_node(&self.path)
                    .map(|_| 0)
                    .ok_or(Errno::ENOENT),
            ),
            "lseek SET 0" => said(seek(Whence::Set)),
            "lseek CUR" => said(seek(Whence::Cur)),
            "lseek END" => said(seek(Whence::End)),
            "poll IN/PRI/OUT" => {
                let asked = PollMask::IN | PollMask::PRI | PollMask::OUT;
                file.poll(asked, Some(Duration::ZERO)).to_string()
            }
            "poll events=0" => file.poll(PollMask::NONE, Some(Duration::ZERO)).to_string(),
            "epoll add+wait" => {
                assert!(file.can_poll(), "epoll takes the descriptor");
                file.try_poll(&mut PollTable::new(PollMask::IN)).to_string()
            }
            "fcntl F_GETFL" => file.flags().0.to_string(),
            "ioctl FIONREAD" => said(ioctl(file, FIONREAD)),
            "ioctl FIONBIO" => said(ioctl(file, FIONBIO)),
            "ioctl foreign magic" => said(ioctl(file, FOREIGN)),
            "ioctl unknown nr" => said(ioctl(file, UNKNOWN)),
            "ioctl known" => said(ioctl(file, IIO_GET_EVENT_FD_IOCTL)),
            "dup+ioctl known" => said(ioctl(&file.clone(), IIO_GET_EVENT_FD_IOCTL)),
            // Always made on the node.
            "IIO_BUFFER_GET_FD" => said(ioctl(&self.chrdev, IIO_BUFFER_GET_FD_IOCTL)),
            "mmap new" => said(file.mmap(MapRequest::shared(0, 4096)).map(|_| 0)),
            "fresh open(path)" => said(self.rig.open(OpenFlags::RDWR).map(|_| 0)),
            "open /proc/self/fd/N" => said(self.chrdev.reopen(OpenFlags::RDWR).map(|_| 0)),
            "mknod same rdev + open" => {
                said(open_devt(&self.rig.system, self.devt, OpenFlags::RDWR).map(|_| 0))
            }
            "sysfs attr held fd pread" => said(self.attribute.read().map(|text| text.len())),
            "sysfs attr open(path)" => {
                said(attr_open(self.rig.iio().dev(), "in_voltage0_raw").map(|_| 0))
            }
            "read nonblock" => {
                file.set_flags(file.flags() | OpenFlags::NONBLOCK).unwrap();
                let read = file.read(&mut [0; 64]);
                file.set_flags(self.blocking_flags()).unwrap();
                said(read)
            }
            "read blocking" => said(file.read(&mut [0; 64])),
            "read 0 bytes" => said(file.read(&mut [])),
            "pread" => said(file.pread(&mut [0; 64], 0)),
            "write" | "write (2)" => said(file.write(&[0; 16])),
            other => panic!("no such operation: {other}"),
        }
    }

    fn blocking_flags(&self) -> OpenFlags {
        OpenFlags(self.file().flags().0 & !OpenFlags::NONBLOCK.0)
    }
}

/// An ioctl with a pointer to a zero, from a program with descriptors; whatever
/// it got is closed again.
fn ioctl(file: &OpenFile, cmd: u32) -> Result<i32> {
    let mut program = Process::new();
    let arg = program.map(vec![0; 128]);
    file.ioctl(cmd, arg, &mut program)
}

fn said<T: ToString>(result: Result<T>) -> String {
    match result {
        Ok(value) => value.to_string(),
        Err(errno) => errno.to_string(),
    }
}

#[test]
fn every_row_is_as_recorded_before_and_after_removal() {
    let mut wrong = Vec::new();
    for (column, fd) in [Fd::Chrdev, Fd::Buffer, Fd::Event].into_iter().enumerate() {
        let held = Held::new(fd);
        for (when, name) in ["before", "after"].iter().enumerate() {
            if when == 1 {
                held.rig.unplug();
            }
            for (op, cells) in TABLE {
                let expected = cells[column][when];
                if expected.is_empty() {
                    continue;
                }
                let found = held.perform(op);
                if found != expected {
                    wrong.push(format!("{fd:?} {name} {op}: {found}, recorded {expected}"));
                }
            }
        }
        let Held {
            rig,
            chrdev,
            extra,
            attribute,
            ..
        } = held;
        drop((chrdev, extra, attribute));
        assert!(rig.iio().dev().is_released());
        assert_eq!(rig.splats(), [""; 0]);
        assert_eq!(rig.finish(), [""; 0]);
    }
    assert_eq!(wrong, [""; 0]);
}

/// Fills the buffer with a sample, and the queue with an event.
fn queue_something(held: &Held) {
    held.rig.fire();
    iio_push_event(&held.rig.iio(), 1, 2).unwrap();
}

#[test]
fn what_was_queued_is_lost_with_the_device() {
    for fd in [Fd::Chrdev, Fd::Buffer, Fd::Event] {
        let held = Held::new(fd);
        queue_something(&held);
        let asked = PollMask::IN;
        assert_eq!(held.file().poll(asked, Some(Duration::ZERO)), asked);
        held.rig.unplug();
        let gone = held.file().poll(asked, Some(Duration::ZERO));
        assert_eq!(gone, PollMask::NONE, "{fd:?}");
        let read = held.file().read(&mut [0; 64]);
        assert_eq!(read, Err(Errno::ENODEV), "{fd:?}");
    }
}

#[test]
fn a_disabled_buffer_makes_no_difference_after_removal() {
    let held = Held::new(Fd::Chrdev);
    held.rig.write("buffer/enable", "0").unwrap();
    held.rig.unplug();
    assert_eq!(held.perform("read blocking"), "ENODEV");
    assert_eq!(held.perform("poll IN/PRI/OUT"), "0");
}

#[test]
fn partial_data_is_returned() {
    let held = Held::new(Fd::Chrdev);
    queue_something(&held);
    let mut buffer = [0xff; 64];
    assert_eq!(held.chrdev.read(&mut buffer), Ok(2));
    assert_eq!(buffer[..3], [0, 0, 0xff]);
}

#[test]
fn a_device_made_while_the_old_one_is_held_gets_the_next_number() {
    let held = Held::new(Fd::Chrdev);
    held.rig.unplug();
    let again = platform_device_alloc(&held.rig.system, "dummy", PlatformId::Id(1)).unwrap();
    platform_device_add(&again).unwrap();
    assert_eq!(&*held.rig.iio().dev().name(), "iio:device1");
    assert_eq!(held.perform("read blocking"), "ENODEV");
    platform_device_unregister(&again);
    drop(held.chrdev);
    let third = platform_device_alloc(&held.rig.system, "dummy", PlatformId::Id(2)).unwrap();
    platform_device_add(&third).unwrap();
    assert_eq!(
        &*held.rig.iio().dev().name(),
        "iio:device0",
        "free at close"
    );
    platform_device_unregister(&third);
}

#[test]
fn removal_sends_one_uevent() {
    let rig = Rig::buffering();
    rig.record.take();
    rig.unplug();
    let events = rig.record.events();
    let uevents: Vec<String> = events
        .iter()
        .filter(|event| matches!(event.kind, lastfd_model::EventKind::Uevent { .. }))
        .map(|event| event.kind.to_string())
        .filter(|line| !line.starts_with("dummy.0"))
        .collect();
    assert_eq!(
        uevents,
        ["iio:device0: uevent remove", "trigger0: uevent remove"]
    );
}
