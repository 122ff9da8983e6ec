//! Watching a program that something is expected of, step by step.

use core::time::Duration;

use lastfd_report::Ending;
use lastfd_sync::{Ktime, WaitQueue, wait_event};

use super::expect::{Broken, Expectations};
use super::outcome::Outcome;
use super::verdict::{Window, clinging};
use crate::program::Program;

/// How a program met what was expected of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Met {
    /// It and all that it started came to their end.
    Ended(Ending),
    /// It runs on, and has done all by now that it was to do in a time.
    RunsOn,
}

/// How long calls are counted for their rate.
const WINDOW: Duration = Duration::from_secs(1);

/// How often it is looked whether that is over.
const TICK: Duration = Duration::from_millis(250);

/// A program that is watched.
#[derive(Debug)]
pub(crate) struct Watch {
    expected: Expectations,
    /// When no more is to be waited for; never, unless it ends.
    until: Option<Ktime>,
    /// The time in which calls are counted.
    window: Option<Window>,
}

/// What a look at it says.
pub(crate) enum Looked {
    /// It is clear.
    Over(Result<Met, Broken>),
    /// It is to be looked at again when something has changed, and then.
    Until(Option<Ktime>),
}

impl Expectations {
    /// Watches a program until it and all that it started ended, and says which
    /// expectation it did not meet, as soon as it does not. It is left as it is then.
    ///
    /// # Errors
    /// The first that was not met.
    pub fn watch(&self, program: &Program<'_>) -> Result<(), Broken> {
        Watch::new(*self, None).conduct(program).map(drop)
    }

    /// As [`watch`](Expectations::watch), of a program that may run on: for this long, and
    /// longer only for the times that are expected.
    ///
    /// ```
    /// use lastfd::{Bench, Expectations, Met};
    /// use std::time::Duration;
    ///
    /// let bench = Bench::new();
    /// let adc = bench.plug_spec(&"iio-adc".parse().unwrap()).unwrap();
    /// let script = "cat /dev/iio:device0; exec sleep 600";
    /// bench.unplug_when(&adc, "before:open".parse().unwrap()).unwrap();
    /// let shell = bench.command("sh").args(["-c", script]).spawn().unwrap();
    /// let expected: Expectations = "closes=200ms,no-crash".parse().unwrap();
    /// let met = expected.watch_for(&shell, Duration::from_millis(200));
    /// assert_eq!(met, Ok(Met::RunsOn));
    /// ```
    ///
    /// # Errors
    /// The first that was not met; or no device went.
    pub fn watch_for(&self, program: &Program<'_>, within: Duration) -> Result<Met, Broken> {
        let clock = program.bench().system().clock();
        let until = clock.now().after(within);
        Watch::new(*self, Some(until)).conduct(program)
    }
}

impl Watch {
    pub(crate) fn new(expected: Expectations, until: Option<Ktime>) -> Watch {
        Watch {
            expected,
            until,
            window: None,
        }
    }

    /// What is woken when something has changed that it looks at.
    pub(crate) fn queues<'p>(program: &'p Program<'_>) -> Vec<&'p WaitQueue> {
        let bench = program.bench();
        let mut queues = vec![bench.witness().changed(), bench.schedule().done()];
        queues.extend(program.changed());
        queues
    }

    fn conduct(mut self, program: &Program<'_>) -> Result<Met, Broken> {
        let queues = Watch::queues(program);
        let clock = program.bench().system().clock();
        loop {
            let had = Had::now(program);
            match self.look(program) {
                Looked::Over(result) => return result,
                Looked::Until(next) => {
                    // Its time is a reason to look as well.
                    let _ = wait_event(&queues, clock, next, None, || {
                        (Had::now(program) != had || is_over(program)).then_some(())
                    });
                }
            }
        }
    }

