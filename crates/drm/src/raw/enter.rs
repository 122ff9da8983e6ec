//! Sections in which the hardware is there.
//!
//! Follows `drm_dev_enter` and `drm_dev_exit` of `drivers/gpu/drm/drm_drv.c`.

use core::fmt;

use lastfd_model::{EventKind, Section};
use lastfd_sync::OnceLock;
use lastfd_sync::gate::{Enter, Gate};

use super::core::DrmCore;
use super::device::DrmDevice;

/// The gate of the device. A gate closes for ever; a device that is registered
/// after a failure may be entered again, by the next one.
pub(crate) struct Gates {
    gate: Gate,
    next: OnceLock<Box<Gates>>,
}

impl Gates {
    pub(crate) fn new(core: &DrmCore) -> Gates {
        Gates {
            gate: Gate::new(&core.domain),
            next: OnceLock::new(),
        }
    }

    #[inline]
    pub(crate) fn enter(&self) -> Option<Enter<'_>> {
        match self.gate.enter() {
            Some(inside) => Some(inside),
            None => self.next.get()?.enter(),
        }
    }

    pub(crate) fn last(&self) -> &Gate {
        match self.next.get() {
            Some(next) => next.last(),
            None => &self.gate,
        }
    }

    pub(crate) fn reopen(&self, core: &DrmCore) {
        match self.next.get() {
            Some(next) => next.reopen(core),
            None if self.gate.is_closed() => {
                // Somebody else may have been first, to the same end.
                let _ = self.next.set(Box::new(Gates::new(core)));
            }
            None => {}
        }
    }
}

/// Being inside a section that an unplug waits for.
pub struct DrmEnter<'a> {
    inside: Enter<'a>,
    /// Whose leaving is to be told, where entering was.
    told: Option<&'a DrmDevice>,
}

impl Drop for DrmEnter<'_> {
    fn drop(&mut self) {
        if let Some(dev) = self.told {
            let section = section(dev);
            dev.system_ref().emit(|| EventKind::SectionEnd { section });
        }
    }
}

#[cold]
fn section(dev: &DrmDevice) -> Section {
    Section {
        device: Some(dev.device_ref()),
        name: "drm_dev_enter",
        id: 0,
    }
}

impl fmt::Debug for DrmEnter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DrmEnter").field(&self.inside).finish()
    }
}

/// Enters a section in which the hardware is there, or gives `None` once the
/// device was unplugged (`drm_dev_enter`). An unplug waits for all sections of
/// all devices to end. Sections may be nested.
///
/// After [`drm_dev_unregister`](super::drm_dev_unregister) alone it still
/// succeeds.
#[inline]
#[track_caller]
pub fn drm_dev_enter(dev: &DrmDevice) -> Option<DrmEnter<'_>> {
    let inside = dev.gates().enter()?;
    let system = dev.system_ref();
    let told = system.details_are_on().then_some(dev);
    if told.is_some() {
        system.emit(|| EventKind::SectionBegin {
            section: section(dev),
        });
    }
    Some(DrmEnter { inside, told })
}

/// Leaves the section (`drm_dev_exit`); dropping it does the same.
#[inline]
pub fn drm_dev_exit(section: DrmEnter<'_>) {
    drop(section);
}
