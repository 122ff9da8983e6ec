//! Deferred probing: devices whose driver said "not yet" are tried again
//! whenever another device was bound.
//!
//! Follows the first part of `drivers/base/dd.c`. Deferred probing is enabled
//! from the start, as after `late_initcall`.

use core::panic::Location;
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;

use lastfd_sync::atomic::{AtomicBool, AtomicU64};
use lastfd_sync::thread::{self, TaskId};
use lastfd_sync::{Arc, Mutex, WaitQueue, wait_event};
use smallvec::SmallVec;

use super::bus;
use super::dependence::device_pm_move_to_tail;
use super::device::Device;
use crate::event::SplatKind;
use crate::ledger::Holder;
use crate::system::{Core, System};

/// What a System knows of devices that wait for a probe, and of probes under way.
#[derive(Default)]
pub(crate) struct DeferredProbe {
    lists: Mutex<Lists>,
    /// deferred_trigger_count.
    triggers: AtomicU64,
    /// defer_all_probes.
    all: AtomicBool,
    /// The task in deferred_probe_work_func; 0 is none.
    worker: AtomicU64,
    /// The System ends: nothing is tried again.
    ended: AtomicBool,
    probing: Mutex<SmallVec<[TaskId; 4]>>,
    probed: WaitQueue,
}

/// The pending and the active list. What is active was made so all at once, so
/// it is the beginning of one list.
#[derive(Default)]
struct Lists {
    next: u64,
    devices: BTreeMap<u64, Device>,
    /// Devices below this key are active.
    active: u64,
    /// Each device's key.
    keys: BTreeMap<u64, u64>,
    /// deferred_probe_work waits to run.
    queued: bool,
}

impl Lists {
    fn remove(&mut self, device: u64) -> Option<Device> {
        let key = self.keys.remove(&device)?;
        self.devices.remove(&key)
    }
}

/// A probe under way, which [`wait_for_device_probe`] waits for.
pub(crate) struct Probing<'a> {
    core: &'a Core,
    task: TaskId,
}

impl Drop for Probing<'_> {
    fn drop(&mut self) {
        let deferred = &self.core.deferred;
        {
            let mut probing = deferred.probing.lock();
            if let Some(at) = probing.iter().position(|task| *task == self.task) {
                probing.swap_remove(at);
            }
        }
        deferred.probed.wake_all();
    }
}

/// Counts a probe as under way until the guard goes (probe_count).
pub(crate) fn probing(core: &Core) -> Probing<'_> {
    let task = thread::current();
    core.deferred.probing.lock().push(task);
    Probing { core, task }
}

/// How often deferred probes were triggered so far.
pub(crate) fn trigger_count(core: &Core) -> u64 {
    core.deferred.triggers.load(Ordering::Acquire)
}

/// Whether all probes are deferred.
pub(crate) fn probing_is_blocked(core: &Core) -> bool {
    core.deferred.all.load(Ordering::Acquire)
}

/// driver_deferred_probe_add: unless no driver ever matched it.
pub(crate) fn driver_deferred_probe_add(device: &Device) {
    if !device.state().can_match {
        return;
    }
    let mut lists = device.core().deferred.lists.lock();
    if !lists.keys.contains_key(&device.id()) {
        let key = lists.next;
        lists.next += 1;
        lists.keys.insert(device.id(), key);
        lists.devices.insert(key, device.clone());
    }
}

/// driver_deferred_probe_del.
pub(crate) fn driver_deferred_probe_del(device: &Device) {
    let gone = device.core().deferred.lists.lock().remove(device.id());
    drop(gone);
}

