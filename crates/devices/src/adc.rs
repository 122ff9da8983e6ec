//! A converter with two voltages, a buffer and a trigger: `iio-adc`.

use core::time::Duration;

use lastfd_iio::raw::{Access, Direction, FrequencyFormat, IioBuffer, StandardAttributes};
use lastfd_iio::{
    Available, Builder, ChanType, ChannelSpec, Driver, Format, Iio, IioRef, Info, InfoMask, Modes,
    ScanType, Value, timer_trigger,
};
use lastfd_model::resource::{Next, Owned, RegisterBlock, RegisterModel, Regs, Timer};
use lastfd_model::typed::{self, Bound, Device, Devres, PlatformDevice};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::{Arc, Mutex};

use crate::fault::{self as faults, Due};
use crate::kind::{BadValue, Key, Kind, Settings};
use crate::plug::{Hardware, Socket, platform_driver};

/// What the converter does with a sample that finds the buffer full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overrun {
    /// It waits for room: no sample is ever missing.
    #[default]
    Hold,
    /// It loses the sample, as most hardware does.
    Drop,
}

/// The rates it can sample at, in hertz.
const RATES: [u32; 3] = [100, 1000, 10_000];

/// A converter with two voltage channels and a time stamp.
///
/// It appears as an IIO device named `lastfd-adc` (`lastfd-adc2`, …) and a
/// trigger `lastfd-trig0` (`lastfd-trig1`, …) of 100 Hz. Read one at a time, the
/// channels are 100 and -200. Through the buffer, sample n has n and -n in them
/// and the time stamp 10^9 + n * 10^6, n from 0 at each enable: at `rate` by
/// itself, or with a trigger chosen one each time that fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IioAdc {
    /// Samples a second: 100, 1000 or 10000. The device can be told otherwise
    /// through `sampling_frequency`.
    pub rate: u32,
    /// The name of the IIO device; from the second on its number follows, unless
    /// it was named.
    pub name: Option<String>,
    /// What becomes of a sample that finds the buffer full.
    pub overrun: Overrun,
}

impl Default for IioAdc {
    fn default() -> IioAdc {
        IioAdc {
            rate: 1000,
            name: None,
            overrun: Overrun::Hold,
        }
    }
}

const NAME: &str = "lastfd-adc";

impl IioAdc {
    pub(crate) const KIND: Kind = Kind {
        name: "iio-adc",
        summary: "a converter with two voltages, a buffer and a trigger",
        serves: "/dev/iio:deviceN, scan elements voltage0 voltage1 timestamp, iiod",
        keys: &[
            Key {
                name: "rate",
                value: "HZ",
                default: "1000",
                what: "samples a second: 100, 1000 or 10000",
            },
            Key {
                name: "name",
                value: "TEXT",
                default: NAME,
                what: "the name of the IIO device",
            },
            Key {
                name: "overrun",
                value: "WHAT",
                default: "hold",
                what: "with a full buffer, hold the sample back or drop it",
            },
        ],
        build: |settings| Ok(Box::new(IioAdc::from_settings(settings)?)),
    };

    fn from_settings(settings: &Settings) -> core::result::Result<IioAdc, BadValue> {
        let mut adc = IioAdc {
            name: crate::dac::name(settings)?,
            ..IioAdc::default()
        };
        if let Some(rate) = settings.get("rate") {
            adc.rate = rate
                .parse()
                .ok()
                .filter(|rate| RATES.contains(rate))
                .ok_or(BadValue {
                    key: "rate",
                    expected: "100, 1000 or 10000",
                })?;
        }
        adc.overrun = match settings.get("overrun") {
            None | Some("hold") => Overrun::Hold,
            Some("drop") => Overrun::Drop,
            Some(_) => {
                return Err(BadValue {
                    key: "overrun",
                    expected: "hold or drop",
                });
            }
        };
        Ok(adc)
    }
}

impl Hardware for IioAdc {
    fn kind(&self) -> &'static str {
        IioAdc::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<AdcDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        if !RATES.contains(&self.rate) {
            return Err(Errno::EINVAL);
        }
        let faults = faults::Source::default();
        socket.has_source(
            &faults,
            &["delay", "drop", "repeat", "wrap", "stop", "start"],
        );
        socket.register(Board {
            faults,
            registers: RegisterBlock::new(REGISTERS, Converter::default()),
            name: self.name.clone().unwrap_or_else(|| socket.numbered(NAME)),
            trigger: format!("lastfd-trig{}", socket.number() - 1),
            rate: self.rate,
            overrun: self.overrun,
        })
    }
}

