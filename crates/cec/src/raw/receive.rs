//! Receiving: which messages count, who waited for one as a reply, what the core
//! answers by itself, and which files get the rest.
//!
//! Follows `drivers/media/cec/core/cec-adap.c: cec_received_msg_ts,
//! cec_receive_notify`.

use lastfd_model::event::SplatKind;

use super::adapter::CecAdapter;
use super::lock::{Later, Locked};
use super::ops::ENOMSG;
use super::reply;
use super::transmit::{Transmit, cec_transmit_msg, clear_results};
use crate::abi::*;
use crate::event::CecEventKind;

/// To one device; to all; to all since CEC 2.0.
const DIRECTED: u8 = 0x80;
const BCAST1_4: u8 = 0x40;
const BCAST2_0: u8 = 0x20;
const BCAST: u8 = BCAST1_4 | BCAST2_0;
const BOTH: u8 = BCAST | DIRECTED;

/// The least length of each message and how it may be addressed; a message that
/// breaks this is ignored. What is not here is not checked.
const SIZES: &[(u8, u8, u8)] = &[
    (CEC_MSG_ACTIVE_SOURCE, 4, BCAST),
    (CEC_MSG_IMAGE_VIEW_ON, 2, DIRECTED),
    (CEC_MSG_TEXT_VIEW_ON, 2, DIRECTED),
    (CEC_MSG_INACTIVE_SOURCE, 4, DIRECTED),
    (CEC_MSG_REQUEST_ACTIVE_SOURCE, 2, BCAST),
    (CEC_MSG_ROUTING_CHANGE, 6, BCAST),
    (CEC_MSG_ROUTING_INFORMATION, 4, BCAST),
    (CEC_MSG_SET_STREAM_PATH, 4, BCAST),
    (CEC_MSG_STANDBY, 2, BOTH),
    (CEC_MSG_RECORD_OFF, 2, DIRECTED),
    (CEC_MSG_RECORD_ON, 3, DIRECTED),
    (CEC_MSG_RECORD_STATUS, 3, DIRECTED),
    (CEC_MSG_RECORD_TV_SCREEN, 2, DIRECTED),
    (CEC_MSG_CLEAR_ANALOGUE_TIMER, 13, DIRECTED),
    (CEC_MSG_CLEAR_DIGITAL_TIMER, 16, DIRECTED),
    (CEC_MSG_CLEAR_EXT_TIMER, 13, DIRECTED),
    (CEC_MSG_SET_ANALOGUE_TIMER, 13, DIRECTED),
    (CEC_MSG_SET_DIGITAL_TIMER, 16, DIRECTED),
    (CEC_MSG_SET_EXT_TIMER, 13, DIRECTED),
    (CEC_MSG_SET_TIMER_PROGRAM_TITLE, 2, DIRECTED),
    (CEC_MSG_TIMER_CLEARED_STATUS, 3, DIRECTED),
    (CEC_MSG_TIMER_STATUS, 3, DIRECTED),
    (CEC_MSG_CEC_VERSION, 3, DIRECTED),
    (CEC_MSG_GET_CEC_VERSION, 2, DIRECTED),
    (CEC_MSG_GIVE_PHYSICAL_ADDR, 2, DIRECTED),
    (CEC_MSG_GET_MENU_LANGUAGE, 2, DIRECTED),
    (CEC_MSG_REPORT_PHYSICAL_ADDR, 5, BCAST),
    (CEC_MSG_SET_MENU_LANGUAGE, 5, BCAST),
    (CEC_MSG_REPORT_FEATURES, 6, BCAST),
    (CEC_MSG_GIVE_FEATURES, 2, DIRECTED),
    (CEC_MSG_DECK_CONTROL, 3, DIRECTED),
    (CEC_MSG_DECK_STATUS, 3, DIRECTED),
    (CEC_MSG_GIVE_DECK_STATUS, 3, DIRECTED),
    (CEC_MSG_PLAY, 3, DIRECTED),
    (CEC_MSG_GIVE_TUNER_DEVICE_STATUS, 3, DIRECTED),
    (CEC_MSG_SELECT_ANALOGUE_SERVICE, 6, DIRECTED),
    (CEC_MSG_SELECT_DIGITAL_SERVICE, 9, DIRECTED),
    (CEC_MSG_TUNER_DEVICE_STATUS, 7, DIRECTED),
    (CEC_MSG_TUNER_STEP_DECREMENT, 2, DIRECTED),
    (CEC_MSG_TUNER_STEP_INCREMENT, 2, DIRECTED),
    (CEC_MSG_DEVICE_VENDOR_ID, 5, BCAST),
    (CEC_MSG_GIVE_DEVICE_VENDOR_ID, 2, DIRECTED),
    (CEC_MSG_VENDOR_COMMAND, 2, DIRECTED),
    (CEC_MSG_VENDOR_COMMAND_WITH_ID, 5, BOTH),
    (CEC_MSG_VENDOR_REMOTE_BUTTON_DOWN, 2, BOTH),
    (CEC_MSG_VENDOR_REMOTE_BUTTON_UP, 2, BOTH),
    (CEC_MSG_SET_OSD_STRING, 3, DIRECTED),
    (CEC_MSG_GIVE_OSD_NAME, 2, DIRECTED),
    (CEC_MSG_SET_OSD_NAME, 2, DIRECTED),
    (CEC_MSG_MENU_REQUEST, 3, DIRECTED),
    (CEC_MSG_MENU_STATUS, 3, DIRECTED),
    (CEC_MSG_USER_CONTROL_PRESSED, 3, DIRECTED),
    (CEC_MSG_USER_CONTROL_RELEASED, 2, DIRECTED),
    (CEC_MSG_GIVE_DEVICE_POWER_STATUS, 2, DIRECTED),
    (CEC_MSG_REPORT_POWER_STATUS, 3, DIRECTED | BCAST2_0),
    (CEC_MSG_FEATURE_ABORT, 4, DIRECTED),
    (CEC_MSG_ABORT, 2, DIRECTED),
    (CEC_MSG_GIVE_AUDIO_STATUS, 2, DIRECTED),
    (CEC_MSG_GIVE_SYSTEM_AUDIO_MODE_STATUS, 2, DIRECTED),
    (CEC_MSG_REPORT_AUDIO_STATUS, 3, DIRECTED),
    (CEC_MSG_REPORT_SHORT_AUDIO_DESCRIPTOR, 2, DIRECTED),
    (CEC_MSG_REQUEST_SHORT_AUDIO_DESCRIPTOR, 2, DIRECTED),
    (CEC_MSG_SET_SYSTEM_AUDIO_MODE, 3, BOTH),
    (CEC_MSG_SET_AUDIO_VOLUME_LEVEL, 3, DIRECTED),
    (CEC_MSG_SYSTEM_AUDIO_MODE_REQUEST, 2, DIRECTED),
    (CEC_MSG_SYSTEM_AUDIO_MODE_STATUS, 3, DIRECTED),
    (CEC_MSG_SET_AUDIO_RATE, 3, DIRECTED),
    (CEC_MSG_INITIATE_ARC, 2, DIRECTED),
    (CEC_MSG_REPORT_ARC_INITIATED, 2, DIRECTED),
    (CEC_MSG_REPORT_ARC_TERMINATED, 2, DIRECTED),
    (CEC_MSG_REQUEST_ARC_INITIATION, 2, DIRECTED),
    (CEC_MSG_REQUEST_ARC_TERMINATION, 2, DIRECTED),
    (CEC_MSG_TERMINATE_ARC, 2, DIRECTED),
    (CEC_MSG_REQUEST_CURRENT_LATENCY, 4, BCAST),
    (CEC_MSG_REPORT_CURRENT_LATENCY, 6, BCAST),
    (CEC_MSG_CDC_MESSAGE, 2, BCAST),
];

