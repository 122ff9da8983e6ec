//! What a driver says about its channels (`struct iio_chan_spec`).

use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use crate::raw::IioDev;
use crate::types::{
    ChanType, Endian, EventDirection, EventMask, EventType, InfoMask, Modifier, SharedBy,
};

/// How one sample lies in the buffer (`struct iio_scan_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanType {
    /// `'s'` or `'u'`.
    pub sign: char,
    /// Valid bits of data.
    pub realbits: u8,
    /// Bits the sample takes, padding included.
    pub storagebits: u8,
    /// Bits to shift right to get at the data.
    pub shift: u8,
    /// How often the element repeats; 0 and 1 both mean once.
    pub repeat: u8,
    /// Byte order.
    pub endianness: Endian,
}

impl ScanType {
    /// A signed sample that fills its storage, in the machine's byte order.
    pub const fn signed(bits: u8) -> ScanType {
        ScanType {
            sign: 's',
            realbits: bits,
            storagebits: bits,
            shift: 0,
            repeat: 0,
            endianness: Endian::Cpu,
        }
    }

    /// An unsigned sample that fills its storage, in the machine's byte order.
    pub const fn unsigned(bits: u8) -> ScanType {
        ScanType {
            sign: 'u',
            ..ScanType::signed(bits)
        }
    }

    /// Bytes one element takes in the buffer.
    // industrialio-buffer.c: iio_storage_bytes_for_si
    pub const fn storage_bytes(&self) -> usize {
        let bytes = self.storagebits as usize / 8;
        if self.repeat > 1 {
            bytes * self.repeat as usize
        } else {
            bytes
        }
    }

    /// What the `_type` attribute shows, without its newline.
    ///
    /// ```
    /// use lastfd_iio::ScanType;
    /// assert_eq!(ScanType::signed(16).describe(), "le:s16/16>>0");
    /// assert_eq!(ScanType { repeat: 3, ..ScanType::unsigned(8) }.describe(), "le:u8/8X3>>0");
    /// ```
    // industrialio-buffer.c: iio_show_fixed_type
    pub fn describe(&self) -> String {
        let ScanType {
            sign,
            realbits,
            storagebits,
            shift,
            repeat,
            endianness,
        } = self;
        let prefix = endianness.prefix();
        if *repeat > 1 {
            format!("{prefix}:{sign}{realbits}/{storagebits}X{repeat}>>{shift}")
        } else {
            format!("{prefix}:{sign}{realbits}/{storagebits}>>{shift}")
        }
    }

