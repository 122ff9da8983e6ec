//! What a program sees: the character device, a buffer's descriptor, the event
//! descriptor.
//!
//! Follows `iio_chrdev_open` and `iio_ioctl` of
//! `drivers/iio/industrialio-core.c`, the read, write and poll functions of
//! `-buffer.c` and those of `-event.c`. As there, read and poll look at the
//! callbacks without a lock, and poll of a device that is gone says nothing:
//! no error, no hang-up, no wake.

use lastfd_chrdev::{
    File, FileOps, Ioctl, OpSet, OpenFlags, PollMask, PollTable, Read, Try, Whence, Write,
    anon_inode_getfile,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::buffer::{Access, BeginRead, Direction, IioBuffer};
use super::device::{IioDev, WeakIioDev, iio_device_get, iio_device_put};
use super::events::{EVENT_SIZE, EventInterface};
use crate::event::{IioEventKind, emit};

/// Gives a descriptor of the events: `_IOR('i', 0x90, int)`.
pub const IIO_GET_EVENT_FD_IOCTL: u32 = 0x8004_6990;
/// Gives a descriptor of the buffer with the number given: `_IOWR('i', 0x91, int)`.
pub const IIO_BUFFER_GET_FD_IOCTL: u32 = 0xc004_6991;
/// `_IOW('i', 0x92, int)`.
const IIO_BUFFER_DMABUF_ATTACH_IOCTL: u32 = 0x4004_6992;

/// The ioctls of IIO, by number.
const IOCTLS: [(u32, &str); 5] = [
    (IIO_GET_EVENT_FD_IOCTL, "IIO_GET_EVENT_FD_IOCTL"),
    (IIO_BUFFER_GET_FD_IOCTL, "IIO_BUFFER_GET_FD_IOCTL"),
    (
        IIO_BUFFER_DMABUF_ATTACH_IOCTL,
        "IIO_BUFFER_DMABUF_ATTACH_IOCTL",
    ),
    (0x4004_6993, "IIO_BUFFER_DMABUF_DETACH_IOCTL"),
    (0x4010_6994, "IIO_BUFFER_DMABUF_ENQUEUE_IOCTL"),
];

fn ioctl_name(cmd: u32) -> Option<&'static str> {
    let mut known = IOCTLS.iter();
    known
        .find(|(number, _)| *number == cmd)
        .map(|(_, name)| *name)
}

/// Who answers ioctls of the character device, in the order they are asked
/// (`struct iio_ioctl_handler`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IioHandler {
    /// `iio_device_buffer_ioctl`.
    Buffer,
    /// `iio_event_ioctl`.
    Event,
}

/// What hangs on an open file (`struct iio_dev_buffer_pair`).
struct Pair {
    iio: IioDev,
    buffer: Option<IioBuffer>,
}

fn pair(file: &File) -> Result<Arc<Pair>> {
    file.private().ok_or(Errno::ENODEV)
}

/// Callbacks of the character device: `iio_buffer_fileops` or, without a buffer,
/// `iio_event_fileops`.
pub(crate) struct IioChrdev {
    iio: WeakIioDev,
    has_buffers: bool,
}

impl IioChrdev {
    pub(crate) fn new(iio: &IioDev, has_buffers: bool) -> IioChrdev {
        IioChrdev {
            iio: iio.downgrade(),
            has_buffers,
        }
    }
}

impl FileOps for IioChrdev {
    fn ops(&self) -> OpSet {
        if self.has_buffers {
            OpSet::ALL
        } else {
            OpSet::NONE
        }
    }

    // industrialio-core.c: iio_chrdev_open
    fn open(&self, file: &File) -> Result {
        let iio = self.iio.upgrade()?;
        if !iio.take_busy() {
            return Err(Errno::EBUSY);
        }
        iio_device_get(&iio);
        if let Err(errno) = iio.system().allocation() {
            iio_device_put(&iio);
            iio.clear_busy();
            return Err(errno);
        }
        let buffer = iio.buffer(0);
        file.set_private(Arc::new(Pair { iio, buffer }));
        Ok(())
    }

    fn release(&self, file: &File) {
        if let Ok(pair) = pair(file) {
            pair.iio.clear_busy();
            iio_device_put(&pair.iio);
        }
    }

    // industrialio-buffer.c: iio_buffer_read_wrapper
    fn read(&self, file: &File, call: &mut Read<'_>) -> Try<usize> {
        match pair(file) {
            Ok(pair) if pair.has_own_descriptor() => Try::err(Errno::EBUSY),
            Ok(pair) => read_buffer(&pair, call),
            Err(errno) => Try::err(errno),
        }
    }

