//! Describing a device and registering it.

use core::fmt;

use lastfd_model::typed::{Bound, Device};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use crate::channel::ChannelSpec;
use crate::driver::{Driver, Iio};
use crate::layout::ScanMask;
use crate::raw::{self, IioBuffer, IioBufferSetupOps, IioInfo, IioTrigger, RegAccess};
use crate::types::Modes;

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
