//! Running suites.
//!
//! Follows `kunit_run_tests` and what it calls in `lib/kunit/test.c`.

use core::time::Duration;
use std::io;

use lastfd_model::{DebugOptions, FailNth, Rules, System};
use lastfd_sync::{Arc, Clock, Ktime, Mutex};

use crate::leftover::Inventory;
use crate::phase::{Ended, Threads, Which};
use crate::raw::kunit_bus;
use crate::report::{Outcome, Reporter, Stats};
use crate::splats::Watch;
use crate::suite::{Case, Suite};
use crate::test::Status;

/// kunit_test_timeout.
const TIMEOUT: Duration = Duration::from_secs(300);

/// How suites are run.
///
/// ```
/// use core::time::Duration;
/// use lastfd_kunit::{Case, Runner, Suite};
/// use lastfd_model::raw::root_device_register;
///
/// let leaks = Case::new("leaks", |test| {
///     root_device_register(test.system(), "board").unwrap();
/// });
/// let stats = Runner::new()
///     .timeout(Duration::from_secs(10))
///     .run_quietly(&[Suite::new("s").case(leaks)]);
/// assert_eq!(stats.failed, 1);
/// ```
#[derive(Clone, Debug)]
pub struct Runner {
    pub(crate) timeout: Duration,
    rules: Rules,
    host: Option<Clock>,
    sanitizer: bool,
    debug: DebugOptions,
    pub(crate) fail_nth: Option<FailNth>,
}

impl Default for Runner {
    fn default() -> Self {
        Runner::new()
    }
}

impl Runner {
    /// With the kernel's timeout of 300 seconds and today's rules.
    pub fn new() -> Runner {
        Runner {
            timeout: TIMEOUT,
            rules: Rules::default(),
            host: None,
            sanitizer: true,
            debug: DebugOptions::default(),
            fail_nth: None,
        }
    }

    /// Longest time for a case's init and body together, and again for exit
    /// and cleanup, unless the suite or the case says otherwise. It is counted
    /// in the System's time, and in the host's where that does not pass.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Runner {
        self.timeout = timeout;
        self
    }

    /// The rules that Systems follow, unless the suite says otherwise.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Runner {
        self.rules = rules;
        self
    }

    /// Debug modes of the Systems. A case that says so
    /// ([`Case::needs_immediate_release`], [`Case::needs_one_probe`]) is skipped
    /// under the mode that makes it untrue. Which allocations fail is said with
    /// [`fail_nth`](Runner::fail_nth).
    #[must_use]
    pub fn debug(mut self, debug: DebugOptions) -> Runner {
        self.debug = DebugOptions {
            fail_nth: 0,
            ..debug
        };
        self
    }

    /// Makes an allocation of each case's init and body fail: this one, or, in
    /// one run after the other, each there is.
    ///
    /// A case may then fail its expectations or be skipped, and has passed all
    /// the same. It has failed if it panics or takes too long, if a kernel
    /// would have warned, or if it leaves something behind. A run in which
    /// nothing was left to fail is an ordinary one.
    #[must_use]
    pub fn fail_nth(mut self, which: FailNth) -> Runner {
        self.fail_nth = Some(which);
        self
    }

    /// The clock by which durations are told, in place of a real one. One of
    /// simulated time does not end cases that never wait.
    #[must_use]
    pub fn host_clock(mut self, clock: Clock) -> Runner {
        self.host = Some(clock);
        self
    }

    /// Whether the [sanitizer](lastfd_sanitizer) watches each case: on unless told. A
    /// case fails if it finds that a driver broke a rule.
    #[must_use]
    pub fn sanitizer(mut self, on: bool) -> Runner {
        self.sanitizer = on;
        self
    }

    /// Runs the suites one after the other, each in a System of its own, and
    /// tells the reporter.
    ///
    /// # Errors
    /// The reporter's.
    pub fn run(&self, suites: &[Suite], reporter: &mut dyn Reporter) -> io::Result<Stats> {
        let host = self.host.clone().unwrap_or_else(Clock::real);
        reporter.run_begins(suites.len())?;
        let mut total = Stats::default();
        for (index, suite) in suites.iter().enumerate() {
            let mut run = SuiteRun {
                runner: self,
                host: &host,
                suite,
                reporter: &mut *reporter,
                world: None,
                spoilt: false,
            };
            total.add(run.run(index + 1)?);
        }
        reporter.run_ends(total)?;
        Ok(total)
    }

    /// Runs the suites and tells nobody how they fare.
    pub fn run_quietly(&self, suites: &[Suite]) -> Stats {
        let sink = &mut crate::report::Ktap::new(io::sink());
        self.run(suites, sink)
            .unwrap_or_else(|_| unreachable!("a sink takes everything"))
    }
}

