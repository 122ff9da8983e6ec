//! Runs a scenario: statement after statement, and the bodies its callbacks run.

use std::collections::{BTreeMap, BTreeSet};

use lastfd_model::raw::{Device, DeviceLink, platform_bus};
use lastfd_model::{Errno, Listener, Result, Rules, Subscription, System};
use lastfd_sync::atomic::{AtomicU32, Ordering};
use lastfd_sync::{Arc, Clock, Mutex};

use crate::ast::{Form, Line, NameId, Runner, Scenario};
use crate::calls::Call;
use crate::language::Op;
use crate::record::{Rc, Recorder};
use crate::shape::PLATFORM;
use crate::trace::Trace;
use crate::value::{Outcome, Value};

/// Bodies deeper inside bodies than this are not run.
const DEEPEST: u32 = 24;

/// Statements after this many are not run: a scenario may not go on for ever.
const MOST_STATEMENTS: u32 = 20_000;

impl Scenario {
    /// Runs the scenario in a System of its own, with these rules, and gives what it
    /// printed.
    ///
    /// Time is simulated: waits take none.
    ///
    /// ```
    /// use lastfd_model::Rules;
    ///
    /// let text = "scenario a\n\
    ///             > r = root_device_register \"lf-root\"\n\
    ///             track r\n\
    ///             > root_device_unregister r\n";
    /// let trace = lastfd_scenario::parse("a.scenario", text)?.run(Rules::Linux6_12);
    /// assert!(trace.to_string().ends_with("02     RELEASE r\n02 < done\n02 END\n"));
    /// # Ok::<(), lastfd_scenario::ParseError>(())
    /// ```
    pub fn run(&self, rules: Rules) -> Trace {
        self.run_and_tell(rules, &[]).0
    }

    /// Runs the scenario as [`Scenario::run`] does, and tells which statements ran. The
    /// watchers are told every event until the System has ended.
    pub fn run_and_tell(
        &self,
        rules: Rules,
        watchers: &[Arc<dyn Listener>],
    ) -> (Trace, BTreeSet<Op>) {
        self.run_as(rules, watchers, Released::Kept)
    }

    /// Runs the scenario as `oracle/kernel`'s module does: a statement about a device
    /// that is released is skipped, where a kernel's device is no more. Tells which
    /// statements ran.
    pub fn run_like_a_kernel(&self, rules: Rules) -> (Trace, BTreeSet<Op>) {
        self.run_as(rules, &[], Released::Skipped)
    }

    fn run_as(
        &self,
        rules: Rules,
        watchers: &[Arc<dyn Listener>],
        released: Released,
    ) -> (Trace, BTreeSet<Op>) {
        let system = System::builder()
            .rules(rules)
            .clock(Clock::simulated())
            .work_on_wait(true)
            .ledger(!watchers.is_empty())
            .build();
        // Dropped after the run, which holds the System.
        let watchers = watchers.iter().cloned();
        let _watching: Vec<Subscription> = watchers.map(|w| system.subscribe(w)).collect();
        let recorder = Arc::new(Recorder::default());
        let listener: Arc<dyn Listener> = recorder.clone();
        let subscription = system.subscribe(listener);
        let run = Arc::new(Run {
            scenario: self.clone(),
            system,
            released,
            recorder,
            values: Mutex::new(self.names().iter().map(|_| None).collect()),
            counts: Mutex::new(BTreeMap::new()),
            probe_returns: Mutex::new(BTreeMap::new()),
            words: Mutex::new(BTreeMap::new()),
            threads: Mutex::new(Vec::new()),
            case: Mutex::new(None),
            depth: AtomicU32::new(0),
            statements: AtomicU32::new(0),
            ran: Mutex::new(BTreeSet::new()),
        });
        run.recorder.watch("platform", true);
        let bus = platform_bus(&run.system);
        run.set(PLATFORM, Value::Bus(bus, None));
        match self.runner() {
            Runner::Plain => run.plain(),
            Runner::KunitCase(case) => run.kunit_case(case),
        }
        drop(subscription);
        let trace = run.recorder.finish();
        // What names hold may hold the System in turn.
        let values = std::mem::take(&mut *run.values.lock());
        drop(values);
        let ran = std::mem::take(&mut *run.ran.lock());
        (trace, ran)
    }
}

/// What becomes of a statement about a device that is released.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Released {
    /// It runs: late uses are told.
    Kept,
    /// It is skipped.
    Skipped,
}

