//! The example `newcomer`: its three mistakes are three reports that say what to do, and
//! `docs/newcomer.md` has them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

#[expect(dead_code, reason = "its main is for those who run the example")]
#[path = "../examples/newcomer.rs"]
mod newcomer;

/// Makes the page anew when it is set.
const WRITE: &str = "LASTFD_WRITE_PAGES";

const HEAD: &str = "\
# A newcomer's driver

`crates/lastfd/examples/newcomer.rs` is a driver as somebody new to the API writes it. It
probes, it is read, it is unplugged, and nothing goes wrong:

```rust
";

const BETWEEN: &str = "\
```

Yet three things in it would go wrong in a kernel: an interrupt that comes during unbind, a
program that reads after it, a work that runs after it. The sanitizer needs none of them to
happen. `cargo run -p lastfd --example newcomer` says:

";

const END: &str = "\
The first line of a report has the rule, the device, and who has to mend it. Then come the
places in the code, the events that prove it, what a kernel would have done, and how to fix
it; the page named last has a driver with the same mistake beside one without it. `lastfd run
--device gremlin:fault=g3+g11+g22` shows the same three of a ready-made device.
";

/// What does not change with a line of code or a run.
fn steady(report: &str) -> String {
    let mut text = String::new();
    for line in report.lines() {
        let line = match line.find("crates/lastfd/") {
            Some(at) => {
                let (head, place) = line.split_at(at);
                let file = place.split(':').next().unwrap();
                let file = file.replace("tests/../", "");
                format!("{head}{file}:LINE:COLUMN")
            }
            None => line.to_owned(),
        };
        let mut words = line.split(' ').map(|word| match word {
            time if time.contains('.') && time.parse::<f64>().is_ok() => "N".to_owned(),
            number if number.starts_with('#') => "#N".to_owned(),
            number if number.ends_with(')') && number.len() < 6 => "N)".to_owned(),
            other => other.to_owned(),
        });
        let first = words.next().unwrap_or_default();
        text += &words.fold(first, |line, word| line + " " + &word);
        text.push('\n');
    }
    text
}

#[test]
fn three_mistakes_of_a_newcomer_are_three_reports_that_say_what_to_do() {
    let found = newcomer::found().unwrap();
    let mut reports: Vec<(u8, String)> = found
        .iter()
        .map(|finding| (finding.rule.number, finding.to_string()))
        .collect();
    reports.sort();
    let advice = [
        (3, "before request_irq()"),
        (11, "each open file holds a reference"),
        (22, "disable_delayed_work_sync()"),
    ];
    assert_eq!(reports.len(), advice.len(), "{reports:#?}");
    for ((number, report), (rule, says)) in reports.iter().zip(advice) {
        assert_eq!(*number, rule);
        assert!(report.contains(says), "{report}");
    }

    let source = include_str!("../examples/newcomer.rs");
    let (_, source) = source.split_once("\n/// The calls of").unwrap();
    let (source, _) = source.split_once("\n/// Plugs the sensor in").unwrap();
    let mut page = format!("{HEAD}/// The calls of{source}{BETWEEN}");
    for (_, report) in &reports {
        write!(page, "```text\n{}```\n\n", steady(report)).unwrap();
    }
    page += END;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/newcomer.md");
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &page).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == page,
        "docs/newcomer.md is not what the example gives; {WRITE}=1 makes it"
    );
}
