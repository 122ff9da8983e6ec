//! An accelerometer of three axes, with a buffer and a trigger: `accel`.

use core::time::Duration;

use lastfd_iio::raw::FrequencyFormat;
use lastfd_iio::{
    Available, Builder, ChanType, ChannelSpec, Driver, ExtInfo, Format, Iio, IioRef, Info,
    InfoMask, Modes, Modifier, ScanType, SharedBy, Value, timer_trigger,
};
use lastfd_model::resource::{Next, Owned, RegisterBlock, RegisterModel, Regs, Timer};
use lastfd_model::typed::{self, Bound, Device, Devres, PlatformDevice};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::{Arc, Mutex};

use crate::fault::{Due, Source};
use crate::kind::{BadValue, Key, Kind, Settings, number};
use crate::plug::{Hardware, Socket, platform_driver};

/// Counts of one g: 9.80665 m/s².
const ONE_G: i16 = 16_384;
/// Billionths of m/s² in a count.
const SCALE_NANO: i32 = 598_550;
/// The rates it can sample at, in hertz.
const RATES: [u32; 4] = [10, 50, 100, 400];
/// The axes, in the order of their scan elements.
const AXES: [(&str, Modifier); 3] = [("x", Modifier::X), ("y", Modifier::Y), ("z", Modifier::Z)];

/// An accelerometer with the channels x, y, z and a time stamp.
///
/// It appears as an IIO device named `lastfd-accel` (`lastfd-accel2`, …) with the
/// label `accel-display` and a mount matrix that turns nothing, and a trigger of
/// 100 Hz, `lastfd-accel-dev0`, with the IIO device's number. What it measures is
/// set, in counts of 0.00059855 m/s², 16384 to one g: at first it lies flat.
/// Through the buffer it comes at `sampling_frequency` by itself, or with a trigger
/// chosen each time that fires. The keys x, y and z can be set while it is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accelerometer {
    /// What it measures first, in counts.
    pub axes: [i16; 3],
    /// The name of the IIO device; from the second on its number follows, unless
    /// it was named.
    pub name: Option<String>,
    /// Its label.
    pub label: String,
}

const NAME: &str = "lastfd-accel";
const LABEL: &str = "accel-display";
const COUNTS: &str = "-32768 to 32767";

impl Default for Accelerometer {
    fn default() -> Accelerometer {
        Accelerometer {
            axes: [0, 0, ONE_G],
            name: None,
            label: LABEL.into(),
        }
    }
}

impl Accelerometer {
    pub(crate) const KIND: Kind = Kind {
        name: "accel",
        summary: "an accelerometer with a buffer and a trigger",
        serves: "/dev/iio:deviceN, scan elements accel_x accel_y accel_z timestamp, iiod",
        keys: &[
            Key {
                name: "x",
                value: "COUNTS",
                default: "0",
                what: "what it measures along x, 16384 to one g; also while it is plugged in",
            },
            Key {
                name: "y",
                value: "COUNTS",
                default: "0",
                what: "along y",
            },
            Key {
                name: "z",
                value: "COUNTS",
                default: "16384",
                what: "along z",
            },
            Key {
                name: "name",
                value: "TEXT",
                default: NAME,
                what: "the name of the IIO device",
            },
            Key {
                name: "label",
                value: "TEXT",
                default: LABEL,
                what: "its label",
            },
        ],
        build: |settings| Ok(Box::new(Accelerometer::from_settings(settings)?)),
    };

    fn from_settings(settings: &Settings) -> core::result::Result<Accelerometer, BadValue> {
        let mut accel = Accelerometer {
            name: crate::dac::name(settings)?,
            ..Accelerometer::default()
        };
        for (place, (key, _)) in AXES.into_iter().enumerate() {
            if let Some(counts) = settings.number(key, COUNTS, |_| true)? {
                accel.axes[place] = counts;
            }
        }
        if let Some(label) = crate::dac::word(settings, "label")? {
            accel.label = label;
        }
        Ok(accel)
    }
}

