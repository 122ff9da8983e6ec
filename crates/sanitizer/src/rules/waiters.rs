//! Who sleeps on a device must leave when it goes.

use lastfd_model::{Errno, Event, FileRef};

use crate::finding::{Finding, Role};
use crate::gaps;
use crate::rule::Rule;
use crate::rules::open_files::G14;
use crate::rules::{devm_lifetime, way_in};
use crate::shadow::World;
use crate::watch::Findings;

pub(crate) static G12: Rule = Rule {
    number: 12,
    name: "sleeper not woken",
    kernel: "The call sleeps on after the device is gone, until a signal comes; a program \
             that waits for data waits for ever, and so does whoever waits for its close.",
    fix: "When the device goes, set the flag that it is gone, then wake every queue; and let \
          each wait test the flag in its condition: wait_event_interruptible(queue, ready || \
          gone).",
};

/// A call ended. If it slept while the device went, and only a signal ended it, then
/// nobody woke it.
pub(super) fn ended(
    world: &World,
    file: &FileRef,
    op: &str,
    result: Result<i64, Errno>,
    event: &Event,
    findings: &mut Findings,
) {
    if result != Err(Errno::EINTR) {
        return;
    }
    let Some(open) = world.files.get(&file.id) else {
        return;
    };
    let Some(device) = open.device else {
        return;
    };
    let slept = open.sleeper(event.task, op).map(|at| &open.slept[at]);
    let interface = world.interface(device);
    let gone = interface.and_then(|i| i.gone.as_ref().or(i.revoked.as_ref()));
    let (Some((_, _, slept)), Some(gone)) = (slept, gone) else {
        return;
    };
    let Some(shadow) = world.devices.get(&device) else {
        return;
    };
    let way = way_in(world, device);
    let text = format!("{op} on {way} slept on after the device had gone, until a signal came");
    let mut finding = Finding::new(&G12, Some(&shadow.device), text)
        .shows(Some(Role::Slept), slept)
        .shows(Some(Role::Freed), gone)
        .shows(None, event);
    let subsystem = shadow.subsystem.as_deref().unwrap_or_default();
    // Who fell asleep only after it had gone was let in by a look that holds nothing.
    let let_in = || match slept.seq > gone.seq {
        true => gaps::met(G14.number, subsystem, op),
        false => None,
    };
    if let Some(gap) = gaps::met(G12.number, subsystem, op).or_else(let_in) {
        finding.owner = devm_lifetime::gap_owner(gap.framework, gap.function);
    }
    findings.add(file.id, finding);
}
