//! An ambient light sensor on an I²C bus: `bu27034`.
//!
//! The driver is the model of how one is written here. It is generic over its
//! bus, `embedded_hal::i2c::I2c`: the same type runs on the simulated chip and,
//! over `linux-embedded-hal`, on a board's bus. It follows
//! `drivers/iio/light/rohm-bu27034.c`; the chip follows what that driver relies
//! on.
//!
//! ```
//! use lastfd_devices::{Bu27034Chip, Light, plug};
//! use lastfd_model::raw::attr_read;
//! use lastfd_model::{Errno, System};
//! use lastfd_sync::Clock;
//!
//! let clock = Clock::simulated();
//! let system = System::builder().clock(clock.clone()).build();
//! let chip = Bu27034Chip::new(&clock);
//! chip.set_light(Light::lux(250));
//! let sensor = plug(&system, &chip).unwrap();
//!
//! // Thousandths of a lux, after a measurement of a tenth of a second.
//! let iio = system.find_bus("iio").unwrap().find_device("iio:device0").unwrap();
//! assert_eq!(attr_read(&iio, "in_illuminance_raw").unwrap(), b"249998\n");
//! // The chip falls off the bus: nobody acknowledges any more.
//! chip.remove();
//! assert_eq!(attr_read(&iio, "in_illuminance_raw"), Err(Errno::EREMOTEIO));
//! # drop(sensor);
//! ```

mod chip;
mod driver;
mod hardware;
mod lux;
mod registers;
mod sensor;

pub use chip::{Bu27034Chip, BusError, Light};
pub use driver::{Bu27034Board, Bu27034Driver};
pub use hardware::Bu27034;

/// The registers that are used, and what is in them.
mod map {
    /// Bit 7 resets the chip, bits 5 to 0 say which part it is.
    pub(super) const SYSTEM_CONTROL: u8 = 0x40;
    pub(super) const SW_RESET: u8 = 0x80;
    pub(super) const PART_ID: u8 = 0x19;
    /// Bits 2 to 0 select the integration time.
    pub(super) const MODE_CONTROL1: u8 = 0x41;
    pub(super) const MEAS_MODE: u8 = 0x07;
    /// Bits 7 to 3 select the gain of the first channel, in the next register
    /// that of the second.
    pub(super) const MODE_CONTROL2: u8 = 0x42;
    pub(super) const MODE_CONTROL3: u8 = 0x43;
    pub(super) const GAIN: u8 = 0xf8;
    pub(super) const GAIN_SHIFT: u32 = 3;
    /// Bit 0 starts measuring, bit 7 says that there is a new result.
    pub(super) const MODE_CONTROL4: u8 = 0x44;
    pub(super) const MEAS_EN: u8 = 0x01;
    pub(super) const VALID: u8 = 0x80;
    /// Two results of 16 bits, lower byte first.
    pub(super) const DATA0: u8 = 0x50;
    pub(super) const DATA1_HIGH: u8 = 0x53;
    pub(super) const MANUFACTURER_ID: u8 = 0x92;
}
