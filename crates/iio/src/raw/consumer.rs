//! What a consumer inside the kernel does with a channel it has: read, convert,
//! write.
//!
//! Follows `drivers/iio/inkern.c`, the half about values. Each call holds
//! `info_exist_lock`, so that the callbacks stay while it runs, and gives `ENODEV`
//! once the device is unregistered. Extended attributes and labels do not take
//! that lock in the kernel either.

use lastfd_model::event::SplatKind;
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::info::IioInfo;
use super::inkern::IioChannel;
use crate::types::{ChanType, Info};
use crate::value::{Available, Value};

/// What a read came to, as the kernel gives it: two numbers and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What the call returned: `IIO_VAL_*`, or 0 for a converted value.
    pub rc: i32,
    /// `*val`.
    pub val: i32,
    /// `*val2`; 0 where the kernel leaves it alone.
    pub val2: i32,
}

impl Reading {
    /// A driver's value as two numbers.
    fn of(value: &Value) -> Reading {
        let (rc, val, val2) = match value {
            Value::Int(val) => (1, *val, 0),
            Value::IntPlusMicro(val, val2) => (2, *val, *val2),
            Value::IntPlusNano(val, val2) => (3, *val, *val2),
            Value::IntPlusMicroDb(val, val2) => (4, *val, *val2),
            Value::IntMultiple(vals) => {
                let at = |i: usize| vals.get(i).copied().unwrap_or(0);
                (5, at(0), at(1))
            }
            Value::Int64(val) => (6, *val as i32, (*val >> 32) as i32),
            Value::Fractional(val, val2) => (10, *val, *val2),
            Value::FractionalLog2(val, val2) => (11, *val, *val2),
            Value::Char(val) => (12, i32::from(*val), 0),
        };
        Reading { rc, val, val2 }
    }
}

impl IioChannel {
    /// Runs a call with the callbacks, which cannot go meanwhile.
    #[track_caller]
    fn with_info<T>(&self, call: impl FnOnce(&Arc<IioInfo>) -> Result<T>) -> Result<T> {
        self.used()?;
        let _exists = self.indio_dev().lock_info();
        let info = self.indio_dev().info().ok_or(Errno::ENODEV)?;
        call(&info)
    }

    // inkern.c: iio_channel_read
    #[track_caller]
    fn read(&self, info: &IioInfo, what: Info) -> Result<Value> {
        let channel = self.used()?;
        if !channel.has_info(what) {
            return Err(Errno::EINVAL);
        }
        let read = info.read_raw.as_ref().ok_or(Errno::EINVAL)?;
        read(self.indio_dev(), channel, what)
    }

    // inkern.c: iio_channel_read_avail
    #[track_caller]
    fn read_available(&self, info: &IioInfo, what: Info) -> Result<Available> {
        let channel = self.used()?;
        if !channel.has_available(what) {
            return Err(Errno::EINVAL);
        }
        let read = info.read_avail.as_ref().ok_or(Errno::EINVAL)?;
        read(self.indio_dev(), channel, what)
    }

    /// The processed value of a raw one.
    // inkern.c: iio_convert_raw_to_processed_unlocked
    #[track_caller]
    fn convert(&self, info: &IioInfo, raw: i32, scale: u32) -> Result<i32> {
        let mut raw = i64::from(raw);
        let scale = i64::from(scale);
        if let Ok(offset) = self.read(info, Info::Offset) {
            raw += i64::from(match offset {
                // A fraction is cut off.
                Value::Int(val) | Value::IntPlusMicro(val, _) | Value::IntPlusNano(val, _) => val,
                Value::Fractional(val, val2) => quotient(val.into(), val2)? as i32,
                Value::FractionalLog2(val, val2) => val >> val2.clamp(0, 31),
                _ => return Err(Errno::EINVAL),
            });
        }
        let Ok(by) = self.read(info, Info::Scale) else {
            return Ok(raw.wrapping_mul(scale) as i32);
        };
        let scaled = raw.wrapping_mul(scale);
        Ok(match by {
            Value::Int(val) => raw.wrapping_mul(val.into()).wrapping_mul(scale) as i32,
            Value::IntPlusMicro(val, val2) => decimal(scaled, val, val2, 1_000_000),
            Value::IntPlusNano(val, val2) => decimal(scaled, val, val2, 1_000_000_000),
            Value::Fractional(val, val2) => {
                let product = raw.wrapping_mul(val.into()).wrapping_mul(scale);
                quotient(product, val2)? as i32
            }
            Value::FractionalLog2(val, val2) => {
                let product = raw.wrapping_mul(val.into()).wrapping_mul(scale);
                (product >> val2.clamp(0, 63)) as i32
            }
            _ => return Err(Errno::EINVAL),
        })
    }
}

