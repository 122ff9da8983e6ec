//! Suites and cases.
//!
//! Follows `struct kunit_suite` and `struct kunit_case` of
//! `include/kunit/test.h`.

use core::any::Any;
use core::fmt;
use core::time::Duration;

use lastfd_model::{DebugOptions, Result, Rules, System};
use lastfd_sync::Arc;

use crate::filter::Speed;
use crate::test::{Test, TestData};

/// How long a parameter's description may be, in bytes
/// (`KUNIT_PARAM_DESC_SIZE`, without the terminating zero).
const PARAM_DESC_SIZE: usize = 127;

/// What a case's body may return: nothing, or a result whose error fails it.
pub trait CaseReturn {
    /// The error as text.
    fn into_failure(self) -> Option<String>;
}

impl CaseReturn for () {
    fn into_failure(self) -> Option<String> {
        None
    }
}

impl<E: fmt::Debug> CaseReturn for core::result::Result<(), E> {
    fn into_failure(self) -> Option<String> {
        self.err().map(|error| format!("{error:?}"))
    }
}

pub(crate) type Body = Arc<dyn Fn(&Test) -> Option<String> + Send + Sync>;
pub(crate) type Init = Arc<dyn Fn(&Test) -> Result + Send + Sync>;
pub(crate) type Exit = Arc<dyn Fn(&Test) + Send + Sync>;
pub(crate) type SuiteInit = Arc<dyn Fn(&System) -> Result + Send + Sync>;
pub(crate) type SuiteExit = Arc<dyn Fn(&System) + Send + Sync>;
type Params = Arc<dyn Fn() -> Vec<Param> + Send + Sync>;

/// One parameter of a case.
#[derive(Clone)]
pub struct Param {
    pub(crate) description: String,
    pub(crate) value: TestData,
}

impl Param {
    /// A parameter. Without a description it is called `param-0` and so on.
    pub fn new<T: Any + Send + Sync>(description: impl Into<String>, value: T) -> Param {
        Param {
            description: crate::test::shortened(description.into(), PARAM_DESC_SIZE),
            value: Arc::new(value),
        }
    }

    /// A parameter for each item, described by `describe`
    /// (`KUNIT_ARRAY_PARAM`).
    pub fn each<T: Any + Send + Sync>(
        items: impl IntoIterator<Item = T>,
        describe: impl Fn(&T) -> String,
    ) -> Vec<Param> {
        let items = items.into_iter();
        items
            .map(|item| Param::new(describe(&item), item))
            .collect()
    }
}

impl fmt::Debug for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Param").field(&self.description).finish()
    }
}

/// One case: a function, and what is to be known of it.
#[derive(Clone)]
pub struct Case {
    pub(crate) name: String,
    pub(crate) body: Body,
    pub(crate) params: Option<Params>,
    pub(crate) speed: Option<Speed>,
    pub(crate) timeout: Option<Duration>,
    /// Why it cannot run under a debug mode.
    pub(crate) immediate_release: Option<&'static str>,
    pub(crate) one_probe: Option<&'static str>,
    /// A filter said that it is to be shown as skipped.
    pub(crate) skipped: bool,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

impl Case {
    /// A case (`KUNIT_CASE`).
    ///
    /// ```
    /// use lastfd_kunit::{Case, Test, kunit_expect_eq};
    ///
    /// fn adds(test: &Test) {
    ///     kunit_expect_eq!(test, 1 + 1, 2);
    /// }
    /// assert_eq!(Case::new("adds", adds).name(), "adds");
    /// ```
    pub fn new<R: CaseReturn>(
        name: &str,
        body: impl Fn(&Test) -> R + Send + Sync + 'static,
    ) -> Case {
        Case {
            name: name.to_owned(),
            body: Arc::new(move |test| body(test).into_failure()),
            params: None,
            speed: None,
            timeout: None,
            immediate_release: None,
            one_probe: None,
            skipped: false,
        }
    }

    /// Under [`DebugOptions::kobject_release`] it is skipped, for this reason:
    /// what it says is not true there.
    #[must_use]
    pub fn needs_immediate_release(mut self, reason: &'static str) -> Case {
        self.immediate_release = Some(reason);
        self
    }

    /// Under [`DebugOptions::test_driver_remove`] it is skipped, for this
    /// reason: what it says is not true there.
    #[must_use]
    pub fn needs_one_probe(mut self, reason: &'static str) -> Case {
        self.one_probe = Some(reason);
        self
    }

    /// Why it is skipped under these debug modes, if it is.
    pub(crate) fn untrue_under(&self, debug: DebugOptions) -> Option<&'static str> {
        let release = self.immediate_release.filter(|_| debug.kobject_release);
        release.or_else(|| self.one_probe.filter(|_| debug.test_driver_remove))
    }

    /// Runs it once for each parameter, which the body finds with
    /// [`Test::param`] (`KUNIT_CASE_PARAM`).
    #[must_use]
    pub fn params(mut self, params: Vec<Param>) -> Case {
        self.params = Some(Arc::new(move || params.clone()));
        self
    }

