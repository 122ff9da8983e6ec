//! What a held descriptor gives before and after the device is removed: a table
//! recorded from Linux 6.12 with vivid, one row an operation.

use core::time::Duration;

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{
    MapRequest, Mapping, OpenFile, OpenFlags, PollMask, PollTable, Process, Whence, open_devt,
};
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Result};
use lastfd_sync::{Arc, Mutex};

use lastfd_v4l2::raw::*;

use lastfd_rigs::v4l2::Camera;
use lastfd_rigs::v4l2::{
    Removal, Rig, buffer, ctrl, dqbuf, dqevent, ioctl, map, qbuf, reqbufs, set_ctrl, start, stream,
    subscribe,
};

/// Operation; before, after unbind, after "Disconnect". An empty cell was not
/// recorded.
type Row = (&'static str, [&'static str; 3]);

const GONE: [&str; 3] = ["0", "ENODEV", "ENODEV"];
const UNTOUCHED: [&str; 3] = ["0", "0", "0"];
const SEEK: [&str; 3] = ["ESPIPE", "ESPIPE", "ESPIPE"];
const UNKNOWN_IOCTL: [&str; 3] = ["ENOTTY", "ENODEV", "ENODEV"];
const AFTER_ONLY: [&str; 3] = ["", "ENODEV", "ENODEV"];
const HANGS_UP: [&str; 3] = ["0", "PRI|ERR|HUP", "PRI|ERR|HUP"];

const TABLE: &[Row] = &[
    (
        "fstat",
        [
            "rdev 81:0 nlink 1 mode 20600",
            "rdev 81:0 nlink 0 mode 20000",
            "rdev 81:0 nlink 1 mode 20600",
        ],
    ),
    ("stat(path)", ["0", "ENOENT", "0"]),
    ("lseek SET 0", SEEK),
    ("lseek CUR", SEEK),
    ("lseek END", SEEK),
    ("poll IN/PRI/OUT", HANGS_UP),
    ("poll events=0", ["0", "ERR|HUP", "ERR|HUP"]),
    ("epoll add+wait", HANGS_UP),
    ("fcntl F_GETFL", ["32770", "32770", "32770"]),
    ("ioctl FIONREAD", UNKNOWN_IOCTL),
    ("ioctl FIONBIO", UNTOUCHED),
    ("ioctl foreign magic", UNKNOWN_IOCTL),
    ("ioctl known", GONE),
    ("dup+ioctl known", GONE),
    ("ioctl unknown nr", UNKNOWN_IOCTL),
    ("G_FMT", GONE),
    ("G_CTRL", GONE),
    ("S_CTRL", GONE),
    ("SUBSCRIBE_EVENT", GONE),
    ("EXPBUF", GONE),
    ("mmap new", GONE),
    (
        "touch held mapping",
        ["read+write ok", "read+write ok", "read+write ok"],
    ),
    ("fresh open(path)", ["0", "ENOENT", "ENODEV"]),
    ("open /proc/self/fd/N", GONE),
    ("mknod same rdev + open", GONE),
    ("sysfs attr held fd pread", ["18", "ENODEV", "18"]),
    ("sysfs attr open(path)", ["0", "ENOENT", "0"]),
    ("QBUF 0", AFTER_ONLY),
    ("DQBUF", AFTER_ONLY),
    ("DQEVENT", AFTER_ONLY),
    ("STREAMOFF", AFTER_ONLY),
    ("STREAMON", AFTER_ONLY),
    ("STREAMOFF 2", AFTER_ONLY),
    ("REQBUFS 0", AFTER_ONLY),
    ("read nonblock", AFTER_ONLY),
    ("read blocking", AFTER_ONLY),
    ("read 0 bytes", AFTER_ONLY),
    ("pread", AFTER_ONLY),
    ("write", AFTER_ONLY),
    ("write (2)", AFTER_ONLY),
];

const FIONREAD: u32 = 0x541b;
const FIONBIO: u32 = 0x5421;
/// `CEC_ADAP_G_CAPS`.
const FOREIGN: u32 = 0xc04c_6100;
/// `_IO('V', 191)`.
const UNKNOWN: u32 = 0x56bf;

/// A streaming camera without frames, held by a descriptor and a mapping.
struct Held {
    rig: Rig,
    file: OpenFile,
    mapping: Mapping,
    attribute: AttrFile,
    devt: DevT,
    device: Device,
}

