//! The search of all schedules with few preemptions.
//!
//! A preemption takes a task off that could have gone on; a switch where a task waits,
//! yields or ends is none. Most races need one or two. As in iterative context bounding
//! (Musuvathi and Qadeer, PLDI 2007) all schedules without a preemption come first, then
//! those with one, and so on: the first that fails has as few as any. Each schedule runs
//! once: it is a prefix of one that ran, another choice at its end, and from there on
//! whoever runs goes on as long as it can.
//!
//! Nothing is pruned but what the bound prunes, so a search that was exhausted has met
//! every schedule with so many preemptions.

use super::random::Random;
use std::sync::Arc;

/// What one execution was: tasks, and for how many choices each went on.
type Run = Arc<[(u32, u32)]>;

/// A schedule to run: this prefix of an earlier one, then this task.
struct Branch {
    run: Run,
    len: u32,
    task: u32,
}

/// What is left to run with so many preemptions.
#[derive(Default)]
struct Level {
    branches: Vec<Branch>,
    /// All that ever were.
    seen: usize,
    /// There was no room for some.
    incomplete: bool,
}

/// See the module.
pub(super) struct Bounded {
    room: usize,
    random: Random,
    levels: Vec<Level>,
    level: usize,
    /// The choices that the current execution has to make.
    prefix: Vec<u32>,
    /// Those it made.
    made: Vec<u32>,
    /// What it could have done instead: where, who, and whether that is a preemption.
    instead: Vec<(u32, u32, bool)>,
    started: bool,
}

/// The prefix could not be followed.
pub(super) struct Strayed;

impl Bounded {
    /// Searches schedules of up to `bound` preemptions. Of what is not needed to fill
    /// `room` executions a choice is kept, by `seed`, as is the order.
    pub(super) fn new(bound: usize, room: usize, seed: u64) -> Self {
        Bounded {
            room: room.max(1),
            random: Random(seed),
            levels: (0..=bound).map(|_| Level::default()).collect(),
            level: 0,
            prefix: Vec::new(),
            made: Vec::new(),
            instead: Vec::new(),
            started: false,
        }
    }

    /// Prepares the next execution; false if there is none.
    pub(super) fn begin(&mut self) -> Result<bool, Strayed> {
        if !std::mem::replace(&mut self.started, true) {
            return Ok(true);
        }
        if self.made.len() < self.prefix.len() {
            return Err(Strayed);
        }
        self.end();
        while self.levels[self.level].branches.is_empty() {
            if self.level + 1 == self.levels.len() {
                return Ok(false);
            }
            self.level += 1;
        }
        let at = self.random.below(self.levels[self.level].branches.len());
        let branch = self.levels[self.level].branches.swap_remove(at);
        let steps = branch.run.iter();
        let steps = steps.flat_map(|&(task, times)| std::iter::repeat_n(task, times as usize));
        self.prefix.clear();
        self.prefix.extend(steps.take(branch.len as usize));
        self.prefix.push(branch.task);
        Ok(true)
    }

    /// Files what the execution could have done instead.
    fn end(&mut self) {
        let runs = self.made.chunk_by(|a, b| a == b);
        let run: Run = runs.map(|run| (run[0], run.len() as u32)).collect();
        let instead = std::mem::take(&mut self.instead);
        for (len, task, preempts) in instead {
            let level = self.level + usize::from(preempts);
            let branch = Branch {
                run: Arc::clone(&run),
                len,
                task,
            };
            self.file(level, branch);
        }
        self.made.clear();
    }

    fn file(&mut self, level: usize, branch: Branch) {
        let room = self.room;
        let Some(to) = self.levels.get_mut(level) else {
            return;
        };
        to.seen += 1;
        if to.branches.len() < room {
            to.branches.push(branch);
            return;
        }
        to.incomplete = true;
        let seen = to.seen;
        // Each of those seen is kept with the same chance.
        let at = self.random.below(seen);
        if let Some(place) = self.levels[level].branches.get_mut(at) {
            *place = branch;
        }
    }

