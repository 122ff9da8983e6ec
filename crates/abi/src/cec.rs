//! CEC: `include/uapi/linux/cec.h`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::ioctl::{Ioctl, ior, iow, iowr};

/// The letter of CEC's ioctls.
pub const CEC_IOCTL_BASE: u8 = b'a';
/// Bytes of the longest message.
pub const CEC_MAX_MSG_SIZE: usize = 16;
/// Logical addresses that one adapter can have.
pub const CEC_MAX_LOG_ADDRS: usize = 4;

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
    /// `struct cec_msg`.
    CecMsg {
        /// When it was sent, nanoseconds of the monotonic clock.
        tx_ts: u64,
        /// When it, or the reply to it, was received.
        rx_ts: u64,
        /// Bytes of the message.
        len: u32,
        /// How long to wait, milliseconds.
        timeout: u32,
        /// The number of the transmit.
        sequence: u32,
        /// `CEC_MSG_FL_*`.
        flags: u32,
        /// The message: addresses, opcode, operands.
        msg: [u8; CEC_MAX_MSG_SIZE],
        /// The opcode of the reply to wait for; 0 is none.
        reply: u8,
        /// `CEC_RX_STATUS_*`.
        rx_status: u8,
        /// `CEC_TX_STATUS_*`.
        tx_status: u8,
        /// How often another initiator won.
        tx_arb_lost_cnt: u8,
        /// How often nobody acknowledged.
        tx_nack_cnt: u8,
        /// How often the line was held low.
        tx_low_drive_cnt: u8,
        /// How often something else went wrong.
        tx_error_cnt: u8,
        /// Padding.
        pad: u8,
    }
    /// `struct cec_caps`.
    CecCaps {
        /// The driver's name, 0-terminated.
        driver: [u8; 32],
        /// The adapter's name, 0-terminated.
        name: [u8; 32],
        /// Logical addresses it can have.
        available_log_addrs: u32,
        /// `CEC_CAP_*`.
        capabilities: u32,
        /// The kernel's version.
        version: u32,
    }
    /// `struct cec_log_addrs`.
    CecLogAddrs {
        /// The logical addresses, set by the kernel.
        log_addr: [u8; CEC_MAX_LOG_ADDRS],
        /// The same as a mask.
        log_addr_mask: u16,
        /// `CEC_OP_CEC_VERSION_*`.
        cec_version: u8,
        /// How many there are.
        num_log_addrs: u8,
        /// The vendor, or `CEC_VENDOR_ID_NONE`.
        vendor_id: u32,
        /// `CEC_LOG_ADDRS_FL_*`.
        flags: u32,
        /// The name to be shown, 0-terminated.
        osd_name: [u8; 15],
        /// `CEC_OP_PRIM_DEVTYPE_*` of each.
        primary_device_type: [u8; CEC_MAX_LOG_ADDRS],
        /// `CEC_LOG_ADDR_TYPE_*` of each.
        log_addr_type: [u8; CEC_MAX_LOG_ADDRS],
        /// All device types of each (CEC 2.0).
        all_device_types: [u8; CEC_MAX_LOG_ADDRS],
        /// The features of each (CEC 2.0).
        features: [[u8; 12]; CEC_MAX_LOG_ADDRS],
        /// Padding.
        pad: u8,
    }
    /// `struct cec_connector_info`; its union as words.
    CecConnectorInfo {
        /// `CEC_CONNECTOR_TYPE_*`.
        type_: u32,
        /// Of a DRM connector: the card's number and the connector's id.
        raw: [u32; 16],
    }
    /// `struct cec_event`; its union as words.
    CecEvent {
        /// When, nanoseconds of the monotonic clock.
        ts: u64,
        /// `CEC_EVENT_*`.
        event: u32,
        /// `CEC_EVENT_FL_*`.
        flags: u32,
        /// What belongs to it: see [`CecEvent::state_change`] and
        /// [`CecEvent::lost_msgs`].
        raw: [u32; 16],
    }
}

impl CecMsg {
    /// A message of these bytes; those beyond 16 are left out.
    ///
    /// ```
    /// use lastfd_abi::cec::CecMsg;
    /// let msg = CecMsg::new(&[0x40, 0x9f]);
    /// assert_eq!((msg.initiator(), msg.destination(), msg.opcode()), (4, 0, Some(0x9f)));
    /// ```
    pub fn new(bytes: &[u8]) -> CecMsg {
        let mut msg = CecMsg::default();
        let len = bytes.len().min(CEC_MAX_MSG_SIZE);
        msg.msg[..len].copy_from_slice(&bytes[..len]);
        msg.len = len as u32;
        msg
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.msg[..(self.len as usize).min(CEC_MAX_MSG_SIZE)]
    }

