//! The manual says what the program does: its example runs as printed, its table of
//! statements is the parser's.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lastfd_model::Rules;
use lastfd_scenario::language::STATEMENTS;
use lastfd_scenario::parse;

fn manual() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/scenario.md");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("failed to read {}: {e}", path.display()))
}

/// The fenced blocks that are marked so.
fn blocks(text: &str, mark: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{mark}") {
            let block: Vec<&str> = lines.by_ref().take_while(|l| *l != "```").collect();
            blocks.push(block.join("\n") + "\n");
        }
    }
    blocks
}

#[test]
fn each_example_prints_the_trace_that_follows_it() {
    let manual = manual();
    let (scenarios, traces) = (blocks(&manual, "scenario"), blocks(&manual, "trace"));
    assert_eq!(scenarios.len(), 1);
    assert_eq!(scenarios.len(), traces.len());
    for (scenario, trace) in scenarios.iter().zip(&traces) {
        let scenario = parse("docs/scenario.md", scenario).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(scenario.run(Rules::Linux6_12).to_string(), *trace);
    }
}

#[test]
fn the_fault_it_shows_is_the_fault_that_is_found() {
    let text = "scenario faulty\nplatform_device pdev \"a\" 0\nref pdv\n";
    let fault = parse("faulty.scenario", text).unwrap_err();
    assert_eq!(blocks(&manual(), "fault"), [format!("{fault}\n")]);
}

#[test]
fn it_lists_every_statement_as_the_parser_takes_it_and_no_other() {
    let manual = manual();
    // Rows of tables whose first cell is a statement; `|` is escaped in a table.
    let written: BTreeSet<String> = manual
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .map(|(usage, _)| usage.replace("\\|", "|"))
        .filter(|usage| {
            let word = usage.split(' ').next().unwrap_or_default();
            word.starts_with(|c: char| c.is_ascii_lowercase()) && usage.as_str() != "name = call …"
        })
        .filter(|usage| !usage.ends_with('…'))
        .collect();
    let bodies = ["probe", "remove", "action", "each", "hook"];
    let known: BTreeSet<String> = STATEMENTS
        .iter()
        .map(|s| s.usage())
        .chain(bodies.map(|b| format!("{b} NAME")))
        .collect();
    let missing: Vec<_> = known.difference(&written).collect();
    let unknown: Vec<_> = written.difference(&known).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing: {missing:#?}\nunknown: {unknown:#?}"
    );
}
