//! Watching a program until it is clear what becomes of it.

use core::time::Duration;
use std::collections::BTreeSet;

use lastfd_host::Held;
use lastfd_supervisor::{Killed, Sleeper};
use lastfd_sync::{Cancel, Ktime, WaitQueue, wait_event};

use super::busy::Busy;
use super::outcome::{Asleep, Clinging, Outcome, Pace};
use crate::bench::Bench;
use crate::program::Program;

/// How a program is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long it may take for what it has to do once the device went.
    pub timeout: Duration,
    /// Calls a second on a dead descriptor that are too many.
    pub spin: u64,
    /// How long it may take until the device goes.
    pub limit: Duration,
    /// How long it runs at most while its device stays, if it ends by itself then.
    pub ends: Option<Duration>,
}

impl Default for Patience {
    /// A second, a thousand calls, half a minute.
    fn default() -> Patience {
        Patience {
            timeout: Duration::from_secs(1),
            spin: 1000,
            limit: Duration::from_secs(30),
            ends: None,
        }
    }
}

/// Most programs end sooner than this, and nothing has to be known of those.
const SOON: Duration = Duration::from_millis(200);

/// A call that has a time by itself may take that: this much at most.
const BOUNDED: Duration = Duration::from_secs(10);

impl Program<'_> {
    /// Waits until a device goes, and says what becomes of the program then. What is left
    /// of it, and all that it started, is killed.
    ///
    /// The removal is what [`Bench::unplug_when`] planned, or somebody does on another
    /// task.
    ///
    /// ```
    /// use lastfd::{Bench, Outcome, Patience};
    ///
    /// let bench = Bench::new();
    /// let adc = bench.plug_spec(&"iio-adc".parse().unwrap()).unwrap();
    /// bench.unplug_when(&adc, "before:open".parse().unwrap()).unwrap();
    /// let reader = bench.command("head").args(["-c", "1", "/dev/iio:device0"]).spawn().unwrap();
    /// let outcome = reader.judge(&Patience::default());
    /// assert_eq!(outcome.to_string(), "ended (status 1)");
    /// ```
    pub fn judge(self, patience: &Patience) -> Outcome {
        let outcome = self.watch(patience, &Cancel::new());
        self.kill();
        outcome
    }

    /// As [`Program::judge`]; none if it was cancelled.
    pub(crate) fn judge_unless(self, patience: &Patience, cancel: &Cancel) -> Option<Outcome> {
        let outcome = self.watch(patience, cancel);
        self.kill();
        (!cancel.is_cancelled()).then_some(outcome)
    }

    fn watch(&self, patience: &Patience, cancel: &Cancel) -> Outcome {
        let bench = self.bench();
        let clock = bench.system().clock();
        let began = clock.now();
        // Until the device goes.
        let gone = self.wait_until(began.after(patience.limit), cancel, || {
            let ended = self.ending().filter(|_| self.is_deserted());
            // Its last step may be what the device had to wait for, such as to close it by
            // its end.
            let is_due = ended.is_some() && bench.is_due_by_now();
            match self.gone_since() {
                Some(gone) => Some(Ok(gone)),
                None if is_due => None,
                None => ended.map(Err),
            }
        });
        let gone = match gone {
            Some(Ok(gone)) => gone,
            Some(Err(ending)) => {
                return Outcome::NotReached {
                    ending: Some(ending),
                    within: since(began, clock.now()),
                };
            }
            None => {
                return Outcome::NotReached {
                    ending: None,
                    within: patience.limit,
                };
            }
        };
        // Until it ended, with all that it started, or its time is over.
        let before = self.killed();
        let mut window = None;
        let mut until = gone.after(SOON.min(patience.timeout / 4));
        let mut looks = 0;
        loop {
            let ended = self.wait_until(until, cancel, || {
                let ending = self.ending()?;
                let crashed = matches!(Outcome::of(&ending, false), Outcome::Crashed { .. });
                (crashed || self.is_deserted()).then_some(ending)
            });
            let itself = ended.map(|ending| Outcome::of(&ending, false));
            if let Some(crash @ Outcome::Crashed { .. }) = itself {
                return crash;
            }
            if let Some(outcome) = self.crash_of_child(&before).or(itself) {
                return outcome;
            }
            if cancel.is_cancelled() {
                return Outcome::LetGo;
            }
            until = match window.take() {
                None => gone.after(patience.timeout),
                Some(window) => match self.alive(gone, clock.now(), &window, patience) {
                    Alive::Is(outcome) => return outcome,
                    Alive::Until(later) => later,
                },
            };
            window = Some(Window {
                looks,
                ..Window::from_now(bench, gone)
            });
            looks += 1;
        }
    }

    /// A process of it that crashed, other than those that were killed before.
    pub(super) fn crash_of_child(&self, before: &[Killed]) -> Option<Outcome> {
        let since = self.killed().into_iter();
        let mut since = since.filter(|k| Some(k.pid) != self.pid() && !before.contains(k));
        since.find_map(Outcome::of_child)
    }

    /// Waits on the program and its files.
    fn wait_until<R>(
        &self,
        until: Ktime,
        cancel: &Cancel,
        attempt: impl FnMut() -> Option<R>,
    ) -> Option<R> {
        let bench = self.bench();
        let mut queues: Vec<&WaitQueue> = vec![bench.witness().changed(), bench.schedule().done()];
        queues.extend(self.changed());
        let clock = bench.system().clock();
        wait_event(&queues, clock, Some(until), Some(cancel), attempt).ok()
    }

    /// Its time is over, and it or what it started is alive.
    fn alive(&self, gone: Ktime, now: Ktime, window: &Window, patience: &Patience) -> Alive {
        let bench = self.bench();
        let latest = gone.after(patience.timeout + BOUNDED);
        let held = clinging(bench, gone, now);
        if let Some((pace, on)) = window.spins(bench, &held, now, patience.spin) {
            return Alive::Is(Outcome::Spun { pace, on });
        }
        let dead = bench.witness().dead_files();
        let asleep = self.sleepers();
        let asleep = asleep.iter().filter(|sleeper| {
            let mut files = sleeper.files.iter();
            files.any(|file| dead.contains_key(&file.id))
        });
        // A call that has a time comes back, and what the program makes of it counts.
        let mut back = None;
        for sleeper in asleep {
            match sleeper.left {
                Some(left) => back = back.max(Some(now.after(left + patience.timeout))),
                None if since(sleeper.since, now) * 2 >= patience.timeout => {
                    return Alive::Is(Outcome::Hung(asleep_in(sleeper, &held, gone, now)));
                }
                // It went to sleep just now: once more.
                None => back = back.max(Some(now.after(patience.timeout))),
            }
        }
        if let Some(back) = back
            && now < latest
        {
            return Alive::Until(back.min(latest));
        }
        // One that has just come back from a call has not been given its time.
        let grace = bench
            .witness()
            .last_late()
            .map(|at| at.after(patience.timeout / 2));
        if let Some(grace) = grace.map(|at| at.min(gone.after(patience.timeout * 2)))
            && now < grace
        {
            return Alive::Until(grace);
        }
        if window.is_unsure(&held, now) {
            return Alive::Until(now.after(patience.timeout / 2));
        }
        if let Some(clinging) = held.into_iter().next() {
            return Alive::Is(Outcome::Kept(clinging));
        }
        let left_others = self.ending();
        if let Some(ending) = left_others {
            return Alive::Is(Outcome::of(&ending, true));
        }
        // It holds nothing. One that ends by itself must do so still.
        let Some(ends) = patience.ends else {
            return Alive::Is(Outcome::LetGo);
        };
        let due = gone.after((patience.timeout + ends * 2).min(patience.timeout + BOUNDED));
        if now < due {
            return Alive::Until(due);
        }
        Alive::Is(Outcome::Hung(self.asleep(gone, now)))
    }

    /// Where it sleeps on a file of a device that went; itself, if that is nowhere.
    pub(super) fn asleep(&self, gone: Ktime, now: Ktime) -> Asleep {
        let dead = self.bench().witness().dead_files();
        let held = clinging(self.bench(), gone, now);
        let on_dead = |sleeper: &Sleeper| {
            let mut files = sleeper.files.iter();
            files.any(|file| dead.contains_key(&file.id))
        };
        match self.sleepers().into_iter().find(on_dead) {
            Some(sleeper) => asleep_in(&sleeper, &held, gone, now),
            None => {
                let process = self.pid().unwrap_or_default();
                Asleep {
                    process,
                    command: command(process),
                    call: None,
                    descriptor: None,
                    since: since(gone, now),
                    gone: since(gone, now),
                }
            }
        }
    }
}

