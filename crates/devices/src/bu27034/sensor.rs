//! What the driver does to the chip.

use core::time::Duration;

use embedded_hal::i2c::I2c;
use lastfd_iio::Iio;
use lastfd_iio::gts::{GainSel, Gts, Scale, TimeSel};
use lastfd_model::resource::KthreadControl;
use lastfd_model::typed::{Devres, DevresGuard};
use lastfd_model::{Errno, Result, System};

use super::lux::{Counted, mlux};
use super::map::*;
use super::registers::Registers;

/// The channel of the light itself.
pub(super) const ALS: i32 = 0;
/// The channel of the diode that sees blue best, at 500 nm.
pub(super) const DATA0_CHANNEL: i32 = 1;
/// The channel of the diode that sees orange best, at 600 nm.
pub(super) const DATA1_CHANNEL: i32 = 2;

/// The scale at a gain of 1 in the shortest time. With 16 the smallest scale is
/// still a whole number of billionths.
pub(super) const MAX_SCALE: Scale = Scale::new(16, 0);

pub(super) const GAINS: [GainSel; 6] = [
    GainSel::new(1, 0x00),
    GainSel::new(4, 0x08),
    GainSel::new(32, 0x0b),
    GainSel::new(256, 0x18),
    GainSel::new(512, 0x19),
    GainSel::new(1024, 0x1a),
];

/// The longest is preferred: it is the most precise.
pub(super) const TIMES: [TimeSel; 4] = [
    TimeSel::new(400_000, 4, 8),
    TimeSel::new(200_000, 2, 4),
    TimeSel::new(100_000, 0, 2),
    TimeSel::new(55_000, 1, 1),
];

/// What is waited before a chip that just measures is asked again, and how often.
const RETRY: Duration = Duration::from_millis(25);
const RETRIES: u32 = 18;
/// How long before the end of a measurement the buffer's thread starts to ask,
/// and how often.
const EARLY: Duration = Duration::from_millis(5);
const ASK: Duration = Duration::from_millis(1);

/// The chip, its gains and its times.
pub(super) struct Sensor<B: I2c + Send + 'static> {
    pub(super) registers: Devres<Registers<B>>,
    pub(super) gts: Gts,
}

/// Sleeps as `msleep` does, but not through the end of all waits.
pub(super) fn sleep(system: &System, time: Duration) -> Result {
    let slept = system.clock().sleep(time, Some(system.waits()));
    slept.map_err(|_| Errno::EINTR)
}

fn gain_register(channel: i32) -> Result<u8> {
    match channel {
        DATA0_CHANNEL => Ok(MODE_CONTROL2),
        DATA1_CHANNEL => Ok(MODE_CONTROL3),
        _ => Err(Errno::EINVAL),
    }
}

