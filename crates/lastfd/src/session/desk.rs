//! Where requests are done.

use core::time::Duration;
use std::collections::BTreeMap;
use std::path::PathBuf;

use lastfd_host::control::{Commands, Request as Control, perform};
use lastfd_report::Ending;
use lastfd_sync::{Cancel, Ktime, WaitQueue};
use serde_json::{Value, json};

use super::Finish;
use super::answer::{self, Kind, Refusal, ending, within};
use super::pending::{Pending, Until};
use super::request::{Ask, Id, Request, SignalName};
use super::spawn::spawn;
use crate::belongings::Belongings;
use crate::bench::Bench;
use crate::control::{BenchCommands, find_there};
use crate::fault::Fault;
use crate::judge::Watch;
use crate::plugged::Plugged;
use crate::program::Program;
use crate::waiting::{Occasion, Search};
use crate::when::When;

/// The bench of a session, its programs, and the requests that wait.
pub(super) struct Desk<'b> {
    bench: &'b Bench,
    programs: BTreeMap<u64, Program<'b>>,
    /// The number of the last that was started.
    last: u64,
    pending: Vec<Pending>,
}

/// What came of a request.
pub(super) enum Done {
    Answer(String),
    /// It is answered when what it waits for has come.
    Later,
    Finish(Finish),
}

/// What came of a request that was not refused.
enum Came {
    Value(Value),
    Later,
    Finish {
        report: Option<PathBuf>,
        events: bool,
    },
}

type Answer = Result<Value, Refusal>;

impl<'b> Desk<'b> {
    pub(super) fn new(bench: &'b Bench) -> Desk<'b> {
        Desk {
            bench,
            programs: BTreeMap::new(),
            last: 0,
            pending: Vec::new(),
        }
    }

    /// Does a request, or has it wait.
    pub(super) fn ask(&mut self, Request { id, ask }: Request) -> Done {
        let came = self.perform(&id, ask);
        let answer = match came {
            Ok(Came::Value(value)) => Ok(value),
            Ok(Came::Later) => return Done::Later,
            Ok(Came::Finish { report, events }) => {
                return Done::Finish(Finish { id, report, events });
            }
            Err(refusal) => Err(refusal),
        };
        Done::Answer(answer::line(Some(&id), answer))
    }

    fn perform(&mut self, id: &Id, ask: Ask) -> Result<Came, Refusal> {
        let value = match ask {
            Ask::Plug { device } => {
                words::<lastfd_devices::Spec>(&device)?;
                self.control(Control::Plug { device })
            }
            Ask::Unplug { name, when: None } => {
                self.there(&name, "unplug")?;
                self.control(Control::Unplug { name })
            }
            Ask::Bind { name } => {
                self.there(&name, "bind")?;
                self.control(Control::Bind { name })
            }
            Ask::Unbind { name, when: None } => {
                self.there(&name, "unbind")?;
                self.control(Control::Unbind { name })
            }
            Ask::Fault {
                name,
                fault,
                when: None,
            } => {
                let verb = words::<Fault>(&fault)?.verb();
                self.there(&name, verb)?;
                self.control(Control::Fault { name, fault })
            }
            Ask::Unplug {
                name,
                when: Some(when),
            } => self.planned(&name, &when, Fault::Unplug),
            Ask::Unbind {
                name,
                when: Some(when),
            } => self.planned(&name, &when, Fault::Unbind),
            Ask::Fault {
                name,
                fault,
                when: Some(when),
            } => self.planned(&name, &when, words(&fault)?),
            Ask::Devices {} => self.control(Control::Devices),
            Ask::Files {} => {
                if self.bench.server.host().is_some() {
                    // What was closed by now is not open.
                    self.bench.files();
                }
                self.control(Control::Files)
            }
            Ask::Iiod {} => {
                let uri = self.bench.iiod();
                let uri = uri.map_err(|error| Refusal::of(Kind::Refused, error))?;
                Ok(json!({"uri": uri}))
            }
            Ask::Spawn(asked) => {
                let program = spawn(self.bench, *asked)?;
                let pid = program.pid();
                self.last += 1;
                self.programs.insert(self.last, program);
                Ok(json!({"program": self.last, "pid": pid}))
            }
            Ask::Programs {} => Ok(self.programs.iter().map(told).collect()),
            Ask::Signal { program, signal } => self.signal(program, &signal),
            Ask::Kill { program } => {
                let started = self.programs.remove(&program);
                let started = started.ok_or_else(|| self.no_program(program))?;
                Ok(ending(&started.kill()))
            }
            Ask::Wait {
                event,
                name,
                within_ms,
            } => return self.wait(id, &event, name.as_deref(), within_ms),
            Ask::WaitProgram { program, within_ms } => {
                return self.wait_program(id, program, within_ms);
            }
            Ask::Expect {
                program,
                expected,
                within_ms,
            } => return self.expect(id, program, &expected, within_ms),
            Ask::Finish { report, events } => {
                let format = report.as_deref().map(lastfd_report::Format::of);
                format
                    .transpose()
                    .map_err(|error| Refusal::of(Kind::BadRequest, error))?;
                return Ok(Came::Finish { report, events });
            }
        };
        value.map(Came::Value)
    }

    /// What `lastfd ctl` can ask, too.
    fn control(&self, request: Control) -> Answer {
        let commands = BenchCommands::of(self.bench);
        let commands: &dyn Commands = &commands;
        perform(commands, request, &Cancel::new())
            .map_err(|error| Refusal::of(Kind::Refused, error))
    }

    fn there(&self, name: &str, doing: &str) -> Result<Plugged, Refusal> {
        find_there(&self.bench.plugged(), name, doing)
            .map_err(|error| Refusal::of(Kind::Unknown, error))
    }

    fn planned(&self, name: &str, when: &str, fault: Fault) -> Answer {
        let when: When = words(when)?;
        let target = self.there(name, fault.verb())?;
        let refused = |error| Refusal::of(Kind::Refused, error);
        target
            .can(&fault)
            .map_err(|error| refused(error.to_string()))?;
        let planned = match fault {
            Fault::Unplug => self.bench.unplug_when(&target, when),
            Fault::Unbind => self.bench.unbind_when(&target, when),
            other => self.bench.fault_when(&target, other, when),
        };
        planned
            .map_err(|error| refused(format!("failed to start the task that does it: {error}")))?;
        Ok(json!({}))
    }

    fn wait(
        &mut self,
        id: &Id,
        event: &str,
        name: Option<&str>,
        within_ms: Option<u64>,
    ) -> Result<Came, Refusal> {
        let occasion: Occasion = words(event)?;
        let within = within(within_ms)?;
        let of = match name {
            None => None,
            Some(name) => {
                let plugged = self.bench.find(name);
                let plugged = plugged.map_or_else(|| self.there(name, "wait for"), Ok)?;
                Some(Belongings::at_first(&plugged))
            }
        };
        let search = Search::new(occasion, of);
        Ok(self.wait_until(id, within, Until::Event(search, within)))
    }

    fn wait_program(
        &mut self,
        id: &Id,
        program: u64,
        within_ms: Option<u64>,
    ) -> Result<Came, Refusal> {
        let within = within(within_ms)?;
        self.program(program)?;
        Ok(self.wait_until(id, within, Until::End(program, within)))
    }

    fn expect(
        &mut self,
        id: &Id,
        program: u64,
        expected: &str,
        within_ms: Option<u64>,
    ) -> Result<Came, Refusal> {
        let (expected, within) = (words(expected)?, within(within_ms)?);
        if !self.program(program)?.is_served() {
            return Err(Refusal::of(
                Kind::BadRequest,
                "a program that is shown no devices cannot be watched: spawn it without 'iiod_only'",
            ));
        }
        let until = self.bench.system().clock().now().after(within);
        let watch = Watch::new(expected, Some(until));
        Ok(self.wait_until(id, within, Until::Met(program, watch)))
    }

    fn wait_until(&mut self, id: &Id, within: Duration, until: Until) -> Came {
        let now = self.bench.system().clock().now();
        self.pending
            .push(Pending::new(id.clone(), now.after(within), until));
        Came::Later
    }

    fn signal(&self, number: u64, signal: &SignalName) -> Answer {
        let program = self.program(number)?;
        let raw = super::spawn::signal(signal)?;
        if let Some(ended) = program.ending() {
            let name = program.name();
            let message = format!("{name} has ended ({ended}): there is nobody to signal");
            return Err(Refusal::of(Kind::Ended, message));
        }
        program.signaller().send(raw);
        Ok(json!({}))
    }

    fn program(&self, number: u64) -> Result<&Program<'b>, Refusal> {
        let program = self.programs.get(&number);
        program.ok_or_else(|| self.no_program(number))
    }