/// A time in which calls are counted.
#[derive(Debug)]
pub(super) struct Window {
    calls: u64,
    busy: Busy,
    /// How many windows were before this one.
    looks: u8,
}

/// One whose answer was late, as the machine is busy, runs at the end of a window and did
/// not at its beginning: it is looked at again, so often.
const LOOKS: u8 = 4;

/// Shorter ones say nothing.
const SHORTEST: Duration = Duration::from_millis(200);

impl Window {
    pub(super) fn from_now(bench: &Bench, gone: Ktime) -> Window {
        let now = bench.system().clock().now();
        Window {
            calls: bench.witness().late_calls(),
            busy: Busy::of(processes(&clinging(bench, gone, now)), now),
            looks: 0,
        }
    }

    /// How long it is by now.
    pub(super) fn length(&self, now: Ktime) -> Duration {
        self.busy.ago(now)
    }

    /// How fast one who still has a device spins on it, if one does.
    pub(super) fn spins(
        &self,
        bench: &Bench,
        held: &[Clinging],
        now: Ktime,
        most: u64,
    ) -> Option<(Pace, Clinging)> {
        let took = self.length(now).as_secs_f64().max(0.001);
        let calls = bench.witness().late_calls() - self.calls;
        let rate = (calls as f64 / took) as u64;
        let last = held.iter().min_by_key(|c| c.last.as_ref().map(|l| l.1));
        if rate > most {
            return Some((Pace::Calls(rate), last?.clone()));
        }
        if self.length(now) < SHORTEST {
            return None;
        }
        let busy = Busy::of(processes(held), now);
        let process = busy.restless_since(&self.busy)?;
        let on = held.iter().find(|clinging| clinging.process == process)?;
        Some((Pace::Restless, on.clone()))
    }

