//! The words of IIO and how sysfs spells them.
//!
//! One table per kernel enumeration, in the kernel's order, since the numbers
//! are ABI (event codes) and bit positions (information masks).
//! Follows `include/uapi/linux/iio/types.h`, `include/linux/iio/types.h` and
//! the name tables of `drivers/iio/industrialio-core.c` and `-event.c`.

/// Declares an enumeration whose variants carry the name sysfs uses.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $variant,)*
        }

        impl $name {
            /// Every value, in the kernel's order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// How sysfs spells it.
            pub const fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)*
                }
            }
        }
    };
}

words! {
    /// What a channel measures or drives (`enum iio_chan_type`).
    ///
    /// ```
    /// use lastfd_iio::ChanType;
    /// assert_eq!(ChanType::Light.name(), "illuminance");
    /// assert_eq!(ChanType::Timestamp as u8, 13);
    /// ```
    ChanType {
        Voltage = "voltage",
        Current = "current",
        Power = "power",
        Accel = "accel",
        AnglVel = "anglvel",
        Magn = "magn",
        Light = "illuminance",
        Intensity = "intensity",
        Proximity = "proximity",
        Temp = "temp",
        Incli = "incli",
        Rot = "rot",
        Angl = "angl",
        Timestamp = "timestamp",
        Capacitance = "capacitance",
        Altvoltage = "altvoltage",
        Cct = "cct",
        Pressure = "pressure",
        HumidityRelative = "humidityrelative",
        Activity = "activity",
        Steps = "steps",
        Energy = "energy",
        Distance = "distance",
        Velocity = "velocity",
        Concentration = "concentration",
        Resistance = "resistance",
        Ph = "ph",
        UvIndex = "uvindex",
        ElectricalConductivity = "electricalconductivity",
        Count = "count",
        Index = "index",
        Gravity = "gravity",
        PositionRelative = "positionrelative",
        Phase = "phase",
        MassConcentration = "massconcentration",
        DeltaAngl = "deltaangl",
        DeltaVelocity = "deltavelocity",
        ColorTemp = "colortemp",
        Chromaticity = "chromaticity",
    }
}

words! {
    /// What of its type a channel is (`enum iio_modifier`).
    ///
    /// `NoMod` has no name in the kernel's table; a modified channel that
    /// carries it gets what `printf` makes of a null pointer.
    Modifier {
        NoMod = "(null)",
        X = "x",
        Y = "y",
        Z = "z",
        XAndY = "x&y",
        XAndZ = "x&z",
        YAndZ = "y&z",
        XAndYAndZ = "x&y&z",
        XOrY = "x|y",
        XOrZ = "x|z",
        YOrZ = "y|z",
        XOrYOrZ = "x|y|z",
        LightBoth = "both",
        LightIr = "ir",
        RootSumSquaredXY = "sqrt(x^2+y^2)",
        SumSquaredXYZ = "x^2+y^2+z^2",
        LightClear = "clear",
        LightRed = "red",
        LightGreen = "green",
        LightBlue = "blue",
        Quaternion = "quaternion",
        TempAmbient = "ambient",
        TempObject = "object",
        NorthMagn = "from_north_magnetic",
        NorthTrue = "from_north_true",
        NorthMagnTiltComp = "from_north_magnetic_tilt_comp",
        NorthTrueTiltComp = "from_north_true_tilt_comp",
        Running = "running",
        Jogging = "jogging",
        Walking = "walking",
        Still = "still",
        RootSumSquaredXYZ = "sqrt(x^2+y^2+z^2)",
        I = "i",
        Q = "q",
        Co2 = "co2",
        Voc = "voc",
        LightUv = "uv",
        LightDuv = "duv",
        Pm1 = "pm1",
        Pm2p5 = "pm2p5",
        Pm4 = "pm4",
        Pm10 = "pm10",
        Ethanol = "ethanol",
        H2 = "h2",
        O2 = "o2",
        LinearX = "linear_x",
        LinearY = "linear_y",
        LinearZ = "linear_z",
        Pitch = "pitch",
        Yaw = "yaw",
        Roll = "roll",
        LightUva = "uva",
        LightUvb = "uvb",
    }
}

