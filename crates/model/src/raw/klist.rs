//! Lists of devices that may be walked while they change.
//!
//! Follows `lib/klist.c`. Whoever walks holds the node it is at, not the
//! device: a device taken off the list meanwhile loses the list's reference
//! only when the last walker has moved on, and no walker stops at it any more.

use core::ops::Bound;
use std::collections::BTreeMap;

use lastfd_sync::Mutex;

use super::device::Device;
use crate::ledger::Holder;

/// A list that holds a reference on each of its devices.
pub(crate) struct Klist {
    holder: Holder,
    nodes: Mutex<BTreeMap<u64, Node>>,
}

struct Node {
    device: Device,
    walkers: u32,
    dead: bool,
}

#[derive(Clone, Copy)]
enum Way {
    Forward,
    Reverse,
}

impl Klist {
    /// An empty list whose references are held for this holder.
    pub(crate) fn new(holder: Holder) -> Klist {
        Klist {
            holder,
            nodes: Mutex::new(BTreeMap::new()),
        }
    }

    /// klist_add_tail. Gives the key to take the device off again.
    #[track_caller]
    pub(crate) fn add_tail(&self, device: &Device) -> u64 {
        device.get_for(self.holder.clone());
        let key = device.core().unique();
        let node = Node {
            device: device.clone(),
            walkers: 0,
            dead: false,
        };
        self.nodes.lock().insert(key, node);
        key
    }

    /// klist_del.
    #[track_caller]
    pub(crate) fn del(&self, key: u64) {
        let gone = {
            let mut nodes = self.nodes.lock();
            match nodes.get_mut(&key) {
                Some(node) if node.walkers > 0 => {
                    node.dead = true;
                    None
                }
                _ => nodes.remove(&key),
            }
        };
        if let Some(node) = gone {
            node.device.put_for(self.holder.clone());
        }
    }

    /// Takes a device off without dropping the reference, which was lost.
    pub(crate) fn forget(&self, key: u64) {
        let gone = self.nodes.lock().remove(&key);
        drop(gone);
    }

    /// The devices on it, in order.
    pub(crate) fn devices(&self) -> Vec<Device> {
        let nodes = self.nodes.lock();
        let live = nodes.values().filter(|node| !node.dead);
        live.map(|node| node.device.clone()).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.lock().values().all(|node| node.dead)
    }

    /// Calls for each device in the order they were added; the first `Some`
    /// ends it.
    pub(crate) fn each<R>(&self, f: impl FnMut(&Device) -> Option<R>) -> Option<R> {
        self.walk(Way::Forward, f)
    }

    /// As [`each`](Klist::each), last added first.
    pub(crate) fn each_reverse<R>(&self, f: impl FnMut(&Device) -> Option<R>) -> Option<R> {
        self.walk(Way::Reverse, f)
    }

    fn walk<R>(&self, way: Way, mut f: impl FnMut(&Device) -> Option<R>) -> Option<R> {
        let mut at = None;
        loop {
            let (key, device) = self.step(way, at)?;
            let found = f(&device);
            self.leave(key);
            if found.is_some() {
                return found;
            }
            at = Some(key);
        }
    }

    /// klist_next, klist_prev.
    fn step(&self, way: Way, at: Option<u64>) -> Option<(u64, Device)> {
        let mut nodes = self.nodes.lock();
        let edge = at.map_or(Bound::Unbounded, Bound::Excluded);
        let live = |(_, node): &(&u64, &mut Node)| !node.dead;
        let (key, node) = match way {
            Way::Forward => nodes.range_mut((edge, Bound::Unbounded)).find(live),
            Way::Reverse => nodes.range_mut((Bound::Unbounded, edge)).rev().find(live),
        }?;
        node.walkers += 1;
        Some((*key, node.device.clone()))
    }

    /// klist_put of the node a walker was at.
    fn leave(&self, key: u64) {
        let gone = {
            let mut nodes = self.nodes.lock();
            let last = nodes.get_mut(&key).is_some_and(|node| {
                node.walkers -= 1;
                node.dead && node.walkers == 0
            });
            if last { nodes.remove(&key) } else { None }
        };
        if let Some(node) = gone {
            node.device.put_for(self.holder.clone());
        }
    }

    pub(crate) fn dissolve(&self) {
        let nodes = core::mem::take(&mut *self.nodes.lock());
        drop(nodes);
    }
}
