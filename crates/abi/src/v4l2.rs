//! V4L2: the part of `include/uapi/linux/videodev2.h` that a capture device
//! with one plane needs, and the numbers of all its ioctls.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::ioctl::{IOC_IN, IOC_OUT, Ioctl, io, ioc, ior, iow, iowr};

/// The letter of V4L2's ioctls.
pub const VIDIOC_TYPE: u8 = b'V';
/// The first number that belongs to drivers (`BASE_VIDIOC_PRIVATE`).
pub const BASE_VIDIOC_PRIVATE: u8 = 192;

macro_rules! structs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl Default for $name {
            /// All zero.
            fn default() -> $name {
                $name::new_zeroed()
            }
        }
    )*};
}

structs! {
    /// `struct v4l2_capability`: who the device is. Texts end with a zero.
    V4l2Capability {
        /// The driver's name.
        driver: [u8; 16],
        /// The device's name.
        card: [u8; 32],
        /// Where it is plugged in, such as `platform:vivid-000`.
        bus_info: [u8; 32],
        /// The kernel's version, a byte for each part.
        version: u32,
        /// What all its nodes together can do.
        capabilities: u32,
        /// What this node can do, of `V4L2_CAP_*`.
        device_caps: u32,
        /// Zero.
        reserved: [u32; 3],
    }
    /// `struct v4l2_fmtdesc`.
    V4l2Fmtdesc {
        /// Which format is asked for.
        index: u32,
        /// For which kind of buffer.
        type_: u32,
        /// `V4L2_FMT_FLAG_*`.
        flags: u32,
        /// Its name.
        description: [u8; 32],
        /// Its four characters.
        pixelformat: u32,
        /// Only those of this media bus code; 0 for all.
        mbus_code: u32,
        /// Zero.
        reserved: [u32; 3],
    }
    /// `struct v4l2_pix_format`: a picture in one plane.
    V4l2PixFormat {
        /// Pixels of a line.
        width: u32,
        /// Lines.
        height: u32,
        /// Four characters.
        pixelformat: u32,
        /// `V4L2_FIELD_*`.
        field: u32,
        /// Bytes of a line.
        bytesperline: u32,
        /// Bytes of the picture.
        sizeimage: u32,
        /// `V4L2_COLORSPACE_*`.
        colorspace: u32,
        /// [`V4L2_PIX_FMT_PRIV_MAGIC`] where what follows counts.
        priv_: u32,
        /// `V4L2_PIX_FMT_FLAG_*`.
        flags: u32,
        /// `V4L2_YCBCR_ENC_*`.
        ycbcr_enc: u32,
        /// `V4L2_QUANTIZATION_*`.
        quantization: u32,
        /// `V4L2_XFER_FUNC_*`.
        xfer_func: u32,
    }
    /// `struct v4l2_format`.
    V4l2Format {
        /// Which member of the union counts, of `V4L2_BUF_TYPE_*`.
        type_: u32,
        /// Padding.
        pad: u32,
        /// The union; [`pix`](V4l2Format::pix) is its first member.
        raw_data: [u8; 200],
    }
    /// `struct v4l2_requestbuffers`.
    V4l2Requestbuffers {
        /// How many are wanted, then how many there are.
        count: u32,
        /// The kind of buffer.
        type_: u32,
        /// Whose memory, of `V4L2_MEMORY_*`.
        memory: u32,
        /// `V4L2_BUF_CAP_*`.
        capabilities: u32,
        /// `V4L2_MEMORY_FLAG_*`.
        flags: u8,
        /// Zero.
        reserved: [u8; 3],
    }
    /// `struct v4l2_timecode`.
    V4l2Timecode {
        /// `V4L2_TC_TYPE_*`.
        type_: u32,
        /// `V4L2_TC_FLAG_*`.
        flags: u32,
        /// Frames.
        frames: u8,
        /// Seconds.
        seconds: u8,
        /// Minutes.
        minutes: u8,
        /// Hours.
        hours: u8,
        /// The user's.
        userbits: [u8; 4],
    }
    /// `struct v4l2_buffer`.
    V4l2Buffer {
        /// Its number.
        index: u32,
        /// Its kind.
        type_: u32,
        /// Bytes in use.
        bytesused: u32,
        /// `V4L2_BUF_FLAG_*`.
        flags: u32,
        /// `V4L2_FIELD_*`.
        field: u32,
        /// Padding.
        pad: u32,
        /// When the first byte was taken, seconds.
        tv_sec: i64,
        /// When the first byte was taken, microseconds.
        tv_usec: i64,
        /// Its time code.
        timecode: V4l2Timecode,
        /// Number of the frame.
        sequence: u32,
        /// Whose memory, of `V4L2_MEMORY_*`.
        memory: u32,
        /// The union `m`: what to give mmap, for `V4L2_MEMORY_MMAP`.
        offset: u64,
        /// Bytes of the buffer.
        length: u32,
        /// Zero.
        reserved2: u32,
        /// The request it belongs to.
        request_fd: i32,
        /// Padding.
        pad2: u32,
    }
    /// `struct v4l2_exportbuffer`.
    V4l2Exportbuffer {
        /// The kind of buffer.
        type_: u32,
        /// Its number.
        index: u32,
        /// Which of its planes.
        plane: u32,
        /// `O_CLOEXEC` and the access mode.
        flags: u32,
        /// The descriptor.
        fd: i32,
        /// Zero.
        reserved: [u32; 11],
    }
    /// `struct v4l2_create_buffers`.
    V4l2CreateBuffers {
        /// The first of the new ones.
        index: u32,
        /// How many are wanted, then how many were made.
        count: u32,
        /// Whose memory, of `V4L2_MEMORY_*`.
        memory: u32,
        /// Padding.
        pad: u32,
        /// For pictures of this format.
        format: V4l2Format,
        /// `V4L2_BUF_CAP_*`.
        capabilities: u32,
        /// `V4L2_MEMORY_FLAG_*`.
        flags: u32,
        /// How many there can be.
        max_num_buffers: u32,
        /// Zero.
        reserved: [u32; 5],
    }
    /// `struct v4l2_remove_buffers`.
    V4l2RemoveBuffers {
        /// The first that goes.
        index: u32,
        /// How many go.
        count: u32,
        /// The kind of buffer.
        type_: u32,
        /// Zero.
        reserved: [u32; 13],
    }
    /// `struct v4l2_fract`.
    V4l2Fract {
        /// Above the line.
        numerator: u32,
        /// Below the line.
        denominator: u32,
    }
    /// `struct v4l2_streamparm`, with the union as for capture.
    V4l2Streamparm {
        /// Which member of the union counts, of `V4L2_BUF_TYPE_*`.
        type_: u32,
        /// `V4L2_CAP_TIMEPERFRAME` or not.
        capability: u32,
        /// `V4L2_MODE_HIGHQUALITY` or not.
        capturemode: u32,
        /// Seconds a frame lasts.
        timeperframe: V4l2Fract,
        /// The driver's own.
        extendedmode: u32,
        /// Buffers that read() uses.
        readbuffers: u32,
        /// Zero, and the rest of the union.
        reserved: [u8; 176],
    }
    /// `struct v4l2_frmsizeenum`, with the union as for a discrete size.
    V4l2Frmsizeenum {
        /// Which size is asked for.
        index: u32,
        /// Of which format.
        pixel_format: u32,
        /// `V4L2_FRMSIZE_TYPE_*`.
        type_: u32,
        /// Pixels of a line.
        width: u32,
        /// Lines.
        height: u32,
        /// The rest of the union.
        stepwise: [u32; 4],
        /// Zero.
        reserved: [u32; 2],
    }
    /// `struct v4l2_frmivalenum`, with the union as for a discrete interval.
    V4l2Frmivalenum {
        /// Which interval is asked for.
        index: u32,
        /// Of which format.
        pixel_format: u32,
        /// Of pictures with so many pixels a line.
        width: u32,
        /// And so many lines.
        height: u32,
        /// `V4L2_FRMIVAL_TYPE_*`.
        type_: u32,
        /// Seconds from one frame to the next.
        discrete: V4l2Fract,
        /// The rest of the union.
        stepwise: [V4l2Fract; 2],
        /// Zero.
        reserved: [u32; 2],
    }
    /// `struct v4l2_input`.
    V4l2Input {
        /// Which input is asked for.
        index: u32,
        /// Its name.
        name: [u8; 32],
        /// `V4L2_INPUT_TYPE_*`.
        type_: u32,
        /// Its sound.
        audioset: u32,
        /// Its tuner.
        tuner: u32,
        /// Its analog standards.
        std: u64,
        /// `V4L2_IN_ST_*`.
        status: u32,
        /// `V4L2_IN_CAP_*`.
        capabilities: u32,
        /// Zero.
        reserved: [u32; 3],
        /// Padding.
        pad: u32,
    }
    /// `struct v4l2_control`.
    V4l2Control {
        /// Which control.
        id: u32,
        /// Its value.
        value: i32,
    }
    /// `struct v4l2_queryctrl`.
    V4l2Queryctrl {
        /// Which control, or after which one (`V4L2_CTRL_FLAG_NEXT_CTRL`).
        id: u32,
        /// `V4L2_CTRL_TYPE_*`.
        type_: u32,
        /// Its name.
        name: [u8; 32],
        /// The smallest value.
        minimum: i32,
        /// The largest value.
        maximum: i32,
        /// From one value to the next.
        step: i32,
        /// The value it starts with.
        default_value: i32,
        /// `V4L2_CTRL_FLAG_*`.
        flags: u32,
        /// Zero.
        reserved: [u32; 2],
    }
    /// `struct v4l2_query_ext_ctrl`.
    V4l2QueryExtCtrl {
        /// Which control, or after which one.
        id: u32,
        /// `V4L2_CTRL_TYPE_*`.
        type_: u32,
        /// Its name.
        name: [u8; 32],
        /// The smallest value.
        minimum: i64,
        /// The largest value.
        maximum: i64,
        /// From one value to the next.
        step: u64,
        /// The value it starts with.
        default_value: i64,
        /// `V4L2_CTRL_FLAG_*`.
        flags: u32,
        /// Bytes of an element.
        elem_size: u32,
        /// Elements.
        elems: u32,
        /// Dimensions of an array.
        nr_of_dims: u32,
        /// How large each is.
        dims: [u32; 4],
        /// Zero.
        reserved: [u32; 32],
    }
    /// `struct v4l2_querymenu`.
    V4l2Querymenu {
        /// Which control.
        id: u32,
        /// Which item.
        index: u32,
        /// The item's name, or its value.
        name: [u8; 32],
        /// Zero.
        reserved: u32,
    }
    /// `struct v4l2_ext_control`, packed in C.
    V4l2ExtControl {
        /// Which control.
        id: u32,
        /// Bytes of what a pointer points to.
        size: u32,
        /// Zero.
        reserved2: [u32; 1],
        /// The value: the low half of a 64 bit one, or of a pointer.
        value: i32,
        /// The high half.
        value_high: i32,
    }
    /// `struct v4l2_ext_controls`.
    V4l2ExtControls {
        /// Of which class, or which value (`V4L2_CTRL_WHICH_*`).
        which: u32,
        /// How many.
        count: u32,
        /// The one that failed.
        error_idx: u32,
        /// The request they belong to.
        request_fd: i32,
        /// Zero.
        reserved: [u32; 1],
        /// Padding.
        pad: u32,
        /// Where they are.
        controls: u64,
    }
    /// `struct v4l2_event_ctrl`.
    V4l2EventCtrl {
        /// What changed, of `V4L2_EVENT_CTRL_CH_*`.
        changes: u32,
        /// The control's type.
        type_: u32,
        /// Its value.
        value64: i64,
        /// Its flags.
        flags: u32,
        /// Its smallest value.
        minimum: i32,
        /// Its largest value.
        maximum: i32,
        /// Its step.
        step: i32,
        /// Its default.
        default_value: i32,
        /// Padding.
        pad: u32,
    }
    /// `struct v4l2_event`.
    V4l2Event {
        /// `V4L2_EVENT_*`.
        type_: u32,
        /// Padding.
        pad: u32,
        /// The union; see [`ctrl`](V4l2Event::ctrl).
        data: [u8; 64],
        /// How many more there are.
        pending: u32,
        /// Its number on this file.
        sequence: u32,
        /// When it happened, seconds of the monotonic clock.
        tv_sec: i64,
        /// When it happened, nanoseconds.
        tv_nsec: i64,
        /// Of which source, such as a control.
        id: u32,
        /// Zero.
        reserved: [u32; 8],
        /// Padding.
        pad2: u32,
    }
    /// `struct v4l2_event_subscription`.
    V4l2EventSubscription {
        /// `V4L2_EVENT_*`.
        type_: u32,
        /// Of which source, such as a control.
        id: u32,
        /// `V4L2_EVENT_SUB_FL_*`.
        flags: u32,
        /// Zero.
        reserved: [u32; 5],
    }
}