impl Held {
    fn new() -> Held {
        let rig = Rig::silent();
        let file = rig.file();
        start(&file, 3);
        let mapping = map(&file, 0).unwrap();
        let device = rig.camera().vdev.dev().unwrap();
        Held {
            attribute: attr_open(&device, "name").unwrap(),
            devt: device.devt().unwrap(),
            rig,
            file,
            mapping,
            device,
        }
    }

    fn perform(&self, op: &str) -> String {
        let file = &self.file;
        let seek = |whence| file.lseek(0, whence).map(|_| 0);
        match op {
            "fstat" => {
                let stat = file.stat();
                let rdev = stat.rdev.unwrap();
                format!("rdev {rdev} nlink {} mode {:o}", stat.nlink, stat.mode)
            }
            "stat(path)" => {
                let node = self.rig.system.dev_node("video0");
                said(node.map(|_| 0).ok_or(Errno::ENOENT))
            }
            "lseek SET 0" => said(seek(Whence::Set)),
            "lseek CUR" => said(seek(Whence::Cur)),
            "lseek END" => said(seek(Whence::End)),
            "poll IN/PRI/OUT" => poll(file, PollMask::IN | PollMask::PRI | PollMask::OUT),
            "poll events=0" => poll(file, PollMask::NONE),
            "epoll add+wait" => {
                assert!(file.can_poll(), "epoll takes the descriptor");
                let asked = PollMask::IN | PollMask::PRI | PollMask::OUT;
                let found = file.try_poll(&mut PollTable::new(asked));
                (found & (asked | PollMask::ERR | PollMask::HUP)).to_string()
            }
            "fcntl F_GETFL" => file.flags().0.to_string(),
            "ioctl FIONREAD" => said(raw_ioctl(file, FIONREAD)),
            "ioctl FIONBIO" => said(raw_ioctl(file, FIONBIO)),
            "ioctl foreign magic" => said(raw_ioctl(file, FOREIGN)),
            "ioctl unknown nr" => said(raw_ioctl(file, UNKNOWN)),
            "ioctl known" => said(querycap(file)),
            "dup+ioctl known" => said(querycap(&file.clone())),
            "G_FMT" => {
                let mut format = V4l2Format {
                    type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
                    ..V4l2Format::default()
                };
                said(ioctl(file, VIDIOC_G_FMT, &mut format))
            }
            "G_CTRL" => said(ctrl(file, V4L2_CID_BRIGHTNESS).map(|_| 0)),
            "S_CTRL" => said(set_ctrl(file, V4L2_CID_BRIGHTNESS, 9).map(|_| 0)),
            "SUBSCRIBE_EVENT" => said(subscribe(file, V4L2_CID_BRIGHTNESS, 0)),
            "EXPBUF" => said(expbuf(file)),
            "mmap new" => said(file.mmap(MapRequest::shared(0, 4096)).map(|_| 0)),
            "touch held mapping" => {
                self.mapping.write(7, &[7]).unwrap();
                let mut byte = [0];
                self.mapping.read(7, &mut byte).unwrap();
                assert_eq!(byte, [7]);
                "read+write ok".to_owned()
            }
            "fresh open(path)" => said(self.rig.open(OpenFlags::RDWR).map(|_| 0)),
            "open /proc/self/fd/N" => said(file.reopen(OpenFlags::RDWR).map(|_| 0)),
            "mknod same rdev + open" => {
                said(open_devt(&self.rig.system, self.devt, OpenFlags::RDWR).map(|_| 0))
            }
            "sysfs attr held fd pread" => said(self.attribute.read().map(|text| text.len())),
            "sysfs attr open(path)" => said(attr_open(&self.device, "name").map(|_| 0)),
            "QBUF 0" => said(ioctl(file, VIDIOC_QBUF, &mut buffer(0))),
            "DQBUF" => said(ioctl(file, VIDIOC_DQBUF, &mut buffer(0))),
            "DQEVENT" => said(dqevent(file).map(|_| 0)),
            "STREAMOFF" | "STREAMOFF 2" => said(stream(file, false)),
            "STREAMON" => said(stream(file, true)),
            "REQBUFS 0" => said(reqbufs(file, 0)),
            "read nonblock" => {
                file.set_flags(file.flags() | OpenFlags::NONBLOCK).unwrap();
                let read = file.read(&mut [0; 64]);
                file.set_flags(OpenFlags(file.flags().0 & !OpenFlags::NONBLOCK.0))
                    .unwrap();
                said(read)
            }
            "read blocking" => said(file.read(&mut [0; 64])),
            "read 0 bytes" => said(file.read(&mut [])),
            "pread" => said(file.pread(&mut [0; 64], 0)),
            "write" | "write (2)" => said(file.write(&[0; 16])),
            other => panic!("no such operation: {other}"),
        }
    }
}

