//! Channels as clients see them.

/// A channel as clients see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Channel {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) output: bool,
    pub(crate) scan: Option<ScanElement>,
    /// The channel's `scale`, if it has a readable one.
    pub(crate) scale: Option<f32>,
    /// Sorted by name.
    pub(crate) attributes: Vec<ChannelAttribute>,
}

/// An attribute of a channel: its short name and its file in the device's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChannelAttribute {
    pub(crate) name: String,
    pub(crate) file: String,
}

/// A channel's part of a buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScanElement {
    /// Negative if the device does not tell.
    pub(crate) index: i64,
    /// The file that takes the channel into the buffer.
    pub(crate) enable: Option<String>,
    pub(crate) format: Format,
}

/// How one sample lies in a buffer: `le:s12/16X4>>4`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) big_endian: bool,
    pub(crate) signed: bool,
    pub(crate) fully_defined: bool,
    pub(crate) bits: u32,
    pub(crate) length: u32,
    pub(crate) repeat: u32,
    pub(crate) shift: u32,
}

impl Format {
    /// Reads a `scan_elements/*_type` file. What cannot be read stays zero.
    pub(crate) fn parse(text: &str) -> Format {
        let mut format = Format {
            repeat: 1,
            ..Format::default()
        };
        let mut letters = text.chars();
        let endian = letters.next();
        let sign = match (letters.next(), letters.next(), letters.next()) {
            (Some('e'), Some(':'), Some(sign)) => sign,
            _ => return format,
        };
        let mut rest = letters.as_str();
        let mut take = |before: &str| {
            let digits = rest.strip_prefix(before)?;
            let end = digits
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(digits.len());
            rest = &digits[end..];
            digits[..end].parse().ok()
        };
        format.bits = take("").unwrap_or(0);
        format.length = take("/").unwrap_or(0);
        if text.contains('X') {
            format.repeat = take("X").unwrap_or(0);
        }
        format.shift = take(">>").unwrap_or(0);
        format.big_endian = endian == Some('b');
        format.signed = matches!(sign, 's' | 'S');
        format.fully_defined = matches!(sign, 'S' | 'U') || format.bits == format.length;
        format
    }

    /// The bytes of one sample; 0 if the device does not tell.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.length / 8) * u64::from(self.repeat)
    }
}