    /// Who sends it (`cec_msg_initiator`).
    pub fn initiator(&self) -> u8 {
        self.msg[0] >> 4
    }

    /// For whom it is (`cec_msg_destination`).
    pub fn destination(&self) -> u8 {
        self.msg[0] & 0xf
    }

    /// What it says; a poll says nothing (`cec_msg_opcode`).
    pub fn opcode(&self) -> Option<u8> {
        (self.len > 1).then_some(self.msg[1])
    }

    /// Whether it is for everybody (`cec_msg_is_broadcast`).
    pub fn is_broadcast(&self) -> bool {
        self.destination() == CEC_LOG_ADDR_BROADCAST
    }

    /// Whether all went well (`cec_msg_status_is_ok`).
    pub fn status_is_ok(&self) -> bool {
        if self.tx_status != 0 && self.tx_status & CEC_TX_STATUS_OK == 0 {
            return false;
        }
        if self.rx_status != 0 && self.rx_status & CEC_RX_STATUS_OK == 0 {
            return false;
        }
        (self.tx_status != 0 || self.rx_status != 0)
            && self.rx_status & CEC_RX_STATUS_FEATURE_ABORT == 0
    }
}

/// The part of [`CecEvent`] that belongs to `CEC_EVENT_STATE_CHANGE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CecStateChange {
    /// The physical address.
    pub phys_addr: u16,
    /// The logical addresses.
    pub log_addr_mask: u16,
    /// Whether it is known which connector it belongs to.
    pub have_conn_info: u16,
}

impl CecEvent {
    /// An event of a state.
    pub fn of_state(state: CecStateChange, flags: u32) -> CecEvent {
        let mut event = CecEvent {
            event: CEC_EVENT_STATE_CHANGE,
            flags,
            ..CecEvent::default()
        };
        event.raw[0] = u32::from(state.phys_addr) | u32::from(state.log_addr_mask) << 16;
        event.raw[1] = u32::from(state.have_conn_info);
        event
    }

    /// The state that an event of `CEC_EVENT_STATE_CHANGE` tells.
    pub fn state_change(&self) -> CecStateChange {
        CecStateChange {
            phys_addr: self.raw[0] as u16,
            log_addr_mask: (self.raw[0] >> 16) as u16,
            have_conn_info: self.raw[1] as u16,
        }
    }

    /// How many messages an event of `CEC_EVENT_LOST_MSGS` tells the loss of.
    pub fn lost_msgs(&self) -> u32 {
        self.raw[0]
    }
}

macro_rules! ioctls {
    ($($name:ident = $make:expr;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")]
        pub const $name: u32 = $make;)*

        /// All ioctls of CEC.
        pub const CEC_IOCTLS: &[Ioctl] = &[
            $(Ioctl { name: stringify!($name), cmd: $name },)*
        ];
    };
}

const B: u8 = CEC_IOCTL_BASE;

ioctls! {
    CEC_ADAP_G_CAPS = iowr::<CecCaps>(B, 0);
    CEC_ADAP_G_PHYS_ADDR = ior::<u16>(B, 1);
    CEC_ADAP_S_PHYS_ADDR = iow::<u16>(B, 2);
    CEC_ADAP_G_LOG_ADDRS = ior::<CecLogAddrs>(B, 3);
    CEC_ADAP_S_LOG_ADDRS = iowr::<CecLogAddrs>(B, 4);
    CEC_TRANSMIT = iowr::<CecMsg>(B, 5);
    CEC_RECEIVE = iowr::<CecMsg>(B, 6);
    CEC_DQEVENT = iowr::<CecEvent>(B, 7);
    CEC_G_MODE = ior::<u32>(B, 8);
    CEC_S_MODE = iow::<u32>(B, 9);
    CEC_ADAP_G_CONNECTOR_INFO = ior::<CecConnectorInfo>(B, 10);
}

macro_rules! numbers {
    ($table:ident, $type:ty: $($name:ident = $value:expr;)*) => {
        $(#[doc = concat!("`", stringify!($name), "`.")]
        pub const $name: $type = $value;)*

        /// The numbers above by their names.
        pub const $table: &[(&str, $type)] = &[$((stringify!($name), $name),)*];
    };
}

