//! Any text is a scenario, or has a fault that lies inside it and can be shown; and
//! whatever is a scenario runs to its end.

use std::fs;
use std::path::Path;

use lastfd_model::Rules;
use lastfd_scenario::language::STATEMENTS;
use lastfd_scenario::{Runner, parse};
use proptest::prelude::*;

/// Parses, looks at the fault if there is one, and runs it if there is none.
fn check(text: &str) {
    match parse("any.scenario", text) {
        Ok(scenario) => {
            for rules in Rules::ALL {
                let trace = scenario.run(rules).to_string();
                let first = trace.lines().next().unwrap_or_default();
                assert!(first.starts_with("00 BEGIN"), "{text}\n{trace}");
                // The model catches what panics in a callback.
                assert!(!trace.contains("panicked"), "{text}\n{trace}");
                if *scenario.runner() == Runner::Plain {
                    assert!(trace.ends_with(" END\n"), "{text}\n{trace}");
                }
            }
        }
        Err(error) => {
            let lines: Vec<&str> = text.lines().collect();
            assert!((1..=lines.len().max(1)).contains(&error.line()), "{error}");
            let line = lines.get(error.line() - 1).copied().unwrap_or_default();
            assert!(
                (1..=line.chars().count() + 1).contains(&error.column()),
                "{error}"
            );
            assert!(error.to_string().contains("any.scenario:"), "{error}");
            assert!(error.message().starts_with("expected") || !error.message().is_empty());
        }
    }
}

/// Words that make up most of a scenario.
fn word() -> impl Strategy<Value = String> {
    let words: Vec<&'static str> = STATEMENTS.iter().map(|s| s.word).collect();
    prop_oneof![
        4 => proptest::sample::select(words).prop_map(str::to_owned),
        8 => proptest::sample::select(vec![
            "a", "b", "c", "d", "p", "f", "rc", "self", "NULL", "any", "platform", "kunit", "act",
            "act_put", "act_state", "act_unregister", "dr_rel", "A1", "G1", "0", "1", "7", "16",
            "-ENODEV", "O_RDWR", "none", "auto", "set", "=", ">", "do", "try", "probe", "remove",
            "action", "each", "hook", "end", "parent", "bus", "match", "prefix", "scenario", "#",
        ])
        .prop_map(str::to_owned),
        3 => proptest::sample::select(vec!["\"x\"", "\"lf-x\"", "\"{a.ref}\"", "\"{rc}\"", "\"\\n\""])
            .prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ]
}

fn lines() -> impl Strategy<Value = String> {
    let line = proptest::collection::vec(word(), 0..7).prop_map(|words| words.join(" "));
    proptest::collection::vec(line, 0..12)
        .prop_map(|lines| format!("scenario s\n{}\n", lines.join("\n")))
}

/// The committed scenarios, as material to spoil.
fn committed() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../oracle/scenarios");
    let entries = fs::read_dir(&folder).expect("failed to list oracle/scenarios");
    let mut paths: Vec<_> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    paths
        .iter()
        .map(|p| fs::read_to_string(p).expect("failed to read a scenario"))
        .collect()
}

/// One change to a scenario: lines swapped, doubled, left out, or a piece cut out.
fn spoil(text: &str, change: (u8, usize, usize)) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    let (how, a, b) = (change.0 % 5, change.1 % lines.len(), change.2 % lines.len());
    match how {
        0 => lines.swap(a, b),
        1 => {
            let line = lines[a];
            lines.insert(b, line);
        }
        2 => {
            lines.remove(a);
        }
        3 => {
            let chars: Vec<char> = text.chars().collect();
            let (a, b) = (change.1 % chars.len(), change.2 % chars.len());
            return chars[..a.min(b)].iter().chain(&chars[a.max(b)..]).collect();
        }
        _ => {
            let words: Vec<&str> = lines[a].split(' ').collect();
            let kept = words.iter().rev().copied().collect::<Vec<_>>().join(" ");
            let mut owned: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
            owned[a] = kept;
            return owned.join("\n");
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_text_parses_or_has_a_fault(text in "\\PC*|(\\PC|\n){0,200}") {
        check(&text);
    }

    #[test]
    fn random_words_parse_or_have_a_fault(text in lines()) {
        check(&text);
    }

    #[test]
    fn a_spoilt_scenario_runs_or_has_a_fault(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec(any::<(u8, usize, usize)>(), 1..5),
    ) {
        let mut text = which.get(&committed()).clone();
        for change in changes {
            if text.lines().count() > 1 {
                text = spoil(&text, change);
            }
        }
        check(&text);
    }
}
