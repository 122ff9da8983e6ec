//! The shadow of a System: what its events say of each device, file and thing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use lastfd_model::event::{MemoryStep, ResourceKind, ResourceStep};
use lastfd_model::raw::BusNotify;
use lastfd_model::{
    DeviceRef, Event, EventKind, Holder, InterfaceStep, KernelGap, Rules, Section, Snapshot,
};
use lastfd_sync::Arc;
use lastfd_sync::thread::TaskId;

use crate::frames::{Frames, Phase};
use crate::thing::{Sort, Thing};

/// Devices and things that are gone are remembered until so many others are gone too.
const REMEMBERED: usize = 1024;

/// References of one device that are remembered after they were put.
const PUTS: usize = 16;

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Life {
    Initialized,
    Added,
    Deleted,
    Released,
}

/// A driver and a device, from probe to the end of unbind.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) probe: Event,
    /// Since when it is taken down.
    pub(crate) unbinding: Option<Event>,
}

/// A way into a driver: a node, or what a framework keeps.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) registered: Event,
    /// Nobody new can get in.
    pub(crate) gone: Option<Event>,
    /// The framework refuses those who are in, too.
    pub(crate) revoked: Option<Event>,
    /// Findings about an order that is wrong if it is taken away after all before its
    /// parent is unbound; else it outlives the parent, which is another mistake.
    pub(crate) pending: Vec<(u64, crate::Finding)>,
}

impl Interface {
    /// Whether somebody new can get in.
    pub(crate) fn is_open(&self) -> bool {
        self.gone.is_none() && self.revoked.is_none()
    }
}

/// A managed resource on its device's list.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) holds: Option<DeviceRef>,
    pub(crate) added: Event,
}

/// A device.
#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    pub(crate) device: DeviceRef,
    pub(crate) life: Life,
    pub(crate) parent: Option<u64>,
    pub(crate) subsystem: Option<Arc<str>>,
    pub(crate) added: Option<Event>,
    pub(crate) removed: Option<Event>,
    pub(crate) binding: Option<Binding>,
    /// The end of the last binding.
    pub(crate) unbound: Option<Event>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) interface: Option<Interface>,
    /// References that somebody took for himself and has not put.
    pub(crate) held: Vec<Event>,
    /// The latest that were put.
    pub(crate) put: VecDeque<Event>,
}

impl Shadow {
    fn new(device: &DeviceRef) -> Shadow {
        Shadow {
            device: device.clone(),
            life: Life::Initialized,
            parent: None,
            subsystem: None,
            added: None,
            removed: None,
            binding: None,
            unbound: None,
            nodes: Vec::new(),
            interface: None,
            held: Vec::new(),
            put: VecDeque::new(),
        }
    }
}

/// An open file.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    pub(crate) device: Option<u64>,
    /// Operations that slept, and when they first did.
    pub(crate) slept: Vec<(TaskId, Arc<str>, Event)>,
}

/// A task in a gap of the kernel's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InGap {
    pub(crate) task: TaskId,
    pub(crate) gap: KernelGap,
    /// The finding that says so.
    pub(crate) finding: usize,
}

impl OpenFile {
    /// Which of those who slept this operation is of. Who ends a served program's call
    /// may be another task than put it to sleep.
    pub(crate) fn sleeper(&self, task: TaskId, op: &str) -> Option<usize> {
        let is_own = |(of, slept, _): &(TaskId, Arc<str>, Event)| *of == task && **slept == *op;
        let own = self.slept.iter().rposition(is_own);
        own.or_else(|| self.slept.iter().position(|(_, slept, _)| **slept == *op))
    }
}

pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) frames: Frames,
    pub(crate) devices: BTreeMap<u64, Shadow>,
    pub(crate) things: BTreeMap<u64, Thing>,
    pub(crate) files: BTreeMap<u64, OpenFile>,
    /// Nodes by their path below /dev.
    nodes: BTreeMap<Arc<str>, u64>,
    /// When each task last took each mutex.
    taken: BTreeMap<(TaskId, Option<u64>, &'static str), u64>,
    /// A gap that a task is in: what it does there is the kernel's.
    pub(crate) gap: Option<InGap>,
    /// The finding that the next splat of this task belongs to.
    pub(crate) explained: Option<(TaskId, usize)>,
    gone: VecDeque<u64>,
}

