//! A System with a sensor in it, in simulated time.

use core::time::Duration;

use lastfd_chrdev::{OpenFile, OpenFlags, open};
use lastfd_devices::{Bu27034Chip, Light, Plugged, plug};
use lastfd_model::raw::*;
use lastfd_model::{Event, EventKind, Result, Subscription, System};
use lastfd_sync::{Arc, Clock, Mutex};

/// A sensor that is plugged in, and what a test does with it.
pub(crate) struct Bench {
    pub(crate) system: System,
    pub(crate) clock: Clock,
    pub(crate) chip: Bu27034Chip,
    pub(crate) sensor: Plugged,
}

/// What the kernel, or a chip of another make, would have complained about.
pub(crate) type Complaints = Arc<Mutex<Vec<String>>>;

pub(crate) const MS: Duration = Duration::from_millis(1);

pub(crate) fn world() -> (System, Clock) {
    let clock = Clock::simulated();
    let system = System::builder().clock(clock.clone()).ledger(true).build();
    (system, clock)
}

pub(crate) fn listen(system: &System) -> (Subscription, Complaints) {
    let found = Complaints::default();
    let seen = Arc::clone(&found);
    let subscription = system.subscribe(Arc::new(move |event: &Event| match &event.kind {
        EventKind::Leak { text, .. } | EventKind::Splat { text, .. } => {
            seen.lock().push(text.to_string());
        }
        _ => {}
    }));
    (subscription, found)
}

/// What a System says was left when it ended.
pub(crate) fn leaks(system: System) -> Vec<String> {
    let (subscription, found) = listen(&system);
    drop(system);
    drop(subscription);
    let found = found.lock();
    found.clone()
}

impl Bench {
    pub(crate) fn new(lux: u32) -> Bench {
        let (system, clock) = world();
        let chip = Bu27034Chip::new(&clock);
        chip.set_light(Light::lux(lux));
        let sensor = plug(&system, &chip).unwrap();
        Bench {
            system,
            clock,
            chip,
            sensor,
        }
    }

    pub(crate) fn iio(&self) -> Device {
        iio(&self.system)
    }

    pub(crate) fn try_read(&self, path: &str) -> Result<String> {
        read(&self.iio(), path)
    }

    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        self.try_read(path).unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) -> Result {
        attr_write(&self.iio(), path, text.as_bytes()).map(drop)
    }

    /// Both gains and the time.
    pub(crate) fn amplification(&self) -> [String; 3] {
        [
            "in_intensity1_hardwaregain",
            "in_intensity2_hardwaregain",
            "integration_time",
        ]
        .map(|path| self.read(path))
    }

    /// How long it takes.
    pub(crate) fn takes<R>(&self, what: impl FnOnce() -> R) -> (R, Duration) {
        let start = self.clock.now();
        let done = what();
        let took = Duration::from_nanos(self.clock.now().0 - start.0);
        (done, took)
    }

    pub(crate) fn enable(&self, elements: &[&str], length: u32) {
        for element in elements {
            self.write(&format!("scan_elements/{element}_en"), "1")
                .unwrap();
        }
        self.write("buffer/length", &length.to_string()).unwrap();
        self.write("buffer/enable", "1").unwrap();
    }

    pub(crate) fn open(&self) -> OpenFile {
        open(&self.system, "/dev/iio:device0", OpenFlags::RDONLY).unwrap()
    }

    /// Ends it: nothing is left.
    #[track_caller]
    pub(crate) fn finish(self) {
        drop((self.sensor, self.chip));
        assert_eq!(leaks(self.system), [""; 0]);
    }
}

pub(crate) fn iio(system: &System) -> Device {
    let bus = system.find_bus("iio").expect("something is plugged in");
    bus.find_device("iio:device0").expect("the sensor is there")
}

pub(crate) fn read(device: &Device, path: &str) -> Result<String> {
    let text = String::from_utf8(attr_read(device, path)?).unwrap();
    Ok(text.trim_end_matches('\n').to_owned())
}

/// A sample of all there is: light, two counts, a time stamp.
pub(crate) fn samples(file: &OpenFile, count: usize) -> Vec<(u32, u16, u16, i64)> {
    let mut samples = Vec::new();
    while samples.len() < count {
        let mut buffer = vec![0; 16 * (count - samples.len())];
        let read = file.read(&mut buffer).unwrap();
        for sample in buffer[..read].chunks(16) {
            let counts = |at: usize| u16::from_le_bytes([sample[at], sample[at + 1]]);
            let light = u32::from_ne_bytes(sample[..4].try_into().unwrap());
            let time = i64::from_ne_bytes(sample[8..].try_into().unwrap());
            samples.push((light, counts(4), counts(6), time));
        }
    }
    samples
}

pub(crate) const ALL: [&str; 4] = [
    "in_illuminance",
    "in_intensity1",
    "in_intensity2",
    "in_timestamp",
];