    // industrialio-buffer.c: iio_buffer_write_wrapper
    fn write(&self, file: &File, _call: &mut Write<'_>) -> Try<usize> {
        Try::Done(match pair(file) {
            Ok(pair) if pair.has_own_descriptor() => Err(Errno::EBUSY),
            Ok(pair) => write_buffer(&pair),
            Err(errno) => Err(errno),
        })
    }

    // industrialio-buffer.c: iio_buffer_poll_wrapper
    fn poll(&self, file: &File, table: &mut PollTable) -> PollMask {
        match pair(file) {
            Ok(pair) if !pair.has_own_descriptor() => poll_buffer(&pair, table),
            _ => PollMask::NONE,
        }
    }

    /// Whatever nobody knows is `ENODEV`, on a live device too.
    // industrialio-core.c: iio_ioctl
    fn ioctl(&self, file: &File, call: &mut Ioctl<'_>) -> Try<i32> {
        Try::Done(pair(file).and_then(|pair| ioctl(&pair.iio, call)))
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        file.noop_llseek(offset, whence)
    }

    fn ioctl_name(&self, cmd: u32) -> Option<&'static str> {
        ioctl_name(cmd)
    }
}

impl Pair {
    fn has_own_descriptor(&self) -> bool {
        self.buffer.as_ref().is_some_and(IioBuffer::is_busy)
    }
}

fn ioctl(iio: &IioDev, call: &mut Ioctl<'_>) -> Result<i32> {
    let _exists = iio.lock_info();
    if !iio.has_info() {
        return Err(Errno::ENODEV);
    }
    let handlers = iio.state().ioctl_handlers.clone();
    for handler in handlers {
        match (handler, call.cmd()) {
            (IioHandler::Buffer, IIO_BUFFER_GET_FD_IOCTL) => return buffer_getfd(iio, call),
            (IioHandler::Event, IIO_GET_EVENT_FD_IOCTL) => return event_getfd(iio, call),
            _ => {}
        }
    }
    Err(Errno::ENODEV)
}

// industrialio-buffer.c: iio_device_buffer_getfd
fn buffer_getfd(iio: &IioDev, call: &mut Ioctl<'_>) -> Result<i32> {
    let mut index = [0; 4];
    call.read_arg(&mut index)?;
    let buffer = usize::try_from(i32::from_ne_bytes(index))
        .ok()
        .and_then(|index| iio.buffer(index))
        .ok_or(Errno::ENODEV)?;
    iio_device_get(iio);
    if !buffer.take_busy() {
        iio_device_put(iio);
        return Err(Errno::EBUSY);
    }
    let file = iio.system().allocation().and_then(|()| {
        anon_inode_getfile(
            &iio.system(),
            "iio:buffer",
            Arc::new(BufferFile),
            Some(Arc::new(Pair {
                iio: iio.clone(),
                buffer: Some(buffer.clone()),
            })),
            OpenFlags::RDWR,
            Some(iio.dev().device_ref()),
        )
    });
    let file = file.inspect_err(|_| {
        buffer.clear_busy();
        iio_device_put(iio);
    })?;
    // From here on the file's release puts back what was taken.
    let fd = call.install_fd(file, OpenFlags::RDWR | OpenFlags::CLOEXEC)?;
    call.write_arg(&fd.to_ne_bytes())?;
    Ok(0)
}

// industrialio-event.c: iio_event_getfd, iio_event_ioctl
fn event_getfd(iio: &IioDev, call: &mut Ioctl<'_>) -> Result<i32> {
    let interface = iio.state().event_interface.clone().ok_or(Errno::ENODEV)?;
    let file = {
        let _mode = iio.lock_mode();
        if !interface.take_busy() {
            return Err(Errno::EBUSY);
        }
        interface.reset();
        iio_device_get(iio);
        anon_inode_getfile(
            &iio.system(),
            "iio:event",
            Arc::new(EventFile),
            Some(Arc::new(Listening {
                iio: iio.clone(),
                interface: Arc::clone(&interface),
            })),
            OpenFlags::RDONLY,
            Some(iio.dev().device_ref()),
        )
        .inspect_err(|_| {
            interface.clear_busy();
            iio_device_put(iio);
        })?
    };
    let fd = call.install_fd(file, OpenFlags::RDONLY | OpenFlags::CLOEXEC)?;
    call.write_arg(&fd.to_ne_bytes())?;
    Ok(0)
}

/// Callbacks of a buffer's own descriptor (`iio_buffer_chrdev_fileops`).
struct BufferFile;