impl Hardware for Accelerometer {
    fn kind(&self) -> &'static str {
        Accelerometer::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<AccelDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        let measured = Measured(Arc::new(Mutex::new(self.axes)));
        for (place, (key, _)) in AXES.into_iter().enumerate() {
            let measured = measured.clone();
            socket.on_set(key, move |text| {
                measured.0.lock()[place] = number(key, text, COUNTS, |_| true)?;
                Ok(())
            });
        }
        let source = Source::default();
        socket.has_source(&source, &["delay", "drop", "repeat", "stop", "start"]);
        socket.register(Board {
            source,
            registers: RegisterBlock::new(4 * AXES.len(), measured),
            name: self.name.clone().unwrap_or_else(|| socket.numbered(NAME)),
            label: self.label.clone(),
        })
    }
}

/// What the driver is told of the hardware.
struct Board {
    source: Source,
    registers: RegisterBlock,
    name: String,
    label: String,
}

/// The simulated hardware: a register with the last measurement for each axis.
#[derive(Clone)]
struct Measured(Arc<Mutex<[i16; 3]>>);

impl RegisterModel for Measured {
    fn read(&mut self, offset: usize) -> u32 {
        i32::from(self.0.lock()[offset / 4]) as u32
    }

    fn write(&mut self, _offset: usize, _value: u32) {
        // The results are the hardware's own to write.
    }
}

/// The driver: what a probe that succeeded leaves.
struct AccelDriver;

impl typed::Driver for AccelDriver {
    type Info = Board;

    fn probe(device: &Device<Bound>, board: &Board) -> Result<AccelDriver> {
        let system = device.system();
        let mapped = Some(device.raw());
        let registers = board.registers.map(&system, mapped, "registers");
        let registers = Devres::new(device, Owned::new(registers))?;
        let sampling = Arc::new(Sampling {
            registers,
            source: board.source.clone(),
            state: Mutex::new(State {
                rate: 100,
                last: Vec::new(),
                sink: None,
            }),
        });
        let ticks = Arc::clone(&sampling);
        let timer = Timer::new(&system, mapped, "sample clock", move || ticks.tick());
        let timer = device.own(timer)?;
        let builder = Builder::new(device, &board.name)?;
        // As drivers of accelerometers name theirs, and programs look for it.
        let trigger = format!("{}-dev{}", board.name, builder.iio().raw().id());
        timer_trigger(device, &trigger, 100, FrequencyFormat::Whole)?;
        let axes = AXES.into_iter().zip(0..);
        builder
            .label(&board.label)
            .channels(axes.map(|((_, modifier), index)| axis(modifier, index)))
            .channel(ChannelSpec::soft_timestamp(3))
            .software_buffer()
            .triggered_buffer()
            .register(Accel { sampling, timer })?;
        Ok(AccelDriver)
    }
}

fn axis(modifier: Modifier, index: i32) -> ChannelSpec {
    ChannelSpec {
        type_: ChanType::Accel,
        modified: true,
        modifier,
        info_mask_separate: InfoMask::of(&[Info::Raw]),
        info_mask_shared_by_type: InfoMask::of(&[Info::Scale]),
        info_mask_shared_by_all: InfoMask::of(&[Info::SampFreq]),
        info_mask_shared_by_all_available: InfoMask::of(&[Info::SampFreq]),
        ext_info: vec![mount_matrix()],
        scan_index: index,
        scan_type: ScanType::signed(16),
        ..ChannelSpec::default()
    }
}

// industrialio-core.c: iio_show_mount_matrix
fn mount_matrix() -> ExtInfo {
    ExtInfo {
        name: "mount_matrix".into(),
        shared: SharedBy::Type,
        read: Some(Arc::new(|_, _| Ok("1, 0, 0; 0, 1, 0; 0, 0, 1\n".into()))),
        write: None,
    }
}

