//! The built-in KUnit suites: the claims about lifetimes that this project is
//! about, as cases that anybody can run.
//!
//! Depends on `lastfd-kunit` and the frameworks. The cases follow by behaviour
//! the kernel's own suites of `drivers/base/test`, `lib/kunit` and
//! `drivers/iio/test`; they are written anew. Suites whose name ends in a rule
//! set run under those rules. No name has a dot, at which a filter would split it.
//!
//! ```
//! let stats = lastfd_kunit::Runner::new().run_quietly(&lastfd_suites::all());
//! assert!(stats.is_success());
//! ```
#![forbid(unsafe_code)]

mod device_devm;
mod drm_managed;
mod iio_gts;
mod kunit_device;
mod kunit_resource;
mod matrix;
pub mod on_top;
mod two_devices;
mod uevent_devm;
mod unplug;

use lastfd_kunit::{Suite, Test, kunit_assert_eq, raw::*};
use lastfd_model::raw::{Device, device_is_registered};

/// Whether the device was released, where a debug mode delays that after its
/// time.
pub(crate) fn released(device: &Device) -> bool {
    device.system().wait_for_releases();
    device.is_released()
}

/// Takes a device that the case unregisters itself away if the case ends before
/// that.
pub(crate) fn not_left_behind(test: &Test, device: &Device, unregister: fn(&Device)) {
    let device = device.clone();
    let action = TestAction::new(move || {
        if device_is_registered(&device) {
            unregister(&device);
        }
    });
    kunit_assert_eq!(test, kunit_add_action_or_reset(test, action), Ok(()));
}

/// Every built-in suite, in the order they are run.
pub fn all() -> Vec<Suite> {
    vec![
        device_devm::root_device_devm(),
        device_devm::root_device_devm_before_6_6(),
        device_devm::platform_device_devm(),
        device_devm::platform_device_devm_before_6_6(),
        uevent_devm::uevent_devm(),
        uevent_devm::uevent_devm_before_6_6(),
        kunit_device::kunit_device(),
        kunit_resource::kunit_resource(),
        drm_managed::drm_managed(),
        iio_gts::iio_gain_time_scale(),
        matrix::matrix(),
        matrix::matrix_before_6_6(),
        two_devices::two_devices(),
        two_devices::two_devices_before_6_6(),
        unplug::unplug_iio(),
        unplug::unplug_drm(),
        unplug::unplug_v4l2(),
        unplug::unplug_cec(),
    ]
}