/// Divided towards zero. `EINVAL` for a quotient by zero, on which the kernel
/// would fault.
fn quotient(value: i64, by: i32) -> Result<i64> {
    match by {
        0 => Err(Errno::EINVAL),
        by => Ok(value.wrapping_div(by.into())),
    }
}

/// A value times `val` and so many parts of `unit`, in the kernel's int.
fn decimal(scaled: i64, val: i32, val2: i32, unit: i64) -> i32 {
    let whole = scaled.wrapping_mul(i64::from(val.wrapping_abs())) as i32;
    let part = scaled.wrapping_mul(i64::from(val2.wrapping_abs())) / unit;
    let sum = whole.wrapping_add(part as i32);
    match val < 0 || val2 < 0 {
        true => sum.wrapping_neg(),
        false => sum,
    }
}

/// Reads an information element (`iio_read_channel_attribute`).
///
/// # Errors
/// `ENODEV` once the device is unregistered; `EINVAL` when the channel has no such
/// element or the driver reads none; what the driver gives.
#[track_caller]
pub fn iio_read_channel_attribute(channel: &IioChannel, what: Info) -> Result<Reading> {
    channel.with_info(|info| channel.read(info, what).map(|value| Reading::of(&value)))
}

/// Reads the raw value (`iio_read_channel_raw`).
///
/// # Errors
/// As [`iio_read_channel_attribute`].
#[track_caller]
pub fn iio_read_channel_raw(channel: &IioChannel) -> Result<Reading> {
    iio_read_channel_attribute(channel, Info::Raw)
}

/// Reads the mean of raw values (`iio_read_channel_average_raw`).
///
/// # Errors
/// As [`iio_read_channel_attribute`].
#[track_caller]
pub fn iio_read_channel_average_raw(channel: &IioChannel) -> Result<Reading> {
    iio_read_channel_attribute(channel, Info::AverageRaw)
}

/// Reads the offset (`iio_read_channel_offset`).
///
/// # Errors
/// As [`iio_read_channel_attribute`].
#[track_caller]
pub fn iio_read_channel_offset(channel: &IioChannel) -> Result<Reading> {
    iio_read_channel_attribute(channel, Info::Offset)
}

/// Reads the scale (`iio_read_channel_scale`).
///
/// # Errors
/// As [`iio_read_channel_attribute`].
#[track_caller]
pub fn iio_read_channel_scale(channel: &IioChannel) -> Result<Reading> {
    iio_read_channel_attribute(channel, Info::Scale)
}

/// Converts a raw value with the channel's offset and scale, and a factor of the
/// consumer's (`iio_convert_raw_to_processed`).
///
/// # Errors
/// As [`iio_read_channel_attribute`]; `EINVAL` for an offset or a scale that is no
/// number.
#[track_caller]
pub fn iio_convert_raw_to_processed(channel: &IioChannel, raw: i32, scale: u32) -> Result<i32> {
    channel.with_info(|info| channel.convert(info, raw, scale))
}

/// Reads the processed value (`iio_read_channel_processed`): the driver's own, or
/// the raw one converted, for which `rc` is 0.
///
/// # Errors
/// As [`iio_convert_raw_to_processed`].
#[track_caller]
pub fn iio_read_channel_processed(channel: &IioChannel) -> Result<Reading> {
    iio_read_channel_processed_scale(channel, 1)
}

/// [`iio_read_channel_processed`] times `scale`
/// (`iio_read_channel_processed_scale`).
///
/// # Errors
/// As [`iio_convert_raw_to_processed`].
#[track_caller]
pub fn iio_read_channel_processed_scale(channel: &IioChannel, scale: u32) -> Result<Reading> {
    channel.with_info(|info| {
        if channel.used()?.has_info(Info::Processed) {
            let reading = Reading::of(&channel.read(info, Info::Processed)?);
            return Ok(Reading {
                val: reading.val.wrapping_mul(scale as i32),
                ..reading
            });
        }
        let raw = Reading::of(&channel.read(info, Info::Raw)?);
        Ok(Reading {
            rc: 0,
            val: channel.convert(info, raw.val, scale)?,
            val2: 0,
        })
    })
}

/// Reads what values an element may have (`iio_read_avail_channel_attribute`).
///
/// # Errors
/// As [`iio_read_channel_attribute`].
#[track_caller]
pub fn iio_read_avail_channel_attribute(channel: &IioChannel, what: Info) -> Result<Available> {
    channel.with_info(|info| channel.read_available(info, what))
}

