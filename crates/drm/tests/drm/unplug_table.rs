//! Every call on a held descriptor, before and after removal: the DRM columns
//! of the table recorded from Linux 6.12, mode setting aside.

use core::time::Duration;

use lastfd_abi::drm::*;
use lastfd_chrdev::{
    Attempt, MapRequest, Mapping, OpenFile, OpenFlags, PollMask, Process, Whence, open, open_devt,
};
use lastfd_drm::raw::*;
use lastfd_model::raw::{AttrFile, attr_open};
use lastfd_model::{Errno, Result};

use lastfd_rigs::drm::{Card, Removal, dumb, ioctl, wait_request};

/// An ioctl number of another subsystem.
const FIONREAD: u32 = 0x541b;
const FIONBIO: u32 = 0x5421;
/// `VIDIOC_QUERYCAP`.
const FOREIGN: u32 = 0x8068_5600;
/// A number of the core's that nobody has, and one of the driver's.
const NO_CORE: u32 = 0xc008_64ff;
const NO_DRIVER: u32 = 0xc008_647f;

/// What a program holds while the device goes.
struct Held {
    card: Card,
    path: String,
    file: OpenFile,
    mapping: Mapping,
    attribute: AttrFile,
    handle: u32,
    offset: u64,
}

impl Held {
    fn new(removal: Removal) -> Held {
        let card = Card::display(removal);
        let file = card.open();
        let (handle, offset, size) = dumb(&file).unwrap();
        let mapping = file.mmap(MapRequest::shared(offset, size)).unwrap();
        let attribute = attr_open(&card.kdev(), "dev").unwrap();
        let path = card.path();
        assert_eq!(path, "/dev/dri/card0");
        Held {
            path,
            card,
            file,
            mapping,
            attribute,
            handle,
            offset,
        }
    }

    /// An ioctl without an argument to speak of.
    fn bare(&self, cmd: u32) -> String {
        number(self.file.ioctl(cmd, 0, &mut Process::new()))
    }

    /// A read, tried once: whoever would have to wait blocks.
    fn read(&self, count: u64, at: Option<i64>) -> String {
        let mut program = Process::new();
        let buffer = program.map(vec![0; 4096]);
        let mut call = match at {
            Some(at) => self.file.begin_pread(buffer, count, at),
            None => self.file.begin_read(buffer, count),
        };
        match call.attempt(&mut program) {
            Attempt::Done(result) => number(result),
            Attempt::Ready(reply) => reply.commit().to_string(),
            Attempt::Wait(_) => "blocks".to_owned(),
        }
    }

    fn poll(&self, events: PollMask) -> String {
        self.file.poll(events, Some(Duration::ZERO)).to_string()
    }

    fn opened(&self, file: Result<OpenFile>) -> String {
        number(file.map(|_| 0))
    }
}

fn number<N: ToString>(result: Result<N>) -> String {
    match result {
        Ok(number) => number.to_string(),
        Err(errno) => errno.to_string(),
    }
}

/// The operation, what it gives before, after an unplug, and after an
/// unregister alone. An empty cell was not recorded.
type Row = (&'static str, fn(&Held) -> String, [&'static str; 3]);