impl FileOps for BufferFile {
    fn release(&self, file: &File) {
        if let Ok(pair) = pair(file) {
            if let Some(buffer) = &pair.buffer {
                buffer.pollq().wake_all();
                buffer.clear_busy();
            }
            iio_device_put(&pair.iio);
        }
    }

    fn read(&self, file: &File, call: &mut Read<'_>) -> Try<usize> {
        match pair(file) {
            Ok(pair) => read_buffer(&pair, call),
            Err(errno) => Try::err(errno),
        }
    }

    fn write(&self, file: &File, _call: &mut Write<'_>) -> Try<usize> {
        Try::Done(pair(file).and_then(|pair| write_buffer(&pair)))
    }

    fn poll(&self, file: &File, table: &mut PollTable) -> PollMask {
        pair(file).map_or(PollMask::NONE, |pair| poll_buffer(&pair, table))
    }

    /// A FIFO cannot share its memory.
    // industrialio-buffer.c: iio_buffer_chrdev_ioctl
    fn ioctl(&self, _file: &File, call: &mut Ioctl<'_>) -> Try<i32> {
        Try::err(match call.cmd() {
            IIO_BUFFER_DMABUF_ATTACH_IOCTL => Errno::EPERM,
            _ => Errno::EINVAL,
        })
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        file.noop_llseek(offset, whence)
    }

    fn ioctl_name(&self, cmd: u32) -> Option<&'static str> {
        ioctl_name(cmd)
    }
}

/// What a read decided when it began.
#[derive(Clone, Copy)]
struct ReadPlan {
    /// Samples it waits for; none if it must not sleep.
    to_wait: usize,
    /// Samples it has room for.
    to_flush: usize,
}

// industrialio-buffer.c: iio_buffer_read
fn read_buffer(pair: &Pair, call: &mut Read<'_>) -> Try<usize> {
    let Pair { iio, buffer } = pair;
    let Some(_look) = iio.look() else {
        return Try::err(Errno::ENODEV);
    };
    let Some(buffer) = buffer.as_ref().filter(|b| b.access() == Access::Kfifo) else {
        return Try::err(Errno::EINVAL);
    };
    let (bytes, nonblock) = (call.count(), call.nonblock());
    if call.is_first() {
        if buffer.direction() != Direction::In {
            return Try::err(Errno::EPERM);
        }
        if buffer.bytes_per_datum() == 0 {
            // There will never be anything: the end of the file.
            return Try::ok(0);
        }
    }
    let plan = *call.stash(|| {
        let to_flush = bytes / buffer.bytes_per_datum().max(1);
        let to_wait = to_flush.min(buffer.watermark() as usize);
        ReadPlan {
            to_wait: if nonblock { 0 } else { to_wait },
            to_flush,
        }
    });
    if !is_ready(iio, buffer, plan.to_wait, plan.to_flush) {
        return Try::wait(buffer.pollq());
    }
    match buffer.begin_read(bytes) {
        BeginRead::Samples(samples) => match call.write(0, &samples.data) {
            Ok(()) => Try::ready(samples.data.len(), move || samples.commit()),
            Err(errno) => Try::err(errno),
        },
        BeginRead::Invalid => Try::err(Errno::EINVAL),
        BeginRead::Empty if nonblock => Try::err(Errno::EAGAIN),
        BeginRead::Empty | BeginRead::Busy => Try::wait(buffer.pollq()),
    }
}

/// Whether a reader or poller need not wait: enough samples, or the device is
/// gone. A disabled buffer is drained, so one sample is enough there.
// industrialio-buffer.c: iio_buffer_ready
fn is_ready(iio: &IioDev, buffer: &IioBuffer, mut to_wait: usize, mut to_flush: usize) -> bool {
    if !iio.has_info() {
        return true;
    }
    if !buffer.is_active() {
        to_wait = to_wait.min(1);
        to_flush = 0;
    }
    let available = buffer.data_available();
    if available >= to_wait {
        if to_wait == 0 && available < to_flush {
            flush(iio, to_flush - available);
        }
        return true;
    }
    let flushed = match to_flush {
        0 => 0,
        _ => flush(iio, to_wait - available),
    };
    flushed > 0 && available + flushed >= to_wait
}

/// Asks the driver for what its hardware has; errors count as nothing.
// industrialio-buffer.c: iio_buffer_flush_hwfifo
fn flush(iio: &IioDev, samples: usize) -> usize {
    let Some(info) = iio.info() else {
        // The kernel looked at the callbacks just before, without a lock, and
        // follows a null pointer now.
        emit(iio.dev(), || IioEventKind::KernelGap {
            class: 14,
            function: "iio_buffer_flush_hwfifo",
            what: "a read flushes the hardware's FIFO through callbacks that unregister took away",
        });
        return 0;
    };
    match &info.hwfifo_flush_to_buffer {
        Some(flush) => flush(iio, samples).unwrap_or(0),
        None => 0,
    }
}

