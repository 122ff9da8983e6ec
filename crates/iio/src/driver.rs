//! The typed face: what drivers are written against.
//!
//! A thin layer over [`raw`](crate::raw). A device is described to a [`Builder`],
//! made on the bound device that is to be its parent; registering consumes the
//! builder, so nothing can be changed or added once programs can see it. What
//! the driver manages goes on the parent, before the registration, and so ends
//! after it. The IIO device itself takes no managed resources: the kernel frees
//! those before it stops the buffers.

use core::fmt;
use core::ops::Deref;

use lastfd_model::Result;
use lastfd_model::typed::{Bound, Device, Framework};
use lastfd_model::{Errno, System};
use lastfd_sync::Arc;

use crate::channel::{ChannelSpec, EventSpec};
use crate::layout::ScanMask;
use crate::raw::{self, IioBuffer, IioBufferSetupOps, IioDev, IioInfo, IioTrigger, RegAccess};
use crate::types::{EventInfo, Info, Modes};
use crate::value::{Available, Format, Value};

/// What a driver answers. The value is the driver's own data.
///
/// The callbacks may run on several tasks at once. A default answers as the
/// kernel does for a callback that is not there.
///
/// ```
/// use lastfd_iio::{Builder, ChannelSpec, Driver, Iio, Info, InfoMask, ScanType, Value};
/// use lastfd_model::typed::{self, Bound, Device, PlatformDevice, PlatformDriver};
/// use lastfd_model::{Errno, Result, System};
///
/// /// A thermometer that is always at 21 degrees.
/// struct Thermometer;
///
/// impl Driver for Thermometer {
///     fn read_raw(&self, _: &Iio, _: &ChannelSpec, what: Info) -> Result<Value> {
///         match what {
///             Info::Raw => Ok(Value::Int(21)),
///             Info::Scale => Ok(Value::Int(1000)),
///             _ => Err(Errno::EINVAL),
///         }
///     }
/// }
///
/// struct Probe;
///
/// impl typed::Driver for Probe {
///     type Info = ();
///     fn probe(device: &Device<Bound>, _: &()) -> Result<Probe> {
///         Builder::new(device, "thermometer")?
///             .channel(ChannelSpec {
///                 type_: lastfd_iio::ChanType::Temp,
///                 info_mask_separate: InfoMask::of(&[Info::Raw, Info::Scale]),
///                 ..ChannelSpec::default()
///             })
///             .register(Thermometer)?;
///         Ok(Probe)
///     }
/// }
///
/// let system = System::new();
/// let driver = PlatformDriver::<Probe>::register(&system, "thermometer").unwrap();
/// let device = PlatformDevice::register(&system, "thermometer", ()).unwrap();
/// let iio = system.find_bus("iio").unwrap().find_device("iio:device0").unwrap();
/// assert_eq!(lastfd_model::raw::attr_read(&iio, "in_temp_raw").unwrap(), b"21\n");
/// drop(iio);
/// device.unregister();
/// drop(driver);
/// ```
pub trait Driver: Send + Sync + 'static {
    /// Reads an information element of a channel.
    fn read_raw(&self, iio: &Iio, channel: &ChannelSpec, what: Info) -> Result<Value> {
        let _ = (iio, channel, what);
        Err(Errno::EINVAL)
    }

    /// Writes an information element: whole part and fraction, as
    /// [`write_format`](Driver::write_format) says.
    fn write_raw(
        &self,
        iio: &Iio,
        channel: &ChannelSpec,
        whole: i32,
        fract: i32,
        what: Info,
    ) -> Result {
        let _ = (iio, channel, whole, fract, what);
        Err(Errno::EINVAL)
    }

    /// How a write is to be read.
    fn write_format(&self, channel: &ChannelSpec, what: Info) -> Format {
        let _ = (channel, what);
        Format::default()
    }

    /// What values there are.
    fn available(&self, iio: &Iio, channel: &ChannelSpec, what: Info) -> Result<Available> {
        let _ = (iio, channel, what);
        Err(Errno::EINVAL)
    }

    /// A channel's label, asked for after [`Builder::labels`].
    fn label(&self, channel: &ChannelSpec) -> Result<String> {
        let _ = channel;
        Err(Errno::EINVAL)
    }

    /// Reads a register for debugfs, asked for after [`Builder::registers`].
    fn read_register(&self, register: u32) -> Result<u32> {
        let _ = register;
        Err(Errno::EINVAL)
    }

    /// Writes a register for debugfs, asked for after [`Builder::registers`].
    fn write_register(&self, register: u32, value: u32) -> Result {
        let _ = (register, value);
        Err(Errno::EINVAL)
    }

    /// Whether an event is enabled.
    fn event_enabled(&self, channel: &ChannelSpec, event: &EventSpec) -> Result<bool> {
        let _ = (channel, event);
        Err(Errno::EINVAL)
    }

    /// Enables or disables an event.
    fn enable_event(&self, channel: &ChannelSpec, event: &EventSpec, on: bool) -> Result {
        let _ = (channel, event, on);
        Err(Errno::EINVAL)
    }

    /// Reads an element of an event.
    fn event_value(
        &self,
        channel: &ChannelSpec,
        event: &EventSpec,
        what: EventInfo,
    ) -> Result<Value> {
        let _ = (channel, event, what);
        Err(Errno::EINVAL)
    }

    /// Writes an element of an event: whole part and millionths.
    fn set_event_value(
        &self,
        channel: &ChannelSpec,
        event: &EventSpec,
        what: EventInfo,
        whole: i32,
        micro: i32,
    ) -> Result {
        let _ = (channel, event, what, whole, micro);
        Err(Errno::EINVAL)
    }

    /// Refuses a trigger.
    fn validate_trigger(&self, iio: &Iio, trigger: &IioTrigger) -> Result {
        let _ = (iio, trigger);
        Ok(())
    }

    /// Told which elements the next scans have.
    fn update_scan_mode(&self, iio: &Iio, mask: &ScanMask) -> Result {
        let _ = (iio, mask);
        Ok(())
    }

    /// Before a buffer is enabled.
    fn preenable(&self, iio: &Iio) -> Result {
        let _ = iio;
        Ok(())
    }

    /// A buffer was enabled: samples are wanted from now on.
    fn postenable(&self, iio: &Iio) -> Result {
        let _ = iio;
        Ok(())
    }

    /// A buffer is about to be disabled: no sample is wanted any more. An error
    /// does not stop it.
    fn predisable(&self, iio: &Iio) -> Result {
        let _ = iio;
        Ok(())
    }

    /// After a buffer was disabled.
    fn postdisable(&self, iio: &Iio) -> Result {
        let _ = iio;
        Ok(())
    }

    /// The trigger fired at `timestamp` (nanoseconds): a sample is wanted. Called
    /// after [`Builder::triggered_buffer`].
    fn triggered(&self, iio: &Iio, timestamp: i64) {
        let _ = (iio, timestamp);
    }

    /// Told at how many samples the hardware is to interrupt.
    fn set_hwfifo_watermark(&self, iio: &Iio, samples: u32) {
        let _ = (iio, samples);
    }

    /// Moves up to so many samples from the hardware's FIFO to the buffer, and
    /// tells how many.
    fn flush_hwfifo(&self, iio: &Iio, samples: usize) -> Result<usize> {
        let _ = (iio, samples);
        Ok(0)
    }
}

