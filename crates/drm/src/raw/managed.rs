//! What goes with the last reference: managed actions and memory.
//!
//! Follows `drivers/gpu/drm/drm_managed.c`. The kernel tells functions and data
//! apart by their addresses; here an action's identity is an [`ActionKey`],
//! whose second half 0 stands for `NULL`.

use core::fmt;
use core::panic::Location;
use core::sync::atomic::Ordering;

use lastfd_model::event::SplatKind;
use lastfd_model::raw::{ActionKey, Memory};
use lastfd_model::{EventKind, Holding, LedgerEntry, LedgerLine, Result};
use lastfd_sync::atomic::AtomicBool;
use lastfd_sync::{Arc, Mutex};

use super::device::DrmDevice;
use crate::event::DrmEventKind;

type Run = Box<dyn FnOnce(&DrmDevice) + Send>;

/// Runs when the last reference on the device is dropped.
pub struct DrmmAction {
    name: Arc<str>,
    key: Option<ActionKey>,
    run: Run,
}

impl DrmmAction {
    /// An action that nothing else equals.
    pub fn new(name: &str, run: impl FnOnce(&DrmDevice) + Send + 'static) -> DrmmAction {
        DrmmAction {
            name: name.into(),
            key: None,
            run: Box::new(run),
        }
    }

    /// An action that can be found by its function and data.
    pub fn keyed(
        name: &str,
        key: ActionKey,
        run: impl FnOnce(&DrmDevice) + Send + 'static,
    ) -> DrmmAction {
        DrmmAction {
            key: Some(key),
            ..DrmmAction::new(name, run)
        }
    }
}

