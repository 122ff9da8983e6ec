//! What a held descriptor gives before and after the adapter is removed: a table
//! recorded from Linux 6.12 with vivid.

use core::time::Duration;

use lastfd_cec::abi::*;
use lastfd_chrdev::{
    MapRequest, OpenFile, OpenFlags, PollMask, PollTable, Process, Whence, open, open_devt,
};
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Result};

use lastfd_rigs::cec::*;

/// Operation, before, after. An empty cell was not recorded.
type Row = (&'static str, &'static str, &'static str);

const GONE: &str = "PRI|ERR|HUP";

const TABLE: &[Row] = &[
    ("fstat", "nlink 1 mode 20600", "nlink 0 mode 20000"),
    ("stat(path)", "0", "ENOENT"),
    ("lseek SET 0", "ESPIPE", "ESPIPE"),
    ("lseek CUR", "ESPIPE", "ESPIPE"),
    ("lseek END", "ESPIPE", "ESPIPE"),
    ("poll IN/PRI/OUT", "OUT", GONE),
    ("poll events=0", "0", "ERR|HUP"),
    ("epoll add+wait", "OUT", GONE),
    ("fcntl F_GETFL", "32770", "32770"),
    ("ioctl FIONREAD", "ENOTTY", "ENODEV"),
    ("ioctl FIONBIO", "0", "0"),
    ("ioctl foreign magic", "ENOTTY", "ENODEV"),
    ("ioctl known", "0", "ENODEV"),
    ("dup+ioctl known", "0", "ENODEV"),
    ("ioctl unknown nr", "ENOTTY", "ENODEV"),
    ("mmap new", "ENODEV", "ENODEV"),
    ("fresh open(path)", "0", "ENOENT"),
    ("open /proc/self/fd/N", "0", "ENODEV"),
    ("mknod same rdev + open", "0", "ENXIO"),
    ("sysfs attr held fd pread", "MAJOR=", "ENODEV"),
    ("sysfs attr open(path)", "0", "ENOENT"),
    ("DQEVENT", "", "ENODEV"),
    ("read nonblock", "EINVAL", "EINVAL"),
    ("read blocking", "EINVAL", "EINVAL"),
    ("read 0 bytes", "EINVAL", "EINVAL"),
    ("pread", "EINVAL", "EINVAL"),
    ("write", "EINVAL", "EINVAL"),
    ("write (2)", "EINVAL", "EINVAL"),
    ("G_PHYS_ADDR", "0", "ENODEV"),
    ("G_LOG_ADDRS", "0", "ENODEV"),
    ("G_MODE", "0", "ENODEV"),
    ("TRANSMIT", "0", "ENODEV"),
    ("RECEIVE 100ms", "ETIMEDOUT", "ENODEV"),
    ("S_MODE", "", "ENODEV"),
    ("DQEVENT 2", "", "ENODEV"),
];

const FIONREAD: u32 = 0x541b;
const FIONBIO: u32 = 0x5421;
/// `VIDIOC_QUERYCAP`.
const FOREIGN: u32 = 0x8068_5600;
/// `_IO('a', 0xff)`.
const UNKNOWN: u32 = 0x61ff;

struct Held {
    rig: Rig,
    file: OpenFile,
    attribute: AttrFile,
    device: Device,
    devt: DevT,
    path: String,
}

impl Held {
    fn new() -> Held {
        let rig = Rig::configured();
        let device = rig.device(PLAYER);
        let path = rig.path(PLAYER);
        let flags = OpenFlags::RDWR | OpenFlags::LARGEFILE;
        let file = open(&rig.system, &path, flags).unwrap();
        dqevent(&file).unwrap();
        Held {
            file,
            attribute: attr_open(&device, "uevent").unwrap(),
            devt: device.devt().unwrap(),
            device,
            path,
            rig,
        }
    }

    fn perform(&self, op: &str) -> String {
        let file = &self.file;
        let seek = |whence| said(file.lseek(0, whence).map(|_| 0));
        match op {
            "fstat" => {
                let stat = file.stat();
                assert_eq!(stat.rdev, Some(self.devt));
                format!("nlink {} mode {:o}", stat.nlink, stat.mode)
            }
            "stat(path)" => {
                let name = self.path.strip_prefix("/dev/").unwrap();
                let node = self.rig.system.dev_node(name);
                said(node.map(|_| 0).ok_or(Errno::ENOENT))
            }
            "lseek SET 0" => seek(Whence::Set),
            "lseek CUR" => seek(Whence::Cur),
            "lseek END" => seek(Whence::End),
            "poll IN/PRI/OUT" => {
                let asked = PollMask::IN | PollMask::PRI | PollMask::OUT;
                file.poll(asked, Some(Duration::ZERO)).to_string()
            }
            "poll events=0" => file.poll(PollMask::NONE, Some(Duration::ZERO)).to_string(),
            "epoll add+wait" => {
                assert!(file.can_poll(), "epoll takes the descriptor");
                let asked = PollMask::IN | PollMask::PRI | PollMask::OUT;
                let mask = file.try_poll(&mut PollTable::new(asked));
                (mask & (asked | PollMask::ALWAYS)).to_string()
            }
            "fcntl F_GETFL" => file.flags().0.to_string(),
            "ioctl FIONREAD" => said(any_ioctl(file, FIONREAD)),
            "ioctl FIONBIO" => said(any_ioctl(file, FIONBIO)),
            "ioctl foreign magic" => said(any_ioctl(file, FOREIGN)),
            "ioctl unknown nr" => said(any_ioctl(file, UNKNOWN)),
            "ioctl known" => said(any_ioctl(file, CEC_ADAP_G_CAPS)),
            "dup+ioctl known" => said(any_ioctl(&file.clone(), CEC_ADAP_G_CAPS)),
            "mmap new" => said(file.mmap(MapRequest::shared(0, 4096)).map(|_| 0)),
            "fresh open(path)" => {
                said(open(&self.rig.system, &self.path, OpenFlags::RDWR).map(|_| 0))
            }
            "open /proc/self/fd/N" => said(file.reopen(OpenFlags::RDWR).map(|_| 0)),
            "mknod same rdev + open" => {
                said(open_devt(&self.rig.system, self.devt, OpenFlags::RDWR).map(|_| 0))
            }
            "sysfs attr held fd pread" => said(
                self.attribute
                    .read()
                    .map(|text| String::from_utf8(text).unwrap()[..6].to_owned()),
            ),
            "sysfs attr open(path)" => said(attr_open(&self.device, "uevent").map(|_| 0)),
            "read nonblock" => {
                file.set_flags(file.flags() | OpenFlags::NONBLOCK).unwrap();
                let read = file.read(&mut [0; 64]);
                let blocking = file.flags().0 & !OpenFlags::NONBLOCK.0;
                file.set_flags(OpenFlags(blocking)).unwrap();
                said(read)
            }
            "read blocking" => said(file.read(&mut [0; 64])),
            "read 0 bytes" => said(file.read(&mut [])),
            "pread" => said(file.pread(&mut [0; 64], 0)),
            "write" | "write (2)" => said(file.write(&[0; 16])),
            "G_PHYS_ADDR" => said(any_ioctl(file, CEC_ADAP_G_PHYS_ADDR)),
            "G_LOG_ADDRS" => said(any_ioctl(file, CEC_ADAP_G_LOG_ADDRS)),
            "G_MODE" => said(any_ioctl(file, CEC_G_MODE)),
            "S_MODE" => said(set_mode(file, CEC_MODE_INITIATOR).map(|_| 0)),
            "TRANSMIT" => said(send(file, CecMsg::new(&[0x40, CEC_MSG_IMAGE_VIEW_ON])).map(|_| 0)),
            "RECEIVE 100ms" => said(receive(file, 100).map(|_| 0)),
            "DQEVENT" | "DQEVENT 2" => said(dqevent(file).map(|_| 0)),
            other => panic!("no such operation: {other}"),
        }
    }
}

/// An ioctl with a pointer to zeroes.
fn any_ioctl(file: &OpenFile, cmd: u32) -> Result<i32> {
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
    let held = Held::new();
    let mut wrong = Vec::new();
    for (when, name) in ["before", "after"].iter().enumerate() {
        if when == 1 {
            held.rig.unplug();
        }
        for &(op, before, after) in TABLE {
            let expected = [before, after][when];
            if expected.is_empty() {
                continue;
            }
            let found = held.perform(op);
            if found != expected {
                wrong.push(format!("{name} {op}: {found}, recorded {expected}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    let Held {
        rig,
        file,
        attribute,
        device,
        ..
    } = held;
    drop((file, attribute));
    assert!(device.is_released());
    drop(device);
    assert_eq!(rig.splats(), [""; 0]);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn what_was_queued_is_lost_with_the_adapter() {
    let rig = Rig::configured();
    let file = rig.open_quiet(PLAYER);
    set_mode(&file, CEC_MODE_INITIATOR | CEC_MODE_FOLLOWER).unwrap();
    let mut standby = CecMsg::new(&[0x04, CEC_MSG_STANDBY]);
    lastfd_cec::raw::cec_transmit_msg(&rig.adap(TV), &mut standby, true).unwrap();
    rig.settle();
    assert_eq!(file.poll(PollMask::IN, Some(Duration::ZERO)), PollMask::IN);
    rig.unplug();
    assert_eq!(receive(&file, 100), Err(Errno::ENODEV));
    assert_eq!(dqevent(&file), Err(Errno::ENODEV));
}

#[test]
fn the_number_of_a_held_adapter_is_free_only_at_the_last_close() {
    let rig = Rig::configured();
    let file = rig.open(TV);
    rig.unplug();
    let plug = |id| {
        let again = platform_device_alloc(&rig.system, "hdmi", PlatformId::Id(id)).unwrap();
        platform_device_add(&again).unwrap();
        let names = [rig.path(TV), rig.path(PLAYER)];
        platform_device_unregister(&again);
        names
    };
    // cec1 was not held.
    assert_eq!(plug(1), ["/dev/cec1", "/dev/cec2"]);
    assert_eq!(
        ioctl(&file, CEC_G_MODE, 0_u32),
        Err(Errno::ENODEV),
        "the old file stays dead"
    );
    drop(file);
    assert_eq!(plug(2), ["/dev/cec0", "/dev/cec1"]);
}

#[test]
fn removal_sends_one_uevent_an_adapter() {
    let rig = Rig::configured();
    rig.record.take();
    rig.unplug();
    let events = rig.record.events();
    let uevents: Vec<String> = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Uevent { .. }))
        .map(|event| event.kind.to_string())
        .filter(|line| !line.starts_with("hdmi"))
        .collect();
    assert_eq!(uevents, ["cec0: uevent remove", "cec1: uevent remove"]);
}
