//! DRM: `include/uapi/drm/drm.h` and the part of `drm_mode.h` that needs no
//! mode setting.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ioctl::{IOC_IN, IOC_OUT, Ioctl, io, ioc, ior, iow, iowr};

/// The letter of DRM's ioctls (`DRM_IOCTL_BASE`).
pub const DRM_IOCTL_BASE: u8 = b'd';
/// The first number that belongs to drivers.
pub const DRM_COMMAND_BASE: u8 = 0x40;
/// The first number after those of drivers.
pub const DRM_COMMAND_END: u8 = 0xa0;

macro_rules! structs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }
    )*};
}

structs! {
    /// `struct drm_version`. The lengths are those of the caller's buffers,
    /// then of the texts; the pointers are addresses of the caller's.
    DrmVersion {
        /// Major version of the driver.
        version_major: i32,
        /// Minor version.
        version_minor: i32,
        /// Patch level.
        version_patchlevel: i32,
        /// Padding.
        pad: u32,
        /// Length of the name.
        name_len: u64,
        /// Where the name goes.
        name: u64,
        /// Length of the date.
        date_len: u64,
        /// Where the date goes.
        date: u64,
        /// Length of the description.
        desc_len: u64,
        /// Where the description goes.
        desc: u64,
    }
    /// `struct drm_unique`.
    DrmUnique {
        /// Length of the name.
        unique_len: u64,
        /// Where it goes.
        unique: u64,
    }
    /// `struct drm_client`.
    DrmClient {
        /// Which client is asked for; only 0 has an answer.
        idx: i32,
        /// Whether it is authenticated.
        auth: i32,
        /// Its process.
        pid: u64,
        /// Its user.
        uid: u64,
        /// Its magic number.
        magic: u64,
        /// How many ioctls it made.
        iocs: u64,
    }
    /// `struct drm_auth`.
    DrmAuth {
        /// The magic number.
        magic: u32,
    }
    /// `struct drm_set_version`.
    DrmSetVersion {
        /// Interface, major; -1 leaves it.
        drm_di_major: i32,
        /// Interface, minor.
        drm_di_minor: i32,
        /// Driver, major; -1 leaves it.
        drm_dd_major: i32,
        /// Driver, minor.
        drm_dd_minor: i32,
    }
    /// `struct drm_gem_close`.
    DrmGemClose {
        /// The handle.
        handle: u32,
        /// Padding.
        pad: u32,
    }
    /// `struct drm_gem_flink`.
    DrmGemFlink {
        /// The handle.
        handle: u32,
        /// The name that other files may open.
        name: u32,
    }
    /// `struct drm_gem_open`.
    DrmGemOpen {
        /// The name.
        name: u32,
        /// The new handle.
        handle: u32,
        /// Bytes of the buffer.
        size: u64,
    }
    /// `struct drm_get_cap`.
    DrmGetCap {
        /// Which one, of `DRM_CAP_*`.
        capability: u64,
        /// Its value.
        value: u64,
    }
    /// `struct drm_set_client_cap`.
    DrmSetClientCap {
        /// Which one, of `DRM_CLIENT_CAP_*`.
        capability: u64,
        /// Its value.
        value: u64,
    }
    /// `struct drm_prime_handle`.
    DrmPrimeHandle {
        /// The handle.
        handle: u32,
        /// `DRM_CLOEXEC` and `DRM_RDWR`.
        flags: u32,
        /// The descriptor.
        fd: i32,
    }
    /// `struct drm_wait_vblank_request`, the way in of `union drm_wait_vblank`.
    DrmWaitVblankRequest {
        /// `_DRM_VBLANK_*`.
        type_: u32,
        /// The vblank to wait for.
        sequence: u32,
        /// What the event carries back.
        signal: u64,
    }
    /// `struct drm_wait_vblank_reply`, the way out of `union drm_wait_vblank`;
    /// as large as the union.
    DrmWaitVblankReply {
        /// As in the request.
        type_: u32,
        /// The vblank it was when the call returned.
        sequence: u32,
        /// Its time, seconds.
        tval_sec: i64,
        /// Its time, microseconds.
        tval_usec: i64,
    }
    /// `struct drm_event`: how each event begins.
    DrmEventHeader {
        /// Its type, of `DRM_EVENT_*`.
        type_: u32,
        /// Bytes of the whole event.
        length: u32,
    }
    /// `struct drm_event_vblank`.
    DrmEventVblank {
        /// Type and length.
        base: DrmEventHeader,
        /// What the caller asked to get back.
        user_data: u64,
        /// Time of the vblank, seconds.
        tv_sec: u32,
        /// Time of the vblank, microseconds.
        tv_usec: u32,
        /// Its number.
        sequence: u32,
        /// The CRTC's id; 0 without mode setting.
        crtc_id: u32,
    }
    /// `struct drm_mode_create_dumb`.
    DrmModeCreateDumb {
        /// Lines.
        height: u32,
        /// Pixels of a line.
        width: u32,
        /// Bits of a pixel.
        bpp: u32,
        /// Must be 0, says the header; nobody looks.
        flags: u32,
        /// The new handle.
        handle: u32,
        /// Bytes of a line.
        pitch: u32,
        /// Bytes of the buffer.
        size: u64,
    }
    /// `struct drm_mode_map_dumb`.
    DrmModeMapDumb {
        /// The handle.
        handle: u32,
        /// Padding.
        pad: u32,
        /// What to give mmap.
        offset: u64,
    }
    /// `struct drm_mode_destroy_dumb`.
    DrmModeDestroyDumb {
        /// The handle.
        handle: u32,
    }
}

