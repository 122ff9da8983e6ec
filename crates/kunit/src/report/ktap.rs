//! KTAP version 1, in the shape the kernel prints it.
//!
//! Follows `lib/kunit/test.c` and `Documentation/dev-tools/ktap.rst`.

use std::borrow::Cow;
use std::io::{self, Write};

use super::{Outcome, Reporter, Stats};
use crate::suite::{Case, Suite};
use crate::test::Status;

/// Writes KTAP.
///
/// ```
/// use lastfd_kunit::{Case, Ktap, Runner, Suite};
///
/// let suite = Suite::new("example").case(Case::new("passes", |_| {}));
/// let mut out = Vec::new();
/// Runner::new().run(&[suite], &mut Ktap::new(&mut out)).unwrap();
/// let expected = "\
/// KTAP version 1
/// 1..1
///     KTAP version 1
///     ## Subtest: example
///     1..1
///     ok 1 passes
/// ok 1 example
/// ";
/// assert_eq!(String::from_utf8(out).unwrap(), expected);
/// ```
#[derive(Debug)]
pub struct Ktap<W> {
    out: W,
    /// The suite that runs.
    suite: String,
}

impl<W: Write> Ktap<W> {
    /// Writes to `out`, a line at a time.
    pub fn new(out: W) -> Ktap<W> {
        Ktap {
            out,
            suite: String::new(),
        }
    }

    /// kunit_print_ok_not_ok.
    fn result(&mut self, indent: &str, name: &str, outcome: &Outcome) -> io::Result<()> {
        let (status, number) = (outcome.status, outcome.number);
        write!(self.out, "{indent}{status} {number} {name}")?;
        if status == Status::Skipped {
            write!(self.out, " # SKIP {}", one_line(&outcome.comment))?;
        }
        writeln!(self.out)
    }

    /// kunit_print_test_stats and kunit_print_suite_stats.
    fn stats(&mut self, indent: &str, of: &str, stats: Stats) -> io::Result<()> {
        if stats.total() <= 1 {
            return Ok(());
        }
        let Stats {
            passed,
            failed,
            skipped,
        } = stats;
        let total = stats.total();
        writeln!(
            self.out,
            "{indent}# {of}: pass:{passed} fail:{failed} skip:{skipped} total:{total}"
        )
    }
}

impl<W: Write> Reporter for Ktap<W> {
    fn run_begins(&mut self, suites: usize) -> io::Result<()> {
        writeln!(self.out, "KTAP version 1\n1..{suites}")
    }

    fn suite_begins(&mut self, suite: &Suite) -> io::Result<()> {
        suite.name.clone_into(&mut self.suite);
        writeln!(self.out, "    KTAP version 1")?;
        writeln!(self.out, "    # Subtest: {}", name(&suite.name))?;
        suite_attributes(&mut self.out, "    ", suite)?;
        writeln!(self.out, "    1..{}", suite.cases.len())
    }

    fn log(&mut self, of: &str, text: &str) -> io::Result<()> {
        for (index, line) in text.lines().enumerate() {
            match index {
                0 => writeln!(self.out, "    # {}: {}", name(of), control_free(line))?,
                _ if is_ktap(line) => writeln!(self.out, "    # {}", control_free(line))?,
                _ => writeln!(self.out, "{}", control_free(line))?,
            }
        }
        Ok(())
    }

    fn case_begins(&mut self, case: &Case, params: bool) -> io::Result<()> {
        if params {
            writeln!(self.out, "        KTAP version 1")?;
            let name = child_name(&self.suite, &case.name);
            writeln!(self.out, "        # Subtest: {name}")?;
        }
        Ok(())
    }

    fn param_ends(&mut self, case: &Case, outcome: &Outcome) -> io::Result<()> {
        let parent = child_name(&self.suite, &case.name);
        self.result("        ", &child_name(&parent, &outcome.name), outcome)
    }

    fn case_ends(&mut self, case: &Case, outcome: &Outcome) -> io::Result<()> {
        case_attributes(&mut self.out, "    ", case)?;
        self.stats("    ", &name(&case.name), outcome.stats)?;
        let name = child_name(&self.suite, &case.name);
        self.result("    ", &name, outcome)
    }

    fn suite_ends(&mut self, suite: &Suite, outcome: &Outcome, total: Stats) -> io::Result<()> {
        self.stats("", &name(&suite.name), outcome.stats)?;
        self.stats("", "Totals", total)?;
        self.result("", &name(&suite.name), outcome)
    }