words! {
    /// An information element of a channel (`enum iio_chan_info_enum`).
    ///
    /// ```
    /// use lastfd_iio::Info;
    /// assert_eq!(Info::Processed.name(), "input");
    /// ```
    Info {
        Raw = "raw",
        Processed = "input",
        Scale = "scale",
        Offset = "offset",
        CalibScale = "calibscale",
        CalibBias = "calibbias",
        Peak = "peak_raw",
        PeakScale = "peak_scale",
        QuadratureCorrectionRaw = "quadrature_correction_raw",
        AverageRaw = "mean_raw",
        LowPassFilter3dbFrequency = "filter_low_pass_3db_frequency",
        HighPassFilter3dbFrequency = "filter_high_pass_3db_frequency",
        SampFreq = "sampling_frequency",
        Frequency = "frequency",
        Phase = "phase",
        HardwareGain = "hardwaregain",
        Hysteresis = "hysteresis",
        HysteresisRelative = "hysteresis_relative",
        IntTime = "integration_time",
        Enable = "en",
        CalibHeight = "calibheight",
        CalibWeight = "calibweight",
        DebounceCount = "debounce_count",
        DebounceTime = "debounce_time",
        CalibEmissivity = "calibemissivity",
        OversamplingRatio = "oversampling_ratio",
        ThermocoupleType = "thermocouple_type",
        CalibAmbient = "calibambient",
        ZeroPoint = "zeropoint",
        Trough = "trough_raw",
    }
}

words! {
    /// What makes an event happen (`enum iio_event_type`).
    EventType {
        Thresh = "thresh",
        Mag = "mag",
        Roc = "roc",
        ThreshAdaptive = "thresh_adaptive",
        MagAdaptive = "mag_adaptive",
        Change = "change",
        MagReferenced = "mag_referenced",
        Gesture = "gesture",
    }
}

words! {
    /// The direction of an event (`enum iio_event_direction`).
    ///
    /// `None` leaves the direction out of the attribute's name.
    EventDirection {
        Either = "either",
        Rising = "rising",
        Falling = "falling",
        None = "",
        SingleTap = "singletap",
        DoubleTap = "doubletap",
    }
}

words! {
    /// What of an event can be configured (`enum iio_event_info`).
    EventInfo {
        Enable = "en",
        Value = "value",
        Hysteresis = "hysteresis",
        Period = "period",
        HighPassFilter3db = "high_pass_filter_3db",
        LowPassFilter3db = "low_pass_filter_3db",
        Timeout = "timeout",
        ResetTimeout = "reset_timeout",
        Tap2MinDelay = "tap2_min_delay",
        RunningPeriod = "runningperiod",
        RunningCount = "runningcount",
    }
}

words! {
    /// With whom an attribute is shared (`enum iio_shared_by`).
    SharedBy {
        Separate = "separate",
        Type = "shared by type",
        Dir = "shared by direction",
        All = "shared by all",
    }
}

words! {
    /// Byte order of a sample in the buffer (`enum iio_endian`).
    ///
    /// `Cpu` is the machine's own order; sysfs shows which.
    Endian {
        Cpu = "cpu",
        Be = "be",
        Le = "le",
    }
}

impl Endian {
    /// The prefix in a `_type` attribute: `"le"` or `"be"`.
    pub const fn prefix(self) -> &'static str {
        match self {
            Endian::Be => "be",
            Endian::Le => "le",
            Endian::Cpu if cfg!(target_endian = "big") => "be",
            Endian::Cpu => "le",
        }
    }
}

/// A set of [`Info`] elements: `BIT(IIO_CHAN_INFO_RAW) | …`.
///
/// ```
/// use lastfd_iio::{Info, InfoMask};
/// let mask = InfoMask::of(&[Info::Scale, Info::Raw]);
/// assert_eq!(mask.iter().collect::<Vec<_>>(), [Info::Raw, Info::Scale]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InfoMask(u64);

impl InfoMask {
    /// No element.
    pub const NONE: InfoMask = InfoMask(0);

    /// The set of these elements.
    pub const fn of(infos: &[Info]) -> InfoMask {
        let mut bits = 0;
        let mut i = 0;
        while i < infos.len() {
            bits |= 1 << infos[i] as u8;
            i += 1;
        }
        InfoMask(bits)
    }

    /// Whether the element is in the set.
    pub const fn contains(self, info: Info) -> bool {
        self.0 & (1 << info as u8) != 0
    }