numbers! { CEC_NUMBERS, u32:
    CEC_MSG_FL_REPLY_TO_FOLLOWERS = 1;
    CEC_MSG_FL_RAW = 2;
    CEC_MSG_FL_REPLY_VENDOR_ID = 4;
    CEC_CAP_PHYS_ADDR = 1;
    CEC_CAP_LOG_ADDRS = 1 << 1;
    CEC_CAP_TRANSMIT = 1 << 2;
    CEC_CAP_PASSTHROUGH = 1 << 3;
    CEC_CAP_RC = 1 << 4;
    CEC_CAP_MONITOR_ALL = 1 << 5;
    CEC_CAP_NEEDS_HPD = 1 << 6;
    CEC_CAP_MONITOR_PIN = 1 << 7;
    CEC_CAP_CONNECTOR_INFO = 1 << 8;
    CEC_CAP_REPLY_VENDOR_ID = 1 << 9;
    CEC_MODE_NO_INITIATOR = 0;
    CEC_MODE_INITIATOR = 1;
    CEC_MODE_EXCL_INITIATOR = 2;
    CEC_MODE_INITIATOR_MSK = 0x0f;
    CEC_MODE_NO_FOLLOWER = 0;
    CEC_MODE_FOLLOWER = 1 << 4;
    CEC_MODE_EXCL_FOLLOWER = 2 << 4;
    CEC_MODE_EXCL_FOLLOWER_PASSTHRU = 3 << 4;
    CEC_MODE_MONITOR_PIN = 0xd << 4;
    CEC_MODE_MONITOR = 0xe << 4;
    CEC_MODE_MONITOR_ALL = 0xf << 4;
    CEC_MODE_FOLLOWER_MSK = 0xf0;
    CEC_EVENT_STATE_CHANGE = 1;
    CEC_EVENT_LOST_MSGS = 2;
    CEC_EVENT_PIN_CEC_LOW = 3;
    CEC_EVENT_PIN_CEC_HIGH = 4;
    CEC_EVENT_PIN_HPD_LOW = 5;
    CEC_EVENT_PIN_HPD_HIGH = 6;
    CEC_EVENT_PIN_5V_LOW = 7;
    CEC_EVENT_PIN_5V_HIGH = 8;
    CEC_EVENT_FL_INITIAL_STATE = 1;
    CEC_EVENT_FL_DROPPED_EVENTS = 2;
    CEC_LOG_ADDRS_FL_ALLOW_UNREG_FALLBACK = 1;
    CEC_LOG_ADDRS_FL_ALLOW_RC_PASSTHRU = 2;
    CEC_LOG_ADDRS_FL_CDC_ONLY = 4;
    CEC_CONNECTOR_TYPE_NO_CONNECTOR = 0;
    CEC_CONNECTOR_TYPE_DRM = 1;
    CEC_VENDOR_ID_NONE = 0xffff_ffff;
}

/// No physical address (`CEC_PHYS_ADDR_INVALID`).
pub const CEC_PHYS_ADDR_INVALID: u16 = 0xffff;

