//! Managed resources: values and actions released with the device.
//!
//! Follows `drivers/base/devres.c`. Groups are in `devres_group.rs`, memory in
//! `devres_memory.rs`.
//!
//! The kernel tells functions and data apart by their addresses. Here identity
//! is explicit: a [`ReleaseId`] stands for the release function of a resource,
//! an [`ActionKey`] for the function and the data of an action.

use core::any::Any;
use core::fmt;

use super::device::Device;
use super::devres_group::GroupNode;
use super::devres_memory::DevMem;
use crate::errno::{Errno, Result};
use crate::event::{DeviceRef, EventKind, SplatKind};
use crate::ledger::{Holding, LedgerEntry, LedgerLine};
use crate::system::System;

/// Stands for a release function (`dr_release_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReleaseId(pub u64);

/// Stands for an action's function and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ActionKey(pub u64, pub u64);

/// Runs when the device's managed resources are released.
pub struct Action {
    key: Option<ActionKey>,
    name: &'static str,
    holds: Option<DeviceRef>,
    run: Box<dyn FnOnce() + Send>,
}

impl Action {
    /// An action that nothing else equals.
    pub fn new(run: impl FnOnce() + Send + 'static) -> Action {
        Action {
            key: None,
            name: "action",
            holds: None,
            run: Box::new(run),
        }
    }

    /// An action that can be found by its function and data.
    pub fn keyed(key: ActionKey, run: impl FnOnce() + Send + 'static) -> Action {
        Action {
            key: Some(key),
            name: "action",
            holds: None,
            run: Box::new(run),
        }
    }

    /// The action that puts the device: `devm_add_action(.., put_device, ..)`.
    /// The reference it puts is one that was taken before.
    pub fn put_device(device: &Device) -> Action {
        let held = device.clone();
        Action {
            holds: Some(device.device_ref()),
            ..Action::new(move || super::device::put_device(&held)).named("put_device")
        }
    }

    /// Names what it does, for events and the ledger: `"iio_device_free"`.
    #[must_use]
    pub fn named(mut self, name: &'static str) -> Action {
        self.name = name;
        self
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Action")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

type ReleaseFn = Box<dyn FnOnce(&Device, &mut dyn Any) + Send>;

/// A managed resource with data of its own (`devres_alloc`), not added yet or
/// taken off again. Dropping it frees it without releasing (`devres_free`).
pub struct Devres {
    release_id: ReleaseId,
    data: Box<dyn Any + Send>,
    release: ReleaseFn,
}

impl Devres {
    /// The data.
    pub fn data(&self) -> &dyn Any {
        &*self.data
    }

    /// The data, to change.
    pub fn data_mut(&mut self) -> &mut dyn Any {
        &mut *self.data
    }
}

impl fmt::Debug for Devres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devres")
            .field("release_id", &self.release_id)
            .finish_non_exhaustive()
    }
}

pub(crate) enum Kind {
    Resource(Devres),
    Action(Action),
    Memory(DevMem),
    Group(GroupNode),
}

impl Kind {
    fn holds(&self) -> Option<DeviceRef> {
        match self {
            Kind::Action(action) => action.holds.clone(),
            _ => None,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Kind::Resource(_) => "resource",
            Kind::Action(action) => action.name,
            Kind::Memory(_) => "memory",
            Kind::Group(_) => "group",
        }
    }
}

pub(crate) struct Node {
    /// Unique in the System; 0 while nobody could ask for it.
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    entry: LedgerEntry,
}

/// dev->devres_head: oldest first.
#[derive(Default)]
pub(crate) struct DevresList {
    pub(crate) nodes: Vec<Node>,
}

