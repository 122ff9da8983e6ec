//! Uevents.
//!
//! Follows `lib/kobject_uevent.c` and `dev_uevent` of `drivers/base/core.c`.

use core::fmt;
use core::str::FromStr;
use core::sync::atomic::Ordering;

use lastfd_sync::Arc;

use super::device::Device;
use super::devtmpfs::device_get_devnode;
use super::platform::platform_modalias;
use crate::errno::{Errno, Result};
use crate::event::EventKind;
use crate::system::Core;

/// The environment of a uevent, in order.
pub type UeventEnv = Vec<(String, String)>;

/// Adds to the environment of a device's uevents (`dev_uevent`).
pub type UeventHook = Arc<dyn Fn(&Device, &mut UeventEnv) + Send + Sync>;

/// What a uevent tells (`enum kobject_action`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UeventAction {
    /// The device was added.
    Add,
    /// The device was removed.
    Remove,
    /// Something about it changed.
    Change,
    /// It was renamed or moved.
    Move,
    /// It came back.
    Online,
    /// It went away for a while.
    Offline,
    /// A driver was bound to it.
    Bind,
    /// Its driver was unbound.
    Unbind,
}

impl UeventAction {
    const ALL: [UeventAction; 8] = [
        UeventAction::Add,
        UeventAction::Remove,
        UeventAction::Change,
        UeventAction::Move,
        UeventAction::Online,
        UeventAction::Offline,
        UeventAction::Bind,
        UeventAction::Unbind,
    ];

    /// The action's name in `ACTION=`.
    pub const fn name(self) -> &'static str {
        match self {
            UeventAction::Add => "add",
            UeventAction::Remove => "remove",
            UeventAction::Change => "change",
            UeventAction::Move => "move",
            UeventAction::Online => "online",
            UeventAction::Offline => "offline",
            UeventAction::Bind => "bind",
            UeventAction::Unbind => "unbind",
        }
    }
}

impl fmt::Display for UeventAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for UeventAction {
    type Err = Errno;

    /// `EINVAL` for anything that is no action (kobject_action_type).
    fn from_str(text: &str) -> core::result::Result<Self, Errno> {
        UeventAction::ALL
            .into_iter()
            .find(|action| action.name() == text)
            .ok_or(Errno::EINVAL)
    }
}

/// drivers/base/core.c: dev_uevent. The device's own part of the environment,
/// which is what its "uevent" attribute shows.
pub(crate) fn dev_uevent(device: &Device) -> UeventEnv {
    let (bus, class, devt, type_, driver) = {
        let state = device.state();
        (
            state.bus.clone(),
            state.class.clone(),
            state.devt,
            state.type_.clone(),
            state.driver.clone(),
        )
    };
    let mut env: UeventEnv = Vec::with_capacity(8);
    let mut push = |key: &str, value: String| env.push((key.to_owned(), value));
    if let Some(devt) = devt.filter(|devt| devt.major != 0) {
        push("MAJOR", devt.major.to_string());
        push("MINOR", devt.minor.to_string());
        let (node, mode) = device_get_devnode(device);
        push("DEVNAME", node.to_string());
        if mode != 0 {
            push("DEVMODE", format!("0{mode:o}"));
        }
    }
    if let Some(type_) = type_.as_ref().filter(|t| !t.name.is_empty()) {
        push("DEVTYPE", type_.name.to_string());
    }
    if let Some(driver) = driver {
        push("DRIVER", driver.name().to_string());
    }
    if let Some(modalias) = platform_modalias(device) {
        push("MODALIAS", modalias);
    }
    let hooks = [
        bus.and_then(|bus| bus.uevent()),
        class.and_then(|class| class.dev_uevent()),
        type_.and_then(|type_| type_.uevent.clone()),
    ];
    for hook in hooks.into_iter().flatten() {
        device.core().guard(
            || Some(device.device_ref()),
            "the uevent callback",
            || hook(device, &mut env),
        );
    }
    env
}

/// kobject_uevent_env: the general keys, the caller's, then the device's own.
fn environment(device: &Device, action: UeventAction, more: UeventEnv) -> UeventEnv {
    let subsystem = {
        let state = device.state();
        let bus = state.bus.as_ref().map(|bus| bus.name());
        bus.or_else(|| state.class.as_ref().map(|class| class.name()))
    };
    let mut env = vec![
        ("ACTION".to_owned(), action.name().to_owned()),
        ("DEVPATH".to_owned(), device.path()),
    ];
    if let Some(subsystem) = subsystem {
        env.push(("SUBSYSTEM".to_owned(), subsystem.to_string()));
    }
    env.extend(more);
    env.extend(dev_uevent(device));
    if action == UeventAction::Unbind {
        // zap_modalias_env: no module is to be loaded for it.
        env.retain(|(key, _)| key != "MODALIAS");
    }
    env
}

/// The number of a uevent that is sent.
fn next_seqnum(core: &Core) -> u64 {
    core.registry.uevent_seqnum.fetch_add(1, Ordering::Relaxed) + 1
}

fn seqnum(number: u64) -> (String, String) {
    ("SEQNUM".to_owned(), number.to_string())
}

/// What a uevent of this action would tell now, but for its number: for those who come
/// when the device is there already.
pub fn uevent_environment(device: &Device, action: UeventAction) -> UeventEnv {
    environment(device, action, Vec::new())
}

