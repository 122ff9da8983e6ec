//! One case, as often as it is run: once, or once for each allocation that is
//! to fail.
//!
//! Follows `kunit_run_case_catch_errors` of `lib/kunit/test.c`.

use core::time::Duration;
use std::io;

use lastfd_model::{FailNth, System};
use lastfd_sync::{Arc, Clock};

use crate::current::set_current;
use crate::leftover::Inventory;
use crate::phase::{Ended, Stuck, Threads, Which};
use crate::raw::kunit_cleanup;
use crate::run::{NoWorld, SuiteRun};
use crate::suite::{Case, Suite};
use crate::test::{Status, Test, TestData};

/// A case that takes this long ought to be marked slow
/// (KUNIT_SPEED_SLOW_WARNING_THRESHOLD_S).
const SLOW_WARNING: Duration = Duration::from_secs(2);

impl SuiteRun<'_> {
    /// Runs a case, as often as there are allocations that are to fail, and
    /// tells what it said.
    pub(crate) fn run_one(
        &mut self,
        case: &Case,
        param: Option<(usize, &TestData)>,
    ) -> io::Result<Test> {
        let Some(which) = self.runner.fail_nth else {
            let (test, _) = self.run_once(case, param, (0, &[]))?;
            return self.told(case, test);
        };
        // An ordinary run says which rules the case breaks on purpose: one that ends
        // early does not come to say so.
        let (test, _) = self.run_once(case, param, (0, &[]))?;
        if test.status() != Status::Success {
            return self.told(case, test);
        }
        let meant = test.meant();
        let mut failed = 0;
        for nth in which.numbers() {
            let (test, injected) = self.run_once(case, param, (nth, &meant))?;
            match injected {
                Injected::Nothing => {
                    test.log(format!(
                        "fail-nth: {failed} allocations failed, one in a run"
                    ));
                    return self.told(case, test);
                }
                Injected::OfItsOwn => {
                    let (test, _) = self.run_once(case, param, (0, &[]))?;
                    test.log("fail-nth: the case makes allocations fail itself");
                    return self.told(case, test);
                }
                Injected::Harm => {
                    test.log(format!("fail-nth: this was with allocation {nth} failing"));
                    return self.told(case, test);
                }
                Injected::NoHarm => {
                    failed += 1;
                    test.forgive();
                    if which == FailNth::Nth(nth) {
                        test.log(format!("fail-nth: allocation {nth} failed"));
                        return self.told(case, test);
                    }
                }
            }
        }
        unreachable!("a run makes fewer allocations than a number can tell")
    }

    fn told(&mut self, case: &Case, test: Test) -> io::Result<Test> {
        for text in test.take_log() {
            self.reporter.log(&case.name, &text)?;
        }
        Ok(test)
    }

    /// Runs a case once, with this allocation failing; 0 is none.
    fn run_once(
        &mut self,
        case: &Case,
        param: Option<(usize, &TestData)>,
        (fail_nth, meant): (u32, &[u8]),
    ) -> io::Result<(Test, Injected)> {
        if self.world.is_none()
            && let Err(NoWorld(why)) = self.new_world()
        {
            let test = Test::new(&System::new(), &case.name);
            test.set_failure();
            self.reporter.log(&case.name, &why)?;
            return Ok((test, Injected::Harm));
        }
        let Some(world) = &self.world else {
            unreachable!("there is a world, or the suite's init failed");
        };
        let test = Test::watched(&world.system, &case.name, Some(Arc::clone(&world.watch)));
        if let Some((index, param)) = param {
            test.set_param(index, Arc::clone(param));
        }
        // What was said before the case is not its own.
        world.watch.take(&[]);
        world.watch.take_messages();
        let before = Inventory::of(&world.system);
        let ran = self.run_case(case, &test, &world.threads, fail_nth);
        let mut harm = ran.broken;
        if ran.fate == Fate::Sound {
            // What the core puts off, such as the ends of links, is not the case's.
            world.system.settle();
            world.system.wait_for_releases();
        }
        let mut went_wrong = false;
        for wrong in world.watch.take(meant) {
            went_wrong = true;
            test.set_failure();
            test.log(wrong);
        }
        let mut left_behind = false;
        // While a thread still runs, nobody knows what it will let go of.
        if ran.fate != Fate::Stuck {
            let mut left = Inventory::of(&world.system).since(&before);
            left.extend(test.still_held());
            for what in &left {
                test.set_failure();
                test.log(format!("left behind: {what}"));
            }
            if !left.is_empty() {
                world.watch.held().into_iter().for_each(|why| test.log(why));
            }
            left_behind = !left.is_empty();
        }
        let messages = world.watch.take_messages();
        if test.status() == Status::Failure {
            messages.into_iter().for_each(|message| test.log(message));
        }
        harm |= went_wrong;
        match ran.fate {
            // Whoever comes next is not to suffer for it.
            Fate::Sound if left_behind || went_wrong => self.replace_world()?,
            Fate::Sound => {}
            Fate::Cancelled | Fate::Stuck => self.world = None,
        }
        let injected = match ran.failed {
            Failed::OfItsOwn => Injected::OfItsOwn,
            _ if harm || left_behind => Injected::Harm,
            Failed::None => Injected::Nothing,
            Failed::One => Injected::NoHarm,
        };
        Ok((test, injected))
    }

    /// kunit_run_case_catch_errors.
    fn run_case(&self, case: &Case, test: &Test, threads: &Threads, fail_nth: u32) -> Ran {
        let limit = case
            .timeout
            .or(self.suite.timeout)
            .unwrap_or(self.runner.timeout);
        let mut fate = Fate::Sound;
        let mut broken = false;
        let _current = set_current(test);
        let body = try_run_case(self.suite, case, test, self.host);
        let system = test.system();
        system.fail_nth(fail_nth);
        let calls = system.fail_nth_calls();
        let ended = threads.run(Which::Body, limit, body);
        let failed = match system.fail_nth_calls() == calls {
            _ if fail_nth == 0 => Failed::None,
            true if system.fail_nth_left() == 0 => Failed::One,
            true => Failed::None,
            false => Failed::OfItsOwn,
        };
        // Exit and cleanup are not what is tried.
        system.fail_nth(0);
        match ended {
            Ended::Done | Ended::Aborted => {}
            ended => {
                broken = true;
                // kunit_catch_run_case.
                ended.say(test);
                let code = ended.code();
                test.set_failure();
                test.log(match ended {
                    Ended::TimedOut(_) => "test case timed out".to_owned(),
                    _ => {
                        format!("internal error occurred preventing test case from running: {code}")
                    }
                });
                fate = fate.max(Fate::after(&ended));
            }
        }
        let exit = self.suite.exit.clone();
        let of_test = test.clone();
        let cleanup = move || {
            // kunit_run_case_cleanup.
            if let Some(exit) = exit {
                exit(&of_test);
            }
            kunit_cleanup(&of_test);
        };
        match threads.run(Which::Cleanup, limit, cleanup) {
            Ended::Done => {}
            ended => {
                broken = true;
                // kunit_catch_run_case_cleanup.
                ended.say(test);
                let code = ended.code();
                test.set_failure();
                test.log(match ended {
                    Ended::Aborted => {
                        "test aborted during cleanup. continuing without cleaning up".to_owned()
                    }
                    Ended::TimedOut(_) => "test case cleanup timed out".to_owned(),
                    _ => format!("internal error occurred during test case cleanup: {code}"),
                });
                fate = fate.max(Fate::after(&ended));
            }
        }
        Ran {
            fate,
            broken,
            failed,
        }
    }
}

