//! What binding and unbinding do to the links of a device.
//!
//! Follows the `device_links_*` functions of `drivers/base/core.c`. Links that are
//! not managed are left alone throughout.

use super::dd::release_driver;
use super::deferred::{self, Waited, driver_deferred_probe_add};
use super::device::Device;
use super::device_link::{DeviceLink, drop_managed, lock_links};
use super::link_flags::{LinkFlags, LinkState};
use crate::errno::{Errno, Result};
use crate::event::SplatKind;
use crate::ledger::Holder;

/// Whether a device has a driver, as its links see it (`enum dl_dev_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DriverPresence {
    NoDriver = 0,
    Probing,
    Bound,
    Unbinding,
}

impl DriverPresence {
    pub(crate) fn from_raw(raw: u8) -> DriverPresence {
        match raw {
            1 => DriverPresence::Probing,
            2 => DriverPresence::Bound,
            3 => DriverPresence::Unbinding,
            _ => DriverPresence::NoDriver,
        }
    }
}

/// device_link_init_status.
pub(crate) fn initial_state(consumer: &Device, supplier: &Device) -> LinkState {
    use DriverPresence as P;
    match (supplier.driver_presence(), consumer.driver_presence()) {
        // A consumer may link to a supplier that is still probing once it knows
        // that the supplier works.
        (P::Probing | P::Bound, P::Probing) => LinkState::ConsumerProbe,
        (P::Bound, P::Bound) => LinkState::Active,
        (P::Bound, _) => LinkState::Available,
        (P::Unbinding, _) => LinkState::SupplierUnbind,
        _ => LinkState::Dormant,
    }
}

#[track_caller]
fn warn_on(wrong: bool, link: &DeviceLink, when: &str) {
    if wrong {
        let supplier = link.supplier();
        let text = format!("{when} with a link that is {}", link.state().shown());
        let core = supplier.core();
        core.splat(SplatKind::Warn, Some(supplier.device_ref()), text);
    }
}

fn managed(links: Vec<DeviceLink>) -> impl DoubleEndedIterator<Item = DeviceLink> {
    links.into_iter().filter(DeviceLink::is_managed)
}

/// device_links_check_suppliers: `EPROBE_DEFER` while a supplier is not bound.
/// Marks the links as being used by a probe, so that no supplier goes meanwhile.
#[track_caller]
pub(crate) fn device_links_check_suppliers(device: &Device) -> Result {
    let core = device.core();
    let _lock = lock_links(core);
    let mut result = Ok(());
    for link in managed(core.links.to_suppliers(device)) {
        let gates = !link.flags().has(LinkFlags::SYNC_STATE_ONLY);
        if gates && link.state() != LinkState::Available {
            missing_supplier(device);
            core.message(
                Some(device.device_ref()),
                format!("supplier {} not ready", link.supplier().name()),
            );
            result = Err(Errno::EPROBE_DEFER);
            break;
        }
        link.set_state(LinkState::ConsumerProbe);
    }
    device.set_driver_presence(DriverPresence::Probing);
    result
}

/// device_links_missing_supplier: takes back the marks of the links before.
#[track_caller]
fn missing_supplier(device: &Device) {
    for link in device.core().links.to_suppliers(device) {
        if link.state() != LinkState::ConsumerProbe {
            continue;
        }
        if link.supplier().driver_presence() == DriverPresence::Bound {
            link.set_state(LinkState::Available);
        } else {
            let gates = !link.flags().has(LinkFlags::SYNC_STATE_ONLY);
            warn_on(gates, &link, "a supplier without a driver");
            link.set_state(LinkState::Dormant);
        }
    }
}

/// device_links_force_bind: a driver is bound without a probe, so that links to
/// suppliers that are not bound make no sense and go.
#[track_caller]
pub(crate) fn device_links_force_bind(device: &Device) {
    let core = device.core();
    let _lock = lock_links(core);
    for link in managed(core.links.to_suppliers(device)) {
        if link.state() == LinkState::Available {
            link.set_state(LinkState::ConsumerProbe);
        } else {
            drop_managed(&link);
        }
    }
    device.set_driver_presence(DriverPresence::Probing);
}

/// device_links_driver_bound.
#[track_caller]
pub(crate) fn device_links_driver_bound(device: &Device) {
    let core = device.core();
    let _lock = lock_links(core);
    for link in managed(core.links.to_consumers(device)) {
        // A consumer that linked itself while this device was still probing may be
        // probing or even bound.
        if matches!(link.state(), LinkState::ConsumerProbe | LinkState::Active) {
            continue;
        }
        warn_on(
            link.state() != LinkState::Dormant,
            &link,
            "a supplier was bound",
        );
        link.set_state(LinkState::Available);
        if link.flags().has(LinkFlags::AUTOPROBE_CONSUMER) {
            driver_deferred_probe_add(link.consumer());
        }
    }
    for link in managed(core.links.to_suppliers(device)) {
        if link.flags().has(LinkFlags::SYNC_STATE_ONLY) {
            drop_managed(&link);
        } else {
            warn_on(
                link.state() != LinkState::ConsumerProbe,
                &link,
                "a consumer was bound",
            );
            link.set_state(LinkState::Active);
        }
    }
    device.set_driver_presence(DriverPresence::Bound);
}

