//! `docs/gremlins.md` and its pages say what is true: they are made from the classes in
//! `classes.tsv`, from what each pair of twins gives, from the twins' own source, and from
//! the compile-fail tests there are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::stage::Twins;

/// Written anew instead of compared when this is set.
const UPDATE: &str = "LASTFD_UPDATE_GREMLINS";

struct Class {
    number: u8,
    mistake: &'static str,
    moment: &'static str,
    evidence: &'static str,
}

fn classes() -> Vec<Class> {
    let class = |line: &'static str| {
        let mut fields = line.split('\t');
        let mut next = || fields.next().expect("four fields to a line");
        Class {
            number: next().parse().expect("a number first"),
            mistake: next(),
            moment: next(),
            evidence: next(),
        }
    };
    include_str!("classes.tsv").lines().map(class).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The compile-fail tests of each class, by their paths in the project.
fn forbidden() -> BTreeMap<u8, Vec<String>> {
    let mut found: BTreeMap<u8, Vec<String>> = BTreeMap::new();
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let mut crates: Vec<_> = crates.map(|entry| entry.unwrap().file_name()).collect();
    crates.sort();
    for of in crates {
        let below = Path::new("crates").join(of).join("tests/compile_fail");
        let Ok(tests) = fs::read_dir(root().join(&below)) else {
            continue;
        };
        let names = tests.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        for name in names.iter().filter(|name| name.ends_with(".rs")) {
            let number = name.strip_prefix('g').and_then(|n| n.split('_').next());
            if let Some(number) = number.and_then(|n| n.parse().ok()) {
                let path = below.join(name).display().to_string();
                found.entry(number).or_default().push(path);
            }
        }
    }
    found
}

/// The rule is kept if the wrong one is reported under it alone and the right one is not.
fn is_detected(twins: &Twins) -> bool {
    let numbers: Vec<u8> = twins.wrong().iter().map(|f| f.rule.number).collect();
    numbers == [twins.number] && twins.right().is_empty()
}

fn table(classes: &[Class], detected: &[u8], forbidden: &BTreeMap<u8, Vec<String>>) -> String {
    let mut page = String::from(HEAD);
    for class in classes {
        let number = class.number;
        let is_detected = detected.contains(&number);
        let state = match (is_detected, forbidden.contains_key(&number)) {
            (true, true) => "both",
            (true, false) => "detected",
            (false, true) => "forbidden by types",
            (false, false) => "not yet",
        };
        let name = match is_detected {
            true => format!("[G{number}](gremlins/g{number}.md)"),
            false => format!("G{number}"),
        };
        let (mistake, moment) = (class.mistake, class.moment);
        writeln!(page, "| {name} | {mistake} | {moment} | {state} |").unwrap();
    }
    let count = |wanted: &dyn Fn(u8) -> bool| classes.iter().filter(|c| wanted(c.number)).count();
    let found = count(&|number| detected.contains(&number));
    let types = count(&|number| forbidden.contains_key(&number));
    let none = count(&|n| !detected.contains(&n) && !forbidden.contains_key(&n));
    writeln!(
        page,
        "\nDetected: {found} of {}. Forbidden by the types of the typed face: {types}. Neither \
         yet: {none}.",
        classes.len()
    )
    .unwrap();
    page.push_str(GAPS_HEAD);
    for gap in lastfd_sanitizer::GAPS {
        let (rule, function, what) = (gap.rule, gap.function, gap.what);
        writeln!(
            page,
            "| {} | `{function}` | G{rule} | {what} |",
            gap.framework
        )
        .unwrap();
    }
    page.push_str("\n## Where each was met\n\n");
    for class in classes {
        writeln!(page, "- G{}: {}.", class.number, class.evidence).unwrap();
    }
    page
}

const HEAD: &str = "\
# Forty ways to get a device's lifetime wrong

Each has a number, by which the sanitizer reports it. **Detected**: a driver on the raw
face that makes the mistake is reported under that number and no other, and its twin
without the mistake is clean; the page has both. **Forbidden by types**: the typed face
does not compile it. **Both**, or **not yet**: neither is shown by a test.

The sanitizer watches every case of `lastfd kunit` and every `lastfd run`, whose exit
status is 70 when a driver broke a rule; `--no-sanitizer` switches it off. As lockdep, it
learns from runs in which nothing went wrong: a rule is broken when something *could*
still come, whether or not it came. Where Linux itself breaks a rule, it is told as a gap
of the kernel, with the function, and is nobody's fault.

This file and its pages are made by a test from what the tests show; to make them anew:

    LASTFD_UPDATE_GREMLINS=1 cargo test -p lastfd-sanitizer --test twins gremlins

| | mistake | when a kernel fails | here |
|---|---|---|---|
";

const GAPS_HEAD: &str = "
## Gaps of Linux

What a framework of Linux does wrong itself. It is told as `kernel gap in FRAMEWORK,
FUNCTION`, is nobody's fault here, and leaves the exit status as it is. Each is met in
`crates/sanitizer/tests/kernel_gaps.rs` or `unlocked_checks.rs`.