    /// Who goes on. `can` is sorted, and has two at least.
    pub(super) fn choose(
        &mut self,
        can: &[u32],
        current: Option<u32>,
        yielding: bool,
    ) -> Result<u32, Strayed> {
        let goes_on = current.filter(|current| !yielding && can.contains(current));
        let at = self.made.len();
        let choice = match self.prefix.get(at) {
            Some(&task) if can.contains(&task) => task,
            Some(_) => return Err(Strayed),
            None => {
                let default = goes_on.unwrap_or_else(|| next_in_turn(can, current));
                // Who yields waits for the others.
                let others = can
                    .iter()
                    .filter(|&&task| task != default && !(yielding && Some(task) == current));
                let branch = others.map(|&task| (at as u32, task, goes_on.is_some()));
                self.instead.extend(branch);
                default
            }
        };
        self.made.push(choice);
        Ok(choice)
    }

    /// The greatest number of preemptions for which every schedule was run.
    pub(super) fn exhausted(&self) -> Option<usize> {
        let done = |level: &&Level| level.branches.is_empty() && !level.incomplete;
        // The last execution may have left branches that are not filed.
        let unfiled = |level: usize| {
            let mut left = self.instead.iter();
            left.any(|(_, _, preempts)| self.level + usize::from(*preempts) <= level)
        };
        let done = self.levels.iter().take_while(done).count();
        (0..done)
            .take_while(|level| *level < self.level || !unfiled(*level))
            .last()
            .filter(|_| self.started)
    }
}

/// The first after `current`, all round, so that each gets its turn.
fn next_in_turn(can: &[u32], current: Option<u32>) -> u32 {
    let after = can.iter().find(|task| Some(**task) > current);
    *after.unwrap_or(&can[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Tasks that take so many steps each, all runnable until they end. All schedules
    /// that were run, each once, and the bound that was exhausted.
    fn schedules(steps: &[u32], bound: usize, room: usize) -> (BTreeSet<Vec<u32>>, Option<usize>) {
        let mut search = Bounded::new(bound, room, 1);
        let mut seen = BTreeSet::new();
        while search.begin().ok().unwrap() {
            let mut left = steps.to_vec();
            let (mut current, mut schedule) = (None, Vec::new());
            loop {
                let can: Vec<u32> = (0..left.len() as u32)
                    .filter(|task| left[*task as usize] > 0)
                    .collect();
                let task = match *can {
                    [] => break,
                    [one] => one,
                    _ => search.choose(&can, current, false).ok().unwrap(),
                };
                left[task as usize] -= 1;
                current = Some(task);
                schedule.push(task);
            }
            assert!(seen.insert(schedule), "a schedule ran twice");
            if seen.len() == room {
                break;
            }
        }
        (seen, search.exhausted())
    }

    /// As slow and obvious as can be.
    fn all(steps: &[u32], bound: usize) -> BTreeSet<Vec<u32>> {
        fn grow(left: &mut [u32], path: &mut Vec<u32>, bound: usize, out: &mut BTreeSet<Vec<u32>>) {
            let can: Vec<usize> = (0..left.len()).filter(|task| left[*task] > 0).collect();
            if can.is_empty() {
                out.insert(path.clone());
            }
            for task in can {
                let last = path.last().map(|last| *last as usize);
                let preempts = last.is_some_and(|last| last != task && left[last] > 0);
                let Some(bound) = bound.checked_sub(usize::from(preempts)) else {
                    continue;
                };
                left[task] -= 1;
                path.push(task as u32);
                grow(left, path, bound, out);
                path.pop();
                left[task] += 1;
            }
        }
        let mut out = BTreeSet::new();
        grow(&mut steps.to_vec(), &mut Vec::new(), bound, &mut out);
        out
    }

    #[test]
    fn every_schedule_within_the_bound_is_run_once_and_no_other() {
        for (steps, bound) in [
            (&[2, 2][..], 3),
            (&[3, 4], 1),
            (&[3, 2, 2], 2),
            (&[1, 1, 1, 1], 0),
        ] {
            let (seen, exhausted) = schedules(steps, bound, usize::MAX);
            assert_eq!(seen, all(steps, bound), "{steps:?} within {bound}");
            assert_eq!(exhausted, Some(bound));
        }
    }

    #[test]
    fn a_search_that_ends_early_says_what_it_exhausted() {
        let [none, one, two] = [0, 1, 2].map(|bound| all(&[3, 4], bound).len());
        assert_eq!(schedules(&[3, 4], 2, two - 1).1, Some(1));
        assert_eq!(schedules(&[3, 4], 2, one).1, Some(1));
        assert_eq!(schedules(&[3, 4], 2, one - 1).1, Some(0));
        assert_eq!(schedules(&[3, 4], 2, none - 1).1, None);
    }
}
