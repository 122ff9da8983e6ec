//! `lastfd replay`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lastfd::model::Rules;
use lastfd::scenario::{self, Scenario};

use crate::args::{Emit, ReplayArgs};
use crate::failure::Failure;

pub(crate) fn replay(args: ReplayArgs) -> Result<ExitCode, Failure> {
    let mut scenarios = Vec::new();
    for name in &args.scenarios {
        scenarios.push(load(name)?);
    }
    if args.emit == Some(Emit::KunitC) {
        return emit(&scenarios, args.rules);
    }
    let mut out = anstream::stdout().lock();
    for scenario in &scenarios {
        let trace = scenario.run(args.rules);
        let mut text = trace.to_string();
        if scenarios.len() > 1 {
            text.insert_str(0, &format!("== {}\n", scenario.name()));
        }
        if out.write_all(text.as_bytes()).is_err() {
            // Nobody reads on, as with `| head`.
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Each is a file of its own, so there may be only one.
fn emit(scenarios: &[Scenario], rules: Rules) -> Result<ExitCode, Failure> {
    let [scenario] = scenarios else {
        return Err(Failure::EmitOne);
    };
    let case = scenario.kunit_c(rules).map_err(|source| Failure::Emit {
        name: scenario.name().to_owned(),
        source,
    })?;
    // Nobody reads on, as with `| head`.
    let _ = anstream::stdout().lock().write_all(case.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn load(name: &Path) -> Result<Scenario, Failure> {
    let path = find(name).ok_or_else(|| Failure::NoScenario(name.to_owned()))?;
    let text = fs::read_to_string(&path).map_err(|source| Failure::ReadScenario {
        path: path.clone(),
        source,
    })?;
    Ok(scenario::parse(&path.display().to_string(), &text)?)
}

/// A file, or the name of one under oracle/scenarios.
fn find(name: &Path) -> Option<PathBuf> {
    if name.exists() {
        return Some(name.to_owned());
    }
    let named = Path::new("oracle/scenarios").join(name);
    let named = named.with_file_name(format!("{}.scenario", name.file_name()?.to_string_lossy()));
    named.exists().then_some(named)
}
