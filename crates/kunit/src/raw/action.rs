//! Test-managed actions.
//!
//! Follows `kunit_add_action` and its kin in `lib/kunit/resource.c`.

use core::fmt;

use lastfd_model::Result;
use lastfd_model::raw::ActionKey;
use lastfd_sync::Arc;

use super::resource::{
    Kind, Resource, add, kunit_find_resource, kunit_put_resource, kunit_remove_resource,
};
use crate::test::Test;

/// Runs when the test is cleaned up (`kunit_action_t` with its context).
pub struct TestAction {
    pub(crate) kind: Kind,
    run: Box<dyn FnOnce() + Send>,
}

impl TestAction {
    /// An action that nothing else equals.
    pub fn new(run: impl FnOnce() + Send + 'static) -> TestAction {
        TestAction::of(Kind::Action(None), run)
    }

    /// An action that can be found by its function and context.
    pub fn keyed(key: ActionKey, run: impl FnOnce() + Send + 'static) -> TestAction {
        TestAction::of(Kind::Action(Some(key)), run)
    }

    pub(crate) fn of(kind: Kind, run: impl FnOnce() + Send + 'static) -> TestAction {
        TestAction {
            kind,
            run: Box::new(run),
        }
    }
}

impl fmt::Debug for TestAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestAction")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Adds an action (`kunit_add_action`). `ENOMEM` if told to fail; then the
/// action is dropped without running.
///
/// ```
/// use lastfd_kunit::{Test, raw::*};
/// use lastfd_model::{System, raw::ActionKey};
/// use lastfd_sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// let test = Test::new(&System::new(), "my_case");
/// let runs = Arc::new(AtomicU32::new(0));
/// let counts = runs.clone();
/// let key = ActionKey(1, 2);
/// let count = move || { counts.fetch_add(1, Ordering::Relaxed); };
/// kunit_add_action(&test, TestAction::keyed(key, count)).unwrap();
/// kunit_release_action(&test, key);
/// kunit_cleanup(&test);
/// assert_eq!(runs.load(Ordering::Relaxed), 1);
/// ```
pub fn kunit_add_action(test: &Test, action: TestAction) -> Result {
    test.system().allocation()?;
    add_action(test, action);
    Ok(())
}

/// As [`kunit_add_action`], but if it fails the action runs at once
/// (`kunit_add_action_or_reset`).
pub fn kunit_add_action_or_reset(test: &Test, action: TestAction) -> Result {
    if let Err(errno) = test.system().allocation() {
        (action.run)();
        return Err(errno);
    }
    add_action(test, action);
    Ok(())
}

fn add_action(test: &Test, action: TestAction) {
    let TestAction { kind, run } = action;
    let free = Box::new(move |_: &Resource| run());
    let resource = Resource::new(test.system(), kind, None, Arc::new(()), Some(free));
    // Without an init it cannot fail.
    let _ = add(test, None, resource);
}

/// Takes the latest action with this key off, without running it
/// (`kunit_remove_action`). Nothing happens if there is none.
#[track_caller]
pub fn kunit_remove_action(test: &Test, key: ActionKey) {
    let wanted = Kind::Action(Some(key));
    if let Some(resource) = kunit_find_resource(test, &|_, r| r.kind() == wanted) {
        drop(resource.set_free(None));
        kunit_remove_resource(test, &resource);
        kunit_put_resource(&resource);
    }
}

/// Takes the latest action with this key off and runs it
/// (`kunit_release_action`). Nothing happens if there is none.
#[track_caller]
pub fn kunit_release_action(test: &Test, key: ActionKey) {
    release(test, Kind::Action(Some(key)));
}

/// kunit_release_action, by whatever tells the action from others; whether
/// there was one.
#[track_caller]
pub(crate) fn release(test: &Test, wanted: Kind) -> bool {
    let Some(resource) = kunit_find_resource(test, &|_, r| r.kind() == wanted) else {
        return false;
    };
    kunit_remove_resource(test, &resource);
    kunit_put_resource(&resource);
    true
}
