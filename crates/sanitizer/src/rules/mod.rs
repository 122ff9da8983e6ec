//! The rules, a family to a file.

mod activity;
mod children;
mod devm_lifetime;
mod open_files;
pub(crate) mod references;
mod teardown_order;
mod waiters;

use lastfd_model::event::{MemoryStep, ResourceKind, ResourceStep};
use lastfd_model::raw::BusNotify;
use lastfd_model::{Event, EventKind};

use crate::frames::User;
use crate::rule::Rule;
use crate::shadow::World;
use crate::thing::{By, Sort, Thing, Use};
use crate::watch::Findings;

/// All rules, by number.
pub(crate) static ALL: [&Rule; 20] = [
    &devm_lifetime::G1,
    &devm_lifetime::G2,
    &teardown_order::G3,
    &teardown_order::G4,
    &teardown_order::G5,
    &open_files::G6,
    &references::G7,
    &references::G8,
    &open_files::G11,
    &waiters::G12,
    &open_files::G14,
    &devm_lifetime::G16,
    &devm_lifetime::G17,
    &devm_lifetime::G18,
    &devm_lifetime::G19,
    &children::G20,
    &activity::G22,
    &children::G28,
    &open_files::G31,
    &references::G34,
];

impl Rule {
    /// All rules, by number.
    pub fn all() -> &'static [&'static Rule] {
        &ALL
    }

    /// The rule with this number.
    pub fn numbered(number: u8) -> Option<&'static Rule> {
        ALL.iter().find(|rule| rule.number == number).copied()
    }
}

/// Judges an event, before the shadow follows it.
pub(crate) fn judge(world: &mut World, event: &Event, findings: &mut Findings) {
    use EventKind::*;
    if !matches!(event.kind, Splat { .. })
        && world.explained.is_some_and(|(task, _)| task == event.task)
    {
        world.explained = None;
    }
    match &event.kind {
        DevresAdded { device, holds, .. } => {
            devm_lifetime::added(world, device, holds.as_ref(), event, findings);
        }
        Embedded {
            device,
            memory,
            object,
        } => devm_lifetime::embedded(world, device.as_ref(), *memory, object, event, findings),
        Message { device, text } => {
            devm_lifetime::message(world, device.as_ref(), text, event, findings);
        }
        DeviceRemoved { device } => {
            devm_lifetime::removed(world, device, event, findings);
            children::removed(world, device, event, findings);
            teardown_order::closed(world, device.id, event, findings);
        }
        NodeRemoved { device, .. } => teardown_order::closed(world, device.id, event, findings),
        Notify {
            device,
            what: BusNotify::UnboundDriver,
        } => {
            open_files::driver_data_gone(world, device, event, findings);
            activity::unbound(world, device, event, findings);
            children::unbound(world, device, event, findings);
        }
        ProbeEnd { device, result, .. } => {
            children::probed(world, device, *result, event, findings);
        }
        Resource { id, step, .. } => match step {
            ResourceStep::Accessed => accessed(world, *id, event, findings),
            ResourceStep::Fired => activity::fired(world, *id, event, findings),
            ResourceStep::Freed => {
                activity::freed(world, *id, event, findings);
                freed(world, *id, event, findings);
                teardown_order::stopped(world, *id, event, findings);
            }
            ResourceStep::Cancelled => teardown_order::stopped(world, *id, event, findings),
            _ => {}
        },
        Memory { id, step, .. } => match step {
            MemoryStep::Allocated => {}
            MemoryStep::Accessed => accessed(world, *id, event, findings),
            MemoryStep::Freed => freed(world, *id, event, findings),
        },
        DriverDataRead { device, there } => {
            let shadow = world.devices.get(&device.id);
            let binding = shadow.and_then(|shadow| shadow.binding.as_ref());
            let probe = binding.map(|binding| binding.probe.clone());
            match probe {
                Some(probe) if *there => {
                    world.things.entry(device.id).or_insert_with(|| {
                        let name = "driver data".into();
                        Thing::new(Sort::DriverData, name, Some(device.id), &probe)
                    });
                    accessed(world, device.id, event, findings);
                }
                None if !*there => open_files::no_driver_data(world, device, event, findings),
                _ => {}
            }
        }
        OperationEnd { file, op, result } => {
            waiters::ended(world, file, op, *result, event, findings);
        }
        Splat { kind, device, text } => {
            references::splat(world, *kind, device.as_ref(), text, event, findings);
            let by_access = world.explained.filter(|(task, _)| *task == event.task);
            let by_access = by_access.map(|(_, index)| index);
            if let Some(index) = by_access.or(open_files::in_gap(world, event.task))
                && let Some(finding) = findings.at(index)
            {
                finding.explains.push(event.seq);
                finding.add(None, event);
            }
        }
        Leak { device, .. } => references::leaked(world, device.as_ref(), event, findings),
        Framework(framework) => {
            if let Some(gap) = framework.kernel_gap() {
                let name = framework.framework();
                open_files::kernel_gap(world, name, gap, framework.device(), event, findings);
            }
            if framework.interface() == Some(lastfd_model::InterfaceStep::Revoked)
                && let Some(device) = framework.device()
            {
                teardown_order::closed(world, device.id, event, findings);
            }
        }
        _ => {}
    }
}

