//! Buffers: where samples wait for a program.
//!
//! Follows the buffer half of `drivers/iio/industrialio-buffer.c` and
//! `drivers/iio/buffer/kfifo_buf.c`. What enables and disables them is in
//! `update`, their attributes in `buffer_attributes`.

use core::fmt;
use core::sync::atomic::Ordering;

use lastfd_model::raw::{
    Action, Attribute, Device, ReleaseId, devm_add_action_or_reset, devres_add, devres_alloc,
};
use lastfd_model::{Errno, Result};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{Arc, Mutex, MutexGuard, WaitQueue};

use super::buffer_attributes;
use super::device::IioDev;
use super::files::IioHandler;
use super::info::IioBufferSetupOps;
use super::pollfunc::{IioPollFunc, PollHandler};
use crate::kfifo::{KMALLOC_MAX_SIZE, Kfifo, Peeked};
use crate::layout::{Demux, ScanMask};
use crate::types::Modes;

/// Which way the samples go (`enum iio_buffer_direction`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the device to the program.
    #[default]
    In,
    /// From the program to the device.
    Out,
}

/// What a buffer can do (`struct iio_buffer_access_funcs`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A FIFO of samples (`kfifo_access_funcs`): software and triggered modes.
    Kfifo,
    /// Nothing: it has attributes, and a scan, but no mode lets it be enabled
    /// (`EINVAL`), and it can be neither read nor written (`EINVAL`).
    Inert,
}

impl Access {
    pub(crate) fn modes(self) -> Modes {
        match self {
            Access::Kfifo => Modes::BUFFER_SOFTWARE | Modes::BUFFER_TRIGGERED,
            Access::Inert => Modes::NONE,
        }
    }
}

/// Which of the standard attributes a buffer shows beside `length`, `enable` and
/// `watermark`.
///
/// Linux 6.12 shows both, always. Older kernels had neither or the first alone;
/// a device that is to look as on one of them says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandardAttributes {
    /// `data_available`.
    pub data_available: bool,
    /// `direction`.
    pub direction: bool,
}

impl Default for StandardAttributes {
    fn default() -> StandardAttributes {
        StandardAttributes {
            data_available: true,
            direction: true,
        }
    }
}

/// A buffer (`struct iio_buffer`). A clone is another reference on it.
#[derive(Clone)]
pub struct IioBuffer(Arc<BufferInner>);

struct BufferInner {
    access: Access,
    direction: Direction,
    standard: StandardAttributes,
    attrs: Vec<Attribute>,
    /// Woken when samples came, when the buffer was disabled, and at unregister.
    pollq: Arc<WaitQueue>,
    /// IIO_BUSY_BIT_POS: a descriptor of its own is open.
    busy: AtomicBool,
    state: Mutex<BufferState>,
}

/// What of a buffer changes.
pub(crate) struct BufferState {
    pub(crate) length: u32,
    pub(crate) watermark: u32,
    pub(crate) bytes_per_datum: usize,
    pub(crate) scan_mask: ScanMask,
    pub(crate) scan_timestamp: bool,
    pub(crate) demux: Demux,
    /// On the device's list: enabled.
    pub(crate) active: bool,
    bounce: Vec<u8>,
    fifo: Kfifo,
    update_needed: bool,
    /// A read has samples set aside: the kernel's user_lock.
    reading: bool,
    /// Another read waits for that one to end.
    contended: bool,
}

impl PartialEq for IioBuffer {
    fn eq(&self, other: &IioBuffer) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for IioBuffer {}

impl fmt::Debug for IioBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IioBuffer")
            .field("access", &self.0.access)
            .field("direction", &self.0.direction)
            .finish_non_exhaustive()
    }
}

/// Makes a FIFO for two samples (`iio_kfifo_allocate`).
pub fn iio_kfifo_allocate() -> IioBuffer {
    IioBuffer::new(Access::Kfifo, Direction::In, Vec::new())
}

impl IioBuffer {
    /// A buffer with attributes of the driver's own beside the standard ones.
    pub fn new(access: Access, direction: Direction, attrs: Vec<Attribute>) -> IioBuffer {
        IioBuffer::with_standard(access, direction, attrs, StandardAttributes::default())
    }