const ROWS: &[Row] = &[
    (
        "fstat",
        |held| {
            let stat = held.file.stat();
            let rdev = stat.rdev.unwrap();
            format!("rdev {rdev} nlink {} mode {:o}", stat.nlink, stat.mode)
        },
        [
            "rdev 226:0 nlink 1 mode 20600",
            "rdev 226:0 nlink 0 mode 20000",
            "rdev 226:0 nlink 0 mode 20000",
        ],
    ),
    (
        "stat(path)",
        |held| {
            let name = held.path.trim_start_matches("/dev/");
            let node = held.card.system.dev_node(name);
            number(node.map(|_| 0).ok_or(Errno::ENOENT))
        },
        ["0", "ENOENT", "ENOENT"],
    ),
    (
        "lseek SET 0",
        |held| number(held.file.lseek(0, Whence::Set)),
        ["0", "0", "0"],
    ),
    (
        "lseek CUR",
        |held| number(held.file.lseek(0, Whence::Cur)),
        ["0", "0", "0"],
    ),
    (
        "lseek END",
        |held| number(held.file.lseek(0, Whence::End)),
        ["0", "0", "0"],
    ),
    (
        "poll IN/PRI/OUT",
        |held| held.poll(PollMask::IN | PollMask::PRI | PollMask::OUT),
        ["0", "0", "0"],
    ),
    (
        "poll events=0",
        |held| held.poll(PollMask::NONE),
        ["0", "0", "0"],
    ),
    (
        "epoll add+wait",
        |held| held.poll(PollMask::IN | PollMask::PRI | PollMask::OUT | PollMask::RDHUP),
        ["0", "0", "0"],
    ),
    (
        "fcntl F_GETFL",
        |held| held.file.flags().0.to_string(),
        ["32770", "32770", "32770"],
    ),
    (
        "ioctl FIONREAD",
        |held| held.bare(FIONREAD),
        ["ENOTTY", "ENODEV", "ENOTTY"],
    ),
    (
        "ioctl FIONBIO",
        |held| number(held.file.ioctl_bytes(FIONBIO, &mut 0i32.to_ne_bytes())),
        ["0", "0", "0"],
    ),
    (
        "ioctl foreign magic",
        |held| held.bare(FOREIGN),
        ["ENOTTY", "ENODEV", "ENOTTY"],
    ),
    (
        "ioctl known",
        |held| {
            number(ioctl(
                &held.file,
                DRM_IOCTL_VERSION,
                &mut DrmVersion::default(),
            ))
        },
        ["0", "ENODEV", "0"],
    ),
    (
        "dup+ioctl known",
        |held| {
            let dup = held.file.clone();
            number(ioctl(&dup, DRM_IOCTL_VERSION, &mut DrmVersion::default()))
        },
        ["0", "ENODEV", "0"],
    ),
    (
        "mmap new",
        |held| {
            let request = MapRequest::shared(held.offset, 4096);
            number(held.file.mmap(request).map(|_| 0))
        },
        ["0", "ENODEV", "0"],
    ),
    (
        "touch held mapping",
        |held| {
            held.mapping.write(4000, b"touched").unwrap();
            let mut back = [0; 7];
            held.mapping.read(4000, &mut back).unwrap();
            assert_eq!(&back, b"touched");
            "read+write ok".to_owned()
        },
        ["read+write ok", "read+write ok", "read+write ok"],
    ),
    (
        "fresh open(path)",
        |held| held.opened(open(&held.card.system, &held.path, OpenFlags::RDWR)),
        ["0", "ENOENT", "ENOENT"],
    ),
    (
        "open /proc/self/fd/N",
        |held| held.opened(held.file.reopen(OpenFlags::RDWR)),
        ["0", "ENODEV", "ENODEV"],
    ),
    (
        "mknod same rdev + open",
        |held| {
            let rdev = held.file.stat().rdev.unwrap();
            held.opened(open_devt(&held.card.system, rdev, OpenFlags::RDWR))
        },
        ["0", "ENODEV", "ENODEV"],
    ),
    // Of the card's own directory: a connector's is mode setting's.
    (
        "sysfs attr held fd pread",
        |held| number(held.attribute.read().map(|text| text.len())),
        ["6", "ENODEV", "ENODEV"],
    ),
    (
        "sysfs attr open(path)",
        |held| number(attr_open(&held.card.kdev(), "dev").map(|_| 0)),
        ["0", "ENOENT", "ENOENT"],
    ),
    (
        "read nonblock",
        |held| {
            held.file.set_flags(OpenFlags::NONBLOCK).unwrap();
            let result = held.read(64, None);
            held.file.set_flags(OpenFlags::RDONLY).unwrap();
            result
        },
        ["EAGAIN", "EAGAIN", "EAGAIN"],
    ),
    (
        "read blocking",
        |held| held.read(64, None),
        ["blocks", "blocks", "blocks"],
    ),
    (
        "read 0 bytes",
        |held| held.read(0, None),
        ["blocks", "blocks", "blocks"],
    ),
    (
        "pread",
        |held| held.read(64, Some(0)),
        ["blocks", "blocks", "blocks"],
    ),
    (
        "write",
        |held| number(held.file.write(b"x")),
        ["EINVAL", "EINVAL", "EINVAL"],
    ),
    (
        "write (2)",
        |held| number(held.file.write(b"x")),
        ["EINVAL", "EINVAL", "EINVAL"],
    ),
    (
        "ioctl unknown core nr",
        |held| held.bare(NO_CORE),
        ["EINVAL", "ENODEV", "EINVAL"],
    ),
    (
        "ioctl unknown driver nr",
        |held| held.bare(NO_DRIVER),
        ["EINVAL", "ENODEV", "EINVAL"],
    ),
    (
        "GET_CAP",
        |held| {
            let mut cap = DrmGetCap {
                capability: DRM_CAP_DUMB_BUFFER,
                value: 0,
            };
            number(ioctl(&held.file, DRM_IOCTL_GET_CAP, &mut cap))
        },
        ["0", "ENODEV", "0"],
    ),
    (
        "CREATE_DUMB",
        |held| number(dumb(&held.file).map(|_| 0)),
        ["0", "ENODEV", "0"],
    ),
    (
        "MAP_DUMB",
        |held| {
            let mut map = DrmModeMapDumb {
                handle: held.handle,
                ..DrmModeMapDumb::default()
            };
            number(ioctl(&held.file, DRM_IOCTL_MODE_MAP_DUMB, &mut map))
        },
        ["0", "ENODEV", "0"],
    ),
    (
        "PRIME_HANDLE_TO_FD",
        |held| {
            let mut program = Process::new();
            let mut bytes = [0; 12];
            bytes[..4].copy_from_slice(&held.handle.to_ne_bytes());
            let arg = program.map(bytes.to_vec());
            number(
                held.file
                    .ioctl(DRM_IOCTL_PRIME_HANDLE_TO_FD, arg, &mut program),
            )
        },
        ["0", "ENODEV", "0"],
    ),
    (
        "WAIT_VBLANK +1",
        |held| {
            let mut wait = wait_request(_DRM_VBLANK_RELATIVE, 1);
            number(ioctl(&held.file, DRM_IOCTL_WAIT_VBLANK, &mut wait))
        },
        ["0", "ENODEV", "EINVAL"],
    ),
    (
        "WAIT_VBLANK query",
        |held| {
            let mut wait = wait_request(_DRM_VBLANK_RELATIVE, 0);
            number(ioctl(&held.file, DRM_IOCTL_WAIT_VBLANK, &mut wait))
        },
        ["0", "ENODEV", "EINVAL"],
    ),
    (
        "DROP_MASTER",
        |held| held.bare(DRM_IOCTL_DROP_MASTER),
        ["0", "ENODEV", "0"],
    ),
    (
        "SET_MASTER",
        |held| held.bare(DRM_IOCTL_SET_MASTER),
        ["0", "ENODEV", "0"],
    ),
];

