//! Sweeps: a device goes at every point of a program's work, a run for each.
//!
//! A first run numbers the program's operations on the devices. Then there is a run for
//! each point, on a bench of its own: the device goes before the operation, while the
//! program sleeps in it, or after it. The program stands still until it has gone, so that
//! a point is the same point in each run, however fast the machine is.

mod first;
mod formats;
mod points;
mod roll;
mod told;

use core::time::Duration;
use std::ffi::OsString;
use std::process::Stdio;

use lastfd_devices::Spec;
use lastfd_model::{Errno, Rules};
use lastfd_report::Ending;
use lastfd_sync::atomic::{AtomicUsize, Ordering};
use lastfd_sync::{Arc, Cancel, Mutex, thread};

use crate::bench::{Bench, Keep};
use crate::judge::{Outcome, Patience};
use crate::program::{Command, ProgramError};
use crate::step::Step;

pub use first::{Learnt, Untouched};
pub use points::{Point, Repeats, Side};
pub use roll::Entry;

/// How often a run is made at most whose sleep was over before the device went.
const TRIES: usize = 8;

/// A sweep of a program.
///
/// ```
/// use lastfd::sweep::Sweep;
///
/// let sweep = Sweep::new("head", ["-c", "8", "/dev/iio:device0"]).device("iio-adc".parse().unwrap());
/// let swept = sweep.run().unwrap();
/// assert!(swept.is_good(), "{swept}");
/// assert!(swept.runs.len() >= 2);
/// ```
#[derive(Clone, Debug)]
pub struct Sweep {
    program: OsString,
    args: Vec<OsString>,
    devices: Vec<Spec>,
    rules: Rules,
    accelerate: bool,
    patience: Patience,
    repeats: Repeats,
    seed: u64,
    jobs: usize,
    cancel: Cancel,
}

/// Why there is no sweep.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Hardware cannot be plugged in.
    #[error("failed to plug in {device}: {errno}")]
    Plug {
        /// Which.
        device: String,
        /// What came of it.
        errno: Errno,
    },
    /// The program cannot be run.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// There are no points.
    #[error("{0}")]
    Untouched(Box<Untouched>),
    /// The system gives no thread or pipe.
    #[error("failed to {doing}: {source}")]
    System {
        /// What it was for.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A run in which a device went at a point.
#[derive(Clone, Debug)]
pub struct Run {
    /// The point.
    pub point: Point,
    /// What became of the program.
    pub outcome: Outcome,
    /// How long the run took.
    pub took: Duration,
    /// The `lastfd run` that repeats it.
    pub command: String,
}

/// What came of a sweep. It prints as `lastfd sweep` does.
#[derive(Clone, Debug)]
pub struct Swept {
    /// The program, as it was asked for.
    pub program: String,
    /// What the first run showed.
    pub learnt: Learnt,
    /// The runs, in the order of the program's work.
    pub runs: Vec<Run>,
    /// Points that were not tried, because the sweep was cancelled.
    pub left_out: usize,
    /// How long all of it took.
    pub took: Duration,
}

impl Swept {
    /// Whether the program survives wherever its device goes, as far as it was tried.
    pub fn is_good(&self) -> bool {
        self.left_out == 0 && self.runs.iter().all(|run| run.outcome.is_good())
    }
}

/// How far a sweep is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The run that is over; none after the first run.
    pub run: Option<&'a Run>,
    /// Runs that are over.
    pub done: usize,
    /// All runs.
    pub all: usize,
}

impl Sweep {
    /// Of this program. In its arguments `{uri}` becomes the address of an iiod.
    pub fn new<A: Into<OsString>>(
        program: impl Into<OsString>,
        args: impl IntoIterator<Item = A>,
    ) -> Sweep {
        Sweep {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            devices: Vec::new(),
            rules: Rules::default(),
            accelerate: true,
            patience: Patience::default(),
            repeats: Repeats::Sample(1),
            seed: 1,
            jobs: std::thread::available_parallelism().map_or(1, usize::from),
            cancel: Cancel::new(),
        }
    }

    /// Plugs this in, too. Each device goes at each point of the work on it.
    #[must_use]
    pub fn device(mut self, device: Spec) -> Sweep {
        self.devices.push(device);
        self
    }