/// What one run of a case came to, beside what it says itself.
struct Ran {
    fate: Fate,
    /// It panicked or took too long, or its cleanup did anything but return.
    broken: bool,
    failed: Failed,
}

/// Which allocations were made to fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Failed {
    None,
    One,
    /// The case makes allocations fail itself.
    OfItsOwn,
}

/// What an allocation that was made to fail did.
enum Injected {
    /// None was.
    Nothing,
    /// The case makes some fail itself, which is then all there is to see.
    OfItsOwn,
    /// The case may have failed, and left nothing behind.
    NoHarm,
    /// The case panicked, hung, was warned of, or left something behind; so
    /// may one have in which nothing was made to fail.
    Harm,
}

/// Whether the System can be used on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Sound,
    /// A phase timed out in it, so every wait in it is cancelled for ever.
    Cancelled,
    /// And its thread still runs.
    Stuck,
}

impl Fate {
    fn after(ended: &Ended) -> Fate {
        match ended {
            Ended::TimedOut(Stuck { ended: false, .. }) => Fate::Stuck,
            Ended::TimedOut(_) => Fate::Cancelled,
            _ => Fate::Sound,
        }
    }
}

/// kunit_try_run_case and kunit_run_case_internal.
fn try_run_case(
    suite: &Suite,
    case: &Case,
    test: &Test,
    host: &Clock,
) -> impl FnOnce() + Send + 'static {
    let (init, body) = (suite.init.clone(), Arc::clone(&case.body));
    let speed = case.speed;
    let (test, host) = (test.clone(), host.clone());
    move || {
        if let Some(init) = init
            && let Err(errno) = init(&test)
        {
            test.log(format!("failed to initialize: -{}", errno.code()));
            test.set_failure();
            return;
        }
        let begun = host.now();
        let failure = body(&test);
        if let Some(error) = failure {
            test.log(format!("the case returned {error}"));
            test.set_failure();
        }
        // kunit_run_case_check_speed.
        let took = Duration::from_nanos(host.now().0.saturating_sub(begun.0));
        if took >= SLOW_WARNING && !speed.is_some_and(|speed| speed.is_slow()) {
            let (seconds, nanos) = (took.as_secs(), took.subsec_nanos());
            test.log(format!(
                "Test should be marked slow (runtime: {seconds}.{nanos:09}s)"
            ));
        }
    }
}
