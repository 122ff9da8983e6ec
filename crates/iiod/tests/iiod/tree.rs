//! The devices of the vectors, made of nothing but attributes and a node, so that what is
//! compared is the server and no framework.

use lastfd_chrdev::{
    Cdev, File, FileOps, PollMask, PollTable, Read, Try, Write, cdev_device_add, cdev_device_del,
};
use lastfd_model::raw::{
    Attribute, AttributeGroup, Bus, BusType, Device, DeviceSpec, alloc_chrdev_region, bus_register,
    debugfs_create_file, debugfs_remove, device_add, device_initialize, put_device,
};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::atomic::{AtomicUsize, Ordering};
use lastfd_sync::{Arc, Mutex, WaitQueue};
use std::collections::BTreeMap;

/// The System, and the devices in it.
pub(crate) struct Tree {
    pub(crate) system: System,
    pub(crate) adc: Adc,
}

/// A device with a buffer.
pub(crate) struct Adc {
    pub(crate) device: Device,
    pub(crate) source: Arc<Source>,
    cdev: Cdev,
}

impl Tree {
    pub(crate) fn new() -> Tree {
        Tree::over(System::new())
    }

    pub(crate) fn over(system: System) -> Tree {
        let bus = BusType {
            name: "iio".to_owned(),
            ..BusType::default()
        };
        let bus = bus_register(&system, bus).expect("the bus");
        let adc = Adc::plug(&bus, "iio:device0");
        dac(&bus);
        trigger(&bus);
        Tree { system, adc }
    }

    /// Takes the ADC out.
    pub(crate) fn unplug(&self) {
        self.adc.unplug();
    }

    /// Another ADC in the place of the first.
    pub(crate) fn replug(&mut self) {
        let bus = self.system.find_bus("iio").expect("the bus");
        self.adc = Adc::plug(&bus, "iio:device0");
    }
}

type Values = Arc<Mutex<BTreeMap<String, String>>>;

/// The counter that feeds the buffer.
pub(crate) struct Source {
    values: Values,
    state: Mutex<State>,
    queue: Arc<WaitQueue>,
    /// How many files are open on it.
    pub(crate) open: AtomicUsize,
    pub(crate) opened: AtomicUsize,
    changed: WaitQueue,
}

struct State {
    /// The number of the next sample.
    next: i64,
    /// How many samples there are to read.
    available: u64,
    gone: bool,
}

impl Source {
    /// How many samples there are to read from now on.
    pub(crate) fn set_available(&self, available: u64) {
        self.state.lock().available = available;
        self.queue.wake_all();
    }

    /// How many readers sleep.
    pub(crate) fn sleepers(&self) -> usize {
        self.queue.len()
    }

    /// Waits until no file is open, or one is.
    pub(crate) fn wait_for_open(&self, open: usize) {
        let clock = lastfd_sync::Clock::real();
        let patience = clock.now().after(std::time::Duration::from_secs(20));
        let ready = || (self.open.load(Ordering::SeqCst) == open).then_some(());
        let waited = lastfd_sync::wait_event(&[&self.changed], &clock, Some(patience), None, ready);
        assert!(waited.is_ok(), "the file is not {open} times open");
    }

    fn enabled(&self, channel: &str) -> bool {
        self.values.lock()[&format!("scan_elements/in_{channel}_en")] == "1"
    }

    fn sample(&self, n: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.enabled("voltage0") {
            bytes.extend((n as i16).to_le_bytes());
        }
        if self.enabled("voltage1") {
            bytes.extend((-n as i16).to_le_bytes());
        }
        if self.enabled("timestamp") {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes.extend((1_000_000_000 + n * 1_000_000).to_le_bytes());
        }
        bytes
    }
}

