//! What a DRM device manages: the `drm_managed` suite of
//! `drivers/gpu/drm/tests/drm_managed_test.c`, and what the recorded traces add
//! to it.

use lastfd_drm::raw::*;
use lastfd_kunit::{
    Test, kunit_assert_eq, kunit_assert_not_err_or_null, kunit_expect_eq, kunit_expect_false,
    kunit_expect_true, kunit_suite, raw::*,
};
use lastfd_model::raw::ActionKey;
use lastfd_sync::{Arc, Mutex};

type Order = Arc<Mutex<Vec<&'static str>>>;

/// A DRM device on a KUnit device, which manages it.
fn drm_device(test: &Test) -> DrmDevice {
    let parent = kunit_device_register(test, "drm-managed-test");
    let parent = kunit_assert_not_err_or_null!(test, parent);
    let driver = Arc::new(DrmDriver {
        features: Features::GEM,
        ..DrmDriver::default()
    });
    kunit_assert_not_err_or_null!(test, devm_drm_dev_alloc(&parent, &driver))
}

fn action(order: &Order, name: &'static str, key: ActionKey) -> DrmmAction {
    let order = Arc::clone(order);
    DrmmAction::keyed(name, key, move |_| order.lock().push(name))
}

fn add(test: &Test, dev: &DrmDevice, action: DrmmAction) {
    kunit_assert_eq!(test, drmm_add_action(dev, action), Ok(()));
}

fn drm_test_managed_release_action(test: &Test) {
    let (dev, order) = (drm_device(test), Order::default());
    let key = ActionKey(1, 1);
    add(test, &dev, action(&order, "released", key));
    kunit_assert_eq!(test, drm_dev_register(&dev, 0), Ok(()));
    drmm_release_action(&dev, key);
    kunit_expect_eq!(test, *order.lock(), ["released"]);
    drm_dev_unregister(&dev);
}

fn drm_test_managed_run_action(test: &Test) {
    let (dev, order) = (drm_device(test), Order::default());
    add(test, &dev, action(&order, "first", ActionKey(1, 1)));
    add(test, &dev, action(&order, "second", ActionKey(2, 2)));
    kunit_assert_eq!(test, drm_dev_register(&dev, 0), Ok(()));
    drm_dev_unregister(&dev);
    kunit_expect_true!(test, order.lock().is_empty());
    let parent = kunit_assert_not_err_or_null!(test, dev.dev());
    kunit_device_unregister(test, &parent);
    kunit_expect_eq!(test, *order.lock(), ["second", "first"]);
    kunit_expect_true!(test, dev.is_released());
}

fn what_is_managed_by_drm_waits_for_the_last_reference(test: &Test) {
    let (dev, order) = (drm_device(test), Order::default());
    add(test, &dev, action(&order, "managed", ActionKey(1, 1)));
    let memory = kunit_assert_not_err_or_null!(test, drmm_kzalloc(&dev, 8));
    drm_dev_get(&dev);
    let parent = kunit_assert_not_err_or_null!(test, dev.dev());
    kunit_device_unregister(test, &parent);
    // The parent's managed resources are gone, and the parent is held.
    kunit_expect_true!(test, order.lock().is_empty());
    kunit_expect_false!(test, crate::released(&parent));
    kunit_expect_false!(test, memory.is_freed());
    drm_dev_put(&dev);
    kunit_expect_eq!(test, *order.lock(), ["managed"]);
    kunit_expect_true!(test, memory.is_freed());
    kunit_expect_true!(test, crate::released(&parent));
}

fn an_unplugged_device_lets_nobody_in_and_frees_nothing(test: &Test) {
    let (dev, order) = (drm_device(test), Order::default());
    add(test, &dev, action(&order, "managed", ActionKey(1, 1)));
    kunit_assert_eq!(test, drm_dev_register(&dev, 0), Ok(()));
    kunit_expect_true!(test, drm_dev_enter(&dev).is_some());
    drm_dev_unplug(&dev);
    kunit_expect_true!(test, drm_dev_enter(&dev).is_none());
    kunit_expect_true!(test, order.lock().is_empty());
}

kunit_suite! {
    /// What a DRM device manages.
    pub suite drm_managed = "drm_managed" {
        drm_test_managed_release_action,
        drm_test_managed_run_action,
        what_is_managed_by_drm_waits_for_the_last_reference,
        an_unplugged_device_lets_nobody_in_and_frees_nothing,
    }
}
