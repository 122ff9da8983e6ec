//! Running a body under many schedules, and what came of it.

use core::fmt;
use core::time::Duration;

use lastfd_kunit::{Case, Test};
use lastfd_sync::Arc;
use lastfd_sync::explore::{Failure, FailureKind, Recipe, Search, Strategy, fail, search};

use crate::fault::{Blame, Fault};
use crate::interleaving::Interleaving;
use crate::world::{Record, World};

/// Explores a body with the settings of [`Explorer::new`].
///
/// # Panics
/// Some schedule fails, or the body cannot be explored; with the schedule as text.
#[track_caller]
pub fn explore(body: impl Fn(&World) + Send + Sync + 'static) {
    if let Some(wrong) = Explorer::new().run(body).wrong() {
        panic!("{wrong}");
    }
}

/// A KUnit case that explores a body.
pub fn case(name: &str, body: impl Fn(&World) + Send + Sync + 'static) -> Case {
    let body = Arc::new(body);
    Case::new(name, move |_: &Test| {
        let body = Arc::clone(&body);
        match Explorer::new().run(move |world| body(world)).wrong() {
            Some(wrong) => Err(wrong),
            None => Ok(()),
        }
    })
}

/// How a body is explored.
#[derive(Clone, Debug)]
pub struct Explorer {
    search: Search,
    variant: Arc<str>,
    gaps: bool,
    sanitize: bool,
}

impl Default for Explorer {
    fn default() -> Self {
        Explorer::new()
    }
}

impl Explorer {
    /// Up to 10,000 schedules of at most two preemptions.
    pub fn new() -> Explorer {
        Explorer {
            search: Search::default(),
            variant: Arc::from(""),
            gaps: false,
            sanitize: true,
        }
    }

    /// How the next schedule is chosen.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.search.strategy = strategy;
        self
    }

    /// The most schedules to run.
    #[must_use]
    pub fn schedules(mut self, schedules: usize) -> Self {
        self.search.schedules = schedules;
        self
    }

    /// What random choices depend on.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.search.seed = seed;
        self
    }

    /// How long a task may take for one step, by the machine's time.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.search.patience = patience;
        self
    }

    /// Which variant of the body, or of the frameworks, is run.
    #[must_use]
    pub fn variant(mut self, variant: &str) -> Self {
        self.variant = Arc::from(variant);
        self
    }

    /// Whether to look for gaps of Linux itself, too.
    #[must_use]
    pub fn gaps(mut self, gaps: bool) -> Self {
        self.gaps = gaps;
        self
    }

    /// Whether the sanitizer judges each schedule, too. It finds mistakes of a driver that
    /// no schedule is needed for; whoever looks for a schedule turns it off.
    #[must_use]
    pub fn sanitize(mut self, sanitize: bool) -> Self {
        self.sanitize = sanitize;
        self
    }

    /// Runs the body under one schedule after the other, until one fails.
    pub fn run(&self, body: impl Fn(&World) + Send + Sync + 'static) -> Exploration {
        let body: Arc<dyn Fn(&World) + Send + Sync> = Arc::new(body);
        let record = Record::default();
        let searched = search(&self.search, self.execution(&body, &record));
        let found = searched.failure.map(|failure| self.told(failure, &record));
        let found = match found {
            // What cannot be run again is no finding.
            Some(Ok(found)) if !matches!(self.search.strategy, Strategy::Replay(_)) => {
                Some(self.again(found, &body))
            }
            other => other,
        };
        Exploration {
            strategy: self.search.strategy.clone(),
            schedules: searched.schedules,
            steps: searched.steps,
            exhausted: searched.exhausted,
            found,
        }
    }

    fn execution(
        &self,
        body: &Arc<dyn Fn(&World) + Send + Sync>,
        record: &Record,
    ) -> impl Fn() + Send + Sync + 'static {
        let (body, record, variant) = (Arc::clone(body), record.clone(), self.variant.clone());
        let (gaps, sanitize) = (self.gaps, self.sanitize);
        move || {
            record.forget();
            let world = World::new(&record, &variant);
            body(&world);
            world.join();
            drop(world);
            if sanitize {
                record.judge();
            }
            if let Some(fault) = first_fault(&record, gaps) {
                fail(fault.what);
            }
        }
    }

    fn told(&self, failure: Failure, record: &Record) -> Result<Found, Refusal> {
        match failure.kind {
            FailureKind::Misuse | FailureKind::Strayed => {
                return Err(Refusal::Body(failure.message));
            }
            FailureKind::Stalled => {
                let last = record.events.with(|events| {
                    let last = events.last();
                    last.map(|event| event.kind.to_string())
                });
                return Err(Refusal::Stalled {
                    message: failure.message,
                    last,
                });
            }
            _ => {}
        }
        let said = Fault {
            blame: Blame::Driver,
            what: match &failure.place {
                Some(place) => format!("panicked at {place}: {}", failure.message),
                None => failure.message.clone(),
            },
        };
        let fault = match failure.kind {
            FailureKind::Failed => first_fault(record, self.gaps).unwrap_or(said),
            _ => said,
        };
        let interleaving = Interleaving::new(record, &failure, &fault);
        Ok(Found {
            fault,
            number: failure.number,
            preemptions: failure.preemptions,
            recipe: failure.schedule,
            interleaving,
        })
    }

    /// Runs what was found once more, which has to find the same.
    fn again(
        &self,
        found: Found,
        body: &Arc<dyn Fn(&World) + Send + Sync>,
    ) -> Result<Found, Refusal> {
        let record = Record::default();
        let plan = Search {
            strategy: Strategy::Replay(found.recipe.clone()),
            ..self.search.clone()
        };
        let failure = search(&plan, self.execution(body, &record)).failure;
        let again = failure.map(|failure| self.told(failure, &record));
        match again {
            Some(Ok(again)) if again.fault == found.fault => Ok(found),
            again => {
                let second = match again {
                    Some(Ok(again)) => again.fault.what,
                    Some(Err(refusal)) => refusal.to_string(),
                    None => "nothing".to_owned(),
                };
                Err(Refusal::Body(format!(
                    "the body is not deterministic: a schedule found '{}', and run again it found \
                     '{second}'",
                    found.fault
                )))
            }
        }
    }
}

