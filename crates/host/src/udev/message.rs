//! udev's word to its listeners, in the form that libudev takes.
//!
//! Follows systemd's `src/libsystemd/sd-device/device-monitor.c`: a header whose magic
//! and hashes are in network order, so that listeners can have the kernel filter by them,
//! then `KEY=value` with a zero byte each.

/// The header's length, and so where the properties begin.
const HEADER: u32 = 40;
const MAGIC: u32 = 0xfeed_cafe;

/// Makes the datagram of a device with these properties and tags.
pub(crate) fn datagram<'a>(
    subsystem: &str,
    devtype: Option<&str>,
    tags: impl IntoIterator<Item = &'a str>,
    properties: &[(String, String)],
) -> Vec<u8> {
    let mut text = Vec::new();
    for (key, value) in properties {
        text.extend(key.as_bytes());
        text.push(b'=');
        text.extend(value.as_bytes());
        text.push(0);
    }
    let bloom = tags.into_iter().fold(0, |bits, tag| bits | bloom64(tag));
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let mut datagram = Vec::with_capacity(HEADER as usize + text.len());
    datagram.extend(b"libudev\0");
    datagram.extend(MAGIC.to_be_bytes());
    datagram.extend(HEADER.to_ne_bytes());
    datagram.extend(HEADER.to_ne_bytes());
    datagram.extend(length.to_ne_bytes());
    datagram.extend(hash32(subsystem).to_be_bytes());
    datagram.extend(devtype.map_or(0, hash32).to_be_bytes());
    datagram.extend(((bloom >> 32) as u32).to_be_bytes());
    datagram.extend((bloom as u32).to_be_bytes());
    datagram.extend(text);
    datagram
}

/// Four of 64 bits, by the hash.
fn bloom64(text: &str) -> u64 {
    let hash = hash32(text);
    [0, 6, 12, 18]
        .into_iter()
        .fold(0, |bits, shift| bits | 1 << ((hash >> shift) & 63))
}

/// MurmurHash2 of Austin Appleby, 32 bits, seed 0.
fn hash32(text: &str) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let bytes = text.as_bytes();
    let mut hash = bytes.len() as u32;
    let mut words = bytes.chunks_exact(4);
    for word in &mut words {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, &byte) in rest.iter().enumerate() {
            hash ^= u32::from(byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_those_libudev_filters_by() {
        // As libudev 252 writes them into its socket filter (`udevadm monitor
        // --subsystem-match=SUBSYSTEM/minor --tag-match=seat` under strace).
        for (text, hash) in [
            ("video4linux", 0xe9cf_3931),
            ("drm", 0x1666_4179),
            ("iio", 0xd564_5157),
            ("cec", 0x2a82_800a),
            ("minor", 0x6d7f_4c6a),
        ] {
            assert_eq!(hash32(text), hash, "{text}");
        }
        assert_eq!(bloom64("seat"), 0x0208_0000_0040_0001);
    }

    #[test]
    fn the_header_tells_where_the_properties_are() {
        let properties = [("ACTION".to_owned(), "add".to_owned())];
        let datagram = datagram("iio", None, ["seat"], &properties);
        let mut header = b"libudev\0\xfe\xed\xca\xfe".to_vec();
        for word in [40_u32, 40, 11] {
            header.extend(word.to_ne_bytes());
        }
        header.extend(0xd564_5157_u32.to_be_bytes());
        header.extend([0; 4]);
        header.extend(0x0208_0000_0040_0001_u64.to_be_bytes());
        assert_eq!(datagram[..40], header);
        assert_eq!(datagram[40..], *b"ACTION=add\0");
    }
}
