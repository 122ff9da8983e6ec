//! Whatever names, logs and reasons say, a reader of KTAP finds the run's own
//! structure and nothing else. As in `parser.rs`, `LASTFD_KUNIT_PY` has the
//! kernel's parser asked as well.

use lastfd_kunit::{Case, Param, Runner, Status, Suite, Test};
use lastfd_model::System;
use proptest::prelude::*;

use super::ktap_of;
use super::parser::{ask, summary};

#[derive(Clone, Debug)]
struct Words {
    name: String,
    log: String,
    status: Status,
    reason: String,
    params: Option<Vec<String>>,
}

/// Any text, and those that are apt to be taken for something.
fn text() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "ok 1 ",
        "not ok 2 ",
        "# ",
        "#",
        "SKIP",
        "\n",
        "\r",
        " ",
        "    ",
        "1..3",
        "- ",
        "Subtest",
        "Subtest: ",
        "KTAP version 1",
        "TAP version 14",
        "a",
        "b",
        "\u{2028}",
        "\u{a0}",
        "\u{85}",
        "reboot: System halted",
        "List of all partitions:",
        "\t",
    ]);
    let made = prop::collection::vec(parts, 0..7).prop_map(|parts| parts.concat());
    prop_oneof![3 => made, 1 => any::<String>()]
}

fn words() -> impl Strategy<Value = Words> {
    let status = prop::sample::select(vec![Status::Success, Status::Failure, Status::Skipped]);
    let params = prop::option::weighted(0.3, prop::collection::vec(text(), 1..3));
    (text(), text(), status, text(), params).prop_map(|(name, log, status, reason, params)| Words {
        name,
        log,
        status,
        reason,
        params,
    })
}

fn case(words: &Words) -> Case {
    let said = words.clone();
    let case = Case::new(&words.name, move |test: &Test| {
        test.log(said.log.clone());
        match said.status {
            Status::Success => {}
            Status::Failure => test.set_failure(),
            Status::Skipped => test.mark_skipped(said.reason.clone()),
        }
    });
    match &words.params {
        Some(params) => case.params(params.iter().map(|d| Param::new(d, ())).collect()),
        None => case,
    }
}

/// What kunit_parser.py takes a line for.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Version,
    Header(&'a str),
    Plan(usize),
    Result(bool, &'a str),
    Log,
}

fn line(line: &str) -> Line<'_> {
    let line = line.trim();
    if line
        .strip_prefix("KTAP version ")
        .is_some_and(|v| v.parse::<u32>().is_ok())
    {
        return Line::Version;
    }
    if let Some(name) = line.strip_prefix("# Subtest: ") {
        return Line::Header(name);
    }
    if let Some(plan) = line.strip_prefix("1..") {
        let digits = plan.trim_end_matches(|c: char| !c.is_ascii_digit());
        return digits.parse().map_or(Line::Log, Line::Plan);
    }
    let result = line.strip_prefix("ok ").map(|rest| (true, rest));
    let result = result.or_else(|| line.strip_prefix("not ok ").map(|rest| (false, rest)));
    if let Some((ok, rest)) = result
        && let Some((number, name)) = rest.split_once(' ')
        && number.parse::<usize>().is_ok()
    {
        let name = name.split_once(" # ").map_or(name, |(name, _)| name);
        let name = name.strip_suffix(" # SKIP").unwrap_or(name);
        return Line::Result(ok, name);
    }
    Line::Log
}

/// Reads one test as the parser does: its children up to the plan, or up to the
/// result of its own name, then that result. Gives how many leaves there were.
fn read(lines: &mut std::iter::Peekable<std::vec::IntoIter<Line<'_>>>) -> (usize, usize) {
    while lines.peek() == Some(&Line::Log) {
        lines.next();
    }
    let mut leaves = (0, 0);
    let mut name = None;
    if lines.peek() == Some(&Line::Version) {
        lines.next();
        let Some(Line::Header(header)) = lines.next() else {
            panic!("no header");
        };
        while lines.peek() == Some(&Line::Log) {
            lines.next();
        }
        name = Some(header.to_owned());
        let plan = match lines.peek() {
            Some(Line::Plan(plan)) => Some(*plan),
            _ => None,
        };
        lines.next_if(|_| plan.is_some());
        let mut children = 0;
        loop {
            while lines.peek() == Some(&Line::Log) {
                lines.next();
            }
            let own = matches!(lines.peek(), Some(Line::Result(_, found)) if *found == header);
            if plan == Some(children) || (plan.is_none() && own) {
                break;
            }
            assert!(!own, "the result of {header} comes too early");
            let (ok, bad) = read(lines);
            leaves = (leaves.0 + ok, leaves.1 + bad);
            children += 1;
        }
        while lines.peek() == Some(&Line::Log) {
            lines.next();
        }
    }
    match lines.next() {
        Some(Line::Result(ok, found)) => {
            if let Some(name) = name {
                assert_eq!(name, found);
            } else if ok {
                leaves.0 += 1;
            } else {
                leaves.1 += 1;
            }
        }
        other => panic!("expected a result, found {other:?}"),
    }
    leaves
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_structure_of_a_run_can_always_be_read(
        name in text(),
        cases in prop::collection::vec(words(), 1..4),
    ) {
        let suite = cases.iter().map(case).fold(Suite::new(&name), Suite::case);
        let runner = Runner::new();
        let stats = runner.run_quietly(std::slice::from_ref(&suite));
        let output = ktap_of(&runner, &[suite]);
        for last in ["reboot: System halted", "List of all partitions:"] {
            prop_assert!(!output.contains(last), "{}", output);
        }
        let lines: Vec<_> = output.split(['\n', '\r']).map(line).collect();
        let mut lines = lines.into_iter().peekable();
        prop_assert_eq!(lines.next(), Some(Line::Version));
        prop_assert_eq!(lines.next(), Some(Line::Plan(1)));
        let (passed, failed) = read(&mut lines);
        prop_assert_eq!((passed, failed), (stats.passed + stats.skipped, stats.failed), "{}", output);
        prop_assert!(lines.all(|line| line == Line::Log), "{}", output);
        if let Ok(kunit_py) = std::env::var("LASTFD_KUNIT_PY") {
            let verdict = ask(&kunit_py, &output);
            prop_assert!(!verdict.contains("[ERROR]"), "{}\n{}", output, verdict);
            prop_assert!(verdict.contains(&summary(stats)), "{}\n{}", output, verdict);
        }
    }
}

#[test]
fn a_long_reason_is_cut_as_the_kernel_cuts_it() {
    let test = Test::new(&System::new(), "c");
    test.mark_skipped("é".repeat(200));
    assert_eq!(test.status_comment().len(), 254);
}