/// Whether a message with an opcode is as long, and addressed, as it must be.
fn is_well_formed(msg: &CecMsg, cec_version: u8) -> bool {
    let Some((opcode, min_len, how)) = SIZES.iter().find(|(opcode, ..)| *opcode == msg.msg[1])
    else {
        return true;
    };
    let len = msg.len as u8;
    let wanted = match (msg.is_broadcast(), cec_version >= CEC_OP_CEC_VERSION_2_0) {
        (false, _) => DIRECTED,
        (true, true) => BCAST,
        (true, false) => BCAST1_4,
    };
    if len < *min_len || how & wanted == 0 {
        return false;
    }
    let operand = msg.msg[2];
    let also = match *opcode {
        CEC_MSG_TIMER_STATUS => {
            let info = operand & 0xf;
            let programmed = operand & 0x10 != 0;
            let space = [
                CEC_OP_PROG_INFO_NOT_ENOUGH_SPACE,
                CEC_OP_PROG_INFO_MIGHT_NOT_BE_ENOUGH_SPACE,
            ];
            if programmed && space.contains(&info)
                || !programmed && info == CEC_OP_PROG_ERROR_DUPLICATE
            {
                5
            } else {
                0
            }
        }
        CEC_MSG_RECORD_ON => match operand {
            CEC_OP_RECORD_SRC_DIGITAL => 10,
            CEC_OP_RECORD_SRC_ANALOG => 7,
            CEC_OP_RECORD_SRC_EXT_PLUG => 4,
            CEC_OP_RECORD_SRC_EXT_PHYS_ADDR => 5,
            _ => 0,
        },
        _ => 0,
    };
    len >= also
}