/// One run of one scenario. Callbacks hold it weakly.
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) system: System,
    released: Released,
    pub(crate) recorder: Arc<Recorder>,
    /// What the names stand for, by their numbers.
    values: Mutex<Vec<Option<Value>>>,
    /// How often each body ran.
    counts: Mutex<BTreeMap<NameId, i64>>,
    /// `probe_returns`.
    probe_returns: Mutex<BTreeMap<NameId, i64>>,
    /// A number for each free word, where the kernel has its address.
    words: Mutex<BTreeMap<String, u64>>,
    /// Threads that were started, so that none outlives the run.
    pub(crate) threads: Mutex<Vec<NameId>>,
    /// The KUnit case that runs.
    pub(crate) case: Mutex<Option<lastfd_kunit::Test>>,
    depth: AtomicU32,
    statements: AtomicU32,
    /// Statements that were performed at least once.
    ran: Mutex<BTreeSet<Op>>,
}

/// What a statement stands in.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// `self`: the device the body was called for.
    pub(crate) me: Option<&'a Device>,
    /// The body; none outside.
    pub(crate) body: Option<NameId>,
}

/// A name that a statement needs stands for nothing: the call that should have made
/// it failed, did not run yet, or somebody took it.
pub(crate) struct Absent(pub(crate) NameId);

/// What a statement came to.
pub(crate) enum Performed {
    Flow(Flow),
    Outcome(Outcome),
}

/// How a body goes on.
pub(crate) enum Flow {
    Next,
    /// `return`, or a `try` that failed.
    Return(i64),
    /// An assertion failed.
    Abort,
}

/// Numbers of actions' data: words, devices and `NULL` are told apart.
const WORD: u64 = 1 << 62;
const DEVICE: u64 = 1 << 63;

impl Run {
    fn plain(self: &Arc<Self>) {
        self.recorder.raw("BEGIN");
        self.statements();
        self.settle();
        self.end_threads();
        self.recorder.leftovers();
        self.recorder.raw("END");
    }

    /// The scenario's own statements; false if an assertion ended them.
    pub(crate) fn statements(self: &Arc<Self>) -> bool {
        let frame = Frame {
            me: None,
            body: None,
        };
        for line in self.scenario.lines() {
            match self.statement(line, frame) {
                Flow::Abort => return false,
                Flow::Next | Flow::Return(_) => {}
            }
        }
        true
    }

    /// Runs a body and gives what it returns.
    pub(crate) fn body(self: &Arc<Self>, id: NameId, me: Option<&Device>) -> i64 {
        if self.depth.fetch_add(1, Ordering::Relaxed) >= DEEPEST {
            self.depth.fetch_sub(1, Ordering::Relaxed);
            let name = &self.scenario.name_of(id).text;
            self.recorder
                .line(format_args!("note: {name} is not run: bodies are too deep"));
            return 0;
        }
        *self.counts.lock().entry(id).or_insert(0) += 1;
        let frame = Frame { me, body: Some(id) };
        let mut value = 0;
        for line in self.scenario.body(id).unwrap_or_default() {
            match self.statement(line, frame) {
                Flow::Next => {}
                Flow::Return(returned) => {
                    value = returned;
                    break;
                }
                Flow::Abort => break,
            }
        }
        self.depth.fetch_sub(1, Ordering::Relaxed);
        value
    }

    fn statement(self: &Arc<Self>, line: &Line, frame: Frame<'_>) -> Flow {
        match self.statements.fetch_add(1, Ordering::Relaxed) {
            n if n < MOST_STATEMENTS => {}
            n => {
                if n == MOST_STATEMENTS {
                    self.recorder
                        .line("note: too many statements, the rest is not run");
                }
                return Flow::Next;
            }
        }
        let step = matches!(line.form, Form::Step | Form::Do);
        if step {
            self.recorder.step(&line.text);
        }
        let call = Call {
            run: self,
            line,
            frame,
        };
        let performed = call.perform();
        if performed.is_ok() {
            self.ran.lock().insert(line.op);
        }
        let outcome = match performed {
            Ok(Performed::Flow(flow)) => return flow,
            Ok(Performed::Outcome(outcome)) => outcome,
            Err(Absent(id)) => {
                let name = &self.scenario.name_of(id).text;
                self.recorder
                    .line(format_args!("note: skipped, there is no {name}"));
                if step {
                    self.recorder.raw("< skipped");
                }
                return Flow::Next;
            }
        };
        match line.form {
            Form::Step => self.recorder.returned(&outcome),
            Form::Do => self.recorder.raw("< done"),
            Form::Quiet => {}
            Form::Try => {
                if let Outcome::Int(rc) = outcome
                    && rc < 0
                {
                    return Flow::Return(rc);
                }
            }
        }
        if let Some(id) = line.result {
            match outcome {
                Outcome::Ok(value) => self.set(id, value),
                Outcome::Int(rc) => self.set(id, Value::Number(rc)),
                _ => drop(self.take(id)),
            }
        }
        Flow::Next
    }