impl FileOps for Source {
    fn open(&self, _: &File) -> Result {
        let only = self
            .open
            .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst);
        only.map_err(|_| Errno::EBUSY)?;
        self.opened.fetch_add(1, Ordering::SeqCst);
        self.changed.wake_all();
        Ok(())
    }

    fn release(&self, _: &File) {
        self.open.store(0, Ordering::SeqCst);
        self.changed.wake_all();
    }

    fn read(&self, _: &File, call: &mut Read<'_>) -> Try<usize> {
        let mut state = self.state.lock();
        if state.gone {
            return Try::err(Errno::ENODEV);
        }
        let size = self.sample(0).len();
        let samples = state.available.min((call.count() / size.max(1)) as u64);
        if samples == 0 || size == 0 {
            return if call.nonblock() {
                Try::err(Errno::EAGAIN)
            } else {
                Try::wait(&self.queue)
            };
        }
        for at in 0..samples as usize {
            let sample = self.sample(state.next);
            if let Err(error) = call.write(at * size, &sample) {
                return Try::err(error);
            }
            state.next += 1;
        }
        state.available -= samples;
        Try::ok(samples as usize * size)
    }

    fn write(&self, _: &File, _: &mut Write<'_>) -> Try<usize> {
        Try::err(Errno::EPERM)
    }

    fn poll(&self, _: &File, table: &mut PollTable) -> PollMask {
        table.wait(&self.queue);
        let state = self.state.lock();
        if state.available > 0 && !state.gone {
            PollMask::IN | PollMask::RDNORM
        } else {
            PollMask::NONE
        }
    }
}

impl Adc {
    fn plug(bus: &Bus, id: &str) -> Adc {
        let values = Values::default();
        let source = Arc::new(Source {
            values: values.clone(),
            state: Mutex::new(State {
                next: 0,
                available: u64::MAX,
                gone: false,
            }),
            queue: Arc::new(WaitQueue::new()),
            open: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            changed: WaitQueue::new(),
        });
        let files = Directory {
            values,
            source: Some(source.clone()),
        };
        let mut groups = vec![
            files.group(
                None,
                &[
                    ("name", "lastfd-adc", 0o444),
                    ("sampling_frequency", "1000", 0o644),
                    ("sampling_frequency_available", "100 1000 10000", 0o444),
                    ("current_timestamp_clock", "realtime", 0o644),
                    ("in_voltage0_raw", "100", 0o444),
                    ("in_voltage1_raw", "-200", 0o444),
                    ("in_voltage0_offset", "5", 0o644),
                    ("in_voltage1_offset", "6", 0o644),
                    ("in_voltage_scale", "0.500000", 0o644),
                ],
            ),
            files.group(
                Some("buffer"),
                &[
                    ("enable", "0", 0o644),
                    ("length", "2", 0o644),
                    ("watermark", "1", 0o644),
                    ("data_available", "0", 0o444),
                ],
            ),
            files.group(Some("trigger"), &[("current_trigger", "", 0o644)]),
        ];
        groups.push(files.group(
            Some("scan_elements"),
            &[
                ("in_voltage0_en", "0", 0o644),
                ("in_voltage0_index", "0", 0o444),
                ("in_voltage0_type", "le:s16/16>>0", 0o444),
                ("in_voltage1_en", "0", 0o644),
                ("in_voltage1_index", "1", 0o444),
                ("in_voltage1_type", "le:s16/16>>0", 0o444),
                ("in_timestamp_en", "0", 0o644),
                ("in_timestamp_index", "2", 0o444),
                ("in_timestamp_type", "le:s64/64>>0", 0o444),
            ],
        ));
        let devt = alloc_chrdev_region(&bus.system(), "iio").expect("a number");
        let device = device_initialize(
            &bus.system(),
            DeviceSpec {
                name: Some(id.to_owned()),
                bus: Some(bus.clone()),
                release: Some(Arc::new(|_: &Device| {})),
                devt: Some(devt),
                groups,
                ..DeviceSpec::default()
            },
        );
        let register = files.attribute(None, "direct_reg_access", "0x0", 0o644);
        debugfs_create_file(&device, &format!("iio/{id}"), register).expect("a debug file");
        let cdev = Cdev::new(&bus.system(), source.clone());
        cdev_device_add(&cdev, &device).expect("added");
        Adc {
            device,
            source,
            cdev,
        }
    }