impl fmt::Debug for DrmmAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrmmAction")
            .field("name", &self.name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// `dev->managed`.
#[derive(Default)]
pub(crate) struct Managed {
    /// Oldest first, so the walks go backwards.
    nodes: Mutex<Vec<Node>>,
    final_kfree: AtomicBool,
}

struct Node {
    id: u64,
    name: Arc<str>,
    kind: Kind,
    _entry: LedgerEntry,
}

enum Kind {
    /// None while it runs.
    Action(Option<ActionKey>, Option<Run>),
    Memory(DrmMem),
}

#[track_caller]
fn add(dev: &DrmDevice, name: Arc<str>, kind: Kind) {
    let system = dev.system();
    let entry = if system.ledger_is_on() {
        system.ledger_open(LedgerLine {
            holding: Holding::Devres,
            device: Some(dev.device_ref()),
            what: format!("drmm {name}").into(),
            place: Some(Location::caller()),
        })
    } else {
        LedgerEntry::default()
    };
    let node = Node {
        id: system.unique(),
        name,
        kind,
        _entry: entry,
    };
    dev.managed().nodes.lock().push(node);
}

/// Adds an action (`drmm_add_action`). It may be added as long as a reference
/// is held, after the device was unplugged too.
///
/// # Errors
/// `ENOMEM`; then the action is dropped without running.
#[track_caller]
pub fn drmm_add_action(dev: &DrmDevice, action: DrmmAction) -> Result {
    dev.system().allocation()?;
    let kind = Kind::Action(action.key, Some(action.run));
    add(dev, action.name, kind);
    Ok(())
}

/// As [`drmm_add_action`], but if it fails the action runs at once.
///
/// # Errors
/// `ENOMEM`.
#[track_caller]
pub fn drmm_add_action_or_reset(dev: &DrmDevice, action: DrmmAction) -> Result {
    if let Err(errno) = dev.system().allocation() {
        dev.guard("a managed action", || (action.run)(dev));
        return Err(errno);
    }
    let kind = Kind::Action(action.key, Some(action.run));
    add(dev, action.name, kind);
    Ok(())
}

/// Takes the **oldest** action with this function and data off and runs it
/// (`drmm_release_action`); devres takes the latest. With data 0 any action of
/// the function will do. A splat if there is none.
#[track_caller]
pub fn drmm_release_action(dev: &DrmDevice, key: ActionKey) {
    let node = {
        let mut nodes = dev.managed().nodes.lock();
        let fits = |node: &Node| match &node.kind {
            Kind::Action(Some(known), _) => known.0 == key.0 && (key.1 == 0 || known.1 == key.1),
            _ => false,
        };
        let at = nodes.iter().position(fits);
        at.map(|at| nodes.remove(at))
    };
    match node {
        Some(Node {
            name,
            kind: Kind::Action(_, Some(run)),
            ..
        }) => {
            dev.emit(|| DrmEventKind::ManagedRun { name });
            dev.guard("a managed action", || run(dev));
        }
        Some(_) => dev.splat(
            SplatKind::UseAfterFree,
            "drmm_release_action: the action is running; it would be freed twice",
        ),
        None => dev.splat(
            SplatKind::Warn,
            "drmm_release_action: there is no such action",
        ),
    }
}

/// Memory that goes with the device (`drmm_kmalloc`).
pub type DrmMem = Memory;

/// Zeroed memory that goes with the device (`drmm_kzalloc`). Unlike devres,
/// DRM keeps track of a size of 0 too.
///
/// # Errors
/// `ENOMEM`, also for more than [`KMALLOC_MAX_SIZE`](lastfd_model::raw::KMALLOC_MAX_SIZE).
#[track_caller]
pub fn drmm_kzalloc(dev: &DrmDevice, size: usize) -> Result<DrmMem> {
    dev.system().allocation()?;
    let owner = Some(dev.device_ref());
    let memory = Memory::zeroed(&dev.system(), "DRM managed memory", owner, size)?;
    add(dev, "kmalloc".into(), Kind::Memory(memory.clone()));
    Ok(memory)
}

/// As [`drmm_kzalloc`]; zeroed all the same: there is nothing to be had from
/// stale bytes (`drmm_kmalloc`).
///
/// # Errors
/// `ENOMEM`.
#[track_caller]
pub fn drmm_kmalloc(dev: &DrmDevice, size: usize) -> Result<DrmMem> {
    drmm_kzalloc(dev, size)
}

/// A copy of a string that goes with the device, with its terminating zero
/// (`drmm_kstrdup`).
///
/// # Errors
/// `ENOMEM`.
#[track_caller]
pub fn drmm_kstrdup(dev: &DrmDevice, text: &str) -> Result<DrmMem> {
    let memory = drmm_kzalloc(dev, text.len() + 1)?;
    memory.write(0, text.as_bytes());
    Ok(memory)
}

/// Frees managed memory early (`drmm_kfree`). A splat if it is not this
/// device's, as it is no longer once it was freed.
#[track_caller]
pub fn drmm_kfree(dev: &DrmDevice, memory: &DrmMem) {
    let node = {
        let mut nodes = dev.managed().nodes.lock();
        let is_it = |node: &Node| matches!(&node.kind, Kind::Memory(known) if known == memory);
        let at = nodes.iter().rposition(is_it);
        at.map(|at| nodes.remove(at))
    };
    match node {
        Some(_) => memory.free(),
        None => dev.splat(
            SplatKind::Warn,
            "drmm_kfree: the memory is not this device's",
        ),
    }
}

/// Gives what the device is embedded in to the device, to be freed after
/// everything managed (`drmm_add_final_kfree`). Once: again is a splat. A
/// device without is a splat when it is registered.
#[track_caller]
pub fn drmm_add_final_kfree(dev: &DrmDevice) {
    if dev.managed().final_kfree.swap(true, Ordering::SeqCst) {
        dev.splat(
            SplatKind::Warn,
            "drmm_add_final_kfree: there is one already",
        );
    }
}

pub(crate) fn has_final_kfree(dev: &DrmDevice) -> bool {
    dev.managed().final_kfree.load(Ordering::SeqCst)
}

/// Releases everything, latest first (`drm_managed_release`). What the actions
/// themselves add is never released: the walk has passed its place.
#[track_caller]
pub(crate) fn drm_managed_release(dev: &DrmDevice) {
    let nodes = &dev.managed().nodes;
    let mut next = nodes.lock().last().map(|node| node.id);
    while let Some(id) = next {
        let (name, run, older) = {
            let mut nodes = nodes.lock();
            let Some(at) = nodes.iter().position(|node| node.id == id) else {
                drop(nodes);
                dev.splat(
                    SplatKind::UseAfterFree,
                    "a managed action freed the one that is next in the walk over them",
                );
                break;
            };
            let older = at.checked_sub(1).map(|older| nodes[older].id);
            let run = match &mut nodes[at].kind {
                Kind::Action(_, run) => run.take(),
                Kind::Memory(_) => None,
            };
            (Arc::clone(&nodes[at].name), run, older)
        };
        dev.emit(|| DrmEventKind::ManagedRun { name });
        if let Some(run) = run {
            dev.guard("a managed action", || run(dev));
        }
        let node = {
            let mut nodes = nodes.lock();
            let at = nodes.iter().position(|node| node.id == id);
            at.map(|at| nodes.remove(at))
        };
        if let Some(Node {
            kind: Kind::Memory(memory),
            ..
        }) = &node
        {
            memory.free();
        }
        drop(node);
        next = older;
    }
    let left = core::mem::take(&mut *nodes.lock());
    for node in &left {
        dev.system().emit(|| EventKind::Leak {
            device: Some(dev.device_ref()),
            text: format!(
                "managed {} was added while the managed actions ran, and is never released",
                node.name
            )
            .into(),
        });
    }
    drop(left);
}
