//! All recorded scenarios, watched by the sanitizer: those whose fault is their point are
//! in `oracle/scenarios/faults.tsv` with the rules that name it; all others are clean.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use lastfd_model::{Listener, Rules};
use lastfd_sanitizer::{Finding, Sanitizer};
use lastfd_scenario::{Scenario, parse};
use lastfd_sync::Arc;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../oracle/scenarios")
}

fn scenarios() -> Vec<Scenario> {
    let entries = fs::read_dir(folder()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "scenario"))
        .collect();
    paths.sort();
    let parsed = paths.iter().map(|path| {
        let text = fs::read_to_string(path).unwrap();
        parse(&path.display().to_string(), &text).unwrap()
    });
    parsed.collect()
}

fn found(scenario: &Scenario, rules: Rules) -> Vec<Finding> {
    let sanitizer = Sanitizer::new(rules);
    let watcher: Arc<dyn Listener> = Arc::new(sanitizer.clone());
    scenario.run_and_tell(rules, &[watcher]);
    let mut found = sanitizer.findings();
    found.retain(Finding::blames_a_driver);
    found
}

/// The numbers of the rules, by scenario and set of rules: `NAME<tab>RULES<tab>G1 G2`.
fn faults() -> BTreeMap<(String, String), String> {
    let text = fs::read_to_string(folder().join("faults.tsv")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let fault = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut next = || fields.next().expect("three fields to a line");
        ((next(), next()), next())
    };
    lines.map(fault).collect()
}

#[test]
fn a_scenario_is_clean_or_its_fault_is_named_in_the_list() {
    let known = faults();
    let (mut seen, mut reports) = (BTreeMap::new(), String::new());
    for scenario in scenarios() {
        for rules in [Rules::Linux6_12, Rules::LinuxPre6_6] {
            let found = found(&scenario, rules);
            let mut numbers: Vec<u8> = found.iter().map(|f| f.rule.number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            let key = (scenario.name().to_owned(), rules.to_string());
            let numbers: Vec<String> = numbers.iter().map(|n| format!("G{n}")).collect();
            let numbers = numbers.join(" ");
            if known.get(&key).map_or("", String::as_str) != numbers {
                writeln!(reports, "{}\t{}\t{numbers}", key.0, key.1).unwrap();
                for finding in &found {
                    writeln!(reports, "{finding}\n").unwrap();
                }
            }
            if !numbers.is_empty() {
                seen.insert(key, numbers);
            }
        }
    }
    assert!(reports.is_empty(), "{reports}");
    assert_eq!(known, seen, "a line of faults.tsv names no scenario");
}