    /// As iio_device_unregister: the node and the files go, then sleepers are woken.
    fn unplug(&self) {
        let system = self.device.system();
        debugfs_remove(&system, "iio/iio:device0");
        cdev_device_del(&self.cdev, &self.device);
        self.source.state.lock().gone = true;
        self.source.queue.wake_all();
        put_device(&self.device);
    }
}

fn dac(bus: &Bus) -> Device {
    let files = Directory::default();
    let mut own = vec![("name", "lastfd-dac", 0o444), ("label", "dac-label", 0o444)];
    let mut scan = Vec::new();
    for [raw, scale, en, index, kind] in [
        [
            "out_voltage0_raw",
            "out_voltage0_scale",
            "out_voltage0_en",
            "out_voltage0_index",
            "out_voltage0_type",
        ],
        [
            "out_voltage1_raw",
            "out_voltage1_scale",
            "out_voltage1_en",
            "out_voltage1_index",
            "out_voltage1_type",
        ],
    ] {
        own.extend([(raw, "0", 0o644), (scale, "0.250000", 0o644)]);
        let number = if raw.contains('0') { "0" } else { "1" };
        scan.extend([
            (en, "0", 0o644),
            (index, number, 0o444),
            (kind, "le:s16/16>>0", 0o444),
        ]);
    }
    let buffer = [
        ("enable", "0", 0o644),
        ("length", "2", 0o644),
        ("watermark", "1", 0o644),
    ];
    let groups = vec![
        files.group(None, &own),
        files.group(Some("scan_elements"), &scan),
        files.group(Some("buffer"), &buffer),
    ];
    plain(bus, "iio:device1", groups)
}

fn trigger(bus: &Bus) -> Device {
    let files = Directory::default();
    let own = [
        ("name", "lastfd-trig0", 0o444),
        ("sampling_frequency", "100", 0o644),
    ];
    plain(bus, "trigger0", vec![files.group(None, &own)])
}

/// A device without a node.
pub(crate) fn plain(bus: &Bus, id: &str, groups: Vec<AttributeGroup>) -> Device {
    let device = device_initialize(
        &bus.system(),
        DeviceSpec {
            name: Some(id.to_owned()),
            bus: Some(bus.clone()),
            release: Some(Arc::new(|_: &Device| {})),
            groups,
            ..DeviceSpec::default()
        },
    );
    device_add(&device).expect("added");
    device
}

/// Files that keep what is stored in them.
#[derive(Default)]
struct Directory {
    values: Values,
    source: Option<Arc<Source>>,
}

impl Directory {
    fn group(&self, folder: Option<&str>, files: &[(&str, &str, u16)]) -> AttributeGroup {
        let files = files.iter();
        let attrs = files.map(|&(name, value, mode)| self.attribute(folder, name, value, mode));
        match folder {
            None => AttributeGroup::new(attrs.collect()),
            Some(folder) => AttributeGroup::named(folder, attrs.collect()),
        }
    }

    fn attribute(&self, folder: Option<&str>, name: &str, value: &str, mode: u16) -> Attribute {
        let path = folder.map_or(name.to_owned(), |folder| format!("{folder}/{name}"));
        self.values.lock().insert(path.clone(), value.to_owned());
        let (values, shown) = (self.values.clone(), path.clone());
        let attribute =
            Attribute::new(name, mode).show(move |_| Ok(values.lock()[&shown].clone() + "\n"));
        if mode & 0o222 == 0 {
            return attribute;
        }
        let (values, source) = (self.values.clone(), self.source.clone());
        attribute.store(move |_, bytes| {
            let text = std::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
            let text = text.trim_end_matches(['\0', '\n']);
            values.lock().insert(path.clone(), text.to_owned());
            if let Some(source) = source.as_ref().filter(|_| path == "buffer/enable") {
                source.state.lock().next = 0;
            }
            Ok(bytes.len())
        })
    }
}
