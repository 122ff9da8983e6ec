//! Our KTAP, as the kernel's own `kunit.py parse` reads it.
//!
//! `parsed/NAME.ktap` is what a run of the suites below prints, and
//! `parsed/NAME.verdict` what the parser of Linux 6.12 said of it. With
//! `LASTFD_KUNIT_PY` naming a `tools/testing/kunit/kunit.py` the parser is asked
//! again, and with `LASTFD_KUNIT_RECORD` set too, the files are written anew.

use std::process::{Command, Stdio};

use lastfd_kunit::{
    Case, Junit, Param, Pretty, Reporter, Runner, Speed, Stats, Suite, Test, kunit_expect_eq,
    kunit_info, kunit_skip, raw::*,
};
use lastfd_model::Errno;
use lastfd_model::raw::root_device_register;
use lastfd_sync::{WaitQueue, wait_event};

fn passing() -> Vec<Suite> {
    let case = |name| Case::new(name, |_| {});
    vec![
        Suite::new("first")
            .module("kunit")
            .case(case("a"))
            .case(case("b").slow()),
        Suite::new("second").speed(Speed::Slow).case(case("c")),
    ]
}

fn skips(test: &Test) {
    kunit_skip!(test, "nothing to do")
}

fn skips_oddly(test: &Test) {
    kunit_skip!(test, "a # b\nnot ok 3 c")
}

fn panics(_: &Test) {
    std::panic::resume_unwind(Box::new("oh no"))
}

fn mixed() -> Vec<Suite> {
    let params = vec![
        Param::new("one", 1),
        Param::new("two", 2),
        Param::new("", 3),
    ];
    vec![
        Suite::new("mixed")
            .module("lastfd")
            .case(Case::new("passes", |_| {}))
            .case(Case::new("fails", |test| {
                kunit_info!(test, "about to fail\n  on purpose");
                kunit_expect_eq!(test, 1 + 1, 3, "sums are hard");
            }))
            .case(Case::new("skips", skips))
            .case(Case::new("panics", panics))
            .case(Case::new("leaves", |test| {
                root_device_register(test.system(), "board").unwrap();
            }))
            .case(Case::new("waits", |test| {
                let (clock, cancel) = (test.system().clock(), test.cancel());
                let queue = WaitQueue::new();
                let _ = wait_event(&[&queue], clock, None, Some(&cancel), || None::<()>);
            }))
            .case(
                Case::new("counts", |test| {
                    kunit_expect_eq!(test, *test.param::<i32>().unwrap() % 2, 1);
                })
                .params(params),
            ),
        Suite::new("no_start")
            .suite_init(|_| Err(Errno::ENODEV))
            .case(Case::new("never", |_| {})),
        Suite::new("skipped").case(Case::new("all", skips)),
    ]
}

/// Names and logs that could be taken for results.
fn hostile() -> Vec<Suite> {
    let params = vec![
        Param::new("params", ()),
        Param::new("with # in it", ()),
        Param::new("ok 1 x\nnot ok 2 y", ()),
    ];
    vec![
        Suite::new("odd # names")
            .case(Case::new("many # hashes #", |_| {}))
            .case(Case::new("says_results", |test| {
                kunit_info!(
                    test,
                    "ok 7 wrong\nnot ok 8 worse\n1..99\n# Subtest: x\nKTAP version 1"
                );
                kunit_device_register(test, "kd").unwrap();
            }))
            .case(Case::new("skips", skips_oddly))
            .case(Case::new("odd # names", |_| {}))
            .case(Case::new("- dash ", skips))
            .case(Case::new("Subtest", |test| {
                kunit_info!(test, "looks like a header");
                kunit_info!(test, "[    1.2] reboot: System halted");
            }))
            .case(Case::new("", skips))
            .case(Case::new("params", |_| {}).params(params)),
    ]
}

