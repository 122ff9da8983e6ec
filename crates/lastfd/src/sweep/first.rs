//! The first run: what a program does with devices that stay.

use core::fmt;
use core::time::Duration;
use std::io::Read;

use lastfd_report::Ending;
use lastfd_sync::{Arc, thread, wait_event};

use super::roll::{Entry, Roll};
use super::{Sweep, SweepError};
use crate::bench::Bench;
use crate::program::Program;

/// After so long without anything new a program is taken to go round.
const QUIET: Duration = Duration::from_secs(1);
/// How much of what a program says last is kept.
const SAID: usize = 2048;

/// What the first run showed.
#[derive(Clone, Debug)]
pub struct Learnt {
    /// The operations, in the order they were first seen.
    pub roll: Vec<Entry>,
    /// How it ended; none if it went on and was ended.
    pub ending: Option<Ending>,
    /// It ended, and left others running.
    pub left_others: bool,
    /// How long it ran.
    pub took: Duration,
    /// What it was refused.
    pub refused: Vec<Arc<str>>,
}

/// A program that never came to a device.
#[derive(Clone, Debug)]
pub struct Untouched {
    program: String,
    devices: Vec<String>,
    ending: Option<Ending>,
    left_others: bool,
    took: Duration,
    refused: Vec<Arc<str>>,
    said: String,
}

impl fmt::Display for Untouched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} never touched ", self.program)?;
        match &*self.devices {
            [] => f.write_str("a device, there being none")?,
            devices => f.write_str(&devices.join(" or "))?,
        }
        let took = self.took.as_secs_f64();
        match &self.ending {
            Some(ending) => write!(f, ": it came to its end, {ending}, after {took:.1} s")?,
            None => write!(f, ": it was ended after {took:.1} s without")?,
        }
        if self.left_others {
            f.write_str(", and left others running, which were ended")?;
        }
        f.write_str("; does its command line name the node?")?;
        for refused in &self.refused {
            write!(f, "\n  it was refused something: {refused}")?;
        }
        for line in self.said.lines() {
            write!(f, "\n  it said: {line}")?;
        }
        Ok(())
    }
}

/// Runs the program while the devices stay, until it ends or shows nothing new.
pub(super) fn learn(sweep: &Sweep) -> Result<Learnt, SweepError> {
    let roll = Arc::new(Roll::default());
    let listener: Arc<dyn lastfd_model::event::Listener> = roll.clone();
    let bench = sweep.bench(Bench::builder().listener(listener))?;
    let plugged = bench.plugged();
    roll.of(&plugged);
    let nodes = nodes(&bench);
    let system = |source| SweepError::System {
        doing: "listen to what the program says",
        source,
    };
    let (mut from, to) = std::io::pipe().map_err(system)?;
    let program = sweep.command(&bench).stderr(to).spawn()?;
    let listener = thread::spawn("stderr", move || tail(&mut from)).map_err(system)?;
    let clock = bench.system().clock();
    let began = clock.now();
    let (ending, left_others) = watch(sweep, &program, &roll);
    let took = Duration::from_nanos(clock.now().0 - began.0);
    // What it closed by its end is a part of its work; what it does when it is ended is not.
    bench.is_due_by_now();
    let entries = roll.close();
    program.kill();
    drop(bench.finish());
    let said = listener.join().unwrap_or_default();
    let refused = roll.refused();
    if entries.is_empty() && !sweep.cancel.is_cancelled() {
        return Err(SweepError::Untouched(Box::new(Untouched {
            program: sweep.program.to_string_lossy().into_owned(),
            devices: nodes,
            ending,
            left_others,
            took,
            refused,
            said: said.trim_end().to_owned(),
        })));
    }
    Ok(Learnt {
        roll: entries,
        ending,
        left_others,
        took,
        refused,
    })
}

/// Until it ended, or shows nothing new: how it ended, and whether it left others.
fn watch(sweep: &Sweep, program: &Program<'_>, roll: &Roll) -> (Option<Ending>, bool) {
    let clock = program.bench().system().clock();
    let latest = clock.now().after(sweep.patience.limit);
    let mut queues = vec![roll.changed()];
    queues.extend(program.changed());
    loop {
        let until = match roll.news() {
            Some(news) => news.after(QUIET).min(latest),
            None => latest,
        };
        let had = roll.news();
        let news = wait_event(&queues, clock, Some(until), Some(&sweep.cancel), || {
            let over = program.ending().is_some() && program.is_deserted();
            (over || roll.news() != had).then_some(over)
        });
        if news != Ok(false) {
            let ending = program.ending();
            let left_others = ending.is_some() && !program.is_deserted();
            return (ending, left_others);
        }
    }
}

/// The nodes of what is plugged in.
fn nodes(bench: &Bench) -> Vec<String> {
    let nodes = bench.system().dev_nodes();
    nodes
        .iter()
        .map(|node| format!("/dev/{}", node.name))
        .collect()
}

/// Reads to the end, and keeps what came last.
fn tail(from: &mut impl Read) -> String {
    let mut kept = Vec::new();
    let mut room = [0; 4096];
    loop {
        match from.read(&mut room) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) | Ok(0) => break,
            Ok(count) => {
                kept.extend_from_slice(&room[..count]);
                let past = kept.len().saturating_sub(SAID);
                kept.drain(..past);
            }
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}