    fn run_ends(&mut self, _total: Stats) -> io::Result<()> {
        self.out.flush()
    }
}

/// Lists suites and cases as the kernel does with `kunit.action=list`, or
/// `list_attr` (kunit_exec_list_tests).
pub fn list(suites: &[Suite], attributes: bool, mut out: impl Write) -> io::Result<()> {
    writeln!(out, "KTAP version 1")?;
    for suite in suites {
        writeln!(out, "{}", name(&suite.name))?;
        if attributes {
            suite_attributes(&mut out, "", suite)?;
        }
        for case in &suite.cases {
            writeln!(out, "{}.{}", name(&suite.name), name(&case.name))?;
            if attributes {
                case_attributes(&mut out, "", case)?;
            }
        }
    }
    out.flush()
}

/// kunit_print_attr, of a suite.
fn suite_attributes(out: &mut impl Write, indent: &str, suite: &Suite) -> io::Result<()> {
    if let Some(speed) = suite.speed {
        writeln!(out, "{indent}# speed: {speed}")?;
    }
    if !suite.module.is_empty() {
        writeln!(out, "{indent}# module: {}", name(&suite.module))?;
    }
    if suite.is_init {
        writeln!(out, "{indent}# is_init: true")?;
    }
    Ok(())
}

/// kunit_print_attr, of a case.
fn case_attributes(out: &mut impl Write, indent: &str, case: &Case) -> io::Result<()> {
    if let Some(speed) = case.speed {
        writeln!(out, "{indent}# {}.speed: {speed}", name(&case.name))?;
    }
    Ok(())
}

/// A name that the kernel's parser reads back as it was, which would not do
/// with a `#`, a line's end, a dash or blanks around it, or its own words.
fn name(name: &str) -> Cow<'_, str> {
    let bad = |c: char| c == '#' || c.is_control();
    let readable = !name.is_empty()
        && !name.contains(bad)
        && name.trim() == name
        && !name.starts_with("- ")
        && !is_header(name)
        && !ends_the_log(name);
    if readable {
        return Cow::Borrowed(name);
    }
    let name = tamed(name).replace(bad, "_");
    let name = name.trim();
    Cow::Owned(match name {
        "" => "unnamed".to_owned(),
        name if is_header(name) => name.replacen("Subtest", "Subtest_", 1),
        name => match name.strip_prefix("- ") {
            Some(rest) => format!("_ {rest}"),
            None => name.to_owned(),
        },
    })
}

/// Whether a diagnostic of that name would be taken for a header.
fn is_header(name: &str) -> bool {
    let rest = name.strip_prefix("Subtest");
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// A name below another. The parser takes a child of its parent's name for the
/// parent's own result.
fn child_name<'a>(parent: &str, child: &'a str) -> Cow<'a, str> {
    let child = name(child);
    match child == name(parent) {
        true => Cow::Owned(format!("{child}_")),
        false => child,
    }
}

/// A text on one line.
fn one_line(text: &str) -> Cow<'_, str> {
    match text.contains(char::is_control) {
        true => Cow::Owned(tamed(text).replace(char::is_control, " ")),
        false => tamed(text),
    }
}

/// A terminal's escapes have no place in a log; tabs have.
fn control_free(line: &str) -> Cow<'_, str> {
    let bad = |c: char| c.is_control() && c != '\t';
    match line.contains(bad) {
        true => Cow::Owned(tamed(line).replace(bad, "?")),
        false => tamed(line),
    }
}

/// What a kernel says last, after which the parser stops wherever it stands.
const LAST_WORDS: [&str; 3] = [
    "List of all partitions:",
    "Kernel panic - not syncing: VFS:",
    "reboot: System halted",
];

fn ends_the_log(text: &str) -> bool {
    LAST_WORDS.iter().any(|words| text.contains(words))
}

/// The text without a kernel's last words.
fn tamed(text: &str) -> Cow<'_, str> {
    if !ends_the_log(text) {
        return Cow::Borrowed(text);
    }
    let tame = |text: String, words: &&str| text.replace(words, &words.replace(' ', "_"));
    Cow::Owned(LAST_WORDS.iter().fold(text.to_owned(), tame))
}

/// Whether a parser would take the line for more than a log's.
fn is_ktap(line: &str) -> bool {
    let line = line.trim_start();
    ["ok ", "not ok ", "KTAP version", "TAP version", "1..", "# "]
        .iter()
        .any(|start| line.starts_with(start))
}
