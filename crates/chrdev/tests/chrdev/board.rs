//! A System with one character device to test on.

use core::sync::atomic::Ordering;

use lastfd_chrdev::*;
use lastfd_model::event::SplatKind;
use lastfd_model::raw::*;
use lastfd_model::{Errno, EventKind, Result, System};
use lastfd_sync::atomic::{AtomicBool, AtomicU32};
use lastfd_sync::{Arc, Mutex, WaitQueue};

/// Descriptor-making ioctl.
pub(crate) const GET_FD: u32 = 0x8004_6990;
/// As [`GET_FD`]; the caller keeps the descriptor even if the call faults.
pub(crate) const LEAK_FD: u32 = 0x8004_6994;
/// Ioctl that copies 16 bytes from a nested pointer into the data.
pub(crate) const SEND: u32 = 0x4010_6991;
/// Ioctl that waits until 1 ms after it began.
pub(crate) const TIMED: u32 = 0x6992;
/// Ioctl that makes a descriptor, then waits for data.
pub(crate) const GET_FD_LATER: u32 = 0x6993;
/// `FIONREAD`, which is the driver's to answer.
pub(crate) const FIONREAD: u32 = 0x541b;

/// A device that streams bytes, with rules after removal as IIO has them.
pub(crate) struct Sensor {
    pub(crate) data: Fifo<u8>,
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) gone: AtomicBool,
    pub(crate) releases: AtomicU32,
    pub(crate) frame: Region,
    pub(crate) changed: Arc<WaitQueue>,
    /// What `open` answers.
    pub(crate) open_result: Mutex<Result>,
    /// Called in `release`.
    pub(crate) at_release: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Sensor {
    pub(crate) fn new() -> Arc<Sensor> {
        Arc::new(Sensor {
            data: Fifo::new(4096),
            log: Mutex::default(),
            gone: AtomicBool::new(false),
            releases: AtomicU32::new(0),
            frame: Region::new("frame", 2 * PAGE_SIZE).unwrap(),
            changed: Arc::default(),
            open_result: Mutex::new(Ok(())),
            at_release: Mutex::new(None),
        })
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        for byte in bytes {
            self.data.push(*byte).unwrap();
        }
    }

    pub(crate) fn remove(&self) {
        self.gone.store(true, Ordering::SeqCst);
        self.data.wake();
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::SeqCst)
    }

    pub(crate) fn log(&self, line: &str) {
        self.log.lock().push(line.to_owned());
    }

    pub(crate) fn releases(&self) -> u32 {
        self.releases.load(Ordering::SeqCst)
    }
}

impl FileOps for Sensor {
    fn open(&self, _file: &File) -> Result {
        self.log("open");
        *self.open_result.lock()
    }

    fn release(&self, _file: &File) {
        self.log("release");
        self.releases.fetch_add(1, Ordering::SeqCst);
        let hook = self.at_release.lock().take();
        if let Some(hook) = hook {
            hook();
        }
    }

    fn read(&self, _file: &File, call: &mut Read<'_>) -> Try<usize> {
        if call.is_first() {
            self.log("read");
        }
        if self.is_gone() {
            return Try::err(Errno::ENODEV);
        }
        if call.count() == 0 {
            return Try::ok(0);
        }
        match self.data.take(call.count()) {
            Take::Some(taken) => match call.write(0, taken.items()) {
                Ok(()) => Try::ready(taken.items().len(), move || taken.commit()),
                Err(errno) => Try::err(errno),
            },
            Take::Empty if call.nonblock() => Try::err(Errno::EAGAIN),
            Take::Empty | Take::Busy => Try::wait(self.data.queue()),
        }
    }

    fn write(&self, _file: &File, call: &mut Write<'_>) -> Try<usize> {
        let mut bytes = vec![0; call.count()];
        if let Err(errno) = call.read(0, &mut bytes) {
            return Try::err(errno);
        }
        let pos = call.pos();
        if let Some(pos) = pos {
            call.set_pos(pos + bytes.len() as u64);
        }
        let data = self.data.clone();
        Try::ready(bytes.len(), move || {
            for byte in bytes {
                let _ = data.push(byte);
            }
        })
    }

    fn ioctl(&self, file: &File, call: &mut Ioctl<'_>) -> Try<i32> {
        let result = match call.cmd() {
            GET_FD | LEAK_FD => make_fd(file, call),
            SEND => send(self, call),
            TIMED => {
                let end = lastfd_sync::Ktime(call.started().0 + 1_000_000);
                if file.system().clock().now() < end {
                    return Try::Wait(Wait::on(&self.changed).until(end));
                }
                Err(Errno::ETIMEDOUT)
            }
            GET_FD_LATER => match make_fd(file, call) {
                Ok(_) if self.data.is_empty() => return Try::wait(self.data.queue()),
                result => result,
            },
            FIONREAD => Ok(self.data.len() as i32),
            _ => Err(Errno::ENOTTY),
        };
        Try::Done(result)
    }

