//! The sensor as a piece of hardware to plug in.

use core::any::Any;
use core::time::Duration;

use embedded_hal::i2c::NoAcknowledgeSource;
use lastfd_model::typed::PlatformDevice;
use lastfd_model::{Result, System};

use super::chip::{Bu27034Chip, Light};
use super::driver::{Bu27034Board, Bu27034Driver, NAME};
use crate::kind::{BadValue, Key, Kind, Settings};
use crate::plug::{Hardware, Socket, platform_driver};

/// An ambient light sensor with a chip of its own in constant light.
///
/// It appears as an IIO device named `bu27034` (`bu270342`, …). To change the
/// light, or to take the chip off its bus, plug in a [`Bu27034Chip`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bu27034 {
    /// The light that falls on it.
    pub light: Light,
    /// How long after it was plugged in the chip falls off its bus, if it does.
    pub lost: Option<Duration>,
    /// How the bus then tells that nobody acknowledges: `EREMOTEIO` to the
    /// driver, or `ENXIO` if it is the address.
    pub nack: NoAcknowledgeSource,
    /// The name of the IIO device; from the second on its number follows, unless
    /// it was named.
    pub name: Option<String>,
}

impl Default for Bu27034 {
    fn default() -> Bu27034 {
        Bu27034 {
            light: Light::lux(100),
            lost: None,
            nack: NoAcknowledgeSource::Unknown,
            name: None,
        }
    }
}

impl Bu27034 {
    pub(crate) const KIND: Kind = Kind {
        name: "bu27034",
        summary: "an ambient light sensor on an I2C bus, with a buffer",
        serves: "/dev/iio:deviceN, scan elements illuminance intensity1 intensity2 timestamp, iiod",
        keys: &[
            Key {
                name: "lux",
                value: "LUX",
                default: "100",
                what: "the light that falls on it",
            },
            Key {
                name: "lost",
                value: "WHEN",
                default: "never",
                what: "when its chip falls off the bus: never, or a time such as 300ms or 2s",
            },
            Key {
                name: "nack",
                value: "WHERE",
                default: "unknown",
                what: "what the bus then says nobody acknowledged: address (ENXIO) or unknown (EREMOTEIO)",
            },
            Key {
                name: "name",
                value: "TEXT",
                default: NAME,
                what: "the name of the IIO device",
            },
        ],
        build: |settings| Ok(Box::new(Bu27034::from_settings(settings)?)),
    };

    fn from_settings(settings: &Settings) -> core::result::Result<Bu27034, BadValue> {
        let bad = |key, expected| BadValue { key, expected };
        let mut sensor = Bu27034 {
            name: crate::dac::name(settings)?,
            ..Bu27034::default()
        };
        if let Some(lux) = settings.get("lux") {
            let lux = lux.parse().ok().filter(|lux| *lux <= MOST_LUX);
            let lux = lux.ok_or(bad("lux", "a whole number up to 200000"))?;
            sensor.light = Light::lux(lux);
        }
        if let Some(when) = settings.get("lost") {
            sensor.lost = lost(when).ok_or(bad("lost", "never, or a time such as 300ms or 2s"))?;
        }
        sensor.nack = match settings.get("nack") {
            None | Some("unknown") => NoAcknowledgeSource::Unknown,
            Some("address") => NoAcknowledgeSource::Address,
            Some(_) => return Err(bad("nack", "address or unknown")),
        };
        Ok(sensor)
    }
}

/// More than the sun at noon.
const MOST_LUX: u32 = 200_000;

/// The outer `None` for words that are no time.
fn lost(when: &str) -> Option<Option<Duration>> {
    if when == "never" {
        return Some(None);
    }
    let (number, unit) = match when.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (when.strip_suffix('s')?, 1000),
    };
    let number: u32 = number.parse().ok()?;
    Some(Some(Duration::from_millis(u64::from(number) * unit)))
}

impl Hardware for Bu27034 {
    fn kind(&self) -> &'static str {
        Bu27034::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn Any + Send + Sync>> {
        platform_driver::<Bu27034Driver<Bu27034Chip>>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        let chip = Bu27034Chip::new(socket.system().clock());
        chip.set_light(self.light);
        if let Some(time) = self.lost {
            chip.remove_after(time, self.nack);
        }
        let name = self.name.clone();
        insert(chip, name.unwrap_or_else(|| socket.numbered(NAME)), socket)
    }
}

/// A chip that somebody holds, to change its light or to take it off its bus. Its
/// clock is to be that of the System.
impl Hardware for Bu27034Chip {
    fn kind(&self) -> &'static str {
        Bu27034::KIND.name
    }

    fn driver(&self, system: &System) -> Result<Box<dyn Any + Send + Sync>> {
        platform_driver::<Bu27034Driver<Bu27034Chip>>(system, self.kind())
    }

    fn insert(&self, socket: &Socket<'_>) -> Result<PlatformDevice> {
        insert(self.clone(), socket.numbered(NAME), socket)
    }
}

fn insert(chip: Bu27034Chip, name: String, socket: &Socket<'_>) -> Result<PlatformDevice> {
    socket.register(Bu27034Board::new(move || Ok(chip.clone())).named(&name))
}
