//! Open files that reach a driver which is gone.

use lastfd_model::event::ResourceKind;
use lastfd_model::{DeviceRef, Event, EventKind, KernelGap};
use lastfd_sync::thread::TaskId;

use crate::finding::{Finding, Role};
use crate::frames::{FileFrame, Phase, User};
use crate::gaps::{self, Gap};
use crate::rule::Rule;
use crate::rules::{devm_lifetime, way_in};
use crate::shadow::{InGap, World};
use crate::thing::{By, Sort, Use};
use crate::watch::Findings;

pub(crate) static G6: Rule = Rule {
    number: 6,
    name: "hardware touched outside drm_dev_enter",
    kernel: "An ioctl that is under way while the device is unplugged writes to registers \
             that are not mapped any more: an oops, or whatever is at that address now.",
    fix: "Put drm_dev_enter() and drm_dev_exit() around every access to the hardware, and let \
          the call end with -ENODEV, or do nothing, where it fails. Take the device away with \
          drm_dev_unplug().",
};

pub(crate) static G11: Rule = Rule {
    number: 11,
    name: "open file reaches what was freed",
    kernel: "Unregistering a character device stops new opens only. A file that is open keeps \
             calling the driver, after unbind as well, and works on freed memory.",
    fix: "Count the state: each open file holds a reference, the last one frees it. Let \
          remove() set a flag under a lock, and every operation test it under that lock and \
          give -ENODEV.",
};

pub(crate) static G14: Rule = Rule {
    number: 14,
    name: "check, then call, without a lock",
    kernel: "The device is unregistered between the test and what is done upon it; the call \
             goes on as if it were there.",
    fix: "Hold a lock that the removal takes as well, or an SRCU section that it waits for, \
          from the test to the end of what hangs on it.",
};

pub(crate) static G31: Rule = Rule {
    number: 31,
    name: "driver data after unbind",
    kernel: "device_unbind_cleanup() has set it to NULL: dev_get_drvdata() gives a null \
             pointer, and following it is an oops.",
    fix: "Do not look the state up through the device: give it to whoever needs it, counted, \
          and let what can be called after unbind test whether the device is gone.",
};

/// A thing is used by a file's operation, and is there. For DRM devices it has to be
/// said that the hardware is there.
pub(super) fn entered_hardware(world: &World, id: u64, used: &Use, findings: &mut Findings) {
    let By::FileOf(card) = used.by else {
        return;
    };
    let Some(shadow) = world.devices.get(&card) else {
        return;
    };
    let Some(thing) = world.things.get(&id) else {
        return;
    };
    if shadow.subsystem.as_deref() != Some("drm")
        || thing.sort != Sort::Resource(ResourceKind::Regs)
    {
        return;
    }
    let names = used.sections.iter().map(|section| section.name);
    let is_guarded = |name| matches!(name, "drm_dev_enter" | "Devres::try_access");
    if names.into_iter().any(is_guarded) {
        return;
    }
    let text = format!(
        "{} reaches the {thing} outside of drm_dev_enter(), so an unplug does not wait for it",
        call(&used.begin)
    );
    let finding = Finding::new(&G6, Some(&shadow.device), text)
        .shows(Some(Role::Taken), &thing.created)
        .shows(None, &used.begin)
        .shows(Some(Role::Used), &used.access);
    findings.add(id, finding);
}

/// A thing goes while its device is taken down, and no way in is open: can a file that
/// was opened before still reach it?
pub(super) fn freed(
    world: &mut World,
    id: u64,
    phase: Phase,
    event: &Event,
    findings: &mut Findings,
) {
    let Some(thing) = world.things.get(&id).cloned() else {
        return;
    };
    let found = thing.uses.iter().find_map(|used| {
        let By::FileOf(device) = used.by else {
            return None;
        };
        // What a call made itself, no other call reaches.
        if used.begin.seq < thing.created.seq {
            return None;
        }
        let interface = world.interface(device)?;
        if interface.revoked.is_some() {
            return None;
        }
        let mut sections = used.sections.iter();
        if sections.any(|section| world.is_synchronized(section, phase, event.task)) {
            return None;
        }
        // What the driver frees by hand may be counted: without a file it goes here.
        let by_hand = !thing.is_resource() && matches!(phase, Phase::Remove(_));
        if by_hand && !world.has_open_files(device) {
            return None;
        }
        Some((device, used))
    });
    let Some((device, used)) = found else {
        return;
    };
    let rule = rule_for(world, device, used.tested.is_some(), thing.sort);
    if rule == &G6 && findings.about(6, id).is_some() {
        return;
    }
    let way = way_in(world, device);
    let now = if world.has_open_files(device) {
        "an open file"
    } else {
        "a file that is still open"
    };
    let text = format!("the {thing} goes at unbind, and {now} of {way} still reaches it");
    let mut finding = Finding::new(rule, world.device(phase.device()), text)
        .shows(Some(Role::Taken), &thing.created)
        .shows(None, &used.begin)
        .shows(Some(Role::Used), &used.access)
        .shows(Some(Role::Freed), event);
    if let Some(tested) = &used.tested {
        finding.add(None, tested);
    }
    if let Some(gone) = world.interface(device).and_then(|i| i.gone.as_ref()) {
        finding.add(None, gone);
    }
    let index = findings.add(id, finding);
    if let Some(thing) = world.things.get_mut(&id) {
        thing.finding = Some(index);
    }
}

fn rule_for(world: &World, device: u64, tested: bool, sort: Sort) -> &'static Rule {
    let subsystem = world
        .devices
        .get(&device)
        .and_then(|s| s.subsystem.as_deref());
    match (sort, subsystem) {
        (Sort::DriverData, _) => &G31,
        (_, Some("drm")) => &G6,
        _ if tested => &G14,
        _ => &G11,
    }
}