impl DevresList {
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// Appends a node (add_dr).
#[track_caller]
pub(crate) fn add_node(device: &Device, kind: Kind) {
    let core = device.core();
    let (res, holds) = (kind.name(), kind.holds());
    let id = core.unique();
    let is_group = matches!(kind, Kind::Group(_));
    let entry = if core.books.is_on() && !is_group {
        core.books.open(LedgerLine {
            holding: Holding::Devres,
            device: Some(device.device_ref()),
            what: format!("{res} #{id}").into(),
            place: Some(core::panic::Location::caller()),
        })
    } else {
        LedgerEntry::default()
    };
    if device.is_released() {
        core.splat(
            SplatKind::UseAfterFree,
            Some(device.device_ref()),
            "a managed resource is added to a released device",
        );
    }
    let node = Node { id, kind, entry };
    device.inner().devres.lock().nodes.push(node);
    if !is_group {
        core.emit(|| EventKind::DevresAdded {
            device: device.device_ref(),
            res,
            node: id,
            holds,
        });
    }
}

/// Takes the latest node that fits off the list, without releasing it.
fn take_latest(device: &Device, mut fits: impl FnMut(&Kind) -> bool) -> Option<Node> {
    let mut list = device.inner().devres.lock();
    let at = list.nodes.iter().rposition(|node| fits(&node.kind))?;
    Some(list.nodes.remove(at))
}

#[track_caller]
fn tell_removed(device: &Device, node: &Node) {
    device.core().emit(|| EventKind::DevresRemoved {
        device: device.device_ref(),
        res: node.kind.name(),
        node: node.id,
    });
}

/// Releases one node that is off the list.
#[track_caller]
fn release_node(device: &Device, node: Node) {
    let core = device.core();
    if !matches!(node.kind, Kind::Group(_)) {
        core.emit(|| EventKind::DevresRun {
            device: device.device_ref(),
            res: node.kind.name(),
            node: node.id,
        });
    }
    let name = || Some(device.device_ref());
    match node.kind {
        Kind::Action(action) => {
            core.guard(name, "a managed action", action.run);
        }
        Kind::Resource(mut devres) => {
            let release = devres.release;
            core.guard(name, "a managed resource's release", || {
                release(device, &mut *devres.data);
            });
        }
        Kind::Memory(memory) => memory.free(),
        Kind::Group(_) => {}
    }
    drop(node.entry);
}

/// release_nodes: newest first. Each node's memory goes before the next is
/// released.
#[track_caller]
pub(crate) fn release_nodes(device: &Device, todo: Vec<Node>) {
    for node in todo.into_iter().rev() {
        release_node(device, node);
    }
}

/// Releases everything on the list, newest first, and gives how many there
/// were (`devres_release_all`). What the releases themselves add stays.
#[track_caller]
pub fn devres_release_all(device: &Device) -> usize {
    let todo = {
        let mut list = device.inner().devres.lock();
        if list.nodes.is_empty() {
            return 0;
        }
        core::mem::take(&mut list.nodes)
    };
    let count = todo
        .iter()
        .filter(|node| !matches!(node.kind, Kind::Group(_)))
        .count();
    release_nodes(device, todo);
    count
}

/// Adds an action (`devm_add_action`). `ENOMEM` if told to fail; then the
/// action is dropped without running.
///
/// It may be called in any state: on a device without driver, before it is
/// added, after it is removed. Since 6.6 `device_del` releases what a device
/// without driver has.
#[track_caller]
pub fn devm_add_action(device: &Device, action: Action) -> Result {
    device.core().allocation()?;
    add_node(device, Kind::Action(action));
    Ok(())
}

/// As [`devm_add_action`], but if it fails the action runs at once.
#[track_caller]
pub fn devm_add_action_or_reset(device: &Device, action: Action) -> Result {
    if let Err(errno) = device.core().allocation() {
        let run = action.run;
        device
            .core()
            .guard(|| Some(device.device_ref()), "a managed action", run);
        return Err(errno);
    }
    add_node(device, Kind::Action(action));
    Ok(())
}

fn is_action(key: ActionKey) -> impl Fn(&Kind) -> bool {
    move |kind| matches!(kind, Kind::Action(action) if action.key == Some(key))
}

/// Takes the latest action with this key off, without running it
/// (`devm_remove_action`). A splat if there is none.
#[track_caller]
pub fn devm_remove_action(device: &Device, key: ActionKey) {
    match take_latest(device, is_action(key)) {
        Some(node) => tell_removed(device, &node),
        None => device.core().splat(
            SplatKind::Warn,
            Some(device.device_ref()),
            "devm_remove_action: there is no such action",
        ),
    }
}

/// Takes the latest action with this key off and runs it
/// (`devm_release_action`). A splat if there is none.
#[track_caller]
pub fn devm_release_action(device: &Device, key: ActionKey) {
    match take_latest(device, is_action(key)) {
        Some(node) => release_node(device, node),
        None => device.core().splat(
            SplatKind::Warn,
            Some(device.device_ref()),
            "devm_release_action: there is no such action",
        ),
    }
}

/// Whether an action with this key is on the list (`devm_is_action_added`).
pub fn devm_is_action_added(device: &Device, key: ActionKey) -> bool {
    let is_ours = is_action(key);
    let list = device.inner().devres.lock();
    list.nodes.iter().any(|node| is_ours(&node.kind))
}

/// Makes a managed resource that is not on any device yet (`devres_alloc`).
pub fn devres_alloc(
    system: &System,
    release_id: ReleaseId,
    data: Box<dyn Any + Send>,
    release: impl FnOnce(&Device, &mut dyn Any) + Send + 'static,
) -> Result<Devres> {
    system.allocation()?;
    Ok(Devres {
        release_id,
        data,
        release: Box::new(release),
    })
}

/// Frees a managed resource that is on no device, without releasing it
/// (`devres_free`).
pub fn devres_free(devres: Devres) {
    drop(devres);
}

/// Adds a managed resource (`devres_add`).
#[track_caller]
pub fn devres_add(device: &Device, devres: Devres) {
    add_node(device, Kind::Resource(devres));
}

fn is_resource<'a>(
    release_id: ReleaseId,
    matches: &'a dyn Fn(&dyn Any) -> bool,
) -> impl Fn(&Kind) -> bool + 'a {
    move |kind| {
        matches!(kind, Kind::Resource(devres)
            if devres.release_id == release_id && matches(devres.data()))
    }
}

