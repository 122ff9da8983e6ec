//! What a System has by itself: its buses and classes, the top of sysfs, its
//! device nodes and debugfs.

use std::collections::{BTreeMap, BTreeSet};

use lastfd_sync::atomic::AtomicU64;
use lastfd_sync::{Arc, Mutex};
use rustc_hash::FxHashSet;

use super::bus::Bus;
use super::class::Class;
use super::debugfs::DebugfsFile;
use super::device::Device;
use super::devtmpfs::DevNode;
use super::platform::Platform;
use crate::system::System;

/// The tables of one System.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) buses: Mutex<BTreeMap<Arc<str>, Bus>>,
    pub(crate) classes: Mutex<BTreeMap<Arc<str>, Class>>,
    /// Names at the top of `/sys/devices`.
    pub(crate) top_names: Mutex<FxHashSet<Arc<str>>>,
    pub(crate) nodes: Mutex<BTreeMap<Arc<str>, DevNode>>,
    /// Major numbers given out, with who has them.
    pub(crate) majors: Mutex<BTreeMap<u32, Arc<str>>>,
    pub(crate) debugfs: Mutex<BTreeMap<Arc<str>, Arc<DebugfsFile>>>,
    pub(crate) platform: Mutex<Option<Arc<Platform>>>,
    /// How many uevents were sent (uevent_seqnum).
    pub(crate) uevent_seqnum: AtomicU64,
    /// Devices that are there for the System's own sake, and are no leak.
    infrastructure: Mutex<BTreeSet<u64>>,
}

impl Registry {
    pub(crate) fn own_devices(&self) -> BTreeSet<u64> {
        self.infrastructure.lock().clone()
    }

    /// Empties all tables, and so breaks their cycles with the System.
    pub(crate) fn clear(&self) {
        let buses = core::mem::take(&mut *self.buses.lock());
        for bus in buses.values() {
            bus.dissolve();
        }
        drop(buses);
        let classes = core::mem::take(&mut *self.classes.lock());
        for class in classes.values() {
            class.dissolve();
        }
        drop(classes);
        let nodes = core::mem::take(&mut *self.nodes.lock());
        drop(nodes);
        let debugfs = core::mem::take(&mut *self.debugfs.lock());
        drop(debugfs);
        let platform = self.platform.lock().take();
        drop(platform);
    }
}

/// Marks a device as part of the System itself, as a bus's root device is: it
/// is no leak if it is still there at the end.
pub fn mark_infrastructure(device: &Device) {
    let registry = &device.core().registry;
    registry.infrastructure.lock().insert(device.id());
}

impl System {
    /// The registered buses, by name.
    pub fn buses(&self) -> Vec<Bus> {
        self.core.registry.buses.lock().values().cloned().collect()
    }

    /// The registered bus of this name.
    pub fn find_bus(&self, name: &str) -> Option<Bus> {
        self.core.registry.buses.lock().get(name).cloned()
    }

    /// The registered classes, by name.
    pub fn classes(&self) -> Vec<Class> {
        let classes = self.core.registry.classes.lock();
        classes.values().cloned().collect()
    }

    /// The registered class of this name.
    pub fn find_class(&self, name: &str) -> Option<Class> {
        self.core.registry.classes.lock().get(name).cloned()
    }
}