// industrialio-buffer.c: iio_buffer_write
fn write_buffer(pair: &Pair) -> Result<usize> {
    if !pair.iio.has_info() {
        return Err(Errno::ENODEV);
    }
    match &pair.buffer {
        Some(buffer) if buffer.access() == Access::Kfifo && buffer.direction() == Direction::In => {
            Err(Errno::EPERM)
        }
        // No buffer here takes samples from a program: there is no callback.
        _ => Err(Errno::EINVAL),
    }
}

// industrialio-buffer.c: iio_buffer_poll
fn poll_buffer(pair: &Pair, table: &mut PollTable) -> PollMask {
    let Some(buffer) = &pair.buffer else {
        return PollMask::NONE;
    };
    let Some(_look) = pair.iio.look() else {
        return PollMask::NONE;
    };
    table.wait(buffer.pollq());
    match buffer.direction() {
        Direction::In if is_ready(&pair.iio, buffer, buffer.watermark() as usize, 0) => {
            PollMask::IN | PollMask::RDNORM
        }
        Direction::Out if buffer.has_space() => PollMask::OUT | PollMask::WRNORM,
        _ => PollMask::NONE,
    }
}

/// What hangs on an open event descriptor.
struct Listening {
    iio: IioDev,
    interface: Arc<EventInterface>,
}

/// Callbacks of the event descriptor (`iio_event_chrdev_fileops`).
struct EventFile;

impl FileOps for EventFile {
    fn ops(&self) -> OpSet {
        OpSet {
            write: false,
            ..OpSet::ALL
        }
    }

    fn release(&self, file: &File) {
        if let Some(listening) = file.private::<Listening>() {
            listening.interface.clear_busy();
            iio_device_put(&listening.iio);
        }
    }

    // industrialio-event.c: iio_event_chrdev_read
    fn read(&self, file: &File, call: &mut Read<'_>) -> Try<usize> {
        let Some(listening) = file.private::<Listening>() else {
            return Try::err(Errno::ENODEV);
        };
        if !listening.iio.has_info() {
            return Try::err(Errno::ENODEV);
        }
        if call.count() < EVENT_SIZE {
            return Try::err(Errno::EINVAL);
        }
        let interface = &listening.interface;
        if interface.is_empty() {
            return if call.nonblock() {
                Try::err(Errno::EAGAIN)
            } else {
                Try::wait(&interface.wait)
            };
        }
        let Some(events) = interface.begin_read(call.count()) else {
            return Try::wait(&interface.wait);
        };
        match call.write(0, &events.data) {
            Ok(()) => Try::ready(events.data.len(), move || events.commit()),
            Err(errno) => Try::err(errno),
        }
    }

    // industrialio-event.c: iio_event_poll
    fn poll(&self, file: &File, table: &mut PollTable) -> PollMask {
        let Some(listening) = file.private::<Listening>() else {
            return PollMask::NONE;
        };
        if !listening.iio.has_info() {
            return PollMask::NONE;
        }
        table.wait(&listening.interface.wait);
        if listening.interface.is_empty() {
            PollMask::NONE
        } else {
            PollMask::IN | PollMask::RDNORM
        }
    }

    fn llseek(&self, file: &File, offset: i64, whence: Whence) -> Result<u64> {
        file.noop_llseek(offset, whence)
    }

    fn ioctl_name(&self, cmd: u32) -> Option<&'static str> {
        ioctl_name(cmd)
    }
}

#[cfg(test)]
mod tests {
    use super::IOCTLS;

    /// `_IOC` of `include/uapi/asm-generic/ioctl.h`.
    const fn ioc(direction: u32, number: u32, size: u32) -> u32 {
        direction << 30 | size << 16 | (b'i' as u32) << 8 | number
    }

    #[test]
    fn the_ioctl_numbers_are_those_of_the_headers() {
        const WRITE: u32 = 1;
        const READ: u32 = 2;
        let expected = [
            ioc(READ, 0x90, 4),
            ioc(READ | WRITE, 0x91, 4),
            ioc(WRITE, 0x92, 4),
            ioc(WRITE, 0x93, 4),
            ioc(WRITE, 0x94, 16),
        ];
        assert_eq!(IOCTLS.map(|(number, _)| number), expected);
    }
}