/// An IIO device, lent to its driver.
pub struct Iio(IioDev);

impl fmt::Debug for Iio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Iio {
    /// Lends a device of the raw face.
    pub fn from_raw(iio: &IioDev) -> Iio {
        Iio(iio.clone())
    }

    /// The raw face's handle, on which everything can be done, wrong things
    /// included.
    pub fn raw(&self) -> &IioDev {
        &self.0
    }

    /// Its device in the model. It takes no managed resources.
    pub fn device(&self) -> Device<Framework> {
        Device::of_framework(self.0.dev())
    }

    /// The System it is in.
    pub fn system(&self) -> System {
        self.0.system()
    }

    /// Takes a reference that is dropped with the returned value.
    #[track_caller]
    pub fn get(&self) -> IioRef {
        raw::iio_device_get(&self.0);
        IioRef(Iio(self.0.clone()))
    }

    /// Keeps the device out of buffer mode while the claim lives: `EBUSY` if a
    /// buffer is enabled.
    #[track_caller]
    pub fn claim_direct_mode(&self) -> Result<raw::DirectMode<'_>> {
        raw::iio_device_claim_direct_mode(&self.0)
    }

    /// The time for samples and events, in nanoseconds.
    pub fn time_ns(&self) -> i64 {
        raw::iio_get_time_ns(&self.0)
    }

    /// The elements of the scan being taken; empty while none is.
    pub fn active_scan_mask(&self) -> ScanMask {
        self.0.active_scan_mask().unwrap_or_default()
    }

    /// Bytes of one scan.
    pub fn scan_bytes(&self) -> usize {
        self.0.scan_bytes()
    }

    /// Gives a scan to the buffers, its time stamp written into it first if one
    /// is wanted. `EBUSY` if a buffer was full: the sample is lost.
    pub fn push(&self, scan: &mut [u8], timestamp: i64) -> Result {
        raw::iio_push_to_buffers_with_timestamp(&self.0, scan, timestamp)
    }

    /// Tells user space of an event.
    pub fn push_event(&self, code: u64, timestamp: i64) {
        // It never fails.
        let _ = raw::iio_push_event(&self.0, code, timestamp);
    }
}