fn check(held: &Held, column: usize) {
    for (operation, run, expected) in ROWS {
        assert_eq!(run(held), expected[column], "{operation}, column {column}");
    }
}

fn each_call_answers_as_recorded(removal: Removal, column: usize) {
    let held = Held::new(removal);
    check(&held, 0);
    held.card.remove();
    check(&held, column);
    // Nothing of it changes with time, or by having been asked.
    held.card.system.clock().advance(Duration::from_secs(10));
    check(&held, column);
    let Held {
        card,
        file,
        mapping,
        attribute,
        ..
    } = held;
    drop(attribute);
    drop(file);
    // The mapping keeps the file open.
    assert!(!card.dev().is_released());
    assert_eq!(card.dev().open_count(), 1);
    drop(mapping);
    assert!(card.dev().is_released());
    assert!(card.hardware.is_released());
    card.finish();
}

#[test]
fn each_call_answers_as_recorded_after_an_unplug() {
    each_call_answers_as_recorded(Removal::Unplug, 1);
}

#[test]
fn each_call_answers_as_recorded_after_an_unregister_alone() {
    each_call_answers_as_recorded(Removal::Unregister, 2);
}

#[test]
fn a_second_card_gets_the_next_number_while_the_old_file_is_open() {
    let system = lastfd_rigs::new_system();
    let first = Card::of(
        system.clone(),
        lastfd_rigs::drm::display_driver(),
        Removal::Unplug,
    );
    let file = first.open();
    first.remove();
    assert_eq!(&*first.kdev().name(), "card0");
    let dev = |parent| drm_dev_alloc(&std::sync::Arc::new(DrmDriver::default()), parent).unwrap();
    let root = lastfd_model::raw::root_device_register(&system, "board").unwrap();
    let second = dev(&root);
    assert_eq!(second.primary().unwrap().index(), 1);
    drop(file);
    let third = dev(&root);
    assert_eq!(third.primary().unwrap().index(), 0);
    drm_dev_put(&second);
    drm_dev_put(&third);
    lastfd_model::raw::root_device_unregister(&root);
    first.finish();
    drop(system);
}