type Sample = (&'static str, fn() -> Vec<Suite>);

const SAMPLES: [Sample; 3] = [("passing", passing), ("mixed", mixed), ("hostile", hostile)];

/// Runs it, with what differs from run to run taken out.
fn told(
    suites: &[Suite],
    new: impl FnOnce(&mut Vec<u8>) -> Box<dyn Reporter + '_>,
) -> (String, Stats) {
    let mut out = Vec::new();
    let stats = Runner::new().run(suites, &mut *new(&mut out)).unwrap();
    let text = String::from_utf8(out).unwrap();
    (settled(&text), stats)
}

fn settled(text: &str) -> String {
    let mut settled = text.to_owned();
    for (before, instead) in [(".rs:", "N"), ("(task ", "N"), ("time=\"", "N")] {
        let mut parts = settled.split(before);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = |c: char| c.is_ascii_digit() || c == ':' || c == '.';
            out += before;
            out += instead;
            // A column may follow the line.
            out += part.trim_start_matches(digits);
        }
        settled = out;
    }
    settled
}

fn path(name: &str, ending: &str) -> String {
    format!(
        "{}/tests/runs/parsed/{name}.{ending}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// The parser's last line without the time it took, and how it ended.
pub(super) fn ask(kunit_py: &str, ktap: &str) -> String {
    use std::io::Write;
    let mut parser = Command::new("python3")
        .args([kunit_py, "parse"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = parser.stdin.take().unwrap();
    input.write_all(ktap.as_bytes()).unwrap();
    drop(input);
    let output = parser.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = text.lines().filter(|line| line.contains("[ERROR]"));
    let complaints: Vec<_> = complaints.map(str::to_owned).collect();
    let lines = text.lines().map(|line| match line.split_once("] ") {
        Some((_, rest)) => rest,
        None => line,
    });
    let summary = lines.filter(|line| line.contains("Testing complete"));
    let summary: Vec<_> = summary.map(strip_colour).collect();
    let end = format!("exit status {}", output.status.code().unwrap());
    [complaints, summary, vec![end]].concat().join("\n") + "\n"
}

/// How the parser sums up what we counted.
pub(super) fn summary(stats: Stats) -> String {
    let Stats {
        passed,
        failed,
        skipped,
    } = stats;
    let counts = [("passed", passed), ("failed", failed), ("skipped", skipped)];
    let counts = counts.iter().filter(|(_, n)| *n > 0);
    let counts: Vec<_> = counts.map(|(word, n)| format!("{word}: {n}")).collect();
    format!("Ran {} tests: {}", stats.total(), counts.join(", "))
}

fn strip_colour(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out += before;
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    out + rest
}

#[test]
fn the_kernels_parser_reads_our_output_without_error_and_counts_as_we_do() {
    for (name, suites) in SAMPLES {
        let (ktap, stats) = told(&suites(), |out| Box::new(lastfd_kunit::Ktap::new(out)));
        let asked = std::env::var("LASTFD_KUNIT_PY").ok();
        let verdict = asked.map(|kunit_py| ask(&kunit_py, &ktap));
        if let (Some(verdict), Ok(_)) = (&verdict, std::env::var("LASTFD_KUNIT_RECORD")) {
            std::fs::write(path(name, "ktap"), &ktap).unwrap();
            std::fs::write(path(name, "verdict"), verdict).unwrap();
        }
        let recorded = |ending| std::fs::read_to_string(path(name, ending)).unwrap();
        assert_eq!(ktap, recorded("ktap"), "{name}.ktap");
        let recorded = recorded("verdict");
        if let Some(verdict) = verdict {
            assert_eq!(verdict, recorded, "{name}.verdict");
        }
        assert!(!recorded.contains("[ERROR]"), "{recorded}");
        let summary = summary(stats);
        assert!(recorded.contains(&summary), "{name}: {summary}\n{recorded}");
    }
}

#[test]
fn junit_xml_has_every_test_with_what_it_said() {
    let (xml, _) = told(&mixed(), |out| Box::new(Junit::new(out)));
    insta::assert_snapshot!(xml);
}

#[test]
fn a_reader_sees_a_line_for_each_case_and_what_the_failed_ones_said() {
    let (text, _) = told(&mixed(), |out| Box::new(Pretty::new(out)));
    assert!(text.contains("\u{1b}[31m"), "no colours");
    insta::assert_snapshot!(strip_colour(&text));
}
