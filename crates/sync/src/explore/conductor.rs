//! Who goes on: asks the strategy where there is a choice, writes down what it says, and
//! knows a deadlock when it sees one.

use super::bounded::{Bounded, Strayed};
use super::execution;
use super::random::{Pct, Random};
use super::search::{FailureKind, Strategy};
use super::shared::Shared;
use shuttle::scheduler::{Schedule, Scheduler, Task as ShuttleTask, TaskId as ShuttleId};
use std::sync::Arc;

/// The task that stands by: it is runnable until all others have ended, so that the
/// scheduler is asked even if nobody else is.
pub(super) const STANDBY: usize = 1;

/// More choices than a body makes that gets anywhere.
const MOST_STEPS: usize = 200_000;

pub(super) enum Player {
    Random(Random),
    Pct(Pct),
    Bounded(Bounded),
    Replay { steps: Vec<u32>, played: bool },
}

impl Player {
    pub(super) fn new(strategy: &Strategy, schedules: usize, seed: u64) -> Player {
        match strategy {
            Strategy::Random => Player::Random(Random(seed)),
            Strategy::Pct { depth } => Player::Pct(Pct::new(*depth, seed)),
            Strategy::Bounded { bound } => Player::Bounded(Bounded::new(*bound, schedules, seed)),
            Strategy::Replay(recipe) => Player::Replay {
                steps: recipe.steps.clone(),
                played: false,
            },
        }
    }

    fn begin(&mut self) -> Result<bool, Strayed> {
        match self {
            Player::Random(_) => Ok(true),
            Player::Pct(player) => {
                player.begin();
                Ok(true)
            }
            Player::Bounded(player) => player.begin(),
            Player::Replay { played, .. } => Ok(!std::mem::replace(played, true)),
        }
    }
}

pub(super) struct Conductor {
    player: Player,
    shared: Arc<Shared>,
    most: usize,
    /// Kept to spare an allocation at each step.
    can: Vec<u32>,
    preemptions: usize,
}

fn number(task: &ShuttleTask) -> u32 {
    usize::from(task.id()) as u32
}

impl Conductor {
    pub(super) fn new(player: Player, schedules: usize, shared: Arc<Shared>) -> Conductor {
        Conductor {
            player,
            shared,
            most: schedules,
            can: Vec::new(),
            preemptions: 0,
        }
    }

    /// Asks who of `can` goes on.
    fn ask(&mut self, current: Option<u32>, yielding: bool) -> Option<u32> {
        let at = self.shared.choices();
        let choice = match &mut self.player {
            Player::Random(random) => Some(self.can[random.below(self.can.len())]),
            Player::Pct(player) => Some(player.choose(&self.can, current, yielding)),
            Player::Bounded(player) => player.choose(&self.can, current, yielding).ok(),
            Player::Replay { steps, .. } => {
                let task = steps.get(at).copied();
                task.filter(|task| self.can.contains(task))
            }
        };
        let Some(choice) = choice else {
            self.strayed();
            return None;
        };
        let goes_on = current.filter(|current| !yielding && self.can.contains(current));
        self.preemptions += usize::from(goes_on.is_some_and(|current| current != choice));
        self.shared.chose(choice, self.preemptions);
        Some(choice)
    }

    /// The body went another way.
    fn strayed(&self) {
        let at = self.shared.choices();
        if let Player::Replay { steps, .. } = &self.player {
            let why = match steps.get(at) {
                Some(task) => format!("task {task} cannot go on"),
                None => "it ends, and the body goes on".to_owned(),
            };
            let why = format!("the recipe is not of this body: at its choice {at} {why}");
            self.shared.fail(FailureKind::Strayed, why);
        } else {
            self.shared.fail(
                FailureKind::Misuse,
                "the body is not deterministic: under a schedule that ran before it went another \
                 way. Something in it depends on time, on addresses, on the order of a map, or \
                 outlives an execution"
                    .to_owned(),
            );
        }
    }

    fn begin_next(&mut self) -> bool {
        let enough = self.shared.executions() == self.most;
        if self.shared.is_over() || self.shared.has_failed() {
            return false;
        }
        if let Player::Replay {
            steps,
            played: true,
        } = &self.player
        {
            let (made, all) = (self.shared.choices(), steps.len());
            if made < all {
                let why = format!(
                    "the recipe is not of this body: it has {all} choices, and the body made {made}"
                );
                self.shared.fail(FailureKind::Strayed, why);
            }
            return false;
        }
        let more = match enough {
            true => Ok(false),
            false => self.player.begin(),
        };
        if let (Ok(false), Player::Bounded(player)) = (&more, &self.player) {
            self.shared.set_exhausted(player.exhausted());
        }
        more.unwrap_or_else(|Strayed| {
            self.strayed();
            false
        })
    }
}

impl Scheduler for Conductor {
    fn new_execution(&mut self) -> Option<Schedule> {
        if !self.begin_next() {
            return None;
        }
        self.preemptions = 0;
        self.shared.begin_execution();
        Some(Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&ShuttleTask],
        current: Option<ShuttleId>,
        yielding: bool,
    ) -> Option<ShuttleId> {
        if self.shared.is_over() && execution::live() > 0 {
            return None;
        }
        // Shuttle offers parked tasks, too, which would only park again.
        let mut ready: Vec<&ShuttleTask> = Vec::with_capacity(runnable.len());
        let mut standby = None;
        for task in runnable {
            if usize::from(task.id()) == STANDBY {
                standby = Some(task.id());
            } else if task.runnable() {
                ready.push(task);
            }
        }
        let next = match *ready {
            // All ended: so does the standby.
            [] if execution::live() == 0 => standby?,
            [] => {
                self.shared.deadlock(execution::blocked());
                return None;
            }
            [one] => one.id(),
            _ => {
                if self.shared.choices() >= MOST_STEPS {
                    self.shared.fail(
                        FailureKind::Livelock,
                        format!("after {MOST_STEPS} choices the tasks still run: livelock"),
                    );
                    return None;
                }
                self.can.clear();
                self.can.extend(ready.iter().map(|task| number(task)));
                let current = current.map(|current| usize::from(current) as u32);
                ShuttleId::from(self.ask(current, yielding)? as usize)
            }
        };
        self.shared.step(usize::from(next));
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        // Nothing here asks shuttle for random values.
        0
    }
}