/// Something was touched: remembers by whom, or says that it is too late.
fn accessed(world: &mut World, id: u64, event: &Event, findings: &mut Findings) {
    let Some(thing) = world.things.get(&id) else {
        return;
    };
    if thing.freed.is_some() {
        let index = match open_files::in_gap(world, event.task).or(thing.finding) {
            Some(index) => Some(index),
            None => open_files::late(world, id, event, findings),
        };
        if let Some(index) = index {
            if let Some(finding) = findings.at(index) {
                finding.add(Some(crate::Role::Used), event);
            }
            world.explained = Some((event.task, index));
        }
        return;
    }
    let (by, begin, tested) = match world.frames.user(event.task) {
        None => return,
        Some(User::File(frame)) => match world.entered_by(frame.file) {
            Some(device) => (By::FileOf(device), &frame.begin, &frame.tested),
            None => return,
        },
        Some(User::Handler(of, begin)) if of != id => (By::Handler(of), begin, &None),
        Some(User::Handler(..)) => return,
    };
    let sections = world.frames.sections(event.task);
    let is_known = |known: &Use| known.by == by && known.sections == sections;
    if thing.uses.iter().any(is_known) {
        return;
    }
    let used = Use {
        by,
        tested: tested.clone(),
        begin: begin.clone(),
        access: event.clone(),
        sections,
    };
    open_files::entered_hardware(world, id, &used, findings);
    if let Some(thing) = world.things.get_mut(&id) {
        thing.uses.push(used);
    }
}

/// Something goes: who could still come?
fn freed(world: &mut World, id: u64, event: &Event, findings: &mut Findings) {
    let Some(phase) = world.frames.phase(event.task) else {
        return;
    };
    if world
        .things
        .get(&id)
        .is_none_or(|t| t.freed.is_some() || t.finding.is_some())
    {
        return;
    }
    if !teardown_order::freed(world, id, phase, event) {
        open_files::freed(world, id, phase, event, findings);
    }
}

/// What the kernel calls the sort of access, for sentences.
fn way_in(world: &World, device: u64) -> String {
    let name = world.name(device);
    match world
        .interface(device)
        .map(|interface| &interface.registered.kind)
    {
        Some(EventKind::NodeCreated { node, .. }) => format!("/dev/{node}"),
        _ => name.to_string(),
    }
}

/// Whether its callback comes at any time, rather than when a driver calls.
fn comes_by_itself(thing: &Thing) -> bool {
    matches!(
        thing.sort,
        Sort::Resource(
            ResourceKind::Irq | ResourceKind::Timer | ResourceKind::Work | ResourceKind::Kthread
        )
    )
}