fn first_fault(record: &Record, gaps: bool) -> Option<Fault> {
    let wanted = |fault: &Fault| gaps || fault.blame != Blame::Kernel;
    let told = record.events.with(|events| {
        let mut faults = events.iter().filter_map(Fault::of);
        faults.find(wanted)
    });
    told.or_else(|| {
        record
            .faults
            .with(|faults| faults.first().map(|(_, fault)| fault.clone()))
    })
}

/// What came of exploring a body.
#[derive(Debug)]
pub struct Exploration {
    /// How the schedules were chosen.
    pub strategy: Strategy,
    /// How many were run.
    pub schedules: usize,
    /// Steps of all of them: from one point where another task could go on to the next.
    pub steps: u64,
    /// Every schedule with up to so many preemptions was run.
    pub exhausted: Option<usize>,
    /// The schedule that failed, or why the body cannot be explored.
    pub found: Option<Result<Found, Refusal>>,
}

impl Exploration {
    /// What is wrong, as text, if something is.
    pub fn wrong(&self) -> Option<String> {
        match self.found.as_ref()? {
            Ok(found) => Some(found.to_string()),
            Err(refusal) => Some(refusal.to_string()),
        }
    }

    /// What was covered, in a few words: `all with up to 2 preemptions`.
    pub fn coverage(&self) -> String {
        let preemptions = |count: usize| match count {
            0 => "all without a preemption".to_owned(),
            1 => "all with up to 1 preemption".to_owned(),
            count => format!("all with up to {count} preemptions"),
        };
        match (&self.strategy, self.exhausted) {
            (Strategy::Bounded { bound }, Some(done)) if done == *bound => preemptions(done),
            (Strategy::Bounded { .. }, Some(done)) => {
                format!("{}, not all beyond", preemptions(done))
            }
            (Strategy::Bounded { .. }, None) => "not all".to_owned(),
            (Strategy::Random, _) => "random".to_owned(),
            (Strategy::Pct { depth }, _) => format!("pct, depth {depth}"),
            (Strategy::Replay(_), _) => "one, replayed".to_owned(),
        }
    }
}

/// A schedule under which something went wrong.
#[derive(Debug)]
pub struct Found {
    /// What.
    pub fault: Fault,
    /// Which of the schedules it was, from 1.
    pub number: usize,
    /// How many preemptions it has.
    pub preemptions: usize,
    /// Runs it again.
    pub recipe: Recipe,
    /// What happened in it.
    pub interleaving: Interleaving,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.fault)?;
        let preemptions = match self.preemptions {
            1 => "1 preemption".to_owned(),
            count => format!("{count} preemptions"),
        };
        writeln!(f, "in schedule {}, with {preemptions}:\n", self.number)?;
        write!(f, "{}", self.interleaving)?;
        write!(f, "\nreplay    {}", self.recipe)
    }
}

/// Why a body cannot be explored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does what an explored body cannot.
    Body(String),
    /// A task is blocked in a way that the schedule does not know.
    Stalled {
        /// Which, and for how long.
        message: String,
        /// The last event before.
        last: Option<String>,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Body(message) => write!(f, "cannot be explored: {message}"),
            Refusal::Stalled { message, last } => {
                write!(f, "cannot be explored: {message}")?;
                match last {
                    Some(last) => write!(f, ". The last event was '{last}'"),
                    None => f.write_str(". Nothing had happened before"),
                }
            }
        }
    }
}

impl core::error::Error for Refusal {}