    /// Which kernel's rules to follow.
    #[must_use]
    pub fn rules(mut self, rules: Rules) -> Sweep {
        self.rules = rules;
        self
    }

    /// Whether the program preloads the accelerator: unless told not to, it does.
    #[must_use]
    pub fn accelerate(mut self, on: bool) -> Sweep {
        self.accelerate = on;
        self
    }

    /// How the program is judged.
    #[must_use]
    pub fn patience(mut self, patience: Patience) -> Sweep {
        self.patience = patience;
        self
    }

    /// Which repeats past the third of an operation are tried: one unless told.
    #[must_use]
    pub fn repeats(mut self, repeats: Repeats) -> Sweep {
        self.repeats = repeats;
        self
    }

    /// What the choice of repeats depends on.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Sweep {
        self.seed = seed;
        self
    }

    /// How many runs are made at a time: one for each processor unless told.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Sweep {
        self.jobs = jobs.max(1);
        self
    }

    /// Cancelling this ends the sweep, with what is running.
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Sweep {
        self.cancel = cancel;
        self
    }

    /// Carries it out.
    ///
    /// # Errors
    /// The program cannot be run, or never comes to a device.
    pub fn run(&self) -> Result<Swept, SweepError> {
        self.run_telling(|_| ())
    }

    /// Carries it out, telling how far it is.
    ///
    /// # Errors
    /// As [`Sweep::run`].
    pub fn run_telling(
        &self,
        tell: impl Fn(Progress<'_>) + Send + Sync + 'static,
    ) -> Result<Swept, SweepError> {
        let clock = lastfd_sync::Clock::real();
        let began = clock.now();
        let learnt = first::learn(self)?;
        let points = points::points(&learnt.roll, self.repeats, self.seed);
        tell(Progress {
            run: None,
            done: 0,
            all: points.len(),
        });
        // One that ends by itself undisturbed has to do so still.
        let by_itself = learnt.ending == Some(Ending::Exited(0)) && !learnt.left_others;
        let work = Arc::new(Work {
            sweep: Sweep {
                patience: Patience {
                    ends: by_itself.then_some(learnt.took),
                    ..self.patience
                },
                ..self.clone()
            },
            results: Mutex::new(points.iter().map(|_| None).collect()),
            points,
            next: AtomicUsize::new(0),
            failed: Mutex::new(None),
            tell: Box::new(tell),
        });
        let mut workers = Vec::new();
        for _ in 0..self.jobs.min(work.points.len()) {
            let of_worker = Arc::clone(&work);
            let worker = thread::spawn("sweep", move || of_worker.do_all());
            workers.push(worker.map_err(|source| SweepError::System {
                doing: "start a thread of the sweep",
                source,
            })?);
        }
        for worker in workers {
            // Whatever panicked in it has been told; its run is left out.
            let _ = thread::wait_outside(|| worker.join());
        }
        if let Some(error) = work.failed.lock().take() {
            return Err(error);
        }
        let results = core::mem::take(&mut *work.results.lock());
        let all = results.len();
        let runs: Vec<Run> = results.into_iter().flatten().collect();
        Ok(Swept {
            program: self.program.to_string_lossy().into_owned(),
            learnt,
            left_out: all - runs.len(),
            runs,
            took: Duration::from_nanos(clock.now().0 - began.0),
        })
    }

    /// A bench with the devices plugged in.
    fn bench(&self, builder: crate::Builder) -> Result<Bench, SweepError> {
        let bench = builder
            .rules(self.rules)
            .accelerate(self.accelerate)
            .keep(Keep::Verdict)
            .sanitizer(false)
            .build();
        for spec in &self.devices {
            bench.plug_spec(spec).map_err(|errno| SweepError::Plug {
                device: spec.to_string(),
                errno,
            })?;
        }
        Ok(bench)
    }

    /// The program, on a bench, with nothing to read and nobody who reads.
    fn command<'a>(&self, bench: &'a Bench) -> Command<'a> {
        bench
            .command(&self.program)
            .args(&self.args)
            .always_iiod(false)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
    }

    /// A run in which the device goes at this point. None if it was cancelled.
    ///
    /// What ends a sleep, such as a frame, may come before the device has gone. Such a run
    /// says nothing of the point, and is made again a few times.
    fn run_point(&self, point: &Point) -> Result<Option<Run>, SweepError> {
        let mut left = TRIES;
        loop {
            left -= 1;
            let (run, in_time) = self.try_point(point)?;
            if in_time || run.is_none() || left == 0 {
                return Ok(run);
            }
        }
    }

    /// A run, and whether the device went at the point, if it went.
    fn try_point(&self, point: &Point) -> Result<(Option<Run>, bool), SweepError> {
        let bench = self.bench(Bench::builder())?;
        let began = bench.system().clock().now();
        if let Some(target) = bench.find(&point.device) {
            let planned = bench.unplug_when(&target, point.when());
            planned.map_err(|source| SweepError::System {
                doing: "start the task that unplugs",
                source,
            })?;
        }
        let program = self.command(&bench).spawn()?;
        let outcome = program.judge_unless(&self.patience, &self.cancel);
        let took = Duration::from_nanos(bench.system().clock().now().0 - began.0);
        let caught = bench.witness().caught();
        let mut caught = caught.iter().filter_map(|op| Step::called(op));
        let in_time = point.side != Side::Blocked
            || matches!(outcome, Some(Outcome::NotReached { .. }))
            || caught.any(|step| point.step.covers(&step));
        drop(bench.finish());
        let run = outcome.map(|outcome| Run {
            point: point.clone(),
            outcome,
            took,
            command: self.repeating(point),
        });
        Ok((run, in_time))
    }

    /// The command that repeats a run.
    fn repeating(&self, point: &Point) -> String {
        let mut words = vec!["lastfd".to_owned(), "run".to_owned()];
        if self.rules != Rules::default() {
            words.extend(["--rules".to_owned(), self.rules.to_string()]);
        }
        if !self.accelerate {
            words.push("--no-accel".to_owned());
        }
        for device in &self.devices {
            words.extend(["--device".to_owned(), device.to_string()]);
        }
        words.extend(["--unplug".to_owned(), point.to_string()]);
        let expected = crate::Expectations {
            ends: self.patience.ends.map(|ends| {
                // No finer than people read it.
                let time = (self.patience.timeout + ends * 2).as_millis().div_ceil(100);
                Duration::from_millis(100 * time as u64)
            }),
            closes: Some(self.patience.timeout),
            no_spin: Some(self.patience.spin),
            no_crash: true,
        };
        words.extend(["--expect".to_owned(), expected.to_string()]);
        words.push("--".to_owned());
        let program = core::iter::once(&self.program).chain(&self.args);
        words.extend(program.map(|word| word.to_string_lossy().into_owned()));
        let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        quoted.join(" ")
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// What the workers share.
struct Work {
    sweep: Sweep,
    points: Vec<Point>,
    next: AtomicUsize,
    results: Mutex<Vec<Option<Run>>>,
    failed: Mutex<Option<SweepError>>,
    tell: Box<dyn Fn(Progress<'_>) + Send + Sync>,
}

impl Work {
    fn do_all(&self) {
        while !self.sweep.cancel.is_cancelled() {
            let at = self.next.fetch_add(1, Ordering::SeqCst);
            let Some(point) = self.points.get(at) else {
                return;
            };
            match self.sweep.run_point(point) {
                Ok(None) => return,
                Ok(Some(run)) => {
                    let mut results = self.results.lock();
                    results[at] = Some(run);
                    (self.tell)(Progress {
                        run: results[at].as_ref(),
                        done: results.iter().flatten().count(),
                        all: self.points.len(),
                    });
                }
                Err(error) => {
                    self.failed.lock().get_or_insert(error);
                    // Nobody begins another.
                    self.next.store(self.points.len(), Ordering::SeqCst);
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_that_a_shell_would_take_apart_is_quoted() {
        for (word, as_typed) in [
            ("--stream-mmap", "--stream-mmap"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("camera:size=64x48,fps=1", "camera:size=64x48,fps=1"),
            ("{uri}", "'{uri}'"),
        ] {
            assert_eq!(quoted(word), as_typed);
        }
    }
}
