//! The typed face: what drivers are written against.
//!
//! A thin layer over [`raw`](crate::raw). A device is described to a [`Builder`](crate::Builder),
//! made on the bound device that is to be its parent; registering consumes the
//! builder, so nothing can be changed or added once programs can see it. What
//! the driver manages goes on the parent, before the registration, and so ends
//! after it. The IIO device itself takes no managed resources: the kernel frees
//! those before it stops the buffers.

use core::fmt;
use core::ops::Deref;

use lastfd_model::typed::{Device, Framework};
use lastfd_model::{Errno, Result, System};

use crate::channel::{ChannelSpec, EventSpec};
use crate::layout::ScanMask;
use crate::raw::{self, IioDev, IioTrigger};
use crate::types::{EventInfo, Info};
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

    /// A channel's label, asked for after [`Builder::labels`](crate::Builder::labels).
    fn label(&self, channel: &ChannelSpec) -> Result<String> {
        let _ = channel;
        Err(Errno::EINVAL)
    }

    /// Reads a register for debugfs, asked for after [`Builder::registers`](crate::Builder::registers).
    fn read_register(&self, register: u32) -> Result<u32> {
        let _ = register;
        Err(Errno::EINVAL)
    }

    /// Writes a register for debugfs, asked for after [`Builder::registers`](crate::Builder::registers).
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
    /// after [`Builder::triggered_buffer`](crate::Builder::triggered_buffer).
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
pub struct Iio(pub(crate) IioDev);

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