    /// As [`params`](Case::params), made anew in each run.
    #[must_use]
    pub fn generate_params(
        mut self,
        generate: impl Fn() -> Vec<Param> + Send + Sync + 'static,
    ) -> Case {
        self.params = Some(Arc::new(generate));
        self
    }

    /// How long it takes.
    #[must_use]
    pub fn speed(mut self, speed: Speed) -> Case {
        self.speed = Some(speed);
        self
    }

    /// It takes more than a second (`KUNIT_CASE_SLOW`).
    #[must_use]
    pub fn slow(self) -> Case {
        self.speed(Speed::Slow)
    }

    /// Longest time for its init and body together, and again for exit and
    /// cleanup, in place of the run's.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Case {
        self.timeout = Some(timeout);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A suite: cases, what is done around each and around all of them.
///
/// All its cases run in one System, one after the other.
///
/// ```
/// use lastfd_kunit::{Case, Suite, Test, kunit_expect_eq, raw::*};
/// use lastfd_model::raw::*;
///
/// fn is_bound(test: &Test) {
///     let device = kunit_device_register(test, "dev").unwrap();
///     kunit_expect_eq!(test, kref_read(&device), 3);
/// }
/// let suite = Suite::new("kunit-device").case(Case::new("is_bound", is_bound));
/// assert!(lastfd_kunit::Runner::new().run_quietly(&[suite]).is_success());
/// ```
#[derive(Clone)]
pub struct Suite {
    pub(crate) name: String,
    pub(crate) cases: Vec<Case>,
    pub(crate) suite_init: Option<SuiteInit>,
    pub(crate) suite_exit: Option<SuiteExit>,
    pub(crate) init: Option<Init>,
    pub(crate) exit: Option<Exit>,
    pub(crate) speed: Option<Speed>,
    pub(crate) module: String,
    pub(crate) is_init: bool,
    pub(crate) rules: Option<Rules>,
    pub(crate) real_time: bool,
    pub(crate) timeout: Option<Duration>,
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("name", &self.name)
            .field("cases", &self.cases)
            .finish_non_exhaustive()
    }
}

impl Suite {
    /// A suite without cases.
    pub fn new(name: &str) -> Suite {
        Suite {
            name: name.to_owned(),
            cases: Vec::new(),
            suite_init: None,
            suite_exit: None,
            init: None,
            exit: None,
            speed: None,
            module: String::new(),
            is_init: false,
            rules: None,
            real_time: false,
            timeout: None,
        }
    }

    /// Adds a case.
    #[must_use]
    pub fn case(mut self, case: Case) -> Suite {
        self.cases.push(case);
        self
    }

    /// Runs before each case, on the same thread. An error fails the case, and
    /// its body does not run.
    #[must_use]
    pub fn init(mut self, init: impl Fn(&Test) -> Result + Send + Sync + 'static) -> Suite {
        self.init = Some(Arc::new(init));
        self
    }

    /// Runs after each case, whatever became of it, before what the case
    /// manages is freed.
    #[must_use]
    pub fn exit(mut self, exit: impl Fn(&Test) + Send + Sync + 'static) -> Suite {
        self.exit = Some(Arc::new(exit));
        self
    }

    /// Runs once, before the first case. An error fails the suite, and no case
    /// runs.
    ///
    /// If a case spoils the suite's System, the rest of the cases get another,
    /// and this runs in it again.
    #[must_use]
    pub fn suite_init(mut self, init: impl Fn(&System) -> Result + Send + Sync + 'static) -> Suite {
        self.suite_init = Some(Arc::new(init));
        self
    }

    /// Runs once, after the last case, if `suite_init` did not fail. In a
    /// System that is set aside because a case took too long it does not run.
    #[must_use]
    pub fn suite_exit(mut self, exit: impl Fn(&System) + Send + Sync + 'static) -> Suite {
        self.suite_exit = Some(Arc::new(exit));
        self
    }

    /// How long its cases take, where they do not say.
    #[must_use]
    pub fn speed(mut self, speed: Speed) -> Suite {
        self.speed = Some(speed);
        self
    }

    /// What it belongs to (`KBUILD_MODNAME`).
    #[must_use]
    pub fn module(mut self, module: &str) -> Suite {
        module.clone_into(&mut self.module);
        self
    }

    /// Marks it as one that runs while the kernel starts (`is_init`). Here
    /// that is an attribute to filter by, and nothing more.
    #[must_use]
    pub fn init_suite(mut self) -> Suite {
        self.is_init = true;
        self
    }

    /// The rules its System follows, in place of the run's.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Suite {
        self.rules = Some(rules);
        self
    }

    /// Gives its System a real clock. Unless told, time is simulated: it
    /// passes only when every task of the System waits. A suite whose cases
    /// wait for something outside the System, such as a program, needs this.
    #[must_use]
    pub fn real_time(mut self) -> Suite {
        self.real_time = true;
        self
    }

    /// As [`Case::timeout`], for all its cases.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Suite {
        self.timeout = Some(timeout);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its cases.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }
}
