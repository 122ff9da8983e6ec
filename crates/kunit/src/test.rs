//! A running case: its name, System, private data and verdict.
//!
//! Follows `struct kunit` of `include/kunit/test.h`.

use core::any::Any;
use core::fmt;

use lastfd_model::System;
use lastfd_sync::{Arc, Mutex};

use crate::raw::Resource;

/// What came of a test (`enum kunit_status`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nothing went wrong.
    #[default]
    Success,
    /// Something did.
    Failure,
    /// It did not apply.
    Skipped,
}

impl fmt::Display for Status {
    /// As in KTAP: a skipped test is `ok` (`kunit_status_to_ok_not_ok`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Success | Status::Skipped => "ok",
            Status::Failure => "not ok",
        })
    }
}

/// What a case keeps for itself (`priv` of `struct kunit`).
pub type TestData = Arc<dyn Any + Send + Sync>;

/// A handle on a running case (`struct kunit`). A clone is another handle.
#[derive(Clone)]
pub struct Test(Arc<Inner>);

struct Inner {
    system: System,
    name: Arc<str>,
    resources: Mutex<Vec<Resource>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    status: Status,
    comment: String,
    data: Option<TestData>,
}

impl PartialEq for Test {
    fn eq(&self, other: &Test) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Test {}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Test")
            .field("name", &self.0.name)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

impl Test {
    /// A test that manages nothing yet and has not failed (`kunit_init_test`).
    pub fn new(system: &System, name: &str) -> Test {
        Test(Arc::new(Inner {
            system: system.clone(),
            name: Arc::from(name),
            resources: Mutex::new(Vec::new()),
            state: Mutex::new(State::default()),
        }))
    }

    /// The case's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The System it runs in.
    pub fn system(&self) -> &System {
        &self.0.system
    }

    /// What came of it so far.
    pub fn status(&self) -> Status {
        self.0.state.lock().status
    }

    /// Why it was skipped, or empty (`status_comment`).
    pub fn status_comment(&self) -> String {
        self.0.state.lock().comment.clone()
    }

    /// Fails the test; it runs on (`kunit_set_failure`).
    pub fn set_failure(&self) {
        self.0.state.lock().status = Status::Failure;
    }

    /// Keeps data for the case: what its init made, its body finds (`priv`).
    pub fn set_data<T: Any + Send + Sync>(&self, data: T) {
        let old = self.0.state.lock().data.replace(Arc::new(data));
        drop(old);
    }

    /// The data, if it is of this type.
    pub fn data<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let data = self.0.state.lock().data.clone()?;
        data.downcast().ok()
    }

    /// What the test manages, oldest first.
    pub(crate) fn resources(&self) -> &Mutex<Vec<Resource>> {
        &self.0.resources
    }
}
