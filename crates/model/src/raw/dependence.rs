//! Who depends on whom: what is below a device, and what is linked to it or to that.
//!
//! Follows `device_is_dependent` and `device_reorder_to_tail` of `drivers/base/core.c`,
//! which go down by calling themselves.

use std::collections::BTreeSet;

use super::device::Device;
use crate::event::SplatKind;

/// Whether a device depends on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependent {
    /// It does not.
    No,
    /// It does.
    Yes,
    /// Who asks goes round a circle of parents and links, until the kernel's stack is
    /// used up.
    Endless,
}

enum Step {
    Enter(Device),
    Leave(u64),
}

/// device_is_dependent: whether the target is the device, below it, or depends on
/// it or on something below it.
pub(crate) fn device_is_dependent(device: &Device, target: &Device) -> Dependent {
    go_down(device, |below| {
        below == target || is_ancestor(target, below)
    })
}

/// device_pm_move_to_tail, which finds circles; there are no lists to move things in.
pub(crate) fn device_pm_move_to_tail(device: &Device) {
    if go_down(device, |_| false) == Dependent::Endless {
        tell_endless(device);
    }
}

/// The splat of a circle.
pub(crate) fn tell_endless(device: &Device) {
    device.core().splat(
        SplatKind::Bug,
        Some(device.device_ref()),
        "what depends on it is looked for in a circle of parents and links, for ever",
    );
}

/// Asks of the device, its children and consumers, theirs, and so on, as deep as it
/// goes first. What was seen and led nowhere need not be seen again.
fn go_down(device: &Device, mut found: impl FnMut(&Device) -> bool) -> Dependent {
    let links = &device.core().links;
    let (mut on_the_way, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut left = vec![Step::Enter(device.clone())];
    while let Some(step) = left.pop() {
        let device = match step {
            Step::Leave(id) => {
                on_the_way.remove(&id);
                seen.insert(id);
                continue;
            }
            Step::Enter(device) => device,
        };
        if found(&device) {
            return Dependent::Yes;
        }
        if seen.contains(&device.id()) {
            continue;
        }
        if !on_the_way.insert(device.id()) {
            return Dependent::Endless;
        }
        left.push(Step::Leave(device.id()));
        let consumers = links.to_consumers(&device);
        let gating = consumers.iter().filter(|l| !l.flags().is_sync_state_only());
        let consumers = gating.map(|link| link.consumer().clone());
        // The first child is looked at first, so it is put on top.
        let mut below = device.inner().children.devices();
        below.extend(consumers);
        left.extend(below.into_iter().rev().map(Step::Enter));
    }
    Dependent::No
}

fn is_ancestor(of: &Device, candidate: &Device) -> bool {
    let mut above = of.parent();
    while let Some(device) = above {
        if device == *candidate {
            return true;
        }
        above = device.parent();
    }
    false
}