/// A counted reference on an IIO device: dropping it drops one.
pub struct IioRef(Iio);

impl Clone for IioRef {
    #[track_caller]
    fn clone(&self) -> IioRef {
        self.0.get()
    }
}

impl Deref for IioRef {
    type Target = Iio;

    fn deref(&self) -> &Iio {
        &self.0
    }
}

impl Drop for IioRef {
    fn drop(&mut self) {
        raw::iio_device_put(&self.0.0);
    }
}

impl fmt::Debug for IioRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IioRef").field(&self.0).finish()
    }
}

/// Describes a device before it is registered.
///
/// It is made on the bound device that is to be the parent, which manages all of
/// it. See [`Driver`] for an example.
#[must_use = "a device that is not registered is not seen by anybody"]
#[derive(Debug)]
pub struct Builder<'a> {
    parent: &'a Device<Bound>,
    iio: Iio,
    channels: Vec<ChannelSpec>,
    labels: bool,
    registers: bool,
    software: bool,
    triggered: bool,
    buffer: Option<IioBuffer>,
}

impl<'a> Builder<'a> {
    /// Allocates the device. `ENOMEM`.
    #[track_caller]
    pub fn new(parent: &'a Device<Bound>, name: &str) -> Result<Builder<'a>> {
        let iio = raw::devm_iio_device_alloc(parent.raw())?;
        iio.set_name(name);
        iio.set_modes(Modes::DIRECT);
        Ok(Builder {
            parent,
            iio: Iio(iio),
            channels: Vec::new(),
            labels: false,
            registers: false,
            software: false,
            triggered: false,
            buffer: None,
        })
    }

    /// The device being made.
    pub fn iio(&self) -> &Iio {
        &self.iio
    }

    /// What the device is told apart by from others of its name.
    pub fn label(self, label: &str) -> Self {
        self.iio.0.set_label(label);
        self
    }

    /// Adds a channel.
    pub fn channel(mut self, channel: ChannelSpec) -> Self {
        self.channels.push(channel);
        self
    }

    /// Adds channels.
    pub fn channels(mut self, channels: impl IntoIterator<Item = ChannelSpec>) -> Self {
        self.channels.extend(channels);
        self
    }

    /// The scans the hardware can do, best first.
    pub fn scan_masks(self, masks: impl IntoIterator<Item = ScanMask>) -> Self {
        let masks: Vec<ScanMask> = masks.into_iter().collect();
        self.iio.0.set_available_scan_masks(masks);
        self
    }

    /// Every channel has a label.
    pub fn labels(mut self) -> Self {
        self.labels = true;
        self
    }

    /// The registers can be reached through debugfs.
    pub fn registers(mut self) -> Self {
        self.registers = true;
        self
    }

    /// The driver fills a buffer by itself, between
    /// [`postenable`](Driver::postenable) and [`predisable`](Driver::predisable).
    pub fn software_buffer(mut self) -> Self {
        self.software = true;
        self
    }

    /// A trigger makes the driver fill a buffer, by
    /// [`triggered`](Driver::triggered). With a software buffer as well, the
    /// trigger is used if one is chosen.
    pub fn triggered_buffer(mut self) -> Self {
        self.triggered = true;
        self
    }

    /// The buffer to use in place of a plain FIFO.
    pub fn buffer(mut self, buffer: IioBuffer) -> Self {
        self.buffer = Some(buffer);
        self
    }

    /// Registers the device, until the parent's driver is unbound. Errors as of
    /// [`iio_device_register`](raw::iio_device_register), and then nothing is
    /// left.
    #[track_caller]
    pub fn register<D: Driver>(self, driver: D) -> Result<Registered<D>> {
        let driver = Arc::new(driver);
        let iio = &self.iio.0;
        let parent = self.parent.raw();
        iio.set_channels(self.channels);
        iio.set_info(info(&driver, self.labels, self.registers));
        let buffer = self.buffer;
        if self.triggered {
            raw::devm_iio_triggered_buffer_setup_ext(
                parent,
                iio,
                Some(Arc::new(raw::iio_pollfunc_store_time)),
                Some(poll_handler(&driver)),
                setup_ops(&driver),
                buffer.unwrap_or_else(raw::iio_kfifo_allocate),
            )?;
            if self.software {
                iio.add_modes(Modes::BUFFER_SOFTWARE);
            }
        } else if self.software {
            raw::devm_iio_kfifo_buffer_setup_ext(
                parent,
                iio,
                setup_ops(&driver),
                buffer.unwrap_or_else(raw::iio_kfifo_allocate),
            )?;
        } else if let Some(buffer) = buffer {
            iio.set_setup_ops(setup_ops(&driver));
            raw::iio_device_attach_buffer(iio, &buffer)?;
        }
        raw::devm_iio_device_register(parent, iio)?;
        Ok(Registered {
            iio: self.iio,
            driver,
        })
    }
}

/// A registered device and its driver. Dropping it unregisters nothing: the
/// parent does, when its driver is unbound.
pub struct Registered<D> {
    iio: Iio,
    driver: Arc<D>,
}

impl<D> Registered<D> {
    /// The device.
    pub fn iio(&self) -> &Iio {
        &self.iio
    }

