//! A descriptor that a program holds while its device goes, and the calls that
//! can be made on any.

use core::time::Duration;

use lastfd_chrdev::{
    Attempt, MapRequest, Mapping, OpenFile, OpenFlags, PollMask, PollTable, Process, Whence, open,
    open_devt,
};
use lastfd_kunit::{Test, kunit_expect_eq, kunit_expect_true};
use lastfd_model::raw::{AttrFile, DevT, Device, attr_open};
use lastfd_model::{Errno, Result};

/// How long the recorded calls were watched, and more.
pub(super) const LONG: Duration = Duration::from_secs(10);

const FIONREAD: u32 = 0x541b;
const FIONBIO: u32 = 0x5421;

/// Ioctls of a kind of descriptor.
#[derive(Clone, Copy)]
pub(super) struct Ioctls {
    /// One that it knows.
    pub(super) known: u32,
    /// One of its subsystem's that it does not know.
    pub(super) unknown: u32,
    /// One of another subsystem's.
    pub(super) foreign: u32,
}

/// A descriptor, and what else a program has in hand.
pub(super) struct Held {
    pub(super) file: OpenFile,
    /// The node's descriptor, where the other is not of the node.
    node: Option<OpenFile>,
    device: Device,
    devt: DevT,
    path: String,
    attribute: (&'static str, AttrFile),
    ioctls: Ioctls,
    /// What a new mapping asks for.
    map: MapRequest,
    mapping: Option<Mapping>,
}

impl Held {
    /// A descriptor of a node of this device.
    pub(super) fn new(
        device: &Device,
        path: String,
        flags: OpenFlags,
        attribute: &'static str,
        ioctls: Ioctls,
    ) -> Result<Held> {
        Ok(Held {
            file: open(&device.system(), &path, flags)?,
            node: None,
            devt: device.devt().ok_or(Errno::ENXIO)?,
            path,
            attribute: (attribute, attr_open(device, attribute)?),
            device: device.clone(),
            ioctls,
            map: MapRequest::shared(0, 4096),
            mapping: None,
        })
    }

    /// Calls are made on a descriptor that the node's gave; the node's is held, too.
    pub(super) fn on(self, get: impl FnOnce(&OpenFile) -> Result<OpenFile>) -> Result<Held> {
        let file = get(&self.file)?;
        Ok(Held {
            node: Some(self.file),
            file,
            ..self
        })
    }

    /// A mapping is held, too.
    pub(super) fn mapped(self, map: MapRequest) -> Result<Held> {
        let mapping = self.file.mmap(map)?;
        Ok(Held {
            mapping: Some(mapping),
            map,
            ..self
        })
    }

    /// The node's descriptor.
    pub(super) fn node(&self) -> &OpenFile {
        self.node.as_ref().unwrap_or(&self.file)
    }

    /// Closes the descriptors, but keeps the mapping.
    pub(super) fn close(self) -> Option<Mapping> {
        self.mapping
    }