/// The first bytes as a struct.
fn prefix<T: FromBytes>(bytes: &[u8]) -> T {
    T::read_from_prefix(bytes)
        .map(|(value, _)| value)
        .expect("a member of a union is not larger than the union")
}

fn set_prefix<T: IntoBytes + Immutable>(bytes: &mut [u8], value: &T) {
    value
        .write_to_prefix(bytes)
        .expect("a member of a union is not larger than the union");
}

impl V4l2Format {
    /// The union as a picture in one plane.
    pub fn pix(&self) -> V4l2PixFormat {
        prefix(&self.raw_data)
    }

    /// Sets the union to a picture in one plane.
    pub fn set_pix(&mut self, pix: &V4l2PixFormat) {
        set_prefix(&mut self.raw_data, pix);
    }
}

impl V4l2Event {
    /// The union as what a control tells.
    pub fn ctrl(&self) -> V4l2EventCtrl {
        prefix(&self.data)
    }

    /// Sets the union to what a control tells.
    pub fn set_ctrl(&mut self, ctrl: &V4l2EventCtrl) {
        set_prefix(&mut self.data, ctrl);
    }

    /// The union as what changed of a source: its first word.
    pub fn src_changes(&self) -> u32 {
        prefix(&self.data)
    }

    /// The union as the number of the frame that begins: its first word.
    pub fn frame_sequence(&self) -> u32 {
        prefix(&self.data)
    }

