//! Links between a device and the one it depends on.
//!
//! Follows the device links of `drivers/base/core.c`: what a link is, adding it,
//! deleting it. What binding and unbinding do to links is in `link_states.rs`.
//! Runtime power management is not here, so the flags that ask for it are taken
//! and change nothing but what `runtime_pm` shows.

use core::fmt;
use core::sync::atomic::Ordering;
use std::collections::BTreeMap;

use lastfd_sync::{Arc, Mutex};

use super::class::Class;
use super::core::{device_register, device_unregister};
use super::dependence::{Dependent, device_is_dependent, tell_endless};
use super::device::{Device, DeviceSpec, device_initialize, put_device};
use super::device_fields::{dev_set_platdata, device_is_registered};
use super::link_flags::{LinkFlags, LinkState};
use super::link_states::{DriverPresence, initial_state};
use super::mutex::{KernelGuard, KernelMutex};
use crate::event::SplatKind;
use crate::ledger::Holder;
use crate::system::{Core, System};

/// Whom the ledger names as the holder of a link's ends.
pub(super) const HOLDER: &str = "a device link";

/// A handle on a `struct device_link`. Handles compare by identity.
#[derive(Clone)]
pub struct DeviceLink(Arc<LinkInner>);

struct LinkInner {
    consumer: Device,
    supplier: Device,
    /// link_dev.
    device: Mutex<Option<Device>>,
    fields: Mutex<Fields>,
}

struct Fields {
    flags: LinkFlags,
    state: LinkState,
    kref: u32,
    /// It is on no list any more.
    deleted: bool,
}

impl PartialEq for DeviceLink {
    fn eq(&self, other: &DeviceLink) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for DeviceLink {}

impl fmt::Debug for DeviceLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceLink")
            .field("consumer", &self.0.consumer)
            .field("supplier", &self.0.supplier)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl DeviceLink {
    /// The device that depends on the other.
    pub fn consumer(&self) -> &Device {
        &self.0.consumer
    }

    /// The device that is depended on.
    pub fn supplier(&self) -> &Device {
        &self.0.supplier
    }

    /// The link's own device, of class `devlink`. None once that is released.
    pub fn device(&self) -> Option<Device> {
        self.0.device.lock().clone()
    }

    /// How it behaves.
    pub fn flags(&self) -> LinkFlags {
        self.0.fields.lock().flags
    }

    /// How far it is.
    pub fn state(&self) -> LinkState {
        self.0.fields.lock().state
    }

    /// How often it was added (`kref_read`).
    pub fn kref(&self) -> u32 {
        self.0.fields.lock().kref
    }

    /// Whether it is gone: deleted, or removed by itself.
    pub fn is_deleted(&self) -> bool {
        self.0.fields.lock().deleted
    }

    pub(crate) fn is_managed(&self) -> bool {
        self.flags().has(LinkFlags::MANAGED)
    }

    /// Its device is being released.
    pub(super) fn forget_device(&self) {
        let gone = self.0.device.lock().take();
        drop(gone);
    }

    pub(crate) fn set_state(&self, state: LinkState) {
        self.0.fields.lock().state = state;
    }
}

/// All links of one System.
#[derive(Default)]
pub(crate) struct DeviceLinks {
    /// device_links_lock. The kernel holds it while a link's device is registered
    /// and unregistered, too.
    lock: KernelMutex,
    ends: Mutex<BTreeMap<u64, Ends>>,
    class: Mutex<Option<Class>>,
}

/// dev->links, of a device that has any.
#[derive(Default)]
struct Ends {
    consumers: Vec<DeviceLink>,
    suppliers: Vec<DeviceLink>,
}

/// Takes device_links_lock.
#[track_caller]
pub(crate) fn lock_links(core: &Arc<Core>) -> KernelGuard<'_> {
    let system = System::from_core(core);
    core.links.lock.lock(&system, || None, "device_links_lock")
}

impl DeviceLinks {
    pub(super) fn set_class(&self, class: Class) {
        *self.class.lock() = Some(class);
    }

