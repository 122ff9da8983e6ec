//! Channel masks: 8 hexadecimal digits for each 32 channels, the last channels first.

/// Which channels of a device a buffer carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mask {
    /// Bit 0 of the first word is the first channel.
    words: Vec<u32>,
}

/// The mask has not exactly the digits that the device's channels need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongLength;

impl Mask {
    /// Reads the mask of a device with this many channels. As in `iiod`, what is no
    /// digit ends its word, and bits beyond the channels are kept.
    pub(crate) fn parse(text: &str, channels: usize) -> Result<Mask, WrongLength> {
        if text.is_empty() || text.len() != channels.div_ceil(32) * 8 {
            return Err(WrongLength);
        }
        let words = text
            .as_bytes()
            .chunks(8)
            .rev()
            .map(|word| {
                word.iter()
                    .map_while(|&digit| char::from(digit).to_digit(16))
                    .fold(0, |value, digit| value << 4 | digit)
            })
            .collect();
        Ok(Mask { words })
    }

    /// Whether the channel with this place in the context's list is in.
    pub(crate) fn has(&self, channel: usize) -> bool {
        let word = self.words.get(channel / 32).copied().unwrap_or(0);
        word >> (channel % 32) & 1 == 1
    }

    /// Appends the digits and a line end.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for word in self.words.iter().rev() {
            for shift in (0..8).rev() {
                out.push(b"0123456789abcdef"[(word >> (shift * 4) & 15) as usize]);
            }
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(mask: &Mask) -> String {
        let mut out = Vec::new();
        mask.write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn the_most_significant_word_comes_first() {
        let mask = Mask::parse("0000000180000002", 40).ok();
        let mask = mask.as_ref();
        let set: Vec<usize> = (0..64)
            .filter(|&i| mask.is_some_and(|m| m.has(i)))
            .collect();
        assert_eq!(set, [1, 31, 32]);
        assert_eq!(mask.map(text).as_deref(), Some("0000000180000002\n"));
    }

    #[test]
    fn only_the_exact_length_is_taken() {
        for wrong in ["", "7", "0000000000000007", "000000007"] {
            assert_eq!(Mask::parse(wrong, 3), Err(WrongLength), "{wrong:?}");
        }
        assert_eq!(Mask::parse("00000001", 0), Err(WrongLength));
    }

    #[test]
    fn bits_beyond_the_channels_are_echoed() {
        let mask = Mask::parse("000000FF", 3);
        assert_eq!(mask.as_ref().map(text).as_deref(), Ok("000000ff\n"));
    }

    #[test]
    fn what_is_no_digit_selects_nothing() {
        let mask = Mask::parse("zzzzzzzz", 3);
        assert_eq!(mask.as_ref().map(text).as_deref(), Ok("00000000\n"));
    }
}