    /// Sets the union to the number of the frame that begins.
    pub fn set_frame_sequence(&mut self, sequence: u32) {
        set_prefix(&mut self.data, &sequence);
    }

    /// Sets the union to what changed of a source.
    pub fn set_src_changes(&mut self, changes: u32) {
        set_prefix(&mut self.data, &changes);
    }
}

/// The text up to its zero, as a C program reads it; what is no UTF-8 is
/// replaced.
///
/// ```
/// use lastfd_abi::v4l2::{set_text, text};
/// let mut name = [0; 8];
/// set_text(&mut name, "a camera");
/// assert_eq!(text(&name), "a camer");
/// ```
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

/// Copies a text into a field, cut so that a zero follows (`strscpy`).
pub fn set_text(field: &mut [u8], text: &str) {
    field.fill(0);
    let room = field.len().saturating_sub(1).min(text.len());
    field[..room].copy_from_slice(&text.as_bytes()[..room]);
}

/// A format from its four characters (`v4l2_fourcc`).
pub const fn v4l2_fourcc(text: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*text)
}

macro_rules! ioctls {
    ($($name:ident = $make:expr;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")]
        pub const $name: u32 = $make;)*

        /// The ioctls, as in the table of `drivers/media/v4l2-core/v4l2-ioctl.c`.
        pub const V4L2_IOCTLS: &[Ioctl] = &[
            $(Ioctl { name: stringify!($name), cmd: $name },)*
        ];
    };
}