impl World {
    pub(crate) fn new(rules: Rules) -> World {
        World {
            rules,
            frames: Frames::default(),
            devices: BTreeMap::new(),
            things: BTreeMap::new(),
            files: BTreeMap::new(),
            nodes: BTreeMap::new(),
            taken: BTreeMap::new(),
            gap: None,
            explained: None,
            gone: VecDeque::new(),
        }
    }

    pub(crate) fn start(&mut self, snapshot: &Snapshot) {
        for state in &snapshot.devices {
            let mut shadow = Shadow::new(&state.device);
            if state.registered {
                shadow.life = Life::Added;
            }
            self.devices.insert(state.device.id, shadow);
        }
    }

    /// What there is above a device, itself first.
    pub(crate) fn ancestors(&self, device: u64) -> impl Iterator<Item = u64> + '_ {
        let parent = |id: &u64| self.devices.get(id).and_then(|shadow| shadow.parent);
        // A device that was moved below itself is refused by the model.
        core::iter::successors(Some(device), parent).take(64)
    }

    /// Ways into the driver of a device: its own and those of what is below it.
    pub(crate) fn interfaces_of(&self, device: u64) -> Vec<u64> {
        let with_one = self.devices.iter().filter(|(_, s)| s.interface.is_some());
        let below = with_one.filter(|(id, _)| self.ancestors(**id).any(|above| above == device));
        below.map(|(id, _)| *id).collect()
    }

    pub(crate) fn interface(&self, device: u64) -> Option<&Interface> {
        self.devices.get(&device)?.interface.as_ref()
    }

    pub(crate) fn name(&self, device: u64) -> Arc<str> {
        match self.devices.get(&device) {
            Some(shadow) => Arc::clone(&shadow.device.name),
            None => Arc::from("a device"),
        }
    }

    pub(crate) fn device(&self, id: u64) -> Option<&DeviceRef> {
        self.devices.get(&id).map(|shadow| &shadow.device)
    }

    /// The way in by which a user of a thing comes, and the file.
    pub(crate) fn entered_by(&self, file: u64) -> Option<u64> {
        self.files.get(&file)?.device
    }

    pub(crate) fn has_open_files(&self, device: u64) -> bool {
        self.files.values().any(|file| file.device == Some(device))
    }

    /// Whether whoever takes things down was in this section before, so that those who
    /// come later see it.
    pub(crate) fn is_synchronized(&self, section: &Section, phase: Phase, task: TaskId) -> bool {
        let device = section.device.as_ref().map(|device| device.id);
        match section.name {
            // Releasing the value waits for those inside and lets nobody in.
            "Devres::try_access" => true,
            "drm_dev_enter" => device
                .and_then(|device| self.interface(device))
                .is_some_and(|interface| interface.revoked.is_some()),
            name => {
                let since = self
                    .devices
                    .get(&phase.device())
                    .and_then(|shadow| shadow.binding.as_ref()?.unbinding.as_ref())
                    .map_or(0, |event| event.seq);
                let taken = self.taken.get(&(task, device, name));
                taken.is_some_and(|seq| *seq >= since)
            }
        }
    }

    fn shadow(&mut self, device: &DeviceRef) -> &mut Shadow {
        let shadow = self
            .devices
            .entry(device.id)
            .or_insert_with(|| Shadow::new(device));
        if shadow.device.name != device.name {
            shadow.device = device.clone();
        }
        shadow
    }

    fn enter(&mut self, device: &DeviceRef, event: &Event) {
        let shadow = self.shadow(device);
        match &mut shadow.interface {
            Some(interface) if interface.is_open() => {}
            interface => {
                *interface = Some(Interface {
                    registered: event.clone(),
                    gone: None,
                    revoked: None,
                    pending: Vec::new(),
                });
            }
        }
    }

    /// Brings the shadow up to date.
    pub(crate) fn apply(&mut self, event: &Event) {
        use EventKind::*;
        self.frames.apply(event);
        match &event.kind {
            DeviceInitialized { device, subsystem } => {
                let shadow = self.shadow(device);
                shadow.subsystem.clone_from(subsystem);
                shadow.held.push(event.clone());
            }
            DeviceAdded {
                device,
                parent,
                subsystem,
            } => {
                if let Some(parent) = parent {
                    self.shadow(parent);
                }
                let shadow = self.shadow(device);
                shadow.life = Life::Added;
                shadow.parent = parent.as_ref().map(|parent| parent.id);
                shadow.subsystem.clone_from(subsystem);
                shadow.added = Some(event.clone());
            }
            DeviceMoved { device, parent } => {
                self.shadow(device).parent = parent.as_ref().map(|parent| parent.id);
            }
            DeviceRemoved { device } => {
                let shadow = self.shadow(device);
                shadow.life = shadow.life.max(Life::Deleted);
                shadow.removed = Some(event.clone());
                if let Some(interface) = &mut shadow.interface {
                    interface.gone.get_or_insert_with(|| event.clone());
                }
            }
            Released { device } => {
                let shadow = self.shadow(device);
                shadow.life = Life::Released;
                shadow.nodes.clear();
                self.forget_later(device.id);
            }
            ProbeBegin { device, .. } => {
                self.shadow(device).binding = Some(Binding {
                    probe: event.clone(),
                    unbinding: None,
                });
            }
            ProbeEnd {
                device,
                result: Err(_),
                ..
            } => {
                let shadow = self.shadow(device);
                if let Some(binding) = &mut shadow.binding {
                    binding.unbinding = Some(event.clone());
                }
            }
            RemoveBegin { device, .. } => {
                let shadow = self.shadow(device);
                // A driver without a probe was bound all the same.
                let binding = shadow.binding.get_or_insert_with(|| Binding {
                    probe: event.clone(),
                    unbinding: None,
                });
                binding.unbinding = Some(event.clone());
            }
            Notify {
                device,
                what: BusNotify::UnboundDriver,
            } => {
                let shadow = self.shadow(device);
                shadow.binding = None;
                shadow.unbound = Some(event.clone());
                self.things.remove(&device.id);
                self.taken.retain(|(task, ..), _| *task != event.task);
            }
            DevresAdded {
                device,
                node,
                holds,
                ..
            } => {
                let node = Node {
                    id: *node,
                    holds: holds.clone(),
                    added: event.clone(),
                };
                self.shadow(device).nodes.push(node);
            }
            DevresRun { device, node, .. } | DevresRemoved { device, node, .. } => {
                let nodes = &mut self.shadow(device).nodes;
                nodes.retain(|known| known.id != *node);
            }
            RefTaken {
                device,
                holder: Holder::Get,
                ..
            } => self.shadow(device).held.push(event.clone()),
            RefDropped { device, holder, .. }
                if matches!(holder, Holder::Get | Holder::Creator) =>
            {
                self.reference_dropped(device, holder, event);
            }
            Resource {
                device,
                kind,
                name,
                id,
                step,
            } => self.resource(device.as_ref(), *kind, name, *id, *step, event),
            Memory {
                device,
                what,
                id,
                step,
            } => self.memory(device.as_ref(), what, *id, *step, event),
            NodeCreated { device, node } => {
                self.nodes.insert(Arc::clone(node), device.id);
                self.enter(device, event);
            }
            NodeRemoved { device, node } => {
                self.nodes.remove(node);
                if let Some(interface) = &mut self.shadow(device).interface {
                    interface.gone.get_or_insert_with(|| event.clone());
                }
            }
            FileOpened { file, device } => {
                let below = file.path.strip_prefix("/dev/");
                let by_node = || below.and_then(|path| self.nodes.get(path).copied());
                let device = device.as_ref().map(|d| d.id).or_else(by_node);
                let file_shadow = OpenFile {
                    device,
                    slept: Vec::new(),
                };
                self.files.insert(file.id, file_shadow);
            }
            FileClosed { file, .. } => {
                self.files.remove(&file.id);
            }
            Blocked { file, op } => {
                if let Some(open) = self.files.get_mut(&file.id) {
                    let slept = (event.task, Arc::clone(op), event.clone());
                    open.slept.push(slept);
                }
            }
            OperationEnd { file, op, .. } => {
                self.gap = self.gap.filter(|gap| gap.task != event.task);
                if let Some(open) = self.files.get_mut(&file.id) {
                    let own = open.sleeper(event.task, op);
                    own.map(|own| open.slept.remove(own));
                    open.slept
                        .retain(|(task, of, _)| *task != event.task || of != op);
                }
            }
            // Only who takes things down is asked about.
            SectionBegin { section } if self.frames.phase(event.task).is_some() => {
                let device = section.device.as_ref().map(|device| device.id);
                self.taken
                    .insert((event.task, device, section.name), event.seq);
            }
            Framework(framework) => {
                if let Some(device) = framework.device() {
                    match framework.interface() {
                        Some(InterfaceStep::Registered) => self.enter(device, event),
                        Some(InterfaceStep::Revoked) => {
                            if let Some(interface) = &mut self.shadow(device).interface {
                                interface.revoked.get_or_insert_with(|| event.clone());
                            }
                        }
                        None => {}
                    }
                }
            }
            _ => {}
        }
    }

    fn reference_dropped(&mut self, device: &DeviceRef, holder: &Holder, event: &Event) {
        let shadow = self.shadow(device);
        let is_creators = |e: &Event| matches!(e.kind, EventKind::DeviceInitialized { .. });
        let wants_creators = *holder == Holder::Creator;
        // An explicit put without an explicit get gives up the creator's reference.
        let latest = |creators: bool| {
            let mut held = shadow.held.iter();
            held.rposition(|taken| is_creators(taken) == creators)
        };
        let at = latest(wants_creators).or_else(|| latest(!wants_creators));
        if let Some(at) = at {
            shadow.held.remove(at);
        }
        shadow.put.push_back(event.clone());
        if shadow.put.len() > PUTS {
            shadow.put.pop_front();
        }
    }

    fn resource(
        &mut self,
        device: Option<&DeviceRef>,
        kind: ResourceKind,
        name: &Arc<str>,
        id: u64,
        step: ResourceStep,
        event: &Event,
    ) {
        if step == ResourceStep::Created {
            let owner = device.map(|device| device.id);
            let mut thing = Thing::new(Sort::Resource(kind), Arc::clone(name), owner, event);
            thing.probed_for = self.frames.probing(event.task);
            self.things.insert(id, thing);
            return;
        }
        let phase = self.frames.phase(event.task);
        let inside = self.frames.is_firing(event.task, id);
        let Some(thing) = self.things.get_mut(&id) else {
            return;
        };
        match step {
            ResourceStep::Started => {
                thing.active = true;
                thing.requeues |= inside;
                thing.only_dequeued = None;
            }
            ResourceStep::Fired if matches!(kind, ResourceKind::Timer | ResourceKind::Work) => {
                thing.active = false;
            }
            ResourceStep::Dequeued => {
                thing.active = false;
                thing.only_dequeued = Some(event.clone());
            }
            ResourceStep::Cancelled => {
                thing.active = false;
                thing.only_dequeued = None;
            }
            ResourceStep::Freed => {
                thing.active = false;
                thing.freed.get_or_insert_with(|| event.clone());
                thing.freed_in = thing.freed_in.or(phase);
                self.forget_later(id);
            }
            _ => {}
        }
    }

    fn memory(
        &mut self,
        device: Option<&DeviceRef>,
        what: &'static str,
        id: u64,
        step: MemoryStep,
        event: &Event,
    ) {
        match step {
            MemoryStep::Allocated => {
                let owner = device.map(|device| device.id);
                let mut thing = Thing::new(Sort::Memory(what), Arc::from(what), owner, event);
                thing.probed_for = self.frames.probing(event.task);
                self.things.insert(id, thing);
            }
            MemoryStep::Accessed => {}
            MemoryStep::Freed => {
                let phase = self.frames.phase(event.task);
                if let Some(thing) = self.things.get_mut(&id) {
                    thing.freed.get_or_insert_with(|| event.clone());
                    thing.freed_in = phase;
                }
                self.forget_later(id);
            }
        }
    }

    /// It is gone, and kept for a while for what may still be told of it.
    fn forget_later(&mut self, id: u64) {
        self.gone.push_back(id);
        if self.gone.len() > REMEMBERED
            && let Some(oldest) = self.gone.pop_front()
        {
            self.devices.remove(&oldest);
            self.things.remove(&oldest);
            self.taken
                .retain(|(_, device, _), _| *device != Some(oldest));
        }
    }

    /// Devices below this one that are still in sysfs.
    pub(crate) fn children(&self, device: u64) -> Vec<&Shadow> {
        let is_child =
            |shadow: &&Shadow| shadow.parent == Some(device) && shadow.life == Life::Added;
        self.devices.values().filter(is_child).collect()
    }

    /// Numbers of what belongs to a device.
    pub(crate) fn things_of(&self, device: u64) -> BTreeSet<u64> {
        let of_it = |(_, thing): &(&u64, &Thing)| thing.owner == Some(device);
        self.things
            .iter()
            .filter(of_it)
            .map(|(id, _)| *id)
            .collect()
    }
}