    /// As [`IioBuffer::new`], with a choice of the standard attributes.
    pub fn with_standard(
        access: Access,
        direction: Direction,
        attrs: Vec<Attribute>,
        standard: StandardAttributes,
    ) -> IioBuffer {
        IioBuffer(Arc::new(BufferInner {
            access,
            direction,
            standard,
            attrs,
            pollq: Arc::new(WaitQueue::new()),
            busy: AtomicBool::new(false),
            state: Mutex::new(BufferState {
                length: 2,
                watermark: 1,
                bytes_per_datum: 0,
                scan_mask: ScanMask::new(),
                scan_timestamp: false,
                demux: Demux::default(),
                active: false,
                bounce: Vec::new(),
                fifo: Kfifo::new(),
                update_needed: true,
                reading: false,
                contended: false,
            }),
        }))
    }

    /// What it can do.
    pub fn access(&self) -> Access {
        self.0.access
    }

    /// Which way its samples go.
    pub fn direction(&self) -> Direction {
        self.0.direction
    }

    pub(crate) fn standard(&self) -> StandardAttributes {
        self.0.standard
    }

    pub(crate) fn attrs(&self) -> &[Attribute] {
        &self.0.attrs
    }

    /// Where readers and pollers of it wait.
    pub fn pollq(&self) -> &Arc<WaitQueue> {
        &self.0.pollq
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, BufferState> {
        self.0.state.lock()
    }

    /// Whether it is enabled (`iio_buffer_is_active`).
    pub fn is_active(&self) -> bool {
        self.state().active
    }

    /// The elements asked for.
    pub fn scan_mask(&self) -> ScanMask {
        self.state().scan_mask.clone()
    }

    /// Bytes of one of its samples; 0 before it was ever enabled.
    pub fn bytes_per_datum(&self) -> usize {
        self.state().bytes_per_datum
    }

    /// Samples it holds (`iio_buffer_data_available`).
    pub fn data_available(&self) -> usize {
        self.state().fifo.len() as usize
    }

    /// Whether there is room for a sample. A buffer that is not a FIFO says so
    /// always, as one without the callback.
    pub fn has_space(&self) -> bool {
        match self.0.access {
            Access::Kfifo => self.state().fifo.has_space(),
            Access::Inert => true,
        }
    }

    /// Samples a reader or poller waits for.
    pub fn watermark(&self) -> u32 {
        self.state().watermark
    }

    pub(crate) fn take_busy(&self) -> bool {
        !self.0.busy.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn clear_busy(&self) {
        self.0.busy.store(false, Ordering::Release);
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.0.busy.load(Ordering::Acquire)
    }

    /// A shorter buffer than two samples cannot be.
    // kfifo_buf.c: iio_set_length_kfifo
    pub(crate) fn set_length(state: &mut BufferState, length: u32) {
        let length = length.max(2);
        if state.length != length {
            state.length = length;
            state.update_needed = true;
        }
    }

    // kfifo_buf.c: iio_set_bytes_per_datum_kfifo
    pub(crate) fn set_bytes_per_datum(&self, bytes: usize) {
        let mut state = self.state();
        if state.bytes_per_datum != bytes {
            state.bytes_per_datum = bytes;
            state.update_needed = true;
        }
    }

    /// Makes room for what is to come; what it held is lost.
    // kfifo_buf.c: iio_request_update_kfifo
    pub(crate) fn request_update(&self) -> Result {
        if self.0.access != Access::Kfifo {
            return Ok(());
        }
        let mut state = self.state();
        if state.update_needed {
            let (bytes, length) = (state.bytes_per_datum, state.length);
            state.fifo.allocate(bytes, length)?;
            state.update_needed = false;
        } else {
            state.fifo.reset_out();
        }
        Ok(())
    }

    /// Puts one scan of the device in, cut to this buffer's elements. `EBUSY`
    /// when it is full; then the sample is lost.
    // industrialio-buffer.c: iio_push_to_buffer
    pub(crate) fn push(&self, scan: &[u8]) -> Result {
        {
            let mut state = self.state();
            let BufferState {
                demux,
                bounce,
                fifo,
                ..
            } = &mut *state;
            if !fifo.push(demux.apply(scan, bounce)) {
                return Err(Errno::EBUSY);
            }
        }
        self.0.pollq.wake_all();
        Ok(())
    }

    /// Sets samples aside for a read of `bytes`.
    // kfifo_buf.c: iio_read_kfifo
    pub(crate) fn begin_read(&self, bytes: usize) -> BeginRead {
        let mut state = self.state();
        if state.reading {
            state.contended = true;
            return BeginRead::Busy;
        }
        if !state.fifo.is_initialized() || bytes < state.fifo.element_size() {
            return BeginRead::Invalid;
        }
        let (data, peeked) = state.fifo.peek(bytes);
        if data.is_empty() {
            return BeginRead::Empty;
        }
        state.reading = true;
        BeginRead::Samples(Samples {
            data,
            peeked,
            buffer: self.clone(),
        })
    }
}

/// What becomes of a read.
pub(crate) enum BeginRead {
    /// Samples, set aside.
    Samples(Samples),
    /// There are none.
    Empty,
    /// Another read is under way.
    Busy,
    /// Not even one sample fits.
    Invalid,
}

/// Samples set aside; dropped, they stay in the buffer.
pub(crate) struct Samples {
    pub(crate) data: Vec<u8>,
    peeked: Peeked,
    buffer: IioBuffer,
}

impl Samples {
    /// They were delivered: the buffer forgets them.
    pub(crate) fn commit(self) {
        self.buffer.state().fifo.take(self.peeked);
    }
}

impl Drop for Samples {
    fn drop(&mut self) {
        let waited_for = {
            let mut state = self.buffer.state();
            state.reading = false;
            core::mem::take(&mut state.contended)
        };
        if waited_for {
            self.buffer.0.pollq.wake_all();
        }
    }
}

/// Attaches a buffer (`iio_device_attach_buffer`), which keeps it until the
/// device is released.
pub fn iio_device_attach_buffer(iio: &IioDev, buffer: &IioBuffer) -> Result {
    iio.system().allocation()?;
    iio.state().attached.push(buffer.clone());
    Ok(())
}

/// Which release function frees a FIFO.
const KFIFO_RELEASE: ReleaseId = ReleaseId(0x6969_6f5f_6b66_6966);

/// Gives the device a FIFO that its driver fills by itself
/// (`devm_iio_kfifo_buffer_setup`).
pub fn devm_iio_kfifo_buffer_setup(
    dev: &Device,
    iio: &IioDev,
    setup_ops: IioBufferSetupOps,
) -> Result {
    devm_iio_kfifo_buffer_setup_ext(dev, iio, setup_ops, iio_kfifo_allocate())
}

/// As [`devm_iio_kfifo_buffer_setup`], with the buffer given, so that it may have
/// attributes of the driver's own.
// kfifo_buf.c: devm_iio_kfifo_buffer_setup_ext
pub fn devm_iio_kfifo_buffer_setup_ext(
    dev: &Device,
    iio: &IioDev,
    setup_ops: IioBufferSetupOps,
    buffer: IioBuffer,
) -> Result {
    let system = dev.system();
    let owned = Box::new(buffer.clone());
    let devres = devres_alloc(&system, KFIFO_RELEASE, owned, |_, _| {})?;
    system.allocation()?;
    devres_add(dev, devres);
    iio.add_modes(Modes::BUFFER_SOFTWARE);
    iio.set_setup_ops(setup_ops);
    iio_device_attach_buffer(iio, &buffer)
}

/// Gives the device a FIFO that a trigger fills
/// (`iio_triggered_buffer_setup_ext`): `top` runs when the trigger fires, and if
/// it says so `thread` after it.
///
/// `EADDRINUSE` (98) if the device has a buffer already.
pub fn iio_triggered_buffer_setup_ext(
    iio: &IioDev,
    top: Option<PollHandler>,
    thread: Option<PollHandler>,
    setup_ops: IioBufferSetupOps,
    buffer: IioBuffer,
) -> Result {
    if !iio.state().attached.is_empty() {
        return Err(Errno::from_code(98));
    }
    let system = iio.system();
    system.allocation()?;
    system.allocation()?;
    let name = format!("{}_consumer{}", iio.name().unwrap_or_default(), iio.id());
    let pollfunc = IioPollFunc::new(iio, name, top, thread);
    iio.state().pollfunc = Some(pollfunc);
    iio.set_setup_ops(setup_ops);
    iio.add_modes(Modes::BUFFER_TRIGGERED);
    iio_device_attach_buffer(iio, &buffer).inspect_err(|_| {
        iio.state().pollfunc = None;
    })
}

/// Takes back what [`iio_triggered_buffer_setup_ext`] gave.
pub fn iio_triggered_buffer_cleanup(iio: &IioDev) {
    // The buffer itself stays with the device until that is released.
    let pollfunc = iio.state().pollfunc.take();
    drop(pollfunc);
}

/// [`iio_triggered_buffer_setup_ext`] with a FIFO, taken back when the driver of
/// `dev` is unbound (`devm_iio_triggered_buffer_setup`).
pub fn devm_iio_triggered_buffer_setup(
    dev: &Device,
    iio: &IioDev,
    top: Option<PollHandler>,
    thread: Option<PollHandler>,
    setup_ops: IioBufferSetupOps,
) -> Result {
    devm_iio_triggered_buffer_setup_ext(dev, iio, top, thread, setup_ops, iio_kfifo_allocate())
}

/// As [`devm_iio_triggered_buffer_setup`], with the buffer given.
pub fn devm_iio_triggered_buffer_setup_ext(
    dev: &Device,
    iio: &IioDev,
    top: Option<PollHandler>,
    thread: Option<PollHandler>,
    setup_ops: IioBufferSetupOps,
    buffer: IioBuffer,
) -> Result {
    iio_triggered_buffer_setup_ext(iio, top, thread, setup_ops, buffer)?;
    let owner = iio.clone();
    devm_add_action_or_reset(
        dev,
        Action::new(move || iio_triggered_buffer_cleanup(&owner))
            .named("iio_triggered_buffer_cleanup"),
    )
}

/// Makes the buffers' attributes and lets ioctls reach them.
// industrialio-buffer.c: iio_buffers_alloc_sysfs_and_mask
pub(crate) fn alloc_sysfs_and_mask(iio: &IioDev) -> Result {
    let buffers = iio.state().attached.clone();
    if buffers.is_empty() {
        return Ok(());
    }
    let channels = iio.channels();
    for channel in channels.iter().filter(|channel| channel.scan_index >= 0) {
        channel.scan_type.validate().inspect_err(|_| {
            crate::event::message(
                iio.dev(),
                format!("Channel {} does not fit its storage", channel.scan_index),
            );
        })?;
    }
    let bits = channels.iter().map(|channel| channel.scan_index).max();
    if bits.is_some_and(|last| i64::from(last) >= 8 * KMALLOC_MAX_SIZE as i64) {
        // The kernel asks for the whole mask in one piece.
        return Err(Errno::ENOMEM);
    }
    for (index, buffer) in buffers.iter().enumerate() {
        buffer_attributes::register(iio, buffer, index)?;
    }
    iio.system().allocation()?;
    iio.state().ioctl_handlers.push(IioHandler::Buffer);
    Ok(())
}

/// Takes the buffers out of reach of ioctls, and forgets what they were to scan.
// industrialio-buffer.c: iio_buffers_free_sysfs_and_mask
pub(crate) fn free_sysfs_and_mask(iio: &IioDev) {
    let buffers = {
        let mut state = iio.state();
        state
            .ioctl_handlers
            .retain(|handler| *handler != IioHandler::Buffer);
        state.attached.clone()
    };
    for buffer in buffers.iter().rev() {
        buffer.state().scan_mask = ScanMask::new();
    }
}

/// Wakes whoever waits for a buffer; tells how many wakers there were.
// industrialio-buffer.c: iio_buffer_wakeup_poll
pub(crate) fn wakeup_poll(iio: &IioDev) -> usize {
    let buffers = iio.state().attached.clone();
    buffers
        .iter()
        .map(|buffer| {
            let waiters = buffer.pollq().len();
            buffer.pollq().wake_all();
            waiters
        })
        .sum()
}