const V: u8 = VIDIOC_TYPE;

/// Both ways, where only the argument's size is needed.
const fn both(nr: u8, size: usize) -> u32 {
    ioc(IOC_IN | IOC_OUT, V, nr, size)
}

/// Written by the kernel, where only the argument's size is needed.
const fn out(nr: u8, size: usize) -> u32 {
    ioc(IOC_OUT, V, nr, size)
}

/// Read by the kernel, where only the argument's size is needed.
const fn into(nr: u8, size: usize) -> u32 {
    ioc(IOC_IN, V, nr, size)
}

ioctls! {
    VIDIOC_QUERYCAP = ior::<V4l2Capability>(V, 0);
    VIDIOC_ENUM_FMT = iowr::<V4l2Fmtdesc>(V, 2);
    VIDIOC_G_FMT = iowr::<V4l2Format>(V, 4);
    VIDIOC_S_FMT = iowr::<V4l2Format>(V, 5);
    VIDIOC_REQBUFS = iowr::<V4l2Requestbuffers>(V, 8);
    VIDIOC_QUERYBUF = iowr::<V4l2Buffer>(V, 9);
    VIDIOC_G_FBUF = out(10, 48);
    VIDIOC_S_FBUF = into(11, 48);
    VIDIOC_OVERLAY = iow::<i32>(V, 14);
    VIDIOC_QBUF = iowr::<V4l2Buffer>(V, 15);
    VIDIOC_EXPBUF = iowr::<V4l2Exportbuffer>(V, 16);
    VIDIOC_DQBUF = iowr::<V4l2Buffer>(V, 17);
    VIDIOC_STREAMON = iow::<i32>(V, 18);
    VIDIOC_STREAMOFF = iow::<i32>(V, 19);
    VIDIOC_G_PARM = iowr::<V4l2Streamparm>(V, 21);
    VIDIOC_S_PARM = iowr::<V4l2Streamparm>(V, 22);
    VIDIOC_G_STD = ior::<u64>(V, 23);
    VIDIOC_S_STD = iow::<u64>(V, 24);
    VIDIOC_ENUMSTD = both(25, 72);
    VIDIOC_ENUMINPUT = iowr::<V4l2Input>(V, 26);
    VIDIOC_G_CTRL = iowr::<V4l2Control>(V, 27);
    VIDIOC_S_CTRL = iowr::<V4l2Control>(V, 28);
    VIDIOC_G_TUNER = both(29, 84);
    VIDIOC_S_TUNER = into(30, 84);
    VIDIOC_G_AUDIO = out(33, 52);
    VIDIOC_S_AUDIO = into(34, 52);
    VIDIOC_QUERYCTRL = iowr::<V4l2Queryctrl>(V, 36);
    VIDIOC_QUERYMENU = iowr::<V4l2Querymenu>(V, 37);
    VIDIOC_G_INPUT = ior::<i32>(V, 38);
    VIDIOC_S_INPUT = iowr::<i32>(V, 39);
    VIDIOC_G_EDID = both(40, 40);
    VIDIOC_S_EDID = both(41, 40);
    VIDIOC_G_OUTPUT = ior::<i32>(V, 46);
    VIDIOC_S_OUTPUT = iowr::<i32>(V, 47);
    VIDIOC_ENUMOUTPUT = both(48, 72);
    VIDIOC_G_AUDOUT = out(49, 52);
    VIDIOC_S_AUDOUT = into(50, 52);
    VIDIOC_G_MODULATOR = both(54, 68);
    VIDIOC_S_MODULATOR = into(55, 68);
    VIDIOC_G_FREQUENCY = both(56, 44);
    VIDIOC_S_FREQUENCY = into(57, 44);
    VIDIOC_CROPCAP = both(58, 44);
    VIDIOC_G_CROP = both(59, 20);
    VIDIOC_S_CROP = into(60, 20);
    VIDIOC_G_JPEGCOMP = out(61, 140);
    VIDIOC_S_JPEGCOMP = into(62, 140);
    VIDIOC_QUERYSTD = ior::<u64>(V, 63);
    VIDIOC_TRY_FMT = iowr::<V4l2Format>(V, 64);
    VIDIOC_ENUMAUDIO = both(65, 52);
    VIDIOC_ENUMAUDOUT = both(66, 52);
    VIDIOC_G_PRIORITY = ior::<u32>(V, 67);
    VIDIOC_S_PRIORITY = iow::<u32>(V, 68);
    VIDIOC_G_SLICED_VBI_CAP = both(69, 116);
    VIDIOC_LOG_STATUS = io(V, 70);
    VIDIOC_G_EXT_CTRLS = iowr::<V4l2ExtControls>(V, 71);
    VIDIOC_S_EXT_CTRLS = iowr::<V4l2ExtControls>(V, 72);
    VIDIOC_TRY_EXT_CTRLS = iowr::<V4l2ExtControls>(V, 73);
    VIDIOC_ENUM_FRAMESIZES = iowr::<V4l2Frmsizeenum>(V, 74);
    VIDIOC_ENUM_FRAMEINTERVALS = iowr::<V4l2Frmivalenum>(V, 75);
    VIDIOC_G_ENC_INDEX = out(76, 2072);
    VIDIOC_ENCODER_CMD = both(77, 40);
    VIDIOC_TRY_ENCODER_CMD = both(78, 40);
    VIDIOC_DBG_S_REGISTER = into(79, 56);
    VIDIOC_DBG_G_REGISTER = both(80, 56);
    VIDIOC_S_HW_FREQ_SEEK = into(82, 48);
    VIDIOC_S_DV_TIMINGS = both(87, 132);
    VIDIOC_G_DV_TIMINGS = both(88, 132);
    VIDIOC_DQEVENT = ior::<V4l2Event>(V, 89);
    VIDIOC_SUBSCRIBE_EVENT = iow::<V4l2EventSubscription>(V, 90);
    VIDIOC_UNSUBSCRIBE_EVENT = iow::<V4l2EventSubscription>(V, 91);
    VIDIOC_CREATE_BUFS = iowr::<V4l2CreateBuffers>(V, 92);
    VIDIOC_PREPARE_BUF = iowr::<V4l2Buffer>(V, 93);
    VIDIOC_G_SELECTION = both(94, 64);
    VIDIOC_S_SELECTION = both(95, 64);
    VIDIOC_DECODER_CMD = both(96, 72);
    VIDIOC_TRY_DECODER_CMD = both(97, 72);
    VIDIOC_ENUM_DV_TIMINGS = both(98, 148);
    VIDIOC_QUERY_DV_TIMINGS = out(99, 132);
    VIDIOC_DV_TIMINGS_CAP = both(100, 144);
    VIDIOC_ENUM_FREQ_BANDS = both(101, 64);
    VIDIOC_DBG_G_CHIP_INFO = both(102, 200);
    VIDIOC_QUERY_EXT_CTRL = iowr::<V4l2QueryExtCtrl>(V, 103);
    VIDIOC_REMOVE_BUFS = iowr::<V4l2RemoveBuffers>(V, 104);
}

