//! The fuzz targets, built as cargo-fuzz builds them and run for a while.
//!
//! cargo-fuzz itself is not needed: installing it costs a cold checkout half a
//! minute for five compiler flags. The folder `fuzz/` has its layout, so that
//! `cargo fuzz` works there on a nightly toolchain.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use xshell::cmd;

use crate::checkout::{on_path, stems};
use crate::plan::{Done, Job};
use crate::sanitizer;
use crate::step::Step;

/// cargo-fuzz 0.13: src/project.rs, `FuzzProject::cargo`.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Ccodegen-units=1";

/// Runs every target for its share of `seconds`.
pub(crate) fn run(job: &mut Job<'_>, seconds: u64) -> Result<Done> {
    if !on_path("c++") && !job.checkout.ci {
        return Ok(Done::Skipped(
            "no C++ compiler for libFuzzer's runtime".to_owned(),
        ));
    }
    let checkout = job.checkout;
    let sh = &checkout.sh;
    let targets = stems(&sh.read_dir("fuzz/fuzz_targets")?);
    ensure!(
        !targets.is_empty(),
        "there is no fuzz/fuzz_targets/*.rs to run"
    );
    let host = checkout.host()?;
    let built = checkout.target.join("fuzz");
    let cargo = sanitizer::cargo(checkout, "build", &built, &host).args([
        "--release",
        "--bins",
        "--manifest-path",
        "fuzz/Cargo.toml",
    ]);
    job.run(sanitizer::instrument(Step::new(cargo), COVERAGE))?;

    let each = format!("-max_total_time={}", share(seconds, targets.len()));
    for target in &targets {
        let program = built.join(&host).join("release").join(target);
        ensure!(
            program.is_file(),
            "fuzz/Cargo.toml has no [[bin]] named `{target}`"
        );
        let corpus = sh.create_dir(format!("fuzz/corpus/{target}"))?;
        let findings = sh.create_dir(format!("fuzz/artifacts/{target}"))?;
        let prefix = format!("-artifact_prefix={}/", findings.display());
        let seeds = PathBuf::from(format!("fuzz/seeds/{target}"));
        let seeds = sh.path_exists(&seeds).then_some(seeds);
        let limits = ["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"];
        job.run(Step::new(cmd!(
            sh,
            "{program} {each} {limits...} {prefix} {corpus} {seeds...}"
        )))?;
    }
    Ok(Done::Passed)
}

/// Whole seconds for one of `targets`; zero would mean without end.
fn share(seconds: u64, targets: usize) -> u64 {
    (seconds / targets.max(1) as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_share_the_time_and_none_runs_without_end() {
        assert_eq!(share(30, 4), 7);
        assert_eq!(share(3, 5), 1);
        assert_eq!(share(60, 0), 60);
    }
}