    fn no_program(&self, number: u64) -> Refusal {
        let there: Vec<String> = self
            .programs
            .iter()
            .map(|(number, program)| format!("{number} ({})", program.name()))
            .collect();
        let there = match there.is_empty() {
            true => "none was started, or all were killed".to_owned(),
            false => format!("there are: {}", there.join(", ")),
        };
        Refusal::of(
            Kind::Unknown,
            format!("there is no program {number}; {there}"),
        )
    }

    /// Looks at the requests that wait, and answers those whose time has come.
    pub(super) fn look(&mut self) -> Vec<String> {
        let (bench, programs) = (self.bench, &self.programs);
        let mut answers = Vec::new();
        self.pending.retain_mut(|pending| {
            let answer = pending.look(bench, programs);
            answers.extend(answer);
            !pending.is_answered()
        });
        answers
    }

    /// What wakes the requests that wait.
    pub(super) fn queues(&self) -> Vec<WaitQueue> {
        let queues = self.pending.iter();
        let queues = queues.flat_map(|pending| pending.queues(self.bench, &self.programs));
        queues.collect()
    }

    /// When the first of them is to be looked at, whatever happens.
    pub(super) fn next_deadline(&self, now: Ktime) -> Option<Ktime> {
        let pending = self.pending.iter();
        pending.map(|p| p.next_look(now, &self.programs)).min()
    }

    /// Answers the requests that wait, and kills what is left of the programs: how each
    /// ended.
    pub(super) fn close(self) -> (Vec<String>, Value) {
        let over = || Refusal::of(Kind::Over, "the session ends before it came");
        let pending = self.pending.into_iter();
        let answers = pending.map(|p| answer::line(Some(&p.id), Err(over())));
        let spawned = self.programs.into_iter().map(|(number, program)| {
            let mut value = told((&number, &program));
            let was_running = value["ending"].is_null();
            let ended = program.kill();
            if let (Value::Object(all), Value::Object(ending)) = (&mut value, ending(&ended)) {
                all.extend(ending);
            }
            value["killed"] = (was_running && ended == Ending::Killed(9)).into();
            value
        });
        (answers.collect(), spawned.collect())
    }
}

fn told((number, program): (&u64, &Program<'_>)) -> Value {
    let mut value = match program.ending() {
        Some(ended) => ending(&ended),
        None => json!({"ending": null}),
    };
    value["program"] = (*number).into();
    value["name"] = program.name().into();
    value["pid"] = program.pid().into();
    value
}

/// What these words say.
fn words<T: core::str::FromStr<Err: ToString>>(text: &str) -> Result<T, Refusal> {
    text.parse()
        .map_err(|error: T::Err| Refusal::of(Kind::BadRequest, error))
}
