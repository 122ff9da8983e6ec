//! Controls as programs see them.
//!
//! Follows `drivers/media/v4l2-core/v4l2-ctrls-api.c`.

use lastfd_abi::v4l2::*;
use lastfd_chrdev::{File, PollMask, PollTable};
use lastfd_model::{Errno, Result};
use lastfd_sync::Arc;

use super::ctrls::{Ctrl, CtrlHandler, v4l2_ctrl_find};
use super::events::{SubscribedEventOps, v4l2_event_pending, v4l2_event_subscribe};
use super::fh::{V4l2Fh, v4l2_fh_of};
use super::ioctl::IoctlCall;
use super::warn::message;

/// Describes a control, or the next one (`v4l2_query_ext_ctrl`).
///
/// # Errors
/// `EINVAL` if there is none.
pub fn v4l2_query_ext_ctrl(handler: &CtrlHandler, query: &mut V4l2QueryExtCtrl) -> Result {
    let id = query.id & V4L2_CTRL_ID_MASK;
    let next = query.id & (V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND);
    let ctrl = if next == 0 {
        v4l2_ctrl_find(handler, id)
    } else if next == V4L2_CTRL_FLAG_NEXT_COMPOUND {
        // There are no compound controls here. An empty set looks no further.
        match handler.ctrls().is_empty() {
            true => v4l2_ctrl_find(handler, id),
            false => None,
        }
    } else {
        handler.ctrls().into_iter().find(|ctrl| ctrl.id() > id)
    };
    let ctrl = ctrl.ok_or(Errno::EINVAL)?;
    let config = ctrl.config();
    *query = V4l2QueryExtCtrl {
        id: ctrl.id(),
        type_: config.type_,
        minimum: config.min,
        maximum: config.max,
        step: match config.type_ {
            V4L2_CTRL_TYPE_MENU => 1,
            _ => config.step,
        },
        default_value: config.def,
        flags: ctrl.flags(),
        elem_size: 4,
        elems: 1,
        ..V4l2QueryExtCtrl::default()
    };
    set_text(&mut query.name, &config.name);
    Ok(())
}

/// Describes a control in the older way (`v4l2_queryctrl`).
///
/// # Errors
/// As [`v4l2_query_ext_ctrl`].
pub fn v4l2_queryctrl(handler: &CtrlHandler, query: &mut V4l2Queryctrl) -> Result {
    let mut extended = V4l2QueryExtCtrl {
        id: query.id,
        ..V4l2QueryExtCtrl::default()
    };
    v4l2_query_ext_ctrl(handler, &mut extended)?;
    query.id = extended.id;
    query.type_ = extended.type_;
    query.flags = extended.flags;
    query.name = extended.name;
    let ranged = matches!(
        extended.type_,
        V4L2_CTRL_TYPE_INTEGER | V4L2_CTRL_TYPE_BOOLEAN | V4L2_CTRL_TYPE_MENU
    );
    let number = |value: i64| if ranged { value as i32 } else { 0 };
    query.minimum = number(extended.minimum);
    query.maximum = number(extended.maximum);
    query.step = number(extended.step as i64);
    query.default_value = number(extended.default_value);
    Ok(())
}

/// Names an item of a menu (`v4l2_querymenu`).
///
/// # Errors
/// `EINVAL` for what is no menu, or an item that there is not.
pub fn v4l2_querymenu(handler: &CtrlHandler, query: &mut V4l2Querymenu) -> Result {
    let ctrl = v4l2_ctrl_find(handler, query.id).ok_or(Errno::EINVAL)?;
    query.reserved = 0;
    let config = ctrl.config();
    if config.type_ != V4L2_CTRL_TYPE_MENU {
        return Err(Errno::EINVAL);
    }
    let name = config.item(query.index.into()).ok_or(Errno::EINVAL)?;
    set_text(&mut query.name, name);
    Ok(())
}

// v4l2-ctrls-api.c: get_ctrl
fn get_ctrl(ctrl: &Ctrl) -> Result<i32> {
    if ctrl.flags() & V4L2_CTRL_FLAG_WRITE_ONLY != 0 {
        return Err(Errno::EACCES);
    }
    ctrl.lock(|| value_of(ctrl))
}

/// The value, asked of the driver if it is volatile; under the lock.
fn value_of(ctrl: &Ctrl) -> Result<i32> {
    match ctrl.flags() & V4L2_CTRL_FLAG_VOLATILE {
        0 => Ok(ctrl.cur()),
        _ => ctrl.op(Ok(ctrl.cur()), |ops| ops.g_volatile_ctrl(ctrl)),
    }
}

/// Reads a control (`v4l2_g_ctrl`).
///
/// # Errors
/// `EINVAL` if there is none, `EACCES` for one that cannot be read, and what
/// the driver answers.
pub fn v4l2_g_ctrl(handler: &CtrlHandler, control: &mut V4l2Control) -> Result {
    let ctrl = v4l2_ctrl_find(handler, control.id).ok_or(Errno::EINVAL)?;
    control.value = get_ctrl(&ctrl)?;
    Ok(())
}

