//! The chip's registers as the driver reaches them: over a bus, with what does
//! not change by itself remembered.
//!
//! Follows the part of `drivers/base/regmap/` that the kernel's driver asks for.

use std::collections::BTreeMap;

use embedded_hal::i2c::{Error, ErrorKind, I2c, NoAcknowledgeSource};
use lastfd_model::{Errno, Result};
use lastfd_sync::Mutex;

use super::map::{DATA0, DATA1_HIGH, MODE_CONTROL4, SYSTEM_CONTROL};

/// The registers of a chip at an address of a bus.
pub(super) struct Registers<B> {
    address: u8,
    wire: Mutex<Wire<B>>,
}

struct Wire<B> {
    bus: B,
    known: BTreeMap<u8, u8>,
}

/// What the kernel's bus drivers give. Nobody at the address is `ENXIO`
/// (`Documentation/i2c/fault-codes.rst`); a controller that cannot tell which
/// byte was not acknowledged gives `EREMOTEIO`, as i2c-designware, i2c-omap and
/// i2c-bcm2835 do.
fn errno(error: impl Error) -> Errno {
    match error.kind() {
        ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address) => Errno::ENXIO,
        ErrorKind::NoAcknowledge(_) => Errno::EREMOTEIO,
        ErrorKind::ArbitrationLoss => Errno::EAGAIN,
        _ => Errno::EIO,
    }
}

/// Whether the chip changes the register by itself.
fn is_volatile(register: u8) -> bool {
    matches!(
        register,
        SYSTEM_CONTROL | MODE_CONTROL4 | DATA0..=DATA1_HIGH
    )
}

impl<B: I2c> Registers<B> {
    pub(super) fn new(bus: B, address: u8) -> Registers<B> {
        Registers {
            address,
            wire: Mutex::new(Wire {
                bus,
                known: BTreeMap::new(),
            }),
        }
    }

    /// Reads a register (`regmap_read`); one that is known, without a word on
    /// the bus.
    pub(super) fn read(&self, register: u8) -> Result<u8> {
        self.wire.lock().read(self.address, register)
    }

    /// Reads registers that follow each other (`regmap_bulk_read`).
    pub(super) fn read_block(&self, first: u8, block: &mut [u8]) -> Result {
        let mut wire = self.wire.lock();
        wire.bus
            .write_read(self.address, &[first], block)
            .map_err(errno)
    }

    /// Changes the bits of the mask, if they are not as wanted
    /// (`regmap_update_bits`).
    pub(super) fn update(&self, register: u8, mask: u8, bits: u8) -> Result {
        let mut wire = self.wire.lock();
        let old = wire.read(self.address, register)?;
        let new = old & !mask | bits & mask;
        if new == old {
            return Ok(());
        }
        wire.write(self.address, register, new)
    }

    /// Sets bits, also if they are set (`regmap_write_bits`).
    pub(super) fn set_always(&self, register: u8, bits: u8) -> Result {
        let mut wire = self.wire.lock();
        let old = wire.read(self.address, register)?;
        wire.write(self.address, register, old | bits)
    }

    /// Forgets what is known (`regmap_reinit_cache`).
    pub(super) fn forget(&self) {
        self.wire.lock().known.clear();
    }
}

impl<B: I2c> Wire<B> {
    fn read(&mut self, address: u8, register: u8) -> Result<u8> {
        if let Some(&known) = self.known.get(&register) {
            return Ok(known);
        }
        let mut value = [0];
        self.bus
            .write_read(address, &[register], &mut value)
            .map_err(errno)?;
        if !is_volatile(register) {
            self.known.insert(register, value[0]);
        }
        Ok(value[0])
    }

    // drivers/base/regmap/regmap.c: _regmap_raw_write_impl
    fn write(&mut self, address: u8, register: u8, value: u8) -> Result {
        if !is_volatile(register) {
            self.known.insert(register, value);
        }
        self.bus
            .write(address, &[register, value])
            .map_err(|error| {
                self.known.remove(&register);
                self.known.remove(&(register + 1));
                errno(error)
            })
    }
}
