//! Values as drivers give them and as sysfs prints and parses them.

use core::fmt::Write;

use lastfd_model::{Errno, Result};

use crate::text::{c_str, kstrtoint};

/// A value with the way it is written (`IIO_VAL_*`).
///
/// ```
/// use lastfd_iio::Value;
/// assert_eq!(Value::IntPlusMicro(0, 500_000).format().unwrap(), "0.500000");
/// assert_eq!(Value::IntPlusMicro(-1, 250_000).format().unwrap(), "-1.250000");
/// assert_eq!(Value::Fractional(1, 3).format().unwrap(), "0.333333333");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// `IIO_VAL_INT`.
    Int(i32),
    /// `IIO_VAL_INT_PLUS_MICRO`: a whole part and millionths. A negative value
    /// above -1 has the sign on the millionths.
    IntPlusMicro(i32, i32),
    /// `IIO_VAL_INT_PLUS_NANO`: a whole part and billionths.
    IntPlusNano(i32, i32),
    /// `IIO_VAL_INT_PLUS_MICRO_DB`: a whole part and millionths, in decibel.
    IntPlusMicroDb(i32, i32),
    /// `IIO_VAL_INT_MULTIPLE`: several numbers, a blank after each.
    IntMultiple(Vec<i32>),
    /// `IIO_VAL_INT_64`.
    Int64(i64),
    /// `IIO_VAL_FRACTIONAL`: a quotient.
    Fractional(i32, i32),
    /// `IIO_VAL_FRACTIONAL_LOG2`: a number divided by two to the power of the second.
    FractionalLog2(i32, i32),
    /// `IIO_VAL_CHAR`.
    Char(u8),
}

/// How a written value is to be read (`write_raw_get_fmt`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// A whole number, in any base C knows.
    Int,
    /// A whole part and millionths: what is taken without a word of the driver.
    #[default]
    IntPlusMicro,
    /// As before, `dB` allowed after it.
    IntPlusMicroDb,
    /// A whole part and billionths.
    IntPlusNano,
    /// One character.
    Char,
    /// Any other of the kernel's formats: writing is refused with `EINVAL`.
    Other,
}

/// What an `_available` attribute shows (`enum iio_available_type`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Available {
    /// Every value there is.
    List(Vec<Value>),
    /// The least value, the step, and the greatest.
    Range([Value; 3]),
}

impl Value {
    /// The text sysfs shows, without its newline.
    ///
    /// `EINVAL` for a quotient by zero, on which the kernel would fault.
    // industrialio-core.c: __iio_format_value
    pub fn format(&self) -> Result<String> {
        let mut text = String::new();
        self.write_to(&mut text)?;
        Ok(text)
    }

    fn write_to(&self, out: &mut String) -> Result {
        let written = match self {
            Value::Int(value) => write!(out, "{value}"),
            Value::IntPlusMicro(whole, micro) => decimal(out, *whole, *micro, 6, ""),
            Value::IntPlusMicroDb(whole, micro) => decimal(out, *whole, *micro, 6, " dB"),
            Value::IntPlusNano(whole, nano) => decimal(out, *whole, *nano, 9, ""),
            Value::IntMultiple(values) => {
                values.iter().try_for_each(|value| write!(out, "{value} "))
            }
            Value::Int64(value) => write!(out, "{value}"),
            Value::Fractional(_, 0) => return Err(Errno::EINVAL),
            Value::Fractional(value, by) => {
                nanos(out, i64::from(*value) * 1_000_000_000 / i64::from(*by))
            }
            Value::FractionalLog2(value, shift) => {
                let value = i64::from(*value) * 1_000_000_000;
                // The kernel's shift_right() shifts the magnitude. A shift
                // outside 0..64 is undefined there.
                let shift = (*shift).clamp(0, 63) as u32;
                let magnitude = (value.unsigned_abs() >> shift) as i64;
                nanos(out, if value < 0 { -magnitude } else { magnitude })
            }
            Value::Char(value) => {
                out.push(char::from(*value));
                Ok(())
            }
        };
        written.map_err(|_| Errno::EFBIG)
    }
}

fn decimal(
    out: &mut String,
    whole: i32,
    fract: i32,
    digits: usize,
    unit: &str,
) -> core::fmt::Result {
    if fract < 0 {
        let (whole, fract) = (whole.unsigned_abs(), fract.unsigned_abs());
        write!(out, "-{whole}.{fract:0digits$}{unit}")
    } else {
        write!(out, "{whole}.{fract:0digits$}{unit}")
    }
}

fn nanos(out: &mut String, value: i64) -> core::fmt::Result {
    // The kernel keeps the whole part in an int.
    let whole = (value / 1_000_000_000) as i32;
    let rest = (value % 1_000_000_000).unsigned_abs();
    if value < 0 && whole == 0 {
        write!(out, "-0.{rest:09}")
    } else {
        write!(out, "{whole}.{rest:09}")
    }
}

