//! Timers, work, threads and interrupts that nobody stopped.

use lastfd_model::event::ResourceKind;
use lastfd_model::{DeviceRef, Event};

use crate::finding::{Finding, Role};
use crate::rule::Rule;
use crate::shadow::World;
use crate::thing::{Sort, Thing};
use crate::watch::Findings;

pub(crate) static G22: Rule = Rule {
    number: 22,
    name: "still runs after unbind",
    kernel: "The callback comes when the driver is gone, and what it works on is freed.",
    fix: "Stop it for good before what it uses goes: hrtimer_cancel(), \
          disable_delayed_work_sync() (cancel_delayed_work() neither waits for a run under \
          way nor keeps it from queueing itself again), kthread_stop(), free_irq().",
};

fn what_it_does(thing: &Thing) -> Option<&'static str> {
    let Sort::Resource(kind) = thing.sort else {
        return None;
    };
    if let (Some(_), true) = (&thing.only_dequeued, thing.requeues) {
        return Some("was taken off its queue, but a run under way puts it back");
    }
    match kind {
        ResourceKind::Regs => None,
        _ if !thing.active => None,
        ResourceKind::Timer => Some("is still started"),
        ResourceKind::Work => Some("is still queued"),
        ResourceKind::Kthread => Some("still runs"),
        ResourceKind::Irq => Some("is still requested"),
    }
}

/// A driver was unbound: what it started should have been stopped.
pub(super) fn unbound(
    world: &mut World,
    device: &DeviceRef,
    event: &Event,
    findings: &mut Findings,
) {
    let shadow = world.devices.get(&device.id);
    let Some(since) = shadow.and_then(|s| Some(s.binding.as_ref()?.probe.seq)) else {
        return;
    };
    for id in world.things_of(device.id) {
        let Some(thing) = world.things.get_mut(&id) else {
            continue;
        };
        let is_its_own = thing.freed.is_none() && thing.created.seq > since;
        let Some(what) = what_it_does(thing).filter(|_| is_its_own) else {
            continue;
        };
        let text = format!("the {thing} of {device} {what} when the driver is unbound");
        let mut finding = Finding::new(&G22, Some(device), text)
            .shows(Some(Role::Taken), &thing.created)
            .shows(None, event);
        if let Some(dequeued) = &thing.only_dequeued {
            finding.add(Some(Role::Freed), dequeued);
        }
        let index = findings.add(id, finding);
        thing.finding = Some(index);
        // What it uses has gone, too: that is part of the same mistake.
        for (used, _) in core::mem::take(&mut thing.pending) {
            if let Some(used) = world.things.get_mut(&used) {
                used.finding = Some(index);
            }
        }
    }
}

/// It is freed: it should not run any more.
pub(super) fn freed(world: &mut World, id: u64, event: &Event, findings: &mut Findings) {
    let Some(thing) = world.things.get_mut(&id) else {
        return;
    };
    // free_irq stops it first; a thread that runs on is a splat.
    let Some(what) = what_it_does(thing).filter(|_| thing.freed.is_none()) else {
        return;
    };
    let device = thing.owner;
    let text = format!("the {thing} {what} when it is freed");
    let mut finding = Finding::new(&G22, None, text)
        .shows(Some(Role::Taken), &thing.created)
        .shows(Some(Role::Freed), event);
    if let Some(dequeued) = &thing.only_dequeued {
        finding.add(Some(Role::Freed), dequeued);
    }
    finding.device = device.and_then(|device| world.device(device).cloned());
    let index = findings.add(id, finding);
    if let Some(thing) = world.things.get_mut(&id) {
        thing.finding = Some(index);
    }
}

/// It comes: too late?
pub(super) fn fired(world: &mut World, id: u64, event: &Event, findings: &mut Findings) {
    let Some(thing) = world.things.get(&id) else {
        return;
    };
    if thing.freed.is_none() {
        return;
    }
    let index = match thing.finding {
        Some(index) => index,
        None => {
            let text = format!("the {thing} comes after it was freed");
            let mut finding =
                Finding::new(&G22, None, text).shows(Some(Role::Taken), &thing.created);
            if let Some(freed) = &thing.freed {
                finding.add(Some(Role::Freed), freed);
            }
            finding.device = thing.owner.and_then(|device| world.device(device).cloned());
            findings.add(id, finding)
        }
    };
    if let Some(finding) = findings.at(index) {
        finding.add(Some(Role::Used), event);
    }
    world.explained = Some((event.task, index));
}
