//! Managed resources on the wrong device, at the wrong time, or for what lives longer.

use lastfd_model::{DeviceRef, Event, Rules};

use crate::finding::{Finding, Owner, Role};
use crate::rule::Rule;
use crate::shadow::{Life, World};
use crate::watch::Findings;

pub(crate) static G1: Rule = Rule {
    number: 1,
    name: "counted object in managed memory",
    kernel: "The unbind frees the memory, while an open file still counts on the object in \
             it; its last close then writes to freed memory.",
    fix: "Allocate what holds the object with kzalloc() and free it in the object's release \
          callback, or use the framework's own allocator: devm_drm_dev_alloc(), \
          devm_iio_device_alloc(), video_device_alloc().",
};

pub(crate) static G2: Rule = Rule {
    number: 2,
    name: "managed resource on the framework's device",
    kernel: "Since 6.6 the resource goes in device_del(), before the framework has stopped \
             whoever uses it; before, it stayed until the last file was closed, long after \
             the hardware was unbound.",
    fix: "Give it to the hardware's device, the one that probe() got: its managed resources \
          go after the framework's device was unregistered.",
};

pub(crate) static G16: Rule = Rule {
    number: 16,
    name: "managed resource on a device without driver",
    kernel: "Before 6.6 nothing releases it when the device is removed: it waits for the \
             last reference.",
    fix: "Bind a driver to the device and add the resource in its probe(), or release it by \
          hand before device_unregister().",
};

pub(crate) static G17: Rule = Rule {
    number: 17,
    name: "managed action keeps its own device",
    kernel: "The action runs when the last reference goes, and it holds one: neither ever \
             happens, and the device leaks.",
    fix: "Do not take the reference: as long as the action is on the device's list, the \
          device is there.",
};

pub(crate) static G18: Rule = Rule {
    number: 18,
    name: "managed resource added after removal",
    kernel: "device_del() has released the managed resources already. This one stays until \
             the last reference goes, or for ever if it was the last.",
    fix: "Add managed resources in probe() only. What is made later, in a call or a work, is \
          freed by hand, or is made under the same lock as the removal.",
};

pub(crate) static G19: Rule = Rule {
    number: 19,
    name: "managed resource added before probe",
    kernel: "really_probe() finds the resource, logs \"Resources present before probing\" and \
             refuses every driver with -EBUSY.",
    fix: "Add managed resources in the driver's probe(), not when the device is made: who \
          makes the device frees what it made in the device's release callback.",
};

/// Subsystems whose devices belong to a framework, not to a driver.
const FRAMEWORKS: [&str; 4] = ["iio", "drm", "video4linux", "cec"];

/// A managed resource is added.
pub(super) fn added(
    world: &mut World,
    device: &DeviceRef,
    holds: Option<&DeviceRef>,
    event: &Event,
    findings: &mut Findings,
) {
    let gap = world
        .gap
        .take_if(|gap| gap.task == event.task && gap.gap.class == G2.number);
    let Some(shadow) = world.devices.get(&device.id) else {
        return;
    };
    if shadow.life >= Life::Deleted {
        let kept = match holds {
            Some(held) if held.id == device.id => ", and it keeps the device itself",
            _ => "",
        };
        let text = format!("a managed resource is added to {device} after device_del(){kept}");
        let mut finding = Finding::new(&G18, Some(device), text).shows(Some(Role::Taken), event);
        if let Some(removed) = &shadow.removed {
            finding.add(Some(Role::Freed), removed);
        }
        let index = findings.add(device.id, finding);
        // On a released device it is a splat, too.
        world.explained = Some((event.task, index));
        return;
    }
    let subsystem = shadow.subsystem.as_deref().unwrap_or_default();
    if FRAMEWORKS.contains(&subsystem) && gap.is_none() {
        let text = format!(
            "a managed resource is added to {device}, which belongs to {subsystem} and not to \
             the driver"
        );
        let mut finding = Finding::new(&G2, Some(device), text).shows(Some(Role::Taken), event);
        if let Some(added) = &shadow.added {
            finding.add(None, added);
        }
        findings.add(device.id, finding);
    }
}

/// An object is said to lie in memory.
pub(super) fn embedded(
    world: &World,
    device: Option<&DeviceRef>,
    memory: u64,
    object: &str,
    event: &Event,
    findings: &mut Findings,
) {
    let Some(thing) = world.things.get(&memory) else {
        return;
    };
    if !thing.is_managed_memory() {
        return;
    }
    let owner = device.map_or("its device", |device| &device.name);
    let text = format!(
        "{object} lies in managed memory of {owner}, which goes at unbind, whoever still has \
         a reference on it"
    );
    let finding = Finding::new(&G1, device, text)
        .shows(Some(Role::Taken), &thing.created)
        .shows(Some(Role::Registered), event);
    findings.add(memory, finding);
}

/// The kernel would have logged a line.
pub(super) fn message(
    world: &World,
    device: Option<&DeviceRef>,
    text: &str,
    event: &Event,
    findings: &mut Findings,
) {
    let Some(device) = device.filter(|_| text == "Resources present before probing") else {
        return;
    };
    let text = format!("no driver can be bound to {device}: it has managed resources already");
    let mut finding = Finding::new(&G19, Some(device), text);
    for node in world
        .devices
        .get(&device.id)
        .into_iter()
        .flat_map(|s| &s.nodes)
    {
        finding.add(Some(Role::Taken), &node.added);
    }
    findings.add(device.id, finding.shows(None, event));
}

/// A device was removed; its managed resources should be gone.
pub(super) fn removed(world: &World, device: &DeviceRef, event: &Event, findings: &mut Findings) {
    let left = match world.devices.get(&device.id) {
        Some(shadow) if world.rules == Rules::LinuxPre6_6 => &shadow.nodes,
        _ => return,
    };
    let own = |node: &&crate::shadow::Node| {
        let held = node.holds.as_ref();
        held.is_some_and(|held| held.id == device.id)
    };
    let (rule, text) = match left.iter().find(own) {
        Some(_) => (
            &G17,
            format!("a managed action of {device} keeps a reference on {device}"),
        ),
        None if left.is_empty() => return,
        None => (
            &G16,
            format!("{device} is removed and its managed resources are not released"),
        ),
    };
    let mut finding = Finding::new(rule, Some(device), text);
    for node in left {
        if rule != &G17 || own(&node) {
            finding.add(Some(Role::Taken), &node.added);
        }
    }
    findings.add(device.id, finding.shows(None, event));
}

/// A managed resource that the framework's core adds to its own device.
pub(super) fn gap_owner(framework: &str, function: &str) -> Owner {
    Owner::KernelGap {
        framework: framework.into(),
        function: function.into(),
    }
}