macro_rules! ioctls {
    ($($name:ident = $make:expr;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")]
        pub const $name: u32 = $make;)*

        /// The core's ioctls, as in the table of `drivers/gpu/drm/drm_ioctl.c`.
        pub const DRM_IOCTLS: &[Ioctl] = &[
            $(Ioctl { name: stringify!($name), cmd: $name },)*
        ];
    };
}

const B: u8 = DRM_IOCTL_BASE;

/// Both ways, where only the argument's size is needed.
const fn both(nr: u8, size: usize) -> u32 {
    ioc(IOC_IN | IOC_OUT, B, nr, size)
}

ioctls! {
    DRM_IOCTL_VERSION = iowr::<DrmVersion>(B, 0x00);
    DRM_IOCTL_GET_UNIQUE = iowr::<DrmUnique>(B, 0x01);
    DRM_IOCTL_GET_MAGIC = ior::<DrmAuth>(B, 0x02);
    DRM_IOCTL_GET_CLIENT = iowr::<DrmClient>(B, 0x05);
    DRM_IOCTL_GET_STATS = ioc(IOC_OUT, B, 0x06, 248);
    DRM_IOCTL_SET_VERSION = iowr::<DrmSetVersion>(B, 0x07);
    DRM_IOCTL_GEM_CLOSE = iow::<DrmGemClose>(B, 0x09);
    DRM_IOCTL_GEM_FLINK = iowr::<DrmGemFlink>(B, 0x0a);
    DRM_IOCTL_GEM_OPEN = iowr::<DrmGemOpen>(B, 0x0b);
    DRM_IOCTL_GET_CAP = iowr::<DrmGetCap>(B, 0x0c);
    DRM_IOCTL_SET_CLIENT_CAP = iow::<DrmSetClientCap>(B, 0x0d);
    DRM_IOCTL_SET_UNIQUE = iow::<DrmUnique>(B, 0x10);
    DRM_IOCTL_AUTH_MAGIC = iow::<DrmAuth>(B, 0x11);
    DRM_IOCTL_BLOCK = both(0x12, 4);
    DRM_IOCTL_UNBLOCK = both(0x13, 4);
    DRM_IOCTL_SET_MASTER = io(B, 0x1e);
    DRM_IOCTL_DROP_MASTER = io(B, 0x1f);
    DRM_IOCTL_ADD_DRAW = both(0x27, 4);
    DRM_IOCTL_RM_DRAW = both(0x28, 4);
    DRM_IOCTL_FINISH = ioc(IOC_IN, B, 0x2c, 8);
    DRM_IOCTL_PRIME_HANDLE_TO_FD = iowr::<DrmPrimeHandle>(B, 0x2d);
    DRM_IOCTL_PRIME_FD_TO_HANDLE = iowr::<DrmPrimeHandle>(B, 0x2e);
    DRM_IOCTL_WAIT_VBLANK = iowr::<DrmWaitVblankReply>(B, 0x3a);
    DRM_IOCTL_CRTC_GET_SEQUENCE = both(0x3b, 24);
    DRM_IOCTL_CRTC_QUEUE_SEQUENCE = both(0x3c, 24);
    DRM_IOCTL_UPDATE_DRAW = ioc(IOC_IN, B, 0x3f, 24);
    DRM_IOCTL_MODE_GETRESOURCES = both(0xa0, 64);
    DRM_IOCTL_MODE_GETCRTC = both(0xa1, 104);
    DRM_IOCTL_MODE_SETCRTC = both(0xa2, 104);
    DRM_IOCTL_MODE_CURSOR = both(0xa3, 28);
    DRM_IOCTL_MODE_GETGAMMA = both(0xa4, 32);
    DRM_IOCTL_MODE_SETGAMMA = both(0xa5, 32);
    DRM_IOCTL_MODE_GETENCODER = both(0xa6, 20);
    DRM_IOCTL_MODE_GETCONNECTOR = both(0xa7, 80);
    DRM_IOCTL_MODE_ATTACHMODE = both(0xa8, 72);
    DRM_IOCTL_MODE_DETACHMODE = both(0xa9, 72);
    DRM_IOCTL_MODE_GETPROPERTY = both(0xaa, 64);
    DRM_IOCTL_MODE_SETPROPERTY = both(0xab, 16);
    DRM_IOCTL_MODE_GETPROPBLOB = both(0xac, 16);
    DRM_IOCTL_MODE_GETFB = both(0xad, 28);
    DRM_IOCTL_MODE_ADDFB = both(0xae, 28);
    DRM_IOCTL_MODE_RMFB = both(0xaf, 4);
    DRM_IOCTL_MODE_PAGE_FLIP = both(0xb0, 24);
    DRM_IOCTL_MODE_DIRTYFB = both(0xb1, 24);
    DRM_IOCTL_MODE_CREATE_DUMB = iowr::<DrmModeCreateDumb>(B, 0xb2);
    DRM_IOCTL_MODE_MAP_DUMB = iowr::<DrmModeMapDumb>(B, 0xb3);
    DRM_IOCTL_MODE_DESTROY_DUMB = iowr::<DrmModeDestroyDumb>(B, 0xb4);
    DRM_IOCTL_MODE_GETPLANERESOURCES = both(0xb5, 16);
    DRM_IOCTL_MODE_GETPLANE = both(0xb6, 32);
    DRM_IOCTL_MODE_SETPLANE = both(0xb7, 48);
    DRM_IOCTL_MODE_ADDFB2 = both(0xb8, 104);
    DRM_IOCTL_MODE_OBJ_GETPROPERTIES = both(0xb9, 32);
    DRM_IOCTL_MODE_OBJ_SETPROPERTY = both(0xba, 24);
    DRM_IOCTL_MODE_CURSOR2 = both(0xbb, 36);
    DRM_IOCTL_MODE_ATOMIC = both(0xbc, 56);
    DRM_IOCTL_MODE_CREATEPROPBLOB = both(0xbd, 16);
    DRM_IOCTL_MODE_DESTROYPROPBLOB = both(0xbe, 4);
    DRM_IOCTL_SYNCOBJ_CREATE = both(0xbf, 8);
    DRM_IOCTL_SYNCOBJ_DESTROY = both(0xc0, 8);
    DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD = both(0xc1, 16);
    DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE = both(0xc2, 16);
    DRM_IOCTL_SYNCOBJ_WAIT = both(0xc3, 40);
    DRM_IOCTL_SYNCOBJ_RESET = both(0xc4, 16);
    DRM_IOCTL_SYNCOBJ_SIGNAL = both(0xc5, 16);
    DRM_IOCTL_MODE_CREATE_LEASE = both(0xc6, 24);
    DRM_IOCTL_MODE_LIST_LESSEES = both(0xc7, 16);
    DRM_IOCTL_MODE_GET_LEASE = both(0xc8, 16);
    DRM_IOCTL_MODE_REVOKE_LEASE = both(0xc9, 4);
    DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT = both(0xca, 48);
    DRM_IOCTL_SYNCOBJ_QUERY = both(0xcb, 24);
    DRM_IOCTL_SYNCOBJ_TRANSFER = both(0xcc, 32);
    DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL = both(0xcd, 24);
    DRM_IOCTL_MODE_GETFB2 = both(0xce, 104);
    DRM_IOCTL_SYNCOBJ_EVENTFD = both(0xcf, 24);
    DRM_IOCTL_MODE_CLOSEFB = both(0xd0, 8);
}