numbers! { CEC_BYTES, u8:
    CEC_TX_STATUS_OK = 1;
    CEC_TX_STATUS_ARB_LOST = 1 << 1;
    CEC_TX_STATUS_NACK = 1 << 2;
    CEC_TX_STATUS_LOW_DRIVE = 1 << 3;
    CEC_TX_STATUS_ERROR = 1 << 4;
    CEC_TX_STATUS_MAX_RETRIES = 1 << 5;
    CEC_TX_STATUS_ABORTED = 1 << 6;
    CEC_TX_STATUS_TIMEOUT = 1 << 7;
    CEC_RX_STATUS_OK = 1;
    CEC_RX_STATUS_TIMEOUT = 1 << 1;
    CEC_RX_STATUS_FEATURE_ABORT = 1 << 2;
    CEC_RX_STATUS_ABORTED = 1 << 3;
    CEC_LOG_ADDR_INVALID = 0xff;
    CEC_LOG_ADDR_TV = 0;
    CEC_LOG_ADDR_RECORD_1 = 1;
    CEC_LOG_ADDR_RECORD_2 = 2;
    CEC_LOG_ADDR_TUNER_1 = 3;
    CEC_LOG_ADDR_PLAYBACK_1 = 4;
    CEC_LOG_ADDR_AUDIOSYSTEM = 5;
    CEC_LOG_ADDR_TUNER_2 = 6;
    CEC_LOG_ADDR_TUNER_3 = 7;
    CEC_LOG_ADDR_PLAYBACK_2 = 8;
    CEC_LOG_ADDR_RECORD_3 = 9;
    CEC_LOG_ADDR_TUNER_4 = 10;
    CEC_LOG_ADDR_PLAYBACK_3 = 11;
    CEC_LOG_ADDR_BACKUP_1 = 12;
    CEC_LOG_ADDR_BACKUP_2 = 13;
    CEC_LOG_ADDR_SPECIFIC = 14;
    CEC_LOG_ADDR_UNREGISTERED = 15;
    CEC_LOG_ADDR_BROADCAST = 15;
    CEC_LOG_ADDR_TYPE_TV = 0;
    CEC_LOG_ADDR_TYPE_RECORD = 1;
    CEC_LOG_ADDR_TYPE_TUNER = 2;
    CEC_LOG_ADDR_TYPE_PLAYBACK = 3;
    CEC_LOG_ADDR_TYPE_AUDIOSYSTEM = 4;
    CEC_LOG_ADDR_TYPE_SPECIFIC = 5;
    CEC_LOG_ADDR_TYPE_UNREGISTERED = 6;
    CEC_OP_CEC_VERSION_1_4 = 5;
    CEC_OP_CEC_VERSION_2_0 = 6;
    CEC_OP_PRIM_DEVTYPE_TV = 0;
    CEC_OP_PRIM_DEVTYPE_RECORD = 1;
    CEC_OP_PRIM_DEVTYPE_TUNER = 3;
    CEC_OP_PRIM_DEVTYPE_PLAYBACK = 4;
    CEC_OP_PRIM_DEVTYPE_AUDIOSYSTEM = 5;
    CEC_OP_PRIM_DEVTYPE_SWITCH = 6;
    CEC_OP_PRIM_DEVTYPE_PROCESSOR = 7;
    CEC_OP_FEAT_EXT = 0x80;
    CEC_OP_ABORT_UNRECOGNIZED_OP = 0;
    CEC_OP_ABORT_REFUSED = 4;
    CEC_OP_RECORD_SRC_OWN = 1;
    CEC_OP_RECORD_SRC_DIGITAL = 2;
    CEC_OP_RECORD_SRC_ANALOG = 3;
    CEC_OP_RECORD_SRC_EXT_PLUG = 4;
    CEC_OP_RECORD_SRC_EXT_PHYS_ADDR = 5;
    CEC_OP_PROG_INFO_NOT_ENOUGH_SPACE = 0x09;
    CEC_OP_PROG_INFO_MIGHT_NOT_BE_ENOUGH_SPACE = 0x0b;
    CEC_OP_PROG_ERROR_DUPLICATE = 0x0e;
    CEC_MSG_ACTIVE_SOURCE = 0x82;
    CEC_MSG_IMAGE_VIEW_ON = 0x04;
    CEC_MSG_TEXT_VIEW_ON = 0x0d;
    CEC_MSG_INACTIVE_SOURCE = 0x9d;
    CEC_MSG_REQUEST_ACTIVE_SOURCE = 0x85;
    CEC_MSG_ROUTING_CHANGE = 0x80;
    CEC_MSG_ROUTING_INFORMATION = 0x81;
    CEC_MSG_SET_STREAM_PATH = 0x86;
    CEC_MSG_STANDBY = 0x36;
    CEC_MSG_RECORD_OFF = 0x0b;
    CEC_MSG_RECORD_ON = 0x09;
    CEC_MSG_RECORD_STATUS = 0x0a;
    CEC_MSG_RECORD_TV_SCREEN = 0x0f;
    CEC_MSG_CLEAR_ANALOGUE_TIMER = 0x33;
    CEC_MSG_CLEAR_DIGITAL_TIMER = 0x99;
    CEC_MSG_CLEAR_EXT_TIMER = 0xa1;
    CEC_MSG_SET_ANALOGUE_TIMER = 0x34;
    CEC_MSG_SET_DIGITAL_TIMER = 0x97;
    CEC_MSG_SET_EXT_TIMER = 0xa2;
    CEC_MSG_SET_TIMER_PROGRAM_TITLE = 0x67;
    CEC_MSG_TIMER_CLEARED_STATUS = 0x43;
    CEC_MSG_TIMER_STATUS = 0x35;
    CEC_MSG_CEC_VERSION = 0x9e;
    CEC_MSG_GET_CEC_VERSION = 0x9f;
    CEC_MSG_GIVE_PHYSICAL_ADDR = 0x83;
    CEC_MSG_GET_MENU_LANGUAGE = 0x91;
    CEC_MSG_REPORT_PHYSICAL_ADDR = 0x84;
    CEC_MSG_SET_MENU_LANGUAGE = 0x32;
    CEC_MSG_REPORT_FEATURES = 0xa6;
    CEC_MSG_GIVE_FEATURES = 0xa5;
    CEC_MSG_DECK_CONTROL = 0x42;
    CEC_MSG_DECK_STATUS = 0x1b;
    CEC_MSG_GIVE_DECK_STATUS = 0x1a;
    CEC_MSG_PLAY = 0x41;
    CEC_MSG_GIVE_TUNER_DEVICE_STATUS = 0x08;
    CEC_MSG_SELECT_ANALOGUE_SERVICE = 0x92;
    CEC_MSG_SELECT_DIGITAL_SERVICE = 0x93;
    CEC_MSG_TUNER_DEVICE_STATUS = 0x07;
    CEC_MSG_TUNER_STEP_DECREMENT = 0x06;
    CEC_MSG_TUNER_STEP_INCREMENT = 0x05;
    CEC_MSG_DEVICE_VENDOR_ID = 0x87;
    CEC_MSG_GIVE_DEVICE_VENDOR_ID = 0x8c;
    CEC_MSG_VENDOR_COMMAND = 0x89;
    CEC_MSG_VENDOR_COMMAND_WITH_ID = 0xa0;
    CEC_MSG_VENDOR_REMOTE_BUTTON_DOWN = 0x8a;
    CEC_MSG_VENDOR_REMOTE_BUTTON_UP = 0x8b;
    CEC_MSG_SET_OSD_STRING = 0x64;
    CEC_MSG_GIVE_OSD_NAME = 0x46;
    CEC_MSG_SET_OSD_NAME = 0x47;
    CEC_MSG_MENU_REQUEST = 0x8d;
    CEC_MSG_MENU_STATUS = 0x8e;
    CEC_MSG_USER_CONTROL_PRESSED = 0x44;
    CEC_MSG_USER_CONTROL_RELEASED = 0x45;
    CEC_MSG_GIVE_DEVICE_POWER_STATUS = 0x8f;
    CEC_MSG_REPORT_POWER_STATUS = 0x90;
    CEC_MSG_FEATURE_ABORT = 0x00;
    CEC_MSG_ABORT = 0xff;
    CEC_MSG_GIVE_AUDIO_STATUS = 0x71;
    CEC_MSG_GIVE_SYSTEM_AUDIO_MODE_STATUS = 0x7d;
    CEC_MSG_REPORT_AUDIO_STATUS = 0x7a;
    CEC_MSG_REPORT_SHORT_AUDIO_DESCRIPTOR = 0xa3;
    CEC_MSG_REQUEST_SHORT_AUDIO_DESCRIPTOR = 0xa4;
    CEC_MSG_SET_SYSTEM_AUDIO_MODE = 0x72;
    CEC_MSG_SYSTEM_AUDIO_MODE_REQUEST = 0x70;
    CEC_MSG_SYSTEM_AUDIO_MODE_STATUS = 0x7e;
    CEC_MSG_SET_AUDIO_VOLUME_LEVEL = 0x73;
    CEC_MSG_SET_AUDIO_RATE = 0x9a;
    CEC_MSG_INITIATE_ARC = 0xc0;
    CEC_MSG_REPORT_ARC_INITIATED = 0xc1;
    CEC_MSG_REPORT_ARC_TERMINATED = 0xc2;
    CEC_MSG_REQUEST_ARC_INITIATION = 0xc3;
    CEC_MSG_REQUEST_ARC_TERMINATION = 0xc4;
    CEC_MSG_TERMINATE_ARC = 0xc5;
    CEC_MSG_REQUEST_CURRENT_LATENCY = 0xa7;
    CEC_MSG_REPORT_CURRENT_LATENCY = 0xa8;
    CEC_MSG_CDC_MESSAGE = 0xf8;
    CEC_MSG_CDC_HEC_INQUIRE_STATE = 0x00;
    CEC_MSG_CDC_HEC_REPORT_STATE = 0x01;
    CEC_MSG_CDC_HEC_SET_STATE_ADJACENT = 0x02;
    CEC_MSG_CDC_HEC_SET_STATE = 0x03;
    CEC_MSG_CDC_HEC_REQUEST_DEACTIVATION = 0x04;
    CEC_MSG_CDC_HEC_NOTIFY_ALIVE = 0x05;
    CEC_MSG_CDC_HEC_DISCOVER = 0x06;
    CEC_MSG_CDC_HPD_SET_STATE = 0x10;
    CEC_MSG_CDC_HPD_REPORT_STATE = 0x11;
}
