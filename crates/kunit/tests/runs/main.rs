//! Runs of suites: what they do, and what they print.

mod any_words;
mod checks;
mod debug_modes;
mod explored;
mod filters;
mod leftovers;
mod lifecycle;
mod parser;
mod plain_functions;
mod timeouts;

use lastfd_kunit::{Ktap, Runner, Suite};
use lastfd_sync::{Arc, Mutex};

/// What the run prints.
fn ktap_of(runner: &Runner, suites: &[Suite]) -> String {
    let mut out = Vec::new();
    runner.run(suites, &mut Ktap::new(&mut out)).unwrap();
    String::from_utf8(out).unwrap()
}

fn ktap(suites: &[Suite]) -> String {
    ktap_of(&Runner::new(), suites)
}

/// The lines of the output that have this in them, without their indentation.
#[track_caller]
fn lines_with(output: &str, what: &str) -> Vec<String> {
    let lines = output.lines().map(str::trim);
    let found: Vec<_> = lines
        .filter(|line| line.contains(what))
        .map(str::to_owned)
        .collect();
    assert!(!found.is_empty(), "no {what:?} in\n{output}");
    found
}

/// Where functions note that they ran.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().push(what.into());
    }

    fn taken(&self) -> Vec<String> {
        core::mem::take(&mut *self.0.lock())
    }
}

/// Notes when it is dropped.
struct NotesDrop(Notes, &'static str);

impl Drop for NotesDrop {
    fn drop(&mut self) {
        self.0.note(format!("drop {}", self.1));
    }
}