macro_rules! numbers {
    ($($name:ident = $value:expr;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")]
        pub const $name: u32 = $value;)*

        /// The numbers above by name, for the comparison with the headers.
        pub const V4L2_NUMBERS: &[(&str, u32)] = &[
            $((stringify!($name), $name),)*
        ];
    };
}

numbers! {
    V4L2_CAP_VIDEO_CAPTURE = 0x1;
    V4L2_CAP_VIDEO_OUTPUT = 0x2;
    V4L2_CAP_VIDEO_CAPTURE_MPLANE = 0x1000;
    V4L2_CAP_VIDEO_OUTPUT_MPLANE = 0x2000;
    V4L2_CAP_VIDEO_M2M_MPLANE = 0x4000;
    V4L2_CAP_VIDEO_M2M = 0x8000;
    V4L2_CAP_EXT_PIX_FORMAT = 0x20_0000;
    V4L2_CAP_META_CAPTURE = 0x80_0000;
    V4L2_CAP_READWRITE = 0x100_0000;
    V4L2_CAP_STREAMING = 0x400_0000;
    V4L2_CAP_DEVICE_CAPS = 0x8000_0000;
    V4L2_CAP_TIMEPERFRAME = 0x1000;
    V4L2_PIX_FMT_PRIV_MAGIC = 0xfeed_cafe;
    V4L2_BUF_FLAG_MAPPED = 0x1;
    V4L2_BUF_FLAG_QUEUED = 0x2;
    V4L2_BUF_FLAG_DONE = 0x4;
    V4L2_BUF_FLAG_KEYFRAME = 0x8;
    V4L2_BUF_FLAG_PFRAME = 0x10;
    V4L2_BUF_FLAG_BFRAME = 0x20;
    V4L2_BUF_FLAG_ERROR = 0x40;
    V4L2_BUF_FLAG_IN_REQUEST = 0x80;
    V4L2_BUF_FLAG_TIMECODE = 0x100;
    V4L2_BUF_FLAG_PREPARED = 0x400;
    V4L2_BUF_FLAG_NO_CACHE_INVALIDATE = 0x800;
    V4L2_BUF_FLAG_NO_CACHE_CLEAN = 0x1000;
    V4L2_BUF_FLAG_TIMESTAMP_MASK = 0xe000;
    V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN = 0;
    V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC = 0x2000;
    V4L2_BUF_FLAG_TIMESTAMP_COPY = 0x4000;
    V4L2_BUF_FLAG_TSTAMP_SRC_MASK = 0x7_0000;
    V4L2_BUF_FLAG_LAST = 0x10_0000;
    V4L2_BUF_FLAG_REQUEST_FD = 0x80_0000;
    V4L2_BUF_CAP_SUPPORTS_MMAP = 0x1;
    V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS = 0x10;
    V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS = 0x80;
    V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS = 0x100;
    V4L2_MEMORY_FLAG_NON_COHERENT = 0x1;
    V4L2_IN_CAP_STD = 0x4;
    V4L2_CTRL_FLAG_DISABLED = 0x1;
    V4L2_CTRL_FLAG_GRABBED = 0x2;
    V4L2_CTRL_FLAG_READ_ONLY = 0x4;
    V4L2_CTRL_FLAG_UPDATE = 0x8;
    V4L2_CTRL_FLAG_INACTIVE = 0x10;
    V4L2_CTRL_FLAG_SLIDER = 0x20;
    V4L2_CTRL_FLAG_WRITE_ONLY = 0x40;
    V4L2_CTRL_FLAG_VOLATILE = 0x80;
    V4L2_CTRL_FLAG_EXECUTE_ON_WRITE = 0x200;
    V4L2_CTRL_FLAG_NEXT_CTRL = 0x8000_0000;
    V4L2_CTRL_FLAG_NEXT_COMPOUND = 0x4000_0000;
    V4L2_CTRL_ID_MASK = 0x0fff_ffff;
    V4L2_CTRL_WHICH_CUR_VAL = 0;
    V4L2_CTRL_WHICH_DEF_VAL = 0x0f00_0000;
    V4L2_CTRL_WHICH_REQUEST_VAL = 0x0f01_0000;
    V4L2_CTRL_CLASS_USER = 0x0098_0000;
    V4L2_CTRL_CLASS_CAMERA = 0x009a_0000;
    V4L2_CID_PRIVATE_BASE = 0x0800_0000;
    V4L2_CID_USER_CLASS = 0x0098_0001;
    V4L2_CID_BASE = 0x0098_0900;
    V4L2_CID_BRIGHTNESS = 0x0098_0900;
    V4L2_CID_CONTRAST = 0x0098_0901;
    V4L2_CID_SATURATION = 0x0098_0902;
    V4L2_CID_HUE = 0x0098_0903;
    V4L2_CID_DO_WHITE_BALANCE = 0x0098_090d;
    V4L2_CID_EXPOSURE = 0x0098_0911;
    V4L2_CID_GAIN = 0x0098_0913;
    V4L2_CID_HFLIP = 0x0098_0914;
    V4L2_CID_VFLIP = 0x0098_0915;
    V4L2_CID_POWER_LINE_FREQUENCY = 0x0098_0918;
    V4L2_CID_CAMERA_CLASS = 0x009a_0001;
    V4L2_EVENT_ALL = 0;
    V4L2_EVENT_VSYNC = 1;
    V4L2_EVENT_EOS = 2;
    V4L2_EVENT_CTRL = 3;
    V4L2_EVENT_FRAME_SYNC = 4;
    V4L2_EVENT_SOURCE_CHANGE = 5;
    V4L2_EVENT_PRIVATE_START = 0x0800_0000;
    V4L2_EVENT_CTRL_CH_VALUE = 0x1;
    V4L2_EVENT_CTRL_CH_FLAGS = 0x2;
    V4L2_EVENT_CTRL_CH_RANGE = 0x4;
    V4L2_EVENT_SRC_CH_RESOLUTION = 0x1;
    V4L2_EVENT_SUB_FL_SEND_INITIAL = 0x1;
    V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK = 0x2;
}

