//! Scenarios as KUnit cases in C, built into a kernel and run by it:
//! `cargo xtask oracle --kunit-c`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use crate::plan::{Done, Job};
use crate::step::Step;

/// How the files of cases begin, beside the module's own.
const PREFIX: &str = "case_";

/// A boot with a few cases takes seconds; one that hangs is ended.
const PATIENCE: &str = "300";

/// Takes cases of an earlier run out of the module's copy, and puts these scenarios in.
pub(crate) fn write(job: &mut Job<'_>, module: &Path, scenarios: &[String]) -> Result<()> {
    let sh = &job.checkout.sh;
    let mut wanted = BTreeSet::new();
    for scenario in scenarios {
        let emit = cmd!(
            sh,
            "cargo run -q -p lastfd-cli -- replay --emit kunit-c {scenario}"
        );
        let case = emit.read().context("the scenario is no C case")?;
        let name = Path::new(scenario).file_stem().unwrap_or_default();
        let name = format!("{PREFIX}{}.c", name.to_string_lossy());
        let path = module.join(&name);
        // What is the same need not be built again.
        if fs::read_to_string(&path).ok().as_deref() != Some(&case) {
            fs::write(&path, &case)?;
        }
        wanted.insert(name);
    }
    for entry in fs::read_dir(module)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if is_case(&name) && !wanted.contains(&name) {
            fs::remove_file(module.join(name))?;
        }
    }
    Ok(())
}

fn is_case(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(".c")
}

/// Boots the kernel for its cases, and has its own parser read what it says.
pub(crate) fn run(job: &mut Job<'_>, source: &Path, out: &Path, count: usize) -> Result<Done> {
    let sh = &job.checkout.sh;
    let (program, ktap) = (out.join("linux"), out.join("cases.ktap"));
    let boot = "exec timeout -k 5 \"$1\" \"$2\" mem=256M time-travel=inf-cpu console=tty0 \
                con0=fd:0,fd:1 con=null ssl=null loglevel=7 panic=-1 kunit.enable=1 \
                'kunit.filter_glob=lastfd-*' kunit_shutdown=halt < /dev/null > \"$0\" 2>&1";
    job.run(Step::new(cmd!(
        sh,
        "sh -c {boot} {ktap} {PATIENCE} {program}"
    )))
    .context("the kernel did not come to the end of its cases")?;
    let parser = source.join("tools/testing/kunit/kunit.py");
    job.run(Step::new(cmd!(sh, "python3 {parser} parse {ktap}")))
        .context("a case failed")?;
    let ran = job.tail.iter().find_map(|line| ran(line));
    ensure!(
        ran == Some(count),
        "the kernel ran {} cases, not {count}",
        ran.map_or("no".to_owned(), |ran| ran.to_string())
    );
    Ok(Done::Passed)
}

/// `Testing complete. Ran 3 tests: passed: 3`.
fn ran(line: &str) -> Option<usize> {
    let (_, rest) = line.split_once(" Ran ")?;
    rest.split_once(" tests")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_says_how_many_cases_there_were() {
        assert_eq!(
            ran("[20:01:02] Testing complete. Ran 12 tests: passed: 12"),
            Some(12)
        );
        assert_eq!(ran("[20:01:02] Testing complete."), None);
    }

    #[test]
    fn only_files_of_cases_are_taken_out() {
        assert!(is_case("case_b1.c"));
        assert!(!is_case("core.c") && !is_case("case_b1.o"));
    }
}