/// Reads what raw values there are (`iio_read_avail_channel_raw`).
///
/// # Errors
/// As [`iio_read_channel_attribute`]; `EINVAL` when they are no whole numbers.
#[track_caller]
pub fn iio_read_avail_channel_raw(channel: &IioChannel) -> Result<Available> {
    let available = iio_read_avail_channel_attribute(channel, Info::Raw)?;
    let whole = match &available {
        Available::List(values) => values.iter().all(|v| matches!(v, Value::Int(_))),
        Available::Range(values) => values.iter().all(|v| matches!(v, Value::Int(_))),
    };
    whole.then_some(available).ok_or(Errno::EINVAL)
}

/// The greatest raw value (`iio_read_max_channel_raw`).
///
/// # Errors
/// As [`iio_read_channel_attribute`]; `EINVAL` for a list of other than whole
/// numbers, or an empty one.
#[track_caller]
pub fn iio_read_max_channel_raw(channel: &IioChannel) -> Result<i32> {
    extreme(channel, 2, |values| values.iter().copied().max())
}

/// The least raw value (`iio_read_min_channel_raw`).
///
/// # Errors
/// As [`iio_read_max_channel_raw`].
#[track_caller]
pub fn iio_read_min_channel_raw(channel: &IioChannel) -> Result<i32> {
    extreme(channel, 0, |values| values.iter().copied().min())
}

// inkern.c: iio_channel_read_max, iio_channel_read_min
#[track_caller]
fn extreme(
    channel: &IioChannel,
    of_range: usize,
    of_list: fn(&[i32]) -> Option<i32>,
) -> Result<i32> {
    match iio_read_avail_channel_attribute(channel, Info::Raw)? {
        Available::Range(values) => Ok(Reading::of(&values[of_range]).val),
        Available::List(values) => {
            let whole: Option<Vec<i32>> = values
                .iter()
                .map(|value| match value {
                    Value::Int(value) => Some(*value),
                    _ => None,
                })
                .collect();
            whole.as_deref().and_then(of_list).ok_or(Errno::EINVAL)
        }
    }
}

/// What the channel measures (`iio_get_channel_type`).
///
/// # Errors
/// `ENODEV` once the device is unregistered.
#[track_caller]
pub fn iio_get_channel_type(channel: &IioChannel) -> Result<ChanType> {
    channel.with_info(|_| Ok(channel.used()?.type_))
}

/// Writes an information element (`iio_write_channel_attribute`). The kernel does
/// not ask whether the channel has it.
///
/// # Errors
/// `ENODEV` once the device is unregistered; `EINVAL` when the driver writes none;
/// what the driver gives.
#[track_caller]
pub fn iio_write_channel_attribute(
    channel: &IioChannel,
    val: i32,
    val2: i32,
    what: Info,
) -> Result {
    channel.with_info(|info| {
        let write = info.write_raw.as_ref().ok_or(Errno::EINVAL)?;
        write(channel.indio_dev(), channel.used()?, val, val2, what)
    })
}

/// Writes the raw value (`iio_write_channel_raw`).
///
/// # Errors
/// As [`iio_write_channel_attribute`].
#[track_caller]
pub fn iio_write_channel_raw(channel: &IioChannel, val: i32) -> Result {
    iio_write_channel_attribute(channel, val, 0, Info::Raw)
}

/// How many extended attributes the channel has
/// (`iio_get_channel_ext_info_count`).
#[track_caller]
pub fn iio_get_channel_ext_info_count(channel: &IioChannel) -> usize {
    channel.used().map_or(0, |spec| spec.ext_info.len())
}

/// Reads an extended attribute (`iio_read_channel_ext_info`), unregistered or not:
/// the kernel does not look.
///
/// # Errors
/// `EINVAL` when there is none of that name; `EFAULT` and a splat when it cannot be
/// read; what the driver gives.
#[track_caller]
pub fn iio_read_channel_ext_info(channel: &IioChannel, attr: &str) -> Result<String> {
    let spec = channel.used()?;
    let ext = spec.ext_info.iter().find(|ext| ext.name == attr);
    match &ext.ok_or(Errno::EINVAL)?.read {
        Some(read) => read(channel.indio_dev(), spec),
        None => Err(null_call(channel)),
    }
}

/// Writes an extended attribute (`iio_write_channel_ext_info`), as
/// [`iio_read_channel_ext_info`] reads it; the bytes taken.
///
/// # Errors
/// As [`iio_read_channel_ext_info`].
#[track_caller]
pub fn iio_write_channel_ext_info(channel: &IioChannel, attr: &str, text: &[u8]) -> Result<usize> {
    let spec = channel.used()?;
    let ext = spec.ext_info.iter().find(|ext| ext.name == attr);
    match &ext.ok_or(Errno::EINVAL)?.write {
        Some(write) => write(channel.indio_dev(), spec, text),
        None => Err(null_call(channel)),
    }
}

#[track_caller]
fn null_call(channel: &IioChannel) -> Errno {
    channel.splat(SplatKind::Bug, "an extended attribute without the callback");
    Errno::EFAULT
}