/// A thing is used after it went, and nobody saw it coming. Gives the finding, if a file
/// or a handler is what used it.
pub(super) fn late(
    world: &mut World,
    id: u64,
    event: &Event,
    findings: &mut Findings,
) -> Option<usize> {
    let thing = world.things.get(&id)?.clone();
    let freed = thing.freed.clone()?;
    let mut gap = None;
    let (rule, who, begin) = match world.frames.user(event.task)? {
        User::File(frame) => {
            gap = let_in(world, frame);
            let device = world.entered_by(frame.file)?;
            let rule = match (world.interface(device), thing.freed_in) {
                (Some(interface), Some(phase)) if interface.is_open() => match phase {
                    Phase::Remove(_) => &super::teardown_order::G4,
                    Phase::Devres(_) => &super::teardown_order::G5,
                },
                _ if gap.is_some() => &G14,
                _ => rule_for(world, device, frame.tested.is_some(), thing.sort),
            };
            (rule, call(&frame.begin), frame.begin.clone())
        }
        User::Handler(handler, begin) => {
            let other = world.things.get(&handler)?;
            let in_order = other.freed.is_none() && thing.freed_in.is_some();
            let going = thing.freed_in.is_some_and(|phase| {
                let shadow = world.devices.get(&phase.device());
                shadow.is_some_and(|shadow| shadow.binding.is_some())
            });
            let rule = match in_order && going {
                true => &super::teardown_order::G3,
                false => &super::activity::G22,
            };
            (rule, format!("the {other}"), begin.clone())
        }
    };
    let down = thing.freed_in.map(Phase::device).or(thing.owner);
    let device = down.and_then(|device| world.device(device));
    let text = format!("{who} uses the {thing} after it was freed");
    let mut finding = Finding::new(rule, device, text)
        .shows(Some(Role::Taken), &thing.created)
        .shows(Some(Role::Freed), &freed)
        .shows(None, &begin);
    if let Some(gap) = gap {
        finding.owner = devm_lifetime::gap_owner(gap.framework, gap.function);
    }
    let index = findings.add(id, finding);
    if let Some(thing) = world.things.get_mut(&id) {
        thing.finding = Some(index);
    }
    Some(index)
}

/// The driver is unbound, and its data with it: can an open file ask for it?
pub(super) fn driver_data_gone(
    world: &mut World,
    device: &DeviceRef,
    event: &Event,
    findings: &mut Findings,
) {
    let phase = Phase::Devres(device.id);
    if world.things.contains_key(&device.id) {
        freed(world, device.id, phase, event, findings);
    }
}

/// Driver data was asked for, and there is none.
pub(super) fn no_driver_data(
    world: &mut World,
    device: &DeviceRef,
    event: &Event,
    findings: &mut Findings,
) {
    let Some(shadow) = world.devices.get(&device.id) else {
        return;
    };
    let Some(unbound) = shadow.unbound.clone().filter(|_| shadow.binding.is_none()) else {
        return;
    };
    let text = format!("the driver data of {device} is asked for after its driver was unbound");
    let mut finding = Finding::new(&G31, Some(device), text).shows(None, &unbound);
    if let Some(User::File(frame)) = world.frames.user(event.task) {
        finding.add(None, &frame.begin);
    }
    let index = findings.add(device.id, finding);
    if let Some(finding) = findings.at(index) {
        finding.add(Some(Role::Used), event);
    }
}

/// Linux itself went wrong.
pub(super) fn kernel_gap(
    world: &mut World,
    framework: &str,
    gap: KernelGap,
    device: Option<&DeviceRef>,
    event: &Event,
    findings: &mut Findings,
) {
    let Some(rule) = Rule::numbered(gap.class) else {
        return;
    };
    let mut finding = Finding::new(rule, device, gap.what.to_owned()).shows(None, event);
    finding.owner = devm_lifetime::gap_owner(framework, gap.function);
    let device = device.map_or(0, |device| device.id);
    // A device may meet two.
    let another = findings
        .about(gap.class, device)
        .is_some_and(|known| known.owner != finding.owner);
    let about = if another { event.seq } else { device };
    let finding = findings.add(about, finding);
    world.gap = Some(InGap {
        task: event.task,
        gap,
        finding,
    });
}

/// The finding of the gap between test and call that this task is in: whatever it
/// touches there, the kernel let it in.
pub(super) fn in_gap(world: &World, task: TaskId) -> Option<usize> {
    let gap = world.gap.filter(|gap| gap.task == task)?;
    (gap.gap.class == G14.number).then_some(gap.finding)
}

/// The gap that let a call in which began before its device went: it was not asked again.
fn let_in(world: &World, frame: &FileFrame) -> Option<&'static Gap> {
    let device = world.entered_by(frame.file)?;
    let revoked = world.interface(device)?.revoked.as_ref()?;
    // Who slept has to look again himself.
    let slept = &world.files.get(&frame.file)?.slept;
    let slept = slept.iter().any(|(_, op, _)| *op == frame.op);
    if slept || frame.begin.seq > revoked.seq {
        return None;
    }
    let subsystem = world.devices.get(&device)?.subsystem.as_deref()?;
    gaps::met(G14.number, subsystem, &frame.op)
}

/// `read on /dev/x`.
fn call(begin: &Event) -> String {
    match &begin.kind {
        EventKind::OperationBegin { file, op } => format!("{op} on {}", file.path),
        kind => kind.to_string(),
    }
}
