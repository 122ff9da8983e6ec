//! Watching a System, or judging what was recorded of one.

use core::fmt;
use std::collections::BTreeMap;

use lastfd_model::{Event, Listener, Rules, Snapshot, Subscription, System};
use lastfd_sync::{Arc, Mutex};

use crate::finding::Finding;
use crate::rules;
use crate::shadow::World;

/// Watches one System and keeps what it finds.
///
/// Places in the code are known where the System's ledger is on. It must be there from
/// the start of what it is to judge: what was taken before is not known to it.
#[derive(Clone)]
pub struct Sanitizer {
    state: Arc<Mutex<State>>,
    _subscription: Arc<Option<Subscription>>,
}

struct State {
    world: World,
    findings: Findings,
}

/// What was found, one finding for each mistake.
#[derive(Default)]
pub(crate) struct Findings {
    /// By the order in which they were found; numbers are not given out again.
    list: BTreeMap<usize, Finding>,
    next: usize,
    /// By the rule and the number of what it is about.
    known: BTreeMap<(u8, u64), usize>,
}

impl Findings {
    /// Adds a finding unless this rule has one about the same thing. Gives its number.
    pub(crate) fn add(&mut self, about: u64, finding: Finding) -> usize {
        let key = (finding.rule.number, about);
        if let Some(known) = self.about(key.0, about) {
            known.explains.extend(finding.explains);
            return self.known[&key];
        }
        let number = self.next;
        self.next += 1;
        self.list.insert(number, finding);
        self.known.insert(key, number);
        number
    }

    pub(crate) fn about(&mut self, rule: u8, about: u64) -> Option<&mut Finding> {
        let number = self.known.get(&(rule, about))?;
        self.list.get_mut(number)
    }

    pub(crate) fn at(&mut self, number: usize) -> Option<&mut Finding> {
        self.list.get_mut(&number)
    }

    fn retain(&mut self, fits: impl Fn(&Finding) -> bool) {
        self.list.retain(|_, finding| fits(finding));
        self.known
            .retain(|_, number| self.list.contains_key(number));
    }

    fn all(&self) -> Vec<Finding> {
        self.list.values().cloned().collect()
    }
}

impl Sanitizer {
    /// Watches the System from here on. The Sanitizer may outlive it: what leaks is
    /// found when the System ends.
    pub fn watch(system: &System) -> Sanitizer {
        let sanitizer = Sanitizer::new(system.rules());
        let listener: Arc<dyn Listener> = Arc::new(sanitizer.clone());
        let subscription = system.subscribe(listener);
        Sanitizer {
            _subscription: Arc::new(Some(subscription)),
            ..sanitizer
        }
    }

    /// One that is told by somebody else: it is a [`Listener`].
    pub fn new(rules: Rules) -> Sanitizer {
        Sanitizer {
            state: Arc::new(Mutex::new(State {
                world: World::new(rules),
                findings: Findings::default(),
            })),
            _subscription: Arc::new(None),
        }
    }

    /// What was found so far, in the order it was found.
    pub fn findings(&self) -> Vec<Finding> {
        self.state.lock().findings.all()
    }

    /// What was found so far, which is then forgotten.
    pub fn take(&self) -> Vec<Finding> {
        let mut state = self.state.lock();
        let found = state.findings.all();
        state.findings.retain(|_| false);
        found
    }

    /// Forgets the findings that do not fit.
    pub fn retain(&self, fits: impl Fn(&Finding) -> bool) {
        self.state.lock().findings.retain(fits);
    }

    /// What would be found if nothing that is held now were ever given back: for the
    /// end of a test whose System goes on.
    pub fn held(&self) -> Vec<Finding> {
        let mut state = self.state.lock();
        let State { world, .. } = &mut *state;
        let mut findings = Findings::default();
        rules::references::held(world, &mut findings);
        findings.all()
    }

    /// For tests: panics with the reports if a driver broke a rule.
    ///
    /// # Panics
    /// There is a finding that a driver is to blame for.
    #[track_caller]
    pub fn assert_clean(&self) {
        let faults = self.findings();
        let faults: Vec<String> = faults
            .iter()
            .filter(|finding| finding.blames_a_driver())
            .map(ToString::to_string)
            .collect();
        assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    }
}

impl Listener for Sanitizer {
    fn start(&self, snapshot: &Snapshot) {
        self.state.lock().world.start(snapshot);
    }

    fn event(&self, event: &Event) {
        let mut state = self.state.lock();
        let State { world, findings } = &mut *state;
        rules::judge(world, event, findings);
        world.apply(event);
    }
}

impl fmt::Debug for Sanitizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sanitizer")
            .field("findings", &self.state.lock().findings.list.len())
            .finish_non_exhaustive()
    }
}

/// Judges what was recorded of a System from its start on.
pub fn judge(rules: Rules, events: &[Event]) -> Vec<Finding> {
    let sanitizer = Sanitizer::new(rules);
    for event in events {
        sanitizer.event(event);
    }
    sanitizer.take()
}