macro_rules! numbers {
    ($type:ty: $($name:ident = $value:expr;)*) => {$(
        #[doc = concat!("`", stringify!($name), "`.")]
        pub const $name: $type = $value;
    )*};
}

numbers! { u64:
    DRM_CAP_DUMB_BUFFER = 0x1;
    DRM_CAP_VBLANK_HIGH_CRTC = 0x2;
    DRM_CAP_DUMB_PREFERRED_DEPTH = 0x3;
    DRM_CAP_DUMB_PREFER_SHADOW = 0x4;
    DRM_CAP_PRIME = 0x5;
    DRM_CAP_TIMESTAMP_MONOTONIC = 0x6;
    DRM_CAP_ASYNC_PAGE_FLIP = 0x7;
    DRM_CAP_CURSOR_WIDTH = 0x8;
    DRM_CAP_CURSOR_HEIGHT = 0x9;
    DRM_CAP_ADDFB2_MODIFIERS = 0x10;
    DRM_CAP_PAGE_FLIP_TARGET = 0x11;
    DRM_CAP_CRTC_IN_VBLANK_EVENT = 0x12;
    DRM_CAP_SYNCOBJ = 0x13;
    DRM_CAP_SYNCOBJ_TIMELINE = 0x14;
    DRM_CAP_ATOMIC_ASYNC_PAGE_FLIP = 0x15;
    DRM_PRIME_CAP_IMPORT = 0x1;
    DRM_PRIME_CAP_EXPORT = 0x2;
    DRM_CLIENT_CAP_STEREO_3D = 1;
    DRM_CLIENT_CAP_UNIVERSAL_PLANES = 2;
    DRM_CLIENT_CAP_ATOMIC = 3;
    DRM_CLIENT_CAP_ASPECT_RATIO = 4;
    DRM_CLIENT_CAP_WRITEBACK_CONNECTORS = 5;
    DRM_CLIENT_CAP_CURSOR_PLANE_HOTSPOT = 6;
}