/// A System that a suite runs in.
pub(crate) struct World {
    pub(crate) system: System,
    pub(crate) threads: Threads,
    pub(crate) watch: Arc<Watch>,
    /// What there was before the suite's init.
    bare: Inventory,
}

/// Why the cases cannot run: the suite's init failed, so.
pub(crate) struct NoWorld(pub(crate) String);

/// A suite under way.
pub(crate) struct SuiteRun<'a> {
    pub(crate) runner: &'a Runner,
    pub(crate) host: &'a Clock,
    pub(crate) suite: &'a Suite,
    pub(crate) reporter: &'a mut dyn Reporter,
    pub(crate) world: Option<World>,
    /// What went wrong around the cases fails the suite.
    spoilt: bool,
}

impl SuiteRun<'_> {
    /// kunit_run_tests. Gives how all its tests fared, each parameter counted.
    fn run(&mut self, number: usize) -> io::Result<Stats> {
        let suite = self.suite;
        let begun = self.host.now();
        let (mut cases, mut total) = (Stats::default(), Stats::default());
        match self.new_world() {
            Err(NoWorld(why)) => {
                self.reporter.log(&suite.name, &why)?;
                self.spoilt = true;
            }
            Ok(()) => {
                self.reporter.suite_begins(suite)?;
                for (index, case) in suite.cases.iter().enumerate() {
                    let outcome = self.case(index + 1, case)?;
                    cases.count(outcome.status);
                    total.add(outcome.stats);
                }
                self.end_world()?;
            }
        }
        let outcome = Outcome {
            number,
            name: suite.name.clone(),
            status: self.status(cases),
            comment: String::new(),
            stats: cases,
            took: self.since(begun),
        };
        self.reporter.suite_ends(suite, &outcome, total)?;
        // A suite that never began counts as one failure.
        if self.spoilt && total.is_success() {
            total.count(Status::Failure);
        }
        Ok(total)
    }

    /// kunit_suite_has_succeeded.
    fn status(&self, cases: Stats) -> Status {
        if self.spoilt || cases.failed > 0 {
            Status::Failure
        } else if cases.passed > 0 {
            Status::Success
        } else {
            Status::Skipped
        }
    }

    fn since(&self, begun: Ktime) -> Duration {
        Duration::from_nanos(self.host.now().0.saturating_sub(begun.0))
    }

    /// Makes the System and runs the suite's init in it.
    pub(crate) fn new_world(&mut self) -> Result<(), NoWorld> {
        let suite = self.suite;
        let clock = match suite.real_time {
            true => Clock::real(),
            false => Clock::simulated(),
        };
        let system = System::builder()
            .rules(suite.rules.unwrap_or(self.runner.rules))
            .clock(clock)
            .ledger(true)
            .debug(self.runner.debug)
            .build();
        let watch = Arc::new(Watch::new(&system, self.runner.sanitizer));
        // As at boot: it is nobody's that it is there.
        kunit_bus(&system);
        let world = World {
            bare: Inventory::of(&system),
            threads: Threads::new(&system, self.host),
            watch,
            system,
        };
        if let Some(init) = &suite.suite_init {
            let result: Arc<Mutex<lastfd_model::Result>> = Arc::new(Mutex::new(Ok(())));
            let (init, system, out) = (Arc::clone(init), world.system.clone(), result.clone());
            let limit = suite.timeout.unwrap_or(self.runner.timeout);
            let ended = world.threads.run(Which::Body, limit, move || {
                *out.lock() = init(&system);
            });
            let result = *result.lock();
            let why = match (ended, result) {
                (Ended::Done, Ok(())) => None,
                (Ended::Done, Err(errno)) => Some(format!("(-{})", errno.code())),
                (ended, _) => Some(format!("({})", ended.code()) + &ended.explanation()),
            };
            if let Some(why) = why {
                return Err(NoWorld(format!("# failed to initialize {why}")));
            }
        }
        self.world = Some(world);
        Ok(())
    }

    /// Runs the suite's exit, and looks for what the suite left.
    fn end_world(&mut self) -> io::Result<()> {
        let Some(world) = self.world.take() else {
            return Ok(());
        };
        let mut said: Vec<String> = self.suite_exit(&world).into_iter().collect();
        world.system.settle();
        world.system.wait_for_releases();
        let left = Inventory::of(&world.system).since(&world.bare);
        let left = left
            .iter()
            .map(|what| format!("left behind by the suite: {what}"));
        said.extend(left);
        said.extend(world.watch.take(&[]));
        self.spoil(&said)
    }

    /// A case left something behind: the cases to come get another System. The
    /// old one is sound, so the suite's exit may run.
    pub(crate) fn replace_world(&mut self) -> io::Result<()> {
        let Some(world) = self.world.take() else {
            return Ok(());
        };
        let said: Vec<String> = self.suite_exit(&world).into_iter().collect();
        // A thread that was left behind may end now.
        world.system.waits().cancel();
        self.spoil(&said)
    }

    /// Runs the suite's exit, and gives what went wrong in it.
    fn suite_exit(&self, world: &World) -> Option<String> {
        let exit = Arc::clone(self.suite.suite_exit.as_ref()?);
        let system = world.system.clone();
        let limit = self.suite.timeout.unwrap_or(self.runner.timeout);
        let ended = world.threads.run(Which::Body, limit, move || exit(&system));
        let (code, why) = (ended.code(), ended.explanation());
        let failed = !matches!(ended, Ended::Done);
        failed.then(|| format!("the suite's exit failed ({code}){why}"))
    }

    /// Fails the suite for what went wrong around its cases, if something did.
    fn spoil(&mut self, said: &[String]) -> io::Result<()> {
        for text in said {
            self.spoilt = true;
            self.reporter.log(&self.suite.name, text)?;
        }
        Ok(())
    }

    /// One case, with all its parameters.
    fn case(&mut self, number: usize, case: &Case) -> io::Result<Outcome> {
        let begun = self.host.now();
        let mut stats = Stats::default();
        let mut comment = String::new();
        let untrue = case.untrue_under(self.runner.debug);
        let params = match &case.params {
            Some(params) if !case.skipped && untrue.is_none() => Some(params()),
            _ => None,
        };
        self.reporter.case_begins(case, params.is_some())?;
        match params {
            None if case.skipped => stats.count(Status::Skipped),
            None if untrue.is_some() => {
                comment.extend(untrue);
                stats.count(Status::Skipped);
            }
            None => {
                let test = self.run_one(case, None)?;
                comment = test.status_comment();
                stats.count(test.status());
            }
            Some(params) => {
                for (index, param) in params.into_iter().enumerate() {
                    let begun = self.host.now();
                    let test = self.run_one(case, Some((index, &param.value)))?;
                    stats.count(test.status());
                    let description = match param.description.as_str() {
                        "" => format!("param-{index}"),
                        description => description.to_owned(),
                    };
                    let outcome = Outcome {
                        number: index + 1,
                        name: description,
                        status: test.status(),
                        comment: test.status_comment(),
                        stats: Stats::default(),
                        took: self.since(begun),
                    };
                    self.reporter.param_ends(case, &outcome)?;
                }
            }
        }
        // A case fails if one of its parameters does, and is skipped if all
        // are.
        let status = match stats {
            Stats { failed: 1.., .. } => Status::Failure,
            Stats { passed: 1.., .. } => Status::Success,
            _ => Status::Skipped,
        };
        let outcome = Outcome {
            number,
            name: case.name.clone(),
            status,
            comment,
            stats,
            took: self.since(begun),
        };
        self.reporter.case_ends(case, &outcome)?;
        Ok(outcome)
    }
}
