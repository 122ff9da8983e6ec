//! The Python package: its wheel, and its tests in a fresh virtual environment.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use crate::counts::Runner;
use crate::packages::{self, PYTHON_VENV};
use crate::plan::{Done, Job};
use crate::step::{Interrupted, Step};

/// The tests of the package, and those of a program that are an example of its use.
const TESTS: [&str; 2] = ["python/tests", "examples/programs"];

/// Builds a wheel that carries `binary` into the folder `into`, installs it into a virtual
/// environment with nothing but pytest in it, and runs the tests there.
pub(crate) fn build_and_test(job: &mut Job<'_>, binary: &Path, into: &Path) -> Result<Done> {
    if let Done::Skipped(why) = packages::install(job, &[PYTHON_VENV])? {
        return Ok(Done::Skipped(why));
    }
    let sh = &job.checkout.sh;
    let folder = sh.create_temp_dir()?;
    let environment = folder.path().join("venv");
    // The system's, which is what a user has.
    job.run(Step::new(cmd!(
        sh,
        "/usr/bin/python3 -m venv {environment}"
    )))?;
    let python = environment.join("bin/python");
    let pip = ["-m", "pip", "--quiet", "--disable-pip-version-check"];

    // The first that is asked of the registry.
    let pytest = cmd!(sh, "{python} {pip...} install pytest");
    match job.run(Step::new(pytest)) {
        Ok(()) => {}
        Err(error) if error.is::<Interrupted>() => return Err(error),
        Err(error) => {
            let why = format!("pytest cannot be installed: is PyPI in reach? {error:#}");
            ensure!(!job.checkout.ci, "{why}");
            return Ok(Done::Skipped(format!("{why}; the wheel is not tested")));
        }
    }
    sh.create_dir(into)?;
    let made = sh.create_temp_dir()?;
    let made = made.path();
    let build = cmd!(
        sh,
        "{python} {pip...} wheel --no-deps --wheel-dir {made} ./python"
    );
    job.run(Step::new(build).env("LASTFD_BINARY", binary.display().to_string()))?;
    let wheel = the_wheel(&sh.read_dir(made)?)?;
    let install = cmd!(sh, "{python} {pip...} install {wheel}");
    job.run(Step::new(install))?;

    let tests = cmd!(sh, "{python} -m pytest -q -p no:cacheprovider").args(TESTS);
    // That of the wheel, and no other.
    let tests = tests.env_remove("LASTFD_BINARY");
    job.run(Step::tests(tests, Runner::Pytest))?;
    let kept = into.join(wheel.file_name().context("a wheel has a name")?);
    sh.copy_file(&wheel, &kept)?;
    let bytes = std::fs::metadata(&kept)?.len();
    println!("{}: {:.1} MB", kept.display(), bytes as f64 / 1e6);
    Ok(Done::Passed)
}

fn the_wheel(made: &[PathBuf]) -> Result<PathBuf> {
    let wheel = made
        .iter()
        .find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    Ok(wheel.context("pip made no wheel")?.clone())
}
