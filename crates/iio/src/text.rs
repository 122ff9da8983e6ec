//! Text as the kernel's attribute callbacks take it.
//!
//! Follows `lib/kstrtox.c` and `lib/string_helpers.c`. kernfs ends what was
//! written with a NUL, so a NUL inside ends it too: libiio writes one.

use lastfd_model::{Errno, Result};

/// What of a written buffer a C string function sees.
pub fn c_str(text: &[u8]) -> &[u8] {
    match text.iter().position(|&byte| byte == 0) {
        Some(end) => &text[..end],
        None => text,
    }
}

/// `kstrtobool`: by the first letter, `1 y t on`, `0 n f off`; else `EINVAL`.
///
/// ```
/// use lastfd_iio::text::kstrtobool;
/// assert_eq!(kstrtobool(b"1\n"), Ok(true));
/// assert_eq!(kstrtobool(b"off"), Ok(false));
/// assert!(kstrtobool(b"2").is_err());
/// ```
pub fn kstrtobool(text: &[u8]) -> Result<bool> {
    match c_str(text) {
        [b'y' | b'Y' | b't' | b'T' | b'1', ..] | [b'o' | b'O', b'n' | b'N', ..] => Ok(true),
        [b'n' | b'N' | b'f' | b'F' | b'0', ..] | [b'o' | b'O', b'f' | b'F', ..] => Ok(false),
        _ => Err(Errno::EINVAL),
    }
}

/// `kstrtouint`: digits of the base (0: by prefix), one newline allowed after
/// them, `+` before them. `ERANGE` if it does not fit.
pub fn kstrtouint(text: &[u8], base: u32) -> Result<u32> {
    let value = kstrtoull(text, base)?;
    u32::try_from(value).map_err(|_| Errno::ERANGE)
}

/// `kstrtoint`: as [`kstrtouint`], `-` allowed too.
pub fn kstrtoint(text: &[u8], base: u32) -> Result<i32> {
    let value = match c_str(text) {
        [b'-', digits @ ..] => {
            let magnitude = parse_digits(digits, base)?;
            // kstrtoll: the least i64 itself is out of range there too.
            0_i64.checked_sub_unsigned(magnitude).ok_or(Errno::ERANGE)?
        }
        text => i64::try_from(kstrtoull(text, base)?).map_err(|_| Errno::ERANGE)?,
    };
    i32::try_from(value).map_err(|_| Errno::ERANGE)
}

fn kstrtoull(text: &[u8], base: u32) -> Result<u64> {
    match c_str(text) {
        [b'+', digits @ ..] => parse_digits(digits, base),
        digits => parse_digits(digits, base),
    }
}

// lib/kstrtox.c: _kstrtoull
fn parse_digits(mut digits: &[u8], mut base: u32) -> Result<u64> {
    if base == 0 {
        base = match digits {
            [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => 16,
            [b'0', ..] => 8,
            _ => 10,
        };
    }
    if let (16, [b'0', b'x' | b'X', rest @ ..]) = (base, digits) {
        digits = rest;
    }
    let count = digits
        .iter()
        .take_while(|&&byte| {
            char::from(byte)
                .to_digit(16)
                .is_some_and(|digit| digit < base)
        })
        .count();
    let (number, after) = digits.split_at(count);
    let mut value = 0_u64;
    for &byte in number {
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        value = value
            .checked_mul(u64::from(base))
            .and_then(|value| value.checked_add(u64::from(digit)))
            .ok_or(Errno::ERANGE)?;
    }
    if number.is_empty() || !matches!(after, [] | [b'\n']) {
        return Err(Errno::EINVAL);
    }
    Ok(value)
}

/// `sysfs_streq`: equal, whether or not one of them ends in a newline.
pub fn sysfs_streq(name: &str, written: &[u8]) -> bool {
    let written = c_str(written);
    let bare = written.strip_suffix(b"\n").unwrap_or(written);
    written == name.as_bytes() || bare == name.as_bytes()
}

/// `sscanf("%i %i")`: one or two numbers in any base C knows, blanks before each.
/// Whatever follows is not looked at.
pub(crate) fn scan_two_ints(text: &[u8]) -> (Option<u32>, Option<u32>) {
    let text = c_str(text);
    let Some((first, rest)) = scan_int(text) else {
        return (None, None);
    };
    (Some(first), scan_int(rest).map(|(second, _)| second))
}

// lib/vsprintf.c: vsscanf, %i
fn scan_int(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
            (16, rest)
        }
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let count = digits
        .iter()
        .take_while(|&&byte| {
            char::from(byte)
                .to_digit(16)
                .is_some_and(|digit| digit < base)
        })
        .count();
    let (number, rest) = digits.split_at(count);
    let value = number.iter().fold(0_u64, |value, &byte| {
        let digit = char::from(byte).to_digit(16).unwrap_or(0);
        value
            .wrapping_mul(u64::from(base))
            .wrapping_add(u64::from(digit))
    }) as u32;
    Some((
        if negative {
            value.wrapping_neg()
        } else {
            value
        },
        rest,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsigned_numbers_are_read_in_every_base() {
        let table: &[(&[u8], u32, Result<u32>)] = &[
            (b"128", 10, Ok(128)),
            (b"+128\n", 10, Ok(128)),
            (b"128\0", 10, Ok(128)),
            (b"-1", 10, Err(Errno::EINVAL)),
            (b"12a", 10, Err(Errno::EINVAL)),
            (b"", 10, Err(Errno::EINVAL)),
            (b"\n", 10, Err(Errno::EINVAL)),
            (b"1\n\n", 10, Err(Errno::EINVAL)),
            (b"4294967295", 10, Ok(u32::MAX)),
            (b"4294967296", 10, Err(Errno::ERANGE)),
            (b"99999999999999999999", 10, Err(Errno::ERANGE)),
            (b"0x", 0, Err(Errno::EINVAL)),
            (b"0xFf", 0, Ok(255)),
            (b"08", 0, Err(Errno::EINVAL)),
            (b"0", 0, Ok(0)),
        ];
        for (text, base, expected) in table {
            assert_eq!(kstrtouint(text, *base), *expected, "{text:?}");
        }
    }

    #[test]
    fn names_match_with_and_without_a_newline() {
        assert!(sysfs_streq("trig", b"trig"));
        assert!(sysfs_streq("trig", b"trig\n"));
        assert!(sysfs_streq("trig", b"trig\0"));
        assert!(!sysfs_streq("trig", b"trig\n\n"));
        assert!(!sysfs_streq("trig", b"tri"));
        assert!(sysfs_streq("", b"\n"));
    }

    #[test]
    fn a_register_and_its_value_are_scanned_as_c_does() {
        assert_eq!(scan_two_ints(b"0x10"), (Some(16), None));
        assert_eq!(scan_two_ints(b"0x10 255\n"), (Some(16), Some(255)));
        assert_eq!(scan_two_ints(b" 010 -1"), (Some(8), Some(u32::MAX)));
        assert_eq!(scan_two_ints(b"7x"), (Some(7), None));
        assert_eq!(scan_two_ints(b"x"), (None, None));
        assert_eq!(scan_two_ints(b""), (None, None));
    }
}