/// What the driver is told of the hardware.
struct Board {
    faults: faults::Source,
    registers: RegisterBlock,
    name: String,
    trigger: String,
    rate: u32,
    overrun: Overrun,
}

/// The number of the sample that comes first when counters are made to wrap: a sample's
/// 16 bits are its number's lowest.
const BEFORE_WRAP: i64 = i16::MAX as i64 - 1;
/// Bytes of registers.
const REGISTERS: usize = 0x20;
/// The register with the last conversion of channel 0; that of channel 1 follows.
const RESULTS: usize = 0x10;

/// The simulated hardware.
struct Converter([u32; REGISTERS / 4]);

impl Default for Converter {
    fn default() -> Converter {
        let mut registers = [0; REGISTERS / 4];
        registers[RESULTS / 4] = 100;
        registers[RESULTS / 4 + 1] = -200_i32 as u32;
        Converter(registers)
    }
}

impl RegisterModel for Converter {
    fn read(&mut self, offset: usize) -> u32 {
        self.0[offset / 4]
    }

    fn write(&mut self, offset: usize, value: u32) {
        // The results are the hardware's own to write.
        if offset < RESULTS {
            self.0[offset / 4] = value;
        }
    }
}

/// The driver: what a probe that succeeded leaves.
struct AdcDriver;

impl typed::Driver for AdcDriver {
    type Info = Board;

    fn probe(device: &Device<Bound>, board: &Board) -> Result<AdcDriver> {
        let system = device.system();
        let registers = board
            .registers
            .map(&system, Some(device.raw()), "registers");
        let registers = Devres::new(device, Owned::new(registers))?;
        let source = Arc::new(Source::new(board));
        let ticks = Arc::clone(&source);
        let timer = device.own(Timer::new(
            &system,
            Some(device.raw()),
            "sample clock",
            move || ticks.tick(),
        ))?;
        timer_trigger(device, &board.trigger, 100, FrequencyFormat::Whole)?;
        Builder::new(device, &board.name)?
            .channels([voltage(0), voltage(1), ChannelSpec::soft_timestamp(2)])
            .registers()
            .software_buffer()
            .triggered_buffer()
            .buffer(IioBuffer::with_standard(
                Access::Kfifo,
                Direction::In,
                Vec::new(),
                StandardAttributes {
                    direction: false,
                    ..StandardAttributes::default()
                },
            ))
            .register(Adc {
                registers,
                source,
                timer,
                tuning: Mutex::new(Tuning::default()),
            })?;
        Ok(AdcDriver)
    }
}

fn voltage(number: i32) -> ChannelSpec {
    ChannelSpec {
        type_: ChanType::Voltage,
        indexed: true,
        channel: number,
        info_mask_separate: InfoMask::of(&[Info::Raw, Info::Offset]),
        info_mask_shared_by_type: InfoMask::of(&[Info::Scale]),
        info_mask_shared_by_all: InfoMask::of(&[Info::SampFreq]),
        info_mask_shared_by_all_available: InfoMask::of(&[Info::SampFreq]),
        scan_index: number,
        scan_type: ScanType::signed(16),
        ..ChannelSpec::default()
    }
}

/// What programs can set, beside the rate.
struct Tuning {
    offsets: [i32; 2],
    /// Whole part and millionths.
    scale: (i32, i32),
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            offsets: [5, 6],
            scale: (0, 500_000),
        }
    }
}

/// Where samples come from: the running number, and who wants them.
struct Source(Mutex<SourceState>);

struct SourceState {
    rate: u32,
    overrun: Overrun,
    faults: faults::Source,
    number: i64,
    scan: Vec<u8>,
    /// Whom the sample clock feeds; none while a trigger does it.
    sink: Option<IioRef>,
}

impl Source {
    fn new(board: &Board) -> Source {
        Source(Mutex::new(SourceState {
            rate: board.rate,
            overrun: board.overrun,
            faults: board.faults.clone(),
            number: 0,
            scan: Vec::new(),
            sink: None,
        }))
    }

    /// The sample clock ticked.
    fn tick(&self) -> Next {
        let mut state = self.0.lock();
        let Some(sink) = state.sink.take() else {
            return Next::Stop;
        };
        let late = state.sample(&sink);
        let period = state.period();
        state.sink = Some(sink);
        Next::After(late.unwrap_or(period))
    }
}

impl SourceState {
    fn period(&self) -> Duration {
        Duration::from_secs(1) / self.rate
    }