macro_rules! members {
    ($($name:ident = $value:expr;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")]
        pub const $name: u32 = $value;)*

        /// The members of enums above by name, for the comparison with the
        /// headers.
        pub const V4L2_MEMBERS: &[(&str, u32)] = &[
            $((stringify!($name), $name),)*
        ];
    };
}

members! {
    V4L2_BUF_TYPE_VIDEO_CAPTURE = 1;
    V4L2_BUF_TYPE_VIDEO_OUTPUT = 2;
    V4L2_BUF_TYPE_VIDEO_OVERLAY = 3;
    V4L2_BUF_TYPE_VBI_CAPTURE = 4;
    V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE = 9;
    V4L2_BUF_TYPE_META_CAPTURE = 13;
    V4L2_MEMORY_MMAP = 1;
    V4L2_MEMORY_USERPTR = 2;
    V4L2_MEMORY_DMABUF = 4;
    V4L2_FIELD_ANY = 0;
    V4L2_FIELD_NONE = 1;
    V4L2_FIELD_ALTERNATE = 7;
    V4L2_COLORSPACE_DEFAULT = 0;
    V4L2_COLORSPACE_SRGB = 8;
    V4L2_COLORSPACE_RAW = 11;
    V4L2_PRIORITY_UNSET = 0;
    V4L2_PRIORITY_BACKGROUND = 1;
    V4L2_PRIORITY_INTERACTIVE = 2;
    V4L2_PRIORITY_RECORD = 3;
    V4L2_CTRL_TYPE_INTEGER = 1;
    V4L2_CTRL_TYPE_BOOLEAN = 2;
    V4L2_CTRL_TYPE_MENU = 3;
    V4L2_CTRL_TYPE_BUTTON = 4;
    V4L2_CTRL_TYPE_CTRL_CLASS = 6;
    V4L2_INPUT_TYPE_CAMERA = 2;
    V4L2_FRMSIZE_TYPE_DISCRETE = 1;
    V4L2_FRMIVAL_TYPE_DISCRETE = 1;
    V4L2_CID_POWER_LINE_FREQUENCY_DISABLED = 0;
    V4L2_CID_POWER_LINE_FREQUENCY_AUTO = 3;
}

/// `V4L2_PIX_FMT_GREY`: a byte of grey for each pixel.
pub const V4L2_PIX_FMT_GREY: u32 = v4l2_fourcc(b"GREY");
/// `V4L2_PIX_FMT_YUYV`: two pixels in four bytes.
pub const V4L2_PIX_FMT_YUYV: u32 = v4l2_fourcc(b"YUYV");