/// One page: what a sysfs show callback may give.
const PAGE_SIZE: usize = 4096;

impl Available {
    /// The text sysfs shows, newline included: values with a blank between, a
    /// range in brackets. More than a page is `EFBIG`.
    ///
    /// ```
    /// use lastfd_iio::{Available, Value};
    /// let rates = Available::List([100, 1000].map(Value::Int).to_vec());
    /// assert_eq!(rates.format().unwrap(), "100 1000\n");
    /// ```
    // industrialio-core.c: iio_format_list
    pub fn format(&self) -> Result<String> {
        let (values, before, after) = match self {
            Available::List(values) => (values.as_slice(), "", ""),
            Available::Range(values) => (values.as_slice(), "[", "]"),
        };
        let mut text = String::from(before);
        for (position, value) in values.iter().enumerate() {
            if position != 0 {
                text.push(' ');
            }
            value.write_to(&mut text)?;
            if text.len() >= PAGE_SIZE {
                return Err(Errno::EFBIG);
            }
        }
        text.push_str(after);
        text.push('\n');
        Ok(text)
    }
}

/// Reads a decimal number written to an attribute (`iio_str_to_fixpoint`).
///
/// `fract_mult` is the weight of the first decimal place, 100000 for millionths;
/// 0 takes whole numbers only, in any base C knows. Digits past the weight of 1
/// are read and forgotten. A negative number below 1 carries its sign in the
/// fraction. One newline may end it. Gives whole part and fraction, or `EINVAL`
/// (`ERANGE` for a whole number that does not fit).
///
/// ```
/// use lastfd_iio::iio_str_to_fixpoint;
/// assert_eq!(iio_str_to_fixpoint(b"-0.5\n", 100_000), Ok((0, -500_000)));
/// assert_eq!(iio_str_to_fixpoint(b"0x10", 0), Ok((16, 0)));
/// ```
pub fn iio_str_to_fixpoint(text: &[u8], fract_mult: i32) -> Result<(i32, i32)> {
    str_to_fixpoint(text, fract_mult, false)
}

// industrialio-core.c: __iio_str_to_fixpoint
fn str_to_fixpoint(text: &[u8], mut fract_mult: i32, decibel: bool) -> Result<(i32, i32)> {
    if fract_mult == 0 {
        return Ok((kstrtoint(text, 0)?, 0));
    }
    let mut rest = c_str(text);
    let negative = rest.first() == Some(&b'-');
    if let [b'-' | b'+', tail @ ..] = rest {
        rest = tail;
    }
    let (mut whole, mut fract, mut in_whole) = (0_i32, 0_i32, true);
    while let Some((&byte, tail)) = rest.split_first() {
        match byte {
            b'0'..=b'9' => {
                let digit = i32::from(byte - b'0');
                if in_whole {
                    whole = whole.wrapping_mul(10).wrapping_add(digit);
                } else {
                    fract = fract.wrapping_add(fract_mult.wrapping_mul(digit));
                    fract_mult /= 10;
                }
            }
            b'\n' if tail.is_empty() => break,
            _ if decibel && rest.starts_with(b" dB") => {
                rest = &rest[3..];
                continue;
            }
            _ if decibel && rest.starts_with(b"dB") => {
                rest = &rest[2..];
                continue;
            }
            b'.' if in_whole => in_whole = false,
            _ => return Err(Errno::EINVAL),
        }
        rest = tail;
    }
    if negative {
        if whole != 0 {
            whole = whole.wrapping_neg();
        } else {
            fract = -fract;
        }
    }
    Ok((whole, fract))
}

