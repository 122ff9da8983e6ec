//! What a case manages, and in which order it goes: the `kunit-resource-test`
//! suite of `lib/kunit/kunit-test.c`.
//!
//! The cases look at a test of their own, made and cleaned up by hand inside
//! the case, as the kernel's suite does.

use lastfd_kunit::{
    Test, kunit_assert_not_err_or_null, kunit_assert_true, kunit_expect_eq, kunit_expect_null,
    kunit_expect_true, kunit_suite, raw::*,
};
use lastfd_model::Errno;
use lastfd_model::raw::ActionKey;
use lastfd_sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<&'static str>>>);

impl Order {
    fn now(&self) -> Vec<&'static str> {
        self.0.lock().clone()
    }

    /// Frees a resource by writing its name down.
    fn free(&self, name: &'static str) -> Option<ResourceFree> {
        let order = self.clone();
        Some(Box::new(move |_| order.0.lock().push(name)))
    }

    /// Writes a name down.
    fn run(&self, name: &'static str) -> impl FnOnce() + Send + 'static {
        let order = self.clone();
        move || order.0.lock().push(name)
    }
}

/// The test that a case looks at.
fn inner(test: &Test) -> Test {
    Test::new(test.system(), "inner")
}

fn add(test: &Test, inner: &Test, free: Option<ResourceFree>) -> Resource {
    let added = kunit_add_resource(inner, None, free, Arc::new(()));
    kunit_assert_not_err_or_null!(test, added)
}

fn kunit_resource_cleanup_is_latest_first(test: &Test) {
    let (inner, order) = (inner(test), Order::default());
    for name in ["first", "second", "third"] {
        add(test, &inner, order.free(name));
    }
    kunit_cleanup(&inner);
    kunit_expect_eq!(test, order.now(), ["third", "second", "first"]);
    kunit_cleanup(&inner);
    kunit_expect_eq!(test, order.now().len(), 3);
}

fn kunit_resource_init_that_fails_adds_nothing(test: &Test) {
    let (inner, order) = (inner(test), Order::default());
    let init: ResourceInit<'_> = &|_| Err(Errno::EINVAL);
    let added = kunit_add_resource(&inner, Some(init), order.free("never"), Arc::new(()));
    kunit_expect_eq!(test, added.err(), Some(Errno::EINVAL));
    kunit_cleanup(&inner);
    kunit_expect_eq!(test, order.now().len(), 0);
}

fn kunit_resource_destroy_frees_the_latest_that_fits(test: &Test) {
    let (inner, order) = (inner(test), Order::default());
    add(test, &inner, order.free("kept"));
    add(test, &inner, order.free("destroyed"));
    kunit_expect_eq!(test, kunit_destroy_resource(&inner, &|_, _| true), Ok(()));
    kunit_expect_eq!(test, order.now(), ["destroyed"]);
    let none = kunit_destroy_resource(&inner, &|_, _| false);
    kunit_expect_eq!(test, none, Err(Errno::ENOENT));
    kunit_cleanup(&inner);
    kunit_expect_eq!(test, order.now(), ["destroyed", "kept"]);
}

fn kunit_resource_removed_while_somebody_holds_it_is_freed_by_the_last_put(test: &Test) {
    let (inner, order) = (inner(test), Order::default());
    add(test, &inner, order.free("held"));
    let held = kunit_assert_not_err_or_null!(test, kunit_find_resource(&inner, &|_, _| true));
    kunit_remove_resource(&inner, &held);
    kunit_expect_null!(test, kunit_find_resource(&inner, &|_, _| true));
    kunit_cleanup(&inner);
    kunit_expect_eq!(test, order.now().len(), 0);
    kunit_put_resource(&held);
    kunit_expect_eq!(test, order.now(), ["held"]);
}

