//! KUnit's own test devices: the `kunit-device` suite of
//! `lib/kunit/kunit-test.c`, and what the recorded traces add to it.

use lastfd_kunit::{
    Test, kunit_assert_not_err_or_null, kunit_expect_eq, kunit_expect_false, kunit_expect_ptr_eq,
    kunit_expect_streq, kunit_expect_true, kunit_suite, raw::*,
};
use lastfd_model::raw::*;
use lastfd_sync::Arc;
use lastfd_sync::atomic::{AtomicU32, Ordering};

fn counting(count: &Arc<AtomicU32>) -> Action {
    let count = Arc::clone(count);
    Action::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
    })
}

fn kunit_device_is_named_for_its_test_and_bound(test: &Test) {
    let device = kunit_assert_not_err_or_null!(test, kunit_device_register(test, "my_device"));
    let name = format!("{}.my_device", test.name());
    kunit_expect_streq!(test, dev_name(&device), name);
    kunit_expect_eq!(test, kref_read(&device), 3);
    let driver = kunit_assert_not_err_or_null!(test, device.driver());
    kunit_expect_streq!(test, driver.name(), "my_device");
    let parent = kunit_assert_not_err_or_null!(test, device.parent());
    kunit_expect_streq!(test, dev_name(&parent), "kunit");
}

fn kunit_device_cleanup_releases_managed_resources_in_the_unbind(test: &Test) {
    let device = kunit_assert_not_err_or_null!(test, kunit_device_register(test, "my_device"));
    let released = Arc::new(AtomicU32::new(0));
    kunit_expect_true!(test, devm_add_action(&device, counting(&released)).is_ok());
    // Somebody holds it: since it is bound, that changes nothing.
    get_device(&device);
    kunit_device_unregister(test, &device);
    kunit_expect_eq!(test, released.load(Ordering::SeqCst), 1);
    kunit_expect_false!(test, crate::released(&device));
    put_device(&device);
    kunit_expect_true!(test, crate::released(&device));
}

fn kunit_device_driver_probes_and_removes(test: &Test) {
    let driver = kunit_assert_not_err_or_null!(test, kunit_driver_create(test, "my_driver"));
    let (probes, removes) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (probed, removed) = (Arc::clone(&probes), Arc::clone(&removes));
    driver.set_probe(move |_| {
        probed.fetch_add(1, Ordering::SeqCst);
        Ok(())
    });
    driver.set_remove(move |_| {
        removed.fetch_add(1, Ordering::SeqCst);
    });
    let made = kunit_device_register_with_driver(test, "my_device", &driver);
    let device = kunit_assert_not_err_or_null!(test, made);
    // A debug mode tries each driver once before.
    let times = 1 + u32::from(test.system().debug().test_driver_remove);
    kunit_expect_eq!(test, probes.load(Ordering::SeqCst), times);
    kunit_device_unregister(test, &device);
    kunit_expect_eq!(test, removes.load(Ordering::SeqCst), times);
}

fn the_driver_argument_is_ignored_and_the_first_match_wins(test: &Test) {
    let first = kunit_assert_not_err_or_null!(test, kunit_driver_create(test, "first"));
    let second = kunit_assert_not_err_or_null!(test, kunit_driver_create(test, "second"));
    let made = kunit_device_register_with_driver(test, "my_device", &second);
    let device = kunit_assert_not_err_or_null!(test, made);
    let bound = kunit_assert_not_err_or_null!(test, device.driver());
    kunit_expect_ptr_eq!(test, bound.name(), first.name());
}

fn a_device_of_the_same_name_can_be_made_again_after_the_first_is_gone(test: &Test) {
    for _ in 0..2 {
        let made = kunit_device_register(test, "again");
        let device = kunit_assert_not_err_or_null!(test, made);
        kunit_device_unregister(test, &device);
        kunit_expect_true!(test, crate::released(&device));
    }
}

fn the_form_of_the_series_binds_to_a_driver_that_does_nothing(test: &Test) {
    let made = test_kunit_helper_alloc_device(test);
    let device = kunit_assert_not_err_or_null!(test, made);
    let released = Arc::new(AtomicU32::new(0));
    kunit_expect_true!(test, devm_add_action(&device, counting(&released)).is_ok());
    kunit_expect_true!(test, device.driver().is_some());
    test_kunit_helper_free_device(test, &device);
    kunit_expect_eq!(test, released.load(Ordering::SeqCst), 1);
    kunit_expect_true!(test, crate::released(&device));
}

kunit_suite! {
    /// Devices for tests.
    pub suite kunit_device = "kunit-device" {
        kunit_device_is_named_for_its_test_and_bound,
        kunit_device_cleanup_releases_managed_resources_in_the_unbind,
        kunit_device_driver_probes_and_removes,
        the_driver_argument_is_ignored_and_the_first_match_wins,
        a_device_of_the_same_name_can_be_made_again_after_the_first_is_gone,
        the_form_of_the_series_binds_to_a_driver_that_does_nothing,
    }
}
