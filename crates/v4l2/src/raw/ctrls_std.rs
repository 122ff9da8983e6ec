//! Controls with a standard meaning.
//!
//! Follows `drivers/media/v4l2-core/v4l2-ctrls-defs.c`.

use lastfd_abi::v4l2::*;
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::ctrls::{Ctrl, CtrlConfig, CtrlHandler, CtrlOps, v4l2_ctrl_new_custom};

/// Name, type and flags of standard controls (`v4l2_ctrl_fill`).
const STANDARD: &[(u32, &str, u32, u32)] = &[
    (
        V4L2_CID_USER_CLASS,
        "User Controls",
        V4L2_CTRL_TYPE_CTRL_CLASS,
        0,
    ),
    (
        V4L2_CID_CAMERA_CLASS,
        "Camera Controls",
        V4L2_CTRL_TYPE_CTRL_CLASS,
        0,
    ),
    (
        V4L2_CID_BRIGHTNESS,
        "Brightness",
        V4L2_CTRL_TYPE_INTEGER,
        V4L2_CTRL_FLAG_SLIDER,
    ),
    (
        V4L2_CID_CONTRAST,
        "Contrast",
        V4L2_CTRL_TYPE_INTEGER,
        V4L2_CTRL_FLAG_SLIDER,
    ),
    (
        V4L2_CID_SATURATION,
        "Saturation",
        V4L2_CTRL_TYPE_INTEGER,
        V4L2_CTRL_FLAG_SLIDER,
    ),
    (
        V4L2_CID_HUE,
        "Hue",
        V4L2_CTRL_TYPE_INTEGER,
        V4L2_CTRL_FLAG_SLIDER,
    ),
    (
        V4L2_CID_DO_WHITE_BALANCE,
        "Do White Balance",
        V4L2_CTRL_TYPE_BUTTON,
        0,
    ),
    (V4L2_CID_EXPOSURE, "Exposure", V4L2_CTRL_TYPE_INTEGER, 0),
    (V4L2_CID_GAIN, "Gain", V4L2_CTRL_TYPE_INTEGER, 0),
    (V4L2_CID_HFLIP, "Horizontal Flip", V4L2_CTRL_TYPE_BOOLEAN, 0),
    (V4L2_CID_VFLIP, "Vertical Flip", V4L2_CTRL_TYPE_BOOLEAN, 0),
    (
        V4L2_CID_POWER_LINE_FREQUENCY,
        "Power Line Frequency",
        V4L2_CTRL_TYPE_MENU,
        0,
    ),
];

/// The items of standard menus (`v4l2_ctrl_get_menu`).
const MENUS: &[(u32, &[&str])] = &[(
    V4L2_CID_POWER_LINE_FREQUENCY,
    &["Disabled", "50 Hz", "60 Hz", "Auto"],
)];

fn menu(id: u32) -> Vec<String> {
    let found = MENUS.iter().find(|(menu, _)| *menu == id);
    let items = found.map_or(&[][..], |(_, items)| items);
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// Adds a standard control (`v4l2_ctrl_new_std`).
///
/// # Errors
/// As [`v4l2_ctrl_new_custom`]; `ERANGE` for a number without a standard
/// meaning here, `EINVAL` for a menu.
pub fn v4l2_ctrl_new_std(
    handler: &CtrlHandler,
    ops: Option<Arc<dyn CtrlOps>>,
    id: u32,
    min: i64,
    max: i64,
    step: u64,
    def: i64,
) -> Result<Ctrl> {
    match menu(id).is_empty() {
        true => new_std(handler, ops, id, min, max, step, def),
        false => handler.fail(Errno::EINVAL),
    }
}

/// Adds a standard menu: items 0 to `max` without those in the mask
/// (`v4l2_ctrl_new_std_menu`).
///
/// # Errors
/// As [`v4l2_ctrl_new_custom`]; `EINVAL` for a control that is no menu.
pub fn v4l2_ctrl_new_std_menu(
    handler: &CtrlHandler,
    ops: Option<Arc<dyn CtrlOps>>,
    id: u32,
    max: u8,
    mask: u64,
    def: u8,
) -> Result<Ctrl> {
    match menu(id).is_empty() {
        true => handler.fail(Errno::EINVAL),
        false => new_std(handler, ops, id, 0, max.into(), mask, def.into()),
    }
}

fn new_std(
    handler: &CtrlHandler,
    ops: Option<Arc<dyn CtrlOps>>,
    id: u32,
    min: i64,
    max: i64,
    step: u64,
    def: i64,
) -> Result<Ctrl> {
    let standard = STANDARD.iter().find(|row| row.0 == id);
    let class = (id, "Controls", V4L2_CTRL_TYPE_CTRL_CLASS, 0);
    let (_, name, type_, flags) = match standard {
        Some(row) => *row,
        None if id & 0xffff == 1 => class,
        None => return handler.fail(Errno::ERANGE),
    };
    let config = CtrlConfig {
        id,
        name: name.to_owned(),
        type_,
        min,
        max,
        step,
        def,
        flags,
        menu: menu(id),
    };
    v4l2_ctrl_new_custom(handler, config, ops)
}