/// Tells user space about the device (`kobject_uevent`). A device with neither
/// bus nor class is not told about (`dev_uevent_filter`).
///
/// The callbacks of bus, class and type run whether or not anybody listens:
/// they are driver code.
#[track_caller]
pub fn kobject_uevent(device: &Device, action: UeventAction, more: UeventEnv) {
    let (told, hooked) = {
        let state = device.state();
        let hooked = state.bus.as_ref().is_some_and(|b| b.uevent().is_some())
            || state
                .class
                .as_ref()
                .is_some_and(|c| c.dev_uevent().is_some())
            || state.type_.as_ref().is_some_and(|t| t.uevent.is_some());
        (state.bus.is_some() || state.class.is_some(), hooked)
    };
    let hub = &device.core().hub;
    if !told || !(hooked || hub.is_on()) {
        return;
    }
    let detailed = hooked || hub.details_are_on();
    let mut env = match detailed {
        true => environment(device, action, more),
        false => UeventEnv::new(),
    };
    let number = next_seqnum(device.core());
    if detailed {
        env.push(seqnum(number));
    }
    device.core().emit(|| EventKind::Uevent {
        device: device.device_ref(),
        action,
        env: env.into(),
    });
}

/// As [`kobject_uevent`], of a bus or a driver.
#[track_caller]
pub(crate) fn kobject_event(core: &Core, path: &str, subsystem: &str, action: UeventAction) {
    tell_of_kobject(core, path, subsystem, action, Vec::new());
}

#[track_caller]
fn tell_of_kobject(
    core: &Core,
    path: &str,
    subsystem: &str,
    action: UeventAction,
    more: UeventEnv,
) {
    if !core.hub.is_on() {
        return;
    }
    let number = next_seqnum(core);
    let mut env = UeventEnv::new();
    if core.hub.details_are_on() {
        env.push(("ACTION".to_owned(), action.name().to_owned()));
        env.push(("DEVPATH".to_owned(), path.to_owned()));
        env.push(("SUBSYSTEM".to_owned(), subsystem.to_owned()));
        env.extend(more);
        env.push(seqnum(number));
    }
    core.emit(|| EventKind::KobjectUevent {
        kobject: Arc::from(path),
        action,
        env: env.into(),
    });
}

/// Sends a uevent that user space asked for by writing to a device's attribute
/// `uevent` (`kobject_synth_uevent`): an action, or an action, a UUID, and keys with
/// values, `change 6d4a1b1e-4e1c-4c4e-9c3a-1f6f0c2d7a55 A=1 B=x`.
///
/// # Errors
/// `EINVAL` for anything else; a message tells which of the two is wrong.
#[track_caller]
pub fn kobject_synth_uevent(device: &Device, data: &[u8]) -> Result {
    match synthetic(data) {
        Ok((action, more)) => {
            kobject_uevent(device, action, more);
            Ok(())
        }
        Err(wrong) => Err(refuse(device.core(), &device.path(), wrong)),
    }
}

/// As [`kobject_synth_uevent`], of a bus or a driver.
#[track_caller]
pub(crate) fn synth_kobject_uevent(
    core: &Core,
    path: &str,
    subsystem: &str,
    data: &[u8],
) -> Result {
    match synthetic(data) {
        Ok((action, more)) => {
            tell_of_kobject(core, path, subsystem, action, more);
            Ok(())
        }
        Err(wrong) => Err(refuse(core, path, wrong)),
    }
}

fn refuse(core: &Core, path: &str, wrong: &str) -> Errno {
    core.message(None, format!("synth uevent: {path}: {wrong}"));
    Errno::EINVAL
}

/// kobject_action_type and kobject_action_args.
fn synthetic(data: &[u8]) -> core::result::Result<(UeventAction, UeventEnv), &'static str> {
    let unknown = "unknown uevent action string";
    let trimmed = data
        .strip_suffix(b"\n")
        .or_else(|| data.strip_suffix(b"\0"));
    let text = core::str::from_utf8(trimmed.unwrap_or(data)).map_err(|_| unknown)?;
    let (action, args) = match text.split_once(' ') {
        Some((action, args)) => (action, Some(args)),
        None => (text, None),
    };
    let action = action.parse().map_err(|_| unknown)?;
    let Some(args) = args else {
        let uuid = ("SYNTH_UUID".to_owned(), "0".to_owned());
        return Ok((action, vec![uuid]));
    };
    let env = arguments(args).ok_or("incorrect uevent action arguments")?;
    Ok((action, env))
}

fn arguments(args: &str) -> Option<UeventEnv> {
    const UUID_STRING_LEN: usize = 36;
    let (uuid, mut rest) = args.split_at_checked(UUID_STRING_LEN)?;
    let dashed = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let valid = uuid.bytes().enumerate().all(|(at, byte)| match dashed(at) {
        true => byte == b'-',
        false => byte.is_ascii_hexdigit(),
    });
    if !valid {
        return None;
    }
    let word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut env = vec![("SYNTH_UUID".to_owned(), uuid.to_owned())];
    while !rest.is_empty() {
        let pair = rest.strip_prefix(' ')?;
        let end = pair.find(' ').unwrap_or(pair.len());
        let (key, value) = pair[..end].split_once('=')?;
        if !word(key) || !word(value) {
            return None;
        }
        env.push((format!("SYNTH_ARG_{key}"), value.to_owned()));
        rest = &pair[end..];
    }
    Some(env)
}
