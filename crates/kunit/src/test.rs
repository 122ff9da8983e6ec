//! A running case: its name, System, private data and verdict.
//!
//! Follows `struct kunit` of `include/kunit/test.h`.

use core::any::Any;
use core::fmt;
use core::panic::Location;
use std::io;

use lastfd_model::{Holding, LedgerLine, Place, System};
use lastfd_sanitizer::Finding;
use lastfd_sync::thread::JoinHandle;
use lastfd_sync::{Arc, Cancel, Mutex};

use crate::raw::Resource;
use crate::splats::{SplatSeen, Watch};

/// How long a comment may be, in bytes (`KUNIT_STATUS_COMMENT_SIZE`, without
/// the terminating zero).
const STATUS_COMMENT_SIZE: usize = 255;

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

/// The panic with which an assertion or a skip leaves the case.
pub(crate) struct Abort;

/// A handle on a running case (`struct kunit`). A clone is another handle.
#[derive(Clone)]
pub struct Test(Arc<Inner>);

struct Inner {
    system: System,
    name: Arc<str>,
    resources: Mutex<Vec<Resource>>,
    /// Resources that somebody held when the test let go of them.
    outlive: Mutex<Vec<Resource>>,
    watch: Option<Arc<Watch>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    status: Status,
    comment: String,
    data: Option<TestData>,
    param: Option<TestData>,
    param_index: usize,
    last_seen: Option<Place>,
    log: Vec<String>,
    /// Rules whose breaking the case is about.
    meant: Vec<u8>,
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
    ///
    /// A run makes its own. One made by hand is ended with
    /// [`kunit_cleanup`](crate::raw::kunit_cleanup).
    pub fn new(system: &System, name: &str) -> Test {
        Test::watched(system, name, None)
    }