    /// What the call gives; None if it is not one that any descriptor has.
    pub(super) fn call(&self, test: &Test, operation: &str) -> Option<String> {
        let (file, node) = (&self.file, self.node());
        let seek = |whence| said(file.lseek(0, whence));
        let opened = |opened: Result<OpenFile>| said(opened.map(|_| 0));
        let all = PollMask::IN | PollMask::PRI | PollMask::OUT;
        Some(match operation {
            "fstat" => {
                // Beside a descriptor of its own, fstat is that of the node.
                let stat = node.stat();
                kunit_expect_eq!(test, stat.rdev, Some(self.devt));
                format!("nlink {} mode {:o}", stat.nlink, stat.mode)
            }
            "stat(path)" => {
                let name = self.path.trim_start_matches("/dev/");
                let there = test.system().dev_node(name);
                said(there.map(|_| 0).ok_or(Errno::ENOENT))
            }
            "lseek SET 0" => seek(Whence::Set),
            "lseek CUR" => seek(Whence::Cur),
            "lseek END" => seek(Whence::End),
            "poll IN/PRI/OUT" => mask(file.poll(all, Some(Duration::ZERO))),
            "poll events=0" => mask(file.poll(PollMask::NONE, Some(Duration::ZERO))),
            "epoll add+wait" => {
                kunit_expect_true!(test, file.can_poll());
                let found = file.try_poll(&mut PollTable::new(all));
                mask(found & (all | PollMask::ALWAYS))
            }
            "fcntl F_GETFL" => file.flags().0.to_string(),
            "ioctl FIONREAD" => said(ioctl(file, FIONREAD)),
            "ioctl FIONBIO" => said(ioctl(file, FIONBIO)),
            "ioctl foreign magic" => said(ioctl(file, self.ioctls.foreign)),
            "ioctl unknown nr" => said(ioctl(file, self.ioctls.unknown)),
            "ioctl known" => said(ioctl(file, self.ioctls.known)),
            "dup+ioctl known" => said(ioctl(&file.clone(), self.ioctls.known)),
            "mmap new" => said(file.mmap(self.map).map(|_| 0)),
            "touch held mapping" => self.touch(),
            "fresh open(path)" => opened(open(test.system(), &self.path, OpenFlags::RDWR)),
            "open /proc/self/fd/N" => opened(node.reopen(OpenFlags::RDWR)),
            "mknod same rdev + open" => {
                opened(open_devt(test.system(), self.devt, OpenFlags::RDWR))
            }
            "sysfs attr held fd pread" => said(self.attribute.1.read().map(|text| text.len())),
            "sysfs attr open(path)" => said(attr_open(&self.device, self.attribute.0).map(|_| 0)),
            "read nonblock" => said_of(self.without_blocking(|| read(file, 64, None))),
            "read blocking" => read(file, 64, None),
            "read 0 bytes" => read(file, 0, None),
            "pread" => read(file, 64, Some(0)),
            "write" | "write (2)" => said(file.write(&[0; 16])),
            _ => return None,
        })
    }

    /// Something done with `O_NONBLOCK`.
    fn without_blocking(&self, run: impl FnOnce() -> String) -> Result<String> {
        let flags = self.file.flags();
        self.file.set_flags(flags | OpenFlags::NONBLOCK)?;
        let said = run();
        self.file.set_flags(flags)?;
        Ok(said)
    }

    fn touch(&self) -> String {
        let Some(mapping) = &self.mapping else {
            return "no mapping".to_owned();
        };
        let mut back = [0; 7];
        let touched = mapping
            .write(100, b"touched")
            .and_then(|()| mapping.read(100, &mut back));
        match touched {
            Ok(()) if &back == b"touched" => "read+write ok".to_owned(),
            other => format!("{other:?}, {back:?}"),
        }
    }
}

/// An ioctl with a pointer to zeroes, from a program with descriptors; whatever
/// it got is closed again.
pub(super) fn ioctl(file: &OpenFile, cmd: u32) -> Result<i32> {
    ioctl_with(file, cmd, &[0; 256])
}

/// As [`ioctl`], with these bytes.
pub(super) fn ioctl_with(file: &OpenFile, cmd: u32, bytes: &[u8]) -> Result<i32> {
    let mut program = Process::new();
    let arg = program.map(bytes.to_vec());
    file.ioctl(cmd, arg, &mut program)
}

/// A read, tried once: whoever would have to wait blocks.
fn read(file: &OpenFile, count: u64, at: Option<i64>) -> String {
    let mut program = Process::new();
    let buffer = program.map(vec![0; 4096]);
    let mut call = match at {
        Some(at) => file.begin_pread(buffer, count, at),
        None => file.begin_read(buffer, count),
    };
    match call.attempt(&mut program) {
        Attempt::Done(result) => said(result),
        Attempt::Ready(reply) => reply.commit().to_string(),
        Attempt::Wait(_) => "blocks".to_owned(),
    }
}

/// A mask as the record spells it.
pub(super) fn mask(mask: PollMask) -> String {
    mask.to_string().replace('|', "/")
}

/// A number, or an error.
pub(super) fn said<T: ToString>(result: Result<T>) -> String {
    said_of(result.map(|value| value.to_string()))
}

fn said_of(result: Result<String>) -> String {
    result.unwrap_or_else(|errno| errno.to_string())
}