/// The hardware received a message (`cec_received_msg`). Only its bytes and its
/// length are looked at.
///
/// Once unregister began nothing happens. A length of 0 or over 16 is a splat.
#[track_caller]
pub fn cec_received_msg(adap: &CecAdapter, msg: &CecMsg) {
    if !adap.is_there("cec_received_msg") {
        return;
    }
    if msg.len == 0 || msg.len as usize > CEC_MAX_MSG_SIZE {
        adap.splat(
            SplatKind::Warn,
            "cec_received_msg: a message of impossible length",
        );
        return;
    }
    if adap.is_unregistered() {
        return;
    }
    let from = msg.initiator();
    // Hardware that hears itself.
    if from != CEC_LOG_ADDR_UNREGISTERED && adap.has_log_addr(from) {
        return;
    }
    let mut msg = CecMsg::new(msg.bytes());
    clear_results(&mut msg);
    msg.rx_ts = adap.now();
    msg.rx_status = CEC_RX_STATUS_OK;
    adap.tell(|| CecEventKind::Received {
        initiator: from,
        opcode: msg.opcode(),
    });
    let mut valid_la;
    let mut is_reply = false;
    {
        let locked = adap.lock();
        let version = {
            let mut state = locked.state();
            if !state.transmit_in_progress {
                state.last_initiator = 0xff;
            }
            valid_la = msg.is_broadcast() || state.has_log_addr(msg.destination());
            state.log_addrs.cec_version
        };
        if valid_la && msg.len > 1 {
            valid_la = is_well_formed(&msg, version);
        }
        if valid_la && msg.len > 1 && msg.msg[1] != CEC_MSG_CDC_MESSAGE {
            is_reply = locked.find_who_waits(&mut msg);
        }
    }
    let later = Later::default();
    adap.queue_msg_monitor(&msg, valid_la, &later);
    if valid_la && msg.len > 1 && adap.state().log_addrs.log_addr_mask != 0 {
        notify(adap, &msg, is_reply, &later);
    }
}

