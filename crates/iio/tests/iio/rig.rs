//! A platform device with an IIO driver on it, in simulated time.

use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_iio::raw::*;
use lastfd_iio::*;
use lastfd_model::raw::{Driver, *};
use lastfd_model::{EventKind, Recording, Result, System};
use lastfd_sync::{Arc, Clock, Mutex};

/// What a driver's probe does.
pub(crate) type Setup = dyn Fn(&Device) -> Result<IioDev> + Send + Sync;

/// A System with one hardware device, bound to a driver that made an IIO device.
pub(crate) struct Rig {
    pub(crate) system: System,
    pub(crate) clock: Clock,
    pub(crate) hardware: Device,
    pub(crate) record: Recording,
    driver: Driver,
    iio: Arc<Mutex<Option<IioDev>>>,
}

impl Rig {
    /// Plugs the device in; the probe does as told.
    pub(crate) fn new(setup: impl Fn(&Device) -> Result<IioDev> + Send + Sync + 'static) -> Rig {
        let clock = Clock::simulated();
        let system = System::builder().clock(clock.clone()).ledger(true).build();
        Rig::on(system, clock, Arc::new(setup))
    }

    fn on(system: System, clock: Clock, setup: Arc<Setup>) -> Rig {
        let record = system.record();
        let driver = Driver::new("dummy", &platform_bus(&system));
        let iio = Arc::new(Mutex::new(None));
        let made = Arc::clone(&iio);
        driver.set_probe(move |device| {
            *made.lock() = Some(setup(device)?);
            Ok(())
        });
        driver_register(&driver).unwrap();
        let hardware = platform_device_alloc(&system, "dummy", PlatformId::Id(0)).unwrap();
        platform_device_add(&hardware).unwrap();
        Rig {
            system,
            clock,
            hardware,
            record,
            driver,
            iio,
        }
    }

    /// The IIO device its probe made.
    pub(crate) fn iio(&self) -> IioDev {
        self.iio.lock().clone().expect("the probe made a device")
    }

    /// Opens the IIO device's node.
    pub(crate) fn open(&self, flags: OpenFlags) -> Result<OpenFile> {
        open(&self.system, &self.path(), flags)
    }

    /// The path of the IIO device's node.
    pub(crate) fn path(&self) -> String {
        format!("/dev/{}", self.iio().dev().name())
    }

    /// Reads an attribute of the IIO device, without its newline.
    pub(crate) fn read(&self, path: &str) -> Result<String> {
        let text = String::from_utf8(attr_read(self.iio().dev(), path)?).unwrap();
        Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }

    /// Writes an attribute of the IIO device.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<usize> {
        attr_write(self.iio().dev(), path, text.as_bytes())
    }

    /// Takes the hardware away: its driver unregisters the IIO device.
    pub(crate) fn unplug(&self) {
        platform_device_unregister(&self.hardware);
    }

    /// What a kernel would have printed a stack trace for.
    pub(crate) fn splats(&self) -> Vec<String> {
        let events = self.record.events();
        let splats = events.iter().filter_map(|event| match &event.kind {
            EventKind::Splat { text, .. } => Some(text.to_string()),
            _ => None,
        });
        splats.collect()
    }

    /// The framework's own events, in words.
    pub(crate) fn story(&self) -> Vec<String> {
        let events = self.record.events();
        let own = events.iter().filter_map(|event| match &event.kind {
            EventKind::Framework(event) => Some(event.to_string()),
            _ => None,
        });
        own.collect()
    }

    /// Ends it, and gives what was left behind.
    pub(crate) fn finish(self) -> Vec<String> {
        driver_unregister(&self.driver);
        let leaked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&leaked);
        let subscription = self
            .system
            .subscribe(Arc::new(move |event: &lastfd_model::Event| {
                if let EventKind::Leak { text, .. } = &event.kind {
                    seen.lock().push(text.to_string());
                }
            }));
        let Rig {
            system,
            clock,
            hardware,
            record,
            driver,
            iio,
        } = self;
        drop((hardware, record, driver, iio));
        drop(system);
        drop((subscription, clock));
        let leaked = leaked.lock();
        leaked.clone()
    }
}

/// A 16 bit voltage channel with a raw value.
pub(crate) fn voltage(channel: i32) -> ChannelSpec {
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
pub(crate) fn answers() -> IioInfo {
    IioInfo {
        read_raw: Some(Arc::new(|iio, _, _| {
            let _direct = iio_device_claim_direct_mode(iio)?;
            Ok(Value::Int(42))
        })),
        ..IioInfo::default()
    }
}

/// The device of the kernel's own traces: one channel, no buffer.
pub(crate) fn plain(parent: &Device) -> Result<IioDev> {
    let iio = devm_iio_device_alloc(parent)?;
    iio.set_name("lfiio");
    iio.set_info(answers());
    iio.set_channels([voltage(0)]);
    iio.set_modes(Modes::DIRECT);
    Ok(iio)
}

/// The shape of `iio_simple_dummy`: a channel with an event, a time stamp, and
/// a buffer that a trigger fills with a running number.
pub(crate) fn dummy(parent: &Device) -> Result<IioDev> {
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

impl Rig {
    /// A [`dummy`] whose buffer is enabled and whose trigger is silent.
    pub(crate) fn buffering() -> Rig {
        let rig = Rig::new(dummy);
        rig.write("trigger/current_trigger", "silent").unwrap();
        rig.write("scan_elements/in_voltage0_en", "1").unwrap();
        rig.write("buffer/enable", "1").unwrap();
        rig
    }

    /// Makes the trigger of a [`dummy`] fire once.
    pub(crate) fn fire(&self) {
        iio_trigger_poll(&self.iio().trigger().expect("a trigger is chosen"));
    }
}