    /// The links to those that depend on the device, first added first.
    pub(crate) fn to_consumers(&self, device: &Device) -> Vec<DeviceLink> {
        let ends = self.ends.lock();
        ends.get(&device.id())
            .map_or_else(Vec::new, |ends| ends.consumers.clone())
    }

    /// The links to those the device depends on, first added first.
    pub(crate) fn to_suppliers(&self, device: &Device) -> Vec<DeviceLink> {
        let ends = self.ends.lock();
        ends.get(&device.id())
            .map_or_else(Vec::new, |ends| ends.suppliers.clone())
    }

    fn insert(&self, link: &DeviceLink) {
        let mut ends = self.ends.lock();
        let supplier = ends.entry(link.0.supplier.id()).or_default();
        supplier.consumers.push(link.clone());
        let consumer = ends.entry(link.0.consumer.id()).or_default();
        consumer.suppliers.push(link.clone());
    }

    /// device_link_remove_from_lists.
    fn remove(&self, link: &DeviceLink) {
        let mut table = self.ends.lock();
        for device in [&link.0.supplier, &link.0.consumer] {
            if let Some(ends) = table.get_mut(&device.id()) {
                ends.consumers.retain(|other| other != link);
                ends.suppliers.retain(|other| other != link);
                if ends.consumers.is_empty() && ends.suppliers.is_empty() {
                    table.remove(&device.id());
                }
            }
        }
    }

    pub(crate) fn dissolve(&self) {
        let ends = core::mem::take(&mut *self.ends.lock());
        drop(ends);
        let class = self.class.lock().take();
        drop(class);
    }
}

/// Links the consumer to the supplier it depends on (`device_link_add`). A link
/// that is not stateless is managed: the consumer is not probed before the supplier
/// is bound, and is unbound before it. A second link between the two is the first,
/// which then stays for as long as the longer-lived of the two would.
///
/// None for flags that do not go together, a device linked to itself, a supplier
/// that is not registered or depends on the consumer, and without memory. It is a
/// splat where a kernel looks round a circle for ever: a supplier was moved below its
/// consumer.
///
/// ```
/// use lastfd_model::{System, raw::*};
///
/// let system = System::new();
/// let [supply, lamp] = ["supply", "lamp"].map(|name| {
///     driver_register(&platform_driver(&system, name)).unwrap();
///     platform_device_register(&system, name, PlatformId::None).unwrap()
/// });
/// let link = device_link_add(&lamp, &supply, LinkFlags::AUTOREMOVE_SUPPLIER).unwrap();
/// assert_eq!(link.state(), LinkState::Active);
///
/// platform_device_unregister(&supply);
/// assert!(lamp.driver().is_none(), "the lamp went dark first");
/// assert!(link.is_deleted());
/// platform_device_unregister(&lamp);
/// ```
#[track_caller]
pub fn device_link_add(
    consumer: &Device,
    supplier: &Device,
    flags: LinkFlags,
) -> Option<DeviceLink> {
    if consumer == supplier || flags.are_refused() {
        return None;
    }
    let flags = if flags.has(LinkFlags::STATELESS) {
        flags
    } else {
        flags.with(LinkFlags::MANAGED)
    };
    let core = supplier.core();
    let lock = lock_links(core);
    let only_sync_state = flags.has(LinkFlags::SYNC_STATE_ONLY);
    // device_pm_initialized.
    if !device_is_registered(supplier) {
        return None;
    }
    if !only_sync_state {
        match device_is_dependent(consumer, supplier) {
            Dependent::No => {}
            Dependent::Yes => return None,
            Dependent::Endless => {
                drop(lock);
                tell_endless(consumer);
                return None;
            }
        }
    }
    let presence = consumer.driver_presence();
    if only_sync_state && !matches!(presence, DriverPresence::NoDriver | DriverPresence::Probing) {
        return None;
    }
    let flags = if flags.has(LinkFlags::AUTOREMOVE_SUPPLIER) {
        flags.without(LinkFlags::AUTOREMOVE_CONSUMER)
    } else {
        flags
    };
    let links = core.links.to_consumers(supplier);
    if let Some(link) = links.into_iter().find(|link| link.0.consumer == *consumer) {
        add_again(&link, flags);
        return Some(link);
    }
    add_new(consumer, supplier, flags)
}