    /// Whether one who still has a device has to be looked at once more.
    fn is_unsure(&self, held: &[Clinging], now: Ktime) -> bool {
        self.looks < LOOKS && Busy::of(processes(held), now).runs()
    }
}

/// Who holds any of these.
fn processes(held: &[Clinging]) -> BTreeSet<u32> {
    held.iter().map(|clinging| clinging.process).collect()
}

fn asleep_in(sleeper: &Sleeper, held: &[Clinging], gone: Ktime, now: Ktime) -> Asleep {
    let path = sleeper.files.first().map(|file| file.path.clone());
    let of_it = |c: &&Clinging| c.process == sleeper.process && Some(&c.path) == path.as_ref();
    Asleep {
        process: sleeper.process,
        command: command(sleeper.process),
        descriptor: held.iter().find(of_it).and_then(Clinging::descriptor),
        call: path.map(|path| (sleeper.op.clone(), path)),
        since: since(sleeper.since, now),
        gone: since(gone, now),
    }
}

/// What is said of a program that did not end in time.
enum Alive {
    Is(Outcome),
    /// It is to be looked at again then.
    Until(Ktime),
}

/// Who has files of devices that went, by process; the descriptors first.
pub(super) fn clinging(bench: &Bench, gone: Ktime, now: Ktime) -> Vec<Clinging> {
    let dead = bench.witness().dead_files();
    if dead.is_empty() {
        return Vec::new();
    }
    let list = bench.host().map(|host| host.holders().list());
    let mut found = Vec::new();
    for held in list.unwrap_or_default() {
        let Some(asked) = dead.get(&held.file.id) else {
            continue;
        };
        let last = asked.last.as_ref();
        let clinging = |process: u32, grip| Clinging {
            process,
            command: command(process),
            path: asked.file.path.clone(),
            grip,
            last: last.map(|(op, at)| (op.clone(), since(*at, now))),
            gone: since(gone, now),
        };
        let Held { by, opener, .. } = held;
        if by.is_empty() {
            found.push(clinging(opener, None));
        }
        for holder in by {
            found.extend(holder.grips.first().map(|g| clinging(holder.pid, Some(*g))));
        }
    }
    found
}

impl Clinging {
    pub(super) fn descriptor(&self) -> Option<i32> {
        match self.grip {
            Some(lastfd_host::Grip::Descriptor(number)) => Some(number),
            _ => None,
        }
    }
}

/// The name of what a process runs.
fn command(process: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{process}/comm"));
    name.map_or_else(|_| "?".to_owned(), |name| name.trim_end().to_owned())
}

pub(super) fn since(from: Ktime, to: Ktime) -> Duration {
    Duration::from_nanos(to.0.saturating_sub(from.0))
}
