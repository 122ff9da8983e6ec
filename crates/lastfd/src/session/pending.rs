//! Requests that wait.

use core::time::Duration;
use std::collections::BTreeMap;

use lastfd_sync::{Ktime, WaitQueue};
use serde_json::json;

use super::answer::{self, Kind, Refusal, ending};
use super::request::Id;
use crate::bench::Bench;
use crate::judge::{Looked, Met, Watch};
use crate::program::Program;
use crate::waiting::{Occasion, Search};

/// How often a program is looked at whose end wakes nobody.
const TICK: Duration = Duration::from_millis(10);

/// A request that waits.
pub(super) struct Pending {
    pub(super) id: Id,
    deadline: Ktime,
    until: Until,
    /// When it is to be looked at, whatever happens.
    next: Option<Ktime>,
    answered: bool,
}

/// What is waited for.
pub(super) enum Until {
    /// An event, no longer than this.
    Event(Search<Occasion>, Duration),
    /// A program's end, no longer than this.
    End(u64, Duration),
    /// That it is clear what becomes of a program.
    Met(u64, Watch),
}

type Programs<'b> = BTreeMap<u64, Program<'b>>;

impl Pending {
    pub(super) fn new(id: Id, deadline: Ktime, until: Until) -> Pending {
        Pending {
            id,
            deadline,
            until,
            next: None,
            answered: false,
        }
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// The answer, once it has come.
    pub(super) fn look(&mut self, bench: &Bench, programs: &Programs<'_>) -> Option<String> {
        let late = bench.system().clock().now() >= self.deadline;
        let killed = || Refusal::of(Kind::Ended, "the program was killed meanwhile");
        let answer = match &mut self.until {
            Until::Event(search, within) => match search.look(bench) {
                Some(event) => Ok(json!({
                    "event": event.kind.to_string(),
                    "time_ns": event.time.0,
                })),
                None if late => Err(Refusal::of(Kind::Timeout, search.give_up(bench, *within))),
                None => return None,
            },
            Until::End(number, within) => match programs.get(number) {
                None => Err(killed()),
                Some(program) => match program.ending() {
                    Some(ended) => Ok(ending(&ended)),
                    None if late => {
                        let running = program.still_running(*within);
                        Err(Refusal::of(Kind::Timeout, running))
                    }
                    None => return None,
                },
            },
            Until::Met(number, watch) => match programs.get(number) {
                None => Err(killed()),
                Some(program) => match watch.look(program) {
                    Looked::Over(Ok(Met::Ended(ended))) => Ok(ending(&ended)),
                    Looked::Over(Ok(Met::RunsOn)) => Ok(json!({"ending": null})),
                    Looked::Over(Err(broken)) => Err(Refusal::of(Kind::Broken, broken)),
                    Looked::Until(next) => {
                        self.next = next;
                        return None;
                    }
                },
            },
        };
        self.answered = true;
        Some(answer::line(Some(&self.id), answer))
    }

    /// What wakes it.
    pub(super) fn queues(&self, bench: &Bench, programs: &Programs<'_>) -> Vec<WaitQueue> {
        match &self.until {
            Until::Event(..) => vec![bench.arrived().clone()],
            Until::End(number, _) => {
                let program = programs.get(number);
                let changed = program.and_then(Program::changed);
                changed.into_iter().cloned().collect()
            }
            Until::Met(number, _) => {
                let program = programs.get(number);
                program.map_or_else(Vec::new, |program| {
                    Watch::queues(program).into_iter().cloned().collect()
                })
            }
        }
    }

    /// When it is to be looked at, whatever happens.
    pub(super) fn next_look(&self, now: Ktime, programs: &Programs<'_>) -> Ktime {
        match &self.until {
            Until::Event(..) => self.deadline,
            Until::End(number, _) => match programs.get(number) {
                Some(program) if program.changed().is_none() => self.deadline.min(now.after(TICK)),
                _ => self.deadline,
            },
            Until::Met(..) => self.next.unwrap_or(self.deadline),
        }
    }
}