    fn ioctl_name(&self, cmd: u32) -> Option<&'static str> {
        (cmd == GET_FD).then_some("GET_FD")
    }

    fn poll(&self, _file: &File, table: &mut PollTable) -> PollMask {
        table.wait(self.data.queue());
        if self.is_gone() || self.data.is_empty() {
            return PollMask::NONE;
        }
        PollMask::IN | PollMask::RDNORM
    }

    fn mmap(&self, _file: &File, request: &MapRequest) -> Result<Mapped> {
        if self.is_gone() {
            return Err(Errno::ENODEV);
        }
        Ok(Mapped::new(&self.frame, request.offset as usize))
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        file.noop_llseek(offset, whence)
    }
}

/// A file of its own that has no callbacks but release.
struct Queue(Mutex<u32>);

impl FileOps for Queue {
    fn ops(&self) -> OpSet {
        OpSet::NONE
    }

    fn release(&self, _file: &File) {
        *self.0.lock() += 1;
    }
}

fn make_fd(file: &File, call: &mut Ioctl<'_>) -> Result<i32> {
    let queue = Arc::new(Queue(Mutex::new(0)));
    let device = file.device().cloned();
    let flags = OpenFlags::RDONLY;
    let made = anon_inode_getfile(file.system(), "queue", queue, None, flags, device)?;
    let fd = match call.cmd() {
        LEAK_FD => call.install_fd_at_once(made, OpenFlags::CLOEXEC)?,
        _ => call.install_fd(made, OpenFlags::CLOEXEC)?,
    };
    call.write_arg(&fd.to_ne_bytes())?;
    Ok(0)
}

fn send(sensor: &Sensor, call: &mut Ioctl<'_>) -> Result<i32> {
    let mut arg = [0; 16];
    call.read_arg(&mut arg)?;
    let word = |at: usize| u64::from_ne_bytes(arg[at..at + 8].try_into().unwrap());
    let bytes = call.memdup(word(0), word(8), 64)?;
    sensor.push(&bytes);
    Ok(bytes.len() as i32)
}

/// The System, the device `lfq0` of a class below a platform device, and its
/// cdev: as scenario q1 of the reference traces has them.
pub(crate) struct Board {
    pub(crate) system: System,
    pub(crate) sensor: Arc<Sensor>,
    pub(crate) parent: Device,
    pub(crate) device: Device,
    pub(crate) cdev: Cdev,
    pub(crate) devt: DevT,
}

impl Board {
    pub(crate) fn new() -> Board {
        Board::on(System::new())
    }

    pub(crate) fn on(system: System) -> Board {
        let sensor = Sensor::new();
        let ops = Arc::clone(&sensor);
        Board::with(system, sensor, ops)
    }

    /// With callbacks other than the sensor's own.
    pub(crate) fn with(system: System, sensor: Arc<Sensor>, ops: Arc<dyn FileOps>) -> Board {
        let parent = platform_device_alloc(&system, "pdev", PlatformId::None).unwrap();
        platform_device_add(&parent).unwrap();
        let devt = alloc_chrdev_region(&system, "lfq").unwrap();
        let spec = DeviceSpec {
            name: Some("lfq0".to_owned()),
            parent: Some(parent.clone()),
            class: Some(class_create(&system, "lfq").unwrap()),
            release: Some(no_release()),
            devt: Some(devt),
            ..DeviceSpec::default()
        };
        let device = device_initialize(&system, spec);
        let cdev = Cdev::new(&system, ops);
        cdev_device_add(&cdev, &device).unwrap();
        Board {
            system,
            sensor,
            parent,
            device,
            cdev,
            devt,
        }
    }

    pub(crate) fn open(&self) -> OpenFile {
        self.open_for(OpenFlags::RDWR)
    }

    pub(crate) fn open_for(&self, flags: OpenFlags) -> OpenFile {
        open(&self.system, "/dev/lfq0", flags).unwrap()
    }

    /// Removes it as a driver's remove does; open files stay.
    pub(crate) fn unplug(&self) {
        cdev_device_del(&self.cdev, &self.device);
        self.sensor.remove();
        put_device(&self.device);
        platform_device_unregister(&self.parent);
    }
}

/// The splats among the events, as text.
pub(crate) fn splats(events: &[lastfd_model::Event]) -> Vec<(SplatKind, String)> {
    events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Splat { kind, text, .. } => Some((*kind, text.to_string())),
            _ => None,
        })
        .collect()
}
