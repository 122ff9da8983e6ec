//! An IIO driver, in simulated time.

use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_iio::raw::*;
use lastfd_iio::*;
use lastfd_model::raw::*;
use lastfd_model::resource::Regs;
use lastfd_model::{Result, System};
use lastfd_sync::{Arc, Mutex};

use crate::{DriverSpec, new_system};

/// A platform device on which a driver made an IIO device.
pub type Rig = crate::Rig<IioDev>;

impl crate::Rig<IioDev> {
    /// Plugs the device in, in a System of its own; the probe does as told.
    pub fn new(setup: impl Fn(&Device) -> Result<IioDev> + Send + Sync + 'static) -> Rig {
        Rig::on(&new_system(), setup).expect("a new System has room for it")
    }

    /// Plugs the device into this System.
    ///
    /// # Errors
    /// What [`plug`](crate::Rig::plug) gives.
    pub fn on(
        system: &System,
        setup: impl Fn(&Device) -> Result<IioDev> + Send + Sync + 'static,
    ) -> Result<Rig> {
        let spec = DriverSpec {
            name: "dummy",
            id: PlatformId::Id(0),
            probe: Box::new(setup),
            remove: None,
        };
        Rig::plug(system, spec)
    }

    /// A [`dummy`] whose buffer is enabled and whose trigger is silent.
    pub fn buffering() -> Rig {
        let rig = Rig::new(dummy);
        rig.enable_buffer().expect("a dummy has a buffer");
        rig
    }

    /// Enables the buffer of a [`dummy`], with its silent trigger.
    ///
    /// # Errors
    /// What writing the attributes gives.
    pub fn enable_buffer(&self) -> Result {
        self.write("trigger/current_trigger", "silent")?;
        self.write("scan_elements/in_voltage0_en", "1")?;
        self.write("buffer/enable", "1")?;
        Ok(())
    }

    /// Makes the trigger of a [`dummy`] fire once.
    pub fn fire(&self) {
        iio_trigger_poll(&self.iio().trigger().expect("a trigger is chosen"));
    }

    /// The IIO device its latest probe made.
    pub fn iio(&self) -> IioDev {
        self.made().expect("the probe made a device")
    }

    /// Opens the IIO device's node.
    ///
    /// # Errors
    /// As `open(2)`.
    pub fn open(&self, flags: OpenFlags) -> Result<OpenFile> {
        open(&self.system, &self.path(), flags)
    }

    /// The path of the IIO device's node.
    pub fn path(&self) -> String {
        format!("/dev/{}", self.iio().dev().name())
    }

    /// Reads an attribute of the IIO device, without its newline.
    ///
    /// # Errors
    /// What the attribute gives.
    pub fn read(&self, path: &str) -> Result<String> {
        let text = attr_read(self.iio().dev(), path)?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// Writes an attribute of the IIO device.
    ///
    /// # Errors
    /// What the attribute gives.
    pub fn write(&self, path: &str, text: &str) -> Result<usize> {
        attr_write(self.iio().dev(), path, text.as_bytes())
    }
}

/// A 16 bit voltage channel with a raw value.
pub fn voltage(channel: i32) -> ChannelSpec {
    ChannelSpec {
        indexed: true,
        channel,
        scan_index: channel,
        scan_type: ScanType::unsigned(16),
        info_mask_separate: InfoMask::of(&[Info::Raw]),
        ..ChannelSpec::default()
    }
}

/// Callbacks of a device that answers 42, but not while a buffer is enabled.
pub fn answers() -> IioInfo {
    IioInfo {
        read_raw: Some(Arc::new(|iio, _, _| {
            let _direct = iio_device_claim_direct_mode(iio)?;
            Ok(Value::Int(42))
        })),
        ..IioInfo::default()
    }
}

/// The device of the kernel's own traces: one channel, no buffer.
pub fn plain(parent: &Device) -> Result<IioDev> {
    let iio = devm_iio_device_alloc(parent)?;
    iio.set_name("lfiio");
    iio.set_info(answers());
    iio.set_channels([voltage(0)]);
    iio.set_modes(Modes::DIRECT);
    Ok(iio)
}

/// The shape of `iio_simple_dummy`: a channel with an event, a time stamp, and
/// a buffer that a trigger fills with a running number.
pub fn dummy(parent: &Device) -> Result<IioDev> {
    let iio = plain(parent)?;
    let event = EventSpec::separate(
        EventType::Thresh,
        EventDirection::Rising,
        EventMask::of(&[EventInfo::Enable, EventInfo::Value]),
    );
    let channel = ChannelSpec {
        event_spec: vec![event],
        ..voltage(0)
    };
    iio.set_channels([channel, voltage(1), ChannelSpec::soft_timestamp(2)]);
    let count = Mutex::new(0_u16);
    devm_iio_triggered_buffer_setup(
        parent,
        &iio,
        Some(Arc::new(iio_pollfunc_store_time)),
        Some(Arc::new(move |iio: &IioDev, pollfunc: &IioPollFunc| {
            let mut count = count.lock();
            let mut scan = vec![0; iio.scan_bytes()];
            scan[..2].copy_from_slice(&count.to_ne_bytes());
            *count += 1;
            // A full buffer loses the sample.
            let _ = iio_push_to_buffers_with_timestamp(iio, &mut scan, pollfunc.timestamp());
            if let Some(trigger) = iio.trigger() {
                iio_trigger_notify_done(&trigger);
            }
            IrqReturn::Handled
        })),
        IioBufferSetupOps::default(),
    )?;
    let silent = devm_iio_trigger_alloc(parent, "silent")?;
    devm_iio_trigger_register(parent, &silent)?;
    devm_iio_device_register(parent, &iio)?;
    Ok(iio)
}

/// A device with a FIFO in its hardware, of which its driver reads a register when it is
/// asked for samples; there are none.
///
/// # Errors
/// What making it gives.
pub fn with_fifo(parent: &Device, regs: Regs) -> Result<IioDev> {
    let iio = devm_iio_device_alloc(parent)?;
    iio.set_name("sensor");
    iio.set_modes(Modes::DIRECT);
    iio.set_channels([ChannelSpec {
        indexed: true,
        scan_type: ScanType::unsigned(16),
        ..ChannelSpec::default()
    }]);
    iio.set_info(IioInfo {
        hwfifo_flush_to_buffer: Some(Arc::new(move |_, _| {
            let _ = regs.read(0);
            Ok(0)
        })),
        ..IioInfo::default()
    });
    devm_iio_kfifo_buffer_setup(parent, &iio, IioBufferSetupOps::default())?;
    devm_iio_device_register(parent, &iio)?;
    Ok(iio)
}
