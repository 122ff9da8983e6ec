//! Sensors of one level, with thresholds: `light` and `proximity`.

use lastfd_iio::{
    Builder, ChanType, ChannelSpec, Driver, EventDirection, EventInfo, EventMask, EventSpec,
    EventType, ExtInfo, Iio, Info, InfoMask, Modifier, SharedBy, Value, event_code,
};
use lastfd_model::resource::{DelayedWork, Owned, RegisterBlock, RegisterModel, Regs};
use lastfd_model::typed::{self, Bound, Device, Devres, PlatformDevice};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::{Arc, Mutex};

use crate::fault::{Due, Source};
use crate::kind::{Key, Kind, number};
use crate::plug::{Hardware, Socket, platform_driver};

/// A light sensor.
///
/// It appears as an IIO device named `lastfd-light` (`lastfd-light2`, …) with
/// `in_illuminance_raw`, in tenths of a lux as `in_illuminance_scale` says, and a
/// threshold each for rising and falling light, whose events come when the light
/// crosses it. The key `lux` can be set while it is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LightSensor {
    /// The light that falls on it first, in lux: up to 100000.
    pub lux: u32,
    /// The name of the IIO device; from the second on its number follows, unless
    /// it was named.
    pub name: Option<String>,
}

/// A proximity sensor.
///
/// It appears as an IIO device named `lastfd-proximity` (`lastfd-proximity2`, …)
/// with `in_proximity_raw`, which grows as something comes near,
/// `in_proximity_nearlevel`, and a threshold each for rising and falling, whose
/// events come when the level crosses it. The key `raw` can be set while it is
/// plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProximitySensor {
    /// What it measures first: up to 65535.
    pub raw: u32,
    /// From where on something counts as near.
    pub near: u32,
    /// The name of the IIO device; from the second on its number follows, unless
    /// it was named.
    pub name: Option<String>,
}

const LIGHT: &str = "lastfd-light";
const PROXIMITY: &str = "lastfd-proximity";
/// Counts of a lux.
const PER_LUX: u32 = 10;
const MOST_LUX: u32 = 100_000;
const MOST_RAW: u32 = 65_535;
/// What can go wrong with a change of the level: its interrupt is late or lost, or it is
/// not measured.
const CHANGES: &[&str] = &["delay", "drop", "repeat", "stop", "start"];
const ANY_LUX: &str = "0 to 100000";
const ANY_RAW: &str = "0 to 65535";

impl Default for LightSensor {
    fn default() -> LightSensor {
        LightSensor {
            lux: 250,
            name: None,
        }
    }
}

impl Default for ProximitySensor {
    fn default() -> ProximitySensor {
        ProximitySensor {
            raw: 0,
            near: 100,
            name: None,
        }
    }
}

impl LightSensor {
    pub(crate) const KIND: Kind = Kind {
        name: "light",
        summary: "a light sensor with thresholds",
        serves: "/dev/iio:deviceN, events of illuminance, iiod",
        keys: &[
            Key {
                name: "lux",
                value: "LUX",
                default: "250",
                what: "the light that falls on it; also while it is plugged in",
            },
            Key {
                name: "name",
                value: "TEXT",
                default: LIGHT,
                what: "the name of the IIO device",
            },
        ],
        build: |settings| {
            let mut sensor = LightSensor {
                name: crate::dac::name(settings)?,
                ..LightSensor::default()
            };
            if let Some(lux) = settings.number("lux", ANY_LUX, |lux| *lux <= MOST_LUX)? {
                sensor.lux = lux;
            }
            Ok(Box::new(sensor))
        },
    };
}

impl ProximitySensor {
    pub(crate) const KIND: Kind = Kind {
        name: "proximity",
        summary: "a proximity sensor with thresholds",
        serves: "/dev/iio:deviceN, events of proximity, iiod",
        keys: &[
            Key {
                name: "raw",
                value: "COUNTS",
                default: "0",
                what: "what it measures; also while it is plugged in",
            },
            Key {
                name: "near",
                value: "COUNTS",
                default: "100",
                what: "from where on something is near",
            },
            Key {
                name: "name",
                value: "TEXT",
                default: PROXIMITY,
                what: "the name of the IIO device",
            },
        ],
        build: |settings| {
            let mut sensor = ProximitySensor {
                name: crate::dac::name(settings)?,
                ..ProximitySensor::default()
            };
            if let Some(raw) = settings.number("raw", ANY_RAW, |raw| *raw <= MOST_RAW)? {
                sensor.raw = raw;
            }
            if let Some(near) = settings.number("near", ANY_RAW, |near| *near <= MOST_RAW)? {
                sensor.near = near;
            }
            Ok(Box::new(sensor))
        },
    };
}

