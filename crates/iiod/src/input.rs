//! What a client sends: lines, and the bytes that follow some of them.

use std::io::{ErrorKind, Read, Result};

/// The longest line taken. A mask has two digits for each eight channels, a name a few
/// dozen letters.
const LINE_MAX: usize = 8 << 10;

/// How far a payload's memory runs ahead of its arrival.
const STEP: usize = 16 << 10;

/// Bytes that came and were not asked for yet.
#[derive(Debug)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// In a line that was too long, up to its end.
    skipping: bool,
}

/// What the next line is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, without its `\n`: see [`Input::text`].
    Text { start: usize, end: usize },
    /// A line longer than any command; the rest of it is skipped.
    TooLong,
    /// The client has closed its side; what it sent without a line end is lost.
    End,
}

impl Input {
    pub(crate) fn new() -> Input {
        Input {
            buffer: vec![0; LINE_MAX],
            start: 0,
            end: 0,
            skipping: false,
        }
    }

    /// The bytes of a line that [`Input::line`] has just given.
    pub(crate) fn text(&self, start: usize, end: usize) -> &[u8] {
        &self.buffer[start..end]
    }

    /// The next line.
    ///
    /// # Errors
    /// Those of `from`.
    pub(crate) fn line(&mut self, from: &mut impl Read) -> Result<Line> {
        let mut searched = self.start;
        loop {
            let new = &self.buffer[searched..self.end];
            if let Some(at) = new.iter().position(|&byte| byte == b'\n') {
                let (start, end) = (self.start, searched + at);
                self.start = end + 1;
                if !std::mem::take(&mut self.skipping) {
                    return Ok(Line::Text { start, end });
                }
                searched = self.start;
                continue;
            }
            if self.skipping {
                (self.start, self.end) = (0, 0);
            } else if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            if self.end == self.buffer.len() {
                self.skipping = true;
                (self.start, self.end) = (0, 0);
                return Ok(Line::TooLong);
            }
            searched = self.end;
            match read(from, &mut self.buffer[self.end..])? {
                0 => return Ok(Line::End),
                read => self.end += read,
            }
        }
    }

    /// Takes the next `length` bytes; false if the client closed before. Only the first
    /// `keep` are appended to `out`, the others are dropped.
    ///
    /// # Errors
    /// Those of `from`.
    pub(crate) fn payload(
        &mut self,
        from: &mut impl Read,
        mut length: u64,
        keep: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool> {
        let keep = out.len().saturating_add(keep);
        while length > 0 {
            let here = usize::try_from(length)
                .unwrap_or(usize::MAX)
                .min(self.end - self.start);
            if here > 0 {
                let room = (keep - out.len()).min(here);
                out.extend_from_slice(&self.buffer[self.start..self.start + room]);
                self.start += here;
                length -= here as u64;
                continue;
            }
            let step = usize::try_from(length).unwrap_or(usize::MAX).min(STEP);
            let step = step.min(keep - out.len());
            if step > 0 {
                let old = out.len();
                out.resize(old + step, 0);
                let read = read(from, &mut out[old..]);
                out.truncate(old + *read.as_ref().unwrap_or(&0));
                match read? {
                    0 => return Ok(false),
                    read => length -= read as u64,
                }
            } else {
                (self.start, self.end) = (0, read(from, &mut self.buffer)?);
                if self.end == 0 {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

fn read(from: &mut impl Read, into: &mut [u8]) -> Result<usize> {
    loop {
        match from.read(into) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most `step` bytes a call.
    struct Drip<'a> {
        rest: &'a [u8],
        step: usize,
    }

    impl Read for Drip<'_> {
        fn read(&mut self, into: &mut [u8]) -> Result<usize> {
            let length = self.step.min(into.len()).min(self.rest.len());
            let (now, later) = self.rest.split_at(length);
            into[..length].copy_from_slice(now);
            self.rest = later;
            Ok(length)
        }
    }

    fn lines(bytes: &[u8], step: usize) -> Vec<String> {
        let mut from = Drip { rest: bytes, step };
        let mut input = Input::new();
        let mut lines = Vec::new();
        while let Ok(line) = input.line(&mut from) {
            lines.push(match line {
                Line::Text { start, end } => {
                    String::from_utf8_lossy(input.text(start, end)).into_owned()
                }
                Line::TooLong => "(too long)".to_owned(),
                Line::End => break,
            });
        }
        lines
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let bytes = b"VERSION\r\n\nPRINT\nlost";
        for step in 1..bytes.len() {
            assert_eq!(lines(bytes, step), ["VERSION\r", "", "PRINT"], "{step}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_skipped() {
        let mut bytes = vec![b'a'; 3 * LINE_MAX];
        bytes.extend_from_slice(b"\nVERSION\n");
        for step in [1, 7, LINE_MAX, usize::MAX] {
            assert_eq!(lines(&bytes, step), ["(too long)", "VERSION"], "{step}");
        }
    }

    #[test]
    fn a_payload_beyond_what_is_kept_is_dropped_not_stored() {
        let mut bytes = b"WRITE\n".to_vec();
        bytes.extend_from_slice(&[7; 100]);
        bytes.extend_from_slice(b"VERSION\n");
        for step in [1, 9, 1000] {
            for keep in [0, 50, 100, 200] {
                let mut from = Drip { rest: &bytes, step };
                let mut input = Input::new();
                let mut out = Vec::new();
                assert!(matches!(input.line(&mut from), Ok(Line::Text { .. })));
                let whole = input.payload(&mut from, 100, keep, &mut out);
                assert!(matches!(whole, Ok(true)));
                assert_eq!(out, vec![7; keep.min(100)]);
                let next = input.line(&mut from);
                assert!(matches!(next, Ok(Line::Text { .. })), "{step} {keep}");
            }
        }
    }

    #[test]
    fn memory_follows_what_arrived_not_what_was_announced() {
        let mut from = Drip {
            rest: &[1; 10],
            step: 10,
        };
        let mut out = Vec::new();
        let whole = Input::new().payload(&mut from, u64::MAX, usize::MAX, &mut out);
        assert!(matches!(whole, Ok(false)));
        assert_eq!(out.len(), 10);
        assert!(out.capacity() < 4 * STEP);
    }
}
