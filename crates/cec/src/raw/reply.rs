//! Messages that the core sends by itself.
//!
//! Follows `include/uapi/linux/cec-funcs.h`, as far as they are needed.

use super::address::features_len;
use crate::abi::*;

/// `<Report Features>` of one of the logical addresses, to all.
// cec-adap.c: cec_fill_msg_report_features
pub(crate) fn report_features(las: &CecLogAddrs, index: usize) -> CecMsg {
    let features = &las.features[index];
    let len = features_len(features).unwrap_or(features.len());
    let mut bytes = vec![
        las.log_addr[index] << 4 | CEC_LOG_ADDR_BROADCAST,
        CEC_MSG_REPORT_FEATURES,
        las.cec_version,
        las.all_device_types[index],
    ];
    bytes.extend_from_slice(&features[..len]);
    CecMsg::new(&bytes)
}

/// `<Report Physical Address>`, to all.
pub(crate) fn report_physical_addr(addresses: u8, phys_addr: u16, device_type: u8) -> CecMsg {
    let [high, low] = phys_addr.to_be_bytes();
    CecMsg::new(&[
        addresses | CEC_LOG_ADDR_BROADCAST,
        CEC_MSG_REPORT_PHYSICAL_ADDR,
        high,
        low,
        device_type,
    ])
}

/// `<Device Vendor ID>`, to all.
pub(crate) fn device_vendor_id(addresses: u8, vendor_id: u32) -> CecMsg {
    let [_, high, middle, low] = vendor_id.to_be_bytes();
    CecMsg::new(&[
        addresses | CEC_LOG_ADDR_BROADCAST,
        CEC_MSG_DEVICE_VENDOR_ID,
        high,
        middle,
        low,
    ])
}

/// `<CEC Version>`.
pub(crate) fn cec_version(addresses: u8, version: u8) -> CecMsg {
    CecMsg::new(&[addresses, CEC_MSG_CEC_VERSION, version])
}

/// `<Set OSD Name>`.
pub(crate) fn set_osd_name(addresses: u8, name: &[u8]) -> CecMsg {
    let end = name.iter().position(|byte| *byte == 0);
    let mut bytes = vec![addresses, CEC_MSG_SET_OSD_NAME];
    bytes.extend_from_slice(&name[..end.unwrap_or(name.len())]);
    CecMsg::new(&bytes)
}

/// `<Feature Abort>` of a message.
pub(crate) fn feature_abort(addresses: u8, opcode: u8, reason: u8) -> CecMsg {
    CecMsg::new(&[addresses, CEC_MSG_FEATURE_ABORT, opcode, reason])
}