    pub(crate) fn watched(system: &System, name: &str, watch: Option<Arc<Watch>>) -> Test {
        Test(Arc::new(Inner {
            system: system.clone(),
            name: Arc::from(name),
            resources: Mutex::new(Vec::new()),
            outlive: Mutex::new(Vec::new()),
            watch,
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

    /// Takes back what came of it, and why, and what it said.
    pub(crate) fn forgive(&self) {
        let mut state = self.0.state.lock();
        state.status = Status::Success;
        state.comment.clear();
        state.log.clear();
    }

    /// Marks the test as skipped; it runs on, and an expectation that fails
    /// later fails it. As in the kernel the last word counts: a test that had
    /// failed before is skipped then (`kunit_mark_skipped`).
    pub fn mark_skipped(&self, reason: impl Into<String>) {
        let reason = shortened(reason.into(), STATUS_COMMENT_SIZE);
        let mut state = self.0.state.lock();
        state.status = Status::Skipped;
        state.comment = reason;
    }

    /// Skips the rest of the test (`kunit_skip`).
    pub fn skip(&self, reason: impl Into<String>) -> ! {
        self.mark_skipped(reason);
        self.abort()
    }

    /// Leaves the test's function now (`__kunit_abort`). Its locals are
    /// dropped on the way, which a kernel does not do; then come the suite's
    /// exit and what the test manages.
    pub fn abort(&self) -> ! {
        // No panic hook: nothing is printed.
        std::panic::resume_unwind(Box::new(Abort))
    }

    /// Writes a line to the log, as a diagnostic of this test (`kunit_info`).
    /// It may have several lines.
    pub fn log(&self, text: impl Into<String>) {
        let text = text.into();
        self.0.state.lock().log.push(text);
    }

    pub(crate) fn take_log(&self) -> Vec<String> {
        core::mem::take(&mut self.0.state.lock().log)
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

    /// The parameter it runs with, if there is one of this type
    /// (`param_value`).
    pub fn param<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let param = self.0.state.lock().param.clone()?;
        param.downcast().ok()
    }

    /// The parameter's number, from 0 (`param_index`).
    pub fn param_index(&self) -> usize {
        self.0.state.lock().param_index
    }

    pub(crate) fn set_param(&self, index: usize, param: TestData) {
        let mut state = self.0.state.lock();
        state.param_index = index;
        state.param = Some(param);
    }

    pub(crate) fn set_last_seen(&self, place: Place) {
        self.0.state.lock().last_seen = Some(place);
    }

    /// The last check that the test came by.
    pub(crate) fn last_seen(&self) -> Option<Place> {
        self.0.state.lock().last_seen
    }

    /// Cancelled when the test times out. Waits that are given it end then.
    pub fn cancel(&self) -> Cancel {
        self.0.system.waits().clone()
    }

    /// Starts a thread of the test's, in the System's time. One that runs when
    /// the case is over fails it.
    ///
    /// # Errors
    /// The machine has no more threads to give.
    #[track_caller]
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        run: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let entry = self.0.system.ledger_open(LedgerLine {
            holding: Holding::Resource,
            device: None,
            what: format!("thread {name}").into(),
            place: Some(Location::caller()),
        });
        self.0.system.clock().spawn(name, move || {
            let result = run();
            drop(entry);
            result
        })
    }

    /// The splats since the case began, or since the last call. What is taken
    /// does not fail the case: this is how a case shows that misuse is told. Neither
    /// do findings of the sanitizer's that explain nothing else.
    ///
    /// Empty for a test that was made by hand.
    pub fn take_splats(&self) -> Vec<SplatSeen> {
        let watch = self.0.watch.as_ref();
        watch.map(|watch| watch.take_splats()).unwrap_or_default()
    }

    /// What the sanitizer found since the case began, or since the last call, that a
    /// driver is to blame for. What is taken does not fail the case: this is how a
    /// case shows that a mistake is named.
    ///
    /// Empty for a test that was made by hand, and where the sanitizer is off.
    pub fn take_findings(&self) -> Vec<Finding> {
        let watch = self.0.watch.as_ref();
        watch.map(|watch| watch.take_findings()).unwrap_or_default()
    }

    /// Takes what the sanitizer found, and fails the test unless it is that these rules
    /// were broken: this is how a case shows a mistake that the sanitizer names. Where
    /// the sanitizer is off nothing is expected.
    #[track_caller]
    pub fn expect_findings(&self, rules: &[u8]) {
        self.0.state.lock().meant.extend(rules);
        let watch = self.0.watch.as_ref();
        if !watch.is_some_and(|watch| watch.is_sanitized()) {
            return;
        }
        let found = self.take_findings();
        let mut numbers: Vec<u8> = found.iter().map(|finding| finding.rule.number).collect();
        numbers.sort_unstable();
        if numbers != rules {
            let place = Location::caller();
            self.set_failure();
            self.log(format!(
                "EXPECTATION FAILED at {place}\n    Expected findings under {rules:?}, \
                 but they are under {numbers:?}"
            ));
            found
                .iter()
                .for_each(|finding| self.log(finding.to_string()));
        }
    }

    /// Says which rules the test may break when it ends early, beside those of
    /// [`expect_findings`](Test::expect_findings): for runs in which allocations
    /// fail.
    pub fn may_find(&self, rules: &[u8]) {
        self.0.state.lock().meant.extend(rules);
    }

    /// The rules that it expected to be broken.
    pub(crate) fn meant(&self) -> Vec<u8> {
        self.0.state.lock().meant.clone()
    }

    /// Somebody holds a resource that the test has let go of.
    pub(crate) fn outlived_by(&self, resource: Resource) {
        self.0.outlive.lock().push(resource);
    }

    /// The resources that somebody still holds, in words.
    pub(crate) fn still_held(&self) -> Vec<String> {
        let outlive = core::mem::take(&mut *self.0.outlive.lock());
        outlive.iter().filter_map(Resource::held).collect()
    }

    /// What the test manages, oldest first.
    pub(crate) fn resources(&self) -> &Mutex<Vec<Resource>> {
        &self.0.resources
    }
}

/// The text, cut where it gets longer than this many bytes.
pub(crate) fn shortened(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}
