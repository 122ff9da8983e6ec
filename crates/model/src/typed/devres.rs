//! Values that go with the driver.
//!
//! Follows the kernel's `rust/kernel/devres.rs` and `revocable.rs`.

use core::fmt;
use core::ops::Deref;

use lastfd_sync::{Arc, Mutex};

use super::device::{Bound, Device, Manages};
use crate::active::{Active, Inside};
use crate::errno::Result;
use crate::event::{EventKind, Section, SplatKind};
use crate::raw::{self, Action, ActionKey};

/// A value that is dropped when the driver is unbound, whatever still points
/// to it.
///
/// Release waits for those who are inside [`try_access`](Devres::try_access).
/// Dropping the `Devres` earlier drops the value earlier.
pub struct Devres<T: Send + Sync + 'static> {
    slot: Arc<Slot<T>>,
    device: raw::Device,
    key: ActionKey,
}

struct Slot<T> {
    active: Active,
    value: Mutex<Option<Arc<T>>>,
}

impl<T> Slot<T> {
    /// Revocable::revoke: nobody gets in any more, those inside leave, the
    /// value is dropped.
    fn revoke(&self, device: &raw::Device) {
        let core = device.core();
        if self.active.shut_and_drain(&core.clock).is_err() {
            core.splat(
                SplatKind::Deadlock,
                Some(device.device_ref()),
                "a managed value is released by a task that is using it",
            );
        }
        let gone = self.value.lock().take();
        drop(gone);
    }
}

/// Being inside a managed value.
pub struct DevresGuard<'a, T> {
    value: Arc<T>,
    _told: Told<'a>,
    _inside: Inside<'a>,
}

/// Tells of a task's leaving, where its entering was told.
struct Told<'a>(Option<(&'a raw::Device, u64)>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if let Some((device, id)) = self.0 {
            device.core().emit(|| EventKind::SectionEnd {
                section: section(device, id),
            });
        }
    }
}

fn section(device: &raw::Device, id: u64) -> Section {
    Section {
        device: Some(device.device_ref()),
        name: "Devres::try_access",
        id,
    }
}

impl<T> Deref for DevresGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for DevresGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DevresGuard").field(&self.value).finish()
    }
}

/// The function half of the keys of managed values, in no other key's way.
const VALUE: u64 = u64::MAX;

impl<T: Send + Sync + 'static> Devres<T> {
    /// Gives the value to the bound device. If that fails it is dropped at
    /// once.
    #[track_caller]
    pub fn new(device: &impl Manages, value: T) -> Result<Devres<T>> {
        let device = device.manager().raw().clone();
        let slot = Arc::new(Slot {
            active: Active::default(),
            value: Mutex::new(Some(Arc::new(value))),
        });
        let key = ActionKey(VALUE, device.core().unique());
        let release = {
            let (slot, device) = (Arc::clone(&slot), device.clone());
            move || slot.revoke(&device)
        };
        raw::devm_add_action_or_reset(&device, Action::keyed(key, release).named("managed value"))?;
        Ok(Devres { slot, device, key })
    }

    /// The value, if it is still there. It stays while the guard lives: do not
    /// sleep under it longer than an unbind may wait.
    #[track_caller]
    pub fn try_access(&self) -> Option<DevresGuard<'_, T>> {
        let inside = self.slot.active.enter()?;
        let value = self.slot.value.lock().clone()?;
        let (device, id) = (&self.device, self.key.1);
        let observed = device.core().hub.details_are_on();
        if observed {
            device.core().emit(|| EventKind::SectionBegin {
                section: section(device, id),
            });
        }
        Some(DevresGuard {
            value,
            _told: Told(observed.then_some((device, id))),
            _inside: inside,
        })
    }

    /// The value, by the proof that its device is bound. None only if the
    /// device is another one than the value was given to.
    pub fn access<'a>(&'a self, device: &'a Device<Bound>) -> Option<DevresGuard<'a, T>> {
        if *device.raw() != self.device {
            return None;
        }
        self.try_access()
    }

    /// Drops the value now instead of at unbind (`devm_release_action`).
    pub fn release(self) {
        drop(self);
    }
}

impl<T: Send + Sync + 'static> Drop for Devres<T> {
    fn drop(&mut self) {
        // At unbind the driver's data, and this in it, goes after the managed
        // resources; then the action has run.
        if raw::devm_is_action_added(&self.device, self.key) {
            raw::devm_release_action(&self.device, self.key);
        }
    }
}

impl<T: Send + Sync + 'static> fmt::Debug for Devres<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devres")
            .field("device", &self.device)
            .field("released", &self.slot.active.is_shut())
            .finish()
    }
}
