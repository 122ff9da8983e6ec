//! Minors: a number, a device in class `drm`, a node below `/dev/dri`.
//!
//! Follows `drm_minor_*` of `drivers/gpu/drm/drm_drv.c` and
//! `drm_sysfs_minor_alloc` of `drm_sysfs.c`.

use core::fmt;

use lastfd_model::raw::{
    DevT, Device, DeviceSpec, DeviceType, dev_set_drvdata, dev_set_name, device_add, device_del,
    device_initialize, no_release, put_device,
};
use lastfd_model::{Errno, Result};

use super::core::{DRM_MAJOR, DrmCore};
use super::device::DrmDevice;
use super::managed::{DrmmAction, drmm_add_action_or_reset, drmm_kzalloc};

/// Sorts of minors (`enum drm_minor_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinorType {
    /// The card's own node: `card0`, numbers from 0.
    Primary,
    /// The render node: `renderD128`, numbers from 128.
    Render,
}

impl MinorType {
    const fn first(self) -> u32 {
        match self {
            MinorType::Primary => 0,
            MinorType::Render => 128,
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            MinorType::Primary => "card",
            MinorType::Render => "renderD",
        }
    }
}

/// Numbers for those that find none in their own 64.
const EXTENDED: (u32, u32) = (192, (1 << 20) - 1);

/// Bytes of a `struct drm_minor`, near enough.
const SIZE: usize = 64;

/// A minor of a device (`struct drm_minor`).
#[derive(Clone)]
pub struct DrmMinor {
    type_: MinorType,
    index: u32,
    kdev: Device,
}

impl DrmMinor {
    /// Its sort.
    pub fn type_(&self) -> MinorType {
        self.type_
    }

    /// Its number.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Its device in class `drm`, below the hardware's.
    pub fn kdev(&self) -> &Device {
        &self.kdev
    }
}

impl fmt::Debug for DrmMinor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DrmMinor({})", self.kdev.name())
    }
}

/// drm_drv.c: drm_minor_alloc.
#[track_caller]
pub(super) fn drm_minor_alloc(dev: &DrmDevice, type_: MinorType) -> Result {
    drmm_kzalloc(dev, SIZE)?;
    let core = dev.core();
    // xa_alloc.
    dev.system().allocation()?;
    let first = type_.first();
    let index = core
        .reserve_minor(first, first + 63)
        .or_else(|| core.reserve_minor(EXTENDED.0, EXTENDED.1))
        .ok_or(Errno::EBUSY)?;
    drmm_add_action_or_reset(
        dev,
        DrmmAction::new("drm_minor_alloc_release", move |dev: &DrmDevice| {
            if let Some(minor) = dev.minor(type_).filter(|minor| minor.index == index) {
                put_device(minor.kdev());
            }
            dev.core().erase_minor(index);
        }),
    )?;
    let kdev = drm_sysfs_minor_alloc(dev, type_, index)?;
    dev.set_minor(DrmMinor { type_, index, kdev });
    Ok(())
}

#[track_caller]
fn drm_sysfs_minor_alloc(dev: &DrmDevice, type_: MinorType, index: u32) -> Result<Device> {
    let system = dev.system();
    system.allocation()?;
    let class = DrmCore::of(&system).start(&system)?;
    let kdev = device_initialize(
        &system,
        DeviceSpec {
            parent: dev.dev(),
            class: Some(class),
            type_: Some(DeviceType {
                name: "drm_minor".into(),
                ..DeviceType::default()
            }),
            release: Some(no_release()),
            devt: Some(DevT {
                major: DRM_MAJOR,
                minor: index,
            }),
            ..DeviceSpec::default()
        },
    );
    if let Err(errno) = dev_set_name(&kdev, format!("{}{index}", type_.prefix())) {
        put_device(&kdev);
        return Err(errno);
    }
    Ok(kdev)
}

/// drm_drv.c: drm_minor_register.
#[track_caller]
pub(super) fn drm_minor_register(dev: &DrmDevice, type_: MinorType) -> Result {
    let Some(minor) = dev.minor(type_) else {
        return Ok(());
    };
    device_add(minor.kdev())?;
    // From here on the number leads to the device.
    dev.core()
        .store_minor(minor.index, Some((dev.clone(), type_)));
    Ok(())
}

/// drm_drv.c: drm_minor_unregister.
#[track_caller]
pub(super) fn drm_minor_unregister(dev: &DrmDevice, type_: MinorType) {
    let Some(minor) = dev.minor(type_) else {
        return;
    };
    if !minor.kdev().is_registered() {
        return;
    }
    dev.core().store_minor(minor.index, None);
    device_del(minor.kdev());
    dev_set_drvdata(minor.kdev(), None);
}