/// Reads what was written to an information attribute, in the driver's format.
// industrialio-core.c: iio_write_channel_info
pub(crate) fn parse_written(text: &[u8], format: Format) -> Result<(i32, i32)> {
    match format {
        Format::Int => str_to_fixpoint(text, 0, false),
        Format::IntPlusMicro => str_to_fixpoint(text, 100_000, false),
        Format::IntPlusMicroDb => str_to_fixpoint(text, 100_000, true),
        Format::IntPlusNano => str_to_fixpoint(text, 100_000_000, false),
        Format::Char => match c_str(text).first() {
            // A plain char is signed where the kernel's sscanf stores it.
            Some(&byte) => Ok((i32::from(byte as i8), 0)),
            None => Err(Errno::EINVAL),
        },
        Format::Other => Err(Errno::EINVAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole part and the fraction, or the error.
    type Parsed = Result<(i32, i32)>;

    #[test]
    fn every_format_prints_as_the_kernel_prints_it() {
        let table: &[(Value, &str)] = &[
            (Value::Int(0), "0"),
            (Value::Int(-200), "-200"),
            (Value::IntPlusMicro(0, 500_000), "0.500000"),
            (Value::IntPlusMicro(1, 5), "1.000005"),
            (Value::IntPlusMicro(0, -5), "-0.000005"),
            (Value::IntPlusMicro(-3, -5), "-3.000005"),
            (Value::IntPlusMicro(-3, 5), "-3.000005"),
            (Value::IntPlusMicroDb(-6, 20_600), "-6.020600 dB"),
            (Value::IntPlusMicroDb(0, -1), "-0.000001 dB"),
            (Value::IntPlusNano(0, 1), "0.000000001"),
            (Value::IntPlusNano(0, -1), "-0.000000001"),
            (Value::IntMultiple(vec![1, -2, 3]), "1 -2 3 "),
            (Value::IntMultiple(vec![]), ""),
            (Value::Int64(i64::MIN), "-9223372036854775808"),
            (Value::Fractional(1, 2), "0.500000000"),
            (Value::Fractional(-1, 2), "-0.500000000"),
            (Value::Fractional(-3, 2), "-1.500000000"),
            (Value::Fractional(3, -2), "-1.500000000"),
            (Value::Fractional(i32::MIN, -1), "-2147483648.000000000"),
            (Value::FractionalLog2(1, 3), "0.125000000"),
            (Value::FractionalLog2(-1, 3), "-0.125000000"),
            (Value::FractionalLog2(-9, 2), "-2.250000000"),
            (Value::FractionalLog2(-1, 31), "0.000000000"),
            (Value::Char(b'K'), "K"),
        ];
        for (value, text) in table {
            assert_eq!(value.format().unwrap(), *text, "{value:?}");
        }
        assert_eq!(Value::Fractional(1, 0).format(), Err(Errno::EINVAL));
    }

    #[test]
    fn available_values_are_listed_or_bracketed() {
        let pairs = vec![
            Value::IntPlusMicro(0, 50_000),
            Value::IntPlusMicro(0, 100_000),
        ];
        assert_eq!(
            Available::List(pairs).format().unwrap(),
            "0.050000 0.100000\n"
        );
        assert_eq!(
            Available::Range([0, 1, 255].map(Value::Int))
                .format()
                .unwrap(),
            "[0 1 255]\n"
        );
        assert_eq!(Available::List(vec![]).format().unwrap(), "\n");
        let long = Available::List(vec![Value::Int(1000); 2000]);
        assert_eq!(long.format(), Err(Errno::EFBIG));
    }

    #[test]
    fn every_written_number_is_read_as_the_kernel_reads_it() {
        const MICRO: i32 = 100_000;
        const NANO: i32 = 100_000_000;
        let table: &[(&[u8], i32, Parsed)] = &[
            (b"1", MICRO, Ok((1, 0))),
            (b"1\n", MICRO, Ok((1, 0))),
            (b"1\0", MICRO, Ok((1, 0))),
            (b"+1.5", MICRO, Ok((1, 500_000))),
            (b"-1.5", MICRO, Ok((-1, 500_000))),
            (b"-0.000001", MICRO, Ok((0, -1))),
            (b"0.0000019", MICRO, Ok((0, 1))),
            (b".5", MICRO, Ok((0, 500_000))),
            (b"5.", MICRO, Ok((5, 0))),
            (b"", MICRO, Ok((0, 0))),
            (b"-", MICRO, Ok((0, 0))),
            (b"0.123456789", NANO, Ok((0, 123_456_789))),
            (b"1.2.3", MICRO, Err(Errno::EINVAL)),
            (b"1\n\n", MICRO, Err(Errno::EINVAL)),
            (b" 1", MICRO, Err(Errno::EINVAL)),
            (b"1 ", MICRO, Err(Errno::EINVAL)),
            (b"1 dB", MICRO, Err(Errno::EINVAL)),
            (b"abc", MICRO, Err(Errno::EINVAL)),
            (b"0x1f", 0, Ok((31, 0))),
            (b"010", 0, Ok((8, 0))),
            (b"-7\n", 0, Ok((-7, 0))),
            (b"1.5", 0, Err(Errno::EINVAL)),
            (b"", 0, Err(Errno::EINVAL)),
            (b"2147483648", 0, Err(Errno::ERANGE)),
        ];
        for (text, mult, expected) in table {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(iio_str_to_fixpoint(text, *mult), *expected, "{shown:?}");
        }
    }

    #[test]
    fn the_drivers_format_decides_how_a_write_is_read() {
        let table: &[(&[u8], Format, Parsed)] = &[
            (b"-6.02 dB\n", Format::IntPlusMicroDb, Ok((-6, 20_000))),
            (b"3dB", Format::IntPlusMicroDb, Ok((3, 0))),
            (b"K\n", Format::Char, Ok((75, 0))),
            (b"\xff", Format::Char, Ok((-1, 0))),
            (b"", Format::Char, Err(Errno::EINVAL)),
            (b"5", Format::Other, Err(Errno::EINVAL)),
            (b"5", Format::Int, Ok((5, 0))),
            (b"0.5", Format::IntPlusNano, Ok((0, 500_000_000))),
        ];
        for (text, format, expected) in table {
            assert_eq!(parse_written(text, *format), *expected, "{text:?}");
        }
    }
}
