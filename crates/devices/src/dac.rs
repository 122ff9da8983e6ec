//! A converter with two output voltages: `iio-dac`.

use lastfd_iio::raw::{Access, Direction, IioBuffer, StandardAttributes};
use lastfd_iio::{
    Builder, ChanType, ChannelSpec, Driver, Format, Iio, Info, InfoMask, ScanType, Value,
};
use lastfd_model::typed::{self, Bound, Device, PlatformDevice};
use lastfd_model::{Errno, Result, System};
use lastfd_sync::Mutex;

use crate::kind::{BadValue, Key, Kind, Settings};
use crate::plug::{Hardware, Socket, platform_driver};

/// A converter with two voltage outputs.
///
/// It appears as an IIO device named `lastfd-dac` (`lastfd-dac2`, …) with the
/// label `dac-label`. What is written to a channel's `raw` reads back.
///
/// It has scan elements and a buffer directory, but its buffer takes no samples
/// yet: enabling it gives `EINVAL`, as a device without a buffer mode does, and
/// so does writing to its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IioDac {
    /// The name of the IIO device; from the second on its number follows, unless
    /// it was named.
    pub name: Option<String>,
    /// Its label.
    pub label: String,
}

const NAME: &str = "lastfd-dac";
const LABEL: &str = "dac-label";
const ANY_NAME: &str = "a name without blanks or newlines";

impl Default for IioDac {
    fn default() -> IioDac {
        IioDac {
            name: None,
            label: LABEL.into(),
        }
    }
}

/// The `name` key, which most kinds have.
pub(crate) fn name(settings: &Settings) -> core::result::Result<Option<String>, BadValue> {
    word(settings, "name")
}

pub(crate) fn word(
    settings: &Settings,
    key: &'static str,
) -> core::result::Result<Option<String>, BadValue> {
    match settings.get(key) {
        None => Ok(None),
        Some(word) if word.is_empty() || word.contains(char::is_whitespace) => Err(BadValue {
            key,
            expected: ANY_NAME,
        }),
        Some(word) => Ok(Some(word.to_owned())),
    }
}

impl IioDac {
    pub(crate) const KIND: Kind = Kind {
        name: "iio-dac",
        summary: "a converter with two voltage outputs",
        serves: "/dev/iio:deviceN, scan elements voltage0 voltage1, iiod (no output buffer yet)",
        keys: &[
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
        build: |settings| {
            Ok(Box::new(IioDac {
                name: name(settings)?,
                label: word(settings, "label")?.unwrap_or_else(|| LABEL.into()),
            }))
        },
    };
}

impl Hardware for IioDac {
    fn kind(&self) -> &'static str {
        IioDac::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn core::any::Any + Send + Sync>> {
        platform_driver::<DacDriver>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        socket.register(Board {
            name: self.name.clone().unwrap_or_else(|| socket.numbered(NAME)),
            label: self.label.clone(),
        })
    }
}

/// What the driver is told of the hardware.
struct Board {
    name: String,
    label: String,
}

struct DacDriver;

impl typed::Driver for DacDriver {
    type Info = Board;

    fn probe(device: &Device<Bound>, board: &Board) -> Result<DacDriver> {
        Builder::new(device, &board.name)?
            .label(&board.label)
            .channels([voltage(0), voltage(1)])
            .buffer(IioBuffer::with_standard(
                Access::Inert,
                Direction::Out,
                Vec::new(),
                StandardAttributes {
                    data_available: false,
                    direction: false,
                },
            ))
            .register(Dac::default())?;
        Ok(DacDriver)
    }
}

fn voltage(number: i32) -> ChannelSpec {
    ChannelSpec {
        type_: ChanType::Voltage,
        output: true,
        indexed: true,
        channel: number,
        info_mask_separate: InfoMask::of(&[Info::Raw, Info::Scale]),
        scan_index: number,
        scan_type: ScanType::signed(16),
        ..ChannelSpec::default()
    }
}

/// The driver's data: what each output is set to, and its scale.
struct Dac {
    outputs: Mutex<[i32; 2]>,
    /// Whole part and millionths.
    scales: Mutex<[(i32, i32); 2]>,
}

impl Default for Dac {
    fn default() -> Dac {
        Dac {
            outputs: Mutex::new([0; 2]),
            scales: Mutex::new([(0, 250_000); 2]),
        }
    }
}

impl Driver for Dac {
    fn read_raw(&self, _iio: &Iio, channel: &ChannelSpec, what: Info) -> Result<Value> {
        let number = channel.channel as usize;
        match what {
            Info::Raw => Ok(Value::Int(self.outputs.lock()[number])),
            Info::Scale => {
                let (whole, micro) = self.scales.lock()[number];
                Ok(Value::IntPlusMicro(whole, micro))
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn write_format(&self, _channel: &ChannelSpec, what: Info) -> Format {
        match what {
            Info::Raw => Format::Int,
            _ => Format::IntPlusMicro,
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
        let number = channel.channel as usize;
        match what {
            Info::Raw => self.outputs.lock()[number] = whole,
            Info::Scale => self.scales.lock()[number] = (whole, fract),
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }
}