impl Hardware for LightSensor {
    fn kind(&self) -> &'static str {
        LightSensor::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<LevelDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        if self.lux > MOST_LUX {
            return Err(Errno::EINVAL);
        }
        let level = Level::new(self.lux * PER_LUX);
        socket.has_source(&level.source(), CHANGES);
        let of_key = level.clone();
        socket.on_set("lux", move |text| {
            let lux: u32 = number("lux", text, ANY_LUX, |lux| *lux <= MOST_LUX)?;
            of_key.set(lux * PER_LUX);
            Ok(())
        });
        socket.register(Board {
            name: self.name.clone().unwrap_or_else(|| socket.numbered(LIGHT)),
            type_: ChanType::Light,
            scale: Some(Value::IntPlusMicro(0, 1_000_000 / PER_LUX as i32)),
            near: None,
            level,
        })
    }
}

impl Hardware for ProximitySensor {
    fn kind(&self) -> &'static str {
        ProximitySensor::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<LevelDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        if self.raw > MOST_RAW {
            return Err(Errno::EINVAL);
        }
        let level = Level::new(self.raw);
        socket.has_source(&level.source(), CHANGES);
        let of_key = level.clone();
        socket.on_set("raw", move |text| {
            of_key.set(number("raw", text, ANY_RAW, |raw| *raw <= MOST_RAW)?);
            Ok(())
        });
        let numbered = || socket.numbered(PROXIMITY);
        socket.register(Board {
            name: self.name.clone().unwrap_or_else(numbered),
            type_: ChanType::Proximity,
            scale: None,
            near: Some(self.near),
            level,
        })
    }
}

/// What the driver is told of the hardware.
struct Board {
    name: String,
    type_: ChanType,
    scale: Option<Value>,
    near: Option<u32>,
    level: Level,
}

/// The hardware: a register with the level, and an interrupt when it changes.
#[derive(Clone)]
struct Level(Arc<Mutex<LevelState>>);

#[derive(Default)]
struct LevelState {
    source: Source,
    counts: u32,
    /// While the driver is bound.
    line: Option<Arc<Line>>,
    /// Levels before and after that the driver is still to be told of.
    untold: Vec<(u32, u32)>,
}

/// The interrupt of a driver.
struct Line {
    /// Told of the level before and after.
    handler: Box<dyn Fn(u32, u32) + Send + Sync>,
    /// Raises it later.
    late: DelayedWork,
}

impl Level {
    fn new(counts: u32) -> Level {
        Level(Arc::new(Mutex::new(LevelState {
            counts,
            ..LevelState::default()
        })))
    }

    fn source(&self) -> Source {
        self.0.lock().source.clone()
    }

    fn set(&self, counts: u32) {
        let mut state = self.0.lock();
        let due = state.source.due();
        if due == Due::Again {
            return;
        }
        let before = core::mem::replace(&mut state.counts, counts);
        let late = match due {
            Due::Comes => None,
            Due::Late(time) => Some(time),
            _ => return,
        };
        let Some(line) = state.line.clone() else {
            return;
        };
        state.untold.push((before, counts));
        drop(state);
        match late {
            // One that is late already takes it along.
            Some(time) => drop(line.late.schedule(time)),
            None => self.interrupt(),
        }
    }

    /// The driver is told what it was not yet.
    fn interrupt(&self) {
        let (line, untold) = {
            let mut state = self.0.lock();
            (state.line.clone(), core::mem::take(&mut state.untold))
        };
        if let Some(line) = line {
            for (before, after) in untold {
                (line.handler)(before, after);
            }
        }
    }

    fn connect(&self, line: Option<Arc<Line>>) {
        let old = {
            let mut state = self.0.lock();
            state.untold.clear();
            core::mem::replace(&mut state.line, line)
        };
        drop(old);
    }
}

impl RegisterModel for Level {
    fn read(&mut self, _offset: usize) -> u32 {
        self.0.lock().counts
    }

    fn write(&mut self, _offset: usize, _value: u32) {
        // The level is the hardware's own to write.
    }
}

/// The driver: what a probe that succeeded leaves.
struct LevelDriver;

impl typed::Driver for LevelDriver {
    type Info = Board;