    /// Gives the next sample to the buffers, unless it is to come later.
    fn sample(&mut self, iio: &Iio) -> Option<Duration> {
        match self.faults.due() {
            Due::Comes => {}
            Due::Nothing => return None,
            Due::Late(time) => return Some(time),
            Due::Lost => {
                self.number += 1;
                return None;
            }
            Due::Again => self.number = (self.number - 1).max(0),
            Due::Wrapping => self.number = BEFORE_WRAP,
        }
        let number = self.number;
        self.scan.clear();
        self.scan.resize(iio.scan_bytes(), 0);
        let voltages = [number as i16, (number as i16).wrapping_neg()];
        for (place, index) in iio.active_scan_mask().iter().enumerate() {
            self.scan[place * 2..place * 2 + 2].copy_from_slice(&voltages[index].to_ne_bytes());
        }
        let timestamp = 1_000_000_000 + number * 1_000_000;
        let taken = iio.push(&mut self.scan, timestamp).is_ok();
        if taken || self.overrun == Overrun::Drop {
            self.number += 1;
        }
        None
    }
}

/// The driver's data for its IIO device.
struct Adc {
    registers: Devres<Owned<Regs>>,
    source: Arc<Source>,
    timer: Timer,
    tuning: Mutex<Tuning>,
}

impl Adc {
    /// The offset of a register, if there is one of this number.
    fn register(number: u32) -> Result<usize> {
        usize::try_from(number)
            .ok()
            .filter(|offset| offset.is_multiple_of(4) && *offset < REGISTERS)
            .ok_or(Errno::EINVAL)
    }
}

impl Driver for Adc {
    fn read_raw(&self, iio: &Iio, channel: &ChannelSpec, what: Info) -> Result<Value> {
        match what {
            Info::Raw => {
                let _direct = iio.claim_direct_mode()?;
                let registers = self.registers.try_access().ok_or(Errno::ENODEV)?;
                let result = registers.read(RESULTS + 4 * channel.channel as usize);
                Ok(Value::Int(result as i32))
            }
            Info::Offset => {
                let offsets = self.tuning.lock().offsets;
                Ok(Value::Int(offsets[channel.channel as usize]))
            }
            Info::Scale => {
                let (whole, micro) = self.tuning.lock().scale;
                Ok(Value::IntPlusMicro(whole, micro))
            }
            Info::SampFreq => Ok(Value::Int(self.source.0.lock().rate as i32)),
            _ => Err(Errno::EINVAL),
        }
    }

    fn write_format(&self, _channel: &ChannelSpec, what: Info) -> Format {
        match what {
            Info::Scale => Format::IntPlusMicro,
            _ => Format::Int,
        }
    }

    fn write_raw(
        &self,
        _iio: &Iio,
        channel: &ChannelSpec,
        whole: i32,
        fract: i32,
        what: Info,
    ) -> Result {
        match what {
            Info::Offset => self.tuning.lock().offsets[channel.channel as usize] = whole,
            Info::Scale => self.tuning.lock().scale = (whole, fract),
            Info::SampFreq => {
                let rate = u32::try_from(whole)
                    .ok()
                    .filter(|rate| RATES.contains(rate))
                    .ok_or(Errno::EINVAL)?;
                self.source.0.lock().rate = rate;
            }
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn available(&self, _iio: &Iio, _channel: &ChannelSpec, what: Info) -> Result<Available> {
        match what {
            Info::SampFreq => {
                let rates = RATES.map(|rate| Value::Int(rate as i32));
                Ok(Available::List(rates.to_vec()))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn read_register(&self, register: u32) -> Result<u32> {
        let offset = Adc::register(register)?;
        let registers = self.registers.try_access().ok_or(Errno::ENODEV)?;
        Ok(registers.read(offset))
    }

    fn write_register(&self, register: u32, value: u32) -> Result {
        let offset = Adc::register(register)?;
        let registers = self.registers.try_access().ok_or(Errno::ENODEV)?;
        registers.write(offset, value);
        Ok(())
    }

    fn postenable(&self, iio: &Iio) -> Result {
        let by_trigger = iio.raw().current_mode() == Modes::BUFFER_TRIGGERED;
        let period = {
            let mut state = self.source.0.lock();
            state.number = 0;
            state.sink = (!by_trigger).then(|| iio.get());
            state.period()
        };
        if !by_trigger {
            self.timer.start(period);
        }
        Ok(())
    }

    fn predisable(&self, _iio: &Iio) -> Result {
        self.timer.cancel();
        let sink = self.source.0.lock().sink.take();
        drop(sink);
        Ok(())
    }

    fn triggered(&self, iio: &Iio, _timestamp: i64) {
        // A trigger's sample that is late is lost: the next comes with the next trigger.
        let _ = self.source.0.lock().sample(iio);
    }
}