    /// The driver.
    pub fn driver(&self) -> &Arc<D> {
        &self.driver
    }
}

impl<D> fmt::Debug for Registered<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registered").field(&self.iio).finish()
    }
}

/// A trigger that fires `hertz` times a second while a device listens to it,
/// until the driver of `parent` is unbound. `EEXIST` if the name is taken.
#[track_caller]
pub fn timer_trigger(
    parent: &Device<Bound>,
    name: &str,
    hertz: u32,
    format: raw::FrequencyFormat,
) -> Result<IioTrigger> {
    raw::devm_iio_timer_trigger_register(parent.raw(), name, hertz, format)
}

/// Passes a callback on to the driver.
macro_rules! pass {
    ($driver:expr, |$d:ident $(, $arg:ident)*| $body:expr) => {{
        let $d = Arc::clone($driver);
        Some(Arc::new(move |$($arg: &_),*| $body))
    }};
}

fn info<D: Driver>(driver: &Arc<D>, labels: bool, registers: bool) -> IioInfo {
    let event = |channel: &ChannelSpec, type_, dir| {
        let specs = channel.event_spec.iter();
        let mut fitting = specs.filter(|spec| spec.type_ == type_ && spec.dir == dir);
        fitting.next().copied().ok_or(Errno::EINVAL)
    };
    let d = || Arc::clone(driver);
    let (read, write, format, available) = (d(), d(), d(), d());
    let (config, set_config, value, set_value) = (d(), d(), d(), d());
    let (trigger, scan_mode, watermark, flush) = (d(), d(), d(), d());
    let (label, register) = (d(), d());
    IioInfo {
        attrs: Vec::new(),
        event_attrs: Vec::new(),
        read_raw: Some(Arc::new(move |iio, channel, what| {
            read.read_raw(&Iio::from_raw(iio), channel, what)
        })),
        write_raw: Some(Arc::new(move |iio, channel, whole, fract, what| {
            write.write_raw(&Iio::from_raw(iio), channel, whole, fract, what)
        })),
        read_avail: Some(Arc::new(move |iio, channel, what| {
            available.available(&Iio::from_raw(iio), channel, what)
        })),
        write_raw_get_fmt: Some(Arc::new(move |_, channel, what| {
            format.write_format(channel, what)
        })),
        read_label: if labels {
            Some(Arc::new(move |_, channel| label.label(channel)))
        } else {
            None
        },
        read_event_config: Some(Arc::new(move |_, channel, type_, dir| {
            let spec = event(channel, type_, dir)?;
            config.event_enabled(channel, &spec).map(i32::from)
        })),
        write_event_config: Some(Arc::new(move |_, channel, type_, dir, on| {
            set_config.enable_event(channel, &event(channel, type_, dir)?, on)
        })),
        read_event_value: Some(Arc::new(move |_, channel, type_, dir, what| {
            value.event_value(channel, &event(channel, type_, dir)?, what)
        })),
        write_event_value: Some(Arc::new(
            move |_, channel, type_, dir, what, whole, micro| {
                let spec = event(channel, type_, dir)?;
                set_value.set_event_value(channel, &spec, what, whole, micro)
            },
        )),
        read_event_label: None,
        validate_trigger: Some(Arc::new(move |iio, chosen| {
            trigger.validate_trigger(&Iio::from_raw(iio), chosen)
        })),
        update_scan_mode: Some(Arc::new(move |iio, mask| {
            scan_mode.update_scan_mode(&Iio::from_raw(iio), mask)
        })),
        debugfs_reg_access: if registers {
            Some(Arc::new(move |_, at, access| match access {
                RegAccess::Read => register.read_register(at),
                RegAccess::Write(value) => register.write_register(at, value).map(|()| 0),
            }))
        } else {
            None
        },
        hwfifo_set_watermark: Some(Arc::new(move |iio, samples| {
            watermark.set_hwfifo_watermark(&Iio::from_raw(iio), samples);
            Ok(())
        })),
        hwfifo_flush_to_buffer: Some(Arc::new(move |iio, samples| {
            flush.flush_hwfifo(&Iio::from_raw(iio), samples)
        })),
    }
}

fn setup_ops<D: Driver>(driver: &Arc<D>) -> IioBufferSetupOps {
    let lend = Iio::from_raw;
    IioBufferSetupOps {
        preenable: pass!(driver, |d, iio| d.preenable(&lend(iio))),
        postenable: pass!(driver, |d, iio| d.postenable(&lend(iio))),
        predisable: pass!(driver, |d, iio| d.predisable(&lend(iio))),
        postdisable: pass!(driver, |d, iio| d.postdisable(&lend(iio))),
        validate_scan_mask: None,
    }
}

/// The second handler of the poll function, which always says when it is done.
fn poll_handler<D: Driver>(driver: &Arc<D>) -> raw::PollHandler {
    let driver = Arc::clone(driver);
    Arc::new(move |iio, pollfunc| {
        driver.triggered(&Iio::from_raw(iio), pollfunc.timestamp());
        if let Some(trigger) = iio.trigger() {
            raw::iio_trigger_notify_done(&trigger);
        }
        raw::IrqReturn::Handled
    })
}