    /// The elements, lowest bit first, as `for_each_set_bit` walks them.
    pub fn iter(self) -> impl Iterator<Item = Info> {
        let mut left = self.0;
        core::iter::from_fn(move || {
            let info = *Info::ALL.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(info)
        })
    }
}

/// A set of [`EventInfo`] elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventMask(u64);

impl EventMask {
    /// No element.
    pub const NONE: EventMask = EventMask(0);

    /// The set of these elements.
    pub const fn of(infos: &[EventInfo]) -> EventMask {
        let mut bits = 0;
        let mut i = 0;
        while i < infos.len() {
            bits |= 1 << infos[i] as u8;
            i += 1;
        }
        EventMask(bits)
    }

    /// The elements, lowest bit first.
    pub fn iter(self) -> impl Iterator<Item = EventInfo> {
        EventInfo::ALL
            .iter()
            .copied()
            .filter(move |&info| self.0 & (1 << info as u8) != 0)
    }
}

/// What a device can do (`INDIO_*`), a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Modes(u32);

impl Modes {
    /// No mode at all: nothing that this crate needs refuses it.
    pub const NONE: Modes = Modes(0);
    /// `INDIO_DIRECT_MODE`: single readings through sysfs.
    pub const DIRECT: Modes = Modes(0x01);
    /// `INDIO_BUFFER_TRIGGERED`: a trigger's poll function fills the buffer.
    pub const BUFFER_TRIGGERED: Modes = Modes(0x02);
    /// `INDIO_BUFFER_SOFTWARE`: the driver fills the buffer by itself.
    pub const BUFFER_SOFTWARE: Modes = Modes(0x04);
    /// `INDIO_BUFFER_HARDWARE`: the data does not pass through the driver.
    pub const BUFFER_HARDWARE: Modes = Modes(0x08);
    /// `INDIO_EVENT_TRIGGERED`.
    pub const EVENT_TRIGGERED: Modes = Modes(0x10);
    /// `INDIO_HARDWARE_TRIGGERED`.
    pub const HARDWARE_TRIGGERED: Modes = Modes(0x20);
    /// `INDIO_ALL_BUFFER_MODES`.
    pub const ALL_BUFFER: Modes = Modes(0x02 | 0x04 | 0x08);
    /// `INDIO_ALL_TRIGGERED_MODES`.
    pub const ALL_TRIGGERED: Modes = Modes(0x02 | 0x10 | 0x20);

    /// Whether the two sets share a mode.
    pub const fn intersects(self, other: Modes) -> bool {
        self.0 & other.0 != 0
    }
}

impl core::ops::BitOr for Modes {
    type Output = Modes;
    fn bitor(self, other: Modes) -> Modes {
        Modes(self.0 | other.0)
    }
}

impl core::ops::BitOrAssign for Modes {
    fn bitor_assign(&mut self, other: Modes) {
        self.0 |= other.0;
    }
}

impl core::ops::BitAnd for Modes {
    type Output = Modes;
    fn bitand(self, other: Modes) -> Modes {
        Modes(self.0 & other.0)
    }
}

/// Builds an event code as the kernel packs it (`_IIO_EVENT_CODE`):
/// type, differential, direction, modifier, channel type, second and first
/// channel number, from the top byte down.
///
/// ```
/// use lastfd_iio::{ChanType, EventDirection, EventType, Modifier, event_code};
/// let code = event_code(ChanType::Voltage, false, Modifier::NoMod,
///     EventDirection::Rising, EventType::Thresh, 0, 0, 0);
/// assert_eq!(code, 0x0001_0000_0000_0000);
/// ```
#[expect(
    clippy::too_many_arguments,
    reason = "the fields of the kernel's macro, in its order"
)]
pub const fn event_code(
    chan_type: ChanType,
    diff: bool,
    modifier: Modifier,
    direction: EventDirection,
    type_: EventType,
    channel: u16,
    channel1: u16,
    channel2: u16,
) -> u64 {
    // include/linux/iio/events.h: the single and the first differential
    // channel share the lowest 16 bits.
    ((type_ as u64) << 56)
        | ((diff as u64) << 55)
        | ((direction as u64) << 48)
        | ((modifier as u64) << 40)
        | ((chan_type as u64) << 32)
        | ((channel2 as u64) << 16)
        | channel1 as u64
        | channel as u64
}