/// __device_links_no_driver. device_links_lock is held.
#[track_caller]
fn no_driver(device: &Device) {
    let core = device.core();
    for link in managed(core.links.to_suppliers(device)).rev() {
        if link.flags().has(LinkFlags::AUTOREMOVE_CONSUMER) {
            drop_managed(&link);
            continue;
        }
        if !matches!(link.state(), LinkState::ConsumerProbe | LinkState::Active) {
            continue;
        }
        let presence = link.supplier().driver_presence();
        if presence == DriverPresence::Bound {
            link.set_state(LinkState::Available);
        } else {
            let gates = !link.flags().has(LinkFlags::SYNC_STATE_ONLY);
            warn_on(
                presence != DriverPresence::Unbinding && gates,
                &link,
                "a consumer without a driver",
            );
            link.set_state(LinkState::Dormant);
        }
    }
    device.set_driver_presence(DriverPresence::NoDriver);
}

/// device_links_no_driver: the probe failed.
#[track_caller]
pub(crate) fn device_links_no_driver(device: &Device) {
    let core = device.core();
    let _lock = lock_links(core);
    for link in managed(core.links.to_consumers(device)) {
        if matches!(link.state(), LinkState::ConsumerProbe | LinkState::Active) {
            link.set_state(LinkState::Dormant);
        }
    }
    no_driver(device);
}

/// device_links_driver_cleanup: the driver is unbound.
#[track_caller]
pub(crate) fn device_links_driver_cleanup(device: &Device) {
    let core = device.core();
    let _lock = lock_links(core);
    for link in managed(core.links.to_consumers(device)) {
        let flags = link.flags();
        let unbinding = link.state() == LinkState::SupplierUnbind;
        warn_on(
            flags.has(LinkFlags::AUTOREMOVE_CONSUMER) || !unbinding,
            &link,
            "a supplier was unbound",
        );
        if unbinding && flags.has(LinkFlags::AUTOREMOVE_SUPPLIER) {
            drop_managed(&link);
        }
        link.set_state(LinkState::Dormant);
    }
    no_driver(device);
}

/// device_links_busy: whether a consumer is bound or being probed. If none is,
/// none will be from here on.
#[track_caller]
pub(crate) fn device_links_busy(device: &Device) -> bool {
    let core = device.core();
    let _lock = lock_links(core);
    let mut busy = false;
    for link in managed(core.links.to_consumers(device)) {
        if matches!(link.state(), LinkState::ConsumerProbe | LinkState::Active) {
            busy = true;
            break;
        }
        link.set_state(LinkState::SupplierUnbind);
    }
    device.set_driver_presence(DriverPresence::Unbinding);
    busy
}

/// A kernel would wait for ever, or go round in circles; a splat has said so.
#[derive(Debug)]
pub(crate) struct WouldHang;

/// device_links_unbind_consumers: unbinds those that are bound, and waits for
/// those that are being probed.
#[track_caller]
pub(crate) fn device_links_unbind_consumers(
    device: &Device,
) -> core::result::Result<(), WouldHang> {
    let core = device.core();
    let mut waited_for_nothing = false;
    'start: loop {
        let lock = lock_links(core);
        for link in managed(core.links.to_consumers(device)) {
            if link.flags().has(LinkFlags::SYNC_STATE_ONLY) {
                continue;
            }
            let state = link.state();
            if state == LinkState::ConsumerProbe {
                drop(lock);
                let hangs = match deferred::wait_for_probes(core) {
                    Waited::Probes => None,
                    // A probe may have ended between the look at the link and
                    // the wait. Twice it may not.
                    Waited::Nothing if !waited_for_nothing => {
                        waited_for_nothing = true;
                        None
                    }
                    Waited::Nothing => Some("for a probe that is over"),
                    Waited::Itself => Some("for the probe it is unbound from"),
                };
                if let Some(what) = hangs {
                    let text = format!(
                        "its unbinding waits {what}: consumer {} keeps the link",
                        link.consumer().name()
                    );
                    core.splat(SplatKind::Deadlock, Some(device.device_ref()), text);
                    return Err(WouldHang);
                }
                continue 'start;
            }
            link.set_state(LinkState::SupplierUnbind);
            if state == LinkState::Active {
                let consumer = link.consumer();
                consumer.get_for(Holder::Call);
                drop(lock);
                let unbound = release_driver(consumer);
                consumer.put_for(Holder::Call);
                unbound?;
                continue 'start;
            }
        }
        return Ok(());
    }
}
