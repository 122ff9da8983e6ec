//! Children that outlive their parent, and probes that defer after they made some.

use lastfd_model::{DeviceRef, Errno, Event};

use crate::finding::{Finding, Role};
use crate::rule::Rule;
use crate::shadow::World;
use crate::watch::Findings;

pub(crate) static G20: Rule = Rule {
    number: 20,
    name: "child outlives its parent",
    kernel: "The child's driver, and programs that have it open, go on using what the parent's \
             driver has released; and the child keeps the parent's memory.",
    fix: "Unregister in remove() whatever probe() registered, or register it managed, so that \
          it goes with the parent.",
};

pub(crate) static G28: Rule = Rule {
    number: 28,
    name: "probe defers after it registered a child",
    kernel: "Each child that is bound starts the deferred probes again, this one among them, \
             which registers the child again: an endless loop.",
    fix: "Acquire everything that may give -EPROBE_DEFER first, and register children last, \
          when nothing can fail any more.",
};

/// A driver was unbound: what it registered below the device should be gone.
pub(super) fn unbound(
    world: &mut World,
    device: &DeviceRef,
    event: &Event,
    findings: &mut Findings,
) {
    let shadow = world.devices.get(&device.id);
    let Some(binding) = shadow.and_then(|shadow| shadow.binding.as_ref()) else {
        return;
    };
    let since = binding.probe.seq;
    let made_by_it = |added: &&Event| added.seq > since;
    let mut left = Vec::new();
    for child in world.children(device.id) {
        if let Some(added) = child.added.as_ref().filter(made_by_it) {
            left.push((child.device.clone(), added.clone()));
        }
    }
    for (child, added) in left {
        let text = format!(
            "{child} is still registered below {device} when the driver that registered it is \
             unbound"
        );
        let finding = Finding::new(&G20, Some(device), text)
            .shows(Some(Role::Taken), &added)
            .shows(None, event);
        findings.add(child.id, finding);
        forget_pending(world, child.id);
    }
}

/// A device was removed: nothing should be below it.
pub(super) fn removed(
    world: &mut World,
    device: &DeviceRef,
    event: &Event,
    findings: &mut Findings,
) {
    let children = world.children(device.id);
    let children = children.iter().map(|c| (c.device.clone(), c.added.clone()));
    let children: Vec<_> = children.collect();
    for (child, added) in children {
        let text = format!("{child} is still registered below {device} when {device} is removed");
        let mut finding = Finding::new(&G20, Some(device), text);
        if let Some(added) = &added {
            finding.add(Some(Role::Taken), added);
        }
        findings.add(child.id, finding.shows(Some(Role::Freed), event));
        forget_pending(world, child.id);
    }
}

/// That it is there at all is the mistake, not the order in which it would have gone.
fn forget_pending(world: &mut World, child: u64) {
    for interface in world.interfaces_of(child) {
        let shadow = world.devices.get_mut(&interface);
        if let Some(interface) = shadow.and_then(|shadow| shadow.interface.as_mut()) {
            interface.pending.clear();
        }
    }
}

/// A probe returned.
pub(super) fn probed(
    world: &World,
    device: &DeviceRef,
    result: Result<(), Errno>,
    event: &Event,
    findings: &mut Findings,
) {
    if result != Err(Errno::EPROBE_DEFER) {
        return;
    }
    let shadow = world.devices.get(&device.id);
    let Some(binding) = shadow.and_then(|shadow| shadow.binding.as_ref()) else {
        return;
    };
    let (since, task) = (binding.probe.seq, event.task);
    let mut finding = None;
    for child in world
        .devices
        .values()
        .filter(|s| s.parent == Some(device.id))
    {
        let made = child.added.as_ref();
        if let Some(added) = made.filter(|added| added.seq > since && added.task == task) {
            let child = &child.device;
            let text =
                format!("the probe of {device} registered {child} and then returned -EPROBE_DEFER");
            finding
                .get_or_insert_with(|| Finding::new(&G28, Some(device), text))
                .add(Some(Role::Taken), added);
        }
    }
    if let Some(finding) = finding {
        findings.add(device.id, finding.shows(None, event));
    }
}