| framework | function | rule | what it does |
|---|---|---|---|
";

/// The lines from `pub(crate) mod NAME {` to its end, without the shell.
fn module(source: &str, name: &str) -> (String, String) {
    let lines: Vec<&str> = source.lines().collect();
    let head = format!("pub(crate) mod {name} {{");
    let start = lines.iter().position(|line| **line == head).unwrap();
    let end = start + lines[start..].iter().position(|line| *line == "}").unwrap();
    let says = lines[start - 1].trim_start_matches("/// ").to_owned();
    let body = lines[start + 1..end].iter();
    let body = body.filter(|line| line.trim() != "use super::*;");
    let body: Vec<&str> = body.map(|l| l.strip_prefix("    ").unwrap_or(l)).collect();
    (says, body.join("\n").trim().to_owned())
}

/// What both drivers use: from the end of the right one to how they are played.
fn shared(source: &str) -> String {
    let after = source.split_once("pub(crate) mod right {").unwrap().1;
    let after = after.split_once("\n}\n").unwrap().1;
    let before = after.split_once("\nfn play(").unwrap().0;
    before.trim().to_owned()
}

fn report(number: u8) -> String {
    let snapshot = format!("tests/twins/snapshots/g{number}.snap");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(snapshot);
    let snapshot = fs::read_to_string(&path).unwrap();
    let body = snapshot.splitn(3, "---\n").nth(2).unwrap();
    body.trim().to_owned()
}

fn page(twins: &Twins, class: &Class, forbidden: Option<&Vec<String>>) -> String {
    let rule = lastfd_sanitizer::Rule::numbered(twins.number).unwrap();
    let (wrong_says, wrong) = module(twins.source, "wrong");
    let (right_says, right) = module(twins.source, "right");
    let kept = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut page = format!(
        "# {rule}\n\n{}.\n\n**When a kernel fails.** {}\n\n**To fix it.** {}\n\n",
        class.mistake,
        kept(rule.kernel),
        kept(rule.fix)
    );
    write!(
        page,
        "## The wrong driver\n\n{wrong_says}\n\n```rust\n{wrong}\n```\n\n"
    )
    .unwrap();
    write!(
        page,
        "## The right one\n\n{right_says}\n\n```rust\n{right}\n```\n\n"
    )
    .unwrap();
    let shared = shared(twins.source);
    if !shared.is_empty() {
        write!(page, "Both use:\n\n```rust\n{shared}\n```\n\n").unwrap();
    }
    let under = match twins.rules {
        lastfd_model::Rules::Linux6_12 => "",
        _ => ", under the rules of kernels before 6.6",
    };
    write!(
        page,
        "## The report\n\nOf the wrong driver{under}:\n\n```text\n{}\n```\n\n",
        report(twins.number)
    )
    .unwrap();
    if let Some(tests) = forbidden {
        page.push_str("## The typed face\n\nIt does not compile there:\n\n");
        for test in tests {
            writeln!(page, "- [`{test}`](../../{test})").unwrap();
        }
        page.push('\n');
    }
    write!(page, "## Where it was met\n\n{}.\n\n", class.evidence).unwrap();
    let number = twins.number;
    writeln!(
        page,
        "The drivers are those of [`crates/sanitizer/tests/twins/g{number}.rs`]\
         (../../crates/sanitizer/tests/twins/g{number}.rs); what they stand on is `stage.rs` \
         beside it."
    )
    .unwrap();
    page
}

#[test]
fn gremlins_pages_are_what_the_tests_show() {
    let (classes, forbidden) = (classes(), forbidden());
    let numbers: Vec<u8> = classes.iter().map(|class| class.number).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<u8>>());
    let kept = crate::ALL.iter().filter(|twins| is_detected(twins));
    let kept: Vec<&&Twins> = kept.collect();
    let detected: Vec<u8> = kept.iter().map(|twins| twins.number).collect();
    let rules = lastfd_sanitizer::Rule::all().iter().map(|rule| rule.number);
    assert_eq!(
        detected,
        rules.collect::<Vec<u8>>(),
        "each rule has its twins"
    );
    let mut pages = vec![(
        "docs/gremlins.md".to_owned(),
        table(&classes, &detected, &forbidden),
    )];
    for twins in kept {
        let class = &classes[usize::from(twins.number) - 1];
        let path = format!("docs/gremlins/g{}.md", twins.number);
        pages.push((path, page(twins, class, forbidden.get(&twins.number))));
    }
    let update = std::env::var_os(UPDATE).is_some();
    if update {
        fs::create_dir_all(root().join("docs/gremlins")).unwrap();
    }
    for (path, text) in pages {
        let file = root().join(&path);
        if update {
            fs::write(&file, &text).unwrap();
        }
        let there = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            there == text,
            "{path} is not what the tests show; {UPDATE}=1 makes it anew"
        );
    }
}