/// Calls with the data of the latest resource that fits (`devres_find`), and
/// gives what the call gave.
pub fn devres_find<R>(
    device: &Device,
    release_id: ReleaseId,
    matches: &dyn Fn(&dyn Any) -> bool,
    found: impl FnOnce(&dyn Any) -> R,
) -> Option<R> {
    let fits = is_resource(release_id, matches);
    let list = device.inner().devres.lock();
    let node = list.nodes.iter().rev().find(|node| fits(&node.kind))?;
    match &node.kind {
        Kind::Resource(devres) => Some(found(devres.data())),
        _ => None,
    }
}

/// Adds the new resource unless one that fits is there; then the new one is
/// freed (`devres_get`). Gives whether the new one was added.
#[track_caller]
pub fn devres_get(device: &Device, new: Devres, matches: &dyn Fn(&dyn Any) -> bool) -> bool {
    if devres_find(device, new.release_id, matches, |_| ()).is_some() {
        devres_free(new);
        return false;
    }
    devres_add(device, new);
    true
}

/// Takes the latest resource that fits off, without releasing it
/// (`devres_remove`).
#[track_caller]
pub fn devres_remove(
    device: &Device,
    release_id: ReleaseId,
    matches: &dyn Fn(&dyn Any) -> bool,
) -> Option<Devres> {
    let node = take_latest(device, is_resource(release_id, matches))?;
    tell_removed(device, &node);
    match node.kind {
        Kind::Resource(devres) => Some(devres),
        _ => None,
    }
}

/// Takes the latest resource that fits off and frees it, without releasing it
/// (`devres_destroy`). `ENOENT` if there is none.
#[track_caller]
pub fn devres_destroy(
    device: &Device,
    release_id: ReleaseId,
    matches: &dyn Fn(&dyn Any) -> bool,
) -> Result {
    let devres = devres_remove(device, release_id, matches).ok_or(Errno::ENOENT)?;
    devres_free(devres);
    Ok(())
}

/// Takes the latest resource that fits off and releases it
/// (`devres_release`). `ENOENT` if there is none.
#[track_caller]
pub fn devres_release(
    device: &Device,
    release_id: ReleaseId,
    matches: &dyn Fn(&dyn Any) -> bool,
) -> Result {
    let node = take_latest(device, is_resource(release_id, matches)).ok_or(Errno::ENOENT)?;
    release_node(device, node);
    Ok(())
}
