//! When the managed resources of a device are released, by the kind of device
//! and by who holds it: `drivers/base/test/root-device-test.c` and
//! `platform-device-test.c`.

use lastfd_kunit::{
    Test, kunit_assert_not_err_or_null, kunit_assert_true, kunit_expect_eq, kunit_expect_false,
    kunit_expect_true, kunit_suite, raw::*,
};
use lastfd_model::Rules;
use lastfd_model::raw::*;
use lastfd_sync::Arc;
use lastfd_sync::atomic::{AtomicBool, Ordering};

/// Whether a managed action ran.
#[derive(Clone, Default)]
struct Flag(Arc<AtomicBool>);

impl Flag {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// An action that sets it.
    fn action(&self) -> Action {
        let flag = self.clone();
        Action::new(move || flag.0.store(true, Ordering::SeqCst))
    }
}

/// Before 6.6 it is a mistake in itself to manage resources of a device without driver.
fn named_before_6_6(test: &Test, was_bound: bool, rule: u8) {
    if !was_bound && !early(test) {
        test.expect_findings(&[rule]);
    }
}

/// Adds what the case is about, for the kinds of device to share.
fn watch(test: &Test, device: &Device) -> Flag {
    let released = Flag::default();
    kunit_assert_true!(
        test,
        devm_add_action_or_reset(device, released.action()).is_ok()
    );
    released
}

fn root(test: &Test) -> Device {
    let made = root_device_register(test.system(), "test-root");
    let device = kunit_assert_not_err_or_null!(test, made);
    crate::not_left_behind(test, &device, root_device_unregister);
    device
}

fn unbound(test: &Test) -> Device {
    let made = platform_device_register(test.system(), "test-device", PlatformId::None);
    let device = kunit_assert_not_err_or_null!(test, made);
    crate::not_left_behind(test, &device, platform_device_unregister);
    device
}

/// A platform device with a driver that does nothing; the test unregisters the
/// driver, not the device.
fn bound(test: &Test) -> Device {
    let driver = platform_driver(test.system(), "test-device");
    kunit_assert_true!(test, kunit_platform_driver_register(test, &driver).is_ok());
    let device = unbound(test);
    kunit_assert_true!(test, device.driver().is_some());
    device
}

/// Register, add, unregister: released, whatever the device and the rules.
fn released_with_its_device(test: &Test, device: Device, unregister: fn(&Device)) {
    let (released, is_bound) = (watch(test, &device), device.driver().is_some());
    unregister(&device);
    kunit_expect_true!(test, crate::released(&device));
    kunit_expect_true!(test, released.is_set());
    named_before_6_6(test, is_bound, 16);
}

/// Somebody holds the device while it is unregistered, and puts it later.
fn held_from_outside(test: &Test, device: Device, unregister: fn(&Device), at_once: bool) {
    let (released, is_bound) = (watch(test, &device), device.driver().is_some());
    get_device(&device);
    unregister(&device);
    kunit_expect_eq!(test, released.is_set(), at_once);
    kunit_expect_false!(test, crate::released(&device));
    put_device(&device);
    kunit_expect_true!(test, crate::released(&device));
    kunit_expect_true!(test, released.is_set());
    named_before_6_6(test, is_bound, 16);
}

/// A managed action holds the last reference on its own device. Where the
/// action runs only in the final put, that never comes.
fn held_by_its_own_action(test: &Test, device: Device, unregister: fn(&Device), freed: bool) {
    let (released, is_bound) = (watch(test, &device), device.driver().is_some());
    get_device(&device);
    let added = devm_add_action_or_reset(&device, Action::put_device(&device));
    kunit_assert_true!(test, added.is_ok());
    unregister(&device);
    kunit_expect_eq!(test, crate::released(&device), freed);
    kunit_expect_eq!(test, released.is_set(), freed);
    if !freed {
        // Breaking the cycle by hand, so that the case leaves nothing behind.
        kunit_expect_eq!(test, kref_read(&device), 1);
        devres_release_all(&device);
        kunit_expect_true!(test, crate::released(&device));
    }
    named_before_6_6(test, is_bound, 17);
    // Without the action it is only that.
    test.may_find(&[16]);
}

/// Whether devres of a device without driver go in `device_del`.
fn early(test: &Test) -> bool {
    test.system().rules() == Rules::Linux6_12
}

fn root_device_devm_register_unregister(test: &Test) {
    released_with_its_device(test, root(test), root_device_unregister);
}

fn root_device_devm_register_get_unregister(test: &Test) {
    held_from_outside(test, root(test), root_device_unregister, early(test));
}

fn root_device_devm_register_get_unregister_with_devm(test: &Test) {
    held_by_its_own_action(test, root(test), root_device_unregister, early(test));
}

fn platform_device_devm_register_unregister(test: &Test) {
    released_with_its_device(test, unbound(test), platform_device_unregister);
}

fn platform_device_devm_register_get_unregister(test: &Test) {
    held_from_outside(test, unbound(test), platform_device_unregister, early(test));
}

fn platform_device_devm_register_get_unregister_with_devm(test: &Test) {
    held_by_its_own_action(test, unbound(test), platform_device_unregister, early(test));
}

fn probed_platform_device_devm_register_unregister(test: &Test) {
    released_with_its_device(test, bound(test), platform_device_unregister);
}

fn probed_platform_device_devm_register_get_unregister(test: &Test) {
    held_from_outside(test, bound(test), platform_device_unregister, true);
}

fn probed_platform_device_devm_register_get_unregister_with_devm(test: &Test) {
    held_by_its_own_action(test, bound(test), platform_device_unregister, true);
}

kunit_suite! {
    /// Managed resources of root devices, since 6.6.
    pub suite root_device_devm = "root-device-devm" {
        root_device_devm_register_unregister,
        root_device_devm_register_get_unregister,
        root_device_devm_register_get_unregister_with_devm,
    }
    .rules(Rules::Linux6_12)
}

kunit_suite! {
    /// Managed resources of platform devices, without a driver and with one,
    /// since 6.6.
    pub suite platform_device_devm = "platform-device-devm" {
        platform_device_devm_register_unregister,
        platform_device_devm_register_get_unregister,
        platform_device_devm_register_get_unregister_with_devm,
        probed_platform_device_devm_register_unregister,
        probed_platform_device_devm_register_get_unregister,
        probed_platform_device_devm_register_get_unregister_with_devm,
    }
    .rules(Rules::Linux6_12)
}

mod before_6_6 {
    use super::*;

    kunit_suite! {
        /// Managed resources of root devices, before 6.6.
        pub suite root_device_devm_before_6_6 = "root-device-devm-pre-6-6" {
            root_device_devm_register_unregister,
            root_device_devm_register_get_unregister,
            root_device_devm_register_get_unregister_with_devm,
        }
        .rules(Rules::LinuxPre6_6)
    }

    kunit_suite! {
        /// Managed resources of platform devices, before 6.6.
        pub suite platform_device_devm_before_6_6 = "platform-device-devm-pre-6-6" {
            platform_device_devm_register_unregister,
            platform_device_devm_register_get_unregister,
            platform_device_devm_register_get_unregister_with_devm,
            probed_platform_device_devm_register_unregister,
            probed_platform_device_devm_register_get_unregister,
            probed_platform_device_devm_register_get_unregister_with_devm,
        }
        .rules(Rules::LinuxPre6_6)
    }
}

pub(crate) use before_6_6::{platform_device_devm_before_6_6, root_device_devm_before_6_6};