numbers! { u32:
    DRM_EVENT_VBLANK = 0x01;
    DRM_EVENT_FLIP_COMPLETE = 0x02;
    DRM_EVENT_CRTC_SEQUENCE = 0x03;
    DRM_CLOEXEC = 0o2000000;
    DRM_RDWR = 2;
    _DRM_VBLANK_ABSOLUTE = 0x0;
    _DRM_VBLANK_RELATIVE = 0x1;
    _DRM_VBLANK_HIGH_CRTC_MASK = 0x3e;
    _DRM_VBLANK_HIGH_CRTC_SHIFT = 1;
    _DRM_VBLANK_EVENT = 0x400_0000;
    _DRM_VBLANK_FLIP = 0x800_0000;
    _DRM_VBLANK_NEXTONMISS = 0x1000_0000;
    _DRM_VBLANK_SECONDARY = 0x2000_0000;
    _DRM_VBLANK_SIGNAL = 0x4000_0000;
    _DRM_VBLANK_TYPES_MASK = _DRM_VBLANK_ABSOLUTE | _DRM_VBLANK_RELATIVE;
    _DRM_VBLANK_FLAGS_MASK = _DRM_VBLANK_EVENT
        | _DRM_VBLANK_SIGNAL
        | _DRM_VBLANK_SECONDARY
        | _DRM_VBLANK_NEXTONMISS;
}