    /// Looks at it once.
    pub(crate) fn look(&mut self, program: &Program<'_>) -> Looked {
        let bench = program.bench();
        let now = bench.system().clock().now();
        let gone = program.gone_since();
        if let Some(gone) = gone
            && let Err(broken) = self.judge(program, gone, now)
        {
            return Looked::Over(Err(broken));
        }
        // A removal that its last step caused may still be under way.
        let over = program
            .ending()
            .filter(|_| program.is_deserted() && !bench.is_due_by_now());
        if let Some(ending) = over {
            let gone = program.gone_since();
            return Looked::Over(match (gone, self.crash(program, Some(&ending))) {
                (_, Some(crash)) => Err(crash),
                (Some(_), None) => Ok(Met::Ended(ending)),
                (None, None) => Err(never_gone(program, Some(ending))),
            });
        }
        let expected = &self.expected;
        let counted = expected.no_spin.map(|_| WINDOW + TICK);
        let times = [expected.ends, expected.closes, counted];
        let times = times.into_iter().flatten();
        let times: Vec<Ktime> = gone.map_or_else(Vec::new, |gone| {
            times.map(|time| gone.after(time)).collect()
        });
        let last = self.until.max(times.iter().max().copied());
        if self.until.is_some() && last.is_some_and(|last| last <= now) {
            return Looked::Over(match gone {
                Some(_) => Ok(Met::RunsOn),
                None => Err(never_gone(program, program.ending())),
            });
        }
        // Deadlines, and the windows in which calls are counted.
        let tick = gone.and(self.expected.no_spin);
        let tick = tick.map(|_| now.after(TICK));
        let ahead = times.into_iter().chain(self.until).filter(|at| *at > now);
        Looked::Until(ahead.chain(tick).min())
    }

    fn crash(&self, program: &Program<'_>, ending: Option<&Ending>) -> Option<Broken> {
        if !self.expected.no_crash {
            return None;
        }
        let itself = ending.map(|ending| Outcome::of(ending, false));
        let itself = itself.filter(|outcome| matches!(outcome, Outcome::Crashed { .. }));
        let outcome = itself.or_else(|| program.crash_of_child(&[]))?;
        Some(Broken::Crashed {
            program: program.name().to_owned(),
            outcome: Box::new(outcome),
        })
    }

    /// Whether it broke an expectation by now.
    fn judge(&mut self, program: &Program<'_>, gone: Ktime, now: Ktime) -> Result<(), Broken> {
        let bench = program.bench();
        let late = |time: Option<Duration>| time.is_some_and(|time| gone.after(time) <= now);
        let ending = program.ending();
        if let Some(crash) = self.crash(program, ending.as_ref()) {
            return Err(crash);
        }
        if late(self.expected.closes)
            && let Some(clinging) = clinging(bench, gone, now).into_iter().next()
        {
            return Err(Broken::Open(clinging));
        }
        if late(self.expected.ends) && ending.is_none() {
            return Err(Broken::Alive(program.asleep(gone, now)));
        }
        let Some(most) = self.expected.no_spin else {
            return Ok(());
        };
        let counted = self
            .window
            .get_or_insert_with(|| Window::from_now(bench, gone));
        if counted.length(now) < WINDOW {
            return Ok(());
        }
        let held = clinging(bench, gone, now);
        let spins = counted.spins(bench, &held, now, most);
        self.window = None;
        match spins {
            Some((pace, on)) => Err(Broken::Spun {
                pace,
                on: Box::new(on),
            }),
            None => Ok(()),
        }
    }
}

fn is_over(program: &Program<'_>) -> bool {
    program.is_deserted() && !program.bench().schedule().is_due()
}

fn never_gone(program: &Program<'_>, ending: Option<Ending>) -> Broken {
    Broken::NeverGone {
        program: program.name().to_owned(),
        ending,
    }
}

/// What a change of asks for another look.
#[derive(PartialEq)]
struct Had {
    gone: Option<Ktime>,
    ended: bool,
    dead: usize,
}

impl Had {
    fn now(program: &Program<'_>) -> Had {
        Had {
            gone: program.gone_since(),
            ended: program.ending().is_some(),
            dead: program.bench().witness().dead_files().len(),
        }
    }
}
