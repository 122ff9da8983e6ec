//! Uevents as datagrams, and who gets them.
//!
//! Follows `lib/kobject_uevent.c` (`alloc_uevent_skb`, `uevent_net_broadcast`).

use core::fmt;
use std::collections::BTreeMap;

use lastfd_model::raw::UeventAction;
use lastfd_sync::{Arc, Mutex, Weak};

/// A multicast group of `NETLINK_KOBJECT_UEVENT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Group 1: what the kernel says.
    Kernel,
    /// Group 2: what udev says once it is done with the device.
    Udev,
}

impl Group {
    /// Its bit in `nl_groups`.
    pub fn bit(self) -> u32 {
        match self {
            Group::Kernel => 1,
            Group::Udev => 2,
        }
    }
}

/// Where datagrams go. It is called on the task that caused them, with no lock held,
/// and must not wait: what does not fit is lost, as in netlink (`ENOBUFS`).
pub type Sink = Arc<dyn Fn(Group, &[u8]) + Send + Sync>;

/// Keeps a sink fed; dropping it ends that.
#[must_use = "dropping it ends the subscription"]
pub struct Uevents {
    audience: Weak<Audience>,
    id: u64,
}

impl fmt::Debug for Uevents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uevents").field("id", &self.id).finish()
    }
}

impl Drop for Uevents {
    fn drop(&mut self) {
        if let Some(audience) = self.audience.upgrade() {
            audience.0.lock().sinks.remove(&self.id);
        }
    }
}

/// Everybody who listens.
#[derive(Default)]
pub(crate) struct Audience(Mutex<Sinks>);

#[derive(Default)]
struct Sinks {
    next: u64,
    sinks: BTreeMap<u64, (Group, Sink)>,
}

impl Audience {
    pub(crate) fn add(self: &Arc<Self>, group: Group, sink: Sink) -> Uevents {
        let mut sinks = self.0.lock();
        sinks.next += 1;
        let id = sinks.next;
        sinks.sinks.insert(id, (group, sink));
        Uevents {
            audience: Arc::downgrade(self),
            id,
        }
    }

    pub(crate) fn send(&self, group: Group, datagram: &[u8]) {
        let sinks: Vec<Sink> = {
            let sinks = self.0.lock();
            let of_group = sinks.sinks.values().filter(|(of, _)| *of == group);
            of_group.map(|(_, sink)| Arc::clone(sink)).collect()
        };
        for sink in sinks {
            sink(group, datagram);
        }
    }
}

/// The kernel's datagram: `ACTION@DEVPATH`, then each `KEY=value`, each with a zero byte.
pub(crate) fn kernel_datagram(action: UeventAction, env: &[(String, String)]) -> Vec<u8> {
    let path = env.iter().find(|(key, _)| key == "DEVPATH");
    let path = path.map_or("", |(_, path)| path.as_str());
    let mut datagram = format!("{action}@{path}\0").into_bytes();
    for (key, value) in env {
        datagram.extend(key.as_bytes());
        datagram.push(b'=');
        datagram.extend(value.as_bytes());
        datagram.push(0);
    }
    datagram
}