/// Sets a control (`v4l2_s_ctrl`); what is out of range is put in range.
///
/// # Errors
/// `EINVAL` if there is none, `EACCES` for one that cannot be set, `EBUSY`
/// while the driver uses it, and what the driver answers.
pub fn v4l2_s_ctrl(
    fh: Option<&V4l2Fh>,
    handler: &CtrlHandler,
    control: &mut V4l2Control,
) -> Result {
    let ctrl = v4l2_ctrl_find(handler, control.id).ok_or(Errno::EINVAL)?;
    if ctrl.flags() & V4L2_CTRL_FLAG_READ_ONLY != 0 {
        return Err(Errno::EACCES);
    }
    control.value = ctrl.lock(|| {
        let value = ctrl.validate(control.value)?;
        ctrl.try_or_set(fh, value, true)?;
        Ok(ctrl.cur())
    })?;
    Ok(())
}

// v4l2-ctrls-api.c: class_check
fn class_check(handler: &CtrlHandler, which: u32) -> Result {
    match which {
        0 => Ok(()),
        class if v4l2_ctrl_find(handler, class | 1).is_some() => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

// v4l2-ctrls-api.c: prepare_ext_ctrls
fn prepare(
    handler: &CtrlHandler,
    controls: &mut V4l2ExtControls,
    array: &[V4l2ExtControl],
) -> Result<Vec<Ctrl>> {
    let mut found = Vec::with_capacity(array.len());
    for (index, control) in array.iter().enumerate() {
        controls.error_idx = index as u32;
        let id = control.id & V4L2_CTRL_ID_MASK;
        if controls.which != 0 && id & 0x0fff_0000 != controls.which {
            return Err(Errno::EINVAL);
        }
        if id >= V4L2_CID_PRIVATE_BASE {
            return Err(Errno::EINVAL);
        }
        let ctrl = v4l2_ctrl_find(handler, id).ok_or(Errno::EINVAL)?;
        if ctrl.flags() & V4L2_CTRL_FLAG_DISABLED != 0 {
            return Err(Errno::EINVAL);
        }
        found.push(ctrl);
    }
    Ok(found)
}

/// Reads several controls, or their defaults (`v4l2_g_ext_ctrls`).
///
/// # Errors
/// As [`v4l2_g_ctrl`], with the index of the one that failed; `EINVAL` for the
/// values of a request, which there are not.
pub fn v4l2_g_ext_ctrls(
    handler: &CtrlHandler,
    controls: &mut V4l2ExtControls,
    array: &mut [V4l2ExtControl],
) -> Result {
    controls.error_idx = controls.count;
    if controls.which == V4L2_CTRL_WHICH_REQUEST_VAL {
        return Err(Errno::EINVAL);
    }
    let defaults = controls.which == V4L2_CTRL_WHICH_DEF_VAL;
    controls.which = which_class(controls.which);
    if controls.count == 0 {
        let which = if defaults { 0 } else { controls.which };
        return class_check(handler, which);
    }
    let class = controls.which;
    if defaults {
        controls.which = 0;
    }
    let found = prepare(handler, controls, array);
    controls.which = class;
    controls.error_idx = controls.count;
    let found = found?;
    let unreadable = |ctrl: &Ctrl| ctrl.flags() & V4L2_CTRL_FLAG_WRITE_ONLY != 0;
    if found.iter().any(unreadable) {
        return Err(Errno::EACCES);
    }
    for (index, ctrl) in found.iter().enumerate() {
        controls.error_idx = index as u32;
        array[index].value = match defaults {
            true => ctrl.config().def as i32,
            false => ctrl.lock(|| value_of(ctrl))?,
        };
    }
    Ok(())
}

/// V4L2_CTRL_ID2WHICH.
fn which_class(which: u32) -> u32 {
    which & 0x0fff_0000
}

// v4l2-ctrls-api.c: try_set_ext_ctrls_common
fn try_set(
    fh: Option<&V4l2Fh>,
    handler: &CtrlHandler,
    controls: &mut V4l2ExtControls,
    array: &mut [V4l2ExtControl],
    set: bool,
) -> Result {
    controls.error_idx = controls.count;
    if matches!(
        controls.which,
        V4L2_CTRL_WHICH_DEF_VAL | V4L2_CTRL_WHICH_REQUEST_VAL
    ) {
        return Err(Errno::EINVAL);
    }
    controls.which = which_class(controls.which);
    if controls.count == 0 {
        return class_check(handler, controls.which);
    }
    let checked = prepare(handler, controls, array)
        .and_then(|found| validate(controls, &found, array, set).map(|values| (found, values)));
    if checked.is_err() && set {
        controls.error_idx = controls.count;
    }
    let (found, values) = checked?;
    for (index, (ctrl, value)) in found.iter().zip(values).enumerate() {
        controls.error_idx = index as u32;
        array[index].value = ctrl.lock(|| ctrl.try_or_set(fh, value, set))?;
    }
    Ok(())
}

// v4l2-ctrls-api.c: validate_ctrls
fn validate(
    controls: &mut V4l2ExtControls,
    found: &[Ctrl],
    array: &[V4l2ExtControl],
    set: bool,
) -> Result<Vec<i32>> {
    let mut values = Vec::with_capacity(found.len());
    controls.error_idx = controls.count;
    for (index, (ctrl, control)) in found.iter().zip(array).enumerate() {
        controls.error_idx = index as u32;
        let flags = ctrl.flags();
        if flags & V4L2_CTRL_FLAG_READ_ONLY != 0 {
            return Err(Errno::EACCES);
        }
        if set && flags & V4L2_CTRL_FLAG_GRABBED != 0 {
            return Err(Errno::EBUSY);
        }
        values.push(ctrl.validate(control.value)?);
    }
    Ok(values)
}

/// Tells what setting several controls would give (`v4l2_try_ext_ctrls`).
///
/// # Errors
/// As [`v4l2_s_ext_ctrls`].
pub fn v4l2_try_ext_ctrls(
    handler: &CtrlHandler,
    controls: &mut V4l2ExtControls,
    array: &mut [V4l2ExtControl],
) -> Result {
    try_set(None, handler, controls, array, false)
}

/// Sets several controls (`v4l2_s_ext_ctrls`).
///
/// # Errors
/// As [`v4l2_s_ctrl`]; the index of the failed one is `count` if none was set.
pub fn v4l2_s_ext_ctrls(
    fh: Option<&V4l2Fh>,
    handler: &CtrlHandler,
    controls: &mut V4l2ExtControls,
    array: &mut [V4l2ExtControl],
) -> Result {
    try_set(fh, handler, controls, array, true)
}

/// Events of controls: v4l2_ctrl_sub_ev_ops.
struct CtrlEvents;

impl SubscribedEventOps for CtrlEvents {
    fn add(&self, fh: &V4l2Fh, sub: &V4l2EventSubscription) -> Result {
        let ctrl = fh
            .ctrl_handler()
            .and_then(|handler| v4l2_ctrl_find(handler, sub.id))
            .ok_or(Errno::EINVAL)?;
        ctrl.lock(|| ctrl.subscribe(fh, sub.flags));
        Ok(())
    }

    fn del(&self, fh: &V4l2Fh, sub: &V4l2EventSubscription) {
        let ctrl = fh
            .ctrl_handler()
            .and_then(|handler| v4l2_ctrl_find(handler, sub.id));
        if let Some(ctrl) = ctrl {
            ctrl.lock(|| ctrl.unsubscribe(fh));
        }
    }

    fn replace(&self, old: &mut V4l2Event, new: &V4l2Event) -> bool {
        let mut ctrl = new.ctrl();
        ctrl.changes |= old.ctrl().changes;
        old.set_ctrl(&ctrl);
        true
    }

    fn merge(&self, old: &V4l2Event, next: &mut V4l2Event) {
        let mut ctrl = next.ctrl();
        ctrl.changes |= old.ctrl().changes;
        next.set_ctrl(&ctrl);
    }
}

/// Subscribes the file to a control (`v4l2_ctrl_subscribe_event`).
///
/// # Errors
/// `EINVAL` for another kind of event, or a control that there is not.
#[track_caller]
pub fn v4l2_ctrl_subscribe_event(fh: &V4l2Fh, sub: &V4l2EventSubscription) -> Result {
    if sub.type_ != V4L2_EVENT_CTRL {
        return Err(Errno::EINVAL);
    }
    v4l2_event_subscribe(fh, sub, 0, Some(Arc::new(CtrlEvents)))
}

/// Writes the controls' values to the log (`v4l2_ctrl_log_status`).
///
/// # Errors
/// None; the type is that of the ioctl.
pub fn v4l2_ctrl_log_status(call: &mut IoctlCall<'_, '_>) -> Result {
    let Some(handler) = call.fh().and_then(|fh| fh.ctrl_handler()) else {
        return Ok(());
    };
    let prefix = call.vdev().v4l2_dev().map(|dev| dev.name());
    let prefix = prefix.unwrap_or_default();
    for ctrl in handler.ctrls() {
        let hidden = V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_WRITE_ONLY;
        if ctrl.flags() & hidden == 0 {
            let text = format!("{prefix}: {}: {}", ctrl.config().name, ctrl.cur());
            message(handler.system(), call.vdev().device_ref(), text);
        }
    }
    Ok(())
}

/// A poll for events only (`v4l2_ctrl_poll`).
pub fn v4l2_ctrl_poll(file: &File, table: &mut PollTable) -> PollMask {
    let Some(fh) = v4l2_fh_of(file) else {
        return PollMask::NONE;
    };
    table.wait(fh.wait());
    match v4l2_event_pending(&fh) {
        0 => PollMask::NONE,
        _ => PollMask::PRI,
    }
}