impl Locked<'_> {
    /// Gives the message to the transmit that waits for it; tells whether that
    /// was a file's.
    fn find_who_waits(&self, msg: &mut CecMsg) -> bool {
        let waiting = self.state().wait_queue.clone();
        let found = waiting
            .into_iter()
            .find(|transmit| is_reply_to(msg, transmit));
        let Some(transmit) = found else {
            return false;
        };
        let has_file = {
            let mut data = transmit.data();
            let sent = &mut data.msg;
            let len = msg.len as usize;
            sent.msg[..len].copy_from_slice(&msg.msg[..len]);
            sent.len = msg.len;
            sent.rx_ts = msg.rx_ts;
            sent.rx_status = msg.rx_status;
            if msg.msg[1] == CEC_MSG_FEATURE_ABORT {
                sent.rx_status |= CEC_RX_STATUS_FEATURE_ABORT;
            }
            msg.flags = sent.flags;
            msg.sequence = sent.sequence;
            data.fh.is_some()
        };
        self.state().wait_queue.retain(|other| *other != transmit);
        self.data_completed(&transmit);
        has_file
    }
}

fn is_reply_to(msg: &CecMsg, transmit: &Transmit) -> bool {
    let mut data = transmit.data();
    let aborts = msg.msg[1] == CEC_MSG_FEATURE_ABORT;
    let opcode = msg.msg[1];
    // The only message that has two replies.
    let arc = [CEC_MSG_REPORT_ARC_INITIATED, CEC_MSG_REPORT_ARC_TERMINATED];
    if !aborts
        && data.msg.msg[1] == CEC_MSG_INITIATE_ARC
        && arc.contains(&opcode)
        && arc.contains(&data.msg.reply)
    {
        data.msg.reply = opcode;
        data.match_reply = vec![opcode];
    }
    let fits = if aborts {
        msg.msg[2] == data.msg.msg[1]
    } else {
        msg.msg[1..].starts_with(&data.match_reply)
    };
    fits && (msg.initiator() == data.msg.destination() || data.msg.is_broadcast())
}

/// What the core does with a message for the adapter.
// cec-adap.c: cec_receive_notify
fn notify(adap: &CecAdapter, msg: &CecMsg, is_reply: bool, later: &Later) {
    let (las, phys_addr, passthrough) = {
        let state = adap.state();
        (state.log_addrs, state.phys_addr, state.passthrough)
    };
    let opcode = msg.msg[1];
    if las.flags & CEC_LOG_ADDRS_FL_CDC_ONLY != 0 && opcode != CEC_MSG_CDC_MESSAGE {
        return;
    }
    if adap.ops().received.is_some() && !adap.is_unregistered() {
        let taken = adap.call_op("received", &adap.ops().received, |op| op(adap, msg));
        if taken != Err(ENOMSG) {
            return;
        }
    }
    match answer(adap, msg, is_reply, &las, phys_addr, passthrough) {
        Answer::Nothing => return,
        Answer::Message(mut answer) => {
            // What cannot be queued is not sent, as in the kernel.
            let _ = cec_transmit_msg(adap, &mut answer, false);
            return;
        }
        Answer::PassOn => {}
    }
    if is_reply && msg.flags & CEC_MSG_FL_REPLY_TO_FOLLOWERS == 0 {
        return;
    }
    let follower = adap.state().follower;
    match follower {
        Some(id) => {
            if let Some(fh) = adap.fhs().iter().find(|fh| fh.id == id) {
                fh.queue_msg(msg, later);
            }
        }
        None => adap.queue_msg_followers(msg, later),
    }
}

/// What the core does about a message.
enum Answer {
    /// Nothing, and nobody hears of it.
    Nothing,
    /// It sends this, and nobody hears of it.
    Message(CecMsg),
    /// The followers get it.
    PassOn,
}