    pub(crate) fn set(&self, id: NameId, value: Value) {
        let old = self.values.lock()[id.index()].replace(value);
        drop(old);
    }

    pub(crate) fn take(&self, id: NameId) -> Option<Value> {
        self.values.lock().get_mut(id.index())?.take()
    }

    /// Looks at a value; nothing of the model may be called inside.
    pub(crate) fn with<T>(
        &self,
        id: NameId,
        look: impl FnOnce(&mut Value) -> Option<T>,
    ) -> std::result::Result<T, Absent> {
        let mut values = self.values.lock();
        let value = values.get_mut(id.index()).and_then(Option::as_mut);
        value.and_then(look).ok_or(Absent(id))
    }

    /// The same for what must not be a device that is no more, where that counts.
    pub(crate) fn with_live<T>(
        &self,
        id: NameId,
        look: impl FnOnce(&mut Value) -> Option<T>,
    ) -> std::result::Result<T, Absent> {
        let skips = self.released == Released::Skipped;
        self.with(id, |value| match skips && value.is_released() {
            true => None,
            false => look(value),
        })
    }

    /// Whether a name other than this stands for the link, too.
    pub(crate) fn has_other(&self, id: NameId, link: &DeviceLink) -> bool {
        let values = self.values.lock();
        let mut others = values
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != id.index());
        others.any(|(_, value)| value.as_ref().and_then(Value::link).as_ref() == Some(link))
    }

    /// A number for a word, the same each time.
    pub(crate) fn word(&self, word: &str) -> u64 {
        let mut words = self.words.lock();
        let next = words.len() as u64;
        WORD | *words.entry(word.to_owned()).or_insert(next)
    }

    pub(crate) fn data_key(&self, data: &Data) -> u64 {
        match data {
            Data::Null => 0,
            Data::Word(word) => self.word(word),
            Data::Device(device) => DEVICE | device.id(),
        }
    }

    /// How often a body has run, this time included.
    pub(crate) fn runs_of(&self, body: NameId) -> i64 {
        self.counts.lock().get(&body).copied().unwrap_or(0)
    }

    /// Sets what a driver's probe returns.
    pub(crate) fn set_probe_returns(&self, driver: NameId, value: i64) {
        self.probe_returns.lock().insert(driver, value);
    }

    /// What the module's probe does: its body, and its lines before and after.
    pub(crate) fn probe(self: &Arc<Self>, hooks: &DriverHooks, device: &Device) -> Result {
        let tag = self.recorder.tag_of(device);
        let driver = &hooks.tag;
        if hooks.traced {
            self.recorder
                .line(format_args!("probe enter dev={tag} drv={driver}"));
        }
        let returned = hooks.probe.map_or(0, |body| self.body(body, Some(device)));
        let told = self
            .probe_returns
            .lock()
            .get(&hooks.driver)
            .copied()
            .unwrap_or(0);
        let rc = if told == 0 { returned } else { told };
        if hooks.traced {
            let rc = Rc(rc);
            self.recorder
                .line(format_args!("probe leave dev={tag} drv={driver} rc={rc}"));
        }
        match i32::try_from(rc) {
            Ok(0) => Ok(()),
            Ok(code) => Err(Errno::from_code(code)),
            Err(_) => Err(Errno::EINVAL),
        }
    }

    pub(crate) fn remove(self: &Arc<Self>, hooks: &DriverHooks, device: &Device) {
        let tag = self.recorder.tag_of(device);
        let driver = &hooks.tag;
        if hooks.traced {
            self.recorder.line(format_args!(
                "remove enter dev={tag} drv={driver} dev->driver={} drvdata={} registered={}",
                crate::record::set_or_null(device.driver().is_some()),
                crate::record::drvdata(device),
                u8::from(device.is_registered()),
            ));
        }
        if let Some(body) = hooks.remove {
            self.body(body, Some(device));
        }
        if hooks.traced {
            self.recorder
                .line(format_args!("remove leave dev={tag} drv={driver}"));
        }
    }

    /// Waits until deferred work is done.
    pub(crate) fn settle(&self) {
        self.msleep(120);
    }
}

/// What a driver of the scenario does.
#[derive(Clone)]
pub(crate) struct DriverHooks {
    pub(crate) driver: NameId,
    /// How its lines call it: its name on the bus.
    pub(crate) tag: Arc<str>,
    pub(crate) probe: Option<NameId>,
    pub(crate) remove: Option<NameId>,
    pub(crate) traced: bool,
}

/// What an action is called with.
#[derive(Clone)]
pub(crate) enum Data {
    Null,
    Word(String),
    Device(Device),
}
