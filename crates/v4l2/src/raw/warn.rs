//! `WARN_ON`: what a kernel would print a stack trace for.

use lastfd_model::event::SplatKind;
use lastfd_model::{DeviceRef, EventKind, System};

/// Tells of a driver's mistake and goes on, as the kernel does.
#[track_caller]
pub(crate) fn warn(system: &System, device: Option<DeviceRef>, text: impl Into<String>) {
    splat(system, SplatKind::Warn, device, text);
}

#[track_caller]
pub(crate) fn splat(
    system: &System,
    kind: SplatKind,
    device: Option<DeviceRef>,
    text: impl Into<String>,
) {
    system.emit(|| EventKind::Splat {
        kind,
        device,
        text: text.into().into(),
    });
}

/// What `pr_err`, `pr_warn` and `pr_info` would print.
#[track_caller]
pub(crate) fn message(system: &System, device: Option<DeviceRef>, text: impl Into<String>) {
    system.emit(|| EventKind::Message {
        device,
        text: text.into().into(),
    });
}