impl<B: I2c + Send + 'static> Sensor<B> {
    /// The registers, while the driver is bound. Asked for anew for each use:
    /// an unbind must not wait for somebody who sleeps.
    fn registers(&self) -> Result<DevresGuard<'_, Registers<B>>> {
        self.registers.try_access().ok_or(Errno::ENODEV)
    }

    /// The hardware gain of a channel.
    // rohm-bu27034.c: bu27034_get_gain
    pub(super) fn gain(&self, channel: i32) -> Result<i32> {
        let register = self.registers()?.read(gain_register(channel)?)?;
        self.gts.gain_by_sel(i32::from(register >> GAIN_SHIFT))
    }

    /// The integration time in microseconds.
    // rohm-bu27034.c: bu27034_get_int_time
    pub(super) fn time(&self) -> Result<i32> {
        self.gts.time_by_sel(self.time_sel()?)
    }

    fn time_sel(&self) -> Result<i32> {
        let register = self.registers()?.read(MODE_CONTROL1)?;
        Ok(i32::from(register & MEAS_MODE))
    }

    /// The scale of a data channel.
    // rohm-bu27034.c: _bu27034_get_scale
    pub(super) fn scale(&self, channel: i32) -> Result<Scale> {
        self.gts.scale(self.gain(channel)?, self.time()?)
    }

    fn set_gain(&self, channel: i32, gain: i32) -> Result {
        self.select_gain(channel, self.gts.sel_by_gain(gain)?)
    }

    // rohm-bu27034.c: bu27034_write_gain_sel
    fn select_gain(&self, channel: i32, sel: i32) -> Result {
        let bits = (sel as u8) << GAIN_SHIFT;
        let register = gain_register(channel)?;
        self.registers()?.update(register, GAIN, bits)
    }

    fn select_time(&self, sel: i32) -> Result {
        let registers = self.registers()?;
        registers.update(MODE_CONTROL1, MEAS_MODE, sel as u8)
    }

    /// Sets a data channel's scale: by its gain alone if that can be, else with
    /// another time in which the other channel can keep its scale.
    ///
    /// The kernel looks the time up by the whole register, not by its three
    /// bits. On a chip whose other bits are zero, as they are, that is the same;
    /// on another no time would be found and no scale could be set. Here the
    /// bits are masked.
    // rohm-bu27034.c: bu27034_set_scale
    pub(super) fn set_scale(&self, channel: i32, scale: Scale) -> Result {
        let time_sel = self.time_sel()?;
        if let Ok(sel) = self.gts.gain_sel_for_scale(time_sel, scale) {
            return self.select_gain(channel, sel);
        }
        let other = match channel {
            DATA0_CHANNEL => DATA1_CHANNEL,
            _ => DATA0_CHANNEL,
        };
        let other_gain = self.gain(other)?;
        let mut times = self.gts.time_table().iter().map(|time| time.sel);
        let found = times.find_map(|new| {
            let sel = self.gts.gain_sel_for_scale(new, scale).ok()?;
            let kept = self.gts.gain_for_new_time_sel(other_gain, time_sel, new);
            Some((new, sel, kept.ok()?))
        });
        let (new_time, sel, kept) = found.ok_or(Errno::EINVAL)?;
        self.set_gain(other, kept)?;
        self.select_time(new_time)?;
        self.select_gain(channel, sel)
    }

    /// Sets the integration time, and gains that keep the scales. Where there is
    /// no such gain it takes the next one below, or the smallest: the scale
    /// changes, which whoever asked for another time must expect.
    // rohm-bu27034.c: bu27034_try_set_int_time
    pub(super) fn set_time(&self, time_us: i32) -> Result {
        let old = self.time()?;
        let sel = self.gts.sel_by_time(time_us)?;
        if time_us == old {
            return Ok(());
        }
        let new_gain = |channel| {
            let gain = self.gain(channel)?;
            match self.gts.gain_for_new_time(gain, old, time_us) {
                Ok(gain) => Ok(gain),
                Err(missing) if missing.best < 0 => Err(missing.errno),
                Err(missing) => {
                    let below = self.gts.closest_gain_low(missing.best).gain;
                    below.or_else(|_| self.gts.min_gain())
                }
            }
        };
        let gains = (new_gain(DATA0_CHANNEL)?, new_gain(DATA1_CHANNEL)?);
        self.set_gain(DATA0_CHANNEL, gains.0)?;
        self.set_gain(DATA1_CHANNEL, gains.1)?;
        self.select_time(sel)
    }

    /// Starts or ends measuring, one measurement after the other.
    // rohm-bu27034.c: bu27034_meas_set
    pub(super) fn measure(&self, on: bool) -> Result {
        let bits = if on { MEAS_EN } else { 0 };
        self.registers()?.update(MODE_CONTROL4, MEAS_EN, bits)
    }

    /// Whether there is a new result. Asking takes the word away.
    fn has_new(&self) -> Result<bool> {
        Ok(self.registers()?.read(MODE_CONTROL4)? & VALID != 0)
    }

    /// The results, from the register on.
    fn results<const N: usize>(&self, first: u8) -> Result<[u16; N]> {
        let mut block = [[0; 2]; N];
        self.registers()?
            .read_block(first, block.as_flattened_mut())?;
        Ok(block.map(u16::from_le_bytes))
    }

    /// Measures with one channel, and leaves the chip measuring.
    ///
    /// `ETIMEDOUT` if there is no result in a time in which there must be. The
    /// kernel asks without end here.
    // rohm-bu27034.c: bu27034_get_single_result
    pub(super) fn read_counts(&self, system: &System, channel: i32) -> Result<u16> {
        self.measure(true)?;
        let time = Duration::from_micros(self.time()?.unsigned_abs().into());
        sleep(system, time)?;
        let give_up = system.clock().now().after(RETRY * RETRIES);
        while !self.has_new()? {
            if system.clock().now() >= give_up {
                return Err(Errno::ETIMEDOUT);
            }
            sleep(system, ASK)?;
        }
        let place = channel - DATA0_CHANNEL;
        let [counts] = self.results(DATA0 + 2 * place as u8)?;
        Ok(counts)
    }

    /// Measures the light, in thousandths of a lux, and ends measuring.
    ///
    /// While it waits for a result an error of the bus is no result yet, so that
    /// a chip that vanishes in between is `ETIMEDOUT`, as in the kernel; and so
    /// is it that after an error the chip is left measuring.
    // rohm-bu27034.c: bu27034_get_mlux, bu27034_get_result_unlocked
    pub(super) fn read_light(&self, system: &System) -> Result<u32> {
        self.measure(true)?;
        let mut retries = 0;
        while !self.has_new().unwrap_or(false) {
            retries += 1;
            if retries > RETRIES {
                return Err(Errno::ETIMEDOUT);
            }
            sleep(system, RETRY)?;
        }
        let counts = self.results(DATA0)?;
        self.forget_result();
        let light = self.light(counts)?;
        // The light was measured, whether the chip can be stopped or not.
        let _ = self.measure(false);
        Ok(light)
    }

    /// A result that came while the one before was read is not waited for.
    // rohm-bu27034.c: bu27034_invalidate_read_data
    fn forget_result(&self) {
        let _ = self.has_new();
    }

    fn light(&self, counts: [u16; 2]) -> Result<u32> {
        let counted = |place: usize, channel| -> Result<Counted> {
            Ok(Counted {
                counts: counts[place],
                gain: self.gain(channel)?.unsigned_abs(),
            })
        };
        let data = [counted(0, DATA0_CHANNEL)?, counted(1, DATA1_CHANNEL)?];
        Ok(mlux(data, self.time()?.unsigned_abs()))
    }

    /// Fills the buffers with one sample for each measurement, until the thread
    /// is to end. An error of the bus is a sample that is missing: whoever reads
    /// the buffer is not told.
    ///
    /// The kernel always gives the buffers a sample that starts with the light,
    /// also if nobody wants that, and so shows its halves as the two channels.
    /// Here the sample has what is wanted.
    // rohm-bu27034.c: bu27034_buffer_thread
    pub(super) fn fill(&self, iio: &Iio, control: &KthreadControl) {
        let shortest = TIMES.iter().map(|time| time.time_us).min();
        let time_us = self.time().ok().or(shortest).unwrap_or_default();
        let time = Duration::from_micros(time_us.unsigned_abs().into());
        let mut scan = Vec::new();
        while control.sleep(time.saturating_sub(EARLY)) {
            let Ok(counts) = self.next_counts(control) else {
                continue;
            };
            let timestamp = iio.time_ns();
            scan.clear();
            if iio.active_scan_mask().contains(ALS as usize) {
                let light = self.light(counts).unwrap_or(0);
                scan.extend(light.to_ne_bytes());
            }
            scan.extend(counts.iter().flat_map(|counts| counts.to_le_bytes()));
            scan.resize(iio.scan_bytes(), 0);
            // A full buffer loses the sample.
            let _ = iio.push(&mut scan, timestamp);
        }
    }

    // rohm-bu27034.c: bu27034_wait_for_data
    fn next_counts(&self, control: &KthreadControl) -> Result<[u16; 2]> {
        let mut left = EARLY.as_millis() + 1;
        while !self.has_new()? {
            if left == 0 {
                return Err(Errno::ETIMEDOUT);
            }
            left -= 1;
            if !control.sleep(ASK) {
                return Err(Errno::EINTR);
            }
        }
        let counts = self.results(DATA0)?;
        self.forget_result();
        Ok(counts)
    }
}
