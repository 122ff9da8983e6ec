//! Where each sample lies in a scan.
//!
//! Follows `iio_compute_scan_bytes` and `iio_buffer_update_demux` of
//! `drivers/iio/industrialio-buffer.c`: elements in the order of their scan
//! index, each aligned to its own size, the time stamp last, the whole rounded
//! up to the largest element.

use lastfd_model::{Errno, Result};

use crate::channel::ChannelSpec;
use crate::types::ChanType;

/// A set of scan indices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanMask {
    words: Vec<u64>,
}

impl ScanMask {
    /// No element.
    pub const fn new() -> ScanMask {
        ScanMask { words: Vec::new() }
    }

    /// The set of these scan indices.
    pub fn of(bits: &[usize]) -> ScanMask {
        let mut mask = ScanMask::new();
        for &bit in bits {
            mask.set(bit, true);
        }
        mask
    }

    /// Adds or takes away one scan index.
    pub fn set(&mut self, bit: usize, on: bool) {
        let (word, flag) = (bit / 64, 1_u64 << (bit % 64));
        if on {
            if self.words.len() <= word {
                self.words.resize(word + 1, 0);
            }
            self.words[word] |= flag;
        } else if let Some(bits) = self.words.get_mut(word) {
            *bits &= !flag;
            while self.words.last() == Some(&0) {
                self.words.pop();
            }
        }
    }

    /// Whether the scan index is in the set.
    pub fn contains(&self, bit: usize) -> bool {
        self.words
            .get(bit / 64)
            .is_some_and(|word| word & (1 << (bit % 64)) != 0)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether every scan index of this set is in the other.
    pub fn is_subset(&self, other: &ScanMask) -> bool {
        self.iter().all(|bit| other.contains(bit))
    }

    /// Adds the scan indices of the other set.
    pub fn union_with(&mut self, other: &ScanMask) {
        for bit in other.iter() {
            self.set(bit, true);
        }
    }

    /// The scan indices, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(word, &bits)| {
            (0..64)
                .filter(move |bit| bits & (1 << bit) != 0)
                .map(move |bit| word * 64 + bit)
        })
    }

    /// How many scan indices are in the set.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }
}

/// One copy from a full scan to the scan a buffer asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    from: usize,
    to: usize,
    length: usize,
}

/// How to cut a buffer's scan out of the device's; empty: take all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Demux {
    copies: Vec<Copy>,
    length: usize,
}

impl Demux {
    // industrialio-buffer.c: iio_buffer_add_demux
    fn add(&mut self, copy: Copy) {
        match self.copies.last_mut() {
            Some(last)
                if last.from + last.length == copy.from && last.to + last.length == copy.to =>
            {
                last.length += copy.length;
            }
            _ => self.copies.push(copy),
        }
    }

    /// The buffer's part of a scan, put into `bounce` if it must be cut out.
    /// A scan that is too short reads as zeros at its end.
    // industrialio-buffer.c: iio_demux
    pub(crate) fn apply<'a>(&self, scan: &'a [u8], bounce: &'a mut Vec<u8>) -> &'a [u8] {
        if self.copies.is_empty() {
            return scan;
        }
        bounce.clear();
        bounce.resize(self.length, 0);
        for copy in &self.copies {
            let end = scan.len().min(copy.from + copy.length);
            if let Some(part) = scan.get(copy.from..end) {
                bounce[copy.to..copy.to + part.len()].copy_from_slice(part);
            }
        }
        bounce
    }
}

/// The kernel's `ALIGN`, right for powers of two and, for an element of another
/// size (three repeats of 16 bits, say), as wrong as there.
fn align(position: usize, size: usize) -> usize {
    let mask = size.wrapping_sub(1);
    position.wrapping_add(mask) & !mask
}

/// The kernel's `roundup`, right for every size.
fn round_up(position: usize, size: usize) -> usize {
    match size {
        0 => position,
        size => position.next_multiple_of(size),
    }
}

/// Bytes of the element with this scan index, as `iio_find_channel_from_si` and
/// `iio_storage_bytes_for_si` find it. A mask bit without a channel is `EINVAL`,
/// where the kernel would follow a null pointer.
fn element_bytes(channels: &[ChannelSpec], scan_index: usize) -> Result<usize> {
    channels
        .iter()
        .find(|channel| usize::try_from(channel.scan_index) == Ok(scan_index))
        .map(|channel| channel.scan_type.storage_bytes())
        .ok_or(Errno::EINVAL)
}

/// The scan index of the time stamp channel, if there is one.
pub(crate) fn timestamp_index(channels: &[ChannelSpec]) -> Option<usize> {
    channels
        .iter()
        .rev()
        .filter(|channel| channel.type_ == ChanType::Timestamp)
        .find_map(|channel| usize::try_from(channel.scan_index).ok())
}

fn timestamp_bytes(channels: &[ChannelSpec]) -> Result<usize> {
    // Without such a channel the kernel looks up scan index 0.
    element_bytes(channels, timestamp_index(channels).unwrap_or(0))
}