/// The part of device_link_add for a link that is there already.
fn add_again(link: &DeviceLink, flags: LinkFlags) {
    let state = initial_state(&link.0.consumer, &link.0.supplier);
    let mut fields = link.0.fields.lock();
    let mut now = fields.flags;
    if !flags.has(LinkFlags::INFERRED) {
        now = now.without(LinkFlags::INFERRED);
    }
    if flags.has(LinkFlags::PM_RUNTIME) {
        now = now.with(LinkFlags::PM_RUNTIME);
    }
    if flags.has(LinkFlags::STATELESS) {
        fields.kref += 1;
        fields.flags = now.with(LinkFlags::STATELESS);
        return;
    }
    let autoremove = LinkFlags::AUTOREMOVE_CONSUMER | LinkFlags::AUTOREMOVE_SUPPLIER;
    if flags.has(LinkFlags::AUTOREMOVE_SUPPLIER) {
        if now.has(LinkFlags::AUTOREMOVE_CONSUMER) {
            now = now
                .without(LinkFlags::AUTOREMOVE_CONSUMER)
                .with(LinkFlags::AUTOREMOVE_SUPPLIER);
        }
    } else if !flags.has(LinkFlags::AUTOREMOVE_CONSUMER) {
        now = now.without(autoremove);
    }
    if !now.has(LinkFlags::MANAGED) {
        fields.kref += 1;
        fields.state = state;
        now = now.with(LinkFlags::MANAGED);
    }
    if !flags.has(LinkFlags::SYNC_STATE_ONLY) {
        now = now.without(LinkFlags::SYNC_STATE_ONLY);
    }
    fields.flags = now;
}

/// The part of device_link_add that makes a link.
#[track_caller]
fn add_new(consumer: &Device, supplier: &Device, flags: LinkFlags) -> Option<DeviceLink> {
    let core = supplier.core();
    core.allocation().ok()?;
    supplier.get_for(Holder::Other(HOLDER));
    consumer.get_for(Holder::Other(HOLDER));
    let link = DeviceLink(Arc::new(LinkInner {
        consumer: consumer.clone(),
        supplier: supplier.clone(),
        device: Mutex::new(None),
        fields: Mutex::new(Fields {
            flags,
            state: LinkState::None,
            kref: 1,
            deleted: false,
        }),
    }));
    let name = format!(
        "{}:{}--{}:{}",
        dev_bus_name(supplier),
        supplier.name(),
        dev_bus_name(consumer),
        consumer.name()
    );
    let spec = DeviceSpec {
        name: Some(name),
        class: core.links.class.lock().clone(),
        ..DeviceSpec::default()
    };
    let device = device_initialize(&supplier.system(), spec);
    dev_set_platdata(&device, Some(Arc::new(link.clone())));
    *link.0.device.lock() = Some(device.clone());
    if let Err(_errno) = core.allocation().and_then(|()| device_register(&device)) {
        link.0.fields.lock().deleted = true;
        put_device(&device);
        return None;
    }
    if !flags.has(LinkFlags::STATELESS) {
        link.set_state(initial_state(consumer, supplier));
    }
    core.links.insert(&link);
    Some(link)
}

/// dev_bus_name: the bus's name, else the class's.
fn dev_bus_name(device: &Device) -> Arc<str> {
    let bus = device.bus().map(|bus| bus.name());
    bus.or_else(|| device.class().map(|class| class.name()))
        .unwrap_or_else(|| Arc::from(""))
}

/// __device_link_del. device_links_lock is held.
#[track_caller]
fn delete(link: &DeviceLink) {
    let core = link.0.supplier.core();
    core.links.remove(link);
    link.0.fields.lock().deleted = true;
    let device = link.device();
    if let Some(device) = device {
        device_unregister(&device);
    }
}

