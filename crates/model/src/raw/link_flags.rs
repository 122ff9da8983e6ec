//! How a device link behaves, and how far it is.
//!
//! Follows `include/linux/device.h` and the checks of `device_link_add` in
//! `drivers/base/core.c`.

use core::ops::BitOr;

/// How a link behaves (`DL_FLAG_*` of `include/linux/device.h`).
///
/// ```
/// use lastfd_model::raw::LinkFlags;
/// let flags = LinkFlags::AUTOREMOVE_SUPPLIER | LinkFlags::PM_RUNTIME;
/// assert!(flags.has(LinkFlags::PM_RUNTIME));
/// assert_eq!(flags.0, 0x14);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LinkFlags(pub u32);

impl LinkFlags {
    /// Neither gates binding nor goes by itself.
    pub const STATELESS: LinkFlags = LinkFlags(1 << 0);
    /// Goes when the consumer's driver is unbound.
    pub const AUTOREMOVE_CONSUMER: LinkFlags = LinkFlags(1 << 1);
    /// Runtime power management uses the link.
    pub const PM_RUNTIME: LinkFlags = LinkFlags(1 << 2);
    /// The supplier is active from the start.
    pub const RPM_ACTIVE: LinkFlags = LinkFlags(1 << 3);
    /// Goes when the supplier's driver is unbound.
    pub const AUTOREMOVE_SUPPLIER: LinkFlags = LinkFlags(1 << 4);
    /// The consumer is probed when the supplier's driver was bound.
    pub const AUTOPROBE_CONSUMER: LinkFlags = LinkFlags(1 << 5);
    /// Binding and unbinding respect it: set by [`device_link_add`](super::device_link_add) unless the link
    /// is stateless.
    pub const MANAGED: LinkFlags = LinkFlags(1 << 6);
    /// Tells only of `sync_state`, and does not gate binding.
    pub const SYNC_STATE_ONLY: LinkFlags = LinkFlags(1 << 7);
    /// Inferred from firmware.
    pub const INFERRED: LinkFlags = LinkFlags(1 << 8);
    /// Part of a cycle in firmware.
    pub const CYCLE: LinkFlags = LinkFlags(1 << 9);

    /// DL_MANAGED_LINK_FLAGS.
    const OF_MANAGED: u32 = LinkFlags::AUTOREMOVE_CONSUMER.0
        | LinkFlags::AUTOREMOVE_SUPPLIER.0
        | LinkFlags::AUTOPROBE_CONSUMER.0
        | LinkFlags::SYNC_STATE_ONLY.0
        | LinkFlags::INFERRED.0
        | LinkFlags::CYCLE.0;

    /// DL_ADD_VALID_FLAGS.
    const VALID: u32 = LinkFlags::OF_MANAGED
        | LinkFlags::STATELESS.0
        | LinkFlags::PM_RUNTIME.0
        | LinkFlags::RPM_ACTIVE.0;

    /// Whether any of these flags is set.
    pub const fn has(self, flags: LinkFlags) -> bool {
        self.0 & flags.0 != 0
    }

    pub(super) fn with(self, flags: LinkFlags) -> LinkFlags {
        LinkFlags(self.0 | flags.0)
    }

    pub(super) fn without(self, flags: LinkFlags) -> LinkFlags {
        LinkFlags(self.0 & !flags.0)
    }

    /// device_link_flag_is_sync_state_only.
    pub(super) fn is_sync_state_only(self) -> bool {
        let markers = LinkFlags::INFERRED | LinkFlags::CYCLE | LinkFlags::MANAGED;
        self.without(markers) == LinkFlags::SYNC_STATE_ONLY
    }

    /// Whether [`device_link_add`](super::device_link_add) refuses this combination.
    pub(super) fn are_refused(self) -> bool {
        let autoremove = LinkFlags::AUTOREMOVE_CONSUMER | LinkFlags::AUTOREMOVE_SUPPLIER;
        self.0 & !LinkFlags::VALID != 0
            || (self.has(LinkFlags::STATELESS) && self.0 & LinkFlags::OF_MANAGED != 0)
            || (self.has(LinkFlags::AUTOPROBE_CONSUMER) && self.has(autoremove))
            || (self.has(LinkFlags::SYNC_STATE_ONLY)
                && !self.with(LinkFlags::MANAGED).is_sync_state_only())
    }
}

impl BitOr for LinkFlags {
    type Output = LinkFlags;

    fn bitor(self, other: LinkFlags) -> LinkFlags {
        self.with(other)
    }
}

/// How far a link is (`enum device_link_state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// Not tracked: the link is stateless.
    None,
    /// Neither supplier nor consumer has a driver.
    Dormant,
    /// The supplier has a driver, the consumer has none.
    Available,
    /// The consumer is being probed.
    ConsumerProbe,
    /// Both have their drivers.
    Active,
    /// The supplier's driver is being unbound.
    SupplierUnbind,
}

impl LinkState {
    /// What the link's `status` attribute shows.
    pub const fn shown(self) -> &'static str {
        match self {
            LinkState::None => "not tracked",
            LinkState::Dormant => "dormant",
            LinkState::Available => "available",
            LinkState::ConsumerProbe => "consumer probing",
            LinkState::Active => "active",
            LinkState::SupplierUnbind => "supplier unbinding",
        }
    }
}