    fn probe(device: &Device<Bound>, board: &Board) -> Result<LevelDriver> {
        let block = RegisterBlock::new(4, board.level.clone());
        let registers = block.map(&device.system(), Some(device.raw()), "registers");
        let registers = Devres::new(device, Owned::new(registers))?;
        let of_work = Arc::downgrade(&board.level.0);
        let late = DelayedWork::new(&device.system(), Some(device.raw()), "late", move || {
            if let Some(level) = of_work.upgrade() {
                Level(level).interrupt();
            }
        });
        let late = device.own(late)?;
        // Runs after the IIO device is unregistered, which comes later on the list.
        let level = board.level.clone();
        device.on_unbind(move || level.connect(None))?;
        let thresholds = Arc::new(Mutex::new(Thresholds::default()));
        let registered = Builder::new(device, &board.name)?
            .channel(channel(board))
            .register(Sensor {
                registers,
                scale: board.scale.clone(),
                thresholds: Arc::clone(&thresholds),
            })?;
        let (iio, type_) = (registered.iio().get(), board.type_);
        let handler = move |before, after| {
            let crossed = thresholds.lock().crossed(before, after);
            for direction in crossed {
                let code = event_code(
                    type_,
                    false,
                    Modifier::NoMod,
                    direction,
                    EventType::Thresh,
                    0,
                    0,
                    0,
                );
                iio.push_event(code, iio.time_ns());
            }
        };
        board.level.connect(Some(Arc::new(Line {
            handler: Box::new(handler),
            late,
        })));
        Ok(LevelDriver)
    }
}

fn channel(board: &Board) -> ChannelSpec {
    let mut infos = vec![Info::Raw];
    infos.extend(board.scale.is_some().then_some(Info::Scale));
    let threshold = |direction| {
        let elements = EventMask::of(&[EventInfo::Enable, EventInfo::Value]);
        EventSpec::separate(EventType::Thresh, direction, elements)
    };
    let near = board.near.map(|near| ExtInfo {
        name: "nearlevel".into(),
        shared: SharedBy::Separate,
        read: Some(Arc::new(move |_, _| Ok(format!("{near}\n")))),
        write: None,
    });
    ChannelSpec {
        type_: board.type_,
        info_mask_separate: InfoMask::of(&infos),
        event_spec: vec![
            threshold(EventDirection::Rising),
            threshold(EventDirection::Falling),
        ],
        ext_info: near.into_iter().collect(),
        // It has no buffer.
        scan_index: -1,
        ..ChannelSpec::default()
    }
}

/// One threshold.
#[derive(Clone, Copy, Default)]
struct Threshold {
    on: bool,
    counts: u32,
}

#[derive(Default)]
struct Thresholds {
    rising: Threshold,
    falling: Threshold,
}

impl Thresholds {
    fn of(&mut self, event: &EventSpec) -> &mut Threshold {
        match event.dir {
            EventDirection::Rising => &mut self.rising,
            _ => &mut self.falling,
        }
    }

    /// Which thresholds lie between these levels.
    fn crossed(&self, before: u32, after: u32) -> Vec<EventDirection> {
        let Thresholds { rising, falling } = self;
        let mut crossed = Vec::new();
        if rising.on && before <= rising.counts && after > rising.counts {
            crossed.push(EventDirection::Rising);
        }
        if falling.on && before >= falling.counts && after < falling.counts {
            crossed.push(EventDirection::Falling);
        }
        crossed
    }
}

/// The driver's data for its IIO device.
struct Sensor {
    registers: Devres<Owned<Regs>>,
    scale: Option<Value>,
    thresholds: Arc<Mutex<Thresholds>>,
}

impl Driver for Sensor {
    fn read_raw(&self, _iio: &Iio, _channel: &ChannelSpec, what: Info) -> Result<Value> {
        match what {
            Info::Raw => {
                let registers = self.registers.try_access().ok_or(Errno::ENODEV)?;
                Ok(Value::Int(registers.read(0) as i32))
            }
            Info::Scale => self.scale.clone().ok_or(Errno::EINVAL),
            _ => Err(Errno::EINVAL),
        }
    }

    fn event_enabled(&self, _channel: &ChannelSpec, event: &EventSpec) -> Result<bool> {
        Ok(self.thresholds.lock().of(event).on)
    }

    fn enable_event(&self, _channel: &ChannelSpec, event: &EventSpec, on: bool) -> Result {
        self.thresholds.lock().of(event).on = on;
        Ok(())
    }

    fn event_value(
        &self,
        _channel: &ChannelSpec,
        event: &EventSpec,
        _what: EventInfo,
    ) -> Result<Value> {
        Ok(Value::Int(self.thresholds.lock().of(event).counts as i32))
    }

    fn set_event_value(
        &self,
        _channel: &ChannelSpec,
        event: &EventSpec,
        _what: EventInfo,
        whole: i32,
        micro: i32,
    ) -> Result {
        let counts = u32::try_from(whole).ok().filter(|_| micro == 0);
        self.thresholds.lock().of(event).counts = counts.ok_or(Errno::EINVAL)?;
        Ok(())
    }
}