fn poll(file: &OpenFile, asked: PollMask) -> String {
    file.poll(asked, Some(Duration::ZERO)).to_string()
}

fn querycap(file: &OpenFile) -> Result<i32> {
    ioctl(file, VIDIOC_QUERYCAP, &mut V4l2Capability::default())
}

/// An ioctl with a pointer to a zero, from a program with descriptors.
fn raw_ioctl(file: &OpenFile, cmd: u32) -> Result<i32> {
    let mut program = Process::new();
    let arg = program.map(vec![0; 256]);
    file.ioctl(cmd, arg, &mut program)
}

fn expbuf(file: &OpenFile) -> Result<i32> {
    let mut program = Process::new();
    let export = V4l2Exportbuffer {
        type_: V4L2_BUF_TYPE_VIDEO_CAPTURE,
        ..V4l2Exportbuffer::default()
    };
    let arg = program.map(zerocopy::IntoBytes::as_bytes(&export).to_vec());
    file.ioctl(VIDIOC_EXPBUF, arg, &mut program)
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
    for (column, how) in [(1, Removal::Unbind), (2, Removal::Disconnect)] {
        let held = Held::new();
        for (when, cell) in [("before", 0), ("after", column)] {
            if when == "after" {
                held.rig.remove(how);
            }
            for (op, cells) in TABLE {
                let expected = cells[cell];
                if expected.is_empty() {
                    continue;
                }
                let found = held.perform(op);
                if found != expected {
                    wrong.push(format!("{how:?} {when} {op}: {found}, recorded {expected}"));
                }
            }
        }
        let Held {
            rig,
            file,
            mapping,
            attribute,
            device,
            ..
        } = held;
        drop((file, attribute));
        assert!(!device.is_released(), "a mapping is an open file too");
        drop(mapping);
        if how == Removal::Unbind {
            assert!(device.is_released());
        }
        assert_eq!(rig.splats(), [""; 0]);
        drop(device);
        assert_eq!(rig.finish(), [""; 0]);
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn rows_of_a_live_device_without_a_stream() {
    let rig = Rig::running();
    let file = rig.file();
    assert_eq!(said(file.read(&mut [0; 8192])), "4096");
    assert_eq!(said(file.read(&mut [])), "0");
    assert_eq!(said(file.write(&[0; 16])), "EINVAL");
    drop(file);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn what_was_done_and_what_had_happened_is_lost_with_the_device() {
    for how in [Removal::Unbind, Removal::Disconnect] {
        let rig = Rig::silent();
        let file = rig.file();
        start(&file, 3);
        subscribe(&file, V4L2_CID_BRIGHTNESS, V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK).unwrap();
        set_ctrl(&file, V4L2_CID_BRIGHTNESS, 1).unwrap();
        rig.camera().frames.produce();
        let asked = PollMask::IN | PollMask::PRI;
        assert_eq!(file.poll(asked, Some(Duration::ZERO)), asked);
        rig.remove(how);
        assert_eq!(poll(&file, asked), "PRI|ERR|HUP");
        assert_eq!(said(dqbuf(&file).map(|_| 0)), "ENODEV");
        assert_eq!(said(dqevent(&file).map(|_| 0)), "ENODEV");
    }
}

#[test]
fn a_frame_that_was_mapped_can_be_read_after_the_device_went() {
    let rig = Rig::running();
    let file = rig.file();
    start(&file, 3);
    let mapping = map(&file, 0).unwrap();
    let frame = dqbuf(&file).unwrap();
    assert_eq!((frame.index, frame.sequence), (0, 0));
    qbuf(&file, 0).unwrap();
    let frame = loop {
        let frame = dqbuf(&file).unwrap();
        if frame.index == 0 {
            break frame;
        }
        qbuf(&file, frame.index).unwrap();
    };
    rig.remove(Removal::Unbind);
    drop(file);
    let mut number = [0; 4];
    mapping.read(0, &mut number).unwrap();
    assert_eq!(u32::from_le_bytes(number), frame.sequence);
    assert!(!rig.camera().vdev.dev().unwrap().is_released());
    drop(mapping);
    assert!(rig.camera().vdev.dev().unwrap().is_released());
}

#[test]
fn the_node_number_is_free_only_after_the_last_close() {
    let rig = Rig::silent();
    let file = rig.file();
    rig.remove(Removal::Unbind);
    device_attach(&rig.hardware).unwrap();
    let second: Camera = rig.camera();
    assert_eq!(&*second.vdev.dev().unwrap().name(), "video1");
    assert_eq!(second.vdev.minor(), Some(1));
    assert_eq!(
        querycap(&file),
        Err(Errno::ENODEV),
        "the old one stays dead"
    );
    rig.remove(Removal::Unbind);
    drop(file);
    device_attach(&rig.hardware).unwrap();
    assert_eq!(&*rig.camera().vdev.dev().unwrap().name(), "video0");
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn after_disconnect_the_last_close_brings_vivid_back() {
    let rig = Rig::silent();
    let file = rig.file();
    rig.remove(Removal::Disconnect);
    assert_eq!(rig.open(OpenFlags::RDWR).err(), Some(Errno::ENODEV));
    drop(file);
    let file = rig.file();
    assert_eq!(querycap(&file), Ok(0));
    drop(file);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn a_kernel_gap_a_disconnected_device_is_not_unregistered() {
    // The core takes a clear flag for "never registered" and does nothing; a
    // driver that forgets this leaves its node behind.
    let rig = Rig::silent();
    let file = rig.file();
    rig.remove(Removal::Disconnect);
    let vdev = rig.camera().vdev;
    video_unregister_device(&vdev);
    vb2_video_unregister_device(&vdev);
    assert!(rig.system.dev_node("video0").is_some());
    assert!(device_is_registered(&vdev.dev().unwrap()));
    // Unbinding is vivid's: it sets the flag first.
    rig.remove(Removal::Unbind);
    assert!(rig.system.dev_node("video0").is_none());
    assert_eq!(querycap(&file), Err(Errno::ENODEV));
    drop(file);
    assert!(vdev.dev().unwrap().is_released());
    drop(vdev);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn a_kernel_gap_a_read_past_its_test_streams_on_a_device_that_is_gone() {
    // v4l2_read looks at the flag without a lock, and vb2_fop_read does not look
    // again once it has the lock; ioctls do.
    let hardware = Arc::new(Mutex::new(None::<Device>));
    let of_read = Arc::clone(&hardware);
    let rig = Rig::new(move |device| {
        let of_read = Arc::clone(&of_read);
        Camera::probe_with(device, Some(Duration::from_millis(200)), |vdev| {
            vdev.set_fops(V4l2FileOperations {
                read: Some(Arc::new(move |file, call| {
                    // The moment between the test and the lock.
                    let gone = of_read.lock().take();
                    if let Some(hardware) = gone {
                        device_release_driver(&hardware);
                    }
                    vb2_fop_read(file, call)
                })),
                ..V4l2FileOperations::vb2()
            });
        })
    });
    *hardware.lock() = Some(rig.hardware.clone());
    let file = rig.file();
    file.set_flags(file.flags() | OpenFlags::NONBLOCK).unwrap();
    assert_eq!(file.read(&mut [0; 64]), Err(Errno::EAGAIN));
    let camera = rig.camera();
    assert!(!video_is_registered(&camera.vdev));
    assert!(camera.queue.info().start_streaming_called);
    assert_eq!(rig.splats(), ["timer frames: started after it was freed"]);
    drop(file);
    assert_eq!(camera.queue.info(), QueueInfo::default());
    drop(camera);
    assert_eq!(rig.finish(), [""; 0]);
}

#[test]
fn unbinding_sends_the_nodes_uevent_and_then_the_hardwares() {
    let rig = Rig::silent();
    rig.record.take();
    rig.remove(Removal::Unbind);
    let events = rig.record.events();
    let uevents: Vec<String> = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Uevent { .. }))
        .map(|event| event.kind.to_string())
        .collect();
    assert_eq!(
        uevents,
        ["video0: uevent remove", "camera.0: uevent unbind"]
    );
}