    // industrialio-buffer.c: iio_channel_validate_scan_type
    pub(crate) fn validate(&self) -> Result {
        if u32::from(self.storagebits) < u32::from(self.realbits) + u32::from(self.shift) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

/// The zeroed type of a channel that says nothing: no bits, machine order.
impl Default for ScanType {
    fn default() -> ScanType {
        ScanType {
            sign: '\0',
            ..ScanType::signed(0)
        }
    }
}

/// Reads an attribute of a driver's own; the text needs its newline.
pub type ExtInfoRead = Arc<dyn Fn(&IioDev, &ChannelSpec) -> Result<String> + Send + Sync>;
/// Writes an attribute of a driver's own; gives the bytes taken.
pub type ExtInfoWrite = Arc<dyn Fn(&IioDev, &ChannelSpec, &[u8]) -> Result<usize> + Send + Sync>;

/// An attribute of a channel with a name of the driver's own
/// (`struct iio_chan_spec_ext_info`).
#[derive(Clone)]
pub struct ExtInfo {
    /// The last part of the attribute's name.
    pub name: String,
    /// With whom the attribute is shared.
    pub shared: SharedBy,
    /// Without it the attribute cannot be read.
    pub read: Option<ExtInfoRead>,
    /// Without it the attribute cannot be written.
    pub write: Option<ExtInfoWrite>,
}

impl core::fmt::Debug for ExtInfo {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ExtInfo")
            .field("name", &self.name)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

/// An event a channel can raise (`struct iio_event_spec`).
#[derive(Clone, Copy, Debug)]
pub struct EventSpec {
    /// What makes it happen.
    pub type_: EventType,
    /// In which direction.
    pub dir: EventDirection,
    /// Elements of this channel's event alone.
    pub mask_separate: EventMask,
    /// Elements shared by the channel's type.
    pub mask_shared_by_type: EventMask,
    /// Elements shared by the channel's direction.
    pub mask_shared_by_dir: EventMask,
    /// Elements shared by all channels.
    pub mask_shared_by_all: EventMask,
}

impl EventSpec {
    /// An event all of whose elements belong to its channel alone.
    pub const fn separate(
        type_: EventType,
        dir: EventDirection,
        mask_separate: EventMask,
    ) -> EventSpec {
        EventSpec {
            type_,
            dir,
            mask_separate,
            mask_shared_by_type: EventMask::NONE,
            mask_shared_by_dir: EventMask::NONE,
            mask_shared_by_all: EventMask::NONE,
        }
    }

    /// The masks in the order the attributes are made in.
    pub(crate) fn masks(&self) -> [(SharedBy, EventMask); 4] {
        [
            (SharedBy::Separate, self.mask_separate),
            (SharedBy::Type, self.mask_shared_by_type),
            (SharedBy::Dir, self.mask_shared_by_dir),
            (SharedBy::All, self.mask_shared_by_all),
        ]
    }
}

/// One channel of a device, as a driver describes it (`struct iio_chan_spec`).
///
/// ```
/// use lastfd_iio::{ChannelSpec, ChanType, Info, InfoMask, ScanType};
/// let channel = ChannelSpec {
///     type_: ChanType::Voltage,
///     indexed: true,
///     channel: 0,
///     info_mask_separate: InfoMask::of(&[Info::Raw]),
///     scan_index: 0,
///     scan_type: ScanType::signed(16),
///     ..ChannelSpec::default()
/// };
/// assert!(channel.has_info(Info::Raw));
/// ```
#[derive(Clone, Debug)]
pub struct ChannelSpec {
    /// What it measures or drives.
    pub type_: ChanType,
    /// Its number; below zero it has no attributes of its own.
    pub channel: i32,
    /// The second number of a differential channel.
    pub channel2: i32,
    /// The modifier, looked at when `modified` is set.
    pub modifier: Modifier,
    /// For the driver's own use: a register, say.
    pub address: u64,
    /// Its place in a scan; below zero it is in none.
    pub scan_index: i32,
    /// How its samples lie in the buffer.
    pub scan_type: ScanType,
    /// Information of this channel alone.
    pub info_mask_separate: InfoMask,
    /// What of it also has an `_available` attribute.
    pub info_mask_separate_available: InfoMask,
    /// Information shared by all channels of the type.
    pub info_mask_shared_by_type: InfoMask,
    /// What of it also has an `_available` attribute.
    pub info_mask_shared_by_type_available: InfoMask,
    /// Information shared by all channels of the direction.
    pub info_mask_shared_by_dir: InfoMask,
    /// What of it also has an `_available` attribute.
    pub info_mask_shared_by_dir_available: InfoMask,
    /// Information shared by all channels.
    pub info_mask_shared_by_all: InfoMask,
    /// What of it also has an `_available` attribute.
    pub info_mask_shared_by_all_available: InfoMask,
    /// Events it can raise.
    pub event_spec: Vec<EventSpec>,
    /// Attributes of the driver's own.
    pub ext_info: Vec<ExtInfo>,
    /// A name inside the attribute names; deprecated in favour of labels.
    pub extend_name: Option<String>,
    /// What the data sheet calls the pin.
    pub datasheet_name: Option<String>,
    /// Whether the modifier applies.
    pub modified: bool,
    /// Whether the number is part of the attribute names.
    pub indexed: bool,
    /// Whether it is an output.
    pub output: bool,
    /// Whether it is the difference of two pins.
    pub differential: bool,
}

impl Default for ChannelSpec {
    /// All zero, as a C initialiser leaves what it does not name.
    fn default() -> ChannelSpec {
        ChannelSpec {
            type_: ChanType::Voltage,
            channel: 0,
            channel2: 0,
            modifier: Modifier::NoMod,
            address: 0,
            scan_index: 0,
            scan_type: ScanType::default(),
            info_mask_separate: InfoMask::NONE,
            info_mask_separate_available: InfoMask::NONE,
            info_mask_shared_by_type: InfoMask::NONE,
            info_mask_shared_by_type_available: InfoMask::NONE,
            info_mask_shared_by_dir: InfoMask::NONE,
            info_mask_shared_by_dir_available: InfoMask::NONE,
            info_mask_shared_by_all: InfoMask::NONE,
            info_mask_shared_by_all_available: InfoMask::NONE,
            event_spec: Vec::new(),
            ext_info: Vec::new(),
            extend_name: None,
            datasheet_name: None,
            modified: false,
            indexed: false,
            output: false,
            differential: false,
        }
    }
}

impl ChannelSpec {
    /// `IIO_CHAN_SOFT_TIMESTAMP`: a 64 bit time stamp, last in the scan.
    pub fn soft_timestamp(scan_index: i32) -> ChannelSpec {
        ChannelSpec {
            type_: ChanType::Timestamp,
            channel: -1,
            scan_index,
            scan_type: ScanType::signed(64),
            ..ChannelSpec::default()
        }
    }

    /// Whether the channel has this information, shared or not
    /// (`iio_channel_has_info`).
    pub fn has_info(&self, info: crate::types::Info) -> bool {
        self.info_masks()
            .iter()
            .any(|(_, mask, _)| mask.contains(info))
    }

    /// Whether it tells what values this information may have, shared or not
    /// (`iio_channel_has_available`).
    pub fn has_available(&self, info: crate::types::Info) -> bool {
        self.info_masks()
            .iter()
            .any(|(_, _, mask)| mask.contains(info))
    }

    /// `"in"` or `"out"`.
    pub fn direction(&self) -> &'static str {
        if self.output { "out" } else { "in" }
    }

    /// The masks in the order the attributes are made in: with whom it is
    /// shared, the information, the `_available` information.
    // industrialio-core.c: iio_device_add_channel_sysfs
    pub(crate) fn info_masks(&self) -> [(SharedBy, InfoMask, InfoMask); 4] {
        [
            (
                SharedBy::Separate,
                self.info_mask_separate,
                self.info_mask_separate_available,
            ),
            (
                SharedBy::Type,
                self.info_mask_shared_by_type,
                self.info_mask_shared_by_type_available,
            ),
            (
                SharedBy::Dir,
                self.info_mask_shared_by_dir,
                self.info_mask_shared_by_dir_available,
            ),
            (
                SharedBy::All,
                self.info_mask_shared_by_all,
                self.info_mask_shared_by_all_available,
            ),
        ]
    }
}
