//! What is taken down in the wrong order: before who uses it.

use lastfd_model::Event;

use crate::finding::{Finding, Role};
use crate::frames::Phase;
use crate::rule::Rule;
use crate::rules::{comes_by_itself, way_in};
use crate::shadow::World;
use crate::thing::By;
use crate::watch::Findings;

pub(crate) static G3: Rule = Rule {
    number: 3,
    name: "handler outlives what it uses",
    kernel: "Managed resources go latest first. The state was allocated after the handler was \
             requested, so it is freed first, and the handler that comes in between works on \
             freed memory.",
    fix: "Allocate and map everything the handler uses before request_irq() or before the \
          timer is set up, so that it is released after.",
};

pub(crate) static G4: Rule = Rule {
    number: 4,
    name: "remove tears down what is still reachable",
    kernel: "remove() runs before the managed resources are released, and the interface is \
             unregistered only there: whoever comes in between meets dead hardware or freed \
             memory.",
    fix: "Do not mix: take everything down by managed resources, in the order opposite to \
          probe(), or unregister the interface by hand first thing in remove().",
};

pub(crate) static G5: Rule = Rule {
    number: 5,
    name: "teardown added after registration",
    kernel: "Managed resources go latest first. What was added after the registration is \
             released before it is undone, while programs still get in.",
    fix: "Register last: whatever the interface uses is acquired, and its release added, \
          before the call that lets programs in.",
};

/// Something goes while its device is taken down: is there a way in, or a handler, that
/// still leads to it? Says so; it is told when that is seen to end after it.
pub(super) fn freed(world: &mut World, id: u64, phase: Phase, event: &Event) -> bool {
    let Some(thing) = world.things.get(&id).cloned() else {
        return false;
    };
    let down = phase.device();
    let (rule, by) = match phase {
        Phase::Remove(_) => (&G4, "remove()"),
        Phase::Devres(_) => (&G5, "the release of managed resources"),
    };
    let shown = |finding: Finding| {
        finding
            .shows(Some(Role::Taken), &thing.created)
            .shows(Some(Role::Freed), event)
    };
    // A handler that can still come.
    for used in &thing.uses {
        let By::Handler(handler) = used.by else {
            continue;
        };
        let Some(other) = world.things.get(&handler).filter(|h| h.can_come()) else {
            continue;
        };
        let other = other.clone();
        let rule = if let Phase::Devres(_) = phase {
            &G3
        } else {
            &G4
        };
        let text =
            format!("{by} frees the {thing} while the {other}, which uses it, can still come");
        let device = world.device(down);
        let finding = shown(Finding::new(rule, device, text))
            .shows(Some(Role::Taken), &other.created)
            .shows(Some(Role::Used), &used.access);
        // If the handler is never stopped, that is the mistake.
        if let Some(other) = world.things.get_mut(&handler) {
            other.pending.push((id, finding));
        }
        return true;
    }
    let is_its_own = thing.owner == Some(down) && thing.is_resource();
    for interface in world.interfaces_of(down) {
        let Some(open) = world.interface(interface).filter(|i| i.is_open()) else {
            continue;
        };
        let came_before = thing.created.seq < open.registered.seq || thing.probed_for == Some(down);
        let used = thing.uses.iter().find(|used| {
            let guarded = || {
                let mut sections = used.sections.iter();
                sections.any(|section| world.is_synchronized(section, phase, event.task))
            };
            used.by == By::FileOf(interface) && !guarded()
        });
        // Registers behind a guard are refused to those who come late.
        let is_guarded = used.is_none() && !thing.uses.is_empty();
        if !(used.is_some() || is_its_own && came_before && !is_guarded) {
            continue;
        }
        let way = way_in(world, interface);
        let text = format!("{by} frees the {thing} while programs can still get in by {way}");
        let mut finding = shown(Finding::new(rule, world.device(down), text))
            .shows(Some(Role::Registered), &open.registered);
        if let Some(used) = used {
            finding.add(Some(Role::Used), &used.access);
        }
        let shadow = world.devices.get_mut(&interface);
        if let Some(open) = shadow.and_then(|shadow| shadow.interface.as_mut()) {
            open.pending.push((id, finding));
        }
        return true;
    }
    false
}

/// A handler was stopped after all: what went before it went too early.
pub(super) fn stopped(world: &mut World, id: u64, event: &Event, findings: &mut Findings) {
    let Some(thing) = world.things.get_mut(&id).filter(|t| comes_by_itself(t)) else {
        return;
    };
    let pending = core::mem::take(&mut thing.pending);
    report(world, pending, event, findings);
}

/// A way in was closed after all: what went before it went too early.
pub(super) fn closed(world: &mut World, device: u64, event: &Event, findings: &mut Findings) {
    let shadow = world.devices.get_mut(&device);
    let Some(interface) = shadow.and_then(|shadow| shadow.interface.as_mut()) else {
        return;
    };
    let pending = core::mem::take(&mut interface.pending);
    report(world, pending, event, findings);
}

fn report(world: &mut World, pending: Vec<(u64, Finding)>, event: &Event, findings: &mut Findings) {
    for (id, finding) in pending {
        let index = findings.add(id, finding.shows(None, event));
        if let Some(thing) = world.things.get_mut(&id) {
            thing.finding = Some(index);
        }
    }
}
