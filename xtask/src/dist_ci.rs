//! What other projects' CI takes the archive with: `ci/install.sh`, `ci/gitlab.yml`,
//! `action.yml`. What a CI runs of them is run here, line by line.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use crate::dist::Dist;
use crate::plan::{Done, Job};
use crate::step::Step;

/// `ci/install.sh` with the archive, from a URL and a folder, and with what is wrong.
pub(crate) fn install_script(job: &mut Job<'_>) -> Result<Done> {
    let dist = Dist::made(job.checkout)?;
    let sh = &job.checkout.sh;
    let folder = sh.create_temp_dir()?;
    let (into, source) = (folder.path().join("into"), dist.folder.clone());
    let (version, base) = (&dist.version, format!("file://{}", source.display()));
    job.run(
        Step::new(cmd!(sh, "sh ci/install.sh {into}"))
            .env("LASTFD_VERSION", version.clone())
            .env("LASTFD_BASE_URL", base),
    )?;
    is_installed(job, &into, version)?;
    let by_path = folder.path().join("by-path");
    let install = cmd!(sh, "sh ci/install.sh {by_path}");
    job.run(Step::new(install).env("LASTFD_BASE_URL", source.display().to_string()))?;
    is_installed(job, &by_path, version)?;

    // One byte too many, and it is refused.
    let broken = folder.path().join("broken");
    sh.create_dir(&broken)?;
    let (archive, sum) = (dist.archive(), format!("{}.tar.gz.sha256", dist.name));
    let mut bytes = sh.read_binary_file(&archive)?;
    bytes.push(0);
    sh.write_file(broken.join(format!("{}.tar.gz", dist.name)), bytes)?;
    sh.copy_file(source.join(sum), &broken)?;
    let refused = cmd!(sh, "sh ci/install.sh {into}")
        .env("LASTFD_VERSION", version)
        .env("LASTFD_BASE_URL", format!("file://{}", broken.display()))
        .ignore_status()
        .output()?;
    ensure!(
        !refused.status.success(),
        "an archive with a wrong sum was taken"
    );
    let nothing = cmd!(sh, "sh ci/install.sh {into}")
        .env("LASTFD_VERSION", "0.0.0")
        .env("LASTFD_BASE_URL", &source)
        .ignore_status()
        .output()?;
    let said = String::from_utf8_lossy(&nothing.stderr);
    ensure!(
        !nothing.status.success() && said.contains("failed to get"),
        "of a version that is not there it says '{said}'"
    );
    Ok(Done::Passed)
}

fn is_installed(job: &Job<'_>, into: &Path, version: &str) -> Result<()> {
    let installed = into.join("bin/lastfd");
    let said = cmd!(job.checkout.sh, "{installed} --version").read()?;
    ensure!(said == format!("lastfd {version}"), "it says '{said}'");
    Ok(())
}

/// The lines of the templates, in the surroundings that their CI gives them.
pub(crate) fn templates(job: &mut Job<'_>) -> Result<Done> {
    let dist = Dist::made(job.checkout)?;
    let sh = &job.checkout.sh;
    let folder = sh.create_temp_dir()?;
    let (place, here) = (folder.path(), sh.current_dir());
    let source = dist.folder.display().to_string();
    let judge = "lastfd run --device camera --unplug camera@open -- cat /dev/video0 || test $? = 1";

    let gitlab = sh.read_file("ci/gitlab.yml")?;
    let script = format!("{}\n{judge}", gitlab_script(&gitlab)?);
    let project = sh.create_dir(place.join("project"))?;
    let job_of_gitlab = cmd!(sh, "sh -ec {script}");
    job.run(
        Step::new(job_of_gitlab)
            .env("CI_PROJECT_DIR", project.display().to_string())
            .env("LASTFD_VERSION", dist.version.clone())
            .env("LASTFD_BASE_URL", source.clone()),
    )?;

    let action = sh.read_file("action.yml")?;
    let script = action_script(&action)?;
    let (path, temp) = (place.join("path"), place.join("temp"));
    let step = cmd!(sh, "sh -ec {script}");
    job.run(
        Step::new(step)
            .env("GITHUB_ACTION_PATH", here.display().to_string())
            .env("GITHUB_PATH", path.display().to_string())
            .env("RUNNER_TEMP", temp.display().to_string())
            .env("LASTFD_VERSION", dist.version.clone())
            .env("LASTFD_BASE_URL", source),
    )?;
    // The next step has what was written there in its PATH.
    let script = format!("PATH=$(cat \"$GITHUB_PATH\"):$PATH; {judge}");
    let next = cmd!(sh, "sh -ec {script}");
    job.run(Step::new(next).env("GITHUB_PATH", path.display().to_string()))?;
    Ok(Done::Passed)
}

/// What is under `before_script:`, as one script.
fn gitlab_script(template: &str) -> Result<String> {
    let (_, script) = template
        .split_once("  before_script:\n")
        .context("ci/gitlab.yml has no before_script")?;
    let lines = script.lines().map_while(|line| line.strip_prefix("    - "));
    let lines: Vec<&str> = lines.collect();
    ensure!(!lines.is_empty(), "before_script of ci/gitlab.yml is empty");
    Ok(lines.join("\n"))
}

/// What is under the first `run: |`.
fn action_script(action: &str) -> Result<String> {
    let (_, script) = action
        .split_once("      run: |\n")
        .context("action.yml runs no script")?;
    let lines = script
        .lines()
        .map_while(|line| line.strip_prefix("        "));
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_taken_out_of_a_template() {
        let gitlab = ".x:\n  before_script:\n    - one\n    - two\nother:\n";
        assert_eq!(gitlab_script(gitlab).unwrap(), "one\ntwo");
        let action = "    - name: x\n      run: |\n        one\n        two\n    - name: y\n";
        assert_eq!(action_script(action).unwrap(), "one\ntwo");
        assert!(gitlab_script("").is_err() && action_script("").is_err());
    }
}
