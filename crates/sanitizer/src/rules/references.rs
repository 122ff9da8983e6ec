//! References that are never put, put too often, and ends that come twice.

use lastfd_model::event::SplatKind;
use lastfd_model::{DeviceRef, Event, EventKind, Holder};

use crate::finding::{Finding, Role};
use crate::rule::Rule;
use crate::shadow::{Life, Shadow, World};
use crate::watch::Findings;

pub(crate) static G7: Rule = Rule {
    number: 7,
    name: "reference never put",
    kernel: "The release callback never runs: the device, what it is embedded in and every \
             parent above it stay until the machine is switched off, and the module cannot \
             be unloaded.",
    fix: "Put what was got, on the error paths too: each get_device(), and each call that \
          finds a device for you, has a put_device() of its own.",
};

pub(crate) static G8: Rule = Rule {
    number: 8,
    name: "more puts than gets",
    kernel: "The device is released while others still use it, and the put that is due comes \
             down on freed memory: \"refcount_t: underflow; use-after-free\".",
    fix: "Put only what you got yourself. device_unregister() puts the creator's reference; \
          what a function lends you is not yours to put.",
};

pub(crate) static G34: Rule = Rule {
    number: 34,
    name: "unregistered twice",
    kernel: "The second time lists are unlinked that the device is not on, and a reference is \
             put that nobody has: list corruption, or a use after free.",
    fix: "Let one place end it: a managed release or a call in remove(), not both. Forget the \
          pointer when it is unregistered.",
};

/// How the splats of a second end begin.
const ENDED_TWICE: [&str; 3] = [
    "device_del on a device that is removed already",
    "misc_deregister of what is not registered",
    "driver_unregister of ",
];

/// A kernel would have printed a stack trace.
pub(super) fn splat(
    world: &mut World,
    kind: SplatKind,
    device: Option<&DeviceRef>,
    text: &str,
    event: &Event,
    findings: &mut Findings,
) {
    let about = device.map_or(0, |device| device.id);
    let shadow = world.devices.get(&about);
    let known = [8, 34]
        .into_iter()
        .find(|rule| findings.about(*rule, about).is_some());
    match kind {
        SplatKind::Warn if text.starts_with("released while it is still registered") => {
            // A child that is torn out puts its parent once more than it should.
            let mut below = world.devices.keys().filter(|id| **id != about);
            let torn_out = below.find(|id| {
                world.ancestors(**id).any(|above| above == about)
                    && findings.about(8, **id).is_some()
            });
            match torn_out.and_then(|child| findings.about(8, *child)) {
                Some(finding) => finding.explains.push(event.seq),
                None => over_put(shadow, device, event, findings),
            }
        }
        SplatKind::Refcount if text.contains("underflow") || text.starts_with("addition on 0") => {
            match known.and_then(|rule| findings.about(rule, about)) {
                Some(finding) => {
                    finding.explains.push(event.seq);
                    finding.add(Some(Role::Freed), event);
                }
                None => over_put(shadow, device, event, findings),
            }
        }
        SplatKind::Warn | SplatKind::Bug | SplatKind::UseAfterFree if ended_twice(text) => {
            if let Some(finding) = findings.about(8, about) {
                finding.explains.push(event.seq);
                return;
            }
            // A device that was never added is another mistake.
            if shadow.is_some_and(|shadow| shadow.life < Life::Deleted) {
                return;
            }
            let what = device.map_or("what is gone already", |device| &device.name);
            let text = format!("{what} is unregistered a second time");
            let mut finding = Finding::new(&G34, device, text);
            if let Some(removed) = shadow.and_then(|shadow| shadow.removed.as_ref()) {
                finding.add(Some(Role::Freed), removed);
            }
            finding.add(Some(Role::Freed), event);
            finding.explains.push(event.seq);
            findings.add(about, finding);
        }
        _ => {}
    }
}

fn ended_twice(text: &str) -> bool {
    ENDED_TWICE.iter().any(|known| text.starts_with(known))
}

fn over_put(
    shadow: Option<&Shadow>,
    device: Option<&DeviceRef>,
    event: &Event,
    findings: &mut Findings,
) {
    let Some(device) = device else {
        return;
    };
    let text = format!("{device} was put more often than it was got");
    let mut finding = Finding::new(&G8, Some(device), text);
    for put in shadow.into_iter().flat_map(|shadow| &shadow.put) {
        finding.add(Some(Role::Freed), put);
    }
    // A release that came too early is the core's; the put before it is the driver's.
    let role = match event.kind {
        EventKind::Splat {
            kind: SplatKind::Refcount,
            ..
        } => Some(Role::Freed),
        _ => None,
    };
    finding.add(role, event);
    finding.explains.push(event.seq);
    findings.add(device.id, finding);
}

/// The System has ended, and this was left.
pub(super) fn leaked(
    world: &mut World,
    device: Option<&DeviceRef>,
    event: &Event,
    findings: &mut Findings,
) {
    let Some(device) = device else {
        return;
    };
    for rule in [7, 16, 17, 18] {
        if let Some(finding) = findings.about(rule, device.id) {
            finding.explains.push(event.seq);
            return;
        }
    }
    let Some(shadow) = world.devices.get(&device.id) else {
        return;
    };
    if let Some(mut finding) = never_put(shadow) {
        finding.add(None, event);
        finding.explains.push(event.seq);
        findings.add(device.id, finding);
    }
}

/// What is held now, taken as never put.
pub(crate) fn held(world: &World, findings: &mut Findings) {
    for shadow in world.devices.values() {
        let is_out = shadow.life == Life::Deleted;
        if let Some(finding) = never_put(shadow).filter(|_| is_out) {
            findings.add(shadow.device.id, finding);
        }
    }
}

/// Who took a reference by himself and kept it.
fn never_put(shadow: &Shadow) -> Option<Finding> {
    let is_get = |event: &&Event| {
        let EventKind::RefTaken { holder, .. } = &event.kind else {
            return false;
        };
        *holder == Holder::Get
    };
    let gets: Vec<&Event> = shadow.held.iter().filter(is_get).collect();
    if gets.is_empty() {
        return None;
    }
    let device = &shadow.device;
    let text = format!("a reference on {device} was taken and never put, so it is never released");
    let mut finding = Finding::new(&G7, Some(device), text);
    for get in gets {
        finding.add(Some(Role::Taken), get);
    }
    if let Some(removed) = &shadow.removed {
        finding.add(None, removed);
    }
    Some(finding)
}
