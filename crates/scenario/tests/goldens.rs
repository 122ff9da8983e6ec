//! Every recorded trace, replayed: one test for each scenario and set of rules.

use std::fs;
use std::path::{Path, PathBuf};

use lastfd_model::Rules;
use lastfd_scenario::{Scenario, compare, parse};
use libtest_mimic::{Arguments, Failed, Trial};

fn oracle() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../oracle")
}

/// The names in a folder that end so, without that ending.
fn names_in(folder: &Path, ending: &str) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|e| panic!("failed to list {}: {e}", folder.display()));
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect();
    names.sort();
    names
}

fn read(path: &Path) -> Result<String, Failed> {
    fs::read_to_string(path).map_err(|e| format!("failed to read {}: {e}", path.display()).into())
}

fn scenario(name: &str) -> Result<Scenario, Failed> {
    let path = oracle().join("scenarios").join(format!("{name}.scenario"));
    let text = read(&path)?;
    let scenario = parse(&path.display().to_string(), &text).map_err(|e| e.to_string())?;
    if scenario.name() != name {
        return Err(format!("{name}.scenario calls itself {}", scenario.name()).into());
    }
    Ok(scenario)
}

/// The kernel's own lines: those of the rules, where they differ, else of 6.12.
fn golden(name: &str, rules: Rules) -> Result<String, Failed> {
    let traces = oracle().join("traces");
    let own = traces.join(format!("{name}.{rules}"));
    if own.exists() {
        return read(&own);
    }
    read(&traces.join(format!("{name}.{}", Rules::Linux6_12)))
}

fn replays_to_the_letter(name: &str, rules: Rules) -> Result<(), Failed> {
    let trace = scenario(name)?.run(rules);
    compare(&golden(name, rules)?, &trace).map_err(|m| format!("{m}\n\n{trace}").into())
}

/// Two runs print the same, the lines that are not compared included.
fn runs_the_same_twice(name: &str) -> Result<(), Failed> {
    let scenario = scenario(name)?;
    let (first, second) = (
        scenario.run(Rules::Linux6_12),
        scenario.run(Rules::Linux6_12),
    );
    if first == second {
        return Ok(());
    }
    Err(format!("first:\n{first}\nsecond:\n{second}").into())
}

/// Each line that counts, altered, left out, or moved, is noticed.
fn an_altered_golden_is_refused(name: &str) -> Result<(), Failed> {
    let rules = Rules::Linux6_12;
    let trace = scenario(name)?.run(rules);
    let golden = golden(name, rules)?;
    let lines: Vec<&str> = golden.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let counts = !line.starts_with("kernel:") && !line.contains("note:");
        if !counts {
            continue;
        }
        let mut without = lines.clone();
        without.remove(at);
        let mut altered = lines.clone();
        let longer = format!("{line}x");
        altered[at] = &longer;
        for (what, golden) in [("left out", without), ("altered", altered)] {
            // The text of a call is not compared.
            if what == "altered" && line.contains(" > ") {
                continue;
            }
            if compare(&golden.join("\n"), &trace).is_ok() {
                return Err(format!("line {} {what} was not noticed: {line}", at + 1).into());
            }
        }
    }
    Ok(())
}

fn every_scenario_has_a_golden_and_every_golden_a_scenario() -> Result<(), Failed> {
    let scenarios = names_in(&oracle().join("scenarios"), ".scenario");
    let goldens = names_in(&oracle().join("traces"), ".linux-6.12");
    if scenarios != goldens {
        return Err(format!("scenarios: {scenarios:?}\ngoldens: {goldens:?}").into());
    }
    let older = names_in(&oracle().join("traces"), ".linux-pre-6.6");
    match older.iter().find(|name| !goldens.contains(name)) {
        Some(name) => Err(format!("{name} has a golden for older rules only").into()),
        None => Ok(()),
    }
}

fn main() {
    let mut trials = vec![Trial::test(
        "every_scenario_has_a_golden_and_every_golden_a_scenario",
        every_scenario_has_a_golden_and_every_golden_a_scenario,
    )];
    for name in names_in(&oracle().join("scenarios"), ".scenario") {
        for rules in Rules::ALL {
            let replayed = name.clone();
            trials.push(Trial::test(format!("{name} under {rules}"), move || {
                replays_to_the_letter(&replayed, rules)
            }));
        }
        let (altered, twice) = (name.clone(), name.clone());
        trials.push(Trial::test(
            format!("{name} with a line altered is refused"),
            move || an_altered_golden_is_refused(&altered),
        ));
        trials.push(Trial::test(
            format!("{name} runs the same twice"),
            move || runs_the_same_twice(&twice),
        ));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