/// Bytes of one scan: the elements of the mask, and the time stamp if asked for.
///
/// ```
/// use lastfd_iio::{compute_scan_bytes, ChannelSpec, ScanMask, ScanType};
/// let voltage = |scan_index| ChannelSpec {
///     scan_index, scan_type: ScanType::signed(16), ..ChannelSpec::default()
/// };
/// let channels = [voltage(0), voltage(1), ChannelSpec::soft_timestamp(2)];
/// assert_eq!(compute_scan_bytes(&channels, &ScanMask::of(&[0, 1]), true), Ok(16));
/// assert_eq!(compute_scan_bytes(&channels, &ScanMask::of(&[1]), false), Ok(2));
/// ```
// industrialio-buffer.c: iio_compute_scan_bytes
pub fn compute_scan_bytes(
    channels: &[ChannelSpec],
    mask: &ScanMask,
    timestamp: bool,
) -> Result<usize> {
    let (mut bytes, mut largest) = (0, 0);
    let mut add = |length: usize| {
        bytes = align(bytes, length) + length;
        largest = largest.max(length);
    };
    for index in mask.iter() {
        add(element_bytes(channels, index)?);
    }
    if timestamp {
        add(timestamp_bytes(channels)?);
    }
    Ok(align(bytes, largest))
}

/// How to cut the scan `wanted` out of the scan `active`.
///
/// As in the kernel, elements of `active` behind the last wanted one are not
/// counted when the time stamp is looked for, which then is found too early.
// industrialio-buffer.c: iio_buffer_update_demux
pub(crate) fn demux(
    channels: &[ChannelSpec],
    active: &ScanMask,
    wanted: &ScanMask,
    timestamp: bool,
) -> Result<Demux> {
    let mut demux = Demux::default();
    if active == wanted {
        return Ok(demux);
    }
    let (mut from, mut to) = (0, 0);
    let last_wanted = wanted.iter().last();
    for index in active
        .iter()
        .take_while(|&index| Some(index) <= last_wanted)
    {
        let length = element_bytes(channels, index)?;
        from = round_up(from, length);
        if wanted.contains(index) {
            to = round_up(to, length);
            demux.add(Copy { from, to, length });
            to += length;
        }
        from += length;
    }
    if timestamp {
        let length = timestamp_bytes(channels)?;
        to = round_up(to, length);
        let from = round_up(from, length);
        demux.add(Copy { from, to, length });
        to += length;
    }
    demux.length = to;
    Ok(demux)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::ScanType;

    fn element(scan_index: i32, bits: u8) -> ChannelSpec {
        ChannelSpec {
            scan_index,
            scan_type: ScanType::signed(bits),
            ..ChannelSpec::default()
        }
    }

    #[test]
    fn every_scan_is_as_long_as_in_the_kernel() {
        let channels = [
            element(0, 16),
            element(1, 16),
            element(2, 32),
            element(3, 8),
            ChannelSpec::soft_timestamp(4),
        ];
        let table: &[(&[usize], bool, usize)] = &[
            (&[0], false, 2),
            (&[0, 1], false, 4),
            (&[0, 1], true, 16),
            (&[0], true, 16),
            (&[0, 2], false, 8),
            (&[0, 2, 3], false, 12),
            (&[0, 1, 2], true, 16),
            (&[0, 1, 2, 3], true, 24),
            (&[], true, 8),
            (&[], false, 0),
        ];
        for (bits, timestamp, bytes) in table {
            let mask = ScanMask::of(bits);
            let found = compute_scan_bytes(&channels, &mask, *timestamp);
            assert_eq!(found, Ok(*bytes), "{bits:?} {timestamp}");
        }
        let missing = compute_scan_bytes(&channels, &ScanMask::of(&[9]), false);
        assert_eq!(missing, Err(Errno::EINVAL));
    }

    #[test]
    fn an_element_of_odd_size_is_aligned_as_badly_as_in_the_kernel() {
        let triple = ChannelSpec {
            scan_type: ScanType {
                repeat: 3,
                ..ScanType::signed(16)
            },
            ..element(1, 16)
        };
        let channels = [element(0, 16), triple];
        let found = compute_scan_bytes(&channels, &ScanMask::of(&[0, 1]), false);
        assert_eq!(found, Ok(8));
    }

    #[test]
    fn a_buffer_gets_its_own_elements_out_of_the_devices_scan() {
        let channels = [
            element(0, 16),
            element(1, 32),
            element(2, 16),
            ChannelSpec::soft_timestamp(3),
        ];
        let scan: Vec<u8> = (0..24).collect();
        let active = ScanMask::of(&[0, 1, 2]);
        let cut = |bits: &[usize], timestamp| {
            let cut = demux(&channels, &active, &ScanMask::of(bits), timestamp).unwrap();
            cut.apply(&scan, &mut Vec::new()).to_vec()
        };
        assert_eq!(cut(&[0], false), [0, 1]);
        assert_eq!(cut(&[1, 2], false), [4, 5, 6, 7, 8, 9]);
        assert_eq!(
            cut(&[2], true),
            [8, 9, 0, 0, 0, 0, 0, 0, 16, 17, 18, 19, 20, 21, 22, 23]
        );
        assert_eq!(cut(&[0, 1, 2], true), scan);
    }

    #[test]
    fn a_time_stamp_behind_unwanted_elements_is_missed_as_in_the_kernel() {
        let channels = [
            element(0, 32),
            element(1, 32),
            element(2, 32),
            ChannelSpec::soft_timestamp(3),
        ];
        // The device's scan: 12 bytes of elements, the time stamp at 16.
        let scan: Vec<u8> = (0..24).collect();
        let cut = demux(
            &channels,
            &ScanMask::of(&[0, 1, 2]),
            &ScanMask::of(&[0]),
            true,
        )
        .unwrap();
        let mut bounce = Vec::new();
        assert_eq!(cut.apply(&scan, &mut bounce)[8..], scan[8..16]);
    }

    #[test]
    fn a_mask_is_equal_however_it_came_to_be() {
        let mut mask = ScanMask::of(&[1, 70]);
        mask.set(70, false);
        assert_eq!(mask, ScanMask::of(&[1]));
        assert_eq!(mask.len(), 1);
        mask.set(1, false);
        assert!(mask.is_empty());
    }
}