/// kref_put of a link. device_links_lock is held.
#[track_caller]
fn put_kref(link: &DeviceLink) {
    let last = {
        let mut fields = link.0.fields.lock();
        fields.kref = fields.kref.saturating_sub(1);
        fields.kref == 0
    };
    if last {
        delete(link);
    }
}

/// device_link_drop_managed. device_links_lock is held.
#[track_caller]
pub(crate) fn drop_managed(link: &DeviceLink) {
    {
        let mut fields = link.0.fields.lock();
        fields.flags = fields.flags.without(LinkFlags::MANAGED);
        fields.state = LinkState::None;
    }
    put_kref(link);
}

/// device_link_put_kref. device_links_lock is held.
#[track_caller]
fn put_stateless(link: &DeviceLink) {
    let core = link.0.supplier.core();
    let named = Some(link.0.consumer.device_ref());
    if link.is_deleted() {
        core.splat(
            SplatKind::UseAfterFree,
            named,
            "device_link_del of a link that is gone",
        );
    } else if link.flags().has(LinkFlags::STATELESS) {
        put_kref(link);
    } else if !device_is_registered(&link.0.consumer) {
        delete(link);
    } else {
        core.splat(
            SplatKind::Warn,
            named,
            "Unable to drop a managed device link reference",
        );
    }
}

/// Deletes a stateless link (`device_link_del`), as often as it was added. A
/// managed one goes by itself: deleting it is a splat, as is deleting one that is
/// gone.
#[track_caller]
pub fn device_link_del(link: &DeviceLink) {
    let _lock = lock_links(link.0.supplier.core());
    put_stateless(link);
}

/// As [`device_link_del`], of the link between the two, if there is one
/// (`device_link_remove`).
#[track_caller]
pub fn device_link_remove(consumer: &Device, supplier: &Device) {
    let core = supplier.core();
    if consumer == supplier {
        let text = "device_link_remove of a device from itself";
        core.splat(SplatKind::Warn, Some(consumer.device_ref()), text);
        return;
    }
    let _lock = lock_links(core);
    let links = core.links.to_consumers(supplier);
    if let Some(link) = links.iter().find(|link| link.0.consumer == *consumer) {
        put_stateless(link);
    }
}

/// device_links_purge: a device that goes takes its links along.
#[track_caller]
pub(crate) fn device_links_purge(device: &Device) {
    let core = device.core();
    let devlink = core.links.class.lock().clone();
    if devlink.is_some() && device.class() == devlink {
        return;
    }
    let _lock = lock_links(core);
    let warn = |link: &DeviceLink| {
        let text = format!(
            "device_del of a device with a link that is {}",
            link.state().shown()
        );
        core.splat(SplatKind::Warn, Some(device.device_ref()), text);
    };
    for link in core.links.to_suppliers(device).iter().rev() {
        if link.state() == LinkState::Active {
            warn(link);
        }
        delete(link);
    }
    for link in core.links.to_consumers(device).iter().rev() {
        if !matches!(link.state(), LinkState::Dormant | LinkState::None) {
            warn(link);
        }
        delete(link);
    }
}

/// The links to the devices this one depends on, first added first.
pub fn links_to_suppliers(device: &Device) -> Vec<DeviceLink> {
    device.core().links.to_suppliers(device)
}

/// The links to the devices that depend on this one, first added first.
pub fn links_to_consumers(device: &Device) -> Vec<DeviceLink> {
    device.core().links.to_consumers(device)
}

/// Waits until the ends of links that went are let go of
/// (`device_link_wait_removal`).
pub fn device_link_wait_removal(system: &System) {
    system.core.work.flush(&system.core.clock, system.waits());
}

impl Device {
    /// links.status.
    pub(crate) fn driver_presence(&self) -> DriverPresence {
        DriverPresence::from_raw(self.inner().driver_presence.load(Ordering::Acquire))
    }

    pub(crate) fn set_driver_presence(&self, presence: DriverPresence) {
        let raw = &self.inner().driver_presence;
        raw.store(presence as u8, Ordering::Release);
    }
}