fn kunit_resource_named_is_found_and_unique(test: &Test) {
    let (inner, order) = (inner(test), Order::default());
    let add = || kunit_add_named_resource(&inner, None, order.free("named"), "n", Arc::new(7_u32));
    kunit_assert_true!(test, add().is_ok());
    kunit_expect_eq!(test, add().err(), Some(Errno::EEXIST));
    let found = kunit_find_named_resource(&inner, "n");
    let found = kunit_assert_not_err_or_null!(test, found);
    kunit_expect_eq!(test, found.data().downcast_ref(), Some(&7_u32));
    kunit_put_resource(&found);
    kunit_expect_eq!(test, kunit_destroy_named_resource(&inner, "n"), Ok(()));
    kunit_expect_null!(test, kunit_find_named_resource(&inner, "n"));
    kunit_expect_eq!(test, order.now(), ["named"]);
}

fn a_free_that_removes_another_resource_leaves_the_order_whole(test: &Test) {
    let (inner, order) = (inner(test), Order::default());
    let victim = add(test, &inner, order.free("victim"));
    add(test, &inner, order.free("middle"));
    let (log, cleaned) = (order.clone(), inner.clone());
    let remover: ResourceFree = Box::new(move |_| {
        log.0.lock().push("remover");
        kunit_remove_resource(&cleaned, &victim);
    });
    add(test, &inner, Some(remover));
    kunit_cleanup(&inner);
    kunit_expect_eq!(test, order.now(), ["remover", "victim", "middle"]);
}

fn kunit_action_runs_at_cleanup_unless_it_was_removed_or_released(test: &Test) {
    let (inner, order) = (inner(test), Order::default());
    let add = |function: u64, name: &'static str| {
        let action = TestAction::keyed(ActionKey(function, 0), order.run(name));
        kunit_assert_true!(test, kunit_add_action(&inner, action).is_ok());
    };
    add(1, "kept");
    add(2, "removed");
    add(3, "released");
    kunit_remove_action(&inner, ActionKey(2, 0));
    kunit_release_action(&inner, ActionKey(3, 0));
    kunit_expect_eq!(test, order.now(), ["released"]);
    // What is not there is passed over in silence.
    kunit_remove_action(&inner, ActionKey(9, 0));
    kunit_release_action(&inner, ActionKey(9, 0));
    kunit_cleanup(&inner);
    kunit_expect_eq!(test, order.now(), ["released", "kept"]);
}

fn kunit_action_that_cannot_be_added_is_run_by_or_reset(test: &Test) {
    let (inner, order) = (inner(test), Order::default());
    test.system().fail_nth(1);
    let action = TestAction::new(order.run("reset"));
    let added = kunit_add_action_or_reset(&inner, action);
    kunit_expect_eq!(test, added, Err(Errno::ENOMEM));
    kunit_expect_eq!(test, order.now(), ["reset"]);
    kunit_cleanup(&inner);
    kunit_expect_eq!(test, order.now(), ["reset"]);
}

fn kunit_memory_is_freed_with_its_test(test: &Test) {
    let inner = inner(test);
    let memory = kunit_assert_not_err_or_null!(test, kunit_kzalloc(&inner, 8));
    memory.write(0, b"hello");
    kunit_expect_eq!(test, memory.read(0..5), b"hello");
    let table = kunit_assert_not_err_or_null!(test, kunit_kcalloc(&inner, 3, 4));
    kunit_expect_eq!(test, table.read(0..12), [0; 12]);
    let endless = kunit_kmalloc_array(&inner, usize::MAX, 2);
    kunit_expect_eq!(test, endless.err(), Some(Errno::ENOMEM));
    kunit_kfree(&inner, &memory);
    kunit_expect_true!(test, memory.is_freed());
    kunit_cleanup(&inner);
    kunit_expect_true!(test, table.is_freed());
}

kunit_suite! {
    /// Resources, actions and memory that a test manages.
    pub suite kunit_resource = "kunit-resource" {
        kunit_resource_cleanup_is_latest_first,
        kunit_resource_init_that_fails_adds_nothing,
        kunit_resource_destroy_frees_the_latest_that_fits,
        kunit_resource_removed_while_somebody_holds_it_is_freed_by_the_last_put,
        kunit_resource_named_is_found_and_unique,
        a_free_that_removes_another_resource_leaves_the_order_whole,
        kunit_action_runs_at_cleanup_unless_it_was_removed_or_released,
        kunit_action_that_cannot_be_added_is_run_by_or_reset,
        kunit_memory_is_freed_with_its_test,
    }
}
