//! DRM's helpers for KUnit tests.
//!
//! Follows `drivers/gpu/drm/tests/drm_kunit_helpers.c`.
//!
//! ```
//! use lastfd_drm::kunit::*;
//! use lastfd_drm::raw::*;
//! use lastfd_kunit::{Test, raw::kunit_cleanup};
//! use lastfd_model::System;
//!
//! let test = Test::new(&System::new(), "my_case");
//! let device = drm_kunit_helper_alloc_device(&test).unwrap();
//! let dev = drm_kunit_helper_alloc_drm_device(&test, &device, Features::GEM).unwrap();
//! drm_dev_register(&dev, 0).unwrap();
//! drm_dev_unregister(&dev);
//! kunit_cleanup(&test);
//! assert!(dev.is_released());
//! ```

use lastfd_kunit::Test;
use lastfd_kunit::raw::{kunit_device_register, kunit_device_unregister};
use lastfd_model::Result;
use lastfd_model::raw::Device;
use lastfd_sync::Arc;

use crate::raw::{DrmDevice, DrmDriver, Features, devm_drm_dev_alloc};

/// The name of the devices of [`drm_kunit_helper_alloc_device`].
const NAME: &str = "drm-kunit-mock-device";

/// A device bound to a driver that does nothing, which the test unregisters
/// (`drm_kunit_helper_alloc_device`).
///
/// # Errors
/// As `kunit_device_register`.
#[track_caller]
pub fn drm_kunit_helper_alloc_device(test: &Test) -> Result<Device> {
    kunit_device_register(test, NAME)
}

/// Unregisters such a device before the test ends
/// (`drm_kunit_helper_free_device`).
#[track_caller]
pub fn drm_kunit_helper_free_device(test: &Test, device: &Device) {
    kunit_device_unregister(test, device);
}

/// A DRM device of this driver on the device, which goes with it
/// (`__drm_kunit_helper_alloc_drm_device_with_driver`).
///
/// # Errors
/// As [`devm_drm_dev_alloc`].
#[track_caller]
pub fn drm_kunit_helper_alloc_drm_device_with_driver(
    test: &Test,
    device: &Device,
    driver: &Arc<DrmDriver>,
) -> Result<DrmDevice> {
    let _ = test;
    devm_drm_dev_alloc(device, driver)
}

/// A DRM device with these features and no callbacks on the device, which goes
/// with it (`drm_kunit_helper_alloc_drm_device`).
///
/// # Errors
/// As [`devm_drm_dev_alloc`].
#[track_caller]
pub fn drm_kunit_helper_alloc_drm_device(
    test: &Test,
    device: &Device,
    features: Features,
) -> Result<DrmDevice> {
    let driver = Arc::new(DrmDriver {
        features,
        fops: None,
        ..DrmDriver::default()
    });
    drm_kunit_helper_alloc_drm_device_with_driver(test, device, &driver)
}
