//! Replies, and the packed form in which all attributes of a thing travel.

use lastfd_model::{Errno, Result};
use std::io::Write;

/// A line with a number.
pub(crate) fn number(out: &mut Vec<u8>, value: u64) {
    // Writing to a Vec cannot fail.
    let _ = writeln!(out, "{value}");
}

/// A line with a negative error number, or 0.
pub(crate) fn status(out: &mut Vec<u8>, result: Result) {
    match result {
        Ok(()) => out.extend_from_slice(b"0\n"),
        Err(error) => failure(out, error),
    }
}

/// A line with a negative error number.
pub(crate) fn failure(out: &mut Vec<u8>, error: Errno) {
    let _ = writeln!(out, "-{}", error.code());
}

/// The length of a value on a line, then the value and a line end.
pub(crate) fn value(out: &mut Vec<u8>, value: &[u8]) {
    number(out, value.len() as u64);
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Appends one entry of a packed list: its length or error as a big-endian `int`, then
/// the value, filled up with zeros to a multiple of four.
pub(crate) fn pack(out: &mut Vec<u8>, entry: Result<&[u8]>) {
    match entry {
        Ok(value) => {
            out.extend_from_slice(&(value.len() as u32).to_be_bytes());
            out.extend_from_slice(value);
            let padded = out.len() + value.len().next_multiple_of(4) - value.len();
            out.resize(padded, 0);
        }
        Err(error) => out.extend_from_slice(&(-error.code()).to_be_bytes()),
    }
}

/// Takes a packed list of exactly `count` entries apart; an entry of length 0 or less is
/// one to leave alone.
pub(crate) fn unpack(mut packed: &[u8], count: usize) -> Result<Vec<Option<&[u8]>>> {
    let mut entries = Vec::new();
    for _ in 0..count {
        let (length, rest) = packed.split_first_chunk::<4>().ok_or(Errno::EINVAL)?;
        packed = rest;
        let length = i32::from_be_bytes(*length);
        entries.push(match usize::try_from(length) {
            Ok(length) if length > 0 => {
                let value = packed.get(..length).ok_or(Errno::EINVAL)?;
                packed = packed
                    .get(length.next_multiple_of(4)..)
                    .ok_or(Errno::EINVAL)?;
                Some(value)
            }
            _ => None,
        });
    }
    if packed.is_empty() {
        Ok(entries)
    } else {
        Err(Errno::EINVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_packed_to_four_bytes_with_zeros() {
        let mut out = Vec::new();
        pack(&mut out, Ok(b"1000\0"));
        pack(&mut out, Err(Errno::ENODEV));
        pack(&mut out, Ok(b"abc\0"));
        assert_eq!(
            out,
            b"\0\0\0\x051000\0\0\0\0\xff\xff\xff\xed\0\0\0\x04abc\0"
        );
        let entries = unpack(&out, 3);
        assert_eq!(
            entries,
            Ok(vec![Some(&b"1000\0"[..]), None, Some(&b"abc\0"[..])])
        );
    }

    #[test]
    fn a_packed_list_must_fit_to_the_byte() {
        for (packed, count) in [
            (&b"\0\0\0"[..], 1),
            (b"\0\0\0\x02ab", 1),
            (b"\0\0\0\x02ab\0\0", 2),
            (b"\0\0\0\0\0", 1),
            (b"\x7f\xff\xff\xff", 1),
        ] {
            assert_eq!(unpack(packed, count), Err(Errno::EINVAL), "{packed:?}");
        }
        assert_eq!(unpack(b"", 0), Ok(Vec::new()));
    }
}
