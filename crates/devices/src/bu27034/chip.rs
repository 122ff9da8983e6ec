//! The chip: light in, counts out.

use core::fmt;
use core::time::Duration;

use embedded_hal::i2c::{self, ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use lastfd_sync::{Arc, Clock, Ktime, Mutex};

use super::driver::ADDRESS;
use super::map::*;

/// Light that falls on the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Light {
    /// Thousandths of a lux.
    pub mlux: u32,
    /// How much the second channel, which sees orange best, gets of it for
    /// every 100 that the first, which sees blue best, gets: its colour.
    pub ratio: u32,
}

impl Light {
    /// None.
    pub const DARK: Light = Light::lux(0);

    /// So many lux of which both channels get the same; at most 4294967.
    pub const fn lux(lux: u32) -> Light {
        Light {
            mlux: lux.saturating_mul(1000),
            ratio: 100,
        }
    }

    /// How much light makes the first channel count one in a second at a gain of
    /// 1, in ten-millionths of a millilux: the driver's formula turned round.
    fn for_a_count(self) -> u64 {
        let ratio = u64::from(self.ratio);
        if ratio < 150 {
            190_880_000 + 644_000 * ratio - 47_808 * ratio * ratio / 100
        } else {
            305_408_000 + 191_232 * ratio
        }
    }
}

/// The simulated chip. Clones are one chip.
///
/// It is on the bus it implements, alone, at address 0x38. It counts the light of
/// a whole measurement, so that a change in the middle of one counts in part; a
/// measurement starts anew when gains or time are set. All time is the clock's.
#[derive(Clone)]
pub struct Bu27034Chip(Arc<Mutex<Chip>>);

struct Chip {
    clock: Clock,
    light: Light,
    /// How nobody acknowledges, once and if nobody does.
    missing: Option<(Ktime, NoAcknowledgeSource)>,
    stalled: bool,
    /// The register the next byte is for.
    at: u8,
    mode: u8,
    gains: [u8; 2],
    measuring: Option<Measurement>,
    valid: bool,
    results: [u16; 2],
}

/// A measurement that goes on.
#[derive(Clone, Copy)]
struct Measurement {
    started: Ktime,
    /// Until when the light was counted.
    counted: Ktime,
    /// Counts of both channels at a gain of 1, with 32 binary places.
    counts: [u128; 2],
}

/// Nobody acknowledged, and at which byte if the bus can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError(pub NoAcknowledgeSource);

impl i2c::Error for BusError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NoAcknowledge(self.0)
    }
}

impl fmt::Debug for Bu27034Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chip = self.0.lock();
        f.debug_struct("Bu27034Chip")
            .field("light", &chip.light)
            .field("measuring", &chip.measuring.is_some())
            .finish_non_exhaustive()
    }
}

impl Bu27034Chip {
    /// A chip in the dark, on its bus.
    pub fn new(clock: &Clock) -> Bu27034Chip {
        Bu27034Chip(Arc::new(Mutex::new(Chip {
            clock: clock.clone(),
            light: Light::DARK,
            missing: None,
            stalled: false,
            at: 0,
            mode: 0,
            gains: [0; 2],
            measuring: None,
            valid: false,
            results: [0; 2],
        })))
    }

    /// From now on this light falls on it.
    pub fn set_light(&self, light: Light) {
        let mut chip = self.0.lock();
        chip.catch_up();
        chip.light = light;
    }

    /// Takes it off its bus: nobody acknowledges any more, and the bus does not
    /// tell which byte was not acknowledged.
    pub fn remove(&self) {
        self.remove_after(Duration::ZERO, NoAcknowledgeSource::Unknown);
    }

    /// As [`remove`](Bu27034Chip::remove), a time from now, told as the bus does.
    pub fn remove_after(&self, time: Duration, told: NoAcknowledgeSource) {
        let mut chip = self.0.lock();
        let at = chip.clock.now().after(time);
        chip.missing = Some((at, told));
    }

    /// Puts it back on its bus, without power in between.
    pub fn put_back(&self) {
        self.0.lock().missing = None;
    }

    /// A fault: no measurement ends any more, or they do again.
    pub fn stall(&self, stalled: bool) {
        let mut chip = self.0.lock();
        chip.catch_up();
        chip.stalled = stalled;
    }

    /// Whether it is measuring.
    pub fn is_measuring(&self) -> bool {
        self.0.lock().measuring.is_some()
    }
}

/// What a gain's selector does; one that is not used amplifies by 1.
fn gain(sel: u8) -> u128 {
    match sel >> GAIN_SHIFT {
        0x08 => 4,
        0x0b => 32,
        0x18 => 256,
        0x19 => 512,
        0x1a => 1024,
        _ => 1,
    }
}

impl Chip {
    /// How long a measurement takes; a mode that is not used is the first.
    fn period(&self) -> Duration {
        Duration::from_millis(match self.mode {
            1 => 55,
            2 => 200,
            4 => 400,
            _ => 100,
        })
    }