/// Where samples come from, and who wants them.
struct Sampling {
    registers: Devres<Owned<Regs>>,
    source: Source,
    state: Mutex<State>,
}

struct State {
    rate: u32,
    /// The sample before.
    last: Vec<u8>,
    /// Whom the sample clock feeds; none while a trigger does it.
    sink: Option<IioRef>,
}

impl Sampling {
    fn measure(&self, index: usize) -> Result<i16> {
        let registers = self.registers.try_access().ok_or(Errno::ENODEV)?;
        Ok(registers.read(4 * index) as i16)
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1) / self.state.lock().rate
    }

    /// The sample clock ticked.
    fn tick(&self) -> Next {
        let Some(sink) = self.state.lock().sink.clone() else {
            return Next::Stop;
        };
        let late = self.sample(&sink, sink.time_ns());
        Next::After(late.unwrap_or_else(|| self.period()))
    }

    /// Gives a sample to the buffers, unless it is to come later; one that finds them full
    /// is lost.
    fn sample(&self, iio: &Iio, timestamp: i64) -> Option<Duration> {
        let due = self.source.due();
        match due {
            Due::Nothing | Due::Lost => return None,
            Due::Late(time) => return Some(time),
            Due::Comes | Due::Again | Due::Wrapping => {}
        }
        let mut scan = Vec::with_capacity(iio.scan_bytes());
        for index in iio.active_scan_mask().iter().filter(|index| *index < 3) {
            let Ok(counts) = self.measure(index) else {
                return None;
            };
            scan.extend(counts.to_ne_bytes());
        }
        scan.resize(iio.scan_bytes(), 0);
        let mut state = self.state.lock();
        if due == Due::Again && state.last.len() == scan.len() {
            scan.clone_from(&state.last);
        } else {
            state.last.clone_from(&scan);
        }
        drop(state);
        let _ = iio.push(&mut scan, timestamp);
        None
    }
}

/// The driver's data for its IIO device.
struct Accel {
    sampling: Arc<Sampling>,
    timer: Timer,
}

impl Driver for Accel {
    fn read_raw(&self, iio: &Iio, channel: &ChannelSpec, what: Info) -> Result<Value> {
        match what {
            Info::Raw => {
                let _direct = iio.claim_direct_mode()?;
                let counts = self.sampling.measure(channel.scan_index as usize)?;
                Ok(Value::Int(counts.into()))
            }
            Info::Scale => Ok(Value::IntPlusNano(0, SCALE_NANO)),
            Info::SampFreq => Ok(Value::Int(self.sampling.state.lock().rate as i32)),
            _ => Err(Errno::EINVAL),
        }
    }

    fn write_format(&self, _channel: &ChannelSpec, _what: Info) -> Format {
        Format::Int
    }

    fn write_raw(
        &self,
        _iio: &Iio,
        _channel: &ChannelSpec,
        whole: i32,
        _fract: i32,
        what: Info,
    ) -> Result {
        let rate = u32::try_from(whole)
            .ok()
            .filter(|rate| what == Info::SampFreq && RATES.contains(rate))
            .ok_or(Errno::EINVAL)?;
        self.sampling.state.lock().rate = rate;
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

    fn postenable(&self, iio: &Iio) -> Result {
        if iio.raw().current_mode() != Modes::BUFFER_TRIGGERED {
            self.sampling.state.lock().sink = Some(iio.get());
            self.timer.start(self.sampling.period());
        }
        Ok(())
    }

    fn predisable(&self, _iio: &Iio) -> Result {
        self.timer.cancel();
        let sink = self.sampling.state.lock().sink.take();
        drop(sink);
        Ok(())
    }

    fn triggered(&self, iio: &Iio, timestamp: i64) {
        // A trigger's sample that is late is lost: the next comes with the next trigger.
        let _ = self.sampling.sample(iio, timestamp);
    }
}