fn answer(
    adap: &CecAdapter,
    msg: &CecMsg,
    is_reply: bool,
    las: &CecLogAddrs,
    phys_addr: u16,
    passthrough: bool,
) -> Answer {
    let (from, to, opcode) = (msg.initiator(), msg.destination(), msg.msg[1]);
    let broadcast = msg.is_broadcast();
    let count = usize::from(las.num_log_addrs).min(CEC_MAX_LOG_ADDRS);
    let index = las.log_addr[..count].iter().position(|own| *own == to);
    let device_type = las.primary_device_type[index.unwrap_or(0)];
    let addresses = to << 4 | from;
    let abort = |reason| {
        if opcode == CEC_MSG_FEATURE_ABORT || from == CEC_LOG_ADDR_UNREGISTERED {
            Answer::Nothing
        } else {
            Answer::Message(reply::feature_abort(addresses, opcode, reason))
        }
    };
    match opcode {
        CEC_MSG_GET_CEC_VERSION
        | CEC_MSG_ABORT
        | CEC_MSG_GIVE_DEVICE_POWER_STATUS
        | CEC_MSG_GIVE_OSD_NAME
            if !passthrough && from == CEC_LOG_ADDR_UNREGISTERED =>
        {
            // The answer is for one device, and this one has no address.
            return Answer::Nothing;
        }
        CEC_MSG_GET_CEC_VERSION
        | CEC_MSG_ABORT
        | CEC_MSG_GIVE_DEVICE_POWER_STATUS
        | CEC_MSG_GIVE_OSD_NAME
        | CEC_MSG_GIVE_DEVICE_VENDOR_ID
        | CEC_MSG_GIVE_FEATURES
        | CEC_MSG_GIVE_PHYSICAL_ADDR => {
            if passthrough {
                return Answer::PassOn;
            }
            if broadcast {
                return Answer::Nothing;
            }
        }
        CEC_MSG_USER_CONTROL_PRESSED | CEC_MSG_USER_CONTROL_RELEASED => return Answer::PassOn,
        CEC_MSG_REPORT_PHYSICAL_ADDR => return Answer::PassOn,
        _ => {}
    }
    match opcode {
        CEC_MSG_GET_CEC_VERSION => Answer::Message(reply::cec_version(addresses, las.cec_version)),
        CEC_MSG_GIVE_PHYSICAL_ADDR => {
            if device_type == CEC_OP_PRIM_DEVTYPE_SWITCH && to == CEC_LOG_ADDR_UNREGISTERED {
                return Answer::Nothing;
            }
            Answer::Message(reply::report_physical_addr(
                addresses,
                phys_addr,
                device_type,
            ))
        }
        CEC_MSG_GIVE_DEVICE_VENDOR_ID => {
            if las.vendor_id == CEC_VENDOR_ID_NONE {
                return abort(CEC_OP_ABORT_UNRECOGNIZED_OP);
            }
            Answer::Message(reply::device_vendor_id(addresses, las.vendor_id))
        }
        CEC_MSG_ABORT => {
            if device_type == CEC_OP_PRIM_DEVTYPE_SWITCH {
                return Answer::Nothing;
            }
            abort(CEC_OP_ABORT_REFUSED)
        }
        CEC_MSG_GIVE_OSD_NAME => {
            if las.osd_name[0] == 0 {
                return abort(CEC_OP_ABORT_UNRECOGNIZED_OP);
            }
            Answer::Message(reply::set_osd_name(addresses, &las.osd_name))
        }
        CEC_MSG_GIVE_FEATURES => match index {
            Some(index) if las.cec_version >= CEC_OP_CEC_VERSION_2_0 => {
                Answer::Message(reply::report_features(las, index))
            }
            _ => abort(CEC_OP_ABORT_UNRECOGNIZED_OP),
        },
        _ => {
            let (followers, exclusive) = {
                let state = adap.state();
                (state.follower_cnt, state.follower)
            };
            let unheard = !broadcast && !is_reply && followers == 0 && exclusive.is_none();
            if unheard && opcode != CEC_MSG_FEATURE_ABORT {
                return abort(CEC_OP_ABORT_UNRECOGNIZED_OP);
            }
            Answer::PassOn
        }
    }
}