    fn restart(&mut self) {
        let now = self.clock.now();
        self.valid = false;
        if let Some(measuring) = &mut self.measuring {
            *measuring = Measurement::start(now);
        }
    }

    fn reset(&mut self) {
        self.mode = 0;
        self.gains = [0; 2];
        self.measuring = None;
        self.valid = false;
        self.results = [0; 2];
    }

    /// Counts the light until now.
    fn catch_up(&mut self) {
        let now = self.clock.now();
        let (period, light) = (self.period(), self.light);
        let Some(mut measuring) = self.measuring else {
            return;
        };
        if self.stalled {
            measuring = Measurement::start(now);
        }
        let mut end = measuring.started.after(period);
        if now >= end {
            measuring.count(light, end);
            self.valid = true;
            self.results = self.converted(&measuring);
            // The light did not change since: of whole measurements that follow,
            // the last is as good as all.
            let more = (now.0 - end.0) / period.as_nanos() as u64;
            if more > 0 {
                measuring = Measurement::start(end);
                measuring.count(light, end.after(period));
                self.results = self.converted(&measuring);
                end = Ktime(end.0 + more * period.as_nanos() as u64);
            }
            measuring = Measurement::start(end);
        }
        measuring.count(light, now);
        self.measuring = Some(measuring);
    }

    /// 16 bits of what was counted, and no more.
    fn converted(&self, measuring: &Measurement) -> [u16; 2] {
        let half = 1 << 31;
        core::array::from_fn(|place| {
            let counts = (measuring.counts[place] * gain(self.gains[place]) + half) >> 32;
            u16::try_from(counts).unwrap_or(u16::MAX)
        })
    }

    /// Takes the bytes of a write: a register, and what goes into it and those
    /// that follow.
    fn take(&mut self, bytes: &[u8]) {
        let Some((&register, values)) = bytes.split_first() else {
            return;
        };
        self.at = register;
        for &value in values {
            self.write(self.at, value);
            self.at = self.at.wrapping_add(1);
        }
    }

    /// Gives the next byte of a read.
    fn give(&mut self) -> u8 {
        let value = self.read(self.at);
        self.at = self.at.wrapping_add(1);
        value
    }

    fn read(&mut self, register: u8) -> u8 {
        let results = [self.results[0].to_le_bytes(), self.results[1].to_le_bytes()];
        match register {
            SYSTEM_CONTROL => PART_ID,
            MODE_CONTROL1 => self.mode,
            MODE_CONTROL2 => self.gains[0],
            MODE_CONTROL3 => self.gains[1],
            MODE_CONTROL4 => {
                let valid = if self.valid { VALID } else { 0 };
                self.valid = false;
                valid | u8::from(self.measuring.is_some())
            }
            DATA0..=DATA1_HIGH => results.as_flattened()[usize::from(register - DATA0)],
            MANUFACTURER_ID => 0xe0,
            _ => 0,
        }
    }

    fn write(&mut self, register: u8, value: u8) {
        match register {
            SYSTEM_CONTROL if value & SW_RESET != 0 => self.reset(),
            MODE_CONTROL1 => {
                self.mode = value & MEAS_MODE;
                self.restart();
            }
            MODE_CONTROL2 | MODE_CONTROL3 => {
                self.gains[usize::from(register - MODE_CONTROL2)] = value & GAIN;
                self.restart();
            }
            MODE_CONTROL4 if value & MEAS_EN == 0 => self.measuring = None,
            MODE_CONTROL4 if self.measuring.is_none() => {
                self.measuring = Some(Measurement::start(self.clock.now()));
            }
            _ => {}
        }
    }
}

impl Measurement {
    fn start(at: Ktime) -> Measurement {
        Measurement {
            started: at,
            counted: at,
            counts: [0; 2],
        }
    }

    fn count(&mut self, light: Light, until: Ktime) {
        let nanos = u128::from(until.0.saturating_sub(self.counted.0));
        let energy = (u128::from(light.mlux) * nanos) << 32;
        let counts = energy / (u128::from(light.for_a_count()) * 100);
        self.counts[0] += counts;
        self.counts[1] += counts * u128::from(light.ratio) / 100;
        self.counted = until;
    }
}

impl ErrorType for Bu27034Chip {
    type Error = BusError;
}

/// The bus as the driver sees it.
impl I2c for Bu27034Chip {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), BusError> {
        let mut chip = self.0.lock();
        let now = chip.clock.now();
        if let Some((_, told)) = chip.missing.filter(|(at, _)| now >= *at) {
            return Err(BusError(told));
        }
        if address != ADDRESS {
            return Err(BusError(NoAcknowledgeSource::Address));
        }
        chip.catch_up();
        for operation in operations {
            match operation {
                Operation::Write(bytes) => chip.take(bytes),
                Operation::Read(bytes) => bytes.fill_with(|| chip.give()),
            }
        }
        Ok(())
    }
}