/// driver_deferred_probe_trigger: all that are pending are tried again.
pub(crate) fn driver_deferred_probe_trigger(core: &Arc<Core>) {
    let deferred = &core.deferred;
    let queue = {
        let mut lists = deferred.lists.lock();
        deferred.triggers.fetch_add(1, Ordering::AcqRel);
        lists.active = lists.next;
        // With nobody to try again the work would find nothing to do.
        let queue =
            !lists.devices.is_empty() && !lists.queued && !deferred.ended.load(Ordering::Acquire);
        lists.queued |= queue;
        queue
    };
    if queue {
        let system = System::from_core(core);
        let core = Arc::clone(core);
        system.core.work.push(
            &system,
            Box::new(move || {
                deferred_probe_work(&core);
            }),
        );
    }
}

/// deferred_probe_work_func.
fn deferred_probe_work(core: &Core) {
    let deferred = &core.deferred;
    deferred.lists.lock().queued = false;
    deferred
        .worker
        .store(thread::current().0, Ordering::Release);
    loop {
        // Counted under the list's lock: whoever deletes a device takes it off
        // the list before it can go.
        let next = {
            let mut lists = deferred.lists.lock();
            let active = lists.active;
            let first = lists.devices.first_key_value();
            let first = first.filter(|(key, _)| **key < active);
            let first = first.map(|(_, device)| (device.clone(), device.count_up()));
            if let Some((device, _)) = &first {
                lists.remove(device.id());
            }
            first
        };
        let Some((device, count)) = next else {
            break;
        };
        device.tell_taken(count, Holder::Call, Location::caller());
        device_pm_move_to_tail(&device);
        bus::bus_probe_device(&device);
        device.put_for(Holder::Call);
    }
    deferred.worker.store(0, Ordering::Release);
}

/// What was waited for.
pub(crate) enum Waited {
    /// There was no probe: what the caller waits for will not come of one.
    Nothing,
    /// Probes under way.
    Probes,
    /// The caller is in the probe it would wait for.
    Itself,
}

/// Waits for the probes under way and for those that deferred probing will try.
pub(crate) fn wait_for_probes(core: &Arc<Core>) -> Waited {
    let me = thread::current();
    let deferred = &core.deferred;
    let others = {
        let probing = deferred.probing.lock();
        if probing.contains(&me) || deferred.worker.load(Ordering::Acquire) == me.0 {
            return Waited::Itself;
        }
        !probing.is_empty() || deferred.lists.lock().queued
    };
    core.work.flush(&core.clock, core.waits());
    let none = || deferred.probing.lock().is_empty().then_some(());
    // Cancelled waits of a System end; the probe goes on.
    let _ = wait_event(
        &[&deferred.probed],
        &core.clock,
        None,
        Some(core.waits()),
        none,
    );
    if others {
        Waited::Probes
    } else {
        Waited::Nothing
    }
}

/// Waits until no device is being probed and deferred probing has tried those it
/// was triggered for (`wait_for_device_probe`).
///
/// From inside a probe a kernel would hang; here it is a splat and no wait.
#[track_caller]
pub fn wait_for_device_probe(system: &System) {
    if let Waited::Itself = wait_for_probes(&system.core) {
        system.core.splat(
            SplatKind::Deadlock,
            None,
            "wait_for_device_probe waits for the probe it is called from",
        );
    }
}

/// Defers every probe from here on (`device_block_probing`), and waits for those
/// under way.
#[track_caller]
pub fn device_block_probing(system: &System) {
    system.core.deferred.all.store(true, Ordering::Release);
    wait_for_device_probe(system);
}

/// Allows probes again, and tries the deferred ones (`device_unblock_probing`).
pub fn device_unblock_probing(system: &System) {
    system.core.deferred.all.store(false, Ordering::Release);
    driver_deferred_probe_trigger(&system.core);
}

/// The devices that wait to be probed again, in the order they will be: what
/// `/sys/kernel/debug/devices_deferred` lists.
pub fn devices_deferred(system: &System) -> Vec<Device> {
    let lists = system.core.deferred.lists.lock();
    lists.devices.values().cloned().collect()
}

/// The System ends: nothing is tried again.
pub(crate) fn end(core: &Core) {
    core.deferred.ended.store(true, Ordering::Release);
    let gone = core::mem::take(&mut *core.deferred.lists.lock());
    drop(gone);
}
