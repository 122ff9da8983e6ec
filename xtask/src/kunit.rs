//! Our KTAP before the kernel's own parser, `tools/testing/kunit/kunit.py`.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use crate::counts::Runner;
use crate::packages::{self, KERNEL_SOURCE, KERNEL_SOURCE_ARCHIVE};
use crate::plan::{Done, Job};
use crate::step::Step;

/// The folder of the parser in the kernel's source.
const FOLDER: &str = "tools/testing/kunit";

/// Lets the parser read what `lastfd kunit` prints, and what the tests recorded
/// its verdicts of, and compares the totals with ours.
pub(crate) fn parse(job: &mut Job<'_>) -> Result<Done> {
    if let Done::Skipped(reason) = packages::install(job, &[KERNEL_SOURCE])? {
        return Ok(Done::Skipped(reason));
    }
    let checkout = job.checkout;
    let sh = &checkout.sh;
    let parser = parser(job)?;

    let recorded = cmd!(sh, "cargo test -p lastfd-kunit --test runs kernels_parser");
    let recorded = Step::tests(recorded, Runner::Libtest);
    job.run(recorded.env("LASTFD_KUNIT_PY", parser.display().to_string()))?;

    let ktap = checkout.target.join("kunit.ktap");
    let run = "cargo run -q -p lastfd-cli -- kunit > \"$0\"";
    job.run(Step::new(cmd!(sh, "sh -c {run} {ktap}")))?;
    job.run(Step::new(cmd!(sh, "python3 {parser} parse {ktap}")))?;
    let ours = Totals::of_ktap(&sh.read_file(&ktap)?)?;
    let said = job.tail.iter().find(|line| line.contains("Ran "));
    let theirs = Totals::of_parser(said.context("the parser gave no totals")?)?;
    ensure!(
        ours == theirs,
        "`lastfd kunit` counts {ours:?}, the kernel's parser {theirs:?}"
    );
    let errors = job.tail.iter().filter(|line| line.contains("[ERROR]"));
    let errors: Vec<&str> = errors.map(String::as_str).collect();
    ensure!(
        errors.is_empty(),
        "the kernel's parser complains: {errors:?}"
    );
    Ok(Done::Passed)
}

/// The parser, unpacked from Debian's archive into the user's cache if it is
/// not there yet.
fn parser(job: &mut Job<'_>) -> Result<PathBuf> {
    let checkout = job.checkout;
    let sh = &checkout.sh;
    let cache = match (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")) {
        (Some(cache), _) => PathBuf::from(cache),
        (None, Some(home)) => PathBuf::from(home).join(".cache"),
        (None, None) => std::env::temp_dir(),
    };
    let cache = cache.join("lastfd/linux-source");
    let parser = cache.join(FOLDER).join("kunit.py");
    if !parser.is_file() {
        // One that was stopped half-way must not be taken for whole.
        let partial = cache.with_extension("partial");
        sh.remove_path(&partial)?;
        sh.create_dir(&partial)?;
        let folder = format!("linux-source-6.12/{FOLDER}");
        job.run(Step::new(cmd!(
            sh,
            "tar -xf {KERNEL_SOURCE_ARCHIVE} -C {partial} --strip-components=1 {folder}"
        )))?;
        sh.remove_path(&cache)?;
        job.run(Step::new(cmd!(sh, "mv {partial} {cache}")))?;
    }
    Ok(parser)
}

/// How many tests ended how.
#[derive(Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Totals {
    /// The suites' own lines, `# Totals: pass:N fail:N skip:N total:N`. Those of
    /// cases with parameters are indented.
    fn of_ktap(ktap: &str) -> Result<Totals> {
        let mut all = Totals::default();
        let lines = ktap
            .lines()
            .filter_map(|line| line.strip_prefix("# Totals: "));
        for line in lines {
            for word in line.split_whitespace() {
                let (name, number) = word.split_once(':').context("a word without a colon")?;
                all.add(name, number.parse()?);
            }
        }
        ensure!(all != Totals::default(), "no totals in our KTAP");
        Ok(all)
    }

    /// `Testing complete. Ran N tests: passed: N, failed: N`.
    fn of_parser(line: &str) -> Result<Totals> {
        let mut all = Totals::default();
        let (_, counts) = line.split_once("tests: ").context("no counts of tests")?;
        for count in counts.split(',') {
            let (name, number) = count.split_once(':').context("a count without a colon")?;
            all.add(name.trim(), number.trim().parse()?);
        }
        Ok(all)
    }

    fn add(&mut self, name: &str, number: u64) {
        match name {
            "pass" | "passed" => self.passed += number,
            "fail" | "failed" | "crashed" => self.failed += number,
            "skip" | "skipped" => self.skipped += number,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_totals_are_those_of_the_suites() {
        let ktap = "\
    # case: pass:2 fail:0 skip:0 total:2
# first: pass:2 fail:0 skip:0 total:2
# Totals: pass:3 fail:0 skip:0 total:3
ok 1 first
# Totals: pass:1 fail:2 skip:3 total:6
not ok 2 second
";
        let totals = Totals::of_ktap(ktap).unwrap();
        let expected = Totals {
            passed: 4,
            failed: 2,
            skipped: 3,
        };
        assert_eq!(totals, expected);
        assert!(Totals::of_ktap("KTAP version 1\n1..0\n").is_err());
    }

    #[test]
    fn the_parsers_totals_are_those_it_says() {
        let line = "[12:00:00] Testing complete. Ran 9 tests: passed: 4, failed: 2, skipped: 3";
        let ktap = "# Totals: pass:4 fail:2 skip:3 total:9\n";
        let both = (
            Totals::of_parser(line).unwrap(),
            Totals::of_ktap(ktap).unwrap(),
        );
        assert_eq!(both.0, both.1);
        assert!(Totals::of_parser("Testing complete.").is_err());
    }
}
